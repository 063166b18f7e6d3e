//! The rate that a pool bears, learned from what it refuses.
//!
//! A pool's file says how fast it may be asked at most; many pools bear less and say so only by refusing. Each refusal doubles
//! the distance between two requests, answers shorten it again by a tenth at a time. The distance at which the pool refused is
//! remembered: going there again is a *probe*, which needs many good answers beforehand, and twice as many after each probe
//! that failed. So a limit that stays where it is costs ever fewer requests, and one that is gone is found out.
//!
//! Time is a [`Duration`] since any fixed moment of the caller's monotonic clock.

use std::time::Duration;

/// Good answers in a row after which the distance is shortened, away from what was refused.
const GOOD_TO_SHORTEN: u32 = 12;
/// Good answers in a row before the distance is first shortened to one that was refused.
const GOOD_TO_PROBE_MIN: u32 = 300;
/// The most that this number grows to.
const GOOD_TO_PROBE_MAX: u32 = 4_800;
/// What a pool without a limit of its own is slowed down to at first, at least, and where slowing down ends again.
const GAP_FLOOR: Duration = Duration::from_millis(100);
/// The longest distance that is learned, twice the strictest limit known (yiimp's). What needs more is the breaker's matter.
const GAP_MAX: Duration = Duration::from_secs(120);

/// Why requests have the distance that they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nothing holds them back.
    Unlimited,
    /// The pool's file.
    File,
    /// The pool refused a shorter distance.
    Refused,
    /// A distance that the pool once refused is being tried again.
    Probe,
}

impl Why {
    /// The name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unlimited => "unlimited",
            Self::File => "file",
            Self::Refused => "refused",
            Self::Probe => "probe",
        }
    }
}

/// A request under way, as the throttle sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    at: Duration,
    /// Whether it came as early as the distance allowed: only such a request tells whether the pool bears it.
    tells: bool,
}

/// The learned distance between the beginnings of two requests to one pool.
#[derive(Debug)]
pub struct Throttle {
    /// What the pool's file demands; zero for nothing.
    gap_min: Duration,
    /// In force now.
    gap: Duration,
    /// The shortest distance that is known to hold.
    held: Option<Duration>,
    /// The longest distance at which the pool refused.
    refused: Option<Duration>,
    /// Good answers in a row since the distance was changed.
    good: u32,
    /// How many are needed for the next probe.
    good_to_probe: u32,
    probing: bool,
    /// When the distance was last lengthened: requests from before are refused for the same reason.
    lengthened_at: Option<Duration>,
    /// When the distance was last changed.
    changed_at: Option<Duration>,
    last_start: Option<Duration>,
    /// The average distance of the latest requests.
    mean: Duration,
    refusals: u64,
}

impl Throttle {
    /// For a pool whose file demands at least `gap_min` between two requests.
    #[must_use]
    pub fn new(gap_min: Duration) -> Self {
        Self {
            gap_min,
            gap: gap_min,
            held: None,
            refused: None,
            good: 0,
            good_to_probe: GOOD_TO_PROBE_MIN,
            probing: false,
            lengthened_at: None,
            changed_at: None,
            last_start: None,
            mean: Duration::ZERO,
            refusals: 0,
        }
    }

    /// When the next request may begin.
    #[must_use]
    pub fn next_start(&self) -> Duration {
        self.last_start.map_or(Duration::ZERO, |last| last + self.gap)
    }

    /// A request begins.
    pub fn started(&mut self, now: Duration) -> Started {
        let gap = self.last_start.map(|last| now.saturating_sub(last));
        self.last_start = Some(now);
        if let Some(gap) = gap {
            self.mean = (self.mean * 3 + gap) / 4;
        }
        Started { at: now, tells: gap.is_some_and(|gap| gap <= self.gap * 3 / 2) }
    }

    /// A request was answered.
    pub fn answered(&mut self, request: Started, now: Duration) {
        let is_old = self.changed_at.is_some_and(|changed| request.at < changed);
        if self.gap <= self.gap_min || is_old || !request.tells {
            return;
        }
        self.good += 1;
        if self.good >= GOOD_TO_SHORTEN {
            self.held = Some(self.held.map_or(self.gap, |held| held.min(self.gap)));
            if std::mem::take(&mut self.probing) {
                // The pool bears now what it refused then.
                self.refused = self.refused.filter(|refused| *refused < self.gap);
                self.good_to_probe = GOOD_TO_PROBE_MIN;
            }
        }
        let mut next = self.gap * 10 / 11;
        if next < GAP_FLOOR {
            next = Duration::ZERO;
        }
        next = next.max(self.gap_min);
        let is_probe = self.refused.is_some_and(|refused| next < refused * 21 / 20);
        if self.good >= if is_probe { self.good_to_probe } else { GOOD_TO_SHORTEN } {
            self.gap = next;
            self.probing = is_probe;
            self.good = 0;
            self.changed_at = Some(now);
        }
    }

