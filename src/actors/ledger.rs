//! The ledger actor: the only writer.
//!
//! Promises: what it answers `Ok` to is committed; observations that arrive while a commit is running go into the next one
//! together, so a busy database sees few large transactions; a database that is away is waited for and nothing in hand is
//! lost; after a panic the positions are read again from the database.
//! Leaves to others: the money rule (`domain::payout`), the transaction (`store::book`), delivery (the notifier).

mod outbox;
mod patience;
mod queue;
mod record;
mod upkeep;

use std::future::ready;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use chrono::NaiveDateTime;
use sea_orm::DatabaseConnection;
use tokio::sync::{oneshot, watch};

use super::supervision::{Panicked, Supervision, caught};
use super::{ReportDurations, ReportMetrics, answers_ping, as_json};
use crate::domain::{PlayerId, Points, PoolName};
use crate::metrics::LedgerMetrics;
use crate::store::book::{AwardedEvent, Book, Observation, Rebased, Report, Rules};
use crate::store::resume::Resumed;
use crate::store::{Roster, StoreError, load_roster};

pub use outbox::{CountWaiting, NextUndelivered, RecordDelivery, RecordResume};
pub use patience::GiveUp;
pub use record::{RecordObservations, Recorded};
pub use upkeep::{Prune, Upkeep, Verify};

use patience::{Failures, Limit, Outage, Patience};
use queue::Queue;
use record::{Committed, commit};

/// How long those whose observations have just been stored are given to hand over what has gathered meanwhile.
const COMPANY_WAIT: Duration = Duration::from_millis(1);

/// The actor.
pub struct Ledger {
    /// Where the rows are read.
    db: DatabaseConnection,
    /// Where they are written.
    writer: DatabaseConnection,
    /// The settings that the money rule depends on.
    rules: Arc<Rules>,
    /// Decide and write nothing.
    dry_run: bool,
    /// The positions in memory; away while a commit is running.
    book: Option<Book>,
    /// What waits for the next commit.
    queue: Queue,
    /// A commit is running.
    committing: bool,
    /// A commit is about to begin, when others have had their turn.
    expecting: bool,
    /// A cycle began while the book was away: it forgets the anomalous positions when it is back.
    forget_when_back: bool,
    /// What an operator has rebased and the book has not forgotten yet, and how far that is known.
    rebased: Rebased,
    /// Nothing happens before the pause after a restart is over.
    paused: bool,
    /// Set when the program is ending: a database that is away is then not waited for.
    draining: watch::Sender<bool>,
    /// Failed attempts by kind, counted while the commit is still trying.
    failures: Failures,
    outage: Outage,
    /// How long a database that is away is waited for, if not for ever.
    limit: Option<Limit>,
    /// Who waits for the queue to be empty.
    drained: Vec<oneshot::Sender<()>>,
    /// Who wants to know of awards.
    subscribers: Vec<Recipient<RewardsReady>>,
    supervision: Supervision,
    metrics: LedgerMetrics,
    ap_awarded: Points,
    /// See [`Roster::era`].
    era: u64,
    upkeep: upkeep::State,
    /// Awards about which no line has been written.
    unlogged: Arc<Vec<AwardedEvent>>,
}

/// One item of the queue.
enum Work {
    Record {
        observations: Arc<Vec<Observation>>,
        pool: PoolName,
        reply: oneshot::Sender<Result<Recorded, LedgerError>>,
    },
    Deliver {
        delivery: RecordDelivery,
        reply: oneshot::Sender<Result<(), LedgerError>>,
    },
    Resume {
        last: Vec<(PlayerId, i64)>,
        reply: oneshot::Sender<Result<Resumed, LedgerError>>,
    },
    /// Delete some snapshots from before this moment. Between two commits, so that neither waits for long.
    Prune {
        before: NaiveDateTime,
    },
}

