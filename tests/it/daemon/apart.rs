//! What goes wrong with one pool, and that the others neither wait nor lose anything.

use std::thread;
use std::time::{Duration, Instant};

use pool_poller::sim::{Fault, Script, SimPool};
use serde_json::Value;

use super::account::{assert_balanced, payday, settle};
use super::bench::{Bench, Engine};
use super::process::Daemon;
use super::{DEADLINE, eventually};

const POOLS: [SimPool; 3] = [SimPool::CpuPool, SimPool::Rplant, SimPool::Extra];
const PLAYERS: u64 = 8;
/// Cycles before anything goes wrong.
const CYCLES_BEFORE: usize = 4;
/// For how long one pool is bad.
const TROUBLE: Duration = Duration::from_secs(16);
/// The first pause of a breaker, and the shortest.
const PAUSE_MIN: Duration = Duration::from_secs(10);
/// Failures that open it, and requests that may be under way then.
const OPENING_MAX: u64 = 5 + 4;

/// What the daemon logged that `pool` did in its cycles from `from` on.
fn reports(daemon: &Daemon, pool: SimPool, from: u64) -> Vec<Value> {
    let mut reports = Vec::new();
    for event in daemon.logged() {
        if event["message"] == "polling_cycle_complete" && event["cycle"].as_u64().is_some_and(|cycle| cycle >= from) {
            let pools = event["pools_detail"].as_array().expect("a list");
            reports.extend(pools.iter().filter(|report| report["pool"] == pool.name()).cloned());
        }
    }
    reports
}

fn newest_cycle(daemon: &Daemon) -> u64 {
    let cycle = |event: &Value| (event["message"] == "polling_cycle_complete").then(|| event["cycle"].as_u64()).flatten();
    daemon.logged().iter().filter_map(cycle).max().unwrap_or_default()
}

/// The average time of a round, which reads every wallet each time.
fn round_ms(reports: &[Value]) -> u64 {
    assert!(!reports.is_empty());
    let sum: u64 = reports
        .iter()
        .map(|report| {
            assert_eq!((&report["readings"], &report["not_asked"]), (&PLAYERS.into(), &0.into()), "{report}");
            report["duration_ms"].as_u64().expect("a time")
        })
        .sum();
    sum / reports.len() as u64
}

/// Lets one pool be bad for a while and looks at what becomes of it and of the others.
fn one_is_bad(what: &str, bad: SimPool, fault: Fault) {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool, SimPool::Rplant]);
    bench.add_extra_pool("config/pools", r#"panic_when_body_contains = "poison""#);
    bench.set("POLL_INTERVAL_SECONDS", "2");
    bench.set("POOL_REQUEST_TIMEOUT", "1");
    let wallets: Vec<String> = (0..PLAYERS).map(|number| bench.add_player(&format!("player{number}"))).collect();
    let mut daemon = bench.start_with_positions(POOLS.len() * wallets.len());
    let good = POOLS.map(|pool| (pool != bad).then_some(pool)).into_iter().flatten().collect::<Vec<_>>();
    daemon.cycles(CYCLES_BEFORE);
    let before = good.iter().map(|pool| round_ms(&reports(&daemon, *pool, 2))).collect::<Vec<_>>();

    let last_good = newest_cycle(&daemon);
    payday(&bench.pools, &POOLS, &wallets, 17, || {
        bench.pools.script(bad, Script::standing(fault));
        thread::sleep(TROUBLE);
    });
    let tries = bench.pools.requests(bad).faulted;
    let last_bad = newest_cycle(&daemon);
    bench.pools.clear_scripts(bad);
    let cleared = Instant::now();
    let answered = bench.pools.requests(bad).good;
    eventually("the pool is asked again", DEADLINE, || (bench.pools.requests(bad).good > answered).then_some(()));
    let probed = cleared.elapsed();
    // One good probe, and everyone is asked about.
    eventually("all its wallets", Duration::from_secs(6), || {
        (bench.pools.requests(bad).good >= answered + PLAYERS).then_some(())
    });
    let recovered = cleared.elapsed();
    settle(&bench);
    daemon.cycles(2);

    let mut figures = Vec::new();
    for (pool, before) in good.iter().zip(before) {
        let during = reports(&daemon, *pool, last_good + 2);
        assert!(during.len() as u64 >= last_bad - last_good - 1, "{what}: a round in each cycle of {}", pool.name());
        let during = round_ms(&during);
        figures.push(format!("{} {before} ms, then {during} ms", pool.name()));
        assert!(during.abs_diff(before) * 10 <= before, "{what}: {figures:?}");
    }
    println!(
        "{what} on {}: {tries} requests in {} s; a probe {} ms after its end, all wallets after {} ms; rounds of the others: {}",
        bad.name(),
        TROUBLE.as_secs(),
        probed.as_millis(),
        recovered.as_millis(),
        figures.join(", "),
    );
    let probes = TROUBLE.as_secs().div_ceil(PAUSE_MIN.as_secs());
    assert!((1..=OPENING_MAX + probes).contains(&tries), "{what}: {tries} requests to the bad pool");
    let skipped = |event: &Value| event["message"] == "poll_skipped" && event["pool"] != bad.name();
    assert_eq!(daemon.logged().iter().filter(|event| skipped(event)).count(), 0, "{what}");
    assert_eq!(daemon.count("network_unreachable"), 0, "{what}: it is not our own network");
    assert!(daemon.is_alive());
    daemon.stop();
    assert_balanced(&bench);
}

