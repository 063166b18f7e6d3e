//! A scheduler between pools and a ledger that the test plays.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use pool_poller::actors::ReportMetrics;
use pool_poller::actors::ledger::{LedgerError, LoadRoster, RecordObservations, Recorded};
use pool_poller::actors::pool::{PollNow, PollRefused, PollReport};
use pool_poller::actors::scheduler::{CycleSummary, Mode, PollFinished, PoolSlot, Reconfigure, Scheduler};
use pool_poller::actors::supervision::{Fatal, Fuse, Supervision};
use pool_poller::clock::Clock;
use pool_poller::domain::roster::AddressKind;
use pool_poller::domain::{Amount, Points, PoolName};
use pool_poller::store::Roster;
use serde_json::Value;
use tokio::sync::mpsc;

use super::bench::{neighbour, player};

/// A pool that the test plays: it takes one poll at a time and finishes it after `work`.
pub(crate) struct FakePool {
    pub(crate) name: PoolName,
    /// How long a poll takes; `None` for ever.
    pub(crate) work: Cell<Option<Duration>>,
    /// Does not even say whether it takes a poll.
    pub(crate) mute: Cell<bool>,
    /// What it reports, beside its name.
    pub(crate) report: RefCell<PollReport>,
    /// The polls that reached it, and when.
    pub(crate) polls: RefCell<Vec<(Duration, PollNow)>>,
    busy: Cell<bool>,
}

impl FakePool {
    pub(crate) fn new(name: &str) -> Rc<Self> {
        let name: PoolName = name.parse().expect("a pool's name");
        Rc::new(Self {
            work: Cell::new(Some(Duration::ZERO)),
            mute: Cell::new(false),
            report: RefCell::new(empty_report(&name)),
            polls: RefCell::default(),
            busy: Cell::new(false),
            name,
        })
    }

    /// When each poll came, in whole seconds.
    pub(crate) fn polled_at(&self) -> Vec<u64> {
        self.polls.borrow().iter().map(|(at, _)| at.as_secs()).collect()
    }

    /// It as the scheduler sees it.
    fn slot(self: &Rc<Self>, clock: Clock) -> PoolSlot {
        PoolSlot { name: self.name.clone(), addresses: AddressKind::Player, poll: self.recipient(clock) }
    }

    /// Who stands in for the actor.
    pub(crate) fn recipient(self: &Rc<Self>, clock: Clock) -> Recipient<PollNow> {
        let pool = Rc::clone(self);
        let address = neighbour(move |message: PollNow| {
            pool.polls.borrow_mut().push((clock.now(), message.clone()));
            let taken = !pool.busy.replace(true);
            if taken {
                actix_rt::spawn(Rc::clone(&pool).poll(message));
            }
            let mute = pool.mute.get();
            async move {
                if mute {
                    std::future::pending::<()>().await;
                }
                if taken { Ok(()) } else { Err(PollRefused::Busy) }
            }
        });
        address.recipient()
    }

    async fn poll(self: Rc<Self>, message: PollNow) {
        match self.work.get() {
            Some(work) => tokio::time::sleep(work).await,
            None => std::future::pending().await,
        }
        self.busy.set(false);
        let report = self.report.borrow().clone();
        message.finished.do_send(PollFinished { cycle: message.cycle, report });
    }
}

/// A report of nothing.
pub(crate) fn empty_report(pool: &PoolName) -> PollReport {
    PollReport {
        pool: pool.clone(),
        wallets: 0,
        requests: 0,
        readings: 0,
        failures: BTreeMap::new(),
        first_failure: None,
        not_asked: 0,
        awards: 0,
        points: Points::ZERO,
        advc: Amount::ZERO,
        held: 0,
        anomalies: 0,
        backoff_state: "closed",
        duration_ms: 0,
        response_time: None,
    }
}

/// A ledger that the test plays.
pub(crate) struct FakeLedger {
    /// What the next cycles get; then `roster`.
    pub(crate) answers: RefCell<VecDeque<Result<Roster, LedgerError>>>,
    pub(crate) roster: RefCell<Roster>,
    /// How long it takes to load the players.
    pub(crate) load: Cell<Duration>,
    /// How many times it was asked for them.
    pub(crate) loads: Cell<u32>,
    /// What it was given to record.
    pub(crate) recorded: RefCell<Vec<RecordObservations>>,
}

