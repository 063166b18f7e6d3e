//! What a pool did in a cycle.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::domain::repetition::Repetition;
use crate::domain::{Amount, Points, PoolName};
use crate::metrics::Durations;

/// The kind of failure of a round that left the pool alone.
const LEFT_ALONE: &str = "left_alone";

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
    /// How long its requests took, from a request to the end of its answer or its failure; `None` without a request that ended.
    pub response_time: Option<ResponseTime>,
}

/// How long the requests of a round took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ResponseTime {
    /// The middle one, to about 1 %.
    #[serde(rename = "median_ms", serialize_with = "as_millis")]
    pub median: Duration,
    /// The longest, to about 1 %.
    #[serde(rename = "max_ms", serialize_with = "as_millis")]
    pub max: Duration,
}

impl ResponseTime {
    /// Of what was measured, if anything was.
    pub(super) fn of(times: &Durations) -> Option<Self> {
        (times.count() > 0).then(|| Self { median: times.median(), max: times.max() })
    }
}

/// Milliseconds to two places.
#[expect(clippy::float_arithmetic, reason = "a figure for people, not money")]
fn as_millis<S: serde::Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((value.as_secs_f64() * 1e5).round() / 100.0)
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
            response_time: None,
        }
    }

    /// Says what failed in a round, and nothing where the same did in the last ones, or where the failure is our own network's:
    /// that has been said once for all pools.
    pub(super) fn log(&self, cycle: u64, is_offline: bool, failing: &mut Repetition, now: Duration) {
        let left_alone = self.not_asked > 0 && self.backoff_state != "closed";
        let say = if is_offline {
            None
        } else if self.failures.is_empty() && !left_alone {
            let had_left_alone = failing.has(LEFT_ALONE);
            // A round without a single request shows nothing.
            if self.requests > 0
                && let Some(over) = failing.over(now)
                && had_left_alone
            {
                tracing::info!(cycle, pool = %self.pool, rounds = over.met, away_seconds = over.lasted.as_secs(), "pool_answers_again");
            }
            None
        } else {
            failing.met(self.failures.keys().copied().chain(left_alone.then_some(LEFT_ALONE)), now)
        };
        let Some(say) = say else {
            tracing::debug!(
                cycle, pool = %self.pool, readings = self.readings, not_asked = self.not_asked,
                failures = %serde_json::to_string(&self.failures).unwrap_or_default(), duration_ms = self.duration_ms, "pool_polled"
            );
            return;
        };
        tracing::warn!(
            cycle, pool = %self.pool, readings = self.readings, not_asked = self.not_asked,
            failures = %serde_json::to_string(&self.failures).unwrap_or_default(),
            first_failure = self.first_failure.as_deref().unwrap_or_default(), backoff_state = self.backoff_state,
            duration_ms = self.duration_ms, repeated = say.repeated, "pool_poll_failed"
        );
    }
}
