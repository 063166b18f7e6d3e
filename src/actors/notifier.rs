//! The notifier actor: the only owner of the connection to the game server.
//!
//! Promises: every award reaches the game server at least once, with the same event id each time; a player's awards go out in
//! order, one at a time, and players do not wait for each other; an award is marked notified after the server's
//! acknowledgement and never before; a server that does not acknowledge is asked again with growing delays, and one that
//! acknowledges nothing at all gets a single notice now and then.
//! The rows in `mining_events` are the outbox and this actor's memory is not: what was just stored goes out from memory where
//! nothing older can be waiting (`line`), and everything else is found in the rows, by looks after each connect, each hint and each
//! acknowledgement that may leave something, and on a timer, always by the same query.
//! Leaves to others: the connection itself (`notify::connection`), reading and marking rows (the ledger).

mod line;
mod resuming;
mod sending;

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{mpsc, oneshot};

use super::ledger::{CountWaiting, NextUndelivered, RecordDelivery, RecordResume, RewardsReady};
use super::supervision::Supervision;
use super::{ReportDurations, ReportMetrics, answers_ping, as_json};
use crate::clock::Clock;
use crate::domain::delivery::Flow;
use crate::domain::repetition::Repetition;
use crate::domain::{EventId, PlayerId};
use crate::metrics::NotifierMetrics;
use crate::notify::{Command, ConnectionEvent};
use crate::store::{now_utc, rfc3339};

use line::Line;
use resuming::Resume;
use sending::Walk;

/// Notices under way at once on a WebSocket, over all players.
pub const WINDOW: usize = 256;
/// How often rows are looked for without any hint, acknowledgements are found overdue, and what the ledger could not do is
/// asked of it again.
const SWEEP: Duration = Duration::from_secs(1);
/// How often the awards that wait are counted.
const COUNT_EVERY: u32 = 30;

/// How notices are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryRules {
    /// How long an acknowledgement is waited for.
    pub ack_timeout: Duration,
    /// Attempts before an award is given up; `None` for never.
    pub max_attempts: Option<NonZeroU32>,
    /// Notices under way at once, over all players.
    pub window: usize,
    /// How long after a connect nothing is sent, because the server may say first what it has.
    pub resume_wait: Duration,
}

/// A connection, as the notifier holds it. The real one is `notify::connection::run` in a task of its own.
pub struct Link {
    /// Where commands go. Its capacity is at least twice [`DeliveryRules::window`].
    pub commands: mpsc::Sender<Command>,
    /// Where events come from.
    pub events: mpsc::Receiver<ConnectionEvent>,
}

/// Opens a link. Called at the start and after a restart.
pub type OpenLink = Box<dyn Fn() -> Link>;

/// The actor.
pub struct Notifier {
    ledger: LedgerLink,
    /// How to connect; `None` where nothing is to be sent.
    open: Option<OpenLink>,
    rules: DeliveryRules,
    clock: Clock,
    commands: Option<mpsc::Sender<Command>>,
    up: bool,
    /// Where the looks for rows are.
    walk: Walk,
    /// How many notices may be under way.
    flow: Flow,
    /// The link is down, or cannot be made.
    away: Repetition,
    /// The rows that wait cannot be looked up.
    outbox_away: Repetition,
    /// What the server says that it has.
    resume: Resume,
    /// Awards that need not be looked for.
    line: Line,
    /// Notices sent and not yet acknowledged.
    in_flight: HashMap<EventId, InFlight>,
    /// Players of whom something is being marked, and how much: their rows are not what counts yet.
    marking: HashMap<PlayerId, u32>,
    /// Something may wait in the database that is neither in line nor under way.
    owes_look: bool,
    /// What became of notices and is not stored yet.
    unsaved: RecordDelivery,
    /// Acknowledged and not stored as such yet: a row that is found meanwhile is not sent.
    settling: HashSet<EventId>,
    /// Whose players are released when `unsaved` is stored.
    unsaved_players: Vec<PlayerId>,
    saving: bool,
    sweeps: u32,
    draining: bool,
    drained: Vec<oneshot::Sender<()>>,
    supervision: Supervision,
    metrics: NotifierMetrics,
}

