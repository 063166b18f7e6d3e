//! Pools that list payouts instead of counting them: one by one in each wallet's answer, or everybody's in one document.

use std::time::Duration;

use fastrand::Rng;
use pool_poller::sim::{Fault, Script, Shape, SimPool};

use super::account::{assert_balanced, settle};
use super::bench::{Bench, Engine};
use super::{DEADLINE, eventually, on_both_engines};

on_both_engines!(
    payouts_of_a_list_are_awarded_once_over_restarts,
    payouts_of_a_feed_are_awarded_once_over_restarts_with_one_request_a_cycle,
);

/// How often the program is killed.
const KILLS: usize = 6;

/// rplant, of which only the payments are believed.
const LIST: &str = r#"
name = "rplant"
url = "http://rplant.invalid/{wallet}"
url_suffix = "/{wallet}"
[paid.list]
items = "/payments"
id = "/tx"
amount = "/amount"
time = "/time"
window_seconds = 3600
[currency]
constant = "ADVC"
[identity]
pointer = "/address"
required = true
"#;

/// Everybody's payments on the pool `extra`.
const FEED: &str = r#"
name = "extra"
[feed]
url = "{URL}/payments"
items = "/*/payments/*"
filter = { pointer = "/*/name", value = "adventurecoin" }
id = "/txid"
amounts = "/amounts"
time = "/time"
[currency]
constant = "ADVC"
"#;

/// Waits until the positions have settled: what comes right after an empty list could be a pool that is restarting.
fn wait_settled(bench: &Bench, count: usize) {
    eventually("settled positions", DEADLINE, || {
        (bench.rows.positions().iter().filter(|position| position.readings >= 3).count() >= count).then_some(())
    });
}

/// Pays at random and kills the program at moments of all kinds; nothing of it may be lost or doubled.
///
/// `at_once` payouts to a wallet go in between, so few that a list that is cut holds them all until the end.
fn pay_and_kill(bench: &Bench, pool: SimPool, wallets: &[String], at_once: usize) {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    for _ in 0..KILLS {
        let daemon = bench.start();
        for wallet in wallets {
            for _ in 0..at_once {
                bench.pay(pool, wallet, &format!("0.{:08}", rng.u32(1_000_000..100_000_000)));
            }
        }
        let answered = bench.pools.requests(pool).good;
        assert!(bench.pools.wait_counts(pool, DEADLINE, |counts| counts.good > answered));
        // What follows an answer takes some milliseconds: reading, committing, telling.
        std::thread::sleep(Duration::from_millis(rng.u64(0..40)));
        daemon.kill();
    }
    let daemon = bench.start();
    settle(bench);
    daemon.stop();
    assert_balanced(bench);
    let verified = bench.run(&["verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    assert_eq!(bench.rows.anomalies(), [], "nothing odd was seen, and nothing was refused");
}

fn payouts_of_a_list_are_awarded_once_over_restarts(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::Rplant]);
    bench.write("config/pools/rplant.toml", LIST);
    let wallets: Vec<String> = ["alice", "bob"].map(|name| bench.add_player(name)).into();
    let daemon = bench.start();
    wait_settled(&bench, wallets.len());
    daemon.kill();
    pay_and_kill(&bench, SimPool::Rplant, &wallets, 1);
}

fn payouts_of_a_feed_are_awarded_once_over_restarts_with_one_request_a_cycle(engine: Engine) {
    let bench = Bench::new(engine);
    bench.pools.set_shape(Shape::NompPayments);
    bench.write("config/pools/extra.toml", &FEED.replace("{URL}", &bench.pools.url(SimPool::Extra)));
    let wallets: Vec<String> = ["alice", "bob", "carol"].map(|name| bench.add_player(name)).into();
    let daemon = bench.start();
    wait_settled(&bench, wallets.len());
    // A feed that cannot be read is unknown for everybody, and nobody's list is empty because of that.
    let failed = bench.pools.requests(SimPool::Extra).total();
    bench.pools.script(SimPool::Extra, Script::next(1, Fault::status(500)));
    assert!(bench.pools.wait_requests(SimPool::Extra, failed + 2, DEADLINE));
    let report = daemon.wait_for("pool_poll_failed");
    assert_eq!(report["readings"], 0, "{report}");
    let cycles =
        eventually("cycles", DEADLINE, || Some(daemon.count("polling_cycle_complete") as u64).filter(|cycles| *cycles >= 5));
    let requests = bench.pools.requests(SimPool::Extra).total();
    assert!(requests <= cycles + 2, "{requests} requests in {cycles} cycles for {} players", wallets.len());
    daemon.kill();
    pay_and_kill(&bench, SimPool::Extra, &wallets, 3);
}
