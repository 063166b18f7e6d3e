//! The first start of somebody who has configured nothing.

use nix::sys::signal::Signal;
use pool_poller::sim::{SimPool, SimPools, SimPoolsConfig};

use super::program::{DEADLINE, Place, Running};

/// A wallet of a form that every pool takes.
const WALLET: &str = "AFirstPlayersWallet000000000001";

/// The command that the hint of `no_verified_players` ends with, as its arguments.
fn hinted(daemon: &mut Running) -> Vec<String> {
    let event = daemon.event("no_verified_players");
    let hint = event["hint"].as_str().expect("a hint");
    let (_, command) = hint.split_once("pool-poller ").unwrap_or_else(|| panic!("no command in {hint:?}"));
    command.split_whitespace().map(|word| word.trim_matches('`').to_owned()).collect()
}

#[test]
fn nothing_configured_starts_on_sqlite_keeps_ticking_and_ends_when_asked() {
    // One second in place of sixty, so that there is something to see.
    let place = Place::new().env("POLL_INTERVAL_SECONDS", "1");
    let mut daemon = place.start(&[]);
    assert_eq!(daemon.event("started")["database"], "sqlite://pool-poller.db?mode=rwc");
    let hint = hinted(&mut daemon);
    assert_eq!(hint[..2], ["players", "add"], "{hint:?}");
    for cycle in 1..=3 {
        let event = daemon.event("polling_cycle_complete");
        assert_eq!((&event["cycle"], &event["players"], &event["requests"]), (&cycle.into(), &0.into(), &0.into()));
    }
    assert!(place.path().join("pool-poller.db").is_file(), "{:?}", place.names());
    assert_eq!(daemon.terminate().code(), Some(0));
    assert_eq!(place.names(), ["pool-poller.db"], "an orderly end leaves one file");
    assert_eq!(daemon.seen().matches("no_verified_players").count(), 1, "it is said once and not each cycle");
}

#[test]
fn sigint_ends_it_as_well() {
    let place = Place::new();
    let mut daemon = place.start(&["run"]);
    daemon.event("polling_cycle_complete");
    daemon.signal(Signal::SIGINT);
    assert_eq!(daemon.ended().code(), Some(0));
    assert!(daemon.seen().contains("\"message\":\"stopped\""), "{}", daemon.seen());
}

#[test]
fn whoever_follows_the_printed_hint_has_a_player_who_is_polled() {
    let pools = SimPools::start(SimPoolsConfig::default()).expect("simulated pools");
    let place = [SimPool::CpuPool, SimPool::Rplant, SimPool::Zpool].into_iter().fold(
        Place::new().env("POLL_INTERVAL_SECONDS", "1").env("SOCKETIO_URL", ""),
        |place, pool| {
            pools.world().add_account(pool, WALLET, "1".parse().expect("an amount"));
            place.env(format!("{}_URL", pool.name().to_uppercase().replace('-', "_")), pools.url(pool))
        },
    );
    let mut daemon = place.start(&[]);
    let mut command = hinted(&mut daemon);
    for word in &mut command {
        match word.as_str() {
            "NAME" => *word = "alice".to_owned(),
            "MAIL" => *word = "alice@example.org".to_owned(),
            "ADDRESS" => *word = WALLET.to_owned(),
            _ => {}
        }
    }
    let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
    // While the daemon runs: one database, two processes.
    assert_eq!(place.run(&arguments).succeeded(), "player 1 (alice) added, polled from the next cycle on\n");
    for pool in [SimPool::CpuPool, SimPool::Rplant, SimPool::Zpool] {
        assert!(pools.wait_requests(pool, 1, DEADLINE), "{} was not asked", pool.name());
    }
    let polled = loop {
        let event = daemon.event("polling_cycle_complete");
        if event["players"] == 1 {
            break event;
        }
    };
    assert_eq!(polled["failures"], 0, "{polled}");
    assert_eq!(daemon.terminate().code(), Some(0));
    assert_eq!(place.names(), ["pool-poller.db"], "an orderly end leaves one file, also after something was written");
}

#[test]
fn the_summary_of_once_gives_the_same_hint() {
    let place = Place::new().env("SOCKETIO_URL", "").env("LOG_LEVEL", "ERROR");
    let outcome = place.run(&["once"]);
    let last = outcome.succeeded().lines().last().expect("a summary").to_owned();
    let (_, command) = last.split_once("pool-poller ").unwrap_or_else(|| panic!("{last}"));
    assert_eq!(command, "players add NAME --email MAIL --wallet ADDRESS --verified");
}
