//! A game server that acknowledges at once and notes when each award arrived. Socket.IO, as the daemon speaks it by default.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use super::board::{Board, POOLS};
use super::machine::{CORE_SERVERS, pin};

/// What arrived.
#[derive(Default)]
pub(crate) struct Record {
    /// Different events.
    ids: HashSet<[u8; 16]>,
    /// Notices in all.
    notices: u64,
    /// From the pool's answer to the arrival, in nanoseconds, of first notices.
    latencies: Vec<u64>,
}

/// The server.
pub(crate) struct Game {
    address: SocketAddr,
    record: Arc<Mutex<Record>>,
}

impl Game {
    /// Starts it; on one core with the other servers where `pinned`.
    pub(crate) fn start(board: &Arc<Board>, pinned: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let record: Arc<Mutex<Record>> = Arc::default();
        let (board, shared) = (Arc::clone(board), Arc::clone(&record));
        std::thread::spawn(move || {
            if pinned {
                pin(CORE_SERVERS);
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async move {
                listener.set_nonblocking(true).expect("a socket");
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::task::spawn_local(serve(stream, Arc::clone(&board), Arc::clone(&shared)));
                }
            });
        });
        Self { address, record }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Different events that arrived, and notices in all.
    pub(crate) fn arrived(&self) -> (u64, u64) {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        (record.ids.len() as u64, record.notices)
    }

    /// What was measured of each event since the last call.
    pub(crate) fn take_latencies(&self) -> Vec<u64> {
        std::mem::take(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner).latencies)
    }

    /// Waits until so many different events arrived.
    pub(crate) fn wait_for(&self, events: u64, limit: Duration) {
        let began = Instant::now();
        while self.arrived().0 < events {
            assert!(began.elapsed() < limit, "{} of {events} events arrived", self.arrived().0);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

async fn serve(stream: TcpStream, board: Arc<Board>, record: Arc<Mutex<Record>>) {
    let _ = stream.set_nodelay(true);
    let Ok(mut socket) = accept_async(stream).await else { return };
    let open = r#"0{"sid":"b","upgrades":[],"pingInterval":25000,"pingTimeout":60000,"maxPayload":1000000}"#;
    if socket.send(Message::text(open)).await.is_err() {
        return;
    }
    let mut ping = tokio::time::interval(Duration::from_secs(20));
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            _ = ping.tick() => {
                if socket.send(Message::text("2")).await.is_err() { return; }
                continue;
            }
        };
        let mut message = Some(message);
        // What has arrived already is answered together.
        while let Some(read) = message {
            let Some(Ok(read)) = read else { return };
            if let Some(answer) = answer(&read, &board, &record)
                && socket.feed(Message::text(answer)).await.is_err()
            {
                return;
            }
            message = socket.next().now_or_never();
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}

fn answer(message: &Message, board: &Board, record: &Mutex<Record>) -> Option<String> {
    let Message::Text(text) = message else { return None };
    if text.starts_with("40") {
        return Some(r#"40{"sid":"c"}"#.to_owned());
    }
    let (id, payload) = text.strip_prefix("42")?.split_once('[')?;
    note(payload, board, record);
    Some(format!(r#"43{id}[{{"ok":true}}]"#))
}

fn note(payload: &str, board: &Board, record: &Mutex<Record>) {
    let now = board.now();
    let id = uuid::Uuid::parse_str(field(payload, r#""event_id":""#)).expect("an id").into_bytes();
    let player: usize = field(payload, r#""player_id":"#).parse().expect("a player");
    let pool = field(payload, r#""pool":""#);
    let pool = POOLS.iter().position(|name| *name == pool).expect("a pool");
    let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
    record.notices += 1;
    if record.ids.insert(id) {
        record.latencies.extend(board.arrived(pool, player).map(|shown_at| now.saturating_sub(shown_at)));
    }
}

/// What stands behind `name` in an object of one level.
fn field<'a>(payload: &'a str, name: &str) -> &'a str {
    let rest = payload.split_once(name).map_or("", |(_, rest)| rest);
    rest.split([',', '"', '}']).next().unwrap_or_default()
}
