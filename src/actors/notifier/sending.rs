//! What is sent and what became of it: looking for rows, sending, acknowledgements, storing.
//!
//! A look walks over the players with awards that wait, a bounded number of them at a time, and the next one goes on where it
//! ended. What sets it off asks for one way round.

use std::collections::HashSet;
use std::collections::hash_map::Entry;
use std::time::Duration;

use actix::prelude::*;
use chrono::TimeDelta;

use super::super::ledger::{NextUndelivered, RecordDelivery};
use super::{InFlight, Notifier};
use crate::domain::delivery::{Retry, after_attempt};
use crate::domain::{EventId, PlayerId};
use crate::notify::{Command, MiningReward};
use crate::store::book::AwardedEvent;
use crate::store::now_utc;
use crate::store::outbox::{Attempt, FIRST_PLAYER, Look, Undelivered, Unreadable};

/// What is sent and not marked yet is at most this many windows. A crash tells as many again.
const UNMARKED_WINDOWS_MAX: usize = 8;
/// Looks in one sweep that may find nothing to send. Only where thousands of players wait for their next attempt it takes more
/// than one sweep to go round, and then a server that acknowledges nothing is at the other end.
const VAIN_LOOKS_PER_SWEEP: u32 = 32;

/// Where the walk over the players is.
pub(super) struct Walk {
    /// The player at whom the next look begins.
    from: PlayerId,
    /// How many times the end has still to be reached.
    ends: u8,
    /// Looks that may still find nothing before the next sweep.
    vain_looks: u32,
    /// A look is under way.
    pub(super) looking: bool,
    /// What was marked since it was begun: its rows may be older than that.
    marked: HashSet<EventId>,
}

impl Walk {
    pub(super) fn new() -> Self {
        Self { from: FIRST_PLAYER, ends: 0, vain_looks: VAIN_LOOKS_PER_SWEEP, looking: false, marked: HashSet::new() }
    }

    /// Asks for one way round from here.
    fn set_off(&mut self) {
        // From the middle on, the end is reached twice; and a look under way may have passed what was added just now.
        self.ends = if self.from == FIRST_PLAYER && !self.looking { 1 } else { 2 };
    }

    fn went_on(&mut self, found: &Look) {
        if found.due.is_empty() {
            self.vain_looks = self.vain_looks.saturating_sub(1);
        }
        if found.next.is_none() {
            self.ends = self.ends.saturating_sub(1);
        }
        self.from = found.next.unwrap_or(FIRST_PLAYER);
    }

    fn is_over(&self) -> bool {
        self.ends == 0 || self.vain_looks == 0
    }

    /// A sweep: vain looks are allowed again.
    pub(super) fn rested(&mut self) {
        self.vain_looks = VAIN_LOOKS_PER_SWEEP;
    }
}

impl Notifier {
    /// Looks for rows to send, once round.
    pub(super) fn look(&mut self, ctx: &mut Context<Self>) {
        self.walk.set_off();
        self.look_on(ctx);
    }

    /// The next look of the way round, unless one is under way or nothing may be sent.
    fn look_on(&mut self, ctx: &mut Context<Self>) {
        let room = self.room();
        if !self.up || self.resume.holds_back() || self.walk.looking || self.walk.is_over() || room == 0 {
            return;
        }
        self.walk.looking = true;
        self.walk.marked.clear();
        let wanted = NextUndelivered { from: self.walk.from, except: self.busy().collect(), limit: room };
        let asked = self.ledger.next.send(wanted);
        ctx.spawn(asked.into_actor(self).map(|outcome, actor, ctx| {
            actor.walk.looking = false;
            match outcome {
                Ok(Ok(found)) => {
                    actor.outbox_away.over(actor.clock.now());
                    actor.walk.went_on(&found);
                    actor.set_aside(found.unreadable, ctx);
                    actor.send_all(found.due);
                    actor.look_on(ctx);
                }
                // Away or restarted: the sweep looks again.
                failed => {
                    if let Ok(Err(error)) = failed
                        && let Some(say) = actor.outbox_away.met([error.kind()], actor.clock.now())
                    {
                        tracing::warn!(%error, repeated = say.repeated, "outbox_unavailable");
                    }
                }
            }
            actor.release_drain();
        }));
    }

