//! An actor that keeps failing is restarted with growing delays, and then ends the process.

use std::time::{Duration, Instant};

use pool_poller::actors::ledger::LedgerError;

use super::bench::{millis, paused, secs, wait};
use super::ledger_bench::{Bench as LedgerBench, until};
use super::log::Log;
use super::notifier_bench::Bench as NotifierBench;

#[test]
fn a_notifier_whose_link_ends_at_once_ends_the_process_at_the_sixth_restart() {
    paused(async {
        let mut bench = NotifierBench::new();
        for failure in 1..=6 {
            assert!(bench.fatal.try_recv().is_err(), "{failure}");
            while bench.opened_at.borrow().len() < failure {
                assert!(bench.clock.now() < secs(60), "it opens a link after each restart");
                wait(millis(1)).await;
            }
            bench.end_link().await;
        }
        let fatal = bench.fatal.recv().await.expect("the fuse blows");
        assert_eq!((fatal.actor.as_str(), fatal.reason.as_str()), ("notifier", "more than 5 restarts within 60 s"));
        wait(secs(30)).await;
        let opened = bench.opened_at.borrow().clone();
        assert_eq!(opened.len(), 6, "after the sixth failure it does nothing any more");
        let pauses: Vec<u128> = opened.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
        for (pause, longest) in pauses.iter().zip([100, 200, 400, 800, 1_600]) {
            assert!((longest.max(200) / 2..=longest + 5).contains(pause), "{pauses:?}");
        }
    });
}

#[test]
fn restarts_further_apart_than_a_minute_in_all_never_end_the_process() {
    paused(async {
        let mut bench = NotifierBench::new();
        for _ in 0..100 {
            wait(secs(13)).await;
            bench.end_link().await;
        }
        assert!(bench.fatal.try_recv().is_err());
        wait(secs(10)).await;
        assert_eq!(bench.opened_at.borrow().len(), 101);
        bench.up().await;
        bench.outbox.award(1, 1);
        wait(secs(2)).await;
        assert_eq!(bench.sent(), [(1, 1)], "it still does its work");
    });
}

#[actix_rt::test]
async fn a_ledger_that_panics_in_every_commit_ends_the_process_at_the_sixth_restart() {
    let log = Log::keep();
    let mut bench = LedgerBench::sqlite().await;
    bench.execute("ALTER TABLE positions RENAME TO elsewhere").await;
    log.panic_at(Some("database_unavailable"));
    let began = Instant::now();
    for failure in 1..=6 {
        assert!(bench.fatal.try_recv().is_err(), "{failure}");
        assert_eq!(bench.record("a", &[(1, "10")]).await, Err(LedgerError::Restarted), "{failure}");
    }
    until("the fuse", async || !bench.fatal.is_empty()).await;
    assert_eq!(bench.fatal.recv().await.expect("it blows").actor, "ledger");
    // The delays are 100, 200, 400, 800 and 1600 ms, of which jitter may take the half.
    assert!(began.elapsed() >= Duration::from_millis(1_600), "{:?}", began.elapsed());
    assert_eq!(log.named("actor_panicked").len(), 6);
}
