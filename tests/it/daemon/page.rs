//! The status page: what `/status.json` says, and the page itself in a real headless Chromium.

use std::net::TcpListener;

use pool_poller::sim::{Fault, Script, SimPool};
use serde_json::{Value, json};

use super::bench::{Bench, Engine, wallet};
use super::reload::reload;
use super::status::{Answer, ask, served};
use super::{DEADLINE, eventually, on_both_engines};
use crate::support::browser::Browser;
use crate::support::own_cluster::OwnCluster;

on_both_engines!(the_status_is_told_with_exact_amounts_and_what_is_unknown_is_null);

/// A name that would be a script if it were taken for more than text.
const HOSTILE: &str = r#"<img src=x onerror="window.ran=1"><script>window.ran=1</script>"#;

fn status(address: &str) -> Value {
    let Answer { status, head, body } = ask(address, "GET", "/status.json");
    assert!(status == 200 && head.contains("content-type: application/json"), "{head}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// The status once `wanted` holds of it.
fn status_when(address: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(what, DEADLINE, || Some(status(address)).filter(&wanted))
}

fn the_status_is_told_with_exact_amounts_and_what_is_unknown_is_null(engine: Engine) {
    let mut bench = Bench::with(engine, &[SimPool::CpuPool, SimPool::Extra]);
    bench.set("STATUS_LISTEN", "127.0.0.1:0");
    bench.pools.script(SimPool::Extra, Script::standing(Fault::Hang));
    let alice = bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    let address = served(&daemon);
    let first = status_when(&address, "a cycle of a pool", |now| !now["pools"][0]["last_cycle"].is_null());
    let unasked = &first["pools"][1];
    assert_eq!(unasked["name"], "extra");
    assert_eq!((&unasked["last_cycle"], &unasked["recent"]["success_percent"]), (&Value::Null, &Value::Null), "{unasked}");
    assert_eq!((&first["last_cycle"], &unasked["state"]), (&Value::Null, &"no_answer_yet".into()), "{first}");
    assert_eq!((&first["awards"], &first["anomalies"]), (&json!([]), &json!([])));

    bench.pools.clear_scripts(SimPool::Extra);
    bench.pay(SimPool::CpuPool, &alice, "1.50000001");
    bench.wait_notified(1);
    bench.pay(SimPool::CpuPool, &alice, "100001");
    daemon.wait_for("payout_held");
    let now = status_when(&address, "a held event", |now| now["events"]["held"] == 1);
    let [held, told] = now["awards"].as_array().expect("awards").as_slice() else { panic!("{now}") };
    let rows = bench.rows.events();
    let time = |at: &Value| chrono::DateTime::parse_from_rfc3339(at.as_str().expect("a time")).expect("RFC 3339").naive_utc();
    assert!((time(&told["at"]) - rows[0].event_time).num_milliseconds().abs() <= 1, "{told}");
    for (shown, expected) in [
        (told, json!({ "player": "alice", "pool": "cpu-pool", "advc": "1.50000001", "ap": "150.000001", "state": "told" })),
        (held, json!({ "player": "alice", "pool": "cpu-pool", "advc": "100001", "ap": "0", "state": "held" })),
    ] {
        for (key, value) in expected.as_object().expect("an object") {
            assert_eq!(&shown[key], value, "{key} of {shown}");
        }
    }
    assert_eq!((&held["id"], &held["hold_reason"]), (&rows[1].id.into(), &rows[1].hold_reason.clone().into()));
    assert_eq!(now["events"], json!({ "waiting": 0, "waiting_since": null, "held": 1, "given_up": 0 }));
    let database = if engine == Engine::Sqlite { "SQLite" } else { "PostgreSQL" };
    assert_eq!(now["database"], json!({ "engine": database, "answers": true, "error": null }));
    let url = bench.game.socketio_url();
    assert_eq!((&now["game"]["state"], &now["game"]["kind"]), (&"connected".into(), &"socketio".into()));
    assert!(now["game"]["url"].as_str().is_some_and(|shown| shown.trim_end_matches('/') == url.trim_end_matches('/')), "{now}");
    assert_eq!((&now["version"], &now["interval_seconds"]), (&env!("CARGO_PKG_VERSION").into(), &1.into()));

    bench.wait_positions(2);
    bench.game.stop();
    // On the other pool: after the held one, every rise of this position is held.
    bench.pay(SimPool::Extra, &alice, "2");
    let now = status_when(&address, "an award that waits", |now| now["events"]["waiting"] == 1);
    assert_eq!((&now["awards"][0]["state"], &now["awards"][0]["advc"]), (&"waiting".into(), &"2".into()));
    assert_eq!(now["events"]["waiting_since"], now["awards"][0]["at"]);
    assert_eq!(now["game"]["state"], "disconnected");
    assert!(now["game"]["reason"].is_string() && time(&now["game"]["since"]) <= time(&now["at"]), "{now}");

    let pool = &status_when(&address, "the other pool's cycle", |now| now["pools"][1]["recent"]["cycles"].as_u64() > Some(1));
    let latency = pool["pools"][0]["latency"].as_array().expect("a series");
    assert_eq!(latency.len() as u64, pool["pools"][0]["recent"]["cycles"].as_u64().expect("a number").min(60));
    let last = latency.last().expect("a cycle");
    assert!(0.0 < last["median_ms"].as_f64().expect("a time") && last["median_ms"].as_f64() <= last["max_ms"].as_f64(), "{last}");
    daemon.stop();
}

#[test]
fn nothing_but_reading_is_allowed_and_nothing_comes_from_elsewhere() {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.set("STATUS_LISTEN", "127.0.0.1:0");
    let daemon = bench.start();
    let address = served(&daemon);
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/status.css", "text/css; charset=utf-8"),
        ("/status.js", "text/javascript; charset=utf-8"),
        ("/status.json", "application/json"),
        ("/metrics", "text/plain; version=0.0.4"),
        ("/healthz", "text/plain; charset=utf-8"),
    ] {
        let [got, head] = ["GET", "HEAD"].map(|method| ask(&address, method, path));
        assert_eq!((got.status, head.status, head.body.as_str()), (200, 200, ""), "{path}");
        assert!(!got.body.is_empty(), "{path}");
        for line in [
            &format!("content-type: {kind}"),
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(got.head.contains(line) && head.head.contains(line), "{path}: {line}: {}", got.head);
        }
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let refused = ask(&address, method, path);
            assert_eq!(refused.status, 405, "{method} {path}");
            assert!(refused.head.contains("allow: get, head"), "{}", refused.head);
        }
    }
    let html = ask(&address, "GET", "/").body;
    // The name of SVG's namespace is an address that nothing is loaded from.
    let html = html.replace("xmlns='http://www.w3.org/2000/svg'", "");
    for inline in ["style=", "<style", "http:", "https:", "onclick", "<form", "<button"] {
        assert!(!html.contains(inline), "{inline}: {html}");
    }
    let lost = ask(&address, "GET", "/nowhere");
    assert_eq!((lost.status, lost.body.as_str()), (404, "here are /, /status.json, /metrics, /healthz and /readyz\n"));
    daemon.stop();
}

