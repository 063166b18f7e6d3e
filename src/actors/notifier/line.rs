//! Awards that the ledger has just stored, kept in memory until their turn comes, so that the database need not be asked for what
//! was just written to it.
//!
//! An award may go out from here only where everything older of its player is known to be told or to go before it: it is the
//! player's first, or the one behind the newest that this link has told or is telling. Every other one is left to the rows, as is
//! everything when the link breaks, when a notice is not acknowledged, and when there is more than [`AWARDS_MAX`]. So whatever is
//! forgotten here is found there.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use crate::domain::PlayerId;
use crate::store::book::AwardedEvent;

/// Awards kept at once; a few MiB. Those beyond it are found in the database.
const AWARDS_MAX: usize = 8_192;

/// The awards and whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The newest award of each player that was told, is being told or stands in line.
    newest: HashMap<PlayerId, i64>,
    /// Players of whom a notice is under way, or who wait for room; and whether more of theirs may wait in the database alone.
    active: HashMap<PlayerId, bool>,
    /// Whose next award may go out when there is room.
    ready: VecDeque<PlayerId>,
    /// What stands in line, the next one of each player first.
    waiting: HashMap<PlayerId, VecDeque<AwardedEvent>>,
    /// How many those are.
    count: usize,
}

impl Line {
    /// Takes an award up. Answers whether it did: if not, a look at the rows will find it.
    pub(super) fn push(&mut self, award: &AwardedEvent) -> bool {
        let (player, before) = (award.player, award.sequence - 1);
        // A player of whom nothing is known has no older award where this is the first one.
        let follows = self.newest.get(&player).map_or(before == 0, |newest| *newest == before);
        if !follows || self.count >= AWARDS_MAX {
            self.active.entry(player).and_modify(|rows_wait| *rows_wait = true);
            return false;
        }
        self.newest.insert(player, award.sequence);
        self.waiting.entry(player).or_default().push_back(award.clone());
        self.count += 1;
        if let Entry::Vacant(idle) = self.active.entry(player) {
            idle.insert(false);
            self.ready.push_back(player);
        }
        true
    }

    /// The next award to send.
    pub(super) fn pop(&mut self) -> Option<AwardedEvent> {
        while let Some(player) = self.ready.pop_front() {
            if let Some(award) = self.take(player) {
                return Some(award);
            }
        }
        None
    }