/// Why the ledger did not do as asked. In each case it is safe to ask again, now or at the next start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The ledger was restarted; whether the batch was stored is unknown.
    #[error("the ledger was restarted")]
    Restarted,
    /// The program is ending and the database is away.
    #[error("the program is ending")]
    Draining,
    /// The database could not be asked.
    #[error("{0}")]
    Database(String),
    /// The ledger has a [`GiveUp`] and waits no longer.
    #[error("{0}")]
    GivenUp(String),
}

impl LedgerError {
    /// A short name of the kind of failure.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Restarted => "restarted",
            Self::Draining => "draining",
            Self::Database(_) => "database",
            Self::GivenUp(_) => "given_up",
        }
    }
}

impl Ledger {
    /// A ledger on `db`.
    #[must_use]
    pub fn new(db: DatabaseConnection, rules: Arc<Rules>, dry_run: bool, supervision: Supervision) -> Self {
        Self {
            book: Some(Book::new(db.clone(), Arc::clone(&rules), dry_run)),
            writer: db.clone(),
            db,
            rules,
            dry_run,
            queue: Queue::default(),
            committing: false,
            expecting: false,
            forget_when_back: false,
            rebased: Rebased::default(),
            paused: false,
            draining: watch::Sender::new(false),
            failures: Failures::default(),
            outage: Outage::default(),
            limit: None,
            drained: Vec::new(),
            subscribers: Vec::new(),
            supervision,
            metrics: LedgerMetrics::default(),
            ap_awarded: Points::ZERO,
            era: 0,
            upkeep: upkeep::State::default(),
            unlogged: Arc::default(),
        }
    }

    /// The same ledger, which writes through `writer`, a way into the same database.
    #[must_use]
    pub fn with_writer(mut self, writer: DatabaseConnection) -> Self {
        self.book = Some(Book::new(writer.clone(), Arc::clone(&self.rules), self.dry_run));
        self.writer = writer;
        self
    }

    /// The same ledger, which waits for a database that is away only so long.
    #[must_use]
    pub fn with_limit(mut self, give_up: GiveUp) -> Self {
        self.limit = Some(Limit::new(give_up));
        self
    }

