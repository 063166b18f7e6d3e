//! A pool that fails for everyone is left alone; a wallet that fails is nobody else's matter.

use std::cell::Cell;
use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use pool_poller::actors::pool::Pace;
use pool_poller::pools::Failure;

use super::bench::{figure, millis, paused, secs, wait};
use super::pool_bench::{Bench, Fetched, PACE, good, rate_limited, timeout, unknown_wallet};

/// Begins a round each second until `until`, whether or not the last one brought anything.
async fn poll_each_second(bench: &mut Bench, wallets: usize, until: Duration) {
    while bench.clock.now() < until {
        bench.round(wallets).await;
        wait(secs(1)).await;
    }
}

/// A pool whose answers the test changes while it runs.
fn switched(
    answers: Fetched,
) -> (Rc<Cell<Option<Fetched>>>, impl Fn(pool_poller::domain::Wallet) -> std::future::Ready<Fetched>) {
    let switch = Rc::new(Cell::new(Some(answers)));
    let current = Rc::clone(&switch);
    let answer = move |_| {
        let now = current.take().expect("an answer");
        current.set(Some(now.clone()));
        ready(now)
    };
    (switch, answer)
}

#[test]
fn five_failures_in_a_row_open_the_breaker_and_the_rest_is_not_asked() {
    paused(async {
        let mut bench = Bench::new(PACE, |_| ready(timeout()));
        let report = bench.round(20).await;
        assert_eq!((report.wallets, report.requests, report.not_asked, report.backoff_state), (20, 5, 15, "open"));
        let report = bench.round(20).await;
        assert_eq!((report.requests, report.not_asked, report.failures.len()), (0, 20, 0), "it is left alone");
        let metrics = bench.metrics().await;
        assert_eq!((figure(&metrics, "/requests"), figure(&metrics, "/rounds_skipped_backoff")), (5, 1));
        assert_eq!((metrics["backoff_state"].as_str(), figure(&metrics, "/next_probe_seconds")), (Some("open"), 10));
    });
}

#[test]
fn requests_that_were_under_way_when_it_opened_are_the_last_ones() {
    paused(async {
        let mut bench = Bench::new(Pace { concurrency: 4, ..PACE }, |_| async {
            wait(secs(1)).await;
            timeout()
        });
        let report = bench.round(50).await;
        assert!((5..=8).contains(&report.requests), "{report:?}");
    });
}

#[test]
fn a_success_between_failures_keeps_it_closed() {
    paused(async {
        let count = Rc::new(Cell::new(0));
        let mut bench = Bench::new(PACE, move |_| {
            count.set(count.get() + 1);
            ready(if count.get() % 5 == 0 { good() } else { timeout() })
        });
        let report = bench.round(50).await;
        assert_eq!((report.requests, report.readings, report.backoff_state), (50, 10, "closed"));
    });
}

#[test]
fn a_dead_pool_gets_single_probes_after_growing_pauses() {
    paused(async {
        let pace = Pace { concurrency: 4, backoff_max: secs(120), ..PACE };
        let mut bench = Bench::new(pace, |_| async {
            wait(millis(10)).await;
            timeout()
        });
        poll_each_second(&mut bench, 50, secs(1_800)).await;
        let asked = bench.fake.asked_at();
        let opening = asked.iter().filter(|at| **at < secs(1)).count();
        let probes: Vec<u64> = asked[opening - 1..].windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
        assert!(probes.iter().all(|pause| *pause >= 10), "one probe at a time: {probes:?}");
        assert!((10..=12).contains(&probes[0]), "{probes:?}");
        assert!((10..=22).contains(&probes[1]), "{probes:?}");
        assert!((20..=42).contains(&probes[2]), "{probes:?}");
        assert!((40..=82).contains(&probes[3]), "{probes:?}");
        assert!(probes[4..].iter().all(|pause| (60..=122).contains(pause)), "never longer than the maximum: {probes:?}");
        assert!(probes.len() >= 15, "never given up: {probes:?}");
    });
}

