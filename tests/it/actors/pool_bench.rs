//! A pool actor between a pool and a ledger that the test plays.

use std::cell::{Cell, RefCell};
use std::future::{Future, ready};
use std::hash::{BuildHasher as _, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::LocalBoxFuture;
use pool_poller::actors::ReportMetrics;
use pool_poller::actors::ledger::{LedgerError, RecordObservations, Recorded};
use pool_poller::actors::pool::{Fetch, NetworkWatch, Pace, PollNow, PollRefused, PollReport, Pool};
use pool_poller::actors::scheduler::PollFinished;
use pool_poller::actors::supervision::{Fatal, Fuse, Supervision};
use pool_poller::clock::Clock;
use pool_poller::domain::agenda::Digest;
use pool_poller::domain::roster::PollJob;
use pool_poller::domain::{Counter, Figures, Wallet};
use pool_poller::pools::{self, Excerpt, Extracted, Failure};
use pool_poller::store::book::Observation;
use serde_json::Value;
use tokio::sync::mpsc;

use super::bench::{amount, neighbour, player, pool, secs, wait, wallet};

pub(crate) type Fetched = Result<Extracted, Failure>;
pub(crate) type Stored = Result<Recorded, LedgerError>;

/// A pool that the test plays.
pub(crate) struct FakePool {
    answer: Box<dyn Fn(Wallet) -> LocalBoxFuture<'static, Fetched>>,
    clock: Clock,
    hashes: RandomState,
    /// What it was asked, and when.
    pub(crate) asked: RefCell<Vec<(Duration, Wallet)>>,
    /// Requests under way, now and at most.
    pub(crate) running: Cell<usize>,
    pub(crate) running_max: Cell<usize>,
}

impl Fetch for FakePool {
    fn fetch(&self, wallet: Wallet) -> LocalBoxFuture<'_, Fetched> {
        Box::pin(async move {
            self.asked.borrow_mut().push((self.clock.now(), wallet.clone()));
            self.running.set(self.running.get() + 1);
            self.running_max.set(self.running_max.get().max(self.running.get()));
            let _running = Running(&self.running);
            (self.answer)(wallet).await
        })
    }

    fn fetch_unless(&self, wallet: Wallet, last: Option<Digest>) -> LocalBoxFuture<'_, Result<pools::Fetched, Failure>> {
        Box::pin(async move {
            let found = self.fetch(wallet).await?;
            let digest = Some(Digest::new(self.hashes.hash_one(&found.raw)));
            Ok(if digest == last { pools::Fetched::Same } else { pools::Fetched::New(Box::new(found), digest) })
        })
    }
}

/// Counts a request out, also one that is dropped or panics.
struct Running<'a>(&'a Cell<usize>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl FakePool {
    /// When it was asked.
    pub(crate) fn asked_at(&self) -> Vec<Duration> {
        self.asked.borrow().iter().map(|(at, _)| *at).collect()
    }

    /// About which wallets it was asked since `from`.
    pub(crate) fn wallets(&self, from: usize) -> Vec<String> {
        self.asked.borrow().iter().skip(from).map(|(_, wallet)| wallet.to_string()).collect()
    }
}

/// A good answer.
pub(crate) fn good() -> Fetched {
    let counter = Counter { source: "/paid".into(), paid: amount("1.5") };
    Ok(Extracted {
        currency: "ADVC".parse().expect("a currency"),
        counters: vec![counter],
        listed: None,
        figures: Figures::default(),
        raw: "{}".to_owned(),
    })
}

pub(crate) fn timeout() -> Fetched {
    Err(Failure::Timeout { after: secs(10) })
}

pub(crate) fn unknown_wallet() -> Fetched {
    Err(Failure::UnknownWallet { said: Excerpt::new("never heard of it") })
}

pub(crate) fn rate_limited(retry_after: Duration) -> Fetched {
    Err(Failure::RateLimited { retry_after: Some(retry_after), said: Excerpt::new("HTTP status 429") })
}

/// How the pools of the tests are asked, unless a test says otherwise.
pub(crate) const PACE: Pace = Pace {
    concurrency: 1,
    gap_min: Duration::ZERO,
    hung_after: Duration::from_secs(7_200),
    backoff_min: Duration::from_secs(10),
    backoff_max: Duration::from_secs(900),
};

pub(crate) struct Bench {
    pub(crate) clock: Clock,
    pub(crate) fake: Rc<FakePool>,
    pub(crate) pool: Addr<Pool>,
    /// What the ledger was given.
    pub(crate) recorded: Rc<RefCell<Vec<RecordObservations>>>,
    pub(crate) fatal: mpsc::UnboundedReceiver<Fatal>,
    finished: Recipient<PollFinished>,
    reports: mpsc::UnboundedReceiver<PollReport>,
}

