//! Frames of a game server, in both dialects.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use pool_poller_fuzz::notify::resume::from_arguments;
use pool_poller_fuzz::notify::socketio::{DEFAULT_NAMESPACE, Packet, decode, encode_ack, encode_connect, encode_disconnect};
use pool_poller_fuzz::notify::websocket::{self, Frame};
use serde_json::Value;
use serde_json::value::RawValue;

fuzz_target!(|text: &str| {
    if let Ok(packet) = decode(text) {
        check_packet(&packet);
    }
    if let Ok(frame) = websocket::decode(text) {
        let value: Value = serde_json::from_str(text).expect("a frame is JSON");
        assert!(value.is_object());
        match frame {
            Frame::Ack { event_id, .. } => assert!(!value["event_id"].is_null() && event_id.len() <= text.len()),
            Frame::Resume { last } => {
                assert_eq!(value["type"], "resume");
                assert!(last.iter().all(|(_, sequence)| *sequence >= 0));
                assert_eq!(websocket::decode(text), Ok(Frame::Resume { last }), "the same frame says the same thing");
            }
            Frame::Other { name } => assert_eq!(value["type"].as_str().unwrap_or_default(), name),
        }
    }
    if let Some(frame) = websocket::encode("mining_reward", text)
        && serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object() && value.get("type").is_none())
    {
        let value: Value = serde_json::from_str(&frame).expect("an object with a member more");
        assert_eq!(value["type"], "mining_reward", "{frame}");
    }
});

/// What we would write of a packet reads back as that packet.
fn check_packet(packet: &Packet) {
    let written = match packet {
        Packet::Ack { namespace, id, data } => encode_ack(namespace, *id, data),
        Packet::Disconnect { namespace } => encode_disconnect(namespace),
        Packet::Connect { namespace, sid: None } => encode_connect(namespace, None),
        Packet::Event { namespace, ack, name, data } => {
            // By its grammar alone: half a surrogate pair is JSON, and no text.
            let array: Vec<&RawValue> = serde_json::from_str(data).expect("an event's data is a JSON array");
            assert_eq!(serde_json::from_str::<String>(array[0].get()).expect("its name is a text"), *name);
            if let Some(last) = from_arguments(data) {
                let members: BTreeMap<String, i64> = serde_json::from_str(array[1].get()).expect("whole numbers by name");
                assert!(members.len() <= last.len());
            }
            let prefix = if namespace == DEFAULT_NAMESPACE { String::new() } else { format!("{namespace},") };
            format!("42{prefix}{}{data}", ack.map(|id| id.to_string()).unwrap_or_default())
        }
        _ => return,
    };
    assert_eq!(decode(&written).as_ref(), Ok(packet), "{written}");
}
