//! The servers, a database and the daemon between them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::board::Board;
use super::child::Role;
use super::daemon::{Cycle, Setup};
use super::database::{Engine, number};
use super::game::Game;
use super::pools::Pools;

/// Cycles after which a new position has settled and a reading changes nothing any more.
const SETTLING_CYCLES: usize = 4;
/// Whatever takes longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
/// Requests at once on each pool.
pub(crate) const CONCURRENCY: usize = 32;

/// The world around the daemon.
pub(crate) struct Stage {
    pub(crate) board: Arc<Board>,
    pub(crate) pools: Pools,
    pub(crate) game: Game,
    pinned: bool,
}

impl Stage {
    /// Servers that know the players 1 to `players`. `pinned`: they have one core and the daemon another.
    pub(crate) fn new(players: usize, pinned: bool) -> Self {
        let board = Board::new(players);
        Self { pools: Pools::start(&board, pinned), game: Game::start(&board, pinned), board, pinned }
    }

    /// Starts the daemon on a database. Without an interval its first cycle begins at once and each next one when it is asked for.
    pub(crate) fn daemon(&self, folder: &Path, database: &str, interval: Option<Duration>) -> Role {
        self.daemon_as(None, folder, database, interval)
    }

    /// The same daemon with an allocator that counts, where there is one.
    pub(crate) fn counting_daemon(&self, folder: &Path, database: &str) -> Option<Role> {
        let program = std::env::var_os("BENCH_COUNTING")?;
        Some(self.daemon_as(Some(Path::new(&program)), folder, database, None))
    }

    fn daemon_as(&self, counting: Option<&Path>, folder: &Path, database: &str, interval: Option<Duration>) -> Role {
        let setup = Setup {
            database: database.to_owned(),
            game: self.game.url(),
            pools: [0, 1, 2].map(|pool| self.pools.base(pool)),
            concurrency: CONCURRENCY,
            interval_ms: interval.map(|interval| u64::try_from(interval.as_millis()).expect("short")),
            pinned: self.pinned,
            folder: folder.to_owned(),
        };
        match counting {
            Some(program) => Role::start_as(program, "daemon", &setup),
            None => Role::start("daemon", &setup),
        }
    }

    /// A new database whose positions are open and settled. Answers its URL.
    pub(crate) fn settled(&self, engine: Engine, folder: &Path, name: &str, players: usize) -> String {
        let url = engine.fresh(folder, name, players);
        let mut daemon = self.daemon(folder, &url, None);
        for number in 0..SETTLING_CYCLES {
            if number > 0 {
                daemon.go_on();
            }
            whole(&daemon.next(), players);
        }
        daemon.finish();
        url
    }

    /// Lets each answer show one payout more, or none.
    pub(crate) fn payday(&self, is_payday: bool) {
        self.board.is_payday.store(is_payday, Ordering::Relaxed);
    }

    /// Waits until every payout was told once and marked.
    pub(crate) fn wait_told(&self, database: &str) {
        let payouts = self.board.payouts();
        self.game.wait_for(payouts, PATIENCE);
        assert_eq!(self.game.arrived(), (payouts, payouts), "each once");
        let began = Instant::now();
        while number(database, "SELECT COUNT(*) AS n FROM mining_events WHERE notified = FALSE") > 0 {
            assert!(began.elapsed() < PATIENCE, "everything is marked");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A cycle in which everybody was asked about on every pool, and everybody was answered.
pub(crate) fn whole(cycle: &Cycle, players: usize) {
    let all = 3 * players as u64;
    assert_eq!((cycle.requests, cycle.readings, cycle.failures, cycle.pools_skipped), (all, all, 0, 0), "{cycle:?}");
}
