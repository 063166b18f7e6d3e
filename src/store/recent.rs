//! What the status page shows of the database: the newest events and anomalies, and what waits for whom.
//!
//! Promises: it only reads; each statement finds its rows by an index, so that a long history costs nothing.

use chrono::NaiveDateTime;
use entity::{anomalies, mining_events};
use sea_orm::{ColumnTrait as _, DatabaseConnection, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QuerySelect as _};

use super::StoreError;
use super::overview::{self, EventFilter};

/// The newest rows, and counts of those that something has to be done about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// The newest events, the newest first, with the players' names.
    pub events: Vec<(mining_events::Model, String)>,
    /// The newest anomalies, the newest first, with the players' names.
    pub anomalies: Vec<(anomalies::Model, String)>,
    /// Awards that wait for the game server.
    pub waiting: u64,
    /// When the oldest of them was awarded, UTC.
    pub waiting_since: Option<NaiveDateTime>,
    /// Events that wait for an operator.
    pub held: u64,
    /// Awards whose delivery was given up.
    pub given_up: u64,
}

/// What is there now, with `limit` events and anomalies at most.
///
/// # Errors
/// When the database cannot be asked.
pub async fn recent(db: &DatabaseConnection, limit: u64) -> Result<Recent, StoreError> {
    use mining_events::Column;
    let events = overview::events(db, &EventFilter { limit, ..EventFilter::default() }).await?;
    let anomalies = overview::anomalies(db, limit).await?;
    let waiting = mining_events::Entity::find()
        .select_only()
        .column_as(Column::Id.count(), "count")
        .column_as(Column::EventTime.min(), "oldest")
        .filter(overview::waiting());
    let waiting = waiting.into_tuple::<(i64, Option<NaiveDateTime>)>().one(db).await?;
    let (waiting, waiting_since) = waiting.unwrap_or_default();
    // What was ever held has a reason, and there is an index of those.
    let held =
        mining_events::Entity::find().filter(Column::HoldReason.is_not_null()).filter(Column::Status.eq(mining_events::HELD));
    let given_up = mining_events::Entity::find().filter(Column::DeliveryDead.eq(true)).filter(Column::Notified.eq(false));
    Ok(Recent {
        events,
        anomalies,
        waiting: u64::try_from(waiting).unwrap_or_default(),
        waiting_since,
        held: held.count(db).await?,
        given_up: given_up.count(db).await?,
    })
}
