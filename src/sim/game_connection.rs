//! One client of the simulated game server, from the upgrade to its end.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{StatusCode, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::game::SimGameConfig;
use super::game_framing::{self as framing, ClientPacket};
use super::game_record::{Dialect, Joined, Record, Verdict};

/// The event that the server is there for.
const EVENT: &str = "mining_reward";
/// The largest message that is taken.
const MESSAGE_BYTES_MAX: usize = 1_000_000;
/// A client that does not upgrade, or does not read, for so long is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the handle tells the server's tasks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Control {
    /// Whether the server is to serve at all.
    pub(super) running: bool,
    /// Whether it is to keep everything open and do nothing.
    pub(super) frozen: bool,
    /// How often all clients were put out.
    pub(super) kicks: u64,
    /// Whether they are told so.
    pub(super) polite: bool,
}

/// Whether a client stays.
#[derive(Debug, PartialEq, Eq)]
enum Stay {
    Yes,
    No,
}

/// Serves a client until it goes, offends or is put out.
pub(super) async fn serve(
    stream: TcpStream,
    config: Arc<SimGameConfig>,
    record: Arc<Record>,
    mut control: watch::Receiver<Control>,
) {
    // Acknowledgements are small; waiting to fill a segment would only delay them.
    let _ = stream.set_nodelay(true);
    let kicks = control.borrow().kicks;
    let number = record.open();
    let Ok(Some((socket, dialect))) = timeout(PATIENCE, upgrade(stream)).await else { return };
    let mut client = Client {
        number,
        dialect,
        joined: None,
        awaits_pong: false,
        heartbeat: Instant::now() + config.ping_interval,
        socket,
        config,
        record,
    };
    if client.welcome().await == Stay::No {
        return;
    }
    loop {
        let told = *control.borrow_and_update();
        if told.kicks != kicks {
            if told.polite {
                client.say_goodbye().await;
            }
            return;
        }
        if told.frozen {
            if control.changed().await.is_err() {
                return;
            }
            // The frozen time was no fault of the client.
            client.restart_heartbeat();
            continue;
        }
        let heartbeat = (client.dialect == Dialect::SocketIo).then_some(client.heartbeat);
        let stay = tokio::select! {
            // What the handle said before a frame arrived is heeded before the frame.
            biased;
            changed = control.changed() => if changed.is_ok() { Stay::Yes } else { Stay::No },
            () = sleep_until(heartbeat.unwrap_or_else(Instant::now)), if heartbeat.is_some() => client.beat().await,
            message = client.socket.next() => match message {
                Some(Ok(message)) => client.take(message).await,
                Some(Err(_)) | None => Stay::No,
            },
        };
        if stay == Stay::No {
            return;
        }
    }
}

/// The WebSocket upgrade; the path decides the protocol.
async fn upgrade(stream: TcpStream) -> Option<(WebSocketStream<TcpStream>, Dialect)> {
    let limits = WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX)).max_frame_size(Some(MESSAGE_BYTES_MAX));
    let mut dialect = Dialect::Plain;
    #[expect(clippy::result_large_err, reason = "the type is that of the library's callback")]
    let callback = |request: &Request, response: Response| {
        dialect = dialect_of(request.uri()).map_err(|why| {
            let mut refusal = ErrorResponse::new(Some(String::from(why)));
            *refusal.status_mut() = StatusCode::BAD_REQUEST;
            refusal
        })?;
        Ok(response)
    };
    let socket = accept_hdr_async_with_config(stream, callback, Some(limits)).await.ok()?;
    Some((socket, dialect))
}

fn dialect_of(uri: &Uri) -> Result<Dialect, &'static str> {
    if uri.path() != "/socket.io/" {
        return Ok(Dialect::Plain);
    }
    let has = |pair: &str| uri.query().is_some_and(|query| query.split('&').any(|part| part == pair));
    if !has("EIO=4") {
        Err("Unsupported protocol version")
    } else if !has("transport=websocket") {
        Err("Transport unknown")
    } else {
        Ok(Dialect::SocketIo)
    }
}

struct Client {
    number: u64,
    dialect: Dialect,
    /// There while the client may send events.
    joined: Option<Joined>,
    /// A ping was sent and not answered yet.
    awaits_pong: bool,
    /// When the next ping is due, or the answer to the last one.
    heartbeat: Instant,
    socket: WebSocketStream<TcpStream>,
    config: Arc<SimGameConfig>,
    record: Arc<Record>,
}

impl Client {
    async fn welcome(&mut self) -> Stay {
        match self.dialect {
            Dialect::Plain => {
                self.joined = Some(self.record.join());
                Stay::Yes
            }
            Dialect::SocketIo => {
                let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
                let (interval, patience) = (millis(self.config.ping_interval), millis(self.config.ping_timeout));
                self.send(framing::open(&format!("engine-{}", self.number), interval, patience, MESSAGE_BYTES_MAX)).await
            }
        }
    }

    fn restart_heartbeat(&mut self) {
        self.awaits_pong = false;
        self.heartbeat = Instant::now() + self.config.ping_interval;
    }

