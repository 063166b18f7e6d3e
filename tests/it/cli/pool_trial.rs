//! `pools test`: what a pool file makes of an answer.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use super::program::Place;

const WALLET: &str = "AMf6wPvUz9GTjMyPbUFyXwaJxJqQWg3kd8";

fn answer(paid: &str) -> String {
    format!(r#"{{"miner":"{WALLET}","totalHash":12.5,"balance":0.25,"paid":{paid}}}"#)
}

/// What `pools test cpu-pool` says about an answer with `paid`.
fn tested(place: &Place, paid: &str) -> String {
    place.file("answer.json", answer(paid));
    let outcome = place.run(&["pools", "test", "cpu-pool", "--wallet", WALLET, "--body", "answer.json"]);
    let line = outcome.succeeded().lines().find(|line| line.starts_with("ledger")).expect("a line about the ledger");
    line.trim_start_matches("ledger").trim().to_owned()
}

#[test]
fn an_answer_in_a_file_is_shown_with_its_figures_and_its_decision() {
    let place = Place::new();
    place.file("answer.json", answer("10.5"));
    let outcome = place.run(&["pools", "test", "cpu-pool", "--wallet", WALLET, "--body", "answer.json"]);
    let expected = [
        "pool      cpu-pool from config/pools/cpu-pool.toml",
        &format!("request   GET http://cpu-pool.com/api/worker_stats?{WALLET}"),
        &format!("          user-agent: pool-poller/{}", env!("CARGO_PKG_VERSION")),
        &format!("answer    answer.json, {} bytes, taken for status 200", answer("10.5").len()),
        "decision  reading",
        "paid      10.5 ADVC at /paid",
        "          balance 0.25",
        "          total_hash 12.5",
        "ledger    the database was not asked (there is no file pool-poller.db); for a new wallet: opens a position, counting begins \
         at 10.5 ADVC (/paid)",
    ];
    assert_eq!(outcome.succeeded().lines().collect::<Vec<_>>(), expected);
    assert_eq!(place.names(), ["answer.json"], "a look makes no database");
}

#[test]
fn what_is_no_reading_is_named_and_ends_with_one() {
    let place = Place::new();
    place.file("answer.json", answer("10.5").replace(WALLET, &format!("addr={WALLET}")));
    let run = |arguments: &[&str]| {
        let outcome =
            place.run(&[&["pools", "test", "cpu-pool", "--json", "--body", "answer.json", "--wallet"], arguments].concat());
        assert_eq!(outcome.code(), 1, "{}", outcome.stderr);
        serde_json::from_str::<Value>(&outcome.stdout).expect("JSON")
    };
    let shown = run(&[WALLET]);
    assert_eq!((&shown["decision"], &shown["counts_against_pool"]), (&json!("identity_mismatch"), &json!(true)));
    assert!(shown["reason"].as_str().unwrap().contains("addr="), "{shown}");
    assert_eq!(shown["ledger"], json!("nothing: it is never asked"));
    assert_eq!(run(&[WALLET, "--status", "503"])["decision"], json!("http_status"));
    assert_eq!(run(&["short"])["decision"], json!("bad_wallet"));
    let unknown = place.run(&["pools", "test", "cpupool", "--wallet", WALLET]);
    assert_eq!(unknown.code(), 2);
    assert!(unknown.stderr.contains("there is no pool cpupool; there are cpu-pool, cryptonote, "), "{}", unknown.stderr);
    let missing = place.run(&["pools", "test", "cpu-pool", "--wallet", WALLET, "--body", "none.json"]);
    assert!(missing.stderr.contains("none.json: "), "{}", missing.stderr);
}

#[test]
fn the_ledger_says_what_it_would_do_and_does_nothing() {
    let place = Place::new().env("SOCKETIO_URL", "").env("LOG_LEVEL", "ERROR");
    place.run(&["players", "add", "alice", "--email", "a@example.org", "--wallet", WALLET, "--verified"]).succeeded();
    assert_eq!(tested(&place, "10.5"), "player 1: opens a position");

    let place = place.env("CPU_POOL_URL", serve(answer("10.5"))).env("RPLANT_ENABLED", "false").env("ZPOOL_ENABLED", "false");
    place.run(&["once"]).succeeded();
    assert_eq!(tested(&place, "10.5"), "player 1: nothing: 10.5 ADVC is accounted for already");
    assert_eq!(tested(&place, "12"), "player 1: awards 1.5 ADVC = 150 AP");
    assert_eq!(tested(&place, "12"), "player 1: awards 1.5 ADVC = 150 AP", "a look changes nothing");
    assert_eq!(tested(&place, "10500"), "player 1: holds 10489.5 ADVC for an operator: unit_change");
    assert_eq!(
        tested(&place, "9"),
        "player 1: credits nothing: counter_fell, the counter is 9 ADVC, below the 10.5 already accounted for"
    );
    assert_eq!(tested(&place, "10.50001"), "player 1: nothing yet: the rise is at most MIN_PAYOUT_DELTA, and adds up");
}

#[test]
fn without_a_file_the_pool_itself_is_asked() {
    let place = Place::new().env("CPU_POOL_URL", format!("{}/?key=hush&a={{wallet}}", serve(answer("3"))));
    let outcome = place.run(&["pools", "test", "cpu-pool", "--wallet", WALLET, "--json"]);
    let shown: Value = serde_json::from_str(outcome.succeeded()).expect("JSON");
    assert_eq!(shown["paid"], json!([{"source": "/paid", "paid": "3"}]));
    let url = shown["url"].as_str().unwrap();
    assert!(url.ends_with(&format!("?key=***&a={WALLET}")), "{url}");
    assert!(!outcome.stdout.contains("hush"));
}

/// A server that gives this answer to every request, until the tests end.
fn serve(body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                request.extend(byte);
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // A client that is gone is none of this server's business.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        }
    });
    url
}

