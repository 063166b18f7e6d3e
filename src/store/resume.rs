//! What a game server says that it has: the last sequence of each player.
//!
//! An award up to that sequence counts as acknowledged, for the server names it as one that it has. Every award above it goes out
//! again with its old event id, be it that it was acknowledged before and the server has lost it, or that it was given up.

use sea_orm::DatabaseConnection;

use super::StoreError;
use super::bulk::{Bulk, Kind};
use crate::domain::PlayerId;

/// Players of one statement.
pub const PLAYERS_PER_STATEMENT: usize = 500;

/// What a server's statement changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resumed {
    /// Awards that had not been acknowledged, and are by the statement.
    pub acknowledged: u64,
    /// Awards that were acknowledged or given up, and go out again.
    pub again: u64,
}

/// Takes the statement of up to [`PLAYERS_PER_STATEMENT`] players, each named once.
///
/// # Errors
/// When the database cannot be asked. What was changed until then is right, and doing it again is safe.
pub async fn resume(db: &DatabaseConnection, last: &[(PlayerId, i64)]) -> Result<Resumed, StoreError> {
    const KINDS: &[Kind] = &[Kind::Integer, Kind::BigInteger];
    // Two statements, because each has a partial index of its own; either holds few rows, whatever was ever delivered.
    static ACKNOWLEDGE: [Bulk; 2] = [
        Bulk::new(
            "UPDATE mining_events SET notified = TRUE, delivery_dead = FALSE, next_attempt_at = NULL FROM {rows} \
             WHERE mining_events.player_id = v.column1 AND mining_events.player_sequence <= v.column2 \
                 AND mining_events.notified = FALSE AND mining_events.delivery_dead = FALSE \
                 AND mining_events.player_sequence IS NOT NULL",
            &[],
            KINDS,
        ),
        Bulk::new(
            "UPDATE mining_events SET notified = TRUE, delivery_dead = FALSE, next_attempt_at = NULL FROM {rows} \
             WHERE mining_events.player_id = v.column1 AND mining_events.player_sequence <= v.column2 \
                 AND mining_events.notified = FALSE AND mining_events.delivery_dead = TRUE",
            &[],
            KINDS,
        ),
    ];
    static AGAIN: Bulk = Bulk::new(
        "UPDATE mining_events SET notified = FALSE, delivery_dead = FALSE, delivery_attempts = 0, next_attempt_at = NULL FROM {rows} \
         WHERE mining_events.player_id = v.column1 AND mining_events.player_sequence > v.column2 \
             AND (mining_events.notified = TRUE OR mining_events.delivery_dead = TRUE)",
        &[],
        KINDS,
    );
    let rows = |statement: &'static Bulk| {
        let mut rows = statement.rows(db, last.len());
        for (player, sequence) in last {
            rows.add([player.0.into(), (*sequence).into()]);
        }
        rows
    };
    let mut resumed = Resumed::default();
    for statement in &ACKNOWLEDGE {
        resumed.acknowledged += rows(statement).execute(db, &[]).await?;
    }
    resumed.again = rows(&AGAIN).execute(db, &[]).await?;
    Ok(resumed)
}
