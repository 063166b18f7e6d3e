//! Claims about the model of mining.

use super::*;

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn mining_world(seed: u64, gate: Gate) -> World {
    let mining = Mining { block_interval: Duration::from_secs(1), share_max: amount("0.7"), payout_threshold: amount("1") };
    let mut world = World::new(seed, WorldConfig { gate, mining: SimPool::ALL.map(|pool| (pool, mining.clone())).into() });
    for pool in SimPool::ALL {
        for wallet in ["A", "B", "C"] {
            world.add_account(pool, wallet, amount("5"));
        }
    }
    world
}

/// Every counter is its opening plus the sum of the log.
fn assert_books_balance(world: &World, opening: Amount) {
    for pool in SimPool::ALL {
        for wallet in ["A", "B", "C"] {
            let logged = sum(world.payouts_of(pool, wallet).map(|payout| payout.amount));
            assert_eq!(world.account(pool, wallet).map(|account| account.paid), opening.checked_add(logged));
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_world_however_time_is_cut() {
    let (mut whole, mut cut) = (mining_world(7, Gate::Free), mining_world(7, Gate::Free));
    whole.advance(Duration::from_secs(100));
    for tick in 0..1_000 {
        cut.advance(Duration::from_millis(tick * 100 + 100));
    }
    assert!(whole.payouts().len() > 100, "only {} payouts", whole.payouts().len());
    assert_eq!(whole.payouts(), cut.payouts());
    assert_eq!(whole.accounts, cut.accounts);
    let mut other = mining_world(8, Gate::Free);
    other.advance(Duration::from_secs(100));
    assert_ne!(whole.payouts(), other.payouts());
}

#[test]
fn every_rise_of_a_counter_is_in_the_log() {
    let mut world = mining_world(1, Gate::Free);
    world.advance(Duration::from_secs(60));
    assert_books_balance(&world, amount("5"));
    let numbers: Vec<_> = world.payouts().iter().map(|payout| payout.number).collect();
    assert_eq!(numbers, (1..=world.payouts().len() as u64).collect::<Vec<_>>());
    assert!(world.payouts().is_sorted_by_key(|payout| payout.at));
    assert!(world.payouts().iter().all(|payout| payout.amount >= amount("1")));
    let total = sum(SimPool::ALL.into_iter().map(|pool| world.total_paid(pool)));
    assert_eq!(total, sum(world.payouts().iter().map(|payout| payout.amount)));
}

#[test]
fn nothing_is_paid_before_the_figures_were_shown() {
    let mut world = mining_world(2, Gate::AfterSeen);
    world.advance(Duration::from_secs(60));
    assert!(world.payouts().is_empty());
    world.mark_shown(SimPool::Rplant, "B");
    world.advance(Duration::from_secs(120));
    let [only] = world.payouts() else { panic!("{:?}", world.payouts()) };
    assert_eq!(
        (only.pool, &*only.wallet, only.paid_after),
        (SimPool::Rplant, "B", amount("5").checked_add(only.amount).unwrap())
    );
    world.mark_shown(SimPool::Rplant, "B");
    world.advance(Duration::from_secs(180));
    assert_eq!(world.payouts().len(), 2);
    assert_books_balance(&world, amount("5"));
}

#[test]
fn stopping_keeps_the_counters_and_resuming_pays_again() {
    let mut world = mining_world(3, Gate::Free);
    world.advance(Duration::from_secs(20));
    world.stop_paying();
    let before = world.payouts().len();
    world.advance(Duration::from_secs(60));
    assert_eq!(world.payouts().len(), before);
    world.resume_paying();
    world.advance(Duration::from_secs(80));
    assert!(world.payouts().len() > before);
}

#[test]
fn a_world_without_mining_does_only_what_it_is_told() {
    let mut world = World::new(1, WorldConfig::default());
    world.add_account(SimPool::Zpool, "W", amount("0.0005"));
    world.advance(Duration::from_secs(3_600));
    assert!(world.payouts().is_empty());
    let payout = world.pay(SimPool::Zpool, "W", amount("0.0001")).unwrap();
    assert_eq!((payout.paid_after, payout.number, payout.at), (amount("0.0006"), 1, Duration::from_secs(3_600)));
    world.set_paid(SimPool::Zpool, "W", amount("0.0002"));
    assert_eq!(world.account(SimPool::Zpool, "W").unwrap().paid, amount("0.0002"));
    assert_eq!(world.total_paid(SimPool::Zpool), amount("0.0001"));
    assert_eq!(world.unshown(), 1);
    world.mark_shown(SimPool::Zpool, "W");
    assert_eq!(world.unshown(), 0);
}

#[test]
fn impossible_payments_are_refused() {
    let mut world = World::new(1, WorldConfig::default());
    assert_eq!(world.pay(SimPool::Extra, "W", Amount::ZERO), Err(PayError::NotPositive));
    let most = Amount::from_units((1 << 96) - 1).unwrap();
    assert!(world.pay(SimPool::Extra, "W", most).is_ok());
    assert_eq!(world.pay(SimPool::Extra, "W", amount("1")), Err(PayError::TooLarge));
    assert_eq!(world.payouts().len(), 1);
}

#[test]
fn time_does_not_run_backwards() {
    let mut world = mining_world(4, Gate::Free);
    world.advance(Duration::from_secs(30));
    let payouts = world.payouts().len();
    world.advance(Duration::from_secs(10));
    assert_eq!((world.payouts().len(), world.now()), (payouts, Duration::from_secs(30)));
}

#[test]
fn the_demo_pays_amounts_that_no_rule_holds_back() {
    let mut world = World::new(11, WorldConfig::demo(Duration::from_secs(1)));
    for pool in SimPool::ALL {
        world.add_account(pool, "W", amount("1"));
    }
    for second in 0..300 {
        world.advance(Duration::from_secs(second));
        for pool in SimPool::ALL {
            world.mark_shown(pool, "W");
        }
    }
    for pool in SimPool::ALL {
        let advc = if pool == SimPool::Zpool { "1000000" } else { "1" }.parse().unwrap();
        let payouts: Vec<_> = world.payouts_of(pool, "W").map(|payout| payout.amount.convert(advc).unwrap()).collect();
        assert!(payouts.len() > 20, "{pool:?}: {payouts:?}");
        assert!(payouts.iter().all(|payout| (amount("3")..amount("1000")).contains(payout)), "{pool:?}: {payouts:?}");
    }
}
