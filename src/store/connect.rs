//! Opening the database with the limits and the durability that the ledger relies on.

use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{ConnectOptions as _, Connection as _, postgres::PgConnectOptions};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr,
    SqlxSqliteConnector, TransactionTrait as _,
};

use super::write_at_once;

/// How long a statement may run, and how long to wait for SQLite's write lock.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections: the notifier's, the scheduler's and the status page's reads, and on PostgreSQL the ledger's transaction.
const CONNECTIONS_MAX: u32 = 4;
/// What each SQLite connection keeps of the file, in KiB, besides what the system keeps of it. Those that read need little.
const PAGES_KIB: u32 = 512;
/// The same of the one that writes: among others the upper pages of the indexes into which the events go.
const WRITER_PAGES_KIB: u32 = 2_048;

/// Pages of SQLite's log, of 4 KiB, at which whoever commits moves them into the file; until then it is left to [`checkpoint`].
const LOG_PAGES_MAX: u32 = 16_000;

/// Connects to `url` (`sqlite:…` or `postgres://…`) under the name `application`, as PostgreSQL's `pg_stat_activity` shows it.
///
/// SQLite runs in WAL mode with `synchronous=FULL` and foreign keys: a committed transaction survives a power loss.
/// PostgreSQL gets limits for statements, locks and idle transactions, so that a daemon that hangs blocks nobody for long.
///
/// # Errors
/// When the URL is no database's or the database cannot be reached.
pub async fn connect(url: &str, application: &str) -> Result<DatabaseConnection, DbErr> {
    if url.starts_with("postgres") {
        try_postgres(url).await?;
    }
    let mut options = ConnectOptions::new(url);
    let in_memory = url.starts_with("sqlite") && url.contains(":memory:");
    options
        // Each connection to an in-memory database has a database of its own.
        .max_connections(if in_memory { 1 } else { CONNECTIONS_MAX })
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .set_application_name(application)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(STATEMENT_TIMEOUT)
                .create_if_missing(true)
                .pragma(CACHE_SIZE, kib(PAGES_KIB))
        })
        .map_sqlx_sqlite_pool_opts(|pool| pool.after_release(|connection, _| Box::pin(is_reusable(connection))))
        .map_sqlx_postgres_opts(|postgres| {
            let millis = |duration: Duration| duration.as_millis().to_string();
            postgres.options([
                ("statement_timeout", millis(STATEMENT_TIMEOUT)),
                ("lock_timeout", millis(STATEMENT_TIMEOUT / 2)),
                ("idle_in_transaction_session_timeout", millis(STATEMENT_TIMEOUT * 2)),
                // A plan that is kept is one for the table as it was: made while there were a few hundred events, it reads
                // all of them, however many they are by now, until the statistics are next gathered.
                ("plan_cache_mode", "force_custom_plan".to_owned()),
            ])
        });
    if in_memory {
        // The database would go with its only connection.
        options.idle_timeout(None::<Duration>).max_lifetime(None::<Duration>);
    }
    Database::connect(options).await
}

/// What one who writes by himself, one transaction after the other, goes through, beside `db`, which then is for reading.
///
/// On SQLite a connection of its own, which has to be closed like `db`: each keeps its own pages and its own prepared statements of a
/// thousand rows, several MiB of them, and those of a pool take turns. On PostgreSQL the same pool, which has to do with as many
/// connections as the server grants.
///
/// # Panics
/// Outside of a runtime.
#[must_use]
pub fn writer(db: &DatabaseConnection) -> DatabaseConnection {
    if db.get_database_backend() != DbBackend::Sqlite {
        return db.clone();
    }
    if is_in_memory(db) {
        return db.clone();
    }
    let pool = db.get_sqlite_connection_pool();
    let connection = pool.connect_options().as_ref().clone();
    let connection = connection.pragma(CACHE_SIZE, kib(WRITER_PAGES_KIB)).pragma("wal_autocheckpoint", LOG_PAGES_MAX.to_string());
    let options = pool.options().clone().max_connections(1).min_connections(0);
    SqlxSqliteConnector::from_sqlx_sqlite_pool(options.connect_lazy_with(connection))
}

/// Whether it is SQLite's without a file. Its only connection is all that sees it.
fn is_in_memory(db: &DatabaseConnection) -> bool {
    db.get_sqlite_connection_pool().options().get_max_connections() == 1
}

/// Moves what was committed from SQLite's log into the database's file, as far as no reader is in the way, while others commit.
/// Nothing happens on PostgreSQL, which does that by itself.
///
/// Whoever commits would do so otherwise whenever there is much of it, and a payout would wait for that. It changes nothing about
/// what survives: a commit is in the log, and the log on the disk, before it is over.
///
/// # Errors
/// When the database is away. Whoever commits then does it all the same when the log has become long.
pub async fn checkpoint(db: &DatabaseConnection) -> Result<(), DbErr> {
    if db.get_database_backend() == DbBackend::Sqlite && !is_in_memory(db) {
        db.execute_unprepared("PRAGMA wal_checkpoint(PASSIVE)").await?;
    }
    Ok(())
}

/// Begins a transaction whose statements find a few rows by their keys, or a thousand.
///
/// # Errors
/// When the database is away or busy.
pub async fn begin_to_write(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let transaction = db.begin_with_options(write_at_once()).await?;
    if db.get_database_backend() == DbBackend::Postgres {
        transaction.execute_unprepared(BY_THE_INDEX).await?;
    }
    Ok(transaction)
}

/// A statement is planned once a connection, and goes by the index whatever the table's length was then. To plan it for each
/// execution costs more than it takes to run, and for a thousand rows comes to read a table of many times as many from end to end.
const BY_THE_INDEX: &str = "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off; \
     SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";
const CACHE_SIZE: &str = "cache_size";

/// A `cache_size` in KiB; without the sign it would be one in pages.
fn kib(size: u32) -> String {
    format!("-{size}")
}

/// Whether a connection may serve again: not when a transaction is still open on it.
///
/// A full disk can fail the rollback too. The connection would then go on showing rows that were never committed, and the
/// notifier would tell of awards that do not exist. Closing it ends the transaction for good.
async fn is_reusable(connection: &mut SqliteConnection) -> Result<bool, sea_orm::sqlx::Error> {
    // The rollback of a dropped transaction is only queued; the answer to the ping comes after it.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Connects once and closes again. The pool tries a server that refuses until its time is over and then only says that it was
/// over; this says why.
async fn try_postgres(url: &str) -> Result<(), DbErr> {
    let failed = |error| DbErr::Conn(RuntimeErr::SqlxError(std::sync::Arc::new(error)));
    let options: PgConnectOptions = url.parse().map_err(failed)?;
    match tokio::time::timeout(ACQUIRE_TIMEOUT, options.connect()).await {
        // Whether the good-bye arrives makes no difference.
        Ok(Ok(connection)) => drop(connection.close().await),
        Ok(Err(error)) => return Err(failed(error)),
        Err(_) => return Err(DbErr::Conn(RuntimeErr::Internal(format!("no answer within {} s", ACQUIRE_TIMEOUT.as_secs())))),
    }
    Ok(())
}
