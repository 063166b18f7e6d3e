//! Verification: it says nothing about a good database, however large or busy, and finds each kind of corruption.

use std::cell::Cell;

use pool_poller::domain::payout::FirstReading;
use pool_poller::store::decisions::EventRef;
use pool_poller::store::rebase::{NewMark, rebase};
use pool_poller::store::reversal::reverse;
use pool_poller::store::verify::verify;

use super::bench::{Bench, Engine, amount, now, of_wallet, olga, on_both_engines, read, seen, wallet};

on_both_engines!(
    each_kind_of_corruption_is_found,
    an_amount_that_cannot_be_read_is_one_difference,
    a_total_is_read_as_an_award_reads_it,
    more_rows_than_a_page_are_walked_in_order,
    a_database_that_is_being_written_to_is_seen_at_one_moment,
    points_that_the_game_spent_are_no_difference,
);

/// Events 1 to 3 of ann: 2 and 3 ADVC, and 6 after a rebase; 4 held; 5 takes back 1. Event 6 is bob's, on ann's wallet.
async fn busy(engine: Engine) -> Bench {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "10"), (1, "12"), (1, "15"), (1, "4")]).await;
    rebase(&bench.db, 1, &NewMark::default(), &olga(), now()).await.unwrap();
    book.forget_anomalous();
    read(&mut book, &[(1, "10"), (1, "10000")]).await;
    reverse(&bench.db, EventRef::Row(1), &olga(), false, now()).await.unwrap();
    for paid in ["10000", "10001"] {
        book.record(&[of_wallet(2, &wallet(1), paid)], now()).await.unwrap();
    }
    bench.assert_verified().await;
    bench
}

/// What is done to a good database, and which rules must notice.
const CORRUPTIONS: &[(&str, &[&str])] = &[
    ("UPDATE mining_events SET advc_amount = '9' WHERE id = 2", &["advc_amount", "ap_awarded", "total_advc_after"]),
    ("UPDATE mining_events SET ap_awarded = '9' WHERE id = 2", &["ap_awarded"]),
    ("UPDATE mining_events SET ap_awarded = '1' WHERE id = 4", &["ap_awarded"]),
    ("UPDATE mining_events SET ap_awarded = '-300', ap_per_advc = NULL WHERE id = 2", &["ap_awarded"]),
    ("UPDATE mining_events SET native_amount = '9' WHERE id = 2", &["native_amount", "advc_amount", "high_water"]),
    ("UPDATE mining_events SET native_current = '16' WHERE id = 2", &["native_amount", "event_id"]),
    ("UPDATE mining_events SET native_previous = '11' WHERE id = 2", &["counted_twice"]),
    ("UPDATE mining_events SET native_amount = NULL WHERE id = 2", &["unreadable_amount"]),
    ("UPDATE mining_events SET rate = '2' WHERE id = 2", &["advc_amount"]),
    ("UPDATE mining_events SET rate = NULL WHERE id = 2", &["rate"]),
    ("UPDATE mining_events SET event_id = '00000000-0000-5000-8000-000000000000' WHERE id = 2", &["event_id"]),
    ("UPDATE mining_events SET epoch = 7 WHERE id = 2", &["event_id", "high_water"]),
    ("UPDATE mining_events SET total_advc_after = '9' WHERE id = 2", &["total_advc_after"]),
    ("UPDATE mining_events SET total_ap_after = NULL WHERE id = 2", &["status"]),
    ("UPDATE mining_events SET status = 'held' WHERE id = 2", &["status", "ap_awarded"]),
    ("UPDATE mining_events SET status = 'awarded' WHERE id = 4", &["status"]),
    ("UPDATE mining_events SET status = 'odd' WHERE id = 2", &["status"]),
    ("UPDATE mining_events SET processed = FALSE WHERE id = 2", &["status"]),
    ("UPDATE mining_events SET position_sequence = 9 WHERE id = 2", &["position_sequence", "sequence"]),
    ("UPDATE mining_events SET position_id = NULL WHERE id = 2", &["event_without_number", "high_water"]),
    ("UPDATE mining_events SET player_sequence = 9 WHERE id = 2", &["player_sequence", "event_sequence"]),
    ("UPDATE mining_events SET player_id = 2, player_sequence = 2 WHERE id = 2", &["position", "event_sequence"]),
    ("DELETE FROM mining_events WHERE id = 2", &["position_sequence", "player_sequence", "high_water", "total_advc_after"]),
    ("DELETE FROM mining_events WHERE id = 4", &["sequence", "high_water"]),
    ("DELETE FROM mining_events WHERE id = 5", &["event_sequence", "total_advc_mined"]),
    ("UPDATE mining_events SET advc_amount = '-1' WHERE id = 5", &["advc_amount", "total_advc_after"]),
    ("UPDATE mining_events SET ap_awarded = '-1' WHERE id = 5", &["ap_awarded"]),
    ("UPDATE mining_events SET reverses = 4 WHERE id = 5", &["reversal", "event_id"]),
    ("UPDATE mining_events SET player_sequence = NULL WHERE id = 5", &["event_without_number", "event_sequence"]),
    ("UPDATE positions SET high_water = '99' WHERE id = 1", &["high_water"]),
    ("UPDATE positions SET baseline = '1' WHERE id = 1", &["high_water"]),
    ("UPDATE positions SET sequence = 9 WHERE id = 1", &["sequence"]),
    ("UPDATE positions SET epoch = 9 WHERE id = 1", &["high_water", "wallet_epoch"]),
    ("DELETE FROM position_rebases", &["position_sequence", "high_water"]),
    ("UPDATE position_rebases SET old_high_water = '99'", &["high_water"]),
    ("UPDATE players SET total_advc_mined = '99' WHERE id = 1", &["total_advc_mined"]),
    ("UPDATE players SET event_sequence = 9 WHERE id = 1", &["event_sequence"]),
];

