//! SIGHUP: settings and pool files are read again while the daemon runs.

use std::time::Duration;

use nix::sys::signal::Signal;
use pool_poller::sim::{Fault, Script, SimPool};
use serde_json::Value;

use super::bench::{Bench, Engine};
use super::process::Daemon;
use super::{DEADLINE, amount, eventually, money, on_both_engines};

on_both_engines!(rates_and_limits_change_without_a_restart);

/// The `nth` event of this name, be it logged already or later.
fn nth(daemon: &Daemon, message: &str, nth: usize) -> Value {
    eventually(message, DEADLINE, || daemon.logged().into_iter().filter(|event| event["message"] == message).nth(nth - 1))
}

/// Has everything read again, for the `nth` time, and answers what came of it.
pub(crate) fn reload(daemon: &Daemon, times: usize) -> Value {
    daemon.signal(Signal::SIGHUP);
    nth(daemon, "reloaded", times)
}

/// The figures of a pool, from a dump that is asked for now.
fn figures(daemon: &Daemon, pool: &str) -> Value {
    let before = daemon.count("metrics_dump");
    daemon.signal(Signal::SIGUSR1);
    let dump = nth(daemon, "metrics_dump", before + 1);
    dump["metrics"]["pools"][pool].clone()
}

fn rates_and_limits_change_without_a_restart(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::CpuPool]);
    bench.configure("ap_per_advc = \"10\"\nmin_payout_delta = \"2\"\n");
    let alice = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    bench.pay(SimPool::CpuPool, &alice, "3");
    assert_eq!(bench.wait_notified(1)[0].ap_awarded, money("30"));
    // Too small until the limit is lowered.
    bench.pay(SimPool::CpuPool, &alice, "1");
    daemon.cycles(2);
    assert_eq!(bench.rows.awards().len(), 1);

    bench.configure("ap_per_advc = \"7\"\nmin_payout_delta = \"0.5\"\nbtc_to_advc_rate = \"9\"\n");
    let reloaded = reload(&daemon, 1);
    assert_eq!(reloaded["settings"], "AP_PER_ADVC 10 -> 7, BTC_TO_ADVC_RATE 1000000 -> 9, MIN_PAYOUT_DELTA 2 -> 0.5");
    let awards = bench.wait_notified(2);
    assert_eq!((awards[1].advc_amount, awards[1].ap_awarded), (money("1"), money("7")));
    assert_eq!(awards[1].ap_per_advc, Some(money("7")), "the rate that was in force is kept with the event");
    assert_eq!(daemon.count("setting_needs_restart"), 0);
    assert_eq!(reload(&daemon, 2)["settings"], "", "nothing has changed since");
    daemon.stop();
    assert!(bench.run(&["verify"]).status.success());
}

#[test]
fn pools_come_go_and_change_and_the_others_go_on_undisturbed() {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.unset("RPLANT_ENABLED");
    let off = "rplant_enabled = false\n";
    bench.configure(off);
    let alice = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    daemon.cycles(2);
    let before = figures(&daemon, "cpu-pool")["requests"].as_u64().expect("a count");

    bench.add_extra_pool("config/pools", "");
    bench.configure("rplant_enabled = true\n");
    let reloaded = reload(&daemon, 1);
    assert_eq!((&reloaded["pools_added"], &reloaded["pools_removed"]), (&"extra,rplant".into(), &"".into()));
    bench.wait_positions(3);
    bench.pay(SimPool::Extra, &alice, "1.5");
    bench.wait_notified(1);

    // Another address is another way to the pool; what it had paid until then is known.
    let requests = bench.pools.requests(SimPool::Zpool).total();
    bench.write("config/pools/extra.toml", &bench.extra_pool("").replace("/extra/", "/extra//"));
    bench.configure(off);
    let reloaded = reload(&daemon, 2);
    assert_eq!((&reloaded["pools_changed"], &reloaded["pools_removed"]), (&"extra".into(), &"rplant".into()));
    daemon.cycles(2);
    let asked = bench.pools.requests(SimPool::Rplant).total();
    daemon.cycles(2);
    assert_eq!(bench.pools.requests(SimPool::Rplant).total(), asked, "a pool that is gone is not asked");
    assert_eq!(bench.pools.requests(SimPool::Zpool).total(), requests);
    assert_eq!(figures(&daemon, "rplant"), Value::Null);
    let after = figures(&daemon, "cpu-pool");
    assert!(after["requests"].as_u64().expect("a count") >= before + 4, "its actor is the same: {after}");
    assert_eq!(bench.rows.awards().len(), 1);
    daemon.stop();
}

