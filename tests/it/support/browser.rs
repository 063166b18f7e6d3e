//! A real headless Chromium, driven by `tests/interop/browser.mjs`, as a child process.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::lines::Lines;
use super::{required_env, tests_file};

/// Above the time that the driver itself waits for something to appear; Chromium is slow to start on a busy machine.
const ANSWER_DEADLINE: Duration = Duration::from_secs(90);

/// The running browser with one page; it ends with this value, and with the test process in any case.
pub(crate) struct Browser {
    child: Child,
    input: Option<ChildStdin>,
    answers: Lines,
}

impl Browser {
    /// Starts it.
    ///
    /// # Panics
    /// When what `tests/run` provides is missing or it does not start.
    pub(crate) fn start() -> Self {
        let mut command = Command::new(required_env("POOL_POLLER_TEST_NODE"));
        command
            .arg(tests_file("interop/browser.mjs"))
            .env("POOL_POLLER_TEST_NODE_MODULES", required_env("POOL_POLLER_TEST_NODE_MODULES"))
            .env("POOL_POLLER_TEST_CHROMIUM", required_env("POOL_POLLER_TEST_CHROMIUM"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("node starts");
        let answers = Lines::read("tests/interop/browser.mjs", child.stdout.take().expect("its output is a pipe"));
        let input = child.stdin.take();
        Self { child, input, answers }
    }

    /// Asks for something and waits for its answer.
    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.input.as_mut().expect("an input"), "{command}").expect("it reads");
        let answer = self.answers.next(Instant::now() + ANSWER_DEADLINE);
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("not an answer: {answer}: {error}"));
        if let Some(failed) = answer["failed"].as_str() {
            panic!("{failed}\nthe page:\n{}", answer["page"].as_str().unwrap_or_default());
        }
        answer
    }

    /// Navigates.
    pub(crate) fn open(&mut self, url: &str) {
        self.ask(&json!({ "open": url }));
    }

    /// Waits until an element that matches `selector` and can be seen has `text`. Answers all that it has.
    pub(crate) fn wait(&mut self, selector: &str, text: &str) -> String {
        self.ask(&json!({ "wait": selector, "text": text }))["text"].as_str().expect("a text").to_owned()
    }

    /// Waits until no such element has `text`.
    pub(crate) fn wait_gone(&mut self, selector: &str, text: &str) {
        self.ask(&json!({ "gone": selector, "text": text }));
    }

    /// The width of a window of that size, and that of what is in it.
    pub(crate) fn widths(&mut self, width: u32, height: u32) -> (u64, u64) {
        let widths = self.ask(&json!({ "fits": [width, height] }));
        (widths["width"].as_u64().expect("a width"), widths["content"].as_u64().expect("a width"))
    }

    /// What could send or change anything, and where links lead.
    pub(crate) fn controls(&mut self) -> Value {
        self.ask(&json!({ "controls": true }))
    }

    /// What happened in it since the last time.
    pub(crate) fn facts(&mut self) -> Value {
        self.ask(&json!({ "facts": true }))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its input ends it, and Chromium with it.
        drop(self.input.take());
        if let Err(error) = self.child.wait() {
            eprintln!("the browser: {error}");
        }
    }
}
