//! What an agenda remembers of its wallets: one slot each, all in one piece.
//!
//! A slot is found by its number, or by its wallet's text through a table of numbers. Numbers change only in
//! [`Slots::sweep`]; until then a wallet that is gone keeps its slot, so that a number never comes to mean another wallet.

use std::num::NonZeroU64;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::Answer;
use crate::domain::names::{PlayerId, Wallet};
use crate::domain::roster::PollJob;

/// Room for new wallets beside those that there are: one in so many.
const SPARE: usize = 32;

/// A point in time in eight bytes, an option of it too: nanoseconds, good for five centuries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(NonZeroU64);

impl Moment {
    pub(super) fn of(time: Duration) -> Self {
        Self(NonZeroU64::MIN.saturating_add(nanos(time)))
    }

    /// Nanoseconds, counted from one.
    pub(super) fn get(self) -> u64 {
        self.0.get()
    }

    pub(super) fn until(self, now: Duration) -> Duration {
        Duration::from_nanos(nanos(now).saturating_sub(self.get() - 1))
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether the newest list has the wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Listed,
    /// No more, but it is being asked about.
    Unlisted,
    /// No more, and nothing is remembered of it.
    Gone,
}

/// The round that last asked about a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Before,
    LastRound,
    ThisRound,
}

/// The last [`Answer`], without the number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    None,
    Good,
    Nothing,
    Refused,
    Silent,
    Failed,
    Unbearable,
}

impl From<Answer> for Last {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Good | Answer::Same => Self::Good,
            Answer::Nothing => Self::Nothing,
            Answer::Refused => Self::Refused,
            Answer::Silent => Self::Silent,
            Answer::Failed { .. } => Self::Failed,
            Answer::Unbearable => Self::Unbearable,
        }
    }
}

/// What is remembered of a wallet. As large as a cache line, and not to grow: there are as many as players and pools.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) wallet: Wallet,
    pub(super) player: PlayerId,
    pub(super) phase: u32,
    /// When it was last asked about and said something, which is its place in the queue.
    pub(super) asked_at: Option<Moment>,
    /// When it became known; then when the pool last said something about it.
    pub(super) heard_at: Moment,
    /// When it last had a reading.
    pub(super) good_at: Option<Moment>,
    /// Where it failed the last time: good answers of the pool until then. While it `is_remembered`: the digest of its answer.
    pub(super) note: u64,
    pub(super) refusals_in_row: u8,
    pub(super) last: Last,
    pub(super) asked: Asked,
    pub(super) standing: Standing,
    /// This round is its first one.
    pub(super) is_new: bool,
    pub(super) in_flight: bool,
    /// The round has not asked about it.
    pub(super) is_open: bool,
    /// Its last answer changed nothing, and neither would the same again.
    pub(super) is_remembered: bool,
}

impl Slot {
    pub(super) fn new(job: &PollJob, phase: u32, asked: Asked, now: Duration) -> Self {
        Self {
            wallet: job.wallet.clone(),
            player: job.player,
            phase,
            asked_at: None,
            heard_at: Moment::of(now),
            good_at: None,
            note: 0,
            refusals_in_row: 0,
            last: Last::None,
            asked,
            standing: Standing::Listed,
            is_new: true,
            in_flight: false,
            is_open: false,
            is_remembered: false,
        }
    }

    pub(super) fn job(&self) -> PollJob {
        PollJob { player: self.player, wallet: self.wallet.clone() }
    }
}

/// The slots of one pool.
#[derive(Debug, Default)]
pub(super) struct Slots {
    all: Vec<Slot>,
    /// Those in `all`, by the hash of the wallet.
    numbers: HashTable<u32>,
    hashes: RandomState,
}

impl Slots {
    /// Of every wallet that is not gone.
    pub(super) fn known(&self) -> impl Iterator<Item = (u32, &Slot)> {
        (0..).zip(&self.all).filter(|(_, slot)| slot.standing != Standing::Gone)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.all.iter_mut()
    }

    pub(super) fn at(&mut self, number: u32) -> Option<&mut Slot> {
        self.all.get_mut(number as usize)
    }

    pub(super) fn get(&self, wallet: &Wallet) -> Option<&Slot> {
        let slot = self.all.get(self.number_of(wallet)? as usize)?;
        (slot.standing != Standing::Gone).then_some(slot)
    }

    /// The slot's number whose wallet this is, gone or not. One whose text is in the very same place is found without a look
    /// at the text where `guess` is right, as it is when a list has changed little.
    pub(super) fn find(&self, wallet: &Wallet, guess: u32) -> Option<u32> {
        match self.all.get(guess as usize) {
            Some(slot) if slot.wallet.shares_text_with(wallet) => Some(guess),
            _ => self.number_of(wallet),
        }
    }

    fn number_of(&self, wallet: &Wallet) -> Option<u32> {
        let is_it = |number: &u32| self.all.get(*number as usize).is_some_and(|slot| slot.wallet == *wallet);
        self.numbers.find(hash(&self.hashes, wallet), is_it).copied()
    }

    /// Takes in a wallet that [`find`](Self::find) does not find.
    pub(super) fn insert(&mut self, slot: Slot) -> u32 {
        if self.all.len() == self.all.capacity() {
            self.all.reserve_exact(1 + self.all.len() / SPARE);
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let hash_of = hash(&self.hashes, &slot.wallet);
        self.all.push(slot);
        let (all, hashes) = (&self.all, &self.hashes);
        self.numbers.insert_unique(hash_of, number, |number| hash_at(all, hashes, *number));
        number
    }

    /// Makes room for a list of so many wallets, and gives back what was for a much longer one.
    pub(super) fn fit(&mut self, count: usize) {
        let room = count + count / SPARE;
        if self.all.capacity() < count {
            self.all.reserve_exact(room.saturating_sub(self.all.len()));
        }
        let (all, hashes) = (&mut self.all, &self.hashes);
        if all.capacity() / 2 > room {
            all.shrink_to(room);
            self.numbers.shrink_to(count, |number| hash_at(all, hashes, *number));
        }
        self.numbers.reserve(count.saturating_sub(self.numbers.len()), |number| hash_at(all, hashes, *number));
    }

    /// Forgets the slots of wallets that are gone. Others get their numbers.
    pub(super) fn sweep(&mut self) {
        let mut number = 0;
        while let Some(slot) = self.all.get(number as usize) {
            if slot.standing != Standing::Gone {
                number += 1;
                continue;
            }
            if let Ok(entry) = self.numbers.find_entry(hash(&self.hashes, &slot.wallet), |other| *other == number) {
                entry.remove();
            }
            self.all.swap_remove(number as usize);
            if let Some(moved) = self.all.get(number as usize) {
                let before = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
                if let Some(entry) = self.numbers.find_mut(hash(&self.hashes, &moved.wallet), |other| *other == before) {
                    *entry = number;
                }
            }
        }
    }

    /// Bytes taken up, the texts of the wallets apart.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.all.capacity() * size_of::<Slot>() + self.numbers.allocation_size()
    }
}

fn hash(hashes: &RandomState, wallet: &Wallet) -> u64 {
    std::hash::BuildHasher::hash_one(hashes, wallet.as_str())
}

fn hash_at(all: &[Slot], hashes: &RandomState, number: u32) -> u64 {
    all.get(number as usize).map_or(0, |slot| hash(hashes, &slot.wallet))
}
