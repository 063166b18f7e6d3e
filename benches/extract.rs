//! What reading one answer costs: from the body to figures, by the shipped pool files, against a bare pass of the JSON library
//! that keeps nothing and against a check of the bytes for UTF-8, on the same body in the same run.
//!
//! `cargo bench --bench extract` prints one table, in time of the processor. Every good reading of the corpus is in it, the documented bodies by name, the
//! rest as the worst of its family; and a NOMP answer with 2 MB of history. It fails where a promise is not kept: 20 µs for p99
//! of a body as pools send them for one wallet, 5 ms for the history.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::float_arithmetic)]

use std::hint::black_box;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use pool_poller::domain::Wallet;
use pool_poller::pools::{PoolSpec, extract, load};
use serde::de::IgnoredAny;

#[path = "../tests/fixtures/corpus.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod fixtures;

use fixtures::{corpus, nomp_history};

/// Timed readings of a body.
const ROUNDS: usize = 20_000;
/// Timed readings of a long body.
const ROUNDS_LONG: usize = 500;
/// A longer body is none of the documented ones: it holds history, or what nobody sends.
const SHORT_BYTES: usize = 4 << 10;
const P99_MAX: Duration = Duration::from_micros(20);
const P99_LONG_MAX: Duration = Duration::from_millis(5);

fn main() {
    let pools = load(&[], &|_| Ok((None, None))).expect("the shipped pool files");
    let find = |name: &str| pools.iter().find(|pool| pool.name().as_str() == name).expect("a shipped pool");
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8}",
        "body", "bytes", "p50", "p99", "max", "json p50", "x json", "x utf8"
    );
    let mut broken = Vec::new();
    let mut judge = |row: &Row| {
        row.print();
        let most = if row.bytes > SHORT_BYTES { P99_LONG_MAX } else { P99_MAX };
        if row.extract.p99 > most {
            broken.push(format!("{}: p99 is {:?}, promised are {most:?}", row.name, row.extract.p99));
        }
    };
    let mut worst: Option<Row> = None;
    for case in corpus() {
        // Of those that the reader sees as they are, the ones that give a reading; the long ones have rows of their own.
        let plain =
            case.status == 200 && case.headers.is_empty() && case.body.starts_with(b"{") && case.body.len() <= SHORT_BYTES;
        let wallet: Wallet = case.wallet.parse().expect("a wallet");
        if !plain || extract(find(&case.pool), &wallet, &case.body).is_err() {
            continue;
        }
        let row = Row::measure(case.label.split(' ').next().expect("a name"), find(&case.pool), &wallet, &case.body, ROUNDS);
        if ["documented.json", "real.json"].iter().any(|name| case.label.contains(name)) {
            judge(&row);
        } else if worst.as_ref().is_none_or(|worst| row.extract.p99 > worst.extract.p99) {
            worst = Some(row);
        }
    }
    judge(&Row { name: "the slowest of the rest".to_owned(), ..worst.expect("further bodies") });
    let wallet = "AMf6wPvUz9GTjMyPbUFyXwaJxJqQWg3kd8".parse().expect("a wallet");
    for (name, rigs) in [("one rig with history", 1), ("a hundred rigs with history", 100)] {
        let body = nomp_history(rigs, 480);
        judge(&Row::measure(name, find("cpu-pool"), &wallet, body.as_bytes(), if rigs == 1 { ROUNDS } else { ROUNDS_LONG }));
    }
    if !broken.is_empty() {
        panic!("{}", broken.join("\n"));
    }
}

/// The figures of one body.
struct Row {
    name: String,
    bytes: usize,
    extract: Times,
    json: Times,
    utf8: Times,
}

impl Row {
    fn measure(name: &str, spec: &PoolSpec, wallet: &Wallet, body: &[u8], rounds: usize) -> Self {
        let name = name.replace("Some(\"", "").replace("\")/None", "");
        let text = std::str::from_utf8(body).expect("text");
        // In turns, so that what else the machine does meets all alike.
        let (mut extracts, mut jsons, mut checks) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            extracts.push(timed(|| drop(black_box(extract(spec, wallet, black_box(body))))));
            jsons.push(timed(|| drop(black_box(serde_json::from_str::<IgnoredAny>(black_box(text))))));
            checks.push(timed(|| {
                let _ = black_box(std::str::from_utf8(black_box(body)));
            }));
        }
        Self { name, bytes: body.len(), extract: Times::of(extracts), json: Times::of(jsons), utf8: Times::of(checks) }
    }

    fn print(&self) {
        let Times { p50, p99, max } = self.extract;
        let ratio = |other: &Times| p50.as_secs_f64() / other.p50.as_secs_f64().max(1e-9);
        let [p50, p99, max, json] = [p50, p99, max, self.json.p50].map(|time| format!("{:.2} µs", time.as_secs_f64() * 1e6));
        let (name, bytes) = (&self.name, self.bytes);
        println!(
            "{name:<34} {bytes:>9} {p50:>9} {p99:>9} {max:>9} {json:>9} {:>8.1} {:>8.1}",
            ratio(&self.json),
            ratio(&self.utf8)
        );
    }
}

struct Times {
    p50: Duration,
    p99: Duration,
    max: Duration,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |hundredth: usize| times[(times.len() * hundredth / 100).min(times.len() - 1)];
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

/// The time of the processor that `work` takes: what else runs on the machine is none of its cost.
fn timed(work: impl FnOnce()) -> Duration {
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock"));
    let began = now();
    work();
    now() - began
}
