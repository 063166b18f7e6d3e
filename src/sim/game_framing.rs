//! The server's side of Engine.IO 4 and Socket.IO protocol 5 over WebSocket text frames. Pure.
//!
//! Strict on purpose: a client that says what the protocol does not allow is told apart from one that says nothing new.

use serde_json::{Value, json};

/// What a client sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ClientPacket {
    /// Engine.IO close.
    Close,
    /// The answer to a ping.
    Pong,
    /// Wants to join a namespace.
    Connect {
        /// The namespace, `/` for the main one.
        namespace: String,
        /// The credentials, where there are any.
        auth: Option<Value>,
    },
    /// Leaves a namespace.
    Disconnect,
    /// An event.
    Event {
        /// The namespace.
        namespace: String,
        /// The acknowledgement that is asked for.
        ack: Option<u64>,
        /// The event's name.
        name: String,
        /// What follows the name.
        arguments: Vec<Value>,
    },
    /// Something that the protocol allows and this server does not need.
    Ignored,
}

/// Reads a text frame of a client.
///
/// # Errors
/// With a sentence that says what the protocol does not allow.
pub(super) fn parse(frame: &str) -> Result<ClientPacket, String> {
    let mut characters = frame.chars();
    match characters.next() {
        Some('1') => Ok(ClientPacket::Close),
        Some('2') => Err(String::from("a client must not ping in Engine.IO 4")),
        Some('3') => Ok(ClientPacket::Pong),
        Some('4') => parse_message(characters.as_str()),
        Some('6') => Ok(ClientPacket::Ignored),
        _ => Err(format!("unknown Engine.IO packet {:?}", frame.chars().take(40).collect::<String>())),
    }
}

fn parse_message(message: &str) -> Result<ClientPacket, String> {
    let mut characters = message.chars();
    let kind = characters.next().ok_or("an empty Socket.IO packet")?;
    let (namespace, rest) = split_namespace(characters.as_str())?;
    let digits = rest.len() - rest.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let (id, data) = rest.split_at(digits);
    let ack = if id.is_empty() { None } else { Some(id.parse().map_err(|_| "an acknowledgement id out of range")?) };
    match kind {
        '0' if ack.is_some() => Err(String::from("CONNECT with an id")),
        '0' if data.is_empty() => Ok(ClientPacket::Connect { namespace, auth: None }),
        '0' => match serde_json::from_str(data) {
            Ok(auth @ Value::Object(_)) => Ok(ClientPacket::Connect { namespace, auth: Some(auth) }),
            _ => Err(String::from("CONNECT whose payload is no object")),
        },
        '1' if rest.is_empty() => Ok(ClientPacket::Disconnect),
        '2' => {
            let Ok(Value::Array(mut arguments)) = serde_json::from_str(data) else {
                return Err(String::from("EVENT whose payload is no array"));
            };
            if !arguments.first().is_some_and(Value::is_string) {
                return Err(String::from("EVENT without a name"));
            }
            let Value::String(name) = arguments.remove(0) else { return Err(String::from("EVENT without a name")) };
            Ok(ClientPacket::Event { namespace, ack, name, arguments })
        }
        '3' if ack.is_some() => Ok(ClientPacket::Ignored),
        '5' | '6' => Err(String::from("binary packets are not taken")),
        _ => Err(format!("unknown Socket.IO packet {:?}", message.chars().take(40).collect::<String>())),
    }
}

/// `/name,rest` or `rest` of the main namespace.
fn split_namespace(text: &str) -> Result<(String, &str), String> {
    if !text.starts_with('/') {
        return Ok((String::from("/"), text));
    }
    // A packet without data may leave out the comma.
    let (namespace, rest) = text.split_once(',').unwrap_or((text, ""));
    // The query that a namespace may carry is no part of its name.
    let name = namespace.split('?').next().unwrap_or(namespace);
    Ok((name.to_owned(), rest))
}

