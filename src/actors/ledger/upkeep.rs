//! The ledger's upkeep beside its commits: old snapshots are deleted, and the invariants are proven every night.
//!
//! Promises: pruning goes through the ledger's queue, one small batch between two commits, so a commit waits for one batch at
//! most; verification reads on a connection of its own and holds up no commit; both go by the monotonic clock and are kept
//! to through a restart of the actor.

use std::num::NonZeroU32;
use std::time::Duration;

use actix::prelude::*;
use chrono::NaiveDateTime;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Ledger, LedgerError, Work};
use crate::actors::supervision::caught;
use crate::store::verify::{Report, verify};
use crate::store::{StoreError, checkpoint, now_utc, prune};

/// From the start to the first pruning: a daemon that is restarted often prunes too.
const PRUNE_FIRST: Duration = Duration::from_secs(5 * 60);
/// Between two prunings.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);
/// From the start to the first verification.
const VERIFY_FIRST: Duration = Duration::from_secs(60 * 60);
/// Between two verifications.
const VERIFY_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// Rows that are written between two moves of SQLite's log into its file: so few that the disk, which the commits wait for too,
/// is not busy with them for long.
const CHECKPOINT_ROWS: u64 = 128;
/// Differences that are logged one by one.
const DIFFERENCES_LOGGED_MAX: usize = 20;

/// What the ledger does by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// The age in days at which snapshots are deleted; `None` keeps all.
    pub retention_days: Option<NonZeroU32>,
    /// Upkeep is done at its times. Without, only when it is asked for by a message.
    pub is_daemon: bool,
}

/// How far the upkeep is.
#[derive(Debug, Default)]
pub(super) struct State {
    upkeep: Upkeep,
    prune_at: Option<Instant>,
    verify_at: Option<Instant>,
    /// A pruning has begun and is not at its end.
    pruning: bool,
    /// Rows written since what was committed was last moved into SQLite's file.
    unmoved: u64,
    /// It is being moved.
    moving: bool,
    /// A verification is running; it ends when this is dropped.
    verifying: Option<oneshot::Sender<()>>,
}

impl State {
    /// The queue and everything that was spawned went with the restart; the times stay.
    pub(super) fn restarting(&mut self) {
        self.pruning = false;
        self.moving = false;
        self.verifying = None;
    }

    /// Lets a verification go, so that its connection can be closed.
    pub(super) fn draining(&mut self) {
        self.verifying = None;
    }
}

impl Ledger {
    /// The same ledger, doing `upkeep` by itself.
    #[must_use]
    pub fn with_upkeep(mut self, upkeep: Upkeep) -> Self {
        self.upkeep.upkeep = upkeep;
        self
    }

    /// Sets the age in days at which snapshots are deleted; `None` keeps all.
    pub(super) fn keep_for(&mut self, retention_days: Option<NonZeroU32>) {
        self.upkeep.upkeep.retention_days = retention_days;
    }

    /// Sets the timers, which a restart has taken away, to the times that were planned.
    pub(super) fn arm_upkeep(&mut self, ctx: &mut Context<Self>) {
        if !self.upkeep.upkeep.is_daemon {
            return;
        }
        let now = Instant::now();
        let prune_at = *self.upkeep.prune_at.get_or_insert(now + PRUNE_FIRST);
        let verify_at = *self.upkeep.verify_at.get_or_insert(now + VERIFY_FIRST);
        ctx.run_later(prune_at.saturating_duration_since(now), Self::prune_hourly);
        ctx.run_later(verify_at.saturating_duration_since(now), Self::verify_nightly);
    }

    fn prune_hourly(&mut self, ctx: &mut Context<Self>) {
        self.upkeep.prune_at = Some(Instant::now() + PRUNE_EVERY);
        ctx.run_later(PRUNE_EVERY, Self::prune_hourly);
        self.begin_pruning(ctx);
    }

    fn verify_nightly(&mut self, ctx: &mut Context<Self>) {
        self.upkeep.verify_at = Some(Instant::now() + VERIFY_EVERY);
        ctx.run_later(VERIFY_EVERY, Self::verify_nightly);
        if let Some(verification) = self.verification() {
            ctx.spawn(verification.map(|_, _, _| ()));
        }
    }

