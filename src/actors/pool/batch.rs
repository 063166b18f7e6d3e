//! Observations on their way to the ledger.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::LocalBoxFuture;
use tokio::time::Instant;

use super::shared::Shared;
use crate::actors::ledger::{LedgerError, RecordObservations, Recorded};
use crate::domain::PoolName;
use crate::domain::agenda::{Digest, Taken};
use crate::store::book::Observation;

/// Observations handed to the ledger at once, at most: what one transaction of it takes.
const PART_MAX: usize = 500;
/// Observations that wait while the ledger has a part. When there are so many, nothing more is asked for.
const WAITING_MAX: usize = 500;
/// An observation waits for company for so long, unless there is enough of it. Once the ledger is at work, its commit is what the
/// others wait for, so a part grows with what a commit takes.
const LINGER: Duration = Duration::from_millis(2);
/// Company enough.
const COMPANY: usize = 64;
/// The pause before a batch is handed over again, after the ledger lost it in a restart.
const RESEND_PAUSE: Duration = Duration::from_millis(200);

/// Where an observation comes from.
pub(super) struct Origin {
    /// The cycle whose report it counts in.
    pub(super) cycle: u64,
    /// The answer about this wallet, and when it was settled, where the pool can tell whether it is the same again.
    pub(super) answer: Option<(Taken, Digest, Duration)>,
}

/// Observations on their way to the ledger, and where each comes from. One part of them is in the ledger's hands at a time.
#[derive(Default)]
pub(super) struct Batch {
    observations: VecDeque<Observation>,
    origins: VecDeque<Origin>,
    /// When the oldest has waited for long enough.
    due: Option<Instant>,
    storing: Option<LocalBoxFuture<'static, ()>>,
}

impl Batch {
    /// Adds one.
    pub(super) fn put(&mut self, origin: Origin, observation: Observation) {
        self.observations.push_back(observation);
        self.origins.push_back(origin);
        self.due.get_or_insert_with(|| Instant::now() + LINGER);
    }

    /// Whether it should get no more.
    pub(super) fn is_full(&self) -> bool {
        self.observations.len() >= WAITING_MAX
    }

    /// When there is something to hand over; `None` while there is not, or the ledger has a part.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.storing.is_none())
    }

    /// Whether the ledger has a part.
    pub(super) fn is_storing(&self) -> bool {
        self.storing.is_some()
    }

    /// Waits until the part that the ledger has is stored.
    pub(super) async fn storing(&mut self) {
        if let Some(storing) = &mut self.storing {
            storing.await;
            self.storing = None;
        }
    }

    /// Hands a part to the ledger, if it has none and there is company enough or the oldest has waited for long enough.
    pub(super) fn hand_over(&mut self, name: &PoolName, ledger: &Recipient<RecordObservations>, shared: &Rc<Shared>) {
        let is_due = self.due.is_some_and(|due| self.observations.len() >= COMPANY || due <= Instant::now());
        if is_due && self.storing.is_none() {
            self.begin(name, ledger, shared);
        }
    }

    /// The next part being stored, without waiting for company; `None` when there is none.
    pub(super) fn stored(
        &mut self,
        name: &PoolName,
        ledger: &Recipient<RecordObservations>,
        shared: &Rc<Shared>,
    ) -> Option<impl Future<Output = ()>> {
        if self.storing.is_none() && !self.observations.is_empty() {
            self.begin(name, ledger, shared);
        }
        self.is_storing().then(|| self.storing())
    }

    fn begin(&mut self, name: &PoolName, ledger: &Recipient<RecordObservations>, shared: &Rc<Shared>) {
        let size = self.observations.len().min(PART_MAX);
        let observations: Vec<Observation> = self.observations.drain(..size).collect();
        let origins: Vec<Origin> = self.origins.drain(..size).collect();
        // What is left has waited already.
        self.due = (!self.observations.is_empty()).then(Instant::now);
        let (name, ledger, shared) = (name.clone(), ledger.clone(), Rc::clone(shared));
        self.storing = Some(Box::pin(async move { hand_over_part(observations, origins, &name, &ledger, &shared).await }));
    }
}

/// Hands a part to the ledger and waits until it is stored. One whose answer is lost is handed over again, which is safe: the
/// ledger credits a counter once.
async fn hand_over_part(
    observations: Vec<Observation>,
    origins: Vec<Origin>,
    name: &PoolName,
    ledger: &Recipient<RecordObservations>,
    shared: &Shared,
) {
    let observations = Arc::new(observations);
    let recorded = store(name, ledger, shared, &observations).await;
    for (observation, origin) in observations.iter().zip(&origins) {
        let is_stored = recorded.is_some() && matches!(observation, Observation::Reading(_));
        shared.with_round(origin.cycle, |round| {
            round.in_hand -= 1;
            round.report.readings += u64::from(is_stored);
        });
    }
    let (Some(recorded), Some(newest)) = (recorded, origins.iter().map(|origin| origin.cycle).max()) else { return };
    let Recorded { awards, points, advc, held, anomalies, era, settled } = recorded;
    let mut answers: Vec<_> = origins.into_iter().map(|origin| origin.answer).collect();
    shared.remember(era, settled.into_iter().filter_map(|index| answers.get_mut(index as usize)?.take()));
    shared.with_round(newest, |round| {
        let report = &mut round.report;
        report.awards += awards;
        report.points = report.points.checked_add(points).unwrap_or(report.points);
        report.advc = report.advc.checked_add(advc).unwrap_or(report.advc);
        report.held += held;
        report.anomalies += anomalies;
    });
}

/// What became of the observations, once they are stored; `None` when they cannot be before the next start.
async fn store(
    name: &PoolName,
    ledger: &Recipient<RecordObservations>,
    shared: &Shared,
    observations: &Arc<Vec<Observation>>,
) -> Option<Recorded> {
    loop {
        let message = RecordObservations { pool: name.clone(), observations: Arc::clone(observations) };
        match ledger.send(message).await {
            Ok(Ok(recorded)) => return Some(recorded),
            Ok(Err(LedgerError::Restarted | LedgerError::Database(_))) => {}
            // The next start reads the same counters again: nothing is lost.
            Ok(Err(LedgerError::Draining | LedgerError::GivenUp(_))) => return None,
            // A ledger that is gone ends the process; one that was restarted may have lost the answer.
            Err(MailboxError::Closed) if !ledger.connected() => return None,
            Err(MailboxError::Closed | MailboxError::Timeout) => {}
        }
        shared.metrics.borrow_mut().batches_resent += 1;
        tokio::time::sleep(RESEND_PAUSE).await;
    }
}
