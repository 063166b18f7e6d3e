//! What a batch led to, as it was stored.

use chrono::NaiveDateTime;

use super::plan::AnomalyReport;
use crate::domain::payout::HoldReason;
use crate::domain::{Amount, EventId, PlayerId, Points, PoolName};

/// An award as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwardedEvent {
    /// The id that the game server recognizes a repetition by.
    pub event_id: EventId,
    /// Whose.
    pub player: PlayerId,
    /// The player's name.
    pub username: String,
    /// The pool that paid.
    pub pool: PoolName,
    /// The number of the award within its player's.
    pub sequence: i64,
    /// The payout in ADVC.
    pub advc: Amount,
    /// AP given.
    pub points: Points,
    /// The player's AP right after it.
    pub total_ap: Points,
    /// The player's ADVC right after it.
    pub total_advc: Amount,
    /// UTC.
    pub at: NaiveDateTime,
}

/// A held event as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEvent {
    /// Its id.
    pub event_id: EventId,
    /// Whose.
    pub player: PlayerId,
    /// The pool.
    pub pool: PoolName,
    /// The amount in ADVC that waits.
    pub advc: Amount,
    /// Why.
    pub reason: HoldReason,
}

/// What a batch led to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Readings in the batch.
    pub readings: u64,
    /// Awards.
    pub awards: Vec<AwardedEvent>,
    /// Events that wait for an operator.
    pub held: Vec<HeldEvent>,
    /// Anomalies that were recorded.
    pub anomalies: Vec<AnomalyReport>,
    /// Positions opened.
    pub opened: u64,
    /// Rises too small to count yet.
    pub dust: u64,
    /// Snapshots written.
    pub snapshots: u64,
    /// Transactions committed.
    pub transactions: u64,
    /// Transactions begun anew after a conflict with another process.
    pub conflicts: u64,
    /// Observations that the database refuses even as an anomaly.
    pub dropped: Vec<String>,
    /// Of each observation of the batch in their order, whether the same again would change nothing, until a position is
    /// forgotten or other rules hold.
    pub settled: Vec<bool>,
}

impl Report {
    /// Adds what a later part of the same batch led to.
    pub(super) fn add(&mut self, other: Self) {
        self.readings += other.readings;
        self.awards.extend(other.awards);
        self.held.extend(other.held);
        self.anomalies.extend(other.anomalies);
        self.opened += other.opened;
        self.dust += other.dust;
        self.snapshots += other.snapshots;
        self.transactions += other.transactions;
        self.conflicts += other.conflicts;
        self.dropped.extend(other.dropped);
    }
}