    /// Begins the next commit, if there is work and none is running.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        if self.committing || self.expecting || self.paused {
            return;
        }
        if self.queue.is_empty() {
            self.log_awards();
            for waiting in self.drained.drain(..) {
                // Whoever gave up waiting needs no answer.
                let _ = waiting.send(());
            }
            return;
        }
        let Some(book) = self.book.take() else { return };
        let batch = self.queue.next_batch();
        self.committing = true;
        let patience = Patience {
            draining: self.draining.subscribe(),
            failures: Rc::clone(&self.failures),
            limit: self.limit.clone(),
            outage: self.outage.clone(),
        };
        let commit = caught(commit(self.writer.clone(), book, batch, self.era, patience));
        ctx.spawn(commit.into_actor(self).map(|outcome, actor, ctx| actor.committed(outcome, ctx)));
    }

    /// Begins the next commit, but lets those first hand over what has gathered whose observations have just been stored: they
    /// have one part in hand at a time, and would else wait for a commit that is over before their own begins.
    fn pump_with_company(&mut self, ctx: &mut Context<Self>) {
        if !self.queue.expects_company() {
            self.pump(ctx);
            return;
        }
        self.expecting = true;
        ctx.run_later(COMPANY_WAIT, |actor, ctx| {
            actor.expecting = false;
            actor.pump(ctx);
        });
    }

    fn committed(&mut self, outcome: Result<Committed, Panicked>, ctx: &mut Context<Self>) {
        self.committing = false;
        self.log_awards();
        let committed = match outcome {
            Ok(committed) => committed,
            Err(panicked) => {
                tracing::error!(actor = self.supervision.actor(), error = %panicked, "actor_panicked");
                ctx.stop();
                return;
            }
        };
        self.metrics.positions_cached = committed.book.cached() as u64;
        let book = self.book.insert(committed.book);
        book.use_rules(Arc::clone(&self.rules));
        if std::mem::take(&mut self.forget_when_back) {
            book.forget_anomalous();
            book.forget(&self.rebased.take());
        }
        self.wrote(committed.rows, ctx);
        if let Some(pruned) = committed.pruned {
            self.pruned(pruned);
        }
        if let Some((mut report, took)) = committed.report {
            // Told before it is logged: the game waits for it.
            let awards = Arc::new(std::mem::take(&mut report.awards));
            if !awards.is_empty() && !self.dry_run {
                self.subscribers.retain(Recipient::connected);
                for subscriber in &self.subscribers {
                    // A hint only: the notifier also looks by itself.
                    subscriber.do_send(RewardsReady(Arc::clone(&awards)));
                }
            }
            self.count(&report, &awards, took);
            self.unlogged = awards;
            if report.transactions > 0 {
                self.pump_with_company(ctx);
            } else {
                self.pump(ctx);
            }
            // Behind the commit that has begun, if there is one: the database is at work while the lines are written.
            ctx.spawn(ready(()).into_actor(self).map(|(), actor, _| actor.log_awards()));
        } else {
            self.pump(ctx);
        }
    }

    /// Writes the lines about the awards that have none yet.
    fn log_awards(&mut self) {
        for award in std::mem::take(&mut self.unlogged).iter() {
            tracing::info!(
                event_id = %award.event_id, player_id = award.player.0, username = award.username, pool = %award.pool,
                sequence = award.sequence, advc_amount = %award.advc, ap_awarded = %award.points, total_ap = %award.total_ap,
                dry_run = self.dry_run, "payout_awarded"
            );
        }
    }

    /// Counts and logs what a commit led to.
    fn count(&mut self, report: &Report, awards: &[AwardedEvent], took: Duration) {
        let metrics = &mut self.metrics;
        metrics.readings += report.readings;
        metrics.awards += awards.len() as u64;
        metrics.held += report.held.len() as u64;
        metrics.positions_opened += report.opened;
        metrics.dust += report.dust;
        metrics.snapshots += report.snapshots;
        metrics.transactions += report.transactions;
        metrics.conflicts += report.conflicts;
        metrics.dropped += report.dropped.len() as u64;
        metrics.batch_readings_max = metrics.batch_readings_max.max(report.readings);
        if report.transactions > 0 {
            metrics.commit_time.record(took);
        } else {
            metrics.batches_unchanged += 1;
        }
        for award in awards {
            self.ap_awarded = self.ap_awarded.checked_add(award.points).unwrap_or(self.ap_awarded);
        }
        for held in &report.held {
            tracing::warn!(
                event_id = %held.event_id, player_id = held.player.0, pool = %held.pool, advc_amount = %held.advc,
                reason = held.reason.as_str(), "payout_held"
            );
        }
        for anomaly in &report.anomalies {
            *self.metrics.anomalies.entry(anomaly.kind.as_str()).or_default() += 1;
            tracing::warn!(
                player_id = anomaly.player.0, pool = %anomaly.pool, wallet = %anomaly.wallet, kind = anomaly.kind.as_str(),
                detail = anomaly.detail, "anomaly_recorded"
            );
        }
        for dropped in &report.dropped {
            tracing::error!(reading = dropped, "reading_dropped");
        }
    }
}

impl Actor for Ledger {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.arm_upkeep(ctx);
        if let Some(pause) = self.supervision.take_pause() {
            self.paused = true;
            ctx.run_later(pause, |actor, ctx| {
                actor.paused = false;
                actor.pump(ctx);
            });
        }
    }
}

impl Supervised for Ledger {
    fn restarting(&mut self, _ctx: &mut Self::Context) {
        self.supervision.restarting();
        self.log_awards();
        self.era += 1;
        // The book went with the panic. Waiting replies are dropped, which tells their senders to send again.
        self.book = Some(Book::new(self.writer.clone(), Arc::clone(&self.rules), self.dry_run));
        self.queue.clear();
        self.committing = false;
        self.expecting = false;
        // What was said goes with the memory of it.
        self.outage = Outage::default();
        self.upkeep.restarting();
    }
}

