//! Real Socket.IO servers: `socket.io` of npm, with and without connection state recovery, Flask-SocketIO and python-socketio of
//! PyPI. What holds of one must hold of each.

use nix::sys::signal::Signal;
use pool_poller::sim::SimPool;
use serde_json::Value;

use super::bench::{Bench, Engine};
use super::process::Daemon;
use super::{DEADLINE, money, on_both_engines};
use crate::support::interop::{InteropOptions, InteropServer, Library};

on_both_engines!(a_real_socketio_server_receives_acknowledges_and_relays_exact_numbers);

/// Makes of each claim a test of every server.
macro_rules! of_every_server {
    ($($claim:ident),* $(,)?) => {$(
        mod $claim {
            use crate::support::interop::Library;

            #[test]
            fn socketio_of_node() {
                super::$claim(Library::Node);
            }

            #[test]
            fn socketio_of_node_with_recovery() {
                super::$claim(Library::NodeWithRecovery);
            }

            #[test]
            fn flask_socketio() {
                super::$claim(Library::Flask);
            }

            #[test]
            fn python_socketio() {
                super::$claim(Library::Python);
            }
        }
    )*};
}

of_every_server!(
    a_reward_is_taken_digit_by_digit,
    a_wrong_token_is_refused_and_the_server_is_told_nothing,
    an_award_that_is_not_acknowledged_stays_not_notified,
    a_server_that_was_killed_is_found_again,
    a_server_that_ends_in_good_order_is_found_again,
    a_server_whose_process_stands_still_is_noticed_and_found_again,
);

/// A player who was awarded much before, so that the totals have more digits than a float.
fn rich_player(bench: &Bench) -> String {
    let wallet = bench.add_player("alice");
    bench.rows.execute("UPDATE players SET total_ap = '123456789012.12345678', total_advc_mined = '1234567890.12345678'");
    wallet
}

fn a_reward_is_taken_digit_by_digit(library: Library) {
    reward_from(Engine::Sqlite, library);
}

fn a_real_socketio_server_receives_acknowledges_and_relays_exact_numbers(engine: Engine) {
    reward_from(engine, Library::Node);
}

fn reward_from(engine: Engine, library: Library) {
    let auth_token = Some("right".to_owned());
    let server = InteropServer::start(&InteropOptions { library, auth_token, ..InteropOptions::default() });
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
    assert_eq!(server.seen("schema_error"), Vec::<Value>::new());
}

/// An award that the server has not acknowledged.
fn one_award(bench: &Bench) -> Daemon {
    let wallet = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    bench.pay(SimPool::CpuPool, &wallet, "1.5");
    bench.wait_awards(1);
    daemon
}

fn a_wrong_token_is_refused_and_the_server_is_told_nothing(library: Library) {
    let auth_token = Some("right".to_owned());
    let server = InteropServer::start(&InteropOptions { library, auth_token, ..InteropOptions::default() });
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.set("SOCKETIO_URL", &server.url());
    bench.set("SOCKETIO_AUTH_TOKEN", "wrong");
    let daemon = one_award(&bench);
    server.wait_for("refused", DEADLINE);
    let refused = daemon.wait_for("game_server_disconnected");
    assert_eq!((&refused["kind"], &refused["retry_ms"]), (&"refused".into(), &30_000.into()), "{refused}");
    assert!(refused["reason"].to_string().contains("unauthorized"), "in the server's words: {refused}");
    daemon.cycles(2);
    assert!(!bench.rows.events()[0].notified);
    daemon.stop();
    assert_eq!(server.seen("event"), Vec::<Value>::new());

    bench.set("SOCKETIO_AUTH_TOKEN", "right");
    let daemon = bench.start();
    server.wait_for("event", DEADLINE);
    bench.wait_notified(1);
    daemon.stop();
}

fn an_award_that_is_not_acknowledged_stays_not_notified(library: Library) {
    let server = InteropServer::start(&InteropOptions { library, acks: false, ..InteropOptions::default() });
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
    assert_eq!(daemon.count("game_server_disconnected"), 0, "a server that acknowledges nothing is no server that is away");
    // A notice may be under way for which the end does not wait.
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(DEADLINE).code(), Some(0));
    assert!(!bench.rows.events()[0].notified);
}

/// How a server goes away.
enum End {
    Kill,
    Stop,
}

fn a_server_that_was_killed_is_found_again(library: Library) {
    replaced(library, &End::Kill);
}

fn a_server_that_ends_in_good_order_is_found_again(library: Library) {
    replaced(library, &End::Stop);
}

fn replaced(library: Library, end: &End) {
    let options = || InteropOptions { library, ping_interval_ms: 300, ping_timeout_ms: 2_000, ..InteropOptions::default() };
    let mut server = InteropServer::start(&options());
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.set("SOCKETIO_URL", &server.url());
    let daemon = one_award(&bench);
    bench.wait_notified(1);
    let port = server.port();
    match end {
        End::Kill => server.kill(),
        End::Stop => server.stop(),
    }
    daemon.wait_for("game_server_disconnected");
    let wallet = super::bench::wallet("alice");
    bench.pay(SimPool::CpuPool, &wallet, "2.5");
    let awards = bench.wait_awards(2);
    assert_eq!(awards.iter().map(|award| award.notified).collect::<Vec<_>>(), [true, false]);
    let server = InteropServer::start(&InteropOptions { port, ..options() });
    let fact = server.wait_for("event", DEADLINE);
    assert!(fact["wire_text"].to_string().contains(r#"\"sequence\":2,"#), "{fact}");
    bench.wait_notified(2);
    daemon.stop();
}

fn a_server_whose_process_stands_still_is_noticed_and_found_again(library: Library) {
    let server = InteropServer::start(&InteropOptions {
        library,
        ping_interval_ms: 300,
        ping_timeout_ms: 1_000,
        ..InteropOptions::default()
    });
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.set("SOCKETIO_URL", &server.url());
    bench.set("NOTIFY_ACK_TIMEOUT", "1");
    let daemon = one_award(&bench);
    bench.wait_notified(1);
    server.freeze(true);
    let down = daemon.wait_for("game_server_disconnected");
    assert_eq!(down["kind"], "half_open", "{down}");
    bench.pay(SimPool::CpuPool, &super::bench::wallet("alice"), "2.5");
    bench.wait_awards(2);
    // Its system still takes connections, and nobody answers on them.
    daemon.wait_for_event("game_server_disconnected", |event| event["kind"] == "connect_timeout");
    assert!(!bench.rows.awards()[1].notified);
    server.freeze(false);
    bench.wait_notified(2);
    daemon.stop();
}

#[test]
fn another_namespace_is_come_into_and_one_that_is_not_there_is_a_refusal() {
    let server = InteropServer::start(&InteropOptions { namespace: "/game", ..InteropOptions::default() });
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.set("SOCKETIO_URL", &server.url());
    bench.set("SOCKETIO_NAMESPACE", "/nowhere");
    let daemon = one_award(&bench);
    let refused = daemon.wait_for("game_server_disconnected");
    assert_eq!((&refused["kind"], &refused["reason"]), (&"refused".into(), &"refused by the server: Invalid namespace".into()));
    daemon.stop();

    bench.set("SOCKETIO_NAMESPACE", "/game");
    let daemon = bench.start();
    server.wait_for("event", DEADLINE);
    bench.wait_notified(1);
    daemon.stop();
}
