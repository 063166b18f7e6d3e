//! What the latest cycles came to, for the status page. In memory only, and bounded.

use std::collections::{BTreeMap, VecDeque};

use chrono::NaiveDateTime;

use crate::actors::pool::{PollReport, ResponseTime};
use crate::actors::scheduler::CycleSummary;
use crate::domain::PoolName;

/// Cycles of each pool that are kept: an hour of the usual interval.
pub(super) const CYCLES_KEPT: usize = 60;

/// The latest cycles: of all pools together the last one, of each pool up to [`CYCLES_KEPT`].
#[derive(Debug, Default)]
pub(super) struct History {
    last: Option<Ended<CycleSummary>>,
    pools: BTreeMap<PoolName, PoolHistory>,
}

/// Something with the moment of its end, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended<T> {
    pub(super) at: NaiveDateTime,
    pub(super) what: T,
}

/// What one pool did lately.
#[derive(Debug, Default)]
pub(super) struct PoolHistory {
    cycles: VecDeque<PoolCycle>,
    /// The newest report.
    last: Option<Ended<PollReport>>,
    /// The first failure of the newest cycle that had one.
    failure: Option<Ended<String>>,
}

/// What is kept of each cycle of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PoolCycle {
    good: u64,
    failed: u64,
    response_time: Option<ResponseTime>,
}

impl History {
    /// Notes a pool's part of a cycle, which ended at `now`, UTC.
    pub(super) fn note_pool(&mut self, report: PollReport, now: NaiveDateTime) {
        self.pools.entry(report.pool.clone()).or_default().note(report, now);
    }

    /// Notes a cycle that ended at `now`, UTC. Its parts came before, each when its pool had finished.
    pub(super) fn note_cycle(&mut self, summary: &CycleSummary, now: NaiveDateTime) {
        let summary = CycleSummary { pools: Vec::new(), ..summary.clone() };
        self.last = Some(Ended { at: now, what: summary });
    }

    /// Forgets a pool that is not polled any more, or not in the way it was.
    pub(super) fn forget(&mut self, pool: &PoolName) {
        self.pools.remove(pool);
    }

    /// The last cycle, without the pools' parts.
    pub(super) fn last(&self) -> Option<&Ended<CycleSummary>> {
        self.last.as_ref()
    }

    /// What `pool` did, if it has finished a cycle.
    pub(super) fn pool(&self, pool: &PoolName) -> Option<&PoolHistory> {
        self.pools.get(pool)
    }
}

impl PoolHistory {
    fn note(&mut self, report: PollReport, now: NaiveDateTime) {
        if self.cycles.len() == CYCLES_KEPT {
            self.cycles.pop_front();
        }
        self.cycles.push_back(PoolCycle {
            good: report.readings,
            failed: report.failures.values().sum(),
            response_time: report.response_time,
        });
        if let Some(failure) = &report.first_failure {
            self.failure = Some(Ended { at: now, what: failure.clone() });
        }
        self.last = Some(Ended { at: now, what: report });
    }

    /// The newest report.
    pub(super) fn last(&self) -> Option<&Ended<PollReport>> {
        self.last.as_ref()
    }

    /// The first failure, in words, of the newest cycle that had one.
    pub(super) fn failure(&self) -> Option<&Ended<String>> {
        self.failure.as_ref()
    }

    /// How many cycles are kept, and their good answers and failures.
    pub(super) fn answers(&self) -> (u64, u64, u64) {
        let sum = |of: fn(&PoolCycle) -> u64| self.cycles.iter().map(of).sum();
        (self.cycles.len() as u64, sum(|cycle| cycle.good), sum(|cycle| cycle.failed))
    }

    /// How long requests took in each kept cycle, the oldest first; `None` for a cycle without one.
    pub(super) fn response_times(&self) -> impl Iterator<Item = Option<ResponseTime>> + '_ {
        self.cycles.iter().map(|cycle| cycle.response_time)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{Amount, Points};

    fn report(pool: &PoolName, readings: u64, failures: u64) -> PollReport {
        PollReport {
            pool: pool.clone(),
            wallets: readings + failures,
            requests: readings + failures,
            readings,
            failures: if failures == 0 { BTreeMap::new() } else { [("http_status", failures)].into() },
            first_failure: (failures > 0).then(|| format!("{failures} failed")),
            not_asked: 0,
            awards: 0,
            points: Points::ZERO,
            advc: Amount::ZERO,
            held: 0,
            anomalies: 0,
            backoff_state: "closed",
            duration_ms: 1,
            response_time: Some(ResponseTime { median: Duration::from_millis(readings), max: Duration::from_secs(1) }),
        }
    }

    fn summary(cycle: u64, pools: Vec<PollReport>) -> CycleSummary {
        CycleSummary {
            cycle,
            players: 1,
            requests: 0,
            readings: 0,
            failures: 0,
            awards: 0,
            ap_awarded: Points::ZERO,
            advc_awarded: Amount::ZERO,
            held: 0,
            anomalies: 0,
            pools_skipped: 0,
            duration_ms: 1,
            pools,
            error: None,
        }
    }

    fn at(second: u32) -> NaiveDateTime {
        chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().and_hms_opt(0, second / 60, second % 60).unwrap()
    }

    #[test]
    fn only_the_latest_cycles_are_kept_and_counted() {
        let pool: PoolName = "rplant".parse().unwrap();
        let mut history = History::default();
        assert!(history.pool(&pool).is_none() && history.last().is_none(), "nothing is known yet");
        let kept = CYCLES_KEPT as u64;
        for cycle in 1..=kept + 5 {
            history.note_pool(report(&pool, cycle, u64::from(cycle == 1)), at(cycle as u32));
            history.note_cycle(&summary(cycle, vec![report(&pool, cycle, 0)]), at(cycle as u32));
        }
        let of_pool = history.pool(&pool).unwrap();
        assert_eq!(of_pool.answers(), (kept, (6..=kept + 5).sum(), 0), "the failure was in a cycle that is forgotten");
        let times: Vec<u128> = of_pool.response_times().map(|time| time.unwrap().median.as_millis()).collect();
        assert_eq!((times.len(), times[0], times[59]), (CYCLES_KEPT, 6, 65));
        assert_eq!(history.last().unwrap().what, summary(kept + 5, Vec::new()));
        assert_eq!(of_pool.failure().map(|failure| failure.what.as_str()), Some("1 failed"), "in words it stays");
    }

    #[test]
    fn a_pool_that_is_not_done_keeps_what_it_did() {
        let (one, other): (PoolName, PoolName) = ("one".parse().unwrap(), "other".parse().unwrap());
        let mut history = History::default();
        history.note_pool(report(&one, 3, 1), at(1));
        history.note_pool(report(&other, 1, 0), at(1));
        history.note_pool(report(&other, 2, 0), at(2));
        assert_eq!(history.pool(&one).unwrap().answers(), (1, 3, 1));
        assert_eq!(history.pool(&one).unwrap().last().unwrap().at, at(1));
        assert_eq!(history.pool(&other).unwrap().answers(), (2, 3, 0));
        history.forget(&other);
        assert!(history.pool(&other).is_none() && history.pool(&one).is_some(), "one that is gone leaves nothing");
    }
}
