//! The scheduler actor: begins a cycle every interval and says when it is complete.
//!
//! Promises: ticks keep to a grid of the monotonic clock and missed ones are not made up for; a pool that has not asked
//! about everyone since its last poll is skipped and counted, never queued twice; nor is the ledger asked again before it has answered; each cycle ends in one `polling_cycle_complete`, when the slowest of its
//! pools has finished; a dead pool or ledger ends the process.
//! Leaves to others: what a poll does (the pools), which players there are (the ledger).

mod cycle;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::mpsc;

use super::ledger::{LedgerError, LoadRoster, RecordObservations};
use super::pool::{PollNow, PollRefused, PollReport};
use super::supervision::{Fatal, Fuse, Supervision};
use super::{ReportMetrics, answers_ping, as_json};
use crate::clock::Clock;
use crate::domain::payout::AnomalyKind;
use crate::domain::repetition::Repetition;
use crate::domain::roster::{AddressKind, Lists, PoolWork};
use crate::domain::schedule::next_tick;
use crate::domain::{PlayerId, PoolName};
use crate::metrics::SchedulerMetrics;
use crate::store::Roster;
use crate::store::book::{AnomalyReport, Observation};

pub use cycle::CycleSummary;

use cycle::OpenCycle;

/// Cycles that may be open at once; each pool works at one at a time, so an older one has lost its pools.
const OPEN_CYCLES_MAX: usize = 64;

/// A pool as the scheduler sees it.
#[derive(Clone)]
pub struct PoolSlot {
    /// Its name.
    pub name: PoolName,
    /// Which of a player's addresses it is asked about.
    pub addresses: AddressKind,
    /// Where its work goes.
    pub poll: Recipient<PollNow>,
}

/// When cycles begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One each interval, until the end.
    Every(Duration),
    /// One, at once.
    Once,
}

/// The actor.
pub struct Scheduler {
    mode: Mode,
    pools: Vec<PoolSlot>,
    roster: Recipient<LoadRoster>,
    ledger: Recipient<RecordObservations>,
    clock: Clock,
    /// From where ticks are counted: the first one, or the last one before the interval was changed.
    origin: Option<Duration>,
    /// When the newest tick was.
    ticked_at: Duration,
    /// Wakes the actor for the next tick.
    timer: Option<SpawnHandle>,
    /// The number of the newest cycle, from 1.
    cycle: u64,
    /// The players of a cycle are on their way.
    loading: bool,
    /// Pools that have not yet said whether they take their last poll.
    asked: HashSet<PoolName>,
    /// What the pools were sent last, so that where nothing changed they are sent the same again.
    lists: Lists,
    /// Cycles whose pools have not all finished.
    open: BTreeMap<u64, OpenCycle>,
    /// Players whose address was already complained about.
    complained: HashSet<(PlayerId, String)>,
    /// Cycles that could not begin.
    failing: Repetition,
    /// Ticks at which the players of the last cycle were still on their way.
    stuck: Repetition,
    /// Said that nobody is there to be polled.
    said_nobody: bool,
    draining: bool,
    /// Where summaries go, beside the log.
    completed: Option<mpsc::UnboundedSender<CycleSummary>>,
    /// Where each pool's report goes as soon as it is there.
    reports: Option<mpsc::UnboundedSender<PollReport>>,
    fuse: Fuse,
    supervision: Supervision,
    metrics: SchedulerMetrics,
}

impl Scheduler {
    /// A scheduler that begins at once.
    #[must_use]
    pub fn new(
        mode: Mode,
        pools: Vec<PoolSlot>,
        roster: Recipient<LoadRoster>,
        ledger: Recipient<RecordObservations>,
        clock: Clock,
        fuse: Fuse,
        supervision: Supervision,
    ) -> Self {
        Self {
            mode,
            pools,
            roster,
            ledger,
            clock,
            origin: None,
            ticked_at: Duration::ZERO,
            timer: None,
            cycle: 0,
            loading: false,
            asked: HashSet::new(),
            lists: Lists::default(),
            open: BTreeMap::new(),
            complained: HashSet::new(),
            failing: Repetition::default(),
            stuck: Repetition::default(),
            said_nobody: false,
            draining: false,
            completed: None,
            reports: None,
            fuse,
            supervision,
            metrics: SchedulerMetrics::default(),
        }
    }

