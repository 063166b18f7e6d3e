//! The crate map of pool-poller, and what holds everywhere in it.
//!
//! [`domain`] holds the rules and is pure: no clock, no randomness, no I/O. [`pools`], [`store`] and [`notify`] do the I/O and know
//! no actors. [`actors`] are shells around them, each knowing its neighbours only as recipients of messages. [`app`] alone
//! knows every actor, and [`cli`] is what a person sees. [`sim`] holds the simulated pools and game server that the demo, the
//! tests and the benches share.
//!
//! Invariants:
//! 1. One transaction writes snapshots, events, the players' totals and the positions that follow from a batch of readings.
//! 2. A failed answer means *unknown*; it is never read as zero and moves nothing.
//! 3. Messages may be lost, rows may not: every neighbour also looks by itself.
//! 4. An event is marked notified after the game server's acknowledgement and never before.
//! 5. Every repeat is safe: time-out, closed mailbox, restart and crash all end in "send it again".
//! 6. Queues are bounded by one outstanding request a caller, not by the size of a mailbox.

pub mod actors;
pub mod app;
pub mod cli;
pub mod clock;
pub mod domain;
pub mod metrics;
pub mod notify;
pub mod pools;
pub mod service_manager;
pub mod settings;
pub mod shutdown;
pub mod sim;
pub mod status;
pub mod store;
pub mod telemetry;
mod time_limit;
