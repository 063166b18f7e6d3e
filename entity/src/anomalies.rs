//! `anomalies`: answers that must not be credited and that a person should see. One unresolved row a wallet, pool and kind.

use sea_orm::entity::prelude::*;

/// A row of `anomalies`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "anomalies")]
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
    /// Its name, as in `domain::payout::AnomalyKind`.
    pub kind: String,
    /// What was seen, for a person.
    pub detail: String,
    /// When it was first seen, UTC.
    pub seen_at: DateTime,
    /// When it ended, UTC.
    pub resolved_at: Option<DateTime>,
    /// Who ended it: an operator's name, or `pool-poller` where the pool's answers did.
    pub resolved_by: Option<String>,
    /// How it ended.
    pub resolution: Option<String>,
}

/// No relation is followed through the ORM.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
