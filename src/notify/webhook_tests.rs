//! Webhooks against an HTTP server that the test plays by hand.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::test_server::{Client, DEADLINE, event_id};
use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One request as it arrived, and the connection that waits for the answer.
struct Request {
    head: String,
    headers: BTreeMap<String, String>,
    body: String,
    stream: TcpStream,
}

impl Request {
    async fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the client is gone");
        };
        let text = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
        let mut lines = text.lines();
        let head = lines.next().unwrap().to_owned();
        let headers: BTreeMap<String, String> =
            lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let length: usize = headers["content-length"].parse().unwrap();
        while bytes.len() < head_end + length {
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the client is gone");
        }
        let body = String::from_utf8(bytes[head_end..].to_vec()).unwrap();
        Self { head, headers, body, stream }
    }

    async fn answer(mut self, status: &str, headers: &str) {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n{headers}\r\nhi");
        self.stream.write_all(answer.as_bytes()).await.unwrap();
        self.stream.shutdown().await.unwrap();
    }
}

struct Server(TcpListener);

impl Server {
    async fn start() -> Self {
        Self(TcpListener::bind(("127.0.0.1", 0)).await.unwrap())
    }

    fn settings(&self) -> WebhookSettings {
        WebhookSettings {
            url: format!("http://{}/hook?key=1", self.0.local_addr().unwrap()).parse().unwrap(),
            signer: Signer::parse(SECRET).unwrap(),
            ca_file: None,
            timeout: Duration::from_secs(5),
            concurrency: 2,
            retry_min: Duration::from_millis(20),
            retry_max: Duration::from_millis(80),
            user_agent: "pool-poller/test".to_owned(),
        }
    }

    async fn request(&self) -> Request {
        let next = async { Request::read(self.0.accept().await.unwrap().0).await };
        timeout(DEADLINE, next).await.expect("no request in time")
    }

    async fn nobody_asks(&self) {
        assert!(timeout(Duration::from_millis(200), self.0.accept()).await.is_err(), "a request too many");
    }
}

/// A running client that is up.
async fn start(settings: WebhookSettings) -> Client {
    let mut client = Client::start_with(64, |commands, events| actix_rt::spawn(run(settings, commands, events, || 0)));
    assert_eq!(client.next().await, ConnectionEvent::Up { protocol: Protocol::Webhook, sid: None });
    client
}

