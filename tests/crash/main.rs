//! What must hold when everything is taken away again and again: kill -9, a second daemon, the database, the disk.
//!
//! These are long by nature, so they have a test binary of their own and a length that suits CI. Longer runs:
//! `CRASH_KILLS` (default 200 for each engine), `CRASH_SECONDS` (default 30; how long two daemons share a database, and how long
//! a database is stopped over and over) and `CRASH_SEED` (random by default, printed).

// A test tells what went wrong by panicking. Clippy's own exception for tests does not reach helper functions.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
// The harness is shared with `tests/it`, which uses all of it.
#![allow(dead_code, unused_imports, unused_macros)]

mod daemon;
#[path = "../it/support/mod.rs"]
mod support;

mod account;
mod disk;
mod kills;
mod outages;
mod payday;
mod two_daemons;
