//! Whether this login may do what the daemon does, found out without changing anything.

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
