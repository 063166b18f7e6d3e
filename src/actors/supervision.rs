//! Restarts with growing delays, and the end of the process when they do not help.
//!
//! actix's own Supervisor restarts at once and without limit, and a panic inside a future never reaches it. So work runs
//! under [`caught`], a panic becomes `ctx.stop()`, and [`Supervision`] says when the actor may go on.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::domain::restart::{RESTARTS_MAX, Restart, RestartPolicy, WINDOW};

/// Why the process must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fatal {
    /// Which actor.
    pub actor: String,
    /// What happened.
    pub reason: String,
}

/// Ends the process when an actor cannot be helped by a restart.
#[derive(Debug, Clone)]
pub struct Fuse(mpsc::UnboundedSender<Fatal>);

impl Fuse {
    /// A fuse, and where it reports that it has blown.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Fatal>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Blows it.
    pub fn blow(&self, fatal: Fatal) {
        tracing::error!(actor = fatal.actor, reason = fatal.reason, "actor_failed_for_good");
        // Nobody listens once the process is ending, and then it needs no second reason.
        let _ = self.0.send(fatal);
    }
}

/// The restart history of one actor.
#[derive(Debug)]
pub struct Supervision {
    actor: String,
    policy: RestartPolicy,
    clock: Clock,
    fuse: Fuse,
    pause: Option<Duration>,
}

impl Supervision {
    /// For the actor of this name.
    #[must_use]
    pub fn new(actor: impl Into<String>, clock: Clock, fuse: Fuse) -> Self {
        Self { actor: actor.into(), policy: RestartPolicy::default(), clock, fuse, pause: None }
    }

    /// Called from `restarting`: counts the restart, and blows the fuse when there were too many.
    pub fn restarting(&mut self) {
        match self.policy.record(self.clock.now(), fastrand::u32(..)) {
            Restart::After(delay) => {
                let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(actor = self.actor, restarts = self.policy.total(), delay_ms, "actor_restarting");
                self.pause = Some(delay);
            }
            Restart::Escalate => {
                let reason = format!("more than {RESTARTS_MAX} restarts within {} s", WINDOW.as_secs());
                self.fuse.blow(Fatal { actor: self.actor.clone(), reason });
                // Stays paused: the process is about to end.
                self.pause = Some(WINDOW);
            }
        }
    }

    /// Called from `started`: how long to wait before doing anything, after a restart.
    pub fn take_pause(&mut self) -> Option<Duration> {
        self.pause.take()
    }

    /// Restarts since the process began.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.policy.total()
    }

    /// The actor's name.
    #[must_use]
    pub fn actor(&self) -> &str {
        &self.actor
    }
}

/// A caught panic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("panic: {0}")]
pub struct Panicked(pub String);

/// Runs `work`, turning a panic into an error.
pub fn caught<T>(work: impl Future<Output = T>) -> impl Future<Output = Result<T, Panicked>> {
    // An async function would have room for the work twice: as what it is given, and as what it waits for.
    AssertUnwindSafe(work).catch_unwind().map(|ended| ended.map_err(|payload| Panicked(panic_text(&*payload))))
}

/// What a panic said.
fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
