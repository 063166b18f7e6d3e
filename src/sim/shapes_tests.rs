//! Claims about the answers' text.

use serde_json::Value;

use super::*;
use crate::sim::world::WorldConfig;

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// A world where `W` has figures on every pool and was paid twice, 25 hours apart.
fn world() -> World {
    let mut world = World::new(1, WorldConfig::default());
    for pool in SimPool::ALL {
        world.add_account(pool, "W", amount("10"));
        world.set_owed(pool, "W", amount("0.0000005"), amount("1.20000001"));
        world.pay(pool, "W", amount("0.5")).unwrap();
    }
    world.advance(Duration::from_secs(90_000));
    for pool in SimPool::ALL {
        world.pay(pool, "W", amount("0.00000001")).unwrap();
    }
    world
}

fn ask(shape: Shape, address: &str) -> Answer {
    render(&world(), shape, Question { address: Some(address), coin: "advc", currency: "BTC" })
}

/// The literal text at a JSON pointer.
fn at(answer: &Answer, pointer: &str) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body));
    body.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {body}")).to_string()
}

#[test]
fn every_shape_shows_the_counter_to_the_last_digit() {
    for (shape, pointer) in [
        (Shape::CpuPoolDocumented, "/paid"),
        (Shape::CpuPoolNomp, "/paid"),
        (Shape::RplantPaid, "/paid"),
        (Shape::RplantTotalPaid, "/totalPaid"),
        (Shape::RplantStats, "/stats/paid"),
        (Shape::RplantReal, "/total"),
        (Shape::ZpoolDocumented, "/paid"),
        (Shape::ZpoolReal, "/paidtotal"),
        (Shape::Miningcore, "/totalPaid"),
    ] {
        let answer = ask(shape, "W");
        assert_eq!(answer.status, 200);
        assert_eq!(at(&answer, pointer), "10.50000001", "{shape:?}");
    }
}

#[test]
fn large_and_tiny_counters_stay_exact() {
    let mut world = World::new(1, WorldConfig::default());
    for (paid, shown) in [("1234567890123.12345678", "1234567890123.12345678"), ("0.00000003", "3e-8")] {
        world.set_paid(SimPool::CpuPool, "W", amount(paid));
        let question = Question { address: Some("W"), coin: "", currency: "" };
        let answer = render(&world, Shape::CpuPoolNomp, question);
        assert!(answer.body.contains(&format!("\"paid\":{shown},")), "{}", answer.body);
    }
}

#[test]
fn the_documented_shapes_have_the_documented_fields_and_no_others() {
    let fields = |shape| {
        let Value::Object(fields) = serde_json::from_str(&ask(shape, "W").body).unwrap() else { panic!("no object") };
        fields.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(fields(Shape::CpuPoolDocumented), ["balance", "immature", "paid", "totalHash", "totalShares"]);
    assert_eq!(fields(Shape::ZpoolDocumented), ["balance", "currency", "paid", "total", "unpaid", "unsold"]);
    assert_eq!(fields(Shape::RplantPaid), ["balance", "paid"]);
    assert_eq!(fields(Shape::RplantTotalPaid), ["balance", "totalPaid"]);
}

#[test]
fn nomp_echoes_the_address_even_of_a_wallet_it_does_not_know() {
    let known = ask(Shape::CpuPoolNomp, "W");
    assert_eq!(at(&known, "/miner"), "\"W\"");
    assert_eq!(at(&known, "/immature"), "5e-7");
    assert_eq!(at(&known, "/networkSols"), "\"7812\"");
    assert_eq!(at(&known, "/workers/W.rig1/name"), "\"W.rig1\"");
    let unknown = ask(Shape::CpuPoolNomp, "addr=W");
    assert_eq!(at(&unknown, "/miner"), "\"addr=W\"");
    assert_eq!(at(&unknown, "/workers"), "{}");
    for figure in ["/paid", "/balance", "/immature", "/totalHash", "/totalShares", "/networkSols"] {
        assert_eq!(at(&unknown, figure), "0", "{figure}");
    }
}

#[test]
fn the_windows_of_the_real_shapes_forget_what_the_counter_keeps() {
    let rplant = ask(Shape::RplantReal, "W");
    assert_eq!(at(&rplant, "/address"), "\"W\"");
    assert_eq!(at(&rplant, "/paid24h"), "1e-8");
    assert_eq!(at(&rplant, "/unpaid"), "1.20000051");
    assert_eq!(at(&rplant, "/payments/0/amount"), "1e-8");
    assert_eq!(at(&rplant, "/payments/1/amount"), "0.5");
    let zpool = ask(Shape::ZpoolReal, "W");
    assert_eq!(at(&zpool, "/paid24h"), "0.00000001");
    assert_eq!(at(&zpool, "/total"), "1.20000052");
    assert!(zpool.body.contains("\"unsold\":5.0E-7,"), "{}", zpool.body);
    assert_eq!(at(&zpool, "/error"), "\"\"");
    assert_eq!(at(&zpool, "/payouts/0/amount"), "\"0.00000001\"");
    assert!(zpool.body.ends_with("\"error\":\"\"}"));
}

#[test]
fn an_unknown_wallet_is_answered_as_each_pool_answers_it() {
    let zpool = ask(Shape::ZpoolReal, "X");
    assert_eq!((zpool.status, zpool.body.as_str(), zpool.content_type), (200, "", "text/html; charset=UTF-8"));
    assert_eq!(ask(Shape::ZpoolDocumented, "X").status, 404);
    assert!(!ask(Shape::RplantReal, "X").body.contains("address"));
    assert_eq!(at(&ask(Shape::Miningcore, "X"), "/totalPaid"), "0.00000000");
    assert_eq!(at(&ask(Shape::CpuPoolDocumented, "X"), "/paid"), "0");
    let nobody = Question { address: None, coin: "", currency: "" };
    assert_eq!(render(&world(), Shape::CpuPoolNomp, nobody).body, r#"{"result":"error"}"#);
}

#[test]
fn addresses_are_escaped() {
    let answer = ask(Shape::CpuPoolNomp, "a\"b\\\u{1}");
    assert_eq!(at(&answer, "/miner"), r#""a\"b\\\u0001""#);
}