#[test]
fn one_good_probe_and_the_same_round_asks_about_everyone() {
    paused(async {
        let (switch, answer) = switched(timeout());
        let mut bench = Bench::new(PACE, answer);
        poll_each_second(&mut bench, 30, secs(60)).await;
        let before = bench.fake.asked_at().len();
        assert!(before < 10, "{before}");
        switch.set(Some(good()));
        let report = loop {
            wait(secs(1)).await;
            let report = bench.round(30).await;
            if report.requests > 0 {
                break report;
            }
        };
        assert_eq!((report.requests, report.readings, report.not_asked, report.backoff_state), (30, 30, 0, "closed"));
        // What it had grown to is forgotten.
        switch.set(Some(timeout()));
        bench.round(30).await;
        assert_eq!(figure(&bench.metrics().await, "/next_probe_seconds"), 10);
    });
}

#[test]
fn retry_after_is_obeyed_at_once() {
    paused(async {
        let (switch, answer) = switched(rate_limited(secs(300)));
        let mut bench = Bench::new(PACE, answer);
        let report = bench.round(30).await;
        assert_eq!((report.requests, report.not_asked, report.backoff_state), (1, 29, "open"));
        switch.set(Some(good()));
        poll_each_second(&mut bench, 30, secs(299)).await;
        assert_eq!(bench.fake.asked_at().len(), 1);
        poll_each_second(&mut bench, 30, secs(302)).await;
        assert!(bench.fake.asked_at()[1] >= secs(300));
        assert!(bench.fake.asked_at().len() > 30, "then everyone");
    });
}

#[test]
fn retry_after_is_obeyed_although_requests_under_way_still_succeed() {
    paused(async {
        let mut bench = Bench::new(Pace { concurrency: 4, ..PACE }, |asked| async move {
            match asked.as_str() {
                "W3" => rate_limited(secs(300)),
                "W4" => unknown_wallet(),
                _ => {
                    wait(secs(2)).await;
                    good()
                }
            }
        });
        let report = bench.round(30).await;
        assert_eq!((report.requests, report.backoff_state), (4, "open"), "{report:?}");
        assert_eq!(bench.readings(), ["W1", "W2"], "what they brought is stored");
        poll_each_second(&mut bench, 30, secs(299)).await;
        assert_eq!(bench.fake.asked_at().len(), 4, "nothing before the pool's own time");
        poll_each_second(&mut bench, 30, secs(302)).await;
        assert!(bench.fake.asked_at().len() > 4);
    });
}

#[test]
fn failures_of_wallets_never_open_it() {
    paused(async {
        let mut bench = Bench::new(PACE, |_| ready(unknown_wallet()));
        for _ in 0..3 {
            let report = bench.round(200).await;
            assert_eq!((report.requests, report.not_asked, report.backoff_state), (200, 0, "closed"));
        }
    });
}

#[test]
fn wallets_that_fail_again_and_again_while_others_are_answered_do_not_open_it() {
    paused(async {
        // Six in a row, more than open it, and always the same.
        let bad = |asked: &str| asked[1..].parse::<u32>().is_ok_and(|number| (5..=10).contains(&number));
        let mut bench = Bench::new(PACE, move |asked| {
            ready(if bad(asked.as_str()) { Err(Failure::CounterMissing { expected: "/paid".to_owned() }) } else { good() })
        });
        let report = bench.round(20).await;
        assert_eq!((report.requests, report.backoff_state), (9, "open"), "at first it looks as if the pool failed");
        wait(secs(11)).await;
        let mut asked = 9;
        for round in 2..10 {
            let report = bench.round(20).await;
            if round == 2 {
                assert!(!bad(&bench.fake.wallets(asked)[0]), "it is tried with a wallet that answered well");
            }
            asked += usize::try_from(report.requests).expect("few");
            assert_eq!((report.requests, report.readings, report.backoff_state), (20, 14, "closed"), "{round}: {report:?}");
        }
    });
}
