//! Feeds and units over real connections.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::*;
use crate::pools::{HttpSettings, PoolSpec};

/// A server that answers each path as `answers` says, whatever is not in there with 404, and notes what it was asked for.
fn serve(answers: &[(&str, &str)]) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let answers: HashMap<String, String> = answers.iter().map(|(path, body)| ((*path).to_owned(), (*body).to_owned())).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let noted = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            let path = String::from_utf8(head).unwrap().split(' ').nth(1).unwrap_or_default().to_owned();
            let (status, body) = answers.get(&path).map_or(("404 Not Found", ""), |body| ("200 OK", body.as_str()));
            noted.lock().unwrap().push(path);
            // Nobody is left to be told when the client has gone.
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        }
    });
    (address, asked)
}

fn client(text: &str) -> PoolClient {
    let settings = HttpSettings { timeout: Duration::from_secs(5), user_agent: "pool-poller/test".to_owned() };
    PoolClient::new(Arc::new(PoolSpec::parse(text, "p.toml").unwrap()), &settings, &|_| None).unwrap()
}

fn feed(address: SocketAddr, more: &str) -> PoolClient {
    client(&format!(
        "name = \"f\"\n{more}\n[feed]\nurl = \"http://{address}/payments?page={{page}}\"\npages_max = 3\nitems = \"/*\"\nid = \"/id\"\n\
         amounts = \"/to\"\n[currency]\nconstant = \"ADVC\""
    ))
}

fn wallets(names: &[&str]) -> Vec<Wallet> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn fetched(client: &PoolClient, names: &[&str]) -> Result<Vec<String>, &'static str> {
    let answers = actix_rt::System::new().block_on(client.fetch_feed(&wallets(names)));
    let mut shown: Vec<String> = answers
        .map_err(|failure| failure.kind())?
        .into_iter()
        .map(|(wallet, answer)| {
            let listed = answer.unwrap().listed.unwrap();
            let payouts: Vec<String> = listed.payouts.iter().map(|payout| format!("{}={}", payout.id, payout.amount)).collect();
            format!("{wallet} {} {}", listed.source, payouts.join(" "))
        })
        .collect();
    shown.sort();
    Ok(shown)
}

const PAGE_0: &str = r#"[{"id":"d","to":{"A":4,"B":40}},{"id":"c","to":{"A":3}}]"#;
const PAGE_1: &str = r#"[{"id":"c","to":{"A":3}},{"id":"b","to":{"A":2}}]"#;

#[test]
fn all_pages_are_read_for_all_wallets_until_one_is_empty() {
    let (address, asked) = serve(&[("/payments?page=0", PAGE_0), ("/payments?page=1", PAGE_1), ("/payments?page=2", "[]")]);
    let source = "list:/*:/id:/to/*";
    let expected = [format!("A {source} d=4 c=3 b=2"), format!("B {source} d=40"), format!("C {source} ")];
    assert_eq!(fetched(&feed(address, ""), &["A", "B", "C"]), Ok(expected.to_vec()));
    assert_eq!(*asked.lock().unwrap(), ["/payments?page=0", "/payments?page=1", "/payments?page=2"]);
    let one = actix_rt::System::new().block_on(feed(address, "").fetch(&wallets(&["B"])[0])).unwrap();
    assert_eq!(one.listed.unwrap().payouts.len(), 1, "a single wallet can be asked about too");
}

#[test]
fn a_page_that_is_missing_leaves_nothing_known() {
    let (address, _) = serve(&[("/payments?page=0", PAGE_0)]);
    assert_eq!(fetched(&feed(address, ""), &["A"]), Err("http_status"));
    let (address, _) = serve(&[("/payments?page=0", PAGE_0), ("/payments?page=1", "<html>")]);
    assert_eq!(fetched(&feed(address, ""), &["A"]), Err("not_json"));
}

#[test]
fn the_unit_comes_from_a_second_document_which_is_asked_for_once() {
    let pages = [("/payments?page=0", PAGE_0), ("/payments?page=1", "[]"), ("/unit", r#"{"scale":1000}"#)];
    let (address, asked) = serve(&pages);
    let unit = "[unit]\npath = \"/unit\"\npointer = \"/scale\"\nkind = \"divisor\"";
    let feed = feed(address, unit);
    for _ in 0..2 {
        assert_eq!(fetched(&feed, &["B"]), Ok(vec!["B list:/*:/id:/to/*@1e-3 d=0.04".to_owned()]));
    }
    assert_eq!(asked.lock().unwrap().iter().filter(|path| *path == "/unit").count(), 1);
}

#[test]
fn nobody_is_asked_about_while_the_unit_is_not_known() {
    let of_wallet = |address, missing: &str| {
        client(&format!(
            "name = \"w\"\nurl = \"http://{address}/w/{{wallet}}\"\npaid.pointer = \"/paid\"\ncurrency.constant = \"ADVC\"\n\
             responses.status.404 = \"unknown_wallet\"\n[unit]\npath = \"/unit\"\npointer = \"/d\"\nkind = \"decimals\"\n{missing}"
        ))
    };
    let ask = |client: &PoolClient| {
        let found = actix_rt::System::new().block_on(client.fetch(&wallets(&["A"])[0]));
        found.map(|found| format!("{}={}", found.counters[0].source, found.counters[0].paid)).map_err(|failure| failure.kind())
    };
    let (address, asked) = serve(&[("/w/A", r#"{"paid":1500}"#)]);
    assert_eq!(ask(&of_wallet(address, "")), Err("unit_unknown"));
    assert_eq!(*asked.lock().unwrap(), ["/unit"]);
    assert_eq!(ask(&of_wallet(address, "missing = 2")), Ok("/paid@1e-2=15".to_owned()), "404 means that it is missing");
    let (address, _) = serve(&[("/w/A", r#"{"paid":1500}"#), ("/unit", r#"{"d":"x"}"#)]);
    assert_eq!(ask(&of_wallet(address, "missing = 2")), Err("unit_unknown"), "what is there and odd is not missing");
    let (address, _) = serve(&[("/w/A", r#"{"paid":1500}"#), ("/unit", r#"{"d":3}"#)]);
    assert_eq!(ask(&of_wallet(address, "")), Ok("/paid@1e-3=1.5".to_owned()));
}
