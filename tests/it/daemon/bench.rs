//! What one test has to itself: a working directory, a database, simulated pools and a simulated game server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use entity::mining_events;
use pool_poller::domain::Amount;
use pool_poller::sim::{SimGame, SimGameConfig, SimPool, SimPools, SimPoolsConfig, WorldConfig};
use tempfile::TempDir;

use super::process::Daemon;
use super::rows::Rows;
use super::{DEADLINE, amount, eventually};
use crate::support::pg::TestDatabase;

/// The database engine of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    PostgreSql,
}

/// What every wallet of a test was paid before the test: a position that begins above zero is not held back.
pub(crate) const PAST: &str = "10.5";

/// A pool that no compiled-in file describes.
const EXTRA_POOL: &str = r#"
name = "extra"
url = "{URL}/{wallet}"
[wallet]
pattern = "[0-9A-Za-z]+"
[paid]
pointer = "/totalPaid"
[figures]
balance = "/pendingBalance"
total_shares = "/pendingShares"
[currency]
constant = "ADVC"
"#;

pub(crate) struct Bench {
    pub(crate) pools: SimPools,
    pub(crate) game: SimGame,
    pub(crate) rows: Rows,
    environment: BTreeMap<String, String>,
    folder: TempDir,
    /// Dropped after the connections to it.
    _database: Option<TestDatabase>,
}

