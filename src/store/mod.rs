//! The database: connection, schema, and every query and transaction. Knows no actors.
//!
//! All writes that concern money go through [`book::Book`], in one transaction a batch. The other modules read, or serve a
//! person at the command line.

pub mod backup;
pub mod book;
mod bulk;
mod connect;
pub mod decisions;
mod error;
mod guard;
pub mod outbox;
pub mod overview;
mod plan;
pub mod players;
mod positions;
pub mod prune;
pub mod rebase;
pub mod reversal;
mod roster;
mod schema;
pub mod takeover;
pub mod verify;
mod write;

pub use connect::connect;
pub(crate) use error::advice;
pub use error::{Next, StoreError};
pub use roster::{Roster, load_roster};
pub use schema::{SchemaState, migrate, schema_state};

use chrono::{NaiveDateTime, SubsecRound as _};

/// The time of day as the database stores it: UTC without zone, whole microseconds, which is what PostgreSQL keeps.
#[must_use]
pub fn now_utc() -> NaiveDateTime {
    chrono::Utc::now().naive_utc().trunc_subsecs(6)
}

/// Writes an amount as a JSON number with its exact digits.
fn exact_number<S: serde::Serializer>(amount: &crate::domain::Amount, serializer: S) -> Result<S::Ok, S::Error> {
    let number: serde_json::Number = amount.to_string().parse().map_err(serde::ser::Error::custom)?;
    serde::Serialize::serialize(&number, serializer)
}
