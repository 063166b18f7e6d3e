//! The real program as a child process: its log read line by line, its signals, its end.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{DEADLINE, eventually};

/// How many lines of the log a failed test shows.
const LINES_SHOWN: usize = 40;

/// How long the program of a failed test is given to answer a signal.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// A child's output, gathered by a thread of its own.
#[derive(Default)]
struct Gathered {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Gathered {
    fn read(output: impl Read + Send + 'static) -> (Arc<Self>, JoinHandle<()>) {
        let gathered = Arc::new(Self::default());
        let writer = Arc::clone(&gathered);
        let thread = thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n') {
                let Ok(line) = line else { break };
                writer.lock().lines.push(String::from_utf8_lossy(&line).into_owned());
                writer.changed.notify_all();
            }
            writer.lock().ended = true;
            writer.changed.notify_all();
        });
        (gathered, thread)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// The first line from `from` on that `find` accepts, or `None` when the output ended or the time is over before one came.
    fn wait<T>(&self, within: Duration, mut find: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + within;
        let mut state = self.lock();
        let mut looked_at = 0;
        loop {
            if let Some(found) = state.lines[looked_at..].iter().find_map(|line| find(line)) {
                return Some(found);
            }
            looked_at = state.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A running program. It is killed with this value.
pub(crate) struct Daemon {
    child: Child,
    log: Arc<Gathered>,
    output: Arc<Gathered>,
    readers: Vec<JoinHandle<()>>,
}

impl Daemon {
    /// Starts it.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (log, log_reader) = Gathered::read(child.stderr.take().expect("its log is a pipe"));
        let (output, output_reader) = Gathered::read(child.stdout.take().expect("its output is a pipe"));
        Self { child, log, output, readers: vec![log_reader, output_reader] }
    }

    /// Every event logged until now; a line that is no event becomes a JSON string.
    pub(crate) fn logged(&self) -> Vec<Value> {
        self.log.lines().iter().map(|line| event(line)).collect()
    }

    /// How often `message` was logged until now.
    pub(crate) fn count(&self, message: &str) -> usize {
        self.logged().iter().filter(|event| event["message"] == message).count()
    }

    /// The first event `message` that satisfies `wanted`, be it logged already or later.
    pub(crate) fn wait_for_event(&self, message: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found =
            self.log.wait(DEADLINE, |line| Some(event(line)).filter(|event| event["message"] == message && wanted(event)));
        found.unwrap_or_else(|| panic!("the event {message} was not logged"))
    }

    /// The first event `message`, be it logged already or later.
    pub(crate) fn wait_for(&self, message: &str) -> Value {
        self.wait_for_event(message, |_| true)
    }

    /// Waits until `count` more cycles are complete. With two or more, at least one has begun after the call.
    ///
    /// A cycle that a pool sits out, busy with the one before, is complete at once and brings nothing: it is not counted.
    pub(crate) fn cycles(&self, count: usize) {
        let number = |event: &Value| event["cycle"].as_u64().unwrap_or(0);
        let logged = self.logged();
        let newest = logged.iter().filter(|event| event["message"] == "polling_cycle_complete").map(number).max().unwrap_or(0);
        let (mut sat_out, mut complete) = (HashSet::new(), 0);
        let done = self.log.wait(DEADLINE, |line| {
            let event = event(line);
            if event["message"] == "poll_skipped" && event["reason"] == "busy" {
                sat_out.insert(number(&event));
            } else if event["message"] == "polling_cycle_complete" {
                complete += usize::from(number(&event) > newest && !sat_out.contains(&number(&event)));
            }
            (complete >= count).then_some(())
        });
        assert!(done.is_some(), "{complete} of {count} cycles were complete");
    }

    /// The first line of standard output that satisfies `wanted`, be it there already or later.
    pub(crate) fn wait_for_output(&self, wanted: impl Fn(&str) -> bool) -> String {
        let found = self.output.wait(DEADLINE, |line| wanted(line).then(|| line.to_owned()));
        found.unwrap_or_else(|| panic!("the line was not printed"))
    }

    /// Standard output until now.
    pub(crate) fn printed(&self) -> String {
        self.output.lines().join("\n")
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a process id"));
        kill(pid, signal).expect("the program is there");
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A figure of its memory by the name that the kernel gives it, in KiB.
    pub(crate) fn memory_kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a figure");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }

    /// How many files and sockets it has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("a process").count()
    }

    /// Whether it has not ended.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("the program can be waited for").is_none()
    }

    /// Waits for its end; afterwards everything that it wrote has been read.
    pub(crate) fn wait_exit(&mut self, within: Duration) -> ExitStatus {
        let status = eventually("the program ends", within, || self.child.try_wait().expect("it can be waited for"));
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader without a panic");
        }
        status
    }

    /// Ends it as power loss does.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.wait_exit(DEADLINE);
    }

    /// Ends it as systemd does, and checks that it ended well and said so last.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.wait_exit(DEADLINE);
        assert_eq!(status.code(), Some(0), "after SIGTERM");
        let last = self.logged().pop().unwrap_or_default();
        assert_eq!(last["message"], "stopped", "the last event");
    }
}

/// What the kernel knows of a process that did not do what it should: its signals, and where its threads are.
fn state_of(pid: u32) -> String {
    let read = |path: String| std::fs::read_to_string(path).unwrap_or_default();
    let status = read(format!("/proc/{pid}/status"));
    let signals = status.lines().filter(|line| ["State", "Sig", "ShdPnd"].iter().any(|name| line.starts_with(name)));
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten().map(|task| {
        let [name, waits_in, call] = ["comm", "wchan", "syscall"].map(|file| read(task.path().join(file).display().to_string()));
        format!("{} waits in {} call {}", name.trim(), waits_in.trim(), call.split(' ').next().unwrap_or_default().trim())
    });
    signals.map(str::to_owned).chain(threads).collect::<Vec<_>>().join("\n    ")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("    {}", state_of(self.pid()));
            // Whether it listens now: then the first one was lost, and else its main task hangs.
            for (signal, answer) in [(Signal::SIGUSR1, "metrics_dump"), (Signal::SIGTERM, "stopping")] {
                let (before, mut now) = (self.count(answer), 0);
                let sent = kill(Pid::from_raw(self.pid().cast_signed()), signal);
                let answered = self.log.wait(ANSWER_TIME, |line| {
                    now += usize::from(event(line)["message"] == answer);
                    (now > before).then_some(())
                });
                eprintln!("    {signal} now: {sent:?}, {answer} logged: {}", answered.is_some());
            }
            for line in self.log.lines().iter().filter(|line| event(line).is_string()) {
                eprintln!("    no event: {line}");
            }
        }
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("the program: {error}");
        }
        for reader in self.readers.drain(..) {
            // Its panic has been printed.
            let _ = reader.join();
        }
        if thread::panicking() {
            let (printed, logged) = (self.output.lines(), self.log.lines());
            for line in printed.iter().chain(logged.iter().skip(logged.len().saturating_sub(LINES_SHOWN))) {
                eprintln!("    {line}");
            }
        }
    }
}

fn event(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|_| Value::from(line))
}
