//! What a game server says that it has: it is stored before anything is sent, so that a player's awards go out in order.
//!
//! After a connect nothing is sent for a short while, in which the server may say so. Of a statement about many players a bounded
//! number is kept, the rest is ignored with a warning: what was not acknowledged goes out in any case.

use std::collections::BTreeMap;

use actix::prelude::*;

use super::super::ledger::RecordResume;
use super::Notifier;
use crate::domain::PlayerId;
use crate::store::resume::{PLAYERS_PER_STATEMENT, Resumed};

/// Players whose statement waits to be stored; about 10 MiB.
pub(super) const PLAYERS_MAX: usize = 250_000;

/// Statements that wait to be stored.
#[derive(Default)]
pub(super) struct Resume {
    /// The server may still say what it has.
    awaited: bool,
    /// The connection that is waited for, to tell the end of a wait from that of an older one.
    connection: u64,
    /// What is not stored yet.
    last: BTreeMap<PlayerId, i64>,
    storing: bool,
    /// What the statements of this connection have changed.
    players: u64,
    done: Resumed,
}

impl Resume {
    /// Whether nothing may be sent yet.
    pub(super) fn holds_back(&self) -> bool {
        self.awaited || self.storing || !self.last.is_empty()
    }

    /// Forgets what a link that is gone has said: the next one says it anew.
    pub(super) fn forget(&mut self) {
        *self = Self { connection: self.connection + 1, storing: self.storing, ..Self::default() };
    }
}

impl Notifier {
    /// The link is up: waits for a statement before the first look.
    pub(super) fn await_resume(&mut self, ctx: &mut Context<Self>) {
        self.resume.forget();
        if !self.rules.resume_wait.is_zero() {
            self.resume.awaited = true;
            let connection = self.resume.connection;
            ctx.run_later(self.rules.resume_wait, move |actor, ctx| {
                if actor.resume.connection == connection && actor.resume.awaited {
                    actor.resume.awaited = false;
                    actor.look(ctx);
                }
            });
        }
        self.look(ctx);
    }

    /// The server has said what it has.
    pub(super) fn resume(&mut self, last: Vec<(PlayerId, i64)>, ctx: &mut Context<Self>) {
        self.resume.awaited = false;
        let mut ignored = 0;
        for (player, sequence) in last {
            if self.resume.last.len() < PLAYERS_MAX || self.resume.last.contains_key(&player) {
                self.resume.last.insert(player, sequence);
            } else {
                ignored += 1;
            }
        }
        if ignored > 0 {
            tracing::warn!(players = ignored, "resume_ignored");
        }
        self.store_resume(ctx);
        // Where nothing was said, nothing holds back any more.
        self.look(ctx);
    }

    /// Stores the next part of what was said.
    pub(super) fn store_resume(&mut self, ctx: &mut Context<Self>) {
        if self.resume.storing || self.resume.last.is_empty() {
            return;
        }
        self.resume.storing = true;
        let mut part = Vec::with_capacity(PLAYERS_PER_STATEMENT.min(self.resume.last.len()));
        while part.len() < PLAYERS_PER_STATEMENT
            && let Some(next) = self.resume.last.pop_first()
        {
            part.push(next);
        }
        let connection = self.resume.connection;
        let stored = self.ledger.resume.send(RecordResume(part.clone()));
        ctx.spawn(stored.into_actor(self).map(move |outcome, actor, ctx| {
            actor.resume.storing = false;
            let is_current = actor.resume.connection == connection;
            match outcome {
                Ok(Ok(resumed)) if is_current => {
                    actor.resume.players += part.len() as u64;
                    actor.resume.done.acknowledged += resumed.acknowledged;
                    actor.resume.done.again += resumed.again;
                    actor.metrics.resumed += resumed.again;
                    actor.store_resume(ctx);
                    if !actor.resume.holds_back() {
                        let Resumed { acknowledged, again } = std::mem::take(&mut actor.resume.done);
                        let players = std::mem::take(&mut actor.resume.players);
                        tracing::info!(players, acknowledged, again, "game_server_resumed");
                    }
                }
                Ok(Ok(_)) => actor.store_resume(ctx),
                // Away or restarted: the sweep tries again. What was said since then goes before.
                _ if is_current => {
                    for (player, sequence) in part {
                        actor.resume.last.entry(player).or_insert(sequence);
                    }
                }
                _ => {}
            }
            actor.look(ctx);
            actor.release_drain();
        }));
    }
}
