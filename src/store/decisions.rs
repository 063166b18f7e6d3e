//! What an operator decides about events: approve or reject a held one, take back an awarded one.
//!
//! Promises: each decision is one transaction and happens exactly once, however many operators and daemons are at work; who, when
//! and why stay in the table; no event is edited or deleted beyond that. An approved or reversing event is an award like any
//! other for the outbox, so a running daemon tells the game of it by itself.
//! Leaves to others: moving positions (`rebase`). No decision here moves a mark: a rejected event's part of the counter stays
//! accounted for, and so does a reversed one's.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDateTime;
use entity::{Money, mining_events};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, TransactionTrait as _,
};

use super::totals::{lock_players, store_totals};
use super::write::money;
use super::{Next, StoreError, as_text, write_at_once};
use crate::domain::{Amount, EventId, PlayerId, Points, Rate};

/// How often a decision begins anew after it met another transaction.
const CONFLICTS_MAX: u32 = 5;

/// Who decides, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    by: String,
    reason: String,
}

impl Operator {
    /// # Errors
    /// When the name or the reason is blank or does not fit its column.
    pub fn new(by: &str, reason: &str) -> Result<Self, String> {
        let (by, reason) = (by.trim(), reason.trim());
        if by.is_empty() || by.chars().count() > 100 || by.chars().any(char::is_control) {
            return Err("the name of who decides must be 1 to 100 characters".to_owned());
        }
        // PostgreSQL's text holds no NUL.
        if reason.is_empty() || reason.chars().count() > 1_000 || reason.contains('\0') {
            return Err("the reason must be 1 to 1000 characters and not blank".to_owned());
        }
        Ok(Self { by: by.to_owned(), reason: reason.to_owned() })
    }

    /// The name.
    #[must_use]
    pub fn by(&self) -> &str {
        &self.by
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// How a person names an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventRef {
    /// `mining_events.id`.
    Row(i64),
    /// `mining_events.event_id`.
    Id(EventId),
}

impl FromStr for EventRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(row) = text.parse() {
            return Ok(Self::Row(row));
        }
        text.parse().map(Self::Id).map_err(|_| "an event is named by its number or its event_id (a UUID)".to_owned())
    }
}

impl fmt::Display for EventRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row(id) => id.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

/// Why a decision was not carried out. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// There is no such event.
    #[error("there is no event {0}; `pool-poller events list` shows the newest")]
    UnknownEvent(EventRef),
    /// Only a held event is approved or rejected.
    #[error("event {id} is not held: {state}")]
    NotHeld {
        /// The event.
        id: i64,
        /// What it is instead, and by whom.
        state: String,
    },
    /// Only an award is taken back, and once.
    #[error("event {id} cannot be reversed: {why}")]
    NotReversible {
        /// The event.
        id: i64,
        /// Why.
        why: String,
    },
    /// The player has spent the AP already.
    #[error(
        "player {player} has {has} AP left of the {wanted} AP to take back; --allow-negative takes them all the same and leaves \
         the total below zero"
    )]
    Spent {
        /// Whose.
        player: PlayerId,
        /// `players.total_ap`.
        has: Points,
        /// AP of the event.
        wanted: Points,
    },
    /// There is no such position.
    #[error("there is no position {0}; `pool-poller positions show` lists them")]
    UnknownPosition(i64),
    /// The position cannot be counted from there.
    #[error("{0}")]
    Mark(String),
    /// The database could not be asked, or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sea_orm::DbErr> for DecisionError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

/// An event after its decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The row.
    pub event: mining_events::Model,
    /// The player's name.
    pub username: String,
}

/// Begins a transaction that may write.
pub(super) async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, StoreError> {
    Ok(db.begin_with_options(write_at_once()).await?)
}

/// Repeats `attempt`, a whole transaction, while another transaction is met.
pub(super) async fn repeat<T>(mut attempt: impl AsyncFnMut() -> Result<T, DecisionError>) -> Result<T, DecisionError> {
    let mut conflicts = 0;
    loop {
        match attempt().await {
            Err(DecisionError::Store(error)) if error.next() == Next::RetryNow && conflicts < CONFLICTS_MAX => conflicts += 1,
            outcome => return outcome,
        }
    }
}

/// Gives the AP of a held event: its recorded ADVC times `ap_per_advc`, which is the setting of now.
///
/// # Errors
/// When it is not held (any more), or the database cannot be asked.
pub async fn approve(
    db: &DatabaseConnection,
    event: EventRef,
    operator: &Operator,
    ap_per_advc: Rate,
    now: NaiveDateTime,
) -> Result<Decided, DecisionError> {
    repeat(async || {
        let transaction = begin(db).await?;
        let held = lock_held(&transaction, event).await?;
        let player = PlayerId(held.player_id);
        let advc = amount(held.advc_amount, held.id)?;
        let points = advc
            .convert(ap_per_advc)
            .map(Points::new)
            .map_err(|_| StoreError::Content(format!("the AP of event {} are too many to be represented", held.id)))?;
        let mut totals = lock_players(&transaction, vec![player.0]).await?;
        let mine = totals.get_mut(&player).ok_or_else(|| gone(player))?;
        mine.add(player, advc, points)?;
        let change = mining_events::ActiveModel {
            status: Set(mining_events::AWARDED.to_owned()),
            processed: Set(true),
            ap_awarded: Set(money(points.get())),
            ap_per_advc: Set(Some(Money(ap_per_advc.to_decimal()))),
            player_sequence: Set(Some(mine.sequence)),
            total_ap_after: Set(Some(money(mine.total_ap.get()))),
            total_advc_after: Set(Some(money(mine.total_advc))),
            ..Default::default()
        };
        let username = mine.username.clone();
        store_totals(&transaction, &totals, Some(now), now).await?;
        decide(&transaction, &held, change, operator, now).await?;
        finish(transaction, held.id, username).await
    })
    .await
}