    /// Sends each cycle's summary to `completed` too.
    #[must_use]
    pub fn with_summaries(mut self, completed: mpsc::UnboundedSender<CycleSummary>) -> Self {
        self.completed = Some(completed);
        self
    }

    /// Sends each pool's report to `reports` too, without waiting for the cycle's slowest pool.
    #[must_use]
    pub fn with_reports(mut self, reports: mpsc::UnboundedSender<PollReport>) -> Self {
        self.reports = Some(reports);
        self
    }

    /// Begins a cycle and arms the next tick.
    fn tick(&mut self, ctx: &mut Context<Self>) {
        if self.draining {
            return;
        }
        let now = self.clock.now();
        self.origin.get_or_insert(now);
        self.ticked_at = now;
        self.arm(now, ctx);
        if let Some(dead) = self.dead_neighbour() {
            self.fuse.blow(Fatal { actor: dead, reason: "its mailbox is closed".to_owned() });
            return;
        }
        if self.loading {
            // A database that does not answer would else be asked once a tick, until no connection is left for the ledger.
            self.metrics.ticks_skipped += 1;
            if let Some(say) = self.stuck.met(["loading"], now) {
                tracing::warn!(cycle = self.cycle, repeated = say.repeated, "tick_skipped");
            }
            return;
        }
        self.stuck.over(now);
        self.cycle += 1;
        self.metrics.cycles += 1;
        self.loading = true;
        let cycle = self.cycle;
        let roster = self.roster.send(LoadRoster);
        ctx.spawn(roster.into_actor(self).map(move |outcome, actor, ctx| {
            actor.loading = false;
            match outcome.unwrap_or(Err(LedgerError::Restarted)) {
                Ok(roster) => actor.begin(cycle, now, roster, ctx),
                Err(error) => actor.cannot_begin(cycle, now, &error),
            }
        }));
    }

    /// Wakes the actor for the tick after `now`.
    fn arm(&mut self, now: Duration, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        if let (Mode::Every(interval), Some(origin)) = (self.mode, self.origin) {
            let pause = next_tick(origin, interval, now).saturating_sub(now);
            self.timer = Some(ctx.run_later(pause, |actor, ctx| actor.tick(ctx)));
        }
    }

    fn dead_neighbour(&self) -> Option<String> {
        if !self.roster.connected() || !self.ledger.connected() {
            return Some("ledger".to_owned());
        }
        self.pools.iter().find(|pool| !pool.poll.connected()).map(|pool| format!("pool {}", pool.name))
    }

    fn cannot_begin(&mut self, cycle: u64, began: Duration, error: &LedgerError) {
        self.metrics.cycles_failed += 1;
        if let Some(say) = self.failing.met([error.kind()], self.clock.now()) {
            tracing::error!(cycle, %error, repeated = say.repeated, "polling_cycle_failed");
        }
        let summary =
            CycleSummary { error: Some(error.to_string()), ..OpenCycle::new(began, 0).summarize(cycle, self.clock.now()) };
        self.publish(summary);
    }

