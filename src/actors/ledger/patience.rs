//! How long a database that is away is waited for: until it is back, or until the program ends.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;

use super::LedgerError;
use crate::clock::Clock;
use crate::domain::backoff::Backoff;
use crate::store::StoreError;

/// The first pause while the database is away.
const RETRY_MIN: Duration = Duration::from_millis(200);
/// The longest pause while the database is away.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How long an attempt may take once the program is ending: where the database is away it may hang for longer than the end of
/// the program may take.
const DRAIN_ATTEMPT_MAX: Duration = Duration::from_secs(1);

/// Failed attempts by kind.
pub(super) type Failures = Rc<RefCell<BTreeMap<&'static str, u64>>>;

/// What one commit needs to be patient.
pub(super) struct Patience {
    /// Becomes true when the program is ending.
    pub(super) draining: watch::Receiver<bool>,
    /// Counted at once, so that they show while the database is still away.
    pub(super) failures: Failures,
}

impl Patience {
    /// Repeats `attempt` with growing pauses until it succeeds or the program is ending. The failure is logged when it begins
    /// and when it ends, not each time.
    pub(super) async fn persist<T>(&mut self, mut attempt: impl AsyncFnMut() -> Result<T, StoreError>) -> Result<T, LedgerError> {
        let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
        let away = Clock::start();
        loop {
            let outcome = tokio::select! {
                outcome = attempt() => outcome,
                // Whether it was stored is unknown then, and the next start asks the database.
                () = self.run_out() => return Err(LedgerError::Draining),
            };
            let error = match outcome {
                Ok(stored) => {
                    if backoff.attempts() > 0 {
                        let away_ms = u64::try_from(away.now().as_millis()).unwrap_or(u64::MAX);
                        tracing::info!(away_ms, attempts = backoff.attempts(), "database_back");
                    }
                    return Ok(stored);
                }
                Err(error) => error,
            };
            *self.failures.borrow_mut().entry(error.kind()).or_default() += 1;
            if backoff.attempts() == 0 {
                tracing::error!(kind = error.kind(), %error, "database_unavailable");
            }
            if *self.draining.borrow() {
                return Err(LedgerError::Draining);
            }
            let pause = tokio::time::sleep(backoff.next_delay(fastrand::u32(..)));
            tokio::select! {
                () = pause => {}
                // One last attempt.
                () = self.ending() => {}
            }
        }
    }

    /// The program begins to end.
    async fn ending(&mut self) {
        if self.draining.wait_for(|draining| *draining).await.is_err() {
            // The ledger is gone, and this work with it.
            std::future::pending().await
        }
    }

    /// The program is ending and has no more time for this attempt.
    async fn run_out(&mut self) {
        self.ending().await;
        tokio::time::sleep(DRAIN_ATTEMPT_MAX).await;
    }
}
