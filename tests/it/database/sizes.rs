//! Batches of every size that a statement could go wrong at, and rows that differ in everything.

use std::collections::HashMap;

use entity::pool_snapshots;
use pool_poller::domain::{Amount, Counter, EventId, Figures, Reading};
use pool_poller::store::book::Observation;
use pool_poller::store::{now_utc, outbox};
use sea_orm::{EntityTrait as _, QueryOrder as _};

use super::balance::assert_balanced;
use super::bench::{Bench, amount, reading, record, seen};

super::on_both_engines![
    a_batch_of_any_size_is_stored_row_by_row,
    nulls_and_values_of_one_column_stay_with_their_rows,
    one_refused_row_of_many_is_found_and_the_others_are_stored,
    marking_any_number_of_awards_marks_those,
];

/// On both sides of every number of rows that SQLite has a statement for.
const SIZES: [i32; 20] = [1, 2, 3, 4, 5, 15, 16, 17, 20, 63, 64, 65, 84, 127, 128, 255, 256, 257, 341, 500];

async fn add_players(bench: &Bench, count: i32) {
    let players = (1..=count).map(|n| format!("('p{n}', 'm{n}', 'w{n}', TRUE)")).collect::<Vec<_>>().join(", ");
    bench.execute(&format!("INSERT INTO players (username, email, wallet_address, verified) VALUES {players}")).await;
}

/// What player `n` was paid after `round` rounds: no two are alike, down to the last place.
fn paid(n: i32, round: i32) -> Amount {
    let units = i128::from(n) * 1_000_000_007 + i128::from(round) * (150_000_000 + i128::from(n));
    Amount::from_units(units).expect("a small amount")
}

async fn a_batch_of_any_size_is_stored_row_by_row(bench: Bench) {
    add_players(&bench, 500).await;
    let mut book = bench.book();
    let batch = |from: i32, to: i32, round: i32| -> Vec<Observation> {
        (from..=to).flat_map(|n| seen(n, &format!("w{n}"), &paid(n, round).to_string())).collect()
    };
    let mut rounds = vec![0; 501];
    record(&mut book, &batch(1, 500, 0)).await;
    for (size, round) in SIZES.into_iter().zip(1..) {
        // Neither always the same players nor always the first.
        let (from, to) = if round % 2 == 0 { (1, size) } else { (501 - size, 500) };
        let report = record(&mut book, &batch(from, to, round)).await;
        assert_eq!((report.awards.len(), report.transactions), (size as usize, 1));
        for n in from..=to {
            rounds[n as usize] = round;
        }
    }
    let positions = bench.positions().await;
    assert_eq!(positions.len(), 500);
    for row in positions {
        let n = row.player_id;
        assert_eq!(row.address, format!("w{n}"));
        assert_eq!(Amount::from_decimal(row.high_water.0), Some(paid(n, rounds[n as usize])), "player {n}");
    }
    let awards: usize = SIZES.iter().map(|size| *size as usize).sum();
    assert_eq!(bench.events().await.len(), awards);
    assert_balanced(&bench).await;
}

async fn nulls_and_values_of_one_column_stay_with_their_rows(bench: Bench) {
    add_players(&bench, 90).await;
    let some = |n: i32, every: i32| (n % every == 0).then(|| amount(&format!("{n}.0000000{every}")));
    let odd =
        |n: i32| [String::new(), "NULL".into(), format!("{{\"a\":[\"{n}\\\\\"]}}"), "日本🎮'".into()][n as usize % 4].clone();
    let answer = |n: i32| format!("{{\"note\":{}}}", serde_json::Value::from(odd(n)));
    let of = |n: i32, round: i32| Reading {
        figures: Figures {
            total_hash: some(n, 2),
            total_shares: some(n, 3),
            immature: some(n, 5),
            balance: some(n, 7),
            ..Figures::default()
        },
        raw: answer(n),
        counters: vec![Counter { source: format!("/{}", odd(n)).into(), paid: paid(n, round) }],
        ..reading(n, &format!("w{n}"), "1")
    };
    let mut book = bench.book();
    for round in 0..2 {
        record(&mut book, &(1..=90).map(|n| Observation::Reading(of(n, round))).collect::<Vec<_>>()).await;
    }
    let rows = pool_snapshots::Entity::find().order_by_asc(pool_snapshots::Column::Id).all(&bench.db).await.expect("snapshots");
    assert_eq!(rows.len(), 180);
    for row in rows {
        let n = row.player_id;
        let read = |money: Option<entity::Money>| money.and_then(|money| Amount::from_decimal(money.0));
        assert_eq!(row.raw_response, Some(answer(n)));
        assert_eq!((read(row.total_hash), read(row.total_shares)), (some(n, 2), some(n, 3)), "player {n}");
        assert_eq!((read(row.immature), read(row.balance)), (some(n, 5), some(n, 7)), "player {n}");
    }
    for row in bench.positions().await {
        assert_eq!((row.source, row.open_anomaly), (format!("/{}", odd(row.player_id)), None));
    }
    assert_balanced(&bench).await;
}

