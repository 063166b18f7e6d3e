//! The rows as they are read for checking, page by page. Amounts come as text: one that is no amount is a difference and not
//! an error of the query.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbBackend, FromQueryResult, Statement, Value};

use super::Report;
use crate::store::{StoreError, text_of};

/// Rows of one query.
pub(super) const PAGE: u64 = 500;

#[derive(Debug, FromQueryResult)]
pub(super) struct EventRow {
    pub(super) id: i64,
    pub(super) player_id: i32,
    pub(super) pool_name: String,
    pub(super) event_id: Option<String>,
    pub(super) position_id: Option<i64>,
    pub(super) position_sequence: Option<i64>,
    pub(super) player_sequence: Option<i64>,
    pub(super) address: Option<String>,
    pub(super) epoch: i32,
    pub(super) status: String,
    pub(super) processed: bool,
    pub(super) reverses: Option<i64>,
    pub(super) advc_amount: String,
    pub(super) ap_awarded: String,
    pub(super) native_amount: Option<String>,
    pub(super) native_previous: Option<String>,
    pub(super) native_current: Option<String>,
    pub(super) rate: Option<String>,
    pub(super) ap_per_advc: Option<String>,
    pub(super) total_ap_after: Option<String>,
    pub(super) total_advc_after: Option<String>,
}

const EVENT_COLUMNS: &str = "id, player_id, pool_name, event_id, position_id, position_sequence, player_sequence, address, epoch, \
    status, processed, reverses, CAST(advc_amount AS TEXT) AS advc_amount, CAST(ap_awarded AS TEXT) AS ap_awarded, \
    CAST(native_amount AS TEXT) AS native_amount, CAST(native_previous AS TEXT) AS native_previous, \
    CAST(native_current AS TEXT) AS native_current, CAST(rate AS TEXT) AS rate, CAST(ap_per_advc AS TEXT) AS ap_per_advc, \
    CAST(total_ap_after AS TEXT) AS total_ap_after, CAST(total_advc_after AS TEXT) AS total_advc_after";

#[derive(Debug, FromQueryResult)]
pub(super) struct PositionRow {
    pub(super) id: i64,
    pub(super) player_id: i32,
    pub(super) pool_name: String,
    pub(super) address: String,
    pub(super) baseline: String,
    pub(super) high_water: String,
    pub(super) sequence: i64,
    pub(super) epoch: i32,
}

#[derive(Debug, FromQueryResult)]
pub(super) struct RebaseRow {
    pub(super) position_id: i64,
    pub(super) position_sequence: i64,
    pub(super) from_epoch: i32,
    pub(super) old_baseline: String,
    pub(super) old_high_water: String,
}

#[derive(Debug, FromQueryResult)]
pub(super) struct PlayerRow {
    pub(super) id: i32,
    pub(super) event_sequence: i64,
    pub(super) total_ap: String,
    pub(super) total_advc_mined: String,
}

#[derive(Debug, FromQueryResult)]
pub(super) struct PayoutRow {
    pub(super) pool_name: String,
    pub(super) address: String,
    pub(super) tx_id: String,
    pub(super) number: i64,
    pub(super) amount: String,
    pub(super) total: String,
}

#[derive(Debug, FromQueryResult)]
struct Mark {
    id: i64,
    pool_name: String,
    address: String,
    mark: String,
}

#[derive(Debug, FromQueryResult)]
struct Count {
    count: i64,
}

#[derive(Debug, FromQueryResult)]
struct Wallet {
    pool_name: String,
    address: String,
}