async fn each_kind_of_corruption_is_found(engine: Engine) {
    // The rows are put back after each, so that one database will do.
    let bench = busy(engine).await;
    const TABLES: [&str; 4] = ["mining_events", "positions", "position_rebases", "players"];
    for table in TABLES {
        bench.run(&format!("CREATE TABLE good_{table} AS SELECT * FROM {table}")).await;
    }
    let before = bench.events().await;
    for (sql, rules) in CORRUPTIONS {
        bench.run(sql).await;
        let report = verify(&bench.db).await.unwrap();
        for rule in *rules {
            assert!(report.differences.iter().any(|found| found.what == *rule), "{sql}: {rule} is not in {report:#?}");
        }
        assert_eq!(report.differences_total, report.differences.len() as u64);
        put_back(&bench).await;
        bench.assert_verified().await;
    }
    assert_eq!(bench.events().await, before);
}

/// Where each stands, as `UPDATE … SET column = 'NaN' WHERE id = N`, and how `verify` names the place.
const UNREADABLE: &[(&str, &str, i32, &str)] = &[
    ("players", "total_ap", 1, "player 1"),
    ("players", "total_advc_mined", 1, "player 1"),
    // Bob has no awards.
    ("players", "total_ap", 2, "player 2"),
    ("players", "total_advc_mined", 2, "player 2"),
    ("mining_events", "advc_amount", 2, "event 2 (player 1, rplant)"),
    ("mining_events", "ap_awarded", 2, "event 2 (player 1, rplant)"),
    ("mining_events", "total_advc_after", 2, "event 2 (player 1, rplant)"),
    ("mining_events", "total_ap_after", 2, "event 2 (player 1, rplant)"),
    ("mining_events", "ap_awarded", 4, "event 4 (player 1, rplant)"),
    ("mining_events", "advc_amount", 5, "event 5 (player 1, rplant)"),
    ("mining_events", "ap_awarded", 5, "event 5 (player 1, rplant)"),
    ("mining_events", "native_amount", 5, "event 5 (player 1, rplant)"),
    // A reversed award: its reversal is not what is wrong.
    ("mining_events", "advc_amount", 1, "event 1 (player 1, rplant)"),
];

async fn an_amount_that_cannot_be_read_is_one_difference(engine: Engine) {
    let bench = busy(engine).await;
    for (table, column, id, place) in UNREADABLE {
        bench.run(&format!("CREATE TABLE good AS SELECT {column} FROM {table} WHERE id = {id}")).await;
        // PostgreSQL's NUMERIC has it as a value; in SQLite's text anything may stand.
        bench.run(&format!("UPDATE {table} SET {column} = 'NaN' WHERE id = {id}")).await;
        let shown = bench.cli(&["verify", "--json"]);
        assert_eq!(shown.status.code(), Some(1), "{table} {column} {id}");
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
        let expected = format!("an amount in {column}");
        let difference = serde_json::json!({ "what": "unreadable_amount", "place": place, "expected": expected, "found": "NaN" });
        assert_eq!(shown["differences"], serde_json::json!([difference]), "{table} {column} {id}");
        assert_eq!(shown["differences_total"], 1);
        bench.run(&format!("UPDATE {table} SET {column} = (SELECT {column} FROM good) WHERE id = {id}")).await;
        bench.run("DROP TABLE good").await;
    }
    bench.assert_verified().await;
}