    /// The heartbeat is due: a ping goes out, or its answer has failed to come.
    async fn beat(&mut self) -> Stay {
        if self.awaits_pong {
            return self.offend("ping timeout");
        }
        self.awaits_pong = true;
        self.heartbeat = Instant::now() + self.config.ping_timeout;
        self.send(framing::PING).await
    }

    async fn take(&mut self, message: Message) -> Stay {
        match (message, self.dialect) {
            (Message::Text(frame), Dialect::SocketIo) => self.take_packet(&frame).await,
            (Message::Text(frame), Dialect::Plain) => self.take_object(&frame).await,
            (Message::Binary(_), _) => self.offend("a binary message"),
            (Message::Close(_), _) => Stay::No,
            // The library answers pings by itself.
            (Message::Ping(_) | Message::Pong(_) | Message::Frame(_), _) => Stay::Yes,
        }
    }

    async fn take_packet(&mut self, frame: &str) -> Stay {
        match framing::parse(frame) {
            Err(what) => self.offend(&what),
            Ok(ClientPacket::Close) => Stay::No,
            Ok(ClientPacket::Pong) if self.awaits_pong => {
                self.restart_heartbeat();
                Stay::Yes
            }
            Ok(ClientPacket::Pong) => self.offend("a pong without a ping"),
            Ok(ClientPacket::Connect { namespace, auth }) => self.connect(&namespace, auth.as_ref()).await,
            Ok(ClientPacket::Disconnect) => {
                self.joined = None;
                Stay::Yes
            }
            Ok(ClientPacket::Event { namespace, ack, name, arguments }) => {
                if self.joined.is_none() || namespace != "/" {
                    return self.offend("an event before CONNECT");
                }
                // Events that nobody listens to are not acknowledged, as in the real server.
                if name == EVENT { self.take_event(frame, ack, arguments).await } else { Stay::Yes }
            }
            Ok(ClientPacket::Ignored) => Stay::Yes,
        }
    }

    async fn connect(&mut self, namespace: &str, auth: Option<&Value>) -> Stay {
        if self.joined.is_some() {
            return self.offend("a second CONNECT");
        }
        if namespace != "/" {
            return self.send(framing::connect_error(namespace, "Invalid namespace")).await;
        }
        if let Some(expected) = &self.config.auth_token {
            let given = auth.and_then(|auth| auth.get("token")).and_then(Value::as_str);
            if given != Some(expected.expose_secret()) {
                self.record.refuse();
                return self.send(framing::connect_error("/", "invalid token")).await;
            }
        }
        let stay = self.send(framing::connected(&format!("socket-{}", self.number))).await;
        self.joined = Some(self.record.join());
        stay
    }

    async fn take_event(&mut self, frame: &str, ack: Option<u64>, arguments: Vec<Value>) -> Stay {
        let payload = arguments.into_iter().next().unwrap_or_default();
        let verdict = self.record.receive(self.number, Dialect::SocketIo, frame, payload, ack.is_some());
        match (verdict, ack) {
            (Verdict::Ack, Some(id)) => self.send(framing::ack(id, &[])).await,
            (Verdict::Refuse(why), Some(id)) => self.send(framing::ack(id, &[json!({ "ok": false, "error": why })])).await,
            (Verdict::Silence, _) | (_, None) => Stay::Yes,
        }
    }

    /// A text frame of the plain dialect.
    async fn take_object(&mut self, frame: &str) -> Stay {
        let Ok(mut payload) = serde_json::from_str::<Map<String, Value>>(frame) else {
            return self.offend("a text frame that is no JSON object");
        };
        if payload.remove("type") != Some(Value::from(EVENT)) {
            return Stay::Yes;
        }
        let event_id = payload.get("event_id").cloned().unwrap_or_default();
        match self.record.receive(self.number, Dialect::Plain, frame, Value::Object(payload), true) {
            Verdict::Ack => self.send(json!({ "type": "ack", "event_id": event_id }).to_string()).await,
            Verdict::Refuse(why) => self.send(json!({ "type": "error", "event_id": event_id, "message": why }).to_string()).await,
            Verdict::Silence => Stay::Yes,
        }
    }

    /// Ends the client as a server would that is shutting down properly.
    async fn say_goodbye(&mut self) {
        if self.dialect == Dialect::SocketIo
            && (self.send(framing::DISCONNECT).await == Stay::No || self.send(framing::CLOSE).await == Stay::No)
        {
            return;
        }
        // A client that does not take the close frame is dropped all the same.
        let _ = timeout(PATIENCE, self.socket.close(None)).await;
    }

    fn offend(&self, what: &str) -> Stay {
        self.record.offend(self.number, what);
        Stay::No
    }

    async fn send(&mut self, frame: impl Into<Utf8Bytes>) -> Stay {
        match timeout(PATIENCE, self.socket.send(Message::Text(frame.into()))).await {
            Ok(Ok(())) => Stay::Yes,
            Ok(Err(_)) | Err(_) => Stay::No,
        }
    }
}
