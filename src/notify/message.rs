//! What is said between the connection keeper and its caller.

use std::time::Duration;

use super::endpoint::Protocol;
use super::reason::DownReason;
use crate::domain::{EventId, PlayerId};

/// What the keeper is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Sends a `mining_reward`, if the link is up.
    Send {
        /// What the acknowledgement is reported by.
        event_id: EventId,
        /// The payload, a JSON object as text.
        payload: String,
    },
    /// Says good-bye and ends the keeper.
    Close,
}

/// What the keeper reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// The link is ready for events.
    Up {
        /// The dialect.
        protocol: Protocol,
        /// The server's public name for this connection.
        sid: Option<String>,
    },
    /// The link broke, or an attempt to open it failed.
    Down {
        /// Why.
        reason: DownReason,
        /// The delay before the next attempt; `None` when the keeper has ended, and then this is its last event.
        retry_in: Option<Duration>,
    },
    /// The server took an event.
    Acked {
        /// Which.
        event_id: EventId,
    },
    /// The server refused an event, or it can never be sent.
    Nacked {
        /// Which.
        event_id: EventId,
        /// Why, without secrets and at most 200 characters.
        message: String,
    },
    /// The server says what it has: the last sequence of each player.
    Resume {
        /// A player named twice has the later one last.
        last: Vec<(PlayerId, i64)>,
    },
    /// The server acknowledged what was not sent on this link, or not lately.
    AckedUnknown {
        /// The id, in the server's form.
        id: String,
    },
    /// The server sent an event of its own. Nothing is done with it.
    ServerEvent {
        /// Its name.
        name: String,
    },
    /// The server sent a frame that means nothing, and the link goes on.
    Unintelligible {
        /// The metric label of what was wrong with it.
        kind: &'static str,
    },
}
