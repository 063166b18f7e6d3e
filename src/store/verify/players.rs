//! The walk over players: totals grew by exactly their awards, which are numbered without gaps.

use std::collections::BTreeMap;

use sea_orm::DatabaseTransaction;

use super::event;
use super::rows::{self, EventRow, PlayerRow};
use super::{Report, amount};
use crate::domain::Amount;
use crate::store::{Observer, Progress, StoreError, stored_total};

/// One player while the awards pass by.
struct Walk {
    row: PlayerRow,
    /// The number that comes next.
    next: i64,
    /// The totals after the newest award.
    total_advc: Option<Amount>,
    total_ap: Option<Amount>,
    /// What others added to the AP.
    other_ap: Amount,
    /// Others changed the AP, be it to and fro.
    others: bool,
}

/// Checks every player with the awards.
pub(super) async fn check(db: &DatabaseTransaction, report: &mut Report, observer: Observer<'_>) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = rows::players(db, after).await?;
        let last = page.last().map_or(i32::MAX, |row| row.id);
        let mut walks: BTreeMap<i32, Walk> = page.into_iter().map(|row| (row.id, Walk::new(row))).collect();
        let ended = walks.is_empty();
        let mut at = (after, i64::MAX);
        loop {
            let awards = rows::awards_of_players(db, at, last).await?;
            let Some(newest) = awards.last() else { break };
            at = (newest.player_id, newest.player_sequence.unwrap_or(i64::MAX));
            for award in &awards {
                if let Some(reversed) = award.reverses {
                    report.reversals += 1;
                    event::check_reversal(db, award, reversed, report).await?;
                }
                match walks.get_mut(&award.player_id) {
                    Some(walk) => walk.take(award, report),
                    None => report.differs("player", &event::place(award), "its player", "no such player"),
                }
            }
        }
        observer(Progress::Went(walks.len() as u64));
        for walk in walks.into_values() {
            report.players += 1;
            walk.finish(report);
        }
        if ended {
            return Ok(());
        }
        after = last;
    }
}

impl Walk {
    fn new(row: PlayerRow) -> Self {
        Self { row, next: 1, total_advc: None, total_ap: None, other_ap: Amount::ZERO, others: false }
    }

    fn take(&mut self, award: &EventRow, report: &mut Report) {
        let place = event::place(award);
        let number = award.player_sequence.unwrap_or_default();
        report.compare("player_sequence", &place, self.next, number);
        self.next = number + 1;
        let (advc, points) = (amount(&award.advc_amount), amount(&award.ap_awarded));
        let after = event::read(award, "total_advc_after", award.total_advc_after.as_deref(), report);
        if let (Some(before), Some(advc), Some(after)) = (self.total_advc, advc, after)
            && let Some(expected) = before.checked_add(advc)
        {
            report.compare("total_advc_after", &place, expected, after);
        }
        // Where it cannot be read there is nothing to hold the next award against.
        self.total_advc = after;
        let after = event::read(award, "total_ap_after", award.total_ap_after.as_deref(), report);
        if let (Some(before), Some(points), Some(after)) = (self.total_ap, points, after)
            && let Some(expected) = before.checked_add(points)
        {
            self.note_others(expected, after);
        }
        self.total_ap = after;
    }

    /// The AP are not what the awards alone would make them: the game gave or took.
    fn note_others(&mut self, expected: Amount, found: Amount) {
        if let Some(other) = found.checked_sub(expected).filter(|other| *other != Amount::ZERO) {
            self.others = true;
            self.other_ap = self.other_ap.checked_add(other).unwrap_or(self.other_ap);
        }
    }

    fn finish(mut self, report: &mut Report) {
        let place = format!("player {}", self.row.id);
        report.compare("event_sequence", &place, self.next - 1, self.row.event_sequence);
        let advc = read(&place, "total_advc_mined", &self.row.total_advc_mined, report);
        // Without awards there is nothing to hold it against: the player may have come with a total.
        if let (Some(expected), Some(_)) = (self.total_advc, advc) {
            match amount(&self.row.total_advc_mined) {
                Some(found) => report.compare("total_advc_mined", &place, expected, found),
                None => report.differs("total_advc_mined", &place, expected, &self.row.total_advc_mined),
            }
        }
        let ap = read(&place, "total_ap", &self.row.total_ap, report);
        if let (Some(expected), Some(found)) = (self.total_ap, ap) {
            self.note_others(expected, found);
        }
        report.players_with_other_ap += u64::from(self.others);
        report.other_ap = report.other_ap.checked_add(self.other_ap).unwrap_or(report.other_ap);
    }
}

/// Reads a total of a player as an award does, which rounds what was taken over from a float. What that cannot read is not only
/// wrong: this player's next award cannot be stored.
fn read(place: &str, column: &str, text: &str, report: &mut Report) -> Option<Amount> {
    let read = stored_total(text);
    if read.is_none() {
        report.differs("unreadable_amount", place, format!("an amount in {column}"), text);
    }
    read
}
