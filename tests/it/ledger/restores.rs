//! An older backup is restored while the pools went on paying: what is made up for, and what nobody can know any more.

use std::process::Command;
use std::sync::Arc;

use pool_poller::domain::payout::FirstReading;
use pool_poller::store::book::Book;
use pool_poller::store::connect;
use url::Url;

use super::bench::{Bench, Engine, amount, on_both_engines, read, rules};
use crate::support::pg::TestDatabase;
use crate::support::required_env;

on_both_engines!(
    what_was_paid_since_the_backup_is_awarded_as_one_rise_and_once,
    a_wallet_that_the_backup_does_not_know_begins_where_its_counter_is,
    a_rise_that_came_together_since_the_backup_is_held_above_the_maximum,
);

/// Makes a backup as the README says, lets `meanwhile` happen, and restores it.
async fn restored_after(bench: &Bench, meanwhile: impl AsyncFnOnce()) -> Bench {
    let file = bench.file("backup");
    let said = bench.say(&["backup", file.to_str().unwrap()]);
    let url = Url::parse(&bench.url).unwrap();
    if url.scheme() == "sqlite" {
        meanwhile().await;
        let url = format!("sqlite://{}", file.display());
        return Bench { db: connect(&url, "test").await.unwrap(), url, ..Bench::empty(Engine::Sqlite).await };
    }
    let run = |command: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).env("PATH", format!("{}:/usr/bin:/bin", required_env("POOL_POLLER_TEST_PG_BIN")));
        let output = shell.env("PGPASSWORD", url.password().unwrap_or_default()).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(said.lines().map(str::trim).find(|line| line.starts_with("pg_dump ")).unwrap());
    meanwhile().await;
    let database = TestDatabase::create().await;
    let mut target = Url::parse(database.url()).unwrap();
    target.set_password(None).unwrap();
    run(&format!("pg_restore --no-owner --dbname '{target}' '{}'", file.display()));
    let (db, url) = (connect(database.url(), "test").await.unwrap(), database.url().to_owned());
    Bench { db, url, _database: Some(database), ..Bench::empty(Engine::Sqlite).await }
}

async fn what_was_paid_since_the_backup_is_awarded_as_one_rise_and_once(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "10"), (1, "12")]).await;
    let restored = restored_after(&bench, async || {
        read(&mut book, &[(1, "13"), (1, "15")]).await;
    })
    .await;
    assert_eq!((bench.total(1).await, restored.total(1).await), ("500 AP 5 ADVC #3".into(), "200 AP 2 ADVC #1".into()));
    // The pool paid once more before the daemon was there again.
    let mut book = restored.book(FirstReading::Baseline);
    read(&mut book, &[(1, "16"), (1, "16")]).await;
    assert_eq!(restored.total(1).await, "600 AP 6 ADVC #2", "what the pool paid since the first reading, and no more");
    let (old, new) = (bench.events().await, restored.events().await);
    assert_eq!(new[0].event_id, old[0].event_id);
    assert!(old.iter().all(|event| event.event_id != new[1].event_id), "one rise is another event than its parts");
    assert_eq!(new[1].player_sequence, old[1].player_sequence, "a number that the game has seen with another event");
    restored.assert_verified().await;
}

async fn a_wallet_that_the_backup_does_not_know_begins_where_its_counter_is(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    let restored = restored_after(&bench, async || {
        read(&mut book, &[(2, "5"), (2, "6.5")]).await;
    })
    .await;
    assert_eq!(bench.total(2).await, "150 AP 1.5 ADVC #1");
    let mut book = restored.book(FirstReading::Baseline);
    read(&mut book, &[(2, "6.5")]).await;
    assert_eq!(restored.total(2).await, "0 AP 0 ADVC #0", "nobody knows where it began");
    // Who knows it from a log or from the lost database can say so.
    let position = restored.positions().await[0].id.to_string();
    restored.say(&["positions", "rebase", &position, "--high-water", "5", "--reason", "restored"]);
    read(&mut restored.book(FirstReading::Baseline), &[(2, "6.5")]).await;
    assert_eq!(restored.total(2).await, bench.total(2).await);
    restored.assert_verified().await;
}

async fn a_rise_that_came_together_since_the_backup_is_held_above_the_maximum(engine: Engine) {
    let bench = Bench::new(engine).await;
    let book = |bench: &Bench| {
        let mut rules = rules(FirstReading::Baseline, "1000000");
        rules.policy.max_payout_delta = amount("3");
        Book::new(bench.db.clone(), Arc::new(rules), false)
    };
    let mut before = book(&bench);
    read(&mut before, &[(1, "10")]).await;
    let restored = restored_after(&bench, async || {
        read(&mut before, &[(1, "12"), (1, "14")]).await;
    })
    .await;
    read(&mut book(&restored), &[(1, "14")]).await;
    assert_eq!(restored.total(1).await, "0 AP 0 ADVC #0");
    let held = restored.events().await;
    assert_eq!((held.len(), held[0].status.as_str()), (1, "held"));
    restored.say(&["events", "approve", &held[0].id.to_string(), "--reason", "since the backup"]);
    assert_eq!(restored.total(1).await, bench.total(1).await.replace("#2", "#1"));
    restored.assert_verified().await;
}
