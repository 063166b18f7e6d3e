//! What a pool said, from the queue through one commit to the answer about each observation.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use chrono::NaiveDateTime;
use sea_orm::DatabaseConnection;
use tokio::sync::oneshot;

use super::outbox::store_delivery;
use super::patience::Patience;
use super::{Ledger, LedgerError, Work};
use crate::clock::Clock;
use crate::domain::{Amount, Points, PoolName};
use crate::store::book::{Book, Observation, Report};
use crate::store::{StoreError, now_utc, prune, resume};

/// Hands over what a pool said. One message at a time from each pool.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Recorded, LedgerError>")]
pub struct RecordObservations {
    /// The pool.
    pub pool: PoolName,
    /// What it said.
    pub observations: Arc<Vec<Observation>>,
}

/// What became of a pool's observations. They are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Awards.
    pub awards: u64,
    /// AP awarded.
    pub points: Points,
    /// ADVC awarded.
    pub advc: Amount,
    /// Events held.
    pub held: u64,
    /// Anomalies recorded.
    pub anomalies: u64,
    /// The [era](crate::store::Roster::era) in which it was decided.
    pub era: u64,
    /// The places of those that would change nothing if they came again in this era.
    pub settled: Vec<u32>,
}

impl Recorded {
    /// The part of a report that is about `pool`, and what `settled` says of its observations.
    fn of(report: &Report, pool: &PoolName, era: u64, settled: &[bool]) -> Self {
        let settled = (0..).zip(settled).filter_map(|(place, settled)| settled.then_some(place)).collect();
        let mut recorded = Self { era, settled, ..Self::default() };
        for award in report.awards.iter().filter(|award| award.pool == *pool) {
            recorded.awards += 1;
            recorded.points = recorded.points.checked_add(award.points).unwrap_or(recorded.points);
            recorded.advc = recorded.advc.checked_add(award.advc).unwrap_or(recorded.advc);
        }
        recorded.held = report.held.iter().filter(|held| held.pool == *pool).count() as u64;
        recorded.anomalies = report.anomalies.iter().filter(|anomaly| anomaly.pool == *pool).count() as u64;
        recorded
    }
}

impl Handler<RecordObservations> for Ledger {
    type Result = ResponseFuture<Result<Recorded, LedgerError>>;

    fn handle(&mut self, message: RecordObservations, ctx: &mut Self::Context) -> Self::Result {
        let (reply, outcome) = oneshot::channel();
        self.queue.push(Work::Record { observations: message.observations, pool: message.pool, reply });
        self.pump(ctx);
        Box::pin(async move { outcome.await.unwrap_or(Err(LedgerError::Restarted)) })
    }
}

/// What a commit leaves behind.
pub(super) struct Committed {
    pub(super) book: Book,
    pub(super) report: Option<(Report, Duration)>,
    /// Rows that were written, roughly.
    pub(super) rows: u64,
    /// Snapshots deleted before this moment, where that was asked for.
    pub(super) pruned: Option<(NaiveDateTime, Result<u64, StoreError>)>,
}

/// Stores a batch and answers its senders. Waits for a database that is away until the program is ending.
pub(super) async fn commit(
    db: DatabaseConnection,
    mut book: Book,
    batch: Vec<Work>,
    era: u64,
    mut patience: Patience,
) -> Committed {
    let clock = Clock::start();
    let mut records = Vec::new();
    let (mut pruned, mut rows) = (None, 0);
    for work in batch {
        match work {
            Work::Record { observations, pool, reply } => records.push((observations, pool, reply)),
            Work::Deliver { delivery, reply } => {
                let stored = patience.persist(async || store_delivery(&db, &delivery).await).await;
                rows += if stored.is_ok() { delivery.acknowledged.len() as u64 } else { 0 };
                // A notifier that was restarted meanwhile asks again.
                let _ = reply.send(stored);
            }
            Work::Resume { last, reply } => {
                let stored = patience.persist(async || resume::resume(&db, &last).await).await;
                let _ = reply.send(stored);
            }
            // Not repeated: there is time, and the next hour comes.
            Work::Prune { before } => {
                let outcome = prune::prune_batch(&db, before).await;
                rows += outcome.as_ref().copied().unwrap_or_default();
                pruned = Some((before, outcome));
            }
        }
    }
    if records.is_empty() {
        return Committed { book, report: None, rows, pruned };
    }
    let observations: Vec<&Observation> = records.iter().flat_map(|(observations, ..)| observations.iter()).collect();
    let now = now_utc();
    let stored = patience.persist(async || book.record(observations.iter().copied(), now).await).await;
    let report = match stored {
        Ok(report) => {
            rows += if report.transactions > 0 { report.readings } else { 0 };
            let mut settled = report.settled.as_slice();
            for (observations, pool, reply) in records {
                let (of_these, rest) = settled.split_at(observations.len().min(settled.len()));
                settled = rest;
                let _ = reply.send(Ok(Recorded::of(&report, &pool, era, of_these)));
            }
            Some((report, clock.now()))
        }
        Err(error) => {
            for (_, _, reply) in records {
                let _ = reply.send(Err(error.clone()));
            }
            None
        }
    };
    Committed { book, report, rows, pruned }
}
