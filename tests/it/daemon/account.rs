//! A payday under way, and the account afterwards: paid, awarded and told must be the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use pool_poller::domain::Amount;
use pool_poller::sim::{SimPool, SimPools};
use sea_orm::prelude::Decimal;
use serde_json::Value;

use super::bench::Bench;
use super::{DEADLINE, eventually};

/// Between two payouts.
const PAUSE: Duration = Duration::from_millis(15);
/// Between a hundredth and five coins: always more than dust, never so much that it would be held.
const PAYOUT_UNITS: std::ops::Range<i128> = 1_000_000..500_000_000;

/// Pays wallets at random as long as `meanwhile` runs.
pub(super) fn payday<T>(pools: &SimPools, on: &[SimPool], wallets: &[String], seed: u64, meanwhile: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut rng = Rng::with_seed(seed);
            while !over.load(Ordering::Relaxed) {
                let (pool, wallet) = (on[rng.usize(..on.len())], &wallets[rng.usize(..wallets.len())]);
                let payout = Amount::from_units(rng.i128(PAYOUT_UNITS)).expect("an amount");
                pools.world().pay(pool, wallet, payout).expect("a payout");
                thread::sleep(PAUSE);
            }
        });
        let _over = Over(&over);
        meanwhile()
    })
}

/// Ends the payday, also when a test fails in the middle of it.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until everything that was paid is awarded and acknowledged.
pub(super) fn settle(bench: &Bench) {
    let mut difference = (BTreeMap::new(), BTreeMap::new());
    let deadline = std::time::Instant::now() + DEADLINE;
    while std::time::Instant::now() < deadline {
        difference = (bench.paid(), bench.rows.awarded());
        if difference.0 == difference.1 {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(difference.0, difference.1, "paid, and awarded");
    eventually("everything is acknowledged", DEADLINE, || bench.rows.awards().iter().all(|award| award.notified).then_some(()));
}

/// Checks that everything that was paid is awarded once and told at least once, and that all numbers add up.
pub(super) fn assert_balanced(bench: &Bench) {
    assert_eq!(bench.paid(), bench.rows.awarded(), "what was paid, and what was awarded");
    let events = bench.rows.events();
    let ids: BTreeSet<&str> = events.iter().filter_map(|event| event.event_id.as_deref()).collect();
    assert_eq!(ids.len(), events.len(), "each event has an id of its own");

    for player in bench.rows.players() {
        let mine: Vec<_> = events.iter().filter(|event| event.player_id == player.id).collect();
        let sum = |of: fn(&entity::mining_events::Model) -> Decimal| mine.iter().map(|event| of(event)).sum::<Decimal>();
        assert_eq!(player.total_ap.0, sum(|event| event.ap_awarded.0), "{}", player.username);
        assert_eq!(player.total_advc_mined.0, sum(|event| event.advc_amount.0), "{}", player.username);
        assert_eq!(player.last_mining_event, mine.iter().map(|event| event.event_time).max(), "{}", player.username);
        let mut sequences: Vec<i64> = mine.iter().filter_map(|event| event.player_sequence).collect();
        sequences.sort_unstable();
        assert_eq!(sequences, (1..=player.event_sequence).collect::<Vec<_>>(), "{}: numbers without gaps", player.username);
    }
    for position in bench.rows.positions() {
        let mine: Vec<_> = events.iter().filter(|event| event.position_id == Some(position.id)).collect();
        let awarded: Decimal = mine.iter().filter_map(|event| event.native_amount).map(|amount| amount.0).sum();
        assert_eq!(position.high_water.0 - position.baseline.0, awarded, "{position:?}");
        let mut sequences: Vec<i64> = mine.iter().filter_map(|event| event.position_sequence).collect();
        sequences.sort_unstable();
        assert_eq!(sequences, (1..=position.sequence).collect::<Vec<_>>(), "{position:?}");
    }
    assert_told(bench, &ids);
}

/// Each event arrived, a repeated one unchanged, and each player's events for the first time in their order.
fn assert_told(bench: &Bench, ids: &BTreeSet<&str>) {
    let mut first: BTreeMap<String, Value> = BTreeMap::new();
    let mut newest: BTreeMap<String, u64> = BTreeMap::new();
    for notice in bench.game.received() {
        let known = first.entry(notice.event_id());
        if let std::collections::btree_map::Entry::Vacant(new) = known {
            let sequence = notice.payload["sequence"].as_u64().expect("a number");
            let before = newest.insert(notice.payload["room"].to_string(), sequence).unwrap_or(0);
            assert_eq!(sequence, before + 1, "in order: {}", notice.raw);
            new.insert(notice.payload);
        } else {
            assert_eq!(first[&notice.event_id()], notice.payload, "a repeated notice says the same");
        }
    }
    assert_eq!(first.keys().map(String::as_str).collect::<BTreeSet<_>>(), *ids, "told, and awarded");
    assert_eq!(bench.game.offences(), Vec::<String>::new());
}
