//! SIGUSR1: every figure that the specification names, and whether it is right.

use nix::sys::signal::Signal;
use pool_poller::sim::{Fault, Script, SimPool};
use serde_json::{Value, json};

use super::bench::{Bench, Engine};
use super::{DEADLINE, amount, on_both_engines};

on_both_engines!(sigusr1_dumps_every_figure_of_every_actor_once);

fn sigusr1_dumps_every_figure_of_every_actor_once(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::CpuPool, SimPool::Extra]);
    let (alice, bob) = (bench.add_player("alice"), bench.add_player("bob"));
    let daemon = bench.start_with_positions(4);
    bench.pools.script(SimPool::Extra, Script::next(1, Fault::status(500)));
    assert!(bench.pools.wait_counts(SimPool::Extra, DEADLINE, |counts| counts.faulted >= 1));
    bench.pay(SimPool::CpuPool, &alice, "1.5");
    bench.pay(SimPool::CpuPool, &bob, "100001");
    bench.pools.world().set_paid(SimPool::Extra, &bob, amount("1"));
    bench.wait_notified(1);
    daemon.wait_for("payout_held");
    daemon.wait_for("anomaly_recorded");
    daemon.cycles(2);
    assert_eq!(daemon.count("metrics_dump"), 0);
    daemon.signal(Signal::SIGUSR1);
    let dump = daemon.wait_for("metrics_dump");
    let metrics = &dump["metrics"];
    // One of them begins after the dump, which the second dump tells by a greater number.
    daemon.cycles(2);
    assert_eq!(daemon.count("metrics_dump"), 1, "one event");

    let figure = |pointer: &str| metrics.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is missing: {metrics}"));
    let count = |pointer: &str| figure(pointer).as_u64().unwrap_or_else(|| panic!("{pointer} is no count: {metrics}"));
    let millis = |pointer: &str| figure(pointer).as_f64().unwrap_or_else(|| panic!("{pointer} is no time: {metrics}"));
    for pointer in ["/uptime_seconds", "/scheduler/cycles", "/scheduler/cycles_completed"] {
        assert!(count(pointer) >= 2, "{pointer}: {metrics}");
    }
    assert_eq!(count("/scheduler/polls_total"), count("/scheduler/polls_ok") + count("/scheduler/polls_failed"), "{metrics}");
    assert_eq!((count("/scheduler/polls_failed"), count("/scheduler/players")), (1, 2), "{metrics}");
    for (pool, failed) in [("cpu-pool", 0), ("extra", 1)] {
        let of = |name: &str| count(&format!("/pools/{pool}/{name}"));
        // A request may be under way.
        let answered = of("successes") + failed;
        assert!((answered..=answered + 4).contains(&of("requests")), "{metrics}");
        assert_eq!(of("response_time/count"), answered, "{metrics}");
        let [average, p99] = ["average_ms", "p99_ms"].map(|name| millis(&format!("/pools/{pool}/response_time/{name}")));
        assert!(0.0 < average && average <= p99, "{metrics}");
        assert_eq!((of("restarts"), of("panics")), (0, 0));
        assert_eq!(metrics["pools"][pool]["backoff_state"], "closed");
        assert_eq!((of("hung"), of("probes"), of("staleness/wallets"), of("rate/refusals")), (0, 0, 2, 0), "{metrics}");
        assert!(of("staleness/p50_seconds") <= of("staleness/max_seconds") && of("staleness/max_seconds") <= 4, "{metrics}");
    }
    // The file of the one names a rate, that of the other none.
    let rate = |pool: &str| (&metrics["pools"][pool]["rate"]["per_minute"], &metrics["pools"][pool]["rate"]["why"]);
    assert_eq!(rate("cpu-pool"), (&600.0.into(), &"file".into()));
    assert_eq!(rate("extra"), (&Value::Null, &"unlimited".into()));
    assert_eq!(metrics["network"], json!({ "offline": false, "losses": 0, "offline_seconds": 0 }));
    assert_eq!(metrics["pools"]["extra"]["failures"], json!({ "http_status": 1 }));
    assert!((4..=count("/scheduler/polls_total") + 4).contains(&count("/ledger/readings")), "{metrics}");
    for (name, value) in [("awards", 1), ("held", 1), ("positions_opened", 4), ("dropped", 0), ("restarts", 0)] {
        assert_eq!(count(&format!("/ledger/{name}")), value, "{name}: {metrics}");
    }
    assert_eq!(metrics["ledger"]["ap_awarded"], "150");
    assert_eq!(metrics["ledger"]["anomalies"], json!({ "counter_fell": 1 }));
    assert!(count("/ledger/transactions") >= 3 && count("/ledger/batch_readings_max") >= 1, "{metrics}");
    assert_eq!(count("/ledger/commit_time/count"), count("/ledger/transactions"), "{metrics}");
    assert!(millis("/ledger/commit_time/average_ms") > 0.0 && millis("/ledger/commit_time/p99_ms") > 0.0, "{metrics}");
    assert_eq!(metrics["notifier"]["socket"], "up");
    for (name, value) in
        [("sent", 1), ("acked", 1), ("unacked", 0), ("dead", 0), ("in_flight", 0), ("waiting", 0), ("restarts", 0)]
    {
        assert_eq!(count(&format!("/notifier/{name}")), value, "{name}: {metrics}");
    }

    daemon.signal(Signal::SIGUSR1);
    let newer = |event: &Value| event["metrics"]["scheduler"]["cycles"].as_u64() > metrics["scheduler"]["cycles"].as_u64();
    daemon.wait_for_event("metrics_dump", newer);
    daemon.stop();
}