impl Bench {
    /// A ledger that stores everything at once.
    pub(crate) fn new<F>(pace: Pace, answer: impl Fn(Wallet) -> F + 'static) -> Self
    where
        F: Future<Output = Fetched> + 'static,
    {
        Self::with_ledger(pace, answer, |_, _| ready(Ok(Recorded::default())))
    }

    /// `store` is the ledger: it gets the number of the message, from 0, and its content.
    pub(crate) fn with_ledger<F, S>(
        pace: Pace,
        answer: impl Fn(Wallet) -> F + 'static,
        mut store: impl FnMut(usize, RecordObservations) -> S + 'static,
    ) -> Self
    where
        F: Future<Output = Fetched> + 'static,
        S: Future<Output = Stored> + 'static,
    {
        let recorded: Rc<RefCell<Vec<RecordObservations>>> = Rc::default();
        let kept = Rc::clone(&recorded);
        let ledger = neighbour(move |message: RecordObservations| {
            kept.borrow_mut().push(message.clone());
            store(kept.borrow().len() - 1, message)
        });
        Self::with(pace, answer, ledger.recipient(), recorded)
    }

    pub(crate) fn with<F>(
        pace: Pace,
        answer: impl Fn(Wallet) -> F + 'static,
        ledger: Recipient<RecordObservations>,
        recorded: Rc<RefCell<Vec<RecordObservations>>>,
    ) -> Self
    where
        F: Future<Output = Fetched> + 'static,
    {
        let clock = Clock::start();
        Self::assemble("a", NetworkWatch::new(clock), clock, pace, answer, ledger, recorded)
    }

    /// One of several pools of one program: they share the network and the clock.
    pub(crate) fn beside<F>(
        name: &str,
        network: &NetworkWatch,
        clock: Clock,
        pace: Pace,
        answer: impl Fn(Wallet) -> F + 'static,
    ) -> Self
    where
        F: Future<Output = Fetched> + 'static,
    {
        let ledger = neighbour(|_: RecordObservations| ready(Ok(Recorded::default())));
        Self::assemble(name, network.clone(), clock, pace, answer, ledger.recipient(), Rc::default())
    }

    fn assemble<F>(
        name: &str,
        network: NetworkWatch,
        clock: Clock,
        pace: Pace,
        answer: impl Fn(Wallet) -> F + 'static,
        ledger: Recipient<RecordObservations>,
        recorded: Rc<RefCell<Vec<RecordObservations>>>,
    ) -> Self
    where
        F: Future<Output = Fetched> + 'static,
    {
        let fake = Rc::new(FakePool {
            answer: Box::new(move |wallet| Box::pin(answer(wallet))),
            clock,
            hashes: RandomState::new(),
            asked: RefCell::default(),
            running: Cell::new(0),
            running_max: Cell::new(0),
        });
        let (fuse, fatal) = Fuse::new();
        let supervision = Supervision::new(format!("pool {name}"), clock, fuse);
        let client: Rc<dyn Fetch> = Rc::clone(&fake) as _;
        let actor = Pool::new(pool(name), client, pace, ledger, clock, supervision).with_network(network);
        let (report, reports) = mpsc::unbounded_channel();
        let finished = neighbour(move |finished: PollFinished| {
            report.send(finished.report).expect("the test listens");
            ready(())
        });
        Self { clock, fake, pool: Supervisor::start(|_| actor), recorded, fatal, finished: finished.recipient(), reports }
    }

    /// Begins a round over the wallets W1 to `count`.
    pub(crate) async fn begin(&self, count: usize) -> Result<(), PollRefused> {
        self.begin_spread(count, Duration::ZERO).await
    }

    pub(crate) async fn begin_spread(&self, count: usize, spread: Duration) -> Result<(), PollRefused> {
        self.poll(1, 1..=count, spread).await
    }

    /// Begins the round of a cycle over some wallets.
    pub(crate) async fn poll(
        &self,
        cycle: u64,
        wallets: impl IntoIterator<Item = usize>,
        spread: Duration,
    ) -> Result<(), PollRefused> {
        let jobs = wallets.into_iter().map(|id| PollJob { player: player(id), wallet: wallet(&format!("W{id}")) });
        self.poll_jobs(cycle, jobs.collect(), 0, spread).await
    }

    /// Begins the round of a cycle over any list.
    pub(crate) async fn poll_jobs(
        &self,
        cycle: u64,
        jobs: Arc<[PollJob]>,
        era: u64,
        spread: Duration,
    ) -> Result<(), PollRefused> {
        let poll = PollNow { cycle, jobs, era, tick: self.clock.now(), spread, finished: self.finished.clone() };
        self.pool.send(poll).await.expect("a living pool actor")
    }

    /// Does as the scheduler does: sends a poll each `interval` until `until`, however it is received.
    pub(crate) async fn poll_every(&self, interval: Duration, count: usize, until: Duration) {
        let mut cycle = self.clock.now().as_secs() * 1_000;
        while self.clock.now() < until {
            cycle += 1;
            let tick = self.clock.now();
            // Refused while it is at the last one, or pausing.
            let _ = self.poll(cycle, 1..=count, interval).await;
            wait((tick + interval).saturating_sub(self.clock.now())).await;
        }
    }

    /// The reports that came until now.
    pub(crate) fn reports(&mut self) -> Vec<PollReport> {
        std::iter::from_fn(|| self.reports.try_recv().ok()).collect()
    }

    /// The report of the running round.
    pub(crate) async fn report(&mut self) -> PollReport {
        self.reports.recv().await.expect("a living bench")
    }

    /// A whole round over the wallets W1 to `count`.
    pub(crate) async fn round(&mut self, count: usize) -> PollReport {
        self.begin(count).await.expect("the pool is free");
        self.report().await
    }

    pub(crate) async fn metrics(&self) -> Value {
        self.pool.send(ReportMetrics).await.expect("a living pool actor")
    }

    /// The wallets whose readings the ledger has been given, in order.
    pub(crate) fn readings(&self) -> Vec<String> {
        let recorded = self.recorded.borrow();
        let observations = recorded.iter().flat_map(|message| message.observations.iter());
        let wallets = observations.filter_map(|observation| match observation {
            Observation::Reading(reading) => Some(reading.wallet.to_string()),
            Observation::Anomaly(_) => None,
        });
        wallets.collect()
    }
}
