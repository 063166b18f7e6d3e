//! The ceiling of storing: a loop that knows nothing and issues the multi-row statements of a payday, built beforehand, to a
//! database of the same engine: the rows of each payout, and the mark that the game server has acknowledged it.

use std::io::BufRead as _;
use std::time::Instant;

use chrono::NaiveDateTime;
use entity::{Money, mining_events, positions};
use pool_poller::domain::Amount;
use pool_poller::store::{connect, now_utc, writer};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ActiveValue::Set, DatabaseConnection, DbBackend, EntityTrait as _, QueryFilter as _, QueryTrait as _, Statement};
use serde::{Deserialize, Serialize};

use super::board::{POOLS, Shown, wallet};
use super::child::say;
use super::database::runtime;
use super::payouts::{Answer, BATCH, Payouts, event_id, paid};
use super::pools::answer;

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
        open_positions(&db, setup.players).await;
        let bare = Payouts::new(&db, &POOLS, said).await;
        for round in 1..=setup.rounds {
            let transactions: Vec<(Vec<Statement>, Vec<Statement>)> = bare
                .build(round)
                .into_iter()
                .map(|(paid, inside)| (inside, marks(db.get_database_backend(), paid, round)))
                .collect();
            // The harness says when.
            if std::io::stdin().lock().read_line(&mut String::new()).expect("a line") == 0 {
                break;
            }
            let began = Instant::now();
            for (inside, marks) in transactions {
                bare.issue(inside).await;
                for mark in marks {
                    bare.issue(vec![mark]).await;
                }
            }
            say(&Round { seconds: began.elapsed().as_secs_f64() });
        }
        db.close().await.expect("closed");
    });
}

/// Opens everybody's positions.
async fn open_positions(db: &DatabaseConnection, players: usize) {
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
}

/// What a pool's answer holds, and what is read of it; nothing where it does not say it.
fn said(pool: usize, position: &positions::Model, round: usize) -> Answer {
    let figure = |of: [&str; 3]| of[pool].parse().ok().map(|amount: Amount| Money(amount.to_decimal()));
    let mut raw = String::new();
    let shown = Shown { payouts: u32::try_from(round).expect("few"), speed: 0 };
    answer(&mut raw, pool, usize::try_from(position.player_id).expect("positive"), shown);
    Answer {
        raw,
        total_hash: figure(["48211", "", ""]),
        total_shares: figure(["1271.44", "", ""]),
        immature: figure(["0", "0.02", "0.00014"]),
        balance: figure(["0.41", "0.31", "0.0031"]),
    }
}

fn marks(backend: DbBackend, paid: &[positions::Model], round: usize) -> Vec<Statement> {
    let mark = |chunk: &[positions::Model]| {
        mining_events::Entity::update_many()
            .col_expr(mining_events::Column::Notified, Expr::value(true))
            .col_expr(mining_events::Column::NextAttemptAt, Expr::value(None::<NaiveDateTime>))
            .filter(Expr::col(mining_events::Column::EventId).is_in(chunk.iter().map(|position| event_id(position, round))))
            .build(backend)
    };
    paid.chunks(MARKS).map(mark).collect()
}
