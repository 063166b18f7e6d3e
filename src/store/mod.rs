//! The database: connection, schema, and every query and transaction. Knows no actors.
//!
//! All writes that concern money go through [`book::Book`], in one transaction a batch. The other modules read, or serve a
//! person at the command line.

pub mod book;
mod bulk;
mod connect;
mod error;
mod guard;
pub mod outbox;
mod plan;
pub mod players;
mod positions;
mod roster;
mod schema;
mod write;

pub use connect::connect;
pub use error::{Next, StoreError};
pub use roster::{Roster, load_roster};
pub use schema::{SchemaState, migrate, schema_state};

use chrono::{NaiveDateTime, SubsecRound as _};

/// The time of day as the database stores it: UTC without zone, whole microseconds, which is what PostgreSQL keeps.
#[must_use]
pub fn now_utc() -> NaiveDateTime {
    chrono::Utc::now().naive_utc().trunc_subsecs(6)
}
