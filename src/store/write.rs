//! The one transaction: positions, players' totals, events, snapshots and anomalies of a batch, all or nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::NaiveDateTime;
use entity::{Money, anomalies};
use futures_util::future::join;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _,
};

use super::StoreError;
use super::book::AwardedEvent;
use super::bulk::{Bulk, Kind, Rows};
use super::cells::Cell;
use super::guard::guard_wallets;
use super::listed;
use super::plan::{EventDraft, Plan};
use super::positions::{Entry, Key};
use super::totals::{Totals, lock_players, store_totals};
use crate::domain::payout::HoldReason;
use crate::domain::{Amount, PlayerId};

/// Rows that are gathered for one statement; see `bulk` for what becomes of them.
pub(super) const ROWS_PER_STATEMENT: usize = 1_000;

/// Writes `plan`, giving inserted positions their ids, and answers the awards with the totals they led to.
pub(super) async fn write(
    db: &DatabaseTransaction,
    plan: &mut Plan,
    now: NaiveDateTime,
) -> Result<Vec<AwardedEvent>, StoreError> {
    insert_positions(db, &mut plan.entries, now).await?;
    listed::insert(db, &mut plan.payouts, now).await?;
    guard_wallets(db, plan).await?;
    // The database is at work on one statement while the next ones are written down here.
    let (updated, snapshots) = join(update_positions(db, &plan.entries, now), snapshot_rows(db, plan)).await;
    updated?;
    let awards = award(db, plan, snapshots, now).await?;
    resolve_anomalies(db, plan, now).await?;
    insert_anomalies(db, plan, now).await?;
    for entry in plan.entries.values_mut() {
        entry.is_stored();
    }
    Ok(awards)
}

/// Pauses the writing down of rows from time to time, so that the database gets its next statement when it has done one.
struct Pauses(usize);

impl Pauses {
    /// Rows between two pauses: less than a millisecond.
    const ROWS: usize = 32;

    /// Counts a row.
    async fn row(&mut self) {
        self.0 += 1;
        if self.0.is_multiple_of(Self::ROWS) {
            tokio::task::yield_now().await;
        }
    }
}

/// An amount as the column holds it.
pub(super) fn money(amount: Amount) -> Money {
    Money(amount.to_decimal())
}

/// A text that only a person reads, without zero bytes: PostgreSQL refuses those, and a payout must not wait for that.
fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

async fn insert_positions(
    db: &DatabaseTransaction,
    entries: &mut HashMap<Key, Entry>,
    now: NaiveDateTime,
) -> Result<(), StoreError> {
    // A conflict inserts nothing.
    static INSERT: Bulk = Bulk::new(
        "INSERT INTO positions (player_id, pool_name, address, currency, source, baseline, high_water, sequence, readings, \
             began_at_zero, epoch, open_anomaly, snapshot_digest, snapshot_at, listed_at, created_at, updated_at) \
         SELECT v.column1, v.column2, v.column3, v.column4, v.column5, v.column6, v.column7, v.column8, v.column9, v.column10, \
             v.column11, v.column12, v.column13, v.column14, v.column15, {}, {} \
         FROM {rows} WHERE v.column1 IS NOT NULL ON CONFLICT DO NOTHING RETURNING id, player_id, pool_name, address",
        &[Kind::Time, Kind::Time],
        &[
            Kind::Integer,
            Kind::Text,
            Kind::Text,
            Kind::Text,
            Kind::Text,
            Kind::Money,
            Kind::Money,
            Kind::BigInteger,
            Kind::Integer,
            Kind::Boolean,
            Kind::Integer,
            Kind::Text,
            Kind::Text,
            Kind::Time,
            Kind::Time,
        ],
    );
    // In the order of their keys, so that two processes that open the same positions do not wait for each other in a ring.
    let mut fresh: Vec<(&Key, &mut Entry)> = entries.iter_mut().filter(|(_, entry)| entry.id.is_none()).collect();
    fresh.sort_unstable_by_key(|(key, _)| *key);
    for chunk in fresh.chunks_mut(ROWS_PER_STATEMENT) {
        let mut rows = INSERT.rows(db, chunk.len());
        for ((pool, wallet), entry) in chunk.iter() {
            rows.add([
                entry.player.0.into(),
                pool.as_str().into(),
                wallet.as_str().into(),
                entry.position.currency.as_str().into(),
                entry.position.source.as_ref().into(),
                entry.position.baseline.into(),
                entry.position.high_water.into(),
                entry.position.sequence.into(),
                entry.position.readings.into(),
                entry.position.began_at_zero.into(),
                entry.epoch.into(),
                entry.open_anomaly().into(),
                entry.new_digest().into(),
                entry.snapshot_at.into(),
                entry.listed_at().into(),
            ]);
        }
        let inserted = rows.query(db, &[now.into(), now.into()]).await?;
        // A row that is missing says that another process was first.
        if inserted.len() != chunk.len() {
            return Err(StoreError::Stale);
        }
        let mut ids: HashMap<(i32, String, String), i64> = HashMap::with_capacity(chunk.len());
        for row in &inserted {
            ids.insert((row.try_get_by(1)?, row.try_get_by(2)?, row.try_get_by(3)?), row.try_get_by(0)?);
        }
        for ((pool, wallet), entry) in chunk {
            entry.id = ids.get(&(entry.player.0, pool.to_string(), wallet.to_string())).copied();
            // What was just inserted needs no update.
            entry.dirty = false;
        }
    }
    Ok(())
}

