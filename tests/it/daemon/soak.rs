//! Days in miniature: `POOL_POLLER_TEST_SOAK_SECS` (default 20) of polling at 200 times the usual rate.
//!
//! Thirty players on three pools are 1.5 requests a second at the default interval; here are two hundred players, each asked about
//! every one or two seconds.
//! Memory and open files must not grow with time, and the database only with payouts. With the default the figures are those of a
//! start; `POOL_POLLER_TEST_SOAK_SECS=1800 tests/run --test it soak -- --nocapture` stands for 100 hours.

// Shares of a time, and figures for show.
#![allow(clippy::float_arithmetic)]

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pool_poller::sim::SimPool;

use super::bench::{Bench, Engine};
use super::process::Daemon;
use super::{DEADLINE, eventually, on_both_engines};

on_both_engines!(memory_and_files_stay_and_the_database_grows_with_payouts_alone);

const PLAYERS: usize = 200;
const POOLS: [&str; 3] = ["one", "two", "three"];
/// Between two payouts, each of which is found by every pool.
const PAYOUT_EVERY: Duration = Duration::from_millis(700);
/// The last part of the time passes without payouts.
const QUIET: u32 = 5;
/// What is at rest later may have been in use by chance before.
const MEMORY_SLACK_KIB: u64 = 3 * 1024;
/// Requests to one pool at a time, each with a connection that is kept.
const CONCURRENCY: usize = 4;
/// Connections to the database, of which each holds at most two files.
const DATABASE_CONNECTIONS: usize = 5;
/// How many connections are open is what the busiest moment needed, and the first half may have had none such: on a machine that is
/// busy with other things later, more requests overlap. What is open without need grows with the requests, of which there are
/// thousands.
const FILES_SLACK: usize = POOLS.len() * CONCURRENCY + DATABASE_CONNECTIONS * 2;

/// One look at the daemon.
struct Sample {
    at: Duration,
    memory_kib: u64,
    files: usize,
}

fn soak() -> Duration {
    let secs = std::env::var("POOL_POLLER_TEST_SOAK_SECS").ok().and_then(|secs| secs.parse().ok()).unwrap_or(20);
    Duration::from_secs(secs)
}

/// The bytes of the rows and their indexes, those included that SQLite has not put into their place yet.
///
/// Without PostgreSQL's maps of free and visible pages: those are made when the server cleans up by itself, which may be at any time.
fn database_bytes(bench: &Bench, engine: Engine) -> u64 {
    let sql = match engine {
        Engine::Sqlite => "SELECT CAST(page_count * page_size AS TEXT) FROM pragma_page_count, pragma_page_size",
        Engine::PostgreSql => {
            "SELECT SUM(pg_relation_size(oid))::TEXT FROM pg_class \
             WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace \
             OR oid IN (SELECT reltoastrelid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
        }
    };
    bench.rows.texts(sql)[0].parse().expect("a number")
}

/// The middle one of what a part of the samples shows.
fn median(samples: &[Sample], from: f64, to: f64) -> u64 {
    let part = |share: f64| (samples.len() as f64 * share) as usize;
    let mut all: Vec<u64> = samples[part(from)..part(to)].iter().map(|sample| sample.memory_kib).collect();
    all.sort_unstable();
    all[all.len() / 2]
}

/// KiB an hour by which memory grows, by the least squares over the second half.
fn slope_kib_per_hour(samples: &[Sample]) -> f64 {
    let half = &samples[samples.len() / 2..];
    let points: Vec<(f64, f64)> =
        half.iter().map(|sample| (sample.at.as_secs_f64() / 3_600.0, sample.memory_kib as f64)).collect();
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (above, below) = points
        .iter()
        .fold((0.0, 0.0), |(above, below), point| (above + (point.0 - x) * (point.1 - y), below + (point.0 - x) * (point.0 - x)));
    above / below
}

fn requests(daemon: &Daemon) -> u64 {
    let before = daemon.count("metrics_dump");
    daemon.signal(Signal::SIGUSR1);
    let dump = eventually("a dump", DEADLINE, || {
        daemon.logged().into_iter().filter(|event| event["message"] == "metrics_dump").nth(before)
    });
    POOLS.iter().filter_map(|pool| dump["metrics"]["pools"][pool]["requests"].as_u64()).sum()
}

fn memory_and_files_stay_and_the_database_grows_with_payouts_alone(engine: Engine) {
    let mut bench = Bench::new(engine);
    bench.set("SNAPSHOT_RETENTION_DAYS", "0");
    for pool in POOLS {
        bench.write(
            &format!("config/pools/{pool}.toml"),
            &format!("{}[limits]\nconcurrency = {CONCURRENCY}\n", bench.extra_pool(""))
                .replace("name = \"extra\"", &format!("name = {pool:?}")),
        );
    }
    let wallets: Vec<String> = (0..PLAYERS).map(|number| bench.add_player(&format!("player{number}"))).collect();
    let daemon = bench.start_with_positions(PLAYERS * POOLS.len());
    daemon.cycles(2);
    let (began, before, events_before) = (Instant::now(), database_bytes(&bench, engine), requests(&daemon));
    let mut samples = Vec::new();
    let mut payouts = 0;
    let look = |samples: &mut Vec<Sample>| {
        samples.push(Sample { at: began.elapsed(), memory_kib: daemon.memory_kib("VmRSS"), files: daemon.open_files() });
    };
    while began.elapsed() < soak() * (QUIET - 1) / QUIET {
        bench.pay(SimPool::Extra, &wallets[payouts * 37 % PLAYERS], "1.5");
        payouts += 1;
        thread::sleep(PAYOUT_EVERY);
        look(&mut samples);
    }
    let awards = payouts * POOLS.len();
    bench.wait_notified(awards);
    assert_eq!(bench.rows.awards().len(), awards, "each payout once on each pool");
    daemon.cycles(2);
    let (paid, asked) = (database_bytes(&bench, engine), requests(&daemon));
    while began.elapsed() < soak() {
        thread::sleep(PAYOUT_EVERY);
        look(&mut samples);
    }
    daemon.cycles(2);
    let (quiet, asked_quietly) = (database_bytes(&bench, engine), requests(&daemon) - asked);

    let early = median(&samples, 0.25, 0.5);
    let late = median(&samples, 0.75, 1.0);
    let files = |part: &[Sample]| part.iter().map(|sample| sample.files).max().unwrap_or_default();
    let (first, second) = samples.split_at(samples.len() / 2);
    println!(
        "{engine:?}: {} s, {} requests ({:.0} a second), {awards} awards; memory {early} KiB in the second quarter, {late} in the last, \
         {:+.0} KiB an hour over the second half; at most {} files, then {}; the database grew by {} bytes, {:.0} an award, and by \
         {} in {asked_quietly} requests without payouts",
        began.elapsed().as_secs(),
        asked - events_before,
        (asked - events_before) as f64 / began.elapsed().as_secs_f64(),
        slope_kib_per_hour(&samples),
        files(first),
        files(second),
        paid - before,
        (paid - before) as f64 / awards as f64,
        quiet as i64 - paid as i64,
    );
    assert!(late <= early + early / 20 + MEMORY_SLACK_KIB, "memory grew from {early} to {late} KiB");
    assert!(files(second) <= files(first) + FILES_SLACK, "open files: {}, then {}", files(first), files(second));
    assert!(asked_quietly > 0 && quiet <= paid + 64 * 1024, "{asked_quietly} requests made {paid} bytes {quiet}");
    daemon.stop();
    assert!(bench.run(&["verify"]).status.success());
}
