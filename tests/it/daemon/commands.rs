//! `once`, and runs that must not touch anything.

use std::process::Output;

use pool_poller::sim::{Fault, Script, SimPool};
use serde_json::{Value, json};

use super::bench::{Bench, Engine};
use super::{money, on_both_engines};

on_both_engines!(
    once_awards_tells_and_prints_a_table,
    once_prints_its_summary_as_json,
    a_dry_run_decides_and_writes_and_sends_nothing,
);

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The table's rows, cell by cell. Columns are two blanks apart at least, and a cell holds single blanks at most.
fn table(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect()
}

fn once_awards_tells_and_prints_a_table(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::CpuPool, SimPool::Rplant]);
    let nobody = printed(&bench.run(&["once"]));
    assert!(nobody.contains("There are no verified players: pool-poller players add"), "{nobody}");
    let (alice, bob) = (bench.add_player("alice"), bench.add_player("bob"));
    printed(&bench.run(&["once"]));
    assert_eq!((bench.rows.positions().len(), bench.rows.events().len()), (4, 0));
    bench.pay(SimPool::CpuPool, &alice, "1.5");
    bench.pay(SimPool::CpuPool, &bob, "0.25");
    bench.pools.script(SimPool::Rplant, Script::next(1, Fault::status(502)).for_wallet(&bob));

    let text = printed(&bench.run(&["once"]));
    let rows = table(&text);
    let headings = ["POOL", "WALLETS", "READINGS", "FAILURES", "NOT ASKED", "AWARDS", "ADVC", "AP", "HELD", "TIME"];
    assert_eq!(rows[0], headings);
    assert_eq!(rows[1][..9], ["cpu-pool", "2", "2", "0", "0", "2", "1.75", "175", "0"], "{text}");
    assert_eq!(rows[2][..9], ["rplant", "2", "1", "1", "0", "0", "0", "0", "0"], "{text}");
    assert_eq!(rows[3][..9], ["total", "4", "3", "1", "0", "2", "1.75", "175", "0"], "{text}");
    assert!(text.lines().last().unwrap().contains("HTTP status 502"), "{text}");
    assert!(bench.rows.awards().iter().all(|award| award.notified), "told before it ended");
    assert_eq!(bench.game.received().len(), 2);
    assert_eq!(bench.rows.player("alice").total_ap, money("150"));
}

fn once_prints_its_summary_as_json(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::CpuPool]);
    let alice = bench.add_player("alice");
    printed(&bench.run(&["once", "--json"]));
    bench.pay(SimPool::CpuPool, &alice, "0.00012345");
    let text = printed(&bench.run(&["once", "--json"]));
    let mut summary: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    for part in ["", "/pools/0"] {
        let part = summary.pointer_mut(part).and_then(Value::as_object_mut).unwrap();
        assert!(part.remove("duration_ms").unwrap().is_u64());
    }
    let took = summary["pools"][0].as_object_mut().unwrap().remove("response_time").unwrap();
    let (median, max) = (took["median_ms"].as_f64().unwrap(), took["max_ms"].as_f64().unwrap());
    assert!(0.0 < median && median == max, "one answer: {took}");
    let expected = json!({
        "cycle": 1, "players": 1, "requests": 1, "readings": 1, "failures": 0, "awards": 1, "ap_awarded": "0.012345",
        "advc_awarded": "0.00012345", "held": 0, "anomalies": 0, "pools_skipped": 0, "error": null,
        "pools": [{
            "pool": "cpu-pool", "wallets": 1, "requests": 1, "readings": 1, "failures": {}, "first_failure": null, "not_asked": 0,
            "awards": 1, "points": "0.012345", "advc": "0.00012345", "held": 0, "anomalies": 0, "backoff_state": "closed",
        }],
    });
    assert_eq!(summary, expected);
}

fn a_dry_run_decides_and_writes_and_sends_nothing(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::CpuPool]);
    let (alice, bob) = (bench.add_player("alice"), bench.add_player("bob"));
    printed(&bench.run(&["once"]));
    let connections = bench.game.connections().total;
    bench.pay(SimPool::CpuPool, &alice, "1.5");
    bench.pay(SimPool::CpuPool, &bob, "100001");
    bench.add_player("carol");
    let before = bench.rows.everything();

    let summary: Value = serde_json::from_str(&printed(&bench.run(&["once", "--dry-run", "--json"]))).unwrap();
    assert_eq!((&summary["awards"], &summary["ap_awarded"], &summary["held"]), (&json!(1), &json!("150"), &json!(1)));
    bench.rows.assert_unchanged(&before, "after once --dry-run");

    let daemon = super::process::Daemon::spawn(bench.command(&["run", "--dry-run"]));
    assert_eq!(daemon.wait_for("started")["dry_run"], true);
    let award = daemon.wait_for("payout_awarded");
    assert_eq!((&award["dry_run"], &award["ap_awarded"]), (&json!(true), &json!("150")));
    daemon.cycles(3);
    assert_eq!(daemon.count("payout_awarded"), 1, "what it would do, it would do once");
    daemon.stop();
    bench.rows.assert_unchanged(&before, "after run --dry-run");
    assert_eq!((bench.game.connections().total, bench.game.received().len()), (connections, 0));

    printed(&bench.run(&["once"]));
    assert_eq!(bench.wait_notified(1)[0].ap_awarded, money("150"), "and then really");
}