/// The players 1 to `count`, with the wallets W1, W2 …
pub(crate) fn players(count: usize) -> Roster {
    let wallets: Vec<String> = (1..=count).map(|id| format!("W{id}")).collect();
    players_with(&wallets)
}

/// The players from 1 on, with these wallets.
pub(crate) fn players_with(wallets: &[impl AsRef<str>]) -> Roster {
    let mut roster = Roster::default();
    for (id, wallet) in (1..).zip(wallets) {
        roster.add_player(player(id), wallet.as_ref());
    }
    roster
}

pub(crate) struct Bench {
    clock: Clock,
    pub(crate) ledger: Rc<FakeLedger>,
    pub(crate) scheduler: Addr<Scheduler>,
    pub(crate) summaries: mpsc::UnboundedReceiver<CycleSummary>,
    pub(crate) fatal: mpsc::UnboundedReceiver<Fatal>,
}

/// What stands around the scheduler before it is started.
pub(crate) struct Around {
    pub(crate) clock: Clock,
    pub(crate) ledger: Rc<FakeLedger>,
    pub(crate) slots: Vec<PoolSlot>,
    pub(crate) load: Recipient<LoadRoster>,
    pub(crate) record: Recipient<RecordObservations>,
}

impl Around {
    pub(crate) fn new(pools: &[&Rc<FakePool>], roster: Roster) -> Self {
        let clock = Clock::start();
        let ledger = Rc::new(FakeLedger {
            answers: RefCell::default(),
            roster: RefCell::new(roster),
            load: Cell::default(),
            loads: Cell::default(),
            recorded: RefCell::default(),
        });
        let loading = Rc::clone(&ledger);
        let load = neighbour(move |_: LoadRoster| {
            let ledger = Rc::clone(&loading);
            ledger.loads.set(ledger.loads.get() + 1);
            async move {
                tokio::time::sleep(ledger.load.get()).await;
                ledger.answers.borrow_mut().pop_front().unwrap_or_else(|| Ok(ledger.roster.borrow().clone()))
            }
        });
        let recording = Rc::clone(&ledger);
        let record = neighbour(move |message: RecordObservations| {
            recording.recorded.borrow_mut().push(message);
            std::future::ready(Ok(Recorded::default()))
        });
        let slots = pools.iter().map(|pool| pool.slot(clock)).collect();
        Self { clock, ledger, slots, load: load.recipient(), record: record.recipient() }
    }

    pub(crate) fn start(self, mode: Mode) -> Bench {
        let Self { clock, ledger, slots, load, record } = self;
        let (fuse, fatal) = Fuse::new();
        let (completed, summaries) = mpsc::unbounded_channel();
        let supervision = Supervision::new("scheduler", clock, fuse.clone());
        let scheduler = Scheduler::new(mode, slots, load, record, clock, fuse, supervision).with_summaries(completed);
        let scheduler = Supervisor::start(|_| scheduler);
        Bench { clock, ledger, scheduler, summaries, fatal }
    }
}

impl Bench {
    pub(crate) fn every_minute(pools: &[&Rc<FakePool>], roster: Roster) -> Self {
        Around::new(pools, roster).start(Mode::Every(Duration::from_secs(60)))
    }

    /// Sets interval and pools as a reload does.
    pub(crate) async fn reconfigure(&self, interval: Duration, pools: &[&Rc<FakePool>]) {
        let pools = pools.iter().map(|pool| pool.slot(self.clock)).collect();
        self.scheduler.send(Reconfigure { interval, pools }).await.expect("a living scheduler");
    }

    pub(crate) async fn metrics(&self) -> Value {
        self.scheduler.send(ReportMetrics).await.expect("a living scheduler")
    }

    /// The summaries so far.
    pub(crate) fn completed(&mut self) -> Vec<CycleSummary> {
        std::iter::from_fn(|| self.summaries.try_recv().ok()).collect()
    }
}
