//! The work of a pool: starts requests when their time has come, takes their answers up, hands readings to the ledger.
//!
//! One engine runs while there is any round to finish; a round that begins meanwhile becomes its work too. It ends when nothing
//! is left to do, when the program ends, or when a request could not be borne: then the actor is restarted.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::batch::{Batch, Origin};
use super::feed::{self, Found};
use super::network::NetworkWatch;
use super::shared::Shared;
use super::{Fetch, Pace};
use crate::actors::ledger::RecordObservations;
use crate::actors::supervision::{Panicked, caught};
use crate::clock::Clock;
use crate::domain::agenda::{Answer, Digest, Taken};
use crate::domain::breaker::Permit;
use crate::domain::network::{RECHECK, Reach};
use crate::domain::payout::AnomalyKind;
use crate::domain::restart::{RESTARTS_MAX, WINDOW};
use crate::domain::roster::PollJob;
use crate::domain::throttle::Started;
use crate::domain::{PoolName, Wallet};
use crate::pools::{Blame, Extracted, Failure, Fetched, LimitSign};
use crate::store::book::{AnomalyReport, Observation};
use crate::time_limit::TimeLimit;

/// Answers taken up in one go: about a millisecond.
const TAKEN_UP_AT_ONCE: usize = 32;
/// How long requests in hand are waited for when the program is ending.
const DRAIN_REQUESTS_MAX: Duration = Duration::from_secs(2);
/// The shortest time between two restarts of a pool whose answers make us panic: so far apart they never add up to what ends
/// the process, however well the other wallets' answers are read meanwhile.
const PANIC_PAUSE: Duration = Duration::from_secs(WINDOW.as_secs().div_ceil(RESTARTS_MAX as u64));

/// Everything the work needs.
pub(super) struct Engine {
    pub(super) name: PoolName,
    pub(super) client: Rc<dyn Fetch>,
    pub(super) pace: Pace,
    pub(super) ledger: Recipient<RecordObservations>,
    pub(super) clock: Clock,
    pub(super) shared: Rc<Shared>,
    pub(super) network: NetworkWatch,
    pub(super) draining: watch::Receiver<bool>,
    pub(super) hang_limit: TimeLimit,
}

/// A request under way.
struct Ticket {
    cycle: u64,
    taken: Taken,
    started: Started,
    /// It tries a pool that had failed, after a pause: refused, it says nothing about the pace.
    is_probe: bool,
}

/// What a request's task came to; `None` when it had no end.
struct Ended {
    result: Option<Result<Found, Failure>>,
    took: Duration,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// No wallet is left to be asked about.
    Nothing,
    /// A request must end first.
    Wait,
    /// A request may begin at this time, if nothing changes until then.
    At(Duration),
}

