//! The turns of a round: those to come, and those that have come. Slots are named by their numbers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::Draft;
use super::slots::{Moment, nanos};
use crate::domain::spread::make_room;

/// When a slot's turn comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// Nanoseconds.
    pub(super) at: u64,
    /// Its place among those that come at the same time.
    pub(super) rank: u32,
    pub(super) slot: u32,
}

/// A slot whose turn has come, the next one first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    place: u64,
    /// Slots of the same place come in the order of their turns.
    at: u64,
    rank: u32,
    slot: u32,
}

/// Where a slot stands among those that are due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Behind all others.
    pub(super) is_unbearable: bool,
    /// The oldest first; `None` where the order is by lot, behind the others.
    pub(super) asked_at: Option<Option<Moment>>,
}

impl Place {
    /// In eight bytes, of which time takes 63 bits: good for 292 years.
    fn pack(self) -> u64 {
        const LAST: u64 = u64::MAX >> 1;
        let age = self.asked_at.map_or(LAST, |asked_at| asked_at.map_or(0, |at| at.get().min(LAST - 1)));
        (u64::from(self.is_unbearable) << 63) | age
    }
}

/// The turns of a round.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// When the turns of the round come, in nanoseconds, and whose they are. Sorted.
    times: Vec<u64>,
    slots: Vec<u32>,
    /// How many of them are over.
    over: usize,
    /// Turns that were put before the next one of them, the last one first.
    early: Vec<Turn>,
    /// What is due: many in a sorted list, the next one last, and those that became due later.
    due: Vec<Reverse<Due>>,
    newly_due: BinaryHeap<Reverse<Due>>,
}

/// More than these are sorted: to take so many out of a heap one by one takes several times as long.
const HEAP_MAX: usize = 64;

impl Turns {
    /// Forgets all turns.
    pub(super) fn clear(&mut self) {
        self.times.clear();
        self.slots.clear();
        self.over = 0;
        self.early.clear();
        self.due.clear();
        self.newly_due.clear();
    }

    /// Sets the turns of a round that begins at `tick`, as [`make_room`] moves them to keep a distance of `gap`.
    pub(super) fn plan(&mut self, drafts: &[Draft], gap: u64, tick: u64) {
        self.clear();
        // After a round of which much was due at once.
        self.due.shrink_to(drafts.len() / 8);
        self.newly_due.shrink_to(drafts.len() / 8);
        fill(&mut self.slots, drafts.iter().map(|(.., slot)| *slot));
        fill(&mut self.times, drafts.iter().map(|(at, ..)| *at));
        make_room(&mut self.times, gap);
        self.times.iter_mut().for_each(|at| *at = at.saturating_add(tick));
    }

    /// Puts a turn before all that are to come.
    pub(super) fn put_first(&mut self, turn: Turn) {
        self.early.push(turn);
    }

    /// The next turn to come.
    pub(super) fn coming(&self) -> Option<Turn> {
        self.early.last().copied().or_else(|| {
            let (at, slot) = (*self.times.get(self.over)?, *self.slots.get(self.over)?);
            Some(Turn { at, rank: u32::try_from(self.over).unwrap_or(u32::MAX), slot })
        })
    }

    /// Takes out the turn that [`coming`](Self::coming) answers.
    pub(super) fn pass(&mut self) {
        if self.early.pop().is_none() {
            self.over += 1;
        }
    }

    /// The next turn, taken out, if it has come.
    pub(super) fn come(&mut self, now: Duration) -> Option<Turn> {
        let turn = self.coming().filter(|turn| turn.at <= nanos(now))?;
        self.pass();
        Some(turn)
    }

    /// Makes room for the turns that come until `now`, where they are many.
    pub(super) fn expect(&mut self, now: Duration) {
        let coming = self.times.get(self.over..).unwrap_or_default();
        // Seldom more than one, so they are counted one by one.
        let come = coming.iter().take_while(|at| **at <= nanos(now)).count();
        if come > HEAP_MAX {
            self.newly_due.reserve_exact(come);
        }
    }

    /// Puts a turn that has come among those.
    pub(super) fn put_due(&mut self, turn: Turn, place: Place) {
        let Turn { at, rank, slot } = turn;
        self.newly_due.push(Reverse(Due { place: place.pack(), at, rank, slot }));
    }

    /// Sorts what has become due, where it is much.
    pub(super) fn sort_due(&mut self) {
        if self.newly_due.len() <= self.due.len().max(HEAP_MAX) {
            return;
        }
        let mut all = std::mem::take(&mut self.newly_due).into_vec();
        all.append(&mut self.due);
        all.sort_unstable();
        self.due = all;
    }

    /// The first slot of those whose turn has come.
    pub(super) fn first_due(&self) -> Option<u32> {
        let first = self.due.last().max(self.newly_due.peek());
        first.map(|Reverse(due)| due.slot)
    }

    /// Takes it out.
    pub(super) fn pop_due(&mut self) -> Option<u32> {
        let first = if self.newly_due.peek() > self.due.last() { self.newly_due.pop() } else { self.due.pop() };
        first.map(|Reverse(due)| due.slot)
    }

    /// Bytes taken up.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let early = self.early.capacity() * size_of::<Turn>();
        self.times.capacity() * 8
            + self.slots.capacity() * 4
            + early
            + (self.due.capacity() + self.newly_due.capacity()) * size_of::<Due>()
    }
}

/// Fills an empty `list`, which becomes as long as it has to be.
fn fill<T>(list: &mut Vec<T>, values: impl ExactSizeIterator<Item = T>) {
    let count = values.len();
    if list.capacity() / 2 > count {
        list.shrink_to(count);
    }
    list.reserve_exact(count);
    list.extend(values);
}
