//! Un-notified awards in `mining_events` as the notifier's outbox.
//!
//! Promises: a [`look`] reads a bounded number of rows, however many wait, and sorts none of them; only a player's oldest award
//! that waits is ever offered, so awards reach the game in order per player; a row that cannot be read is named and holds up
//! nothing else.

use std::collections::HashSet;

use chrono::NaiveDateTime;
use entity::{Money, mining_events};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait as _, FromQueryResult, PaginatorTrait as _,
    QueryFilter as _, QueryResult, Statement,
};

use super::StoreError;
use super::bulk::{Bulk, Kind};
use crate::domain::{Amount, EventId, PlayerId, Points, PoolName};

/// Players that one look visits at most.
pub const PLAYERS_PER_LOOK: i32 = 256;
/// Ids of one statement at most.
const IDS_PER_STATEMENT: usize = 256;
/// Where a walk over all players begins.
pub const FIRST_PLAYER: PlayerId = PlayerId(i32::MIN);

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

/// An award whose row is not what this program writes, so that nobody can be told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The row's id.
    pub row: i64,
    /// Whose.
    pub player: PlayerId,
    /// What is wrong with it, in one line.
    pub why: String,
}

/// What one look found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// Awards to send now, each the oldest of its player, in the order of the players.
    pub due: Vec<Undelivered>,
    /// Rows that stand first in their player's line and cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The first player that was not visited; `None` where the last one was.
    pub next: Option<PlayerId>,
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
    next_attempt_at: Option<NaiveDateTime>,
}

impl Row {
    fn into_undelivered(self) -> Result<Undelivered, StoreError> {
        let malformed = |what: &str| StoreError::Content(format!("mining_events.{what} is malformed"));
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

/// Walks over the players with awards that wait, from the player `from` on, and offers the oldest award of each that is due at
/// `now`, at most `limit` of them, without the players in `except`. It visits [`PLAYERS_PER_LOOK`] players at most.
///
/// A player whose oldest award is waiting for its next attempt holds up nobody else.
///
/// # Errors
/// When the database cannot be asked.
pub async fn look(
    db: &DatabaseConnection,
    from: PlayerId,
    except: &[PlayerId],
    limit: usize,
    now: NaiveDateTime,
) -> Result<Look, StoreError> {
    if limit == 0 {
        return Ok(Look { next: Some(from), ..Look::default() });
    }
    let backend = db.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, heads(backend), [from.0.into(), PLAYERS_PER_LOOK.into()]);
    let mut rows: Vec<(PlayerId, QueryResult)> = Vec::new();
    for row in db.query_all_raw(statement).await? {
        rows.push((PlayerId(row.try_get("", "player_id")?), row));
    }
    // Up to some thousands while many wait to be marked.
    let except: HashSet<PlayerId> = except.iter().copied().collect();
    // The walk brings them in this order, which a plan need not keep.
    rows.sort_unstable_by_key(|(player, _)| *player);
    let after = |player: PlayerId| player.0.checked_add(1).map(PlayerId);
    let mut found = Look::default();
    if rows.len() >= usize::try_from(PLAYERS_PER_LOOK).unwrap_or(usize::MAX) {
        found.next = rows.last().and_then(|(player, _)| after(*player));
    }
    for (player, row) in rows {
        if found.due.len() == limit {
            found.next = Some(player);
            break;
        }
        if except.contains(&player) {
            continue;
        }
        let read = Row::from_query_result(&row, "").map_err(StoreError::from);
        let is_due = |row: &Row| row.next_attempt_at.is_none_or(|at| at <= now);
        match read.and_then(|row| if is_due(&row) { row.into_undelivered().map(Some) } else { Ok(None) }) {
            Ok(event) => found.due.extend(event),
            Err(error) => {
                found.unreadable.push(Unreadable { row: row.try_get("", "row_id")?, player, why: error.to_string() });
            }
        }
    }
    Ok(found)
}

/// The oldest award that waits, of as many players as the second parameter says, from the player of the first one on.
///
/// Neither engine skips from one value of an index to the next by itself: the recursion does, one probe of the outbox's partial
/// index a player, so that neither the awards behind a player's first nor those that were delivered are ever read.
fn heads(backend: DbBackend) -> String {
    let [from, players] = if backend == DbBackend::Postgres { ["$1", "$2"] } else { ["?", "?"] };
    let waits = "o.notified = FALSE AND o.delivery_dead = FALSE AND o.player_sequence IS NOT NULL";
    format!(
        "WITH RECURSIVE walk (player, visited) AS ( \
             SELECT (SELECT MIN(o.player_id) FROM mining_events o WHERE {waits} AND o.player_id >= {from}), 1 \
             UNION ALL \
             SELECT (SELECT MIN(o.player_id) FROM mining_events o WHERE {waits} AND o.player_id > walk.player), walk.visited + 1 \
             FROM walk WHERE walk.player IS NOT NULL AND walk.visited < {players}) \
         SELECT e.id AS row_id, e.event_id, e.player_sequence, e.player_id, p.username, e.pool_name, e.advc_amount, e.ap_awarded, \
                e.total_ap_after, e.total_advc_after, e.event_time, e.delivery_attempts, e.next_attempt_at \
         FROM walk JOIN mining_events e ON e.player_id = walk.player AND e.player_sequence = \
             (SELECT MIN(o.player_sequence) FROM mining_events o WHERE {waits} AND o.player_id = walk.player) \
         LEFT JOIN players p ON p.id = e.player_id"
    )
}

/// Every player's oldest award that is due at `now`, at most `limit` of them, without the players in `except`: as many looks as
/// it takes to go round.
///
/// # Errors
/// When the database cannot be asked.
pub async fn next_undelivered(
    db: &DatabaseConnection,
    except: &[PlayerId],
    limit: u64,
    now: NaiveDateTime,
) -> Result<Vec<Undelivered>, StoreError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut due, mut from) = (Vec::new(), Some(FIRST_PLAYER));
    while let Some(player) = from.filter(|_| due.len() < limit) {
        let found = look(db, player, except, limit - due.len(), now).await?;
        due.extend(found.due);
        from = found.next;
    }
    Ok(due)
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
pub async fn mark_notified(db: &impl ConnectionTrait, acknowledged: &[EventId]) -> Result<(), StoreError> {
    static MARK: Bulk = Bulk::new(
        "UPDATE mining_events SET notified = TRUE, next_attempt_at = NULL FROM {rows} WHERE mining_events.event_id = v.column1",
        &[],
        &[Kind::Text],
    );
    for chunk in acknowledged.chunks(IDS_PER_STATEMENT) {
        let mut rows = MARK.rows(db, chunk.len());
        for event_id in chunk {
            rows.add([event_id.to_string().into()]);
        }
        rows.execute(db, &[]).await?;
    }
    Ok(())
}

