//! The disk is full.

use std::time::Duration;

use crate::daemon::bench::{Bench, Engine};
use crate::daemon::process::Daemon;
use crate::daemon::rows::Rows;
use crate::payday::Payday;
use crate::support::own_cluster::OwnCluster;

/// The largest file the daemon may write in each of its lives, in KiB: from little more than the tables with their first rows
/// to some seconds of payday.
const FILE_KIB_MAX: [u32; 6] = [400, 600, 800, 1_200, 1_600, 2_400];

/// The disk of the PostgreSQL server, in MiB.
const SERVER_DISK_MIB: u32 = 120;
/// How often it is filled and emptied.
const TIMES_FULL: u32 = 3;

#[test]
fn sqlite_on_a_full_disk_says_so_and_loses_and_doubles_nothing() {
    let mut payday = Payday::new(Engine::Sqlite, 30);
    let mut said = 0;
    for kib in FILE_KIB_MAX {
        // A limit on the size of files stands for the disk: a write beyond it fails as one on a full disk does.
        let mut daemon = Daemon::spawn(payday.bench.command_with_file_limit(kib, &["run"]));
        daemon.wait_for("started");
        payday.pay_during(600, Duration::from_secs(6));
        said += daemon.count("database_unavailable");
        assert!(daemon.is_alive(), "the daemon waits for room");
        daemon.kill();
        payday.verify();
    }
    assert!(said > 0, "a full disk is said");
    let (payouts, awards) = payday.settle();
    println!("SQLite, disk full: {payouts} payouts, {awards} awards, 0 lost, 0 twice");
}

#[test]
fn postgresql_on_a_full_disk_says_so_and_loses_and_doubles_nothing() {
    let mut cluster = OwnCluster::start_on_own_disk(SERVER_DISK_MIB);
    let mut payday = Payday::prepare(Bench::on(cluster.url()), 30);
    let mut daemon = payday.bench.start();
    for _ in 0..TIMES_FULL {
        cluster.fill_disk();
        payday.pay_during(600, Duration::from_secs(6));
        cluster.free_disk();
        payday.pay_during(60, Duration::from_secs(2));
    }
    assert!(daemon.is_alive(), "the daemon waits for room");
    let full: Vec<_> = daemon.logged().into_iter().filter(|line| line.to_string().contains("No space left on device")).collect();
    assert!(full.iter().any(|line| line["message"] == "database_unavailable"), "a full disk is said: {full:?}");
    payday.bench.rows = Rows::connect(cluster.url());
    payday.wait_settled();
    daemon.stop();
    let (payouts, awards) = payday.check();
    println!("PostgreSQL, disk full {TIMES_FULL} times: {payouts} payouts, {awards} awards, 0 lost, 0 twice");
}