impl Engine {
    /// Works until nothing is left. Answers why the actor must be restarted, where it must.
    pub(super) async fn run(mut self) -> Option<Panicked> {
        let mut running = FuturesUnordered::new();
        let mut batch = Batch::default();
        let mut give_up_at = None;
        let mut broken: Option<Panicked> = None;
        let mut network = self.network.subscribe();
        loop {
            let stopping = *self.draining.borrow() || broken.is_some();
            if stopping {
                self.shared.agenda.borrow_mut().give_up();
                give_up_at.get_or_insert(Instant::now() + DRAIN_REQUESTS_MAX);
            }
            // A timer takes a millisecond at least, so what may begin now does so without one.
            let next = loop {
                let now = self.clock.now();
                match self.next(now, running.len(), &batch) {
                    Next::At(at) if at <= now => match self.start(now) {
                        Some(request) => running.push(request),
                        None => break self.next(self.clock.now(), running.len(), &batch),
                    },
                    next => break next,
                }
            };
            if running.is_empty() && next == Next::Nothing {
                if let Some(stored) = batch.stored(&self.name, &self.ledger, &self.shared) {
                    // Whatever is left; a round may begin meanwhile.
                    stored.await;
                    continue;
                }
                if broken.is_some() || *self.draining.borrow() {
                    break;
                }
                self.close_rounds();
                if self.shared.rounds.borrow().is_empty() {
                    return None;
                }
                if self.shared.agenda.borrow().waiting() > 0 {
                    // Another round began while the ledger was at work.
                    continue;
                }
            }
            let start_at = if let Next::At(at) = next { Some(self.clock.instant(at)) } else { None };
            let anywhen = Instant::now();
            let due = batch.due();
            tokio::select! {
                biased;
                // First: while answers come without a pause, the ledger would wait for its next part.
                () = batch.storing(), if batch.is_storing() => self.close_rounds(),
                Some(ended) = running.next(), if !running.is_empty() => {
                    broken = self.take_up(ended, &mut batch).or(broken);
                    // Some that are there already, before anything is looked at again; not all, because the ledger and the
                    // notifier wait for this thread too.
                    for _ in 1..TAKEN_UP_AT_ONCE {
                        let Some(Some(ended)) = running.next().now_or_never() else { break };
                        broken = self.take_up(ended, &mut batch).or(broken);
                    }
                    self.close_rounds();
                }
                () = sleep_until(due.unwrap_or(anywhen)), if due.is_some() => {}
                () = sleep_until(start_at.unwrap_or(anywhen)), if start_at.is_some() => {}
                () = sleep_until(give_up_at.unwrap_or(anywhen)), if give_up_at.is_some() => break,
                Ok(()) = self.draining.changed(), if !stopping => {}
                Ok(()) = network.changed() => {}
                () = self.shared.news.notified() => {}
            }
            batch.hand_over(&self.name, &self.ledger, &self.shared);
        }
        // Dropped, which closes their connections.
        drop(running);
        while let Some(stored) = batch.stored(&self.name, &self.ledger, &self.shared) {
            stored.await;
        }
        if broken.is_some() {
            // Left alone for a while, as a pool that fails for everyone: otherwise the restarts would add up to the limit that
            // ends the process, and the other pools would notice. Counted from the end, when the restart comes; nothing new
            // was asked since.
            self.shared.breaker.borrow_mut().trip(self.clock.now(), PANIC_PAUSE, fastrand::u32(..));
        }
        self.shared.abandon(self.clock.now());
        broken
    }

    /// What may be done at `now` or later, with so many requests under way.
    fn next(&self, now: Duration, running: usize, batch: &Batch) -> Next {
        if self.shared.network_turns.replace(self.network.turns()) != self.network.turns() {
            // The network is gone or back: what the breaker has counted was about the way to the pool.
            self.shared.breaker.borrow_mut().forgive();
        }
        let mut agenda = self.shared.agenda.borrow_mut();
        if agenda.waiting() == 0 {
            return Next::Nothing;
        }
        if batch.is_full() {
            // The ledger is behind, and what was read waits in memory.
            return Next::Wait;
        }
        let paced = self.shared.throttle.borrow().next_start().max(self.shared.token_at.get()).max(now);
        let one_at_a_time = |at: Duration| if running > 0 { Next::Wait } else { Next::At(at.max(paced)) };
        let ends_at = self.shared.ends_at.get();
        let not_before = if self.network.is_lost() {
            // What is left of the breaker's pauses is what the pool asked for.
            let asked_for = self.shared.breaker.borrow().open_until().unwrap_or_default();
            Some(asked_for.max(self.shared.started_at.get().unwrap_or_default() + RECHECK))
        } else {
            match self.shared.breaker.borrow_mut().permit(now) {
                Permit::NotBefore(until) => Some(until),
                Permit::Probe => return one_at_a_time(now),
                Permit::All if running >= self.pace.concurrency => return Next::Wait,
                Permit::All => {
                    let Some(turn) = agenda.next_turn(now) else { return Next::Nothing };
                    let catch_up = self.shared.started_at.get().map_or(now, |at| at + self.shared.catch_up.get());
                    return Next::At(turn.max(catch_up).max(paced));
                }
            }
        };
        match not_before {
            // The next round tries it.
            Some(until) if until >= ends_at && running == 0 => {
                agenda.give_up();
                Next::Nothing
            }
            Some(until) if until < ends_at => one_at_a_time(until),
            _ => Next::Wait,
        }
    }

