//! `pool_snapshots`: what the pools said, as history only. Deleting rows can never change what is awarded.

use sea_orm::entity::prelude::*;

use crate::Money;

/// A row of `pool_snapshots`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "pool_snapshots")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Whose.
    pub player_id: i32,
    /// On which pool.
    pub pool_name: String,
    /// Hash rate as the pool states it.
    pub total_hash: Option<Money>,
    /// Shares as the pool states them.
    pub total_shares: Option<Money>,
    /// Not yet confirmed, in the pool's currency.
    pub immature: Option<Money>,
    /// Owed, in ADVC at the rate of the moment.
    pub balance: Option<Money>,
    /// The counter in ADVC at the rate of the moment.
    pub paid: Money,
    /// The pool's answer as JSON, shortened where it is large.
    pub raw_response: Option<String>,
    /// UTC.
    pub snapshot_time: DateTime,
    /// The wallet asked for.
    pub address: Option<String>,
    /// The counter in the pool's currency.
    pub native_paid: Option<Money>,
    /// The pool's currency.
    pub currency: Option<String>,
    /// ADVC per unit of that currency at the moment.
    pub rate: Option<Money>,
}

/// No relation is followed through the ORM.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
