//! What a takeover does or did, for a person.

use chrono::NaiveDateTime;
use rust_decimal::Decimal;

use super::twice::Twice;
use crate::domain::Rate;

/// What a takeover does or did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// The rows of each table, all of which are kept.
    pub tables: Vec<TableRows>,
    /// The positions opened, by pool.
    pub pools: Vec<PoolMarks>,
    /// Players and pools that get no position.
    pub skipped: Vec<Skipped>,
    /// Figures that no position was derived from.
    pub ignored: Vec<IgnoredFigure>,
    /// What the replaced service awarded twice.
    pub twice: Twice,
    /// Events that the game server was never told of, and never will be.
    pub never_sent: u64,
    /// When the replaced service wrote its newest snapshot, UTC.
    pub newest_snapshot: Option<NaiveDateTime>,
    /// What has to be put right first.
    pub blockers: Vec<String>,
}

/// The rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRows {
    /// The table.
    pub table: &'static str,
    /// Its rows.
    pub rows: u64,
    /// Those whose player is gone.
    pub orphans: u64,
}

/// The positions of a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolMarks {
    /// The pool.
    pub pool: String,
    /// How many.
    pub positions: u64,
    /// Those whose mark is zero.
    pub zero: u64,
    /// The sum of their marks, in `currency`.
    pub marks: Decimal,
    /// The currency of the marks.
    pub currency: String,
    /// What the recorded ADVC was divided by, where the currency is another.
    pub rate: Option<Rate>,
}

/// A player and pool without a position: the first reading opens one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// `players.id`.
    pub player_id: i32,
    /// The pool as it is written in the tables.
    pub pool: String,
    /// Why.
    pub reason: String,
}

/// A figure that was left out of account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredFigure {
    /// The table.
    pub table: &'static str,
    /// The row's id.
    pub row: i64,
    /// Whose.
    pub player_id: i32,
    /// On which pool.
    pub pool: String,
    /// The column.
    pub column: &'static str,
    /// What stands there.
    pub value: String,
    /// Whether it still stands there afterwards; a number that no decimal column of this program holds becomes 0.
    pub kept: bool,
}

impl Report {
    /// Positions in all.
    #[must_use]
    pub fn positions(&self) -> u64 {
        self.pools.iter().map(|pool| pool.positions).sum()
    }

    /// Rows of one table.
    #[must_use]
    pub fn rows(&self, table: &str) -> u64 {
        self.tables.iter().filter(|rows| rows.table == table).map(|rows| rows.rows).sum()
    }
}
