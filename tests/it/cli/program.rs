//! The program as a child process, in a place of its own.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::lines::Lines;

/// Far more than anything here takes: it only keeps a program that hangs from hanging the tests.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(10);
/// Read by default where it is there; the tests want nothing of it.
const SYSTEM_CONFIG: &str = "/etc/pool-poller/config.toml";

/// A working directory and an environment.
pub(super) struct Place {
    directory: TempDir,
    environment: Vec<(OsString, OsString)>,
}

impl Place {
    /// Nothing configured.
    pub(super) fn new() -> Self {
        let place = Self { directory: TempDir::new().expect("a temporary directory"), environment: Vec::new() };
        place.env("RUST_BACKTRACE", "1")
    }

    /// With one more variable.
    pub(super) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// A file in the working directory, with the directories above it.
    pub(super) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("a directory");
        fs::write(&path, text).expect("a file");
        path
    }

    /// The working directory.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The names in the working directory, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).expect("a directory");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The program with `arguments`, not started yet.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pool-poller"));
        command.current_dir(self.path()).env_clear().stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if Path::new(SYSTEM_CONFIG).exists() && !arguments.contains(&"--config") {
            command.arg("--config").arg("/dev/null");
        }
        command.args(arguments);
        command
    }

    /// Runs the program to its end.
    pub(super) fn run(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let read = |mut output: Box<dyn Read + Send>| {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                output.read_to_end(&mut bytes).expect("a pipe");
                String::from_utf8(bytes).expect("the program writes UTF-8")
            })
        };
        let stdout = read(Box::new(child.stdout.take().expect("a pipe")));
        let stderr = read(Box::new(child.stderr.take().expect("a pipe")));
        let status = wait(&mut child);
        let (stdout, stderr) = (stdout.join().expect("a reader"), stderr.join().expect("a reader"));
        Outcome { status, stdout, stderr, what: format!("{arguments:?}") }
    }

    /// Starts the daemon.
    pub(super) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let lines = Lines::read("pool-poller", child.stderr.take().expect("a pipe"));
        Running { child, lines, seen: Vec::new() }
    }
}

/// Waits for the end of a child, which must come in time.
pub(super) fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().expect("a child");
            child.wait().expect("a child");
            panic!("the program did not end in time");
        }
        thread::sleep(LOOK);
    }
}

/// How the program ended.
pub(super) struct Outcome {
    status: ExitStatus,
    /// Standard output.
    pub(super) stdout: String,
    /// Standard error.
    pub(super) stderr: String,
    what: String,
}

impl Outcome {
    /// The exit code.
    pub(super) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("{}: ended by {}", self.what, self.status))
    }

    /// The output of a command that did its work and had nothing to complain of.
    pub(super) fn succeeded(&self) -> &str {
        assert_eq!((self.code(), self.stderr.as_str()), (0, ""), "{}", self.what);
        &self.stdout
    }

    /// The one line of a program that refuses to start with what it was given: exit code 78.
    pub(super) fn refused(&self) -> &str {
        self.ended_with(78)
    }

    /// The one line of a command that could not do its work: exit code 1.
    pub(super) fn failed(&self) -> &str {
        self.ended_with(1)
    }

    fn ended_with(&self, code: i32) -> &str {
        assert_eq!(self.code(), code, "{}: {}{}", self.what, self.stdout, self.stderr);
        let lines: Vec<&str> = self.stderr.lines().collect();
        let [line] = lines[..] else { panic!("{}: not one line: {}", self.what, self.stderr) };
        assert!(self.stderr.ends_with('\n') && self.stdout.is_empty(), "{}: {}", self.what, self.stdout);
        assert!(!line.contains("panicked") && !line.contains("backtrace") && !line.contains(".rs:"), "{line}");
        line.strip_prefix("pool-poller: ").unwrap_or_else(|| panic!("{}: {line}", self.what))
    }
}

/// The running daemon; it is killed with this value.
pub(super) struct Running {
    child: Child,
    lines: Lines,
    seen: Vec<String>,
}

impl Running {
    /// The next event of the log with this name; the lines before it are passed over. The log must be JSON.
    pub(super) fn event(&mut self, name: &str) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let line = self.lines.next(deadline);
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("not an event: {line}: {error}"));
            self.seen.push(line);
            if event["message"] == name {
                return event;
            }
        }
    }

    /// The next line of the log that contains `text`.
    pub(super) fn line(&mut self, text: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let line = self.lines.next(deadline);
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Every line that was read until now.
    pub(super) fn seen(&self) -> String {
        self.seen.join("\n")
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a process id"));
        kill(pid, signal).expect("it still runs");
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Waits until it has ended.
    pub(super) fn ended(&mut self) -> ExitStatus {
        let status = wait(&mut self.child);
        self.seen.extend(self.lines.rest());
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already needs nothing more.
        if self.child.kill().is_ok() {
            let _ = self.child.wait();
        }
    }
}
