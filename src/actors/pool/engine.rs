//! One round of a pool over its wallets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::{Fetch, Pace, PollReport};
use crate::actors::ledger::{LedgerError, RecordObservations, Recorded};
use crate::actors::supervision::Panicked;
use crate::clock::Clock;
use crate::domain::breaker::{Breaker, Permit};
use crate::domain::payout::AnomalyKind;
use crate::domain::restart::{RESTARTS_MAX, WINDOW};
use crate::domain::roster::PollJob;
use crate::domain::schedule::gap;
use crate::domain::{Amount, Points, PoolName, Wallet};
use crate::metrics::PoolMetrics;
use crate::pools::{Blame, Extracted, Failure};
use crate::store::book::{AnomalyReport, Observation};

/// Observations handed to the ledger at once, at most.
const BATCH_MAX: usize = 100;
/// How long a reading waits for company before it is handed over.
const BATCH_LINGER: Duration = Duration::from_millis(20);
/// How long requests in hand are waited for when the program is ending.
const DRAIN_REQUESTS_MAX: Duration = Duration::from_secs(2);
/// The pause before a batch is handed over again, after the ledger lost it in a restart.
const RESEND_PAUSE: Duration = Duration::from_millis(200);
/// The shortest time between two restarts of a pool whose answers make us panic: so far apart they never add up to what ends
/// the process, however well the other wallets' answers are read meanwhile.
const PANIC_PAUSE: Duration = Duration::from_secs(WINDOW.as_secs().div_ceil(RESTARTS_MAX as u64));

/// What outlives a round, and a restart of the actor.
pub(super) struct Shared {
    pub(super) breaker: RefCell<Breaker>,
    pub(super) metrics: RefCell<PoolMetrics>,
    /// The wallet whose answer caused the last panic. The next round begins behind it, so that it cannot keep the same
    /// wallets from being asked about in each round.
    suspect: RefCell<Option<Wallet>>,
}

impl Shared {
    pub(super) fn new(breaker: Breaker) -> Self {
        Self { breaker: RefCell::new(breaker), metrics: RefCell::default(), suspect: RefCell::new(None) }
    }
}

/// How a round ended.
pub(super) struct Outcome {
    pub(super) report: PollReport,
    /// The actor must be restarted.
    pub(super) panicked: Option<Panicked>,
}

/// Everything one round needs.
pub(super) struct Round {
    pub(super) name: PoolName,
    pub(super) client: Rc<dyn Fetch>,
    pub(super) pace: Pace,
    pub(super) ledger: Recipient<RecordObservations>,
    pub(super) clock: Clock,
    pub(super) shared: Rc<Shared>,
    pub(super) draining: watch::Receiver<bool>,
    pub(super) jobs: Arc<[PollJob]>,
    pub(super) spread: Duration,
}

/// A finished request.
struct Answer {
    job: PollJob,
    result: Result<Extracted, Failure>,
    took: Duration,
}

impl Round {
    /// An empty report of this round.
    pub(super) fn report(&self) -> PollReport {
        PollReport {
            pool: self.name.clone(),
            wallets: self.jobs.len() as u64,
            requests: 0,
            readings: 0,
            failures: BTreeMap::new(),
            first_failure: None,
            not_asked: self.jobs.len() as u64,
            awards: 0,
            points: Points::ZERO,
            advc: Amount::ZERO,
            held: 0,
            anomalies: 0,
            backoff_state: self.shared.breaker.borrow().name(),
            duration_ms: 0,
        }
    }

    /// Asks about every wallet, or about as many as the breaker and the end of the program allow.
    pub(super) async fn run(mut self) -> Outcome {
        let began = self.clock.now();
        let mut report = self.report();
        let permit = self.shared.breaker.borrow_mut().permit(began);
        let panicked = match permit {
            Permit::NotBefore(_) if !self.jobs.is_empty() => {
                self.shared.metrics.borrow_mut().rounds_skipped_backoff += 1;
                None
            }
            Permit::NotBefore(_) | Permit::All | Permit::Probe => self.ask(&mut report).await,
        };
        if panicked.is_some() {
            // Left alone for a while, as a pool that fails for everyone: otherwise the restarts would add up to the limit that
            // ends the process, and the other pools would notice. Counted from the end of the round, when the restart comes;
            // nothing new was asked since the panic.
            self.shared.breaker.borrow_mut().trip(self.clock.now(), PANIC_PAUSE, fastrand::u32(..));
        }
        report.not_asked = report.wallets.saturating_sub(report.requests);
        report.backoff_state = self.shared.breaker.borrow().name();
        report.duration_ms = u64::try_from(self.clock.now().saturating_sub(began).as_millis()).unwrap_or(u64::MAX);
        Outcome { report, panicked }
    }

