//! What a pool said about one wallet, normalized.

use super::amount::Amount;
use super::names::{Currency, PlayerId, PoolName, Wallet};

/// One cumulative counter found in an answer, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// The JSON pointer the figure was read from, as the pool file spells it (`/paid`; pointers of a sum joined by `+`).
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
    /// The counters found, in the pool file's order of preference; never empty. Which of them a
    /// position is about, `Position::counter_in` says.
    pub counters: Vec<Counter>,
    /// Figures for show.
    pub figures: Figures,
    /// The answer itself as valid JSON, shortened where it is large; kept with the snapshot.
    pub raw: String,
}
