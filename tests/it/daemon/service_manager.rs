//! Under a service manager: the test plays systemd's part on the socket that `NOTIFY_SOCKET` names.

use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pool_poller::sim::{Fault, Script, SimPool};
use tempfile::TempDir;

use super::bench::{Bench, Engine, wallet};
use super::process::Daemon;
use super::rows::Rows;
use super::{DEADLINE, eventually, on_both_engines};

/// `WatchdogSec` of these tests.
const PATIENCE: Duration = Duration::from_secs(3);

type Messages = Vec<(Instant, String)>;

/// The socket, and what arrived at it.
struct Systemd {
    folder: TempDir,
    received: Arc<(Mutex<Messages>, Condvar)>,
}

impl Systemd {
    fn listen() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
        let received = Arc::new((Mutex::new(Messages::new()), Condvar::new()));
        let writer = Arc::clone(&received);
        // Ends with the process of the tests: a datagram socket is never closed by its other side.
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let mut messages = writer.0.lock().unwrap_or_else(PoisonError::into_inner);
                messages.extend(text.lines().map(|line| (Instant::now(), line.to_owned())));
                writer.1.notify_all();
            }
        });
        Self { folder, received }
    }

    /// A daemon that is started from here on reports to this.
    fn watch(&self, bench: &mut Bench) {
        bench.set("NOTIFY_SOCKET", &self.folder.path().join("notify").display().to_string());
        bench.set("WATCHDOG_USEC", &PATIENCE.as_micros().to_string());
    }

    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.received.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, message: &str) -> bool {
        self.messages().iter().any(|(_, line)| line == message)
    }

    /// The first message that satisfies `wanted`, be it there already or later, and when it came.
    fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> (Instant, String) {
        let deadline = Instant::now() + DEADLINE;
        let mut messages = self.messages();
        loop {
            if let Some(found) = messages.iter().find(|(_, line)| wanted(line)) {
                return found.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} among {messages:?}");
            messages = self.received.1.wait_timeout(messages, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// When the newest sign of life came.
    fn last_beat(&self) -> Option<Instant> {
        self.messages().iter().rev().find(|(_, line)| line == "WATCHDOG=1").map(|(at, _)| *at)
    }

    /// Waits as systemd does until there was no sign of life for so long that it kills. Answers when that is.
    fn kill_at(&self) -> Instant {
        eventually("the watchdog's time is over", DEADLINE, || {
            self.last_beat().map(|beat| beat + PATIENCE).filter(|over| Instant::now() >= *over)
        })
    }
}

on_both_engines!(it_is_ready_after_the_start_shows_each_cycle_and_says_good_bye);

fn it_is_ready_after_the_start_shows_each_cycle_and_says_good_bye(engine: Engine) {
    let systemd = Systemd::listen();
    let mut bench = Bench::with(engine, &[SimPool::CpuPool, SimPool::Rplant]);
    bench.add_player("alice");
    systemd.watch(&mut bench);
    assert!(systemd.messages().is_empty(), "a command that is no daemon says nothing");
    let daemon = bench.start_with_positions(2);
    systemd.wait("READY", |line| line == "READY=1");
    let status = "STATUS=cycle ";
    let (_, first) =
        systemd.wait("status", |line| line.starts_with(status) && line.contains(" 2 of 2 pools up, 0 events waiting"));
    systemd.wait("renewed status", |line| line.starts_with(status) && line != first);
    systemd.wait("sign of life", |line| line == "WATCHDOG=1");
    assert!(!systemd.has("STOPPING=1"));
    daemon.stop();
    assert_eq!(systemd.messages().last().expect("messages").1, "STOPPING=1", "the last word");
    assert_eq!(systemd.messages().iter().filter(|(_, line)| line == "READY=1").count(), 1);
}

#[test]
fn the_status_counts_a_pool_that_is_left_alone_as_down_and_says_how_much_waits() {
    let systemd = Systemd::listen();
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool, SimPool::Rplant]);
    let wallet = bench.add_player("alice");
    bench.set("SOCKETIO_URL", "");
    systemd.watch(&mut bench);
    let daemon = bench.start_with_positions(2);
    bench.pools.script(SimPool::Rplant, Script::standing(Fault::status(503)));
    bench.pay(SimPool::CpuPool, &wallet, "1.5");
    systemd.wait("status", |line| line.ends_with(", 1 of 2 pools up, 1 event waiting"));
    daemon.stop();
}

#[test]
fn it_is_not_ready_before_the_database_lets_itself_be_written() {
    let systemd = Systemd::listen();
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.add_player("alice");
    systemd.watch(&mut bench);
    let other = Rows::connect(bench.database_url());
    other.execute("BEGIN IMMEDIATE");
    let daemon = bench.start();
    // It was asked, and the lock was waited for.
    systemd.wait("status", |line| line.starts_with("STATUS=waiting for the database: "));
    assert!(!systemd.has("READY=1"));
    assert!(systemd.last_beat().is_some(), "it lives nonetheless");
    other.execute("COMMIT");
    systemd.wait("READY", |line| line == "READY=1");
    daemon.stop();
}

on_both_engines!(ready_comes_after_a_write_that_the_database_keeps);

