//! What telling awards costs above the frames: a game server comes back, everything that piled up in the database is told,
//! acknowledged and marked by the real program, against a bare loop of frames and echoes of the same length over the same library
//! in the same run.
//!
//! `cargo bench --bench notify` prints one table; SQLite always, PostgreSQL where `POOL_POLLER_TEST_PG` names a server (a superuser's
//! URL). `BENCH_EVENTS` (100000) is how many pile up. A ratio is what counts: absolute figures are the machine's.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::float_arithmetic)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pool_poller::sim::{SimGame, SimGameConfig};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};

#[path = "load/echo.rs"]
mod echo;
mod support;
#[path = "../tests/support/waiting_awards.rs"]
mod waiting_awards;
use echo::echo;
use support::{fresh, median, open};

/// More than the window, so that players wait for each other's turn.
const PLAYERS: usize = 1_000;
const ROUNDS: usize = 5;
/// A round that takes longer has failed.
const ROUND_MAX: Duration = Duration::from_secs(600);

fn main() {
    let count = std::env::var("BENCH_EVENTS").ok().and_then(|count| count.parse().ok()).unwrap_or(100_000);
    println!("{count} awards of {PLAYERS} players, median of {ROUNDS} rounds (range)");
    println!("{:<12} {:>26} {:>30} {:>22} {:>14}", "engine", "told, acked, marked /s", "bare echo /s", "ratio", "memory at most");
    let mut engines = vec![("sqlite", None)];
    match std::env::var("POOL_POLLER_TEST_PG") {
        Ok(server) => engines.push(("postgresql", Some(server))),
        Err(_) => println!("postgresql   not measured: POOL_POLLER_TEST_PG is not set"),
    }
    for (engine, server) in engines {
        let (mut told, mut echoed, mut ratios, mut memory) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let round = Round::run(server.as_deref(), count);
            let bare = echo(count, round.frame_bytes);
            let rate = |took: Duration| count as f64 / took.as_secs_f64();
            told.push(rate(round.took));
            echoed.push(rate(bare));
            ratios.push(bare.as_secs_f64() / round.took.as_secs_f64());
            memory = memory.max(round.memory_kib);
        }
        let rates = |rates: &[f64]| {
            let (median, low, high) = median(rates);
            format!("{median:.0} ({low:.0} to {high:.0})")
        };
        let (ratio, low, high) = median(&ratios);
        let ratio = format!("{ratio:.3} ({low:.3} to {high:.3})");
        println!("{engine:<12} {:>26} {:>30} {ratio:>22} {:>10} MiB", rates(&told), rates(&echoed), memory / 1024);
    }
}

/// One pile, from the moment at which the game server is there again until the last award is marked.
struct Round {
    took: Duration,
    frame_bytes: usize,
    memory_kib: u64,
}

impl Round {
    fn run(server: Option<&str>, count: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let url = match server {
            Some(server) => runtime.block_on(fresh(server, "bench_notify")),
            None => format!("sqlite://{}/bench.db?mode=rwc", folder.path().display()),
        };
        let db = runtime.block_on(open(&url));
        runtime.block_on(pile_up(&db, count));
        let game = SimGame::start(SimGameConfig::default()).expect("a simulated game server");
        let mut daemon = Daemon::start(folder.path(), &url, &game.socketio_url());
        game.wait_connections(1, Duration::from_secs(60), |clients| clients.current).expect("connected");
        let began = Instant::now();
        game.wait_for(u64::try_from(count).expect("few"), ROUND_MAX).expect("everything arrives");
        while runtime.block_on(left(&db)) > 0 {
            assert!(began.elapsed() < ROUND_MAX, "everything is marked");
            std::thread::sleep(Duration::from_millis(5));
        }
        let took = began.elapsed();
        let memory_kib = daemon.memory_kib();
        daemon.stop();
        let received = game.received();
        assert_eq!(received.len(), count, "each once");
        runtime.block_on(db.close()).expect("closed");
        Self { took, frame_bytes: received[0].raw.len(), memory_kib }
    }
}

async fn pile_up(db: &DatabaseConnection, count: usize) {
    let is_postgres = db.get_database_backend() == DbBackend::Postgres;
    let numbers = if is_postgres { waiting_awards::numbers_postgres } else { waiting_awards::numbers_sqlite };
    for statement in waiting_awards::statements(numbers, PLAYERS, count) {
        db.execute_unprepared(&statement).await.expect("rows");
    }
}

async fn left(db: &DatabaseConnection) -> i64 {
    let sql = "SELECT COUNT(*) AS waiting FROM mining_events WHERE notified = FALSE";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.expect("a look");
    row.expect("a row").try_get("", "waiting").expect("a count")
}

/// The real program; it ends with this value.
struct Daemon(Child);

impl Daemon {
    fn start(folder: &Path, database: &str, game: &str) -> Self {
        std::fs::write(folder.join("empty.toml"), "").expect("a writable folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_pool-poller"));
        let environment = [
            ("DATABASE_URL", database),
            ("SOCKETIO_URL", game),
            ("CPU_POOL_ENABLED", "false"),
            ("RPLANT_ENABLED", "false"),
            ("ZPOOL_ENABLED", "false"),
            ("LOG_LEVEL", "ERROR"),
        ];
        command.current_dir(folder).env_clear().envs(environment).args(["run", "--config", "empty.toml"]);
        Self(command.stdout(Stdio::null()).spawn().expect("the program"))
    }

    /// The most memory it ever had.
    fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a figure");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }

    fn stop(&mut self) {
        // A kill is safe at any time, and everything has been marked.
        self.0.kill().expect("a process");
        self.0.wait().expect("its end");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
