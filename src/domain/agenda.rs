//! Which wallet a pool is asked about next, and what is remembered of each.
//!
//! A round asks about each wallet once, at the wallet's own point of the interval ([`spread`](super::spread)). What is due is
//! asked about oldest first; what a round did not come to is due at the beginning of the next one; a wallet whose answer cannot
//! be borne comes last. So no wallet starves, whatever ends the rounds.
//!
//! A pool that bears one request a minute and is silent to all others would, at fixed moments, answer about the same wallet in
//! every round, and nobody could tell the silence from that about unknown wallets. So while a pool is silent about any wallet,
//! the wallets change places from round to round, by lot.
//!
//! Time is a [`Duration`] since any fixed moment of the caller's monotonic clock.

use std::num::NonZeroU64;
use std::time::Duration;

use super::names::{PoolName, Wallet};
use super::roster::PollJob;
use super::spread::{lot, offset, phase, window};

mod slots;
mod turns;

use slots::{Asked, Last, Moment, Slot, Slots, Standing, nanos};
use turns::{Place, Turn, Turns};

/// A wallet that answered before is believed to answer again for so many refusals in a row; then the refusals may be its own.
const REFUSALS_BELIEVED: u8 = 2;

/// When a round asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// When the round was due to begin.
    pub tick: Duration,
    /// The interval over which it is spread; zero for at once.
    pub spread: Duration,
    /// The distance between two requests for which room is to be made.
    pub gap: Duration,
}

/// What became of a request about one wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A reading.
    Good,
    /// A reading that is the same as the last one, which is remembered: see [`Agenda::remember`].
    Same,
    /// The pool works and has no reading for this wallet.
    Nothing,
    /// The pool refused because of too many requests: about the wallet nothing was said.
    Refused,
    /// That, or the pool has no reading for this wallet: nobody can tell.
    Silent,
    /// The pool failed, when it had given so many good answers about others.
    Failed {
        /// Good answers of this pool until then.
        good_answers: u64,
    },
    /// The request had to be given up together with the actor: a panic, or no end.
    Unbearable,
}

/// A wallet that is being asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The wallet and its player.
    pub job: PollJob,
    /// Where it was found, so that it need not be searched for when its answer is there.
    number: u32,
}

/// What tells an answer from any other as long as this process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(NonZeroU64);

impl Digest {
    /// Of a hash of the answer with a secret seed.
    #[must_use]
    pub fn new(hash: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(hash))
    }
}

/// How long the pool has said nothing about its wallets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Staleness {
    /// How many wallets.
    pub wallets: usize,
    /// The middle one.
    pub p50: Duration,
    /// 99 in 100 are below.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// The wallets of one pool.
#[derive(Debug)]
pub struct Agenda {
    pool: PoolName,
    slots: Slots,
    round: u64,
    /// The pool is silent about some wallet: all change places.
    is_shuffled: bool,
    /// How many wallets the round has not asked about.
    open: usize,
    /// A turn whose wallet is not open any more is passed over.
    turns: Turns,
}

/// A turn that is being worked out: when it comes and, where several come at once, in which order; and whose it is.
type Draft = (u64, u32, u32);

impl Agenda {
    /// An empty one.
    #[must_use]
    pub fn new(pool: PoolName) -> Self {
        Self { pool, slots: Slots::default(), round: 0, is_shuffled: false, open: 0, turns: Turns::default() }
    }

    /// Begins a round over `jobs`. What the last one did not come to is forgotten, or due now if it is in this one too.
    pub fn begin(&mut self, jobs: &[PollJob], timing: Timing, now: Duration) {
        self.give_up();
        self.round += 1;
        self.slots.sweep();
        self.slots.fit(jobs.len());
        for slot in self.slots.iter_mut() {
            slot.is_new = false;
            slot.asked = if slot.asked == Asked::ThisRound { Asked::LastRound } else { Asked::Before };
        }
        let (behind_all, mut first, mut own) = (nanos(window(timing.spread)), Vec::new(), Vec::with_capacity(jobs.len()));
        self.list(jobs, now, |agenda, index, number| {
            let Some(slot) = agenda.slots.at(number) else { return };
            let is_owed = !slot.is_new && slot.asked == Asked::Before;
            match slot.last {
                // Behind all others, so that none of them is kept from being asked about.
                Last::Unbearable => first.push((behind_all, index, number)),
                _ if is_owed => first.push((0, index, number)),
                _ => own.push((nanos(offset(slot.phase, timing.spread)), index, number)),
            }
            agenda.open += usize::from(!std::mem::replace(&mut slot.is_open, true));
        });
        self.is_shuffled = self.slots.known().any(|(_, slot)| slot.last == Last::Silent);
        own.sort_unstable();
        if self.is_shuffled {
            self.shuffle(&mut own);
        }
        self.turns.plan(&drafts(first, own), nanos(timing.gap), nanos(timing.tick));
    }

