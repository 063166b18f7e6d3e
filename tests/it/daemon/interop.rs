//! The real Socket.IO server of the npm package.

use nix::sys::signal::Signal;
use pool_poller::sim::SimPool;

use super::bench::{Bench, Engine};
use super::process::Daemon;
use super::{DEADLINE, money, on_both_engines};
use crate::support::interop::{InteropOptions, InteropServer};

on_both_engines!(a_real_socketio_server_receives_acknowledges_and_relays_exact_numbers);

/// A player who was awarded much before, so that the totals have more digits than a float.
fn rich_player(bench: &Bench) -> String {
    let wallet = bench.add_player("alice");
    bench.rows.execute("UPDATE players SET total_ap = '123456789012.12345678', total_advc_mined = '1234567890.12345678'");
    wallet
}

fn a_real_socketio_server_receives_acknowledges_and_relays_exact_numbers(engine: Engine) {
    let server = InteropServer::start(&InteropOptions { auth_token: Some("right".to_owned()), ..InteropOptions::default() });
    let mut bench = Bench::with(engine, &[SimPool::CpuPool]);
    bench.set("SOCKETIO_URL", &server.url());
    bench.set("SOCKETIO_AUTH_TOKEN", "right");
    let wallet = rich_player(&bench);
    let daemon = bench.start_with_positions(1);
    server.wait_for("connected", DEADLINE);
    bench.pay(SimPool::CpuPool, &wallet, "1.50000001");
    let fact = server.wait_for("event", DEADLINE);
    assert_eq!((&fact["event"], &fact["has_callback"]), (&"mining_reward".into(), &true.into()));
    let award = bench.wait_notified(1).remove(0);
    let timestamp = award.event_time.format("%Y-%m-%dT%H:%M:%S%.3fZ");
    let (id, player) = (award.event_id.unwrap(), award.player_id);
    let payload = format!(
        r#"{{"event_id":"{id}","sequence":1,"player_id":{player},"username":"alice","pool":"cpu-pool","advc_amount":1.50000001,"ap_awarded":150.000001,"total_ap":123456789162.12345778,"total_advc_mined":1234567891.62345679,"timestamp":"{timestamp}","room":"player_{player}"}}"#
    );
    let wire = fact["wire_text"].as_str().unwrap();
    assert_eq!(wire.split_once('[').unwrap().1, format!(r#""mining_reward",{payload}]"#), "digit by digit on the wire");
    assert_eq!(award.total_ap_after, Some(money("123456789162.12345778")));
    assert_eq!(server.wait_for("relayed", DEADLINE)["relayed"], format!("player_{player}"));
    daemon.stop();
    server.wait_for("disconnected", DEADLINE);
}

/// An award that the server has not acknowledged.
fn one_award(bench: &Bench) -> Daemon {
    let wallet = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    bench.pay(SimPool::CpuPool, &wallet, "1.5");
    bench.wait_awards(1);
    daemon
}

#[test]
fn a_real_socketio_server_that_refuses_the_token_is_told_nothing() {
    let server = InteropServer::start(&InteropOptions { auth_token: Some("right".to_owned()), ..InteropOptions::default() });
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.set("SOCKETIO_URL", &server.url());
    bench.set("SOCKETIO_AUTH_TOKEN", "wrong");
    let daemon = one_award(&bench);
    server.wait_for("refused", DEADLINE);
    let refused = daemon.wait_for("game_server_disconnected");
    assert_eq!(refused["retry_ms"], 30_000, "{refused}");
    daemon.cycles(2);
    assert!(!bench.rows.events()[0].notified);
    daemon.stop();

    bench.set("SOCKETIO_AUTH_TOKEN", "right");
    let daemon = bench.start();
    server.wait_for("event", DEADLINE);
    bench.wait_notified(1);
    daemon.stop();
}

#[test]
fn an_award_that_a_real_socketio_server_does_not_acknowledge_stays_not_notified() {
    let server = InteropServer::start(&InteropOptions { acks: false, ..InteropOptions::default() });
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.set("SOCKETIO_URL", &server.url());
    bench.set("NOTIFY_ACK_TIMEOUT", "1");
    let mut daemon = one_award(&bench);
    let first = server.wait_for("event", DEADLINE);
    let second = server.wait_for("event", DEADLINE);
    assert_eq!(first["payload_text"], second["payload_text"], "sent again, the same");
    daemon.wait_for("notification_not_acknowledged");
    let event = bench.rows.events().remove(0);
    assert!(!event.notified && event.delivery_attempts >= 1, "{event:?}");
    // A notice may be under way for which the end does not wait.
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(DEADLINE).code(), Some(0));
    assert!(!bench.rows.events()[0].notified);
}

#[test]
fn a_real_socketio_server_that_is_replaced_by_a_new_one_is_found_again() {
    let mut server =
        InteropServer::start(&InteropOptions { ping_interval_ms: 300, ping_timeout_ms: 2_000, ..InteropOptions::default() });
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.set("SOCKETIO_URL", &server.url());
    let daemon = one_award(&bench);
    bench.wait_notified(1);
    let port = server.port();
    server.kill();
    daemon.wait_for("game_server_disconnected");
    let wallet = super::bench::wallet("alice");
    bench.pay(SimPool::CpuPool, &wallet, "2.5");
    bench.wait_awards(2);
    let server = InteropServer::start(&InteropOptions { port, ..InteropOptions::default() });
    let fact = server.wait_for("event", DEADLINE);
    assert!(fact["wire_text"].to_string().contains(r#"\"sequence\":2,"#), "{fact}");
    bench.wait_notified(2);
    daemon.stop();
}
