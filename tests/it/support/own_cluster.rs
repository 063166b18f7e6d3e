//! A PostgreSQL server of one test's own, for tests that stop it and start it again.
//!
//! `tests/pg-cluster` does the work. It is held by a pipe, so the server ends with the test process, however that ends.
//! All calls block until they are done: a second or two for a start.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use url::Url;

use super::lines::Lines;
use super::{required_env, tests_file};

/// Far more than any answer takes: it only keeps a broken machine from hanging the tests.
const ANSWER_DEADLINE: Duration = Duration::from_secs(120);

/// The server; its data directory is removed with this value.
pub(crate) struct OwnCluster {
    child: Child,
    /// `None` only while this value is being dropped.
    commands: Option<ChildStdin>,
    answers: Lines,
    url: String,
    port: u16,
}

impl OwnCluster {
    /// Creates a cluster and starts it on `port` of 127.0.0.1; 0 picks a free one.
    ///
    /// # Panics
    /// When `POOL_POLLER_TEST_PG_BIN` is missing or the server does not start.
    pub(crate) fn start(port: u16) -> Self {
        Self::create(port, &[])
    }

    fn create(port: u16, environment: &[(&str, String)]) -> Self {
        let mut child = Command::new(tests_file("pg-cluster"))
            .arg(required_env("POOL_POLLER_TEST_PG_BIN"))
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What ends the test's process group must leave it the time to clean up.
            .process_group(0)
            .spawn()
            .expect("tests/pg-cluster starts");
        let answers = Lines::read("tests/pg-cluster", child.stdout.take().expect("its output is a pipe"));
        let commands = child.stdin.take();
        let mut cluster = Self { child, commands, answers, url: String::new(), port };
        cluster.answer("created");
        cluster.start_on_its_port();
        cluster
    }

    /// The superuser's URL of the maintenance database. It stays the same over a restart.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The port that it listens on, or listened on before it was stopped.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server as a crash does: sessions are cut, nothing is flushed, the next start recovers.
    pub(crate) fn stop_immediate(&mut self) {
        self.command("stop immediate");
        self.answer("stopped");
    }

    /// Ends the server as an operator's restart does: sessions are cut, and everything is written out first.
    pub(crate) fn stop_fast(&mut self) {
        self.command("stop fast");
        self.answer("stopped");
    }

    /// Starts it again on the same port and with the same data, after an orderly stop where it still runs.
    pub(crate) fn restart(&mut self) {
        self.stop_fast();
        self.start_on_its_port();
    }

    fn start_on_its_port(&mut self) {
        self.command(&format!("start {}", self.port));
        self.url = self.answer("ready");
        self.port = Url::parse(&self.url).ok().and_then(|url| url.port()).expect("the URL of a server names its port");
    }

    fn command(&mut self, line: &str) {
        let commands = self.commands.as_mut().expect("it is there until the drop");
        writeln!(commands, "{line}").expect("tests/pg-cluster reads its commands");
    }

    /// The rest of the next answer, which must begin with `expected`.
    fn answer(&self, expected: &str) -> String {
        let line = self.answers.next(Instant::now() + ANSWER_DEADLINE);
        match line.strip_prefix(expected) {
            Some(rest) => rest.trim_start().to_owned(),
            None => panic!("tests/pg-cluster: {line}"),
        }
    }
}

#[allow(dead_code, reason = "only the crash tests fill disks")]
impl OwnCluster {
    /// The same on a disk of its own of `mib` MiB, which [`OwnCluster::fill_disk`] fills. A fresh server needs about 50.
    ///
    /// # Panics
    /// Also where this user may not mount a file system, not even in a namespace.
    pub(crate) fn start_on_own_disk(mib: u32) -> Self {
        Self::create(0, &[("POOL_POLLER_TEST_PG_DISK_MIB", mib.to_string())])
    }

    /// Leaves no room on its own disk.
    pub(crate) fn fill_disk(&mut self) {
        self.command("fill");
        self.answer("filled");
    }

    /// Makes room again, and starts the server where it has not lived through it.
    pub(crate) fn free_disk(&mut self) {
        self.command("free");
        if self.answer("freed") == "ended" {
            self.restart();
        }
    }
}

impl Drop for OwnCluster {
    fn drop(&mut self) {
        // The end of its input is its order to clean up.
        drop(self.commands.take());
        if let Err(error) = self.child.wait() {
            eprintln!("tests/pg-cluster: {error}");
        }
    }
}
