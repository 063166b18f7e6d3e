//! `STATUS_LISTEN`: figures for Prometheus, and whether the daemon is well.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use pool_poller::sim::{Fault, Script, SimPool};

use super::bench::{Bench, Engine};
use super::process::Daemon;
use super::{DEADLINE, eventually, on_both_engines};
use crate::support::own_cluster::OwnCluster;
use crate::support::{required_env, tests_file};

on_both_engines!(the_figures_are_those_of_the_daemon_and_pass_the_checker_of_prometheus);

/// A status, the head and the body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Where the daemon serves.
pub(crate) fn served(daemon: &Daemon) -> String {
    daemon.wait_for("status_served")["address"].as_str().expect("an address").to_owned()
}

pub(crate) fn ask(address: &str, method: &str, path: &str) -> Answer {
    let mut socket = TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    write!(socket, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// The value of one figure, with its labels.
fn figure(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

fn the_figures_are_those_of_the_daemon_and_pass_the_checker_of_prometheus(engine: Engine) {
    let mut bench = Bench::with(engine, &[SimPool::CpuPool, SimPool::Extra]);
    bench.set("STATUS_LISTEN", "127.0.0.1:0");
    let (alice, bob) = (bench.add_player("alice"), bench.add_player("bob"));
    let daemon = bench.start_with_positions(4);
    let address = served(&daemon);
    bench.pools.script(SimPool::Extra, Script::next(1, Fault::status(500)));
    assert!(bench.pools.wait_counts(SimPool::Extra, DEADLINE, |counts| counts.faulted >= 1));
    bench.pay(SimPool::CpuPool, &alice, "1.5");
    bench.pay(SimPool::CpuPool, &bob, "100001");
    bench.wait_notified(1);
    daemon.wait_for("payout_held");
    daemon.cycles(2);

    let shown = ask(&address, "GET", "/metrics");
    assert_eq!(shown.status, 200);
    assert!(shown.head.contains("content-type: text/plain; version=0.0.4"), "{}", shown.head);
    let text = &shown.body;
    for (name, value) in [
        ("pool_poller_awards_total", 1.0),
        ("pool_poller_ap_awarded_total", 150.0),
        ("pool_poller_events_held_total", 1.0),
        ("pool_poller_players", 2.0),
        ("pool_poller_database_up", 1.0),
        ("pool_poller_game_connected", 1.0),
        ("pool_poller_notices_acked_total", 1.0),
        ("pool_poller_notice_ack_seconds_count", 1.0),
        (r#"pool_poller_pool_failures_total{pool="extra",kind="http_status"}"#, 1.0),
        (r#"pool_poller_pool_breaker_state{pool="extra",state="closed"}"#, 1.0),
        (r#"pool_poller_pool_wallets{pool="cpu-pool"}"#, 2.0),
        (r#"pool_poller_actor_restarts_total{actor="ledger"}"#, 0.0),
    ] {
        assert_eq!(figure(text, name), Some(value), "{name}:\n{text}");
    }
    let version = format!("pool_poller_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(figure(text, &version), Some(1.0));
    let answers = figure(text, r#"pool_poller_pool_response_seconds_count{pool="cpu-pool"}"#).expect("a count");
    let requests = figure(text, r#"pool_poller_pool_requests_total{pool="cpu-pool"}"#).expect("a count");
    assert!(answers >= 4.0 && requests >= answers, "{text}");
    // Labels come from small fixed sets: nobody is named.
    for secret in ["alice", "bob", alice.as_str(), bob.as_str()] {
        assert!(!text.contains(secret), "{secret} is shown");
    }
    let mut checker = Command::new(required_env("POOL_POLLER_TEST_PROMTOOL"));
    let mut checker =
        checker.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    checker.as_mut().expect("promtool").stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let checked = checker.expect("promtool").wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && said.is_empty(), "{said}");

    for path in ["/healthz", "/readyz"] {
        let well = ask(&address, "GET", path);
        assert_eq!((well.status, well.body.as_str()), (200, "ok\n"), "{path}");
    }
    assert_eq!(ask(&address, "GET", "/nowhere").status, 404);
    assert_eq!(ask(&address, "POST", "/metrics").status, 405);
    daemon.stop();
}

#[test]
fn without_its_database_the_daemon_is_well_and_not_ready() {
    let mut cluster = OwnCluster::start(0);
    let mut bench = Bench::on(cluster.url());
    bench.set("STATUS_LISTEN", "127.0.0.1:0");
    bench.enable(&[SimPool::CpuPool]);
    bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    let address = served(&daemon);
    eventually("it is ready", DEADLINE, || (ask(&address, "GET", "/readyz").status == 200).then_some(()));
    cluster.stop_fast();
    let said =
        eventually("it is not ready", DEADLINE, || Some(ask(&address, "GET", "/readyz")).filter(|said| said.status == 503));
    assert!(said.body.starts_with("the database does not answer: "), "{}", said.body);
    assert_eq!(ask(&address, "GET", "/healthz").status, 200, "a restart would not help");
    assert_eq!(figure(&ask(&address, "GET", "/metrics").body, "pool_poller_database_up"), Some(0.0));
    cluster.restart();
    eventually("it is ready again", DEADLINE, || (ask(&address, "GET", "/readyz").status == 200).then_some(()));
    daemon.stop();
}

#[test]
fn the_alerts_are_raised_by_what_they_are_about_and_by_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["../deploy/prometheus/alerts.yml", "prometheus/alerts_test.yml"] {
        let file = tests_file(file);
        fs::copy(&file, folder.path().join(file.file_name().expect("a name"))).expect("a copy");
    }
    let mut checker = Command::new(required_env("POOL_POLLER_TEST_PROMTOOL"));
    let checked = checker.args(["test", "rules", "alerts_test.yml"]).current_dir(folder.path()).output().expect("promtool");
    assert!(checked.status.success(), "{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn a_taken_address_is_a_wrong_setting() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = taken.local_addr().expect("an address");
    let mut bench = Bench::new(Engine::Sqlite);
    bench.set("STATUS_LISTEN", &address.to_string());
    let output = bench.run(&["run"]);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        said.lines().last(),
        Some(format!("pool-poller: STATUS_LISTEN={address}: Address already in use (os error 98)").as_str())
    );
}

#[test]
fn a_client_that_says_nothing_holds_nobody_up() {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.set("STATUS_LISTEN", "127.0.0.1:0");
    bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    let address = served(&daemon);
    // As many as it takes, and half of a request from each.
    let silent: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut socket = TcpStream::connect(&address).expect("it listens");
            socket.write_all(b"GET /metrics HTT").expect("it reads");
            socket
        })
        .collect();
    daemon.cycles(2);
    assert_eq!(ask(&address, "GET", "/readyz").status, 200);
    drop(silent);
    daemon.stop();
}
