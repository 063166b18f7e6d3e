//! Reading a `.env` file without touching the environment of the process.
//!
//! Promises: values are literal, `$` is an ordinary character; of a name given twice the last value counts, as in the
//! original service and in systemd; an error names the line and never shows its text, which may hold a password.

use std::cell::Cell;
use std::io::{self, Read};

use super::error::{Origin, SettingsError};

/// Stands for `$` while the file is parsed: dotenvy would put other variables' values in its place, and a password that
/// holds one would silently become another. It is a noncharacter, which no text may contain.
const DOLLAR: char = '\u{FDD0}';

/// The names and values in the text of a `.env` file, in their order.
pub(super) fn parse(text: &str, origin: &Origin) -> Result<Vec<(String, String)>, SettingsError> {
    let malformed =
        |line: usize, reason: &str| SettingsError::Malformed { origin: origin.clone(), line, reason: reason.to_owned() };
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if let Some(at) = text.find(DOLLAR) {
        return Err(malformed(text[..at].lines().count(), "the character U+FDD0 is not allowed"));
    }
    // Without a last line end dotenvy takes white space at the end of the file for an unfinished value.
    let text = format!("{}\n", text.replace('$', &DOLLAR.to_string()));
    let lines_read = Cell::new(0);
    let reader = LineReader { rest: text.as_bytes(), lines_read: &lines_read };
    let mut pairs = Vec::new();
    for item in dotenvy::from_read_iter(reader) {
        match item {
            Ok((name, value)) => pairs.push((name, value.replace(DOLLAR, "$"))),
            Err(error) => return Err(malformed(first_line_of_fault(&error, lines_read.get()), MALFORMED)),
        }
    }
    Ok(pairs)
}

/// What a line must look like.
const MALFORMED: &str = "it must be NAME=VALUE; a value with spaces, quotes or backslashes stands in 'single quotes'";

/// Where the faulty entry begins, if reading stopped after `lines_read` lines: a quote that is never closed takes in the
/// rest of the file, and the line to look at is the one where it opens.
fn first_line_of_fault(error: &dotenvy::Error, lines_read: usize) -> usize {
    let lines_of_entry = match error {
        dotenvy::Error::LineParse(entry, _) => entry.lines().count().max(1),
        _ => 1,
    };
    (lines_read + 1).saturating_sub(lines_of_entry)
}

/// Hands out one line at a time and counts them, which is the only way to learn how far dotenvy has read.
struct LineReader<'a> {
    rest: &'a [u8],
    lines_read: &'a Cell<usize>,
}

impl Read for LineReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line_end = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |at| at + 1);
        let length = line_end.min(buffer.len());
        let (taken, rest) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(taken);
        self.rest = rest;
        if taken.ends_with(b"\n") {
            self.lines_read.set(self.lines_read.get() + 1);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        parse(text, &Origin::DotEnv(PathBuf::from(".env"))).map_err(|error| error.to_string())
    }

    fn one(text: &str) -> String {
        let pairs = read(text).unwrap();
        assert_eq!(pairs.len(), 1, "{text}");
        pairs[0].1.clone()
    }

    #[test]
    fn values_are_literal() {
        for (line, value) in [
            ("A=1", "1"),
            ("A=0.0001", "0.0001"),
            ("A=pa$HOME$$", "pa$HOME$$"),
            ("A=\"pa${HOME}\"", "pa${HOME}"),
            ("A='pa\\$s # x'", "pa\\$s # x"),
            ("A=", ""),
            ("A=1 # one", "1"),
            ("A=a#b", "a#b"),
            ("export A=1", "1"),
            ("\u{FEFF}A=1", "1"),
            ("A=1\r\n", "1"),
            ("A=1  ", "1"),
            ("# c\n\nA=1", "1"),
            ("A=\"x\ny\"", "x\ny"),
        ] {
            assert_eq!(one(line), value, "{line:?}");
        }
    }

    #[test]
    fn a_fault_is_shown_by_its_line_and_not_by_its_text() {
        for (text, line) in [
            ("A=1\nB hunter2\nC=3", 2),
            ("# c\n\nA=1\nB=hunter2 x", 4),
            ("A=1\nB='hunter2\nC=3\nD=4", 2),
            ("A=\"x\ny\"\nhunter2", 3),
            ("A=1\n1A=hunter2\n", 2),
            ("A=1\nB=hunter2\\q", 2),
            ("A=1\nB=hunter2\u{FDD0}", 2),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(&format!(".env line {line}: ")), "{text:?}: {error}");
            assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
        }
    }
}
