//! The names of all settings, and which names of a foreign environment are ours at all.
//!
//! Promises: [`KEYS`] is the one list that the loader, `config/default.toml`, `deploy/.env.example` and the tests are held
//! against. Leaves to others: what a value may be (`values`, `build`).

/// A setting with a fixed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The name in the environment and in `.env`; in a TOML file it is written in lower case.
    pub name: &'static str,
    /// How its value may be shown.
    pub shown: Shown,
}

/// How a value may be shown in an error, a log or a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// As it is.
    Plainly,
    /// As an address whose password, user token and query values are replaced.
    Redacted,
    /// Not at all.
    Never,
}

macro_rules! keys {
    ($($constant:ident = $shown:ident),* $(,)?) => {
        $(pub(super) const $constant: Key = Key { name: stringify!($constant), shown: Shown::$shown };)*
        /// Every setting with a fixed name. `<CUR>_TO_ADVC_RATE`, `<NAME>_ENABLED` and `<NAME>_URL` come on top.
        pub const KEYS: &[Key] = &[$($constant),*];
    };
}

keys! {
    DATABASE_URL = Redacted,
    AUTO_MIGRATE = Plainly,
    SOCKETIO_URL = Redacted,
    SOCKETIO_AUTH_TOKEN = Never,
    SOCKETIO_NAMESPACE = Plainly,
    SOCKETIO_CA_FILE = Plainly,
    NOTIFY_ACK_TIMEOUT = Plainly,
    NOTIFY_MAX_ATTEMPTS = Plainly,
    NOTIFY_SIGNING_SECRET = Never,
    NOTIFY_WEBHOOK_URL = Redacted,
    POLL_INTERVAL_SECONDS = Plainly,
    POOL_REQUEST_TIMEOUT = Plainly,
    POOL_CONTACT = Plainly,
    POOLS_DIR = Plainly,
    AP_PER_ADVC = Plainly,
    MIN_PAYOUT_DELTA = Plainly,
    MAX_PAYOUT_DELTA = Plainly,
    FIRST_READING = Plainly,
    SNAPSHOT_POLICY = Plainly,
    SNAPSHOT_RETENTION_DAYS = Plainly,
    STATUS_LISTEN = Plainly,
    LOG_LEVEL = Plainly,
    LOG_FORMAT = Plainly,
}

/// What follows the name of a setting in the name of the file that holds its value.
pub const FILE_SUFFIX: &str = "_FILE";

impl Key {
    /// Whether the value may be read from the file that `<NAME>_FILE` names: every one that may hold a secret.
    #[must_use]
    pub fn may_be_in_a_file(&self) -> bool {
        self.shown != Shown::Plainly
    }
}

/// What follows the currency in the name of a rate.
pub const RATE_SUFFIX: &str = "_TO_ADVC_RATE";

/// What a name in upper case means to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// A setting with a fixed name.
    Fixed(Key),
    /// Where the value of that setting is to be read.
    FileOf(Key),
    /// A rate; the text before [`RATE_SUFFIX`], which may turn out to be no currency.
    Rate(&'a str),
    /// It may override a pool's file, or be another program's variable: only the list of pools can tell.
    Override,
}

/// What a name means, or `None` when it is not ours.
pub(super) fn meaning(name: &str) -> Option<Meaning<'_>> {
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return Some(Meaning::Fixed(*key));
    }
    let file_of = |key: &&Key| key.may_be_in_a_file() && name.strip_suffix(FILE_SUFFIX) == Some(key.name);
    if let Some(key) = KEYS.iter().find(file_of) {
        return Some(Meaning::FileOf(*key));
    }
    if !is_upper(name) {
        return None;
    }
    if let Some(currency) = name.strip_suffix(RATE_SUFFIX) {
        return (!currency.is_empty()).then_some(Meaning::Rate(currency));
    }
    let prefix = name.strip_suffix("_ENABLED").or_else(|| name.strip_suffix("_URL"))?;
    (!prefix.is_empty()).then_some(Meaning::Override)
}

/// How the value of the setting `name` (in upper case) may be shown.
pub(super) fn shown(name: &str) -> Shown {
    match meaning(name) {
        Some(Meaning::Fixed(key)) => key.shown,
        Some(Meaning::Rate(_) | Meaning::FileOf(_)) => Shown::Plainly,
        Some(Meaning::Override) if name.ends_with("_ENABLED") => Shown::Plainly,
        Some(Meaning::Override) => Shown::Redacted,
        None => Shown::Never,
    }
}

/// Whether a name consists of upper-case letters, digits and underscores only.
pub(super) fn is_upper(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_names_are_never_taken_for_overrides() {
        assert_eq!(meaning("DATABASE_URL"), Some(Meaning::Fixed(DATABASE_URL)));
        assert_eq!(meaning("SOCKETIO_URL"), Some(Meaning::Fixed(SOCKETIO_URL)));
        assert_eq!(meaning("CPU_POOL_URL"), Some(Meaning::Override));
        assert_eq!(meaning("CPU_POOL_ENABLED"), Some(Meaning::Override));
        assert_eq!(meaning("BTC_TO_ADVC_RATE"), Some(Meaning::Rate("BTC")));
    }

    #[test]
    fn what_may_hold_a_secret_may_be_in_a_file_and_nothing_else() {
        assert_eq!(meaning("DATABASE_URL_FILE"), Some(Meaning::FileOf(DATABASE_URL)));
        assert_eq!(meaning("SOCKETIO_AUTH_TOKEN_FILE"), Some(Meaning::FileOf(SOCKETIO_AUTH_TOKEN)));
        assert_eq!(meaning("SOCKETIO_CA_FILE"), Some(Meaning::Fixed(SOCKETIO_CA_FILE)));
        assert_eq!((meaning("LOG_LEVEL_FILE"), meaning("database_url_file")), (None, None));
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in ["", "PATH", "_URL", "_ENABLED", "_TO_ADVC_RATE", "database_url", "cpu-pool_URL", "CPU_POOL_URLS"] {
            assert_eq!(meaning(name), None, "{name}");
        }
    }
}
