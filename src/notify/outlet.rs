//! The way out for events: a bounded channel with a short queue in front.
//!
//! The keeper never waits for its listener while it could serve the link or notice that it must stop. It puts an event in
//! the queue, hands it over when the channel has room, and stops reading the link while the queue is full.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::message::ConnectionEvent;

/// How many events may wait before the link is no longer read.
const PENDING_MAX: usize = 64;

pub(super) struct Outlet {
    events: mpsc::Sender<ConnectionEvent>,
    pending: VecDeque<ConnectionEvent>,
}

impl Outlet {
    pub(super) fn new(events: mpsc::Sender<ConnectionEvent>) -> Self {
        Self { events, pending: VecDeque::new() }
    }

    /// Queues an event. Callers look at [`Self::has_room`] before they cause more.
    pub(super) fn push(&mut self, event: ConnectionEvent) {
        self.pending.push_back(event);
    }

    pub(super) fn has_room(&self) -> bool {
        self.pending.len() < PENDING_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Waits until the listener has room and hands over the oldest event; `false` when the listener is gone. Cancel safe.
    pub(super) async fn hand_over(&mut self) -> bool {
        let Ok(permit) = self.events.reserve().await else { return false };
        if let Some(event) = self.pending.pop_front() {
            permit.send(event);
        }
        true
    }

    /// Hands over what the channel takes at once, ending with `last`. What does not fit is lost, as it would be in a crash.
    pub(super) fn finish(mut self, last: ConnectionEvent) {
        self.pending.push_back(last);
        for event in self.pending {
            if self.events.try_send(event).is_err() {
                return;
            }
        }
    }
}
