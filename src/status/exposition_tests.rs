use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::metrics::{LedgerMetrics, NotifierMetrics, PoolMetrics, SchedulerMetrics};

/// A daemon of one pool, as it would show itself.
fn snapshot() -> Snapshot {
    let mut times = Durations::default();
    for ms in [1, 3, 30, 40_000] {
        times.record(Duration::from_millis(ms));
    }
    let pool =
        PoolMetrics { requests: 7, failures: [("http_status", 2)].into(), backoff_state: "open", ..PoolMetrics::default() };
    let ledger = LedgerMetrics {
        ap_awarded: "150.25".to_owned(),
        anomalies: [("counter_fell", 1)].into(),
        failures: [("busy", 3)].into(),
        verify_last_differences: Some(0),
        ..LedgerMetrics::default()
    };
    let notifier = NotifierMetrics { socket: "up", disconnections: [("closed", 4)].into(), ..NotifierMetrics::default() };
    let mut pool = serde_json::to_value(pool).unwrap();
    pool["next_probe_seconds"] = json!(9);
    Snapshot {
        metrics: json!({
            "uptime_seconds": 5,
            "version": "1.2.3",
            "scheduler": SchedulerMetrics::default(),
            "network": { "offline": true, "losses": 1, "offline_seconds": 2 },
            "pools": { "r\"plant": pool },
            "ledger": ledger,
            "notifier": notifier,
        }),
        response_times: vec![("r\"plant".to_owned(), times)],
        commit_time: Some(Durations::default()),
        ack_time: Some(Durations::default()),
        database: Ok(()),
        report: None,
    }
}

#[test]
fn each_figure_of_the_catalogue_is_found() {
    let shown = text(&snapshot()).unwrap();
    for family in DAEMON.iter().chain(POOL) {
        let name = format!("\npool_poller_{}", family.name);
        let is_shown = shown.match_indices(&name).any(|(at, _)| shown[at + name.len()..].starts_with([' ', '{']));
        assert!(is_shown, "{} is not shown:\n{shown}", family.name);
    }
}

#[test]
fn figures_are_shown_with_their_labels() {
    let shown = text(&snapshot()).unwrap();
    for line in [
        r#"pool_poller_build_info{version="1.2.3"} 1"#,
        "pool_poller_database_up 1",
        "pool_poller_game_connected 1",
        "pool_poller_network_offline 1",
        "pool_poller_ap_awarded_total 150.25",
        r#"pool_poller_anomalies_total{kind="counter_fell"} 1"#,
        r#"pool_poller_pool_failures_total{pool="r\"plant",kind="http_status"} 2"#,
        r#"pool_poller_pool_breaker_state{pool="r\"plant",state="open"} 1"#,
        r#"pool_poller_pool_breaker_state{pool="r\"plant",state="closed"} 0"#,
        r#"pool_poller_actor_restarts_total{actor="pool r\"plant"} 0"#,
        r#"pool_poller_pool_response_seconds_bucket{pool="r\"plant",le="0.005"} 2"#,
        r#"pool_poller_pool_response_seconds_bucket{pool="r\"plant",le="30"} 3"#,
        r#"pool_poller_pool_response_seconds_bucket{pool="r\"plant",le="+Inf"} 4"#,
        r#"pool_poller_pool_response_seconds_count{pool="r\"plant"} 4"#,
        "pool_poller_commit_seconds_count 0",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is missing:\n{shown}");
    }
}

#[test]
fn what_is_not_told_is_left_out_and_never_zero() {
    let mut silent = snapshot();
    silent.metrics["ledger"] = json!({ "unavailable": "Mailbox has closed" });
    silent.metrics["pools"]["r\"plant"] = json!({ "unavailable": "Mailbox has closed" });
    silent.commit_time = None;
    silent.database = Err("gone".to_owned());
    let shown = text(&silent).unwrap();
    assert!(shown.contains("pool_poller_database_up 0\n"));
    for absent in ["awards_total", "commit_seconds", "pool_requests_total", "pool_breaker_state"] {
        assert!(!shown.contains(absent), "{absent}:\n{shown}");
    }
}

#[test]
fn names_follow_the_conventions_and_are_used_once() {
    let mut names = BTreeSet::new();
    for family in DAEMON.iter().chain(POOL) {
        assert!(names.insert(family.name), "{}", family.name);
        assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
        assert!(family.help.ends_with('.'), "{}", family.name);
    }
}

#[test]
fn alerts_and_dashboard_name_figures_that_there_are() {
    let shown = text(&snapshot()).unwrap();
    let documents = [include_str!("../../deploy/prometheus/alerts.yml"), include_str!("../../deploy/grafana/pool-poller.json")];
    for document in documents {
        let named = document.match_indices("pool_poller_").map(|(at, _)| {
            let rest = &document[at..];
            rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap()
        });
        let named: BTreeSet<&str> = named.collect();
        assert!(named.len() > 10, "{named:?}");
        for name in named {
            let is_shown = shown.match_indices(name).any(|(at, _)| shown[at + name.len()..].starts_with([' ', '{']));
            assert!(is_shown, "there is no {name}");
        }
    }
    serde_json::from_str::<Value>(documents[1]).unwrap();
}
