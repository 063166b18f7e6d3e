//! One wallet that stood for several players: the part of the transaction that keeps its rise from being credited twice.

use std::collections::{BTreeSet, HashMap};

use entity::positions;
use sea_orm::{DatabaseTransaction, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::StoreError;
use super::plan::Plan;
use super::positions::{Key, of_wallets};
use super::write::ROWS_PER_STATEMENT;
use crate::domain::payout::may_be_same_source;

/// Locks every position of the wallets that are credited, in the order of their ids, and refuses when another player was
/// credited meanwhile for a part of the same rise: another process may have seen a wallet change hands that this one has not.
pub(super) async fn guard_wallets(db: &DatabaseTransaction, plan: &Plan) -> Result<(), StoreError> {
    let keys: BTreeSet<&Key> = plan.events.iter().map(|event| &event.key).collect();
    for chunk in keys.into_iter().collect::<Vec<_>>().chunks(ROWS_PER_STATEMENT) {
        let rows = positions::Entity::find()
            .filter(of_wallets(chunk.iter().copied()))
            .order_by_asc(positions::Column::Id)
            .lock_exclusive()
            .all(db)
            .await?;
        let mut rivals: HashMap<(&str, &str), Vec<&positions::Model>> = HashMap::new();
        for row in &rows {
            rivals.entry((row.pool_name.as_str(), row.address.as_str())).or_default().push(row);
        }
        for event in &plan.events {
            let (pool, wallet) = &event.key;
            let Some(entry) = plan.entries.get(&event.key) else { continue };
            let is_ahead = |row: &&positions::Model| {
                row.player_id != event.player.0
                    && row.epoch == entry.epoch
                    && row.currency == entry.position.currency.as_str()
                    && may_be_same_source(&row.source, &entry.position.source)
                    && row.high_water.0 > event.credit.previous.to_decimal()
            };
            if rivals.get(&(pool.as_str(), wallet.as_str())).is_some_and(|rows| rows.iter().any(is_ahead)) {
                return Err(StoreError::Stale);
            }
        }
    }
    Ok(())
}
