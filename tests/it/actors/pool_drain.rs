//! A pool at the end of the program.

use std::future::ready;

use pool_poller::actors::ledger::Recorded;
use pool_poller::actors::pool::{Drain, Pace, PollRefused};

use super::bench::{millis, paused, secs, wait};
use super::pool_bench::{Bench, PACE, good};

#[test]
fn draining_finishes_the_requests_in_hand_and_stores_what_they_bring() {
    paused(async {
        let slow_store = |_, _| async {
            wait(millis(400)).await;
            Ok(Recorded::default())
        };
        let pace = Pace { concurrency: 3, ..PACE };
        let answer = |_| async {
            wait(secs(1)).await;
            good()
        };
        let mut bench = Bench::with_ledger(pace, answer, slow_store);
        bench.begin(100).await.expect("the pool is free");
        wait(millis(500)).await;
        bench.pool.send(Drain).await.expect("a living pool actor");
        assert_eq!(bench.clock.now().as_millis() / 100, 14, "the rest of a request and the ledger's time");
        let report = bench.report().await;
        assert_eq!((report.requests, report.readings, report.not_asked), (3, 3, 97));
        assert_eq!(bench.readings(), ["W1", "W2", "W3"]);
    });
}

#[test]
fn draining_gives_a_hung_request_up_and_stores_the_others() {
    paused(async {
        let mut bench = Bench::new(Pace { concurrency: 3, ..PACE }, |asked| async move {
            if asked.as_str() == "W2" {
                std::future::pending::<()>().await;
            }
            wait(millis(800)).await;
            good()
        });
        bench.begin(100).await.expect("the pool is free");
        wait(millis(500)).await;
        bench.pool.send(Drain).await.expect("a living pool actor");
        assert_eq!(bench.clock.now().as_millis() / 100, 25, "two seconds and no more");
        assert_eq!(bench.fake.running.get(), 0, "the hung request is dropped, which closes its connection");
        assert_eq!(bench.report().await.readings, 2);
        assert_eq!(bench.readings(), ["W1", "W3"]);
    });
}

#[test]
fn a_pool_at_rest_is_drained_at_once_and_takes_no_more_polls() {
    paused(async {
        let mut bench = Bench::new(PACE, |_| ready(good()));
        bench.round(2).await;
        let before = bench.clock.now();
        bench.pool.send(Drain).await.expect("a living pool actor");
        bench.pool.send(Drain).await.expect("a second time too");
        assert!(bench.clock.now() - before < millis(5));
        assert_eq!(bench.begin(2).await, Err(PollRefused::Draining));
        assert_eq!(bench.fake.asked_at().len(), 2);
    });
}

#[test]
fn draining_does_not_wait_for_a_request_that_may_not_begin_yet() {
    paused(async {
        let mut bench = Bench::new(Pace { gap_min: secs(60), ..PACE }, |_| ready(good()));
        bench.begin(10).await.expect("the pool is free");
        wait(secs(1)).await;
        let before = bench.clock.now();
        bench.pool.send(Drain).await.expect("a living pool actor");
        assert!(bench.clock.now() - before < millis(100));
        assert_eq!(bench.report().await.readings, 1);
    });
}

#[test]
fn draining_while_the_pool_pauses_after_a_panic_is_answered() {
    paused(async {
        let mut bench = Bench::new(PACE, |_| async {
            wait(millis(100)).await;
            panic!("this answer is too much")
        });
        bench.begin(3).await.expect("the pool is free");
        let drain = bench.pool.send(Drain);
        bench.report().await;
        drain.await.expect("a living pool actor");
        bench.pool.send(Drain).await.expect("also after the restart");
        assert_eq!(bench.begin(3).await, Err(PollRefused::Draining));
    });
}
