//! Backups: whole while others write, never over a file, and after one restored the next cycle brings the totals back.

use std::process::Command;

use pool_poller::domain::payout::FirstReading;
use pool_poller::store::backup::sqlite;
use pool_poller::store::connect;
use pool_poller::store::verify::verify;
use url::Url;

use super::bench::{Bench, Engine, now, olga, read, seen};
use crate::support::pg::TestDatabase;
use crate::support::required_env;

#[actix_rt::test]
async fn after_a_backup_is_restored_one_cycle_makes_the_totals_exact_again() {
    let bench = Bench::new(Engine::Sqlite).await;
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "10"), (1, "12"), (2, "5"), (2, "6.5")]).await;
    let copy = bench.file("copy.db");
    let said = bench.say(&["backup", copy.to_str().unwrap()]);
    assert!(said.contains("whole and verified"), "{said}");
    read(&mut book, &[(1, "13"), (2, "8")]).await;
    let (totals, events) = ((bench.total(1).await, bench.total(2).await), bench.events().await);

    let restored = connect(&format!("sqlite://{}", copy.display()), "test").await.unwrap();
    let restored = Bench { db: restored, ..Bench::empty(Engine::Sqlite).await };
    read(&mut restored.book(FirstReading::Baseline), &[(1, "13"), (2, "8")]).await;
    assert_eq!((restored.total(1).await, restored.total(2).await), totals);
    let ids = |events: &[entity::mining_events::Model]| -> Vec<_> {
        events.iter().map(|event| (event.event_id.clone(), event.player_sequence, event.ap_awarded)).collect()
    };
    assert_eq!(ids(&restored.events().await), ids(&events), "a repeated rise has its old event_id");
    restored.assert_verified().await;
}

#[actix_rt::test]
async fn a_copy_made_while_others_write_is_one_state() {
    let bench = Bench::new(Engine::Sqlite).await;
    let mut book = bench.book(FirstReading::Baseline);
    let rises: Vec<_> = (1..=2_000).map(|paid| seen(1, &paid.to_string())).collect();
    book.record(&rises, now()).await.unwrap();
    let done = std::cell::Cell::new(false);
    let writing = async {
        let mut paid = 2_000;
        while !done.get() {
            paid += 1;
            book.record(&[seen(1, &paid.to_string())], now()).await.unwrap();
        }
    };
    let copying = async {
        for number in 0..5 {
            let report = sqlite(&bench.db, &bench.file(&format!("{number}.db"))).await.unwrap().unwrap();
            assert_eq!((report.differences_total, report.events >= 1_999), (0, true), "{report:?}");
        }
        done.set(true);
    };
    tokio::join!(writing, copying);
}

#[actix_rt::test]
async fn no_file_is_overwritten_and_none_is_left_half() {
    let bench = Bench::new(Engine::Sqlite).await;
    for (name, content) in [("taken", "mine"), ("empty", "")] {
        let file = bench.file(name);
        std::fs::write(&file, content).unwrap();
        let (code, line) = bench.complaint(&["backup", file.to_str().unwrap()]);
        assert_eq!((code, line.contains("never overwrites")), (1, true), "{line}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
    }
    let (code, line) = bench.complaint(&["backup", "/nowhere/copy.db"]);
    assert_eq!((code, line.contains("/nowhere/copy.db")), (1, true), "{line}");
    let left: Vec<_> = std::fs::read_dir(bench.file("").as_path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("backup"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[actix_rt::test]
async fn a_database_that_does_not_add_up_is_copied_and_named() {
    let bench = Bench::new(Engine::Sqlite).await;
    read(&mut bench.book(FirstReading::Baseline), &[(1, "10"), (1, "12")]).await;
    bench.run("UPDATE positions SET high_water = '99'").await;
    let copy = bench.file("copy.db");
    let (code, line) = bench.complaint(&["backup", copy.to_str().unwrap()]);
    assert_eq!((code, line.contains("does not add up")), (1, true), "{line}");
    assert!(copy.exists(), "it is what the database holds");
}

#[actix_rt::test]
async fn on_postgres_the_printed_command_makes_a_backup_that_can_be_restored() {
    let bench = Bench::new(Engine::Postgres).await;
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "10"), (1, "12")]).await;
    let event = pool_poller::store::decisions::EventRef::Row(1);
    pool_poller::store::reversal::reverse(&bench.db, event, &olga(), false, now()).await.unwrap();
    let file = bench.file("it's a.dump");
    let said = bench.say(&["backup", file.to_str().unwrap()]);
    let url = Url::parse(&bench.url).unwrap();
    let password = url.password().unwrap_or_default().to_owned();
    assert!(!password.is_empty() && !said.contains(&password), "{said}");
    let command = said.lines().map(str::trim).find(|line| line.starts_with("pg_dump ")).unwrap();
    let run = |command: &str| {
        let output = Command::new("sh")
            .args(["-c", command])
            .env("PATH", format!("{}:/usr/bin:/bin", required_env("POOL_POLLER_TEST_PG_BIN")))
            .env("PGPASSWORD", &password)
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(command);

    let fresh = TestDatabase::create().await;
    let mut target = Url::parse(fresh.url()).unwrap();
    target.set_password(None).unwrap();
    run(&format!("pg_restore --no-owner --dbname '{target}' \"{}\"", file.display()));
    let restored = connect(fresh.url(), "test").await.unwrap();
    let report = verify(&restored).await.unwrap();
    assert_eq!((report.differences_total, report.events, report.reversals), (0, 1, 1), "{report:?}");
}
