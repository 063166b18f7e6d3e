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

use entity::{Money, players};
use pool_poller::domain::payout::{FirstReading, Policy};
use pool_poller::domain::{Counter, Figures, PlayerId, Reading};
use pool_poller::store::book::{Book, Observation, Rules, SnapshotPolicy};
use pool_poller::store::now_utc;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    DatabaseConnection, EntityTrait as _,
};

#[path = "support/payouts.rs"]
mod payouts;
mod support;
use payouts::{Answer, BATCH, Payouts, paid};
use support::{fresh, median, open};

/// Players, each with one wallet on one pool.
const PLAYERS: usize = 5_000;
/// The pool.
const POOL: &str = "rplant";
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
    let bare = Payouts::new(for_bare, &[POOL], |_, _, _| Answer { raw: RAW.to_owned(), ..Answer::default() }).await;
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
        for (_, statements) in transactions {
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

fn batches(round: usize) -> Vec<Vec<Observation>> {
    let reading = |number: usize| {
        Observation::Reading(Reading {
            player: PlayerId(i32::try_from(number).unwrap()),
            pool: POOL.parse().unwrap(),
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