async fn put_back(bench: &Bench) {
    for sql in [
        "DELETE FROM mining_events WHERE reverses IS NOT NULL",
        "DELETE FROM mining_events",
        "DELETE FROM position_rebases",
        "DELETE FROM positions",
        "UPDATE players SET total_ap = g.total_ap, total_advc_mined = g.total_advc_mined, event_sequence = g.event_sequence \
         FROM good_players g WHERE players.id = g.id",
        "INSERT INTO positions SELECT * FROM good_positions",
        "INSERT INTO position_rebases SELECT * FROM good_position_rebases",
        "INSERT INTO mining_events SELECT * FROM good_mining_events",
    ] {
        bench.run(sql).await;
    }
}

async fn more_rows_than_a_page_are_walked_in_order(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    let rises: Vec<_> = (1..=1_300).map(|paid| seen(1, &paid.to_string())).collect();
    book.record(&rises, now()).await.unwrap();
    // Many positions, of one player, and one event each.
    for paid in ["1", "2"] {
        let wallets: Vec<_> = (0..1_100).map(|number| of_wallet(2, &format!("{}{number}", wallet(2)), paid)).collect();
        book.record(&wallets, now()).await.unwrap();
    }
    let report = verify(&bench.db).await.unwrap();
    assert_eq!((report.differences_total, report.positions, report.events), (0, 1_101, 1_299 + 1_100), "{report:?}");
    bench.run("UPDATE positions SET high_water = '3' WHERE id > 501 AND player_id = 2").await;
    let report = verify(&bench.db).await.unwrap();
    assert_eq!((report.differences_total, report.differences.len()), (600, 600));
    bench.run("UPDATE mining_events SET processed = FALSE").await;
    let report = verify(&bench.db).await.unwrap();
    assert_eq!((report.differences_total, report.differences.len()), (600 + 2_399, 1_000), "only so many are kept");
}

async fn a_database_that_is_being_written_to_is_seen_at_one_moment(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    let rises: Vec<_> = (1..=1_300).map(|paid| seen(1, &paid.to_string())).collect();
    book.record(&rises, now()).await.unwrap();
    let (done, commits) = (Cell::new(false), Cell::new(0));
    let writing = async {
        while !done.get() {
            commits.set(commits.get() + 1);
            let paid = (1_300 + commits.get()).to_string();
            book.record(&[seen(1, &paid), seen(2, &paid)], now()).await.unwrap();
        }
    };
    let looking = async {
        // Until enough of both have met.
        for looks in 1.. {
            bench.assert_verified().await;
            if looks >= 10 && commits.get() >= 10 {
                break;
            }
        }
        done.set(true);
    };
    tokio::join!(writing, looking);
    bench.assert_verified().await;
}

async fn points_that_the_game_spent_are_no_difference(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "10"), (1, "12")]).await;
    bench.run("UPDATE players SET total_ap = total_ap - 30 WHERE id = 1").await;
    read(&mut book, &[(1, "13")]).await;
    bench.run("UPDATE players SET total_ap = total_ap - 5 WHERE id = 1").await;
    let report = verify(&bench.db).await.unwrap();
    assert_eq!((report.differences_total, report.players_with_other_ap, report.other_ap), (0, 1, amount("-35")));
    assert_eq!(bench.total(1).await, "265 AP 3 ADVC #2");
}

async fn a_total_is_read_as_an_award_reads_it(engine: Engine) {
    let bench = Bench::new(engine).await;
    if engine == Engine::Postgres {
        // As a takeover leaves the columns.
        bench.run("ALTER TABLE players ALTER total_ap TYPE numeric, ALTER total_advc_mined TYPE numeric").await;
    }
    bench.run("UPDATE players SET total_ap = '8900.915968999996', total_advc_mined = '89.00915968999996'").await;
    bench.assert_verified().await;
    read(&mut bench.book(FirstReading::Baseline), &[(1, "10"), (1, "12")]).await;
    assert_eq!(bench.total(1).await, "9100.915969 AP 91.00915969 ADVC #1");
    bench.assert_verified().await;
    // After an award it is the award's own figure, to the last digit.
    bench.run("UPDATE players SET total_advc_mined = '91.009159691'").await;
    let report = verify(&bench.db).await.unwrap();
    let found: Vec<_> = report.differences.iter().map(|found| (found.what, found.place.as_str())).collect();
    assert_eq!(found, [("total_advc_mined", "player 1")]);
}
