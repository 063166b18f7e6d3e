//! The one clock of a running daemon.
//!
//! Rules in `domain` take time as an argument; this is where the actors get it. It is monotonic, so a wall clock that is set
//! back stops nothing, and in tests it follows the runtime's paused time.

use std::time::Duration;

use tokio::time::Instant;

/// A monotonic clock that began when it was made.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Begins now.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// How long ago it began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The runtime's moment for a time of this clock.
    #[must_use]
    pub fn instant(&self, at: Duration) -> Instant {
        self.origin + at
    }
}