#[test]
fn pools_and_interval_are_those_of_the_newest_reload() {
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool]);
    bench.set("STATUS_LISTEN", "127.0.0.1:0");
    bench.unset("POLL_INTERVAL_SECONDS");
    bench.unset("RPLANT_ENABLED");
    bench.configure("poll_interval_seconds = 1\nrplant_enabled = false\n");
    bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    let address = served(&daemon);
    let cycles = |now: &Value, pool: usize| now["pools"][pool]["recent"]["cycles"].as_u64();
    let names = |now: &Value| now["pools"].as_array().expect("pools").iter().map(|pool| pool["name"].clone()).collect::<Vec<_>>();
    let first = status_when(&address, "some cycles", |now| cycles(now, 0) >= Some(2));
    assert_eq!((names(&first), &first["interval_seconds"]), (vec!["cpu-pool".into()], &1.into()));

    bench.configure("poll_interval_seconds = 1\nrplant_enabled = true\n");
    reload(&daemon, 1);
    let both = status_when(&address, "cycles of the new pool", |now| cycles(now, 1) >= Some(2));
    assert_eq!(names(&both), ["cpu-pool", "rplant"]);
    assert!(cycles(&both, 0) > cycles(&first, 0), "what the other did is kept: {both}");

    bench.configure("poll_interval_seconds = 30\nrplant_enabled = false\n");
    reload(&daemon, 2);
    let left = status_when(&address, "the pool is gone", |now| now["pools"][1].is_null());
    assert_eq!((names(&left), &left["interval_seconds"]), (vec!["cpu-pool".into()], &30.into()));

    bench.configure("poll_interval_seconds = 30\nrplant_enabled = true\n");
    reload(&daemon, 3);
    let again = status_when(&address, "the pool is back", |now| !now["pools"][1].is_null());
    assert!(cycles(&again, 1) < cycles(&both, 1), "what it did before it left is forgotten: {again}");
    daemon.stop();
}

