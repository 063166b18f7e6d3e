//! Players who come, go and change while the program runs; the game writes their rows.

use pool_poller::sim::SimPool;

use super::bench::{Bench, Engine, wallet};
use super::{amount, money, on_both_engines};

on_both_engines!(
    a_player_verified_while_it_runs_is_polled_from_the_next_cycle_on,
    a_player_deactivated_while_it_runs_is_not_polled_from_the_next_cycle_on,
    the_past_of_a_changed_wallet_is_not_paid,
);

fn a_player_verified_while_it_runs_is_polled_from_the_next_cycle_on(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::CpuPool]);
    let wallet = bench.add_player("alice");
    bench.rows.execute("UPDATE players SET verified = FALSE");
    let daemon = bench.start();
    daemon.wait_for("no_verified_players");
    daemon.cycles(2);
    assert_eq!(bench.pools.requests(SimPool::CpuPool).total(), 0, "nobody is asked about without being verified");
    bench.rows.execute("UPDATE players SET verified = TRUE");
    daemon.cycles(2);
    assert_eq!(bench.rows.positions().len(), 1, "seen at the next cycle");
    bench.pay(SimPool::CpuPool, &wallet, "1.5");
    assert_eq!(bench.wait_notified(1)[0].ap_awarded, money("150"));
    daemon.stop();
}

fn a_player_deactivated_while_it_runs_is_not_polled_from_the_next_cycle_on(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::CpuPool]);
    let (alice, bob) = (bench.add_player("alice"), bench.add_player("bob"));
    let daemon = bench.start_with_positions(2);
    bench.rows.execute("UPDATE players SET active = FALSE WHERE username = 'bob'");
    daemon.cycles(2);
    let asked_about_bob = || {
        let requests = bench.pools.last_requests(SimPool::CpuPool);
        requests.iter().filter(|request| request.address.as_deref() == Some(bob.as_str())).count()
    };
    let before = asked_about_bob();
    for wallet in [&alice, &bob] {
        bench.pay(SimPool::CpuPool, wallet, "1.5");
    }
    bench.wait_notified(1);
    daemon.cycles(2);
    assert_eq!(asked_about_bob(), before, "bob is not asked about any more");
    assert_eq!(bench.rows.awards().len(), 1);

    bench.rows.execute("UPDATE players SET active = TRUE WHERE username = 'bob'");
    bench.wait_notified(2);
    assert_eq!(bench.rows.player("bob").total_ap, money("150"), "what was paid meanwhile is bob's when he is back");
    daemon.stop();
}

fn the_past_of_a_changed_wallet_is_not_paid(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::CpuPool]);
    let old = bench.add_player("alice");
    let new = wallet("another");
    bench.pools.world().add_account(SimPool::CpuPool, &new, amount("500"));
    let daemon = bench.start_with_positions(1);
    bench.pay(SimPool::CpuPool, &old, "1.5");
    bench.wait_notified(1);

    bench.rows.execute(&format!("UPDATE players SET wallet_address = '{new}'"));
    bench.wait_positions(2);
    bench.pay(SimPool::CpuPool, &old, "7");
    daemon.cycles(2);
    assert_eq!(bench.rows.events().len(), 1, "neither the new wallet's past nor the old wallet's future is paid");
    bench.pay(SimPool::CpuPool, &new, "2.5");
    let awards = bench.wait_notified(2);
    assert_eq!((awards[1].advc_amount, awards[1].previous_paid), (money("2.5"), money("500")));

    // Back to the old one: what it was paid after its last reading counts, once.
    bench.rows.execute(&format!("UPDATE players SET wallet_address = '{old}'"));
    let awards = bench.wait_notified(3);
    assert_eq!((awards[2].advc_amount, awards[2].previous_paid), (money("7"), money("12")));
    daemon.cycles(2);
    assert_eq!(bench.rows.player("alice").total_ap, money("1100"));
    daemon.stop();
}
