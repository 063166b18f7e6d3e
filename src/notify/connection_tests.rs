//! The keeper against a real WebSocket server that the test plays by hand: the life of a Socket.IO link.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::super::endpoint::Protocol;
use super::super::test_server::*;
use super::*;

/// Engine.IO's usual ping times, in ms.
const USUAL: (u64, u64) = (25_000, 20_000);

async fn connected(settings: ConnectionSettings, server: &Server) -> (Client, Socket) {
    let mut client = Client::start(settings);
    let (socket, _connect) = server.welcome(USUAL.0, USUAL.1).await;
    client.expect_up().await;
    (client, socket)
}

#[tokio::test]
async fn a_reward_is_sent_and_its_acknowledgement_comes_back() {
    let server = Server::start().await;
    let settings = ConnectionSettings { auth_token: Some("hush".into()), ..server.settings("http") };
    let mut client = Client::start(settings);
    let (mut socket, connect) = server.welcome(USUAL.0, USUAL.1).await;
    assert_eq!(connect, r#"40{"token":"hush"}"#);
    assert_eq!(client.next().await, ConnectionEvent::Up { protocol: Protocol::SocketIo, sid: Some("s1".into()) });

    client.send(event_id(1), r#"{"advc_amount":1.50}"#).await;
    client.send(event_id(2), "{}").await;
    assert_eq!(receive(&mut socket).await, r#"420["mining_reward",{"advc_amount":1.50}]"#);
    assert_eq!(receive(&mut socket).await, r#"421["mining_reward",{}]"#);
    say(&mut socket, r#"431[{"ok":false,"message":"no such player"}]"#).await;
    say(&mut socket, r#"42["news"]"#).await;
    say(&mut socket, "430[]").await;
    say(&mut socket, "435[]").await;
    assert_eq!(client.next().await, ConnectionEvent::Nacked { event_id: event_id(2), message: "no such player".into() });
    assert_eq!(client.next().await, ConnectionEvent::ServerEvent { name: "news".into() });
    assert_eq!(client.next().await, ConnectionEvent::Acked { event_id: event_id(1) });
    assert_eq!(client.next().await, ConnectionEvent::AckedUnknown { id: "5".into() });
    client.close().await;
}

#[tokio::test]
async fn closing_says_goodbye_and_still_hears_the_last_acknowledgement() {
    let server = Server::start().await;
    let (client, mut socket) = connected(server.settings("http"), &server).await;
    client.send(event_id(1), "{}").await;
    client.commands.send(Command::Close).await.unwrap();
    assert_eq!(receive(&mut socket).await, r#"420["mining_reward",{}]"#);
    say(&mut socket, "430[]").await;
    assert_eq!(receive(&mut socket).await, "41");
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(None)))));
    assert!(socket.next().await.is_none());
    let mut client = client;
    assert_eq!(client.next().await, ConnectionEvent::Acked { event_id: event_id(1) });
    assert_eq!(client.next().await, ConnectionEvent::Down { reason: DownReason::Stopped, retry_in: None });
    timeout(DEADLINE, client.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_wrong_token_is_refused_at_the_long_delay_and_never_shown() {
    let server = Server::start().await;
    let settings = ConnectionSettings { auth_token: Some("hush".into()), ..server.settings("http") };
    let long = settings.reconnect_max;
    assert!(!format!("{settings:?}").contains("hush"));
    let mut client = Client::start(settings);
    for _ in 0..2 {
        let mut socket = server.accept().await;
        open_engine(&mut socket, USUAL.0, USUAL.1).await;
        receive(&mut socket).await;
        say(&mut socket, r#"44{"message":"bad token hush"}"#).await;
        let reason = DownReason::Refused { message: "bad token ***".into() };
        assert_eq!(client.expect_down().await, (reason, Some(long)));
    }
    server.welcome(USUAL.0, USUAL.1).await;
    client.expect_up().await;
    client.close().await;
}

#[tokio::test]
async fn every_end_is_named_and_the_link_comes_back() {
    let server = Server::start().await;
    let (mut client, mut socket) = connected(server.settings("http"), &server).await;
    let mut delays = Vec::new();
    for kind in ["closed_by_server", "closed_by_server", "disconnected", "lost", "frame_too_large"] {
        match (kind, delays.len()) {
            ("closed_by_server", 0) => {
                let frame = CloseFrame { code: 4000.into(), reason: "restart".into() };
                socket.close(Some(frame)).await.unwrap();
            }
            ("closed_by_server", _) => say(&mut socket, "1").await,
            ("disconnected", _) => say(&mut socket, "41").await,
            ("lost", _) => {}
            _ => {
                // The client leaves in the middle of it.
                let _ = socket.send(Message::text("x".repeat(2 * 1024 * 1024))).await;
            }
        }
        drop(socket);
        let (reason, retry_in) = client.expect_down().await;
        assert_eq!(reason.kind(), kind, "{reason}");
        if delays.is_empty() {
            assert_eq!(reason, DownReason::ClosedByServer { code: Some(4000) });
        }
        delays.push(retry_in.unwrap().as_millis());
        socket = server.welcome(USUAL.0, USUAL.1).await.0;
        client.expect_up().await;
    }
    // Links that break at once do not count as a success.
    assert_eq!(delays, [10, 20, 40, 80, 80]);
    client.close().await;
}

#[tokio::test]
async fn a_link_without_engine_pings_is_half_open_even_if_the_socket_lives() {
    let server = Server::start().await;
    let settings = ConnectionSettings { idle_max: Duration::from_secs(3), ..server.settings("http") };
    let mut client = Client::start(settings);
    let (mut socket, _) = server.welcome(400, 400).await;
    client.expect_up().await;
    for _ in 0..10 {
        sleep(Duration::from_millis(100)).await;
        say(&mut socket, "2").await;
        assert_eq!(receive(&mut socket).await, "3");
    }
    // From here on the server reads, and so answers WebSocket pings, but its Engine.IO is silent.
    let reading = tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    let (reason, _) = client.expect_down().await;
    assert_eq!(reason, DownReason::HalfOpen { silence: Duration::from_millis(800) });
    reading.await.unwrap();
    client.close().await;
}

#[tokio::test]
async fn slow_engine_pings_are_bridged_by_pings_of_our_own() {
    let server = Server::start().await;
    let idle_max = Duration::from_millis(900);
    let mut client = Client::start(ConnectionSettings { idle_max, ..server.settings("http") });
    let (mut socket, _) = server.welcome(100_000, 100_000).await;
    client.expect_up().await;
    let mut pings = 0;
    // Six thirds of the allowed silence.
    while pings < 6 {
        if let Message::Ping(_) = timeout(DEADLINE, socket.next()).await.unwrap().unwrap().unwrap() {
            pings += 1;
        }
    }
    client.send(event_id(1), "{}").await;
    receive(&mut socket).await;
    say(&mut socket, "430[]").await;
    assert_eq!(client.next().await, ConnectionEvent::Acked { event_id: event_id(1) });
    // A server that no longer reads answers no pings.
    assert_eq!(client.expect_down().await.0, DownReason::HalfOpen { silence: idle_max });
    client.close().await;
}

/// Lets the server ping without ever reading, until the client is gone.
fn ping_without_reading(socket: Socket) -> tokio::task::JoinHandle<()> {
    let (mut sink, stream) = socket.split();
    tokio::spawn(async move {
        while sink.send(Message::text("2")).await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
        drop(stream);
    })
}

#[tokio::test]
async fn a_peer_that_never_reads_is_given_up() {
    let server = Server::start().await;
    let idle_max = Duration::from_millis(800);
    let (mut client, socket) = connected(ConnectionSettings { idle_max, ..server.settings("http") }, &server).await;
    let pinging = ping_without_reading(socket);
    let payload = format!(r#"{{"x":"{}"}}"#, "x".repeat(60_000));
    let down = loop {
        tokio::select! {
            room = client.commands.reserve() => room.unwrap().send(Command::Send { event_id: event_id(1), payload: payload.clone() }),
            event = client.events.recv() => break event.unwrap(),
        }
    };
    assert!(matches!(down, ConnectionEvent::Down { reason: DownReason::WriteStalled { .. }, .. }), "{down:?}");
    pinging.await.unwrap();
    client.close().await;
}

#[tokio::test]
async fn a_peer_that_never_reads_does_not_delay_closing() {
    let server = Server::start().await;
    let (client, socket) = connected(server.settings("http"), &server).await;
    let pinging = ping_without_reading(socket);
    let payload = format!(r#"{{"x":"{}"}}"#, "x".repeat(60_000));
    // Until nothing moves any more: the socket, the outbox and the command channel are full.
    while let Ok(room) = timeout(Duration::from_millis(100), client.commands.reserve()).await {
        room.unwrap().send(Command::Send { event_id: event_id(1), payload: payload.clone() });
    }
    assert_eq!(client.commands.capacity(), 0);
    client.close().await;
    pinging.await.unwrap();
}

#[tokio::test]
async fn garbage_is_survived_once_the_link_is_up() {
    let server = Server::start().await;
    let (mut client, mut socket) = connected(server.settings("http"), &server).await;
    for frame in ["", "\u{0}", "<html>", "42[", "43x", "9", "4\u{1f600}"] {
        say(&mut socket, frame).await;
        let event = client.next().await;
        assert!(matches!(event, ConnectionEvent::Unintelligible { .. }), "{frame}: {event:?}");
    }
    socket.send(Message::binary(vec![0_u8; 1000])).await.unwrap();
    socket.send(Message::Ping(vec![1_u8].into())).await.unwrap();
    client.send(event_id(1), "{}").await;
    receive(&mut socket).await;
    say(&mut socket, "430[]").await;
    assert_eq!(client.next().await, ConnectionEvent::Acked { event_id: event_id(1) });
    client.close().await;
}

#[tokio::test]
async fn a_server_of_another_protocol_is_given_up() {
    let server = Server::start().await;
    let mut client = Client::start(server.settings("http"));
    let mut socket = server.accept().await;
    say(&mut socket, r#"{"type":"hello"}"#).await;
    assert_eq!(client.expect_down().await.0.kind(), "protocol");
    client.close().await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_at_the_connect_timeout() {
    let server = Server::start().await;
    let connect_timeout = Duration::from_millis(400);
    let mut client = Client::start(ConnectionSettings { connect_timeout, ..server.settings("http") });
    let silent_before_the_upgrade = server.accept_tcp().await;
    assert_eq!(client.expect_down().await.0, DownReason::ConnectTimedOut { timeout: connect_timeout });
    let silent_after_the_upgrade = server.accept().await;
    assert_eq!(client.expect_down().await.0, DownReason::ConnectTimedOut { timeout: connect_timeout });
    client.close().await;
    drop((silent_before_the_upgrade, silent_after_the_upgrade));
}

#[tokio::test]
async fn http_answers_are_told_apart() {
    let server = Server::start().await;
    let mut client = Client::start(server.settings("http"));
    for (status, kind) in [(503, "http_status"), (404, "http_status"), (401, "refused"), (403, "refused")] {
        // The shape is the library's.
        #[allow(clippy::result_large_err)]
        let answer = move |_: &Request, _: Response| {
            let mut response = ErrorResponse::new(None);
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Err(response)
        };
        let tcp = server.accept_tcp().await;
        assert!(accept_hdr_async(tcp, answer).await.is_err());
        let (reason, _) = client.expect_down().await;
        assert_eq!(reason.kind(), kind);
        assert!(reason.to_string().contains(&status.to_string()));
    }
    client.close().await;
}

#[tokio::test]
async fn what_is_sent_while_the_link_is_down_is_dropped() {
    let server = Server::start().await;
    let mut client = Client::start(server.settings("http"));
    for number in 0..100 {
        client.send(event_id(number % 10), "{\"dropped\":true}").await;
    }
    let (mut socket, _) = server.welcome(USUAL.0, USUAL.1).await;
    client.expect_up().await;
    client.send(event_id(1), "{}").await;
    assert_eq!(receive(&mut socket).await, r#"420["mining_reward",{}]"#);
    client.close().await;
}

#[tokio::test]
async fn a_listener_that_does_not_listen_slows_the_link_and_loses_nothing() {
    let server = Server::start().await;
    let settings = server.settings("http");
    let mut client = Client::start_with(1, |commands, events| tokio::spawn(run(settings, commands, events, || 0)));
    let (mut socket, _) = server.welcome(USUAL.0, USUAL.1).await;
    for number in 0..1_000 {
        say(&mut socket, &format!("43{number}[]")).await;
    }
    client.expect_up().await;
    for number in 0..1_000 {
        assert_eq!(client.next().await, ConnectionEvent::AckedUnknown { id: number.to_string() });
    }
    for number in 0..1_000 {
        say(&mut socket, &format!("43{number}[]")).await;
    }
    client.close().await;
}

#[tokio::test]
async fn nobody_at_the_address_is_tried_again_until_the_channel_closes() {
    let server = Server::start().await;
    let settings = ConnectionSettings { reconnect_max: Duration::from_secs(60), ..server.settings("http") };
    drop(server);
    let mut client = Client::start(settings);
    for expected_ms in [10, 20, 40] {
        let (reason, retry_in) = client.expect_down().await;
        assert_eq!((reason.kind(), retry_in), ("unreachable", Some(Duration::from_millis(expected_ms))));
    }
    drop(client.commands);
    timeout(Duration::from_secs(1), client.task).await.expect("still running").unwrap();
}

#[tokio::test]
async fn without_a_listener_it_ends() {
    let server = Server::start().await;
    let client = Client::start(server.settings("http"));
    drop(client.events);
    let (_socket, _) = server.welcome(USUAL.0, USUAL.1).await;
    timeout(DEADLINE, client.task).await.expect("still running").unwrap();
}
