//! A game server that is away, silent, strict or not set at all.

use std::time::Duration;

use pool_poller::sim::game::{AckMode, Dialect};
use pool_poller::sim::{SimGame, SimGameConfig, SimPool};
use serde_json::Value;

use super::bench::{Bench, Engine};
use super::process::Daemon;
use super::{DEADLINE, eventually, on_both_engines};

on_both_engines!(
    awards_wait_for_a_game_server_that_is_down_and_arrive_in_order_once_acknowledged,
    a_game_server_that_never_acknowledges_is_asked_again_in_order_until_it_does,
    awards_wait_while_the_token_is_wrong_and_are_delivered_with_the_right_one,
    awards_wait_while_no_game_server_is_set_and_are_delivered_by_the_next_start,
);

/// Pays one wallet twice, each payout an award of its own, and another one once.
fn three_awards(bench: &Bench, alice: &str, bob: &str) {
    bench.pay(SimPool::CpuPool, alice, "1.5");
    bench.wait_awards(1);
    bench.pay(SimPool::CpuPool, alice, "2.5");
    bench.pay(SimPool::CpuPool, bob, "1");
    bench.wait_awards(3);
}

/// A player's sequence numbers in the order in which they arrived.
fn arrived(bench: &Bench, username: &str) -> Vec<u64> {
    let received = bench.game.received();
    let mine = received.iter().filter(|notice| notice.payload["username"] == username);
    mine.filter_map(|notice| notice.payload["sequence"].as_u64()).collect()
}

fn nobody_is_notified(bench: &Bench) {
    assert!(bench.rows.events().iter().all(|event| !event.notified), "{:#?}", bench.rows.events());
}

fn awards_wait_for_a_game_server_that_is_down_and_arrive_in_order_once_acknowledged(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::CpuPool]);
    let (alice, bob) = (bench.add_player("alice"), bench.add_player("bob"));
    bench.game.stop();
    let daemon = bench.start_with_positions(2);
    three_awards(&bench, &alice, &bob);
    daemon.wait_for("game_server_disconnected");
    nobody_is_notified(&bench);
    bench.game.start_again().unwrap();
    bench.wait_notified(3);
    assert_eq!((arrived(&bench, "alice"), arrived(&bench, "bob")), (vec![1, 2], vec![1]));

    bench.game.stop();
    daemon.wait_for_event("game_server_disconnected", |event| event["kind"] != "refused");
    bench.pay(SimPool::CpuPool, &alice, "3");
    bench.wait_awards(4);
    bench.game.start_again().unwrap();
    bench.wait_notified(4);
    assert_eq!((arrived(&bench, "alice"), arrived(&bench, "bob")), (vec![1, 2, 3], vec![1]), "once each");
    daemon.stop();
}

fn a_game_server_that_never_acknowledges_is_asked_again_in_order_until_it_does(engine: Engine) {
    let mut bench = Bench::with(engine, &[SimPool::CpuPool]);
    bench.set("NOTIFY_ACK_TIMEOUT", "1");
    let (alice, bob) = (bench.add_player("alice"), bench.add_player("bob"));
    bench.game.set_acks(AckMode::Refuse("not now".to_owned()));
    let daemon = bench.start_with_positions(2);
    bench.pay(SimPool::CpuPool, &alice, "1.5");
    daemon.wait_for_event("notification_not_acknowledged", |event| event["reason"].to_string().contains("not now"));
    nobody_is_notified(&bench);

    bench.game.set_acks(AckMode::Never);
    bench.pay(SimPool::CpuPool, &alice, "2.5");
    bench.pay(SimPool::CpuPool, &bob, "1");
    daemon.wait_for_event("notification_not_acknowledged", |event| event["reason"].to_string().contains("in time"));
    bench.wait_awards(3);
    eventually("bob's notice", DEADLINE, || (!arrived(&bench, "bob").is_empty()).then_some(()));
    eventually("a repeated notice", DEADLINE, || (arrived(&bench, "alice").len() > 1).then_some(()));
    nobody_is_notified(&bench);
    assert!(arrived(&bench, "alice").iter().all(|sequence| *sequence == 1), "the second waits for the first");

    bench.game.set_acks(AckMode::Always);
    bench.wait_notified(3);
    let mut order = arrived(&bench, "alice");
    order.dedup();
    assert_eq!(order, [1, 2]);
    daemon.stop();
}

