//! kill -9 at random moments of a payday.

use std::time::Duration;

use crate::daemon::bench::Engine;
use crate::payday::{Payday, setting, spawn};

/// Payouts made during each life of the daemon.
const PAYOUTS_PER_LIFE: u32 = 50;
/// The longest life: start-up and most of the first cycle, which requests are spread over.
const LIFE_MAX: Duration = Duration::from_millis(900);

fn killed_at_random_moments(engine: Engine) {
    let kills = setting("CRASH_KILLS", 200);
    let mut payday = Payday::new(engine, 40);
    for _ in 0..kills {
        let daemon = spawn(&payday.bench);
        let life = payday.random_duration(LIFE_MAX);
        payday.pay_during(PAYOUTS_PER_LIFE, life);
        daemon.kill();
    }
    let (payouts, awards) = payday.settle();
    let repeated = payday.bench.game.received().len() - awards;
    println!("{engine:?}: {kills} kills, {payouts} payouts, {awards} awards, {repeated} notices repeated, 0 lost, 0 twice");
    assert!(payouts as u64 >= kills * u64::from(PAYOUTS_PER_LIFE));
}

#[test]
fn sqlite_loses_and_doubles_nothing_when_killed_at_random_moments() {
    killed_at_random_moments(Engine::Sqlite);
}

#[test]
fn postgresql_loses_and_doubles_nothing_when_killed_at_random_moments() {
    killed_at_random_moments(Engine::PostgreSql);
}
