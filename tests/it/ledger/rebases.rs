//! Counting from another mark: once, seen by a daemon that has the old mark in memory, and never paid twice.

use std::sync::Arc;

use actix::prelude::*;
use entity::{anomalies, position_rebases};
use pool_poller::actors::ledger::{Ledger, LoadRoster, RecordObservations};
use pool_poller::actors::supervision::{Fuse, Supervision};
use pool_poller::clock::Clock;
use pool_poller::domain::payout::FirstReading;
use pool_poller::store::connect;
use pool_poller::store::decisions::DecisionError;
use pool_poller::store::rebase::{NewMark, rebase, rebase_as_seen};
use sea_orm::EntityTrait as _;

use super::bench::{Bench, Engine, amount, now, of_wallet, olga, on_both_engines, read, rules, seen, wallet};

on_both_engines!(
    a_counter_that_began_anew_is_counted_again,
    a_daemon_with_the_old_mark_in_memory_pays_by_the_new_one,
    a_rebase_is_seen_at_the_next_cycle_without_an_anomaly,
    two_at_once_rebase_once,
    another_field_or_currency_needs_its_mark,
    every_player_of_the_wallet_is_in_the_same_epoch,
    a_pool_that_jumps_back_after_a_rebase_to_zero_is_held,
);

fn to(mark: &str) -> NewMark {
    NewMark { high_water: Some(amount(mark)), ..NewMark::default() }
}

async fn a_counter_that_began_anew_is_counted_again(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "10"), (1, "12"), (1, "1"), (1, "2")]).await;
    assert_eq!(bench.total(1).await, "200 AP 2 ADVC #1");
    let done = rebase(&bench.db, 1, &NewMark::default(), &olga(), now()).await.unwrap();
    assert_eq!(done.positions[0].new_high_water.0, amount("2").to_decimal(), "the newest snapshot's counter");
    assert_eq!(done.counter_above, None);
    // The same two marks as before: 10 to 12 is other money now.
    book.forget_anomalous();
    read(&mut book, &[(1, "2"), (1, "10"), (1, "12")]).await;
    assert_eq!(bench.total(1).await, "1200 AP 12 ADVC #3");
    let ids: std::collections::HashSet<_> = bench.events().await.into_iter().map(|event| event.event_id).collect();
    assert_eq!(ids.len(), 3);

    let [anomaly] = anomalies::Entity::find().all(&bench.db).await.unwrap().try_into().unwrap();
    assert_eq!((anomaly.resolved_by.as_deref(), anomaly.resolved_at.is_some()), (Some("olga"), true));
    assert_eq!(anomaly.resolution.as_deref(), Some("rebased to 2 ADVC: the pool said so"));
    let [row] = position_rebases::Entity::find().all(&bench.db).await.unwrap().try_into().unwrap();
    assert_eq!((row.from_epoch, row.to_epoch, row.position_sequence), (0, 1, 2));
    assert_eq!((row.decided_by.as_str(), row.reason.as_str()), ("olga", "the pool said so"));
    bench.assert_verified().await;
}

async fn a_daemon_with_the_old_mark_in_memory_pays_by_the_new_one(engine: Engine) {
    for (mark, expected) in [("15", "100 AP 1 ADVC #1"), ("8", "800 AP 8 ADVC #1")] {
        let bench = Bench::new(engine).await;
        let mut book = bench.book(FirstReading::Baseline);
        read(&mut book, &[(1, "10")]).await;
        rebase(&bench.db, 1, &to(mark), &olga(), now()).await.unwrap();
        // It meets the new number when it wants to store the rise over 10, and reads again.
        let report = read(&mut book, &[(1, "16")]).await;
        assert_eq!((report.conflicts, bench.total(1).await.as_str()), (1, expected), "rebased to {mark}");
        bench.assert_verified().await;
    }
}

async fn a_rebase_is_seen_at_the_next_cycle_without_an_anomaly(engine: Engine) {
    let bench = Bench::new(engine).await;
    let (fuse, _fatal) = Fuse::new();
    let supervision = Supervision::new("ledger", Clock::start(), fuse);
    let ledger = Ledger::new(bench.db.clone(), Arc::new(rules(FirstReading::Baseline, "1")), false, supervision).start();
    let cycle = async |paid: &str| {
        ledger.send(LoadRoster).await.unwrap().unwrap();
        let observations = Arc::new(vec![seen(1, paid)]);
        let recorded = ledger.send(RecordObservations { pool: "rplant".parse().unwrap(), observations }).await.unwrap();
        recorded.unwrap().awards
    };
    assert_eq!((cycle("10").await, cycle("10").await), (0, 0));
    let done = rebase(&bench.db, 1, &to("8"), &olga(), now()).await.unwrap();
    assert_eq!(done.counter_above, Some(amount("10")), "the operator is told what will be awarded");
    assert_eq!((cycle("10").await, cycle("10").await), (1, 0));
    assert_eq!(bench.total(1).await, "200 AP 2 ADVC #1");
    bench.assert_verified().await;
}