    async fn ask(&mut self, report: &mut PollReport) -> Option<Panicked> {
        let gap = gap(self.spread, self.jobs.len(), self.pace.gap_min);
        let mut jobs = self.order().into_iter().peekable();
        let mut running: JoinSet<Answer> = JoinSet::new();
        let mut wallets: std::collections::HashMap<tokio::task::Id, Wallet> = std::collections::HashMap::new();
        let mut batch: Vec<Observation> = Vec::new();
        let mut handed_over_by = None;
        let mut next_start = Instant::now();
        let mut give_up_at = None;
        let mut panicked = None;
        loop {
            let stopping = *self.draining.borrow() || panicked.is_some();
            if stopping && give_up_at.is_none() {
                give_up_at = Some(Instant::now() + DRAIN_REQUESTS_MAX);
            }
            let may_start = !stopping && jobs.peek().is_some() && running.len() < self.allowed();
            let may_start_ever = !stopping && jobs.peek().is_some() && self.allowed() > 0;
            if running.is_empty() && !may_start_ever {
                break;
            }
            tokio::select! {
                biased;
                Some(joined) = running.join_next_with_id(), if !running.is_empty() => {
                    match joined {
                        Ok((id, answer)) => {
                            wallets.remove(&id);
                            batch.extend(self.take_up(answer, report));
                        }
                        Err(error) => panicked = self.panicked(&error, wallets.remove(&error.id()), report).or(panicked),
                    }
                    if !batch.is_empty() && handed_over_by.is_none() {
                        handed_over_by = Some(Instant::now() + BATCH_LINGER);
                    }
                    if batch.len() >= BATCH_MAX {
                        self.hand_over(&mut batch, report).await;
                        handed_over_by = None;
                    }
                }
                () = sleep_until(handed_over_by.unwrap_or(next_start)), if handed_over_by.is_some() => {
                    self.hand_over(&mut batch, report).await;
                    handed_over_by = None;
                }
                () = sleep_until(next_start), if may_start => {
                    if let Some(job) = jobs.next() {
                        report.requests += 1;
                        self.shared.metrics.borrow_mut().requests += 1;
                        let wallet = job.wallet.clone();
                        let request = request(Rc::clone(&self.client), job);
                        wallets.insert(running.spawn_local(request).id(), wallet);
                        next_start = Instant::now() + gap;
                    }
                }
                () = sleep_until(give_up_at.unwrap_or(next_start)), if give_up_at.is_some() => break,
                Ok(()) = self.draining.changed(), if !stopping => {}
            }
        }
        self.hand_over(&mut batch, report).await;
        panicked
    }

    /// How many requests may be under way now: one while the breaker is trying the pool, none while it is open.
    fn allowed(&self) -> usize {
        let permit = self.shared.breaker.borrow_mut().permit(self.clock.now());
        match permit {
            Permit::All => self.pace.concurrency,
            Permit::Probe => 1,
            Permit::NotBefore(_) => 0,
        }
    }

    /// The jobs, beginning behind the wallet whose answer caused the last panic.
    fn order(&self) -> Vec<PollJob> {
        let mut jobs = self.jobs.to_vec();
        let suspect = self.shared.suspect.borrow();
        if let Some(at) = suspect.as_ref().and_then(|wallet| jobs.iter().position(|job| job.wallet == *wallet)) {
            jobs.rotate_left(at + 1);
        }
        jobs
    }

