//! `demo`: nothing but the program, and an account that balances.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pool_poller::domain::Amount;
use tempfile::TempDir;

use super::process::Daemon;
use super::{DEADLINE, amount};

/// The program in an empty folder with an empty environment, but for where its temporary folder is made.
fn demo(folder: &Path, duration: &str) -> Daemon {
    fs::create_dir(folder.join("tmp")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pool-poller"));
    command.current_dir(folder).env_clear().env("TMPDIR", folder.join("tmp")).args(["demo", "--duration", duration]);
    Daemon::spawn(command)
}

/// A line of the account: how many, and how much.
fn line(text: &str, what: &str) -> (u64, Amount) {
    let line = text.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_else(|| panic!("no line {what}: {text}"));
    let mut figures = line.split_whitespace();
    (figures.next().unwrap().parse().unwrap(), amount(figures.next().unwrap()))
}

/// Its account balances, each award was printed as it arrived, and nothing is left behind.
fn ended_well(folder: &TempDir, mut daemon: Daemon) {
    assert_eq!(daemon.wait_exit(DEADLINE).code(), Some(0));
    let text = daemon.printed();
    let paid = line(&text, "payouts made by the simulated pools");
    assert!(paid.0 > 0 && paid.1 > Amount::ZERO, "{text}");
    assert_eq!(line(&text, "events awarded"), paid, "{text}");
    assert_eq!(line(&text, "notifications received"), paid, "{text}");
    assert_eq!(line(&text, "difference"), (0, Amount::ZERO), "{text}");
    let arrivals: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|words: &Vec<&str>| words.get(4) == Some(&"ADVC"))
        .collect();
    assert!(arrivals.len() as u64 >= paid.0, "{text}");
    for words in arrivals {
        let [time, player, pool, advc, _, ap, "AP", "total", total, "AP"] = words[..] else { panic!("{words:?}") };
        assert!(time.len() == 8 && player.starts_with("player") && ["cpu-pool", "rplant", "zpool"].contains(&pool), "{words:?}");
        assert_eq!(amount(ap).units(), 100 * amount(advc).units(), "{words:?}");
        assert!(amount(total) >= amount(ap), "{words:?}");
    }
    assert_eq!(daemon.logged(), Vec::<serde_json::Value>::new(), "nothing to complain about");
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0, "its folder is gone");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "it wrote nothing here");
}

#[test]
fn a_demo_of_five_seconds_ends_with_a_balanced_account() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let daemon = demo(folder.path(), "5s");
    ended_well(&folder, daemon);
    assert!(began.elapsed() >= Duration::from_secs(5));
}

#[test]
fn a_demo_without_an_end_ends_on_ctrl_c_with_a_balanced_account() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = demo(folder.path(), "0");
    daemon.wait_for_output(|line| line.contains(" ADVC "));
    daemon.signal(Signal::SIGINT);
    ended_well(&folder, daemon);
}
