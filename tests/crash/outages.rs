//! The database is taken away and comes back. Nobody restarts anything.

use std::time::{Duration, Instant};

use crate::daemon::bench::{Bench, Engine};
use crate::daemon::rows::Rows;
use crate::payday::{Payday, length};
use crate::support::own_cluster::OwnCluster;

#[test]
fn postgresql_stopped_over_and_over_under_load_loses_and_doubles_nothing() {
    let mut cluster = OwnCluster::start(0);
    let mut payday = Payday::prepare(Bench::on(cluster.url()), 30);
    let mut daemon = payday.bench.start();
    let until = Instant::now() + length();
    let mut stops = 0;
    while Instant::now() < until {
        payday.pay_during(40, Duration::from_secs(2));
        cluster.stop_immediate();
        stops += 1;
        let away = payday.random_duration(Duration::from_secs(2));
        payday.pay_during(20, away);
        cluster.restart();
    }
    assert!(daemon.is_alive(), "the daemon lives through it");
    payday.bench.rows = Rows::connect(cluster.url());
    payday.wait_settled();
    daemon.stop();
    let (payouts, awards) = payday.check();
    println!("PostgreSQL stopped {stops} times: {payouts} payouts, {awards} awards, 0 lost, 0 twice");
}

#[test]
fn sqlite_locked_by_another_process_for_ten_seconds_loses_and_doubles_nothing() {
    let mut payday = Payday::new(Engine::Sqlite, 30);
    let mut daemon = payday.bench.start();
    payday.pay_during(50, Duration::from_secs(1));
    let lock = Rows::connect(payday.bench.database_url());
    lock.execute("BEGIN EXCLUSIVE");
    payday.pay_during(100, Duration::from_secs(10));
    lock.execute("COMMIT");
    assert!(daemon.is_alive(), "the daemon lives through it");
    payday.wait_settled();
    daemon.stop();
    let (payouts, awards) = payday.check();
    println!("SQLite locked for 10 s: {payouts} payouts, {awards} awards, 0 lost, 0 twice");
}
