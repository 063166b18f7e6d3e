//! A cycle on its way, and what it came to.

use std::collections::HashSet;
use std::time::Duration;

use serde::Serialize;

use crate::actors::pool::PollReport;
use crate::domain::{Amount, Points, PoolName};

/// A cycle that is not complete.
pub(super) struct OpenCycle {
    pub(super) began: Duration,
    pub(super) players: u64,
    pub(super) waiting_for: HashSet<PoolName>,
    pub(super) skipped: Vec<PoolName>,
    pub(super) reports: Vec<PollReport>,
}

impl OpenCycle {
    /// One that began now and waits for nobody yet.
    pub(super) fn new(began: Duration, players: u64) -> Self {
        Self { began, players, waiting_for: HashSet::new(), skipped: Vec::new(), reports: Vec::new() }
    }

    /// What it came to by `now`, under its number.
    pub(super) fn summarize(&self, cycle: u64, now: Duration) -> CycleSummary {
        let sum = |of: fn(&PollReport) -> u64| self.reports.iter().map(of).sum();
        let fold =
            |add: fn(Amount, &PollReport) -> Option<Amount>| self.reports.iter().try_fold(Amount::ZERO, add).unwrap_or_default();
        let duration = now.saturating_sub(self.began);
        CycleSummary {
            cycle,
            players: self.players,
            requests: sum(|report| report.requests),
            readings: sum(|report| report.readings),
            failures: sum(|report| report.failures.values().sum()),
            awards: sum(|report| report.awards),
            ap_awarded: Points::new(fold(|total, report| total.checked_add(report.points.get()))),
            advc_awarded: fold(|total, report| total.checked_add(report.advc)),
            held: sum(|report| report.held),
            anomalies: sum(|report| report.anomalies),
            pools_skipped: self.skipped.len() as u64,
            duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            pools: self.reports.clone(),
            error: None,
        }
    }
}

/// What a cycle came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CycleSummary {
    /// Its number.
    pub cycle: u64,
    /// Verified, active players that some pool was asked about.
    pub players: u64,
    /// Requests made: one a wallet and pool, without pools that were skipped or are left alone.
    pub requests: u64,
    /// Good answers.
    pub readings: u64,
    /// Requests without a good answer.
    pub failures: u64,
    /// Awards.
    pub awards: u64,
    /// AP awarded, exact.
    #[serde(serialize_with = "as_text")]
    pub ap_awarded: Points,
    /// ADVC awarded, exact.
    #[serde(serialize_with = "as_text")]
    pub advc_awarded: Amount,
    /// Events held for an operator.
    pub held: u64,
    /// Anomalies recorded.
    pub anomalies: u64,
    /// Pools that had not asked about everyone since their last poll.
    pub pools_skipped: u64,
    /// From the tick to the last pool's end.
    pub duration_ms: u64,
    /// Each pool's part.
    pub pools: Vec<PollReport>,
    /// The cycle could not begin, and why.
    pub error: Option<String>,
}

fn as_text<S: serde::Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
