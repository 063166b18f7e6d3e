//! The payday: every reading is a payout, which is stored, told to a game server that acknowledges, and marked.

use std::path::Path;
use std::time::Instant;

use super::child::Role;
use super::daemon::Cycle;
use super::database::{Engine, size};
use super::echo::echo;
use super::report::{Report, grouped};
use super::rows;
use super::stage::{Stage, whole};

/// Measures `runs` times. Answers the payouts a second, told and marked, of each engine: what can be sustained.
pub(crate) fn measure(report: &mut Report, folder: &Path, players: usize, runs: usize) -> Vec<(Engine, f64)> {
    Engine::all().into_iter().map(|engine| (engine, measure_on(engine, report, folder, players, runs))).collect()
}

fn measure_on(engine: Engine, report: &mut Report, folder: &Path, players: usize, runs: usize) -> f64 {
    let stage = Stage::new(players, false);
    let payouts = (3 * players) as f64;
    let url = stage.settled(engine, folder, "bench_payday", players);
    let mut daemon = stage.daemon(folder, &url, None);
    whole(&daemon.next(), players);
    let bare_url = engine.fresh(folder, "bench_rows", players);
    let mut rows = Role::start("rows", &rows::Setup { database: bare_url, players, rounds: runs + 1 });
    let (mut told, mut issued, mut ratios, mut cpu, mut peak) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut size_before = 0;
    // In turns, so that what else the machine does meets both alike. The first round warms up and is not counted.
    for round in 0..=runs {
        rows.go_on();
        let bare: rows::Round = rows.next();
        stage.payday(true);
        let began = Instant::now();
        daemon.go_on();
        let cycle: Cycle = daemon.next();
        stage.payday(false);
        stage.wait_told(&url);
        let seconds = began.elapsed().as_secs_f64();
        whole(&cycle, players);
        assert_eq!(cycle.awards, cycle.readings, "every reading is a payout");
        if round == 0 {
            size_before = size(engine, &url);
            continue;
        }
        told.push(payouts / seconds);
        issued.push(payouts / bare.seconds);
        ratios.push(bare.seconds / seconds);
        cpu.push(cycle.cpu_seconds / payouts * 1e6);
        peak.push(cycle.memory_peak_kib as f64 / 1024.0);
    }
    daemon.finish();
    rows.finish();
    let bytes = (size(engine, &url) - size_before) as f64 / (payouts * runs as f64);
    let case = format!("{} players × 3 pools, {}", grouped(players as f64), engine.name());
    report.add("payday cycle", &case, "bare statements", "payouts/s", &issued);
    report.add("payday cycle", &case, "stored, told, acknowledged, marked", "payouts/s", &told);
    let name = format!("payday {players} {} of bare", engine.name());
    report.ratio(&name, "payday cycle", &case, "of the bare statements", &ratios);
    let echoes = [payouts / echo(3 * players, 320).as_secs_f64()];
    report.add("payday cycle", &case, "bare WebSocket echo", "frames/s", &echoes);
    report.add("payday cycle", &case, "processor time of 1,000 payouts", "ms", &cpu);
    report.add("payday cycle", &case, "memory in a cycle, at most", "MiB", &peak);
    report.add("payday cycle", &case, "database of a payout", "bytes", &[bytes]);
    let mut sorted = told;
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