    /// Counts rows that were written, and has them moved into SQLite's file when there are many.
    pub(super) fn wrote(&mut self, rows: u64, ctx: &mut Context<Self>) {
        self.upkeep.unmoved += rows;
        if self.upkeep.unmoved < CHECKPOINT_ROWS || self.upkeep.moving {
            return;
        }
        self.upkeep.unmoved = 0;
        self.upkeep.moving = true;
        let db = self.db.clone();
        let moved = async move { checkpoint(&db).await };
        ctx.spawn(moved.into_actor(self).map(|outcome, actor, _| {
            actor.upkeep.moving = false;
            if let Err(error) = outcome {
                tracing::debug!(%error, "log_not_moved");
            }
        }));
    }

    fn begin_pruning(&mut self, ctx: &mut Context<Self>) {
        let Some(days) = self.upkeep.upkeep.retention_days.filter(|_| !self.upkeep.pruning && !*self.draining.borrow()) else {
            return;
        };
        self.upkeep.pruning = true;
        self.queue.push(Work::Prune { before: prune::cutoff(now_utc(), days) });
        self.pump(ctx);
    }

    /// Counts a batch and queues the next one behind what has come meanwhile.
    pub(super) fn pruned(&mut self, (before, outcome): (NaiveDateTime, Result<u64, StoreError>)) {
        let deleted = match outcome {
            Ok(deleted) => deleted,
            Err(error) => {
                *self.metrics.failures.entry(error.kind()).or_default() += 1;
                tracing::warn!(kind = error.kind(), %error, "snapshots_not_pruned");
                self.upkeep.pruning = false;
                return;
            }
        };
        self.metrics.rows_pruned += deleted;
        if deleted < prune::ROWS_PER_BATCH || *self.draining.borrow() {
            self.upkeep.pruning = false;
            tracing::debug!(rows_pruned = self.metrics.rows_pruned, "snapshots_pruned");
        } else {
            self.queue.push(Work::Prune { before });
        }
    }

    /// A verification, unless one is running.
    fn verification(&mut self) -> Option<ResponseActFuture<Self, Result<u64, LedgerError>>> {
        if self.upkeep.verifying.is_some() || *self.draining.borrow() {
            return None;
        }
        let (running, given_up) = oneshot::channel();
        self.upkeep.verifying = Some(running);
        let db = self.db.clone();
        let work = caught(async move {
            tokio::select! {
                outcome = verify(&db) => Some(outcome),
                _ = given_up => None,
            }
        });
        Some(Box::pin(work.into_actor(self).map(|outcome, actor, _| {
            actor.upkeep.verifying = None;
            match outcome {
                Ok(Some(outcome)) => actor.verified(outcome.map_err(|error| error.to_string())),
                Ok(None) => Err(LedgerError::Draining),
                Err(panicked) => actor.verified(Err(panicked.to_string())),
            }
        })))
    }

    fn verified(&mut self, outcome: Result<Report, String>) -> Result<u64, LedgerError> {
        let report = match outcome {
            Ok(report) => report,
            Err(error) => {
                self.metrics.verify_failures += 1;
                tracing::error!(error, "verify_failed");
                return Err(LedgerError::Database(error));
            }
        };
        self.metrics.verify_last_differences = Some(report.differences_total);
        self.metrics.verify_last_at = Some(now_utc().and_utc().to_rfc3339());
        let (differences, positions, events, players) =
            (report.differences_total, report.positions, report.events, report.players);
        if differences == 0 {
            tracing::info!(positions, events, players, reversals = report.reversals, "verified");
        } else {
            tracing::error!(differences, positions, events, players, "verify_found_differences");
            for difference in report.differences.iter().take(DIFFERENCES_LOGGED_MAX) {
                tracing::error!(
                    what = difference.what,
                    place = difference.place,
                    expected = difference.expected,
                    found = difference.found,
                    "verify_difference"
                );
            }
        }
        Ok(differences)
    }
}

/// Asks for a pruning now. Answered when it has begun.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Prune;

impl Handler<Prune> for Ledger {
    type Result = ();

    fn handle(&mut self, _: Prune, ctx: &mut Self::Context) {
        self.begin_pruning(ctx);
    }
}

/// Asks for a verification now. Answered with the number of differences.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<u64, LedgerError>")]
pub struct Verify;

impl Handler<Verify> for Ledger {
    type Result = ResponseActFuture<Self, Result<u64, LedgerError>>;

    fn handle(&mut self, _: Verify, _ctx: &mut Self::Context) -> Self::Result {
        self.verification().unwrap_or_else(|| {
            let running = LedgerError::Database("a verification is running already".to_owned());
            Box::pin(actix::fut::ready(Err(running)))
        })
    }
}
