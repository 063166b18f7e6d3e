//! The rules of the program, pure: no clock, no randomness, no environment, no I/O.
//!
//! Time and entropy come in as arguments, so every rule can be tested by a table and by a law. The actors and the store
//! are shells around what is decided here.

pub mod agenda;
pub mod amount;
pub mod backoff;
pub mod breaker;
pub mod delivery;
pub mod listed;
pub mod names;
pub mod network;
pub mod payout;
pub mod raw_answer;
pub mod reading;
pub mod repetition;
pub mod restart;
pub mod roster;
pub mod schedule;
pub mod spread;
pub mod throttle;

pub use amount::{Amount, AmountError, Points, Rate};
pub use listed::{Listed, Payout};
pub use names::{Currency, EventId, PlayerId, PoolName, Wallet};
pub use reading::{Counter, Figures, Reading};
