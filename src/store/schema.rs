//! The schema's version, and bringing it up to date.

use migration::{Migrator, MigratorTrait as _, SchemaManager, seaql_migrations};
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, EntityTrait as _, SqliteTransactionMode, TransactionOptions,
    TransactionTrait as _,
};

/// What the database holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    /// No table of ours.
    Empty,
    /// Some migrations are missing, these.
    Behind(Vec<String>),
    /// Everything is there.
    Current,
    /// The tables of the replaced service, without a record of migrations.
    Foreign,
    /// Migrations of a newer version than this program, these.
    Ahead(Vec<String>),
}

/// Looks without changing anything.
///
/// # Errors
/// When the database cannot be asked.
pub async fn schema_state(db: &DatabaseConnection) -> Result<SchemaState, DbErr> {
    let known: Vec<String> = Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect();
    let manager = SchemaManager::new(db);
    // First of all: a migration that another process commits between two looks must not make its tables look like somebody
    // else's. The tables and their record come in one transaction.
    let has_players = manager.has_table("players").await?;
    let applied: Vec<String> = if manager.has_table("seaql_migrations").await? {
        seaql_migrations::Entity::find().all(db).await?.into_iter().map(|row| row.version).collect()
    } else {
        Vec::new()
    };
    let unknown: Vec<String> = applied.iter().filter(|version| !known.contains(version)).cloned().collect();
    if !unknown.is_empty() {
        return Ok(SchemaState::Ahead(unknown));
    }
    if applied.is_empty() {
        return Ok(if has_players { SchemaState::Foreign } else { SchemaState::Empty });
    }
    let missing: Vec<String> = known.into_iter().filter(|version| !applied.contains(version)).collect();
    Ok(if missing.is_empty() { SchemaState::Current } else { SchemaState::Behind(missing) })
}

/// The key of the lock that keeps two processes from migrating one PostgreSQL database at once; any number that is ours alone.
const MIGRATION_LOCK: i64 = 0x706f_6f6c_2d70_6f6c;

/// Applies what is missing, all of it or nothing. Whoever comes second waits, and then finds nothing missing.
///
/// # Errors
/// When the database refuses; nothing was changed then.
pub async fn migrate(db: &DatabaseConnection) -> Result<(), DbErr> {
    let options =
        TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..TransactionOptions::default() };
    let transaction = db.begin_with_options(options).await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
    }
    Migrator::up(&transaction, None).await?;
    transaction.commit().await
}