    /// A request was refused, because there are too many.
    pub fn refused(&mut self, request: Started, now: Duration) {
        self.refusals += 1;
        self.good = 0;
        if self.lengthened_at.is_some_and(|lengthened| request.at < lengthened) {
            return;
        }
        let gap = self.gap.max(if self.gap.is_zero() { self.mean } else { Duration::ZERO });
        self.refused = Some(self.refused.map_or(gap, |refused| refused.max(gap)));
        self.held = self.held.filter(|held| *held > gap);
        if std::mem::take(&mut self.probing) {
            self.good_to_probe = (self.good_to_probe * 2).min(GOOD_TO_PROBE_MAX);
        }
        let longer = self.held.unwrap_or(gap * 2).max(GAP_FLOOR);
        self.gap = longer.min(GAP_MAX).max(self.gap_min);
        self.lengthened_at = Some(now);
        self.changed_at = Some(now);
    }

    /// The distance in force.
    #[must_use]
    pub fn gap(&self) -> Duration {
        self.gap
    }

    /// The longest distance that the pool refused, unless it was borne since.
    #[must_use]
    pub fn refused_gap(&self) -> Option<Duration> {
        self.refused
    }

    /// Requests refused since the program began.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Why the distance is what it is.
    #[must_use]
    pub fn why(&self) -> Why {
        match () {
            () if self.probing => Why::Probe,
            () if self.gap > self.gap_min => Why::Refused,
            () if self.gap.is_zero() => Why::Unlimited,
            () => Why::File,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Asks as fast as it may until `until`; `bears` says whether the pool answers a request that comes so long after the last
    /// one. Answers how many requests there were, and how many were refused.
    fn ask(throttle: &mut Throttle, now: &mut Duration, until: Duration, bears: impl Fn(Duration) -> bool) -> (u32, u32) {
        let (mut requests, mut refused) = (0, 0);
        while *now < until {
            let gap = throttle.next_start().saturating_sub(*now).max(Duration::from_millis(1));
            *now += gap;
            let started = throttle.started(*now);
            requests += 1;
            if bears(gap) {
                throttle.answered(started, *now);
            } else {
                refused += 1;
                throttle.refused(started, *now);
            }
        }
        (requests, refused)
    }

    #[test]
    fn a_limit_is_found_and_then_costs_less_and_less() {
        for limit in [SECOND * 10, SECOND * 60] {
            let (mut throttle, mut now) = (Throttle::new(SECOND * 3 / 4), Duration::ZERO);
            ask(&mut throttle, &mut now, limit * 500, |gap| gap >= limit);
            assert!((limit..=limit * 11 / 10).contains(&throttle.gap()), "{throttle:?}");
            let (requests, refused) = ask(&mut throttle, &mut now, limit * 10_000, |gap| gap >= limit);
            assert!(refused > 0 && refused * 500 < requests, "{refused} of {requests}");
            assert!(requests > 8_500, "and nine tenths of what the pool bears are used: {requests}");
        }
    }

    #[test]
    fn a_limit_that_is_gone_is_found_out() {
        let (mut throttle, mut now) = (Throttle::new(SECOND), Duration::ZERO);
        ask(&mut throttle, &mut now, SECOND * 2_000, |gap| gap >= SECOND * 10);
        assert!(throttle.gap() >= SECOND * 10);
        ask(&mut throttle, &mut now, SECOND * 20_000, |_| true);
        assert_eq!((throttle.gap(), throttle.why(), throttle.refused_gap()), (SECOND, Why::File, None));
    }

    #[test]
    fn a_limit_that_becomes_tighter_is_followed() {
        let (mut throttle, mut now) = (Throttle::new(SECOND), Duration::ZERO);
        ask(&mut throttle, &mut now, SECOND * 2_000, |gap| gap >= SECOND * 10);
        let (requests, refused) = ask(&mut throttle, &mut now, SECOND * 20_000, |gap| gap >= SECOND * 60);
        assert!(throttle.gap() >= SECOND * 60 && refused < 12, "{refused} of {requests}: {throttle:?}");
    }

    #[test]
    fn requests_that_were_under_way_are_refused_for_the_same_reason() {
        let mut throttle = Throttle::new(SECOND);
        let started: Vec<Started> = (1..=5).map(|at| throttle.started(SECOND * at)).collect();
        for request in started {
            throttle.refused(request, SECOND * 6);
        }
        assert_eq!((throttle.gap(), throttle.refusals(), throttle.why()), (SECOND * 2, 5, Why::Refused));
    }

    #[test]
    fn a_pool_without_a_limit_is_slowed_down_from_what_it_got() {
        let mut throttle = Throttle::new(Duration::ZERO);
        assert_eq!((throttle.why(), throttle.next_start()), (Why::Unlimited, Duration::ZERO));
        let mut last = throttle.started(Duration::ZERO);
        for at in 1..=40 {
            last = throttle.started(SECOND * at);
        }
        throttle.refused(last, SECOND * 40);
        assert!((SECOND * 19 / 10..=SECOND * 2).contains(&throttle.gap()), "{throttle:?}");
        let mut now = SECOND * 40;
        ask(&mut throttle, &mut now, SECOND * 40_000, |_| true);
        assert_eq!(throttle.why(), Why::Unlimited, "{throttle:?}");
    }

    #[test]
    fn answers_to_requests_that_came_late_anyway_tell_nothing() {
        let mut throttle = Throttle::new(SECOND);
        let first = throttle.started(SECOND);
        throttle.refused(first, SECOND);
        for minute in 1..1_000 {
            let request = throttle.started(SECOND * 60 * minute);
            throttle.answered(request, SECOND * 60 * minute);
        }
        assert_eq!(throttle.gap(), SECOND * 2);
    }
}
