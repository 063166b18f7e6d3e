//! What outlives a round, and a restart of the actor.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::Notify;

use super::ceiling::Ceiling;
use super::feed::request_for_all;
use super::report::ResponseTime;
use super::{Pace, PollNow, PollReport};
use crate::actors::scheduler::PollFinished;
use crate::clock::Clock;
use crate::domain::PoolName;
use crate::domain::agenda::{Agenda, Digest, Taken, Timing};
use crate::domain::breaker::Breaker;
use crate::domain::repetition::Repetition;
use crate::domain::roster::PollJob;
use crate::domain::spread::catch_up_gap;
use crate::domain::throttle::Throttle;
use crate::metrics::{Durations, PoolMetrics};

/// How long at most the ledger is not asked about an answer that stays the same.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// Everything that a pool's engine and its actor have in common.
pub(super) struct Shared {
    pub(super) breaker: RefCell<Breaker>,
    pub(super) throttle: RefCell<Throttle>,
    pub(super) agenda: RefCell<Agenda>,
    pub(super) ceiling: Ceiling,
    pub(super) metrics: RefCell<PoolMetrics>,
    /// The rounds that are not finished. Only the newest may have wallets that were not asked about.
    pub(super) rounds: RefCell<Vec<OpenRound>>,
    /// When the newest round makes room for the next one, at the latest; only work that has to be done goes on after that.
    pub(super) ends_at: Cell<Duration>,
    /// The time over which the newest round's requests are spread.
    pub(super) spread: Cell<Duration>,
    /// Between two requests, so that a backlog becomes no herd.
    pub(super) catch_up: Cell<Duration>,
    /// When the newest request began.
    pub(super) started_at: Cell<Option<Duration>>,
    /// When the ceiling allows the next request, where it has refused one.
    pub(super) token_at: Cell<Duration>,
    /// How often the network had changed when that was last looked at.
    pub(super) network_turns: Cell<u64>,
    /// What the ledger has said about answers is remembered since then, and of this era.
    remembered_since: Cell<Duration>,
    era: Cell<u64>,
    /// What failed in the last rounds.
    failing: RefCell<Repetition>,
    /// Rings when there is something new to do.
    pub(super) news: Notify,
    /// Everybody on the newest list, where one request stands for all of them.
    feed: Option<RefCell<Arc<[PollJob]>>>,
}

/// A cycle's round that is not finished.
pub(super) struct OpenRound {
    pub(super) cycle: u64,
    finished: Recipient<PollFinished>,
    pub(super) report: PollReport,
    began: Duration,
    /// How long its requests took.
    pub(super) response_time: Durations,
    /// Its requests under way and its observations not yet stored.
    pub(super) in_hand: usize,
}

impl Shared {
    /// `is_feed` says that one request is made for all wallets.
    pub(super) fn new(name: PoolName, pace: &Pace, clock: Clock, is_feed: bool) -> Self {
        Self {
            breaker: RefCell::new(Breaker::new(pace.backoff_min, pace.backoff_max)),
            throttle: RefCell::new(Throttle::new(pace.gap_min)),
            agenda: RefCell::new(Agenda::new(name)),
            ceiling: Ceiling::new(pace.gap_min, clock),
            metrics: RefCell::default(),
            rounds: RefCell::default(),
            ends_at: Cell::default(),
            spread: Cell::default(),
            catch_up: Cell::default(),
            started_at: Cell::default(),
            token_at: Cell::default(),
            network_turns: Cell::default(),
            remembered_since: Cell::default(),
            era: Cell::default(),
            failing: RefCell::default(),
            news: Notify::new(),
            feed: is_feed.then(|| RefCell::new(Arc::from([]))),
        }
    }

    /// The requests that it takes to ask about `jobs`.
    fn requests(&self, jobs: &Arc<[PollJob]>) -> Arc<[PollJob]> {
        let Some(feed) = &self.feed else { return Arc::clone(jobs) };
        feed.replace(Arc::clone(jobs));
        request_for_all(jobs).into()
    }

    /// Everybody on the newest list, where one request stands for all of them.
    pub(super) fn feed_jobs(&self) -> Option<Arc<[PollJob]>> {
        self.feed.as_ref().map(|feed| Arc::clone(&feed.borrow()))
    }

