//! The plain WebSocket dialect: one JSON object a text frame. Pure.
//!
//! We send `{"type":"mining_reward", …payload fields}`; the server acknowledges with `{"type":"ack","event_id":"…"}`.
//! The id may be text or a number and is compared as text. An acknowledgement may refuse, by the same rule as in
//! Socket.IO: a non-empty `error`, or `"ok": false`. With `{"type":"resume","sequences":{"<player_id>":N, …}}` a server says what
//! it has. Any other object is an event of the server's own.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer;
use super::resume::{self, RESUME};
use crate::domain::PlayerId;

/// What a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The acknowledgement of an event.
    Ack {
        /// The event's id, as text.
        event_id: String,
        /// Why the server refused the event, if it did.
        refusal: Option<String>,
    },
    /// What the server has: the last sequence of each player.
    Resume {
        /// In the order of the frame.
        last: Vec<(PlayerId, i64)>,
    },
    /// Something else, by its `type`.
    Other {
        /// The type; empty when the object has none.
        name: String,
    },
}

/// Why a text frame is not of this dialect. Never shows the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a JSON object.
    #[error("not a JSON object")]
    NotAnObject,
    /// An acknowledgement whose `event_id` is missing or neither text nor number.
    #[error("an acknowledgement without event_id")]
    AckId,
    /// A statement of what the server has that names no sequences.
    #[error("a resume without sequences")]
    Resume,
}

impl DecodeError {
    /// The metric label.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::AckId => "ack_id",
            Self::Resume => RESUME,
        }
    }
}

/// What of a frame is looked at before a tree is built of it, because a statement about all players is long.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sequences: Option<&'a RawValue>,
}

/// Reads a text frame of a server.
///
/// # Errors
/// When the frame is not a JSON object, or an acknowledgement or a statement of nothing.
pub fn decode(frame: &str) -> Result<Frame, DecodeError> {
    if !answer::is_object(frame) {
        return Err(DecodeError::NotAnObject);
    }
    if let Ok(Outline { kind: Some(kind), sequences }) = serde_json::from_str(frame)
        && kind.get() == r#""resume""#
    {
        let last = sequences.and_then(|sequences| resume::from_object(sequences.get())).ok_or(DecodeError::Resume)?;
        return Ok(Frame::Resume { last });
    }
    let value: Value = serde_json::from_str(frame).map_err(|_| DecodeError::NotAnObject)?;
    let fields = value.as_object().ok_or(DecodeError::NotAnObject)?;
    let name = fields.get("type").and_then(Value::as_str).unwrap_or_default();
    if name != "ack" {
        return Ok(Frame::Other { name: name.to_owned() });
    }
    let event_id = match fields.get("event_id") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => return Err(DecodeError::AckId),
    };
    Ok(Frame::Ack { event_id, refusal: answer::refusal(&value) })
}

/// The frame of event `name`: the JSON object `payload` with a `type` in front. `None` when `payload` is no object.
#[must_use]
pub fn encode(name: &str, payload: &str) -> Option<String> {
    let fields = payload.trim().strip_prefix('{')?.trim_start();
    let comma = if fields.starts_with('}') { "" } else { "," };
    Some(format!(r#"{{"type":{}{comma}{fields}"#, Value::String(name.to_owned())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn acknowledgements_are_compared_as_text() {
        let ack = |event_id: &str, refusal: Option<&str>| {
            Ok(Frame::Ack { event_id: event_id.into(), refusal: refusal.map(str::to_owned) })
        };
        assert_eq!(decode(r#"{"type":"ack","event_id":"abc"}"#), ack("abc", None));
        assert_eq!(decode(r#"{"event_id":17,"type":"ack"}"#), ack("17", None));
        assert_eq!(decode(r#"{"type":"ack","event_id":12345678901234567890123}"#), ack("12345678901234567890123", None));
        assert_eq!(decode(r#"{"type":"ack","event_id":"a","error":"full"}"#), ack("a", Some("full")));
        assert_eq!(decode(r#"{"type":"ack","event_id":"a","ok":false}"#), ack("a", Some("ok: false")));
        assert_eq!(decode(r#"{"type":"ack","event_id":"a","ok":true,"error":null}"#), ack("a", None));
    }

    #[test]
    fn other_objects_are_named_and_the_rest_is_an_error() {
        assert_eq!(decode(r#"{"type":"hello"}"#), Ok(Frame::Other { name: "hello".into() }));
        assert_eq!(decode("{}"), Ok(Frame::Other { name: String::new() }));
        assert_eq!(decode(r#"{"type":["resume"]}"#), Ok(Frame::Other { name: String::new() }));
        assert_eq!(decode(r#"{"type":"ack"}"#), Err(DecodeError::AckId));
        assert_eq!(decode(r#"{"type":"ack","event_id":null}"#), Err(DecodeError::AckId));
        let of_fields = r#"["resume",{"37":0}]"#;
        for frame in ["", "[]", "1", "\"ack\"", "{", "42[\"a\"]", of_fields, &"[".repeat(100_000)] {
            assert_eq!(decode(frame), Err(DecodeError::NotAnObject), "{frame:.40}");
        }
    }

    #[test]
    fn a_server_says_what_it_has() {
        let last = |last: &[(i32, i64)]| {
            Ok(Frame::Resume { last: last.iter().map(|(player, sequence)| (PlayerId(*player), *sequence)).collect() })
        };
        assert_eq!(decode(r#"{"type":"resume","sequences":{"1":7,"2":0}}"#), last(&[(1, 7), (2, 0)]));
        assert_eq!(decode(r#"{"sequences":{},"type":"resume","more":[1]}"#), last(&[]));
        for frame in [r#"{"type":"resume"}"#, r#"{"type":"resume","sequences":[1]}"#, r#"{"type":"resume","sequences":{"a":1}}"#]
        {
            assert_eq!(decode(frame), Err(DecodeError::Resume), "{frame}");
        }
    }

    #[test]
    fn the_type_comes_before_the_payload_and_digits_stay() {
        assert_eq!(encode("mining_reward", r#"{"a":1.50}"#).as_deref(), Some(r#"{"type":"mining_reward","a":1.50}"#));
        assert_eq!(encode("x", " { } ").as_deref(), Some(r#"{"type":"x"}"#));
        assert_eq!(encode("x", "[]"), None);
        assert_eq!(encode("x", ""), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_decoder_panic(frame in "\\PC{0,60}", near in "[\\[\\]{}\",:a-z0-9.\\\\é]{0,40}") {
            let _ = decode(&frame);
            let _ = decode(&near);
            let _ = decode(&format!(r#"{{"type":"ack","event_id":{near}}}"#));
        }
    }
}
