//! One wallet that stood for several players: the part of the transaction that keeps its rise from being credited twice.

use entity::Money;
use sea_orm::DatabaseTransaction;

use super::StoreError;
use super::bulk::{Bulk, Kind};
use super::plan::Plan;
use super::write::ROWS_PER_STATEMENT;
use crate::domain::payout::may_be_same_source;

/// Locks every position of the wallets that are credited, in the order of their ids, and refuses when another player was
/// credited meanwhile for a part of the same rise: another process may have seen a wallet change hands that this one has not.
pub(super) async fn guard_wallets(db: &DatabaseTransaction, plan: &Plan) -> Result<(), StoreError> {
    // All are locked, and those of other players are read. SQLite's transaction holds the only write lock already.
    static RIVALS: Bulk = Bulk::of_each(
        "WITH locked AS MATERIALIZED ( \
             SELECT v.column1 AS number, v.column4 AS credited, positions.* FROM {rows} CROSS JOIN positions \
             WHERE positions.pool_name = v.column2 AND positions.address = v.column3 ORDER BY positions.id FOR UPDATE OF positions) \
         SELECT number, epoch, currency, source, high_water FROM locked WHERE player_id <> credited",
        "SELECT v.column1, positions.epoch, positions.currency, positions.source, positions.high_water \
         FROM {rows} CROSS JOIN positions \
         WHERE positions.pool_name = v.column2 AND positions.address = v.column3 AND positions.player_id <> v.column4",
        &[],
        &[Kind::BigInteger, Kind::Text, Kind::Text, Kind::Integer],
    );
    for chunk in plan.events.chunks(ROWS_PER_STATEMENT) {
        let mut rows = RIVALS.rows(db, chunk.len());
        for (number, event) in (0_i64..).zip(chunk) {
            rows.add([number.into(), event.key.0.as_str().into(), event.key.1.as_str().into(), event.player.0.into()]);
        }
        for row in rows.query(db, &[]).await? {
            let number: i64 = row.try_get_by(0)?;
            let Some(event) = usize::try_from(number).ok().and_then(|number| chunk.get(number)) else { continue };
            let Some(entry) = plan.entries.get(&event.key) else { continue };
            let (epoch, currency, source): (i32, String, String) = (row.try_get_by(1)?, row.try_get_by(2)?, row.try_get_by(3)?);
            let high_water: Money = row.try_get_by(4)?;
            let is_ahead = epoch == entry.epoch
                && currency == entry.position.currency.as_str()
                && may_be_same_source(&source, &entry.position.source)
                && high_water.0 > event.credit.previous.to_decimal();
            if is_ahead {
                return Err(StoreError::Stale);
            }
        }
    }
    Ok(())
}
