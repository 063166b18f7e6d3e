use serde_json::json;

use super::*;
use crate::status::report::Report;

fn about() -> About {
    let up_since = chrono::NaiveDate::from_ymd_opt(2026, 1, 2).unwrap().and_hms_milli_opt(3, 4, 5, 6).unwrap();
    let game = Some((Protocol::SocketIo, "http://localhost:3000/".to_owned()));
    About { up_since, interval: Cell::new(Some(Duration::from_secs(60))), dry_run: false, engine: DbBackend::Sqlite, game }
}

fn shown(metrics: &Value, rows: &Read) -> Value {
    let report: Report = report(&about(), metrics, &History::default(), &["rplant".parse().unwrap()], rows);
    serde_json::to_value(report).unwrap()
}

#[test]
fn what_nobody_knows_is_null_and_never_nothing() {
    let silent = json!({ "unavailable": "Mailbox has closed" });
    let metrics = json!({ "scheduler": {}, "ledger": {}, "notifier": silent, "network": {}, "pools": { "rplant": silent } });
    let mut shown = shown(&metrics, &Err("x".repeat(600)));
    let error = shown["database"]["error"].take();
    assert_eq!(error.as_str().map(|error| error.chars().count()), Some(TEXT_CHARS_MAX + 1), "cut, and marked as such");
    assert!(shown["at"].take().is_string());
    let expected = json!({
        "at": null, "version": env!("CARGO_PKG_VERSION"), "up_since": "2026-01-02T03:04:05.006Z", "interval_seconds": 60,
        "dry_run": false, "offline": false,
        "silent_actors": ["notifier does not answer: Mailbox has closed", "pool rplant does not answer: Mailbox has closed"],
        "database": { "engine": "SQLite", "answers": false, "error": null },
        "last_cycle": null,
        "pools": [{
            "name": "rplant", "state": "unknown", "left_alone_until": null, "reason": "Mailbox has closed", "last_cycle": null,
            "recent": { "cycles": 0, "good": 0, "failed": 0, "success_percent": null }, "latency": [],
        }],
        "game": {
            "state": "unknown", "kind": "socketio", "url": "http://localhost:3000/", "since": null, "reason": "Mailbox has closed",
            "doubted": null, "in_flight": null,
        },
        "events": null, "awards": null, "anomalies": null,
    });
    assert_eq!(shown, expected);
}

#[test]
fn a_pools_state_is_what_its_breaker_its_last_cycle_and_the_network_say() {
    let figures = |breaker: &str, successes: u64, failures: Value| json!({ "backoff_state": breaker, "successes": successes, "failures": failures });
    let none = json!({});
    for (metrics, offline, state) in [
        (figures("closed", 0, none.clone()), false, PoolState::NoAnswerYet),
        (figures("closed", 1, none.clone()), false, PoolState::Answers),
        (figures("closed", 0, json!({ "timeout": 1 })), false, PoolState::Fails),
        (figures("open", 9, json!({ "timeout": 9 })), false, PoolState::LeftAlone),
        (figures("open", 9, json!({ "timeout": 9 })), true, PoolState::LeftAlone),
        (figures("half_open", 9, json!({ "timeout": 9 })), false, PoolState::Tried),
        (figures("half_open", 9, none.clone()), true, PoolState::NoNetwork),
        (figures("closed", 9, none), true, PoolState::NoNetwork),
        (json!({ "unavailable": "gone" }), true, PoolState::Unknown),
    ] {
        assert_eq!(pool_state(&metrics, None, offline), state, "{metrics} offline: {offline}");
    }
}
