//! `migrate`, and what `run` does with a schema that is not up to date.

use std::path::Path;
use std::process::Stdio;

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement};

use super::program::{Place, wait};
use crate::support::pg::TestDatabase;

/// The line about an empty database.
const EMPTY: &str = "the database has no tables; make them with `pool-poller migrate`, or set AUTO_MIGRATE=true";

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.expect("a database")
}

async fn execute(url: &str, sql: &str) {
    let db = connect(url).await;
    db.execute_unprepared(sql).await.expect("a statement");
    db.close().await.expect("a connection");
}

/// Every table of ours and of others, and how many rows it has.
async fn contents(url: &str) -> Vec<(String, i64)> {
    let db = connect(url).await;
    let tables = match db.get_database_backend() {
        DbBackend::Postgres => "SELECT CAST(table_name AS text) FROM information_schema.tables WHERE table_schema = 'public'",
        _ => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    };
    let mut found = Vec::new();
    for row in db.query_all_raw(Statement::from_string(db.get_database_backend(), tables)).await.expect("a query") {
        let name: String = row.try_get_by_index(0).expect("a name");
        let count = Statement::from_string(db.get_database_backend(), format!("SELECT count(*) FROM {name}"));
        let rows = db.query_one_raw(count).await.expect("a query").expect("a row").try_get_by_index(0).expect("a number");
        found.push((name, rows));
    }
    db.close().await.expect("a connection");
    found.sort();
    found
}

fn sqlite_url(folder: &Path) -> String {
    format!("sqlite://{}/m2p.db?mode=rwc", folder.display())
}

/// A place whose database is PostgreSQL.
async fn on_postgres() -> (TestDatabase, Place) {
    let database = TestDatabase::create().await;
    let place = Place::new().env("DATABASE_URL", database.url()).env("SOCKETIO_URL", "").env("LOG_LEVEL", "ERROR");
    (database, place)
}

fn on_sqlite() -> (String, Place) {
    let place = Place::new();
    let url = sqlite_url(place.path());
    let place = place.env("DATABASE_URL", &url).env("SOCKETIO_URL", "").env("LOG_LEVEL", "ERROR");
    (url, place)
}