#[test]
fn what_cannot_be_used_is_refused_and_the_old_stays() {
    let bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.configure("ap_per_advc = \"10\"\n");
    let alice = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    let pool_file = "config/pools/extra.toml";
    let secret = "name = \"extra\"\nurl = \"http://127.0.0.1:9/{wallet}?key={secret:EXTRA_KEY}\"\n\
                  [paid]\npointer = \"/paid\"\n[currency]\nconstant = \"ADVC\"\n";
    for (times, (file, text, reason)) in [
        ("empty.toml", "ap_per_advc = \"ten\"\n", "AP_PER_ADVC is \"ten\""),
        ("empty.toml", "ap_per_advc = \"5\"\nap_per_adcv = \"5\"\n", "ap_per_adcv"),
        (pool_file, "name = \"extra\"\nurl = 7\n", "extra.toml:2"),
        (pool_file, secret, "EXTRA_KEY"),
    ]
    .into_iter()
    .enumerate()
    {
        bench.write(file, text);
        daemon.signal(Signal::SIGHUP);
        let refused = nth(&daemon, "reload_refused", times + 1);
        assert!(refused["reason"].as_str().expect("text").contains(reason), "{refused}");
        assert_eq!(refused["level"], "ERROR");
        let checked = bench.run(&["config", "check"]);
        assert_eq!(checked.status.code(), Some(78), "{file}: {text}");
        assert!(String::from_utf8_lossy(&checked.stderr).contains(reason), "{checked:?}");
        if file == "empty.toml" {
            bench.configure("ap_per_advc = \"10\"\n");
        }
    }
    bench.pay(SimPool::CpuPool, &alice, "1");
    assert_eq!(bench.wait_notified(1)[0].ap_awarded, money("10"));
    bench.add_extra_pool("config/pools", "");
    let checked = bench.run(&["config", "check"]);
    assert!(
        checked.status.success() && String::from_utf8_lossy(&checked.stdout).contains("2 of 16 pools are enabled"),
        "{checked:?}"
    );
    assert_eq!(reload(&daemon, 1)["pools_added"], "extra");
    bench.wait_positions(2);
    daemon.stop();
}

#[test]
fn a_file_that_is_gone_is_no_wish_for_the_defaults() {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.unset("RPLANT_ENABLED");
    let settings = "AP_PER_ADVC=7\nRPLANT_ENABLED=false\n";
    bench.write(".env", settings);
    let alice = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    std::fs::remove_file(bench.path(".env")).expect("it was there");
    daemon.signal(Signal::SIGHUP);
    let refused = nth(&daemon, "reload_refused", 1);
    assert_eq!(refused["reason"], ".env is gone; an empty file says that it sets nothing");
    bench.pay(SimPool::CpuPool, &alice, "1");
    assert_eq!(bench.wait_notified(1)[0].ap_awarded, money("7"));
    bench.write(".env", "RPLANT_ENABLED=false\n");
    assert_eq!(reload(&daemon, 1)["settings"], "AP_PER_ADVC 7 -> 100");
    bench.write(".env", settings);
    assert_eq!(reload(&daemon, 2)["settings"], "AP_PER_ADVC 100 -> 7");
    assert_eq!(daemon.count("setting_warning"), 1, "at the start, and not at each reload");
    daemon.stop();
}

#[test]
fn a_shorter_interval_and_a_talkative_log_begin_at_once() {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.unset("POLL_INTERVAL_SECONDS");
    bench.configure("poll_interval_seconds = 3600\npool_request_timeout = 1\n");
    bench.add_player("alice");
    // The wallet has its own point of the hour.
    let daemon = bench.start();
    bench.configure("poll_interval_seconds = 1\npool_request_timeout = 1\nlog_level = \"DEBUG\"\n");
    assert_eq!(reload(&daemon, 1)["settings"], "LOG_LEVEL INFO -> DEBUG, POLL_INTERVAL_SECONDS 3600 -> 1");
    bench.wait_positions(1);
    daemon.cycles(3);
    daemon.wait_for("pool_polled");
    daemon.stop();
}

#[test]
fn what_needs_a_restart_is_said_and_does_not_change() {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.unset("SOCKETIO_URL");
    bench.configure(&format!("socketio_url = {:?}\n", bench.game.socketio_url()));
    let alice = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    bench.configure("socketio_url = \"http://127.0.0.1:9\"\nlog_format = \"text\"\n");
    reload(&daemon, 1);
    let said = daemon.wait_for("setting_needs_restart");
    assert_eq!(said["settings"], "SOCKETIO_URL", "the environment goes before the file");
    bench.pay(SimPool::CpuPool, &alice, "1");
    bench.wait_notified(1);
    daemon.stop();
}

#[test]
fn a_pool_that_hangs_neither_stops_a_reload_nor_the_end_during_it() {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool, SimPool::Extra]);
    bench.set("POOL_REQUEST_TIMEOUT", "60");
    let alice = bench.add_player("alice");
    let mut daemon = bench.start_with_positions(2);
    let hang = || bench.pools.script(SimPool::Extra, Script::standing(Fault::Hang).for_wallet(&alice));
    hang();
    assert!(bench.pools.wait_counts(SimPool::Extra, DEADLINE, |counts| counts.faulted >= 1));
    bench.add_extra_pool("config/pools", "# changed");
    assert_eq!(reload(&daemon, 1)["pools_changed"], "extra");
    bench.pools.clear_scripts(SimPool::Extra);
    bench.pay(SimPool::Extra, &alice, "1");
    bench.wait_notified(1);

    hang();
    let faulted = bench.pools.requests(SimPool::Extra).faulted;
    assert!(bench.pools.wait_counts(SimPool::Extra, DEADLINE, |counts| counts.faulted > faulted));
    bench.add_extra_pool("config/pools", "# changed again");
    daemon.signal(Signal::SIGHUP);
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(Duration::from_secs(10)).code(), Some(0));
    assert_eq!(bench.rows.awards().len(), 1);
    assert_eq!(bench.paid().values().next(), Some(&amount("1")));
}
