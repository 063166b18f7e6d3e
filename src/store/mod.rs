//! The database: connection, schema, and every query and transaction. Knows no actors.
//!
//! All writes that concern money go through [`book::Book`], in one transaction a batch. The other modules read, or serve a
//! person at the command line.

pub mod backup;
pub mod book;
mod bulk;
mod cache;
mod cells;
mod connect;
pub mod decisions;
mod error;
mod guard;
pub mod import;
mod listed;
pub mod outbox;
pub mod overview;
mod plan;
pub mod players;
mod positions;
mod progress;
pub mod prune;
pub mod rebase;
pub mod recent;
pub mod replay;
mod report;
pub mod resume;
pub mod reversal;
mod roster;
mod schema;
pub mod takeover;
mod totals;
pub mod verify;
mod writable;
mod write;

pub use crate::domain::roster::Roster;
pub use connect::{begin_to_write, checkpoint, connect, writer};
pub(crate) use error::advice;
pub use error::{Next, StoreError, is_away};
pub use progress::{Observer, Progress};
pub use roster::load_roster;
pub use schema::{SchemaState, migrate, schema_state};
pub use writable::{check_writable, write_once};

use chrono::{NaiveDateTime, SecondsFormat, SubsecRound as _};
use rust_decimal::Decimal;
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{DbBackend, IdenStatic, SqliteTransactionMode, TransactionOptions};

use crate::domain::Amount;
use crate::domain::amount::PLACES;

/// The time of day as the database stores it: UTC without zone, whole microseconds, which is what PostgreSQL keeps.
#[must_use]
pub fn now_utc() -> NaiveDateTime {
    chrono::Utc::now().naive_utc().trunc_subsecs(6)
}

/// A transaction that takes SQLite's write lock at once: a read lock that has to be raised later can fail without waiting.
pub(crate) fn write_at_once() -> TransactionOptions {
    TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..TransactionOptions::default() }
}

/// A moment as the database stores it, as JSON shows it: RFC 3339 in UTC, to the millisecond.
#[must_use]
pub fn rfc3339(at: NaiveDateTime) -> String {
    at.and_utc().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A column that the game writes too, as text. SQLite keeps anything in any column, and bytes that are no text are shown in
/// hexadecimal: one odd value must not make the query fail for the other rows.
fn as_text(backend: DbBackend, column: impl IdenStatic) -> SimpleExpr {
    Expr::cust(text_of(backend, column.as_str()))
}

/// The same in SQL.
fn text_of(backend: DbBackend, column: &str) -> String {
    match backend {
        DbBackend::Sqlite => format!("CASE WHEN typeof({column}) = 'blob' THEN hex({column}) ELSE CAST({column} AS TEXT) END"),
        _ => format!("CAST({column} AS TEXT)"),
    }
}

/// Reads a stored number, which the game's own SQL may have written in any form. What lies beyond a decimal's 28 places is noise of
/// a float that was taken over.
pub(crate) fn stored_decimal(text: &str) -> Option<Decimal> {
    text.parse::<Decimal>().or_else(|_| Decimal::from_scientific(text)).ok()
}

/// A player's total as an award reads it.
fn stored_total(text: &str) -> Option<Amount> {
    Amount::from_decimal(stored_decimal(text)?.round_dp(PLACES))
}

/// Writes an amount as a JSON number with its exact digits.
fn exact_number<S: serde::Serializer>(amount: &crate::domain::Amount, serializer: S) -> Result<S::Ok, S::Error> {
    let number: serde_json::Number = amount.to_string().parse().map_err(serde::ser::Error::custom)?;
    serde::Serialize::serialize(&number, serializer)
}