/// Runs `sql`, in which `?` stands for each of `values` in turn.
async fn select<T: FromQueryResult>(
    db: &DatabaseTransaction,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<T>, StoreError> {
    let backend = db.get_database_backend();
    let mut numbered = String::with_capacity(sql.len() + 8);
    let mut number = 0;
    for (index, part) in sql.split('?').enumerate() {
        if index > 0 {
            number += 1;
            numbered.push_str(&if backend == DbBackend::Postgres { format!("${number}") } else { "?".to_owned() });
        }
        numbered.push_str(part);
    }
    Ok(T::find_by_statement(Statement::from_sql_and_values(backend, numbered, values)).all(db).await?)
}

/// How many rows a table has.
pub(super) async fn count(db: &DatabaseTransaction, table: &'static str) -> Result<u64, StoreError> {
    let statement = Statement::from_string(db.get_database_backend(), format!("SELECT COUNT(*) AS n FROM {table}"));
    let row = db.query_one_raw(statement).await?;
    let counted: i64 = row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
    Ok(u64::try_from(counted).unwrap_or_default())
}

/// The next page of positions.
pub(super) async fn positions(db: &DatabaseTransaction, after: i64) -> Result<Vec<PositionRow>, StoreError> {
    let sql = format!(
        "SELECT id, player_id, pool_name, address, CAST(baseline AS TEXT) AS baseline, CAST(high_water AS TEXT) AS high_water, \
         sequence, epoch FROM positions WHERE id > ? ORDER BY id LIMIT {PAGE}"
    );
    select(db, &sql, [after.into()]).await
}

/// The rebases of the positions `after` < id ≤ `last`.
pub(super) async fn rebases(db: &DatabaseTransaction, after: i64, last: i64) -> Result<Vec<RebaseRow>, StoreError> {
    let sql = "SELECT position_id, position_sequence, from_epoch, CAST(old_baseline AS TEXT) AS old_baseline, \
               CAST(old_high_water AS TEXT) AS old_high_water FROM position_rebases \
               WHERE position_id > ? AND position_id <= ? ORDER BY position_id, position_sequence";
    select(db, sql, [after.into(), last.into()]).await
}

/// The next page of numbered events of the positions up to `last`, after the event `sequence` of the position `position`.
pub(super) async fn events_of_positions(
    db: &DatabaseTransaction,
    (position, sequence): (i64, i64),
    last: i64,
) -> Result<Vec<EventRow>, StoreError> {
    let sql = format!(
        "SELECT {EVENT_COLUMNS} FROM mining_events WHERE position_id <= ? AND position_sequence IS NOT NULL \
         AND (position_id, position_sequence) > (?, ?) ORDER BY position_id, position_sequence LIMIT {PAGE}"
    );
    select(db, &sql, [last.into(), position.into(), sequence.into()]).await
}

/// The next page of players.
pub(super) async fn players(db: &DatabaseTransaction, after: i32) -> Result<Vec<PlayerRow>, StoreError> {
    let text = |column| text_of(db.get_database_backend(), column);
    let sql = format!(
        "SELECT id, event_sequence, {} AS total_ap, {} AS total_advc_mined FROM players WHERE id > ? ORDER BY id LIMIT {PAGE}",
        text("total_ap"),
        text("total_advc_mined")
    );
    select(db, &sql, [after.into()]).await
}

/// The next page of awards of the players up to `last`, after the award `sequence` of the player `player`.
pub(super) async fn awards_of_players(
    db: &DatabaseTransaction,
    (player, sequence): (i32, i64),
    last: i32,
) -> Result<Vec<EventRow>, StoreError> {
    let sql = format!(
        "SELECT {EVENT_COLUMNS} FROM mining_events WHERE player_id <= ? AND player_sequence IS NOT NULL \
         AND (player_id, player_sequence) > (?, ?) ORDER BY player_id, player_sequence LIMIT {PAGE}"
    );
    select(db, &sql, [last.into(), player.into(), sequence.into()]).await
}

/// The next page of listed payouts, after the one of this pool, address and number.
pub(super) async fn payouts(
    db: &DatabaseTransaction,
    after: Option<(String, String, i64)>,
) -> Result<Vec<PayoutRow>, StoreError> {
    let (pool, address, number) = after.unwrap_or_default();
    let sql = format!(
        "SELECT pool_name, address, tx_id, number, CAST(amount AS TEXT) AS amount, CAST(total AS TEXT) AS total \
         FROM listed_payouts WHERE (pool_name, address, number) > (?, ?, ?) ORDER BY pool_name, address, number LIMIT {PAGE}"
    );
    select(db, &sql, [pool.into(), address.into(), number.into()]).await
}

/// Marks and counters of positions that count listed payouts and are no sum of such payouts.
pub(super) async fn check_sums(db: &DatabaseTransaction, report: &mut Report) -> Result<(), StoreError> {
    // All are written in one form, so on SQLite equal amounts are equal texts.
    let a_sum = |column: &str| {
        format!(
            "EXISTS (SELECT 1 FROM listed_payouts l WHERE l.pool_name = p.pool_name AND l.address = p.address AND l.total = {column})"
        )
    };
    let zero =
        if db.get_database_backend() == DbBackend::Postgres { "p.high_water <> 0" } else { "CAST(p.high_water AS REAL) <> 0" };
    let marks = format!(
        "SELECT p.id, p.pool_name, p.address, CAST(p.high_water AS TEXT) AS mark FROM positions p \
         WHERE p.source LIKE 'list:%' AND {zero} AND NOT {} AND NOT EXISTS (SELECT 1 FROM position_rebases r \
         WHERE r.position_id = p.id AND r.to_epoch = p.epoch AND r.new_high_water = p.high_water) ORDER BY p.id LIMIT {PAGE}",
        a_sum("p.high_water")
    );
    for row in select::<Mark>(db, &marks, []).await? {
        let place = format!("position {} ({}, {})", row.id, row.pool_name, row.address);
        report.differs("listed_sum", &place, "a sum of its listed payouts", row.mark);
    }
    let counters = format!(
        "SELECT e.id, p.pool_name, p.address, CAST(e.native_current AS TEXT) AS mark FROM mining_events e \
         JOIN positions p ON p.id = e.position_id WHERE p.source LIKE 'list:%' AND e.epoch = p.epoch AND e.reverses IS NULL \
         AND e.native_current IS NOT NULL AND NOT {} ORDER BY e.id LIMIT {PAGE}",
        a_sum("e.native_current")
    );
    for row in select::<Mark>(db, &counters, []).await? {
        let place = format!("event {} ({}, {})", row.id, row.pool_name, row.address);
        report.differs("listed_sum", &place, "a sum of its listed payouts", row.mark);
    }
    Ok(())
}

/// One event.
pub(super) async fn event(db: &DatabaseTransaction, id: i64) -> Result<Option<EventRow>, StoreError> {
    let sql = format!("SELECT {EVENT_COLUMNS} FROM mining_events WHERE id = ?");
    Ok(select(db, &sql, [id.into()]).await?.pop())
}

/// What no walk over positions and players comes across: events of this program without the numbers they must have, and
/// wallets whose positions are not all in one epoch. Counts what the replaced service left.
pub(super) async fn check_stray(db: &DatabaseTransaction, report: &mut Report) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT {EVENT_COLUMNS} FROM mining_events WHERE event_id IS NOT NULL AND (\
         (reverses IS NULL AND (position_id IS NULL OR position_sequence IS NULL)) \
         OR (reverses IS NOT NULL AND player_sequence IS NULL)) ORDER BY id LIMIT {PAGE}"
    );
    for row in select::<EventRow>(db, &sql, []).await? {
        let numbers =
            format!("position {:?} number {:?}, award {:?}", row.position_id, row.position_sequence, row.player_sequence);
        report.differs("event_without_number", &format!("event {}", row.id), "a position and a number", numbers);
    }
    let sql = format!(
        "SELECT pool_name, address FROM positions GROUP BY pool_name, address HAVING COUNT(DISTINCT epoch) > 1 LIMIT {PAGE}"
    );
    for row in select::<Wallet>(db, &sql, []).await? {
        let place = format!("positions of {} on {}", row.address, row.pool_name);
        report.differs("wallet_epoch", &place, "one epoch", "several");
    }
    let sql = "SELECT COUNT(*) AS count FROM mining_events WHERE event_id IS NULL";
    let foreign = select::<Count>(db, sql, []).await?.pop().map_or(0, |row| row.count);
    report.foreign_events = u64::try_from(foreign).unwrap_or_default();
    Ok(())
}