    fn take(&mut self, player: PlayerId) -> Option<AwardedEvent> {
        let waiting = self.waiting.get_mut(&player)?;
        let award = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&player);
        }
        self.count -= usize::from(award.is_some());
        award
    }

    /// Whether something may go out when there is room.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether a notice of `player` is under way or about to be.
    pub(super) fn is_active(&self, player: PlayerId) -> bool {
        self.active.contains_key(&player)
    }

    /// An award that was found in the database, the oldest of its player that waits, is being told.
    pub(super) fn telling(&mut self, player: PlayerId, sequence: i64) {
        self.active.insert(player, true);
        self.newest.insert(player, sequence);
    }

    /// The player's notice was acknowledged: the next one's turn has come. Answers whether the rows have to be looked at for it.
    pub(super) fn told(&mut self, player: PlayerId) -> bool {
        if self.waiting.contains_key(&player) {
            self.ready.push_back(player);
            return false;
        }
        self.active.remove(&player).unwrap_or(true)
    }

    /// The player's notice was not acknowledged: what stands behind it waits in the database.
    pub(super) fn failed(&mut self, player: PlayerId) {
        self.active.remove(&player);
        self.newest.remove(&player);
        self.count -= self.waiting.remove(&player).map_or(0, |waiting| waiting.len());
    }

    /// The link is down: everything waits in the database.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Amount, EventId, Points};

    fn award(player: i32, sequence: i64) -> AwardedEvent {
        let amount: Amount = "1.5".parse().unwrap();
        let (pool, wallet) = ("rplant".parse().unwrap(), format!("W{player}-{sequence}").parse().unwrap());
        AwardedEvent {
            event_id: EventId::derive(&pool, &wallet, 0, Amount::ZERO, amount),
            player: PlayerId(player),
            username: "ann".to_owned(),
            pool,
            sequence,
            advc: amount,
            points: Points::new(amount),
            total_ap: Points::new(amount),
            total_advc: amount,
            at: DateTime::UNIX_EPOCH.naive_utc(),
        }
    }

    fn next(line: &mut Line) -> Option<(i32, i64)> {
        line.pop().map(|award| (award.player.0, award.sequence))
    }

    #[test]
    fn a_players_awards_go_one_after_the_other_and_players_do_not_wait_for_each_other() {
        let mut line = Line::default();
        assert!([award(1, 1), award(1, 2), award(2, 1)].iter().all(|award| line.push(award)));
        assert_eq!((next(&mut line), next(&mut line), next(&mut line)), (Some((1, 1)), Some((2, 1)), None));
        assert!(!line.told(PlayerId(1)));
        assert_eq!((next(&mut line), next(&mut line)), (Some((1, 2)), None));
        assert!(!line.told(PlayerId(1)), "nothing of it is in the database alone");
        assert!(!line.is_active(PlayerId(1)) && line.is_active(PlayerId(2)));
    }

    #[test]
    fn what_may_have_something_older_before_it_is_left_to_the_rows() {
        let mut line = Line::default();
        assert!(!line.push(&award(1, 5)), "nothing is known of the fourth");
        line.telling(PlayerId(1), 4);
        assert!(line.push(&award(1, 5)) && !line.push(&award(1, 7)), "nor of the sixth");
        assert!(!line.told(PlayerId(1)) && next(&mut line) == Some((1, 5)));
        assert!(line.told(PlayerId(1)), "the seventh has to be looked for");
        line.telling(PlayerId(1), 4);
        assert!(line.push(&award(1, 5)));
        line.failed(PlayerId(1));
        assert!(!line.push(&award(1, 6)), "the fifth is in the database");
        assert_eq!(next(&mut line), None);
        line.telling(PlayerId(1), 5);
        assert!(line.told(PlayerId(1)));
        assert!(line.push(&award(1, 6)));
        line.forget();
        assert!(!line.push(&award(1, 7)) && !line.is_ready());
    }

    #[test]
    fn memory_is_bounded() {
        let mut line = Line::default();
        let taken = (1..).take_while(|sequence| line.push(&award(1, *sequence))).count();
        assert_eq!(taken, AWARDS_MAX);
        line.failed(PlayerId(1));
        assert!(line.push(&award(2, 1)), "there is room again");
    }

    proptest! {
        /// Whatever happens, an award goes out only right behind the one that was acknowledged before it.
        #[test]
        fn no_award_overtakes_another(steps in prop::collection::vec((0_u8..5, 1_i32..4, 1_i64..6), 0..200)) {
            let mut line = Line::default();
            let (mut told, mut under_way) = (HashMap::new(), HashMap::new());
            for (step, player, sequence) in steps {
                match step {
                    0 | 1 => drop(line.push(&award(player, sequence))),
                    2 => if let Some((player, sequence)) = next(&mut line) {
                        prop_assert_eq!(told.get(&player).copied().unwrap_or(0), sequence - 1);
                        prop_assert!(under_way.insert(player, sequence).is_none(), "one at a time");
                    },
                    3 => if let Some(sequence) = under_way.remove(&player) {
                        told.insert(player, sequence);
                        let _ = line.told(PlayerId(player));
                    },
                    _ => if under_way.remove(&player).is_some() {
                        line.failed(PlayerId(player));
                        // The database has it, and it is told from there.
                        let sequence = told.get(&player).copied().unwrap_or(0) + 1;
                        line.telling(PlayerId(player), sequence);
                        under_way.insert(player, sequence);
                    },
                }
            }
        }
    }
}
