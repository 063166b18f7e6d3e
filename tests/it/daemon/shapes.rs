//! Every form in which a pool answers, and pools that only a file describes.

use pool_poller::sim::{Shape, SimPool};

use super::bench::{Bench, Engine, wallet};
use super::{amount, money, on_both_engines};

/// A player's address that is not an ADVC one.
const BTC_ADDRESS: &str = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq";

on_both_engines!(
    a_tenth_of_a_thousandth_btc_is_a_hundred_advc_in_the_documented_shape,
    a_tenth_of_a_thousandth_btc_is_a_hundred_advc_in_the_real_shape,
);

fn a_tenth_of_a_thousandth_btc_is_a_hundred_advc_in_the_documented_shape(engine: Engine) {
    zpool_pays_a_hundred_advc(engine, Shape::ZpoolDocumented);
}

fn a_tenth_of_a_thousandth_btc_is_a_hundred_advc_in_the_real_shape(engine: Engine) {
    zpool_pays_a_hundred_advc(engine, Shape::ZpoolReal);
}

/// 0.0005 → 0.0006 BTC, for a player whom zpool knows by the ADVC wallet and for one whom it knows by a BTC address.
fn zpool_pays_a_hundred_advc(engine: Engine, shape: Shape) {
    let bench = Bench::with(engine, &[SimPool::Zpool]);
    bench.pools.set_shape(shape);
    let (alice, bob) = (wallet("alice"), wallet("bob"));
    let players = [bench.rows.add_player("alice", &alice), bench.rows.add_player("bob", &bob)];
    bench.rows.add_pool_wallet(players[1], "zpool", BTC_ADDRESS);
    for address in [&alice, BTC_ADDRESS] {
        bench.pools.world().add_account(SimPool::Zpool, address, amount("0.0005"));
    }
    let daemon = bench.start_with_positions(2);
    for address in [&alice, BTC_ADDRESS] {
        bench.pay(SimPool::Zpool, address, "0.0001");
    }
    let mut awards = bench.wait_notified(2);
    awards.sort_by_key(|award| award.player_id);
    for ((award, player), address) in awards.iter().zip(players).zip([&alice, BTC_ADDRESS]) {
        assert_eq!((award.player_id, award.address.as_deref()), (player, Some(address)));
        assert_eq!((award.advc_amount, award.ap_awarded), (money("100"), money("10000")));
        assert_eq!((award.previous_paid, award.current_paid), (money("500"), money("600")));
        assert_eq!((award.native_previous, award.native_current), (Some(money("0.0005")), Some(money("0.0006"))));
        assert_eq!((award.native_amount, award.currency.as_deref()), (Some(money("0.0001")), Some("BTC")));
        assert_eq!(award.rate, Some(money("1000000")));
    }
    for player in bench.rows.players() {
        assert_eq!((player.total_ap, player.total_advc_mined), (money("10000"), money("100")), "{}", player.username);
    }
    for notice in bench.game.received() {
        assert!(
            notice.raw.contains(r#""pool":"zpool","advc_amount":100,"ap_awarded":10000,"total_ap":10000,"#),
            "{}",
            notice.raw
        );
    }
    for request in bench.pools.last_requests(SimPool::Zpool) {
        assert_ne!(request.address.as_deref(), Some(bob.as_str()), "whoever has an address for a pool is known there by it");
    }
    daemon.stop();
}

/// A payout of 1.5 ADVC in a pool's shape is awarded once, and the counter was found where it should be.
fn pays_one_and_a_half(bench: &Bench, pool: SimPool, source: &str) {
    let wallet = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    bench.pay(pool, &wallet, "1.5");
    let awards = bench.wait_notified(1);
    daemon.cycles(2);
    assert_eq!((awards[0].advc_amount, awards[0].ap_awarded), (money("1.5"), money("150")));
    assert_eq!(awards[0].pool_name, pool.name());
    let positions = bench.rows.positions();
    assert_eq!((positions.len(), positions[0].source.as_str(), positions[0].high_water), (1, source, money("12")));
    assert_eq!((bench.rows.events().len(), bench.rows.anomalies().len()), (1, 0));
    daemon.stop();
}

fn in_shape(shape: Shape, source: &str) {
    let bench = Bench::with(Engine::Sqlite, &[shape.pool()]);
    bench.pools.set_shape(shape);
    pays_one_and_a_half(&bench, shape.pool(), source);
}

#[test]
fn rplant_is_read_with_paid_at_the_top() {
    in_shape(Shape::RplantPaid, "/paid");
}

#[test]
fn rplant_is_read_with_total_paid() {
    in_shape(Shape::RplantTotalPaid, "/totalPaid");
}

#[test]
fn rplant_is_read_with_the_figures_inside_stats() {
    in_shape(Shape::RplantStats, "/stats/paid");
}

#[test]
fn rplant_is_read_as_it_really_answers() {
    in_shape(Shape::RplantReal, "/total");
}

#[test]
fn cpu_pool_is_read_as_nomp_answers() {
    in_shape(Shape::CpuPoolNomp, "/paid");
}

#[test]
fn cpu_pool_is_read_as_documented_and_asked_in_the_documented_form() {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.pools.set_shape(Shape::CpuPoolDocumented);
    bench.set("CPU_POOL_URL", &format!("{}?addr={{wallet}}", bench.pools.url(SimPool::CpuPool)));
    pays_one_and_a_half(&bench, SimPool::CpuPool, "/paid");
    let requests = bench.pools.last_requests(SimPool::CpuPool);
    assert!(requests.iter().all(|request| request.path_and_query.contains("?addr=W")), "{requests:?}");
}

#[test]
fn a_file_in_the_working_directory_adds_a_pool() {
    let bench = Bench::new(Engine::Sqlite);
    bench.add_extra_pool("config/pools", "");
    pays_one_and_a_half(&bench, SimPool::Extra, "/totalPaid");
}

#[test]
fn a_file_in_pools_dir_adds_a_pool() {
    let mut bench = Bench::new(Engine::Sqlite);
    bench.add_extra_pool("my-pools", "");
    bench.set("POOLS_DIR", "my-pools");
    pays_one_and_a_half(&bench, SimPool::Extra, "/totalPaid");
}

#[test]
fn an_answer_in_another_shape_is_an_anomaly_and_pays_nothing() {
    let bench = Bench::with(Engine::Sqlite, &[SimPool::Rplant]);
    bench.pools.set_shape(Shape::RplantPaid);
    let wallet = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    bench.pools.set_shape(Shape::RplantReal);
    bench.pay(SimPool::Rplant, &wallet, "1.5");
    daemon.wait_for_event("anomaly_recorded", |event| event["kind"] == "source_changed");
    daemon.cycles(2);
    assert_eq!(bench.rows.events(), []);
    assert_eq!(bench.rows.positions()[0].high_water, money("10.5"));
    assert_eq!(bench.rows.anomalies().len(), 1, "recorded once, not once a poll");
    bench.pools.set_shape(Shape::RplantPaid);
    assert_eq!(bench.wait_notified(1)[0].advc_amount, money("1.5"), "the old shape goes on where it was");
    daemon.stop();
}
