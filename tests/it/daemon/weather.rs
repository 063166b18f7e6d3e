//! A bad network, for as long as one likes: `POOL_POLLER_TEST_STORM_SECS` (default 20).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use pool_poller::sim::SimPool;

use super::bench::{Bench, Engine};
use super::{amount, eventually};
use crate::support::proxy::{Proxy, Weather};

const PLAYERS: usize = 12;
/// Between two payouts of the storm.
const PAY_EVERY: Duration = Duration::from_millis(150);
/// How long what is left may take once the weather is good: the longest delays of the first attempts.
const CALM_MAX: Duration = Duration::from_secs(240);

fn storm() -> Duration {
    let secs = std::env::var("POOL_POLLER_TEST_STORM_SECS").ok().and_then(|secs| secs.parse().ok()).unwrap_or(20);
    Duration::from_secs(secs)
}

#[test]
fn in_a_storm_no_award_is_lost_repetitions_keep_their_id_and_each_player_is_told_in_order() {
    storm_over("http");
}

#[test]
fn a_plain_websocket_comes_through_the_storm_as_well() {
    storm_over("ws");
}

/// `scheme`: that of `SOCKETIO_URL`, which chooses what is spoken.
fn storm_over(scheme: &str) {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    let weather = Weather {
        drops_percent: 20,
        delay_max: Duration::from_millis(60),
        cuts_after: Some((Duration::from_secs(1), Duration::from_secs(8))),
    };
    let proxy = Proxy::start(bench.game.address(), weather);
    bench.set("SOCKETIO_URL", &format!("{scheme}://{}", proxy.address()));
    bench.set("NOTIFY_ACK_TIMEOUT", "1");
    let names: Vec<String> = (0..PLAYERS).map(|number| format!("p{number}")).collect();
    let wallets: Vec<String> = names.iter().map(|name| bench.add_player(name)).collect();
    let daemon = bench.start_with_positions(PLAYERS);

    let (began, storm) = (Instant::now(), storm());
    let mut payouts = 0;
    while began.elapsed() < storm {
        let wallet = &wallets[fastrand::usize(..PLAYERS)];
        bench.pay(SimPool::CpuPool, wallet, "0.5");
        payouts += 1;
        thread::sleep(PAY_EVERY);
        if payouts % 50 == 0 {
            notified_means_acknowledged(&bench, &proxy);
        }
    }
    proxy.set(Weather { drops_percent: 0, delay_max: Duration::ZERO, cuts_after: None });
    // Several payouts between two cycles are one award.
    daemon.cycles(2);
    let awards = eventually("everything is acknowledged", CALM_MAX, || {
        let awards = bench.rows.awards();
        awards.iter().all(|award| award.notified).then_some(awards)
    });
    notified_means_acknowledged(&bench, &proxy);

    let seen = proxy.seen();
    let received = bench.game.received();
    let mut payloads: HashMap<String, &str> = HashMap::new();
    let mut told: BTreeMap<i64, i64> = BTreeMap::new();
    for notice in &received {
        let payload = notice.raw.split_once('{').expect("an event").1;
        let first = payloads.entry(notice.event_id()).or_insert(payload);
        assert_eq!(*first, payload, "a repetition is the same in every digit");
        let number = |name: &str| notice.payload[name].as_i64().expect("a number");
        let last = told.entry(number("player_id")).or_insert(0);
        assert!([*last, *last + 1].contains(&number("sequence")), "{last} and then {}", notice.raw);
        *last = number("sequence");
    }
    let awarded: HashSet<String> = awards.iter().map(|award| award.event_id.clone().expect("an id")).collect();
    let arrived: HashSet<String> = payloads.into_keys().collect();
    assert_eq!(arrived, awarded, "none lost and none invented");
    let paid = bench.paid().into_values().fold(amount("0"), |sum, paid| sum.checked_add(paid).expect("a small sum"));
    let sum = bench.rows.awarded().into_values().fold(amount("0"), |sum, paid| sum.checked_add(paid).expect("a small sum"));
    assert_eq!(paid, sum);
    assert!(seen.cuts > 0 && seen.dropped > 0, "it was a storm: {} cuts, {} dropped", seen.cuts, seen.dropped);
    println!(
        "{scheme}, {} s: {payouts} payouts, {} awards, {} notices, {} connections, {} cuts, {} acknowledgements dropped; 0 lost",
        storm.as_secs(),
        awards.len(),
        received.len(),
        seen.connections,
        seen.cuts,
        seen.dropped
    );
    daemon.stop();
}

/// Row by row: what is marked was acknowledged in a frame that went to the daemon.
fn notified_means_acknowledged(bench: &Bench, proxy: &Proxy) {
    // The rows first: what is acknowledged after that look only makes more known.
    let rows = bench.rows.awards();
    let seen = proxy.seen();
    for award in rows.iter().filter(|award| award.notified) {
        assert!(seen.acknowledged.contains(award.event_id.as_deref().expect("an id")), "{award:?}");
    }
}
