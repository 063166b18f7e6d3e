//! The one transaction: positions, players' totals, events, snapshots and anomalies of a batch, all or nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::NaiveDateTime;
use entity::{Money, anomalies, mining_events, players, pool_snapshots, positions};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait as _, Condition, ConnectionTrait as _, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Value,
};

use super::book::AwardedEvent;
use super::bulk::{BulkUpdate, Kind};
use super::guard::guard_wallets;
use super::listed;
use super::plan::{EventDraft, Plan};
use super::positions::{Entry, Key};
use super::{StoreError, as_text, stored_total};
use crate::domain::{Amount, PlayerId, Points};

/// Rows of one statement. SQLite allows 32,766 parameters, PostgreSQL 65,535; the widest row here has 28.
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
    update_positions(db, &plan.entries, now).await?;
    let awards = award(db, plan, now).await?;
    insert_snapshots(db, plan, now).await?;
    resolve_anomalies(db, plan, now).await?;
    insert_anomalies(db, plan, now).await?;
    for entry in plan.entries.values_mut() {
        entry.dirty = false;
        entry.stored_sequence = entry.position.sequence;
        entry.stored_readings = entry.position.readings;
        entry.stored_anomaly.clone_from(&entry.open_anomaly);
        entry.stored_listed_at = entry.listed_at;
    }
    Ok(awards)
}

/// An amount as the column holds it.
pub(super) fn money(amount: Amount) -> Money {
    Money(amount.to_decimal())
}

/// A text that only a person reads, without zero bytes: PostgreSQL refuses those, and a payout must not wait for that.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

async fn insert_positions(
    db: &DatabaseTransaction,
    entries: &mut HashMap<Key, Entry>,
    now: NaiveDateTime,
) -> Result<(), StoreError> {
    // In the order of their keys, so that two processes that open the same positions do not wait for each other in a ring.
    let mut fresh: Vec<(&Key, &mut Entry)> = entries.iter_mut().filter(|(_, entry)| entry.id.is_none()).collect();
    fresh.sort_unstable_by_key(|(key, _)| *key);
    for chunk in fresh.chunks_mut(ROWS_PER_STATEMENT) {
        let rows = chunk.iter().map(|((pool, wallet), entry)| positions::ActiveModel {
            id: NotSet,
            player_id: Set(entry.player.0),
            pool_name: Set(pool.to_string()),
            address: Set(wallet.to_string()),
            currency: Set(entry.position.currency.to_string()),
            source: Set(entry.position.source.clone()),
            baseline: Set(money(entry.position.baseline)),
            high_water: Set(money(entry.position.high_water)),
            sequence: Set(entry.position.sequence),
            readings: Set(entry.position.readings),
            began_at_zero: Set(entry.position.began_at_zero),
            epoch: Set(entry.epoch),
            open_anomaly: Set(entry.open_anomaly.clone()),
            snapshot_digest: Set(entry.snapshot_digest.clone()),
            snapshot_at: Set(entry.snapshot_at),
            created_at: Set(now),
            updated_at: Set(now),
            listed_at: Set(entry.listed_at),
        });
        // A conflict inserts nothing, and the row that is missing below says that another process was first.
        let inserted = inserted(positions::Entity::insert_many(rows).on_conflict(nothing()).exec_with_returning(db).await)?;
        if inserted.len() != chunk.len() {
            return Err(StoreError::Stale);
        }
        let ids: HashMap<(i32, &str, &str), i64> =
            inserted.iter().map(|row| ((row.player_id, row.pool_name.as_str(), row.address.as_str()), row.id)).collect();
        for ((pool, wallet), entry) in chunk {
            entry.id = ids.get(&(entry.player.0, pool.as_str(), wallet.as_str())).copied();
            // What was just inserted needs no update.
            entry.dirty = false;
        }
    }
    Ok(())
}

