//! Proves the ledger's invariants row by row.
//!
//! What must hold, and is checked here:
//! - Of each position and epoch: the sum of the native amounts of its events, whether awarded, held or rejected, is high water −
//!   baseline. A reversal is apart: it takes AP back and moves no mark. The numbers of events and rebases are 1 to n without
//!   gaps, and no event reaches below the one before it.
//! - Of each event: its id is what its pool, address, epoch and counters give, `native = current − previous`,
//!   `advc = native × rate` and `ap = advc × AP_PER_ADVC` as recorded, and its status, number and totals belong together.
//! - Of each player: the events' numbers are 1 to n without gaps, each `total_advc_after` is the one before plus the event's ADVC,
//!   and `players` holds the last number and the last total. Both totals can be read, awards or not.
//! - Of each wallet whose pool lists payouts: they are numbered 1 to n, each sum is the one before plus the payout, and every mark
//!   and counter of its positions is one of these sums, or a mark that an operator has set.
//! - Of each reversal: it is the exact negative of one award.
//!
//! `total_ap` is the game's to change as well: where it moves between two events by more than the event's AP, that is counted as
//! information. Rows of the replaced service carry no numbers and prove nothing; they are counted.
//!
//! Promises: reads one consistent snapshot without keeping a writer waiting, in pages, so that memory is bounded whatever the
//! size. Changes nothing.

mod event;
mod listed;
mod players;
mod positions;
mod rows;

use sea_orm::{AccessMode, DatabaseConnection, DatabaseTransaction, DbBackend, IsolationLevel, TransactionTrait as _};

use super::{Observer, Progress, StoreError, stored_decimal};
use crate::domain::Amount;

/// Differences that are kept in full; the rest is only counted.
const DIFFERENCES_KEPT_MAX: usize = 1_000;

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The rule, a stable name.
    pub what: &'static str,
    /// The row.
    pub place: String,
    /// What it should hold.
    pub expected: String,
    /// What it holds.
    pub found: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Positions.
    pub positions: u64,
    /// Events of positions.
    pub events: u64,
    /// Of those, held ones.
    pub held: u64,
    /// Reversing events.
    pub reversals: u64,
    /// Players.
    pub players: u64,
    /// Payouts that pools have listed.
    pub payouts: u64,
    /// Events of the replaced service.
    pub foreign_events: u64,
    /// Players whose AP were changed by somebody else too, as the game does when they are spent.
    pub players_with_other_ap: u64,
    /// By how much in all; below zero when more was spent than given.
    #[serde(serialize_with = "super::exact_number")]
    pub other_ap: Amount,
    /// How many differences there are.
    pub differences_total: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
}

impl Report {
    fn differs(&mut self, what: &'static str, place: &str, expected: impl ToString, found: impl ToString) {
        self.differences_total += 1;
        if self.differences.len() < DIFFERENCES_KEPT_MAX {
            let (expected, found) = (expected.to_string(), found.to_string());
            self.differences.push(Difference { what, place: place.to_owned(), expected, found });
        }
    }

    /// Notes a difference unless both are equal.
    fn compare<T: PartialEq + ToString>(&mut self, what: &'static str, place: &str, expected: T, found: T) {
        if expected != found {
            self.differs(what, place, expected, found);
        }
    }
}

/// Checks everything.
///
/// # Errors
/// When the database cannot be asked. What is wrong in the rows is no error but a difference.
pub async fn verify(db: &DatabaseConnection) -> Result<Report, StoreError> {
    verify_observed(db, &|_| ()).await
}

/// As [`verify`], telling `observer` how far it is.
///
/// # Errors
/// As [`verify`].
pub async fn verify_observed(db: &DatabaseConnection, observer: Observer<'_>) -> Result<Report, StoreError> {
    let snapshot = begin_snapshot(db).await?;
    let mut report = Report::default();
    let begins = |what, of| observer(Progress::Begins { what, of: Some(of) });
    begins("checking positions", rows::count(&snapshot, "positions").await?);
    positions::check(&snapshot, &mut report, observer).await?;
    begins("checking listed payouts", rows::count(&snapshot, "listed_payouts").await?);
    listed::check(&snapshot, &mut report, observer).await?;
    begins("checking players", rows::count(&snapshot, "players").await?);
    players::check(&snapshot, &mut report, observer).await?;
    observer(Progress::Begins { what: "checking strays", of: None });
    rows::check_stray(&snapshot, &mut report).await?;
    snapshot.rollback().await?;
    Ok(report)
}

/// A transaction in which every query sees the same state.
async fn begin_snapshot(db: &DatabaseConnection) -> Result<DatabaseTransaction, StoreError> {
    Ok(match db.get_database_backend() {
        DbBackend::Postgres => db.begin_with_config(Some(IsolationLevel::RepeatableRead), Some(AccessMode::ReadOnly)).await?,
        // In WAL mode a reading transaction sees the state of its first read and holds up no writer.
        _ => db.begin().await?,
    })
}

/// Reads a stored amount, which has eight places at most.
fn amount(text: &str) -> Option<Amount> {
    Amount::from_decimal(stored_decimal(text)?)
}
