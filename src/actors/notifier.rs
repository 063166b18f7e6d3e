//! The notifier actor: the only owner of the connection to the game server.
//!
//! Promises: every award reaches the game server at least once, with the same event id each time; a player's awards go out in
//! order, one at a time, and players do not wait for each other; an award is marked notified after the server's
//! acknowledgement and never before; a server that does not acknowledge is asked again with growing delays.
//! The rows in `mining_events` are the outbox and this actor's memory is not: it looks for rows after each connect, after each
//! hint, after each acknowledgement and on a timer, always by the same query.
//! Leaves to others: the connection itself (`notify::connection`), reading and marking rows (the ledger).

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::time::Duration;

use actix::prelude::*;
use chrono::TimeDelta;
use tokio::sync::{mpsc, oneshot};

use super::ledger::{CountWaiting, NextUndelivered, RecordDelivery, RewardsReady};
use super::supervision::Supervision;
use super::{ReportMetrics, as_json};
use crate::clock::Clock;
use crate::domain::delivery::{Retry, after_attempt};
use crate::domain::{EventId, PlayerId};
use crate::metrics::NotifierMetrics;
use crate::notify::{Command, ConnectionEvent, MiningReward};
use crate::store::now_utc;
use crate::store::outbox::{Attempt, Undelivered};

/// Notices under way at once, over all players.
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
}

/// A connection, as the notifier holds it. The real one is `notify::connection::run` in a task of its own.
pub struct Link {
    /// Where commands go. Its capacity is at least twice [`WINDOW`].
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
    /// A look for rows is under way, and another one was asked for meanwhile.
    looking: bool,
    look_again: bool,
    /// Notices sent and not yet acknowledged.
    in_flight: HashMap<EventId, InFlight>,
    /// Players of whom a notice is under way or being marked: their next one waits.
    busy: HashSet<PlayerId>,
    /// What became of notices and is not stored yet.
    unsaved: RecordDelivery,
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
            looking: false,
            look_again: false,
            in_flight: HashMap::new(),
            busy: HashSet::new(),
            unsaved: RecordDelivery::default(),
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

    /// Looks for rows to send, unless a look is under way.
    fn look(&mut self, ctx: &mut Context<Self>) {
        // What waits to be marked takes room too: a ledger that cannot store stops the sending after one window.
        let room = WINDOW.saturating_sub(self.busy.len());
        if !self.up || room == 0 {
            return;
        }
        if self.looking {
            self.look_again = true;
            return;
        }
        self.looking = true;
        let wanted = NextUndelivered { except: self.busy.iter().copied().collect(), limit: room as u64 };
        let asked = self.ledger.next.send(wanted);
        ctx.spawn(asked.into_actor(self).map(|outcome, actor, ctx| {
            actor.looking = false;
            match outcome {
                Ok(Ok(found)) => {
                    let more = actor.send_all(found);
                    if std::mem::take(&mut actor.look_again) || more {
                        actor.look(ctx);
                    }
                    actor.release_drain();
                }
                // Away or restarted: the sweep looks again.
                failed => {
                    if let Ok(Err(error)) = failed {
                        tracing::warn!(%error, "outbox_unavailable");
                    }
                    actor.look_again = false;
                    actor.release_drain();
                }
            }
        }));
    }

    /// Sends what was found. Answers whether there may be more for other players.
    fn send_all(&mut self, found: Vec<Undelivered>) -> bool {
        let before = self.in_flight.len();
        let full = self.busy.len() + found.len() >= WINDOW;
        for event in found {
            // The link may have broken since, or the row may be under way by an earlier look.
            if !self.up || self.busy.contains(&event.player) {
                continue;
            }
            let (event_id, player) = (event.event_id, event.player);
            let attempts = u32::try_from(event.attempts).unwrap_or(0);
            let command = Command::Send { event_id, payload: payload(event).to_json() };
            // The channel has room for two windows. Where it has none all the same, the row is found again.
            if self.commands.as_ref().is_none_or(|commands| commands.try_send(command).is_err()) {
                continue;
            }
            self.metrics.sent += 1;
            self.busy.insert(player);
            self.in_flight.insert(event_id, InFlight { player, attempts, sent_at: self.clock.now() });
        }
        // A full window goes on when acknowledgements make room.
        self.in_flight.len() > before && !full
    }

    fn acknowledged(&mut self, event_id: EventId, ctx: &mut Context<Self>) {
        self.metrics.acked += 1;
        // One that comes after the time-out counts too, or a slow server would be told for ever what it has long known.
        if let Some(sent) = self.in_flight.remove(&event_id) {
            self.metrics.ack_time.record(self.clock.now().saturating_sub(sent.sent_at));
            self.unsaved_players.push(sent.player);
        }
        self.unsaved.acknowledged.push(event_id);
        self.save(ctx);
    }