    /// Begins the next request, which [`Self::next`] allows at `now`, if the ceiling does.
    fn start(&self, now: Duration) -> Option<impl Future<Output = (Ticket, Result<Ended, Panicked>)> + use<>> {
        if let Err(wait) = self.shared.ceiling.take(now) {
            self.shared.token_at.set(now + wait);
            return None;
        }
        let is_probe = self.network.is_lost() || self.shared.breaker.borrow().is_half_open();
        let mut agenda = self.shared.agenda.borrow_mut();
        let taken = if is_probe { agenda.take_probe(now) } else { agenda.take(now) }?;
        let started = self.shared.throttle.borrow_mut().started(now);
        self.shared.started_at.set(Some(now));
        let mut metrics = self.shared.metrics.borrow_mut();
        metrics.requests += 1;
        metrics.probes += u64::from(is_probe);
        let cycle = {
            let mut rounds = self.shared.rounds.borrow_mut();
            let round = rounds.last_mut()?;
            round.report.requests += 1;
            round.in_hand += 1;
            round.cycle
        };
        let (client, wallet, began) = (Rc::clone(&self.client), taken.job.wallet.clone(), self.clock.instant(now));
        let last = agenda.remembered(&taken);
        let request = request(client, wallet, last, self.shared.feed_jobs(), self.hang_limit.clone(), began);
        let ticket = Ticket { cycle, taken, started, is_probe };
        Some(caught(request).map(|ended| (ticket, ended)))
    }

    /// Counts what a request came to and makes an observation of it, if it is worth one. Answers why the actor must be
    /// restarted, where it must.
    fn take_up(&self, (ticket, ended): (Ticket, Result<Ended, Panicked>), batch: &mut Batch) -> Option<Panicked> {
        self.shared.with_round(ticket.cycle, |round| round.in_hand -= 1);
        let (kind, text) = match ended {
            Ok(Ended { result: Some(result), took }) => {
                self.shared.metrics.borrow_mut().response_time.record(took);
                self.shared.with_round(ticket.cycle, |round| round.response_time.record(took));
                match result {
                    Ok(Found::Wallet(Fetched::Same)) => {
                        self.succeeded(&ticket, Answer::Same);
                        self.shared.metrics.borrow_mut().unchanged += 1;
                        self.shared.with_round(ticket.cycle, |round| round.report.readings += 1);
                    }
                    Ok(Found::Wallet(Fetched::New(found, digest))) => {
                        let now = self.succeeded(&ticket, Answer::Good);
                        let Ticket { cycle, taken, .. } = ticket;
                        let observation = self.reading(taken.job.clone(), *found);
                        self.put(Origin { cycle, answer: digest.map(|digest| (taken, digest, now)) }, observation, batch);
                    }
                    Ok(Found::Feed(answers)) => {
                        self.succeeded(&ticket, Answer::Good);
                        self.distribute(ticket.cycle, answers, batch);
                    }
                    Err(failure) => self.failed(ticket, &failure, batch),
                }
                return None;
            }
            Ok(Ended { result: None, took }) => {
                self.shared.metrics.borrow_mut().hung += 1;
                ("hung", format!("a request had no end within {} ms", took.as_millis()))
            }
            Err(panicked) => {
                self.shared.metrics.borrow_mut().panics += 1;
                ("panic", panicked.to_string())
            }
        };
        self.shared.agenda.borrow_mut().settle(&ticket.taken, Answer::Unbearable, self.clock.now());
        self.count_failure(ticket.cycle, &ticket.taken.job.wallet, kind, &text);
        Some(Panicked(text))
    }

    fn reading(&self, job: PollJob, found: Extracted) -> Observation {
        Observation::Reading(found.into_reading(job.player, self.name.clone(), job.wallet))
    }

    /// Takes up what a feed says about each wallet. What is wrong with one of them says nothing about the pool.
    fn distribute(&self, cycle: u64, answers: Vec<(PollJob, Result<Extracted, Failure>)>, batch: &mut Batch) {
        for (job, answer) in answers {
            match answer {
                Ok(found) => self.put(Origin { cycle, answer: None }, self.reading(job, found), batch),
                Err(failure) => {
                    self.count_failure(cycle, &job.wallet, failure.kind(), &failure.to_string());
                    self.report_anomaly(cycle, job, &failure, batch);
                }
            }
        }
    }

    /// Notes a good answer. Answers when.
    fn succeeded(&self, ticket: &Ticket, answer: Answer) -> Duration {
        let now = self.clock.now();
        self.network.note(&self.name, Reach::Pool);
        self.shared.metrics.borrow_mut().successes += 1;
        self.shared.breaker.borrow_mut().succeeded();
        self.shared.throttle.borrow_mut().answered(ticket.started, now);
        self.shared.agenda.borrow_mut().settle(&ticket.taken, answer, now);
        now
    }

