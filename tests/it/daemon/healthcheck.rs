//! `pool-poller healthcheck`: what a container's health check is told.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use pool_poller::sim::SimPool;

use super::bench::{Bench, Engine};
use super::process::Daemon;
use super::{DEADLINE, eventually};
use crate::support::own_cluster::OwnCluster;

/// The exit code, standard output and standard error.
fn check(bench: &Bench, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = bench.run(&[&["healthcheck"], arguments].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn well() -> (Option<i32>, String, String) {
    (Some(0), "ok".to_owned(), String::new())
}

/// Where the daemon serves.
fn served(daemon: &Daemon) -> String {
    daemon.wait_for("status_served")["address"].as_str().expect("an address").to_owned()
}

/// An address of this machine on which nobody listens.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).expect("a free port").local_addr().expect("an address").port()
}

#[test]
fn a_daemon_is_asked_where_its_settings_say_that_it_listens() {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    let port = free_port();
    bench.set("STATUS_LISTEN", &format!("0.0.0.0:{port}"));
    let (code, printed, said) = check(&bench, &[]);
    assert_eq!((code, printed.as_str()), (Some(1), ""), "nobody runs");
    assert!(said.starts_with(&format!("pool-poller: http://127.0.0.1:{port}/healthz: ")), "{said}");
    assert!(said.contains("Connection refused"), "{said}");

    bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    assert_eq!(served(&daemon), format!("0.0.0.0:{port}"));
    assert_eq!(check(&bench, &[]), well());
    eventually("it is ready", DEADLINE, || (check(&bench, &["--ready"]) == well()).then_some(()));
    // Neither the database nor a pool file is needed, and with an address no setting.
    bench.write("config/pools/half.toml", "name = ");
    bench.set("DATABASE_URL", "sqlite:///nowhere/at-all.db");
    assert_eq!(check(&bench, &[]), well());
    bench.set("STATUS_LISTEN", "nonsense");
    assert_eq!(check(&bench, &["--address", &format!("localhost:{port}")]), well());
    daemon.stop();
}

#[test]
fn what_is_wrong_is_said_as_the_daemon_says_it() {
    let mut cluster = OwnCluster::start(0);
    let mut bench = Bench::on(cluster.url());
    bench.set("STATUS_LISTEN", "127.0.0.1:0");
    let daemon = bench.start();
    let address = served(&daemon);
    let ask = |more: &[&str]| check(&bench, &[&["--address", &address], more].concat());
    eventually("it is ready", DEADLINE, || (ask(&["--ready"]) == well()).then_some(()));
    cluster.stop_fast();
    let (_, printed, said) =
        eventually("it is not ready", DEADLINE, || Some(ask(&["--ready"])).filter(|(code, ..)| *code == Some(1)));
    assert_eq!(printed, "");
    let begin = format!("pool-poller: http://{address}/readyz: 503 Service Unavailable: the database does not answer: ");
    assert!(said.starts_with(&begin), "{said}");
    assert_eq!(ask(&[]), well(), "a restart would not help");
    cluster.restart();
    daemon.stop();
}

#[test]
fn a_daemon_that_is_not_served_is_a_wrong_setting() {
    let mut bench = Bench::new(Engine::Sqlite);
    for (value, why) in [("", "STATUS_LISTEN is not set"), ("127.0.0.1:0", "STATUS_LISTEN=127.0.0.1:0 leaves the port")] {
        bench.set("STATUS_LISTEN", value);
        let (code, printed, said) = check(&bench, &[]);
        assert_eq!((code, printed.as_str()), (Some(78), ""), "{value}");
        assert!(said.contains(why) && said.contains("--address"), "{said}");
    }
}

#[test]
fn who_says_nothing_or_too_much_is_not_waited_for() {
    let bench = Bench::new(Engine::Sqlite);
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    // The first connection is kept and not answered; the second has an answer without end.
    let server = thread::spawn(move || {
        let silent = listener.accept().expect("a connection");
        let (mut endless, _) = listener.accept().expect("a connection");
        let _request = endless.read(&mut [0; 1024]).expect("a request");
        endless.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").expect("it reads");
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        while endless.write_all(chunk.as_bytes()).is_ok() {}
        drop(silent);
    });
    let began = Instant::now();
    let (code, _, said) = check(&bench, &["--address", &address, "--timeout", "1"]);
    assert_eq!((code, said), (Some(1), format!("pool-poller: http://{address}/healthz: no answer within 1 s")));
    assert!(began.elapsed() >= Duration::from_secs(1));
    let (code, _, said) = check(&bench, &["--address", &address]);
    assert_eq!(code, Some(1), "{said}");
    server.join().expect("a server without a panic");
}
