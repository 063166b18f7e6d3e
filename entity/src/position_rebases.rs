//! `position_rebases`: where an operator let a position be counted from another mark. Rows are never edited or deleted.

use sea_orm::entity::prelude::*;

use crate::Money;

/// A row of `position_rebases`. Amounts are in the pool's currency of their time.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "position_rebases")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Which position.
    pub position_id: i64,
    /// The number it took within the position, between those of the events.
    pub position_sequence: i64,
    /// The epoch that it ended.
    pub from_epoch: i32,
    /// The epoch that it began.
    pub to_epoch: i32,
    /// The currency before.
    pub old_currency: String,
    /// The currency after.
    pub new_currency: String,
    /// The field of the counter before.
    pub old_source: String,
    /// The field of the counter after.
    pub new_source: String,
    /// Where counting of the ended epoch began.
    pub old_baseline: Money,
    /// The mark at which the ended epoch stopped.
    pub old_high_water: Money,
    /// Baseline and mark of the new epoch.
    pub new_high_water: Money,
    /// Which operator.
    pub decided_by: String,
    /// Why.
    pub reason: String,
    /// UTC.
    pub decided_at: DateTime,
}

/// No relation is followed through the ORM.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
