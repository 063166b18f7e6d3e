//! What the ledger costs above the statements it issues: a payday in which every reading is a payout, decided and stored by
//! the book, against a bare loop that issues the same multi-row statements, prepared beforehand, to a database of the same
//! engine in the same run.
//!
//! `cargo bench --bench ledger` prints one table; SQLite always, PostgreSQL where `POOL_POLLER_TEST_PG` names a server (a superuser's
//! URL). A ratio is what counts: absolute figures are the machine's.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::float_arithmetic)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;
use entity::{Money, mining_events, players, pool_snapshots, positions};
use pool_poller::domain::payout::{FirstReading, Policy};
use pool_poller::domain::{Amount, Counter, Figures, PlayerId, Reading};
use pool_poller::store::book::{Book, Observation, Rules, SnapshotPolicy};
use pool_poller::store::now_utc;
use rust_decimal::Decimal;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait as _, DatabaseConnection, DbBackend, EntityTrait as _, QueryOrder as _, QueryTrait as _,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait as _, Value,
};

mod support;
use support::{fresh, median, open};

/// Players, each with one wallet on one pool.
const PLAYERS: usize = 5_000;
/// Readings of one transaction.
const BATCH: usize = 500;
/// Timed rounds over all players; the median counts.
const ROUNDS: usize = 5;
/// Rows written for one payout: its position, its player, the event and the snapshot.
const ROWS_PER_PAYOUT: usize = 4;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    actix_rt::System::new().block_on(async {
        println!("{:<12} {:<6} {:>10} {:>10} {:>12}", "engine", "who", "tx/s", "rows/s", "payouts/s");
        let url = |name: &str| format!("sqlite://{}/{name}.db?mode=rwc", folder.path().display());
        compare("sqlite", &open(&url("book")).await, &open(&url("bare")).await).await;
        match std::env::var("POOL_POLLER_TEST_PG") {
            Ok(server) => {
                let (book, bare) = (fresh(&server, "bench_book").await, fresh(&server, "bench_bare").await);
                compare("postgresql", &open(&book).await, &open(&bare).await).await;
            }
            Err(_) => println!("postgresql   not measured: POOL_POLLER_TEST_PG is not set"),
        }
    });
}

async fn compare(engine: &str, for_book: &DatabaseConnection, for_bare: &DatabaseConnection) {
    let (mut by_book, mut by_bare) = (Vec::new(), Vec::new());
    let mut book = prepare(for_book).await;
    drop(prepare(for_bare).await);
    let mut bare = Bare::new(for_bare).await;
    // In turns, so that what else the machine does meets both alike. The first round warms up and is not counted.
    for round in 1..=ROUNDS + 1 {
        let batches = batches(round);
        let began = Instant::now();
        for batch in &batches {
            let report = book.record(batch, now_utc()).await.expect("a commit");
            assert_eq!(report.awards.len(), BATCH);
        }
        by_book.push(began.elapsed());
        let transactions = bare.build(round);
        let began = Instant::now();
        for statements in transactions {
            bare.issue(statements).await;
        }
        by_bare.push(began.elapsed());
    }
    // The first round warmed up.
    let seconds = |times: &[Duration]| times.iter().skip(1).map(Duration::as_secs_f64).collect::<Vec<f64>>();
    let (by_book, by_bare) = (seconds(&by_book), seconds(&by_bare));
    let ((book, ..), (bare, ..)) = (median(&by_book), median(&by_bare));
    for (who, seconds) in [("book", book), ("bare", bare)] {
        let (transactions, payouts) = ((PLAYERS / BATCH) as f64 / seconds, PLAYERS as f64 / seconds);
        println!("{engine:<12} {who:<6} {transactions:>10.0} {:>10.0} {payouts:>12.0}", payouts * ROWS_PER_PAYOUT as f64);
    }
    let ratios: Vec<f64> = by_book.iter().zip(&by_bare).map(|(book, bare)| bare / book).collect();
    let (_, low, high) = median(&ratios);
    println!("{engine:<12} ratio  {:.2} ({low:.2} to {high:.2})", bare / book);
}

