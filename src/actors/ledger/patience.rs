//! How long a database that is away is waited for: by the daemon until it is back, by a single cycle for a stated time, and by
//! neither longer than until the program ends.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::LedgerError;
use crate::clock::Clock;
use crate::domain::backoff::Backoff;
use crate::store::{Next, StoreError};

/// The first pause while the database is away.
const RETRY_MIN: Duration = Duration::from_millis(200);
/// The longest pause while the database is away.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How long an attempt may take once the program is ending: where the database is away it may hang for longer than the end of
/// the program may take.
const DRAIN_ATTEMPT_MAX: Duration = Duration::from_secs(1);

/// Failed attempts by kind.
pub(super) type Failures = Rc<RefCell<BTreeMap<&'static str, u64>>>;

/// That the database is away is said once, with its end, whoever finds out: a commit or a look.
#[derive(Clone, Default)]
pub(super) struct Outage(Rc<RefCell<Option<Away>>>);

struct Away {
    since: Clock,
    attempts: u64,
    said: BTreeSet<&'static str>,
    /// A commit failed: a look that succeeds says nothing about the next one.
    commits: bool,
    /// The newest error.
    error: String,
}

impl Outage {
    /// Notes a commit that failed, and says so where a failure of its kind was not said yet.
    fn commit_failed(&self, error: &StoreError) {
        self.failed(error, true);
    }

    /// Notes a look that failed. One at a row that cannot be read is no outage.
    pub(super) fn look_failed(&self, error: &StoreError) {
        if error.next() != Next::Split {
            self.failed(error, false);
        }
    }

    fn failed(&self, error: &StoreError, commit: bool) {
        let mut away = self.0.borrow_mut();
        let new = || Away { since: Clock::start(), attempts: 0, said: BTreeSet::new(), commits: false, error: String::new() };
        let away = away.get_or_insert_with(new);
        away.attempts += 1;
        away.commits |= commit;
        away.error = error.to_string();
        if !away.said.insert(error.kind()) {
            return;
        }
        if error.is_forbidden() {
            // An operator can give the right while the daemon runs, so it goes on trying.
            tracing::error!(kind = error.kind(), %error, "database_rights_missing");
        } else {
            tracing::error!(kind = error.kind(), %error, "database_unavailable");
        }
    }

    /// The newest error, while a commit waits. A look that fails keeps nothing from being stored.
    pub(super) fn error(&self) -> Option<String> {
        self.0.borrow().as_ref().filter(|away| away.commits).map(|away| away.error.clone())
    }

    /// A look succeeded, which ends what only looks have met.
    pub(super) fn look_succeeded(&self) {
        if self.0.borrow().as_ref().is_some_and(|away| !away.commits) {
            self.ended();
        }
    }

    /// A commit succeeded: the end of what was said, if anything was.
    fn ended(&self) {
        if let Some(away) = self.0.borrow_mut().take() {
            let away_ms = u64::try_from(away.since.now().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(away_ms, attempts = away.attempts, "database_back");
        }
    }
}

/// When to wait no longer: what a single cycle has, which nobody watches.
#[derive(Debug, Clone)]
pub struct GiveUp {
    /// How long a database that is away is waited for. One that is there and refuses for want of rights is not waited for.
    pub after: Duration,
    /// Hears why.
    pub tell: mpsc::UnboundedSender<String>,
}

/// A limit, and since when the database is away, over all commits.
#[derive(Clone)]
pub(super) struct Limit {
    give_up: GiveUp,
    away_since: Rc<Cell<Option<Instant>>>,
}

impl Limit {
    pub(super) fn new(give_up: GiveUp) -> Self {
        Self { give_up, away_since: Rc::default() }
    }

    /// Why to wait no longer after `error`, if so.
    fn is_over(&self, error: &StoreError) -> Option<LedgerError> {
        let since = self.away_since.get().unwrap_or_else(Instant::now);
        self.away_since.set(Some(since));
        let why = if error.is_forbidden() {
            error.to_string()
        } else if since.elapsed() >= self.give_up.after {
            format!("the database was away for {} s: {error}", since.elapsed().as_secs())
        } else {
            return None;
        };
        // Whoever stopped listening has heard it already.
        let _ = self.give_up.tell.send(why.clone());
        Some(LedgerError::GivenUp(why))
    }
}

/// What one commit needs to be patient.
pub(super) struct Patience {
    /// Becomes true when the program is ending.
    pub(super) draining: watch::Receiver<bool>,
    /// Counted at once, so that they show while the database is still away.
    pub(super) failures: Failures,
    /// Without one, a database that is away is waited for.
    pub(super) limit: Option<Limit>,
    /// What was said about it.
    pub(super) outage: Outage,
}

impl Patience {
    /// Repeats `attempt` with growing pauses until it succeeds, the limit is reached or the program is ending. Each kind of
    /// failure is logged when it is first met, and their end; not each attempt.
    pub(super) async fn persist<T>(&mut self, mut attempt: impl AsyncFnMut() -> Result<T, StoreError>) -> Result<T, LedgerError> {
        let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
        loop {
            let outcome = tokio::select! {
                outcome = attempt() => outcome,
                // Whether it was stored is unknown then, and the next start asks the database.
                () = self.run_out() => return Err(LedgerError::Draining),
            };
            let error = match outcome {
                Ok(stored) => {
                    if let Some(limit) = &self.limit {
                        limit.away_since.set(None);
                    }
                    self.outage.ended();
                    return Ok(stored);
                }
                Err(error) => error,
            };
            *self.failures.borrow_mut().entry(error.kind()).or_default() += 1;
            self.outage.commit_failed(&error);
            if let Some(over) = self.limit.as_ref().and_then(|limit| limit.is_over(&error)) {
                return Err(over);
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