    /// How many more notices may be sent. What waits to be marked takes room too: a ledger that cannot store stops the sending.
    fn room(&self) -> usize {
        let unmarked = self.in_flight.len() + self.settling.len();
        let room = self.flow.room(self.in_flight.len(), self.clock.now());
        room.min((UNMARKED_WINDOWS_MAX * self.rules.window).saturating_sub(unmarked))
    }

    /// Players of whom a notice is under way or being marked.
    fn busy(&self) -> impl Iterator<Item = PlayerId> {
        let under_way = self.in_flight.values().map(|sent| sent.player).filter(|player| !self.marking.contains_key(player));
        under_way.chain(self.marking.keys().copied())
    }

    /// Takes up what was just stored, and sends what there is room for. Answers whether nothing is left to be looked for.
    pub(super) fn line_up(&mut self, awards: &[AwardedEvent]) -> bool {
        if !self.up || self.resume.holds_back() || awards.is_empty() {
            return false;
        }
        let mut all_taken = true;
        for award in awards {
            all_taken &= self.line.push(award);
        }
        self.send_line();
        self.owes_look |= !all_taken;
        all_taken
    }

    /// Sends from memory what there is room for.
    fn send_line(&mut self) {
        if !self.up || !self.line.is_ready() {
            return;
        }
        for _ in 0..self.room() {
            let Some(award) = self.line.pop() else { return };
            let player = award.player;
            if !self.send(award.event_id, player, 0, reward(award)) {
                // The rows have it.
                self.line.failed(player);
                self.owes_look = true;
                return;
            }
        }
    }

    fn send_all(&mut self, found: Vec<Undelivered>) {
        for event in found {
            let (event_id, player, sequence) = (event.event_id, event.player, event.sequence);
            // The link may have broken since, or the row may be under way from memory, or told and marked meanwhile.
            let is_told = self.settling.contains(&event_id) || self.walk.marked.contains(&event_id);
            if !self.up || is_told || self.line.is_active(player) || self.marking.contains_key(&player) {
                continue;
            }
            let attempts = u32::try_from(event.attempts).unwrap_or(0);
            if self.send(event_id, player, attempts, payload(event)) {
                self.line.telling(player, sequence);
            }
        }
    }

    fn send(&mut self, event_id: EventId, player: PlayerId, attempts: u32, reward: MiningReward) -> bool {
        let command = Command::Send { event_id, payload: reward.to_json() };
        // The channel has room for two windows. Where it has none all the same, the row is found again.
        if self.commands.as_ref().is_none_or(|commands| commands.try_send(command).is_err()) {
            return false;
        }
        self.metrics.sent += 1;
        self.in_flight.insert(event_id, InFlight { player, attempts, sent_at: self.clock.now() });
        true
    }

    /// Gives up rows that cannot be read, so that each is said once and its player's next awards go out.
    fn set_aside(&mut self, unreadable: Vec<Unreadable>, ctx: &mut Context<Self>) {
        if unreadable.is_empty() {
            return;
        }
        for Unreadable { row, player, why } in unreadable {
            // By an earlier look, and not stored yet.
            if self.marking.contains_key(&player) || self.line.is_active(player) {
                continue;
            }
            *self.marking.entry(player).or_default() += 1;
            self.metrics.unreadable += 1;
            tracing::error!(event = row, player_id = player.0, why, "notification_unreadable");
            self.unsaved.unreadable.push(row);
            self.unsaved_players.push(player);
            self.owes_look = true;
        }
        self.save(ctx);
    }

