//! What an operator types and reads, with the real program.

use pool_poller::domain::payout::FirstReading;
use serde_json::Value;

use super::bench::{Bench, Engine, now, of_wallet, on_both_engines, read, wallet};

on_both_engines!(
    held_events_are_listed_decided_and_explained,
    a_decision_needs_a_reason_and_a_name,
    positions_are_shown_with_what_is_wrong_and_rebased,
    verify_ends_with_one_when_something_is_wrong,
    a_pool_wallet_is_set_shown_and_removed,
    old_snapshots_are_counted_and_deleted,
    a_player_is_explained,
);

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn held_events_are_listed_decided_and_explained(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "3"), (1, "3000"), (2, "7"), (2, "8.5"), (2, "8500")]).await;
    let held = json(&bench.say(&["events", "list", "--held", "--json"]));
    let ids: Vec<_> = held.as_array().unwrap().iter().map(|event| event["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [3, 1], "the newest first");
    assert_eq!((&held[1]["username"], &held[1]["hold_reason"]), (&Value::from("ann"), &Value::from("unit_change")));
    assert_eq!(held[1]["native_amount"].to_string(), "2997", "a number with its exact digits");
    let text = bench.say(&["events", "list", "--player", "bob", "--pool", "rplant"]);
    assert!(text.lines().count() == 3 && text.contains("held: unit_change") && text.contains("1.5"), "{text}");
    assert_eq!(bench.say(&["events", "list", "--dead", "--json"]).trim(), "[]");

    let said = bench.say(&["explain", "1"]);
    assert!(said.contains("held (unit_change)") && said.contains("3 to 3000 ADVC: +2997 × 1 = 2997 ADVC"), "{said}");
    assert!(said.contains("waits: `pool-poller events approve`"), "{said}");
    let said = bench.say(&["events", "approve", "1", "--reason", "asked them"]);
    assert_eq!(
        said.trim(),
        "event 1 approved by olga: 2997 ADVC are 299700 AP; ann now has 299700 AP for 2997 ADVC; the game is told by the running daemon"
    );
    let (code, line) = bench.complaint(&["events", "approve", "1", "--reason", "again"]);
    assert!(code == 1 && line.starts_with("pool-poller: event 1 is not held: it was awarded by olga at "), "{line}");
    let said = bench.say(&["events", "reject", "3", "--reason", "units", "--by", "piet"]);
    assert_eq!(said.trim(), "event 3 rejected by piet: no AP for 8491.5 ADVC of bob");
    let id = json(&bench.say(&["events", "list", "--player", "1", "--json"]))[0]["event_id"].as_str().unwrap().to_owned();
    let said = bench.say(&["events", "reverse", &id, "--reason", "they were wrong"]);
    assert!(said.starts_with("event 1 reversed by olga with event 4: -2997 ADVC, -299700 AP; ann now has 0 AP"), "{said}");
    let waiting = json(&bench.say(&["events", "list", "--waiting", "--json"]));
    assert_eq!(waiting.as_array().unwrap().len(), 3);

    let said = bench.say(&["explain", &id]);
    for part in [
        "event      1 (",
        "before     ",
        "counter 3\n",
        "counter 3000",
        "× 100 = 299700 AP",
        "awarded by olga at ",
        ": asked them",
        "reversed   by event 4: reversed by olga",
        "299700 AP and 2997 ADVC right after it",
        "delivery   waiting",
    ] {
        assert!(said.contains(part), "{part:?} is missing in\n{said}");
    }
    let story = json(&bench.say(&["explain", "4", "--json"]));
    assert_eq!((&story["event"]["reverses"], &story["reverses"]["event_id"]), (&Value::from(1), &Value::from(id)));
    assert_eq!(story["event"]["ap_awarded"].to_string(), "-299700");
    let story = json(&bench.say(&["explain", "1", "--json"]));
    assert_eq!(story["reading"]["raw_response"]["paid"].to_string(), "3000");
    assert_eq!(story["reading_before"]["native_paid"].to_string(), "3");
    bench.run("DELETE FROM pool_snapshots").await;
    assert!(bench.say(&["explain", "1"]).contains("no snapshot of it"));
    let (code, line) = bench.complaint(&["explain", "99"]);
    assert!(code == 1 && line.contains("there is no event 99"), "{line}");
    bench.assert_verified().await;
}

async fn a_decision_needs_a_reason_and_a_name(engine: Engine) {
    let bench = Bench::new(engine).await;
    read(&mut bench.book(FirstReading::Baseline), &[(1, "3"), (1, "3000")]).await;
    for arguments in [
        &["events", "approve", "1"][..],
        &["events", "approve", "1", "--reason", "  "],
        &["events", "approve", "1", "--reason", "x", "--by", " "],
        &["events", "approve", "one", "--reason", "x"],
        &["positions", "rebase", "1"],
    ] {
        assert_eq!(bench.complaint(arguments).0, 2, "{arguments:?}");
    }
    assert_eq!(bench.events().await[0].status, "held");
    for command in ["events approve", "events reverse", "positions rebase", "verify", "explain", "backup", "prune"] {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let said = bench.say(&arguments);
        assert!(said.contains("Example: pool-poller"), "{command}: {said}");
    }
}

async fn positions_are_shown_with_what_is_wrong_and_rebased(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "10"), (1, "12"), (1, "0.5"), (2, "5")]).await;
    let text = bench.say(&["positions", "show", "--anomalies"]);
    assert!(text.contains("counter_fell") && text.contains("below the 12 already accounted for"), "{text}");
    assert!(!text.contains("bob"), "{text}");
    let shown = json(&bench.say(&["positions", "show", "--player", "ann", "--json"]));
    let position = &shown["positions"][0];
    assert_eq!((position["high_water"].to_string(), position["baseline"].to_string()), ("12".into(), "10".into()));
    assert_eq!(position["anomalies"][0]["kind"], "counter_fell");
    let said = bench.say(&["positions", "rebase", "1", "--reason", "began anew", "--high-water", "0.25"]);
    assert_eq!(
        said.trim(),
        "position 1 rebased by olga: from 12 ADVC (/paid) to 0.25 ADVC (/paid), epoch 1\n\
         its counter was last seen at 0.5: what is above the new mark is awarded at the next reading"
    );
    assert_eq!(json(&bench.say(&["positions", "show", "--anomalies", "--json"]))["positions"], Value::Array(vec![]));
    read(&mut book, &[(1, "0.75")]).await;
    assert_eq!(bench.total(1).await, "250 AP 2.5 ADVC #2");
    bench.assert_verified().await;
}