/// Adds the players and opens their positions.
async fn prepare(db: &DatabaseConnection) -> Book {
    let now = now_utc();
    for chunk in (1..=PLAYERS).collect::<Vec<_>>().chunks(BATCH) {
        let rows = chunk.iter().map(|number| players::ActiveModel {
            id: NotSet,
            username: Set(format!("player{number}")),
            email: Set(format!("player{number}@example.org")),
            wallet_address: Set(wallet(*number)),
            total_ap: Set(Money::default()),
            total_advc_mined: Set(Money::default()),
            level: Set(1),
            verified: Set(true),
            active: Set(true),
            created_at: Set(now),
            updated_at: Set(now),
            last_mining_event: Set(None),
            event_sequence: Set(0),
        });
        players::Entity::insert_many(rows).exec_without_returning(db).await.expect("players");
    }
    let policy = Policy {
        first_reading: FirstReading::Baseline,
        min_payout_delta: "0.0001".parse().unwrap(),
        max_payout_delta: "100000".parse().unwrap(),
        ap_per_advc: "100".parse().unwrap(),
    };
    let rules = Rules { policy, rates: HashMap::new(), snapshots: SnapshotPolicy::Changed };
    let mut book = Book::new(db.clone(), Arc::new(rules), false);
    for batch in batches(0) {
        book.record(&batch, now).await.expect("positions");
    }
    book
}

fn wallet(number: usize) -> String {
    format!("ABenchWallet{number:022}")
}

/// The counter of every player after `round` payouts of 1.5 ADVC.
fn paid(round: usize) -> Amount {
    Amount::from_units(1_000_000_000 + 150_000_000 * i128::try_from(round).unwrap()).unwrap()
}

fn batches(round: usize) -> Vec<Vec<Observation>> {
    let reading = |number: usize| {
        Observation::Reading(Reading {
            player: PlayerId(i32::try_from(number).unwrap()),
            pool: "rplant".parse().unwrap(),
            wallet: wallet(number).parse().unwrap(),
            currency: "ADVC".parse().unwrap(),
            counters: vec![Counter { source: "/total".into(), paid: paid(round) }],
            listed: None,
            figures: Figures::default(),
            raw: RAW.to_owned(),
        })
    };
    (1..=PLAYERS).collect::<Vec<_>>().chunks(BATCH).map(|chunk| chunk.iter().map(|number| reading(*number)).collect()).collect()
}

const RAW: &str =
    r#"{"coin":"adventurecoin","address":"ABenchWallet","balance":1.5,"unsold":0,"unpaid":1.5,"paid24h":1.5,"total":12}"#;

/// The bare loop: knows nothing and issues statements.
struct Bare {
    db: DatabaseConnection,
    positions: Vec<positions::Model>,
}

impl Bare {
    async fn new(db: &DatabaseConnection) -> Self {
        let positions = positions::Entity::find().order_by_asc(positions::Column::PlayerId).all(db).await.expect("positions");
        Self { db: db.clone(), positions }
    }

    /// The statements of a round, one list a transaction.
    fn build(&mut self, round: usize) -> Vec<Vec<Statement>> {
        let now = now_utc();
        self.positions.chunks(BATCH).map(|chunk| self.transaction(chunk, round, now)).collect()
    }

