//! The commands of the README, done as they stand there.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Output;

use pool_poller::sim::SimPool;

use super::bench::{Bench, Engine, PAST};
use super::process::Daemon;
use super::{DEADLINE, eventually, money};
use crate::support::readme::{commands, commands_below, mentioned, shell};

/// The wallet that the README adds a player with.
const WALLET: &str = "AMf6wPvUz9GTjMyPbUFyXwaJxJqQWg3kd8";

fn succeeds(bench: &Bench, line: &str) -> Output {
    let output = shell(&bench.command(&[]), line).output().expect("a shell");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn each_command_is_below_a_heading_whose_commands_are_executed() {
    let headings: BTreeSet<&str> = commands().into_iter().map(|(heading, _)| heading).collect();
    let executed = BTreeSet::from([
        // Here.
        "Try it",
        "Run it",
        "What a person decides",
        // By `takeover::report`.
        "Takeover",
        // By the trial, on a whole system.
        "As a service",
        "As a Debian package",
        "Logs and metrics",
        "Backup and restore",
        // These are what runs this test.
        "Development",
    ]);
    assert_eq!(headings, executed);
    assert_eq!(commands_below("Development"), ["tests/run", "bash .ci/run"]);
}

/// The program with the arguments that cargo gives it: cargo's own part is done by `.ci/run`.
fn without_cargo(line: &str) -> String {
    let arguments = line.strip_prefix("cargo run").unwrap_or_else(|| panic!("{line} is no cargo run"));
    let arguments = arguments.trim_start_matches(" --release").trim_start_matches(" --");
    format!("exec pool-poller{arguments}")
}

#[test]
fn the_demo_balances() {
    let bench = Bench::new(Engine::Sqlite);
    for line in commands_below("Try it") {
        let output = succeeds(&bench, &without_cargo(line));
        let printed = String::from_utf8_lossy(&output.stdout);
        let last: Vec<&str> = printed.lines().last().expect("lines").split_whitespace().collect();
        assert_eq!(last, ["difference", "0", "0"], "{printed}");
        let awarded = printed.lines().find(|line| line.starts_with("events awarded")).expect("its line");
        let count = awarded.split_whitespace().nth(2).and_then(|count| count.parse().ok());
        assert!(count.is_some_and(|count: u32| count > 10), "{printed}");
    }
}

#[test]
fn a_first_run_adds_a_player_and_awards() {
    let bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.open_accounts(WALLET, PAST);
    let mut daemon = None;
    for line in commands_below("Run it") {
        if line.starts_with("cargo ") {
            let empty = Bench::new(Engine::Sqlite);
            let first = Daemon::spawn(shell(&empty.command(&[]), &without_cargo(line)));
            first.wait_for("no_verified_players");
            first.stop();
        } else if line.ends_with(" run") {
            let started = Daemon::spawn(shell(&bench.command(&[]), &format!("exec {line}")));
            started.wait_for("started");
            daemon = Some(started);
        } else {
            succeeds(&bench, line);
        }
    }
    let daemon = daemon.expect("the README runs it");
    bench.wait_positions(1);
    bench.pay(SimPool::CpuPool, WALLET, "1.5");
    assert_eq!(bench.wait_notified(1)[0].ap_awarded, money("150"));
    daemon.stop();
}

#[test]
fn what_a_person_decides_is_done() {
    let bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    let wallets: Vec<String> = (1..=16).map(|number| bench.add_player(&format!("player{number}"))).collect();
    let daemon = bench.start_with_positions(16);
    for wallet in &wallets {
        bench.pay(SimPool::CpuPool, wallet, "1.5");
    }
    bench.wait_notified(16);
    bench.pay(SimPool::CpuPool, &wallets[0], "100001");
    daemon.wait_for("payout_held");
    assert_eq!(bench.rows.events().last().expect("an event").id, 17, "the number in the README");
    for line in commands_below("What a person decides") {
        let output = succeeds(&bench, line);
        assert!(!output.stdout.is_empty(), "{line} says what it did");
    }
    // Approved, and one taken back.
    bench.wait_notified(18);
    let events = bench.rows.events();
    assert_eq!((events[16].ap_awarded, events[17].reverses), (money("10000100"), Some(12)));
    assert_eq!(bench.rows.positions().iter().find(|position| position.id == 3).expect("it").epoch, 1);
    succeeds(&bench, "pool-poller verify");
    daemon.stop();
}

#[test]
fn what_is_mentioned_can_be_done() {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    // A command of its own asks there, so it must be known.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port").local_addr().expect("a port");
    bench.set("STATUS_LISTEN", &free.to_string());
    let wallet = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    bench.pay(SimPool::CpuPool, &wallet, "1.5");
    bench.wait_notified(1);
    eventually("a cycle", DEADLINE, || (daemon.count("polling_cycle_complete") > 0).then_some(()));
    for line in mentioned() {
        let words: Vec<&str> = line
            .split(' ')
            .map(|word| match word {
                "PLAYER" | "P" => "alice",
                "POOL" | "NAME" => "cpu-pool",
                "ADDRESS" | "WALLET" | "W" => &wallet,
                word => word,
            })
            .collect();
        succeeds(&bench, &words.join(" "));
    }
    daemon.stop();
}
