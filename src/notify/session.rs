//! What is said over one open link: the handshake, events out, acknowledgements in. Pure.
//!
//! A [`Session`] lives as long as its link, since acknowledgement ids mean nothing on another one. It is fed text frames
//! and answers each with one [`Step`]. It remembers a bounded number of unacknowledged events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::answer;
use super::endpoint::Protocol;
use super::message::ConnectionEvent;
use super::payload::MINING_REWARD;
use super::reason::DownReason;
use super::redact::Redactor;
use super::resume::{self, RESUME};
use super::socketio::{self, Packet};
use super::websocket::{self, Frame};
use crate::domain::{EventId, PlayerId};

/// How many sent events wait for their acknowledgement; beyond, the oldest is forgotten and its caller will send it again.
const IN_FLIGHT_MAX: usize = 65_536;
/// The longest payload that is sent, in bytes; also what the write buffer is made for.
const PAYLOAD_BYTES_MAX: usize = 256 * 1024;

/// What the frame around a payload takes at most beside the namespace, in bytes: types, a 20-digit id, the event's name.
const ENVELOPE_BYTES: usize = 64;

/// What a frame asks of the link.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Nothing,
    /// Write this text frame.
    Write(String),
    /// The handshake is done.
    Up {
        /// The server's name for us, if it gave one.
        sid: Option<String>,
        /// What the server said that it has before it let us in.
        last: Vec<(PlayerId, i64)>,
    },
    /// Tell the caller.
    Report(ConnectionEvent),
    /// Write this text frame and tell the caller.
    Answer(String, ConnectionEvent),
    /// Give this link up.
    Down(DownReason),
}

/// One link's conversation.
pub(super) struct Session {
    dialect: Dialect,
    payload_bytes_max: usize,
}

enum Dialect {
    SocketIo {
        namespace: String,
        auth: Option<SecretString>,
        phase: Phase,
        silence_max: Option<Duration>,
        sent: SentById,
        /// Flask-SocketIO runs a server's `connect` handler before it lets us in, and sends first what that emits.
        early: Vec<(PlayerId, i64)>,
    },
    WebSocket {
        sent: BTreeSet<EventId>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    AwaitsOpen,
    AwaitsConnect,
    Up,
}

#[derive(Default)]
struct SentById {
    next_id: u64,
    events: BTreeMap<u64, EventId>,
}

impl Session {
    /// `namespace` and `auth` are Socket.IO's; a plain WebSocket has neither.
    pub(super) fn new(protocol: Protocol, namespace: &str, auth: Option<SecretString>) -> Self {
        let dialect = match protocol {
            Protocol::SocketIo => Dialect::SocketIo {
                namespace: namespace.to_owned(),
                auth,
                phase: Phase::AwaitsOpen,
                silence_max: None,
                sent: SentById::default(),
                early: Vec::new(),
            },
            Protocol::WebSocket | Protocol::Webhook => Dialect::WebSocket { sent: BTreeSet::new() },
        };
        Self { dialect, payload_bytes_max: PAYLOAD_BYTES_MAX }
    }

    /// To be called once the link is open, before any frame.
    pub(super) fn start(&mut self) -> Step {
        match self.dialect {
            // The server speaks first.
            Dialect::SocketIo { .. } => Step::Nothing,
            Dialect::WebSocket { .. } => Step::Up { sid: None, last: Vec::new() },
        }
    }

    /// How long the server may send no packet before the link is dead by the protocol's own rule.
    pub(super) fn silence_max(&self) -> Option<Duration> {
        match self.dialect {
            Dialect::SocketIo { silence_max, .. } => silence_max,
            Dialect::WebSocket { .. } => None,
        }
    }

    /// The frame that sends an event, or why it can never be sent.
    pub(super) fn send(&mut self, event_id: EventId, payload: &str) -> Result<String, String> {
        if payload.len() > self.payload_bytes_max {
            return Err(format!("a payload of {} bytes is above the limit of {}", payload.len(), self.payload_bytes_max));
        }
        match &mut self.dialect {
            Dialect::SocketIo { namespace, sent, .. } => {
                let id = sent.insert(event_id);
                Ok(socketio::encode_event(namespace, Some(id), MINING_REWARD, payload))
            }
            Dialect::WebSocket { sent } => {
                let frame = websocket::encode(MINING_REWARD, payload).ok_or("the payload is not a JSON object")?;
                if sent.len() >= IN_FLIGHT_MAX {
                    sent.pop_first();
                }
                sent.insert(event_id);
                Ok(frame)
            }
        }
    }

    /// The last frame before the link is closed.
    pub(super) fn farewell(&self) -> Option<String> {
        match &self.dialect {
            Dialect::SocketIo { namespace, phase: Phase::Up, .. } => Some(socketio::encode_disconnect(namespace)),
            _ => None,
        }
    }

