//! What is wrong with a pool file, and where: file, line and key, on one line.

use std::fmt;
use std::ops::Range;

/// A pool file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    /// The file's name, as the caller gave it.
    pub origin: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The dotted key (`paid.pointer`), or the table's name; empty where the line holds none.
    pub key: String,
    /// What is wrong and what is allowed.
    pub reason: String,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.origin, self.line)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for SpecError {}

/// A fault at a place in the text, before file and line are known.
#[derive(Debug)]
pub(super) struct Fault {
    place: Place,
    reason: String,
}

/// The place a fault is about.
#[derive(Debug)]
enum Place {
    /// The whole file.
    File,
    /// The bytes from here on.
    Offset(usize),
    /// A table by its name, however it is written; of an array of tables the one with this index.
    Table(&'static str, usize),
}

impl Fault {
    /// A fault of the text at `span`.
    pub(super) fn at(span: Range<usize>, reason: impl fmt::Display) -> Self {
        Self { place: Place::Offset(span.start), reason: reason.to_string() }
    }

    /// A fault of the table `name`; `index` counts the tables of an array. The TOML reader knows no place for a table
    /// that is written as dotted keys, so it is looked up by name.
    pub(super) fn in_table(name: &'static str, index: usize, reason: impl fmt::Display) -> Self {
        Self { place: Place::Table(name, index), reason: reason.to_string() }
    }

    /// A key that the file as a whole lacks.
    pub(super) fn missing(key: &str) -> Self {
        Self { place: Place::File, reason: format!("missing field `{key}`") }
    }

    /// The fault with its file, line and key.
    pub(super) fn locate(self, origin: &str, text: &str) -> SpecError {
        let (line, key) = match self.place {
            Place::File => (1, String::new()),
            Place::Offset(offset) => {
                let line = text.get(..offset).unwrap_or(text).matches('\n').count() + 1;
                (line, key_at(text, line))
            }
            Place::Table(name, index) => (table_line(text, name, index), name.to_owned()),
        };
        // The parser's message can be several lines long; a log line is one.
        let reason = self.reason.split_whitespace().collect::<Vec<_>>().join(" ");
        SpecError { origin: origin.to_owned(), line, key, reason }
    }
}

impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Self {
        let reason = error.message().to_owned();
        match error.span() {
            // The parser puts a key that the file as a whole lacks at its first byte.
            Some(span) if span.start > 0 || !reason.starts_with("missing field") => Self::at(span, reason),
            _ => Self { place: Place::File, reason },
        }
    }
}

/// The line where the table `name` begins: `[name]`, `[[name]]`, `name = {` or `name.key =`.
fn table_line(text: &str, name: &str, index: usize) -> usize {
    let begins = |line: &str| match line.trim().strip_prefix("[[").or_else(|| line.trim().strip_prefix('[')) {
        Some(header) => {
            let header = header.trim_end_matches(']').trim();
            header == name || header.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
        }
        None => line.trim().strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(['.', '='])),
    };
    let mut lines = text.lines().enumerate().filter(|(_, line)| begins(line));
    lines.nth(index).map_or(1, |(number, _)| number + 1)
}

/// The dotted key that line number `line` belongs to: its own or, inside a value of several lines, the one above.
fn key_at(text: &str, line: usize) -> String {
    let mut key = None;
    let above: Vec<&str> = text.lines().take(line).map(str::trim).collect();
    for line in above.iter().rev() {
        if line.starts_with('[') && line.ends_with(']') && !line.contains(['"', '=', ',']) {
            let table = line.trim_matches(['[', ']']);
            return key.map_or_else(|| table.to_owned(), |key: &str| format!("{table}.{key}"));
        }
        if key.is_none() && !line.starts_with(['#', '[', '{', '"', '\'']) {
            key = line.split_once('=').map(|(name, _)| name.trim());
        }
    }
    key.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_shown_with_file_line_and_key() {
        let text = "name = \"x\"\nurl = \"y\"\n\n[paid]\nfirst = [\n  \"/a\",\n  \"b\",\n]\n[[errors]]\npointer = \"/c\"\n";
        let shown = |piece: &str| Fault::at(text.find(piece).unwrap()..0, "is\nbad").locate("f.toml", text).to_string();
        assert_eq!(shown("name"), "f.toml:1: name: is bad");
        assert_eq!(shown("\"y\""), "f.toml:2: url: is bad");
        assert_eq!(shown("[paid]"), "f.toml:4: paid: is bad");
        assert_eq!(shown("\"b\""), "f.toml:7: paid.first: is bad");
        assert_eq!(shown("\"/c\""), "f.toml:10: errors.pointer: is bad");
        assert_eq!(Fault::in_table("errors", 0, "x").locate("f", text).to_string(), "f:9: errors: x");
        assert_eq!(Fault::in_table("paid", 0, "x").locate("f", "a = 1\npaid.sum = []").to_string(), "f:2: paid: x");
        assert_eq!(Fault::at(9_999..9_999, "x").locate("f", "").to_string(), "f:1: x");
    }
}