    fn transaction(&self, chunk: &[positions::Model], round: usize, now: NaiveDateTime) -> Vec<Statement> {
        let backend = self.db.get_database_backend();
        let money = |amount: Amount| Money(amount.to_decimal());
        let (before, after) = (paid(round - 1), paid(round));
        let sequence = i64::try_from(round).unwrap();
        let position_rows = chunk.iter().map(|row| -> Vec<Value> {
            vec![
                row.id.into(),
                (sequence - 1).into(),
                money(after).into(),
                sequence.into(),
                format!("{after}||").into(),
                now.into(),
            ]
        });
        let ids: Vec<String> = chunk.iter().map(|row| row.player_id.to_string()).collect();
        let lock = if backend == DbBackend::Postgres { " FOR UPDATE" } else { "" };
        let select = format!("SELECT * FROM players WHERE id IN ({}) ORDER BY id{lock}", ids.join(","));
        let total = Amount::from_units(150_000_000 * i128::from(sequence)).unwrap();
        let points = Amount::from_units(15_000_000_000 * i128::from(sequence)).unwrap();
        let player_rows = chunk.iter().map(|row| -> Vec<Value> {
            vec![row.player_id.into(), money(points).into(), money(total).into(), sequence.into(), now.into()]
        });
        let advc = "1.5".parse::<Amount>().unwrap();
        let events = chunk.iter().map(|row| mining_events::ActiveModel {
            player_id: Set(row.player_id),
            pool_name: Set(row.pool_name.clone()),
            advc_amount: Set(money(advc)),
            ap_awarded: Set(money("150".parse().unwrap())),
            previous_paid: Set(money(before)),
            current_paid: Set(money(after)),
            event_time: Set(now),
            processed: Set(true),
            notified: Set(false),
            event_id: Set(Some(format!("00000000-0000-5000-8000-{:012x}", row.id * 1_000 + sequence))),
            position_id: Set(Some(row.id)),
            position_sequence: Set(Some(sequence)),
            player_sequence: Set(Some(sequence)),
            address: Set(Some(row.address.clone())),
            native_amount: Set(Some(money(advc))),
            native_previous: Set(Some(money(before))),
            native_current: Set(Some(money(after))),
            currency: Set(Some("ADVC".to_owned())),
            rate: Set(Some(Money(Decimal::ONE))),
            status: Set("awarded".to_owned()),
            total_ap_after: Set(Some(money(points))),
            total_advc_after: Set(Some(money(total))),
            ..Default::default()
        });
        let snapshots = chunk.iter().map(|row| pool_snapshots::ActiveModel {
            player_id: Set(row.player_id),
            pool_name: Set(row.pool_name.clone()),
            paid: Set(money(after)),
            raw_response: Set(Some(RAW.to_owned())),
            snapshot_time: Set(now),
            address: Set(Some(row.address.clone())),
            native_paid: Set(Some(money(after))),
            currency: Set(Some("ADVC".to_owned())),
            rate: Set(Some(Money(Decimal::ONE))),
            ..Default::default()
        });
        vec![
            update(
                backend,
                "UPDATE positions SET high_water = v.column3, sequence = v.column4, snapshot_digest = v.column5, snapshot_at = v.column6, \
                 updated_at = v.column6 FROM (VALUES %) AS v WHERE positions.id = v.column1 AND positions.sequence = v.column2",
                &["bigint", "bigint", "numeric", "bigint", "text", "timestamp"],
                position_rows.collect(),
            ),
            Statement::from_string(backend, select),
            update(
                backend,
                "UPDATE players SET total_ap = v.column2, total_advc_mined = v.column3, event_sequence = v.column4, \
                 last_mining_event = v.column5, updated_at = v.column5 FROM (VALUES %) AS v WHERE players.id = v.column1",
                &["integer", "numeric", "numeric", "bigint", "timestamp"],
                player_rows.collect(),
            ),
            mining_events::Entity::insert_many(events).build(backend),
            pool_snapshots::Entity::insert_many(snapshots).build(backend),
        ]
    }

    async fn issue(&self, statements: Vec<Statement>) {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.db.begin_with_options(options).await.expect("a transaction");
        for statement in statements {
            if statement.sql.starts_with("SELECT") {
                assert_eq!(transaction.query_all_raw(statement).await.expect("rows").len(), BATCH);
            } else {
                assert_eq!(transaction.execute_raw(statement).await.expect("a statement").rows_affected(), BATCH as u64);
            }
        }
        transaction.commit().await.expect("a commit");
    }
}

/// An update of many rows; `%` stands for the tuples.
fn update(backend: DbBackend, sql: &str, types: &[&str], rows: Vec<Vec<Value>>) -> Statement {
    let mut number = 0;
    let mut tuple = || {
        let places = types.iter().map(|kind| {
            number += 1;
            if backend == DbBackend::Postgres { format!("CAST(${number} AS {kind})") } else { "?".to_owned() }
        });
        format!("({})", places.collect::<Vec<_>>().join(", "))
    };
    let tuples: Vec<String> = rows.iter().map(|_| tuple()).collect();
    Statement::from_sql_and_values(backend, sql.replace('%', &tuples.join(", ")), rows.into_iter().flatten())
}
