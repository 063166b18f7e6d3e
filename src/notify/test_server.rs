//! For tests: a game server on loopback that a test plays by hand, and a keeper under test.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::connection::run;
use super::message::{Command, ConnectionEvent};
use super::settings::ConnectionSettings;
use crate::domain::EventId;

/// No test waits longer than this for anything.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

pub(super) type Socket = WebSocketStream<TcpStream>;

/// A listening socket on a free port.
pub(super) struct Server {
    pub(super) listener: TcpListener,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self { listener: TcpListener::bind(("127.0.0.1", 0)).await.unwrap() }
    }

    /// Settings that reach this server, with delays fit for tests.
    pub(super) fn settings(&self, scheme: &str) -> ConnectionSettings {
        let url = format!("{scheme}://{}", self.listener.local_addr().unwrap());
        ConnectionSettings {
            reconnect_min: Duration::from_millis(10),
            reconnect_max: Duration::from_millis(80),
            ..ConnectionSettings::new(url.parse().unwrap(), Duration::from_secs(5))
        }
    }

    pub(super) async fn accept_tcp(&self) -> TcpStream {
        timeout(DEADLINE, self.listener.accept()).await.expect("nobody connected").unwrap().0
    }

    pub(super) async fn accept(&self) -> Socket {
        let tcp = self.accept_tcp().await;
        timeout(DEADLINE, accept_async(tcp)).await.expect("no upgrade").unwrap()
    }

    /// Accepts and goes through the Socket.IO handshake; the client's CONNECT is returned beside the socket.
    pub(super) async fn welcome(&self, ping_interval_ms: u64, ping_timeout_ms: u64) -> (Socket, String) {
        let mut socket = self.accept().await;
        open_engine(&mut socket, ping_interval_ms, ping_timeout_ms).await;
        let connect = receive(&mut socket).await;
        say(&mut socket, r#"40{"sid":"s1"}"#).await;
        (socket, connect)
    }
}

pub(super) async fn open_engine(socket: &mut Socket, ping_interval_ms: u64, ping_timeout_ms: u64) {
    let times = format!(r#""pingInterval":{ping_interval_ms},"pingTimeout":{ping_timeout_ms}"#);
    say(socket, &format!(r#"0{{"sid":"e1","upgrades":[],{times},"maxPayload":1000000}}"#)).await;
}

pub(super) async fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
}

/// The next text frame.
pub(super) async fn receive(socket: &mut Socket) -> String {
    let next = async {
        loop {
            match socket.next().await.expect("the client is gone").expect("the client broke off") {
                Message::Text(text) => return text.as_str().to_owned(),
                Message::Close(_) => panic!("the client closed"),
                _ => {}
            }
        }
    };
    timeout(DEADLINE, next).await.expect("no frame in time")
}

/// A running keeper.
pub(super) struct Client {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) events: mpsc::Receiver<ConnectionEvent>,
    pub(super) task: JoinHandle<()>,
}

impl Client {
    pub(super) fn start(settings: ConnectionSettings) -> Self {
        Self::start_with(64, |commands, events| tokio::spawn(run(settings, commands, events, || u32::MAX)))
    }

    pub(super) fn start_with(
        capacity: usize,
        spawn: impl FnOnce(mpsc::Receiver<Command>, mpsc::Sender<ConnectionEvent>) -> JoinHandle<()>,
    ) -> Self {
        let (commands, command_receiver) = mpsc::channel(capacity);
        let (event_sender, events) = mpsc::channel(capacity);
        Self { commands, events, task: spawn(command_receiver, event_sender) }
    }

    pub(super) async fn next(&mut self) -> ConnectionEvent {
        timeout(DEADLINE, self.events.recv()).await.expect("no event in time").expect("the keeper has ended")
    }

    pub(super) async fn expect_up(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, ConnectionEvent::Up { .. }), "{event:?}");
    }

    /// The next event, which is a `Down`: its reason, as text, and the delay.
    pub(super) async fn expect_down(&mut self) -> (super::DownReason, Option<Duration>) {
        match self.next().await {
            ConnectionEvent::Down { reason, retry_in } => (reason, retry_in),
            event => panic!("not down: {event:?}"),
        }
    }

    pub(super) async fn send(&self, event_id: EventId, payload: &str) {
        let command = Command::Send { event_id, payload: payload.to_owned() };
        timeout(DEADLINE, self.commands.send(command)).await.expect("no room for a command").unwrap();
    }

    /// Closes, and fails when that takes more than the promised second.
    pub(super) async fn close(self) {
        let closing = async {
            self.commands.send(Command::Close).await.unwrap();
            self.task.await.unwrap();
        };
        timeout(Duration::from_secs(1), closing).await.expect("closing took more than a second");
    }
}

pub(super) fn event_id(number: u8) -> EventId {
    format!("00000000-0000-5000-8000-0000000000a{number}").parse().unwrap()
}