    /// Sends every pool its work.
    fn begin(&mut self, cycle: u64, began: Duration, roster: Roster, ctx: &mut Context<Self>) {
        self.failing.over(self.clock.now());
        if self.draining {
            return;
        }
        self.complain(&roster);
        let era = roster.era;
        // Taken out, so that nothing half done outlives a panic.
        let mut lists = std::mem::take(&mut self.lists);
        lists.take_up(roster);
        let (work, players) = lists.work(self.pools.iter().map(|pool| (&pool.name, pool.addresses)));
        self.lists = lists;
        let players = players as u64;
        self.metrics.players = players;
        self.mention_nobody(players);
        self.report_taken(&work);
        let waiting_for = self.pools.iter().map(|pool| pool.name.clone()).collect();
        self.open.insert(cycle, OpenCycle { waiting_for, ..OpenCycle::new(began, players) });
        let spread = match self.mode {
            Mode::Every(interval) => interval,
            Mode::Once => Duration::ZERO,
        };
        for (pool, work) in self.pools.clone().into_iter().zip(work) {
            if !self.asked.insert(pool.name.clone()) {
                // The last one is still in its mailbox: there is never a second one.
                self.refused(cycle, pool.name, PollRefused::Busy);
                continue;
            }
            let poll = PollNow { cycle, jobs: work.jobs, era, tick: began, spread, finished: ctx.address().recipient() };
            let sent = pool.poll.send(poll);
            ctx.spawn(sent.into_actor(self).map(move |outcome, actor, _| {
                actor.asked.remove(&pool.name);
                let refused = match outcome {
                    Ok(Ok(())) => return,
                    Ok(Err(refused)) => refused,
                    // The pool was restarted with the message in its mailbox.
                    Err(_) => PollRefused::Restarted,
                };
                actor.refused(cycle, pool.name, refused);
            }));
        }
        self.close_if_complete(cycle);
        while self.open.len() > OPEN_CYCLES_MAX {
            if let Some((cycle, open)) = self.open.pop_first() {
                self.complete(cycle, &open);
            }
        }
    }

    /// Says once for each address that it cannot be polled.
    fn complain(&mut self, roster: &Roster) {
        for (player, reason) in &roster.unusable {
            if self.complained.insert((*player, reason.clone())) {
                tracing::warn!(player_id = player.0, reason, "player_address_unusable");
            }
        }
    }

    fn mention_nobody(&mut self, players: u64) {
        if players > 0 {
            self.said_nobody = false;
        } else if !std::mem::replace(&mut self.said_nobody, true) {
            let hint = "add one: pool-poller players add NAME --email MAIL --wallet ADDRESS --verified";
            tracing::warn!(hint, "no_verified_players");
        }
    }

    /// Hands wallets that are another player's to the ledger, as anomalies.
    fn report_taken(&mut self, work: &[PoolWork]) {
        for (pool, work) in self.pools.iter().zip(work) {
            if work.taken.is_empty() {
                continue;
            }
            let reports = work.taken.iter().map(|job| {
                Observation::Anomaly(AnomalyReport {
                    player: job.player,
                    pool: pool.name.clone(),
                    wallet: job.wallet.clone(),
                    kind: AnomalyKind::WalletTaken,
                    detail: "another player has this wallet on this pool".to_owned(),
                })
            });
            // Lost with a restart of the ledger, found again in the next cycle.
            self.ledger.do_send(RecordObservations { pool: pool.name.clone(), observations: Arc::new(reports.collect()) });
        }
    }

    fn refused(&mut self, cycle: u64, pool: PoolName, refused: PollRefused) {
        tracing::info!(cycle, pool = %pool, reason = refused.as_str(), "poll_skipped");
        if refused == PollRefused::Busy {
            self.metrics.polls_skipped_busy += 1;
        }
        if let Some(open) = self.open.get_mut(&cycle) {
            open.waiting_for.remove(&pool);
            open.skipped.push(pool);
        }
        self.close_if_complete(cycle);
    }

    fn close_if_complete(&mut self, cycle: u64) {
        let complete = self.open.get(&cycle).is_some_and(|open| open.waiting_for.is_empty());
        if complete && let Some(open) = self.open.remove(&cycle) {
            self.complete(cycle, &open);
        }
    }

    fn complete(&mut self, cycle: u64, open: &OpenCycle) {
        let summary = open.summarize(cycle, self.clock.now());
        self.metrics.cycles_completed += 1;
        self.metrics.polls_total += summary.requests;
        self.metrics.polls_ok += summary.readings;
        self.metrics.polls_failed += summary.failures;
        tracing::info!(
            cycle, players = summary.players, requests = summary.requests, readings = summary.readings, failures = summary.failures,
            awards = summary.awards, ap_awarded = %summary.ap_awarded, held = summary.held, anomalies = summary.anomalies,
            pools_skipped = summary.pools_skipped, duration_ms = summary.duration_ms,
            pools_detail = %serde_json::to_string(&summary.pools).unwrap_or_default(),
            "polling_cycle_complete"
        );
        self.publish(summary);
    }

