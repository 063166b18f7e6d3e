//! A model of mining: blocks are found, balances grow, balances are paid out.
//!
//! Pure: time comes in as an argument and chance from a seed, so the same seed and the same calls make the same world.
//! Amounts are integers of 10⁻⁸ of the pool's own coin. Promises: every rise of a `paid` counter that the world makes is
//! one entry of the payout log, so the log is what a poller must have found. The log is kept whole, because the account at
//! the end of a demo needs every entry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

pub use super::world_config::{Gate, Mining, SimPool, WorldConfig};
use crate::domain::Amount;

/// What a pool knows of one wallet, in the pool's own currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Of blocks that are not confirmed yet.
    pub immature: Amount,
    /// Owed.
    pub balance: Amount,
    /// Everything ever paid.
    pub paid: Amount,
    /// Whether the figures were shown in a good answer since the last change of `paid`.
    shown: bool,
    /// This wallet's entries of the payout log, oldest first.
    payouts: Vec<usize>,
}

/// One payment, as the payout log records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// The pool that paid.
    pub pool: SimPool,
    /// The wallet that was paid.
    pub wallet: Arc<str>,
    /// How much, in the pool's own currency.
    pub amount: Amount,
    /// The wallet's `paid` counter afterwards.
    pub paid_after: Amount,
    /// Counts from 1 over all pools and wallets.
    pub number: u64,
    /// When, on the world's clock.
    pub at: Duration,
}

/// Why a payment was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayError {
    /// A payment must be above zero.
    #[error("a payment must be above zero")]
    NotPositive,
    /// The counter would be too large to be represented.
    #[error("the counter would be too large")]
    TooLarge,
}

/// The model: all accounts of all pools, and every payment made.
#[derive(Debug)]
pub struct World {
    gate: Gate,
    paying: bool,
    now: Duration,
    accounts: BTreeMap<SimPool, BTreeMap<Arc<str>, Account>>,
    miners: BTreeMap<SimPool, Miner>,
    log: Vec<Payout>,
}

/// A pool that mines by itself.
#[derive(Debug)]
struct Miner {
    mining: Mining,
    /// Each pool has its own source of chance, so that one pool's accounts do not change another's luck.
    rng: Rng,
    next_block: Duration,
}

impl Miner {
    /// Draws the time until the next block: a sixteenth of the interval at a time, each with a chance of one in sixteen.
    fn schedule(&mut self) {
        let step = self.mining.block_interval.max(Duration::from_millis(1)) / 16;
        let mut steps = 1;
        while steps < 64 && self.rng.u32(0..16) != 0 {
            steps += 1;
        }
        self.next_block += step * steps;
    }
}

impl World {
    /// A world without accounts at time zero.
    #[must_use]
    pub fn new(seed: u64, config: WorldConfig) -> Self {
        let miners = config.mining.into_iter().map(|(pool, mining)| {
            let mut miner = Miner { mining, rng: Rng::with_seed(seed ^ ((pool as u64) << 56)), next_block: Duration::ZERO };
            miner.schedule();
            (pool, miner)
        });
        Self {
            gate: config.gate,
            paying: true,
            now: Duration::ZERO,
            accounts: BTreeMap::new(),
            miners: miners.collect(),
            log: Vec::new(),
        }
    }

    /// Opens an account whose `paid` counter stands at `paid`; that is the wallet's past and no payout. An account that is
    /// already there is left as it is.
    pub fn add_account(&mut self, pool: SimPool, wallet: &str, paid: Amount) {
        self.accounts.entry(pool).or_default().entry(wallet.into()).or_insert_with(|| Account { paid, ..Account::default() });
    }

    /// The account of a wallet.
    #[must_use]
    pub fn account(&self, pool: SimPool, wallet: &str) -> Option<&Account> {
        self.accounts.get(&pool)?.get(wallet)
    }

    /// Moves the world's clock to `now` and does everything that happens until then, in order. A time that has passed
    /// already changes nothing.
    pub fn advance(&mut self, now: Duration) {
        while let Some((pool, at)) = self.next_block()
            && at <= now
        {
            self.now = self.now.max(at);
            self.find_block(pool);
        }
        self.now = self.now.max(now);
    }

    fn next_block(&self) -> Option<(SimPool, Duration)> {
        self.miners.iter().map(|(pool, miner)| (*pool, miner.next_block)).min_by_key(|(_, at)| *at)
    }

