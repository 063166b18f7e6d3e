//! The codec of Engine.IO 4 with Socket.IO protocol 5 over WebSocket text frames. Pure.
//!
//! A text frame is one Engine.IO packet: a type digit and its data. Type `4` carries a Socket.IO packet: a type digit, the
//! number of binary attachments and `-` (binary types only), the namespace and `,` (unless it is `/`), the id of the
//! acknowledgement, and a JSON text.
//!
//! [`decode`] never panics, whatever the server sends, and bounds nothing but the depth of the JSON: the length of a frame
//! is the connection's to limit. JSON travels as text in both directions, so that exact numbers stay exact.

use std::fmt;
use std::time::Duration;

use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::answer;

/// The namespace that everyone is in, and whose name is never written.
pub const DEFAULT_NAMESPACE: &str = "/";

/// The answer to [`Packet::Ping`].
pub const PONG: &str = "3";

/// What a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// Engine.IO is open; the first packet of every connection.
    Open {
        /// The Engine.IO session, which a polling client would resume by; nothing to log.
        sid: String,
        /// How often the server pings.
        ping_interval: Duration,
        /// How long the server waits for a pong.
        ping_timeout: Duration,
        /// The longest packet the server takes, in bytes.
        max_payload: Option<u64>,
    },
    /// The server asks for a sign of life.
    Ping,
    /// The server answered a ping of ours (protocol 4 clients send none).
    Pong,
    /// The server closes the transport.
    Close,
    /// Nothing; part of transport upgrades.
    Noop,
    /// The server let us into a namespace.
    Connect {
        /// The namespace.
        namespace: String,
        /// The public id of this socket in the namespace.
        sid: Option<String>,
    },
    /// The server did not let us into a namespace.
    ConnectError {
        /// The namespace.
        namespace: String,
        /// Why, in the server's words; empty when it gave none.
        message: String,
    },
    /// The server put us out of a namespace.
    Disconnect {
        /// The namespace.
        namespace: String,
    },
    /// An event.
    Event {
        /// The namespace.
        namespace: String,
        /// The id the server wants an acknowledgement by.
        ack: Option<u64>,
        /// The event's name, the first element of `data`.
        name: String,
        /// The JSON array of the name and the arguments.
        data: String,
    },
    /// The acknowledgement of an event of ours.
    Ack {
        /// The namespace.
        namespace: String,
        /// The id that we sent with the event.
        id: u64,
        /// The JSON array of what the server's handler answered.
        data: String,
    },
    /// An event whose attachments follow in binary frames. Nothing that this program needs is sent that way.
    BinaryEvent {
        /// The namespace.
        namespace: String,
        /// The event's name.
        name: String,
    },
    /// An acknowledgement whose attachments follow in binary frames.
    BinaryAck {
        /// The namespace.
        namespace: String,
        /// The id that we sent with the event.
        id: u64,
        /// The JSON array with placeholders where attachments belong.
        data: String,
    },
}

/// Why a text frame is no packet. Never shows the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing, or nothing after the `4`.
    #[error("the packet is empty")]
    Empty,
    /// No packet type of Engine.IO 4 that a server sends over WebSocket.
    #[error("unknown Engine.IO packet type")]
    EngineType,
    /// No packet type of Socket.IO protocol 5.
    #[error("unknown Socket.IO packet type")]
    SocketType,
    /// A binary packet without the number of its attachments.
    #[error("malformed number of attachments")]
    Attachments,
    /// An acknowledgement without an id, or an id above 64 bits.
    #[error("missing or malformed acknowledgement id")]
    AckId,
    /// A payload that is not the JSON that its packet type has.
    #[error("malformed payload")]
    Payload,
}

