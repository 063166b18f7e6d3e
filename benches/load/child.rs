//! The processes that are measured: this program again, in another role, told by a line of JSON and answering in lines of JSON.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first argument of a process in a role.
pub(crate) const ROLE: &str = "--role";

/// A process in a role. It is killed with this value.
pub(crate) struct Role {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    input: Option<ChildStdin>,
}

impl Role {
    /// Starts this program as `role`.
    pub(crate) fn start(role: &str, arguments: &impl Serialize) -> Self {
        Self::start_as(&std::env::current_exe().expect("a program"), role, arguments)
    }

    /// Starts `program`, another build of this one, as `role`.
    pub(crate) fn start_as(program: &Path, role: &str, arguments: &impl Serialize) -> Self {
        let arguments = serde_json::to_string(arguments).expect("plain data");
        let mut command = Command::new(program);
        command.args([ROLE, role]).stdin(Stdio::piped()).stdout(Stdio::piped());
        // The log is written as in a deployed daemon, and nobody reads it.
        if std::env::var_os("BENCH_LOG").is_none() {
            command.stderr(Stdio::null());
        }
        let mut child = command.spawn().expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut input = child.stdin.take().expect("a pipe");
        writeln!(input, "{arguments}").expect("it listens");
        Self { child, lines, input: Some(input) }
    }

    /// The next thing it says.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> T {
        let line = self.lines.next().expect("the process lives").expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Asks for something more.
    pub(crate) fn go_on(&mut self) {
        let input = self.input.as_mut().expect("it is not at its end");
        writeln!(input).and_then(|()| input.flush()).expect("it listens");
    }

    /// Lets it end in good order, and waits for that.
    pub(crate) fn finish(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().expect("a process").success(), "it ends well");
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What this process was told at its start.
pub(crate) fn told<T: DeserializeOwned>() -> T {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).expect("a line");
    serde_json::from_str(&line).expect("plain data")
}

/// Says something to the harness.
pub(crate) fn say(what: &impl Serialize) {
    println!("{}", serde_json::to_string(what).expect("plain data"));
}
