//! What a pool said about one wallet, normalized.

use std::collections::BTreeMap;

use super::amount::Amount;
use super::listed::Listed;
use super::names::{Currency, PlayerId, PoolName, Wallet};

/// One cumulative counter found in an answer, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// Where the figure comes from and in which unit: the JSON pointer as the pool file spells it (`/paid`; pointers of a sum
    /// joined by `+`), with `@1e-N` behind it where the pool counts in units of 10⁻ᴺ. A position pins all of it, so that a
    /// changed unit is a changed source.
    pub source: String,
    /// Everything ever paid to the wallet, in the pool's own currency.
    pub paid: Amount,
}

/// The figures beside the counter, in the pool's own currency or unit. For show only: none of them drives an award, and
/// their absence or bad form never spoils the counter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Owed, below the payout threshold.
    pub balance: Option<Amount>,
    /// Not yet confirmed.
    pub immature: Option<Amount>,
    /// Hash rate as the pool states it.
    pub total_hash: Option<Amount>,
    /// Shares as the pool states them.
    pub total_shares: Option<Amount>,
    /// What was paid in a window of time, by the name that the pool file gives it. Such a figure falls without any event.
    pub windows: BTreeMap<String, Amount>,
}

/// One pool's normalized answer for one wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Whose wallet it is.
    pub player: PlayerId,
    /// Which pool answered.
    pub pool: PoolName,
    /// The wallet asked for.
    pub wallet: Wallet,
    /// The currency of every amount in here.
    pub currency: Currency,
    /// The counters found, in the pool file's order of preference; empty exactly where `listed` is there. Which of them a
    /// position is about, `Position::counter_in` says.
    pub counters: Vec<Counter>,
    /// The payouts themselves, where the pool lists them instead of counting them.
    pub listed: Option<Listed>,
    /// Figures for show.
    pub figures: Figures,
    /// The answer itself as valid JSON, shortened where it is large; kept with the snapshot.
    pub raw: String,
}
