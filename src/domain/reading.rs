//! What a pool said about one wallet, normalized.

use std::sync::Arc;

use super::amount::Amount;
use super::listed::Listed;
use super::names::{Currency, PlayerId, PoolName, Wallet};
use super::raw_answer;

/// One cumulative counter found in an answer, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// Where the figure comes from and in which unit: the JSON pointer as the pool file spells it (`/paid`; pointers of a sum
    /// joined by `+`), with `@1e-N` behind it where the pool counts in units of 10⁻ᴺ. A position pins all of it, so that a
    /// changed unit is a changed source.
    pub source: Arc<str>,
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
    pub windows: Vec<(Arc<str>, Amount)>,
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
    /// The answer itself, a JSON object of at most [`raw_answer::TEXT_BYTES_MAX`]; a longer one is shortened already.
    pub raw: String,
}

impl Reading {
    /// The answer as it is kept with a snapshot: see [`raw_answer`]. Made where it is needed, which is seldom: most readings
    /// change nothing.
    #[must_use]
    pub fn kept_answer(&self) -> String {
        raw_answer::shorten(&self.raw, &self.currency, &self.counters, &self.figures)
    }
}
