//! What the actors count, in the form in which it is dumped.
//!
//! Each actor owns its figures and keeps them through a restart. Labels come only from small fixed sets: pool names and
//! kinds of failure.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::domain::agenda::Staleness;
use crate::domain::throttle::Throttle;

/// Durations with their average and 99th percentile, kept to about 1 %.
#[derive(Debug, Clone)]
pub struct Durations {
    micros: Histogram<u64>,
}

/// The longest duration that is told apart, one hour.
const DURATION_MAX_MICROS: u64 = 3_600_000_000;

impl Default for Durations {
    fn default() -> Self {
        let micros = Histogram::new_with_bounds(1, DURATION_MAX_MICROS, 2);
        // The bounds are constants that satisfy the constructor's conditions.
        #[expect(clippy::expect_used, reason = "1 to 3.6e9 with two digits is a valid histogram")]
        Self { micros: micros.expect("constant bounds") }
    }
}

impl Durations {
    /// Adds one.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(DURATION_MAX_MICROS);
        self.micros.saturating_record(micros.clamp(1, DURATION_MAX_MICROS));
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.micros.len()
    }

    /// How many took at most `bound`, to about 1 %.
    #[must_use]
    pub fn count_up_to(&self, bound: Duration) -> u64 {
        let bound = u64::try_from(bound.as_micros()).unwrap_or(DURATION_MAX_MICROS);
        self.micros.count_between(0, bound.min(DURATION_MAX_MICROS))
    }

    /// The middle one, to about 1 %.
    #[must_use]
    pub fn median(&self) -> Duration {
        Duration::from_micros(self.micros.value_at_quantile(0.5))
    }

    /// The longest, to about 1 %.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.micros.max())
    }

    /// Their sum in seconds, to about 1 %.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "a figure for people, not money")]
    pub fn sum_seconds(&self) -> f64 {
        self.micros.mean() * self.micros.len() as f64 / 1e6
    }

    /// The figures for a dump.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "a figure for people, not money")]
    pub fn summary(&self) -> DurationSummary {
        let millis = |micros: f64| (micros / 10.0).round() / 100.0;
        DurationSummary {
            count: self.micros.len(),
            average_ms: millis(self.micros.mean()),
            p99_ms: millis(self.micros.value_at_quantile(0.99) as f64),
            max_ms: millis(self.micros.max() as f64),
        }
    }
}

/// The figures of [`Durations`], in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DurationSummary {
    /// How many.
    pub count: u64,
    /// Their average.
    pub average_ms: f64,
    /// Their 99th percentile.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// The scheduler's figures.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SchedulerMetrics {
    /// Cycles begun.
    pub cycles: u64,
    /// Cycles that could not begin, because the players could not be loaded.
    pub cycles_failed: u64,
    /// Ticks at which no cycle began, because the players of the last one were still on their way.
    pub ticks_skipped: u64,
    /// Cycles completed.
    pub cycles_completed: u64,
    /// Polls that were not sent, because the pool was still at the last one.
    pub polls_skipped_busy: u64,
    /// Requests of completed cycles.
    pub polls_total: u64,
    /// Of those, readings.
    pub polls_ok: u64,
    /// Of those, failures.
    pub polls_failed: u64,
    /// Verified, active players in the newest cycle.
    pub players: u64,
    /// Restarts after a failure.
    pub restarts: u64,
}

/// A pool's figures.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PoolMetrics {
    /// Requests sent.
    pub requests: u64,
    /// Good answers.
    pub successes: u64,
    /// Of those, the same as the wallet's last one, which changed nothing: the ledger was not asked again.
    pub unchanged: u64,
    /// Failures by kind.
    pub failures: BTreeMap<&'static str, u64>,
    /// From the request to the end of the answer.
    #[serde(serialize_with = "summarized")]
    pub response_time: Durations,
    /// Of those sent, tries of a pool that had failed or of a network that was gone.
    pub probes: u64,
    /// How fast the pool is asked, and why.
    pub rate: RateMetrics,
    /// The kind of the newest refusal.
    pub last_refusal: Option<&'static str>,
    /// How long nothing was heard about the wallets.
    pub staleness: StalenessMetrics,
    /// Wallets that the running round has not asked about.
    pub waiting: u64,
    /// Rounds in which nothing was sent, because the pool is being left alone.
    pub rounds_skipped_backoff: u64,
    /// `closed`, `open` or `half_open`.
    pub backoff_state: &'static str,
    /// Seconds until the next probe, while open.
    pub next_probe_seconds: Option<u64>,
    /// The same moment, UTC.
    pub next_probe_at: Option<String>,
    /// Batches handed to the ledger again, because its answer was lost.
    pub batches_resent: u64,
    /// Panics caught.
    pub panics: u64,
    /// Requests that had no end.
    pub hung: u64,
    /// Restarts after a failure.
    pub restarts: u64,
}

/// How fast a pool is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct RateMetrics {
    /// Requests a minute at most, as learned; `None` without a limit.
    pub per_minute: Option<f64>,
    /// The pool file's limit.
    pub file_per_minute: Option<f64>,
    /// The lowest rate that the pool refused, until it is borne.
    pub refused_per_minute: Option<f64>,
    /// `unlimited`, `file`, `refused` or `probe`.
    pub why: &'static str,
    /// Requests refused because of the rate.
    pub refusals: u64,
}

