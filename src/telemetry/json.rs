//! An event as one line of JSON: time, level, target and message first, the fields beside them.
//!
//! The fields named in [`STRUCTURED`] hold JSON already and appear as such, so that `jq .metrics.ledger.awards` works. Numbers
//! in them keep their digits.

use std::fmt;

use chrono::{SecondsFormat, Utc};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// Fields whose text is JSON.
const STRUCTURED: [&str; 3] = ["metrics", "pools_detail", "failures"];

/// Formats events as lines of JSON.
pub(super) struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Line(Vec::new());
        let metadata = event.metadata();
        line.put("timestamp", Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true));
        line.put("level", metadata.level().as_str());
        line.put("target", metadata.target());
        event.record(&mut line);
        for (index, (name, value)) in line.0.iter().enumerate() {
            let opening = if index == 0 { '{' } else { ',' };
            write!(writer, "{opening}{}:{value}", Value::from(*name))?;
        }
        writeln!(writer, "}}")
    }
}

/// The members in the order in which they are written.
struct Line(Vec<(&'static str, Value)>);

impl Line {
    fn put(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push((name, value.into()));
    }

    /// A text, or what it says where it is JSON.
    fn put_text(&mut self, field: &Field, text: String) {
        let structured = STRUCTURED.contains(&field.name()).then(|| serde_json::from_str::<Value>(&text).ok()).flatten();
        self.put(field.name(), structured.unwrap_or(Value::String(text)));
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value.to_owned());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }
}
