//! `positions`: what is known and accounted for, of one player's one wallet on one pool.

use sea_orm::entity::prelude::*;

use crate::Money;

/// A row of `positions`. Amounts are in the pool's own currency.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "positions")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Whose.
    pub player_id: i32,
    /// On which pool.
    pub pool_name: String,
    /// The wallet.
    pub address: String,
    /// Pinned at the first reading.
    pub currency: String,
    /// The field the counter comes from, pinned at the first reading.
    pub source: String,
    /// Where counting began.
    pub baseline: Money,
    /// The highest counter accounted for.
    pub high_water: Money,
    /// The number of the newest event; compared in every transaction that adds one.
    pub sequence: i64,
    /// Readings seen, as far as it matters.
    pub readings: i32,
    /// Whether the first reading was zero.
    pub began_at_zero: bool,
    /// How often an operator has rebased it.
    pub epoch: i32,
    /// The kind of the unresolved anomaly, so that it is recorded once and not once a poll.
    pub open_anomaly: Option<String>,
    /// The figures of the newest snapshot, in one text, to tell a changed answer from an unchanged one.
    pub snapshot_digest: Option<String>,
    /// When the newest snapshot was written, UTC.
    pub snapshot_at: Option<DateTime>,
    /// UTC.
    pub created_at: DateTime,
    /// UTC.
    pub updated_at: DateTime,
    /// When the wallet's list was last read, as far as it matters; null where the pool counts.
    pub listed_at: Option<DateTime>,
}

/// No relation is followed through the ORM.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
