//! An agenda as it is most simply written, to hold the compact one against: maps from wallets to what is remembered of them.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use super::{Answer, Staleness, Timing, nanos};
use crate::domain::names::{PoolName, Wallet};
use crate::domain::roster::PollJob;
use crate::domain::spread::{lot, make_room, offset, phase, window};

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

/// The wallets of one pool.
#[derive(Debug)]
pub(super) struct Model {
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

impl Model {
    pub(super) fn new(pool: PoolName) -> Self {
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

    pub(super) fn begin(&mut self, jobs: &[PollJob], timing: Timing, now: Duration) {
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
        let mut times: Vec<u64> = turns.iter().map(|(turn, ..)| nanos(*turn)).collect();
        make_room(&mut times, nanos(timing.gap));
        let wallets = turns.into_iter().map(|(.., wallet)| wallet).zip(times).enumerate();
        self.coming = wallets.map(|(rank, (wallet, time))| (timing.tick + Duration::from_nanos(time), rank, wallet)).collect();
    }

    pub(super) fn refresh(&mut self, jobs: &[PollJob], now: Duration) {
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

    pub(super) fn waiting(&self) -> usize {
        self.open.len()
    }

    pub(super) fn give_up(&mut self) {
        self.open.clear();
        self.coming.clear();
        self.due.clear();
    }

    pub(super) fn next_turn(&mut self, now: Duration) -> Option<Duration> {
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

    pub(super) fn take(&mut self, now: Duration) -> Option<PollJob> {
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

    pub(super) fn take_probe(&mut self, now: Duration) -> Option<PollJob> {
        let good = |wallet: &&Wallet| {
            let memory = self.wallets.get(*wallet)?;
            // One that failed just now may be the one that makes it fail.
            Some((matches!(memory.last, Some(Answer::Good | Answer::Same)), memory.good_at?))
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

    fn ask(&mut self, wallet: &Wallet) -> Option<PollJob> {
        let job = self.open.remove(wallet)?;
        let memory = self.wallets.get_mut(wallet)?;
        if std::mem::replace(&mut memory.in_flight, true) {
            return None;
        }
        memory.round = self.round;
        Some(job)
    }

    pub(super) fn settle(&mut self, wallet: &Wallet, answer: Answer, now: Duration) {
        let Some(memory) = self.wallets.get_mut(wallet) else { return };
        memory.in_flight = false;
        memory.last = Some(answer);
        if answer == Answer::Refused {
            // It keeps its place.
            memory.refusals_in_row = memory.refusals_in_row.saturating_add(1);
            return;
        }
        memory.asked_at = Some(now);
        if matches!(answer, Answer::Good | Answer::Same | Answer::Nothing | Answer::Silent) {
            memory.heard_at = now;
            memory.refusals_in_row = 0;
        }
        if matches!(answer, Answer::Good | Answer::Same) {
            memory.good_at = Some(now);
        }
    }

    pub(super) fn forget_requests(&mut self) {
        for memory in self.wallets.values_mut() {
            memory.in_flight = false;
        }
    }

    pub(super) fn believes_refusal(&self, wallet: &Wallet) -> bool {
        let believes = |memory: &Memory| memory.good_at.is_some() && memory.refusals_in_row < 2;
        self.wallets.get(wallet).is_some_and(believes)
    }

    pub(super) fn is_own_failure(&self, wallet: &Wallet, good_answers: u64) -> bool {
        let last = self.wallets.get(wallet).and_then(|memory| memory.last);
        matches!(last, Some(Answer::Failed { good_answers: then }) if then < good_answers)
    }

    pub(super) fn staleness(&self, now: Duration) -> Staleness {
        let mut ages: Vec<Duration> = self.wallets.values().map(|memory| now.saturating_sub(memory.heard_at)).collect();
        ages.sort_unstable();
        let at = |percent: usize| ages.get((ages.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
        Staleness { wallets: ages.len(), p50: at(50), p99: at(99), max: at(100) }
    }
}
