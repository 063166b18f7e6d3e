//! The pool actor: asks one pool about its wallets and hands what it said to the ledger.
//!
//! Promises: each wallet is asked about once a round, at its own point of the interval; a round that does not fit goes on
//! oldest first and keeps the next one from beginning; one that only waits for answers does not; a bounded number of requests
//! at once, and never more than the pool's file allows or the pool has shown to bear; readings wait for the ledger's answer
//! before more are taken up, so memory stays bounded when the database is slow; a pool that fails for everyone is left alone
//! for a growing time, and for our own network's failure no pool is; a panic or a request without an end costs this actor a
//! restart and nobody else anything; an answer that is the same as the wallet's last one, of which the ledger said that it changed
//! nothing, ends here, and at most for ten minutes. A pool that publishes everybody's payouts in one document is asked for it once a round, and
//! every wallet gets its part.
//! Leaves to others: what an answer means (`pools`), what a reading is worth (the ledger).

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::LocalBoxFuture;
use tokio::sync::{oneshot, watch};

use super::ledger::RecordObservations;
use super::scheduler::PollFinished;
use super::supervision::{Panicked, Supervision, caught};
use super::{ReportDurations, ReportMetrics, answers_ping, as_json};
use crate::clock::Clock;
use crate::domain::agenda::Digest;
use crate::domain::roster::PollJob;
use crate::domain::{PoolName, Wallet};
use crate::metrics::{PoolMetrics, RateMetrics, StalenessMetrics};
use crate::pools::{Extracted, Failure, Fetched, PoolClient};
use crate::store::{now_utc, rfc3339};
use crate::time_limit::TimeLimit;

mod batch;
mod ceiling;
mod engine;
mod feed;
mod network;
mod report;
mod shared;

pub use feed::FeedAnswers;
pub use network::{NetworkMetrics, NetworkWatch};
pub use report::{PollReport, ResponseTime};

use engine::Engine;
use shared::Shared;

/// The way to a pool. The real one is `pools::http::PoolClient`.
pub trait Fetch {
    /// Asks about one wallet.
    fn fetch(&self, wallet: Wallet) -> LocalBoxFuture<'_, Result<Extracted, Failure>>;

    /// The same, but an answer that is the same as `last` is not read again.
    fn fetch_unless(&self, wallet: Wallet, last: Option<Digest>) -> LocalBoxFuture<'_, Result<Fetched, Failure>> {
        let _ = last;
        Box::pin(async move { self.fetch(wallet).await.map(|found| Fetched::New(Box::new(found), None)) })
    }

    /// Whether one document is read for all wallets instead.
    fn is_feed(&self) -> bool {
        false
    }

    /// The wallet at which a test wants the actor to hang.
    #[cfg(debug_assertions)]
    fn hang_when_asked_about(&self) -> Option<&Wallet> {
        None
    }

    /// Reads that document and answers what it says about each of `wallets`.
    fn fetch_feed(&self, wallets: Vec<Wallet>) -> LocalBoxFuture<'_, Result<FeedAnswers, Failure>> {
        drop(wallets);
        Box::pin(async { Ok(FeedAnswers::new()) })
    }
}

impl Fetch for PoolClient {
    fn fetch(&self, wallet: Wallet) -> LocalBoxFuture<'_, Result<Extracted, Failure>> {
        Box::pin(async move { Self::fetch(self, &wallet).await })
    }

    fn fetch_unless(&self, wallet: Wallet, last: Option<Digest>) -> LocalBoxFuture<'_, Result<Fetched, Failure>> {
        Box::pin(async move { Self::fetch_unless(self, &wallet, last).await })
    }

    fn is_feed(&self) -> bool {
        self.spec().is_feed()
    }

    #[cfg(debug_assertions)]
    fn hang_when_asked_about(&self) -> Option<&Wallet> {
        self.spec().hang_when_asked_about()
    }

    fn fetch_feed(&self, wallets: Vec<Wallet>) -> LocalBoxFuture<'_, Result<FeedAnswers, Failure>> {
        Box::pin(async move { Self::fetch_feed(self, &wallets).await })
    }
}

