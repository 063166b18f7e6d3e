//! A pool with one document for everybody.

use std::cell::{Cell, RefCell};
use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::LocalBoxFuture;
use pool_poller::actors::ledger::{RecordObservations, Recorded};
use pool_poller::actors::pool::{FeedAnswers, Fetch, PollNow, PollReport, Pool};
use pool_poller::actors::scheduler::PollFinished;
use pool_poller::actors::supervision::{Fuse, Supervision};
use pool_poller::clock::Clock;
use pool_poller::domain::Wallet;
use pool_poller::domain::roster::PollJob;
use pool_poller::pools::Failure;
use pool_poller::store::book::Observation;
use tokio::sync::mpsc;

use super::bench::{neighbour, player, pool, wallet};
use super::pool_bench::{Fetched, PACE, good, timeout, unknown_wallet};

/// A feed that the test plays: it fails as often as it is told, and then knows nothing of `W7`.
#[derive(Default)]
struct FakeFeed {
    failures: Cell<u32>,
    asked: RefCell<Vec<usize>>,
}

impl Fetch for FakeFeed {
    fn fetch(&self, _: Wallet) -> LocalBoxFuture<'_, Fetched> {
        Box::pin(async { panic!("a feed is never asked about one wallet") })
    }

    fn is_feed(&self) -> bool {
        true
    }

    fn fetch_feed(&self, wallets: Vec<Wallet>) -> LocalBoxFuture<'_, Result<FeedAnswers, Failure>> {
        self.asked.borrow_mut().push(wallets.len());
        Box::pin(async move {
            if let Some(left) = self.failures.get().checked_sub(1) {
                self.failures.set(left);
                return timeout().map(|_| FeedAnswers::new());
            }
            let answer = |wallet: Wallet| {
                let answer = if wallet.as_str() == "W7" { unknown_wallet() } else { good() };
                (wallet, answer)
            };
            Ok(wallets.into_iter().map(answer).collect())
        })
    }
}

struct Bench {
    feed: Rc<FakeFeed>,
    pool: Addr<Pool>,
    clock: Clock,
    batches: Rc<RefCell<Vec<Vec<String>>>>,
    finished: Recipient<PollFinished>,
    reports: mpsc::UnboundedReceiver<PollReport>,
}

impl Bench {
    fn new() -> Self {
        let (feed, batches) = (Rc::new(FakeFeed::default()), Rc::<RefCell<Vec<Vec<String>>>>::default());
        let kept = Rc::clone(&batches);
        let ledger = neighbour(move |message: RecordObservations| {
            let wallets = message.observations.iter().map(|observation| match observation {
                Observation::Reading(reading) => reading.wallet.to_string(),
                Observation::Anomaly(anomaly) => format!("anomaly of {}", anomaly.wallet),
            });
            kept.borrow_mut().push(wallets.collect());
            ready(Ok(Recorded::default()))
        });
        let (clock, (fuse, _)) = (Clock::start(), Fuse::new());
        let client: Rc<dyn Fetch> = Rc::clone(&feed) as _;
        let actor = Pool::new(pool("a"), client, PACE, ledger.recipient(), clock, Supervision::new("pool a", clock, fuse));
        let (report, reports) = mpsc::unbounded_channel();
        let finished = neighbour(move |finished: PollFinished| {
            report.send(finished.report).expect("the test listens");
            ready(())
        });
        Self { feed, pool: Supervisor::start(|_| actor), clock, batches, finished: finished.recipient(), reports }
    }

    async fn round(&mut self, count: usize) -> PollReport {
        let jobs = (1..=count).map(|id| PollJob { player: player(id), wallet: wallet(&format!("W{id}")) });
        let poll = PollNow {
            cycle: 1,
            jobs: jobs.collect::<Arc<[_]>>(),
            era: 0,
            tick: self.clock.now(),
            spread: Duration::from_secs(60),
            finished: self.finished.clone(),
        };
        self.pool.send(poll).await.expect("a living pool actor").expect("the pool is free");
        self.reports.recv().await.expect("a living bench")
    }
}

#[actix_rt::test]
async fn one_request_brings_a_reading_for_every_wallet() {
    tokio::time::pause();
    let mut bench = Bench::new();
    let report = bench.round(1_250).await;
    assert_eq!((report.wallets, report.requests, report.readings, report.not_asked), (1_250, 1, 1_249, 0));
    assert_eq!(report.failures.into_iter().collect::<Vec<_>>(), [("unknown_wallet", 1)]);
    assert_eq!(*bench.feed.asked.borrow(), [1_250]);
    let batches = bench.batches.borrow();
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 249], "no more at once than from other pools");
    let expected: Vec<String> = (1..=1_250).filter(|id| *id != 7).map(|id| format!("W{id}")).collect();
    assert_eq!(batches.concat(), expected);
}

#[actix_rt::test]
async fn a_feed_that_cannot_be_read_says_nothing_of_anybody() {
    tokio::time::pause();
    let mut bench = Bench::new();
    bench.feed.failures.set(1);
    let report = bench.round(20).await;
    assert_eq!((report.requests, report.readings, report.not_asked), (1, 0, 0));
    assert_eq!(report.failures.into_iter().collect::<Vec<_>>(), [("timeout", 1)]);
    assert!(bench.batches.borrow().is_empty());
    assert_eq!(bench.round(20).await.readings, 19);
}

#[actix_rt::test]
async fn a_round_without_players_asks_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.round(0).await.requests, 0);
    assert!(bench.feed.asked.borrow().is_empty());
}
