//! What the servers of the bench know together: which wallets there are, what was paid to them, when it was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

/// The pools, in the order of their numbers.
pub(crate) const POOLS: [&str; 3] = ["cpu-pool", "rplant", "zpool"];

/// The wallet of a player. Only the digits at its end say whose it is.
pub(crate) fn wallet(player: usize) -> String {
    format!("ABenchWallet{player:022}")
}

/// The player of a wallet's text.
pub(crate) fn player_of(wallet: &[u8]) -> usize {
    wallet.iter().rev().take(9).rev().fold(0, |number, digit| number * 10 + usize::from(digit.wrapping_sub(b'0')))
}

/// What an answer shows.
#[derive(Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) payouts: u32,
    /// A figure for show, of seven digits at most.
    pub(crate) speed: u64,
}

/// Shared by the servers and the harness.
pub(crate) struct Board {
    /// Each answer shows one more payout than the last one about the same wallet.
    pub(crate) is_payday: AtomicBool,
    /// Each answer shows another speed than the last one about the same wallet, which is nothing that counts.
    pub(crate) is_restless: AtomicBool,
    /// Requests answered.
    pub(crate) served: AtomicU64,
    /// Payouts shown: 1.5 of the pool's coin each.
    payouts: [Vec<AtomicU32>; 3],
    /// When the oldest payout of a wallet that is on its way was shown, in nanoseconds since `epoch`; 0 for none.
    shown_at: [Vec<AtomicU64>; 3],
    epoch: Instant,
}

impl Board {
    /// For the players 1 to `players`.
    pub(crate) fn new(players: usize) -> Arc<Self> {
        Arc::new(Self {
            is_payday: AtomicBool::new(false),
            is_restless: AtomicBool::new(false),
            served: AtomicU64::new(0),
            payouts: std::array::from_fn(|_| (0..=players).map(|_| AtomicU32::new(0)).collect()),
            shown_at: std::array::from_fn(|_| (0..=players).map(|_| AtomicU64::new(0)).collect()),
            epoch: Instant::now(),
        })
    }

    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).expect("a short run")
    }

    /// A pool is about to answer: what it shows.
    pub(crate) fn show(&self, pool: usize, player: usize) -> Shown {
        let served = self.served.fetch_add(1, Ordering::Relaxed);
        let speed = if self.is_restless.load(Ordering::Relaxed) { served % 10_000_000 } else { 0 };
        Shown { payouts: self.payouts_shown(pool, player), speed }
    }

    fn payouts_shown(&self, pool: usize, player: usize) -> u32 {
        let Some(payouts) = self.payouts[pool].get(player) else { return 0 };
        if !self.is_payday.load(Ordering::Relaxed) {
            return payouts.load(Ordering::Relaxed);
        }
        // One that is still on its way keeps its time: the older one counts.
        let _ = self.shown_at[pool][player].compare_exchange(0, self.now(), Ordering::Relaxed, Ordering::Relaxed);
        payouts.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The oldest payout of a wallet that was on its way has arrived: when it was shown, unless another one has arrived since.
    pub(crate) fn arrived(&self, pool: usize, player: usize) -> Option<u64> {
        Some(self.shown_at[pool][player].swap(0, Ordering::Relaxed)).filter(|shown_at| *shown_at > 0)
    }

    /// All payouts shown.
    pub(crate) fn payouts(&self) -> u64 {
        self.payouts.iter().flatten().map(|payouts| u64::from(payouts.load(Ordering::Relaxed))).sum()
    }
}