impl Bench {
    /// Everything started, all tables there, and no pool enabled.
    pub(crate) fn new(engine: Engine) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        match engine {
            Engine::Sqlite => {
                let url = format!("sqlite://{}/game.db?mode=rwc", folder.path().display());
                Self::assemble(&url, folder, None)
            }
            Engine::PostgreSql => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let database = runtime.block_on(TestDatabase::create());
                let url = database.url().to_owned();
                Self::assemble(&url, folder, Some(database))
            }
        }
    }

    /// On an empty database of the caller's.
    pub(crate) fn on(url: &str) -> Self {
        Self::assemble(url, tempfile::tempdir().expect("a folder"), None)
    }

    fn assemble(url: &str, folder: TempDir, database: Option<TestDatabase>) -> Self {
        let config = SimPoolsConfig { world: WorldConfig::default(), ..SimPoolsConfig::default() };
        let pools = SimPools::start(config).expect("simulated pools");
        let game = SimGame::start(SimGameConfig::default()).expect("a simulated game server");
        // Instead of /etc/pool-poller/config.toml, which a test must not depend on.
        fs::write(folder.path().join("empty.toml"), "").expect("a writable folder");
        let mut environment: BTreeMap<String, String> = [
            ("DATABASE_URL", url.to_owned()),
            ("SOCKETIO_URL", game.socketio_url()),
            ("POLL_INTERVAL_SECONDS", "1".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for pool in [SimPool::CpuPool, SimPool::Rplant, SimPool::Zpool] {
            environment.insert(format!("{}_URL", prefix(pool)), pools.url(pool));
            environment.insert(format!("{}_ENABLED", prefix(pool)), "false".to_owned());
        }
        let migrated = run(command(folder.path(), &environment, &["migrate"]));
        assert!(migrated.status.success(), "migrate: {}", String::from_utf8_lossy(&migrated.stderr));
        Self { pools, game, rows: Rows::connect(url), environment, folder, _database: database }
    }

    /// With these pools enabled.
    pub(crate) fn with(engine: Engine, pools: &[SimPool]) -> Self {
        let mut bench = Self::new(engine);
        bench.enable(pools);
        bench
    }

    pub(crate) fn enable(&mut self, pools: &[SimPool]) {
        for pool in pools {
            if *pool == SimPool::Extra {
                self.add_extra_pool("config/pools", "");
            } else {
                self.set(&format!("{}_ENABLED", prefix(*pool)), "true");
            }
        }
    }

    /// Describes the pool `extra` in a file of `folder` below the working directory; `more` comes first in it.
    pub(crate) fn add_extra_pool(&self, folder: &str, more: &str) {
        self.write(&format!("{folder}/extra.toml"), &self.extra_pool(more));
    }

    /// The text of that file.
    pub(crate) fn extra_pool(&self, more: &str) -> String {
        format!("{more}\n{}", EXTRA_POOL.replace("{URL}", &self.pools.url(SimPool::Extra)))
    }

    /// Writes a file below the working directory.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
        fs::write(path, text).expect("a writable folder");
    }

    /// A name below the working directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the database is, for a further connection to it.
    pub(crate) fn database_url(&self) -> &str {
        &self.environment["DATABASE_URL"]
    }

    /// Sets an environment variable of the programs started from here on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Takes an environment variable away from the programs started from here on.
    pub(crate) fn unset(&mut self, name: &str) {
        self.environment.remove(name);
    }

    /// Writes the file that `--config` names, which a running daemon reads again at a SIGHUP.
    pub(crate) fn configure(&self, text: &str) {
        self.write("empty.toml", text);
    }

    /// Adds a verified player with a past on every pool. Answers the wallet.
    pub(crate) fn add_player(&self, username: &str) -> String {
        let wallet = wallet(username);
        self.rows.add_player(username, &wallet);
        self.open_accounts(&wallet, PAST);
        wallet
    }

    /// Gives a wallet a past on every pool.
    pub(crate) fn open_accounts(&self, wallet: &str, paid: &str) {
        for pool in SimPool::ALL {
            self.pools.world().add_account(pool, wallet, amount(paid));
        }
    }

    /// A payout.
    pub(crate) fn pay(&self, pool: SimPool, wallet: &str, paid: &str) {
        self.pools.world().pay(pool, wallet, amount(paid)).expect("a payout");
    }

    /// The program with `arguments`, ready to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command(self.folder.path(), &self.environment, arguments)
    }

    /// The program, which may write no file larger than so many KiB: it fails as on a full disk.
    pub(crate) fn command_with_file_limit(&self, kib: u32, arguments: &[&str]) -> Command {
        let program = self.command(arguments);
        let mut limited = Command::new("sh");
        // Without the trap, the signal that comes with the failed write would end the program. The shell counts in half KiB.
        limited.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kib * 2));
        limited.arg(program.get_program()).args(program.get_args()).env_clear().current_dir(self.folder.path());
        limited.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        limited
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        run(self.command(arguments))
    }

    /// Starts the daemon and waits until it says so.
    pub(crate) fn start(&self) -> Daemon {
        let daemon = Daemon::spawn(self.command(&["run"]));
        daemon.wait_for("started");
        daemon
    }

    /// Starts the daemon and waits until each of `positions` wallets on pools has one.
    pub(crate) fn start_with_positions(&self, positions: usize) -> Daemon {
        let daemon = self.start();
        self.wait_positions(positions);
        daemon
    }

    pub(crate) fn wait_positions(&self, count: usize) {
        eventually("positions", DEADLINE, || (self.rows.positions().len() >= count).then_some(()));
    }

    /// Waits for so many awards, and answers them.
    pub(crate) fn wait_awards(&self, count: usize) -> Vec<mining_events::Model> {
        eventually("awards", DEADLINE, || Some(self.rows.awards()).filter(|awards| awards.len() >= count))
    }

    /// Waits until there are so many awards and the game server has acknowledged them all.
    pub(crate) fn wait_notified(&self, count: usize) -> Vec<mining_events::Model> {
        eventually("acknowledged awards", DEADLINE, || {
            let awards = self.rows.awards();
            (awards.len() >= count && awards.iter().all(|award| award.notified)).then_some(awards)
        })
    }

    /// What the pools paid to each wallet, as [`Rows::awarded`] shows what was awarded.
    pub(crate) fn paid(&self) -> BTreeMap<(String, String), Amount> {
        let mut sums = BTreeMap::new();
        for payout in self.pools.payouts() {
            let key = (payout.pool.name().to_owned(), payout.wallet.as_ref().to_owned());
            let sum = sums.entry(key).or_insert(Amount::ZERO);
            *sum = sum.checked_add(payout.amount).expect("a small sum");
        }
        sums
    }
}

/// A wallet of a form that every pool takes.
pub(crate) fn wallet(username: &str) -> String {
    format!("{:A<34}", format!("W{username}"))
}

fn prefix(pool: SimPool) -> String {
    pool.name().to_ascii_uppercase().replace('-', "_")
}

fn command(folder: &Path, environment: &BTreeMap<String, String>, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pool-poller"));
    command.current_dir(folder).env_clear().envs(environment).args(["--config", "empty.toml"]).args(arguments);
    command
}

fn run(command: Command) -> Output {
    let mut daemon = Daemon::spawn(command);
    let status = daemon.wait_exit(DEADLINE + Duration::from_secs(60));
    let lines = daemon.logged();
    let stderr: Vec<String> = lines.iter().map(|line| line.as_str().map_or_else(|| line.to_string(), str::to_owned)).collect();
    Output { status, stdout: daemon.printed().into_bytes(), stderr: stderr.join("\n").into_bytes() }
}