#[test]
fn a_black_hole_costs_only_itself() {
    one_is_bad("a black hole", SimPool::CpuPool, Fault::Hang);
}

#[test]
fn errors_for_all_cost_only_that_pool() {
    one_is_bad("500 for all", SimPool::Rplant, Fault::status(500));
}

#[test]
fn a_pool_that_wants_to_be_left_alone_costs_only_itself() {
    let headers = vec![("Retry-After".to_owned(), "12".to_owned())];
    one_is_bad("429 with Retry-After", SimPool::Extra, Fault::Status { code: 429, body: String::new(), headers });
}

#[test]
fn a_body_without_an_end_costs_only_its_pool() {
    one_is_bad("an endless body", SimPool::CpuPool, Fault::EndlessBody);
}

#[test]
fn a_panic_on_each_answer_costs_only_its_pool() {
    one_is_bad("a panic on each answer", SimPool::Extra, Fault::body(r#"{"totalPaid":"poison"}"#));
}

#[test]
fn a_lost_network_is_noticed_once_and_all_pools_are_asked_within_seconds_of_its_return() {
    let mut bench = Bench::with(Engine::Sqlite, &POOLS);
    bench.set("POLL_INTERVAL_SECONDS", "2");
    let alice = bench.add_player("alice");
    let daemon = bench.start_with_positions(POOLS.len());
    daemon.cycles(1);
    // Nobody answers any more, on any pool.
    bench.pools.stop();
    daemon.wait_for("network_unreachable");
    for pool in POOLS {
        bench.pay(pool, &alice, "1.5");
    }
    thread::sleep(TROUBLE);
    let before = POOLS.map(|pool| bench.pools.requests(pool).total());
    bench.pools.start_again().unwrap();
    let back = Instant::now();
    for (pool, before) in POOLS.iter().zip(before) {
        assert!(bench.pools.wait_requests(*pool, before + 1, Duration::from_secs(9)), "{}", pool.name());
    }
    println!("all pools were asked {} ms after the network was back", back.elapsed().as_millis());
    daemon.wait_for("network_back");
    bench.wait_notified(POOLS.len());
    assert_eq!((daemon.count("network_unreachable"), daemon.count("network_back")), (1, 1));
    daemon.signal(nix::sys::signal::Signal::SIGUSR1);
    let dump = daemon.wait_for("metrics_dump");
    assert_eq!((&dump["metrics"]["network"]["offline"], &dump["metrics"]["network"]["losses"]), (&false.into(), &1.into()));
    for pool in POOLS {
        let of = &dump["metrics"]["pools"][pool.name()];
        assert_eq!(of["backoff_state"], "closed", "{of}");
        assert!(of["staleness"]["max_seconds"].as_u64().is_some_and(|age| age <= 4), "{of}");
    }
    daemon.stop();
    assert_balanced(&bench);
}
