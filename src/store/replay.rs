//! An operator sends awards again.
//!
//! Promises: a replayed award keeps its event id, sequence and totals, so that a receiver recognizes it; only awards that the game
//! is ever told of are replayed. The running daemon finds them by itself.

use chrono::NaiveDateTime;
use entity::mining_events;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseConnection, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QuerySelect as _,
};

use super::StoreError;
use super::decisions::EventRef;

/// Which awards. What is given must hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayFilter {
    /// Only this one.
    pub event: Option<EventRef>,
    /// Only this player's.
    pub player: Option<i32>,
    /// Only those found at this moment or later, UTC.
    pub since: Option<NaiveDateTime>,
    /// Only those that were given up.
    pub dead: bool,
}

/// How many awards go out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// Awards.
    pub events: u64,
    /// Players whose they are.
    pub players: u64,
}

/// Why nothing is replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is no such event.
    #[error("there is no event {0}")]
    Unknown(EventRef),
    /// The game is not told of this event.
    #[error("event {id} has no sequence, because {why}: the game is never told of it")]
    NeverTold {
        /// The row.
        id: i64,
        /// Why.
        why: &'static str,
    },
    /// The database said no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the awards that `filter` names wait again as if they had never been sent; with `dry_run` it only counts them.
///
/// # Errors
/// When a single event is named that cannot be sent, or the database cannot be asked. Doing it again is safe.
pub async fn replay(db: &DatabaseConnection, filter: &ReplayFilter, dry_run: bool) -> Result<Replayed, ReplayError> {
    use mining_events::Column;
    if let Some(event) = filter.event {
        check(db, event).await?;
    }
    let mut wanted = Condition::all().add(Column::PlayerSequence.is_not_null()).add_option(filter.event.map(named));
    wanted = wanted.add_option(filter.player.map(|player| Column::PlayerId.eq(player)));
    wanted = wanted.add_option(filter.since.map(|since| Column::EventTime.gte(since)));
    if filter.dead {
        wanted = wanted.add(Column::DeliveryDead.eq(true)).add(Column::Notified.eq(false));
    }
    let matching = mining_events::Entity::find().filter(wanted.clone());
    let distinct = matching.clone().select_only().column(Column::PlayerId).distinct();
    let players = distinct.count(db).await.map_err(StoreError::from)?;
    if dry_run {
        let events = matching.count(db).await.map_err(StoreError::from)?;
        return Ok(Replayed { events, players });
    }
    let replayed = mining_events::Entity::update_many()
        .col_expr(Column::Notified, Expr::value(false))
        .col_expr(Column::DeliveryDead, Expr::value(false))
        .col_expr(Column::DeliveryAttempts, Expr::value(0))
        .col_expr(Column::NextAttemptAt, Expr::value(None::<NaiveDateTime>))
        .filter(wanted)
        .exec(db)
        .await
        .map_err(StoreError::from)?;
    Ok(Replayed { events: replayed.rows_affected, players })
}

fn named(event: EventRef) -> sea_orm::sea_query::SimpleExpr {
    match event {
        EventRef::Row(id) => mining_events::Column::Id.eq(id),
        EventRef::Id(id) => mining_events::Column::EventId.eq(id.to_string()),
    }
}

/// Whether the game is told of this event at all.
async fn check(db: &DatabaseConnection, event: EventRef) -> Result<(), ReplayError> {
    use mining_events::Column;
    // Only these columns: an amount that cannot be read is what a replay after a repair is for.
    let row: Option<(i64, Option<i64>, String)> = mining_events::Entity::find()
        .select_only()
        .columns([Column::Id, Column::PlayerSequence, Column::Status])
        .filter(named(event))
        .into_tuple()
        .one(db)
        .await
        .map_err(StoreError::from)?;
    match row {
        None => Err(ReplayError::Unknown(event)),
        Some((_, Some(_), _)) => Ok(()),
        Some((id, None, status)) => {
            let why = match status.as_str() {
                mining_events::HELD => "it is held",
                mining_events::REJECTED => "it was rejected",
                _ => "it is of the replaced service",
            };
            Err(ReplayError::NeverTold { id, why })
        }
    }
}