/// What the notifier asks of the ledger.
#[derive(Clone)]
pub struct LedgerLink {
    /// For rows to send.
    pub next: Recipient<NextUndelivered>,
    /// For what became of them.
    pub record: Recipient<RecordDelivery>,
    /// For what the server says that it has.
    pub resume: Recipient<RecordResume>,
    /// For a figure.
    pub count: Recipient<CountWaiting>,
}

struct InFlight {
    player: PlayerId,
    /// Unacknowledged attempts before this one.
    attempts: u32,
    sent_at: Duration,
}

impl Notifier {
    /// A notifier that connects by `open`; with `None` awards wait in the database.
    #[must_use]
    pub fn new(ledger: LedgerLink, open: Option<OpenLink>, rules: DeliveryRules, clock: Clock, supervision: Supervision) -> Self {
        let metrics = NotifierMetrics { socket: if open.is_some() { "connecting" } else { "off" }, ..NotifierMetrics::default() };
        Self {
            ledger,
            open,
            rules,
            clock,
            commands: None,
            up: false,
            walk: Walk::new(),
            flow: Flow::new(rules.window),
            away: Repetition::default(),
            outbox_away: Repetition::default(),
            resume: Resume::default(),
            line: Line::default(),
            in_flight: HashMap::new(),
            marking: HashMap::new(),
            owes_look: false,
            unsaved: RecordDelivery::default(),
            settling: HashSet::new(),
            unsaved_players: Vec::new(),
            saving: false,
            sweeps: 0,
            draining: false,
            drained: Vec::new(),
            supervision,
            metrics,
        }
    }

    fn connect(&mut self, ctx: &mut Context<Self>) {
        let Some(open) = &self.open else { return };
        let Link { commands, events } = open();
        self.commands = Some(commands);
        let events = futures_util::stream::unfold(events, |mut events| async move { Some((events.recv().await?, events)) });
        ctx.add_stream(events);
    }

    /// Finds overdue acknowledgements and forgotten rows, stores what could not be stored, and arms itself again.
    fn sweep(&mut self, ctx: &mut Context<Self>) {
        self.time_out(ctx);
        self.save(ctx);
        self.store_resume(ctx);
        self.walk.rested();
        self.look(ctx);
        if self.sweeps.is_multiple_of(COUNT_EVERY) {
            self.count(ctx);
        }
        self.sweeps = self.sweeps.wrapping_add(1);
        ctx.run_later(SWEEP, |actor, ctx| actor.sweep(ctx));
    }

    fn count(&mut self, ctx: &mut Context<Self>) {
        let counted = self.ledger.count.send(CountWaiting);
        ctx.spawn(counted.into_actor(self).map(|outcome, actor, _| {
            // A figure only: the last one stays until the next look.
            if let Ok(Ok(waiting)) = outcome {
                actor.metrics.waiting = waiting;
            }
        }));
    }

    /// Whether nothing is under way.
    fn idle(&self) -> bool {
        let quiet = self.in_flight.is_empty() && !self.saving && self.unsaved == RecordDelivery::default();
        // While the link is down nothing more can be done: the rows wait for the next start.
        quiet && !(self.up && (self.walk.looking || self.line.is_ready()))
    }

    fn release_drain(&mut self) {
        if !self.drained.is_empty() && self.idle() {
            if let Some(commands) = self.commands.take() {
                // A link that is gone needs no good-bye.
                let _ = commands.try_send(Command::Close);
            }
            for waiting in self.drained.drain(..) {
                let _ = waiting.send(());
            }
        }
    }

    fn down(&mut self) {
        // A failed attempt to connect again changes nothing about since when it is gone.
        if std::mem::replace(&mut self.up, false) {
            self.metrics.socket_since = Some(rfc3339(now_utc()));
        }
        self.resume.forget();
        self.metrics.socket = if self.open.is_some() { "connecting" } else { "off" };
        // What was under way may or may not have arrived: it goes out again after the reconnect, with the same id.
        self.in_flight.clear();
        self.line.forget();
    }
}

impl Actor for Notifier {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let pause = self.supervision.take_pause().unwrap_or_default();
        ctx.run_later(pause, |actor, ctx| {
            if !actor.draining {
                actor.connect(ctx);
            }
            actor.sweep(ctx);
        });
    }
}

