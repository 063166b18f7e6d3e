//! The simulated pools as an HTTP server on loopback.
//!
//! The server runs on a thread of its own with its own actix `System`, so it can be started and stopped from anywhere; the
//! handle may be shared between threads. The world's clock is the real one, from the start of the server. Faults are
//! scripted, and every request is counted and the latest are remembered. Only the world's payout log grows without limit.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};

use super::pools_answer::{Connection, base_path, serve};
use super::pools_record::Shared;
pub use super::pools_record::{RequestCounts, SeenRequest};
use super::script::Script;
use super::shapes::Shape;
use super::world::{Payout, SimPool, World, WorldConfig};

/// How often the world is moved to the present when nobody asks.
const TICK: Duration = Duration::from_millis(20);
/// Longer than any client keeps an idle connection, so that it is never the server that closes one under a request.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How the simulated pools start.
#[derive(Debug, Clone, Default)]
pub struct SimPoolsConfig {
    /// The port on 127.0.0.1; `None` takes a free one.
    pub port: Option<u16>,
    /// The seed of the world.
    pub seed: u64,
    /// What kind of world.
    pub world: WorldConfig,
}

/// Running simulated pools. Dropping it stops them.
#[derive(Debug)]
pub struct SimPools {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

/// What it takes to end the server's thread.
#[derive(Debug)]
struct Running {
    server: ServerHandle,
    thread: JoinHandle<()>,
}

impl SimPools {
    /// Starts the server; it takes requests when this returns.
    ///
    /// # Errors
    /// When the port is taken or the server's thread does not come up.
    pub fn start(config: SimPoolsConfig) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(World::new(config.seed, config.world)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port.unwrap_or(0)))?;
        let address = listener.local_addr()?;
        let running = launch(listener, Arc::clone(&shared))?;
        Ok(Self { address, shared, running: Mutex::new(Some(running)) })
    }

    /// A pool's URL without the wallet, as `CPU_POOL_URL` and its like take it.
    #[must_use]
    pub fn url(&self, pool: SimPool) -> String {
        format!("http://{}{}", self.address, base_path(pool))
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The world, moved to the present and locked: the pools do not answer until the guard is dropped.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// Every payout made until now, oldest first.
    #[must_use]
    pub fn payouts(&self) -> Vec<Payout> {
        self.world().payouts().to_vec()
    }

    /// Makes the pool that a shape belongs to answer in it; at first each answers in its real shape.
    pub fn set_shape(&self, shape: Shape) {
        self.shared.set_shape(shape);
    }

    /// Sets the payout coin that zpool names; `BTC` at first.
    pub fn set_zpool_currency(&self, currency: &str) {
        self.shared.set_currency(currency);
    }

    /// Makes a pool misbehave, after the scripts that it has not finished yet.
    pub fn script(&self, pool: SimPool, script: Script) {
        self.shared.script(pool, script);
    }

    /// Ends all misbehaviour of a pool; requests that it keeps waiting already stay so.
    pub fn clear_scripts(&self, pool: SimPool) {
        self.shared.clear_scripts(pool);
    }

    /// How many requests a pool was sent.
    #[must_use]
    pub fn requests(&self, pool: SimPool) -> RequestCounts {
        self.shared.counts(pool)
    }

    /// The latest requests to a pool, at most 100, oldest first.
    #[must_use]
    pub fn last_requests(&self, pool: SimPool) -> Vec<SeenRequest> {
        self.shared.recent(pool)
    }

    /// Waits until a pool was sent at least this many requests in all; `false` when that takes longer than `timeout`.
    #[must_use]
    pub fn wait_requests(&self, pool: SimPool, at_least: u64, timeout: Duration) -> bool {
        self.wait_counts(pool, timeout, |counts| counts.total() >= at_least)
    }

    /// Waits until a pool's counts satisfy `enough`; `false` when that takes longer than `timeout`.
    #[must_use]
    pub fn wait_counts(&self, pool: SimPool, timeout: Duration, enough: impl Fn(RequestCounts) -> bool) -> bool {
        self.shared.wait(pool, timeout, enough)
    }

    /// Stops the server, drops its connections and waits for its thread. What it remembers stays readable.
    pub fn stop(&self) {
        if let Some(Running { server, thread }) = self.running().take() {
            // The command is sent at the call; the future would only wait for its end, as does the join.
            drop(server.stop(false));
            // The thread ends with an error only by a panic, which has been printed.
            let _ = thread.join();
        }
    }

    /// Starts again on the same port with everything remembered; nothing happens when it runs.
    ///
    /// # Errors
    /// When the port was taken meanwhile or the server's thread does not come up.
    pub fn start_again(&self) -> io::Result<()> {
        let mut running = self.running();
        if running.is_none() {
            *running = Some(launch(TcpListener::bind(self.address)?, Arc::clone(&self.shared))?);
        }
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SimPools {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the server's thread and waits until it serves.
fn launch(listener: TcpListener, shared: Arc<Shared>) -> io::Result<Running> {
    let (ready, handle) = mpsc::channel();
    let thread = std::thread::Builder::new().name(String::from("sim-pools")).spawn(move || {
        actix_rt::System::new().block_on(run(listener, shared, ready));
    })?;
    let server = handle.recv().map_err(|_| io::Error::other("the thread of the simulated pools ended at once"))??;
    Ok(Running { server, thread })
}

async fn run(listener: TcpListener, shared: Arc<Shared>, ready: mpsc::Sender<io::Result<ServerHandle>>) {
    let data = Data::new(Arc::clone(&shared));
    let server = HttpServer::new(move || App::new().app_data(data.clone()).default_service(web::to(serve)))
        .workers(1)
        .disable_signals()
        .keep_alive(KEEP_ALIVE)
        // A client that gives up a request closes its side: the waiting answer is dropped then.
        .h1_allow_half_closed(false)
        .on_connect(|socket, data| {
            let socket = socket.downcast_ref::<actix_rt::net::TcpStream>();
            // Without a second handle (no descriptors left) only `Fault::Close` answers 500 instead.
            if let Some(Ok(second)) = socket.map(|socket| socket.as_fd().try_clone_to_owned()) {
                data.insert(Connection(TcpStream::from(second)));
            }
        })
        .listen(listener);
    let server = match server {
        Ok(server) => server.run(),
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(server.handle()));
    let clock = actix_rt::spawn(async move {
        loop {
            actix_rt::time::sleep(TICK).await;
            drop(shared.world());
        }
    });
    // The server ends when it is stopped; an error of it ends it just the same.
    let _ = server.await;
    clock.abort();
}

#[cfg(test)]
#[path = "pools_tests.rs"]
mod tests;
