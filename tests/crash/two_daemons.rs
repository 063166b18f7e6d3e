//! Two daemons on one database by mistake, killed and paused at random.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::daemon::bench::Engine;
use crate::payday::{Payday, length, spawn};

/// Between two blows of fate.
const BLOW_EVERY_MAX: Duration = Duration::from_millis(800);

#[test]
fn two_daemons_on_one_postgresql_database_award_each_payout_once() {
    let mut payday = Payday::new(Engine::PostgreSql, 30);
    let mut daemons = [payday.bench.start(), payday.bench.start()];
    let until = Instant::now() + length();
    let (mut kills, mut pauses) = (0, 0);
    while Instant::now() < until {
        let pause = payday.random_duration(BLOW_EVERY_MAX);
        payday.pay_during(20, pause);
        let victim = payday.random_index(2);
        if payday.random_index(3) == 0 {
            kills += 1;
            let next = spawn(&payday.bench);
            std::mem::replace(&mut daemons[victim], next).kill();
        } else {
            pauses += 1;
            daemons[victim].signal(Signal::SIGSTOP);
            let pause = payday.random_duration(BLOW_EVERY_MAX * 2);
            payday.pay_during(20, pause);
            daemons[victim].signal(Signal::SIGCONT);
        }
    }
    payday.wait_settled();
    for daemon in daemons {
        daemon.stop();
    }
    let (payouts, awards) = payday.check();
    println!("two daemons: {kills} kills, {pauses} pauses, {payouts} payouts, {awards} awards, 0 lost, 0 twice");
}
