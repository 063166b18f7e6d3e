//! Finds the events of a position that were ever held, which are few among many.

use sea_orm_migration::prelude::*;

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Asked for with `hold_reason IN (…)`, from which both engines conclude that the index holds all that is wanted.
        let index = "CREATE INDEX ix_mining_events_held ON mining_events (position_id) WHERE hold_reason IS NOT NULL";
        manager.get_connection().execute_unprepared(index).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP INDEX ix_mining_events_held").await.map(drop)
    }
}
