//! A panic while an answer is read costs this pool a pause, and nobody else anything.

use std::cell::Cell;
use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use pool_poller::actors::pool::{Pace, PollRefused};

use super::bench::{figure, millis, paused, secs, settle, wait};
use super::pool_bench::{Bench, Fetched, PACE, good};

/// Answers well, except about one wallet.
fn panic_about(wallet: &'static str) -> impl Fn(pool_poller::domain::Wallet) -> std::future::Ready<Fetched> {
    move |asked| {
        assert!(asked.as_str() != wallet, "this answer is too much");
        ready(good())
    }
}

#[test]
fn a_panic_is_counted_and_the_other_readings_of_the_round_are_stored() {
    paused(async {
        let mut bench = Bench::new(Pace { concurrency: 4, ..PACE }, |asked| async move {
            // The others are under way when it happens.
            wait(millis(if asked.as_str() == "W3" { 100 } else { 300 })).await;
            assert!(asked.as_str() != "W3", "this answer is too much");
            good()
        });
        let report = bench.round(20).await;
        assert_eq!((report.requests, report.readings, report.failures.get("panic")), (4, 3, Some(&1)));
        assert_eq!(bench.readings(), ["W1", "W2", "W4"]);
        assert!(report.first_failure.expect("a failure").contains("this answer is too much"));
        settle().await;
        let metrics = bench.metrics().await;
        assert_eq!((figure(&metrics, "/panics"), figure(&metrics, "/restarts"), figure(&metrics, "/failures/panic")), (1, 1, 1));
    });
}

#[test]
fn after_a_panic_the_actor_pauses_and_then_goes_on() {
    paused(async {
        let panics = Rc::new(Cell::new(true));
        let panicking = Rc::clone(&panics);
        let mut bench = Bench::new(PACE, move |_| {
            assert!(!panicking.get(), "this answer is too much");
            ready(good())
        });
        bench.round(3).await;
        settle().await;
        assert_eq!(bench.begin(3).await, Err(PollRefused::Paused));
        panics.set(false);
        wait(millis(200)).await;
        let report = bench.round(3).await;
        assert_eq!((report.requests, report.backoff_state), (0, "open"), "the pool is left alone for a while");
        wait(secs(13)).await;
        let report = bench.round(3).await;
        assert_eq!((report.readings, report.backoff_state), (3, "closed"));
    });
}

#[test]
fn the_next_round_begins_behind_the_wallet_whose_answer_panicked() {
    paused(async {
        let mut bench = Bench::new(PACE, panic_about("W2"));
        bench.round(5).await;
        assert_eq!(bench.fake.wallets(0), ["W1", "W2"]);
        wait(secs(20)).await;
        let report = bench.round(5).await;
        // One that answered well tries the pool; then those that were not asked about.
        assert_eq!(bench.fake.wallets(2), ["W1", "W3", "W4", "W5", "W2"], "nobody is kept from being asked about");
        assert_eq!((report.readings, report.failures.get("panic")), (4, Some(&1)));
    });
}

/// Polls as often as the settings allow for `how_long`, and answers when the panics were.
async fn panics_within(bench: &mut Bench, wallets: usize, how_long: Duration) -> Vec<u64> {
    let mut panics = Vec::new();
    while bench.clock.now() < how_long {
        if bench.begin(wallets).await == Ok(()) && bench.report().await.failures.contains_key("panic") {
            panics.push(bench.clock.now().as_secs());
        }
        wait(secs(1)).await;
    }
    panics
}

#[test]
fn panics_that_never_end_do_not_end_the_process() {
    paused(async {
        for wallets in [1, 2, 10] {
            let mut bench = Bench::new(PACE, panic_about("W1"));
            let panics = panics_within(&mut bench, wallets, secs(1_800)).await;
            assert!(bench.fatal.try_recv().is_err(), "{wallets} wallets, panics at {panics:?}");
            assert!(panics.len() > 2, "{wallets} wallets, panics at {panics:?}");
            assert_eq!(figure(&bench.metrics().await, "/restarts"), panics.len() as u64);
            if wallets > 1 {
                assert!(bench.readings().len() > panics.len() * (wallets - 2), "the others are read in each round");
            }
        }
    });
}

#[test]
fn a_good_answer_that_was_under_way_does_not_end_the_pause_after_a_panic() {
    paused(async {
        let mut bench = Bench::new(Pace { concurrency: 4, ..PACE }, |asked| async move {
            assert!(asked.as_str() != "W1", "this answer is too much");
            wait(millis(300)).await;
            good()
        });
        let report = bench.round(8).await;
        assert_eq!(report.backoff_state, "open", "{report:?}");
        let panics = panics_within(&mut bench, 8, secs(600)).await;
        assert!(bench.fatal.try_recv().is_err(), "panics at {panics:?}");
    });
}

#[test]
fn a_request_without_an_end_costs_a_restart_and_no_other_wallet_its_reading() {
    paused(async {
        let mut bench = Bench::new(Pace { concurrency: 2, hung_after: secs(20), ..PACE }, |asked| async move {
            if asked.as_str() == "W2" {
                std::future::pending::<()>().await;
            }
            wait(secs(1)).await;
            good()
        });
        let report = bench.round(5).await;
        assert_eq!((report.requests, report.readings, report.failures.get("hung")), (5, 4, Some(&1)), "{report:?}");
        assert!(report.first_failure.expect("a failure").contains("W2: a request had no end within 20000 ms"));
        assert_eq!(bench.fake.running.get(), 0, "it is dropped, which closes its connection");
        settle().await;
        let metrics = bench.metrics().await;
        assert_eq!((figure(&metrics, "/hung"), figure(&metrics, "/restarts"), figure(&metrics, "/panics")), (1, 1, 0));
        assert_eq!(bench.begin(5).await, Err(PollRefused::Paused));
        // However often it happens, the others are read and the process goes on.
        let until = bench.clock.now() + secs(1_800);
        while bench.clock.now() < until {
            if bench.begin(5).await == Ok(()) {
                bench.report().await;
            }
            wait(secs(1)).await;
        }
        assert!(bench.fatal.try_recv().is_err());
        let (hung, readings) = (figure(&bench.metrics().await, "/hung"), bench.readings().len() as u64);
        assert!(hung > 20 && readings >= hung * 4, "{hung} {readings}");
    });
}
