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

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use super::names::{PoolName, Wallet};
use super::roster::PollJob;
use super::spread::{lot, make_room, offset, phase, window};

/// A wallet that answered before is believed to answer again for so many refusals in a row; then the refusals may be its own.
const REFUSALS_BELIEVED: u32 = 2;

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

/// What is remembered of a wallet.
#[derive(Debug)]
struct Memory {
    phase: u32,
    /// The round that last asked about it.
    round: u64,
    /// The first round with it.
    first_round: u64,
    /// When it was last asked about and said something, which is its place in the queue.
    asked_at: Option<Duration>,
    /// When it became known; then when the pool last said something about it.
    heard_at: Duration,
    /// When it last had a reading.
    good_at: Option<Duration>,
    last: Option<Answer>,
    refusals_in_row: u32,
    in_flight: bool,
}

/// A wallet whose turn has come, the next one first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    is_unbearable: bool,
    /// Later, where the order is by lot.
    is_by_lot: bool,
    asked_at: Option<Duration>,
    /// Wallets that are alike in that come in the order of their turns.
    turn: Duration,
    rank: usize,
    wallet: Wallet,
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
    wallets: HashMap<Wallet, Memory>,
    round: u64,
    /// The pool is silent about some wallet: all change places.
    is_shuffled: bool,
    /// The wallets that the round has not asked about.
    open: HashMap<Wallet, PollJob>,
    /// Turns to come, the next one first. A wallet that is not open any more is passed over, here and in `due`.
    coming: VecDeque<(Duration, usize, Wallet)>,
    due: BinaryHeap<Reverse<Due>>,
}

impl Agenda {
    /// An empty one.
    #[must_use]
    pub fn new(pool: PoolName) -> Self {
        Self {
            pool,
            wallets: HashMap::new(),
            round: 0,
            is_shuffled: false,
            open: HashMap::new(),
            coming: VecDeque::new(),
            due: BinaryHeap::new(),
        }
    }

    /// Begins a round over `jobs`. What the last one did not come to is forgotten, or due now if it is in this one too.
    pub fn begin(&mut self, jobs: &[PollJob], timing: Timing, now: Duration) {
        self.give_up();
        self.round += 1;
        let listed: HashMap<&Wallet, &PollJob> = jobs.iter().map(|job| (&job.wallet, job)).collect();
        self.wallets.retain(|wallet, memory| memory.in_flight || listed.contains_key(wallet));
        self.is_shuffled = self.wallets.values().any(|memory| memory.last == Some(Answer::Silent));
        let mut turns: Vec<(Duration, usize, Wallet)> = Vec::with_capacity(jobs.len());
        let mut own_turns: Vec<(Duration, usize, Wallet)> = Vec::with_capacity(jobs.len());
        for (index, job) in jobs.iter().enumerate() {
            let round = self.round;
            let memory = self.remember(&job.wallet, now);
            let is_owed = memory.first_round < round && memory.round + 1 < round;
            match memory.last {
                // Behind all others, so that none of them is kept from being asked about.
                Some(Answer::Unbearable) => turns.push((window(timing.spread), index, job.wallet.clone())),
                _ if is_owed => turns.push((Duration::ZERO, index, job.wallet.clone())),
                _ => own_turns.push((offset(memory.phase, timing.spread), index, job.wallet.clone())),
            }
            self.open.insert(job.wallet.clone(), job.clone());
        }
        own_turns.sort_unstable_by_key(|(turn, index, _)| (*turn, *index));
        let times: Vec<Duration> = own_turns.iter().map(|(turn, ..)| *turn).collect();
        if self.is_shuffled {
            own_turns.sort_by_cached_key(|(.., wallet)| lot(&self.pool, wallet, self.round));
        }
        turns.extend(own_turns.into_iter().zip(times).map(|((_, index, wallet), turn)| (turn, index, wallet)));
        // Stable: those that come at once stay in the order that they have.
        turns.sort_by_key(|(turn, ..)| *turn);
        let mut times: Vec<Duration> = turns.iter().map(|(turn, ..)| *turn).collect();
        make_room(&mut times, timing.gap);
        let wallets = turns.into_iter().map(|(.., wallet)| wallet).zip(times).enumerate();
        self.coming = wallets.map(|(rank, (wallet, time))| (timing.tick + time, rank, wallet)).collect();
    }

    /// The players have changed while a round is running: it asks about new wallets too, now, and not about those that are gone.
    pub fn refresh(&mut self, jobs: &[PollJob], now: Duration) {
        let listed: HashMap<&Wallet, &PollJob> = jobs.iter().map(|job| (&job.wallet, job)).collect();
        self.open.retain(|wallet, _| listed.contains_key(wallet));
        self.wallets.retain(|wallet, memory| memory.in_flight || listed.contains_key(wallet));
        for (index, job) in jobs.iter().enumerate() {
            let round = self.round;
            if self.remember(&job.wallet, now).round == round {
                continue;
            }
            if self.open.insert(job.wallet.clone(), job.clone()).is_none() {
                self.coming.push_front((now, index, job.wallet.clone()));
            }
        }
    }

