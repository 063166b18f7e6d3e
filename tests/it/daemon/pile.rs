//! A game server that was down for long: `POOL_POLLER_TEST_PILE` awards (default 5000) wait in the database.
//!
//! The daemon's memory does not grow with them, and they are told in order afterwards. At what rate is the bench's matter:
//! `cargo bench --bench notify`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::bench::{Bench, Engine};
use super::{DEADLINE, eventually, on_both_engines};

on_both_engines!(what_piles_up_takes_no_memory_and_is_told_in_order_afterwards);

#[path = "../../support/waiting_awards.rs"]
mod waiting_awards;

/// More than the window, so that players wait for each other's turn.
const PLAYERS: usize = 1_000;
const GROWTH_KIB_MAX: u64 = 10 * 1024;

fn pile() -> usize {
    std::env::var("POOL_POLLER_TEST_PILE").ok().and_then(|count| count.parse().ok()).unwrap_or(5_000)
}

fn what_piles_up_takes_no_memory_and_is_told_in_order_afterwards(engine: Engine) {
    let count = pile();
    let mut bench = Bench::new(engine);
    bench.game.stop();
    // The game server is not there: only every 30 s at most is looked for it, so the memory is that of a daemon at rest.
    bench.set("SNAPSHOT_RETENTION_DAYS", "0");
    let daemon = bench.start();
    daemon.wait_for("game_server_disconnected");
    daemon.cycles(2);
    let at_rest = daemon.memory_kib("VmRSS");
    pile_up(&bench, engine, count);
    assert_eq!(bench.rows.texts("SELECT CAST(COUNT(*) AS TEXT) FROM mining_events WHERE notified = FALSE"), [count.to_string()]);
    // It counts them every 30 s; a few cycles and reconnects more.
    daemon.cycles(5);
    eventually("the awards are counted", DEADLINE, || {
        daemon.signal(Signal::SIGUSR1);
        let dump = daemon.logged().into_iter().rev().find(|event| event["message"] == "metrics_dump")?;
        std::thread::sleep(Duration::from_millis(500));
        (dump.pointer("/metrics/notifier/waiting")?.as_u64()? == count as u64).then_some(())
    });
    let piled_up = daemon.memory_kib("VmRSS");
    let growth = piled_up.saturating_sub(at_rest);
    assert!(growth <= GROWTH_KIB_MAX, "it grew by {growth} KiB with {count} awards");

    bench.game.start_again().expect("the same port");
    bench.game.wait_connections(1, DEADLINE, |clients| clients.current).expect("connected");
    let began = Instant::now();
    bench.game.wait_for(count as u64, Duration::from_secs(3_600)).expect("everything arrives");
    let took = began.elapsed();
    let most = daemon.memory_kib("VmHWM");
    assert!(most.saturating_sub(at_rest) <= GROWTH_KIB_MAX, "it grew to {most} from {at_rest} KiB while it told them");
    eventually("everything is marked", DEADLINE, || {
        let left = bench.rows.texts("SELECT CAST(COUNT(*) AS TEXT) FROM mining_events WHERE notified = FALSE");
        (left == ["0"]).then_some(())
    });
    let received = bench.game.received();
    assert_eq!(received.len(), count, "each once");
    assert!(received.iter().all(|notice| notice.acked));
    let mut told: BTreeMap<i64, i64> = BTreeMap::new();
    for notice in &received {
        let number = |name: &str| notice.payload[name].as_i64().expect("a number");
        let last = told.entry(number("player_id")).or_insert(0);
        assert_eq!(number("sequence"), *last + 1, "in order and without a gap");
        *last += 1;
    }
    daemon.stop();

    println!(
        "{engine:?}: {count} awards of {PLAYERS} players in {took:.2?}; memory {at_rest} KiB at rest, {piled_up} KiB with the pile, \
         {most} KiB at most"
    );
}

fn pile_up(bench: &Bench, engine: Engine, count: usize) {
    let numbers = if engine == Engine::Sqlite { waiting_awards::numbers_sqlite } else { waiting_awards::numbers_postgres };
    waiting_awards::statements(numbers, PLAYERS, count).iter().for_each(|statement| bench.rows.execute(statement));
}