    fn publish(&mut self, summary: CycleSummary) {
        if let Some(completed) = &self.completed {
            // Whoever stopped listening needs no summary.
            let _ = completed.send(summary);
        }
    }
}

impl Actor for Scheduler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let pause = self.supervision.take_pause().unwrap_or_default();
        ctx.run_later(pause, |actor, ctx| actor.tick(ctx));
    }
}

impl Supervised for Scheduler {
    fn restarting(&mut self, _ctx: &mut Self::Context) {
        self.supervision.restarting();
        // Their answers, and the next tick, went with the old context.
        self.timer = None;
        self.loading = false;
        self.asked.clear();
        self.open.clear();
    }
}

/// Tells that a pool has finished its part of a cycle. A hint: a cycle whose hint is lost is closed by a later one.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct PollFinished {
    /// The cycle.
    pub cycle: u64,
    /// What the pool did.
    pub report: PollReport,
}

impl Handler<PollFinished> for Scheduler {
    type Result = ();

    fn handle(&mut self, PollFinished { cycle, report }: PollFinished, _ctx: &mut Self::Context) {
        if let Some(reports) = &self.reports {
            // Whoever stopped listening needs no report.
            let _ = reports.send(report.clone());
        }
        if let Some(open) = self.open.get_mut(&cycle) {
            open.waiting_for.remove(&report.pool);
            open.reports.push(report);
        }
        self.close_if_complete(cycle);
    }
}

/// Asks for a cycle now, as at a tick: how a [`Mode::Once`] goes on for whoever decides by itself when the next one is.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct BeginCycle;

impl Handler<BeginCycle> for Scheduler {
    type Result = ();

    fn handle(&mut self, _: BeginCycle, ctx: &mut Self::Context) {
        self.tick(ctx);
    }
}

/// Asks to begin no more cycles.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Drain;

impl Handler<Drain> for Scheduler {
    type Result = ();

    fn handle(&mut self, _: Drain, _ctx: &mut Self::Context) {
        self.draining = true;
    }
}

/// Sets how often cycles begin and which pools have a part in them, from the next cycle on. Answers when that is so.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Reconfigure {
    /// From the beginning of one cycle to the next. A new one counts from the newest cycle.
    pub interval: Duration,
    /// The pools. Those that are not among them are not waited for any more.
    pub pools: Vec<PoolSlot>,
}

impl Handler<Reconfigure> for Scheduler {
    type Result = ();

    fn handle(&mut self, Reconfigure { interval, pools }: Reconfigure, ctx: &mut Self::Context) {
        // What another actor was asked says nothing about the one that has taken its place.
        let stays = |pool: &PoolSlot| pools.iter().any(|new| new.name == pool.name && new.poll == pool.poll);
        let staying: HashSet<&PoolName> = self.pools.iter().filter(|pool| stays(pool)).map(|pool| &pool.name).collect();
        self.asked.retain(|name| staying.contains(name));
        self.pools = pools;
        let names: HashSet<&PoolName> = self.pools.iter().map(|pool| &pool.name).collect();
        for open in self.open.values_mut() {
            open.waiting_for.retain(|pool| names.contains(pool));
        }
        for cycle in self.open.keys().copied().collect::<Vec<_>>() {
            self.close_if_complete(cycle);
        }
        if self.mode != Mode::Every(interval) && self.mode != Mode::Once {
            self.mode = Mode::Every(interval);
            // Before the first tick nothing is armed, and that one arms the next.
            if self.origin.is_some() && !self.draining && self.timer.is_some() {
                self.origin = Some(self.ticked_at);
                self.arm(self.clock.now(), ctx);
            }
        }
    }
}

answers_ping!(Scheduler);

impl Handler<ReportMetrics> for Scheduler {
    type Result = MessageResult<ReportMetrics>;

    fn handle(&mut self, _: ReportMetrics, _ctx: &mut Self::Context) -> Self::Result {
        self.metrics.restarts = self.supervision.restarts();
        MessageResult(as_json(&self.metrics))
    }
}