/// Sets what the ledger goes by, for everything that it has not begun to decide.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Adopt {
    /// What the money rule depends on.
    pub rules: Arc<Rules>,
    /// The age in days at which snapshots are deleted; `None` keeps all.
    pub retention_days: Option<NonZeroU32>,
}

impl Handler<Adopt> for Ledger {
    type Result = ();

    fn handle(&mut self, Adopt { rules, retention_days }: Adopt, _ctx: &mut Self::Context) {
        self.rules = rules;
        self.era += 1;
        self.keep_for(retention_days);
        // One that is away gets them when it is back.
        if let Some(book) = &mut self.book {
            book.use_rules(Arc::clone(&self.rules));
        }
    }
}

/// Names an actor that wants to hear of awards.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe(pub Recipient<RewardsReady>);

/// Tells which awards were stored just now; an empty list, that there may be some. A hint: the rows are what counts.
#[derive(Debug, Clone, Default, Message)]
#[rtype(result = "()")]
pub struct RewardsReady(pub Arc<Vec<AwardedEvent>>);

impl Handler<Subscribe> for Ledger {
    type Result = ();

    fn handle(&mut self, Subscribe(recipient): Subscribe, _ctx: &mut Self::Context) {
        self.subscribers.push(recipient);
    }
}

/// Asks for the players to poll. It also begins a cycle: what an operator decided since the last one is seen from here on.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Roster, LedgerError>")]
pub struct LoadRoster;

impl Handler<LoadRoster> for Ledger {
    type Result = ResponseActFuture<Self, Result<Roster, LedgerError>>;

    fn handle(&mut self, _: LoadRoster, _ctx: &mut Self::Context) -> Self::Result {
        let (db, seen) = (self.db.clone(), self.rebased.newest);
        let load = async move {
            let rebased = Rebased::since(&db, seen).await?;
            Ok((rebased, load_roster(&db).await?))
        };
        // The pools ask only when they have the roster, so what was decided until now is seen in this cycle.
        let forget = |loaded: Result<(Rebased, Roster), StoreError>, actor: &mut Self, _: &mut Context<Self>| {
            let (rebased, mut roster) = match loaded {
                Ok(loaded) => loaded,
                Err(error) => {
                    actor.outage.look_failed(&error);
                    return Err(LedgerError::Database(error.to_string()));
                }
            };
            actor.outage.look_succeeded();
            actor.era += u64::from(!rebased.is_empty());
            roster.era = actor.era;
            actor.rebased.merge(rebased);
            match &mut actor.book {
                Some(book) => {
                    book.forget_anomalous();
                    book.forget(&actor.rebased.take());
                }
                None => actor.forget_when_back = true,
            }
            Ok(roster)
        };
        Box::pin(load.into_actor(self).map(forget))
    }
}

/// Asks to finish what is in hand. Answered when the queue is empty; a database that is away is no longer waited for.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Drain;

impl Handler<Drain> for Ledger {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, ctx: &mut Self::Context) -> Self::Result {
        self.draining.send_replace(true);
        self.upkeep.draining();
        let (reply, outcome) = oneshot::channel();
        self.drained.push(reply);
        self.pump(ctx);
        Box::pin(async move {
            // A restart while draining drops the sender; the queue is empty then too.
            let _ = outcome.await;
        })
    }
}

impl Handler<ReportDurations> for Ledger {
    type Result = MessageResult<ReportDurations>;

    fn handle(&mut self, _: ReportDurations, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.metrics.commit_time.clone())
    }
}

answers_ping!(Ledger);

impl Handler<ReportMetrics> for Ledger {
    type Result = MessageResult<ReportMetrics>;

    fn handle(&mut self, _: ReportMetrics, _ctx: &mut Self::Context) -> Self::Result {
        self.metrics.restarts = self.supervision.restarts();
        self.metrics.failures = self.failures.borrow().clone();
        self.metrics.waits_because = self.outage.error();
        self.metrics.ap_awarded = self.ap_awarded.to_string();
        MessageResult(as_json(&self.metrics))
    }
}
