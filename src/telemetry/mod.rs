//! The log: one event a line on standard error, as JSON or as text.
//!
//! Promises: an event is one line whatever its fields hold, with a time in UTC; under systemd each line carries its
//! priority, so that `journalctl -p err` works; a panic is an event like any other. Leaves to others: what is logged, and
//! that no secret is among it. Records of crates that use `log` and not `tracing` are not shown.

mod json;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::panic::PanicHookInfo;

use chrono::{SecondsFormat, Utc};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Registry, registry};

use crate::settings::LogFormat;

/// The crates whose events are logged at `LOG_LEVEL` itself.
const OWN_TARGETS: [&str; 2] = ["pool_poller", "migration"];

/// The log cannot be set up, because the process already has one.
#[derive(Debug, thiserror::Error)]
#[error("the log is already set up")]
pub struct TelemetryError(#[from] TryInitError);

/// Sets up the log of the process on standard error, and makes every panic an event of it.
///
/// # Errors
/// When the process already has a log.
pub fn init(level: Level, format: LogFormat) -> Result<LevelSwitch, TelemetryError> {
    let prefix = if stderr_is_the_journal() { Prefix::Priority } else { Prefix::None };
    let (subscriber, switch) = subscriber(level, format, prefix, io::stderr);
    subscriber.try_init()?;
    install_panic_hook();
    Ok(switch)
}

/// Changes the level of a log that is running.
#[derive(Debug, Clone)]
pub struct LevelSwitch(reload::Handle<Targets, Registry>);

impl LevelSwitch {
    /// From here on, `level` is the least important one that is logged.
    pub fn set(&self, level: Level) {
        // It fails only when the log is gone, and then there is nothing to change.
        let _ = self.0.reload(filter(level));
    }
}

/// What a line on standard error begins with that is an error and no event: under systemd its priority, or else the journal
/// would have it for information.
#[must_use]
pub fn error_prefix() -> &'static str {
    if stderr_is_the_journal() { "<3>" } else { "" }
}

/// What each line begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// Nothing.
    None,
    /// `<3>` to `<7>`, which systemd takes off and keeps as the line's priority.
    Priority,
}

/// The subscriber that [`init`] sets up, writing anywhere, and what changes its level.
pub fn subscriber<M>(
    level: Level,
    format: LogFormat,
    prefix: Prefix,
    writer: M,
) -> (impl Subscriber + Send + Sync + use<M>, LevelSwitch)
where
    M: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(Lines { inner: writer, prefix })
        .with_timer(UtcTime)
        .with_ansi(false)
        // Its report of a failed write goes to standard error too, and panics when that is closed.
        .log_internal_errors(false);
    let layer = match format {
        LogFormat::Json => layer.event_format(json::JsonLine).boxed(),
        LogFormat::Text => layer.boxed(),
    };
    let (filter, handle) = reload::Layer::new(filter(level));
    (registry().with(filter).with(layer), LevelSwitch(handle))
}

/// Our own crates at the level asked for, all others (the database driver, the HTTP client …) at a level less talkative.
fn filter(level: Level) -> Targets {
    let others = match level {
        Level::TRACE => LevelFilter::DEBUG,
        Level::DEBUG => LevelFilter::INFO,
        Level::ERROR => LevelFilter::ERROR,
        _ => LevelFilter::WARN,
    };
    Targets::new()
        .with_default(others)
        // It calls an error what a pool did, names no pool, and answers with an error that is logged with its pool.
        .with_target("actix_http", others.min(if level == Level::TRACE { LevelFilter::DEBUG } else { LevelFilter::OFF }))
        .with_targets(OWN_TARGETS.map(|target| (target, level)))
}

/// Replaces the print of a panic on standard error by an event: one line, in the log's own form.
///
/// A backtrace is added when `RUST_BACKTRACE` asks for one.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(log_panic));
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let reason = info.payload_as_str().unwrap_or("a value that is not text");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(reason, location, thread, %backtrace, "panic");
    } else {
        tracing::error!(reason, location, thread, "panic");
    }
}

/// The time of an event: UTC, RFC 3339, microseconds.
struct UtcTime;

impl FormatTime for UtcTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

/// Makes writers that keep an event on one line.
struct Lines<M> {
    inner: M,
    prefix: Prefix,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Lines<M> {
    type Writer = LineWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter { inner: self.inner.make_writer(), prefix: "" }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        let prefix = match self.prefix {
            Prefix::None => "",
            Prefix::Priority => priority(*metadata.level()),
        };
        LineWriter { inner: self.inner.make_writer_for(metadata), prefix }
    }
}

/// The priorities of syslog as systemd reads them at the beginning of a line.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}

/// Writes each buffer it is given, which is one event, as one line and in one piece.
struct LineWriter<W> {
    inner: W,
    prefix: &'static str,
}

impl<W: Write> Write for LineWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let body = event.strip_suffix(b"\n").unwrap_or(event);
        let mut line = Vec::with_capacity(self.prefix.len() + event.len() + 1);
        line.extend_from_slice(self.prefix.as_bytes());
        for byte in body {
            match byte {
                b'\n' => line.extend_from_slice(b"\\n"),
                b'\r' => line.extend_from_slice(b"\\r"),
                byte => line.push(*byte),
            }
        }
        line.push(b'\n');
        self.inner.write_all(&line)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Whether standard error leads to systemd's journal. `JOURNAL_STREAM` alone does not say so: a child whose output was
/// redirected inherits it.
fn stderr_is_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    std::fs::metadata("/proc/self/fd/2").is_ok_and(|metadata| is_stream(&stream, &metadata))
}

/// Whether `DEVICE:INODE` names this file.
fn is_stream(stream: &str, metadata: &std::fs::Metadata) -> bool {
    stream
        .split_once(':')
        .is_some_and(|(device, inode)| device.parse() == Ok(metadata.dev()) && inode.parse() == Ok(metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_known_by_device_and_inode() {
        let metadata = tempfile::tempfile().unwrap().metadata().unwrap();
        let (device, inode) = (metadata.dev(), metadata.ino());
        assert!(is_stream(&format!("{device}:{inode}"), &metadata));
        for other in [format!("{device}:{}", inode + 1), format!("{}:{inode}", device + 1), inode.to_string(), String::new()] {
            assert!(!is_stream(&other, &metadata), "{other}");
        }
    }

    #[test]
    fn other_crates_talk_less() {
        let allows = |level: Level, target: &str, event: Level| filter(level).would_enable(target, &event);
        for (level, own, others) in [
            (Level::ERROR, Level::ERROR, Level::ERROR),
            (Level::WARN, Level::WARN, Level::WARN),
            (Level::INFO, Level::INFO, Level::WARN),
            (Level::DEBUG, Level::DEBUG, Level::INFO),
            (Level::TRACE, Level::TRACE, Level::DEBUG),
        ] {
            for event in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
                assert_eq!(allows(level, "pool_poller::actors::pool", event), event <= own, "{level} {event}");
                assert_eq!(allows(level, "sqlx::query", event), event <= others, "{level} {event}");
                let of_http = level == Level::TRACE && event <= Level::DEBUG;
                assert_eq!(allows(level, "actix_http::h1::decoder", event), of_http, "{level} {event}");
            }
        }
    }
}