    /// Counts an answer and makes an observation of it, if it is worth one.
    fn take_up(&self, answer: Answer, report: &mut PollReport) -> Option<Observation> {
        let Answer { job, result, took } = answer;
        let mut metrics = self.shared.metrics.borrow_mut();
        let mut breaker = self.shared.breaker.borrow_mut();
        metrics.response_time.record(took);
        match result {
            Ok(found) => {
                metrics.successes += 1;
                breaker.succeeded();
                Some(Observation::Reading(found.into_reading(job.player, self.name.clone(), job.wallet)))
            }
            Err(failure) => {
                *metrics.failures.entry(failure.kind()).or_default() += 1;
                *report.failures.entry(failure.kind()).or_default() += 1;
                tracing::debug!(pool = %self.name, wallet = %job.wallet, kind = failure.kind(), error = %failure, "request_failed");
                report.first_failure.get_or_insert_with(|| format!("{}: {failure}", job.wallet));
                match failure.blame() {
                    Blame::Wallet => breaker.succeeded(),
                    Blame::Pool => {
                        breaker.failed(self.clock.now(), failure.retry_after(), fastrand::u32(..));
                    }
                }
                anomaly_of(&failure).map(|kind| {
                    Observation::Anomaly(AnomalyReport {
                        player: job.player,
                        pool: self.name.clone(),
                        wallet: job.wallet,
                        kind,
                        detail: failure.to_string(),
                    })
                })
            }
        }
    }

    /// Notes that a request's task has panicked.
    fn panicked(&self, error: &JoinError, wallet: Option<Wallet>, report: &mut PollReport) -> Option<Panicked> {
        // Nobody cancels a task here; what is not a panic is the runtime's end.
        let text = if error.is_panic() { error.to_string() } else { return None };
        let mut metrics = self.shared.metrics.borrow_mut();
        metrics.panics += 1;
        *metrics.failures.entry("panic").or_default() += 1;
        *report.failures.entry("panic").or_default() += 1;
        report.first_failure.get_or_insert_with(|| text.clone());
        *self.shared.suspect.borrow_mut() = wallet;
        Some(Panicked(text))
    }

    /// Hands the batch to the ledger and waits until it is stored. A batch whose answer is lost is handed over again, which is
    /// safe: the ledger credits a counter once.
    async fn hand_over(&self, batch: &mut Vec<Observation>, report: &mut PollReport) {
        if batch.is_empty() {
            return;
        }
        let observations = Arc::new(std::mem::take(batch));
        let readings = observations.iter().filter(|observation| matches!(observation, Observation::Reading(_))).count() as u64;
        loop {
            let message = RecordObservations { pool: self.name.clone(), observations: Arc::clone(&observations) };
            match self.ledger.send(message).await {
                Ok(Ok(Recorded { awards, points, advc, held, anomalies })) => {
                    report.readings += readings;
                    report.awards += awards;
                    report.points = report.points.checked_add(points).unwrap_or(report.points);
                    report.advc = report.advc.checked_add(advc).unwrap_or(report.advc);
                    report.held += held;
                    report.anomalies += anomalies;
                    return;
                }
                Ok(Err(LedgerError::Restarted | LedgerError::Database(_))) => {}
                // The next start reads the same counters again: nothing is lost.
                Ok(Err(LedgerError::Draining | LedgerError::GivenUp(_))) => return,
                // A ledger that is gone ends the process; one that was restarted may have lost the answer.
                Err(MailboxError::Closed) if !self.ledger.connected() => return,
                Err(MailboxError::Closed | MailboxError::Timeout) => {}
            }
            self.shared.metrics.borrow_mut().batches_resent += 1;
            tokio::time::sleep(RESEND_PAUSE).await;
        }
    }
}

async fn request(client: Rc<dyn Fetch>, job: PollJob) -> Answer {
    let clock = Clock::start();
    let result = client.fetch(job.wallet.clone()).await;
    Answer { job, result, took: clock.now() }
}

/// The failures that a person should see, wallet by wallet.
fn anomaly_of(failure: &Failure) -> Option<AnomalyKind> {
    match failure {
        Failure::IdentityMismatch { .. } => Some(AnomalyKind::IdentityMismatch),
        _ => None,
    }
}
