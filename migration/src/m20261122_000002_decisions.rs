//! What an operator decides about money: who, when and why, reversing events, and positions counted anew.
//!
//! Complete in itself: a migration that has been applied somewhere must not change with the helpers of another one.

use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::prelude::*;

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const EVENTS: &str = "mining_events";
const REBASES: &str = "position_rebases";

fn column(name: &'static str) -> ColumnDef {
    ColumnDef::new(name)
}

/// An amount: NUMERIC on PostgreSQL, text on SQLite, which has no exact decimal.
fn money(backend: DbBackend, name: &'static str) -> ColumnDef {
    match backend {
        DbBackend::Sqlite => column(name).text().to_owned(),
        _ => column(name).decimal_len(38, 8).to_owned(),
    }
}

fn rate(backend: DbBackend, name: &'static str) -> ColumnDef {
    match backend {
        DbBackend::Sqlite => column(name).text().to_owned(),
        _ => column(name).decimal_len(36, 18).to_owned(),
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let added = [
            column("epoch").integer().not_null().default(0).to_owned(),
            rate(backend, "ap_per_advc"),
            column("decided_at").timestamp().to_owned(),
            column("decided_by").string_len(100).to_owned(),
            column("decision_reason").text().to_owned(),
        ];
        for mut column in added {
            // SQLite adds one column a statement.
            manager.alter_table(Table::alter().table(EVENTS).add_column(&mut column).to_owned()).await?;
        }
        // The builder cannot add a column with its reference on SQLite. Both engines understand this form.
        let kind = if backend == DbBackend::Sqlite { "integer" } else { "bigint" };
        let reverses = format!("ALTER TABLE {EVENTS} ADD COLUMN reverses {kind} REFERENCES {EVENTS} (id)");
        manager.get_connection().execute_unprepared(&reverses).await?;
        // An event is reversed at most once, whoever presses at the same time. Rows that reverse nothing are not compared.
        let once = Index::create().name("uq_mining_events_reverses").table(EVENTS).col("reverses").unique().to_owned();
        manager.create_index(once).await?;
        position_rebases(manager, backend).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(REBASES).to_owned()).await?;
        manager.drop_index(Index::drop().name("uq_mining_events_reverses").table(EVENTS).to_owned()).await?;
        for name in ["reverses", "decision_reason", "decided_by", "decided_at", "ap_per_advc", "epoch"] {
            manager.alter_table(Table::alter().table(EVENTS).drop_column(name).to_owned()).await?;
        }
        Ok(())
    }
}

async fn position_rebases(manager: &SchemaManager<'_>, backend: DbBackend) -> Result<(), DbErr> {
    let mut of_position = ForeignKey::create()
        .name("fk_position_rebases_position")
        .from(REBASES, "position_id")
        .to("positions", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned();
    let table = Table::create()
        .table(REBASES)
        .col(column("id").big_integer().not_null().auto_increment().primary_key())
        .col(column("position_id").big_integer().not_null())
        .col(column("position_sequence").big_integer().not_null())
        .col(column("from_epoch").integer().not_null())
        .col(column("to_epoch").integer().not_null())
        .col(column("old_currency").string_len(16).not_null())
        .col(column("new_currency").string_len(16).not_null())
        .col(column("old_source").text().not_null())
        .col(column("new_source").text().not_null())
        .col(money(backend, "old_baseline").not_null())
        .col(money(backend, "old_high_water").not_null())
        .col(money(backend, "new_high_water").not_null())
        .col(column("decided_by").string_len(100).not_null())
        .col(column("reason").text().not_null())
        .col(column("decided_at").timestamp().not_null())
        .foreign_key(&mut of_position)
        .to_owned();
    manager.create_table(table).await?;
    let key = Index::create()
        .name("uq_position_rebases_position_sequence")
        .table(REBASES)
        .col("position_id")
        .col("position_sequence")
        .unique()
        .to_owned();
    manager.create_index(key).await
}
