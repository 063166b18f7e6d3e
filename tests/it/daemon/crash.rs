//! kill -9 in the middle of a payday, and two programs at once.

use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use pool_poller::sim::SimPool;

use super::account::{assert_balanced, payday, settle};
use super::bench::{Bench, Engine};
use super::process::Daemon;
use super::{DEADLINE, eventually, on_both_engines};

/// All without a pace of their own that would make a cycle long.
const POOLS: [SimPool; 3] = [SimPool::CpuPool, SimPool::Rplant, SimPool::Extra];
const KILLS: usize = 20;

on_both_engines!(
    a_payday_with_twenty_kills_awards_everything_once_and_tells_everything,
    two_programs_on_one_database_award_each_payout_once,
);

fn four_players(engine: Engine) -> (Bench, Vec<String>) {
    let bench = Bench::with(engine, &POOLS);
    let wallets = ["alice", "bob", "carol", "dave"].map(|name| bench.add_player(name)).into();
    (bench, wallets)
}

fn a_payday_with_twenty_kills_awards_everything_once_and_tells_everything(engine: Engine) {
    let (bench, wallets) = four_players(engine);
    bench.start_with_positions(POOLS.len() * wallets.len()).kill();
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    payday(&bench.pools, &POOLS, &wallets, seed, || {
        let mut rng = Rng::with_seed(seed);
        for kill in 0..KILLS {
            let daemon = bench.start();
            wait_for_a_bad_moment(&bench, &daemon, kill, &mut rng);
            daemon.kill();
        }
    });
    let told_before = bench.game.distinct_events();
    assert!(told_before > 0, "the payday was awarded between the kills");
    let daemon = bench.start();
    settle(&bench);
    daemon.stop();
    assert_balanced(&bench);
    assert_eq!(bench.rows.anomalies(), [], "nothing odd was seen, and nothing was refused");
}

/// Something is under way each time, and each time something else.
fn wait_for_a_bad_moment(bench: &Bench, daemon: &Daemon, kill: usize, rng: &mut Rng) {
    match kill % 4 {
        // A request has been answered: its reading is on the way to the database.
        0 => {
            let pool = POOLS[rng.usize(..POOLS.len())];
            let answered = bench.pools.requests(pool).good;
            assert!(bench.pools.wait_counts(pool, DEADLINE, |counts| counts.good > answered));
            thread::sleep(Duration::from_millis(rng.u64(0..40)));
        }
        // A notice has arrived: its acknowledgement is on the way back.
        1 => {
            let arrivals = bench.game.subscribe();
            arrivals.recv_timeout(DEADLINE).expect("a notice");
        }
        // An award has been stored: its notice is on the way.
        2 => {
            let awards = bench.rows.awards().len();
            eventually("an award", DEADLINE, || (bench.rows.awards().len() > awards).then_some(()));
        }
        // At any moment of a cycle.
        _ => {
            daemon.wait_for("game_server_connected");
            thread::sleep(Duration::from_millis(rng.u64(0..1_200)));
        }
    }
}

fn two_programs_on_one_database_award_each_payout_once(engine: Engine) {
    let (bench, wallets) = four_players(engine);
    let one = bench.start_with_positions(POOLS.len() * wallets.len());
    let other = bench.start();
    payday(&bench.pools, &POOLS, &wallets, 7, || {
        let until = Instant::now() + Duration::from_secs(6);
        while Instant::now() < until {
            one.cycles(1);
            other.cycles(1);
        }
    });
    settle(&bench);
    // Of two answers on their way the later one may arrive first; the other then looks like a counter that fell.
    let anomalies = eventually("the end of every anomaly", DEADLINE, || {
        Some(bench.rows.anomalies()).filter(|all| all.iter().all(|anomaly| anomaly.resolved_at.is_some()))
    });
    assert!(anomalies.iter().all(|anomaly| anomaly.kind == "counter_fell"), "{anomalies:#?}");
    let awarded = [&one, &other].map(|daemon| daemon.count("payout_awarded"));
    assert_eq!(awarded.iter().sum::<usize>(), bench.rows.awards().len(), "each award is logged by the one that made it");
    for daemon in [one, other] {
        assert_eq!(daemon.count("actor_panicked") + daemon.count("reading_dropped"), 0);
        daemon.stop();
    }
    assert_balanced(&bench);
}
