//! Answers that must not be believed, and what looks like a payout and is none.

use std::collections::BTreeSet;

use entity::mining_events::HELD;
use pool_poller::sim::{Fault, Script, SimPool};

use super::bench::{Bench, Engine, wallet};
use super::{DEADLINE, amount, eventually, money, on_both_engines};

on_both_engines!(
    a_malformed_answer_between_two_good_ones_awards_nothing_and_loses_nothing,
    a_counter_that_falls_and_comes_back_pays_only_what_is_new,
    an_edited_rate_pays_nothing_and_counts_from_the_next_payout_on,
    a_restart_awards_and_sends_nothing_again,
    a_doubtful_rise_is_held_and_gives_no_points,
);

/// What a pool may say instead of the truth about `wallet`.
fn malformed(wallet: &str, stranger: &str) -> Vec<Fault> {
    let nomp = |paid: &str| Fault::body(format!(r#"{{"miner":"{wallet}","balance":1{paid}}}"#));
    let html = Fault::Body { bytes: b"<html><h1>502 Bad Gateway</h1></html>".to_vec(), content_type: "text/html".into() };
    vec![
        html,
        Fault::body(format!(r#"{{"miner":"{wallet}","paid":99"#)),
        Fault::body(""),
        nomp(""),
        nomp(r#","paid":NaN"#),
        nomp(r#","paid":null"#),
        nomp(r#","paid":-99"#),
        nomp(r#","paid":"99,5""#),
        Fault::status(500),
        Fault::AnswerFor(stranger.to_owned()),
        Fault::Close,
        Fault::body("[99]"),
    ]
}

fn a_malformed_answer_between_two_good_ones_awards_nothing_and_loses_nothing(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::CpuPool]);
    let wallets = ["alice", "bob", "carol", "dave"].map(|name| bench.add_player(name));
    let stranger = wallet("stranger");
    bench.pools.world().add_account(SimPool::CpuPool, &stranger, amount("9999"));
    let daemon = bench.start_with_positions(wallets.len());
    let kinds = malformed(&wallets[0], &stranger).len();
    // Fewer failures in a row than make the pool's breaker open.
    let mut befallen = 0;
    for round in 0..kinds / wallets.len() {
        for (index, wallet) in wallets.iter().enumerate() {
            let fault = malformed(wallet, &stranger).swap_remove(round * wallets.len() + index);
            bench.pools.script(SimPool::CpuPool, Script::next(1, fault).for_wallet(wallet));
            bench.pay(SimPool::CpuPool, wallet, "1.5");
            befallen += 1;
        }
        assert!(bench.pools.wait_counts(SimPool::CpuPool, DEADLINE, |counts| counts.faulted >= befallen), "round {round}");
        bench.wait_awards((round + 1) * wallets.len());
    }
    bench.wait_notified(kinds);
    daemon.cycles(2);

    let events = bench.rows.events();
    assert_eq!(events.len(), kinds, "each payout once");
    assert!(events.iter().all(|event| event.advc_amount == money("1.5")), "{events:#?}");
    assert_eq!(bench.rows.awarded(), bench.paid());
    assert_eq!(bench.rows.snapshots().len(), wallets.len() + kinds, "no snapshot of an answer that is none");
    let anomalies = bench.rows.anomalies();
    assert!(anomalies.iter().all(|anomaly| anomaly.kind == "identity_mismatch"), "{anomalies:#?}");
    assert_eq!(anomalies.len(), 1, "the answer about a stranger");
    assert!(anomalies[0].resolved_at.is_some(), "it ended with the next good answer");
    let logged = daemon.logged();
    let polls = logged.iter().filter(|event| event["message"] == "pool_poll_failed");
    let seen: BTreeSet<&str> =
        polls.filter_map(|event| event["failures"].as_object()).flat_map(|map| map.keys()).map(String::as_str).collect();
    let expected = [
        "bad_number",
        "counter_missing",
        "disconnected",
        "empty_body",
        "http_status",
        "identity_mismatch",
        "not_json",
        "not_object",
    ];
    assert_eq!(seen, expected.into());
    daemon.stop();
}

fn a_counter_that_falls_and_comes_back_pays_only_what_is_new(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::CpuPool]);
    let wallet = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    let set = |paid: &str| bench.pools.world().set_paid(SimPool::CpuPool, &wallet, amount(paid));

    set("0");
    let fell = eventually("an anomaly", DEADLINE, || bench.rows.anomalies().pop());
    assert_eq!((fell.kind.as_str(), fell.resolved_at), ("counter_fell", None));
    set("10.5");
    eventually("its end", DEADLINE, || bench.rows.anomalies()[0].resolved_at);
    daemon.cycles(2);
    assert_eq!(bench.rows.events(), [], "the way back is no payout");

    set("3");
    eventually("an anomaly", DEADLINE, || bench.rows.anomalies().get(1).map(|anomaly| anomaly.seen_at));
    set("12");
    let awards = bench.wait_notified(1);
    daemon.cycles(2);
    assert_eq!(bench.rows.events().len(), 1);
    assert_eq!(
        (awards[0].advc_amount, awards[0].previous_paid),
        (money("1.5"), money("10.5")),
        "only what is above the old mark"
    );
    assert_eq!(bench.rows.player("alice").total_ap, money("150"));

    set("0");
    eventually("an anomaly", DEADLINE, || bench.rows.anomalies().get(2).map(|anomaly| anomaly.seen_at));
    set("12.5");
    let awards = bench.wait_notified(2);
    assert_eq!((awards[1].advc_amount, awards[1].previous_paid), (money("0.5"), money("12")), "what was awarded counts as old");
    daemon.stop();
}

fn an_edited_rate_pays_nothing_and_counts_from_the_next_payout_on(engine: Engine) {
    let mut bench = Bench::with(engine, &[SimPool::Zpool]);
    let wallet = wallet("alice");
    bench.rows.add_player("alice", &wallet);
    bench.pools.world().add_account(SimPool::Zpool, &wallet, amount("0.0005"));
    assert!(bench.run(&["once"]).status.success());
    bench.pay(SimPool::Zpool, &wallet, "0.0001");
    assert!(bench.run(&["once"]).status.success());
    assert_eq!(bench.wait_notified(1)[0].advc_amount, money("100"));

    bench.set("BTC_TO_ADVC_RATE", "2000000");
    bench.set("AP_PER_ADVC", "250");
    let daemon = bench.start();
    daemon.cycles(2);
    assert_eq!(bench.rows.events().len(), 1, "an edited rate is no payout");
    bench.pay(SimPool::Zpool, &wallet, "0.0001");
    let awards = bench.wait_notified(2);
    assert_eq!((awards[1].advc_amount, awards[1].ap_awarded), (money("200"), money("50000")));
    assert_eq!(bench.rows.player("alice").total_ap, money("60000"));
    daemon.stop();
}

fn a_restart_awards_and_sends_nothing_again(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::CpuPool, SimPool::Rplant]);
    let wallet = bench.add_player("alice");
    let daemon = bench.start_with_positions(2);
    bench.pay(SimPool::CpuPool, &wallet, "1.5");
    bench.pay(SimPool::Rplant, &wallet, "2.25");
    bench.wait_notified(2);
    // A position counts its first readings.
    daemon.cycles(3);
    daemon.stop();
    let before = bench.rows.everything();
    for crash in [false, true] {
        let daemon = bench.start();
        daemon.cycles(3);
        if crash {
            daemon.kill()
        } else {
            daemon.stop()
        }
        bench.rows.assert_unchanged(&before, "after a restart nothing is new");
    }
    assert_eq!(bench.game.received().len(), 2);
    assert_eq!(bench.game.connections().total, 3, "though it was connected each time");
}

fn a_doubtful_rise_is_held_and_gives_no_points(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::CpuPool]);
    let (unit, large, restart) = (bench.add_player("unit"), bench.add_player("large"), wallet("restart"));
    bench.rows.add_player("restart", &restart);
    bench.pools.world().add_account(SimPool::CpuPool, &restart, amount("0"));
    let once = || assert!(bench.run(&["once"]).status.success());
    once();
    bench.pools.world().set_paid(SimPool::CpuPool, &unit, amount("10500"));
    bench.pay(SimPool::CpuPool, &large, "100000.00000001");
    bench.pay(SimPool::CpuPool, &restart, "1.5");
    once();
    once();

    let held = bench.rows.events();
    let shown: BTreeSet<_> = held
        .iter()
        .map(|event| (event.hold_reason.as_deref().unwrap_or(""), event.advc_amount.0.normalize().to_string()))
        .collect();
    let expected = [("above_maximum", "100000.00000001"), ("pool_restart", "1.5"), ("unit_change", "10489.5")];
    assert_eq!(shown, expected.map(|(reason, advc)| (reason, advc.to_owned())).into());
    for event in &held {
        assert_eq!((event.status.as_str(), event.ap_awarded), (HELD, money("0")));
        assert_eq!((event.processed, event.notified, event.player_sequence), (false, false, None));
    }
    assert!(bench.rows.players().iter().all(|player| player.total_ap == money("0") && player.last_mining_event.is_none()));
    assert_eq!(bench.game.received(), [], "nobody is told of what is held");

    // As long as nobody has said that the unit is right, a rise in it is worth anything.
    let pay = || {
        for (wallet, payout) in [(&unit, "1.5"), (&large, "100000"), (&restart, "2.5")] {
            bench.pay(SimPool::CpuPool, wallet, payout);
        }
        once();
    };
    let by_reason = |reason: &str| {
        let mut found: Vec<_> =
            bench.rows.events().into_iter().filter(|event| event.hold_reason.as_deref() == Some(reason)).collect();
        found.sort_by_key(|event| event.id);
        found
    };
    pay();
    assert_eq!(bench.wait_notified(1)[0].advc_amount, money("2.5"), "a restarted pool is no doubt about the unit");
    assert_eq!(by_reason("unit_in_doubt").len(), 2);

    let decide = |verdict: &str, reason: &str| {
        let id = by_reason(reason)[0].id.to_string();
        let output = bench.run(&["events", verdict, &id, "--reason", "the pool says so", "--by", "test"]);
        assert!(output.status.success(), "{output:?}");
    };
    decide("reject", "unit_change");
    decide("approve", "above_maximum");
    pay();
    let amounts: BTreeSet<_> = bench.wait_notified(4).iter().map(|award| award.advc_amount.0.normalize().to_string()).collect();
    assert_eq!(amounts, ["2.5", "100000", "100000.00000001"].map(str::to_owned).into(), "an approved unit is believed again");
    assert_eq!(by_reason("unit_in_doubt").len(), 3, "a rejected one is not");

    let position = by_reason("unit_change")[0].position_id.unwrap().to_string();
    let output = bench.run(&["positions", "rebase", &position, "--reason", "decimals corrected", "--by", "test"]);
    assert!(output.status.success(), "{output:?}");
    pay();
    bench.wait_notified(7);
    assert_eq!(by_reason("unit_in_doubt").len(), 3, "after a rebase it counts again");
}
