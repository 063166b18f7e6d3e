//! Where the database is, as an address that cannot be printed by accident.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::redact::redact_url;

/// What a `DATABASE_URL` must be, for errors.
pub(super) const ALLOWED: &str = "sqlite://FILE or postgresql://USER:PASSWORD@HOST:PORT/DATABASE; the characters @ : / ? # of a \
                                  password are written %40 %3A %2F %3F %23";

/// A database's address. `Display` and `Debug` show it without its password.
#[derive(Clone)]
pub struct DatabaseUrl {
    url: SecretString,
    backend: Backend,
}

/// The kind of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file, or memory.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

impl DatabaseUrl {
    /// Reads `sqlite:…`, `postgres://…` or `postgresql://…`.
    ///
    /// The original service's form `postgresql+psycopg2://…` names a Python driver behind the plus sign; it is dropped.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.chars().any(|c| c.is_control() || c.is_whitespace() && !text.starts_with("sqlite:")) {
            return None;
        }
        if let Some(rest) = text.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            let names_a_file = !path.split('?').next().unwrap_or_default().is_empty();
            return names_a_file.then(|| Self { url: text.into(), backend: Backend::Sqlite });
        }
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.split('+').next().unwrap_or_default();
        if !matches!(scheme, "postgres" | "postgresql") {
            return None;
        }
        let normal = format!("{scheme}://{rest}");
        let url = Url::parse(&normal).ok()?;
        // An '@' behind the host part is the rest of a password that ended early at an unescaped '/', '?' or '#'.
        let is_cut = url.path().contains('@') || url.query().is_some_and(|query| query.contains('@')) || url.fragment().is_some();
        (!is_cut).then(|| Self { url: normal.into(), backend: Backend::Postgres })
    }

    /// The address with its password, for the driver and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }

    /// The kind of the database.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The command that backs up a PostgreSQL database into `file`, which is quoted already. Without the password.
    #[must_use]
    pub fn pg_dump_command(&self, file: &str) -> Option<String> {
        let mut url = Url::parse(self.expose()).ok()?;
        url.set_password(None).ok()?;
        let plain: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(key, _)| !key.contains("password"))
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        url.set_query(None);
        if !plain.is_empty() {
            url.query_pairs_mut().extend_pairs(plain);
        }
        Some(format!("pg_dump --format=custom --file={file} '{}'", url.as_str().replace('\'', "%27")))
    }

    /// Whether it is a SQLite database that ends with the process.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        let url = self.expose();
        self.backend == Backend::Sqlite && (url.contains(":memory:") || url.contains("mode=memory"))
    }

    /// The file of a SQLite database, as the driver reads it: percent-decoded, without the query.
    #[must_use]
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        let rest = self.expose().strip_prefix("sqlite:").filter(|_| !self.is_in_memory())?;
        let path = rest.strip_prefix("//").unwrap_or(rest).split('?').next().unwrap_or_default();
        Some(percent_decode_str(path).decode_utf8().ok()?.as_ref().into())
    }

    /// Whether it is a SQLite file directly in the root directory. SQLAlchemy writes a *relative* file with three slashes,
    /// so this is most likely an address taken over from there.
    pub(super) fn is_in_root_directory(&self) -> bool {
        let path = self.expose().strip_prefix("sqlite:///").and_then(|path| path.split('?').next());
        path.is_some_and(|path| !path.contains('/'))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact_url(self.expose()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_forms_are_read() {
        for (text, url, backend) in [
            ("sqlite://pool-poller.db?mode=rwc", "sqlite://pool-poller.db?mode=rwc", Backend::Sqlite),
            ("sqlite:my file.db", "sqlite:my file.db", Backend::Sqlite),
            ("sqlite::memory:", "sqlite::memory:", Backend::Sqlite),
            ("postgres://m2p@db/m2p", "postgres://m2p@db/m2p", Backend::Postgres),
            ("postgresql+psycopg2://m2p:p%40ss@db/m2p", "postgresql://m2p:p%40ss@db/m2p", Backend::Postgres),
            ("postgresql:///m2p?host=/run/postgresql", "postgresql:///m2p?host=/run/postgresql", Backend::Postgres),
        ] {
            let parsed = DatabaseUrl::parse(text).unwrap();
            assert_eq!((parsed.expose(), parsed.backend()), (url, backend));
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "sqlite:",
            "sqlite://",
            "sqlite://?mode=rwc",
            "mysql://m2p@db/m2p",
            "postgres:m2p",
            "postgres",
            "postgres://m2p:hunter2",
            "postgres://m2p:123/hunter2@db/m2p",
            "postgres://m2p:p#ss@db/m2p",
            "postgres://m2p:p ss@db/m2p",
            "sqlite+aiosqlite:///x.db",
            "pool-poller.db",
        ] {
            assert!(DatabaseUrl::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn neither_display_nor_debug_shows_the_password() {
        let url = DatabaseUrl::parse("postgresql+asyncpg://m2p:hunter2@db:5432/m2p").unwrap();
        assert_eq!(url.to_string(), "postgresql://m2p:***@db:5432/m2p");
        assert_eq!(format!("{url:?}"), "DatabaseUrl(postgresql://m2p:***@db:5432/m2p)");
    }

    #[test]
    fn a_sqlite_file_is_found_in_its_address() {
        let file = |text: &str| DatabaseUrl::parse(text).unwrap().sqlite_file();
        for (text, path) in [
            ("sqlite://pool-poller.db?mode=rwc", "pool-poller.db"),
            ("sqlite:///var/lib/m2p.db", "/var/lib/m2p.db"),
            ("sqlite:my%20file.db", "my file.db"),
        ] {
            assert_eq!(file(text), Some(path.into()));
        }
        for text in ["sqlite::memory:", "sqlite://x?mode=memory", "postgres://m2p@db/m2p"] {
            assert_eq!(file(text), None, "{text}");
        }
    }

    #[test]
    fn volatile_and_misplaced_files_are_recognized() {
        let is = |text: &str| {
            let url = DatabaseUrl::parse(text).unwrap();
            (url.is_in_memory(), url.is_in_root_directory())
        };
        assert_eq!(is("sqlite::memory:"), (true, false));
        assert_eq!(is("sqlite://x?mode=memory"), (true, false));
        assert_eq!(is("sqlite:///m2p.db?mode=rwc"), (false, true));
        assert_eq!(is("sqlite:///var/lib/m2p.db"), (false, false));
        assert_eq!(is("sqlite://m2p.db"), (false, false));
    }
}
