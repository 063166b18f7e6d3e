//! The walk over positions: what was found above each mark adds up to how far the mark rose.

use std::collections::BTreeMap;

use sea_orm::DatabaseTransaction;

use super::event;
use super::rows::{self, EventRow, PositionRow, RebaseRow};
use super::{Report, amount};
use crate::domain::Amount;
use crate::store::{Observer, Progress, StoreError};

/// One position while its events pass by.
struct Walk {
    row: PositionRow,
    /// By their numbers.
    rebases: BTreeMap<i64, RebaseRow>,
    /// The number that comes next.
    next: i64,
    /// What the events of each epoch add up to, and where the last of them ended.
    epochs: BTreeMap<i32, (Amount, Amount)>,
}

/// Checks every position with its events and rebases.
pub(super) async fn check(db: &DatabaseTransaction, report: &mut Report, observer: Observer<'_>) -> Result<(), StoreError> {
    // Ids begin at 1; an event of a position that is missing lies between two pages and is met all the same.
    let mut after = 0;
    loop {
        let page = rows::positions(db, after).await?;
        let last = page.last().map_or(i64::MAX, |row| row.id);
        let mut walks: BTreeMap<i64, Walk> = page
            .into_iter()
            .map(|row| (row.id, Walk { row, rebases: BTreeMap::new(), next: 1, epochs: BTreeMap::new() }))
            .collect();
        let ended = walks.is_empty();
        for rebase in rows::rebases(db, after, last).await? {
            if let Some(walk) = walks.get_mut(&rebase.position_id) {
                walk.rebases.insert(rebase.position_sequence, rebase);
            }
        }
        let mut at = (after, i64::MAX);
        loop {
            let events = rows::events_of_positions(db, at, last).await?;
            let Some(newest) = events.last() else { break };
            at = (newest.position_id.unwrap_or(last), newest.position_sequence.unwrap_or(i64::MAX));
            for event in &events {
                report.events += 1;
                report.held += u64::from(event.status == entity::mining_events::HELD);
                match walks.get_mut(&event.position_id.unwrap_or_default()) {
                    Some(walk) => walk.take(event, report),
                    None => report.differs("position", &event::place(event), "its position", "no such position"),
                }
            }
        }
        observer(Progress::Went(walks.len() as u64));
        for walk in walks.into_values() {
            report.positions += 1;
            walk.finish(report);
        }
        if ended {
            return Ok(());
        }
        after = last;
    }
}

impl Walk {
    fn place(&self) -> String {
        format!("position {} (player {}, {}, {})", self.row.id, self.row.player_id, self.row.pool_name, self.row.address)
    }

    /// Passes the numbers that rebases took.
    fn pass_rebases(&mut self) {
        while self.rebases.contains_key(&self.next) {
            self.next += 1;
        }
    }

    fn take(&mut self, event: &EventRow, report: &mut Report) {
        self.pass_rebases();
        let place = event::place(event);
        let number = event.position_sequence.unwrap_or_default();
        report.compare("position_sequence", &place, self.next, number);
        self.next = number + 1;
        if (event.player_id, event.pool_name.as_str(), event.address.as_deref())
            != (self.row.player_id, self.row.pool_name.as_str(), Some(self.row.address.as_str()))
        {
            report.differs("position", &place, self.place(), event.address.as_deref().unwrap_or("no address"));
        }
        let Some((native, previous, current)) = event::check(event, report) else { return };
        let (sum, end) = self.epochs.entry(event.epoch).or_insert((Amount::ZERO, previous));
        if previous < *end {
            report.differs("counted_twice", &place, format!("counts from {end} or above"), previous);
        }
        *sum = sum.checked_add(native).unwrap_or(*sum);
        *end = current;
    }

    fn finish(mut self, report: &mut Report) {
        self.pass_rebases();
        let place = self.place();
        report.compare("sequence", &place, self.next - 1, self.row.sequence);
        let mut epochs: Vec<(i32, String, String)> = self
            .rebases
            .values()
            .map(|rebase| (rebase.from_epoch, rebase.old_baseline.clone(), rebase.old_high_water.clone()))
            .collect();
        epochs.push((self.row.epoch, self.row.baseline.clone(), self.row.high_water.clone()));
        for (epoch, baseline, high_water) in epochs {
            let (sum, _) = self.epochs.remove(&epoch).unwrap_or_default();
            let rise = amount(&high_water).zip(amount(&baseline)).and_then(|(high, base)| high.checked_sub(base));
            match rise {
                Some(rise) => report.compare("high_water", &format!("{place} epoch {epoch}"), rise, sum),
                None => report.differs("unreadable_amount", &place, "amounts", format!("{baseline}, {high_water}")),
            }
        }
        for (epoch, (sum, _)) in self.epochs {
            report.differs("high_water", &format!("{place} epoch {epoch}"), "no events", sum);
        }
    }
}