impl RateMetrics {
    /// What `throttle` says, under the file's own limit.
    #[must_use]
    pub fn of(throttle: &Throttle, file_gap: Duration) -> Self {
        Self {
            per_minute: per_minute(throttle.gap()),
            file_per_minute: per_minute(file_gap),
            refused_per_minute: throttle.refused_gap().and_then(per_minute),
            why: throttle.why().as_str(),
            refusals: throttle.refusals(),
        }
    }
}

/// The rate of one request each `gap`, to two places; `None` for no gap.
#[expect(clippy::float_arithmetic, reason = "a figure for people, not money")]
fn per_minute(gap: Duration) -> Option<f64> {
    (!gap.is_zero()).then(|| (6_000.0 / gap.as_secs_f64()).round() / 100.0)
}

/// How long a pool has said nothing about its wallets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StalenessMetrics {
    /// How many wallets.
    pub wallets: u64,
    /// The middle one.
    pub p50_seconds: u64,
    /// 99 in 100 are below.
    pub p99_seconds: u64,
    /// The longest.
    pub max_seconds: u64,
}

impl StalenessMetrics {
    /// In whole seconds.
    #[must_use]
    pub fn of(staleness: Staleness) -> Self {
        Self {
            wallets: staleness.wallets as u64,
            p50_seconds: staleness.p50.as_secs(),
            p99_seconds: staleness.p99.as_secs(),
            max_seconds: staleness.max.as_secs(),
        }
    }
}

/// The ledger's figures.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LedgerMetrics {
    /// Readings decided. One that is the same as before needs no decision: [`PoolMetrics::unchanged`].
    pub readings: u64,
    /// Awards.
    pub awards: u64,
    /// AP awarded, exact.
    pub ap_awarded: String,
    /// Events held for an operator.
    pub held: u64,
    /// Anomalies recorded, by kind.
    pub anomalies: BTreeMap<&'static str, u64>,
    /// Positions opened.
    pub positions_opened: u64,
    /// Rises too small to count yet.
    pub dust: u64,
    /// Snapshots written.
    pub snapshots: u64,
    /// Transactions committed.
    pub transactions: u64,
    /// Batches in which nothing changed, which cost no transaction.
    pub batches_unchanged: u64,
    /// Readings in the largest batch.
    pub batch_readings_max: u64,
    /// From the first statement to the commit.
    #[serde(serialize_with = "summarized")]
    pub commit_time: Durations,
    /// Conflicts with another process on the same database.
    pub conflicts: u64,
    /// Failed transactions by kind; each was tried again.
    pub failures: BTreeMap<&'static str, u64>,
    /// Why a commit waits for the database, while one does.
    pub waits_because: Option<String>,
    /// Observations that the database refuses even as an anomaly.
    pub dropped: u64,
    /// Positions held in memory.
    pub positions_cached: u64,
    /// Old snapshots deleted.
    pub rows_pruned: u64,
    /// Differences that the last verification found, once there was one.
    pub verify_last_differences: Option<u64>,
    /// When the last verification ended, UTC.
    pub verify_last_at: Option<String>,
    /// Verifications that could not be finished.
    pub verify_failures: u64,
    /// Restarts after a failure.
    pub restarts: u64,
}

/// The notifier's figures.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NotifierMetrics {
    /// `off`, `connecting` or `up`.
    pub socket: &'static str,
    /// When the connection last came up or went down, UTC; `None` before it first did.
    pub socket_since: Option<String>,
    /// Why the connection is down: the newest reason, in words.
    pub down_reason: Option<String>,
    /// Connections that came up.
    pub connections: u64,
    /// Connections and attempts that ended, by reason.
    pub disconnections: BTreeMap<&'static str, u64>,
    /// Notices sent, repetitions included.
    pub sent: u64,
    /// Acknowledgements received.
    pub acked: u64,
    /// Notices that were not acknowledged in time or were refused.
    pub unacked: u64,
    /// Awards given up after the last attempt.
    pub dead: u64,
    /// Awards given up because their rows cannot be read.
    pub unreadable: u64,
    /// Acknowledged awards that went out again because the server said that it does not have them.
    pub resumed: u64,
    /// Whether the server has long acknowledged nothing and gets single notices only.
    pub doubted: bool,
    /// Notices sent and not yet acknowledged.
    pub in_flight: u64,
    /// Awards that wait in the database, at the last look.
    pub waiting: u64,
    /// From sending to the acknowledgement.
    #[serde(serialize_with = "summarized")]
    pub ack_time: Durations,
    /// Restarts after a failure.
    pub restarts: u64,
}

fn summarized<S: serde::Serializer>(durations: &Durations, serializer: S) -> Result<S::Ok, S::Error> {
    durations.summary().serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_summarized_in_milliseconds() {
        let mut durations = Durations::default();
        for ms in 1..=100 {
            durations.record(Duration::from_millis(ms));
        }
        let summary = durations.summary();
        assert_eq!(summary.count, 100);
        assert!((50.0..52.0).contains(&summary.average_ms), "{summary:?}");
        assert!((98.0..101.0).contains(&summary.p99_ms), "{summary:?}");
        durations.record(Duration::from_secs(1_000_000));
    }
}
