//! Rounds that do not fit, and wallets that come and go meanwhile.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use pool_poller::actors::pool::{Pace, PollRefused};

use super::bench::{figure, millis, paused, secs, settle, wait};
use super::log::Log;
use super::pool_bench::{Bench, PACE, good, timeout, unknown_wallet};

const INTERVAL: Duration = Duration::from_secs(60);

#[test]
fn a_second_poll_is_refused_while_wallets_were_not_asked_about() {
    paused(async {
        let mut bench = Bench::new(PACE, |_| async {
            wait(secs(10)).await;
            good()
        });
        bench.begin(3).await.expect("the pool is free");
        settle().await;
        assert_eq!(bench.poll(2, 1..=3, secs(0)).await, Err(PollRefused::Busy));
        assert_eq!(bench.report().await.requests, 3);
        assert_eq!(bench.fake.asked_at().len(), 3, "and not queued");
        assert_eq!(bench.poll(3, 1..=3, secs(0)).await, Ok(()));
    });
}

#[test]
fn a_straggler_does_not_cost_the_pool_a_cycle() {
    paused(async {
        let mut bench = Bench::new(Pace { concurrency: 2, ..PACE }, |asked| async move {
            wait(if asked.as_str() == "W2" { secs(100) } else { millis(10) }).await;
            good()
        });
        bench.begin(3).await.expect("the pool is free");
        wait(INTERVAL).await;
        assert_eq!(bench.poll(2, 1..=3, secs(0)).await, Ok(()), "the last round only waits for an answer");
        let second = bench.report().await;
        assert_eq!((second.requests, second.readings, second.not_asked), (2, 2, 1), "nobody is asked about twice at a time");
        assert_eq!(bench.fake.running_max.get(), 2, "both rounds together keep to the pool's concurrency");
        let first = bench.report().await;
        assert_eq!((first.requests, first.readings, first.duration_ms / 1_000), (3, 3, 100));
        for (report, median_ms, max_ms) in [(&first, 10, 100_000), (&second, 10, 10)] {
            let took = report.response_time.expect("answers");
            let is_about = |took: Duration, ms: u128| (ms * 99..=ms * 101).contains(&(took.as_millis() * 100));
            assert!(is_about(took.median, median_ms) && is_about(took.max, max_ms), "each round has its own: {took:?}");
        }
        assert_eq!(bench.poll(3, 1..=3, secs(0)).await, Ok(()));
        assert_eq!(bench.report().await.requests, 3);
    });
}

#[test]
fn a_running_round_goes_by_the_newest_list() {
    paused(async {
        let mut bench = Bench::new(PACE, |_| async {
            wait(secs(10)).await;
            good()
        });
        bench.begin(5).await.expect("the pool is free");
        wait(secs(15)).await;
        // W1 was asked about and W2 is being asked about. W4 is gone, W8 and W9 are new.
        assert_eq!(bench.poll(2, [1, 2, 3, 5, 8, 9], secs(0)).await, Err(PollRefused::Busy));
        let report = bench.report().await;
        let mut asked = bench.fake.wallets(0);
        asked.sort_unstable();
        assert_eq!(asked, ["W1", "W2", "W3", "W5", "W8", "W9"]);
        assert_eq!((report.wallets, report.requests, report.not_asked), (6, 6, 0));
    });
}

#[test]
fn a_round_that_does_not_fit_goes_on_until_everyone_was_asked_about() {
    paused(async {
        // One request each ten seconds for forty wallets: a round of nearly seven minutes.
        let mut bench = Bench::new(Pace { gap_min: secs(10), ..PACE }, |_| ready(good()));
        bench.poll_every(INTERVAL, 40, secs(7_200)).await;
        let reports = bench.reports();
        assert!(reports.len() >= 16, "{}", reports.len());
        assert!(reports.iter().all(|report| (report.requests, report.not_asked) == (40, 0)), "{reports:?}");
        let mut last: BTreeMap<String, Duration> = BTreeMap::new();
        let mut longest = Duration::ZERO;
        for (at, wallet) in bench.fake.asked.borrow().iter() {
            if let Some(before) = last.insert(wallet.to_string(), *at) {
                longest = longest.max(*at - before);
            }
        }
        assert_eq!(last.len(), 40);
        assert!(longest <= secs(2 * 7 * 60), "nobody waits for more than two rounds: {longest:?}");
        let metrics = bench.metrics().await;
        assert_eq!(figure(&metrics, "/staleness/wallets"), 40);
        let age = |of: &str| figure(&metrics, &format!("/staleness/{of}_seconds"));
        assert!(age("p50") <= age("p99") && age("p99") <= age("max") && age("max") <= 7 * 60 + 120, "{metrics}");
    });
}

