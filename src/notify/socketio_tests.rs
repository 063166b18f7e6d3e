//! The packets of both protocols, as servers write them, and the codec's laws.

use proptest::prelude::*;

use super::*;

fn root() -> String {
    DEFAULT_NAMESPACE.into()
}

#[test]
fn every_packet_of_a_server_is_understood() {
    let open = r#"0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    let table = [
        (
            open,
            Packet::Open {
                sid: "lv_VI97HAXpY6yYWAAAC".into(),
                ping_interval: Duration::from_secs(25),
                ping_timeout: Duration::from_secs(20),
                max_payload: Some(1_000_000),
            },
        ),
        ("1", Packet::Close),
        ("2", Packet::Ping),
        ("2probe", Packet::Ping),
        ("3", Packet::Pong),
        ("3probe", Packet::Pong),
        ("6", Packet::Noop),
        ("40", Packet::Connect { namespace: root(), sid: None }),
        (r#"40{"sid":"oSO0OpakMV_3jnilAAAA"}"#, Packet::Connect { namespace: root(), sid: Some("oSO0OpakMV_3jnilAAAA".into()) }),
        (r#"40/admin,{"sid":"x"}"#, Packet::Connect { namespace: "/admin".into(), sid: Some("x".into()) }),
        ("40/admin", Packet::Connect { namespace: "/admin".into(), sid: None }),
        ("41", Packet::Disconnect { namespace: root() }),
        ("41/admin,", Packet::Disconnect { namespace: "/admin".into() }),
        (r#"44{"message":"Not authorized"}"#, Packet::ConnectError { namespace: root(), message: "Not authorized".into() }),
        (
            r#"44/admin,{"message":"no","data":{"code":1}}"#,
            Packet::ConnectError { namespace: "/admin".into(), message: "no".into() },
        ),
        (r#"44"old form""#, Packet::ConnectError { namespace: root(), message: "old form".into() }),
        ("44", Packet::ConnectError { namespace: root(), message: String::new() }),
        (
            r#"42["hello",{"a":1}]"#,
            Packet::Event { namespace: root(), ack: None, name: "hello".into(), data: r#"["hello",{"a":1}]"#.into() },
        ),
        (
            r#"42/admin,456["hello"]"#,
            Packet::Event { namespace: "/admin".into(), ack: Some(456), name: "hello".into(), data: r#"["hello"]"#.into() },
        ),
        ("430[]", Packet::Ack { namespace: root(), id: 0, data: "[]".into() }),
        (r#"43/admin,17["ok"]"#, Packet::Ack { namespace: "/admin".into(), id: 17, data: r#"["ok"]"#.into() }),
        (r#"451-["upload",{"_placeholder":true,"num":0}]"#, Packet::BinaryEvent { namespace: root(), name: "upload".into() }),
        (
            r#"461-/admin,7[{"_placeholder":true,"num":0}]"#,
            Packet::BinaryAck { namespace: "/admin".into(), id: 7, data: r#"[{"_placeholder":true,"num":0}]"#.into() },
        ),
    ];
    for (frame, packet) in table {
        assert_eq!(decode(frame), Ok(packet), "{frame}");
    }
}

#[test]
fn what_is_no_packet_is_an_error() {
    for (frame, error) in [
        ("", DecodeError::Empty),
        ("4", DecodeError::Empty),
        ("5", DecodeError::EngineType),
        ("7", DecodeError::EngineType),
        ("b4aGVsbG8=", DecodeError::EngineType),
        ("<html>", DecodeError::EngineType),
        ("\u{1f600}", DecodeError::EngineType),
        ("47", DecodeError::SocketType),
        ("4\u{e9}", DecodeError::SocketType),
        ("0", DecodeError::Payload),
        ("0{}", DecodeError::Payload),
        (r#"0{"sid":"x","pingInterval":-1,"pingTimeout":1}"#, DecodeError::Payload),
        (r#"0["x",25000,20000]"#, DecodeError::Payload),
        (r#"40{"sid""#, DecodeError::Payload),
        ("42", DecodeError::Payload),
        ("42[]", DecodeError::Payload),
        ("42[1]", DecodeError::Payload),
        ("42{}", DecodeError::Payload),
        (r#"42["a""#, DecodeError::Payload),
        ("43[]", DecodeError::AckId),
        ("4318446744073709551616[]", DecodeError::AckId),
        ("431", DecodeError::Payload),
        ("431{}", DecodeError::Payload),
        (r#"45["upload"]"#, DecodeError::Attachments),
        ("45-[]", DecodeError::Attachments),
        ("46x-1[]", DecodeError::Attachments),
    ] {
        assert_eq!(decode(frame), Err(error), "{frame}");
    }
}

#[test]
fn deeply_nested_json_is_an_error_and_not_a_crash() {
    let deep = "[".repeat(500_000);
    assert_eq!(decode(&format!("42[\"a\",{deep}")), Err(DecodeError::Payload));
    assert_eq!(decode(&format!("431{deep}")), Err(DecodeError::Payload));
}

#[test]
fn a_client_writes_what_the_protocol_says() {
    assert_eq!(encode_connect("/", None), "40");
    assert_eq!(encode_connect("/", Some(r#"{"token":"x"}"#)), r#"40{"token":"x"}"#);
    assert_eq!(encode_connect("/admin", None), "40/admin,");
    assert_eq!(encode_disconnect("/"), "41");
    assert_eq!(encode_disconnect("/admin"), "41/admin,");
    assert_eq!(encode_event("/", Some(12), "mining_reward", r#"{"a":1.50}"#), r#"4212["mining_reward",{"a":1.50}]"#);
    assert_eq!(encode_event("/admin", None, "a\"b", "1"), r#"42/admin,["a\"b",1]"#);
    assert_eq!(encode_ack("/", 3, r#"["ok"]"#), r#"433["ok"]"#);
    assert_eq!(encode_ack("/admin", 3, "[]"), "43/admin,3[]");
}

proptest! {
    #[test]
    fn no_text_makes_the_decoder_panic(frame in "\\PC{0,60}") {
        let _ = decode(&frame);
    }

    #[test]
    fn no_near_packet_makes_the_decoder_panic(frame in "[0-6]?[0-6]?[0-9]{0,22}-?(/[a-z]{0,3},?)?[0-9]{0,22}[\\[\\]{}\",:a-z0-9.\\\\é]{0,30}") {
        let _ = decode(&frame);
    }

    #[test]
    fn what_we_write_reads_back_exactly(ack in any::<Option<u64>>(), name in "\\PC{0,20}", digits in "[1-9][0-9]{0,30}\\.[0-9]{1,20}", namespace in "/[a-z]{0,8}") {
        let payload = format!(r#"{{"amount":{digits}}}"#);
        let data = format!("[{},{payload}]", Value::String(name.clone()));
        let event = decode(&encode_event(&namespace, ack, &name, &payload));
        prop_assert_eq!(event, Ok(Packet::Event { namespace: namespace.clone(), ack, name, data }));
        let id = ack.unwrap_or(7);
        let answer = decode(&encode_ack(&namespace, id, &format!("[{digits}]")));
        prop_assert_eq!(answer, Ok(Packet::Ack { namespace, id, data: format!("[{digits}]") }));
    }
}
