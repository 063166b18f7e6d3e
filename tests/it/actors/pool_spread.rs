//! Requests over the interval: each wallet has a moment of its own, which neither a restart nor other wallets move.

use std::collections::BTreeMap;
use std::future::ready;
use std::time::Duration;

use pool_poller::actors::pool::Pace;

use super::bench::{millis, paused, secs, wait};
use super::pool_bench::{Bench, PACE, good};

const INTERVAL: Duration = Duration::from_secs(60);

fn quick(concurrency: usize) -> Bench {
    Bench::new(Pace { concurrency, ..PACE }, |_| async {
        wait(millis(50)).await;
        good()
    })
}

/// When each wallet was asked about after the tick.
fn moments(bench: &Bench, tick: Duration) -> BTreeMap<String, Duration> {
    let asked = bench.fake.asked.borrow();
    asked.iter().filter(|(at, _)| *at >= tick).map(|(at, wallet)| (wallet.to_string(), *at - tick)).collect()
}

#[test]
fn no_second_carries_more_than_one_and_a_half_times_the_mean_of_ten_thousand_wallets() {
    paused(async {
        let mut bench = quick(16);
        let ends = [0, 60, 120].map(secs);
        for tick in ends {
            wait(tick.saturating_sub(bench.clock.now())).await;
            bench.begin_spread(10_000, INTERVAL).await.expect("the last round is over");
        }
        wait(INTERVAL).await;
        let mut seconds = vec![0_u32; 180];
        for at in bench.fake.asked_at() {
            seconds[usize::try_from(at.as_secs()).expect("three minutes")] += 1;
        }
        let mean = f64::from(seconds.iter().sum::<u32>()) / 180.0;
        let most = f64::from(*seconds.iter().max().expect("seconds"));
        println!("10,000 wallets in 60 s: {mean:.1} requests a second on average, {most} at most: {:.2} times", most / mean);
        assert_eq!(seconds.iter().sum::<u32>(), 30_000);
        assert!(most <= 1.5 * mean, "{seconds:?}");
        let reports = bench.reports();
        assert_eq!(reports.iter().map(|report| report.readings).collect::<Vec<_>>(), [10_000; 3]);
        assert!(reports.iter().all(|report| report.duration_ms < 60_000), "each before the next tick: {reports:?}");
    });
}

#[test]
fn a_wallet_keeps_its_moment_over_restarts_and_whoever_else_is_there() {
    paused(async {
        let mut known = None;
        for count in [200, 200, 300] {
            // Another process, as after a restart of the daemon.
            let bench = quick(8);
            bench.begin_spread(count, INTERVAL).await.expect("the pool is free");
            wait(INTERVAL).await;
            let mut moments = moments(&bench, secs(0));
            moments.retain(|wallet, _| wallet[1..].parse::<usize>().expect("a number") <= 200);
            assert_eq!(moments.len(), 200);
            let first = moments.values().filter(|moment| **moment < secs(3)).count();
            assert!(first < 30, "no herd at the tick: {first}");
            let known = known.get_or_insert_with(|| moments.clone());
            // To the millisecond where nobody else came, and else by what makes room for the others.
            let tolerance = if count == 200 { millis(1) } else { secs(2) };
            let most = moments.iter().map(|(wallet, at)| at.abs_diff(known[wallet])).max().expect("wallets");
            assert!(most <= tolerance, "{most:?}");
        }
    });
}

#[test]
fn a_pool_asks_in_the_same_order_after_a_restart_of_its_actor() {
    paused(async {
        let panics = std::rc::Rc::new(std::cell::Cell::new(false));
        let now_and_then = std::rc::Rc::clone(&panics);
        let bench = Bench::new(PACE, move |_| {
            assert!(!now_and_then.replace(false), "this answer is too much");
            ready(good())
        });
        bench.poll_every(INTERVAL, 50, INTERVAL).await;
        let before = moments(&bench, secs(0));
        panics.set(true);
        bench.poll_every(INTERVAL, 50, INTERVAL * 2).await;
        assert_eq!(super::bench::figure(&bench.metrics().await, "/restarts"), 1);
        // What the broken round did not come to is due at once in the next one; then everything is as it was.
        bench.poll_every(INTERVAL, 50, INTERVAL * 5).await;
        let after = moments(&bench, INTERVAL * 4);
        assert_eq!((after.len(), after.keys().eq(before.keys())), (50, true));
        let moved = after.iter().filter(|(wallet, at)| at.abs_diff(before[*wallet]) > millis(400)).count();
        assert_eq!(moved, 0, "{before:?} {after:?}");
    });
}

#[test]
fn a_pools_own_rate_makes_the_first_ones_earlier_and_none_late() {
    paused(async {
        // 70 wallets and 80 requests a minute: at random moments alone they would not be over at the next tick.
        let bench = Bench::new(Pace { gap_min: millis(750), ..PACE }, |_| ready(good()));
        bench.poll_every(INTERVAL, 70, INTERVAL * 5).await;
        let asked = bench.fake.asked_at();
        assert_eq!(asked.len(), 350, "no cycle is skipped");
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= millis(750)));
    });
}

#[test]
fn once_is_as_fast_as_the_pool_allows() {
    paused(async {
        let mut bench = quick(10);
        bench.round(1_000).await;
        assert!(bench.clock.now() < secs(6), "{:?}", bench.clock.now());
    });
}
