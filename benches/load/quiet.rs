//! The quiet cycle: everybody is asked about on every pool, and nothing has changed.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::bare::{self, Pass, wrk};
use super::board::wallet;
use super::child::Role;
use super::daemon::Cycle;
use super::database::Engine;
use super::report::{Report, grouped};
use super::stage::{CONCURRENCY, PATIENCE, Stage, whole};

/// A figure is taken over at least so many requests.
const REQUESTS_MIN: usize = 30_000;

/// What one run of the daemon brought.
#[derive(Default)]
struct Runs {
    rate: Vec<f64>,
    of_bare: Vec<f64>,
    restless_of_bare: Vec<f64>,
    of_wrk: Vec<f64>,
    cpu_per_thousand: Vec<f64>,
    resting_mib: Vec<f64>,
    peak_mib: Vec<f64>,
    start: Vec<f64>,
}

/// Measures `runs` times. Answers the processor time of a reading, each engine's.
pub(crate) fn measure(report: &mut Report, folder: &Path, players: usize, runs: usize) -> Vec<(Engine, Vec<f64>)> {
    let stage = Stage::new(players, true);
    let engines: Vec<(Engine, String)> =
        Engine::all().into_iter().map(|engine| (engine, stage.settled(engine, folder, "bench_quiet", players))).collect();
    let urls: Vec<String> = (0..3)
        .flat_map(|pool| (1..=players).map(move |player| (pool, player)))
        .map(|(pool, player)| stage.pools.url(pool, &wallet(player)))
        .collect();
    let cycles = REQUESTS_MIN.div_ceil(3 * players);
    let (mut bare_rates, mut wrk_rates) = (Vec::new(), Vec::new());
    let mut measured: Vec<Runs> = engines.iter().map(|_| Runs::default()).collect();
    for _ in 0..runs {
        let bare = bare_rate(&urls, cycles);
        bare_rates.push(bare);
        let fastest = wrk(&urls[urls.len() / 2], 3 * CONCURRENCY, 2);
        wrk_rates.extend(fastest);
        for ((_, url), runs) in engines.iter().zip(&mut measured) {
            let rate = run(&stage, folder, url, players, cycles, runs);
            runs.of_bare.push(rate / bare);
            stage.board.is_restless.store(true, Ordering::Relaxed);
            runs.restless_of_bare.push(run(&stage, folder, url, players, cycles, &mut Runs::default()) / bare);
            stage.board.is_restless.store(false, Ordering::Relaxed);
            runs.of_wrk.extend(fastest.map(|fastest| rate / fastest));
        }
    }
    let of_players = format!("{} players × 3 pools", grouped(players as f64));
    report.add("quiet cycle", &of_players, "bare awc loop", "requests/s", &bare_rates);
    report.add("quiet cycle", &of_players, "wrk", "requests/s", &wrk_rates);
    let of_wrk: Vec<f64> = bare_rates.iter().zip(&wrk_rates).map(|(bare, wrk)| bare / wrk).collect();
    report.add("quiet cycle", &of_players, "bare awc loop, of wrk", "", &of_wrk);
    for ((engine, url), runs) in engines.iter().zip(&measured) {
        let case = format!("{of_players}, {}", engine.name());
        let name = |what: &str| format!("quiet {players} {} {what}", engine.name());
        report.add("quiet cycle", &case, "readings", "readings/s", &runs.rate);
        report.ratio(&name("of bare"), "quiet cycle", &case, "of the bare awc loop", &runs.of_bare);
        report.add("quiet cycle", &case, "of it, each answer with other figures for show", "", &runs.restless_of_bare);
        report.ratio(&name("of wrk"), "quiet cycle", &case, "of wrk", &runs.of_wrk);
        report.add("quiet cycle", &case, "processor time of 1,000 readings", "ms", &runs.cpu_per_thousand);
        report.add("quiet cycle", &case, "allocations of a reading", "allocations", &counted(&stage, folder, url, players));
        report.add("quiet cycle", &case, "memory at rest", "MiB", &runs.resting_mib);
        report.add("quiet cycle", &case, "memory in a cycle, at most", "MiB", &runs.peak_mib);
        report.add("start", &case, "until the first request", "ms", &runs.start);
    }
    engines.into_iter().zip(measured).map(|((engine, _), runs)| (engine, runs.cpu_per_thousand)).collect()
}

fn bare_rate(urls: &[String], passes: usize) -> f64 {
    // The first pass opens the connections and is not counted.
    let setup = bare::Setup { urls: urls.to_vec(), concurrency: 3 * CONCURRENCY, passes: passes + 1 };
    let mut role = Role::start("bare", &setup);
    let _: Pass = role.next();
    let seconds: f64 = (0..passes).map(|_| role.next::<Pass>().seconds).sum();
    role.finish();
    (urls.len() * passes) as f64 / seconds
}

/// Starts the daemon, lets it load its positions in one cycle, and measures the next ones. Answers their readings a second.
fn run(stage: &Stage, folder: &Path, url: &str, players: usize, cycles: usize, runs: &mut Runs) -> f64 {
    let served = || stage.board.served.load(Ordering::Relaxed);
    let (before, began) = (served(), Instant::now());
    let mut daemon = stage.daemon(folder, url, None);
    while served() == before {
        assert!(began.elapsed() < PATIENCE, "it asks");
        std::thread::sleep(Duration::from_micros(200));
    }
    runs.start.push(began.elapsed().as_secs_f64() * 1e3);
    let loaded: Cycle = daemon.next();
    whole(&loaded, players);
    let (mut seconds, mut cpu, mut peak) = (0.0, 0.0, 0);
    for _ in 0..cycles {
        daemon.go_on();
        let cycle: Cycle = daemon.next();
        whole(&cycle, players);
        assert_eq!(cycle.awards, 0);
        seconds += cycle.seconds;
        cpu += cycle.cpu_seconds;
        peak = peak.max(cycle.memory_peak_kib);
    }
    daemon.finish();
    let readings = (3 * players * cycles) as f64;
    runs.rate.push(readings / seconds);
    runs.cpu_per_thousand.push(cpu / readings * 1e6);
    runs.resting_mib.push(loaded.memory_kib as f64 / 1024.0);
    runs.peak_mib.push(peak as f64 / 1024.0);
    readings / seconds
}

/// Allocations of a reading, where there is a build that counts them.
fn counted(stage: &Stage, folder: &Path, url: &str, players: usize) -> Vec<f64> {
    let Some(mut daemon) = stage.counting_daemon(folder, url) else { return Vec::new() };
    let _: Cycle = daemon.next();
    daemon.go_on();
    let cycle: Cycle = daemon.next();
    daemon.finish();
    vec![cycle.allocations as f64 / (3 * players) as f64]
}
