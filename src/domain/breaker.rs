//! A circuit breaker: a pool that fails for everyone is left alone for a growing time and then tried with one request.
//!
//! Time is a [`Duration`] since any fixed moment of the caller's monotonic clock.

use std::time::Duration;

use super::backoff::Backoff;

/// Pool failures in a row that open the breaker.
pub const FAILURES_TO_OPEN: u32 = 5;

/// Whether a pool may be asked.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    backoff: Backoff,
}

/// The three states, each with its own counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Duration,
        /// The pool asked for it, or it was tripped: nothing but its end ends it.
        is_owed: bool,
    },
    HalfOpen,
}

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Everything.
    All,
    /// One request; its outcome decides.
    Probe,
    /// Nothing before this moment.
    NotBefore(Duration),
}

impl Breaker {
    /// A closed breaker whose pauses grow from `min` to `max`.
    #[must_use]
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { state: State::Closed { failures: 0 }, backoff: Backoff::new(min, max) }
    }

    /// What may be sent at `now`. An open breaker whose pause is over becomes half open and grants its one probe.
    pub fn permit(&mut self, now: Duration) -> Permit {
        match self.state {
            State::Closed { .. } => Permit::All,
            State::HalfOpen => Permit::Probe,
            State::Open { until, .. } if now < until => Permit::NotBefore(until),
            State::Open { .. } => {
                self.state = State::HalfOpen;
                Permit::Probe
            }
        }
    }

    /// The pool answered, whatever it answered about the wallet.
    pub fn succeeded(&mut self) {
        // A request that was under way when it opened: the pause is running, and only a probe ends it. The pool may have
        // asked to be left alone, and it means so although it still answers what it had been asked before.
        if matches!(self.state, State::Open { .. }) {
            return;
        }
        self.state = State::Closed { failures: 0 };
        self.backoff.reset();
    }

    /// The pool failed at `now`. `retry_after` is what it asked for, which is obeyed where it is longer than our own
    /// pause; `entropy` is uniform over all of `u32`. Answers whether the breaker is open from here on.
    pub fn failed(&mut self, now: Duration, retry_after: Option<Duration>, entropy: u32) -> bool {
        let failures = match self.state {
            State::Closed { failures } => failures + 1,
            State::HalfOpen => FAILURES_TO_OPEN,
            // Requests that were under way when it opened: the pause is already running, a longer wish extends it.
            State::Open { until, is_owed } => {
                let until = until.max(now + retry_after.unwrap_or_default());
                self.state = State::Open { until, is_owed: is_owed || retry_after.is_some() };
                return true;
            }
        };
        if failures < FAILURES_TO_OPEN && retry_after.is_none() {
            self.state = State::Closed { failures };
            return false;
        }
        let pause = self.backoff.next_delay(entropy).max(retry_after.unwrap_or_default());
        self.state = State::Open { until: now + pause, is_owed: retry_after.is_some() };
        true
    }

    /// Opens it at once, for the same growing pauses as failures do, and for `pause_min` at least.
    pub fn trip(&mut self, now: Duration, pause_min: Duration, entropy: u32) {
        self.failed(now, Some(pause_min), entropy);
    }

    /// Forgets what was counted, because it was not the pool's fault. A pause that the pool asked for stays.
    pub fn forgive(&mut self) {
        if !matches!(self.state, State::Open { is_owed: true, .. }) {
            self.state = State::Closed { failures: 0 };
            self.backoff.reset();
        }
    }

    /// Whether the next outcome decides.
    #[must_use]
    pub fn is_half_open(&self) -> bool {
        self.state == State::HalfOpen
    }

    /// The state's name, for metrics: `closed`, `open` or `half_open`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.state {
            State::Closed { .. } => "closed",
            State::Open { .. } => "open",
            State::HalfOpen => "half_open",
        }
    }

    /// When the next probe is allowed, while open.
    #[must_use]
    pub fn open_until(&self) -> Option<Duration> {
        match self.state {
            State::Open { until, .. } => Some(until),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> Breaker {
        Breaker::new(SECOND * 10, SECOND * 60)
    }

    #[test]
    fn single_failures_do_not_open_it() {
        let mut breaker = breaker();
        for _ in 0..100 {
            for _ in 1..FAILURES_TO_OPEN {
                assert!(!breaker.failed(SECOND, None, 0));
            }
            breaker.succeeded();
        }
        assert_eq!(breaker.permit(SECOND), Permit::All);
    }

    #[test]
    fn it_opens_grants_one_probe_and_doubles_its_pause() {
        let mut breaker = breaker();
        for failure in 1..=FAILURES_TO_OPEN {
            assert_eq!(breaker.failed(SECOND, None, u32::MAX), failure == FAILURES_TO_OPEN);
        }
        assert_eq!(breaker.permit(SECOND), Permit::NotBefore(SECOND * 11));
        assert_eq!(breaker.permit(SECOND * 11), Permit::Probe);
        assert!(breaker.failed(SECOND * 11, None, u32::MAX));
        assert_eq!(breaker.permit(SECOND * 12), Permit::NotBefore(SECOND * 31));
        assert_eq!(breaker.permit(SECOND * 31), Permit::Probe);
        breaker.succeeded();
        assert_eq!((breaker.permit(SECOND * 31), breaker.name()), (Permit::All, "closed"));
    }

    #[test]
    fn a_tripped_breaker_is_open_at_once_and_its_pauses_grow() {
        let mut breaker = breaker();
        breaker.trip(SECOND, SECOND * 5, u32::MAX);
        assert_eq!(breaker.open_until(), Some(SECOND * 11));
        assert_eq!(breaker.permit(SECOND * 11), Permit::Probe);
        breaker.trip(SECOND * 11, SECOND * 5, u32::MAX);
        assert_eq!(breaker.open_until(), Some(SECOND * 31));
        assert_eq!(breaker.permit(SECOND * 31), Permit::Probe);
        breaker.succeeded();
        breaker.trip(SECOND * 32, SECOND * 12, u32::MAX);
        assert_eq!(breaker.open_until(), Some(SECOND * 44), "never shorter than wanted");
    }

    #[test]
    fn a_success_that_was_under_way_does_not_close_it() {
        let mut breaker = breaker();
        assert!(breaker.failed(SECOND, Some(SECOND * 100), 0));
        breaker.succeeded();
        assert_eq!(breaker.permit(SECOND * 2), Permit::NotBefore(SECOND * 101));
        assert_eq!(breaker.permit(SECOND * 101), Permit::Probe);
        breaker.succeeded();
        assert_eq!(breaker.permit(SECOND * 102), Permit::All);
    }

    #[test]
    fn what_was_not_the_pools_fault_is_forgotten_and_what_it_asked_for_is_not() {
        let mut breaker = breaker();
        for _ in 0..FAILURES_TO_OPEN {
            breaker.failed(SECOND, None, u32::MAX);
        }
        breaker.forgive();
        assert_eq!(breaker.permit(SECOND), Permit::All);
        for _ in 0..FAILURES_TO_OPEN {
            breaker.failed(SECOND, None, u32::MAX);
        }
        assert_eq!(breaker.open_until(), Some(SECOND * 11), "the pauses begin anew");
        breaker.failed(SECOND, Some(SECOND * 20), 0);
        breaker.forgive();
        assert_eq!(breaker.permit(SECOND * 2), Permit::NotBefore(SECOND * 21));
        assert_eq!(breaker.permit(SECOND * 21), Permit::Probe);
        breaker.forgive();
        assert_eq!(breaker.permit(SECOND * 21), Permit::All);
        breaker.trip(SECOND * 30, SECOND, 0);
        breaker.forgive();
        assert_eq!(breaker.name(), "open");
    }

    #[test]
    fn retry_after_opens_it_at_once_and_is_obeyed() {
        let mut breaker = breaker();
        assert!(breaker.failed(SECOND, Some(SECOND * 100), 0));
        assert_eq!(breaker.permit(SECOND * 100), Permit::NotBefore(SECOND * 101));
        assert!(breaker.failed(SECOND * 2, Some(SECOND * 200), 0), "a request that was under way");
        assert_eq!(breaker.open_until(), Some(SECOND * 202));
    }
}