#[test]
fn without_its_database_the_page_shows_everything_else() {
    let mut cluster = OwnCluster::start(0);
    let mut bench = Bench::on(cluster.url());
    bench.set("STATUS_LISTEN", "127.0.0.1:0");
    bench.enable(&[SimPool::CpuPool]);
    bench.add_player("alice");
    let daemon = bench.start_with_positions(1);
    let address = served(&daemon);
    status_when(&address, "the database answers", |now| now["database"]["answers"] == true);
    cluster.stop_fast();
    let now = status_when(&address, "the database is away", |now| now["database"]["answers"] == false);
    assert!(now["database"]["error"].is_string(), "{now}");
    assert_eq!([&now["awards"], &now["anomalies"], &now["events"]], [&Value::Null; 3], "unknown, and not nothing");
    assert_eq!((&now["pools"][0]["state"], &now["game"]["state"]), (&"answers".into(), &"connected".into()));
    cluster.restart();
    let now = status_when(&address, "the database is back", |now| now["database"]["answers"] == true);
    assert_eq!(now["awards"], json!([]));
    daemon.stop();
}

/// Asserts that nothing has gone wrong in the browser since the last time, and that the page was opened once.
fn assert_quiet(browser: &mut Browser) {
    let facts = browser.facts();
    for (key, expected) in [
        ("navigations", json!(1)),
        ("foreign", json!([])),
        ("complaints", json!([])),
        ("ran", json!(false)),
        ("images", json!(0)),
    ] {
        assert_eq!(facts[key], expected, "{key}");
    }
}

