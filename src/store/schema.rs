//! The schema's version, and bringing it up to date.

use migration::{Migrator, MigratorTrait as _, seaql_migrations};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait as _, TransactionTrait as _,
};

use super::takeover::{self, Found};
use super::write_at_once;

/// What the database holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    /// No table of ours.
    Empty,
    /// Some migrations are missing, these.
    Behind(Vec<String>),
    /// Everything is there.
    Current,
    /// The tables of the replaced service, without a record of migrations: [`takeover::take_over`] can have them.
    Original,
    /// Tables by our names that are neither, and what is unexpected about them.
    Foreign(String),
    /// Migrations of a newer version than this program, these.
    Ahead(Vec<String>),
}

/// Looks without changing anything.
///
/// # Errors
/// When the database cannot be asked.
pub async fn schema_state(db: &impl ConnectionTrait) -> Result<SchemaState, DbErr> {
    let known: Vec<String> = Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect();
    // First of all: a migration that another process commits between two looks must not make its tables look like somebody
    // else's. The tables and their record come in one transaction.
    let found = takeover::recognize(db).await?;
    let applied: Vec<String> = if takeover::has_table(db, "seaql_migrations").await? {
        seaql_migrations::Entity::find().all(db).await?.into_iter().map(|row| row.version).collect()
    } else {
        Vec::new()
    };
    let unknown: Vec<String> = applied.iter().filter(|version| !known.contains(version)).cloned().collect();
    if !unknown.is_empty() {
        return Ok(SchemaState::Ahead(unknown));
    }
    if applied.is_empty() {
        return Ok(match found {
            Found::Nothing => SchemaState::Empty,
            Found::Original => SchemaState::Original,
            Found::Foreign(reason) => SchemaState::Foreign(reason),
        });
    }
    let missing: Vec<String> = known.into_iter().filter(|version| !applied.contains(version)).collect();
    Ok(if missing.is_empty() { SchemaState::Current } else { SchemaState::Behind(missing) })
}

/// The key of the lock that keeps two processes from migrating one PostgreSQL database at once; any number that is ours alone.
const MIGRATION_LOCK: i64 = 0x706f_6f6c_2d70_6f6c;

/// Waits until nobody else migrates this database, and keeps others from it until the end of the transaction. A transaction on
/// SQLite is alone by itself, when it began as one that writes.
pub(super) async fn alone(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
    }
    Ok(())
}

/// Applies what is missing, all of it or nothing. Whoever comes second waits, and then finds nothing missing.
///
/// # Errors
/// When the database refuses; nothing was changed then.
pub async fn migrate(db: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = db.begin_with_options(write_at_once()).await?;
    alone(&transaction).await?;
    Migrator::up(&transaction, None).await?;
    transaction.commit().await
}
