//! `player_wallets`: the address by which one pool knows a player, where it is not the ADVC wallet.

use sea_orm::entity::prelude::*;

/// A row of `player_wallets`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "player_wallets")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// Whose.
    pub player_id: i32,
    /// On which pool.
    pub pool_name: String,
    /// The address as the pool knows it.
    pub address: String,
    /// UTC.
    pub created_at: DateTime,
}

/// No relation is followed through the ORM.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