    /// Gives the moments of `turns` to the wallets of `turns` by lot.
    fn shuffle(&mut self, turns: &mut [Draft]) {
        let mut lots: Vec<Draft> = Vec::with_capacity(turns.len());
        for (place, (.., number)) in (0..).zip(turns.iter()) {
            let Some(slot) = self.slots.at(*number) else { continue };
            lots.push((u64::from(lot(&self.pool, &slot.wallet, self.round)), place, *number));
        }
        lots.sort_unstable();
        for (turn, (.., number)) in turns.iter_mut().zip(lots) {
            turn.2 = number;
        }
    }

    /// The players have changed while a round is running: it asks about new wallets too, now, and not about those that are gone.
    pub fn refresh(&mut self, jobs: &[PollJob], now: Duration) {
        self.slots.fit(jobs.len());
        self.list(jobs, now, |agenda, rank, number| {
            let Some(slot) = agenda.slots.at(number) else { return };
            if slot.asked != Asked::ThisRound && !std::mem::replace(&mut slot.is_open, true) {
                agenda.open += 1;
                agenda.turns.put_first(Turn { at: nanos(now), rank, slot: number });
            }
        });
    }

    /// Goes by a new list: calls `each` with the place and the slot of each of its wallets, and forgets those that it has not.
    fn list(&mut self, jobs: &[PollJob], now: Duration, mut each: impl FnMut(&mut Self, u32, u32)) {
        for slot in self.slots.iter_mut().filter(|slot| slot.standing == Standing::Listed) {
            slot.standing = Standing::Unlisted;
        }
        // A wallet that was never asked about counts as asked about in round 0.
        let never = [Asked::ThisRound, Asked::LastRound].get(usize::try_from(self.round).unwrap_or(usize::MAX)).copied();
        let mut guess = 0;
        for (index, job) in (0..).zip(jobs) {
            let number = self.slots.find(&job.wallet, guess);
            match number.and_then(|number| self.slots.at(number)) {
                Some(slot) if slot.standing != Standing::Gone => {
                    slot.standing = Standing::Listed;
                    slot.is_remembered &= slot.player == job.player;
                    slot.player = job.player;
                    if !slot.wallet.shares_text_with(&job.wallet) {
                        // One text less in memory.
                        slot.wallet = job.wallet.clone();
                    }
                }
                Some(slot) => *slot = Slot::new(job, slot.phase, never.unwrap_or(Asked::Before), now),
                None => {}
            }
            let number = number.unwrap_or_else(|| {
                self.slots.insert(Slot::new(job, phase(&self.pool, &job.wallet), never.unwrap_or(Asked::Before), now))
            });
            guess = number + 1;
            each(self, index, number);
        }
        for slot in self.slots.iter_mut().filter(|slot| slot.standing == Standing::Unlisted) {
            self.open -= usize::from(std::mem::take(&mut slot.is_open));
            if !slot.in_flight {
                slot.standing = Standing::Gone;
            }
        }
    }

