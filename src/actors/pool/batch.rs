//! Observations on their way to the ledger.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::time::Instant;

use super::shared::Shared;
use crate::actors::ledger::{LedgerError, RecordObservations, Recorded};
use crate::domain::PoolName;
use crate::store::book::Observation;

/// Observations handed to the ledger at once, at most.
const BATCH_MAX: usize = 100;
/// How long an observation waits for company before it is handed over.
const BATCH_LINGER: Duration = Duration::from_millis(20);
/// The pause before a batch is handed over again, after the ledger lost it in a restart.
const RESEND_PAUSE: Duration = Duration::from_millis(200);

/// Observations that the ledger has not been given, and the cycle that each is of.
#[derive(Default)]
pub(super) struct Batch {
    observations: Vec<Observation>,
    cycles: Vec<u64>,
    due: Option<Instant>,
}

impl Batch {
    /// Adds one.
    pub(super) fn put(&mut self, cycle: u64, observation: Observation) {
        self.observations.push(observation);
        self.cycles.push(cycle);
        self.due.get_or_insert_with(|| Instant::now() + BATCH_LINGER);
    }

    /// Whether it takes no more.
    pub(super) fn is_full(&self) -> bool {
        self.observations.len() >= BATCH_MAX
    }

    /// When it is to be handed over; `None` while it is empty.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Hands it to the ledger and waits until it is stored, in parts where a feed has brought more at once. A batch whose answer is
    /// lost is handed over again, which is safe: the ledger credits a counter once.
    pub(super) async fn hand_over(&mut self, name: &PoolName, ledger: &Recipient<RecordObservations>, shared: &Shared) {
        let Self { observations, cycles, .. } = std::mem::take(self);
        let (mut observations, mut cycles) = (observations.into_iter(), cycles.into_iter());
        while observations.len() > 0 {
            let part = Self {
                observations: observations.by_ref().take(BATCH_MAX).collect(),
                cycles: cycles.by_ref().take(BATCH_MAX).collect(),
                due: None,
            };
            part.hand_over_part(name, ledger, shared).await;
        }
    }

    async fn hand_over_part(self, name: &PoolName, ledger: &Recipient<RecordObservations>, shared: &Shared) {
        let Self { observations, cycles, .. } = self;
        let observations = Arc::new(observations);
        let recorded = store(name, ledger, shared, &observations).await;
        for (observation, cycle) in observations.iter().zip(&cycles) {
            let is_stored = recorded.is_some() && matches!(observation, Observation::Reading(_));
            shared.with_round(*cycle, |round| {
                round.in_hand -= 1;
                round.report.readings += u64::from(is_stored);
            });
        }
        let (Some(recorded), Some(newest)) = (recorded, cycles.iter().max()) else { return };
        let Recorded { awards, points, advc, held, anomalies } = recorded;
        shared.with_round(*newest, |round| {
            let report = &mut round.report;
            report.awards += awards;
            report.points = report.points.checked_add(points).unwrap_or(report.points);
            report.advc = report.advc.checked_add(advc).unwrap_or(report.advc);
            report.held += held;
            report.anomalies += anomalies;
        });
    }
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
