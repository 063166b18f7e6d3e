//! When an actor that failed may go on, and when the whole process should end instead.

use std::collections::VecDeque;
use std::time::Duration;

use super::backoff::Backoff;

/// More restarts than this within [`WINDOW`] end the process (SPEC.md section 5; the rule is Erlang/OTP's).
pub const RESTARTS_MAX: usize = 5;
/// The time over which restarts are counted.
pub const WINDOW: Duration = Duration::from_secs(60);

/// The restart history of one actor. Time is a [`Duration`] since any fixed moment of a monotonic clock.
#[derive(Debug)]
pub struct RestartPolicy {
    recent: VecDeque<Duration>,
    delay: Backoff,
    total: u64,
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Go on after this delay.
    After(Duration),
    /// Give up: the process should end with a non-zero code.
    Escalate,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        // The sum of six delays stays well below the window: an actor that fails at once each time is escalated.
        Self { recent: VecDeque::new(), delay: Backoff::new(Duration::from_millis(100), Duration::from_secs(5)), total: 0 }
    }
}

impl RestartPolicy {
    /// Records a failure at `now`; `entropy` is uniform over all of `u32`.
    pub fn record(&mut self, now: Duration, entropy: u32) -> Restart {
        while self.recent.front().is_some_and(|first| now.saturating_sub(*first) >= WINDOW) {
            self.recent.pop_front();
        }
        if self.recent.is_empty() {
            self.delay.reset();
        }
        self.recent.push_back(now);
        self.total += 1;
        if self.recent.len() > RESTARTS_MAX { Restart::Escalate } else { Restart::After(self.delay.next_delay(entropy)) }
    }

    /// Restarts since the process began.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_the_sixth_failure_within_a_minute_escalates() {
        let mut policy = RestartPolicy::default();
        let outcomes: Vec<Restart> = (0..6).map(|second| policy.record(Duration::from_secs(second), u32::MAX)).collect();
        let delays: Vec<u128> = outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                Restart::After(delay) => Some(delay.as_millis()),
                Restart::Escalate => None,
            })
            .collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600]);
        assert_eq!((outcomes.last(), policy.total()), (Some(&Restart::Escalate), 6));
    }

    #[test]
    fn failures_further_apart_than_the_window_never_escalate() {
        let mut policy = RestartPolicy::default();
        for minute in 0..1_000 {
            assert_eq!(policy.record(WINDOW * minute, u32::MAX), Restart::After(Duration::from_millis(100)));
        }
    }

    #[test]
    fn an_actor_that_fails_as_soon_as_it_may_is_escalated() {
        let mut policy = RestartPolicy::default();
        let mut now = Duration::ZERO;
        for _ in 0..10 {
            match policy.record(now, u32::MAX) {
                Restart::After(delay) => now += delay,
                Restart::Escalate => return,
            }
        }
        unreachable!("ten failures in {now:?} were let pass");
    }
}
