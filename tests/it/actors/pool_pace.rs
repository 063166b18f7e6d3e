//! How fast a pool is asked, and what a round reports.

use std::future::ready;
use std::time::Duration;

use pool_poller::actors::pool::Pace;
use pool_poller::domain::payout::AnomalyKind;
use pool_poller::pools::{Excerpt, Failure};
use pool_poller::store::book::Observation;

use super::bench::{figure, millis, paused, player, secs, wait, wallet};
use super::pool_bench::{Bench, PACE, good, timeout, unknown_wallet};

/// The shortest time between the beginnings of two requests.
fn shortest_gap(asked_at: &[Duration]) -> Duration {
    asked_at.windows(2).map(|pair| pair[1] - pair[0]).min().expect("more than one request")
}

#[test]
fn never_more_requests_at_once_than_allowed() {
    paused(async {
        for concurrency in [1, 4, 16] {
            let pace = Pace { concurrency, ..PACE };
            let mut bench = Bench::new(pace, |_| async {
                wait(secs(1)).await;
                good()
            });
            let report = bench.round(64).await;
            assert_eq!(bench.fake.running_max.get(), concurrency, "as many as allowed, and no more");
            assert_eq!((report.requests, report.readings), (64, 64));
            let slots = Duration::from_millis(report.duration_ms).as_secs();
            assert_eq!(slots, 64 / concurrency as u64, "all of them are used");
        }
    });
}

#[test]
fn requests_keep_the_pools_own_distance() {
    paused(async {
        let pace = Pace { concurrency: 8, gap_min: millis(750), ..PACE };
        let mut bench = Bench::new(pace, |_| ready(good()));
        bench.round(20).await;
        assert_eq!(shortest_gap(&bench.fake.asked_at()), millis(750));
        assert_eq!(bench.clock.now().as_secs(), 19 * 3 / 4);
    });
}

#[test]
fn a_slow_answer_does_not_shorten_the_distance_to_the_next_request() {
    paused(async {
        let pace = Pace { concurrency: 2, gap_min: millis(500), ..PACE };
        let mut bench = Bench::new(pace, |_| async {
            wait(millis(1_300)).await;
            good()
        });
        bench.round(12).await;
        assert!(shortest_gap(&bench.fake.asked_at()) >= millis(500), "{:?}", bench.fake.asked_at());
    });
}

#[test]
fn a_round_without_wallets_ends_at_once() {
    paused(async {
        let mut bench = Bench::new(PACE, |_| ready(good()));
        let report = bench.round(0).await;
        assert_eq!((report.wallets, report.requests, report.not_asked), (0, 0, 0));
        assert_eq!(bench.recorded.borrow().len(), 0, "and costs the ledger nothing");
    });
}

#[test]
fn failures_are_told_by_kind_and_never_become_readings() {
    paused(async {
        let mut bench = Bench::new(PACE, |asked| {
            ready(match asked.as_str() {
                "W1" => timeout(),
                "W2" | "W3" | "W5" => unknown_wallet(),
                "W4" => Err(Failure::HttpStatus { status: 500 }),
                _ => good(),
            })
        });
        let report = bench.round(7).await;
        assert_eq!((report.wallets, report.requests, report.readings, report.not_asked), (7, 7, 2, 0));
        let kinds: Vec<_> = report.failures.iter().map(|(kind, count)| (*kind, *count)).collect();
        assert_eq!(kinds, [("http_status", 1), ("timeout", 1), ("unknown_wallet", 3)]);
        let first = report.first_failure.expect("a failure");
        assert!(first.starts_with("W1: no complete answer"), "{first}");
        assert_eq!(bench.readings(), ["W6", "W7"]);
    });
}

#[test]
fn an_answer_about_another_wallet_becomes_an_anomaly_and_no_reading() {
    paused(async {
        let mut bench = Bench::new(PACE, |asked| {
            ready(match asked.as_str() {
                "W2" => Err(Failure::IdentityMismatch { reason: "it is about W9".to_owned() }),
                _ => good(),
            })
        });
        let report = bench.round(3).await;
        assert_eq!((report.readings, report.failures.get("identity_mismatch")), (2, Some(&1)));
        assert_eq!(bench.readings(), ["W1", "W3"]);
        let recorded = bench.recorded.borrow();
        let mut anomalies = recorded.iter().flat_map(|message| message.observations.iter()).filter_map(|seen| match seen {
            Observation::Anomaly(anomaly) => Some(anomaly.clone()),
            Observation::Reading(_) => None,
        });
        let anomaly = anomalies.next().expect("an anomaly");
        assert_eq!((anomaly.player, &anomaly.wallet, anomaly.kind), (player(2), &wallet("W2"), AnomalyKind::IdentityMismatch));
        assert!(anomaly.detail.contains("it is about W9"), "{}", anomaly.detail);
        assert_eq!(anomalies.next(), None);
    });
}

#[test]
fn the_metrics_count_every_request() {
    paused(async {
        let mut bench = Bench::new(PACE, |asked| async move {
            wait(millis(200)).await;
            match asked.as_str() {
                "W1" => Err(Failure::PoolError { said: Excerpt::new("out of order") }),
                "W2" => unknown_wallet(),
                _ => good(),
            }
        });
        bench.round(5).await;
        bench.round(5).await;
        let metrics = bench.metrics().await;
        assert_eq!((figure(&metrics, "/requests"), figure(&metrics, "/successes")), (10, 6));
        assert_eq!((figure(&metrics, "/failures/pool_error"), figure(&metrics, "/failures/unknown_wallet")), (2, 2));
        assert_eq!((figure(&metrics, "/response_time/count"), metrics["backoff_state"].as_str()), (10, Some("closed")));
        let average = metrics["response_time"]["average_ms"].as_f64().expect("a figure");
        assert!((199.0..=203.0).contains(&average), "{average}");
        assert_eq!((figure(&metrics, "/restarts"), figure(&metrics, "/panics")), (0, 0));
    });
}