async fn update_positions(db: &DatabaseTransaction, entries: &HashMap<Key, Entry>, now: NaiveDateTime) -> Result<(), StoreError> {
    // The guard of exactly-once: whoever comes second with the same sequence changes no row. Neither does whoever would pin a
    // taken-over position to another field than it is pinned to by now.
    static UPDATE: Bulk = Bulk::new(
        "UPDATE positions SET updated_at = {}, baseline = v.column3, high_water = v.column4, sequence = v.column5, \
             readings = v.column6, open_anomaly = v.column7, snapshot_digest = COALESCE(v.column8, positions.snapshot_digest), snapshot_at = v.column9, \
             source = v.column12, listed_at = v.column13 \
         FROM {rows} WHERE positions.id = v.column1 AND positions.sequence = v.column2 AND positions.readings = v.column10 \
             AND positions.open_anomaly IS NOT DISTINCT FROM v.column11 \
             AND (positions.source = v.column12 OR positions.source LIKE '~%')",
        &[Kind::Time],
        &[
            Kind::BigInteger,
            Kind::BigInteger,
            Kind::Money,
            Kind::Money,
            Kind::BigInteger,
            Kind::Integer,
            Kind::Text,
            Kind::Text,
            Kind::Time,
            Kind::Integer,
            Kind::Text,
            Kind::Text,
            Kind::Time,
        ],
    );
    let mut dirty: Vec<(i64, &Entry)> =
        entries.values().filter(|entry| entry.dirty).filter_map(|entry| Some((entry.id?, entry))).collect();
    dirty.sort_unstable_by_key(|(id, _)| *id);
    for chunk in dirty.chunks(ROWS_PER_STATEMENT) {
        let mut rows = UPDATE.rows(db, chunk.len());
        for (id, entry) in chunk {
            rows.add([
                (*id).into(),
                entry.stored_sequence.into(),
                entry.position.baseline.into(),
                entry.position.high_water.into(),
                entry.position.sequence.into(),
                entry.position.readings.into(),
                entry.open_anomaly().into(),
                entry.new_digest().into(),
                entry.snapshot_at.into(),
                entry.stored_readings.into(),
                entry.stored_anomaly().into(),
                entry.position.source.as_ref().into(),
                entry.listed_at().into(),
            ]);
        }
        if rows.execute(db, &[now.into()]).await? != chunk.len() as u64 {
            return Err(StoreError::Stale);
        }
    }
    Ok(())
}

/// Adds the awards to their players' totals and inserts the events, and before them `snapshots`.
async fn award(
    db: &DatabaseTransaction,
    plan: &Plan,
    snapshots: Vec<Rows<'_>>,
    now: NaiveDateTime,
) -> Result<Vec<AwardedEvent>, StoreError> {
    let awarded: Vec<&EventDraft> = plan.events.iter().filter(|event| event.hold.is_none()).collect();
    let mut totals = lock_players(db, awarded.iter().map(|event| event.player.0).collect()).await?;
    let mut awards = Vec::with_capacity(awarded.len());
    for event in awarded {
        awards.push(add_to_totals(&mut totals, event, now)?);
    }
    let store = async {
        store_totals(db, &totals, Some(now), now).await?;
        execute(db, snapshots, now).await
    };
    let (stored, events) = join(store, event_rows(db, plan, &awards)).await;
    stored?;
    execute(db, events, now).await?;
    Ok(awards)
}

/// Runs statements that share nothing but the time.
async fn execute(db: &DatabaseTransaction, statements: Vec<Rows<'_>>, now: NaiveDateTime) -> Result<(), StoreError> {
    for rows in statements {
        rows.execute(db, &[now.into()]).await?;
    }
    Ok(())
}