/// The first packet of a connection.
pub(super) fn open(sid: &str, ping_interval_ms: u64, ping_timeout_ms: u64, max_payload_bytes: usize) -> String {
    let handshake = json!({
        "sid": sid,
        "upgrades": [],
        "pingInterval": ping_interval_ms,
        "pingTimeout": ping_timeout_ms,
        "maxPayload": max_payload_bytes,
    });
    format!("0{handshake}")
}

/// A ping.
pub(super) const PING: &str = "2";
/// Engine.IO close.
pub(super) const CLOSE: &str = "1";
/// Puts a client out of the main namespace.
pub(super) const DISCONNECT: &str = "41";

/// Lets a client into the main namespace.
pub(super) fn connected(sid: &str) -> String {
    format!("40{}", json!({ "sid": sid }))
}

/// Refuses a client a namespace.
pub(super) fn connect_error(namespace: &str, message: &str) -> String {
    let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
    format!("44{prefix}{}", json!({ "message": message }))
}

/// Acknowledges an event with these arguments.
pub(super) fn ack(id: u64, arguments: &[Value]) -> String {
    format!("43{id}{}", Value::from(arguments))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn connect(namespace: &str, auth: Option<Value>) -> ClientPacket {
        ClientPacket::Connect { namespace: namespace.into(), auth }
    }

    #[test]
    fn the_packets_of_a_client_are_understood() {
        assert_eq!(parse("1"), Ok(ClientPacket::Close));
        assert_eq!(parse("3"), Ok(ClientPacket::Pong));
        assert_eq!(parse("6"), Ok(ClientPacket::Ignored));
        assert_eq!(parse("40"), Ok(connect("/", None)));
        assert_eq!(parse(r#"40{"token":"x"}"#), Ok(connect("/", Some(json!({ "token": "x" })))));
        assert_eq!(parse("40/admin?x=1,"), Ok(connect("/admin", None)));
        assert_eq!(parse("40/admin"), Ok(connect("/admin", None)));
        assert_eq!(parse("41"), Ok(ClientPacket::Disconnect));
        assert_eq!(parse("430[]"), Ok(ClientPacket::Ignored));
        let event = |namespace: &str, ack, arguments: &[i32]| ClientPacket::Event {
            namespace: namespace.into(),
            ack,
            name: "e".into(),
            arguments: arguments.iter().map(|argument| json!(argument)).collect(),
        };
        assert_eq!(parse(r#"42["e"]"#), Ok(event("/", None, &[])));
        assert_eq!(parse(r#"4212["e",1]"#), Ok(event("/", Some(12), &[1])));
        assert_eq!(parse(r#"42/admin,7["e",1,2]"#), Ok(event("/admin", Some(7), &[1, 2])));
    }

    #[test]
    fn what_the_protocol_does_not_allow_is_an_error() {
        for frame in [
            "",
            "2",
            "2probe",
            "4",
            "5",
            "9",
            "x",
            "401",
            "40[]",
            "40{",
            "411",
            "42",
            "42{}",
            "42[]",
            "42[1]",
            "421",
            "43[]",
            "45",
            "47",
            "4299999999999999999999[\"e\"]",
            "\u{e9}",
        ] {
            assert!(parse(frame).is_err(), "{frame:?}: {:?}", parse(frame));
        }
    }

    #[test]
    fn the_packets_of_the_server_are_as_the_protocol_has_them() {
        assert_eq!(
            open("s", 25_000, 20_000, 1_000_000),
            r#"0{"maxPayload":1000000,"pingInterval":25000,"pingTimeout":20000,"sid":"s","upgrades":[]}"#
        );
        assert_eq!(connected("s"), r#"40{"sid":"s"}"#);
        assert_eq!(connect_error("/", "no"), r#"44{"message":"no"}"#);
        assert_eq!(connect_error("/x", "no"), r#"44/x,{"message":"no"}"#);
        assert_eq!(ack(7, &[]), "437[]");
        assert_eq!(ack(7, &[json!({ "ok": false })]), r#"437[{"ok":false}]"#);
    }

    proptest! {
        #[test]
        fn no_frame_makes_the_parser_panic(frame in "([0-9]{0,3}(/[a-z]{0,3},?)?[0-9]{0,3})?.{0,20}") {
            let _ = parse(&frame);
        }
    }
}
