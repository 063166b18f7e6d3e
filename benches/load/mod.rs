//! What the daemon exists for, measured as a whole: readings fetched, decided and stored a second, from a pool's answer to the game
//! server, memory a player. Each promise is a ratio to a ceiling that is measured in the same run, on the same servers and cores.
//!
//! `benches/run` starts it with a PostgreSQL server; `cargo bench --bench load` without one measures SQLite alone.
//!
//! Arguments: sections (`quiet`, `payday`, `latency`; all of them without any), `--players N,N`, `--runs N`, `--json`, and
//! `--check FILE`, which fails when a ratio that the file commits has fallen to less than half of it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::float_arithmetic, clippy::print_stdout)]

mod bare;
mod board;
mod child;
mod daemon;
mod database;
mod echo;
mod game;
mod latency;
mod machine;
mod payday;
#[path = "../support/payouts.rs"]
mod payouts;
mod pools;
mod quiet;
mod report;
mod rows;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

use child::{ROLE, told};
use report::Report;

/// Says how often this process has allocated, where it counts that.
static ALLOCATIONS: OnceLock<fn() -> u64> = OnceLock::new();

/// Allocations of this process until now; 0 where they are not counted.
fn allocations() -> u64 {
    ALLOCATIONS.get().map_or(0, |count| count())
}

/// What is measured.
struct Options {
    sections: Vec<String>,
    players: Vec<usize>,
    runs: usize,
    json: bool,
    check: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let mut options = Self { sections: Vec::new(), players: vec![1_000, 10_000, 100_000], runs: 5, json: false, check: None };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
            match argument.as_str() {
                // cargo says so to every bench.
                "--bench" => {}
                "--json" => options.json = true,
                "--runs" => options.runs = value().parse().expect("a number of runs"),
                "--players" => options.players = value().split(',').map(|number| number.parse().expect("a number")).collect(),
                "--check" => options.check = Some(value().into()),
                "quiet" | "payday" | "latency" => options.sections.push(argument),
                other => panic!("no section and no option: {other}"),
            }
        }
        options
    }

    fn wants(&self, section: &str) -> bool {
        self.sections.is_empty() || self.sections.iter().any(|wanted| wanted == section)
    }
}

/// Runs in a role, or as the harness. `count` says how often this process has allocated.
pub(crate) fn main(count: Option<fn() -> u64>) -> ExitCode {
    if let Some(count) = count {
        ALLOCATIONS.get_or_init(|| count);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, name] = arguments.as_slice()
        && role == ROLE
    {
        match name.as_str() {
            "daemon" => daemon::run(&told()),
            "bare" => bare::run(&told()),
            "rows" => rows::run(&told()),
            other => panic!("no role {other}"),
        }
        return ExitCode::SUCCESS;
    }
    let options = Options::parse(arguments.into_iter());
    let folder = tempfile::tempdir().expect("a folder");
    let report = measure(&options, folder.path());
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report).expect("plain data"));
    } else {
        report.print();
    }
    let Some(file) = options.check else { return ExitCode::SUCCESS };
    let fallen = report.fallen(&std::fs::read_to_string(file).expect("a file of ratios"));
    for line in &fallen {
        eprintln!("{line}");
    }
    if fallen.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(options: &Options, folder: &std::path::Path) -> Report {
    let mut report = Report::default();
    if options.wants("quiet") {
        let costs: Vec<_> =
            options.players.iter().map(|players| quiet::measure(&mut report, folder, *players, options.runs)).collect();
        // Of the most players to the fewest, run by run.
        if let [fewest, .., most] = costs.as_slice() {
            for ((engine, few), (_, many)) in fewest.iter().zip(most) {
                let growth: Vec<f64> = few.iter().zip(many).map(|(few, many)| many / few).collect();
                let [from, to] = [options.players.first(), options.players.last()].map(|players| players.copied().unwrap_or(0));
                let case =
                    format!("{} players to {}, {}", report::grouped(to as f64), report::grouped(from as f64), engine.name());
                report.add("quiet cycle", &case, "processor time of a reading, ratio", "", &growth);
            }
        }
    }
    if options.wants("payday") || options.wants("latency") {
        for players in &options.players {
            let sustained = payday::measure(&mut report, folder, *players, options.runs);
            // At the middle size.
            if options.wants("latency") && options.players.get(options.players.len() / 2) == Some(players) {
                for (engine, rate) in sustained {
                    latency::measure(&mut report, folder, engine, rate, options.runs);
                }
            }
        }
    }
    report
}
