//! Payouts that a pool lists one by one: every one that was ever seen, once.
//!
//! Complete in itself: a migration that has been applied somewhere must not change with the helpers of another one.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const PAYOUTS: &str = "listed_payouts";

fn column(name: &'static str) -> ColumnDef {
    ColumnDef::new(name)
}

/// An amount: NUMERIC on PostgreSQL, text on SQLite, which has no exact decimal.
fn money(backend: DbBackend, name: &'static str) -> ColumnDef {
    match backend {
        DbBackend::Sqlite => column(name).text().not_null().to_owned(),
        _ => column(name).decimal_len(38, 8).not_null().to_owned(),
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let table = Table::create()
            .table(PAYOUTS)
            .col(column("id").big_integer().not_null().auto_increment().primary_key())
            .col(column("pool_name").string_len(50).not_null())
            .col(column("address").string_len(255).not_null())
            .col(column("tx_id").string_len(255).not_null())
            .col(column("number").big_integer().not_null())
            .col(money(backend, "amount"))
            .col(money(backend, "total"))
            .col(column("source").text().not_null())
            .col(column("paid_at").timestamp())
            .col(column("seen_at").timestamp().not_null())
            .to_owned();
        manager.create_table(table).await?;
        // Each payout is recorded once, and the sums behind one another, whoever records them at the same time.
        for (name, last) in [("uq_listed_payouts_tx", "tx_id"), ("uq_listed_payouts_number", "number")] {
            let key = Index::create().name(name).table(PAYOUTS).col("pool_name").col("address").col(last).unique().to_owned();
            manager.create_index(key).await?;
        }
        let listed_at = Table::alter().table("positions").add_column(column("listed_at").timestamp()).to_owned();
        manager.alter_table(listed_at).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("positions").drop_column("listed_at").to_owned()).await?;
        manager.drop_table(Table::drop().table(PAYOUTS).to_owned()).await
    }
}
