//! Whether this login may do what the daemon does, and whether the database keeps what it is given.

use sea_orm::{ConnectionTrait as _, DatabaseConnection};

use super::StoreError;

/// What the daemon does to each table. No statement finds a row, but both engines look at the rights first.
const STATEMENTS: [&str; 10] = [
    "INSERT INTO positions (id) SELECT id FROM positions WHERE 1 = 0",
    "UPDATE positions SET sequence = sequence WHERE 1 = 0",
    "INSERT INTO mining_events (id) SELECT id FROM mining_events WHERE 1 = 0",
    "UPDATE mining_events SET notified = notified, delivery_attempts = delivery_attempts WHERE 1 = 0",
    "UPDATE players SET total_ap = total_ap, total_advc_mined = total_advc_mined WHERE 1 = 0",
    "INSERT INTO pool_snapshots (id) SELECT id FROM pool_snapshots WHERE 1 = 0",
    "DELETE FROM pool_snapshots WHERE 1 = 0",
    "INSERT INTO anomalies (id) SELECT id FROM anomalies WHERE 1 = 0",
    "UPDATE anomalies SET resolved_at = resolved_at WHERE 1 = 0",
    "SELECT id FROM player_wallets WHERE 1 = 0",
];

/// Does to each table what the daemon does, to no row, and takes it back.
///
/// # Errors
/// The first thing that cannot be done: a right that is missing, a file that may only be read, a lock that is held for longer
/// than is waited for.
pub async fn check_writable(db: &DatabaseConnection) -> Result<(), StoreError> {
    let transaction = super::decisions::begin(db).await?;
    for statement in STATEMENTS {
        transaction.execute_unprepared(statement).await?;
    }
    Ok(transaction.rollback().await?)
}

/// A snapshot of some player's, at a time that no query asks for; none where there are no players.
const PUT: &str = "INSERT INTO pool_snapshots (player_id, pool_name, paid, snapshot_time) \
                   SELECT MIN(id), '', '0', '1970-01-01 00:00:00' FROM players HAVING MIN(id) IS NOT NULL";
const TAKE_AWAY: &str = "DELETE FROM pool_snapshots \
                         WHERE player_id = (SELECT MIN(id) FROM players) AND pool_name = '' AND snapshot_time = '1970-01-01 00:00:00'";

/// Commits a write that leaves no row behind, after [`check_writable`]: a full disk is noticed by nothing less.
///
/// # Errors
/// As [`check_writable`], and when the database cannot keep what it is given.
pub async fn write_once(db: &DatabaseConnection) -> Result<(), StoreError> {
    check_writable(db).await?;
    let transaction = super::decisions::begin(db).await?;
    for statement in [PUT, TAKE_AWAY] {
        transaction.execute_unprepared(statement).await?;
    }
    Ok(transaction.commit().await?)
}