#[test]
fn rounds_that_end_early_starve_nobody() {
    paused(async {
        // Seven answers, and then five failures in a row: whichever wallets come first, the breaker opens behind them.
        let count = std::cell::Cell::new(0);
        let pace = Pace { backoff_min: secs(70), backoff_max: secs(70), ..PACE };
        let bench = Bench::new(pace, move |_| {
            count.set(count.get() + 1);
            ready(if count.get() % 12 >= 7 { timeout() } else { good() })
        });
        bench.poll_every(INTERVAL, 30, secs(7_200)).await;
        let mut often: BTreeMap<String, u32> = BTreeMap::new();
        for (_, wallet) in bench.fake.asked.borrow().iter() {
            *often.entry(wallet.to_string()).or_default() += 1;
        }
        let (least, most) = (often.values().min(), often.values().max());
        assert_eq!(often.len(), 30);
        assert!(least.zip(most).is_some_and(|(least, most)| *least * 2 >= *most), "{often:?}");
    });
}

#[test]
fn a_round_over_less_time_takes_the_place_of_one_that_has_long_to_go() {
    paused(async {
        let mut bench = Bench::new(PACE, |_| async { good() });
        bench.begin_spread(6, secs(3_600)).await.expect("the pool is free");
        wait(secs(1_500)).await;
        let asked = bench.fake.asked_at().len() as u64;
        assert!((1..6).contains(&asked), "each has its own point of the hour: {asked}");
        assert_eq!(bench.poll(2, 1..=6, secs(60)).await, Ok(()));
        let first = bench.report().await;
        assert_eq!((first.requests, first.readings, first.not_asked), (asked, asked, 6 - asked));
        wait(secs(60)).await;
        let second = bench.report().await;
        assert_eq!((second.requests, second.readings, second.not_asked), (6, 6, 0));
    });
}

#[test]
fn what_fails_in_every_round_is_said_every_ten_minutes_and_its_end_at_once() {
    paused(async {
        let log = Log::keep();
        let (is_unknown, is_away) = (Rc::new(Cell::new(true)), Rc::new(Cell::new(false)));
        let answers = (Rc::clone(&is_unknown), Rc::clone(&is_away));
        let bench = Bench::new(PACE, move |asked| {
            ready(match asked.as_str() {
                _ if answers.1.get() => timeout(),
                "W2" if answers.0.get() => unknown_wallet(),
                _ => good(),
            })
        });
        // A wallet that the pool does not know is in every round.
        bench.poll_every(INTERVAL, 3, secs(30 * 60)).await;
        assert_eq!(log.warned("pool_poll_failed", "repeated"), ["0", "9", "9"]);
        assert_eq!(log.named("pool_polled").len(), 27, "the others can be had");
        // Another kind of failure is news, however often the first one was said.
        is_away.set(true);
        bench.poll_every(INTERVAL, 3, secs(32 * 60)).await;
        assert!(log.warned("pool_poll_failed", "failures").last().expect("a warning").contains("timeout"));
        bench.poll_every(INTERVAL, 3, secs(120 * 60)).await;
        let said = log.warned("pool_poll_failed", "repeated").len();
        assert!((10..=3 + 3 * 10).contains(&said), "{said}");
        assert_eq!(log.named("pool_answers_again").len(), 0);
        is_away.set(false);
        is_unknown.set(false);
        // The longest pause is a quarter of an hour.
        bench.poll_every(INTERVAL, 3, secs(140 * 60)).await;
        assert_eq!(log.named("pool_answers_again").len(), 1);
        let said = log.warned("pool_poll_failed", "repeated").len();
        bench.poll_every(INTERVAL, 3, secs(170 * 60)).await;
        assert_eq!(log.warned("pool_poll_failed", "repeated").len(), said, "all is well");
    });
}