async fn update_positions(db: &DatabaseTransaction, entries: &HashMap<Key, Entry>, now: NaiveDateTime) -> Result<(), StoreError> {
    const UPDATE: BulkUpdate = BulkUpdate {
        table: "positions",
        set: "baseline = v.column3, high_water = v.column4, sequence = v.column5, readings = v.column6, open_anomaly = v.column7, \
              snapshot_digest = v.column8, snapshot_at = v.column9, updated_at = v.column10, source = v.column13, \
              listed_at = v.column14",
        // The guard of exactly-once: whoever comes second with the same sequence changes no row. Neither does whoever would
        // pin a taken-over position to another field than it is pinned to by now.
        on: "positions.id = v.column1 AND positions.sequence = v.column2 AND positions.readings = v.column11 \
             AND positions.open_anomaly IS NOT DISTINCT FROM v.column12 \
             AND (positions.source = v.column13 OR positions.source LIKE '~%')",
        kinds: &[
            Kind::BigInteger,
            Kind::BigInteger,
            Kind::Money,
            Kind::Money,
            Kind::BigInteger,
            Kind::Integer,
            Kind::Text,
            Kind::Text,
            Kind::Time,
            Kind::Time,
            Kind::Integer,
            Kind::Text,
            Kind::Text,
            Kind::Time,
        ],
    };
    let mut dirty: Vec<(i64, &Entry)> =
        entries.values().filter(|entry| entry.dirty).filter_map(|entry| Some((entry.id?, entry))).collect();
    dirty.sort_by_key(|(id, _)| *id);
    for chunk in dirty.chunks(ROWS_PER_STATEMENT) {
        let rows = chunk
            .iter()
            .map(|(id, entry)| -> Vec<Value> {
                vec![
                    (*id).into(),
                    entry.stored_sequence.into(),
                    money(entry.position.baseline).into(),
                    money(entry.position.high_water).into(),
                    entry.position.sequence.into(),
                    entry.position.readings.into(),
                    entry.open_anomaly.clone().into(),
                    entry.snapshot_digest.clone().into(),
                    entry.snapshot_at.into(),
                    now.into(),
                    entry.stored_readings.into(),
                    entry.stored_anomaly.clone().into(),
                    entry.position.source.clone().into(),
                    entry.listed_at.into(),
                ]
            })
            .collect();
        if UPDATE.run(db, rows).await? != chunk.len() as u64 {
            return Err(StoreError::Stale);
        }
    }
    Ok(())
}

/// A player's totals while events are applied.
pub(super) struct Totals {
    pub(super) username: String,
    pub(super) total_ap: Points,
    pub(super) total_advc: Amount,
    pub(super) sequence: i64,
    changed: bool,
}

impl Totals {
    /// Adds an event of `player` and gives it the player's next number.
    pub(super) fn add(&mut self, player: PlayerId, advc: Amount, points: Points) -> Result<(), StoreError> {
        let outgrown = || StoreError::Content(format!("the totals of player {player} outgrow their column"));
        self.total_ap = self.total_ap.checked_add(points).ok_or_else(outgrown)?;
        self.total_advc = self.total_advc.checked_add(advc).ok_or_else(outgrown)?;
        self.sequence += 1;
        self.changed = true;
        Ok(())
    }
}

/// Adds the awards to their players' totals and inserts the events.
async fn award(db: &DatabaseTransaction, plan: &Plan, now: NaiveDateTime) -> Result<Vec<AwardedEvent>, StoreError> {
    if plan.events.is_empty() {
        return Ok(Vec::new());
    }
    let awarded = plan.events.iter().filter(|event| event.hold.is_none()).map(|event| event.player.0).collect();
    let mut totals = lock_players(db, awarded).await?;
    let mut awards = Vec::new();
    let mut rows = Vec::with_capacity(plan.events.len());
    for event in &plan.events {
        let position_id = plan.entries.get(&event.key).and_then(|entry| entry.id);
        let award = match event.hold {
            Some(_) => None,
            None => Some(add_to_totals(&mut totals, event, now)?),
        };
        rows.push(event_row(event, position_id, award.as_ref(), now));
        awards.extend(award);
    }
    store_totals(db, &totals, Some(now), now).await?;
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        mining_events::Entity::insert_many(chunk.to_vec()).exec_without_returning(db).await?;
    }
    Ok(awards)
}

/// Reads the totals of these players, locking the rows (SQLite's transaction holds the only write lock already).
pub(super) async fn lock_players(db: &DatabaseTransaction, mut ids: Vec<i32>) -> Result<BTreeMap<PlayerId, Totals>, StoreError> {
    ids.sort_unstable();
    ids.dedup();
    let mut totals = BTreeMap::new();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        // The game writes these rows too, so nothing is read that is not needed, and all as text: a total that is no number, or
        // has a hundred places, is one player's and holds up nobody else.
        let text = |column| as_text(db.get_database_backend(), column);
        let rows: Vec<(i32, String, i64, String, String)> = players::Entity::find()
            .select_only()
            .column(players::Column::Id)
            .column_as(text(players::Column::Username), "username")
            .column(players::Column::EventSequence)
            .column_as(text(players::Column::TotalAp), "total_ap")
            .column_as(text(players::Column::TotalAdvcMined), "total_advc_mined")
            .filter(players::Column::Id.is_in(chunk.iter().copied()))
            .order_by_asc(players::Column::Id)
            .lock_exclusive()
            .into_tuple()
            .all(db)
            .await?;
        for (id, username, sequence, total_ap, total_advc) in rows {
            // A total that was taken over is the decimal of a binary float, with its noise far behind the eighth place.
            let amount = |text: &str, column: &str| {
                stored_total(text)
                    .ok_or_else(|| StoreError::Content(format!("players.{column} of player {id} is no amount: {text}")))
            };
            let read = Totals {
                total_ap: Points::new(amount(&total_ap, "total_ap")?),
                total_advc: amount(&total_advc, "total_advc_mined")?,
                username,
                sequence,
                changed: false,
            };
            totals.insert(PlayerId(id), read);
        }
    }
    Ok(totals)
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