/// The other events of the same wallet on the same pool that count a part of what `event` counts, awarded or still held, by their
/// numbers. After a rebase to a lower mark that is as it should be where the pool has begun its counters anew, and a payout counted
/// twice where it has not: only a person can tell.
///
/// # Errors
/// When the database cannot be asked.
pub async fn overlapping(db: &DatabaseConnection, event: &mining_events::Model) -> Result<Vec<(i64, String)>, StoreError> {
    use mining_events::Column;
    let range = |row: &mining_events::Model| Some((row.native_previous?.0, row.native_current?.0));
    let (Some(address), Some((from, to))) = (&event.address, range(event)) else { return Ok(Vec::new()) };
    let of_wallet = mining_events::Entity::find()
        .filter(Column::PoolName.eq(&event.pool_name))
        .filter(Column::Address.eq(address))
        .filter(Column::PlayerId.eq(event.player_id))
        .filter(Column::Id.ne(event.id))
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    let reversed: Vec<i64> = of_wallet.iter().filter_map(|row| row.reverses).collect();
    let counts = |row: &&mining_events::Model| {
        row.reverses.is_none() && row.status != mining_events::REJECTED && !reversed.contains(&row.id)
    };
    let overlaps =
        |row: &&mining_events::Model| range(row).is_some_and(|(other_from, other_to)| other_from < to && from < other_to);
    Ok(of_wallet.iter().filter(counts).filter(overlaps).map(|row| (row.id, row.status.clone())).collect())
}

/// Decides that a held event gives no AP. The mark stays: this part of the counter is accounted for.
///
/// # Errors
/// When it is not held (any more), or the database cannot be asked.
pub async fn reject(
    db: &DatabaseConnection,
    event: EventRef,
    operator: &Operator,
    now: NaiveDateTime,
) -> Result<Decided, DecisionError> {
    repeat(async || {
        let transaction = begin(db).await?;
        let held = lock_held(&transaction, event).await?;
        let change = mining_events::ActiveModel {
            status: Set(mining_events::REJECTED.to_owned()),
            processed: Set(true),
            ..Default::default()
        };
        decide(&transaction, &held, change, operator, now).await?;
        let username = username(&transaction, held.player_id).await?;
        finish(transaction, held.id, username).await
    })
    .await
}

async fn lock_held(db: &DatabaseTransaction, event: EventRef) -> Result<mining_events::Model, DecisionError> {
    let row = lock_event(db, event).await?;
    if row.status == mining_events::HELD { Ok(row) } else { Err(DecisionError::NotHeld { id: row.id, state: state_of(&row) }) }
}

/// Reads an event and keeps others from deciding about it until the transaction ends.
pub(super) async fn lock_event(db: &DatabaseTransaction, event: EventRef) -> Result<mining_events::Model, DecisionError> {
    let wanted = match event {
        EventRef::Row(id) => mining_events::Column::Id.eq(id),
        EventRef::Id(id) => mining_events::Column::EventId.eq(id.to_string()),
    };
    let found = mining_events::Entity::find().filter(wanted).lock_exclusive().one(db).await?;
    found.ok_or(DecisionError::UnknownEvent(event))
}

/// What an event is, and who made it so.
fn state_of(row: &mining_events::Model) -> String {
    match (&row.decided_by, row.decided_at) {
        (Some(by), Some(at)) if row.reverses.is_none() => {
            format!("it was {} by {by} at {} UTC", row.status, at.format("%Y-%m-%d %H:%M:%S"))
        }
        _ => format!("it is {}", row.status),
    }
}

async fn decide(
    db: &DatabaseTransaction,
    held: &mining_events::Model,
    mut change: mining_events::ActiveModel,
    operator: &Operator,
    now: NaiveDateTime,
) -> Result<(), DecisionError> {
    change.decided_at = Set(Some(now));
    change.decided_by = Set(Some(operator.by.clone()));
    change.decision_reason = Set(Some(operator.reason.clone()));
    let changed = mining_events::Entity::update_many()
        .set(change)
        .filter(mining_events::Column::Id.eq(held.id))
        // The guard of exactly-once, whatever was locked before.
        .filter(mining_events::Column::Status.eq(mining_events::HELD))
        .exec(db)
        .await?;
    if changed.rows_affected == 1 { Ok(()) } else { Err(StoreError::Stale.into()) }
}

pub(super) async fn finish(transaction: DatabaseTransaction, id: i64, username: String) -> Result<Decided, DecisionError> {
    let event = mining_events::Entity::find_by_id(id).one(&transaction).await?;
    let event = event.ok_or(DecisionError::UnknownEvent(EventRef::Row(id)))?;
    transaction.commit().await?;
    Ok(Decided { event, username })
}

async fn username(db: &DatabaseTransaction, player: i32) -> Result<String, DecisionError> {
    use entity::players::{Column, Entity};
    let name = as_text(db.get_database_backend(), Column::Username);
    let name = Entity::find_by_id(player).select_only().column_as(name, "username");
    Ok(name.into_tuple::<String>().one(db).await?.unwrap_or_default())
}

pub(super) fn gone(player: PlayerId) -> StoreError {
    StoreError::Content(format!("player {player} is no longer in the database"))
}

pub(super) fn amount(value: Money, event: i64) -> Result<Amount, StoreError> {
    Amount::from_decimal(value.0).ok_or_else(|| StoreError::Content(format!("an amount of event {event} is out of range")))
}
