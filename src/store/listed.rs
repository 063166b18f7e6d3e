//! The payouts that pools list one by one, as they are recorded: looked up by their ids, and inserted once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDateTime};
use entity::Money;
use entity::listed_payouts;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict, Query};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait as _, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::StoreError;
use super::positions::Key;
use super::write::{ROWS_PER_STATEMENT, inserted, money};
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
    let wallets: Vec<(&Key, BTreeSet<&str>)> = unknown.into_iter().collect();
    let mut at = 0;
    while at < wallets.len() {
        // As many wallets as fit into one statement together; one alone is asked for in several.
        let mut ids = 0;
        let fitting = wallets[at..].iter().take_while(|(_, named)| {
            ids += named.len() + 1;
            ids <= ROWS_PER_STATEMENT
        });
        let until = at + fitting.count().max(1);
        load_some(db, &wallets[at..until], records).await?;
        at = until;
    }
    Ok(())
}

async fn load_some(
    db: &impl ConnectionTrait,
    wallets: &[(&Key, BTreeSet<&str>)],
    records: &mut HashMap<Key, Record>,
) -> Result<(), StoreError> {
    use listed_payouts::Column;
    let mut by_pool: BTreeMap<&str, (Vec<&str>, BTreeSet<&str>)> = BTreeMap::new();
    for ((pool, wallet), ids) in wallets {
        let (addresses, named) = by_pool.entry(pool.as_str()).or_default();
        addresses.push(wallet.as_str());
        named.extend(ids);
    }
    let keys: HashMap<(&str, &str), &Key> = wallets.iter().map(|(key, _)| ((key.0.as_str(), key.1.as_str()), *key)).collect();
    for (key, _) in wallets {
        records.entry((*key).clone()).or_default();
    }
    for (pool, (addresses, named)) in by_pool {
        let of_wallets = || Condition::all().add(Column::PoolName.eq(pool)).add(Column::Address.is_in(addresses.iter().copied()));
        let newest = Query::select()
            .columns([Column::Address])
            .expr(Expr::col(Column::Number).max())
            .from(listed_payouts::Entity)
            .cond_where(of_wallets())
            .group_by_col(Column::Address)
            .to_owned();
        let newest = Expr::tuple([Expr::col(Column::Address), Expr::col(Column::Number)]).in_subquery(newest);
        let mut rows = listed_payouts::Entity::find().filter(of_wallets()).filter(newest).all(db).await?;
        let named: Vec<&str> = named.into_iter().collect();
        for ids in named.chunks(ROWS_PER_STATEMENT) {
            let some = listed_payouts::Entity::find().filter(of_wallets()).filter(Column::TxId.is_in(ids.iter().copied()));
            rows.extend(some.all(db).await?);
        }
        for row in rows {
            let Some(key) = keys.get(&(row.pool_name.as_str(), row.address.as_str())) else { continue };
            let record = records.entry((*key).clone()).or_default();
            let read = |money: Money, column: &str| {
                Amount::from_decimal(money.0)
                    .ok_or_else(|| StoreError::Content(format!("listed_payouts.{column} of row {} is out of range", row.id)))
            };
            if row.number > record.number {
                record.number = row.number;
                record.total = read(row.total, "total")?;
            }
            let known = Known { amount: read(row.amount, "amount")?, source: row.source.clone() };
            record.known.insert(row.tx_id.clone(), known);
        }
    }
    Ok(())
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
    // In one order, so that two processes that insert the same payouts do not wait for each other in a ring.
    drafts.sort_by(|one, other| (&one.key, one.fresh.number).cmp(&(&other.key, other.fresh.number)));
    for chunk in drafts.chunks(ROWS_PER_STATEMENT) {
        let rows = chunk.iter().map(|draft| listed_payouts::ActiveModel {
            id: NotSet,
            pool_name: Set(draft.key.0.to_string()),
            address: Set(draft.key.1.to_string()),
            tx_id: Set(draft.fresh.payout.id.clone()),
            number: Set(draft.fresh.number),
            amount: Set(money(draft.fresh.payout.amount)),
            total: Set(money(draft.fresh.total)),
            source: Set(draft.source.clone()),
            paid_at: Set(draft.fresh.payout.time.and_then(|time| Some(DateTime::from_timestamp(time, 0)?.naive_utc()))),
            seen_at: Set(now),
        });
        let nothing = OnConflict::new().do_nothing().to_owned();
        let rows = inserted(listed_payouts::Entity::insert_many(rows).on_conflict(nothing).exec_with_returning(db).await)?;
        if rows.len() != chunk.len() {
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