    /// A block confirms the one before it, pays the balances that are large enough and gives every account its share.
    fn find_block(&mut self, pool: SimPool) {
        let Some(miner) = self.miners.get_mut(&pool) else { return };
        let share_units_max = miner.mining.share_max.units().max(1);
        for (wallet, account) in self.accounts.entry(pool).or_default() {
            let share = Amount::from_units(miner.rng.i128(1..=share_units_max)).unwrap_or_default();
            // An account that has become too large to be represented just stops growing.
            if let Some(balance) = account.balance.checked_add(account.immature) {
                account.balance = balance;
                account.immature = share;
            }
            let open = self.gate == Gate::Free || account.shown;
            if self.paying && open && account.balance >= miner.mining.payout_threshold {
                let amount = account.balance;
                if record(&mut self.log, account, pool, wallet, amount, self.now).is_ok() {
                    account.balance = Amount::ZERO;
                }
            }
        }
        miner.schedule();
    }

    /// Pays `amount` to a wallet at once, out of nothing: neither its balance nor the gate matters. Opens the account
    /// where there is none.
    ///
    /// # Errors
    /// When the amount is not above zero or the counter would be too large; nothing is paid then.
    pub fn pay(&mut self, pool: SimPool, wallet: &str, amount: Amount) -> Result<Payout, PayError> {
        let wallet: Arc<str> = wallet.into();
        let account = self.accounts.entry(pool).or_default().entry(Arc::clone(&wallet)).or_default();
        record(&mut self.log, account, pool, &wallet, amount, self.now)
    }

    /// Sets a wallet's counter, up or down, without a payout: what a faulty pool or a script says. Opens the account where
    /// there is none.
    pub fn set_paid(&mut self, pool: SimPool, wallet: &str, paid: Amount) {
        let account = self.account_mut(pool, wallet);
        account.paid = paid;
        account.shown = false;
    }

    /// Sets what a wallet is owed. Opens the account where there is none.
    pub fn set_owed(&mut self, pool: SimPool, wallet: &str, immature: Amount, balance: Amount) {
        let account = self.account_mut(pool, wallet);
        account.immature = immature;
        account.balance = balance;
    }

    fn account_mut(&mut self, pool: SimPool, wallet: &str) -> &mut Account {
        self.accounts.entry(pool).or_default().entry(wallet.into()).or_default()
    }

    /// Notes that a wallet's figures, as they are now, were shown in a good answer.
    pub fn mark_shown(&mut self, pool: SimPool, wallet: &str) {
        if let Some(account) = self.accounts.get_mut(&pool).and_then(|accounts| accounts.get_mut(wallet)) {
            account.shown = true;
        }
    }

    /// The number of accounts whose `paid`, as it stands, was not shown yet.
    #[must_use]
    pub fn unshown(&self) -> usize {
        self.accounts.values().flat_map(BTreeMap::values).filter(|account| !account.shown).count()
    }

    /// Blocks are still found, but nothing is paid any more.
    pub fn stop_paying(&mut self) {
        self.paying = false;
    }

    /// Takes back [`World::stop_paying`].
    pub fn resume_paying(&mut self) {
        self.paying = true;
    }

    /// The world's clock.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Every payout made, oldest first.
    #[must_use]
    pub fn payouts(&self) -> &[Payout] {
        &self.log
    }

    /// A wallet's payouts, newest first.
    pub fn payouts_of(&self, pool: SimPool, wallet: &str) -> impl Iterator<Item = &Payout> {
        let entries = self.account(pool, wallet).map_or(&[][..], |account| &account.payouts);
        entries.iter().rev().filter_map(|entry| self.log.get(*entry))
    }

    /// The sum of a pool's payouts, in its own currency.
    #[must_use]
    pub fn total_paid(&self, pool: SimPool) -> Amount {
        sum(self.log.iter().filter(|payout| payout.pool == pool).map(|payout| payout.amount))
    }
}

/// The sum of amounts; one that is too large to be represented stays at what could be added.
pub(super) fn sum(amounts: impl Iterator<Item = Amount>) -> Amount {
    amounts.fold(Amount::ZERO, |sum, amount| sum.checked_add(amount).unwrap_or(sum))
}

/// Raises the counter and writes the log, together: the only place where either happens.
fn record(
    log: &mut Vec<Payout>,
    account: &mut Account,
    pool: SimPool,
    wallet: &Arc<str>,
    amount: Amount,
    at: Duration,
) -> Result<Payout, PayError> {
    if amount <= Amount::ZERO {
        return Err(PayError::NotPositive);
    }
    let paid_after = account.paid.checked_add(amount).ok_or(PayError::TooLarge)?;
    let number = log.len() as u64 + 1;
    let payout = Payout { pool, wallet: Arc::clone(wallet), amount, paid_after, number, at };
    account.paid = paid_after;
    account.shown = false;
    account.payouts.push(log.len());
    log.push(payout.clone());
    Ok(payout)
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
