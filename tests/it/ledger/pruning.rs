//! Old snapshots go, between commits, and never change what is awarded.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use chrono::TimeDelta;
use entity::pool_snapshots;
use pool_poller::actors::ReportMetrics;
use pool_poller::actors::ledger::{Drain, Ledger, Prune, RecordObservations, Upkeep, Verify};
use pool_poller::actors::supervision::{Fuse, Supervision};
use pool_poller::clock::Clock;
use pool_poller::domain::payout::FirstReading;
use pool_poller::store::prune::{ROWS_PER_BATCH, count, prune_batch};
use sea_orm::{EntityTrait as _, PaginatorTrait as _};

use super::bench::{Bench, Engine, now, on_both_engines, read, rules, seen, wallet};

on_both_engines!(
    a_batch_deletes_the_oldest_and_no_more_than_a_batch,
    pruning_everything_changes_nothing_that_is_awarded,
    the_ledger_prunes_between_commits,
    the_ledger_verifies_while_it_commits,
);

/// Adds snapshots of ann's that are as old as this.
async fn add_old(bench: &Bench, rows: u32, age: TimeDelta) {
    let at = (now() - age).format("%Y-%m-%d %H:%M:%S%.6f");
    bench
        .run(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
             INSERT INTO pool_snapshots (player_id, pool_name, paid, snapshot_time, address) \
             SELECT 1, 'rplant', '1', '{at}', '{}' FROM n",
            wallet(1)
        ))
        .await;
}

async fn rows(bench: &Bench) -> u64 {
    pool_snapshots::Entity::find().count(&bench.db).await.unwrap()
}

async fn a_batch_deletes_the_oldest_and_no_more_than_a_batch(engine: Engine) {
    let bench = Bench::new(engine).await;
    add_old(&bench, 1_500, TimeDelta::days(40)).await;
    add_old(&bench, 20, TimeDelta::days(20)).await;
    let before = now() - TimeDelta::days(30);
    assert_eq!(count(&bench.db, before).await.unwrap(), 1_500);
    assert_eq!(prune_batch(&bench.db, before).await.unwrap(), ROWS_PER_BATCH);
    assert_eq!(prune_batch(&bench.db, before).await.unwrap(), 500);
    assert_eq!(prune_batch(&bench.db, before).await.unwrap(), 0);
    assert_eq!(rows(&bench).await, 20);
}

async fn pruning_everything_changes_nothing_that_is_awarded(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "10"), (1, "12")]).await;
    prune_batch(&bench.db, now() + TimeDelta::days(1)).await.unwrap();
    assert_eq!(rows(&bench).await, 0);
    // A daemon that goes on, and one that starts anew.
    read(&mut book, &[(1, "12")]).await;
    read(&mut bench.book(FirstReading::Award), &[(1, "12"), (1, "13")]).await;
    assert_eq!(bench.total(1).await, "300 AP 3 ADVC #2");
    bench.assert_verified().await;
}

fn ledger(bench: &Bench) -> Addr<Ledger> {
    let (fuse, _fatal) = Fuse::new();
    let supervision = Supervision::new("ledger", Clock::start(), fuse);
    let upkeep = Upkeep { retention_days: NonZeroU32::new(30), is_daemon: false };
    Ledger::new(bench.db.clone(), Arc::new(rules(FirstReading::Baseline, "1")), false, supervision).with_upkeep(upkeep).start()
}

async fn the_ledger_prunes_between_commits(engine: Engine) {
    let bench = Bench::new(engine).await;
    add_old(&bench, 3_500, TimeDelta::days(31)).await;
    let ledger = ledger(&bench);
    ledger.send(Prune).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut paid = 0;
    loop {
        paid += 1;
        let observations = Arc::new(vec![seen(1, &paid.to_string()), seen(2, &paid.to_string())]);
        ledger.send(RecordObservations { pool: "rplant".parse().unwrap(), observations }).await.unwrap().unwrap();
        let pruned = ledger.send(ReportMetrics).await.unwrap()["rows_pruned"].as_u64().unwrap();
        if pruned == 3_500 {
            break;
        }
        assert!(Instant::now() < deadline, "{pruned} rows pruned");
    }
    ledger.send(Drain).await.unwrap();
    assert_eq!(count(&bench.db, now() - TimeDelta::days(30)).await.unwrap(), 0);
    let awarded = paid - 1;
    assert_eq!(bench.total(2).await, format!("{} AP {awarded} ADVC #{awarded}", awarded * 100));
    bench.assert_verified().await;
}

async fn the_ledger_verifies_while_it_commits(engine: Engine) {
    let bench = Bench::new(engine).await;
    let ledger = ledger(&bench);
    let record = async |paid: i32| {
        let observations = Arc::new(vec![seen(1, &paid.to_string())]);
        ledger.send(RecordObservations { pool: "rplant".parse().unwrap(), observations }).await.unwrap().unwrap();
    };
    for paid in 1..=20 {
        record(paid).await;
    }
    let (found, ()) = tokio::join!(ledger.send(Verify), async {
        for paid in 21..=40 {
            record(paid).await;
        }
    });
    assert_eq!(found.unwrap(), Ok(0));
    bench.run("UPDATE positions SET high_water = '41'").await;
    assert_eq!(ledger.send(Verify).await.unwrap(), Ok(1));
    let metrics = ledger.send(ReportMetrics).await.unwrap();
    assert_eq!(metrics["verify_last_differences"], 1);
    assert!(metrics["verify_last_at"].is_string());
    ledger.send(Drain).await.unwrap();
    assert!(ledger.send(Verify).await.unwrap().is_err(), "nothing is begun while it drains");
}
