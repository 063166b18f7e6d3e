//! The tables of pool-poller's database, one entity a file.
//!
//! `players`, `pool_snapshots` and `mining_events` are the tables of the service this program replaces: their names, columns
//! and meaning stay, because the game reads them. The other tables and columns are this program's own.

pub mod anomalies;
pub mod listed_payouts;
pub mod mining_events;
mod money;
pub mod player_wallets;
pub mod players;
pub mod pool_snapshots;
pub mod position_rebases;
pub mod positions;

pub use money::Money;
