//! kill -9 in the middle of a takeover: the database is as it was, and the next attempt succeeds.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait as _;

use super::history::{self, History};
use super::original;
use super::site::Site;

/// Far more than anything here takes.
const DEADLINE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);
/// A key of nobody else's.
const GATE: i64 = 47_114_711;

#[tokio::test]
async fn a_takeover_killed_on_postgresql_leaves_everything_as_it_was() {
    let site = Site::postgresql().await;
    original::create_with_game(&site).await;
    history::usual(&site).write(&site).await;
    // Makes whoever creates an index wait at a gate, which is after the tables have been converted.
    for (point, tag) in [("late", "CREATE INDEX"), ("early", "ALTER TABLE"), ("first", "CREATE TABLE")] {
        let before = site.everything().await;
        site.execute(&format!(
            "CREATE FUNCTION wait_at_gate() RETURNS event_trigger LANGUAGE plpgsql AS \
               $$ BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); END $$; \
             CREATE EVENT TRIGGER gate ON ddl_command_end WHEN TAG IN ('{tag}') EXECUTE FUNCTION wait_at_gate()"
        ))
        .await;
        let keeper = site.connect().await;
        keeper.execute_unprepared(&format!("SELECT pg_advisory_lock({GATE})")).await.unwrap();
        let mut child = site.start(&["migrate"]);
        let waiting =
            format!("SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND objid = {GATE} AND NOT granted");
        until(async || site.value(&waiting).await == "1").await;
        child.kill().unwrap();
        child.wait().unwrap();
        keeper.close().await.unwrap();
        let sessions = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                        AND application_name = 'pool-poller'";
        until(async || site.value(sessions).await == "0").await;
        site.execute("DROP EVENT TRIGGER gate; DROP FUNCTION wait_at_gate()").await;
        assert_eq!(site.everything().await, before, "{point}");
        assert!(!site.has("positions").await);
    }
    site.run(&["migrate"]).succeeded();
    assert!(site.has("positions").await);
}

/// Looks until it is so.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "in time");
        thread::sleep(LOOK);
    }
}

#[tokio::test]
async fn a_takeover_killed_on_sqlite_leaves_everything_as_it_was() {
    let site = Site::sqlite();
    original::create_with_game(&site).await;
    let mut past = History::default();
    past.random(11, 60);
    past.write(&site).await;
    // More than fits into the memory of a transaction, so that the log of it can be seen to grow.
    site.execute("UPDATE pool_snapshots SET raw_response = hex(zeroblob(2500))").await;
    let before = site.everything().await;
    let [file, log, shared] = ["game.db", "game.db-wal", "game.db-shm"].map(|name| site.path().join(name));
    site.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let copy = site.path().join("before.db");
    fs::copy(&file, &copy).unwrap();

    let mut interrupted = 0;
    for megabytes in [1, 3, 6, 9, 12, 15] {
        for gone in [&log, &shared] {
            let _ = fs::remove_file(gone);
        }
        fs::copy(&copy, &file).unwrap();
        let mut child = site.start(&["migrate"]);
        let deadline = Instant::now() + DEADLINE;
        while fs::metadata(&log).map_or(0, |log| log.len()) < megabytes << 20 && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "in time");
            thread::sleep(LOOK);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if site.has("seaql_migrations").await {
            // It was faster: then all of it is there.
            site.run(&["migrate", "--status"]).succeeded();
        } else {
            interrupted += 1;
            assert!(site.everything().await == before, "at {megabytes} MB");
        }
    }
    assert!(interrupted >= 3, "{interrupted}");
    site.run(&["migrate"]).succeeded();
    assert_eq!(site.value("PRAGMA integrity_check").await, "ok");
    assert_eq!(site.value("SELECT count(*) AS n FROM positions").await, past.pasts.len().to_string());
}