    pub(super) fn acknowledged(&mut self, event_id: EventId, ctx: &mut Context<Self>) {
        self.metrics.acked += 1;
        if self.flow.acknowledged() {
            tracing::info!("game_server_acknowledges_again");
        }
        // One that comes after the time-out counts too, or a slow server would be told for ever what it has long known.
        if let Some(sent) = self.in_flight.remove(&event_id) {
            self.metrics.ack_time.record(self.clock.now().saturating_sub(sent.sent_at));
            self.mark(sent.player);
            self.owes_look |= self.line.told(sent.player);
            self.send_line();
        }
        self.settling.insert(event_id);
        self.unsaved.acknowledged.push(event_id);
        self.save(ctx);
    }

    /// Notes that a notice was refused or not acknowledged in time.
    pub(super) fn unacknowledged(&mut self, event_id: EventId, why: &str, ctx: &mut Context<Self>) {
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
            if self.flow.is_doubted() {
                // That none is acknowledged was said once for all.
                tracing::debug!(%event_id, player_id = sent.player.0, attempts, reason = why, retry_ms, "notification_not_acknowledged");
            } else {
                tracing::warn!(%event_id, player_id = sent.player.0, attempts, reason = why, retry_ms, "notification_not_acknowledged");
            }
        }
        if self.flow.unacknowledged(self.clock.now(), fastrand::u32(..)) {
            tracing::warn!("game_server_acknowledges_nothing");
        }
        let next_at = now_utc() + TimeDelta::from_std(delay).unwrap_or(TimeDelta::hours(2));
        self.unsaved.attempts.push(Attempt { event_id, next_at, dead });
        self.mark(sent.player);
        self.line.failed(sent.player);
        self.owes_look = true;
        self.save(ctx);
    }

    /// Something of the player is about to be marked.
    fn mark(&mut self, player: PlayerId) {
        self.unsaved_players.push(player);
        *self.marking.entry(player).or_default() += 1;
    }

    /// Finds overdue acknowledgements.
    pub(super) fn time_out(&mut self, ctx: &mut Context<Self>) {
        let now = self.clock.now();
        let overdue = |sent: &&InFlight| now.saturating_sub(sent.sent_at) >= self.rules.ack_timeout;
        let late: Vec<EventId> = self.in_flight.iter().filter(|(_, sent)| overdue(sent)).map(|(id, _)| *id).collect();
        for event_id in late {
            self.unacknowledged(event_id, "no acknowledgement in time", ctx);
        }
    }

    /// Stores what became of notices, all that has gathered at once.
    pub(super) fn save(&mut self, ctx: &mut Context<Self>) {
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
                    if let Entry::Occupied(mut marking) = actor.marking.entry(player) {
                        *marking.get_mut() -= 1;
                        if *marking.get() == 0 {
                            marking.remove();
                        }
                    }
                }
                for event_id in delivery.acknowledged {
                    actor.settling.remove(&event_id);
                    if actor.walk.looking {
                        actor.walk.marked.insert(event_id);
                    }
                }
                actor.save(ctx);
                actor.send_line();
                if std::mem::take(&mut actor.owes_look) {
                    actor.look(ctx);
                } else {
                    actor.look_on(ctx);
                }
                actor.release_drain();
            } else {
                // Lost or refused: an acknowledgement is kept until it is stored. The sweep tries again.
                actor.unsaved.acknowledged.extend(delivery.acknowledged);
                actor.unsaved.attempts.extend(delivery.attempts);
                actor.unsaved.unreadable.extend(delivery.unreadable);
                actor.unsaved_players.extend(players);
            }
        }));
    }
}

/// What the game server is told of an award that was just stored.
fn reward(award: AwardedEvent) -> MiningReward {
    MiningReward {
        event_id: award.event_id,
        sequence: award.sequence,
        player_id: award.player,
        username: award.username,
        pool: award.pool,
        advc_amount: award.advc,
        ap_awarded: award.points,
        total_ap: award.total_ap,
        total_advc_mined: award.total_advc,
        timestamp: award.at,
    }
}

/// What the game server is told of an award that was found in the database.
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
