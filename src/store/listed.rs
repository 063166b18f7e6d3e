//! The payouts that pools list one by one, as they are recorded: looked up by their ids, and inserted once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDateTime};
use entity::Money;
use entity::listed_payouts;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::StoreError;
use super::bulk::{Bulk, Kind};
use super::cells::Cell;
use super::positions::Key;
use super::write::ROWS_PER_STATEMENT;
use crate::domain::listed::{Fresh, Known, Record};
use crate::domain::{Amount, Listed};

/// Adds to `records` what the database knows of these lists: the newest sum of a wallet, and the ids that its record cannot
/// speak about. A wallet whose record knows every id of its list costs nothing.
pub(super) async fn load(
    db: &impl ConnectionTrait,
    lists: &[(Key, &Listed)],
    records: &mut HashMap<Key, Record>,
) -> Result<(), StoreError> {
    let mut unknown: BTreeMap<&Key, BTreeSet<&str>> = BTreeMap::new();
    for (key, listed) in lists {
        let record = records.get(key);
        if record.is_none_or(|record| record.unknown(listed).next().is_some()) {
            let ids = unknown.entry(key).or_default();
            match record {
                Some(record) => ids.extend(record.unknown(listed)),
                None => ids.extend(listed.payouts.iter().map(|payout| payout.id.as_str())),
            }
        }
    }
    let keys: Vec<&Key> = unknown.keys().copied().collect();
    let ids: Vec<(usize, &str)> =
        unknown.values().enumerate().flat_map(|(wallet, ids)| ids.iter().map(move |id| (wallet, *id))).collect();
    let mut rows = Vec::new();
    for (first, chunk) in (0..).step_by(ROWS_PER_STATEMENT).zip(keys.chunks(ROWS_PER_STATEMENT)) {
        let mut wanted = NEWEST.rows(db, chunk.len());
        for (wallet, (pool, address)) in (first..).zip(chunk) {
            wanted.add([number(wallet), pool.as_str().into(), address.as_str().into()]);
        }
        rows.extend(wanted.query(db, &[]).await?);
    }
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        let mut wanted = NAMED.rows(db, chunk.len());
        for (wallet, id) in chunk {
            let Some((pool, address)) = keys.get(*wallet) else { continue };
            wanted.add([number(*wallet), pool.as_str().into(), address.as_str().into(), (*id).into()]);
        }
        rows.extend(wanted.query(db, &[]).await?);
    }
    for key in &keys {
        records.entry((*key).clone()).or_default();
    }
    for row in rows {
        let wallet: i64 = row.try_get_by(0)?;
        let Some(record) = usize::try_from(wallet).ok().and_then(|wallet| records.get_mut(*keys.get(wallet)?)) else { continue };
        let id: i64 = row.try_get_by(1)?;
        let read = |index: usize, column: &str| {
            let money: Money = row.try_get_by(index)?;
            Amount::from_decimal(money.0)
                .ok_or_else(|| StoreError::Content(format!("listed_payouts.{column} of row {id} is out of range")))
        };
        let number: i64 = row.try_get_by(2)?;
        if number > record.number {
            record.number = number;
            record.total = read(3, "total")?;
        }
        record
            .known
            .insert(row.try_get_by(5)?, Known { amount: read(4, "amount")?, source: row.try_get_by::<String, _>(6)?.into() });
    }
    Ok(())
}

/// The newest payout of each wallet, which knows the sum.
static NEWEST: Bulk = Bulk::new(
    "SELECT v.column1, listed_payouts.id, number, total, amount, tx_id, source FROM {rows} CROSS JOIN listed_payouts \
     WHERE listed_payouts.pool_name = v.column2 AND listed_payouts.address = v.column3 AND listed_payouts.number = \
         (SELECT MAX(newest.number) FROM listed_payouts AS newest \
          WHERE newest.pool_name = v.column2 AND newest.address = v.column3)",
    &[],
    &[Kind::BigInteger, Kind::Text, Kind::Text],
);

/// The payouts of wallets by their ids.
static NAMED: Bulk = Bulk::new(
    "SELECT v.column1, listed_payouts.id, number, total, amount, tx_id, source FROM {rows} CROSS JOIN listed_payouts \
     WHERE listed_payouts.pool_name = v.column2 AND listed_payouts.address = v.column3 AND listed_payouts.tx_id = v.column4",
    &[],
    &[Kind::BigInteger, Kind::Text, Kind::Text, Kind::Text],
);

/// Where a wallet stands among those that are asked about.
fn number(wallet: usize) -> Cell<'static> {
    i64::try_from(wallet).ok().into()
}

/// A payout to insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PayoutDraft {
    pub(super) key: Key,
    pub(super) source: String,
    pub(super) fresh: Fresh,
}

/// Inserts payouts that nobody has recorded yet. Whoever comes second with one of them, or with the same number, changes
/// nothing and reads again.
pub(super) async fn insert(db: &DatabaseTransaction, drafts: &mut [PayoutDraft], now: NaiveDateTime) -> Result<(), StoreError> {
    // A conflict inserts nothing.
    static INSERT: Bulk = Bulk::new(
        "INSERT INTO listed_payouts (seen_at, pool_name, address, tx_id, number, amount, total, source, paid_at) \
         SELECT {}, v.column1, v.column2, v.column3, v.column4, v.column5, v.column6, v.column7, v.column8 \
         FROM {rows} WHERE v.column1 IS NOT NULL ON CONFLICT DO NOTHING",
        &[Kind::Time],
        &[Kind::Text, Kind::Text, Kind::Text, Kind::BigInteger, Kind::Money, Kind::Money, Kind::Text, Kind::Time],
    );
    // In one order, so that two processes that insert the same payouts do not wait for each other in a ring.
    drafts.sort_by(|one, other| (&one.key, one.fresh.number).cmp(&(&other.key, other.fresh.number)));
    for chunk in drafts.chunks(ROWS_PER_STATEMENT) {
        let mut rows = INSERT.rows(db, chunk.len());
        for draft in chunk {
            let payout = &draft.fresh.payout;
            rows.add([
                draft.key.0.as_str().into(),
                draft.key.1.as_str().into(),
                payout.id.as_str().into(),
                draft.fresh.number.into(),
                payout.amount.into(),
                draft.fresh.total.into(),
                draft.source.as_str().into(),
                payout.time.and_then(|time| Some(DateTime::from_timestamp(time, 0)?.naive_utc())).into(),
            ]);
        }
        if rows.execute(db, &[now.into()]).await? != chunk.len() as u64 {
            return Err(StoreError::Stale);
        }
    }
    Ok(())
}

/// What all recorded payouts of a wallet add up to; nothing where there are none.
pub(super) async fn total(db: &impl ConnectionTrait, pool: &str, address: &str) -> Result<Amount, StoreError> {
    use listed_payouts::Column;
    let of_wallet = listed_payouts::Entity::find().filter(Column::PoolName.eq(pool)).filter(Column::Address.eq(address));
    match of_wallet.order_by_desc(Column::Number).limit(1).one(db).await? {
        None => Ok(Amount::ZERO),
        Some(row) => Amount::from_decimal(row.total.0)
            .ok_or_else(|| StoreError::Content(format!("listed_payouts.total of row {} is out of range", row.id))),
    }
}
