//! A parser that panics, and a database that goes away under load.

use std::thread;
use std::time::{Duration, Instant};

use pool_poller::sim::{Fault, Script, SimPool};

use super::account::{assert_balanced, payday, settle};
use super::bench::{Bench, Engine};
use super::process::Daemon;
use super::rows::Rows;
use super::{DEADLINE, money, on_both_engines};
use crate::support::own_cluster::OwnCluster;

on_both_engines!(a_panicking_parser_suspends_only_its_pool);

fn a_panicking_parser_suspends_only_its_pool(engine: Engine) {
    let mut bench = Bench::with(engine, &[SimPool::CpuPool]);
    bench.add_extra_pool("config/pools", r#"panic_when_body_contains = "poison""#);
    let wallets = ["alice", "bob"].map(|name| bench.add_player(name));
    bench.set("LOG_LEVEL", "INFO");
    let mut daemon = bench.start_with_positions(4);
    let poisoned = Script::next(1, Fault::body(r#"{"totalPaid":"poison"}"#)).for_wallet(&wallets[0]);
    bench.pools.script(SimPool::Extra, poisoned);
    for wallet in &wallets {
        bench.pay(SimPool::Extra, wallet, "1.5");
        bench.pay(SimPool::CpuPool, wallet, "2.5");
    }
    daemon.wait_for("panic");
    let restarting = daemon.wait_for("actor_restarting");
    assert_eq!(restarting["actor"], "pool extra");
    let restarted = Instant::now();

    // The rest does not notice.
    daemon.cycles(2);
    bench.pay(SimPool::CpuPool, &wallets[0], "3.5");
    let others = || bench.rows.awards().into_iter().filter(|award| award.pool_name == "cpu-pool").count();
    super::eventually("the other pool's awards", DEADLINE, || (others() >= 3).then_some(()));
    assert!(restarted.elapsed() < Duration::from_secs(8), "while the pool that panicked is left alone");

    // The pool comes back by itself, and what it did not say is not lost.
    bench.wait_notified(5);
    assert!(daemon.is_alive());
    settle(&bench);
    assert_eq!(bench.rows.events().len(), 5);
    assert_eq!((daemon.count("panic"), daemon.count("actor_restarting")), (1, 1));
    daemon.stop();
    assert_balanced(&bench);
    let ap: Vec<_> = bench.rows.players().iter().map(|player| player.total_ap).collect();
    assert_eq!(ap, [money("750"), money("400")]);
}

const POOLS: [SimPool; 3] = [SimPool::CpuPool, SimPool::Rplant, SimPool::Extra];

fn players(bench: &Bench) -> Vec<String> {
    ["alice", "bob", "carol"].map(|name| bench.add_player(name)).into()
}

#[test]
fn a_postgresql_that_crashes_under_load_and_comes_back_costs_nothing() {
    let mut cluster = OwnCluster::start(0);
    let mut bench = Bench::on(cluster.url());
    bench.enable(&POOLS);
    let wallets = players(&bench);
    let mut daemon = bench.start_with_positions(POOLS.len() * wallets.len());
    payday(&bench.pools, &POOLS, &wallets, 11, || {
        bench.game.wait_for(5, DEADLINE).unwrap();
        cluster.stop_immediate();
        daemon.wait_for("database_unavailable");
        daemon.wait_for("polling_cycle_failed");
        // Long enough for every connection and every retry to fail.
        thread::sleep(Duration::from_secs(4));
        assert!(daemon.is_alive());
        let told = bench.game.distinct_events();
        cluster.restart();
        daemon.wait_for("database_back");
        bench.game.wait_for(told + 5, DEADLINE).unwrap();
    });
    bench.rows = Rows::connect(cluster.url());
    settle(&bench);
    assert_eq!(daemon.count("actor_panicked") + daemon.count("actor_restarting"), 0);
    daemon.stop();
    assert_balanced(&bench);
}

#[test]
fn a_sqlite_file_that_another_process_locks_for_long_costs_nothing() {
    let bench = Bench::with(Engine::Sqlite, &POOLS);
    let wallets = players(&bench);
    let mut daemon = bench.start_with_positions(POOLS.len() * wallets.len());
    let other = Rows::connect(bench.database_url());
    payday(&bench.pools, &POOLS, &wallets, 12, || {
        bench.game.wait_for(5, DEADLINE).unwrap();
        other.execute("BEGIN IMMEDIATE");
        let awards = bench.rows.awards().len();
        // Until the program has given up waiting for the lock once.
        daemon.wait_for("database_unavailable");
        assert_eq!(bench.rows.awards().len(), awards, "the lock was held");
        assert!(daemon.is_alive());
        other.execute("COMMIT");
        daemon.wait_for("database_back");
        bench.wait_awards(awards + 5);
    });
    settle(&bench);
    assert_eq!(daemon.count("actor_panicked") + daemon.count("actor_restarting"), 0);
    daemon.stop();
    assert_balanced(&bench);
}

#[test]
fn a_database_that_comes_up_after_the_daemon_is_waited_for_and_one_that_refuses_is_not() {
    let mut cluster = OwnCluster::start(0);
    let mut bench = Bench::on(cluster.url());
    bench.enable(&[SimPool::CpuPool]);
    bench.add_player("alice");
    cluster.stop_fast();

    // Nothing has begun yet, so it ends at once.
    let waiting = Daemon::spawn(bench.command(&["run", "--database-wait", "600"]));
    waiting.wait_for("database_unavailable");
    waiting.stop();
    // Exit code 78 would keep systemd from starting it again.
    let output = bench.run(&["run", "--database-wait", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.ends_with("; it was waited for 1 s") && said.contains("pool-poller: DATABASE_URL is "), "{said}");
    assert_eq!(bench.run(&["run"]).status.code(), Some(78));

    let waiting = Daemon::spawn(bench.command(&["run", "--database-wait", "600"]));
    waiting.wait_for("database_unavailable");
    cluster.restart();
    waiting.wait_for("database_back");
    waiting.wait_for("started");
    waiting.cycles(1);
    waiting.stop();

    let mut unknown = url::Url::parse(cluster.url()).expect("a URL");
    unknown.set_username("nobody").expect("a user");
    bench.set("DATABASE_URL", unknown.as_str());
    assert_eq!(bench.run(&["run", "--database-wait", "600"]).status.code(), Some(78), "waiting would not help: {unknown}");
}
