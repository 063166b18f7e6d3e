//! Un-notified awards in `mining_events` as the notifier's outbox.

use chrono::NaiveDateTime;
use entity::{Money, mining_events};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, EntityTrait as _, FromQueryResult, PaginatorTrait as _, QueryFilter as _, Statement,
    Value,
};

use super::StoreError;
use super::bulk::{BulkUpdate, Kind};
use crate::domain::{Amount, EventId, PlayerId, Points, PoolName};

/// An award that the game server has not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// The id that the game server recognizes a repetition by.
    pub event_id: EventId,
    /// The number of the award within its player's.
    pub sequence: i64,
    /// Whose.
    pub player: PlayerId,
    /// The player's name.
    pub username: String,
    /// The pool that paid.
    pub pool: PoolName,
    /// The payout in ADVC.
    pub advc: Amount,
    /// AP given.
    pub points: Points,
    /// The player's AP right after it.
    pub total_ap: Points,
    /// The player's ADVC right after it.
    pub total_advc: Amount,
    /// When it was awarded, UTC.
    pub at: NaiveDateTime,
    /// Notices sent before and not acknowledged.
    pub attempts: i32,
}

/// A notice that was not acknowledged in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Which event.
    pub event_id: EventId,
    /// Not again before this moment, UTC.
    pub next_at: NaiveDateTime,
    /// It was the last one allowed.
    pub dead: bool,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    event_id: String,
    player_sequence: i64,
    player_id: i32,
    username: String,
    pool_name: String,
    advc_amount: Money,
    ap_awarded: Money,
    total_ap_after: Money,
    total_advc_after: Money,
    event_time: NaiveDateTime,
    delivery_attempts: i32,
}

impl Row {
    fn into_undelivered(self) -> Result<Undelivered, StoreError> {
        let malformed = |what: &str| StoreError::Content(format!("mining_events.{what} of event {} is malformed", self.event_id));
        let amount = |money: Money, column: &str| Amount::from_decimal(money.0).ok_or_else(|| malformed(column));
        Ok(Undelivered {
            event_id: self.event_id.parse().map_err(|_| malformed("event_id"))?,
            sequence: self.player_sequence,
            player: PlayerId(self.player_id),
            pool: self.pool_name.parse().map_err(|_| malformed("pool_name"))?,
            advc: amount(self.advc_amount, "advc_amount")?,
            points: Points::new(amount(self.ap_awarded, "ap_awarded")?),
            total_ap: Points::new(amount(self.total_ap_after, "total_ap_after")?),
            total_advc: amount(self.total_advc_after, "total_advc_after")?,
            at: self.event_time,
            attempts: self.delivery_attempts,
            username: self.username,
        })
    }
}

/// The oldest undelivered award of each player that is due at `now`, at most `limit` of them, without the players in `except`.
///
/// Only a player's oldest is ever offered, so awards reach the game in order per player; a player whose oldest is waiting for
/// its next attempt holds up nobody else.
///
/// # Errors
/// When the database cannot be asked.
pub async fn next_undelivered(
    db: &DatabaseConnection,
    except: &[PlayerId],
    limit: u64,
    now: NaiveDateTime,
) -> Result<Vec<Undelivered>, StoreError> {
    let backend = db.get_database_backend();
    let mut values: Vec<Value> = vec![now.into()];
    let mut place = |value: Value| {
        values.push(value);
        if backend == sea_orm::DbBackend::Postgres { format!("${}", values.len()) } else { "?".to_owned() }
    };
    let excluded: Vec<String> = except.iter().map(|player| place(player.0.into())).collect();
    let excluded = if excluded.is_empty() { String::new() } else { format!("AND e.player_id NOT IN ({})", excluded.join(", ")) };
    let limit = place(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let first = if backend == sea_orm::DbBackend::Postgres { "$1" } else { "?" };
    // The limit comes before the join, so that only the players of these few rows are looked up. The plus sign keeps both engines
    // from walking through the whole table in the order of its key, past all that was delivered: they sort the rows of the
    // partial index instead.
    let sql = format!(
        "SELECT w.event_id, w.player_sequence, w.player_id, p.username, w.pool_name, w.advc_amount, w.ap_awarded, \
                w.total_ap_after, w.total_advc_after, w.event_time, w.delivery_attempts \
         FROM (SELECT e.* FROM mining_events e \
             WHERE e.notified = FALSE AND e.delivery_dead = FALSE AND e.player_sequence IS NOT NULL \
               AND (e.next_attempt_at IS NULL OR e.next_attempt_at <= {first}) {excluded} \
               AND NOT EXISTS (SELECT 1 FROM mining_events o WHERE o.player_id = e.player_id AND o.notified = FALSE \
                   AND o.delivery_dead = FALSE AND o.player_sequence IS NOT NULL AND o.player_sequence < e.player_sequence) \
             ORDER BY +e.id LIMIT {limit}) w \
         JOIN players p ON p.id = w.player_id ORDER BY w.id"
    );
    let rows = Row::find_by_statement(Statement::from_sql_and_values(backend, sql, values)).all(db).await?;
    rows.into_iter().map(Row::into_undelivered).collect()
}

/// How many awards wait for an acknowledgement.
///
/// # Errors
/// When the database cannot be asked.
pub async fn waiting(db: &DatabaseConnection) -> Result<u64, StoreError> {
    let waiting = mining_events::Entity::find()
        .filter(mining_events::Column::Notified.eq(false))
        .filter(mining_events::Column::DeliveryDead.eq(false))
        .filter(mining_events::Column::PlayerSequence.is_not_null())
        .count(db)
        .await?;
    Ok(waiting)
}

/// Marks awards that the game server has acknowledged.
///
/// # Errors
/// When the database cannot be asked; marking again later is safe.
pub async fn mark_notified(db: &DatabaseConnection, acknowledged: &[EventId]) -> Result<(), StoreError> {
    if acknowledged.is_empty() {
        return Ok(());
    }
    mining_events::Entity::update_many()
        .col_expr(mining_events::Column::Notified, Expr::value(true))
        .col_expr(mining_events::Column::NextAttemptAt, Expr::value(None::<NaiveDateTime>))
        .filter(mining_events::Column::EventId.is_in(acknowledged.iter().map(EventId::to_string)))
        .exec(db)
        .await?;
    Ok(())
}

/// Counts notices that were not acknowledged in time.
///
/// # Errors
/// When the database cannot be asked; they are then sent again sooner than they should be, which is safe.
pub async fn record_attempts(db: &DatabaseConnection, attempts: &[Attempt]) -> Result<(), StoreError> {
    const UPDATE: BulkUpdate = BulkUpdate {
        table: "mining_events",
        set: "delivery_attempts = delivery_attempts + 1, next_attempt_at = v.column2, delivery_dead = v.column3",
        on: "mining_events.event_id = v.column1 AND mining_events.notified = FALSE",
        kinds: &[Kind::Text, Kind::Time, Kind::Boolean],
    };
    let rows = attempts
        .iter()
        .map(|attempt| -> Vec<Value> { vec![attempt.event_id.to_string().into(), attempt.next_at.into(), attempt.dead.into()] })
        .collect();
    UPDATE.run(db, rows).await?;
    Ok(())
}