async fn status_migrate_status_migrate(url: &str, place: &Place) {
    assert_eq!(place.run(&["migrate", "--status"]).failed(), EMPTY);
    assert_eq!(place.run(&["migrate"]).succeeded(), "the tables are made and up to date\n");
    assert_eq!(place.run(&["migrate", "--status"]).succeeded(), "the tables are up to date\n");
    place.run(&["players", "add", "alice", "--email", "a@example.org", "--wallet", "A"]).succeeded();
    let before = contents(url).await;
    assert_eq!(place.run(&["migrate"]).succeeded(), "the tables are up to date\n");
    assert_eq!(contents(url).await, before, "a second time is harmless");
    let names: Vec<&str> = before.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "anomalies",
        "listed_payouts",
        "mining_events",
        "player_wallets",
        "players",
        "pool_snapshots",
        "position_rebases",
        "positions",
        "seaql_migrations",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn an_empty_sqlite_file_gets_its_tables_and_keeps_them() {
    let (url, place) = on_sqlite();
    assert_eq!(place.run(&["migrate", "--status"]).failed(), EMPTY);
    assert_eq!(place.names(), Vec::<String>::new(), "a look makes no file");
    place.file("m2p.db", "");
    status_migrate_status_migrate(&url, &place).await;
}

#[tokio::test]
async fn an_empty_postgresql_database_gets_its_tables_and_keeps_them() {
    let (database, place) = on_postgres().await;
    status_migrate_status_migrate(database.url(), &place).await;
}

#[tokio::test]
async fn two_migrations_at_once_leave_one_schema() {
    let (database, place) = on_postgres().await;
    let (url, sqlite) = on_sqlite();
    for (url, place) in [(database.url(), place), (url.as_str(), sqlite)] {
        let children: Vec<_> =
            (0..4).map(|_| place.command(&["migrate"]).stdout(Stdio::null()).spawn().expect("the program starts")).collect();
        for mut child in children {
            assert_eq!(wait(&mut child).code(), Some(0), "whoever comes second finds nothing to do");
        }
        assert_eq!(place.run(&["migrate", "--status"]).succeeded(), "the tables are up to date\n");
        assert!(contents(url).await.contains(&("seaql_migrations".to_owned(), 5)));
    }
}

#[tokio::test]
async fn run_on_postgresql_refuses_a_schema_that_is_not_up_to_date_and_names_the_command() {
    let (database, place) = on_postgres().await;
    for arguments in [&["run"][..], &["once"], &["players", "list"], &[]] {
        assert_eq!(place.run(arguments).refused(), EMPTY);
    }
    assert_eq!(contents(database.url()).await, [], "it was left as it was");
    // A version in which nothing but the record of migrations is there yet.
    execute(database.url(), "CREATE TABLE seaql_migrations (version varchar PRIMARY KEY, applied_at bigint NOT NULL)").await;
    assert!(place.run(&["run"]).refused().contains("pool-poller migrate"));
    place.run(&["migrate"]).succeeded();
    place.run(&["once"]).succeeded();
}

#[tokio::test]
async fn auto_migrate_makes_run_start_on_postgresql() {
    let (_database, place) = on_postgres().await;
    let place = place.env("AUTO_MIGRATE", "true").env("LOG_LEVEL", "INFO");
    let mut daemon = place.start(&["run"]);
    daemon.event("polling_cycle_complete");
    assert_eq!(daemon.terminate().code(), Some(0));
    assert_eq!(place.run(&["migrate", "--status"]).succeeded(), "the tables are up to date\n");
}

/// What the replaced service would have made, in short.
const FOREIGN: &str = "CREATE TABLE players (id integer PRIMARY KEY, username varchar(100) NOT NULL)";

async fn is_refused_and_left_untouched(url: &str, place: &Place, line_part: &str) {
    let before = contents(url).await;
    for arguments in [&["run"][..], &["once"], &["migrate"], &["migrate", "--status"], &["players", "list"]] {
        let outcome = place.run(arguments);
        assert!(outcome.refused().contains(line_part), "{arguments:?}: {}", outcome.stderr);
    }
    assert_eq!(contents(url).await, before);
}

#[tokio::test]
async fn somebody_elses_players_are_left_alone() {
    let foreign = "that pool-poller did not make; it is left alone";
    let (database, place) = on_postgres().await;
    let (url, sqlite) = on_sqlite();
    for (url, place) in [(database.url(), place.env("AUTO_MIGRATE", "true")), (url.as_str(), sqlite)] {
        execute(url, FOREIGN).await;
        execute(url, "INSERT INTO players VALUES (7, 'somebody')").await;
        is_refused_and_left_untouched(url, &place, foreign).await;
        assert_eq!(contents(url).await, [("players".to_owned(), 1)]);
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_version_is_refused() {
    let (database, place) = on_postgres().await;
    let (url, sqlite) = on_sqlite();
    for (url, place) in [(database.url(), place.env("AUTO_MIGRATE", "true")), (url.as_str(), sqlite)] {
        place.run(&["migrate"]).succeeded();
        execute(url, "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29990101_000001_future', 1)").await;
        is_refused_and_left_untouched(url, &place, "of a newer version of pool-poller (m29990101_000001_future)").await;
    }
}

#[tokio::test]
async fn a_migration_that_fails_changes_nothing() {
    let (database, place) = on_postgres().await;
    let (url, sqlite) = on_sqlite();
    for (url, place) in [(database.url(), place), (url.as_str(), sqlite)] {
        // In the way of the last table of the migration.
        execute(url, "CREATE TABLE anomalies (mine integer)").await;
        let outcome = place.run(&["migrate"]);
        assert!(outcome.failed().starts_with("nothing was changed: "), "{}", outcome.stderr);
        assert_eq!(contents(url).await, [("anomalies".to_owned(), 0)]);
    }
}

#[test]
fn a_look_at_a_sqlite_file_that_is_not_there_makes_none() {
    for arguments in [&["verify"][..], &["events", "list"], &["positions", "show"], &["prune"], &["explain", "1"]] {
        let place = Place::new().env("SOCKETIO_URL", "").env("LOG_LEVEL", "ERROR");
        assert!(place.run(arguments).refused().contains("there is no file pool-poller.db"), "{arguments:?}");
        assert_eq!(place.names(), Vec::<String>::new(), "{arguments:?}");
    }
}
