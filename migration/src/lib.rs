//! The ordered schema migrations, on SQLite and on PostgreSQL.
//!
//! The unique keys that make awarding idempotent live here.

mod m20261122_000001_create_tables;
mod m20261122_000002_decisions;

use sea_orm_migration::prelude::*;
pub use sea_orm_migration::{MigratorTrait, SchemaManager, seaql_migrations};

/// Applies the migrations in order.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261122_000001_create_tables::Migration), Box::new(m20261122_000002_decisions::Migration)]
    }
}
