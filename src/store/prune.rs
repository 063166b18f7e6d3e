//! Deleting old snapshots, a few at a time.
//!
//! Promises: a statement deletes at most [`ROWS_PER_BATCH`] rows in a transaction of its own, found by the index on their
//! time, so a writer waits for milliseconds at most. Snapshots are history only: deleting any of them never changes what is
//! awarded, because the positions hold what is accounted for.

use std::num::NonZeroU32;

use chrono::{NaiveDateTime, TimeDelta};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DbBackend, EntityTrait as _, PaginatorTrait as _};
use sea_orm::{QueryFilter as _, Statement};

use super::StoreError;

/// Rows of one statement.
pub const ROWS_PER_BATCH: u64 = 1_000;

/// The moment before which everything is older than `days` days.
#[must_use]
pub fn cutoff(now: NaiveDateTime, days: NonZeroU32) -> NaiveDateTime {
    now.checked_sub_signed(TimeDelta::days(days.get().into())).unwrap_or(NaiveDateTime::MIN)
}

/// Deletes the oldest snapshots from before `before`, at most [`ROWS_PER_BATCH`] of them, and answers how many they were. Fewer
/// than the batch: nothing older is left.
///
/// # Errors
/// When the database cannot be asked; nothing was deleted then, or the outcome is unknown, and asking again is safe.
pub async fn prune_batch(db: &DatabaseConnection, before: NaiveDateTime) -> Result<u64, StoreError> {
    let backend = db.get_database_backend();
    let place = if backend == DbBackend::Postgres { "$1" } else { "?" };
    let sql = format!(
        "DELETE FROM pool_snapshots WHERE id IN \
         (SELECT id FROM pool_snapshots WHERE snapshot_time < {place} ORDER BY snapshot_time LIMIT {ROWS_PER_BATCH})"
    );
    Ok(db.execute_raw(Statement::from_sql_and_values(backend, sql, [before.into()])).await?.rows_affected())
}

/// How many snapshots are from before `before`.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count(db: &DatabaseConnection, before: NaiveDateTime) -> Result<u64, StoreError> {
    use entity::pool_snapshots::{Column, Entity};
    Ok(Entity::find().filter(Column::SnapshotTime.lt(before)).count(db).await?)
}
