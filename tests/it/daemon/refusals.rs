//! A database that is there and refuses: `once` ends with one line, the daemon waits for an operator and loses nothing.

use std::process::Output;
use std::time::{Duration, Instant};

use pool_poller::sim::{Fault, Script, SimPool};
use url::Url;

use super::bench::{Bench, Engine};
use super::status::{ask, served};
use super::{money, on_both_engines};

on_both_engines!(once_fails_where_no_request_brings_a_reading);

fn once_fails_where_no_request_brings_a_reading(engine: Engine) {
    let bench = Bench::with(engine, &[SimPool::CpuPool, SimPool::Rplant]);
    for name in ["alice", "bob"] {
        bench.add_player(name);
    }
    for pool in [SimPool::CpuPool, SimPool::Rplant] {
        bench.pools.script(pool, Script::next(6, Fault::status(502)));
    }
    for arguments in [&["once"][..], &["once", "--json"], &["once", "--dry-run"]] {
        let output = bench.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(complaint(&output), "pool-poller: none of 4 requests brought a reading", "{arguments:?}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("502"), "the summary is printed all the same");
    }
    bench.pools.script(SimPool::CpuPool, Script::next(2, Fault::status(502)));
    assert_eq!(bench.run(&["once"]).status.code(), Some(0), "one pool that is away is that pool's matter");
}

/// The line that is no event of the log.
fn complaint(output: &Output) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    let mut lines = stderr.lines().filter(|line| line.starts_with("pool-poller: "));
    let line = lines.next().unwrap_or_else(|| panic!("no complaint in {stderr}")).to_owned();
    assert_eq!(lines.next(), None, "one line");
    line
}

/// Refuses every new event, with the SQLSTATE `code`, until it is dropped.
fn refuse_events(bench: &Bench, code: &str) {
    bench.rows.execute(&format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'it is refused' USING ERRCODE = '{code}'; END $$"
    ));
    bench.rows.execute("CREATE TRIGGER refuse BEFORE INSERT ON mining_events FOR EACH STATEMENT EXECUTE FUNCTION refuse()");
}

fn accept_events(bench: &Bench) {
    bench.rows.execute("DROP FUNCTION refuse CASCADE");
}

#[test]
fn once_waits_for_a_database_that_is_away_no_longer_than_it_says() {
    let bench = Bench::with(Engine::PostgreSql, &[SimPool::CpuPool, SimPool::Rplant]);
    let alice = bench.add_player("alice");
    assert!(bench.run(&["once"]).status.success());
    bench.pay(SimPool::CpuPool, &alice, "1.5");
    bench.pay(SimPool::Rplant, &alice, "1");
    // Cannot connect now.
    refuse_events(&bench, "57P03");
    let began = Instant::now();
    let output = bench.run(&["once", "--database-wait", "2"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(began.elapsed() >= Duration::from_secs(2), "it is waited for: {:?}", began.elapsed());
    let line = complaint(&output);
    assert!(line.starts_with("pool-poller: the database was away for ") && line.contains("it is refused"), "{line}");
    assert_eq!(bench.rows.events().len(), 0);

    accept_events(&bench);
    assert!(bench.run(&["once", "--database-wait", "2"]).status.success());
    assert_eq!(bench.rows.player("alice").total_ap, money("250"), "nothing is lost");
}

/// A login with all rights but those on `mining_events`, and its URL.
fn login_without_events(bench: &Bench) -> (String, String) {
    let name = format!("test_refused_{:016x}", fastrand::u64(..));
    bench.rows.execute(&format!("CREATE ROLE {name} LOGIN PASSWORD 'secret'"));
    bench.rows.execute(&format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}"));
    bench.rows.execute(&format!("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}"));
    bench.rows.execute(&format!("REVOKE INSERT ON mining_events FROM {name}"));
    let mut url = Url::parse(bench.database_url()).unwrap();
    url.set_username(&name).unwrap();
    url.set_password(Some("secret")).unwrap();
    (name, url.into())
}

#[test]
fn a_right_that_is_missing_ends_once_at_once_and_is_waited_for_by_the_daemon() {
    let mut bench = Bench::with(Engine::PostgreSql, &[SimPool::CpuPool]);
    let alice = bench.add_player("alice");
    assert!(bench.run(&["once"]).status.success());
    bench.pay(SimPool::CpuPool, &alice, "1.5");
    let (name, url) = login_without_events(&bench);
    bench.set("DATABASE_URL", &url);

    let output = bench.run(&["once", "--database-wait", "86400"]);
    assert_eq!(output.status.code(), Some(1));
    let line = complaint(&output);
    names_table_and_grants(&line);

    bench.set("STATUS_LISTEN", "127.0.0.1:0");
    let daemon = bench.start();
    let address = served(&daemon);
    let error = daemon.wait_for("database_rights_missing");
    let text = error["error"].as_str().unwrap();
    names_table_and_grants(text);
    assert_eq!((&error["level"], &error["kind"]), (&"ERROR".into(), &"forbidden".into()));
    let said = ask(&address, "GET", "/readyz");
    assert_eq!(said.status, 503, "reading works, and storing does not");
    assert!(said.body.starts_with("the ledger cannot store: permission denied for table mining_events"), "{}", said.body);
    // It goes on trying, and says it once.
    bench.rows.execute(&format!("GRANT INSERT ON mining_events TO {name}"));
    let back = daemon.wait_for("database_back");
    assert!(back["attempts"].as_u64().unwrap() >= 1);
    bench.wait_notified(1);
    assert_eq!(bench.rows.player("alice").total_ap, money("150"));
    assert_eq!(daemon.count("database_rights_missing"), 1);
    assert_eq!(ask(&address, "GET", "/readyz").status, 200);
    daemon.stop();
}

#[test]
fn a_server_that_grants_too_few_connections_is_not_said_to_be_away() {
    let mut bench = Bench::with(Engine::PostgreSql, &[SimPool::CpuPool]);
    let (name, url) = login_without_events(&bench);
    bench.rows.execute(&format!("ALTER ROLE {name} CONNECTION LIMIT 1"));
    bench.set("DATABASE_URL", &url);
    let output = bench.run(&["run"]);
    assert_eq!(output.status.code(), Some(78));
    let line = complaint(&output);
    assert!(line.contains("may this user have five at a time?"), "{line}");
}

fn names_table_and_grants(text: &str) {
    assert!(text.contains("permission denied for table mining_events"), "{text}");
    assert!(text.contains("deploy/grants.sql gives a login the rights that it needs"), "{text}");
}