    /// Notes that a notice was refused or not acknowledged in time.
    fn unacknowledged(&mut self, event_id: EventId, why: &str, ctx: &mut Context<Self>) {
        let Some(sent) = self.in_flight.remove(&event_id) else { return };
        self.metrics.unacked += 1;
        let attempts = sent.attempts + 1;
        let (delay, dead) = match after_attempt(attempts, self.rules.max_attempts, fastrand::u32(..)) {
            Retry::After(delay) => (delay, false),
            Retry::GiveUp => (Duration::ZERO, true),
        };
        if dead {
            self.metrics.dead += 1;
            tracing::error!(%event_id, player_id = sent.player.0, attempts, reason = why, "notification_given_up");
        } else {
            let retry_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(%event_id, player_id = sent.player.0, attempts, reason = why, retry_ms, "notification_not_acknowledged");
        }
        let next_at = now_utc() + TimeDelta::from_std(delay).unwrap_or(TimeDelta::hours(2));
        self.unsaved.attempts.push(Attempt { event_id, next_at, dead });
        self.unsaved_players.push(sent.player);
        self.save(ctx);
    }

    /// Stores what became of notices, all that has gathered at once.
    fn save(&mut self, ctx: &mut Context<Self>) {
        if self.saving || self.unsaved == RecordDelivery::default() {
            return;
        }
        self.saving = true;
        let delivery = std::mem::take(&mut self.unsaved);
        let players = std::mem::take(&mut self.unsaved_players);
        let stored = self.ledger.record.send(delivery.clone());
        ctx.spawn(stored.into_actor(self).map(move |outcome, actor, ctx| {
            actor.saving = false;
            if let Ok(Ok(())) = outcome {
                for player in players {
                    actor.busy.remove(&player);
                }
                actor.save(ctx);
                actor.look(ctx);
                actor.release_drain();
            } else {
                // Lost or refused: an acknowledgement is kept until it is stored. The sweep tries again.
                actor.unsaved.acknowledged.extend(delivery.acknowledged);
                actor.unsaved.attempts.extend(delivery.attempts);
                actor.unsaved_players.extend(players);
            }
        }));
    }

    /// Finds overdue acknowledgements and forgotten rows, stores what could not be stored, and arms itself again.
    fn sweep(&mut self, ctx: &mut Context<Self>) {
        let now = self.clock.now();
        let overdue = |sent: &&InFlight| now.saturating_sub(sent.sent_at) >= self.rules.ack_timeout;
        let late: Vec<EventId> = self.in_flight.iter().filter(|(_, sent)| overdue(sent)).map(|(id, _)| *id).collect();
        for event_id in late {
            self.unacknowledged(event_id, "no acknowledgement in time", ctx);
        }
        self.save(ctx);
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
        quiet && !(self.up && (self.looking || self.look_again))
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
        self.up = false;
        self.metrics.socket = if self.open.is_some() { "connecting" } else { "off" };
        // What was under way may or may not have arrived: it goes out again after the reconnect, with the same id.
        for (_, lost) in self.in_flight.drain() {
            self.busy.remove(&lost.player);
        }
    }
}

/// What the game server is told.
fn payload(event: Undelivered) -> MiningReward {
    MiningReward {
        event_id: event.event_id,
        sequence: event.sequence,
        player_id: event.player,
        username: event.username,
        pool: event.pool,
        advc_amount: event.advc,
        ap_awarded: event.points,
        total_ap: event.total_ap,
        total_advc_mined: event.total_advc,
        timestamp: event.at,
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
        self.looking = false;
        self.look_again = false;
        self.saving = false;
        // What was being stored is unknown: the rows are offered again, and the game server knows their ids.
        self.unsaved = RecordDelivery::default();
        self.unsaved_players.clear();
        self.busy.clear();
        self.drained.clear();
    }
}

impl StreamHandler<ConnectionEvent> for Notifier {
    fn handle(&mut self, event: ConnectionEvent, ctx: &mut Self::Context) {
        match event {
            ConnectionEvent::Up { protocol, sid } => {
                self.up = true;
                self.metrics.socket = "up";
                self.metrics.connections += 1;
                tracing::info!(protocol = protocol.as_str(), sid, "game_server_connected");
                self.look(ctx);
            }
            ConnectionEvent::Down { reason, retry_in } => {
                *self.metrics.disconnections.entry(reason.kind()).or_default() += 1;
                let retry_ms = retry_in.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
                if self.draining {
                    tracing::debug!(kind = reason.kind(), "game_server_disconnected");
                } else {
                    tracing::warn!(kind = reason.kind(), %reason, retry_ms, "game_server_disconnected");
                }
                self.down();
                self.release_drain();
            }
            ConnectionEvent::Acked { event_id } => self.acknowledged(event_id, ctx),
            ConnectionEvent::Nacked { event_id, message } => self.unacknowledged(event_id, &message, ctx),
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

    fn handle(&mut self, _: RewardsReady, ctx: &mut Self::Context) {
        self.look(ctx);
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

impl Handler<ReportMetrics> for Notifier {
    type Result = MessageResult<ReportMetrics>;

    fn handle(&mut self, _: ReportMetrics, _ctx: &mut Self::Context) -> Self::Result {
        self.metrics.in_flight = self.in_flight.len() as u64;
        self.metrics.restarts = self.supervision.restarts();
        MessageResult(as_json(&self.metrics))
    }
}