/// Counts notices that were not acknowledged in time.
///
/// # Errors
/// When the database cannot be asked; they are then sent again sooner than they should be, which is safe.
pub async fn record_attempts(db: &impl ConnectionTrait, attempts: &[Attempt]) -> Result<(), StoreError> {
    static COUNT: Bulk = Bulk::new(
        "UPDATE mining_events SET delivery_attempts = delivery_attempts + 1, next_attempt_at = v.column2, delivery_dead = v.column3 \
         FROM {rows} WHERE mining_events.event_id = v.column1 AND mining_events.notified = FALSE",
        &[],
        &[Kind::Text, Kind::Time, Kind::Boolean],
    );
    for chunk in attempts.chunks(IDS_PER_STATEMENT) {
        let mut rows = COUNT.rows(db, chunk.len());
        for attempt in chunk {
            rows.add([attempt.event_id.to_string().into(), attempt.next_at.into(), attempt.dead.into()]);
        }
        rows.execute(db, &[]).await?;
    }
    Ok(())
}

/// Gives up awards whose rows cannot be read: their players' next ones go out, and `events list --dead` shows them.
///
/// # Errors
/// When the database cannot be asked; they are then found again.
pub async fn give_up(db: &impl ConnectionTrait, rows: &[i64]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    mining_events::Entity::update_many()
        .col_expr(mining_events::Column::DeliveryDead, Expr::value(true))
        .filter(mining_events::Column::Id.is_in(rows.iter().copied()))
        .filter(mining_events::Column::Notified.eq(false))
        .exec(db)
        .await?;
    Ok(())
}