fn awards_wait_while_the_token_is_wrong_and_are_delivered_with_the_right_one(engine: Engine) {
    let mut bench = Bench::with(engine, &[SimPool::CpuPool]);
    let config = SimGameConfig { auth_token: Some("the-right-token".into()), ..SimGameConfig::default() };
    bench.game = SimGame::start(config).unwrap();
    bench.set("SOCKETIO_URL", &bench.game.socketio_url());
    bench.set("SOCKETIO_AUTH_TOKEN", "the-wrong-token");
    let wallet = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    bench.game.wait_connections(1, DEADLINE, |clients| clients.refused).unwrap();
    let refused = daemon.wait_for("game_server_disconnected");
    assert_eq!(refused["retry_ms"], 30_000, "a server that refuses us is not pressed: {refused}");
    bench.pay(SimPool::CpuPool, &wallet, "1.5");
    bench.wait_awards(1);
    nobody_is_notified(&bench);
    assert_eq!(bench.game.received(), []);
    no_token_in_the_log(&daemon);
    daemon.stop();

    bench.set("SOCKETIO_AUTH_TOKEN", "the-right-token");
    let daemon = bench.start();
    bench.wait_notified(1);
    assert_eq!(arrived(&bench, "alice"), [1]);
    no_token_in_the_log(&daemon);
    daemon.stop();
}

fn no_token_in_the_log(daemon: &Daemon) {
    let log = Value::from(daemon.logged()).to_string();
    assert!(!log.contains("-token\""), "{log}");
    assert!(!log.contains("the-right-token") && !log.contains("the-wrong-token"), "{log}");
}

fn awards_wait_while_no_game_server_is_set_and_are_delivered_by_the_next_start(engine: Engine) {
    let mut bench = Bench::with(engine, &[SimPool::CpuPool]);
    bench.set("SOCKETIO_URL", "");
    let (alice, bob) = (bench.add_player("alice"), bench.add_player("bob"));
    let daemon = bench.start_with_positions(2);
    three_awards(&bench, &alice, &bob);
    daemon.cycles(2);
    nobody_is_notified(&bench);
    daemon.stop();
    assert_eq!(bench.game.connections().total, 0);

    bench.set("SOCKETIO_URL", &bench.game.socketio_url());
    let daemon = bench.start();
    bench.wait_notified(3);
    assert_eq!((arrived(&bench, "alice"), arrived(&bench, "bob")), (vec![1, 2], vec![1]));
    daemon.stop();
}

#[test]
fn a_plain_websocket_is_told_one_object_a_frame_and_its_acknowledgement_counts() {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.set("SOCKETIO_URL", &bench.game.ws_url());
    bench.set("NOTIFY_ACK_TIMEOUT", "1");
    bench.game.set_acks(AckMode::DropNext(1));
    let wallet = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    bench.pay(SimPool::CpuPool, &wallet, "1.5");
    let award = bench.wait_notified(1).remove(0);
    assert_eq!(award.delivery_attempts, 1, "the first was not acknowledged");
    let received = bench.game.received();
    assert_eq!(received.len(), 2);
    for notice in received {
        assert_eq!(notice.dialect, Dialect::Plain);
        let begins = format!(r#"{{"type":"mining_reward","event_id":"{}","sequence":1,"#, award.event_id.as_deref().unwrap());
        assert!(notice.raw.starts_with(&begins), "{}", notice.raw);
    }
    daemon.stop();
}

#[test]
fn a_frozen_game_server_delays_awards_and_loses_none() {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.set("NOTIFY_ACK_TIMEOUT", "1");
    let wallet = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    bench.game.wait_connections(1, DEADLINE, |clients| clients.current).unwrap();
    bench.game.freeze(true);
    bench.pay(SimPool::CpuPool, &wallet, "1.5");
    daemon.wait_for("notification_not_acknowledged");
    nobody_is_notified(&bench);
    bench.game.freeze(false);
    bench.wait_notified(1);
    assert_eq!(bench.game.distinct_events(), 1);
    daemon.stop();
    assert!(bench.game.wait_for(1, Duration::ZERO).is_ok());
}
