//! A bad network between the daemon and a game server, as Socket.IO or as a plain WebSocket: it knows the frames, delays them,
//! drops acknowledgements and cuts the connection.
//!
//! It also is the witness of what the daemon can have heard: an award counts as acknowledged when the frame was handed on.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{accept_hdr_async, connect_async};

/// How bad it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// Acknowledgements that are dropped, in percent.
    pub(crate) drops_percent: u32,
    /// The longest delay of a frame.
    pub(crate) delay_max: Duration,
    /// How long a connection may live at least and at most; `None`: for ever.
    pub(crate) cuts_after: Option<(Duration, Duration)>,
}

/// What it has done and seen.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    /// The event ids whose acknowledgement was handed on.
    pub(crate) acknowledged: HashSet<String>,
    /// Acknowledgements dropped.
    pub(crate) dropped: u64,
    /// Connections cut.
    pub(crate) cuts: u64,
    /// Connections made.
    pub(crate) connections: u64,
}

/// The running proxy; it ends with this value.
pub(crate) struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Option<Weather>>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts it in front of `server`.
    pub(crate) fn start(server: SocketAddr, weather: Weather) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, receiver) = watch::channel(Some(weather));
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let witness = Arc::clone(&seen);
        let thread = std::thread::spawn(move || runtime.block_on(accept(listener, server, receiver, witness)));
        Self { address, weather: sender, seen, thread: Some(thread) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather, for connections that are there too.
    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(Some(weather));
    }

    pub(crate) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.weather.send_replace(None);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed.
            let _ = thread.join();
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    mut weather: watch::Receiver<Option<Weather>>,
    seen: Arc<Mutex<Seen>>,
) {
    let serving = async {
        loop {
            let (client, _) = listener.accept().await.expect("a client");
            tokio::spawn(serve(client, server, weather.clone(), Arc::clone(&seen)));
        }
    };
    let mut ended = weather.clone();
    tokio::select! {
        () = serving => {}
        _ = ended.wait_for(Option::is_none) => {}
    }
    weather.mark_unchanged();
}

async fn serve(client: TcpStream, server: SocketAddr, weather: watch::Receiver<Option<Weather>>, seen: Arc<Mutex<Seen>>) {
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the type is that of the library's callback")]
    let callback = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        path = request.uri().to_string();
        Ok(response)
    };
    let Ok(client) = accept_hdr_async(client, callback).await else { return };
    let Ok((upstream, _)) = connect_async(format!("ws://{server}{path}")).await else { return };
    lock(&seen).connections += 1;
    let now = || weather.borrow().unwrap_or(Weather { drops_percent: 0, delay_max: Duration::ZERO, cuts_after: None });
    let lifetime = now().cuts_after.map(|(min, max)| min + (max - min).mul_f64(fastrand::f64()));
    let began = Instant::now();
    let (mut to_client, mut from_client) = client.split();
    let (mut to_server, mut from_server) = upstream.split();
    // The acknowledgement's id of each event on this connection.
    let sent: Mutex<HashMap<String, String>> = Mutex::default();
    let outward = async {
        while let Some(Ok(message)) = from_client.next().await {
            delay(now()).await;
            if let Some((id, event_id)) = socketio_event(&message) {
                sent.lock().unwrap_or_else(PoisonError::into_inner).insert(id, event_id);
            }
            if to_server.send(message).await.is_err() {
                return;
            }
        }
    };
    let inward = async {
        while let Some(Ok(message)) = from_server.next().await {
            let weather = now();
            delay(weather).await;
            let sent = |id: String| sent.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned().expect("it was sent");
            if let Some(event_id) = socketio_acknowledgement(&message).map(sent).or_else(|| acknowledgement(&message)) {
                if fastrand::u32(..100) < weather.drops_percent {
                    lock(&seen).dropped += 1;
                    continue;
                }
                lock(&seen).acknowledged.insert(event_id);
            }
            if to_client.send(message).await.is_err() {
                return;
            }
        }
    };
    let cut = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if now().cuts_after.is_some() && lifetime.is_some_and(|lifetime| began.elapsed() >= lifetime) {
                return;
            }
        }
    };
    // Both directions end at once and without a word.
    tokio::select! {
        () = outward => {}
        () = inward => {}
        () = cut => lock(&seen).cuts += 1,
    }
}

async fn delay(weather: Weather) {
    if !weather.delay_max.is_zero() {
        tokio::time::sleep(weather.delay_max.mul_f64(fastrand::f64())).await;
    }
}

/// The acknowledgement's id and the event id of a `mining_reward` of Socket.IO.
fn socketio_event(message: &Message) -> Option<(String, String)> {
    let (id, data) = text(message)?.strip_prefix("42")?.split_once('[')?;
    Some((id.to_owned(), event_id(data)?))
}

/// The id of an acknowledgement of Socket.IO.
fn socketio_acknowledgement(message: &Message) -> Option<String> {
    Some(text(message)?.strip_prefix("43")?.split_once('[')?.0.to_owned())
}

/// The event id of an acknowledgement of a plain WebSocket.
fn acknowledgement(message: &Message) -> Option<String> {
    let object: serde_json::Value = serde_json::from_str(text(message)?).ok()?;
    (object.get("type")? == "ack").then(|| object.get("event_id")?.as_str().map(str::to_owned))?
}

fn text(message: &Message) -> Option<&str> {
    if let Message::Text(text) = message { Some(text.as_str()) } else { None }
}

fn event_id(data: &str) -> Option<String> {
    data.split_once(r#""event_id":""#)?.1.split('"').next().map(str::to_owned)
}
