//! The ledger at the end of the program.

use std::time::{Duration, Instant};

use pool_poller::actors::ledger::{Drain, LedgerError, RecordDelivery};

use super::bench::figure;
use super::ledger_bench::{Bench, Pending, until, within};
use crate::support::own_cluster::OwnCluster;

#[actix_rt::test]
async fn draining_is_answered_when_everything_in_hand_is_stored() {
    let bench = Bench::sqlite().await;
    bench.record("a", &[(1, "10"), (2, "10")]).await.expect("a baseline");
    let lock = bench.lock().await;
    let first = Pending::spawn(bench.record("a", &[(1, "11")]));
    let second = Pending::spawn(bench.record("a", &[(2, "12")]));
    let drain = Pending::spawn(bench.ledger.send(Drain));
    // Long enough for a drain that does not wait to be answered.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!drain.is_there());
    lock.rollback().await.expect("the lock is released");
    drain.get().await.expect("a living ledger");
    assert_eq!((bench.total(1).await, bench.total(2).await), ("100 AP 1 ADVC".to_owned(), "200 AP 2 ADVC".to_owned()));
    assert!(first.get().await.is_ok() && second.get().await.is_ok());
}

#[actix_rt::test]
async fn a_drained_ledger_at_rest_answers_at_once_and_still_stores_the_last_acknowledgements() {
    let bench = Bench::sqlite().await;
    bench.record("a", &[(1, "10")]).await.expect("a baseline");
    bench.record("a", &[(1, "11")]).await.expect("an award");
    within("the drain", bench.ledger.send(Drain)).await.expect("a living ledger");
    // The notifier comes after the ledger in the order of the end.
    let acknowledged = vec![bench.events().await[0].event_id.as_deref().expect("an id").parse().expect("an id")];
    let delivery = RecordDelivery { acknowledged, ..RecordDelivery::default() };
    assert_eq!(bench.ledger.send(delivery).await.expect("a living ledger"), Ok(()));
    within("the drain", bench.ledger.send(Drain)).await.expect("a living ledger");
    assert!(bench.events().await[0].notified);
}

#[actix_rt::test]
async fn draining_does_not_wait_for_a_database_that_is_away() {
    let mut cluster = OwnCluster::start(0);
    let bench = Bench::new(cluster.url()).await;
    bench.record("a", &[(1, "10")]).await.expect("a baseline");
    cluster.stop_immediate();
    let recorded = Pending::spawn(bench.record("a", &[(1, "11")]));
    let away = async || bench.metrics().await.pointer("/failures/unavailable").is_some();
    until("a failed attempt", away).await;
    // Whether it is trying or pausing now: neither may take long any more.
    let before = Instant::now();
    within("the drain", bench.ledger.send(Drain)).await.expect("a living ledger");
    assert!(before.elapsed() < Duration::from_secs(4), "{:?}", before.elapsed());
    assert_eq!(recorded.get().await, Err(LedgerError::Draining));
    let before = Instant::now();
    assert_eq!(bench.record("b", &[(1, "10")]).await, Err(LedgerError::Draining));
    assert!(before.elapsed() < Duration::from_secs(4), "{:?}", before.elapsed());

    // The next start reads the same counter again.
    cluster.restart();
    let bench = Bench::restarted(cluster.url(), pool_poller::store::connect(cluster.url(), "test").await.expect("it is back"));
    bench.record("a", &[(1, "11")]).await.expect("an award");
    assert_eq!((bench.total(1).await, figure(&bench.metrics().await, "/awards")), ("100 AP 1 ADVC".to_owned(), 1));
}
