//! The tests of the test support itself: what the other tests stand on must hold.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use serde_json::Value;

use crate::support::interop::{InteropOptions, InteropServer};
use crate::support::own_cluster::OwnCluster;
use crate::support::pg::{TestDatabase, connect, execute};
use crate::support::required_env;

const DEADLINE: Duration = Duration::from_secs(30);

/// The integer in the only column of the only row.
async fn number(url: &str, sql: &str) -> i64 {
    let connection = connect(url, 1).await.expect("the server takes connections");
    let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.expect("a valid query");
    let number = row.expect("a row").try_get_by_index(0).expect("an integer");
    connection.close().await.expect("an open connection");
    number
}

async fn databases_named(name: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    number(&required_env("POOL_POLLER_TEST_PG"), &sql).await
}

#[tokio::test]
async fn a_test_database_is_empty_and_dropped_with_its_value_while_still_in_use() {
    let database = TestDatabase::create().await;
    let name = database.name().to_owned();
    let connection = database.connect().await;
    connection.execute_unprepared("CREATE TABLE t (n int)").await.expect("a table of its own");
    assert_eq!(databases_named(&name).await, 1);
    drop(database);
    assert_eq!(databases_named(&name).await, 0);
    assert!(connection.execute_unprepared("SELECT 1").await.is_err(), "its sessions are ended");
}

#[tokio::test]
async fn two_test_databases_know_nothing_of_each_other() {
    let (one, other) = (TestDatabase::create().await, TestDatabase::create().await);
    execute(one.url(), "CREATE TABLE t (n int)").await.expect("a table");
    assert_eq!(number(other.url(), "SELECT count(*) FROM pg_tables WHERE tablename = 't'").await, 0);
}

#[tokio::test]
async fn an_own_cluster_keeps_what_was_committed_over_a_crash_and_a_restart() {
    let mut cluster = OwnCluster::start(0);
    let url = cluster.url().to_owned();
    execute(&url, "CREATE TABLE t (n bigint); INSERT INTO t VALUES (42)").await.expect("a table");
    cluster.stop_immediate();
    assert!(TcpStream::connect(("127.0.0.1", cluster.port())).is_err(), "it is down");
    cluster.restart();
    assert_eq!(cluster.url(), url);
    assert_eq!(number(&url, "SELECT n FROM t").await, 42);
    cluster.restart();
    assert_eq!(number(&url, "SELECT n FROM t").await, 42);
}

/// One HTTP exchange with the server, without a client library: what comes back is the server's own text.
fn http(port: u16, method: &str, query: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    write!(
        stream,
        "{method} /socket.io/?EIO=4&transport=polling{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("a request");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    body.to_owned()
}

/// The open packet of a fresh Engine.IO session, and the query that continues the session.
fn handshake(port: u16) -> (Value, String) {
    let opened = http(port, "GET", "", "");
    let open: Value = serde_json::from_str(opened.strip_prefix('0').expect("an open packet")).expect("its JSON");
    let query = format!("&sid={}", open["sid"].as_str().expect("a session id"));
    (open, query)
}

#[test]
fn the_interop_server_opens_an_engine_io_session_and_acknowledges() {
    let options = InteropOptions { ping_interval_ms: 9_000, ping_timeout_ms: 8_000, ..InteropOptions::default() };
    let mut server = InteropServer::start(&options);
    let (open, session) = handshake(server.port());
    assert_eq!(open["pingInterval"], 9_000);
    assert_eq!(open["pingTimeout"], 8_000);

    assert_eq!(http(server.port(), "POST", &session, "40"), "ok");
    assert!(http(server.port(), "GET", &session, "").starts_with("40{"), "the namespace is joined");
    server.wait_for("connected", DEADLINE);

    let event = r#"420["mining_reward",{"event_id":"e","advc_amount":1.50,"room":"player_7"}]"#;
    assert_eq!(http(server.port(), "POST", &session, event), "ok");
    let fact = server.wait_for("event", DEADLINE);
    assert_eq!(fact["payload_text"], r#"{"event_id":"e","advc_amount":1.5,"room":"player_7"}"#);
    assert_eq!(fact["wire_text"], event.strip_prefix('4').expect("an Engine.IO message"), "digits as they were sent");
    assert_eq!(fact["has_callback"], true);
    assert_eq!(server.wait_for("relayed", DEADLINE)["relayed"], "player_7");
    assert!(http(server.port(), "GET", &session, "").starts_with("430["), "the acknowledgement");

    let url = server.url();
    server.stop();
    let address = url.strip_prefix("http://").expect("an http URL");
    assert!(TcpStream::connect(address).is_err(), "it is down");
}

#[test]
fn the_interop_server_refuses_a_wrong_token_and_withholds_acknowledgements_where_told() {
    let options = InteropOptions { auth_token: Some("secret".to_owned()), acks: false, ..InteropOptions::default() };
    let mut server = InteropServer::start(&options);
    let (_, stranger) = handshake(server.port());
    http(server.port(), "POST", &stranger, r#"40{"token":"guess"}"#);
    server.wait_for("refused", DEADLINE);

    let (_, session) = handshake(server.port());
    http(server.port(), "POST", &session, r#"40{"token":"secret"}"#);
    http(server.port(), "GET", &session, "");
    // The relay to the sender's own room comes back to it; an acknowledgement would come with it or before it.
    http(server.port(), "POST", &session, r#"42["join","player_7"]"#);
    server.wait_for("joined", DEADLINE);
    http(server.port(), "POST", &session, r#"421["mining_reward",{"room":"player_7"}]"#);
    assert_eq!(server.wait_for("relayed", DEADLINE)["members"], 1);
    let answer = http(server.port(), "GET", &session, "");
    assert!(answer.starts_with(r#"42["mining_reward""#), "{answer}");
    assert!(!answer.contains("431["), "{answer}");
    server.kill();
}
