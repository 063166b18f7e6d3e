//! Reads a child process line by line, each line within a deadline: a silent child fails its test instead of hanging it.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

/// The lines of a child's output, read by a thread of its own that ends with the output.
pub(crate) struct Lines {
    /// Whose lines these are, for messages.
    source: &'static str,
    received: Receiver<String>,
}

impl Lines {
    /// Starts reading `output`.
    pub(crate) fn read(source: &'static str, output: impl Read + Send + 'static) -> Self {
        let (sender, received) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { source, received }
    }

    /// The next line.
    ///
    /// # Panics
    /// When there is none until `deadline`, or the output ended.
    pub(crate) fn next(&self, deadline: Instant) -> String {
        match self.received.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("{}: no further line came in time", self.source),
            Err(RecvTimeoutError::Disconnected) => panic!("{}: its output ended", self.source),
        }
    }

    /// The lines up to the end of the output, of a child that has ended.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.received.iter().collect()
    }
}
