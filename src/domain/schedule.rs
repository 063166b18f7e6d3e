//! When the next cycle begins.

use std::time::Duration;

/// The first moment of the grid `origin + n × interval` that lies after `now`.
///
/// Cycles keep to the grid however long the work took; missed ticks are skipped and not made up for. All times are
/// durations since one fixed moment of a monotonic clock, so a wall clock that is set back changes nothing.
#[must_use]
pub fn next_tick(origin: Duration, interval: Duration, now: Duration) -> Duration {
    let Some(elapsed) = now.checked_sub(origin) else { return origin };
    let interval_ns = interval.as_nanos().max(1);
    let ticks = elapsed.as_nanos() / interval_ns + 1;
    let offset = ticks.saturating_mul(interval_ns);
    let offset = Duration::new(
        u64::try_from(offset / 1_000_000_000).unwrap_or(u64::MAX),
        u32::try_from(offset % 1_000_000_000).unwrap_or(0),
    );
    origin.saturating_add(offset)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn late_work_skips_ticks_and_keeps_the_grid() {
        let second = Duration::from_secs(1);
        assert_eq!(next_tick(second, second * 60, second), second * 61);
        assert_eq!(next_tick(second, second * 60, second * 60), second * 61);
        assert_eq!(next_tick(second, second * 60, second * 61), second * 121);
        assert_eq!(next_tick(second, second * 60, second * 500), second * 541);
        assert_eq!(next_tick(second * 9, second * 60, second), second * 9);
    }

    proptest! {
        #[test]
        fn the_next_tick_is_ahead_by_at_most_one_interval(origin in 0_u64..1_000_000, interval in 1_u64..100_000, late in 0_u64..10_000_000) {
            let [origin, interval, now] = [origin, interval, origin + late].map(Duration::from_millis);
            let next = next_tick(origin, interval, now);
            prop_assert!(now < next && next <= now + interval);
            prop_assert_eq!((next - origin).as_millis() % interval.as_millis(), 0);
        }
    }
}
