//! Two daemons on one database: requests may be wasted, and nothing is awarded twice or lost.

use std::time::{Duration, Instant};

use pool_poller::domain::payout::FirstReading;
use pool_poller::store::book::{Book, Observation};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};

use super::balance::{assert_balanced, found_by_wallet};
use super::bench::{Bench, amount, record, rules, seen};

super::on_both_engines![two_books_on_the_same_positions_award_each_rise_once];

const WALLETS: i32 = 12;
const ROUNDS: u32 = 25;
const DEADLINE: Duration = Duration::from_secs(60);

/// What a wallet was paid by a round.
fn paid(wallet: i32, round: u32) -> String {
    let units = 100_000_000 + i128::from(wallet) * 7 + i128::from(round) * (1_000_000 + i128::from(wallet) * 12_345);
    pool_poller::domain::Amount::from_units(units).expect("an amount").to_string()
}

/// Some of the wallets at a round, in an order of this book's own.
fn batch(round: u32, seed: u64) -> Vec<Observation> {
    let mut rng = fastrand::Rng::with_seed(seed ^ u64::from(round));
    let mut wallets: Vec<i32> = (1..=WALLETS).filter(|_| round <= 1 || round == ROUNDS || rng.u8(0..4) > 0).collect();
    rng.shuffle(&mut wallets);
    wallets.into_iter().flat_map(|wallet| seen(wallet, &format!("W{wallet}"), &paid(wallet, round))).collect()
}

/// Lets both books see the beginning, and the second one the first rise with the memory of before it; returns the conflicts.
async fn meet(first: &mut Book, second: &mut Book) -> u64 {
    record(first, &batch(0, 1)).await;
    record(second, &batch(0, 2)).await;
    record(first, &batch(1, 1)).await;
    record(second, &batch(1, 2)).await.conflicts
}

/// Records every further round.
async fn hammer(mut book: Book, seed: u64) {
    for round in 2..=ROUNDS {
        record(&mut book, &batch(round, seed)).await;
        if fastrand::u8(0..4) == 0 {
            // Lets the other one overtake.
            tokio::task::yield_now().await;
        }
    }
}

async fn assert_each_rise_once(bench: &Bench) {
    assert_balanced(bench).await;
    let found = found_by_wallet(bench).await;
    for wallet in 1..=WALLETS {
        let risen = amount(&paid(wallet, ROUNDS)).checked_sub(amount(&paid(wallet, 0))).expect("a difference");
        assert_eq!(found[&format!("W{wallet}")], risen, "wallet {wallet}");
    }
    assert_eq!(bench.positions().await.len(), WALLETS as usize);
    // A book that comes late may see a counter that was higher already. It sees it end, too.
    assert!(bench.anomalies().await.iter().all(|row| row.kind == "counter_fell" && row.resolved_at.is_some()));
}

async fn two_books_on_the_same_positions_award_each_rise_once(bench: Bench) {
    for player in 1..=WALLETS {
        bench.player(&format!("p{player}"), &format!("W{player}")).await;
    }
    let book = |db| Book::new(db, rules(FirstReading::Baseline), false);
    let (mut first, mut second) = (book(bench.connect_again().await), book(bench.connect_again().await));
    // How often they meet by themselves depends on the machine; once they do for certain.
    assert!(meet(&mut first, &mut second).await > 0, "the second one's memory was old");
    tokio::join!(hammer(first, 0xa5a5), hammer(second, 0x5a5a));
    assert_each_rise_once(&bench).await;
}

#[tokio::test]
async fn serialization_failures_are_tried_again() {
    let bench = Bench::postgres().await;
    for player in 1..=WALLETS {
        bench.player(&format!("p{player}"), &format!("W{player}")).await;
    }
    let database = bench.texts("SELECT CAST(current_database() AS text)").await.remove(0).remove(0);
    bench.execute(&format!("ALTER DATABASE {database} SET default_transaction_isolation = 'serializable'")).await;
    let book = |db| Book::new(db, rules(FirstReading::Baseline), false);
    let (mut first, mut second) = (book(bench.connect_again().await), book(bench.connect_again().await));
    // How often they meet by themselves depends on the machine; once they do for certain.
    assert!(meet(&mut first, &mut second).await > 0, "the second one's memory was old");
    tokio::join!(hammer(first, 0xa5a5), hammer(second, 0x5a5a));
    assert_each_rise_once(&bench).await;
}

/// Waits until some session of this database waits for a lock.
async fn somebody_waits(bench: &Bench) {
    let deadline = Instant::now() + DEADLINE;
    let sql = "SELECT CAST(pid AS text) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while bench.texts(sql).await.is_empty() {
        assert!(Instant::now() < deadline, "nobody waits for a lock");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_deadlock_with_the_game_is_tried_again_at_once() {
    let bench = Bench::postgres().await;
    bench.players(&["ann"]).await;
    let database = bench.texts("SELECT CAST(current_database() AS text)").await.remove(0).remove(0);
    // Longer than it takes to close the ring below, and shorter than the ledger waits for a lock.
    bench.execute(&format!("ALTER DATABASE {database} SET deadlock_timeout = '3s'")).await;
    let mut book = Book::new(bench.connect_again().await, rules(FirstReading::Baseline), false);
    record(&mut book, &seen(1, "Wann", "10")).await;
    let mut met = false;
    // On a very busy machine the ring may be closed too late to be seen as one; then it is tried anew.
    for round in 1..=5 {
        let game = bench.db.begin().await.expect("a transaction");
        // The game's transaction is the one that never looks for the ring, so the ledger's is the one that is broken off.
        game.execute_unprepared("SET LOCAL deadlock_timeout = '60s'").await.expect("a setting");
        game.execute_unprepared("SET LOCAL lock_timeout = 0").await.expect("a setting");
        game.execute_unprepared("SET LOCAL statement_timeout = 0").await.expect("a setting");
        game.execute_unprepared("UPDATE players SET level = level + 1 WHERE id = 1").await.expect("an update");
        let batch = seen(1, "Wann", &(10 + round).to_string());
        let rival = async {
            somebody_waits(&bench).await;
            // Nothing but a ring can keep this from being done.
            game.execute_unprepared("UPDATE positions SET updated_at = now() WHERE player_id = 1").await.expect("an update");
            game.commit().await.expect("a commit");
        };
        let (report, ()) = tokio::join!(record(&mut book, &batch), rival);
        assert_eq!(report.awards.len(), 1, "{report:?}");
        if report.conflicts > 0 {
            met = true;
            break;
        }
    }
    assert!(met, "no deadlock came about");
    assert_balanced(&bench).await;
}
