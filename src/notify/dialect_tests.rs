//! The keeper over plain WebSocket, with credentials, and over TLS.

use std::io::{Read as _, Write as _};
use std::net::TcpListener as BlockingListener;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::accept;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::super::endpoint::Protocol;
use super::super::test_server::*;
use super::*;

/// A certificate for 127.0.0.1 that signs itself, and its key; nothing else uses them.
const CERTIFICATE: &[u8] = include_bytes!("testdata/loopback-certificate.pem");
const KEY: &[u8] = include_bytes!("testdata/loopback-key.pem");

/// Accepts an upgrade and returns its `Authorization` header beside the socket.
async fn accept_authorized(server: &Server) -> (Socket, Option<String>) {
    let tcp = server.accept_tcp().await;
    let mut header = None;
    // The shape is the library's.
    #[allow(clippy::result_large_err)]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        header = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        Ok(response)
    };
    let socket = timeout(DEADLINE, accept_hdr_async(tcp, look)).await.unwrap().unwrap();
    (socket, header)
}

#[tokio::test]
async fn a_plain_websocket_carries_a_reward_and_its_acknowledgement() {
    let server = Server::start().await;
    let mut settings = server.settings("ws");
    settings.auth_token = Some("hush".into());
    let mut client = Client::start(settings);
    let (mut socket, authorization) = accept_authorized(&server).await;
    assert_eq!(authorization.as_deref(), Some("Bearer hush"));
    assert_eq!(client.next().await, ConnectionEvent::Up { protocol: Protocol::WebSocket, sid: None });
    client.send(event_id(1), r#"{"advc_amount":1.50}"#).await;
    assert_eq!(receive(&mut socket).await, r#"{"type":"mining_reward","advc_amount":1.50}"#);
    say(&mut socket, "garbage").await;
    say(&mut socket, &format!(r#"{{"type":"ack","event_id":"{}"}}"#, event_id(1))).await;
    assert_eq!(client.next().await, ConnectionEvent::Unintelligible { kind: "not_an_object" });
    assert_eq!(client.next().await, ConnectionEvent::Acked { event_id: event_id(1) });
    client.close().await;
}

#[tokio::test]
async fn each_dialect_carries_the_signature_beside_the_fields() {
    for scheme in ["http", "ws"] {
        let server = Server::start().await;
        let signer = super::super::signing::Signer::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let mut client = Client::start(ConnectionSettings { signer: signer.clone(), ..server.settings(scheme) });
        let mut socket = if scheme == "http" { server.welcome(25_000, 20_000).await.0 } else { server.accept().await };
        client.expect_up().await;
        client.send(event_id(1), r#"{"advc_amount":1.50}"#).await;
        let frame = receive(&mut socket).await;
        let object = &frame[frame.find('{').unwrap()..=frame.rfind('}').unwrap()];
        let event: serde_json::Value = serde_json::from_str(object).unwrap();
        assert_eq!(event["advc_amount"].to_string(), "1.50", "{frame}");
        let signed = &event["signed"];
        assert_eq!(signed["payload"], r#"{"advc_amount":1.50}"#, "without the type that a plain WebSocket has");
        let timestamp = signed["timestamp"].as_i64().unwrap();
        assert!((unix_seconds() - timestamp).abs() < 60);
        assert_eq!(signed["signature"], signer.unwrap().sign(event_id(1), timestamp, r#"{"advc_amount":1.50}"#));
        client.close().await;
    }
}

#[tokio::test]
async fn a_server_says_what_it_has_in_each_dialect() {
    let last = vec![(crate::domain::PlayerId(7), 3)];
    let server = Server::start().await;
    let mut client = Client::start(server.settings("ws"));
    let mut socket = server.accept().await;
    client.expect_up().await;
    say(&mut socket, r#"{"type":"resume","sequences":{"7":3}}"#).await;
    assert_eq!(client.next().await, ConnectionEvent::Resume { last: last.clone() });
    client.close().await;

    // Before it lets us in, and with an acknowledgement after that.
    let mut client = Client::start(server.settings("http"));
    let mut socket = server.accept().await;
    open_engine(&mut socket, 25_000, 20_000).await;
    receive(&mut socket).await;
    say(&mut socket, r#"42["resume",{"7":3}]"#).await;
    say(&mut socket, "40").await;
    client.expect_up().await;
    assert_eq!(client.next().await, ConnectionEvent::Resume { last: last.clone() });
    say(&mut socket, r#"425["resume",{"7":3}]"#).await;
    assert_eq!(receive(&mut socket).await, "435[]");
    assert_eq!(client.next().await, ConnectionEvent::Resume { last });
    client.close().await;
}

#[tokio::test]
async fn a_plain_websocket_that_answers_no_ping_is_half_open() {
    let server = Server::start().await;
    let idle_max = Duration::from_millis(200);
    let mut client = Client::start(ConnectionSettings { idle_max, ..server.settings("ws") });
    let _silent = server.accept().await;
    client.expect_up().await;
    assert_eq!(client.expect_down().await.0, DownReason::HalfOpen { silence: idle_max });
    client.close().await;
}

#[tokio::test]
async fn user_and_password_of_the_url_become_basic_authentication() {
    let server = Server::start().await;
    let mut settings = server.settings("http");
    settings.url.set_username("user").unwrap();
    settings.url.set_password(Some("p@ss")).unwrap();
    assert!(!format!("{settings:?}").contains("ss@"));
    let client = Client::start(settings);
    let (_socket, authorization) = accept_authorized(&server).await;
    assert_eq!(authorization.as_deref(), Some("Basic dXNlcjpwQHNz"));
    client.close().await;
}

#[tokio::test]
async fn settings_that_can_never_work_end_it_at_once() {
    let server = Server::start().await;
    let wrong_scheme = ConnectionSettings::new("ftp://h".parse().unwrap(), Duration::from_secs(1));
    let wrong_token = ConnectionSettings { auth_token: Some("a\nb".into()), ..server.settings("ws") };
    let wrong_file = ConnectionSettings { ca_file: Some("not/there.pem".into()), ..server.settings("wss") };
    for settings in [wrong_scheme, wrong_token, wrong_file] {
        let mut client = Client::start(settings);
        let (reason, retry_in) = client.expect_down().await;
        assert_eq!((reason.kind(), retry_in), ("unusable", None));
        timeout(DEADLINE, client.task).await.unwrap().unwrap();
    }
}

/// Serves one connection over TLS, one event in and one acknowledgement out, on a thread of its own.
fn serve_tls(listener: BlockingListener) -> std::thread::JoinHandle<Option<String>> {
    let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    std::thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        tcp.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), tcp);
        // A client that does not trust us is gone here.
        stream.flush().ok()?;
        let mut socket = accept(stream).ok()?;
        let event = socket.read().ok()?.into_text().ok()?.as_str().to_owned();
        socket.send(Message::text(format!(r#"{{"type":"ack","event_id":"{}"}}"#, event_id(1)))).ok()?;
        // Until the client has closed.
        while socket.read().is_ok() {}
        Some(event)
    })
}

fn tls_settings(listener: &BlockingListener) -> ConnectionSettings {
    let url = format!("wss://{}", listener.local_addr().unwrap());
    ConnectionSettings::new(url.parse().unwrap(), Duration::from_secs(5))
}

#[tokio::test]
async fn tls_works_with_a_trusted_certificate() {
    let listener = BlockingListener::bind(("127.0.0.1", 0)).unwrap();
    let settings = tls_settings(&listener);
    let server = serve_tls(listener);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), CERTIFICATE).unwrap();
    let mut client = Client::start(ConnectionSettings { ca_file: Some(file.path().to_owned()), ..settings });
    client.expect_up().await;
    client.send(event_id(1), "{}").await;
    assert_eq!(client.next().await, ConnectionEvent::Acked { event_id: event_id(1) });
    client.close().await;
    assert_eq!(server.join().unwrap().as_deref(), Some(r#"{"type":"mining_reward"}"#));
}

#[tokio::test]
async fn tls_refuses_a_certificate_that_nobody_vouches_for() {
    let listener = BlockingListener::bind(("127.0.0.1", 0)).unwrap();
    let settings = tls_settings(&listener);
    let server = serve_tls(listener);
    let mut client = Client::start(settings);
    assert_eq!(client.expect_down().await.0.kind(), "tls");
    client.close().await;
    assert_eq!(server.join().unwrap(), None);
}

#[tokio::test]
async fn tls_to_a_server_that_speaks_none_is_named() {
    let listener = BlockingListener::bind(("127.0.0.1", 0)).unwrap();
    let settings = tls_settings(&listener);
    let server = std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut hello = [0_u8; 5];
        tcp.read_exact(&mut hello).unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        tcp
    });
    let mut client = Client::start(settings);
    assert_eq!(client.expect_down().await.0.kind(), "tls");
    client.close().await;
    drop(server.join().unwrap());
}