async fn one_refused_row_of_many_is_found_and_the_others_are_stored(bench: Bench) {
    add_players(&bench, 150).await;
    let mut book = bench.book();
    let batch = |round: i32| -> Vec<Observation> {
        (1..=150).flat_map(|n| seen(n, &format!("w{n}"), &paid(n, round).to_string())).collect()
    };
    record(&mut book, &batch(0)).await;
    // The game's own SQL has made a total of one player no number.
    let broken = if bench.is_postgres() { "'NaN'" } else { "'a lot'" };
    bench.execute(&format!("UPDATE players SET total_ap = {broken} WHERE id = 97")).await;
    let report = record(&mut book, &batch(1)).await;
    assert_eq!((report.awards.len(), report.dropped.len()), (149, 0));
    let [anomaly] = bench.anomalies().await.try_into().expect("one anomaly");
    assert_eq!((anomaly.kind.as_str(), anomaly.player_id), ("reading_refused", 97));
    let events: HashMap<i32, Amount> = bench
        .events()
        .await
        .iter()
        .map(|row| (row.player_id, Amount::from_decimal(row.advc_amount.0).expect("an amount")))
        .collect();
    assert_eq!(events.len(), 149);
    assert!((1..=150).all(|n| events.get(&n).copied() == (n != 97).then(|| amount(&format!("1.5{n:07}")))), "{events:?}");
}

async fn marking_any_number_of_awards_marks_those(bench: Bench) {
    add_players(&bench, 500).await;
    let mut book = bench.book();
    let batch = |round: i32| -> Vec<Observation> {
        (1..=500).flat_map(|n| seen(n, &format!("w{n}"), &paid(n, round).to_string())).collect()
    };
    record(&mut book, &batch(0)).await;
    let mut waiting = 0;
    for (size, round) in [1, 3, 64, 200, 256, 257, 499].into_iter().zip(1_i64..) {
        record(&mut book, &batch(i32::try_from(round).expect("few"))).await;
        waiting += 500;
        let now = now_utc();
        let due = outbox::next_undelivered(&bench.db, &[], 500, now).await.expect("a list");
        assert_eq!(due.len(), 500);
        let ids: Vec<EventId> = due.iter().map(|event| event.event_id).collect();
        outbox::mark_notified(&bench.db, &ids[..size]).await.expect("marks");
        waiting -= size as u64;
        assert_eq!(outbox::waiting(&bench.db).await.expect("a number"), waiting);
        let next_at = now + chrono::TimeDelta::hours(1);
        let attempts: Vec<outbox::Attempt> =
            ids[size..].iter().map(|event_id| outbox::Attempt { event_id: *event_id, next_at, dead: false }).collect();
        outbox::record_attempts(&bench.db, &attempts).await.expect("attempts");
        let attempted: i32 =
            bench.events().await.iter().filter(|row| row.player_sequence == Some(round)).map(|row| row.delivery_attempts).sum();
        assert_eq!(attempted, 500 - size as i32, "each is counted once");
        // Those that wait are offered again when their time has come, the marked ones never.
        let again = outbox::next_undelivered(&bench.db, &[], 500, next_at).await.expect("a list");
        assert!(again.iter().all(|event| !ids[..size].contains(&event.event_id)));
        outbox::mark_notified(&bench.db, &ids[size..]).await.expect("marks");
        waiting -= 500 - size as u64;
    }
    assert_eq!(waiting, 0);
}