fn event_row(
    event: &EventDraft,
    position_id: Option<i64>,
    award: Option<&AwardedEvent>,
    now: NaiveDateTime,
) -> mining_events::ActiveModel {
    let credit = &event.credit;
    mining_events::ActiveModel {
        id: NotSet,
        player_id: Set(event.player.0),
        pool_name: Set(event.key.0.to_string()),
        advc_amount: Set(money(credit.advc)),
        ap_awarded: Set(money(award.map_or(Amount::ZERO, |award| award.points.get()))),
        previous_paid: Set(money(credit.previous_advc)),
        current_paid: Set(money(credit.current_advc)),
        event_time: Set(now),
        processed: Set(award.is_some()),
        notified: Set(false),
        event_id: Set(Some(event.event_id.to_string())),
        position_id: Set(position_id),
        position_sequence: Set(Some(event.position_sequence)),
        player_sequence: Set(award.map(|award| award.sequence)),
        address: Set(Some(event.key.1.to_string())),
        native_amount: Set(Some(money(credit.native))),
        native_previous: Set(Some(money(credit.previous))),
        native_current: Set(Some(money(credit.current))),
        currency: Set(Some(event.currency.clone())),
        rate: Set(Some(Money(credit.rate.to_decimal()))),
        status: Set(if award.is_some() { mining_events::AWARDED } else { mining_events::HELD }.to_owned()),
        hold_reason: Set(event.hold.map(|reason| reason.as_str().to_owned())),
        total_ap_after: Set(award.map(|award| money(award.total_ap.get()))),
        total_advc_after: Set(award.map(|award| money(award.total_advc))),
        delivery_attempts: Set(0),
        next_attempt_at: Set(None),
        delivery_dead: Set(false),
        epoch: Set(event.epoch),
        ap_per_advc: Set(award.map(|_| Money(event.ap_per_advc.to_decimal()))),
        decided_at: NotSet,
        decided_by: NotSet,
        decision_reason: NotSet,
        reverses: NotSet,
    }
}

/// Stores the totals that changed. `awarded_at` is when AP was given, where it was.
pub(super) async fn store_totals(
    db: &DatabaseTransaction,
    totals: &BTreeMap<PlayerId, Totals>,
    awarded_at: Option<NaiveDateTime>,
    now: NaiveDateTime,
) -> Result<(), StoreError> {
    const UPDATE: BulkUpdate = BulkUpdate {
        table: "players",
        set: "total_ap = v.column2, total_advc_mined = v.column3, event_sequence = v.column4, \
              last_mining_event = COALESCE(v.column5, last_mining_event), updated_at = v.column6",
        on: "players.id = v.column1",
        kinds: &[Kind::Integer, Kind::Money, Kind::Money, Kind::BigInteger, Kind::Time, Kind::Time],
    };
    let changed: Vec<(&PlayerId, &Totals)> = totals.iter().filter(|(_, totals)| totals.changed).collect();
    for chunk in changed.chunks(ROWS_PER_STATEMENT) {
        let rows = chunk
            .iter()
            .map(|(player, totals)| -> Vec<Value> {
                vec![
                    player.0.into(),
                    money(totals.total_ap.get()).into(),
                    money(totals.total_advc).into(),
                    totals.sequence.into(),
                    awarded_at.into(),
                    now.into(),
                ]
            })
            .collect();
        UPDATE.run(db, rows).await?;
    }
    Ok(())
}

async fn insert_snapshots(db: &DatabaseTransaction, plan: &Plan, now: NaiveDateTime) -> Result<(), StoreError> {
    for chunk in plan.snapshots.chunks(ROWS_PER_STATEMENT) {
        let rows = chunk.iter().map(|draft| pool_snapshots::ActiveModel {
            id: NotSet,
            player_id: Set(draft.reading.player.0),
            pool_name: Set(draft.reading.pool.to_string()),
            total_hash: Set(draft.reading.figures.total_hash.map(money)),
            total_shares: Set(draft.reading.figures.total_shares.map(money)),
            immature: Set(draft.reading.figures.immature.map(money)),
            balance: Set(draft.balance.map(money)),
            paid: Set(money(draft.paid)),
            raw_response: Set(Some(storable(&draft.reading.raw))),
            snapshot_time: Set(now),
            address: Set(Some(draft.reading.wallet.to_string())),
            native_paid: Set(Some(money(draft.native_paid))),
            currency: Set(Some(draft.reading.currency.to_string())),
            rate: Set(Some(Money(draft.rate.to_decimal()))),
        });
        pool_snapshots::Entity::insert_many(rows).exec_without_returning(db).await?;
    }
    Ok(())
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
            detail: Set(storable(&report.detail)),
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
