//! The real Socket.IO servers of `tests/interop`, as child processes.

use std::cell::RefCell;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::lines::Lines;
use super::{required_env, tests_file};

/// Node and Python are slow to start on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    /// `socket.io` of npm.
    Node,
    /// The same with connection state recovery.
    NodeWithRecovery,
    /// `Flask-SocketIO` of PyPI.
    Flask,
    /// `python-socketio` of PyPI, alone.
    Python,
}

/// How the server behaves.
pub(crate) struct InteropOptions {
    pub(crate) library: Library,
    /// 0 picks a free one.
    pub(crate) port: u16,
    /// What a client must bring as `auth.token`; `None` lets everybody in.
    pub(crate) auth_token: Option<String>,
    /// Whether events are acknowledged.
    pub(crate) acks: bool,
    /// The namespace that it lets clients into; only Node's has others than the default.
    pub(crate) namespace: &'static str,
    /// How often the server pings.
    pub(crate) ping_interval_ms: u32,
    /// How long it waits for the pong.
    pub(crate) ping_timeout_ms: u32,
}

impl Default for InteropOptions {
    fn default() -> Self {
        Self {
            library: Library::Node,
            port: 0,
            auth_token: None,
            acks: true,
            namespace: "/",
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
        }
    }
}

/// The running server; it ends with this value, and with the test process in any case.
pub(crate) struct InteropServer {
    child: Child,
    /// The end of its input ends the server; `None` once that happened.
    input: Option<ChildStdin>,
    facts: Lines,
    /// Facts that were passed over.
    passed: RefCell<Vec<Value>>,
    port: u16,
}

impl InteropServer {
    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// When `POOL_POLLER_TEST_NODE` or `POOL_POLLER_TEST_NODE_MODULES` is missing or it does not start.
    pub(crate) fn start(options: &InteropOptions) -> Self {
        let mut command = match options.library {
            Library::Node | Library::NodeWithRecovery => {
                let mut node = Command::new(required_env("POOL_POLLER_TEST_NODE"));
                node.arg(tests_file("interop/server.mjs"))
                    .args(["--namespace", options.namespace])
                    .args((options.library == Library::NodeWithRecovery).then_some("--recovery"))
                    .env("POOL_POLLER_TEST_NODE_MODULES", required_env("POOL_POLLER_TEST_NODE_MODULES"));
                node
            }
            Library::Flask | Library::Python => {
                let library = if options.library == Library::Flask { "flask-socketio" } else { "python-socketio" };
                let mut python = Command::new(required_env("POOL_POLLER_TEST_PYTHON"));
                python
                    .arg(tests_file("interop/server.py"))
                    .args(["--library", library])
                    .env("INTEROP_SCHEMAS", concat!(env!("CARGO_MANIFEST_DIR"), "/config/schema"))
                    // What a failing handler says belongs to nobody's test.
                    .stderr(if options.acks { Stdio::inherit() } else { Stdio::null() });
                python
            }
        };
        command
            .args(["--port", &options.port.to_string()])
            .args(["--mode", if options.acks { "ack" } else { "noack" }])
            .args(["--ping-interval-ms", &options.ping_interval_ms.to_string()])
            .args(["--ping-timeout-ms", &options.ping_timeout_ms.to_string()])
            .env("INTEROP_AUTH_TOKEN", options.auth_token.as_deref().unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let facts = Lines::read("a server of tests/interop", child.stdout.take().expect("its output is a pipe"));
        let input = child.stdin.take();
        let mut server = Self { child, input, facts, passed: RefCell::default(), port: options.port };
        let listening = server.wait_for("listening", START_DEADLINE);
        server.port = listening["listening"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        server
    }

    /// The port that it listens on, on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What SOCKETIO_URL must be to reach it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next fact that has the field `name`; facts before it are passed over.
    ///
    /// # Panics
    /// When none comes within `within`.
    pub(crate) fn wait_for(&self, name: &str, within: Duration) -> Value {
        let deadline = Instant::now() + within;
        loop {
            let line = self.facts.next(deadline);
            let fact: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("not a fact: {line}: {error}"));
            if fact.get(name).is_some() {
                return fact;
            }
            self.passed.borrow_mut().push(fact);
        }
    }

    /// The facts with the field `name` that were passed over until now.
    pub(crate) fn seen(&self, name: &str) -> Vec<Value> {
        self.passed.borrow().iter().filter(|fact| fact.get(name).is_some()).cloned().collect()
    }

    /// Stops the whole process where it is, as a machine that hangs does, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a process id"));
        kill(pid, if frozen { Signal::SIGSTOP } else { Signal::SIGCONT }).expect("the server is there");
    }

    /// Closes all connections and ends the server, as a deployment does.
    pub(crate) fn stop(&mut self) {
        drop(self.input.take());
        self.child.wait().expect("the server can be waited for");
    }

    /// Ends the server at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the server can be killed");
        self.stop();
    }
}

impl Drop for InteropServer {
    fn drop(&mut self) {
        drop(self.input.take());
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("a server of tests/interop: {error}");
        }
    }
}
