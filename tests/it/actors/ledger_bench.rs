//! A ledger on a real database, in real time.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use entity::{mining_events, players};
use pool_poller::actors::ReportMetrics;
use pool_poller::actors::ledger::{Ledger, LedgerError, RecordObservations, Recorded, RewardsReady, Subscribe};
use pool_poller::actors::supervision::{Fatal, Fuse, Supervision};
use pool_poller::clock::Clock;
use pool_poller::domain::payout::{FirstReading, Policy};
use pool_poller::domain::{Counter, Figures, Reading};
use pool_poller::store::book::{Observation, Rules, SnapshotPolicy};
use pool_poller::store::{connect, migrate, now_utc, players as people};
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, EntityTrait as _, SqliteTransactionMode, TransactionOptions,
    TransactionTrait as _,
};
use serde_json::Value;
use tokio::sync::mpsc;

use super::bench::{amount, neighbour, player, pool, wallet};

/// More than anything here takes, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the ledger of the tests goes by.
pub(crate) fn rules() -> Rules {
    Rules {
        policy: Policy {
            first_reading: FirstReading::Baseline,
            min_payout_delta: amount("0.0001"),
            max_payout_delta: amount("100000"),
            ap_per_advc: "100".parse().expect("a rate"),
        },
        rates: HashMap::new(),
        snapshots: SnapshotPolicy::Changed,
    }
}

pub(crate) struct Bench {
    pub(crate) db: DatabaseConnection,
    pub(crate) url: String,
    pub(crate) ledger: Addr<Ledger>,
    /// Hints that came.
    pub(crate) hints: Rc<Cell<u32>>,
    pub(crate) fatal: mpsc::UnboundedReceiver<Fatal>,
    /// Goes with the bench.
    _folder: Option<tempfile::TempDir>,
}

impl Bench {
    /// On a SQLite file, with players from 1 to 6 whose wallets are W1, W2 …
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}/ledger.db?mode=rwc", folder.path().display());
        let mut bench = Self::new(&url).await;
        bench._folder = Some(folder);
        bench
    }

    /// The same on any empty database.
    pub(crate) async fn new(url: &str) -> Self {
        let db = connect(url, "test").await.expect("a database");
        migrate(&db).await.expect("an empty database");
        for id in 1..=6 {
            let player = people::NewPlayer {
                username: format!("player {id}"),
                email: format!("{id}@example.org"),
                wallet: wallet(&format!("W{id}")),
                pool_wallets: vec![],
                verified: true,
            };
            people::add(&db, player, now_utc()).await.expect("a new player");
        }
        Self::restarted(url, db)
    }

    /// A new ledger on a database that is there already, as after a restart of the program.
    pub(crate) fn restarted(url: &str, db: DatabaseConnection) -> Self {
        let (fuse, fatal) = Fuse::new();
        let supervision = Supervision::new("ledger", Clock::start(), fuse);
        let actor = Ledger::new(db.clone(), Arc::new(rules()), false, supervision);
        let ledger = Supervisor::start(|_| actor);
        let hints: Rc<Cell<u32>> = Rc::default();
        let counted = Rc::clone(&hints);
        let subscriber = neighbour(move |_: RewardsReady| {
            counted.set(counted.get() + 1);
            std::future::ready(())
        });
        ledger.do_send(Subscribe(subscriber.recipient()));
        Self { db, url: url.to_owned(), ledger, hints, fatal, _folder: None }
    }

    /// Hands readings over, each of a player by number; the message is in the ledger's mailbox when this returns.
    pub(crate) fn record(
        &self,
        from: &str,
        paid: &[(usize, &str)],
    ) -> impl Future<Output = Result<Recorded, LedgerError>> + use<> {
        let readings = paid.iter().map(|(of, paid)| reading(from, *of, &format!("W{of}"), paid)).collect();
        self.record_all(from, readings)
    }

    pub(crate) fn record_all(
        &self,
        from: &str,
        observations: Vec<Observation>,
    ) -> impl Future<Output = Result<Recorded, LedgerError>> + use<> {
        let sent = self.ledger.send(RecordObservations { pool: pool(from), observations: Arc::new(observations) });
        async { within("the ledger's answer", sent).await.expect("a living ledger") }
    }

    pub(crate) async fn metrics(&self) -> Value {
        within("the metrics", self.ledger.send(ReportMetrics)).await.expect("a living ledger")
    }

    /// A player's totals: AP and ADVC.
    pub(crate) async fn total(&self, of: usize) -> String {
        let row = players::Entity::find_by_id(player(of).0).one(&self.db).await.expect("a query").expect("a player");
        format!("{} AP {} ADVC", row.total_ap.0.normalize(), row.total_advc_mined.0.normalize())
    }

    pub(crate) async fn events(&self) -> Vec<mining_events::Model> {
        mining_events::Entity::find().all(&self.db).await.expect("a query")
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.db.execute_unprepared(sql).await.expect("a valid statement");
    }

    /// Takes SQLite's only write lock, by a connection of its own, until the answer is rolled back.
    pub(crate) async fn lock(&self) -> DatabaseTransaction {
        let other = connect(&self.url, "lock").await.expect("a second connection");
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        other.begin_with_options(options).await.expect("the lock")
    }
}

pub(crate) fn reading(from: &str, of: usize, address: &str, paid: &str) -> Observation {
    Observation::Reading(Reading {
        player: player(of),
        pool: pool(from),
        wallet: wallet(address),
        currency: "ADVC".parse().expect("a currency"),
        counters: vec![Counter { source: "/paid".into(), paid: amount(paid) }],
        listed: None,
        figures: Figures::default(),
        raw: "{}".to_owned(),
    })
}

/// Awaits what must come.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}: never");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A task's outcome, for looking at whether it is there yet.
pub(crate) struct Pending<T>(Rc<RefCell<Option<T>>>);

impl<T: 'static> Pending<T> {
    pub(crate) fn spawn(future: impl Future<Output = T> + 'static) -> Self {
        let slot: Rc<RefCell<Option<T>>> = Rc::default();
        let filled = Rc::clone(&slot);
        actix_rt::spawn(async move {
            let outcome = future.await;
            *filled.borrow_mut() = Some(outcome);
        });
        Self(slot)
    }

    pub(crate) fn is_there(&self) -> bool {
        self.0.borrow().is_some()
    }

    pub(crate) async fn get(&self) -> T {
        until("the outcome", async || self.is_there()).await;
        self.0.borrow_mut().take().expect("it is there")
    }
}
