//! The databases of the bench: new ones, with players.

use std::path::Path;

use pool_poller::store::{connect, migrate};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

/// What keeps the rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// Those that there are: SQLite, and PostgreSQL where a server is named.
    pub(crate) fn all() -> Vec<Self> {
        let server = std::env::var_os("POOL_POLLER_TEST_PG");
        [Self::Sqlite, Self::Postgres].into_iter().filter(|engine| *engine == Self::Sqlite || server.is_some()).collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// A new database with verified players 1 to `players`. Answers its URL.
    pub(crate) fn fresh(self, folder: &Path, name: &str, players: usize) -> String {
        runtime().block_on(async {
            let url = match self {
                Self::Sqlite => {
                    for suffix in ["", "-wal", "-shm"] {
                        let _ = std::fs::remove_file(folder.join(format!("{name}.db{suffix}")));
                    }
                    format!("sqlite://{}/{name}.db?mode=rwc", folder.display())
                }
                Self::Postgres => {
                    let server = std::env::var("POOL_POLLER_TEST_PG").expect("a server");
                    let db = connect(&server, "bench").await.expect("a server");
                    db.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.expect("permission");
                    db.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("permission");
                    db.close().await.expect("closed");
                    let mut url = url::Url::parse(&server).expect("a URL");
                    url.set_path(name);
                    url.to_string()
                }
            };
            let db = connect(&url, "bench").await.expect("a database");
            migrate(&db).await.expect("tables");
            let is_postgres = db.get_database_backend() == DbBackend::Postgres;
            let numbers = if is_postgres {
                format!("generate_series(1, {players}) AS s(n)")
            } else {
                format!("(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {players}) SELECT n FROM s)")
            };
            let padded = "substr('0000000000000000000000' || n, length('0000000000000000000000' || n) - 21)";
            let insert = format!(
                "INSERT INTO players (id, username, email, wallet_address, verified, active) \
                 SELECT n, 'player' || n, 'player' || n || '@example.org', 'ABenchWallet' || {padded}, TRUE, TRUE FROM {numbers}"
            );
            db.execute_unprepared(&insert).await.expect("players");
            if is_postgres {
                db.execute_unprepared("VACUUM ANALYZE").await.expect("statistics");
            }
            db.close().await.expect("closed");
            url
        })
    }
}

/// A number that a statement answers.
pub(crate) fn number(url: &str, sql: &str) -> i64 {
    runtime().block_on(async {
        let db = connect(url, "bench").await.expect("a database");
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.expect("a look");
        let number = row.expect("a row").try_get("", "n").expect("a number");
        db.close().await.expect("closed");
        number
    })
}

/// Bytes of the whole database, with what a write-ahead log still holds of SQLite's.
pub(crate) fn size(engine: Engine, url: &str) -> u64 {
    let size = match engine {
        Engine::Sqlite => "SELECT page_count * page_size AS n FROM pragma_page_count(), pragma_page_size()",
        Engine::Postgres => "SELECT pg_database_size(current_database()) AS n",
    };
    u64::try_from(number(url, size)).expect("a size")
}

/// A runtime for a few statements.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
