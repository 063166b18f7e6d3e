//! Work that takes long is shown on a terminal, and only there.

use std::io::{BufRead as _, BufReader, Read};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use super::bench::{Bench, Engine};
use super::rows::Rows;
use super::{DEADLINE, eventually};
use crate::support::terminal::on_a_terminal;

/// Runs `arguments` on a terminal while another transaction holds a table, and lets that go when `shown` is seen. Answers the exit
/// code, and everything that was seen.
fn seen_while_waiting(bench: &Bench, holds: &str, arguments: &[&str], shown: &str) -> (Option<i32>, String) {
    let other = Rows::connect(bench.database_url());
    other.execute(&format!("BEGIN; LOCK TABLE {holds} IN ACCESS EXCLUSIVE MODE"));
    let mut program = on_a_terminal(&bench.command(arguments), None).spawn().expect("python");
    let mut output = BufReader::new(program.stdout.take().expect("a pipe"));
    output.read_line(&mut String::new()).expect("the process id");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&seen);
    let reader = thread::spawn(move || {
        let mut bytes = [0; 1024];
        while let Ok(length @ 1..) = output.read(&mut bytes) {
            writer.lock().expect("nobody panics").extend_from_slice(&bytes[..length]);
        }
    });
    let text = || String::from_utf8_lossy(&seen.lock().expect("nobody panics")).into_owned();
    eventually(shown, DEADLINE, || text().contains(shown).then_some(()));
    other.execute("COMMIT");
    let status = eventually("the end", DEADLINE, || program.try_wait().expect("it can be waited for"));
    reader.join().expect("a reader without a panic");
    (status.code(), text())
}

#[test]
fn work_that_takes_long_is_shown_until_it_is_done() {
    let bench = Bench::new(Engine::PostgreSql);
    bench.add_player("alice");
    bench.write("players.csv", "username,email,wallet\nbob,b@example.org,WbobAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
    for (holds, arguments, shown, result) in [
        ("positions", &["verify"][..], "waiting for the database, ", "0 differences"),
        ("listed_payouts", &["verify"], "checking positions [", "0 differences"),
        ("players", &["players", "import", "players.csv"], "checking players [", "1 players added"),
        ("pool_snapshots", &["prune", "--days", "1"], "counting snapshots, ", "0 snapshots from before"),
    ] {
        let (code, seen) = seen_while_waiting(&bench, holds, arguments, shown);
        assert_eq!(code, Some(0), "{arguments:?}: {seen}");
        let after = seen.rsplit(shown).next().expect("text");
        assert!(after.contains(result), "{arguments:?}: {seen:?}");
        assert!(after.contains("\u{1b}[2K") || after.contains("\u{1b}[J"), "the line is taken away: {seen:?}");
    }
}

#[test]
fn a_pipe_and_quick_work_show_nothing() {
    let bench = Bench::new(Engine::Sqlite);
    let verified = bench.run(&["verify"]);
    assert!(verified.status.success() && verified.stderr.is_empty(), "{verified:?}");
    let mut quick: Command = on_a_terminal(&bench.command(&["verify"]), None);
    let quick = quick.output().expect("python");
    assert!(quick.status.success());
    let seen = String::from_utf8_lossy(&quick.stdout);
    let lines: Vec<&str> = seen.lines().skip(1).collect();
    assert_eq!(lines, ["0 positions, 0 events of which 0 held, 0 reversals, 0 players: 0 differences"]);
}
