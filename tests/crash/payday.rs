//! Pools that pay, and players who are paid.

use std::process::Command;
use std::time::{Duration, Instant};

use pool_poller::domain::Amount;
use pool_poller::sim::SimPool;

use crate::daemon::bench::{Bench, Engine};
use crate::daemon::process::Daemon;

/// The pools of these tests: the compiled-in ones, without their limits on requests.
pub(crate) const POOLS: [SimPool; 3] = [SimPool::CpuPool, SimPool::Rplant, SimPool::Zpool];

/// The files of the compiled-in pools.
const FILES: [(&str, &str); 3] = [
    ("cpu-pool.toml", include_str!("../../config/pools/cpu-pool.toml")),
    ("rplant.toml", include_str!("../../config/pools/rplant.toml")),
    ("zpool.toml", include_str!("../../config/pools/zpool.toml")),
];

/// A bench on which payouts are made at random.
pub(crate) struct Payday {
    pub(crate) bench: Bench,
    wallets: Vec<String>,
    random: fastrand::Rng,
    pub(crate) seed: u64,
}

impl Payday {
    /// Every player has a position on every pool.
    pub(crate) fn new(engine: Engine, players: usize) -> Self {
        Self::prepare(Bench::new(engine), players)
    }

    /// The same on a bench that is there already.
    pub(crate) fn prepare(mut bench: Bench, players: usize) -> Self {
        let seed = setting("CRASH_SEED", fastrand::u64(..));
        println!("CRASH_SEED={seed}");
        for (name, text) in FILES {
            let unlimited: String =
                text.lines().filter(|line| !line.starts_with("rate_per_minute")).map(|line| format!("{line}\n")).collect();
            bench.write(&format!("config/pools/{name}"), &unlimited);
        }
        bench.enable(&POOLS);
        let wallets: Vec<String> = (0..players).map(|number| bench.add_player(&format!("player{number}"))).collect();
        bench.start_with_positions(players * POOLS.len()).stop();
        Self { bench, wallets, random: fastrand::Rng::with_seed(seed), seed }
    }

    /// One payout on some pool to some player: more than dust and less than what is held.
    pub(crate) fn pay_someone(&mut self) {
        let pool = POOLS[self.random.usize(..POOLS.len())];
        let wallet = self.wallets[self.random.usize(..self.wallets.len())].clone();
        // In the pool's own currency: up to two ADVC, or up to half a thousandth of a bitcoin.
        let units =
            if pool == SimPool::Zpool { self.random.i128(1_000..50_000) } else { self.random.i128(1_000_000..200_000_000) };
        let amount = Amount::from_units(units).expect("a small amount");
        self.bench.pools.world().pay(pool, &wallet, amount).expect("a payout");
    }

    /// Makes `count` payouts, spread evenly over `duration`. The waiting is the test's own clock and hopes for nothing.
    pub(crate) fn pay_during(&mut self, count: u32, duration: Duration) {
        let began = Instant::now();
        for number in 0..count {
            let at = began + duration * number / count;
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            self.pay_someone();
        }
        std::thread::sleep((began + duration).saturating_duration_since(Instant::now()));
    }

    /// A random time up to `max`.
    pub(crate) fn random_duration(&mut self, max: Duration) -> Duration {
        Duration::from_micros(self.random.u64(0..=u64::try_from(max.as_micros()).expect("a short time")))
    }

    /// One of so many.
    pub(crate) fn random_index(&mut self, count: usize) -> usize {
        self.random.usize(..count)
    }
}

/// Starts the daemon and waits for nothing.
pub(crate) fn spawn(bench: &Bench) -> Daemon {
    Daemon::spawn(bench.command(&["run"]))
}

/// A number from the environment.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}: a whole number is expected")),
        Err(_) => default,
    }
}

/// How long the tests last that only time can tell about.
pub(crate) fn length() -> Duration {
    Duration::from_secs(setting("CRASH_SECONDS", 30))
}
