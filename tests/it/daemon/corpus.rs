//! The whole corpus over HTTP: each answer is a pool of its own, whose file is the one that is shipped, and the running daemon
//! decides about it as the corpus says. Nothing but a good reading is ever awarded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use entity::{mining_events, pool_snapshots, positions};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::bench::{Bench, Engine};
use super::process::Daemon;
use super::{DEADLINE, eventually};

#[path = "../../fixtures/corpus.rs"]
mod fixtures;

use fixtures::{Case, corpus};

/// Serves the cases by number at `/NUMBER/…` and notes who asked.
struct Server {
    address: SocketAddr,
    heads: Arc<Mutex<BTreeMap<usize, Vec<String>>>>,
}

impl Server {
    fn start(cases: &Arc<Vec<Case>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads: Arc<Mutex<BTreeMap<usize, Vec<String>>>> = Arc::default();
        let (cases, noted) = (Arc::clone(cases), Arc::clone(&heads));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (cases, noted) = (Arc::clone(&cases), Arc::clone(&noted));
                thread::spawn(move || answer(stream.unwrap(), &cases, &noted));
            }
        });
        Self { address, heads }
    }

    fn asked(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

fn answer(mut stream: TcpStream, cases: &[Case], noted: &Mutex<BTreeMap<usize, Vec<String>>>) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let Some(number) = head.first().and_then(|line| line.split('/').nth(1)?.parse::<usize>().ok()) else { return };
    let Case { status, headers, body, .. } = &cases[number];
    let mut text = format!("HTTP/1.1 {status} Said\r\nConnection: close\r\n");
    if *status != 204 && *status != 304 {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
    noted.lock().unwrap().entry(number).or_default().push(head.join("\n"));
    // The daemon closes the connection as soon as it has seen enough.
    let _ = stream.write_all((text + "\r\n").as_bytes());
    let _ = stream.write_all(if *status == 204 || *status == 304 { &[] } else { body });
}

/// The shipped files by the pools' names.
fn shipped() -> BTreeMap<String, String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/pools");
    let folders = [root.clone(), root.join("ready")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let named = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let toml = files.filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
    toml.map(|path| (named(&path), fs::read_to_string(&path).unwrap())).collect()
}

/// The shipped file of a case's pool, as one of the name `pool` at the server.
fn file(shipped: &str, case: &Case, pool: &str, address: SocketAddr, number: usize) -> String {
    let renamed = |line: &str| match line.split_once(" = ") {
        Some(("name", name)) => {
            assert_eq!(name, format!("\"{}\"", case.pool));
            format!("name = \"{pool}\"\n")
        }
        Some(("url", _)) => format!("url = \"http://{address}/{number}/{{wallet}}\"\n"),
        Some(("enabled", _)) => String::new(),
        _ => format!("{line}\n"),
    };
    shipped.lines().map(renamed).collect()
}

#[test]
fn the_daemon_decides_about_every_answer_as_the_corpus_says() {
    let cases = Arc::new(corpus());
    let server = Server::start(&cases);
    let mut bench = Bench::new(Engine::Sqlite);
    // Whatever a good reading says is awarded at once, so that nothing else can hide behind a baseline.
    for (name, value) in [("FIRST_READING", "award"), ("AP_PER_ADVC", "1"), ("MIN_PAYOUT_DELTA", "0")] {
        bench.set(name, value);
    }
    for currency in ["BTC", "DOGE", "ETC", "KAS", "LTC", "XMR"] {
        bench.set(&format!("{currency}_TO_ADVC_RATE"), "1");
    }
    bench.set("POOL_CONTACT", "ops@game.example");
    bench.set("POLL_INTERVAL_SECONDS", "5");
    let shipped = shipped();
    let player = bench.rows.add_player("alice", "AAliceHasAnotherWalletThanTheOnesBelow");
    let names: Vec<String> = cases.iter().enumerate().map(|(number, case)| format!("{}-{number}", case.pool)).collect();
    for (number, (case, name)) in cases.iter().zip(&names).enumerate() {
        bench.write(&format!("config/pools/{name}.toml"), &file(&shipped[&case.pool], case, name, server.address, number));
        bench.rows.add_pool_wallet(player, name, &case.wallet);
    }

    let daemon = bench.start();
    eventually("every answer asked for", DEADLINE, || (server.asked() == cases.len()).then_some(()));
    let decided = |dump: &Value| names.iter().all(|name| answered(dump, name) >= 1);
    let dump = eventually("every answer decided", DEADLINE, || Some(dump(&daemon)).filter(decided));
    daemon.cycles(1);
    daemon.stop();

    let (positions, snapshots, events) = (bench.rows.positions(), bench.rows.snapshots(), bench.rows.events());
    let mut wrong = Vec::new();
    for (case, name) in cases.iter().zip(&names) {
        let position = positions.iter().find(|position| position.pool_name == *name);
        let snapshot = snapshots.iter().find(|snapshot| snapshot.pool_name == *name);
        let found = match position.zip(snapshot) {
            Some((position, snapshot)) => reading(position, snapshot),
            None => failures(&dump, name),
        };
        let expected = expected(&case.expect);
        if found != expected {
            wrong.push(format!("{}: expected {expected}, came {found}", case.label));
        }
        let awarded: Vec<&mining_events::Model> = events.iter().filter(|event| event.pool_name == *name).collect();
        let right = match position {
            // Once, and exactly what the answer says was paid.
            Some(position) if !position.high_water.0.is_zero() => {
                awarded.len() == 1 && awarded[0].advc_amount == position.high_water
            }
            _ => awarded.is_empty() && (position.is_some() || snapshot.is_none()),
        };
        if !right {
            wrong.push(format!("{}: {position:?} was awarded {awarded:?}", case.label));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let readings: BTreeSet<&str> = positions.iter().map(|position| position.pool_name.as_str()).collect();
    assert!(events.iter().all(|event| readings.contains(event.pool_name.as_str())), "an award without a reading");
    let heads = server.heads.lock().unwrap();
    let agent = format!("user-agent: pool-poller/{} (+ops@game.example)", env!("CARGO_PKG_VERSION"));
    for head in heads.values().flatten() {
        assert!(head.to_ascii_lowercase().contains(&agent), "{head}");
    }
}

/// The daemon's figures.
fn dump(daemon: &Daemon) -> Value {
    let before = daemon.count("metrics_dump");
    daemon.signal(Signal::SIGUSR1);
    eventually("a dump", DEADLINE, || {
        let dumps: Vec<Value> = daemon.logged().into_iter().filter(|event| event["message"] == "metrics_dump").collect();
        dumps.into_iter().nth(before)
    })
}

fn answered(dump: &Value, pool: &str) -> u64 {
    let failures = dump["metrics"]["pools"][pool]["failures"].as_object().into_iter().flatten();
    let failed: u64 = failures.filter_map(|(_, count)| count.as_u64()).sum();
    failed + dump["metrics"]["pools"][pool]["successes"].as_u64().unwrap_or_default()
}

/// The kinds of a pool's failures.
fn failures(dump: &Value, pool: &str) -> String {
    let failures = dump["metrics"]["pools"][pool]["failures"].as_object().into_iter().flatten();
    failures.map(|(kind, _)| kind.as_str()).collect::<Vec<_>>().join(" ")
}

/// What was stored of a reading, in the words of the corpus. All rates are one.
fn reading(position: &positions::Model, snapshot: &pool_snapshots::Model) -> String {
    let figures = [snapshot.balance, snapshot.immature, snapshot.total_hash, snapshot.total_shares];
    let figures = figures.map(|figure| figure.map_or_else(|| "-".to_owned(), |money| money.0.normalize().to_string()));
    let (currency, source, paid) = (&position.currency, &position.source, position.high_water.0.normalize());
    format!("{currency} {source}={paid} [{}]", figures.join(" "))
}

/// What the corpus expects, as far as it can be seen from outside: of several counters the first, and of an empty body not
/// whose fault it is.
fn expected(text: &str) -> String {
    match text.split_once(" [") {
        Some((counters, figures)) => {
            let first: Vec<&str> = counters.split(' ').take(2).collect();
            format!("{} [{figures}", first.join(" "))
        }
        None => text.split(' ').next().unwrap_or_default().to_owned(),
    }
}