#[test]
fn a_draft_can_be_tested_and_enabled() {
    let place = Place::new();
    place.file("sample.json", format!(r#"{{"address":"{WALLET}","totalPaid":7.5,"todayPaid":1,"pendingBalance":0.5}}"#));
    let url = serve(format!(r#"{{"address":"{WALLET}","totalPaid":8,"pendingBalance":0.5}}"#));
    let full_url = format!("{url}/api/{WALLET}");
    let add = ["pools", "add", "new", "--url", &full_url, "--from-sample", "sample.json", "--wallet", WALLET];
    assert!(place.run(&add).failed().contains("give --currency"));
    let with_currency = [&add[..], &["--currency", "ADVC"]].concat();
    assert!(place.run(&with_currency).succeeded().contains("pointer = \"/totalPaid\""));
    assert_eq!(place.names(), ["sample.json"], "only shown");

    let written = [&with_currency[..], &["--write"]].concat();
    let next = format!("pools test new --wallet {WALLET} --body sample.json");
    assert!(place.run(&written).succeeded().trim_end().ends_with(&next));
    assert!(place.run(&next.split(' ').collect::<Vec<_>>()).succeeded().contains("paid      7.5 ADVC at /totalPaid"));
    let asked = place.run(&["pools", "test", "new", "--wallet", WALLET]);
    assert!(asked.succeeded().contains("paid      8 ADVC at /totalPaid"), "{}", asked.stdout);
    let again = place.run(&written);
    assert_eq!(again.code(), 2, "{}", again.stderr);
    assert!(again.stderr.contains("there is a pool new already"), "{}", again.stderr);
}

/// A pool file of one's own in the folder of the place.
fn own_pool(place: &Place, text: &str) {
    place.file("config/pools/own.toml", format!("name = \"own\"\n{text}\n[currency]\nconstant = \"ADVC\"\n"));
}

#[test]
fn listed_payouts_and_windows_are_shown_and_what_they_would_lead_to() {
    let place = Place::new();
    own_pool(
        &place,
        "url = \"http://h/{wallet}\"\n[windows]\nday = \"/paid24h\"\n[paid.list]\nitems = \"/payouts\"\nid = \"/tx\"\namount = \"/amount\"\n\
         time = \"/time\"\nwindow_seconds = 86400",
    );
    let payouts: Vec<String> =
        (0..12).map(|n| format!(r#"{{"tx":"t{n}","amount":"0.5","time":{}}}"#, 1_700_000_000 + n)).collect();
    place.file("answer.json", format!(r#"{{"paid24h":6,"payouts":[{{"tx":null,"amount":9}},{}]}}"#, payouts.join(",")));
    let run = |more: &[&str]| place.run(&[&["pools", "test", "own", "--wallet", WALLET, "--body", "answer.json"], more].concat());
    let outcome = run(&[]);
    let lines: Vec<&str> = outcome.succeeded().lines().collect();
    for line in [
        "payouts   12 listed in list:/payouts:/tx:/amount",
        "          0.5 ADVC by t0 at 2023-11-14 22:13:20 UTC",
        "          and 2 more",
        "window    day 6, never a counter",
    ] {
        assert!(lines.contains(&line), "{line} is not in {lines:#?}");
    }
    assert!(
        lines.last().unwrap().ends_with("opens a position, counting begins at 6 ADVC (list:/payouts:/tx:/amount)"),
        "{lines:#?}"
    );
    let shown: Value = serde_json::from_str(run(&["--json"]).succeeded()).expect("JSON");
    assert_eq!(shown["listed"]["payouts"][11], json!({"id": "t11", "amount": "0.5", "time": 1_700_000_011}));
    assert_eq!((&shown["windows"], &shown["paid"]), (&json!({"day": "6"}), &json!([])));
}

#[test]
fn a_feed_is_tried_for_one_wallet() {
    let place = Place::new();
    own_pool(&place, "[feed]\nurl = \"http://h/payments\"\nitems = \"/*\"\nid = \"/tx\"\namounts = \"/to\"");
    place.file("feed.json", format!(r#"[{{"tx":"a","to":{{"{WALLET}":1.5,"Other":"x"}}}}]"#));
    let outcome = place.run(&["pools", "test", "own", "--wallet", WALLET, "--body", "feed.json"]);
    let text = outcome.succeeded();
    assert!(text.contains("request   GET http://h/payments\n"), "{text}");
    assert!(text.contains("payouts   1 listed in list:/*:/tx:/to/*\n          1.5 ADVC by a\n"), "{text}");
}

#[test]
fn a_unit_from_another_document_is_given_with_the_answer() {
    let place = Place::new();
    own_pool(
        &place,
        "url = \"http://h/{wallet}\"\npaid.pointer = \"/paid\"\n[unit]\npath = \"/u\"\npointer = \"/d\"\nkind = \"decimals\"",
    );
    place.file("answer.json", r#"{"paid":1500}"#);
    let arguments = ["pools", "test", "own", "--wallet", WALLET, "--body", "answer.json"];
    let outcome = place.run(&arguments);
    assert_eq!(outcome.code(), 2, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("own reads its unit from another document: give --decimals"), "{}", outcome.stderr);
    let outcome = place.run(&[&arguments[..], &["--decimals", "3"]].concat());
    assert!(outcome.succeeded().contains("paid      1.5 ADVC at /paid@1e-3\n"), "{}", outcome.stdout);
}