#[actix_rt::test]
async fn an_event_is_one_signed_post_and_a_good_status_is_its_acknowledgement() {
    let server = Server::start().await;
    let mut client = start(server.settings()).await;
    for (number, status) in [(1, "200 OK"), (2, "204 No Content"), (3, "202 Accepted")] {
        client.send(event_id(number), r#"{"advc_amount":1.50}"#).await;
        let request = server.request().await;
        assert_eq!((request.head.as_str(), request.body.as_str()), ("POST /hook?key=1 HTTP/1.1", r#"{"advc_amount":1.50}"#));
        assert_eq!(request.headers["content-type"], "application/json");
        assert_eq!(request.headers["user-agent"], "pool-poller/test");
        assert_eq!(request.headers["webhook-id"], event_id(number).to_string());
        let timestamp: i64 = request.headers["webhook-timestamp"].parse().unwrap();
        assert!((unix_seconds() - timestamp).abs() < 60);
        let signature = Signer::parse(SECRET).unwrap().sign(event_id(number), timestamp, &request.body);
        assert_eq!(request.headers["webhook-signature"], signature);
        request.answer(status, "").await;
        assert_eq!(client.next().await, ConnectionEvent::Acked { event_id: event_id(number) });
    }
    client.close().await;
}

#[actix_rt::test]
async fn any_other_status_is_about_the_event_and_redirects_are_not_followed() {
    let server = Server::start().await;
    let mut client = start(server.settings()).await;
    for (status, headers, message) in [
        ("500 Internal Server Error", "", "HTTP 500"),
        ("404 Not Found", "", "HTTP 404"),
        ("503 Service Unavailable", "", "HTTP 503"),
        ("302 Found", "location: /elsewhere\r\n", "HTTP 302, and redirects are not followed"),
    ] {
        client.send(event_id(1), "{}").await;
        server.request().await.answer(status, headers).await;
        assert_eq!(client.next().await, ConnectionEvent::Nacked { event_id: event_id(1), message: message.to_owned() });
    }
    // One that the server dies of is an attempt too.
    client.send(event_id(2), "{}").await;
    drop(server.request().await);
    assert!(matches!(client.next().await, ConnectionEvent::Nacked { .. }));
    server.nobody_asks().await;
    client.close().await;
}

#[actix_rt::test]
async fn no_answer_in_time_is_about_the_event() {
    let server = Server::start().await;
    let mut client = start(WebhookSettings { timeout: Duration::from_millis(200), ..server.settings() }).await;
    client.send(event_id(1), "{}").await;
    let request = server.request().await;
    let event = client.next().await;
    assert!(matches!(&event, ConnectionEvent::Nacked { message, .. } if message == "no answer within 200ms"), "{event:?}");
    drop(request);
    client.close().await;
}

#[actix_rt::test]
async fn no_more_requests_than_allowed_are_under_way() {
    let server = Server::start().await;
    let mut client = start(server.settings()).await;
    for number in 1..=3 {
        client.send(event_id(number), "{}").await;
    }
    let (first, second) = (server.request().await, server.request().await);
    server.nobody_asks().await;
    first.answer("200 OK", "").await;
    let third = server.request().await;
    second.answer("200 OK", "").await;
    third.answer("200 OK", "").await;
    for _ in 0..3 {
        assert!(matches!(client.next().await, ConnectionEvent::Acked { .. }));
    }
    client.close().await;
}

#[actix_rt::test]
async fn who_asks_to_wait_is_left_alone_and_then_asked_with_one_event() {
    let server = Server::start().await;
    let mut client = start(server.settings()).await;
    client.send(event_id(1), "{}").await;
    server.request().await.answer("429 Too Many Requests", "retry-after: 1\r\n").await;
    let reason = DownReason::Busy { status: 429 };
    assert_eq!(client.expect_down().await, (reason, Some(Duration::from_secs(1))));
    let since = Instant::now();
    client.send(event_id(2), "{}").await;
    server.nobody_asks().await;
    let probe = server.request().await;
    assert!(since.elapsed() > Duration::from_millis(900), "{:?}", since.elapsed());
    assert_eq!(probe.headers["webhook-id"], event_id(1).to_string());
    probe.answer("200 OK", "").await;
    assert_eq!(client.next().await, ConnectionEvent::Acked { event_id: event_id(1) });
    client.expect_up().await;
    // What was handed over meanwhile is the caller's to send again.
    server.nobody_asks().await;
    client.send(event_id(2), "{}").await;
    server.request().await.answer("200 OK", "").await;
    assert_eq!(client.next().await, ConnectionEvent::Acked { event_id: event_id(2) });
    client.close().await;
}

#[actix_rt::test]
async fn who_wants_no_more_is_asked_again_after_minutes_and_no_event_is_lost_by_it() {
    let server = Server::start().await;
    for status in ["410 Gone", "401 Unauthorized", "403 Forbidden"] {
        let mut client = start(server.settings()).await;
        client.send(event_id(1), "{}").await;
        server.request().await.answer(status, "").await;
        let message = format!("HTTP {}", &status[..3]);
        assert_eq!(client.expect_down().await, (DownReason::Refused { message }, Some(REFUSED_PAUSE)));
        client.close().await;
    }
}

#[actix_rt::test]
async fn a_server_that_is_away_costs_no_event_an_attempt() {
    let server = Server::start().await;
    let settings = server.settings();
    let address = server.0.local_addr().unwrap();
    drop(server);
    let mut client = start(settings).await;
    client.send(event_id(1), "{}").await;
    for expected_ms in [20, 20, 40, 40] {
        let (reason, retry_in) = client.expect_down().await;
        assert_eq!((reason.kind(), retry_in), ("unreachable", Some(Duration::from_millis(expected_ms))));
    }
    let server = Server(TcpListener::bind(address).await.unwrap());
    let probe = server.request().await;
    assert_eq!(probe.headers["webhook-id"], event_id(1).to_string());
    probe.answer("200 OK", "").await;
    loop {
        match client.next().await {
            ConnectionEvent::Down { reason, .. } => assert_eq!(reason.kind(), "unreachable"),
            event => break assert_eq!(event, ConnectionEvent::Acked { event_id: event_id(1) }),
        }
    }
    client.expect_up().await;
    client.close().await;
}

#[actix_rt::test]
async fn a_certificate_that_nobody_vouches_for_is_told_apart() {
    let server = Server::start().await;
    let mut settings = server.settings();
    settings.url.set_scheme("https").unwrap();
    let mut client = start(settings).await;
    client.send(event_id(1), "{}").await;
    let (mut tcp, _) = server.0.accept().await.unwrap();
    tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    assert_eq!(client.expect_down().await.0.kind(), "tls");
    client.close().await;
}

#[actix_rt::test]
async fn closing_waits_a_moment_for_the_last_answers() {
    let server = Server::start().await;
    let mut client = start(server.settings()).await;
    client.send(event_id(1), "{}").await;
    let request = server.request().await;
    client.commands.send(Command::Close).await.unwrap();
    request.answer("200 OK", "").await;
    assert_eq!(client.next().await, ConnectionEvent::Acked { event_id: event_id(1) });
    assert_eq!(client.next().await, ConnectionEvent::Down { reason: DownReason::Stopped, retry_in: None });
    timeout(DEADLINE, client.task).await.unwrap().unwrap();
}
