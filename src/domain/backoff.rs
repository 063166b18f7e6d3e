//! Growing, jittered delays.
//!
//! The `backoff` crate computes the growth and is used nowhere else: it is unmaintained (RUSTSEC-2025-0012), gives up after 15
//! minutes unless told otherwise and draws its own randomness, so it runs here without an elapsed limit and without
//! jitter, and the jitter comes in as an argument.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// A delay that doubles from `min` to `max` and is spread over its upper half, so that clients do not move in step.
#[derive(Debug)]
pub struct Backoff {
    growth: ExponentialBackoff,
    attempts: u32,
}

impl Backoff {
    /// Delays from `min` to `max`. A `max` below `min` counts as `min`.
    #[must_use]
    pub fn new(min: Duration, max: Duration) -> Self {
        let mut growth = ExponentialBackoff {
            initial_interval: min,
            max_interval: max.max(min),
            multiplier: 2.0,
            randomization_factor: 0.0,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        growth.reset();
        Self { growth, attempts: 0 }
    }

    /// The next delay. `entropy` is uniform over all of `u32`; the result lies between half of the current step and the
    /// whole of it, and never below `min`.
    pub fn next_delay(&mut self, entropy: u32) -> Duration {
        self.attempts = self.attempts.saturating_add(1);
        // `None` only ever means that the elapsed limit passed, and there is none.
        let step = self.growth.next_backoff().unwrap_or(self.growth.max_interval);
        let half = step / 2;
        let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        let share = u128::from(spread) * u128::from(entropy) / u128::from(u32::MAX);
        let jitter = Duration::from_nanos(u64::try_from(share).unwrap_or(spread));
        (step - half + jitter).max(self.growth.initial_interval)
    }

    /// How many delays were asked for since the last success.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Begins again at `min`, after a success.
    pub fn reset(&mut self) {
        self.growth.reset();
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_doubles_and_stays_at_the_maximum() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        let delays: Vec<u64> = (0..6).map(|_| backoff.next_delay(u32::MAX).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 10, 10]);
        assert_eq!(backoff.attempts(), 6);
        backoff.reset();
        assert_eq!((backoff.next_delay(u32::MAX).as_secs(), backoff.attempts()), (1, 1));
    }

    #[test]
    fn it_never_gives_up() {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(2));
        assert!((0..100_000).all(|_| backoff.next_delay(7) >= Duration::from_millis(1)));
    }

    proptest! {
        #[test]
        fn every_delay_is_between_minimum_and_maximum(min in 1_u64..10_000, extra in 0_u64..100_000, entropy in prop::collection::vec(any::<u32>(), 1..40)) {
            let (min, max) = (Duration::from_millis(min), Duration::from_millis(min + extra));
            let mut backoff = Backoff::new(min, max);
            for entropy in entropy {
                let delay = backoff.next_delay(entropy);
                prop_assert!(min <= delay && delay <= max, "{delay:?} outside {min:?}..={max:?}");
            }
        }
    }
}
