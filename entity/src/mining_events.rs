//! `mining_events`: one row for each payout that was found, and the outbox of the notifier.
//!
//! Rows are never deleted and their amounts never edited. `status`, with what an operator's decision fills in, and the delivery
//! columns are what changes. What was awarded wrongly is taken back by a row of its own with negative amounts, which names the
//! one that it reverses.

use sea_orm::entity::prelude::*;

use crate::Money;

/// AP was given.
pub const AWARDED: &str = "awarded";
/// Recorded without AP until an operator decides.
pub const HELD: &str = "held";
/// An operator decided that no AP is given.
pub const REJECTED: &str = "rejected";

/// A row of `mining_events`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mining_events")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Whose.
    pub player_id: i32,
    /// On which pool.
    pub pool_name: String,
    /// The payout in ADVC.
    pub advc_amount: Money,
    /// AP given for it; zero while held or rejected, negative where it reverses another event.
    pub ap_awarded: Money,
    /// The high-water mark before, in ADVC at the rate of the moment.
    pub previous_paid: Money,
    /// The counter, in ADVC at the rate of the moment.
    pub current_paid: Money,
    /// UTC.
    pub event_time: DateTime,
    /// The AP was added to the player's total, or an operator decided against it.
    pub processed: bool,
    /// The game server acknowledged the notice.
    pub notified: bool,
    /// The UUID that the game server recognizes a repetition by. Null only in rows of the replaced service.
    pub event_id: Option<String>,
    /// The position that rose.
    pub position_id: Option<i64>,
    /// The number of the event within its position, from 1; null where it reverses another event. An operator's rebase takes a
    /// number too.
    pub position_sequence: Option<i64>,
    /// The number of the award within its player's, from 1 without gaps; null while held or rejected.
    pub player_sequence: Option<i64>,
    /// The wallet.
    pub address: Option<String>,
    /// `native_current − native_previous`.
    pub native_amount: Option<Money>,
    /// The high-water mark before, in the pool's currency.
    pub native_previous: Option<Money>,
    /// The counter, in the pool's currency.
    pub native_current: Option<Money>,
    /// The pool's currency.
    pub currency: Option<String>,
    /// ADVC per unit of that currency at the moment.
    pub rate: Option<Money>,
    /// [`AWARDED`], [`HELD`] or [`REJECTED`].
    pub status: String,
    /// Why it is or was held.
    pub hold_reason: Option<String>,
    /// `players.total_ap` right after this award: what every notice of it says, however late.
    pub total_ap_after: Option<Money>,
    /// `players.total_advc_mined` right after this award.
    pub total_advc_after: Option<Money>,
    /// Notices sent and not acknowledged.
    pub delivery_attempts: i32,
    /// No notice goes out before this moment, UTC.
    pub next_attempt_at: Option<DateTime>,
    /// Given up after `NOTIFY_MAX_ATTEMPTS`; `events replay` sends again.
    pub delivery_dead: bool,
    /// The position's epoch at the time; part of what the event's id is derived from.
    pub epoch: i32,
    /// AP for one ADVC at the moment; null while held, and in rows from before there was this column.
    pub ap_per_advc: Option<Money>,
    /// When an operator approved or rejected it or, on a reversing event, ordered it; UTC.
    pub decided_at: Option<DateTime>,
    /// Which operator.
    pub decided_by: Option<String>,
    /// Why.
    pub decision_reason: Option<String>,
    /// The event that this one takes back.
    pub reverses: Option<i64>,
}

/// No relation is followed through the ORM.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
