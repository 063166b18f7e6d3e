//! The ceiling of storing: a loop that knows nothing and issues the multi-row statements of a payday, built beforehand, to a
//! database of the same engine: for each payout its position, its player, the event and the snapshot, and the mark that the game
//! server has acknowledged it.

use std::io::BufRead as _;
use std::time::Instant;

use chrono::NaiveDateTime;
use entity::{Money, mining_events, pool_snapshots, positions};
use pool_poller::domain::Amount;
use pool_poller::store::{connect, now_utc, writer};
use rust_decimal::Decimal;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ConnectionTrait as _, DatabaseConnection, DbBackend, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QueryTrait as _, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait as _, Value,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::board::{POOLS, Shown, wallet};
use super::child::say;
use super::database::runtime;
use super::pools::answer;

/// Payouts of one transaction.
const BATCH: usize = 500;
/// Marks of one statement.
const MARKS: usize = 256;

/// How the loop is started.
#[derive(Serialize, Deserialize)]
pub(crate) struct Setup {
    /// A database with the players.
    pub(crate) database: String,
    pub(crate) players: usize,
    pub(crate) rounds: usize,
}

/// A payday of everybody on every pool.
#[derive(Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) seconds: f64,
}

/// The process.
pub(crate) fn run(setup: &Setup) {
    runtime().block_on(async {
        let db = writer(&connect(&setup.database, "bench").await.expect("a database"));
        let bare = Bare::new(&db, setup.players).await;
        for round in 1..=setup.rounds {
            let transactions = bare.build(round);
            // The harness says when.
            if std::io::stdin().lock().read_line(&mut String::new()).expect("a line") == 0 {
                break;
            }
            let began = Instant::now();
            for transaction in transactions {
                bare.issue(transaction).await;
            }
            say(&Round { seconds: began.elapsed().as_secs_f64() });
        }
        db.close().await.expect("closed");
    });
}

/// Statements in a transaction, and those that come after it.
struct Transaction {
    inside: Vec<Statement>,
    after: Vec<Statement>,
}

struct Bare {
    db: DatabaseConnection,
    positions: Vec<positions::Model>,
}

/// What was paid to everybody after `round` payouts of 1.5.
fn paid(round: usize) -> Amount {
    Amount::from_units(1_000_000_000 + 150_000_000 * i128::try_from(round).expect("few")).expect("small")
}

impl Bare {
    /// Opens everybody's positions.
    async fn new(db: &DatabaseConnection, players: usize) -> Self {
        let now = now_utc();
        let all: Vec<(usize, &str)> = POOLS.iter().flat_map(|pool| (1..=players).map(move |player| (player, *pool))).collect();
        for chunk in all.chunks(BATCH) {
            let rows = chunk.iter().map(|(player, pool)| positions::ActiveModel {
                player_id: Set(i32::try_from(*player).expect("few")),
                pool_name: Set((*pool).to_owned()),
                address: Set(wallet(*player)),
                currency: Set("ADVC".to_owned()),
                source: Set("/total".to_owned()),
                baseline: Set(Money(paid(0).to_decimal())),
                high_water: Set(Money(paid(0).to_decimal())),
                sequence: Set(0),
                readings: Set(3),
                began_at_zero: Set(false),
                epoch: Set(0),
                created_at: Set(now),
                updated_at: Set(now),
                ..Default::default()
            });
            positions::Entity::insert_many(rows).exec_without_returning(db).await.expect("positions");
        }
        let positions = positions::Entity::find().order_by_asc(positions::Column::Id).all(db).await.expect("positions");
        Self { db: db.clone(), positions }
    }

    fn build(&self, round: usize) -> Vec<Transaction> {
        let now = now_utc();
        self.positions.chunks(BATCH).map(|chunk| self.transaction(chunk, round, now)).collect()
    }

