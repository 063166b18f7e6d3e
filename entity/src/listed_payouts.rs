//! `listed_payouts`: every payout that a pool has listed one by one, of wallets whose pool counts nothing itself.
//!
//! It belongs to the pool's wallet and not to a player: whoever has the wallet, a payout is recorded once. Rows are never
//! edited or deleted.

use sea_orm::entity::prelude::*;

use crate::Money;

/// A row of `listed_payouts`. Amounts are in the pool's currency of their time.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "listed_payouts")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// On which pool.
    pub pool_name: String,
    /// The wallet.
    pub address: String,
    /// What the pool knows the payout by, mostly the transaction; unique within the wallet.
    pub tx_id: String,
    /// Its number within the wallet, from 1 without gaps.
    pub number: i64,
    /// What was paid.
    pub amount: Money,
    /// The sum of all payouts of the wallet up to and with this one: the counter that its position goes by.
    pub total: Money,
    /// Which list, by which id and in which unit.
    pub source: String,
    /// When the pool says that it paid, UTC.
    pub paid_at: Option<DateTime>,
    /// When it was first seen, UTC.
    pub seen_at: DateTime,
}

/// No relation is followed through the ORM.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