fn ready_comes_after_a_write_that_the_database_keeps(engine: Engine) {
    let systemd = Systemd::listen();
    // No pool is asked, so nothing else is written.
    let mut bench = Bench::new(engine);
    bench.add_player("alice");
    systemd.watch(&mut bench);
    let written = match engine {
        Engine::Sqlite => "SELECT CAST(data_version AS TEXT) FROM pragma_data_version",
        Engine::PostgreSql => "SELECT n_tup_ins || '/' || n_tup_del FROM pg_stat_user_tables WHERE relname = 'pool_snapshots'",
    };
    let before = bench.rows.texts(written);
    let rows = bench.rows.everything();
    let daemon = bench.start();
    systemd.wait("READY", |line| line == "READY=1");
    // PostgreSQL's statistics come a little later.
    eventually("a write", DEADLINE, || (bench.rows.texts(written) != before).then_some(()));
    assert_eq!(bench.rows.everything(), rows, "and no row is left");
    daemon.stop();
}

#[test]
fn it_is_not_ready_while_the_disk_is_full() {
    let systemd = Systemd::listen();
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.add_player("alice");
    systemd.watch(&mut bench);
    let daemon = Daemon::spawn(bench.command_with_file_limit(1, &["run"]));
    daemon.wait_for("started");
    systemd.wait("status", |line| line.starts_with("STATUS=waiting for the database: "));
    daemon.wait_for("database_unavailable");
    assert!(!systemd.has("READY=1"));
    daemon.kill();
    let daemon = bench.start_with_positions(1);
    systemd.wait("READY", |line| line == "READY=1");
    daemon.stop();
}

#[test]
fn a_reload_is_told_and_a_pool_that_left_is_not_missed() {
    let systemd = Systemd::listen();
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool, SimPool::Extra]);
    bench.add_player("alice");
    systemd.watch(&mut bench);
    let daemon = bench.start_with_positions(2);
    systemd.wait("READY", |line| line == "READY=1");
    bench.write("config/pools/extra.toml", &bench.extra_pool("enabled = false"));
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for("reloaded");
    systemd.wait("status", |line| line.ends_with(" 1 of 1 pools up, 0 events waiting"));
    let told: Vec<String> = systemd.messages().iter().map(|(_, line)| line.clone()).collect();
    let reloading = told.iter().position(|line| line == "RELOADING=1").expect("it is told");
    assert!(told[reloading + 1].starts_with("MONOTONIC_USEC="), "{told:?}");
    assert!(told[reloading + 2..].iter().any(|line| line == "READY=1"), "{told:?}");
    let began = Instant::now();
    eventually("signs of life", DEADLINE, || systemd.last_beat().filter(|beat| *beat > began + PATIENCE));
    assert_eq!(daemon.count("actor_does_not_answer"), 0);
    daemon.stop();
}

#[test]
fn it_is_never_ready_without_a_database() {
    let systemd = Systemd::listen();
    let mut bench = Bench::new(Engine::Sqlite);
    systemd.watch(&mut bench);
    bench.set("DATABASE_URL", "sqlite:///not/there/game.db?mode=rwc");
    assert_eq!(bench.run(&["run"]).status.code(), Some(78));
    assert!(systemd.messages().is_empty(), "{:?}", systemd.messages());
}

#[test]
fn an_actor_that_hangs_gets_the_process_killed_within_the_watchdogs_time_and_a_second() {
    let systemd = Systemd::listen();
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    let hangs = format!("hang_when_asked_about = {:?}", wallet("bob"));
    bench.add_extra_pool("config/pools", &hangs);
    bench.add_player("alice");
    systemd.watch(&mut bench);
    let mut daemon = bench.start_with_positions(2);
    let began = systemd.wait("sign of life", |line| line == "WATCHDOG=1").0;
    // Signs of life for longer than the process would be borne without any.
    eventually("signs of life", DEADLINE, || systemd.last_beat().filter(|beat| *beat > began + PATIENCE));

    bench.add_player("bob");
    daemon.wait_for("fault injection: hangs");
    let hung = Instant::now();
    let killed = systemd.kill_at();
    assert!(killed <= hung + PATIENCE + Duration::from_secs(1), "{:?} after it began to hang", killed - hung);
    let silent = daemon.wait_for("actor_does_not_answer");
    assert_eq!(silent["actors"], "pool extra");
    // The others go on: it is the watchdog, and not a dead process.
    let answered = bench.pools.requests(SimPool::CpuPool).good;
    assert!(bench.pools.wait_counts(SimPool::CpuPool, DEADLINE, |counts| counts.good > answered + 2));
    assert!(daemon.is_alive());
    daemon.signal(Signal::SIGABRT);
    assert_eq!(daemon.wait_exit(DEADLINE).code(), None, "killed by a signal");

    // Started anew, without what made it hang, it goes on where it was.
    bench.add_extra_pool("config/pools", "");
    let ready = systemd.messages().iter().filter(|(_, line)| line == "READY=1").count();
    let daemon = bench.start_with_positions(4);
    eventually("READY", DEADLINE, || {
        (systemd.messages().iter().filter(|(_, line)| line == "READY=1").count() > ready).then_some(())
    });
    daemon.stop();
}
