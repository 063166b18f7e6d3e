//! Claims about the game server, made with a WebSocket client that sends frames by hand.

use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;

const SOON: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn game(config: SimGameConfig) -> SimGame {
    SimGame::start(config).unwrap()
}

async fn open(game: &SimGame, target: &str) -> Socket {
    connect_async(format!("ws://{}{target}", game.address())).await.unwrap().0
}

/// The next text frame, or `None` at the end of the connection.
async fn next(socket: &mut Socket) -> Option<String> {
    loop {
        match tokio::time::timeout(SOON, socket.next()).await.expect("a frame in time") {
            Some(Ok(Message::Text(text))) => return Some(text.to_string()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

async fn say(socket: &mut Socket, frame: &str) {
    socket.send(Message::text(frame)).await.unwrap();
}

const SOCKET_IO: &str = "/socket.io/?EIO=4&transport=websocket";

/// A client inside the main namespace.
async fn join(game: &SimGame) -> Socket {
    let mut socket = open(game, SOCKET_IO).await;
    assert!(next(&mut socket).await.unwrap().starts_with("0{"));
    say(&mut socket, "40").await;
    assert!(next(&mut socket).await.unwrap().starts_with("40{\"sid\":"));
    socket
}

fn event(id: u64, event_id: &str) -> String {
    format!(r#"42{id}["mining_reward",{{"event_id":"{event_id}","advc_amount":1234567890123.12345678}}]"#)
}

#[tokio::test]
async fn an_event_is_recorded_exactly_and_acknowledged() {
    let game = game(SimGameConfig::default());
    let heard = game.subscribe();
    let mut socket = join(&game).await;
    say(&mut socket, &event(7, "a")).await;
    assert_eq!(next(&mut socket).await.as_deref(), Some("437[]"));
    say(&mut socket, r#"428["other",1]"#).await;
    say(&mut socket, &event(9, "a")).await;
    assert_eq!(next(&mut socket).await.as_deref(), Some("439[]"));
    game.wait_for(1, SOON).unwrap();
    let received = game.received();
    assert_eq!((received.len(), game.distinct_events()), (2, 1));
    assert_eq!(received[0].payload["advc_amount"].to_string(), "1234567890123.12345678");
    assert_eq!(received[0].raw, event(7, "a"));
    assert!(received[0].acked && received[0].connection == 1 && received[0].dialect == Dialect::SocketIo);
    assert_eq!(heard.recv_timeout(SOON).unwrap(), received[0]);
    assert!(game.offences().is_empty());
}

#[tokio::test]
async fn a_wrong_token_is_refused() {
    let game = game(SimGameConfig { auth_token: Some("right".into()), ..SimGameConfig::default() });
    for auth in ["", r#"{"token":"wrong"}"#, r#"{"token":7}"#] {
        let mut socket = open(&game, SOCKET_IO).await;
        next(&mut socket).await;
        say(&mut socket, &format!("40{auth}")).await;
        assert_eq!(next(&mut socket).await.as_deref(), Some(r#"44{"message":"invalid token"}"#));
    }
    let mut socket = open(&game, SOCKET_IO).await;
    next(&mut socket).await;
    say(&mut socket, r#"40{"token":"right"}"#).await;
    assert!(next(&mut socket).await.unwrap().starts_with("40{"));
    game.wait_connections(1, SOON, |now| now.current).unwrap();
    assert_eq!(game.connections(), Connections { current: 1, total: 1, refused: 3 });
    assert!(!format!("{game:?}").contains("right"));
}

#[tokio::test]
async fn a_client_that_does_not_answer_pings_is_put_out() {
    let ping = Duration::from_millis(50);
    let game = game(SimGameConfig { ping_interval: ping, ping_timeout: ping, ..SimGameConfig::default() });
    let mut socket = join(&game).await;
    for _ in 0..3 {
        assert_eq!(next(&mut socket).await.as_deref(), Some("2"));
        say(&mut socket, "3").await;
    }
    assert_eq!(next(&mut socket).await.as_deref(), Some("2"));
    assert_eq!(next(&mut socket).await, None);
    assert_eq!(game.offences(), ["connection 1: ping timeout"]);
}

#[tokio::test]
async fn offences_end_the_connection() {
    let game = game(SimGameConfig::default());
    for (frames, offence) in [
        (&["42[\"mining_reward\",{}]"][..], "an event before CONNECT"),
        (&["40", "40"], "a second CONNECT"),
        (&["3"], "a pong without a ping"),
        (&["2"], "a client must not ping in Engine.IO 4"),
        (&["40{"], "CONNECT whose payload is no object"),
    ] {
        let mut socket = open(&game, SOCKET_IO).await;
        for frame in frames {
            say(&mut socket, frame).await;
        }
        while next(&mut socket).await.is_some() {}
        assert!(game.offences().last().unwrap().ends_with(offence), "{:?}", game.offences());
    }
    assert!(game.received().is_empty());
    for target in ["/socket.io/?EIO=3&transport=websocket", "/socket.io/?EIO=4&transport=polling"] {
        let refused = connect_async(format!("ws://{}{target}", game.address())).await;
        assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 400), "{target}");
    }
}

#[tokio::test]
async fn the_plain_dialect_is_acknowledged_by_event_id() {
    let game = game(SimGameConfig::default());
    let mut socket = open(&game, "/rewards").await;
    for (event_id, ack) in [("\"a\"", r#"{"event_id":"a","type":"ack"}"#), ("7", r#"{"event_id":7,"type":"ack"}"#)] {
        say(&mut socket, &format!(r#"{{"type":"mining_reward","event_id":{event_id},"ap_awarded":150.0}}"#)).await;
        assert_eq!(next(&mut socket).await.as_deref(), Some(ack));
    }
    let received = game.received();
    assert_eq!(received[1].payload.to_string(), r#"{"ap_awarded":150.0,"event_id":7}"#);
    assert_eq!((received[1].event_id().as_str(), received[1].dialect), ("7", Dialect::Plain));
    assert_eq!(game.ws_url(), format!("ws://{}/rewards", game.address()));
    say(&mut socket, "[]").await;
    assert_eq!(next(&mut socket).await, None);
}

#[tokio::test]
async fn acknowledgements_are_withheld_or_refused_as_told() {
    let game = game(SimGameConfig::default());
    let mut socket = join(&game).await;
    game.set_acks(AckMode::DropNext(1));
    say(&mut socket, &event(1, "a")).await;
    say(&mut socket, &event(2, "b")).await;
    assert_eq!(next(&mut socket).await.as_deref(), Some("432[]"));
    game.set_acks(AckMode::Refuse(String::from("full")));
    say(&mut socket, &event(3, "c")).await;
    assert_eq!(next(&mut socket).await.as_deref(), Some(r#"433[{"error":"full","ok":false}]"#));
    assert_eq!(game.received().iter().map(|received| received.acked).collect::<Vec<_>>(), [false, true, false]);
}

#[tokio::test]
async fn clients_are_put_out_politely_or_not() {
    let game = game(SimGameConfig::default());
    let mut socket = join(&game).await;
    game.disconnect_all(Farewell::Polite);
    assert_eq!(next(&mut socket).await.as_deref(), Some("41"));
    assert_eq!(next(&mut socket).await.as_deref(), Some("1"));
    assert_eq!(next(&mut socket).await, None);
    let mut socket = join(&game).await;
    game.disconnect_all(Farewell::Abrupt);
    assert_eq!(next(&mut socket).await, None);
    assert_eq!(game.connections().total, 2);
}

#[tokio::test]
async fn a_frozen_server_says_nothing_and_goes_on_when_thawed() {
    let game = game(SimGameConfig::default());
    let mut socket = join(&game).await;
    game.freeze(true);
    say(&mut socket, &event(1, "a")).await;
    let silence = tokio::time::timeout(Duration::from_millis(100), socket.next()).await;
    assert!(silence.is_err() && game.received().is_empty());
    let address = game.address();
    let waiting = tokio::spawn(connect_async(format!("ws://{address}/x")));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    game.freeze(false);
    assert_eq!(next(&mut socket).await.as_deref(), Some("431[]"));
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stopped_server_comes_back_on_its_port_with_its_memory() {
    let game = game(SimGameConfig::default());
    let mut socket = join(&game).await;
    say(&mut socket, &event(1, "a")).await;
    assert_eq!(next(&mut socket).await.as_deref(), Some("431[]"));
    game.freeze(true);
    let stopping = Instant::now();
    game.stop();
    assert!(stopping.elapsed() < SOON);
    assert_eq!(next(&mut socket).await, None);
    assert_eq!(game.connections().current, 0);
    assert!(connect_async(format!("ws://{}/x", game.address())).await.is_err());
    game.start_again().unwrap();
    let mut socket = join(&game).await;
    say(&mut socket, &event(1, "b")).await;
    assert_eq!(next(&mut socket).await.as_deref(), Some("431[]"));
    assert_eq!((game.distinct_events(), game.connections().total), (2, 2));
}

#[test]
fn waiting_ends_with_a_timeout_that_says_what_was_missing() {
    let game = game(SimGameConfig::default());
    let error = game.wait_for(2, Duration::from_millis(5)).unwrap_err();
    assert_eq!(error.to_string(), "wanted 2, but only 0 had come after 5ms");
}
