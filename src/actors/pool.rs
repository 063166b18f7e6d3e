//! The pool actor: asks one pool about its wallets and hands what it said to the ledger.
//!
//! Promises: one poll at a time; a bounded number of requests at once; readings wait for the ledger's answer before more are
//! taken up, so memory stays bounded when the database is slow; a pool that fails for everyone is left alone for a growing
//! time; a panic costs this actor a restart and nobody else anything.
//! Leaves to others: what an answer means (`pools`), what a reading is worth (the ledger).

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use tokio::sync::{oneshot, watch};

use super::ledger::RecordObservations;
use super::scheduler::PollFinished;
use super::supervision::{Supervision, caught};
use super::{ReportMetrics, as_json};
use crate::clock::Clock;
use crate::domain::breaker::Breaker;
use crate::domain::roster::PollJob;
use crate::domain::{Amount, Points, PoolName, Wallet};
use crate::metrics::PoolMetrics;
use crate::pools::{Extracted, Failure, PoolClient};

mod round;

use round::{Outcome, Round, Shared};

/// The way to a pool. The real one is `pools::http::PoolClient`.
pub trait Fetch {
    /// Asks about one wallet.
    fn fetch(&self, wallet: Wallet) -> LocalBoxFuture<'_, Result<Extracted, Failure>>;
}

impl Fetch for PoolClient {
    fn fetch(&self, wallet: Wallet) -> LocalBoxFuture<'_, Result<Extracted, Failure>> {
        Box::pin(async move { Self::fetch(self, &wallet).await })
    }
}

/// How a pool is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Requests at once.
    pub concurrency: usize,
    /// Between the beginnings of two requests, at least.
    pub gap_min: Duration,
    /// The first pause of a pool that fails for everyone.
    pub backoff_min: Duration,
    /// The longest pause of a pool that fails for everyone.
    pub backoff_max: Duration,
}

/// The actor.
pub struct Pool {
    name: PoolName,
    client: Rc<dyn Fetch>,
    pace: Pace,
    ledger: Recipient<RecordObservations>,
    clock: Clock,
    /// What a round changes and what outlives it.
    shared: Rc<Shared>,
    /// A round is running.
    polling: bool,
    /// Nothing happens before the pause after a restart is over.
    paused: bool,
    /// Told to the running round when the program is ending.
    draining: watch::Sender<bool>,
    /// Who waits for the running round to end.
    drained: Vec<oneshot::Sender<()>>,
    supervision: Supervision,
}

impl Pool {
    /// An actor for the pool `name`, reached by `client`.
    #[must_use]
    pub fn new(
        name: PoolName,
        client: Rc<dyn Fetch>,
        pace: Pace,
        ledger: Recipient<RecordObservations>,
        clock: Clock,
        supervision: Supervision,
    ) -> Self {
        Self {
            name,
            client,
            ledger,
            clock,
            shared: Rc::new(Shared::new(Breaker::new(pace.backoff_min, pace.backoff_max))),
            pace,
            polling: false,
            paused: false,
            draining: watch::Sender::new(false),
            drained: Vec::new(),
            supervision,
        }
    }

    fn ended(&mut self, message: PollNow, outcome: Outcome, ctx: &mut Context<Self>) {
        self.polling = false;
        outcome.report.log(message.cycle);
        // A hint; the scheduler also closes a cycle without it.
        message.finished.do_send(PollFinished { cycle: message.cycle, report: outcome.report });
        self.release_drain();
        if let Some(panicked) = outcome.panicked {
            tracing::error!(actor = self.supervision.actor(), error = %panicked, "actor_panicked");
            ctx.stop();
        }
    }

    fn release_drain(&mut self) {
        for waiting in self.drained.drain(..) {
            // Whoever gave up waiting needs no answer.
            let _ = waiting.send(());
        }
    }
}

impl Actor for Pool {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(pause) = self.supervision.take_pause() {
            self.paused = true;
            ctx.run_later(pause, |actor, _| actor.paused = false);
        }
    }
}

impl Supervised for Pool {
    fn restarting(&mut self, _ctx: &mut Self::Context) {
        self.supervision.restarting();
        self.polling = false;
        self.release_drain();
    }
}

/// Sends a pool its part of a cycle. Refused while it is at the last one.
#[derive(Clone, Message)]
#[rtype(result = "Result<(), PollRefused>")]
pub struct PollNow {
    /// The cycle.
    pub cycle: u64,
    /// The wallets to ask about.
    pub jobs: Arc<[PollJob]>,
    /// The time over which the requests may be spread; zero for as fast as the pool allows.
    pub spread: Duration,
    /// Who is told when it is done.
    pub finished: Recipient<PollFinished>,
}

