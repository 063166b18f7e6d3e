//! `check`: one line a part, and exit code 1 when one of them does not work.

use pool_poller::sim::{Fault, Script, SimPool};
use serde_json::Value;

use super::bench::{Bench, Engine};
use super::on_both_engines;

on_both_engines!(everything_that_works_is_said_line_by_line, what_does_not_work_is_named_and_the_rest_is_checked_all_the_same,);

/// The parts, by name, with state and detail.
fn checked(bench: &Bench, expected: i32, more: &[&str]) -> Vec<(String, String, String)> {
    let output = bench.run(&[&["check", "--json"], more].concat());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(expected), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let parts: Vec<Value> = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    let text = |part: &Value, key: &str| part[key].as_str().unwrap().to_owned();
    parts.iter().map(|part| (text(part, "part"), text(part, "state"), text(part, "detail"))).collect()
}

fn states(parts: &[(String, String, String)]) -> Vec<(&str, &str)> {
    parts.iter().map(|(part, state, _)| (part.as_str(), state.as_str())).collect()
}

fn everything_that_works_is_said_line_by_line(engine: Engine) {
    let mut bench = Bench::with(engine, &[SimPool::CpuPool, SimPool::Zpool]);
    bench.set("POOL_REQUEST_TIMEOUT", "1");
    let parts = checked(&bench, 0, &[]);
    assert_eq!(
        states(&parts),
        [("settings", "ok"), ("database", "note"), ("pool cpu-pool", "note"), ("pool zpool", "note"), ("game server", "ok")],
        "nobody is there to ask about: {parts:?}"
    );
    bench.add_player("alice");
    let parts = checked(&bench, 0, &[]);
    assert_eq!(states(&parts).iter().filter(|(_, state)| *state == "ok").count(), 5, "{parts:?}");
    assert!(parts[1].2.contains("1 verified players"), "{parts:?}");
    assert!(parts[2].2.contains("/paid is 10.5 ADVC") && parts[4].2.contains("connected"), "{parts:?}");
    // It has changed nothing, and nobody was told anything.
    assert!(bench.rows.positions().is_empty() && bench.rows.snapshots().is_empty() && bench.game.received().is_empty());
    let table = String::from_utf8(bench.run(&["check"]).stdout).unwrap();
    assert!(table.starts_with("PART") && table.lines().count() == 6, "{table}");
}

fn what_does_not_work_is_named_and_the_rest_is_checked_all_the_same(engine: Engine) {
    let mut bench = Bench::with(engine, &[SimPool::CpuPool, SimPool::Rplant]);
    // No longer than the interval, of which a note would be made.
    bench.set("POOL_REQUEST_TIMEOUT", "1");
    bench.add_player("alice");
    bench.pools.script(SimPool::CpuPool, Script::standing(Fault::status(502)));
    let parts = checked(&bench, 1, &[]);
    assert_eq!(
        states(&parts),
        [("settings", "ok"), ("database", "ok"), ("pool cpu-pool", "failed"), ("pool rplant", "ok"), ("game server", "ok")]
    );
    assert!(parts[2].2.contains("HTTP status 502"), "{parts:?}");
    // A wallet that the pool does not know is no fault of the pool's.
    let parts = checked(&bench, 1, &["--wallet", &super::bench::wallet("stranger")]);
    assert_eq!(parts[3].1, "note", "{parts:?}");
    bench.set("SOCKETIO_URL", "http://127.0.0.1:1");
    bench.set("DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:1/none");
    let parts = checked(&bench, 1, &[]);
    assert_eq!(
        states(&parts),
        [
            ("settings", "ok"),
            ("database", "failed"),
            ("pool cpu-pool", "note"),
            ("pool rplant", "note"),
            ("game server", "failed")
        ]
    );
    assert!(parts.iter().all(|(_, _, detail)| !detail.contains("secret")), "{parts:?}");
}
