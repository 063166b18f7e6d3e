//! The game writes `players` too. One odd row of it must not keep the others from being paid.

use entity::anomalies;
use pool_poller::domain::payout::FirstReading;
use pool_poller::store::{load_roster, players};
use sea_orm::EntityTrait as _;

use super::bench::{Bench, Engine, now, on_both_engines, seen};

on_both_engines!(
    a_total_with_the_noise_of_a_float_is_rounded,
    a_total_that_is_no_number_holds_up_nobody_else,
    times_that_cannot_be_read_hold_up_nobody,
);

/// Both players' counters rise by one, in one batch.
async fn both_are_paid(bench: &Bench) -> pool_poller::store::book::Report {
    let mut book = bench.book(FirstReading::Baseline);
    book.record(&[seen(1, "10"), seen(2, "10")], now()).await.unwrap();
    book.record(&[seen(1, "11"), seen(2, "11")], now()).await.unwrap()
}

async fn a_total_with_the_noise_of_a_float_is_rounded(engine: Engine) {
    // 0.1 + 0.2 − 0.3 in binary, a hundred places, and the smallest of all floats.
    for noise in ["0.00000000000000005551115123125783", &format!("0.{}7", "0".repeat(99)), &format!("0.{}1", "0".repeat(319))] {
        let bench = Bench::new(engine).await;
        if engine == Engine::Postgres {
            // As a taken-over table has it.
            bench.run("ALTER TABLE players ALTER COLUMN total_ap TYPE numeric, ALTER COLUMN total_advc_mined TYPE numeric").await;
        }
        bench.run(&format!("UPDATE players SET total_ap = '{noise}', total_advc_mined = '{noise}' WHERE id = 2")).await;
        let report = both_are_paid(&bench).await;
        assert_eq!((report.awards.len(), report.anomalies.len()), (2, 0), "{noise}");
        assert_eq!((bench.total(1).await, bench.total(2).await), ("100 AP 1 ADVC #1".into(), "100 AP 1 ADVC #1".into()));
        bench.assert_verified().await;
    }
}

async fn a_total_that_is_no_number_holds_up_nobody_else(engine: Engine) {
    let odd: &[&str] = match engine {
        Engine::Sqlite => &["'NaN'", "'a lot'", "x'00ff'", "1e40", "''"],
        // As a taken-over table has it, where the column has no bounds.
        Engine::Postgres => &["'NaN'", "1e40", "-1e30", "'Infinity'"],
    };
    for value in odd {
        for column in ["total_ap", "total_advc_mined"] {
            let bench = Bench::new(engine).await;
            if engine == Engine::Postgres {
                bench.run(&format!("ALTER TABLE players ALTER COLUMN {column} TYPE numeric")).await;
            }
            bench.run(&format!("UPDATE players SET {column} = {value} WHERE id = 2")).await;
            let report = both_are_paid(&bench).await;
            assert_eq!(report.awards.len(), 1, "{column} {value}: the other player's");
            assert_eq!(bench.total(1).await, "100 AP 1 ADVC #1");
            let [anomaly] = anomalies::Entity::find().all(&bench.db).await.unwrap().try_into().unwrap();
            assert_eq!((anomaly.player_id, anomaly.kind.as_str()), (2, "reading_refused"), "{column} {value}");
            let report = pool_poller::store::verify::verify(&bench.db).await.unwrap();
            assert!(report.differences.iter().all(|difference| difference.place == "player 2"), "{report:?}");
            assert!(!report.differences.is_empty(), "{column} {value}: it is proven wrong");
            assert_eq!(players::list(&bench.db).await.unwrap().len(), 2, "both are still listed");

            // Once it is a number again, what was paid meanwhile is awarded.
            bench.run(&format!("UPDATE players SET {column} = '0' WHERE id = 2")).await;
            bench.book(FirstReading::Baseline).record(&[seen(2, "11")], now()).await.unwrap();
            assert_eq!(bench.total(2).await, "100 AP 1 ADVC #1");
            bench.assert_verified().await;
        }
    }
}

async fn times_that_cannot_be_read_hold_up_nobody(engine: Engine) {
    let odd: &[&str] = match engine {
        Engine::Sqlite => &["'2026-11-26'", "1764115200", "''", "x'00ff'"],
        Engine::Postgres => &["'infinity'", "'-infinity'", "'294276-12-31'", "'4713-01-01 BC'"],
    };
    for value in odd {
        let bench = Bench::new(engine).await;
        bench
            .run(&format!(
                "UPDATE players SET created_at = {value}, updated_at = {value}, last_mining_event = {value} WHERE id = 2"
            ))
            .await;
        assert_eq!(players::list(&bench.db).await.unwrap().len(), 2, "{value}");
        assert_eq!(players::find(&bench.db, "bob").await.unwrap().id, 2, "{value}");
        assert_eq!(load_roster(&bench.db).await.unwrap().len(), 2, "{value}");
        for command in
            [&["players", "list"][..], &["players", "list", "--json"], &["explain", "bob"], &["explain", "bob", "--json"]]
        {
            assert!(bench.say(command).contains("bob"), "{value}");
        }
        bench.say(&["players", "verify", "bob"]);
        bench.run(&format!("UPDATE players SET last_mining_event = {value} WHERE id = 2")).await;
        let report = both_are_paid(&bench).await;
        assert_eq!((report.awards.len(), report.anomalies.len()), (2, 0), "{value}");
        bench.assert_verified().await;
    }
}