impl Supervised for Notifier {
    fn restarting(&mut self, _ctx: &mut Self::Context) {
        self.supervision.restarting();
        self.commands = None;
        self.down();
        self.walk = Walk::new();
        self.resume = Resume::default();
        self.saving = false;
        // What was being stored is unknown: the rows are offered again, and the game server knows their ids.
        self.unsaved = RecordDelivery::default();
        self.settling.clear();
        self.unsaved_players.clear();
        self.marking.clear();
        self.drained.clear();
    }
}

impl StreamHandler<ConnectionEvent> for Notifier {
    fn handle(&mut self, event: ConnectionEvent, ctx: &mut Self::Context) {
        match event {
            ConnectionEvent::Up { protocol, sid } => {
                self.up = true;
                self.metrics.socket = "up";
                self.metrics.socket_since = Some(rfc3339(now_utc()));
                self.metrics.down_reason = None;
                self.metrics.connections += 1;
                let away_ms =
                    self.away.over(self.clock.now()).map(|over| u64::try_from(over.lasted.as_millis()).unwrap_or(u64::MAX));
                tracing::info!(protocol = protocol.as_str(), sid, away_ms, "game_server_connected");
                self.flow.reconnected();
                self.await_resume(ctx);
            }
            ConnectionEvent::Down { reason, retry_in } => {
                *self.metrics.disconnections.entry(reason.kind()).or_default() += 1;
                let retry_ms = retry_in.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
                if self.draining {
                    tracing::debug!(kind = reason.kind(), "game_server_disconnected");
                } else {
                    match self.away.met([reason.kind()], self.clock.now()) {
                        Some(say) => {
                            let (repeated, away_seconds) = (say.repeated, say.lasts.as_secs());
                            let kind = reason.kind();
                            tracing::warn!(kind, %reason, retry_ms, repeated, away_seconds, "game_server_disconnected");
                        }
                        None => tracing::debug!(kind = reason.kind(), %reason, retry_ms, "game_server_disconnected"),
                    }
                }
                self.metrics.down_reason = Some(reason.to_string());
                self.down();
                self.release_drain();
            }
            ConnectionEvent::Acked { event_id } => self.acknowledged(event_id, ctx),
            ConnectionEvent::Nacked { event_id, message } => self.unacknowledged(event_id, &message, ctx),
            ConnectionEvent::Resume { last } => self.resume(last, ctx),
            ConnectionEvent::AckedUnknown { id } => tracing::debug!(id, "unknown_acknowledgement"),
            ConnectionEvent::ServerEvent { name } => tracing::debug!(name, "server_event_ignored"),
            ConnectionEvent::Unintelligible { kind } => tracing::warn!(kind, "server_frame_unintelligible"),
        }
    }

    /// The link's task has ended: by itself after a good-bye, else by a failure that a restart may help.
    fn finished(&mut self, ctx: &mut Self::Context) {
        self.down();
        self.release_drain();
        if !self.draining {
            tracing::error!(actor = self.supervision.actor(), "connection_task_ended");
            ctx.stop();
        }
    }
}

impl Handler<RewardsReady> for Notifier {
    type Result = ();

    fn handle(&mut self, RewardsReady(awards): RewardsReady, ctx: &mut Self::Context) {
        if !self.line_up(&awards) {
            self.look(ctx);
        }
    }
}

/// Asks to send what is there and to close the connection. Answered when nothing is under way; what cannot be sent waits in
/// the database for the next start.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Drain;

impl Handler<Drain> for Notifier {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, ctx: &mut Self::Context) -> Self::Result {
        self.draining = true;
        let (reply, outcome) = oneshot::channel();
        self.drained.push(reply);
        // One last look, whose end releases the drain.
        self.look(ctx);
        self.release_drain();
        Box::pin(async move {
            // A restart while draining drops the sender; nothing is under way then.
            let _ = outcome.await;
        })
    }
}

impl Handler<ReportDurations> for Notifier {
    type Result = MessageResult<ReportDurations>;

    fn handle(&mut self, _: ReportDurations, _ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.metrics.ack_time.clone())
    }
}

answers_ping!(Notifier);

impl Handler<ReportMetrics> for Notifier {
    type Result = MessageResult<ReportMetrics>;

    fn handle(&mut self, _: ReportMetrics, _ctx: &mut Self::Context) -> Self::Result {
        self.metrics.in_flight = self.in_flight.len() as u64;
        self.metrics.doubted = self.flow.is_doubted();
        self.metrics.restarts = self.supervision.restarts();
        MessageResult(as_json(&self.metrics))
    }
}
