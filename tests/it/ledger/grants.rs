//! `deploy/grants.sql`: with its rights and no others the daemon runs a payday, and can do nothing beyond.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pool_poller::sim::{SimGame, SimPool, SimPools, game::SimGameConfig, pools::SimPoolsConfig};
use pool_poller::store::connect;
use pool_poller::store::outbox::waiting;
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use url::Url;

use crate::support::required_env;

use super::bench::{Bench, Engine, amount, wallet};

const GRANTS: &str = include_str!("../../../deploy/grants.sql");
const DEADLINE: Duration = Duration::from_secs(60);

/// Makes a login that is a member of `role` and nothing else, and answers its URL.
async fn login(bench: &Bench, role: &str) -> String {
    let name = format!("test_{role}_{:016x}", fastrand::u64(..));
    bench.run(&format!("CREATE ROLE {name} LOGIN PASSWORD 'secret' IN ROLE {role}")).await;
    let mut url = Url::parse(&bench.url).unwrap();
    url.set_username(&name).unwrap();
    url.set_password(Some("secret")).unwrap();
    url.into()
}

fn program(url: &str, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pool-poller"));
    command.env_clear().env("DATABASE_URL", url).env("SOCKETIO_URL", "").env("USER", "olga").current_dir(folder);
    command
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn refused(db: &DatabaseConnection, sql: &str) {
    match db.execute_unprepared(sql).await {
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains("permission denied") || said.contains("must be owner"), "{sql}: {said}");
        }
        Ok(_) => panic!("{sql} is allowed"),
    }
}

#[actix_rt::test]
async fn the_daemon_runs_a_payday_with_no_more_rights_than_granted() {
    let bench = Bench::empty(Engine::Postgres).await;
    let folder = bench.file("");
    // Before PostgreSQL 15 everybody could make tables here.
    bench.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    // Once before the tables are there, for who makes them, and again for the rights on them.
    bench.run(GRANTS).await;
    let migrate = login(&bench, "pool_poller_migrate").await;
    succeed(program(&migrate, &folder).arg("migrate"));
    bench.run(GRANTS).await;
    bench.run(GRANTS).await;
    bench.player("ann").await;

    let run = login(&bench, "pool_poller_run").await;
    let pools = SimPools::start(SimPoolsConfig::default()).unwrap();
    let game = SimGame::start(SimGameConfig::default()).unwrap();
    for pool in [SimPool::CpuPool, SimPool::Rplant] {
        pools.world().add_account(pool, &wallet(1), amount("10"));
    }
    let mut daemon = program(&run, &folder);
    daemon
        .env("SOCKETIO_URL", game.socketio_url())
        .env("CPU_POOL_URL", pools.url(SimPool::CpuPool))
        .env("RPLANT_URL", pools.url(SimPool::Rplant))
        .env("ZPOOL_ENABLED", "false")
        .env("POLL_INTERVAL_SECONDS", "1")
        .env("SNAPSHOT_RETENTION_DAYS", "1")
        .stderr(Stdio::null());
    let mut daemon = Daemon(daemon.spawn().unwrap());
    for pool in [SimPool::CpuPool, SimPool::Rplant] {
        assert!(pools.wait_requests(pool, 2, DEADLINE));
    }
    for paid in 1..=3 {
        for pool in [SimPool::CpuPool, SimPool::Rplant] {
            pools.world().pay(pool, &wallet(1), amount("1.5")).unwrap();
        }
        game.wait_for(2 * paid, DEADLINE).unwrap();
    }
    assert_eq!(bench.total(1).await, "900 AP 9 ADVC #6");

    // What an operator decides meanwhile is told by the running daemon.
    pools.world().set_paid(SimPool::Rplant, &wallet(1), amount("14500"));
    let deadline = Instant::now() + DEADLINE;
    let held = loop {
        if let Some(held) = bench.events().await.into_iter().find(|event| event.status == "held") {
            break held.id.to_string();
        }
        assert!(Instant::now() < deadline, "a thousand times as much is held");
        actix_rt::time::sleep(Duration::from_millis(20)).await;
    };
    let operate = login(&bench, "pool_poller_operate").await;
    succeed(program(&operate, &folder).args(["events", "approve", &held, "--reason", "x"]));
    game.wait_for(7, DEADLINE).unwrap();
    succeed(program(&operate, &folder).args(["events", "reverse", &held, "--reason", "x"]));
    game.wait_for(8, DEADLINE).unwrap();
    let told = game.received();
    let told: Vec<String> = told.iter().rev().take(2).map(|notice| notice.payload["ap_awarded"].to_string()).collect();
    assert_eq!(told, ["-1448550", "1448550"]);
    let deadline = Instant::now() + DEADLINE;
    while waiting(&bench.db).await.unwrap() > 0 {
        assert!(Instant::now() < deadline, "not every award is marked as told");
        actix_rt::time::sleep(Duration::from_millis(20)).await;
    }
    daemon.stop();
    assert_eq!(bench.total(1).await, "900 AP 9 ADVC #8");
    bench.assert_verified().await;

    // What the daemon and its upkeep do beyond that.
    for command in [&["verify"][..], &["prune", "--days", "1"], &["explain", "ann"], &["positions", "show"]] {
        succeed(program(&run, &folder).args(command));
    }
    let dump = Path::new(&required_env("POOL_POLLER_TEST_PG_BIN")).join("pg_dump");
    for login in [&run, &operate] {
        succeed(Command::new(&dump).args(["--format=custom", "--no-sync", "--file=/dev/null", "--dbname", login]));
    }
    // A reversal is a decision, and the daemon's login makes none.
    let reversed = program(&run, &folder).args(["events", "reverse", "1", "--reason", "x"]).output().unwrap();
    assert!(
        !reversed.status.success() && String::from_utf8_lossy(&reversed.stderr).contains("permission denied"),
        "{reversed:?}"
    );
    let limited = connect(&run, "test").await.unwrap();
    for sql in [
        "UPDATE mining_events SET ap_awarded = 1000000",
        "UPDATE mining_events SET status = 'rejected'",
        "DELETE FROM mining_events",
        "DELETE FROM positions",
        "DELETE FROM players",
        "UPDATE players SET wallet_address = 'mine'",
        "UPDATE players SET verified = TRUE",
        "INSERT INTO player_wallets (player_id, pool_name, address) VALUES (1, 'zpool', 'mine')",
        "INSERT INTO position_rebases SELECT * FROM position_rebases",
        "TRUNCATE pool_snapshots",
        "UPDATE seaql_migrations SET version = 'x'",
        "CREATE TABLE mine (id integer)",
        "DROP TABLE anomalies",
    ] {
        refused(&limited, sql).await;
    }
}