    fn remember(&mut self, wallet: &Wallet, now: Duration) -> &mut Memory {
        match self.wallets.entry(wallet.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Memory {
                phase: phase(&self.pool, wallet),
                round: 0,
                first_round: self.round,
                asked_at: None,
                heard_at: now,
                good_at: None,
                last: None,
                refusals_in_row: 0,
                in_flight: false,
            }),
        }
    }

    /// How many wallets the round has not asked about.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.open.len()
    }

    /// Ends the round without the rest.
    pub fn give_up(&mut self) {
        self.open.clear();
        self.coming.clear();
        self.due.clear();
    }

    /// When the next turn comes; `None` when the round has asked about everyone.
    pub fn next_turn(&mut self, now: Duration) -> Option<Duration> {
        while self.due.peek().is_some_and(|Reverse(due)| !self.open.contains_key(&due.wallet)) {
            self.due.pop();
        }
        if !self.due.is_empty() {
            return Some(now);
        }
        while self.coming.front().is_some_and(|(_, _, wallet)| !self.open.contains_key(wallet)) {
            self.coming.pop_front();
        }
        self.coming.front().map(|(turn, ..)| *turn)
    }

    /// The wallet to ask about now, if there is one whose turn has come.
    pub fn take(&mut self, now: Duration) -> Option<PollJob> {
        while let Some((turn, rank, wallet)) = self.coming.pop_front_if(|(turn, ..)| *turn <= now) {
            let Some(memory) = self.wallets.get(&wallet) else { continue };
            let is_unbearable = memory.last == Some(Answer::Unbearable);
            // By lot as well, among those that the last round came to.
            let is_ordered = !self.is_shuffled || memory.round + 1 < self.round;
            let asked_at = memory.asked_at.filter(|_| is_ordered);
            self.due.push(Reverse(Due { is_unbearable, is_by_lot: !is_ordered, asked_at, turn, rank, wallet }));
        }
        while let Some(Reverse(due)) = self.due.pop() {
            if let Some(job) = self.ask(&due.wallet) {
                return Some(job);
            }
        }
        None
    }

    /// The wallet to try a pool with that failed, whether or not its turn has come: one that last had a reading, if there is one.
    pub fn take_probe(&mut self, now: Duration) -> Option<PollJob> {
        let good = |wallet: &&Wallet| {
            let memory = self.wallets.get(*wallet)?;
            // One that failed just now may be the one that makes it fail.
            Some((memory.last == Some(Answer::Good), memory.good_at?))
        };
        let best = self.open.keys().filter_map(|wallet| Some((good(&wallet)?, wallet))).max();
        if let Some((_, wallet)) = best {
            let wallet = wallet.clone();
            if let Some(job) = self.ask(&wallet) {
                return Some(job);
            }
        }
        self.take(now).or_else(|| self.take(Duration::MAX))
    }

    /// Takes a wallet out of the round. One that is still being asked about from an earlier round is left out of this one.
    fn ask(&mut self, wallet: &Wallet) -> Option<PollJob> {
        let job = self.open.remove(wallet)?;
        let memory = self.wallets.get_mut(wallet)?;
        if std::mem::replace(&mut memory.in_flight, true) {
            return None;
        }
        memory.round = self.round;
        Some(job)
    }

    /// A request has ended.
    pub fn settle(&mut self, wallet: &Wallet, answer: Answer, now: Duration) {
        let Some(memory) = self.wallets.get_mut(wallet) else { return };
        memory.in_flight = false;
        memory.last = Some(answer);
        if answer == Answer::Refused {
            // It keeps its place.
            memory.refusals_in_row = memory.refusals_in_row.saturating_add(1);
            return;
        }
        memory.asked_at = Some(now);
        if matches!(answer, Answer::Good | Answer::Nothing | Answer::Silent) {
            memory.heard_at = now;
            memory.refusals_in_row = 0;
        }
        if answer == Answer::Good {
            memory.good_at = Some(now);
        }
    }

    /// No request is under way any more, whatever became of them.
    pub fn forget_requests(&mut self) {
        for memory in self.wallets.values_mut() {
            memory.in_flight = false;
        }
    }

    /// Whether an answer that may be a refusal is one: the wallet had readings until now.
    #[must_use]
    pub fn believes_refusal(&self, wallet: &Wallet) -> bool {
        let believes = |memory: &Memory| memory.good_at.is_some() && memory.refusals_in_row < REFUSALS_BELIEVED;
        self.wallets.get(wallet).is_some_and(believes)
    }

    /// Whether a failure is this wallet's own: it failed the last time too, and since then the pool answered about others.
    #[must_use]
    pub fn is_own_failure(&self, wallet: &Wallet, good_answers: u64) -> bool {
        let last = self.wallets.get(wallet).and_then(|memory| memory.last);
        matches!(last, Some(Answer::Failed { good_answers: then }) if then < good_answers)
    }

    /// How long nothing was heard about the wallets of the newest list.
    #[must_use]
    pub fn staleness(&self, now: Duration) -> Staleness {
        let mut ages: Vec<Duration> = self.wallets.values().map(|memory| now.saturating_sub(memory.heard_at)).collect();
        ages.sort_unstable();
        let at = |percent: usize| ages.get((ages.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
        Staleness { wallets: ages.len(), p50: at(50), p99: at(99), max: at(100) }
    }
}

#[cfg(test)]
#[path = "agenda_tests.rs"]
mod tests;