#[test]
fn in_a_browser_the_page_lives_without_reload_and_takes_text_for_text() {
    // The daemon is started twice on the same address.
    let address = TcpListener::bind(("127.0.0.1", 0)).expect("a free port").local_addr().expect("an address").to_string();
    let mut bench = Bench::with(Engine::Sqlite, &[SimPool::CpuPool, SimPool::Extra]);
    bench.set("STATUS_LISTEN", &address);
    bench.add_player("alice");
    let mallory = wallet("mallory");
    let player = bench.rows.add_player(HOSTILE, &mallory);
    bench.open_accounts(&mallory, super::bench::PAST);
    let daemon = bench.start_with_positions(4);
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/", served(&daemon)));
    browser.wait("#health", "Everything answers.");
    browser.wait("#awards", "None yet.");
    browser.wait("#pools tr", "cpu-pool");
    browser.wait("#pools tr", "2 of 2 good");

    // A payout, of a player whose name is hostile.
    bench.pay(SimPool::CpuPool, &mallory, "1.50000001");
    let row = browser.wait("#awards tr", "1.50000001");
    assert!(row.contains(HOSTILE) && row.contains("150.000001"), "as it stands there: {row}");
    browser.wait("#awards tr", "told");
    let insert = format!(
        "INSERT INTO anomalies (player_id, pool_name, address, kind, detail, seen_at) \
         VALUES ({player}, 'extra', 'W', 'counter_fell', 'the pool says {HOSTILE}', '2026-01-01 00:00:00')"
    );
    bench.rows.execute(&insert);
    assert!(browser.wait("#anomalies tr", "counter fell").contains(HOSTILE));
    assert_quiet(&mut browser);

    // A pool that fails, with hostile words, and comes back.
    let answer = json!({ "totalPaid": HOSTILE, "pendingBalance": 0, "pendingShares": 0 });
    bench.pools.script(SimPool::Extra, Script::standing(Fault::body(answer.to_string())));
    browser.wait("#pools tr:has-text('extra')", "0 of 2 good");
    browser.wait("#pools tr:has-text('extra') .state", "fails");
    assert!(browser.wait("#pools tr:has-text('extra')", "because").contains("<img src=x"), "the pool's words");
    browser.wait("#health", "extra: no good answers.");
    bench.pools.script(SimPool::Extra, Script::standing(Fault::status(500)));
    browser.wait("#pools tr:has-text('extra') .state", "left alone until");
    browser.wait("#pools tr:has-text('cpu-pool') .state", "answers");

    // The game server goes, and comes back.
    browser.wait("#tiles div:has-text('Game server') .state", "connected");
    bench.game.stop();
    browser.wait("#tiles div:has-text('Game server') .state", "not connected");
    bench.pay(SimPool::CpuPool, &mallory, "2.25");
    browser.wait("#tiles div:has-text('Waits for the game') .state", "1 award");
    browser.wait("#awards tr:has-text('2.25')", "waits for the game");
    bench.game.start_again().expect("a free port");
    browser.wait("#awards tr:has-text('2.25')", "told");
    browser.wait_gone("#tiles div:has-text('Game server') .state", "not connected");
    browser.wait("#tiles div:has-text('Waits for the game') .state", "nothing");

    // What it looks like, and that nothing can be changed from it.
    for (width, height) in [(360, 740), (1280, 800)] {
        let (window, content) = browser.widths(width, height);
        assert!(window == u64::from(width) && content <= window, "{content} wide in {window}");
    }
    let controls = browser.controls();
    assert_eq!(controls["controls"], json!([]));
    let links = ["status.json", "metrics"].map(|name| format!("http://{address}/{name}"));
    assert_eq!(controls["links"], json!(links));
    assert_eq!(ask(&address, "POST", "/").status, 405);
    assert_quiet(&mut browser);

    // The daemon is killed, and started again.
    daemon.kill();
    browser.wait("#gone", "The daemon does not answer. What is below was so at");
    browser.wait("#awards tr", "2.25");
    let daemon = bench.start();
    browser.wait_gone("#gone:not([hidden])", "The daemon does not answer.");
    bench.pay(SimPool::CpuPool, &mallory, "3.125");
    browser.wait("#awards tr", "3.125");
    let facts = browser.facts();
    assert_eq!((&facts["navigations"], &facts["ran"], &facts["foreign"]), (&1.into(), &false.into(), &json!([])));
    // Chromium itself writes to the console that a request found nobody, and nothing else.
    let complaints = facts["complaints"].as_array().expect("a list");
    let is_refusal = |text: &Value| text.as_str().is_some_and(|text| text.contains("net::ERR_"));
    assert!(!complaints.is_empty() && complaints.iter().all(is_refusal), "{complaints:?}");
    drop(browser);
    daemon.stop();
}