/// The events, with what the awarded ones of them led to, in their order.
async fn event_rows(db: &DatabaseTransaction, plan: &Plan, awards: &[AwardedEvent]) -> Vec<Rows<'static>> {
    static INSERT: Bulk = Bulk::new(
        "INSERT INTO mining_events (event_time, notified, delivery_attempts, delivery_dead, status, processed, player_id, pool_name, \
             advc_amount, ap_awarded, previous_paid, current_paid, event_id, position_id, position_sequence, player_sequence, address, \
             native_amount, native_previous, native_current, currency, rate, hold_reason, total_ap_after, total_advc_after, epoch, \
             ap_per_advc) \
         SELECT {}, FALSE, 0, FALSE, CASE WHEN v.column1 THEN 'awarded' ELSE 'held' END, v.column1, v.column2, v.column3, v.column4, \
             v.column5, v.column6, v.column7, v.column8, v.column9, v.column10, v.column11, v.column12, v.column13, v.column14, \
             v.column15, v.column16, v.column17, v.column18, v.column19, v.column20, v.column21, v.column22 \
         FROM {rows} WHERE v.column1 IS NOT NULL",
        &[Kind::Time],
        &[
            Kind::Boolean,
            Kind::Integer,
            Kind::Text,
            Kind::Money,
            Kind::Money,
            Kind::Money,
            Kind::Money,
            Kind::Text,
            Kind::BigInteger,
            Kind::BigInteger,
            Kind::BigInteger,
            Kind::Text,
            Kind::Money,
            Kind::Money,
            Kind::Money,
            Kind::Text,
            Kind::Money,
            Kind::Text,
            Kind::Money,
            Kind::Money,
            Kind::Integer,
            Kind::Money,
        ],
    );
    let mut awards = awards.iter();
    let mut statements = Vec::with_capacity(plan.events.len().div_ceil(ROWS_PER_STATEMENT));
    let mut pauses = Pauses(0);
    for chunk in plan.events.chunks(ROWS_PER_STATEMENT) {
        let mut rows = INSERT.rows(db, chunk.len());
        for event in chunk {
            let position_id = plan.entries.get(&event.key).and_then(|entry| entry.id);
            let award = if event.hold.is_none() { awards.next() } else { None };
            rows.add(event_row(event, position_id, award));
            pauses.row().await;
        }
        statements.push(rows);
    }
    statements
}

fn add_to_totals(
    totals: &mut BTreeMap<PlayerId, Totals>,
    event: &EventDraft,
    now: NaiveDateTime,
) -> Result<AwardedEvent, StoreError> {
    let mine = totals
        .get_mut(&event.player)
        .ok_or_else(|| StoreError::Content(format!("player {} is no longer in the database", event.player)))?;
    mine.add(event.player, event.credit.advc, event.credit.points)?;
    Ok(AwardedEvent {
        event_id: event.event_id,
        player: event.player,
        username: mine.username.clone(),
        pool: event.key.0.clone(),
        sequence: mine.sequence,
        advc: event.credit.advc,
        points: event.credit.points,
        total_ap: mine.total_ap,
        total_advc: mine.total_advc,
        at: now,
    })
}

fn event_row<'a>(event: &'a EventDraft, position_id: Option<i64>, award: Option<&AwardedEvent>) -> [Cell<'a>; 22] {
    let credit = &event.credit;
    [
        award.is_some().into(),
        event.player.0.into(),
        event.key.0.as_str().into(),
        credit.advc.into(),
        award.map_or(Amount::ZERO, |award| award.points.get()).into(),
        credit.previous_advc.into(),
        credit.current_advc.into(),
        event.event_id.to_string().into(),
        position_id.into(),
        event.position_sequence.into(),
        award.map(|award| award.sequence).into(),
        event.key.1.as_str().into(),
        credit.native.into(),
        credit.previous.into(),
        credit.current.into(),
        event.currency.as_str().into(),
        credit.rate.to_decimal().into(),
        event.hold.map(HoldReason::as_str).into(),
        award.map(|award| award.total_ap.get()).into(),
        award.map(|award| award.total_advc).into(),
        event.epoch.into(),
        award.map(|_| event.ap_per_advc.to_decimal()).into(),
    ]
}

