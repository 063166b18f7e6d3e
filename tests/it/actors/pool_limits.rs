//! A pool that limits its clients by a moving average of the gaps between the calls that it accepts, as yiimp does, and says
//! nothing but an empty answer to the others.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use pool_poller::actors::pool::Pace;
use pool_poller::domain::Wallet;
use pool_poller::pools::{PoolSpec, extract};
use tokio::time::Instant;

use super::bench::{paused, secs};
use super::pool_bench::{Bench, Fetched, PACE, good};

/// The weight of the newest gap in the average, in hundredths.
const WEIGHT: u64 = 33;
/// After so long the pool has forgotten its client.
const FORGET: u64 = 300;
/// Wallets; of those, the last ones are nobody's.
const WALLETS: usize = 20;
const INTERVAL: Duration = Duration::from_secs(60);

/// The pool's side.
struct Limiter {
    limit: u64,
    began: Instant,
    /// When it last accepted a call, in whole seconds, and the average then, in hundredths of a second.
    last: Cell<Option<(u64, u64)>>,
    accepted: RefCell<Vec<(Duration, Wallet)>>,
    refused: RefCell<Vec<Duration>>,
}

impl Limiter {
    fn call(&self, wallet: &Wallet) -> bool {
        let elapsed = self.began.elapsed();
        let now = elapsed.as_secs();
        let last = self.last.get().filter(|(at, _)| now - at < FORGET);
        let average = last.map_or(100 * self.limit, |(at, average)| (average * (100 - WEIGHT) + 100 * (now - at) * WEIGHT) / 100);
        let accepts = average >= 100 * self.limit;
        if accepts {
            self.last.set(Some((now, average)));
            self.accepted.borrow_mut().push((elapsed, wallet.clone()));
        } else {
            self.refused.borrow_mut().push(elapsed);
        }
        accepts
    }
}

/// The pace and the meaning of an empty answer as the file that is compiled in has them.
fn zpool() -> PoolSpec {
    PoolSpec::parse(include_str!("../../../config/pools/zpool.toml"), "zpool.toml").expect("a pool file")
}

fn under_a_limit(limit: u64, unknown: usize, learning: Duration, steady: Duration) {
    paused(async {
        let spec = Rc::new(zpool());
        let rate = spec.limits().rate_per_minute.expect("a rate").get();
        let pace = Pace { concurrency: spec.limits().concurrency.get(), gap_min: secs(60) / rate, ..PACE };
        let limiter = Rc::new(Limiter {
            limit,
            began: Instant::now(),
            last: Cell::default(),
            accepted: RefCell::default(),
            refused: RefCell::default(),
        });
        let server = Rc::clone(&limiter);
        let answer = move |wallet: Wallet| {
            let number: usize = wallet.as_str()[1..].parse().expect("a number");
            // An unknown wallet counts as a call too, and its answer is as empty as a refusal.
            let is_answered = server.call(&wallet) && number <= WALLETS - unknown;
            let fetched: Fetched = if is_answered { good() } else { extract(&spec, &wallet, b"") };
            ready(fetched)
        };
        let bench = Bench::new(pace, answer);
        bench.poll_every(INTERVAL, WALLETS, learning).await;
        let learnt_at = bench.clock.now();
        let rate = bench.metrics().await["rate"].clone();
        println!("limit {limit} s, {unknown} unknown: {} refused while learning; {rate}", limiter.refused.borrow().len());
        bench.poll_every(INTERVAL, WALLETS, learning + steady).await;

        let metrics = bench.metrics().await;
        let accepted = limiter.accepted.borrow();
        let steady_accepted: Vec<_> = accepted.iter().filter(|(at, _)| *at >= learnt_at).collect();
        let refused = limiter.refused.borrow().iter().filter(|at| **at >= learnt_at).count();
        let requests = steady_accepted.len() + refused;
        let mut longest: BTreeMap<&str, (Duration, Duration)> = BTreeMap::new();
        for (at, wallet) in &steady_accepted {
            let (last, most) = longest.entry(wallet.as_str()).or_insert((learnt_at, Duration::ZERO));
            *most = (*most).max(*at - *last);
            *last = *at;
        }
        let worst = longest.values().map(|(last, most)| (*most).max(learnt_at + steady - *last)).max().expect("wallets");
        let possible = steady.as_secs() / limit;
        println!(
            "limit {limit} s, {unknown} unknown: {requests} requests in {} h, {refused} refused ({} in 10,000), {} of {possible} possible; \
             the longest wait of a wallet {} min; {}",
            steady.as_secs() / 3_600,
            refused * 10_000 / requests,
            steady_accepted.len(),
            worst.as_secs() / 60,
            metrics["rate"],
        );
        assert!(refused * 100 <= requests, "{refused} of {requests}");
        assert_eq!(longest.len(), WALLETS, "everyone is asked about");
        // At the pool's own limit a round takes `WALLETS` times it.
        let round = Duration::from_secs(limit) * u32::try_from(WALLETS).expect("few") + INTERVAL;
        assert!(worst <= round * 3, "nobody starves: {worst:?}");
        assert!(steady_accepted.len() as u64 * 10 >= possible * 7, "most of what the pool bears is used");
        assert_eq!(metrics["backoff_state"], "closed");
    });
}

#[test]
fn a_limit_of_ten_seconds_is_learnt_and_kept() {
    under_a_limit(10, 3, secs(3_600 * 3), secs(3_600 * 20));
}

#[test]
fn a_limit_of_a_minute_is_learnt_and_kept() {
    under_a_limit(60, 3, secs(3_600 * 7), secs(3_600 * 16));
}

#[test]
fn a_limit_is_learnt_from_the_few_wallets_that_the_pool_knows() {
    for limit in [10, 60] {
        under_a_limit(limit, 17, secs(3_600 * 7), secs(3_600 * 16));
    }
}
