//! The disk is full.

use std::time::Duration;

use crate::daemon::bench::Engine;
use crate::payday::{Payday, start_with_file_limit};

/// The largest file the daemon may write in each of its lives, in KiB: from little more than the tables with their first rows
/// to some seconds of payday.
const FILE_KIB_MAX: [u32; 6] = [400, 600, 800, 1_200, 1_600, 2_400];

#[test]
fn a_full_disk_is_said_and_nothing_is_lost_or_doubled() {
    let mut payday = Payday::new(Engine::Sqlite, 30);
    let mut said = 0;
    for kib in FILE_KIB_MAX {
        // A limit on the size of files stands for the disk: a write beyond it fails as one on a full disk does.
        let mut daemon = start_with_file_limit(&payday.bench, kib);
        payday.pay_during(600, Duration::from_secs(6));
        said += daemon.count("database_unavailable");
        assert!(daemon.is_alive(), "the daemon waits for room");
        daemon.kill();
        payday.verify();
    }
    assert!(said > 0, "a full disk is said");
    let (payouts, awards) = payday.settle();
    println!("disk full: {payouts} payouts, {awards} awards, 0 lost, 0 twice");
}
