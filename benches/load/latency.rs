//! From the pool's answer to the game server's receipt of the award, group commit included, while the cycle is spread over its
//! interval as in a deployed daemon.

use std::path::Path;
use std::time::Duration;

use super::daemon::Cycle;
use super::database::Engine;
use super::report::Report;
use super::stage::{Stage, whole};

/// How long a cycle takes.
const CYCLE: Duration = Duration::from_secs(6);

/// Measures `runs` cycles at parts of `sustainable` payouts a second.
pub(crate) fn measure(report: &mut Report, folder: &Path, engine: Engine, sustainable: f64, runs: usize) {
    for (percent, part) in [(1, 0.01), (50, 0.5), (100, 1.0)] {
        let players = ((sustainable * part * CYCLE.as_secs_f64() / 3.0) as usize).max(20);
        let stage = Stage::new(players, false);
        let url = stage.settled(engine, folder, "bench_latency", players);
        let mut daemon = stage.daemon(folder, &url, Some(CYCLE));
        // It loads its positions in the first cycle, and in the second the notifier learns how far each player was told.
        let _: Cycle = daemon.next();
        stage.payday(true);
        let _: Cycle = daemon.next();
        stage.game.take_latencies();
        let (mut middle, mut high) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            // A round that hardly fits its interval lets the next tick pass.
            let cycle = loop {
                let cycle: Cycle = daemon.next();
                if cycle.pools_skipped == 0 {
                    break cycle;
                }
            };
            whole(&cycle, players);
            let mut latencies = stage.game.take_latencies();
            latencies.sort_unstable();
            let at = |part: usize| latencies[(latencies.len() - 1) * part / 100] as f64 / 1e6;
            middle.push(at(50));
            high.push(at(99));
        }
        stage.payday(false);
        stage.wait_told(&url);
        daemon.finish();
        let case = format!("{percent} % of the sustainable rate, {}", engine.name());
        report.add("answer to game server", &case, "p50", "ms", &middle);
        report.add("answer to game server", &case, "p99", "ms", &high);
    }
}
