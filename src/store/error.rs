//! Database errors, split by what the caller does next.

use std::borrow::Cow;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::postgres::PgDatabaseError;
use sea_orm::{DbErr, RuntimeErr};

/// What to do after a failed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The database is away, busy or full: the same batch may succeed later.
    RetryLater,
    /// What was cached is out of date, or two transactions met: read again and retry at once.
    RetryNow,
    /// The database refuses the content: split the batch to find the row.
    Split,
}

/// A failed query or transaction.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no.
    #[error("{}{}", one_line(.0), advice(.0))]
    Database(#[from] DbErr),
    /// A guarded update did not find the row as it was read.
    #[error("a position was changed by another process")]
    Stale,
    /// A stored value is not what this program writes, or a total outgrew its column.
    #[error("{0}")]
    Content(String),
    /// The transaction was not finished within the time allowed.
    #[error("the database did not answer within {seconds} s")]
    TimedOut {
        /// The limit.
        seconds: u64,
    },
}

impl StoreError {
    /// What the caller does next.
    #[must_use]
    pub fn next(&self) -> Next {
        match self {
            Self::Stale => Next::RetryNow,
            Self::Content(_) => Next::Split,
            Self::TimedOut { .. } => Next::RetryLater,
            Self::Database(error) => classify(error),
        }
    }

    /// Whether the database is there and does not let this login write or read: only a person can change that.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Database(error) if is_forbidden(error))
    }

    /// The label in metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.is_forbidden() {
            return "forbidden";
        }
        match (self, self.next()) {
            (Self::Stale, _) => "stale",
            (Self::Content(_), _) => "content",
            (Self::TimedOut { .. }, _) => "timeout",
            (Self::Database(_), Next::RetryLater) => "unavailable",
            (Self::Database(_), Next::RetryNow) => "conflict",
            (Self::Database(_), Next::Split) => "refused",
        }
    }
}

/// Reads the engine's own error code. Whatever is not known to be about the content counts as passing: a batch is never
/// given up for an error that might go away.
fn classify(error: &DbErr) -> Next {
    if let DbErr::Type(_) | DbErr::TryIntoErr { .. } | DbErr::Json(_) = error {
        // A stored value that cannot be read, such as a total that the game's own SQL made no number: it is one row's fault
        // and will not go away.
        return Next::Split;
    }
    if is_unreadable(error) {
        return Next::Split;
    }
    match code(error) {
        Some(Code::Postgres(code)) => match code.as_ref() {
            // Serialization failure and deadlock: the other transaction went first.
            "40001" | "40P01" => Next::RetryNow,
            // Classes 22 (data exception) and 23 (integrity constraint violation) speak of a row.
            code if code.starts_with("22") || code.starts_with("23") => Next::Split,
            _ => Next::RetryLater,
        },
        // Constraint, mismatch and too big.
        Some(Code::Sqlite(18..=20)) => Next::Split,
        Some(Code::Sqlite(_)) | None => Next::RetryLater,
    }
}

/// A stored value is not of the form that its column has by this program: the engine answered, and the row stays as it is.
fn is_unreadable(error: &DbErr) -> bool {
    let source = match error {
        DbErr::Conn(RuntimeErr::SqlxError(source))
        | DbErr::Exec(RuntimeErr::SqlxError(source))
        | DbErr::Query(RuntimeErr::SqlxError(source)) => source.as_ref(),
        _ => return false,
    };
    matches!(source, SqlxError::ColumnDecode { .. } | SqlxError::Decode(_))
}

/// What an engine calls its error.
enum Code<'a> {
    /// The SQLSTATE.
    Postgres(Cow<'a, str>),
    /// The primary result code, which is the low byte of the extended one.
    Sqlite(i64),
}

/// The engine's own code, where it was the engine that answered.
fn code(error: &DbErr) -> Option<Code<'_>> {
    let (DbErr::Conn(RuntimeErr::SqlxError(source))
    | DbErr::Exec(RuntimeErr::SqlxError(source))
    | DbErr::Query(RuntimeErr::SqlxError(source))) = error
    else {
        return None;
    };
    let SqlxError::Database(database) = source.as_ref() else { return None };
    let code = database.code()?;
    if database.try_downcast_ref::<PgDatabaseError>().is_some() {
        return Some(Code::Postgres(code));
    }
    code.parse::<i64>().ok().map(|code| Code::Sqlite(code & 0xff))
}

/// Whether a database could not be reached and may be later: nobody listens, it is starting or stopping, or has no connection to spare.
/// A wrong password or name is not that.
#[must_use]
pub fn is_away(error: &DbErr) -> bool {
    match error {
        // Our own time-out.
        DbErr::Conn(RuntimeErr::Internal(_)) | DbErr::ConnectionAcquire(_) => return true,
        DbErr::Conn(RuntimeErr::SqlxError(source)) if matches!(source.as_ref(), SqlxError::Io(_) | SqlxError::PoolTimedOut) => {
            return true;
        }
        _ => {}
    }
    // Classes 08 (connection exception), 53 (insufficient resources) and 57 (operator intervention).
    matches!(code(error), Some(Code::Postgres(code)) if ["08", "53", "57"].iter().any(|class| code.starts_with(class)))
}

/// A right is missing on PostgreSQL (insufficient_privilege), or a SQLite file may only be read (3 perm, 8 readonly, 23 auth).
fn is_forbidden(error: &DbErr) -> bool {
    match code(error) {
        Some(Code::Postgres(code)) => code == "42501",
        Some(Code::Sqlite(code)) => matches!(code, 3 | 8 | 23),
        None => false,
    }
}

/// What a person can do about an error, as the end of its line; mostly nothing.
pub(crate) fn advice(error: &DbErr) -> &'static str {
    match code(error) {
        Some(Code::Postgres(code)) if code == "42501" => "; deploy/grants.sql gives a login the rights that it needs",
        Some(Code::Sqlite(_)) if is_forbidden(error) => "; this user must be allowed to write the file and its folder",
        _ => "",
    }
}

/// The error as one line, without the statement and its parameters: the engine's own words where it said something.
fn one_line(error: &DbErr) -> String {
    let text = match error {
        DbErr::Conn(RuntimeErr::SqlxError(source))
        | DbErr::Exec(RuntimeErr::SqlxError(source))
        | DbErr::Query(RuntimeErr::SqlxError(source)) => match source.as_ref() {
            SqlxError::Database(database) => database.message().to_owned(),
            _ => error.to_string(),
        },
        _ => error.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
