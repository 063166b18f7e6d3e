//! The conversation of one link, frame by frame.

use proptest::prelude::*;

use super::super::settings::ConnectionSettings;
use super::*;

const OPEN: &str = r#"0{"sid":"e1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":2000}"#;

fn redactor() -> Redactor {
    let settings = ConnectionSettings::new("http://h".parse().unwrap(), Duration::from_secs(1));
    Redactor::new(&ConnectionSettings { auth_token: Some("hush".into()), ..settings })
}

fn event_id(number: u8) -> EventId {
    format!("00000000-0000-5000-8000-0000000000a{number}").parse().unwrap()
}

fn say(session: &mut Session, frame: &str) -> Result<Step, &'static str> {
    session.on_text(frame, &redactor())
}

fn socket_io_up() -> Session {
    let mut session = Session::new(Protocol::SocketIo, "/", None);
    assert_eq!(session.start(), Step::Nothing);
    assert_eq!(say(&mut session, OPEN), Ok(Step::Write("40".into())));
    assert_eq!(say(&mut session, r#"40{"sid":"s1"}"#), Ok(up(Some("s1"))));
    session
}

fn up(sid: Option<&str>) -> Step {
    Step::Up { sid: sid.map(str::to_owned), last: Vec::new() }
}

fn acked(number: u8) -> Result<Step, &'static str> {
    Ok(Step::Report(ConnectionEvent::Acked { event_id: event_id(number) }))
}

fn unknown(id: &str) -> Result<Step, &'static str> {
    Ok(Step::Report(ConnectionEvent::AckedUnknown { id: id.into() }))
}