impl DecodeError {
    /// The metric label.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::EngineType => "engine_type",
            Self::SocketType => "socket_type",
            Self::Attachments => "attachments",
            Self::AckId => "ack_id",
            Self::Payload => "payload",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Handshake {
    sid: String,
    ping_interval: u64,
    ping_timeout: u64,
    #[serde(default)]
    max_payload: Option<u64>,
}

/// Reads a text frame of a server.
///
/// # Errors
/// When the frame is not a packet of the two protocols.
pub fn decode(frame: &str) -> Result<Packet, DecodeError> {
    let (kind, rest) = split_type(frame)?;
    match kind {
        '0' if !answer::is_object(rest) => Err(DecodeError::Payload),
        '0' => {
            let handshake: Handshake = serde_json::from_str(rest).map_err(|_| DecodeError::Payload)?;
            Ok(Packet::Open {
                sid: handshake.sid,
                ping_interval: Duration::from_millis(handshake.ping_interval),
                ping_timeout: Duration::from_millis(handshake.ping_timeout),
                max_payload: handshake.max_payload,
            })
        }
        '1' => Ok(Packet::Close),
        '2' => Ok(Packet::Ping),
        '3' => Ok(Packet::Pong),
        '4' => decode_message(rest),
        '6' => Ok(Packet::Noop),
        _ => Err(DecodeError::EngineType),
    }
}

fn decode_message(text: &str) -> Result<Packet, DecodeError> {
    let (kind, rest) = split_type(text)?;
    let rest = if matches!(kind, '5' | '6') { after_attachments(rest)? } else { rest };
    let (namespace, rest) = split_namespace(rest);
    let namespace = namespace.to_owned();
    match kind {
        '0' => Ok(Packet::Connect { namespace, sid: text_field(rest, "sid")? }),
        '1' => Ok(Packet::Disconnect { namespace }),
        '2' => {
            let (ack, data) = split_id(rest)?;
            Ok(Packet::Event { namespace, ack, name: event_name(data)?, data: data.to_owned() })
        }
        '3' => {
            let (id, data) = ack_parts(rest)?;
            Ok(Packet::Ack { namespace, id, data })
        }
        '4' => Ok(Packet::ConnectError { namespace, message: error_message(rest) }),
        '5' => Ok(Packet::BinaryEvent { namespace, name: event_name(split_id(rest)?.1)? }),
        '6' => {
            let (id, data) = ack_parts(rest)?;
            Ok(Packet::BinaryAck { namespace, id, data })
        }
        _ => Err(DecodeError::SocketType),
    }
}

fn split_type(text: &str) -> Result<(char, &str), DecodeError> {
    let kind = text.chars().next().ok_or(DecodeError::Empty)?;
    Ok((kind, &text[kind.len_utf8()..]))
}

fn after_attachments(text: &str) -> Result<&str, DecodeError> {
    let (count, rest) = text.split_once('-').ok_or(DecodeError::Attachments)?;
    let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    if digits { Ok(rest) } else { Err(DecodeError::Attachments) }
}

fn split_namespace(text: &str) -> (&str, &str) {
    if text.starts_with('/') { text.split_once(',').unwrap_or((text, "")) } else { (DEFAULT_NAMESPACE, text) }
}

fn split_id(text: &str) -> Result<(Option<u64>, &str), DecodeError> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(end);
    let id = if digits.is_empty() { None } else { Some(digits.parse().map_err(|_| DecodeError::AckId)?) };
    Ok((id, rest))
}

fn ack_parts(text: &str) -> Result<(u64, String), DecodeError> {
    let (id, data) = split_id(text)?;
    // `IgnoredAny` checks the JSON without building it.
    serde_json::from_str::<Vec<IgnoredAny>>(data).map_err(|_| DecodeError::Payload)?;
    Ok((id.ok_or(DecodeError::AckId)?, data.to_owned()))
}

/// The first element of an event's data; the others are checked and not built.
fn event_name(data: &str) -> Result<String, DecodeError> {
    let name: EventName = serde_json::from_str(data).map_err(|_| DecodeError::Payload)?;
    Ok(name.0)
}

struct EventName(String);

impl<'de> Deserialize<'de> for EventName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EventNameVisitor)
    }
}

struct EventNameVisitor;

impl<'de> Visitor<'de> for EventNameVisitor {
    type Value = EventName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array that begins with the event's name")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<EventName, A::Error> {
        let name = elements.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(EventName(name))
    }
}

/// The text field `name` of an object, or `None` when there is no object at all.
fn text_field(payload: &str, name: &str) -> Result<Option<String>, DecodeError> {
    if payload.is_empty() {
        return Ok(None);
    }
    let value: Value = serde_json::from_str(payload).map_err(|_| DecodeError::Payload)?;
    Ok(value.get(name).and_then(Value::as_str).map(str::to_owned))
}

/// A refusal is believed whatever it says: older servers send a bare JSON string, some send nothing.
fn error_message(payload: &str) -> String {
    match serde_json::from_str(payload) {
        Ok(Value::String(message)) => message,
        Ok(value) => value.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
        Err(_) => String::new(),
    }
}

/// CONNECT to `namespace`; `auth` is the JSON object that the server's middleware sees.
#[must_use]
pub fn encode_connect(namespace: &str, auth: Option<&str>) -> String {
    format!("40{}{}", prefix(namespace), auth.unwrap_or_default())
}

/// DISCONNECT from `namespace`.
#[must_use]
pub fn encode_disconnect(namespace: &str) -> String {
    format!("41{}", prefix(namespace))
}

/// EVENT `name` with one argument, the JSON text `payload`. With `ack` the server's handler is given a callback, and its
/// answer comes back as [`Packet::Ack`] with the same id.
#[must_use]
pub fn encode_event(namespace: &str, ack: Option<u64>, name: &str, payload: &str) -> String {
    let id = ack.map(|id| id.to_string()).unwrap_or_default();
    let name = Value::String(name.to_owned());
    format!("42{}{id}[{name},{payload}]", prefix(namespace))
}

/// ACK of the server's event `id`; `arguments` is a JSON array.
#[must_use]
pub fn encode_ack(namespace: &str, id: u64, arguments: &str) -> String {
    format!("43{}{id}{arguments}", prefix(namespace))
}

fn prefix(namespace: &str) -> String {
    if namespace == DEFAULT_NAMESPACE { String::new() } else { format!("{namespace},") }
}

#[cfg(test)]
#[path = "socketio_tests.rs"]
mod tests;
