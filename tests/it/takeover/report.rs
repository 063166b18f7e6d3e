//! What the operator is told, before and after.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::Value;

use super::history;
use super::site::{Site, decimal, text};
use super::{on_both_engines, original};
use crate::support::readme::{commands_below, shell};

on_both_engines!(
    what_was_awarded_twice_is_listed_exactly_and_left_alone,
    a_look_says_the_same_and_changes_nothing,
    a_person_is_told_what_to_know,
    a_service_that_never_polled_is_taken_over_too,
    the_commands_of_the_readme_take_over,
);

async fn prepared(site: &Site) -> history::History {
    original::create_with_game(site).await;
    let past = history::usual(site);
    past.write(site).await;
    past
}

async fn what_was_awarded_twice_is_listed_exactly_and_left_alone(site: Site) {
    let past = prepared(&site).await;
    let events: BTreeMap<i64, _> =
        site.rows("SELECT * FROM mining_events").await.into_iter().map(|row| (row["id"].as_i64().unwrap(), row)).collect();
    let report = site.run(&["migrate", "--json"]).json();
    let twice = &report["awarded_twice"];
    let listed = twice["events"].as_array().unwrap();

    let mut expected: Vec<i64> = past.pasts.iter().flat_map(|past| past.twice.clone()).collect();
    let of_player_1 = events.values().find(|row| row["player_id"] == 1 && decimal(&row["previous_paid"]) == Some(Decimal::ZERO));
    expected.push(of_player_1.unwrap()["id"].as_i64().unwrap());
    expected.sort_unstable();
    let mut ids: Vec<i64> = listed.iter().map(|event| event["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    assert!(expected.len() > 50, "a past worth the name: {}", expected.len());
    assert_eq!(ids, expected);

    let (mut advc, mut ap) = (Decimal::ZERO, Decimal::ZERO);
    for event in listed {
        let row = &events[&event["id"].as_i64().unwrap()];
        for column in ["player_id", "advc_amount", "ap_awarded", "previous_paid", "current_paid"] {
            assert_eq!(decimal(&event[column]), decimal(&row[column]), "{column} of {event}");
        }
        assert_eq!(event["pool"], row["pool_name"]);
        assert!(decimal(&event["earlier_paid"]) > decimal(&event["previous_paid"]));
        advc += decimal(&row["advc_amount"]).unwrap();
        ap += decimal(&row["ap_awarded"]).unwrap();
    }
    assert_eq!((decimal(&twice["advc"]), decimal(&twice["ap"])), (Some(advc), Some(ap)));
    assert_eq!(twice["count"].as_u64(), Some(expected.len() as u64));
    let first = listed.iter().find(|event| event["player_id"] == 1).unwrap();
    let shown = ["previous_paid", "current_paid", "earlier_paid", "advc_amount", "ap_awarded", "advc_covered"]
        .map(|key| text(&first[key]));
    assert_eq!(shown, ["0", "12", "12", "12", "1200", "12"]);

    assert_eq!(decimal(&site.rows("SELECT total_ap FROM players WHERE id = 1").await[0]["total_ap"]), Some(1350.into()));
    let old = "SELECT count(*) AS n FROM mining_events WHERE event_id IS NULL AND player_sequence IS NULL AND position_id IS NULL AND \
               status = 'awarded' AND NOT delivery_dead";
    assert_eq!(site.value(old).await, events.len().to_string());
}

async fn a_look_says_the_same_and_changes_nothing(site: Site) {
    let past = prepared(&site).await;
    let before = site.everything().await;
    let outcome = site.run(&["migrate", "--status", "--json"]);
    assert_eq!((outcome.code, outcome.stderr.contains("pool-poller migrate")), (Some(1), true), "{}", outcome.stderr);
    let mut look: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(site.everything().await, before);
    assert_eq!((&look["state"], &look["taken_over"]), (&"original".into(), &false.into()));

    let done = site.run(&["migrate", "--json"]).json();
    look["state"] = "current".into();
    look["taken_over"] = true.into();
    assert_eq!(look, done);

    for table in done["tables"].as_array().unwrap() {
        let name = table["table"].as_str().unwrap();
        assert_eq!(site.value(&format!("SELECT count(*) AS n FROM {name}")).await, text(&table["rows"]));
    }
    let pools = done["pools"].as_array().unwrap();
    assert_eq!(pools.iter().map(|pool| text(&pool["pool"])).collect::<Vec<_>>(), ["cpu-pool", "newpool", "rplant", "zpool"]);
    for (pool, by_hand, more) in [("cpu-pool", "15.5", 3), ("rplant", "0.3", 1), ("zpool", "0.00056", 2)] {
        let mut sum: Decimal = by_hand.parse().unwrap();
        let of_pool: Vec<_> = past.pasts.iter().filter(|past| past.pool == pool).collect();
        for past in &of_pool {
            sum += past.counter.to_decimal();
        }
        let shown = pools.iter().find(|shown| shown["pool"] == pool).unwrap();
        assert_eq!(
            (decimal(&shown["marks"]), shown["positions"].as_u64()),
            (Some(sum.normalize()), Some(of_pool.len() as u64 + more))
        );
    }
    assert_eq!(text(&pools[3]["divided_by"]), "1000000");
    let skipped = done["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), 1);
    assert_eq!((&skipped[0]["player_id"], &skipped[0]["pool"]), (&4.into(), &"rplant".into()));
    let ignored: Vec<String> = done["ignored"]
        .as_array()
        .unwrap()
        .iter()
        .map(|figure| format!("{} {}", text(&figure["figure"]), figure["kept"]))
        .collect();
    assert_eq!(ignored.len(), 5, "{ignored:?}");
    assert_eq!(ignored[0], "-1 true");
    assert_eq!(decimal(&done["ignored"][1]["figure"]), Some(2_000_000_000_000_000_i64.into()));
    assert_eq!(ignored[2], "Infinity false");
}

async fn a_person_is_told_what_to_know(site: Site) {
    let past = prepared(&site).await;
    let look = site.run(&["migrate", "--status"]).stdout;
    let done = site.run(&["migrate"]).succeeded();
    for shown in [&look, &done] {
        for part in [
            "pool_snapshots",
            "divided by BTC_TO_ADVC_RATE",
            "The replaced service awarded twice, in ",
            "… and ",
            "are not sent",
            "Infinity",
            "Its newest snapshot is of 2025-11-",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(
            shown
                .lines()
                .any(|line| line.split_whitespace().eq(["4", "rplant", "no", "figure", "of", "it", "is", "a", "counter"])),
            "{shown}"
        );
        assert!(shown.lines().any(|line| line.split_whitespace().eq(["players", "46", "0"])), "{shown}");
        assert!(shown.lines().count() < 100, "a person reads it");
    }
    assert!(look.contains("would take them over") && look.contains("stop that service"));
    assert!(done.contains("are taken over"));
    assert!(past.pasts.len() > 100);
}

async fn a_service_that_never_polled_is_taken_over_too(site: Site) {
    original::create(&site).await;
    let report = site.run(&["migrate", "--json"]).json();
    assert_eq!((report["pools"].as_array().unwrap().len(), &report["awarded_twice"]["count"]), (0, &0.into()));
    site.run(&["players", "add", "ann", "--email", "a@example.org", "--wallet", "A", "--verified"]).succeeded();
}

async fn the_commands_of_the_readme_take_over(site: Site) {
    prepared(&site).await;
    for line in commands_below("Takeover") {
        let output = shell(&site.command(&[]), line).output().expect("a shell");
        // A look says by its exit code that there is something to be done.
        let code = i32::from(line.contains("--status"));
        assert_eq!(output.status.code(), Some(code), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let report = std::fs::read_to_string(site.path().join("takeover.json")).expect("the report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert!(report.as_object().is_some_and(|report| !report.is_empty()));
    assert_eq!(site.run(&["verify"]).code, Some(0));
}
