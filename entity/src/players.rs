//! `players`: who plays. The game inserts and edits rows; this program adds to the totals and nothing else.

use sea_orm::entity::prelude::*;

use crate::Money;

/// A row of `players`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "players")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// Unique name.
    pub username: String,
    /// Unique address for mail.
    pub email: String,
    /// Unique ADVC wallet.
    pub wallet_address: String,
    /// Adventure Points ever given, less what the game took.
    pub total_ap: Money,
    /// ADVC ever awarded for.
    pub total_advc_mined: Money,
    /// The game's.
    pub level: i32,
    /// The game has proven that the wallet is the player's.
    pub verified: bool,
    /// The account may play.
    pub active: bool,
    /// UTC.
    pub created_at: DateTime,
    /// UTC.
    pub updated_at: DateTime,
    /// When AP was last awarded, UTC.
    pub last_mining_event: Option<DateTime>,
    /// The number of the player's newest awarded event; the next one is one higher.
    pub event_sequence: i64,
}

/// No relation is followed through the ORM.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
