//! The crate map of pool-poller.
//!
//! `domain` holds the rules and is pure. `pools`, `store` and `notify` do the I/O and know no actors. `actors` are shells
//! around them; only `app` knows every actor. `sim` holds the simulated pools and game server that the demo, the tests and
//! the benches share.

pub mod domain;
pub mod notify;
pub mod pools;
pub mod settings;
pub mod sim;
pub mod store;
pub mod telemetry;
