//! Counting a position from another mark: an operator's answer to a pool that began its counter anew or changed its field or
//! currency.
//!
//! A rebase is about the pool's counter of a wallet, not about a player, so every position of the wallet is rebased at once and
//! all are in one epoch. It takes a number of the position: a daemon that has the old mark in memory meets that number at its
//! next write and reads again. It also begins an epoch, so that a rise between two marks that were passed before is a new event.

use chrono::NaiveDateTime;
use entity::{anomalies, pool_snapshots, position_rebases, positions};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::NotSet, ActiveValue::Set, ColumnTrait as _, DatabaseConnection, DatabaseTransaction,
    EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::StoreError;
use super::decisions::{DecisionError, Operator, begin, repeat};
use super::listed;
use super::write::money;
use crate::domain::listed::{is_list, is_same_list};
use crate::domain::payout::Position;
use crate::domain::{Amount, Currency};

/// From where a position is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewMark {
    /// The mark; by default the counter of the newest snapshot.
    pub high_water: Option<Amount>,
    /// The field that the counter comes from, where it is another one.
    pub source: Option<String>,
    /// The counter's currency, where it is another one.
    pub currency: Option<Currency>,
}

/// What a rebase did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebased {
    /// One row for each position of the wallet; the one that was named comes first.
    pub positions: Vec<position_rebases::Model>,
    /// The newest snapshot's counter, in the position's new currency, where it is above the new mark: what will be awarded at
    /// the next reading at least.
    pub counter_above: Option<Amount>,
}

/// Lets the position `id`, and every other of the same wallet, be counted from `mark`.
///
/// # Errors
/// When there is no such position, no mark is given and none is known, or the database cannot be asked.
pub async fn rebase(
    db: &DatabaseConnection,
    id: i64,
    mark: &NewMark,
    operator: &Operator,
    now: NaiveDateTime,
) -> Result<Rebased, DecisionError> {
    let seen = positions::Entity::find_by_id(id).one(db).await?.ok_or(DecisionError::UnknownPosition(id))?;
    rebase_as_seen(db, &seen, mark, operator, now).await
}

/// The same, unless the position was rebased since the operator has `seen` it.
///
/// # Errors
/// As [`rebase`], and when somebody else was faster.
pub async fn rebase_as_seen(
    db: &DatabaseConnection,
    seen: &positions::Model,
    mark: &NewMark,
    operator: &Operator,
    now: NaiveDateTime,
) -> Result<Rebased, DecisionError> {
    repeat(async || {
        let transaction = begin(db).await?;
        let rebased = rebase_wallet(&transaction, seen, mark, operator, now).await?;
        transaction.commit().await?;
        Ok(rebased)
    })
    .await
}

