//! When a failure that goes on is said again.
//!
//! A log that repeats a failure at every try hides what else happens, and one that says it once leaves open whether it goes on.
//! So it is said at once, then once each [`SAY_AGAIN`] with how often it was met meanwhile; a failure of another kind is said
//! at once too.
//!
//! Time is a [`Duration`] since any fixed moment of the caller's monotonic clock.

use std::collections::BTreeMap;
use std::time::Duration;

/// From one time that a failure is said to the next.
pub const SAY_AGAIN: Duration = Duration::from_secs(10 * 60);

/// A failure and how often it was said.
#[derive(Debug, Clone, Default)]
pub struct Repetition {
    /// When each kind was last said; empty while all is well.
    said: BTreeMap<&'static str, Duration>,
    began: Duration,
    /// How often it was met since it was last said.
    unsaid: u64,
    /// How often it was met since it began.
    met: u64,
}

/// What is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Say {
    /// How often the failure was met, unsaid, since it was last said.
    pub repeated: u64,
    /// Since it began.
    pub lasts: Duration,
}

/// What is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// How often the failure was met.
    pub met: u64,
    /// Since it began.
    pub lasted: Duration,
}

impl Repetition {
    /// The failure was met at `now`, and is of these kinds. Answers what is to be said, if anything is.
    pub fn met(&mut self, kinds: impl IntoIterator<Item = &'static str>, now: Duration) -> Option<Say> {
        if self.met == 0 {
            self.began = now;
        }
        self.met += 1;
        let mut is_due = false;
        for kind in kinds {
            let is_new = self.said.get(kind).is_none_or(|said| now.saturating_sub(*said) >= SAY_AGAIN);
            if is_new {
                self.said.insert(kind, now);
            }
            is_due |= is_new;
        }
        if !is_due {
            self.unsaid += 1;
            return None;
        }
        Some(Say { repeated: std::mem::take(&mut self.unsaid), lasts: now.saturating_sub(self.began) })
    }

    /// All is well at `now`. Answers what is over, if anything is.
    pub fn over(&mut self, now: Duration) -> Option<Over> {
        let Self { began, met, .. } = std::mem::take(self);
        (met > 0).then(|| Over { met, lasted: now.saturating_sub(began) })
    }

    /// Whether a failure of this kind was said and is not over.
    #[must_use]
    pub fn has(&self, kind: &str) -> bool {
        self.said.contains_key(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_first_is_said_and_then_one_each_ten_minutes() {
        let mut repetition = Repetition::default();
        let said: Vec<(u64, u64, u64)> = (0..=140_u64)
            .filter_map(|n| repetition.met(["refused"], secs(5 + n * 10)).map(|say| (n * 10, say.repeated, say.lasts.as_secs())))
            .collect();
        assert_eq!(said, [(0, 0, 0), (600, 59, 600), (1200, 59, 1200)]);
        assert_eq!(repetition.over(secs(1_500)), Some(Over { met: 141, lasted: secs(1_495) }));
        assert_eq!(repetition.over(secs(1_600)), None);
        assert_eq!(repetition.met(["refused"], secs(1_600)), Some(Say { repeated: 0, lasts: secs(0) }), "it begins anew");
    }

    #[test]
    fn another_kind_is_said_at_once_and_two_in_turn_are_no_news() {
        let mut repetition = Repetition::default();
        assert!(repetition.met(["a"], secs(0)).is_some());
        assert!(repetition.met(["a"], secs(1)).is_none());
        assert_eq!(repetition.met(["a", "b"], secs(2)), Some(Say { repeated: 1, lasts: secs(2) }));
        assert!(repetition.has("b") && !repetition.has("c"));
        let said = (3..600).filter(|at| repetition.met([if at % 2 == 0 { "a" } else { "b" }], secs(*at)).is_some()).count();
        assert_eq!(said, 0);
        assert!(repetition.met(["b"], secs(602)).is_some());
    }
}