async fn verify_ends_with_one_when_something_is_wrong(engine: Engine) {
    let bench = Bench::new(engine).await;
    read(&mut bench.book(FirstReading::Baseline), &[(1, "10"), (1, "12")]).await;
    let said = bench.say(&["verify"]);
    assert_eq!(said.trim(), "1 positions, 1 events of which 0 held, 0 reversals, 2 players: 0 differences");
    bench.run("UPDATE positions SET high_water = '13'").await;
    let output = bench.cli(&["verify", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!((&report["differences"][0]["what"], &report["differences"][0]["expected"]), (&"high_water".into(), &"3".into()));
    let output = bench.cli(&["verify"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("WHAT") && text.contains("high_water") && text.contains("epoch 0"), "{text}");
}

async fn a_pool_wallet_is_set_shown_and_removed(engine: Engine) {
    let bench = Bench::new(engine).await;
    let said = bench.say(&["players", "wallet", "ann", "zpool"]);
    assert!(said.contains("no address of its own"), "{said}");
    bench.say(&["players", "wallet", "ann", "zpool", "bc1qann"]);
    assert_eq!(bench.say(&["players", "wallet", "1", "zpool"]).trim(), "zpool knows ann as bc1qann");
    let (code, line) = bench.complaint(&["players", "wallet", "bob", "zpool", "bc1qann"]);
    assert!(code == 1 && line.contains("another player has this wallet already"), "{line}");
    bench.say(&["players", "wallet", "ann", "zpool", "bc1qother"]);
    bench.say(&["players", "wallet", "bob", "zpool", "bc1qann"]);
    let roster = pool_poller::store::load_roster(&bench.db).await.unwrap();
    let wallets: Vec<Option<&str>> = roster.pool_wallets(&"zpool".parse().unwrap()).map(|(_, wallet)| wallet).collect();
    assert_eq!(wallets, [Some("bc1qother"), Some("bc1qann")]);
    bench.say(&["players", "wallet", "ann", "zpool", "--remove"]);
    assert!(bench.say(&["players", "wallet", "ann", "zpool"]).contains("no address of its own"));
    for (arguments, code) in [
        (&["players", "wallet", "ann", "nopool", "x"][..], 1),
        (&["players", "wallet", "carol", "zpool"], 1),
        (&["players", "wallet", "ann", "zpool", "x", "--remove"], 2),
    ] {
        assert_eq!(bench.complaint(arguments).0, code, "{arguments:?}");
    }
}

async fn old_snapshots_are_counted_and_deleted(engine: Engine) {
    let bench = Bench::new(engine).await;
    read(&mut bench.book(FirstReading::Baseline), &[(1, "10"), (1, "12")]).await;
    bench.run("UPDATE pool_snapshots SET snapshot_time = '2020-01-01 00:00:00.000000' WHERE id = 1").await;
    let said = bench.say(&["prune", "--days", "7", "--dry-run"]);
    assert!(said.starts_with("1 snapshots from before ") && said.contains("would be deleted"), "{said}");
    assert!(bench.say(&["prune", "--dry-run"]).starts_with("1 snapshots"), "the setting's 30 days");
    assert!(bench.say(&["prune", "--days", "7"]).starts_with("1 snapshots"));
    assert!(bench.say(&["prune"]).starts_with("0 snapshots"));
    assert_eq!(bench.complaint(&["prune", "--days", "0"]).0, 2);
}

async fn a_player_is_explained(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "10"), (1, "12"), (1, "12000")]).await;
    book.record(&[of_wallet(1, &format!("{}b", wallet(1)), "1")], now()).await.unwrap();
    bench.say(&["positions", "rebase", "2", "--reason", "for the sake of it", "--high-water", "0.5"]);
    let said = bench.say(&["explain", "ann"]);
    for part in [
        "player     ann (1)",
        "totals     200 AP and 2 ADVC",
        "held       1 for an operator",
        "waiting    1 for the game server",
        "10 to 12 ADVC: +2 × 1 = 2 ADVC × 100 = 200 AP",
        "held: unit_change",
        "rebased from 1 to 0.5 by olga at ",
    ] {
        assert!(said.contains(part), "{part:?} is missing in\n{said}");
    }
    let story = json(&bench.say(&["explain", "--player", "1", "--json"]));
    assert_eq!((&story["held"], &story["waiting"]), (&Value::from(1), &Value::from(1)));
    assert_eq!(story["positions"]["positions"].as_array().unwrap().len(), 2);
    assert_eq!(story["rebases"][0]["decided_by"], "olga");
    // The game chose the name; it must not command the terminal.
    bench.run("UPDATE players SET username = 'a\u{1b}[2Jn' WHERE id = 1").await;
    let said = bench.say(&["explain", "--player", "1"]);
    assert!(!said.contains('\u{1b}'), "{said:?}");
}
