//! When a notice that was not acknowledged goes out again.

use std::num::NonZeroU32;
use std::time::Duration;

/// The delays after the first attempts; the last one repeats.
const DELAYS_SECS: [u64; 6] = [1, 5, 30, 5 * 60, 30 * 60, 2 * 60 * 60];

/// What to do after an attempt that was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Send again after this delay.
    After(Duration),
    /// It was the last attempt allowed.
    GiveUp,
}

/// Decides after `attempts` unacknowledged attempts (1 after the first). `max` is `NOTIFY_MAX_ATTEMPTS`, or `None` to never give
/// up. `entropy` is uniform over all of `u32` and adds up to a quarter, so that notices that failed together do not all
/// come back together.
#[must_use]
pub fn after_attempt(attempts: u32, max: Option<NonZeroU32>, entropy: u32) -> Retry {
    if max.is_some_and(|max| attempts >= max.get()) {
        return Retry::GiveUp;
    }
    let step = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let secs = DELAYS_SECS.get(step).or(DELAYS_SECS.last()).copied().unwrap_or(1);
    let quarter_ms = secs * 1_000 / 4;
    let jitter_ms = quarter_ms * u64::from(entropy) / u64::from(u32::MAX);
    Retry::After(Duration::from_millis(secs * 1_000 + jitter_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_then_repeat() {
        let delays: Vec<Retry> = (1..=8).map(|attempts| after_attempt(attempts, None, 0)).collect();
        let secs = |secs| Retry::After(Duration::from_secs(secs));
        assert_eq!(delays, [secs(1), secs(5), secs(30), secs(300), secs(1800), secs(7200), secs(7200), secs(7200)]);
        assert_eq!(after_attempt(1, None, u32::MAX), Retry::After(Duration::from_millis(1250)));
    }

    #[test]
    fn the_last_allowed_attempt_is_given_up() {
        let max = NonZeroU32::new(3);
        assert!(matches!(after_attempt(2, max, 0), Retry::After(_)));
        assert_eq!(after_attempt(3, max, 0), Retry::GiveUp);
        assert_eq!(after_attempt(u32::MAX, max, 0), Retry::GiveUp);
    }
}
