//! What differs between two loadings of the settings, and which of it a running daemon can take over.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::keys::{self, KEYS, Key, RATE_SUFFIX};
use super::{Settings, layers::Raw};

/// The settings with fixed names that a running daemon takes over; so are rates, and what is set for a pool. The others hold
/// something open: a connection, a port, the form of the log.
const TAKEN_OVER: [Key; 12] = [
    keys::POLL_INTERVAL_SECONDS,
    keys::POOL_REQUEST_TIMEOUT,
    keys::POOL_CONTACT,
    keys::POOLS_DIR,
    keys::AP_PER_ADVC,
    keys::MIN_PAYOUT_DELTA,
    keys::MAX_PAYOUT_DELTA,
    keys::FIRST_READING,
    keys::SNAPSHOT_POLICY,
    keys::SNAPSHOT_RETENTION_DAYS,
    keys::AUTO_MIGRATE,
    keys::LOG_LEVEL,
];

impl Settings {
    /// The settings that are not the same in `newer`, by name: fixed names and rates. What is set for a pool is not among them, as
    /// only the list of pools can tell it from foreign variables.
    #[must_use]
    pub fn changed_in(&self, newer: &Self) -> BTreeSet<String> {
        let is_named = |name: &&String| name.ends_with(RATE_SUFFIX) || KEYS.iter().any(|key| key.name == **name);
        let (old, new) = (&self.raw.values, &newer.raw.values);
        let is_same = |name: &&String| old.get(*name).map(text) == new.get(*name).map(text);
        old.keys().chain(new.keys()).filter(is_named).filter(|name| !is_same(name)).cloned().collect()
    }
}

impl Settings {
    /// A file of settings that was read for these and is not there in `newer`. Taking over the defaults in its place is most likely
    /// not meant: it may be about to be written.
    #[must_use]
    pub fn file_gone_in(&self, newer: &Self) -> Option<&Path> {
        self.raw.files.iter().find(|file| !newer.raw.files.contains(file)).map(PathBuf::as_path)
    }

    /// A setting's value for people, secrets masked; empty when it is not set.
    #[must_use]
    pub fn shown(&self, name: &str) -> String {
        self.line(name).value
    }
}

/// Whether a running daemon takes a new value of this setting over.
#[must_use]
pub fn is_taken_over(name: &str) -> bool {
    name.ends_with(RATE_SUFFIX) || TAKEN_OVER.iter().any(|key| key.name == name)
}

fn text(raw: &Raw) -> &str {
    &raw.text
}
