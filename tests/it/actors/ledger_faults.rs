//! A database that goes away, and a panic in the middle of a commit.

use pool_poller::actors::ledger::{CountWaiting, LedgerError, LoadRoster};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement, TransactionTrait as _};

use super::bench::figure;
use super::ledger_bench::{Bench, Pending, until, within};
use super::log::Log;
use crate::support::own_cluster::OwnCluster;
use crate::support::pg::TestDatabase;

#[actix_rt::test]
async fn a_database_that_goes_away_is_waited_for_and_nothing_in_hand_is_lost() {
    let log = Log::keep();
    let mut cluster = OwnCluster::start(0);
    let bench = Bench::new(cluster.url()).await;
    for from in ["a", "b"] {
        bench.record(from, &[(1, "10"), (2, "10")]).await.expect("a baseline");
    }
    cluster.stop_immediate();
    let first = Pending::spawn(bench.record("a", &[(1, "11.5"), (2, "10")]));
    let second = Pending::spawn(bench.record("b", &[(2, "12")]));
    let failures = async || bench.metrics().await.pointer("/failures/unavailable").and_then(serde_json::Value::as_u64);
    until("two failed attempts", async || failures().await >= Some(2)).await;
    assert!(!first.is_there() && !second.is_there(), "it is waited for");
    let roster = within("the roster", bench.ledger.send(LoadRoster)).await.expect("a living ledger");
    assert!(matches!(roster, Err(LedgerError::Database(_))), "{roster:?}");
    let waiting = within("the count", bench.ledger.send(CountWaiting)).await.expect("a living ledger");
    assert!(matches!(waiting, Err(LedgerError::Database(_))), "{waiting:?}");
    assert_eq!(log.named("database_unavailable").len(), 1, "said once");
    assert_eq!(log.named("database_back").len(), 0);

    cluster.restart();
    assert_eq!(first.get().await.expect("stored").awards, 1);
    assert_eq!(second.get().await.expect("stored").awards, 1);
    assert_eq!((bench.total(1).await, bench.total(2).await), ("150 AP 1.5 ADVC".to_owned(), "200 AP 2 ADVC".to_owned()));
    assert_eq!(bench.events().await.len(), 2);
    assert_eq!((log.named("database_unavailable").len(), log.named("database_back").len()), (1, 1));
    assert_eq!(figure(&bench.metrics().await, "/restarts"), 0, "a database that is away is no failure of the ledger");
}

#[actix_rt::test]
async fn a_commit_that_is_cut_off_anywhere_is_stored_once() {
    let database = TestDatabase::create().await;
    let bench = Bench::new(database.url()).await;
    let other = database.connect().await;
    bench.record("a", &[(1, "10"), (2, "10")]).await.expect("a baseline");
    // The tables in the order in which a commit writes them: it is held up at each, and its session ended there.
    let tables = ["positions", "players", "mining_events", "pool_snapshots"];
    for (round, table) in tables.iter().enumerate() {
        let paid = (11 + round).to_string();
        let lock = other.begin().await.expect("a transaction");
        lock.execute_unprepared(&format!("LOCK TABLE {table} IN EXCLUSIVE MODE")).await.expect("the lock");
        let recorded = Pending::spawn(bench.record("a", &[(1, &paid), (2, &paid)]));
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                   AND application_name = 'test' AND wait_event_type = 'Lock'";
        let cut = async || {
            let ended = other.query_all_raw(Statement::from_string(DbBackend::Postgres, cut)).await.expect("a query");
            !ended.is_empty()
        };
        until("the commit to be held up", cut).await;
        lock.rollback().await.expect("the lock is released");
        recorded.get().await.expect("stored");
        assert_eq!(bench.events().await.len(), 2 * (round + 1), "cut off at {table}");
    }
    assert_eq!((bench.total(1).await, bench.total(2).await), ("400 AP 4 ADVC".to_owned(), "400 AP 4 ADVC".to_owned()));
    let metrics = bench.metrics().await;
    assert!(figure(&metrics, "/failures/unavailable") >= tables.len() as u64, "each was cut off in the middle: {metrics}");
    assert_eq!(figure(&metrics, "/dropped"), 0);
}

#[actix_rt::test]
async fn after_a_panic_in_a_commit_the_senders_are_told_and_the_positions_are_read_again() {
    let log = Log::keep();
    let bench = Bench::sqlite().await;
    bench.record("a", &[(1, "10"), (2, "10")]).await.expect("a baseline");
    // The commit fails, and the line that says so panics.
    bench.execute("ALTER TABLE mining_events RENAME TO elsewhere").await;
    log.panic_at(Some("database_unavailable"));
    let first = Pending::spawn(bench.record("a", &[(1, "11")]));
    let queued = Pending::spawn(bench.record("b", &[(3, "1")]));
    assert_eq!(first.get().await, Err(LedgerError::Restarted));
    assert_eq!(queued.get().await, Err(LedgerError::Restarted), "what waited is handed over again too");
    log.panic_at(None);
    bench.execute("ALTER TABLE elsewhere RENAME TO mining_events").await;

    // Another process moves a position on, of which the panic knew nothing.
    bench.execute("UPDATE positions SET high_water = '12', sequence = sequence + 1 WHERE address = 'W2'").await;
    let again = bench.record("a", &[(1, "11"), (2, "13")]);
    assert_eq!(again.await.expect("stored after the pause").awards, 2);
    assert_eq!((bench.total(1).await, bench.total(2).await), ("100 AP 1 ADVC".to_owned(), "100 AP 1 ADVC".to_owned()));
    let metrics = bench.metrics().await;
    assert_eq!((figure(&metrics, "/restarts"), figure(&metrics, "/conflicts")), (1, 0), "no position was remembered");
    assert_eq!(log.named("actor_panicked").len(), 1);
    until("the hint", async || bench.hints.get() == 1).await;
}