    fn transaction(&self, chunk: &[positions::Model], round: usize, now: NaiveDateTime) -> Transaction {
        let backend = self.db.get_database_backend();
        let money = |amount: Amount| Money(amount.to_decimal());
        let (before, after) = (paid(round - 1), paid(round));
        let sequence = i64::try_from(round).expect("few");
        // As random as the daemon's: where in its index an id comes costs more than anything else about it.
        let id_of =
            |row: &positions::Model| Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{}/{sequence}", row.id).as_bytes()).to_string();
        let position_rows = chunk.iter().map(|row| -> Vec<Value> {
            let digest = format!("{after}|0.41|0");
            vec![row.id.into(), (sequence - 1).into(), money(after).into(), sequence.into(), digest.into(), now.into()]
        });
        let ids: Vec<String> = chunk.iter().map(|row| row.player_id.to_string()).collect();
        let lock = if backend == DbBackend::Postgres { " FOR UPDATE" } else { "" };
        let columns = "id, username, event_sequence, total_ap, total_advc_mined";
        let select = format!("SELECT {columns} FROM players WHERE id IN ({}) ORDER BY id{lock}", ids.join(","));
        let pool_of = |row: &positions::Model| POOLS.iter().position(|pool| *pool == row.pool_name).expect("a pool");
        // A player's number within the player: three pools pay in each round.
        let number = |row: &positions::Model| {
            let pool = pool_of(row);
            (sequence - 1) * 3 + i64::try_from(pool).expect("few") + 1
        };
        let total = |row: &positions::Model| Amount::from_units(150_000_000 * i128::from(number(row))).expect("small");
        let points = |row: &positions::Model| Amount::from_units(15_000_000_000 * i128::from(number(row))).expect("small");
        let player_rows = chunk.iter().map(|row| -> Vec<Value> {
            vec![row.player_id.into(), money(points(row)).into(), money(total(row)).into(), number(row).into(), now.into()]
        });
        let advc: Amount = "1.5".parse().expect("an amount");
        let events = chunk.iter().map(|row| mining_events::ActiveModel {
            player_id: Set(row.player_id),
            pool_name: Set(row.pool_name.clone()),
            advc_amount: Set(money(advc)),
            ap_awarded: Set(money("150".parse().expect("an amount"))),
            previous_paid: Set(money(before)),
            current_paid: Set(money(after)),
            event_time: Set(now),
            processed: Set(true),
            notified: Set(false),
            event_id: Set(Some(id_of(row))),
            position_id: Set(Some(row.id)),
            position_sequence: Set(Some(sequence)),
            player_sequence: Set(Some(number(row))),
            address: Set(Some(row.address.clone())),
            native_amount: Set(Some(money(advc))),
            native_previous: Set(Some(money(before))),
            native_current: Set(Some(money(after))),
            currency: Set(Some("ADVC".to_owned())),
            rate: Set(Some(Money(Decimal::ONE))),
            status: Set("awarded".to_owned()),
            total_ap_after: Set(Some(money(points(row)))),
            total_advc_after: Set(Some(money(total(row)))),
            delivery_attempts: Set(0),
            delivery_dead: Set(false),
            epoch: Set(0),
            ap_per_advc: Set(Some(Money(Decimal::ONE_HUNDRED))),
            ..Default::default()
        });
        // What is read of the answers below, each pool's; nothing where it does not say it.
        let figure = |row: &positions::Model, of: [&str; 3]| of[pool_of(row)].parse().ok().map(money);
        let mut body = String::new();
        let mut raw = |row: &positions::Model| {
            let pool = pool_of(row);
            let shown = Shown { payouts: u32::try_from(round).expect("few"), speed: 0 };
            answer(&mut body, pool, usize::try_from(row.player_id).expect("positive"), shown);
            body.clone()
        };
        let snapshots = chunk.iter().map(|row| pool_snapshots::ActiveModel {
            player_id: Set(row.player_id),
            pool_name: Set(row.pool_name.clone()),
            paid: Set(money(after)),
            total_hash: Set(figure(row, ["48211", "", ""])),
            total_shares: Set(figure(row, ["1271.44", "", ""])),
            immature: Set(figure(row, ["0", "0.02", "0.00014"])),
            balance: Set(figure(row, ["0.41", "0.31", "0.0031"])),
            raw_response: Set(Some(raw(row))),
            snapshot_time: Set(now),
            address: Set(Some(row.address.clone())),
            native_paid: Set(Some(money(after))),
            currency: Set(Some("ADVC".to_owned())),
            rate: Set(Some(Money(Decimal::ONE))),
            ..Default::default()
        });
        let inside = vec![
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
        ];
        let mark = |chunk: &[positions::Model]| {
            mining_events::Entity::update_many()
                .col_expr(mining_events::Column::Notified, Expr::value(true))
                .col_expr(mining_events::Column::NextAttemptAt, Expr::value(None::<NaiveDateTime>))
                .filter(Expr::col(mining_events::Column::EventId).is_in(chunk.iter().map(&id_of)))
                .build(backend)
        };
        Transaction { inside, after: chunk.chunks(MARKS).map(mark).collect() }
    }

    async fn issue(&self, Transaction { inside, after }: Transaction) {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.db.begin_with_options(options).await.expect("a transaction");
        for statement in inside {
            if statement.sql.starts_with("SELECT") {
                assert!(!transaction.query_all_raw(statement).await.expect("rows").is_empty());
            } else {
                assert!(transaction.execute_raw(statement).await.expect("a statement").rows_affected() > 0);
            }
        }
        transaction.commit().await.expect("a commit");
        for statement in after {
            assert!(self.db.execute_raw(statement).await.expect("a statement").rows_affected() > 0);
        }
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
