//! The simulated game server on loopback: Socket.IO under `/socket.io/`, plain WebSocket on every other path.
//!
//! It runs on a thread of its own. It records every `mining_reward`, acknowledges as told, checks that clients keep to the
//! protocol, and can vanish, freeze, or refuse a token. What it records grows without limit, because the account at the
//! end of a demo needs every event. It relays nothing to players.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::watch;

use super::game_connection::{Control, serve};
use super::game_record::Record;
pub use super::game_record::{AckMode, Connections, Dialect, Received, TimedOut};

/// How the simulated game server starts.
#[derive(Debug, Clone)]
pub struct SimGameConfig {
    /// The port on 127.0.0.1; `None` takes a free one.
    pub port: Option<u16>,
    /// The token that a Socket.IO client must give as `auth.token`; `None` lets everyone in.
    pub auth_token: Option<SecretString>,
    /// How long after the last pong a Socket.IO client is sent a ping.
    pub ping_interval: Duration,
    /// How long it may take to answer it.
    pub ping_timeout: Duration,
}

impl Default for SimGameConfig {
    /// The defaults of the `socket.io` package.
    fn default() -> Self {
        Self { port: None, auth_token: None, ping_interval: Duration::from_secs(25), ping_timeout: Duration::from_secs(20) }
    }
}

/// How clients are put out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// With the protocol's own goodbye.
    Polite,
    /// Their connections are dropped without a word.
    Abrupt,
}

/// A simulated game server. Dropping it stops it.
#[derive(Debug)]
pub struct SimGame {
    address: SocketAddr,
    config: Arc<SimGameConfig>,
    record: Arc<Record>,
    control: watch::Sender<Control>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SimGame {
    /// Starts the server; clients can connect when this returns.
    ///
    /// # Errors
    /// When the port is taken or the server's thread cannot be made.
    pub fn start(config: SimGameConfig) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port.unwrap_or(0)))?;
        let game = Self {
            address: listener.local_addr()?,
            config: Arc::new(config),
            record: Arc::default(),
            control: watch::Sender::new(Control::default()),
            thread: Mutex::new(None),
        };
        *game.thread() = Some(game.launch(listener)?);
        Ok(game)
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The value of `SOCKETIO_URL` that makes a client speak Socket.IO.
    #[must_use]
    pub fn socketio_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The value of `SOCKETIO_URL` that makes a client speak plain WebSocket.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://{}/rewards", self.address)
    }

    /// Every `mining_reward` received, repeated ones too, oldest first.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.record.received()
    }

    /// The number of different `event_id`s received.
    #[must_use]
    pub fn distinct_events(&self) -> u64 {
        self.record.distinct()
    }

    /// Waits until at least this many different `event_id`s were received.
    ///
    /// # Errors
    /// When that takes longer than `timeout`.
    pub fn wait_for(&self, events: u64, timeout: Duration) -> Result<(), TimedOut> {
        self.record.wait_events(events, timeout)
    }

    /// Every `mining_reward` from now on, as it arrives; as many subscribers as one likes.
    #[must_use]
    pub fn subscribe(&self) -> mpsc::Receiver<Received> {
        self.record.subscribe()
    }

    /// Sets what becomes of acknowledgements from now on.
    pub fn set_acks(&self, mode: AckMode) {
        self.record.set_acks(mode);
    }

    /// How many clients there were and are.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.record.connections()
    }

    /// Waits until some number of [`Connections`] is at least `wanted`: `wait_connections(2, SOON, |now| now.total)`.
    ///
    /// # Errors
    /// When that takes longer than `timeout`.
    pub fn wait_connections(&self, wanted: u64, timeout: Duration, count: impl Fn(Connections) -> u64) -> Result<(), TimedOut> {
        self.record.wait_connections(wanted, timeout, count)
    }

    /// What clients did that the protocol does not allow, the latest 100; each was put out for it.
    #[must_use]
    pub fn offences(&self) -> Vec<String> {
        self.record.offences()
    }

    /// Puts out every client that is there now. They may come again at once.
    pub fn disconnect_all(&self, farewell: Farewell) {
        self.control.send_modify(|control| {
            control.kicks += 1;
            control.polite = farewell == Farewell::Polite;
        });
    }

    /// With `true`, everything stays open but nothing is read, written or accepted any more, as when the machine at the
    /// other end has lost its power. With `false`, the server goes on where it was.
    pub fn freeze(&self, frozen: bool) {
        self.control.send_modify(|control| control.frozen = frozen);
    }

    /// Stops the server, drops its connections and waits for its thread. What it recorded stays.
    pub fn stop(&self) {
        if let Some(thread) = self.thread().take() {
            self.control.send_modify(|control| control.running = false);
            // The thread ends with an error only by a panic, which has been printed.
            let _ = thread.join();
        }
    }

    /// Starts again on the same port, not frozen, with everything recorded; nothing happens when it runs.
    ///
    /// # Errors
    /// When the port was taken meanwhile or the server's thread cannot be made.
    pub fn start_again(&self) -> io::Result<()> {
        let mut thread = self.thread();
        if thread.is_none() {
            *thread = Some(self.launch(TcpListener::bind(self.address)?)?);
        }
        Ok(())
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn launch(&self, listener: TcpListener) -> io::Result<JoinHandle<()>> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        self.control.send_modify(|control| {
            control.running = true;
            control.frozen = false;
        });
        let (config, record, control) = (Arc::clone(&self.config), Arc::clone(&self.record), self.control.subscribe());
        std::thread::Builder::new()
            .name(String::from("sim-game"))
            // The runtime goes with its thread, and every connection with the runtime.
            .spawn(move || runtime.block_on(accept(listener, config, record, control)))
    }
}

impl Drop for SimGame {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn accept(listener: TcpListener, config: Arc<SimGameConfig>, record: Arc<Record>, mut control: watch::Receiver<Control>) {
    // It fails only where no descriptors are left; then nobody is served, which every client notices.
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        let told = *control.borrow_and_update();
        if !told.running {
            return;
        }
        tokio::select! {
            biased;
            changed = control.changed() => if changed.is_err() { return },
            accepted = listener.accept(), if !told.frozen => match accepted {
                Ok((stream, _)) => {
                    tokio::spawn(serve(stream, Arc::clone(&config), Arc::clone(&record), control.clone()));
                }
                // A client that went before it was accepted, or no descriptors left for now.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

#[cfg(test)]
#[path = "game_tests.rs"]
mod tests;
