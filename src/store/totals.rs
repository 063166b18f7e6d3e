//! Players' totals, which awards add to and the game reads and writes too.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use sea_orm::DatabaseTransaction;

use super::bulk::{Bulk, Kind};
use super::write::ROWS_PER_STATEMENT;
use super::{StoreError, stored_total};
use crate::domain::{Amount, PlayerId, Points};

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

/// Reads the totals of these players, locking the rows (SQLite's transaction holds the only write lock already).
pub(super) async fn lock_players(db: &DatabaseTransaction, mut ids: Vec<i32>) -> Result<BTreeMap<PlayerId, Totals>, StoreError> {
    // The game writes these rows too, so nothing is read that is not needed, and all as text (see `as_text`): a total that is no
    // number, or has a hundred places, is one player's and holds up nobody else.
    static READ: Bulk = Bulk::of_each(
        "SELECT players.id, CAST(players.username AS text), players.event_sequence, CAST(players.total_ap AS text), \
             CAST(players.total_advc_mined AS text) \
         FROM {rows} CROSS JOIN players WHERE players.id = v.column1 ORDER BY players.id FOR UPDATE OF players",
        // The order of the join is kept: each row of the values is looked up.
        "SELECT players.id, \
             CASE WHEN typeof(username) = 'blob' THEN hex(username) ELSE CAST(username AS TEXT) END, \
             players.event_sequence, \
             CASE WHEN typeof(total_ap) = 'blob' THEN hex(total_ap) ELSE CAST(total_ap AS TEXT) END, \
             CASE WHEN typeof(total_advc_mined) = 'blob' THEN hex(total_advc_mined) ELSE CAST(total_advc_mined AS TEXT) END \
         FROM {rows} CROSS JOIN players WHERE players.id = v.column1",
        &[],
        &[Kind::Integer],
    );
    ids.sort_unstable();
    ids.dedup();
    let mut totals = BTreeMap::new();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        let mut rows = READ.rows(db, chunk.len());
        for id in chunk {
            rows.add([(*id).into()]);
        }
        for row in rows.query(db, &[]).await? {
            let id: i32 = row.try_get_by(0)?;
            // A total that was taken over is the decimal of a binary float, with its noise far behind the eighth place.
            let amount = |index: usize, column: &str| {
                let text: String = row.try_get_by(index)?;
                stored_total(&text)
                    .ok_or_else(|| StoreError::Content(format!("players.{column} of player {id} is no amount: {text}")))
            };
            let read = Totals {
                username: row.try_get_by(1)?,
                sequence: row.try_get_by(2)?,
                total_ap: Points::new(amount(3, "total_ap")?),
                total_advc: amount(4, "total_advc_mined")?,
                changed: false,
            };
            totals.insert(PlayerId(id), read);
        }
    }
    Ok(totals)
}

/// Stores the totals that changed. `awarded_at` is when AP was given, where it was.
pub(super) async fn store_totals(
    db: &DatabaseTransaction,
    totals: &BTreeMap<PlayerId, Totals>,
    awarded_at: Option<NaiveDateTime>,
    now: NaiveDateTime,
) -> Result<(), StoreError> {
    static UPDATE: Bulk = Bulk::new(
        "UPDATE players SET last_mining_event = COALESCE({}, last_mining_event), updated_at = {}, total_ap = v.column2, \
             total_advc_mined = v.column3, event_sequence = v.column4 \
         FROM {rows} WHERE players.id = v.column1",
        &[Kind::Time, Kind::Time],
        &[Kind::Integer, Kind::Money, Kind::Money, Kind::BigInteger],
    );
    let changed: Vec<(&PlayerId, &Totals)> = totals.iter().filter(|(_, totals)| totals.changed).collect();
    for chunk in changed.chunks(ROWS_PER_STATEMENT) {
        let mut rows = UPDATE.rows(db, chunk.len());
        for (player, totals) in chunk {
            rows.add([player.0.into(), totals.total_ap.get().into(), totals.total_advc.into(), totals.sequence.into()]);
        }
        rows.execute(db, &[awarded_at.into(), now.into()]).await?;
    }
    Ok(())
}