    fn failed(&self, ticket: Ticket, failure: &Failure, batch: &mut Batch) {
        let now = self.clock.now();
        let wallet = &ticket.taken.job.wallet;
        self.count_failure(ticket.cycle, wallet, failure.kind(), &failure.to_string());
        let reach = failure.reach();
        if let Some(reach) = reach {
            self.network.note(&self.name, reach);
        }
        let good_answers = self.shared.metrics.borrow().successes;
        let mut agenda = self.shared.agenda.borrow_mut();
        let mut breaker = self.shared.breaker.borrow_mut();
        let is_refusal = match failure.limit_sign() {
            Some(LimitSign::Certain) => true,
            Some(LimitSign::Possible) => agenda.believes_refusal(wallet),
            None => false,
        };
        let answer = match failure.blame() {
            _ if is_refusal => Answer::Refused,
            _ if failure.limit_sign().is_some() => Answer::Silent,
            Blame::Wallet => Answer::Nothing,
            Blame::Pool => Answer::Failed { good_answers },
        };
        if is_refusal {
            self.shared.metrics.borrow_mut().last_refusal = Some(failure.kind());
            if !ticket.is_probe {
                self.shared.throttle.borrow_mut().refused(ticket.started, now);
            }
        } else if answer == Answer::Nothing && reach.is_some() {
            self.shared.throttle.borrow_mut().answered(ticket.started, now);
        }
        match failure.blame() {
            // Nothing was sent, so nothing is known about the pool.
            Blame::Wallet if reach.is_none() => {}
            Blame::Wallet => breaker.succeeded(),
            // Nothing is held against the pool for the way to it.
            Blame::Pool if self.network.is_lost() && reach != Some(Reach::Pool) => {}
            // Nor for a wallet that fails again while others are answered; but a probe decides.
            Blame::Pool if !breaker.is_half_open() && agenda.is_own_failure(wallet, good_answers) => {}
            Blame::Pool => {
                breaker.failed(now, failure.retry_after(), fastrand::u32(..));
            }
        }
        agenda.settle(&ticket.taken, answer, now);
        drop((agenda, breaker));
        self.report_anomaly(ticket.cycle, ticket.taken.job, failure, batch);
    }

    /// Makes an observation of a failure that a person should see.
    fn report_anomaly(&self, cycle: u64, job: PollJob, failure: &Failure, batch: &mut Batch) {
        let Some(kind) = anomaly_of(failure) else { return };
        let PollJob { player, wallet } = job;
        let report = AnomalyReport { player, pool: self.name.clone(), wallet, kind, detail: failure.to_string() };
        self.put(Origin { cycle, answer: None }, Observation::Anomaly(report), batch);
    }

    fn count_failure(&self, cycle: u64, wallet: &Wallet, kind: &'static str, text: &str) {
        tracing::debug!(pool = %self.name, wallet = %wallet, kind, error = text, "request_failed");
        *self.shared.metrics.borrow_mut().failures.entry(kind).or_default() += 1;
        self.shared.with_round(cycle, |round| {
            *round.report.failures.entry(kind).or_default() += 1;
            round.report.first_failure.get_or_insert_with(|| format!("{wallet}: {text}"));
        });
    }

    fn put(&self, origin: Origin, observation: Observation, batch: &mut Batch) {
        self.shared.with_round(origin.cycle, |round| round.in_hand += 1);
        batch.put(origin, observation);
    }

    fn close_rounds(&self) {
        self.shared.close_rounds(false, self.clock.now(), self.network.is_lost());
    }
}

/// Asks, and gives the request up when it has no end although the client has a time-out of its own.
async fn request(
    client: Rc<dyn Fetch>,
    wallet: Wallet,
    last: Option<Digest>,
    feed_jobs: Option<Arc<[PollJob]>>,
    hang_limit: TimeLimit,
    began: Instant,
) -> Ended {
    let result = hang_limit.run_since(began, pin!(feed::ask(client.as_ref(), wallet, last, feed_jobs))).await;
    Ended { result, took: began.elapsed() }
}

/// The failures that a person should see, wallet by wallet.
fn anomaly_of(failure: &Failure) -> Option<AnomalyKind> {
    match failure {
        Failure::IdentityMismatch { .. } => Some(AnomalyKind::IdentityMismatch),
        _ => None,
    }
}
