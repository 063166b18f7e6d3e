//! A database of one test's own on either engine, with players in it, and the ledger's book on it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use chrono::NaiveDateTime;
use entity::{mining_events, players, positions};
use pool_poller::domain::payout::{FirstReading, Policy};
use pool_poller::domain::{Amount, Counter, Figures, PlayerId, Points, Reading};
use pool_poller::store::book::{Book, Observation, Report, Rules, SnapshotPolicy};
use pool_poller::store::decisions::Operator;
use pool_poller::store::verify::verify;
use pool_poller::store::{connect, migrate, now_utc, players as people};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, EntityTrait as _, QueryOrder as _};

use crate::support::pg::TestDatabase;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

/// Makes a test of each named function, which takes an [`Engine`], for each engine.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[actix_rt::test] async fn $name() { super::$name(super::Engine::Sqlite).await; })*
        }
        mod postgres {
            $(#[actix_rt::test] async fn $name() { super::$name(super::Engine::Postgres).await; })*
        }
    };
}
pub(super) use on_both_engines;

/// The database; it goes with this value.
pub(super) struct Bench {
    pub(super) db: DatabaseConnection,
    pub(super) url: String,
    pub(super) folder: tempfile::TempDir,
    pub(super) _database: Option<TestDatabase>,
}

/// The wallet of a player.
pub(super) fn wallet(player: i32) -> String {
    format!("AWallet{player:04}xxxxxxxxxxxxxxxxxxxxxx")
}

impl Bench {
    /// All tables, and two players.
    pub(super) async fn new(engine: Engine) -> Self {
        let bench = Self::empty(engine).await;
        migrate(&bench.db).await.unwrap();
        bench.player("ann").await;
        bench.player("bob").await;
        bench
    }

    /// Nothing at all.
    pub(super) async fn empty(engine: Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (url, database) = match engine {
            Engine::Sqlite => (format!("sqlite://{}/game.db?mode=rwc", folder.path().display()), None),
            Engine::Postgres => {
                let database = TestDatabase::create().await;
                (database.url().to_owned(), Some(database))
            }
        };
        let db = connect(&url, "test").await.unwrap();
        Self { db, url, folder, _database: database }
    }

    /// A file in the test's own folder.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds a player, whose wallet is that of the next id.
    pub(super) async fn player(&self, name: &str) -> i32 {
        let next = i32::try_from(people::list(&self.db).await.unwrap().len()).unwrap() + 1;
        let player = people::NewPlayer {
            username: name.into(),
            email: format!("{name}@example.org"),
            wallet: wallet(next).parse().unwrap(),
            pool_wallets: vec![],
            verified: true,
        };
        people::add(&self.db, player, now_utc()).await.unwrap()
    }

    /// A book that awards what is found from the first reading on, or all of it.
    pub(super) fn book(&self, first_reading: FirstReading) -> Book {
        Book::new(self.db.clone(), Arc::new(rules(first_reading, "1000000")), false)
    }

    pub(super) async fn run(&self, sql: &str) {
        self.db.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// In the order of their ids.
    pub(super) async fn events(&self) -> Vec<mining_events::Model> {
        mining_events::Entity::find().order_by_asc(mining_events::Column::Id).all(&self.db).await.unwrap()
    }

    /// In the order of their ids.
    pub(super) async fn positions(&self) -> Vec<positions::Model> {
        positions::Entity::find().order_by_asc(positions::Column::Id).all(&self.db).await.unwrap()
    }

    pub(super) async fn total(&self, player: i32) -> String {
        let row = players::Entity::find_by_id(player).one(&self.db).await.unwrap().unwrap();
        format!("{} AP {} ADVC #{}", row.total_ap.0.normalize(), row.total_advc_mined.0.normalize(), row.event_sequence)
    }

    /// Nothing may be wrong.
    pub(super) async fn assert_verified(&self) {
        let report = verify(&self.db).await.unwrap();
        assert_eq!(report.differences, [], "{report:?}");
    }

    /// Runs the real program on this database and on nothing else of the machine.
    pub(super) fn cli(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pool-poller"))
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", &self.url)
            .env("SOCKETIO_URL", "")
            .env("USER", "olga")
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    /// What the program prints; it must end with exit code 0.
    pub(super) fn say(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The one line in which the program complains, and its exit code.
    pub(super) fn complaint(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.cli(arguments);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap().trim_end().to_owned())
    }
}

/// The default settings, but for what is said.
pub(super) fn rules(first_reading: FirstReading, btc_rate: &str) -> Rules {
    Rules {
        policy: Policy {
            first_reading,
            min_payout_delta: amount("0.0001"),
            max_payout_delta: amount("100000"),
            ap_per_advc: "100".parse().unwrap(),
        },
        rates: HashMap::from([("BTC".parse().unwrap(), btc_rate.parse().unwrap())]),
        snapshots: SnapshotPolicy::Changed,
    }
}

pub(super) fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

pub(super) fn points(text: &str) -> Points {
    Points::new(amount(text))
}

/// What rplant says of a wallet.
pub(super) fn of_wallet(player: i32, wallet: &str, paid: &str) -> Observation {
    Observation::Reading(Reading {
        player: PlayerId(player),
        pool: "rplant".parse().unwrap(),
        wallet: wallet.parse().unwrap(),
        currency: "ADVC".parse().unwrap(),
        counters: vec![Counter { source: "/paid".into(), paid: amount(paid) }],
        listed: None,
        figures: Figures::default(),
        raw: format!(r#"{{"paid":{paid}}}"#),
    })
}

/// What rplant says of a player's own wallet.
pub(super) fn seen(player: i32, paid: &str) -> Observation {
    of_wallet(player, &wallet(player), paid)
}

/// Records one reading after another.
pub(super) async fn read(book: &mut Book, readings: &[(i32, &str)]) -> Report {
    let mut last = Report::default();
    for (player, paid) in readings {
        last = book.record(&[seen(*player, paid)], now_utc()).await.unwrap();
    }
    last
}

pub(super) fn olga() -> Operator {
    Operator::new("olga", "the pool said so").unwrap()
}

pub(super) fn now() -> NaiveDateTime {
    now_utc()
}
