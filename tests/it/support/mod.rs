//! What the tests share: databases, servers of their own, and the Socket.IO server and the browser of `tests/interop`.
//!
//! Everything here cleans up after itself, also when the test that owns it panics or is killed.

pub(crate) mod browser;
pub(crate) mod interop;
pub(crate) mod lines;
pub(crate) mod own_cluster;
pub(crate) mod pg;
pub(crate) mod player;
pub(crate) mod proxy;
pub(crate) mod readme;
pub(crate) mod terminal;

use std::path::PathBuf;

/// The value of an environment variable that `tests/run` sets.
///
/// # Panics
/// When it is not set: a test is never skipped for want of a part.
pub(crate) fn required_env(name: &str) -> String {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!("set {name} or use tests/run"),
    }
}

/// A file below `tests/`.
pub(crate) fn tests_file(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(relative)
}