async fn snapshot_rows(db: &DatabaseTransaction, plan: &Plan) -> Vec<Rows<'static>> {
    static INSERT: Bulk = Bulk::new(
        "INSERT INTO pool_snapshots (snapshot_time, player_id, pool_name, total_hash, total_shares, immature, balance, paid, raw_response, \
             address, native_paid, currency, rate) \
         SELECT {}, v.column1, v.column2, v.column3, v.column4, v.column5, v.column6, v.column7, v.column8, v.column9, v.column10, \
             v.column11, v.column12 \
         FROM {rows} WHERE v.column1 IS NOT NULL",
        &[Kind::Time],
        &[
            Kind::Integer,
            Kind::Text,
            Kind::Money,
            Kind::Money,
            Kind::Money,
            Kind::Money,
            Kind::Money,
            Kind::Text,
            Kind::Text,
            Kind::Money,
            Kind::Text,
            Kind::Money,
        ],
    );
    let mut statements = Vec::with_capacity(plan.snapshots.len().div_ceil(ROWS_PER_STATEMENT));
    let mut pauses = Pauses(0);
    for chunk in plan.snapshots.chunks(ROWS_PER_STATEMENT) {
        let mut rows = INSERT.rows(db, chunk.len());
        for draft in chunk {
            let figures = &draft.reading.figures;
            rows.add([
                draft.reading.player.0.into(),
                draft.reading.pool.as_str().into(),
                figures.total_hash.into(),
                figures.total_shares.into(),
                figures.immature.into(),
                draft.balance.into(),
                draft.paid.into(),
                storable(&draft.reading.kept_answer()).into(),
                draft.reading.wallet.as_str().into(),
                draft.native_paid.into(),
                draft.reading.currency.as_str().into(),
                draft.rate.to_decimal().into(),
            ]);
            pauses.row().await;
        }
        statements.push(rows);
    }
    statements
}

async fn resolve_anomalies(db: &DatabaseTransaction, plan: &Plan, now: NaiveDateTime) -> Result<(), StoreError> {
    for resolved in &plan.resolved {
        let mut of_wallet = Condition::all()
            .add(anomalies::Column::PlayerId.eq(resolved.player.0))
            .add(anomalies::Column::PoolName.eq(resolved.key.0.as_str()))
            .add(anomalies::Column::Address.eq(resolved.key.1.as_str()))
            .add(anomalies::Column::ResolvedAt.is_null());
        if let Some(kind) = &resolved.kind {
            of_wallet = of_wallet.add(anomalies::Column::Kind.eq(kind.as_str()));
        }
        anomalies::Entity::update_many()
            .set(anomalies::ActiveModel {
                resolved_at: Set(Some(now)),
                resolved_by: Set(Some("pool-poller".to_owned())),
                resolution: Set(Some("the pool's answers are in order again".to_owned())),
                ..Default::default()
            })
            .filter(of_wallet)
            .exec(db)
            .await?;
    }
    Ok(())
}

/// Inserts the anomalies and keeps in the plan those that were not recorded already.
async fn insert_anomalies(db: &DatabaseTransaction, plan: &mut Plan, now: NaiveDateTime) -> Result<(), StoreError> {
    let mut fresh: HashSet<(i32, String, String, String)> = HashSet::new();
    for chunk in plan.anomalies.chunks(ROWS_PER_STATEMENT) {
        let rows = chunk.iter().map(|report| anomalies::ActiveModel {
            id: NotSet,
            player_id: Set(report.player.0),
            pool_name: Set(report.pool.to_string()),
            address: Set(report.wallet.to_string()),
            kind: Set(report.kind.as_str().to_owned()),
            detail: Set(storable(&report.detail).into_owned()),
            seen_at: Set(now),
            resolved_at: Set(None),
            resolved_by: Set(None),
            resolution: Set(None),
        });
        // One that is recorded already stays as it was first seen.
        let inserted = inserted(anomalies::Entity::insert_many(rows).on_conflict(nothing()).exec_with_returning(db).await)?;
        fresh.extend(inserted.into_iter().map(|row| (row.player_id, row.pool_name, row.address, row.kind)));
    }
    plan.anomalies.retain(|report| {
        let (pool, wallet, kind) = (report.pool.to_string(), report.wallet.to_string(), report.kind.as_str().to_owned());
        fresh.contains(&(report.player.0, pool, wallet, kind))
    });
    Ok(())
}

/// A conflict inserts nothing.
fn nothing() -> OnConflict {
    OnConflict::new().do_nothing().to_owned()
}

/// The rows that were inserted; that there are none is no error here.
pub(super) fn inserted<T>(outcome: Result<Vec<T>, DbErr>) -> Result<Vec<T>, DbErr> {
    outcome.or_else(|error| if matches!(error, DbErr::RecordNotInserted) { Ok(Vec::new()) } else { Err(error) })
}