#[test]
fn the_token_goes_into_connect_and_the_clock_comes_from_open() {
    let mut session = Session::new(Protocol::SocketIo, "/", Some("a\"b".into()));
    assert_eq!(session.silence_max(), None);
    assert_eq!(say(&mut session, OPEN), Ok(Step::Write(r#"40{"token":"a\"b"}"#.into())));
    assert_eq!(session.silence_max(), Some(Duration::from_secs(45)));
    assert_eq!(session.farewell(), None);
    assert_eq!(say(&mut session, "2"), Ok(Step::Write("3".into())));
    assert_eq!(say(&mut session, "40"), Ok(up(None)));
    assert_eq!(session.farewell().as_deref(), Some("41"));
}

#[test]
fn who_does_not_open_engine_io_is_given_up() {
    for frame in ["hello", "40", "2", "", r#"{"type":"hello"}"#] {
        let mut session = Session::new(Protocol::SocketIo, "/", None);
        assert!(matches!(say(&mut session, frame), Ok(Step::Down(DownReason::Protocol { .. }))), "{frame}");
    }
}

#[test]
fn acknowledgements_find_their_event_once() {
    let mut session = socket_io_up();
    assert_eq!(session.send(event_id(1), r#"{"a":1}"#).as_deref(), Ok(r#"420["mining_reward",{"a":1}]"#));
    assert_eq!(session.send(event_id(2), "{}").as_deref(), Ok(r#"421["mining_reward",{}]"#));
    assert_eq!(say(&mut session, "431[]"), acked(2));
    assert_eq!(say(&mut session, "431[]"), unknown("1"));
    assert_eq!(say(&mut session, "43/other,0[]"), Ok(Step::Nothing));
    assert_eq!(say(&mut session, r#"461-0[{"_placeholder":true,"num":0}]"#), acked(1));
    assert_eq!(say(&mut session, "4399[]"), unknown("99"));
}

#[test]
fn an_acknowledgement_may_refuse() {
    let mut session = socket_io_up();
    session.send(event_id(1), "{}").unwrap();
    let refused = ConnectionEvent::Nacked { event_id: event_id(1), message: "no *** here".into() };
    assert_eq!(say(&mut session, r#"430[{"error":"no hush here"}]"#), Ok(Step::Report(refused)));
}

#[test]
fn an_event_sent_twice_may_be_acknowledged_twice() {
    let mut session = socket_io_up();
    session.send(event_id(1), "{}").unwrap();
    session.send(event_id(1), "{}").unwrap();
    assert_eq!(say(&mut session, "430[]"), acked(1));
    assert_eq!(say(&mut session, "431[]"), acked(1));
}

#[test]
fn the_server_may_end_it_in_three_ways() {
    for (frame, reason) in [
        ("1", DownReason::ClosedByServer { code: None }),
        ("41", DownReason::Disconnected),
        (r#"44{"message":"bad hush"}"#, DownReason::Refused { message: "bad ***".into() }),
    ] {
        assert_eq!(say(&mut socket_io_up(), frame), Ok(Step::Down(reason)), "{frame}");
    }
    assert_eq!(say(&mut socket_io_up(), "41/other,"), Ok(Step::Nothing));
}

#[test]
fn everything_is_said_in_the_namespace_that_was_set() {
    let mut session = Session::new(Protocol::SocketIo, "/game", Some("t".into()));
    assert_eq!(say(&mut session, OPEN), Ok(Step::Write(r#"40/game,{"token":"t"}"#.into())));
    assert_eq!(say(&mut session, r#"40{"sid":"other"}"#), Ok(Step::Nothing), "that is the default namespace");
    assert_eq!(say(&mut session, r#"40/game,{"sid":"s1"}"#), Ok(up(Some("s1"))));
    assert_eq!(session.send(event_id(1), "{}").as_deref(), Ok(r#"42/game,0["mining_reward",{}]"#));
    assert_eq!(say(&mut session, "430[]"), Ok(Step::Nothing));
    assert_eq!(say(&mut session, "43/game,0[]"), acked(1));
    assert_eq!(session.farewell().as_deref(), Some("41/game,"));
    let refused = DownReason::Refused { message: "Invalid namespace".into() };
    let mut session = Session::new(Protocol::SocketIo, "/nowhere", None);
    assert_eq!(say(&mut session, OPEN), Ok(Step::Write("40/nowhere,".into())));
    assert_eq!(say(&mut session, r#"44/nowhere,{"message":"Invalid namespace"}"#), Ok(Step::Down(refused)));
}

#[test]
fn a_server_says_what_it_has_and_is_answered_where_it_asks_for_it() {
    let last = vec![(PlayerId(1), 7), (PlayerId(2), 0)];
    let event = || ConnectionEvent::Resume { last: last.clone() };
    let mut session = socket_io_up();
    assert_eq!(say(&mut session, r#"42["resume",{"1":7,"2":0}]"#), Ok(Step::Report(event())));
    assert_eq!(say(&mut session, r#"4212["resume",{"1":7,"2":0}]"#), Ok(Step::Answer("4312[]".into(), event())));
    assert_eq!(say(&mut session, r#"42["resume",7]"#), Err("resume"));
    let mut session = Session::new(Protocol::SocketIo, "/", None);
    say(&mut session, OPEN).unwrap();
    assert_eq!(say(&mut session, r#"42["resume",{"1":7,"2":0}]"#), Ok(Step::Nothing));
    assert_eq!(say(&mut session, "40"), Ok(Step::Up { sid: None, last: last.clone() }), "said before it let us in");
    let mut session = Session::new(Protocol::WebSocket, "/", None);
    assert_eq!(say(&mut session, r#"{"type":"resume","sequences":{"1":7,"2":0}}"#), Ok(Step::Report(event())));
    assert_eq!(say(&mut session, r#"{"type":"resume"}"#), Err("resume"));
}

#[test]
fn what_nobody_asked_for_is_counted_and_survived() {
    let mut session = socket_io_up();
    let named = |name: &str| Ok(Step::Report(ConnectionEvent::ServerEvent { name: name.into() }));
    assert_eq!(say(&mut session, r#"42["news",{"a":1}]"#), named("news"));
    assert_eq!(say(&mut session, r#"451-["file",{"_placeholder":true,"num":0}]"#), named("file"));
    assert_eq!(say(&mut session, "6"), Ok(Step::Nothing));
    assert_eq!(say(&mut session, OPEN), Ok(Step::Nothing));
    assert_eq!(say(&mut session, "4"), Err("empty"));
    assert_eq!(say(&mut session, "<html>"), Err("engine_type"));
}

#[test]
fn a_payload_above_the_servers_limit_is_never_sent() {
    let mut session = socket_io_up();
    assert!(session.send(event_id(1), &"x".repeat(1_935)).is_ok());
    assert!(session.send(event_id(2), &"x".repeat(1_936)).is_err());
}

#[test]
fn unacknowledged_events_are_bounded_and_the_oldest_is_forgotten() {
    let mut session = socket_io_up();
    for _ in 0..=IN_FLIGHT_MAX {
        session.send(event_id(1), "{}").unwrap();
    }
    assert_eq!(say(&mut session, "430[]"), unknown("0"));
    assert_eq!(say(&mut session, "431[]"), acked(1));
}

#[test]
fn a_plain_websocket_acknowledges_by_event_id() {
    let mut session = Session::new(Protocol::WebSocket, "/", None);
    assert_eq!((session.start(), session.farewell()), (up(None), None));
    assert_eq!(session.send(event_id(1), r#"{"a":1}"#).as_deref(), Ok(r#"{"type":"mining_reward","a":1}"#));
    assert!(session.send(event_id(2), "[]").is_err());
    let capitals = event_id(1).to_string().to_uppercase();
    assert_eq!(say(&mut session, &format!(r#"{{"type":"ack","event_id":"{capitals}"}}"#)), acked(1));
    assert_eq!(
        say(&mut session, &format!(r#"{{"type":"ack","event_id":"{}"}}"#, event_id(1))),
        unknown(&event_id(1).to_string())
    );
    assert_eq!(say(&mut session, r#"{"type":"ack","event_id":17}"#), unknown("17"));
    session.send(event_id(3), "{}").unwrap();
    let refused = ConnectionEvent::Nacked { event_id: event_id(3), message: "full".into() };
    let frame = format!(r#"{{"type":"ack","event_id":"{}","error":"full"}}"#, event_id(3));
    assert_eq!(say(&mut session, &frame), Ok(Step::Report(refused)));
    assert_eq!(say(&mut session, "nonsense"), Err("not_an_object"));
}

/// A frame of a server that is almost right, or not at all.
fn frame() -> impl Strategy<Value = String> {
    let namespace = prop_oneof![Just(""), Just("/game,"), Just("/other,")];
    let json = prop_oneof![
        Just(String::new()),
        Just("[]".to_owned()),
        Just(r#"[{"ok":false}]"#.to_owned()),
        Just(r#"["resume",{"1":2}]"#.to_owned()),
        Just(r#"["resume",{"a":2}]"#.to_owned()),
        Just(r#"{"sid":"s","pingInterval":25000,"pingTimeout":20000,"maxPayload":100}"#.to_owned()),
        Just(r#"{"type":"ack","event_id":"00000000-0000-5000-8000-0000000000a1"}"#.to_owned()),
        Just(r#"{"type":"resume","sequences":{"1":2}}"#.to_owned()),
        "[\\[\\]{}\":,a-z0-9]{0,20}",
    ];
    let packet = ("(0|1|2|3|4[0-6]?|6|9)?", namespace, "([0-9]-)?[0-9]{0,3}", json);
    prop_oneof![
        4 => packet.prop_map(|(kind, namespace, id, json)| format!("{kind}{namespace}{id}{json}")),
        1 => "\\PC{0,40}",
    ]
}

proptest! {
    #[test]
    fn no_conversation_makes_a_session_panic_or_acknowledges_what_was_not_sent(
        protocol in prop_oneof![Just(Protocol::SocketIo), Just(Protocol::WebSocket)],
        namespace in prop_oneof![Just("/"), Just("/game")],
        frames in prop::collection::vec((frame(), any::<bool>()), 0..40),
    ) {
        let mut session = Session::new(protocol, namespace, None);
        let mut is_up = matches!(session.start(), Step::Up { .. });
        let mut unanswered = 0;
        for (frame, sends) in frames {
            if sends && is_up && session.send(event_id(1), "{}").is_ok() {
                unanswered += 1;
            }
            match say(&mut session, &frame) {
                Ok(Step::Up { .. }) => {
                    prop_assert!(!is_up, "it comes up once");
                    is_up = true;
                }
                Ok(Step::Report(ConnectionEvent::Acked { event_id: acked } | ConnectionEvent::Nacked { event_id: acked, .. })) => {
                    prop_assert!(acked == event_id(1) && unanswered > 0, "{} after nothing was sent", frame);
                    unanswered -= 1;
                }
                Ok(Step::Down(_)) => return Ok(()),
                _ => {}
            }
        }
    }
}