/// Why a poll was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollRefused {
    /// The last poll is still running.
    Busy,
    /// The actor is pausing after a failure.
    Paused,
    /// The message was lost in a restart.
    Restarted,
    /// The program is ending.
    Draining,
}

impl PollRefused {
    /// The label in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Paused => "paused",
            Self::Restarted => "restarted",
            Self::Draining => "draining",
        }
    }
}

/// What a pool did in a cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PollReport {
    /// The pool.
    pub pool: PoolName,
    /// Wallets it should be asked about.
    pub wallets: u64,
    /// Requests made.
    pub requests: u64,
    /// Good answers that are stored.
    pub readings: u64,
    /// Requests without a good answer, by kind of failure.
    pub failures: BTreeMap<&'static str, u64>,
    /// The first failure, for a person.
    pub first_failure: Option<String>,
    /// Wallets that were not asked about, because the pool is being left alone or the program is ending.
    pub not_asked: u64,
    /// Awards.
    pub awards: u64,
    /// AP awarded.
    #[serde(serialize_with = "as_text")]
    pub points: Points,
    /// ADVC awarded.
    #[serde(serialize_with = "as_text")]
    pub advc: Amount,
    /// Events held.
    pub held: u64,
    /// Anomalies recorded.
    pub anomalies: u64,
    /// The breaker's state afterwards.
    pub backoff_state: &'static str,
    /// How long it took.
    pub duration_ms: u64,
}

fn as_text<S: serde::Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl PollReport {
    /// Says once a round what failed, and nothing where nothing did.
    fn log(&self, cycle: u64) {
        let left_alone = self.not_asked > 0 && self.backoff_state != "closed";
        if self.failures.is_empty() && !left_alone {
            tracing::debug!(cycle, pool = %self.pool, readings = self.readings, not_asked = self.not_asked, duration_ms = self.duration_ms, "pool_polled");
            return;
        }
        tracing::warn!(
            cycle, pool = %self.pool, readings = self.readings, not_asked = self.not_asked,
            failures = %serde_json::to_string(&self.failures).unwrap_or_default(),
            first_failure = self.first_failure.as_deref().unwrap_or_default(), backoff_state = self.backoff_state,
            duration_ms = self.duration_ms, "pool_poll_failed"
        );
    }
}

impl Handler<PollNow> for Pool {
    type Result = MessageResult<PollNow>;

    fn handle(&mut self, message: PollNow, ctx: &mut Self::Context) -> Self::Result {
        if *self.draining.borrow() {
            return MessageResult(Err(PollRefused::Draining));
        }
        if self.paused {
            return MessageResult(Err(PollRefused::Paused));
        }
        if self.polling {
            return MessageResult(Err(PollRefused::Busy));
        }
        self.polling = true;
        let round = Round {
            name: self.name.clone(),
            client: Rc::clone(&self.client),
            pace: self.pace,
            ledger: self.ledger.clone(),
            clock: self.clock,
            shared: Rc::clone(&self.shared),
            draining: self.draining.subscribe(),
            jobs: Arc::clone(&message.jobs),
            spread: message.spread,
        };
        let lost = round.report();
        // A panic in an answer's extraction is caught inside the round; this one would be the round's own.
        let running = caught(round.run());
        ctx.spawn(running.into_actor(self).map(move |outcome, actor, ctx| {
            let outcome = outcome.unwrap_or_else(|panicked| Outcome { report: lost, panicked: Some(panicked) });
            actor.ended(message, outcome, ctx);
        }));
        MessageResult(Ok(()))
    }
}

/// Asks to finish the requests in hand and to store what they bring.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Drain;

impl Handler<Drain> for Pool {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, _ctx: &mut Self::Context) -> Self::Result {
        self.draining.send_replace(true);
        let (reply, outcome) = oneshot::channel();
        if self.polling {
            self.drained.push(reply);
        }
        Box::pin(async move {
            // Dropped at once where no round is running.
            let _ = outcome.await;
        })
    }
}

impl Handler<ReportMetrics> for Pool {
    type Result = MessageResult<ReportMetrics>;

    fn handle(&mut self, _: ReportMetrics, _ctx: &mut Self::Context) -> Self::Result {
        let mut metrics: PoolMetrics = self.shared.metrics.borrow().clone();
        let breaker = self.shared.breaker.borrow();
        metrics.backoff_state = breaker.name();
        metrics.next_probe_seconds = breaker.open_until().map(|until| until.saturating_sub(self.clock.now()).as_secs());
        metrics.restarts = self.supervision.restarts();
        MessageResult(as_json(&metrics))
    }
}
