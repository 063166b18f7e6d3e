//! The ordered schema migrations, on SQLite and on PostgreSQL.
//!
//! The unique keys that make awarding idempotent live here.

mod m20261122_000001_create_tables;
mod m20261122_000002_decisions;
mod m20261125_000003_held_events_index;
mod m20261126_100001_given_up_index;
mod m20261126_200001_listed_payouts;

pub use m20261122_000001_create_tables::IndexSql;
use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;
pub use sea_orm_migration::{MigratorTrait, SchemaManager, seaql_migrations};

/// Applies the migrations in order.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_create_tables::Migration),
            Box::new(m20261122_000002_decisions::Migration),
            Box::new(m20261125_000003_held_events_index::Migration),
            Box::new(m20261126_100001_given_up_index::Migration),
            Box::new(m20261126_200001_listed_payouts::Migration),
        ]
    }
}

/// What the first migration makes, for a takeover: it brings the tables of the replaced service to this form, records that
/// migration as applied and leaves the later ones to [`Migrator`].
#[derive(Debug)]
pub struct FirstVersion {
    /// The migration's name.
    pub name: String,
    /// The tables, each after those that it refers to.
    pub tables: Vec<TableCreateStatement>,
    /// Their indexes.
    pub indexes: Vec<IndexSql>,
}

/// What the first migration makes on `backend`.
#[must_use]
pub fn first_version(backend: DbBackend) -> FirstVersion {
    FirstVersion {
        name: m20261122_000001_create_tables::Migration.name().to_owned(),
        tables: m20261122_000001_create_tables::tables(backend).into(),
        indexes: m20261122_000001_create_tables::indexes(backend),
    }
}
