//! The rows of a payday as multi-row statements that are built beforehand and know nothing: what the ledger is measured against. For
//! each payout its position, its player, the event and the snapshot.

use chrono::NaiveDateTime;
use entity::{Money, mining_events, pool_snapshots, positions};
use pool_poller::domain::Amount;
use pool_poller::store::{begin_to_write, now_utc};
use rust_decimal::Decimal;
use sea_orm::{
    ActiveValue::Set, ConnectionTrait as _, DatabaseConnection, DbBackend, EntityTrait as _, QueryOrder as _, QueryTrait as _,
    Statement, Value,
};
use uuid::Uuid;

/// Payouts of one transaction.
pub(crate) const BATCH: usize = 500;

/// What was paid to everybody after `round` payouts of 1.5.
pub(crate) fn paid(round: usize) -> Amount {
    Amount::from_units(1_000_000_000 + 150_000_000 * i128::try_from(round).expect("few")).expect("small")
}

/// The id of a position's event. As random as the daemon's: where in its index an id comes costs more than anything else about it.
pub(crate) fn event_id(position: &positions::Model, round: usize) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{}/{round}", position.id).as_bytes()).to_string()
}

/// What a pool says beside the counter.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) raw: String,
    pub(crate) total_hash: Option<Money>,
    pub(crate) total_shares: Option<Money>,
    pub(crate) immature: Option<Money>,
    pub(crate) balance: Option<Money>,
}

/// The positions into which is paid, each player's on each of the pools.
pub(crate) struct Payouts {
    db: DatabaseConnection,
    positions: Vec<positions::Model>,
    pools: &'static [&'static str],
    answer: fn(pool: usize, position: &positions::Model, round: usize) -> Answer,
}

impl Payouts {
    /// Into the positions that there are.
    pub(crate) async fn new(
        db: &DatabaseConnection,
        pools: &'static [&'static str],
        answer: fn(usize, &positions::Model, usize) -> Answer,
    ) -> Self {
        let positions = positions::Entity::find().order_by_asc(positions::Column::Id).all(db).await.expect("positions");
        Self { db: db.clone(), positions, pools, answer }
    }

    /// The positions of each transaction, and its statements.
    pub(crate) fn build(&self, round: usize) -> Vec<(&[positions::Model], Vec<Statement>)> {
        let now = now_utc();
        self.positions.chunks(BATCH).map(|chunk| (chunk, self.transaction(chunk, round, now))).collect()
    }

    fn transaction(&self, chunk: &[positions::Model], round: usize, now: NaiveDateTime) -> Vec<Statement> {
        let backend = self.db.get_database_backend();
        let money = |amount: Amount| Money(amount.to_decimal());
        let (before, after) = (paid(round - 1), paid(round));
        let sequence = i64::try_from(round).expect("few");
        let position_rows = chunk.iter().map(|row| -> Vec<Value> {
            let digest = format!("{after}|0.41|0");
            vec![row.id.into(), (sequence - 1).into(), money(after).into(), sequence.into(), digest.into(), now.into()]
        });
        let ids: Vec<String> = chunk.iter().map(|row| row.player_id.to_string()).collect();
        let lock = if backend == DbBackend::Postgres { " FOR UPDATE" } else { "" };
        let columns = "id, username, event_sequence, total_ap, total_advc_mined";
        let select = format!("SELECT {columns} FROM players WHERE id IN ({}) ORDER BY id{lock}", ids.join(","));
        let pool_of = |row: &positions::Model| self.pools.iter().position(|pool| *pool == row.pool_name).expect("a pool");
        // An event's number within its player: each pool pays in each round.
        let number = |row: &positions::Model| {
            let earlier = (round - 1) * self.pools.len() + pool_of(row);
            i64::try_from(earlier).expect("few") + 1
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
            event_id: Set(Some(event_id(row, round))),
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
        let snapshots = chunk.iter().map(|row| {
            let answer = (self.answer)(pool_of(row), row, round);
            pool_snapshots::ActiveModel {
                player_id: Set(row.player_id),
                pool_name: Set(row.pool_name.clone()),
                paid: Set(money(after)),
                total_hash: Set(answer.total_hash),
                total_shares: Set(answer.total_shares),
                immature: Set(answer.immature),
                balance: Set(answer.balance),
                raw_response: Set(Some(answer.raw)),
                snapshot_time: Set(now),
                address: Set(Some(row.address.clone())),
                native_paid: Set(Some(money(after))),
                currency: Set(Some("ADVC".to_owned())),
                rate: Set(Some(Money(Decimal::ONE))),
                ..Default::default()
            }
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

    /// Issues one transaction, planned as those of the ledger are.
    pub(crate) async fn issue(&self, statements: Vec<Statement>) {
        let transaction = begin_to_write(&self.db).await.expect("a transaction");
        for statement in statements {
            if statement.sql.starts_with("SELECT") {
                assert!(!transaction.query_all_raw(statement).await.expect("rows").is_empty());
            } else {
                assert!(transaction.execute_raw(statement).await.expect("a statement").rows_affected() > 0);
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
