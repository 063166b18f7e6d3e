//! A database with the tables, on either engine, and short words for what the tests do with it.

use std::collections::HashMap;
use std::sync::Arc;

use entity::{anomalies, mining_events, players, positions};
use pool_poller::domain::payout::{FirstReading, Policy};
use pool_poller::domain::{Amount, Counter, Figures, PlayerId, Reading};
use pool_poller::store::book::{Book, Observation, Report, Rules, SnapshotPolicy};
use pool_poller::store::players::NewPlayer;
use pool_poller::store::{Next, connect, migrate, now_utc, players as people};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, EntityTrait as _, QueryOrder as _, QueryResult, Statement};
use tempfile::TempDir;

use crate::support::pg::TestDatabase;

/// The pool of most readings.
pub(super) const POOL: &str = "rplant";

/// A migrated database.
pub(super) struct Bench {
    /// A pool of connections as the daemon opens it.
    pub(super) db: DatabaseConnection,
    url: String,
    /// Dropped last.
    _folder: TempDir,
    _database: Option<TestDatabase>,
}

impl Bench {
    /// On a SQLite file.
    pub(super) async fn sqlite() -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        let url = format!("sqlite://{}/m2p.db?mode=rwc", folder.path().display());
        Self::open(url, folder, None).await
    }

    /// On PostgreSQL.
    pub(super) async fn postgres() -> Self {
        let database = TestDatabase::create().await;
        let url = database.url().to_owned();
        Self::open(url, TempDir::new().expect("a temporary directory"), Some(database)).await
    }

    async fn open(url: String, folder: TempDir, database: Option<TestDatabase>) -> Self {
        let db = connect(&url, "test").await.expect("a database");
        migrate(&db).await.expect("the tables");
        Self { db, url, _folder: folder, _database: database }
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.db.get_database_backend() == DbBackend::Postgres
    }

    /// Another pool of connections, as a second daemon opens it.
    pub(super) async fn connect_again(&self) -> DatabaseConnection {
        connect(&self.url, "test").await.expect("a database")
    }

    /// Adds verified players with these names, whose wallets are the names with a `W` before them.
    pub(super) async fn players(&self, names: &[&str]) {
        for name in names {
            self.player(name, &format!("W{name}")).await;
        }
    }

    /// Adds one verified player and answers the id.
    pub(super) async fn player(&self, name: &str, wallet: &str) -> i32 {
        let player = NewPlayer {
            username: name.to_owned(),
            email: format!("{name}@example.org"),
            wallet: wallet.parse().expect("a wallet"),
            pool_wallets: Vec::new(),
            verified: true,
        };
        people::add(&self.db, player, now_utc()).await.expect("a new player")
    }

    /// A book with the default settings.
    pub(super) fn book(&self) -> Book {
        Book::new(self.db.clone(), rules(FirstReading::Baseline), false)
    }

    pub(super) async fn events(&self) -> Vec<mining_events::Model> {
        mining_events::Entity::find().order_by_asc(mining_events::Column::Id).all(&self.db).await.expect("events")
    }

    pub(super) async fn positions(&self) -> Vec<positions::Model> {
        positions::Entity::find().order_by_asc(positions::Column::Id).all(&self.db).await.expect("positions")
    }

    pub(super) async fn anomalies(&self) -> Vec<anomalies::Model> {
        anomalies::Entity::find().order_by_asc(anomalies::Column::Id).all(&self.db).await.expect("anomalies")
    }

    /// A player's totals as text: AP, ADVC, number of awards.
    pub(super) async fn total(&self, id: i32) -> String {
        let row = players::Entity::find_by_id(id).one(&self.db).await.expect("a query").expect("a player");
        format!("{} AP {} ADVC #{}", row.total_ap.0.normalize(), row.total_advc_mined.0.normalize(), row.event_sequence)
    }

    pub(super) async fn execute(&self, sql: &str) {
        self.db.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub(super) async fn query(&self, sql: &str) -> Vec<QueryResult> {
        let statement = Statement::from_string(self.db.get_database_backend(), sql);
        self.db.query_all_raw(statement).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The rows of a query whose columns are all texts.
    pub(super) async fn texts(&self, sql: &str) -> Vec<Vec<String>> {
        let row = |row: QueryResult| {
            let columns = row.column_names().len();
            let text = |index| row.try_get_by_index::<Option<String>>(index).expect("a text").unwrap_or_default();
            (0..columns).map(text).collect()
        };
        self.query(sql).await.into_iter().map(row).collect()
    }
}

/// The default settings.
pub(super) fn rules(first_reading: FirstReading) -> Arc<Rules> {
    rules_with(first_reading, "100000", "100")
}

/// The default settings with another largest payout and another rate of AP.
pub(super) fn rules_with(first_reading: FirstReading, max_payout_delta: &str, ap_per_advc: &str) -> Arc<Rules> {
    let policy = Policy {
        first_reading,
        min_payout_delta: amount("0.0001"),
        max_payout_delta: amount(max_payout_delta),
        ap_per_advc: ap_per_advc.parse().expect("a rate"),
    };
    let rate = |currency: &str, rate: &str| (currency.parse().expect("a currency"), rate.parse().expect("a rate"));
    let rates = HashMap::from([rate("BTC", "1000000"), rate("BIG", "999999999999999"), rate("TINY", "0.000000000000000001")]);
    Arc::new(Rules { policy, rates, snapshots: SnapshotPolicy::Changed })
}

pub(super) fn amount(text: &str) -> Amount {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A reading in ADVC.
pub(super) fn reading(player: i32, wallet: &str, paid: &str) -> Reading {
    Reading {
        player: PlayerId(player),
        pool: POOL.parse().expect("a pool"),
        wallet: wallet.parse().expect("a wallet"),
        currency: "ADVC".parse().expect("a currency"),
        counters: vec![Counter { source: "/paid".into(), paid: amount(paid) }],
        listed: None,
        figures: Figures::default(),
        raw: format!("{{\"paid\":{paid}}}"),
    }
}

/// A batch of one reading in ADVC.
pub(super) fn seen(player: i32, wallet: &str, paid: &str) -> Vec<Observation> {
    vec![Observation::Reading(reading(player, wallet, paid))]
}

/// Records a batch as the ledger does: an error that may pass is tried again.
pub(super) async fn record(book: &mut Book, batch: &[Observation]) -> Report {
    for _ in 0..100 {
        match book.record(batch, now_utc()).await {
            Ok(report) => return report,
            Err(error) => assert!(matches!(error.next(), Next::RetryNow | Next::RetryLater), "{error}"),
        }
    }
    panic!("the batch was refused a hundred times");
}