#[actix_rt::test]
async fn an_operator_decides_with_the_rights_of_that_role() {
    let bench = Bench::new(Engine::Postgres).await;
    let folder = bench.file("");
    bench.run(GRANTS).await;
    let mut book = bench.book(pool_poller::domain::payout::FirstReading::Baseline);
    super::bench::read(&mut book, &[(1, "3"), (1, "3000"), (2, "5"), (2, "6"), (2, "1"), (1, "3000000")]).await;
    let run = login(&bench, "pool_poller_run").await;
    let output = program(&run, &folder).args(["events", "approve", "1", "--reason", "x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "the daemon's role decides nothing");
    assert!(String::from_utf8_lossy(&output.stderr).contains("permission denied"));

    let operate = login(&bench, "pool_poller_operate").await;
    for command in [
        &["events", "approve", "1", "--reason", "x"][..],
        &["events", "reject", "3", "--reason", "x"],
        &["events", "reverse", "2", "--reason", "x"],
        &["positions", "rebase", "2", "--reason", "x"],
        &["players", "wallet", "ann", "zpool", "bc1q"],
        &["players", "wallet", "ann", "zpool", "--remove"],
        &["players", "add", "carol", "--email", "c@example.org", "--wallet", "Carol", "--verified"],
        &["players", "deactivate", "carol"],
        &["verify"],
    ] {
        succeed(program(&operate, &folder).args(command));
    }
    bench.assert_verified().await;
    let limited = connect(&operate, "test").await.unwrap();
    for sql in ["DELETE FROM mining_events", "DELETE FROM position_rebases", "UPDATE mining_events SET advc_amount = 1"] {
        refused(&limited, sql).await;
    }
}

/// The daemon, ended with this value.
struct Daemon(std::process::Child);

impl Daemon {
    fn stop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended already where the test passed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
