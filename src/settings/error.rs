//! Why settings cannot be used: one line that an operator can act on.
//!
//! Promises: an error names the variable or the file and line, where the value came from and what is allowed; it never
//! holds a secret, because values are masked before they get in here.

use std::fmt;
use std::path::PathBuf;

use super::keys::{self, Shown};
use super::redact::redact_url;

/// The exit code of a process that was not configured well (`EX_CONFIG` of sysexits).
pub const EXIT_CONFIG: u8 = 78;
/// The longest value that an error shows, in characters.
const SHOWN_CHARS_MAX: usize = 100;

/// Which layer a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `config/default.toml`, compiled in.
    Default,
    /// A TOML file.
    File(PathBuf),
    /// `.env` in the working directory.
    DotEnv(PathBuf),
    /// The environment of the process.
    Environment,
    /// A file of its own, which another setting names.
    ValueFile {
        /// That setting.
        variable: String,
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in default"),
            Self::File(path) | Self::DotEnv(path) => path.display().fmt(f),
            Self::Environment => f.write_str("environment"),
            Self::ValueFile { variable, path } => write!(f, "{variable}={}", path.display()),
        }
    }
}

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A value that is not allowed. `value` is quoted and already masked.
    #[error("{name} is {value} ({origin}): it must be {allowed}")]
    Invalid {
        /// The variable.
        name: String,
        /// What was given, in quotes, without any secret.
        value: String,
        /// Where it was given.
        origin: Origin,
        /// What would be right.
        allowed: String,
    },
    /// A key in a TOML file that means nothing; most likely a slip of the pen.
    #[error("unknown setting {key:?} in {origin}{hint}", hint = .hint.as_deref().map(|hint| format!(": {hint}")).unwrap_or_default())]
    UnknownKey {
        /// The key as it stands in the file.
        key: String,
        /// The file.
        origin: Origin,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// A file whose form is wrong.
    #[error("{origin} line {line}: {reason}")]
    Malformed {
        /// The file.
        origin: Origin,
        /// The line where it goes wrong, from 1.
        line: usize,
        /// What is wrong with it, without the line's text, which may hold a secret.
        reason: String,
    },
    /// A file that cannot be read, or was asked for and is not there.
    #[error("{origin} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        origin: Origin,
        /// What the system said.
        reason: String,
    },
    /// A file that should hold one setting's value cannot be used. What it holds is not shown.
    #[error("{variable} names {}, which {reason}", .path.display())]
    ValueFile {
        /// The setting that names it.
        variable: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A value and the file that should hold it, in one layer: which one counts is unclear.
    #[error("{name} and {name}{suffix} are both set ({origin}): leave one of them out", suffix = keys::FILE_SUFFIX)]
    GivenTwice {
        /// The setting.
        name: String,
        /// The layer.
        origin: Origin,
    },
    /// The layers could not be put together; a fault of this program.
    #[error("the settings cannot be merged: {reason}")]
    Merge {
        /// What went wrong.
        reason: String,
    },
}

impl SettingsError {
    /// The error's label.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid",
            Self::UnknownKey { .. } => "unknown_key",
            Self::Malformed { .. } => "malformed",
            Self::Unreadable { .. } => "unreadable",
            Self::ValueFile { .. } => "value_file",
            Self::GivenTwice { .. } => "given_twice",
            Self::Merge { .. } => "merge",
        }
    }

    /// The error about the value `text` of the setting `name`, masked as the setting demands.
    pub(super) fn invalid(name: &str, text: &str, origin: &Origin, allowed: impl Into<String>) -> Self {
        let value = match mask(name, text) {
            hidden if hidden == HIDDEN => hidden,
            shown => format!("{:?}", shorten(&shown)),
        };
        Self::Invalid { name: name.to_owned(), value, origin: origin.clone(), allowed: allowed.into() }
    }
}

/// What stands in place of a secret.
pub(super) const HIDDEN: &str = "***";

/// The value of a setting as it may be shown.
pub(super) fn mask(name: &str, text: &str) -> String {
    match keys::shown(name) {
        Shown::Plainly => text.to_owned(),
        _ if text.is_empty() => String::new(),
        Shown::Redacted => redact_url(text),
        Shown::Never => HIDDEN.to_owned(),
    }
}

/// The beginning of a text that may be much too long for a line.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
