//! How the requests of a cycle lie in its interval.
//!
//! Every wallet has a phase on every pool, from nothing but their names: a pool is asked about a wallet at the same point of
//! each interval, whoever else is there and however often the program was started. So there is no herd at a tick, and none
//! after a restart. Time is a [`Duration`] since the tick.

use std::time::Duration;

use uuid::Uuid;

use super::names::{PoolName, Wallet};

/// The namespace of phases. Never to change: another one would move every wallet.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b0f_2b3e_8f0c_4c1d_9a57_d9c1_47c0_52aa);

/// Requests begin within this many hundredths of the interval, so that the last answers are there before the next tick.
const WINDOW_PERCENT: u32 = 95;

/// A backlog is worked off at this many hundredths of the mean rate of a cycle, at most.
const CATCH_UP_PERCENT: u32 = 150;

/// The longest distance that catching up keeps between two requests: a backlog of few wallets is no herd.
const CATCH_UP_GAP_MAX: Duration = Duration::from_millis(200);

/// Where in the interval a wallet stands: a fraction of 2³², the same for ever.
#[must_use]
pub fn phase(pool: &PoolName, wallet: &Wallet) -> u32 {
    let [a, b, c, d, ..] = Uuid::new_v5(&NAMESPACE, format!("{pool}\n{wallet}").as_bytes()).into_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// Where a wallet stands in a round whose order is by lot.
#[must_use]
pub fn lot(pool: &PoolName, wallet: &Wallet, round: u64) -> u32 {
    let [a, b, c, d, ..] = Uuid::new_v5(&NAMESPACE, format!("{pool}\n{wallet}\n{round}").as_bytes()).into_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// The part of the interval in which requests begin.
#[must_use]
pub fn window(interval: Duration) -> Duration {
    interval * WINDOW_PERCENT / 100
}

/// How long after the tick a wallet's turn comes.
#[must_use]
pub fn offset(phase: u32, interval: Duration) -> Duration {
    let nanos = (window(interval).as_nanos() * u128::from(phase)) >> u32::BITS;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The least distance between two of `count` requests while a backlog is worked off.
#[must_use]
pub fn catch_up_gap(interval: Duration, count: usize) -> Duration {
    let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    (interval * 100 / CATCH_UP_PERCENT / count).min(CATCH_UP_GAP_MAX)
}

/// Moves turns forward where they lie closer together than `gap`, so that none is late and the last one is where it was.
/// `turns` is sorted. Where they do not fit at all, the first ones come at once. All are nanoseconds.
pub fn make_room(turns: &mut [u64], gap: u64) {
    let mut latest = u64::MAX;
    for turn in turns.iter_mut().rev() {
        *turn = (*turn).min(latest);
        latest = turn.saturating_sub(gap);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn of(pool: &str, wallet: &str) -> u32 {
        phase(&pool.parse().unwrap(), &wallet.parse().unwrap())
    }

    #[test]
    fn a_phase_never_changes() {
        // Written down once: a version that computes others would move every wallet of every installation.
        let phases =
            [of("zpool", "bc1qexample"), of("rplant", "bc1qexample"), of("rplant", "AMf6wPvUz9GTjMyPbUFyXwaJxJqQWg3kd8")];
        assert_eq!(phases, [0x7971_f340, 0x7091_88c2, 0x4934_7027]);
    }

    #[test]
    fn ten_thousand_wallets_are_even_over_the_window() {
        let mut seconds = [0_u32; 57];
        for wallet in 0..10_000 {
            let at = offset(of("a", &format!("W{wallet}")), MINUTE);
            seconds[usize::try_from(at.as_secs()).unwrap()] += 1;
        }
        let (least, most) = (seconds.iter().min().unwrap(), seconds.iter().max().unwrap());
        assert!(*least > 130 && *most < 230, "{least} to {most} in a second, 175 on average");
    }

    #[test]
    fn the_window_ends_before_the_interval() {
        assert_eq!(offset(0, MINUTE), Duration::ZERO);
        assert!(offset(u32::MAX, MINUTE) < Duration::from_secs(57));
        assert_eq!(offset(u32::MAX, Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn a_backlog_is_worked_off_at_half_again_the_mean_rate() {
        assert_eq!(catch_up_gap(MINUTE, 10_000), Duration::from_millis(4));
        assert_eq!(catch_up_gap(MINUTE, 3), CATCH_UP_GAP_MAX);
        assert_eq!(catch_up_gap(Duration::ZERO, 3), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn room_is_made_and_nothing_gets_late(mut turns in prop::collection::vec(0_u64..57_000, 1..60), gap in 0_u64..2_000) {
            turns.sort_unstable();
            let mut moved = turns.clone();
            make_room(&mut moved, gap);
            prop_assert_eq!(moved.last(), turns.last());
            for (before, after) in turns.iter().zip(&moved) {
                prop_assert!(after <= before);
            }
            for pair in moved.windows(2) {
                prop_assert!(pair[1] - pair[0] >= gap || pair[0] == 0, "{moved:?}");
            }
        }
    }
}
