//! What the replaced service got wrong, one test each: what was true, and what it credited.

use std::sync::Arc;

use entity::pool_snapshots;
use pool_poller::domain::payout::FirstReading;
use pool_poller::domain::{Amount, Counter, Figures, PlayerId, PoolName, Reading, Wallet};
use pool_poller::pools::{PoolSpec, extract, load};
use pool_poller::store::book::{Book, Observation};
use sea_orm::{ConnectionTrait as _, EntityTrait as _};

use super::bench::{Bench, Engine, amount, now, of_wallet, on_both_engines, read, rules, wallet};

on_both_engines!(
    an_answer_without_paid_250_credited_500,
    a_counter_that_flaps_12_credited_14,
    a_change_of_unit_3_credited_3_million_million,
    infinity_is_no_amount,
    fifty_payouts_of_dust_0_0045_credited_0,
    a_doubled_rate_500_credited_1000,
    deleted_snapshots_42_credited_84,
    a_switched_wallet_5_credited_900,
    killed_between_award_and_snapshot_8_credited_11,
);

/// One of the compiled-in pools.
fn pool(name: &str) -> PoolSpec {
    let specs = load(&[], &|_| Ok((None, None))).unwrap();
    specs.into_iter().find(|spec| spec.name().as_str() == name).unwrap()
}

/// What becomes of a body: a reading, or nothing at all.
async fn answered(book: &mut Book, spec: &PoolSpec, body: &str) {
    let address: Wallet = wallet(1).parse().unwrap();
    if let Ok(extracted) = extract(spec, &address, body.as_bytes()) {
        let reading = extracted.into_reading(PlayerId(1), spec.name().clone(), address);
        book.record(&[Observation::Reading(reading)], now()).await.unwrap();
    }
}

async fn an_answer_without_paid_250_credited_500(engine: Engine) {
    let bench = Bench::new(engine).await;
    let (mut book, spec) = (bench.book(FirstReading::Award), pool("cpu-pool"));
    let miner = wallet(1);
    let good = format!(r#"{{"miner":"{miner}","balance":0,"paid":250,"totalHash":1,"totalShares":1,"immature":0}}"#);
    for body in [good.as_str(), r#"{"balance":0}"#, "{}", "", &good] {
        answered(&mut book, &spec, body).await;
    }
    assert_eq!(bench.total(1).await, "25000 AP 250 ADVC #1");
    bench.assert_verified().await;
}

async fn a_counter_that_flaps_12_credited_14(engine: Engine) {
    let bench = Bench::new(engine).await;
    read(&mut bench.book(FirstReading::Award), &[(1, "10"), (1, "12"), (1, "10"), (1, "12")]).await;
    assert_eq!(bench.total(1).await, "1200 AP 12 ADVC #2");
    bench.assert_verified().await;
}

async fn a_change_of_unit_3_credited_3_million_million(engine: Engine) {
    let bench = Bench::new(engine).await;
    let report = read(&mut bench.book(FirstReading::Award), &[(1, "3"), (1, "3000000000000")]).await;
    assert_eq!(report.held.len(), 1, "a person decides");
    assert_eq!(bench.total(1).await, "300 AP 3 ADVC #1");
    bench.assert_verified().await;
}

async fn infinity_is_no_amount(engine: Engine) {
    let bench = Bench::new(engine).await;
    let (mut book, spec) = (bench.book(FirstReading::Award), pool("cpu-pool"));
    let miner = wallet(1);
    for paid in ["1", "Infinity", "\"Infinity\"", "-Infinity", "NaN", "1e999", "\"1e999\"", "1"] {
        answered(&mut book, &spec, &format!(r#"{{"miner":"{miner}","balance":0,"paid":{paid}}}"#)).await;
    }
    assert_eq!(bench.total(1).await, "100 AP 1 ADVC #1");
    assert_eq!(bench.events().await.len(), 1);
    bench.assert_verified().await;
}

async fn fifty_payouts_of_dust_0_0045_credited_0(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    let dust = amount("0.00009").units();
    for payout in 0..=50 {
        let paid = Amount::from_units(payout * dust).unwrap().checked_add(amount("1")).unwrap();
        read(&mut book, &[(1, &paid.to_string())]).await;
    }
    assert_eq!(bench.total(1).await, "0.45 AP 0.0045 ADVC #25");
    bench.assert_verified().await;
}

async fn a_doubled_rate_500_credited_1000(engine: Engine) {
    let bench = Bench::new(engine).await;
    let bitcoin = Observation::Reading(Reading {
        player: PlayerId(1),
        pool: "zpool".parse::<PoolName>().unwrap(),
        wallet: wallet(1).parse().unwrap(),
        currency: "BTC".parse().unwrap(),
        counters: vec![Counter { source: "/paid".into(), paid: amount("0.0005") }],
        listed: None,
        figures: Figures::default(),
        raw: "{}".into(),
    });
    for rate in ["1000000", "2000000", "2000000"] {
        let mut book = Book::new(bench.db.clone(), Arc::new(rules(FirstReading::Award, rate)), false);
        book.record(std::slice::from_ref(&bitcoin), now()).await.unwrap();
    }
    assert_eq!(bench.total(1).await, "50000 AP 500 ADVC #1");
    bench.assert_verified().await;
}

async fn deleted_snapshots_42_credited_84(engine: Engine) {
    let bench = Bench::new(engine).await;
    read(&mut bench.book(FirstReading::Award), &[(1, "42")]).await;
    bench.run("DELETE FROM pool_snapshots").await;
    read(&mut bench.book(FirstReading::Award), &[(1, "42")]).await;
    assert_eq!(bench.total(1).await, "4200 AP 42 ADVC #1");
    bench.assert_verified().await;
}

async fn a_switched_wallet_5_credited_900(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Award);
    read(&mut book, &[(1, "5")]).await;
    let other = format!("{}other", wallet(1));
    for paid in ["900", "900"] {
        book.record(&[of_wallet(1, &other, paid)], now()).await.unwrap();
    }
    assert_eq!(bench.total(1).await, "500 AP 5 ADVC #1");
    bench.assert_verified().await;
}

async fn killed_between_award_and_snapshot_8_credited_11(engine: Engine) {
    let bench = Bench::new(engine).await;
    read(&mut bench.book(FirstReading::Award), &[(1, "5")]).await;
    // The award of 3 is in the transaction and its snapshot is not: there it ends.
    let (stop, go) = match engine {
        Engine::Sqlite => (
            "CREATE TRIGGER stop BEFORE INSERT ON pool_snapshots BEGIN SELECT RAISE(ROLLBACK, 'killed'); END",
            "DROP TRIGGER stop",
        ),
        Engine::Postgres => (
            "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$; \
             CREATE TRIGGER stop BEFORE INSERT ON pool_snapshots FOR EACH ROW EXECUTE FUNCTION stop()",
            "DROP TRIGGER stop ON pool_snapshots",
        ),
    };
    bench.db.execute_unprepared(stop).await.unwrap();
    // Whether it is an error or a refused reading: nothing of the award may be left.
    let _ = bench.book(FirstReading::Award).record(&[super::bench::seen(1, "8")], now()).await;
    assert_eq!(bench.total(1).await, "500 AP 5 ADVC #1");
    assert_eq!(bench.events().await.len(), 1);
    bench.run(go).await;
    read(&mut bench.book(FirstReading::Award), &[(1, "8"), (1, "8")]).await;
    assert_eq!(bench.total(1).await, "800 AP 8 ADVC #2");
    assert_eq!(pool_snapshots::Entity::find().all(&bench.db).await.unwrap().len(), 2);
    bench.assert_verified().await;
}
