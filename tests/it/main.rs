//! The integration tests: the real parts of pool-poller against a real PostgreSQL and a real Socket.IO server.
//!
//! `tests/run` starts what they need and says where it is in the environment; without it a test that needs a part fails
//! and names the variable that is missing.

// A test tells what went wrong by panicking. Clippy's own exception for tests does not reach helper functions.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod actors;
mod cli;
mod daemon;
mod database;
mod deploy;
mod ledger;
mod packing;
mod support;
mod support_tests;
mod takeover;
