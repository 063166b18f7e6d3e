//! What a simulated world consists of: the pools, and how and when they pay.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::Amount;

/// The simulated pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SimPool {
    /// A NOMP pool, as cpu-pool.com.
    CpuPool,
    /// As pool.rplant.xyz.
    Rplant,
    /// A yiimp pool, as zpool.ca; it pays in BTC.
    Zpool,
    /// A Miningcore pool that only a pool file makes known.
    Extra,
}

impl SimPool {
    /// Every pool.
    pub const ALL: [Self; 4] = [Self::CpuPool, Self::Rplant, Self::Zpool, Self::Extra];

    /// The pool's name in files, settings and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CpuPool => "cpu-pool",
            Self::Rplant => "rplant",
            Self::Zpool => "zpool",
            Self::Extra => "extra",
        }
    }
}

/// When a wallet may be paid by the mining of the world. Payments that a test orders are not gated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gate {
    /// Only after the wallet's figures were shown since its last payout, and never before they were shown at all: a poller
    /// that loses no answer then sees every payout as a rise of its own.
    AfterSeen,
    /// Whenever the balance is large enough.
    #[default]
    Free,
}

/// How one pool mines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mining {
    /// Mean time between two blocks; at least a millisecond is used.
    pub block_interval: Duration,
    /// The most that one account gets of one block.
    pub share_max: Amount,
    /// A balance of at least this much is paid out whole at the next block.
    pub payout_threshold: Amount,
}

/// What kind of world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorldConfig {
    /// When mining may pay a wallet.
    pub gate: Gate,
    /// The pools that mine by themselves. One that is missing changes only when it is told to.
    pub mining: BTreeMap<SimPool, Mining>,
}

impl WorldConfig {
    /// Every pool mines, and pays each wallet after a few of its blocks some ADVC or some ten thousandths of a BTC: more
    /// than `MIN_PAYOUT_DELTA` and far less than `MAX_PAYOUT_DELTA` at the default rates. Every payout can be seen.
    #[must_use]
    pub fn demo(block_interval: Duration) -> Self {
        let mining = |pool| {
            let coin_units = if pool == SimPool::Zpool { 10_000 } else { 100_000_000 };
            let units = |units| Amount::from_units(units).unwrap_or_default();
            Mining { block_interval, share_max: units(2 * coin_units), payout_threshold: units(3 * coin_units) }
        };
        Self { gate: Gate::AfterSeen, mining: SimPool::ALL.map(|pool| (pool, mining(pool))).into() }
    }
}
