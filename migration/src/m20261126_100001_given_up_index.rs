//! Finds the awards whose delivery was given up, which are few among many.

use sea_orm_migration::prelude::*;

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = "CREATE INDEX ix_mining_events_given_up ON mining_events (player_id, player_sequence) \
                     WHERE delivery_dead = TRUE AND notified = FALSE";
        manager.get_connection().execute_unprepared(index).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP INDEX ix_mining_events_given_up").await.map(drop)
    }
}
