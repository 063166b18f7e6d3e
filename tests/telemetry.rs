//! What a line of the log looks like. Its own binary, because the panic hook belongs to the whole process.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use pool_poller::settings::LogFormat;
use pool_poller::telemetry::{Prefix, install_panic_hook, subscriber};
use serde_json::Value;
use tracing::Level;

/// Keeps what was written.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `act` logs.
fn logged(level: Level, format: LogFormat, prefix: Prefix, act: impl FnOnce()) -> Vec<String> {
    let sink = Sink::default();
    let writer = sink.clone();
    let (subscriber, _) = subscriber(level, format, prefix, move || writer.clone());
    tracing::subscriber::with_default(subscriber, act);
    let bytes = sink.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_json_line_is_one_object_with_the_fields_beside_the_name() {
    let before = Utc::now();
    let lines = logged(Level::INFO, LogFormat::Json, Prefix::None, || {
        tracing::info!(target: "pool_poller::test", players = 3, pool = "zpool", note = %"two\nlines", "polling_cycle_complete");
    });
    assert_eq!(lines.len(), 1);
    let object: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(object["level"], "INFO");
    assert_eq!(object["target"], "pool_poller::test");
    assert_eq!(object["message"], "polling_cycle_complete");
    assert_eq!(object["players"], 3);
    assert_eq!(object["pool"], "zpool");
    assert_eq!(object["note"], "two\nlines");
    let timestamp = object["timestamp"].as_str().unwrap();
    assert!(timestamp.ends_with('Z'), "{timestamp}");
    let time: DateTime<Utc> = timestamp.parse().unwrap();
    assert!(time.timestamp() >= before.timestamp() && time <= Utc::now());
}

#[test]
fn a_text_event_stays_on_one_line() {
    let lines = logged(Level::INFO, LogFormat::Text, Prefix::None, || {
        tracing::warn!(target: "pool_poller::test", error = %"first\r\nsecond", "pool_failed");
    });
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains(" WARN pool_poller::test: pool_failed error=first\\r\\nsecond"), "{}", lines[0]);
}

#[test]
fn under_systemd_each_line_carries_its_priority() {
    for format in [LogFormat::Json, LogFormat::Text] {
        let lines = logged(Level::TRACE, format, Prefix::Priority, || {
            tracing::error!(target: "pool_poller", "a");
            tracing::warn!(target: "pool_poller", "b");
            tracing::info!(target: "pool_poller", "c");
            tracing::debug!(target: "pool_poller", "d");
            tracing::trace!(target: "pool_poller", "e");
        });
        let prefixes: Vec<&str> = lines.iter().map(|line| &line[..3]).collect();
        assert_eq!(prefixes, ["<3>", "<4>", "<6>", "<7>", "<7>"]);
    }
}

#[test]
fn what_the_level_hides_is_not_written() {
    let lines = logged(Level::INFO, LogFormat::Text, Prefix::None, || {
        tracing::debug!(target: "pool_poller", "hidden");
        tracing::info!(target: "sqlx::query", "hidden");
        tracing::warn!(target: "sqlx::query", "slow_query");
    });
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("slow_query"));
}

#[test]
fn a_panic_is_one_event() {
    install_panic_hook();
    let lines = logged(Level::INFO, LogFormat::Json, Prefix::None, || {
        let caught = std::panic::catch_unwind(|| panic!("first {}\nsecond", "line"));
        assert!(caught.is_err());
    });
    let _ = std::panic::take_hook();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let object: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(object["level"], "ERROR");
    assert_eq!(object["message"], "panic");
    assert_eq!(object["reason"], "first line\nsecond");
    assert!(object["location"].as_str().unwrap().contains("telemetry.rs:"));
    assert_eq!(object["thread"], "a_panic_is_one_event");
}