    /// How many wallets the round has not asked about.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.open
    }

    /// Ends the round without the rest.
    pub fn give_up(&mut self) {
        if self.open > 0 {
            self.open = 0;
            self.slots.iter_mut().for_each(|slot| slot.is_open = false);
        }
        self.turns.clear();
    }

    /// When the next turn comes; `None` when the round has asked about everyone.
    pub fn next_turn(&mut self, now: Duration) -> Option<Duration> {
        while let Some(number) = self.turns.first_due() {
            if self.is_open(number) {
                return Some(now);
            }
            self.turns.pop_due();
        }
        while let Some(turn) = self.turns.coming() {
            if self.is_open(turn.slot) {
                return Some(Duration::from_nanos(turn.at));
            }
            self.turns.pass();
        }
        None
    }

    fn is_open(&mut self, number: u32) -> bool {
        self.slots.at(number).is_some_and(|slot| slot.is_open)
    }

    /// The wallet to ask about now, if there is one whose turn has come.
    pub fn take(&mut self, now: Duration) -> Option<Taken> {
        self.turns.expect(now);
        while let Some(turn) = self.turns.come(now) {
            let Some(slot) = self.slots.at(turn.slot).filter(|slot| slot.standing != Standing::Gone) else { continue };
            // By lot as well, among those that the last round came to.
            let is_ordered = !self.is_shuffled || slot.asked == Asked::Before;
            let asked_at = is_ordered.then_some(slot.asked_at);
            self.turns.put_due(turn, Place { is_unbearable: slot.last == Last::Unbearable, asked_at });
        }
        self.turns.sort_due();
        while let Some(number) = self.turns.pop_due() {
            if let Some(taken) = self.ask(number) {
                return Some(taken);
            }
        }
        None
    }

    /// The wallet to try a pool with that failed, whether or not its turn has come: one that last had a reading, if there is one.
    pub fn take_probe(&mut self, now: Duration) -> Option<Taken> {
        // One that failed just now may be the one that makes it fail.
        let good = |slot: &Slot| Some((slot.last == Last::Good, slot.good_at?));
        let open = self.slots.known().filter(|(_, slot)| slot.is_open);
        let best = open.filter_map(|(number, slot)| Some((good(slot)?, &slot.wallet, number))).max();
        if let Some((.., number)) = best
            && let Some(taken) = self.ask(number)
        {
            return Some(taken);
        }
        self.take(now).or_else(|| self.take(Duration::MAX))
    }

    /// Takes a wallet out of the round. One that is still being asked about from an earlier round is left out of this one.
    fn ask(&mut self, number: u32) -> Option<Taken> {
        let slot = self.slots.at(number).filter(|slot| slot.is_open)?;
        slot.is_open = false;
        self.open -= 1;
        if std::mem::replace(&mut slot.in_flight, true) {
            return None;
        }
        slot.asked = Asked::ThisRound;
        Some(Taken { job: slot.job(), number })
    }

    /// A request has ended.
    pub fn settle(&mut self, taken: &Taken, answer: Answer, now: Duration) {
        let number = self.slots.find(&taken.job.wallet, taken.number);
        let slot = number.and_then(|number| self.slots.at(number)).filter(|slot| slot.standing != Standing::Gone);
        let Some(slot) = slot else { return };
        slot.in_flight = false;
        slot.is_remembered &= answer == Answer::Same;
        slot.last = answer.into();
        let now = Moment::of(now);
        match answer {
            Answer::Refused => {
                // It keeps its place.
                slot.refusals_in_row = slot.refusals_in_row.saturating_add(1);
                return;
            }
            Answer::Good | Answer::Same | Answer::Nothing | Answer::Silent => {
                slot.heard_at = now;
                slot.refusals_in_row = 0;
            }
            Answer::Failed { good_answers } => slot.note = good_answers,
            Answer::Unbearable => {}
        }
        slot.asked_at = Some(now);
        if matches!(answer, Answer::Good | Answer::Same) {
            slot.good_at = Some(now);
        }
    }

    /// The wallet's last answer, if the same again would change nothing.
    pub fn remembered(&mut self, taken: &Taken) -> Option<Digest> {
        let slot = self.slots.at(taken.number).filter(|slot| slot.is_remembered)?;
        NonZeroU64::new(slot.note).map(Digest)
    }

    /// Remembers that the answer which was settled at `settled_at` would change nothing if it came again. Nothing is remembered of a wallet that was settled again since: what that came to is not known yet.
    pub fn remember(&mut self, taken: &Taken, digest: Digest, settled_at: Duration) {
        let number = self.slots.find(&taken.job.wallet, taken.number);
        let Some(slot) = number.and_then(|number| self.slots.at(number)) else { return };
        let is_the_last = slot.last == Last::Good && slot.good_at == Some(Moment::of(settled_at));
        if is_the_last && slot.standing != Standing::Gone && slot.player == taken.job.player {
            slot.note = digest.0.get();
            slot.is_remembered = true;
        }
    }

    /// From here on, the same answer as before may change something.
    pub fn forget_answers(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.is_remembered = false);
    }

    /// No request is under way any more, whatever became of them.
    pub fn forget_requests(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.in_flight = false);
    }

    /// Whether an answer that may be a refusal is one: the wallet had readings until now.
    #[must_use]
    pub fn believes_refusal(&self, wallet: &Wallet) -> bool {
        let believes = |slot: &Slot| slot.good_at.is_some() && slot.refusals_in_row < REFUSALS_BELIEVED;
        self.slots.get(wallet).is_some_and(believes)
    }

    /// Whether a failure is this wallet's own: it failed the last time too, and since then the pool answered about others.
    #[must_use]
    pub fn is_own_failure(&self, wallet: &Wallet, good_answers: u64) -> bool {
        self.slots.get(wallet).is_some_and(|slot| slot.last == Last::Failed && slot.note < good_answers)
    }

    /// How long nothing was heard about the wallets of the newest list.
    #[must_use]
    pub fn staleness(&self, now: Duration) -> Staleness {
        let mut ages: Vec<Duration> = self.slots.known().map(|(_, slot)| slot.heard_at.until(now)).collect();
        let wallets = ages.len();
        let mut at = |percent: usize| {
            let index = (wallets * percent).div_ceil(100).saturating_sub(1);
            if index < wallets { *ages.select_nth_unstable(index).1 } else { Duration::ZERO }
        };
        Staleness { wallets, p50: at(50), p99: at(99), max: at(100) }
    }
}

/// Puts the turns of all together: those at the same time come in the order of `first` and then of `own`.
fn drafts(mut first: Vec<Draft>, own: Vec<Draft>) -> Vec<Draft> {
    if first.is_empty() {
        return own;
    }
    first.extend(own);
    for (place, turn) in (0..).zip(&mut first) {
        turn.1 = place;
    }
    first.sort_unstable();
    first
}

#[cfg(test)]
#[path = "agenda_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "agenda_model.rs"]
mod model;

#[cfg(test)]
#[path = "agenda_model_tests.rs"]
mod model_tests;