    /// Goes by the era of the newest list. What is remembered of answers is forgotten when the era changes, and from time to time
    /// in any case: so nothing that only the ledger sees, as the age of its newest snapshot, is overlooked for long.
    pub(super) fn use_era(&self, era: u64, now: Duration) {
        let is_old = now.saturating_sub(self.remembered_since.get()) >= REMEMBERED_FOR;
        if self.era.replace(era) != era || is_old {
            self.agenda.borrow_mut().forget_answers();
            self.remembered_since.set(now);
        }
    }

    /// Remembers the answers that would change nothing if they came again, if the ledger decided that in the era of today.
    pub(super) fn remember(&self, era: u64, settled: impl Iterator<Item = (Taken, Digest, Duration)>) {
        if era == self.era.get() {
            let mut agenda = self.agenda.borrow_mut();
            settled.for_each(|(taken, digest, settled_at)| agenda.remember(&taken, digest, settled_at));
        }
    }

    /// Begins a round.
    pub(super) fn begin(&self, name: &PoolName, poll: PollNow, now: Duration) {
        let PollNow { cycle, jobs, tick, spread, finished, .. } = poll;
        let requests = self.requests(&jobs);
        let catch_up = catch_up_gap(spread, requests.len());
        let gap = if spread.is_zero() { Duration::ZERO } else { catch_up.max(self.throttle.borrow().gap()) };
        self.agenda.borrow_mut().begin(&requests, Timing { tick, spread, gap }, now);
        self.catch_up.set(catch_up);
        self.ends_at.set(tick + spread);
        self.spread.set(spread);
        let report = PollReport::new(name.clone(), jobs.len() as u64);
        self.rounds.borrow_mut().push(OpenRound {
            cycle,
            finished,
            report,
            began: now,
            response_time: Durations::default(),
            in_hand: 0,
        });
        self.news.notify_one();
    }

    /// Lets the running round, which still has wallets to ask about, go by the newest list, and stand for the round that was
    /// not begun.
    pub(super) fn refresh(&self, jobs: &Arc<[PollJob]>, ends_at: Duration, now: Duration) {
        let requests = self.requests(jobs);
        let mut agenda = self.agenda.borrow_mut();
        agenda.refresh(&requests, now);
        self.ends_at.set(self.ends_at.get().max(ends_at));
        if let Some(round) = self.rounds.borrow_mut().last_mut() {
            round.report.wallets = match self.feed {
                Some(_) => jobs.len() as u64,
                None => round.report.requests + agenda.waiting() as u64,
            };
        }
        self.news.notify_one();
    }

    /// The engine is gone: nothing of what it did goes on, and a round that began in its last moments is over too.
    pub(super) fn abandon(&self, now: Duration) {
        let mut agenda = self.agenda.borrow_mut();
        agenda.give_up();
        agenda.forget_requests();
        agenda.forget_answers();
        drop(agenda);
        self.close_rounds(true, now, false);
    }

    /// The report of a cycle's round, to be added to.
    pub(super) fn with_round<T>(&self, cycle: u64, change: impl FnOnce(&mut OpenRound) -> T) -> Option<T> {
        self.rounds.borrow_mut().iter_mut().find(|round| round.cycle == cycle).map(change)
    }

    /// Reports the rounds that have nothing left to do, or all of them.
    pub(super) fn close_rounds(&self, all: bool, now: Duration, is_offline: bool) {
        let waiting = self.agenda.borrow().waiting() > 0;
        let mut rounds = self.rounds.borrow_mut();
        let newest = rounds.last().map(|round| round.cycle);
        let is_over = |round: &OpenRound| all || (round.in_hand == 0 && !(waiting && Some(round.cycle) == newest));
        for round in rounds.extract_if(.., |round| is_over(round)) {
            let OpenRound { cycle, finished, mut report, began, response_time, .. } = round;
            let asked = if self.feed.is_some() && report.requests > 0 { report.wallets } else { report.requests };
            report.not_asked = report.wallets.saturating_sub(asked);
            report.backoff_state = self.breaker.borrow().name();
            report.duration_ms = u64::try_from(now.saturating_sub(began).as_millis()).unwrap_or(u64::MAX);
            report.response_time = ResponseTime::of(&response_time);
            if report.requests == 0 && report.wallets > 0 && report.backoff_state == "open" {
                self.metrics.borrow_mut().rounds_skipped_backoff += 1;
            }
            report.log(cycle, is_offline, &mut self.failing.borrow_mut(), now);
            // A hint; the scheduler also closes a cycle without it.
            finished.do_send(PollFinished { cycle, report });
        }
    }
}