async fn two_at_once_rebase_once(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "10"), (1, "1")]).await;
    let others = [connect(&bench.url, "test").await.unwrap(), connect(&bench.url, "test").await.unwrap()];
    let (operator, mark) = (olga(), to("0"));
    // Both have looked at the same.
    let [position] = bench.positions().await.try_into().unwrap();
    let committing = async {
        for paid in 11..30 {
            read(&mut book, &[(1, &paid.to_string())]).await;
        }
    };
    let (first, second, ()) = tokio::join!(
        rebase_as_seen(&others[0], &position, &mark, &operator, now()),
        rebase_as_seen(&others[1], &position, &mark, &operator, now()),
        committing
    );
    assert_eq!(u32::from(first.is_ok()) + u32::from(second.is_ok()), 1, "{first:?} {second:?}");
    let lost = first.err().or(second.err()).unwrap();
    assert!(lost.to_string().contains("at the same time"), "{lost}");
    bench.assert_verified().await;
}

async fn another_field_or_currency_needs_its_mark(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "10")]).await;
    let other = NewMark { source: Some("/total".into()), ..NewMark::default() };
    let refused = rebase(&bench.db, 1, &other, &olga(), now()).await.unwrap_err();
    assert!(refused.to_string().contains("--high-water"), "{refused}");
    let refused = rebase(&bench.db, 9, &to("1"), &olga(), now()).await.unwrap_err();
    assert!(matches!(refused, DecisionError::UnknownPosition(9)), "{refused}");
    bench.run("DELETE FROM pool_snapshots").await;
    let refused = rebase(&bench.db, 1, &NewMark::default(), &olga(), now()).await.unwrap_err();
    assert!(refused.to_string().contains("no snapshot"), "{refused}");

    let mark = NewMark { high_water: Some(amount("0.5")), source: Some("/total".into()), currency: Some("BTC".parse().unwrap()) };
    rebase(&bench.db, 1, &mark, &olga(), now()).await.unwrap();
    let mut reading = seen(1, "0.50000001");
    let pool_poller::store::book::Observation::Reading(inner) = &mut reading else { panic!("a reading") };
    inner.currency = "BTC".parse().unwrap();
    inner.counters[0].source = "/total".into();
    book.record(&[reading], now()).await.unwrap();
    assert_eq!(bench.total(1).await, "1 AP 0.01 ADVC #1");
    bench.assert_verified().await;
}

async fn every_player_of_the_wallet_is_in_the_same_epoch(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    let shared = wallet(1);
    for (player, paid) in [(1, "10"), (1, "12"), (2, "12"), (2, "15")] {
        book.record(&[of_wallet(player, &shared, paid)], now()).await.unwrap();
    }
    let done = rebase(&bench.db, 1, &to("0.5"), &olga(), now()).await.unwrap();
    assert_eq!(done.positions.len(), 2);
    // The wallet goes to and fro after the pool began anew: each part is paid once, whoever has it.
    let carol = bench.player("carol").await;
    for (player, paid) in [(2, "0.5"), (2, "4.5"), (1, "4.5"), (1, "6.5"), (carol, "6.5"), (carol, "7.5"), (2, "7.5")] {
        book.record(&[of_wallet(player, &shared, paid)], now()).await.unwrap();
    }
    assert_eq!(bench.total(1).await, "400 AP 4 ADVC #2");
    assert_eq!(bench.total(2).await, "700 AP 7 ADVC #2");
    assert_eq!(bench.total(carol).await, "100 AP 1 ADVC #1");
    assert!(bench.positions().await.iter().all(|row| row.epoch == 1), "a new position begins in the wallet's epoch");
    bench.assert_verified().await;
}

async fn a_pool_that_jumps_back_after_a_rebase_to_zero_is_held(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "250"), (1, "0")]).await;
    rebase(&bench.db, 1, &NewMark::default(), &olga(), now()).await.unwrap();
    book.forget_anomalous();
    let report = read(&mut book, &[(1, "250")]).await;
    assert_eq!((report.awards.len(), report.held.len()), (0, 1));
    bench.assert_verified().await;
}