    /// Takes a text frame. `Err` holds the kind of a frame that means nothing; the link survives it once it is up.
    pub(super) fn on_text(&mut self, text: &str, redactor: &Redactor) -> Result<Step, &'static str> {
        match &mut self.dialect {
            Dialect::SocketIo { phase, .. } => {
                let is_up = *phase == Phase::Up;
                match socketio::decode(text) {
                    Ok(packet) => self.on_packet(packet, redactor),
                    Err(error) if is_up => Err(error.kind()),
                    Err(error) => Ok(Step::Down(DownReason::Protocol { message: format!("no Socket.IO server: {error}") })),
                }
            }
            Dialect::WebSocket { sent } => match websocket::decode(text).map_err(websocket::DecodeError::kind)? {
                Frame::Ack { event_id, refusal } => {
                    // Parsed, because an id may come back in capitals.
                    let known = event_id.parse().ok().filter(|id| sent.remove(id));
                    Ok(Step::Report(answered(known, || redactor.clean(&event_id), refusal, redactor)))
                }
                Frame::Resume { last } => Ok(Step::Report(ConnectionEvent::Resume { last })),
                Frame::Other { name } => Ok(Step::Report(ConnectionEvent::ServerEvent { name: redactor.clean(&name) })),
            },
        }
    }

    fn on_packet(&mut self, packet: Packet, redactor: &Redactor) -> Result<Step, &'static str> {
        let Dialect::SocketIo { namespace: ours, auth, phase, silence_max, sent, early } = &mut self.dialect else {
            return Ok(Step::Nothing);
        };
        Ok(match (*phase, packet) {
            (Phase::AwaitsOpen, Packet::Open { ping_interval, ping_timeout, max_payload, .. }) => {
                *phase = Phase::AwaitsConnect;
                *silence_max = ping_interval.checked_add(ping_timeout).filter(|silence| !silence.is_zero());
                if let Some(bytes) = max_payload.and_then(|bytes| usize::try_from(bytes).ok()) {
                    self.payload_bytes_max = self.payload_bytes_max.min(bytes.saturating_sub(ENVELOPE_BYTES + ours.len()));
                }
                let auth = auth.as_ref().map(|token| serde_json::json!({ "token": token.expose_secret() }).to_string());
                Step::Write(socketio::encode_connect(ours, auth.as_deref()))
            }
            (Phase::AwaitsOpen, _) => Step::Down(DownReason::Protocol { message: "the server did not open Engine.IO 4".into() }),
            (_, Packet::Ping) => Step::Write(socketio::PONG.into()),
            (_, Packet::Close) => Step::Down(DownReason::ClosedByServer { code: None }),
            (Phase::AwaitsConnect, Packet::Connect { namespace, sid }) if namespace == *ours => {
                *phase = Phase::Up;
                Step::Up { sid: sid.map(|sid| redactor.clean(&sid)), last: std::mem::take(early) }
            }
            (_, Packet::ConnectError { namespace, message }) if namespace == *ours => {
                Step::Down(DownReason::Refused { message: redactor.clean(&message) })
            }
            (_, Packet::Disconnect { namespace }) if namespace == *ours => Step::Down(DownReason::Disconnected),
            (Phase::Up, Packet::Ack { namespace, id, data } | Packet::BinaryAck { namespace, id, data })
                if namespace == *ours =>
            {
                let first = serde_json::from_str::<Vec<Value>>(&data).ok().and_then(|answers| answers.into_iter().next());
                let refusal = first.as_ref().and_then(answer::refusal);
                Step::Report(answered(sent.events.remove(&id), || id.to_string(), refusal, redactor))
            }
            (Phase::Up, Packet::Event { namespace, ack, name, data }) if namespace == *ours && name == RESUME => {
                let last = resume::from_arguments(&data).ok_or(RESUME)?;
                let event = ConnectionEvent::Resume { last };
                match ack {
                    Some(id) => Step::Answer(socketio::encode_ack(ours, id, "[]"), event),
                    None => Step::Report(event),
                }
            }
            (Phase::AwaitsConnect, Packet::Event { namespace, name, data, .. }) if namespace == *ours && name == RESUME => {
                if let Some(last) = resume::from_arguments(&data) {
                    // Nobody is let in after several of them.
                    early.clear();
                    early.extend(last);
                }
                Step::Nothing
            }
            (Phase::Up, Packet::Event { name, .. } | Packet::BinaryEvent { name, .. }) => {
                Step::Report(ConnectionEvent::ServerEvent { name: redactor.clean(&name) })
            }
            _ => Step::Nothing,
        })
    }
}

impl SentById {
    fn insert(&mut self, event_id: EventId) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        if self.events.len() >= IN_FLIGHT_MAX {
            self.events.pop_first();
        }
        self.events.insert(id, event_id);
        id
    }
}

fn answered(
    event_id: Option<EventId>,
    id: impl FnOnce() -> String,
    refusal: Option<String>,
    redactor: &Redactor,
) -> ConnectionEvent {
    match (event_id, refusal) {
        (Some(event_id), None) => ConnectionEvent::Acked { event_id },
        (Some(event_id), Some(message)) => ConnectionEvent::Nacked { event_id, message: redactor.clean(&message) },
        (None, _) => ConnectionEvent::AckedUnknown { id: id() },
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