async fn rebase_wallet(
    db: &DatabaseTransaction,
    seen: &positions::Model,
    mark: &NewMark,
    operator: &Operator,
    now: NaiveDateTime,
) -> Result<Rebased, DecisionError> {
    let id = seen.id;
    // In the order of their ids, like every writer of positions.
    let all = positions::Entity::find()
        .filter(positions::Column::PoolName.eq(seen.pool_name.as_str()))
        .filter(positions::Column::Address.eq(seen.address.as_str()))
        .order_by_asc(positions::Column::Id)
        .lock_exclusive()
        .all(db)
        .await?;
    let named = all.iter().find(|row| row.id == id).ok_or(DecisionError::UnknownPosition(id))?;
    if named.epoch != seen.epoch {
        // What lies between the two marks would be counted a second time.
        return Err(DecisionError::Mark(format!("position {id} was rebased by somebody else at the same time")));
    }
    let currency = mark.currency.as_ref().map_or(named.currency.as_str(), Currency::as_str).to_owned();
    let source = mark.source.clone().unwrap_or_else(|| named.source.clone());
    let same_counter = currency == named.currency && source == named.source;
    // The counter of a list is what was recorded of it, in whatever unit: what came since is then new.
    let same_list = is_same_list(&source, &named.source);
    let newest = if same_list {
        Some(listed::total(db, &named.pool_name, &named.address).await?)
    } else if same_counter {
        newest_counter(db, named).await?
    } else {
        None
    };
    // How much of another list was accounted for is not known, so it begins with what it holds at its first reading.
    let begins_anew = is_list(&source) && !same_list;
    let source = if begins_anew { Position::unpinned(&source) } else { source };
    let high_water = match (mark.high_water, newest) {
        (Some(given), _) => given,
        (None, Some(newest)) => newest,
        (None, None) if begins_anew => Amount::ZERO,
        (None, None) if same_counter => {
            return Err(DecisionError::Mark(format!(
                "no snapshot of position {id} says where its counter is; give --high-water"
            )));
        }
        (None, None) => {
            return Err(DecisionError::Mark("another field or currency has another counter; give its --high-water".to_owned()));
        }
    };
    if high_water < Amount::ZERO {
        return Err(DecisionError::Mark("a mark is not below zero".to_owned()));
    }
    let to_epoch = all.iter().map(|row| row.epoch).max().unwrap_or_default() + 1;
    let mut rows = Vec::with_capacity(all.len());
    for row in &all {
        positions::Entity::update_many()
            .set(positions::ActiveModel {
                currency: Set(currency.clone()),
                source: Set(source.clone()),
                baseline: Set(money(high_water)),
                high_water: Set(money(high_water)),
                sequence: Set(row.sequence + 1),
                epoch: Set(to_epoch),
                // As at a first reading: a pool that restarts from zero may jump back to where it was.
                readings: Set(0),
                began_at_zero: Set(high_water == Amount::ZERO),
                open_anomaly: Set(None),
                updated_at: Set(now),
                ..Default::default()
            })
            .filter(positions::Column::Id.eq(row.id))
            .exec(db)
            .await?;
        let record = position_rebases::ActiveModel {
            id: NotSet,
            position_id: Set(row.id),
            position_sequence: Set(row.sequence + 1),
            from_epoch: Set(row.epoch),
            to_epoch: Set(to_epoch),
            old_currency: Set(row.currency.clone()),
            new_currency: Set(currency.clone()),
            old_source: Set(row.source.clone()),
            new_source: Set(source.clone()),
            old_baseline: Set(row.baseline),
            old_high_water: Set(row.high_water),
            new_high_water: Set(money(high_water)),
            decided_by: Set(operator.by().to_owned()),
            reason: Set(operator.reason().to_owned()),
            decided_at: Set(now),
        };
        rows.push(record.insert(db).await?);
    }
    anomalies::Entity::update_many()
        .set(anomalies::ActiveModel {
            resolved_at: Set(Some(now)),
            resolved_by: Set(Some(operator.by().to_owned())),
            resolution: Set(Some(format!("rebased to {high_water} {currency}: {}", operator.reason()))),
            ..Default::default()
        })
        .filter(anomalies::Column::PoolName.eq(named.pool_name.as_str()))
        .filter(anomalies::Column::Address.eq(named.address.as_str()))
        .filter(anomalies::Column::PlayerId.is_in(all.iter().map(|row| row.player_id)))
        .filter(anomalies::Column::ResolvedAt.is_null())
        .exec(db)
        .await?;
    rows.sort_by_key(|row| row.position_id != id);
    Ok(Rebased { positions: rows, counter_above: newest.filter(|newest| *newest > high_water) })
}

/// The counter of the newest snapshot of a position's wallet, in the position's currency.
async fn newest_counter(db: &DatabaseTransaction, position: &positions::Model) -> Result<Option<Amount>, StoreError> {
    let newest = pool_snapshots::Entity::find()
        .filter(pool_snapshots::Column::PlayerId.eq(position.player_id))
        .filter(pool_snapshots::Column::PoolName.eq(position.pool_name.as_str()))
        .filter(pool_snapshots::Column::Address.eq(position.address.as_str()))
        .order_by_desc(pool_snapshots::Column::SnapshotTime)
        .order_by_desc(pool_snapshots::Column::Id)
        .one(db)
        .await?;
    let Some(newest) = newest.filter(|row| row.currency.as_deref() == Some(position.currency.as_str())) else { return Ok(None) };
    Ok(newest.native_paid.and_then(|paid| Amount::from_decimal(paid.0)))
}
