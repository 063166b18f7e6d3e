//! When a notice that was not acknowledged goes out again, and how many are under way at once.

use std::num::NonZeroU32;
use std::time::Duration;

use super::backoff::Backoff;

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

/// Notices in a row without an acknowledgement after which the server as a whole is doubted.
pub const DOUBT_AFTER: u32 = 16;
/// Between two probes of a server that is doubted.
const PROBE_MIN: Duration = Duration::from_secs(1);
const PROBE_MAX: Duration = Duration::from_secs(30);

/// How many notices may be under way.
///
/// A server that acknowledges gets a full window. One that acknowledges nothing any more is not pressed with what waits for all
/// the other players: it gets one notice at a time, with growing pauses, until it acknowledges again; then the window grows by
/// one with each acknowledgement, which doubles it in each round. The time is an argument.
#[derive(Debug)]
pub struct Flow {
    window_max: usize,
    window: usize,
    failures: u32,
    probe_at: Duration,
    pauses: Backoff,
}

impl Flow {
    /// A server that nothing is known about yet, with at most `window_max` notices under way.
    #[must_use]
    pub fn new(window_max: usize) -> Self {
        let pauses = Backoff::new(PROBE_MIN, PROBE_MAX);
        Self { window_max, window: window_max, failures: 0, probe_at: Duration::ZERO, pauses }
    }

    /// How many more notices may be sent while `under_way` are.
    #[must_use]
    pub fn room(&self, under_way: usize, now: Duration) -> usize {
        let window = if !self.is_doubted() {
            self.window
        } else if now >= self.probe_at {
            1
        } else {
            0
        };
        window.saturating_sub(under_way)
    }

    /// Whether the server has long acknowledged nothing.
    #[must_use]
    pub fn is_doubted(&self) -> bool {
        self.failures >= DOUBT_AFTER
    }

    /// A notice was acknowledged. Answers whether this ends the doubt.
    pub fn acknowledged(&mut self) -> bool {
        let ends = self.is_doubted();
        self.failures = 0;
        self.pauses.reset();
        self.window = (self.window + 1).min(self.window_max);
        ends
    }

    /// A notice was refused or not acknowledged in time. Answers whether this begins the doubt.
    pub fn unacknowledged(&mut self, now: Duration, entropy: u32) -> bool {
        self.failures = self.failures.saturating_add(1);
        // Those that fail together are one failure of the server.
        if self.is_doubted() && now >= self.probe_at {
            self.window = 1;
            self.probe_at = now + self.pauses.next_delay(entropy);
        }
        self.failures == DOUBT_AFTER
    }

    /// The server is there anew, perhaps mended: it may be probed at once.
    pub fn reconnected(&mut self) {
        self.probe_at = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_server_that_acknowledges_nothing_gets_single_probes_with_growing_pauses() {
        let mut flow = Flow::new(256);
        assert_eq!((flow.room(0, secs(0)), flow.room(250, secs(0)), flow.room(300, secs(0))), (256, 6, 0));
        let began: Vec<bool> = (0..256).map(|_| flow.unacknowledged(secs(10), u32::MAX)).collect();
        assert_eq!(began.iter().position(|began| *began), Some(15));
        assert_eq!(began.iter().filter(|began| **began).count(), 1, "it is said once");
        let mut probes = Vec::new();
        for now in 10..200 {
            if flow.room(0, secs(now)) > 0 {
                assert_eq!((flow.room(0, secs(now)), flow.room(1, secs(now))), (1, 0));
                flow.unacknowledged(secs(now), u32::MAX);
                probes.push(now);
            }
        }
        assert_eq!(probes, [11, 13, 17, 25, 41, 71, 101, 131, 161, 191], "256 failures at once were one");
    }

    #[test]
    fn one_acknowledgement_ends_the_doubt_and_the_window_grows_again() {
        let mut flow = Flow::new(256);
        (0..DOUBT_AFTER).for_each(|_| _ = flow.unacknowledged(secs(1), 0));
        assert!(flow.is_doubted() && flow.room(0, secs(1)) == 0);
        flow.reconnected();
        assert_eq!(flow.room(0, secs(1)), 1, "a server that is there anew is probed at once");
        assert!(flow.acknowledged() && !flow.is_doubted());
        let mut rounds = 0;
        while flow.room(0, secs(1)) < 256 {
            (0..flow.room(0, secs(1))).for_each(|_| _ = flow.acknowledged());
            rounds += 1;
        }
        assert_eq!(rounds, 7, "it doubles in each round, from two");
        assert!(!flow.acknowledged(), "there was no doubt");
    }

    #[test]
    fn single_refusals_among_acknowledgements_are_no_doubt() {
        let mut flow = Flow::new(256);
        for _ in 0..1_000 {
            (1..DOUBT_AFTER).for_each(|_| assert!(!flow.unacknowledged(secs(1), 0)));
            flow.acknowledged();
            assert_eq!(flow.room(0, secs(1)), 256);
        }
    }

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
