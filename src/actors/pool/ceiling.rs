//! The pool file's `rate_per_minute`: a hard ceiling, whatever else is decided about the pace.

use std::time::Duration;

use governor::clock::{Clock as GovernorClock, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::clock::Clock;

/// The runtime's clock in the limiter's words: it follows paused time too.
#[derive(Debug, Clone, Copy)]
struct RuntimeClock(Clock);

impl GovernorClock for RuntimeClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.now()
    }
}

/// A token bucket that holds one token: two requests are never closer together than the rate says.
pub(super) struct Ceiling(Option<Limiter>);

type Limiter = RateLimiter<NotKeyed, InMemoryState, RuntimeClock, NoOpMiddleware<Duration>>;

impl Ceiling {
    /// One request each `gap`; without a limit where that is zero.
    pub(super) fn new(gap: Duration, clock: Clock) -> Self {
        // A bucket of one token.
        let quota = Quota::with_period(gap);
        Self(quota.map(|quota| RateLimiter::direct_with_clock(quota, RuntimeClock(clock))))
    }

    /// Takes the token for one request.
    ///
    /// # Errors
    /// When there is none, with how long to wait for it.
    pub(super) fn take(&self, now: Duration) -> Result<(), Duration> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        limiter.check().map_err(|not_until| not_until.earliest_possible().duration_since(now).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_two_requests_are_closer_than_the_rate_says_and_idle_time_buys_none() {
        let clock = Clock::start();
        let gap = Duration::from_millis(750);
        let ceiling = Ceiling::new(gap, clock);
        assert_eq!(ceiling.take(clock.now()), Ok(()));
        assert_eq!(ceiling.take(clock.now()), Err(gap));
        tokio::time::advance(Duration::from_millis(700)).await;
        assert_eq!(ceiling.take(clock.now()), Err(Duration::from_millis(50)));
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(ceiling.take(clock.now()), Ok(()));
        assert_eq!(ceiling.take(clock.now()), Err(gap), "an hour of rest is one request");
        assert_eq!(Ceiling::new(Duration::ZERO, clock).take(clock.now()), Ok(()));
    }
}
