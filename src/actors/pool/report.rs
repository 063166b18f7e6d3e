//! What a pool did in a cycle.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{Amount, Points, PoolName};

/// What a pool did in a cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PollReport {
    /// The pool.
    pub pool: PoolName,
    /// Wallets it should be asked about.
    pub wallets: u64,
    /// Requests made.
    pub requests: u64,
    /// Good answers that are stored.
    pub readings: u64,
    /// Requests without a good answer, by kind of failure.
    pub failures: BTreeMap<&'static str, u64>,
    /// The first failure, for a person.
    pub first_failure: Option<String>,
    /// Wallets that were not asked about, because the pool is being left alone or the program is ending.
    pub not_asked: u64,
    /// Awards.
    pub awards: u64,
    /// AP awarded.
    #[serde(serialize_with = "as_text")]
    pub points: Points,
    /// ADVC awarded.
    #[serde(serialize_with = "as_text")]
    pub advc: Amount,
    /// Events held.
    pub held: u64,
    /// Anomalies recorded.
    pub anomalies: u64,
    /// The breaker's state afterwards.
    pub backoff_state: &'static str,
    /// How long it took.
    pub duration_ms: u64,
}

fn as_text<S: serde::Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl PollReport {
    /// A report of nothing, for so many wallets.
    pub(super) fn new(pool: PoolName, wallets: u64) -> Self {
        Self {
            pool,
            wallets,
            requests: 0,
            readings: 0,
            failures: BTreeMap::new(),
            first_failure: None,
            not_asked: 0,
            awards: 0,
            points: Points::ZERO,
            advc: Amount::ZERO,
            held: 0,
            anomalies: 0,
            backoff_state: "",
            duration_ms: 0,
        }
    }

    /// Says once a round what failed, and nothing where nothing did, or where the failure is our own network's: that has been
    /// said once for all pools.
    pub(super) fn log(&self, cycle: u64, is_offline: bool) {
        let left_alone = self.not_asked > 0 && self.backoff_state != "closed";
        if is_offline || (self.failures.is_empty() && !left_alone) {
            tracing::debug!(cycle, pool = %self.pool, readings = self.readings, not_asked = self.not_asked, duration_ms = self.duration_ms, "pool_polled");
            return;
        }
        tracing::warn!(
            cycle, pool = %self.pool, readings = self.readings, not_asked = self.not_asked,
            failures = %serde_json::to_string(&self.failures).unwrap_or_default(),
            first_failure = self.first_failure.as_deref().unwrap_or_default(), backoff_state = self.backoff_state,
            duration_ms = self.duration_ms, "pool_poll_failed"
        );
    }
}
