//! A PostgreSQL database for one test, on the server that `tests/run` started.

use std::thread;

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbErr};
use url::Url;

use super::required_env;

/// The maintenance database's URL, as the superuser; it is what `TestDatabase` and nothing else should connect to.
const SERVER_URL: &str = "POOL_POLLER_TEST_PG";

/// An empty database under a name of its own, dropped with this value even if connections to it are still open.
pub(crate) struct TestDatabase {
    server_url: String,
    name: String,
    url: String,
}

impl TestDatabase {
    /// Creates it.
    ///
    /// # Panics
    /// When `POOL_POLLER_TEST_PG` is missing or the server refuses.
    pub(crate) async fn create() -> Self {
        let server_url = required_env(SERVER_URL);
        // The process id tells whose it was if one is ever left behind; the random part makes the name unique.
        let name = format!("test_{}_{:016x}", std::process::id(), fastrand::u64(..));
        let mut url = Url::parse(&server_url).unwrap_or_else(|error| panic!("{SERVER_URL}: {error}"));
        url.set_path(&name);
        // `template0` has no connections that could be in the way.
        execute(&server_url, &format!("CREATE DATABASE {name} TEMPLATE template0"))
            .await
            .unwrap_or_else(|error| panic!("creating the database {name}: {error}"));
        Self { server_url, name, url: url.into() }
    }

    /// The superuser's URL of this database.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A small pool of connections to it.
    ///
    /// # Panics
    /// When the server refuses.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        connect(&self.url, 4).await.unwrap_or_else(|error| panic!("connecting to the database {}: {error}", self.name))
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server_url, name) = (self.server_url.clone(), self.name.clone());
        // The test's own runtime may be busy with this very drop, so the work has a thread and a runtime of its own.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(drop_database(&server_url, &name)).map_err(anyhow::Error::from)
        })
        .join();
        match dropped {
            Ok(Ok(())) => {}
            // Not a panic: that would hide the test's own. The server goes away with the run, and the database with it.
            Ok(Err(error)) => eprintln!("dropping the database {}: {error}", self.name),
            Err(_) => eprintln!("dropping the database {}: a panic", self.name),
        }
    }
}

/// `DROP DATABASE … WITH (FORCE)` came with PostgreSQL 13; this does the same on 12.
async fn drop_database(server_url: &str, name: &str) -> Result<(), DbErr> {
    let server = connect(server_url, 1).await?;
    let dropped = async {
        server.execute_unprepared(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await?;
        let ends_sessions = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        server.execute_unprepared(&ends_sessions).await?;
        server.execute_unprepared(&format!("DROP DATABASE {name}")).await
    }
    .await;
    server.close().await?;
    dropped.map(drop)
}

/// One statement on a connection of its own.
pub(crate) async fn execute(url: &str, sql: &str) -> Result<(), DbErr> {
    let connection = connect(url, 1).await?;
    let done = connection.execute_unprepared(sql).await;
    connection.close().await?;
    done.map(drop)
}

/// A pool of at most `connections_max` connections to `url`.
pub(crate) async fn connect(url: &str, connections_max: u32) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections_max).sqlx_logging(false);
    Database::connect(options).await
}
