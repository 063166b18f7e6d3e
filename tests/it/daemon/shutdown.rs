//! How the program ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pool_poller::sim::{Fault, Script, SimPool};

use super::bench::{Bench, Engine};
use super::{DEADLINE, eventually, money, on_both_engines};
use crate::support::terminal::on_a_terminal;

/// What the specification allows.
const END_MAX: Duration = Duration::from_secs(10);

on_both_engines!(sigterm_in_mid_cycle_stores_the_readings_in_hand_and_the_next_start_continues);

fn sigterm_in_mid_cycle_stores_the_readings_in_hand_and_the_next_start_continues(engine: Engine) {
    let mut bench = Bench::with(engine, &[SimPool::Extra]);
    // The round in which everything is paid waits this long for the wallet that is never answered.
    bench.set("POOL_REQUEST_TIMEOUT", "3");
    let (_, bob, carol) = (bench.add_player("alice"), bench.add_player("bob"), bench.add_player("carol"));
    let mut daemon = bench.start_with_positions(3);
    let extra = SimPool::Extra;
    bench.pools.script(extra, Script::standing(Fault::Hang).for_wallet(&carol));
    assert!(bench.pools.wait_counts(extra, DEADLINE, |counts| counts.faulted >= 1));
    // A round is stuck at carol; the next one finds alice's and bob's payouts, bob's after a second.
    bench.pools.script(extra, Script::next(1, Fault::Delay(Duration::from_secs(1))).for_wallet(&bob));
    for player in bench.rows.players() {
        bench.pay(extra, &player.wallet_address, "1.5");
    }
    assert!(bench.pools.wait_counts(extra, DEADLINE, |counts| counts.faulted >= 3));
    let asked = Instant::now();
    daemon.signal(Signal::SIGTERM);
    let status = daemon.wait_exit(DEADLINE);
    assert_eq!(status.code(), Some(0));
    assert!(asked.elapsed() < END_MAX, "{:?}", asked.elapsed());
    assert_eq!(daemon.wait_for("stopping")["signal"], "SIGTERM");
    assert_eq!(daemon.logged().pop().unwrap()["message"], "stopped");
    let names = |bench: &Bench| -> Vec<String> {
        let paid = |name: &String| bench.rows.player(name).total_ap == money("150");
        ["alice", "bob", "carol"].map(str::to_owned).into_iter().filter(paid).collect()
    };
    assert_eq!(names(&bench), ["alice", "bob"], "what was answered is stored, and nothing is made up");

    bench.pools.clear_scripts(extra);
    let daemon = bench.start();
    bench.wait_notified(3);
    daemon.cycles(2);
    assert_eq!(names(&bench), ["alice", "bob", "carol"]);
    assert_eq!(bench.rows.events().len(), 3);
    daemon.stop();
    assert_eq!(bench.game.distinct_events(), 3);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let bench = Bench::with(Engine::Sqlite, &[SimPool::Extra]);
    bench.add_player("alice");
    let mut daemon = bench.start_with_positions(1);
    bench.pools.script(SimPool::Extra, Script::standing(Fault::Hang));
    assert!(bench.pools.wait_counts(SimPool::Extra, DEADLINE, |counts| counts.faulted >= 1));
    daemon.signal(Signal::SIGTERM);
    daemon.wait_for("stopping");
    daemon.signal(Signal::SIGINT);
    assert_eq!(daemon.wait_exit(END_MAX).code(), Some(130));
    assert_eq!(daemon.count("stopped"), 0, "the orderly end was cut short");
}

#[test]
fn sigint_ends_it_as_sigterm_does() {
    let bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.add_player("alice");
    let mut daemon = bench.start_with_positions(1);
    bench.game.wait_connections(1, DEADLINE, |clients| clients.current).unwrap();
    daemon.signal(Signal::SIGINT);
    assert_eq!(daemon.wait_exit(END_MAX).code(), Some(0));
    assert_eq!(daemon.wait_for("stopping")["signal"], "SIGINT");
    assert_eq!(bench.game.connections().current, 0, "the socket is closed");
}

#[test]
fn on_a_terminal_a_signal_reloads_and_the_end_of_the_terminal_ends_it() {
    let bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.add_player("alice");
    let log = bench.path("log");
    let mut python = on_a_terminal(&bench.command(&["run"]), Some(&log)).spawn().expect("python");
    let mut line = String::new();
    BufReader::new(python.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let pid = Pid::from_raw(line.trim().parse().expect("a process id"));
    let logged = |what: &str| fs::read_to_string(&log).unwrap_or_default().contains(&format!("\"message\":\"{what}\""));
    eventually("the start", DEADLINE, || logged("started").then_some(()));
    kill(pid, Signal::SIGHUP).expect("it is there");
    eventually("the reload", DEADLINE, || logged("reloaded").then_some(()));
    python.stdin.take().expect("a pipe").write_all(b"\n").expect("it reads");
    let status = eventually("the end", DEADLINE, || python.try_wait().expect("it can be waited for"));
    assert_eq!(status.code(), Some(0));
    let text = fs::read_to_string(&log).expect("a log");
    assert!(text.contains(r#""signal":"SIGHUP""#) && logged("stopped"), "{text}");
}