/// How a pool is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Requests at once.
    pub concurrency: usize,
    /// Between the beginnings of two requests, at least.
    pub gap_min: Duration,
    /// After so long a request has no end: well above the client's own time-out.
    pub hung_after: Duration,
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
    /// What the work changes and what outlives it.
    shared: Rc<Shared>,
    network: NetworkWatch,
    /// The engine is running.
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
            shared: Rc::new(Shared::new(name.clone(), &pace, clock, client.is_feed())),
            client,
            ledger,
            clock,
            network: NetworkWatch::new(clock),
            name,
            pace,
            polling: false,
            paused: false,
            draining: watch::Sender::new(false),
            drained: Vec::new(),
            supervision,
        }
    }

    /// With what all pools together know about the network.
    #[must_use]
    pub fn with_network(self, network: NetworkWatch) -> Self {
        Self { network, ..self }
    }

    /// Starts the engine, unless it is running.
    fn work(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.polling, true) {
            return;
        }
        let engine = Engine {
            name: self.name.clone(),
            client: Rc::clone(&self.client),
            pace: self.pace,
            ledger: self.ledger.clone(),
            clock: self.clock,
            shared: Rc::clone(&self.shared),
            network: self.network.clone(),
            draining: self.draining.subscribe(),
            hang_limit: TimeLimit::new(self.pace.hung_after),
        };
        // A panic in an answer's extraction is caught inside the engine; this one would be the engine's own.
        let running = caught(engine.run());
        ctx.spawn(running.into_actor(self).map(|ended, actor, ctx| actor.ended(ended.unwrap_or_else(Some), ctx)));
    }

    fn ended(&mut self, panicked: Option<Panicked>, ctx: &mut Context<Self>) {
        self.polling = false;
        self.release_drain();
        if let Some(panicked) = panicked {
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
        self.network.expect(&self.name);
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
        self.shared.abandon(self.clock.now());
        self.release_drain();
    }
}

/// Sends a pool its part of a cycle. Refused while the last one has wallets that were not asked about; it then goes by the newer
/// list of wallets. One that is to be spread over less time takes the place of the last one.
#[derive(Clone, Message)]
#[rtype(result = "Result<(), PollRefused>")]
pub struct PollNow {
    /// The cycle.
    pub cycle: u64,
    /// The wallets to ask about.
    pub jobs: Arc<[PollJob]>,
    /// The [`Roster::era`](crate::domain::roster::Roster::era) of their list.
    pub era: u64,
    /// When the cycle was due, on the clock of the program.
    pub tick: Duration,
    /// The time over which the requests may be spread; zero for as fast as the pool allows.
    pub spread: Duration,
    /// Who is told when it is done.
    pub finished: Recipient<PollFinished>,
}

/// Why a poll was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollRefused {
    /// The last poll has not asked about everyone yet.
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

impl Handler<PollNow> for Pool {
    type Result = MessageResult<PollNow>;

    fn handle(&mut self, message: PollNow, ctx: &mut Self::Context) -> Self::Result {
        if *self.draining.borrow() {
            return MessageResult(Err(PollRefused::Draining));
        }
        if self.paused {
            return MessageResult(Err(PollRefused::Paused));
        }
        #[cfg(debug_assertions)]
        if self.client.hang_when_asked_about().is_some_and(|wallet| message.jobs.iter().any(|job| job.wallet == *wallet)) {
            tracing::error!(actor = self.supervision.actor(), "fault injection: hangs");
            ctx.wait(std::future::pending::<()>().into_actor(self));
        }
        let now = self.clock.now();
        self.shared.use_era(message.era, now);
        if message.spread < self.shared.spread.get() {
            // The interval was made shorter: the rest of a round that was spread over the old one would keep the next ones waiting.
            self.shared.agenda.borrow_mut().give_up();
        }
        if self.shared.agenda.borrow().waiting() > 0 {
            self.shared.refresh(&message.jobs, message.tick + message.spread, now);
            return MessageResult(Err(PollRefused::Busy));
        }
        self.shared.begin(&self.name, message, now);
        self.work(ctx);
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

impl Handler<ReportDurations> for Pool {
    type Result = MessageResult<ReportDurations>;

    fn handle(&mut self, _: ReportDurations, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.shared.metrics.borrow().response_time.clone())
    }
}

answers_ping!(Pool);

impl Handler<ReportMetrics> for Pool {
    type Result = MessageResult<ReportMetrics>;

    fn handle(&mut self, _: ReportMetrics, _ctx: &mut Self::Context) -> Self::Result {
        let shared = &self.shared;
        let mut metrics: PoolMetrics = shared.metrics.borrow().clone();
        let (breaker, now) = (shared.breaker.borrow(), self.clock.now());
        metrics.backoff_state = breaker.name();
        let next_probe = breaker.open_until().map(|until| until.saturating_sub(now));
        metrics.next_probe_seconds = next_probe.map(|wait| wait.as_secs());
        metrics.next_probe_at = next_probe.map(|wait| rfc3339(now_utc() + wait));
        metrics.rate = RateMetrics::of(&shared.throttle.borrow(), self.pace.gap_min);
        metrics.staleness = StalenessMetrics::of(shared.agenda.borrow().staleness(now));
        metrics.waiting = shared.agenda.borrow().waiting() as u64;
        metrics.restarts = self.supervision.restarts();
        MessageResult(as_json(&metrics))
    }
}
