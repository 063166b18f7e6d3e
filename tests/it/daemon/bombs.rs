//! Answers that expand a thousandfold and more: what they cost in memory is what the pool's file allows.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::bench::{Bench, Engine};
use super::{DEADLINE, eventually};

/// The longest body of each of the pools below.
const LIMIT_BYTES: usize = 1 << 20;
/// What each request may take beside its body: buffers and what the allocator keeps. Brotli's window is on top.
const BESIDE_BYTES: usize = 1 << 20;
/// A GiB of spaces.
const BROTLI: &[u8] = include_bytes!("../../fixtures/http/gibibyte.br");
const PLAYER: &str = "AAliceHasAWalletOfThirtyFourLetters";

/// 64 MiB of spaces, written to `encoder`.
fn spaces(encoder: &mut impl std::io::Write) {
    let spaces = [b' '; 1 << 16];
    (0..1_024).for_each(|_| encoder.write_all(&spaces).unwrap());
}

#[test]
fn a_bomb_costs_no_more_memory_than_the_pools_file_allows() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    spaces(&mut gzip);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    spaces(&mut zlib);
    let bombs = [("gzip", gzip.finish().unwrap()), ("deflate", zlib.finish().unwrap()), ("br", BROTLI.to_vec())];
    assert!(bombs.iter().all(|(_, bomb)| bomb.len() * 900 < 64 << 20), "not a thousandfold");

    let bench = Bench::new(Engine::Sqlite);
    bench.rows.add_player("alice", PLAYER);
    let armed = Arc::new(AtomicBool::new(false));
    let mut exploded = Vec::new();
    for (coding, bomb) in &bombs {
        let (url, count) = serve(coding, bomb.clone(), &armed);
        exploded.push(count);
        let file = format!(
            "name = \"{coding}\"\nurl = \"{url}/{{wallet}}\"\npaid.pointer = \"/paid\"\ncurrency.constant = \"ADVC\"\n\
             limits.body_bytes_max = {LIMIT_BYTES}\nlimits.concurrency = 1\n"
        );
        bench.write(&format!("config/pools/{coding}.toml"), &file);
    }
    let daemon = bench.start_with_positions(bombs.len());
    daemon.cycles(2);
    let before = (daemon.memory_kib("VmHWM") << 10) as usize;
    armed.store(true, Ordering::SeqCst);
    for (count, (coding, _)) in exploded.iter().zip(&bombs) {
        eventually(coding, DEADLINE, || (count.load(Ordering::SeqCst) >= 3).then_some(()));
    }
    daemon.cycles(1);
    let rise = (daemon.memory_kib("VmHWM") << 10) as usize - before;
    let failed = daemon.logged().into_iter().filter(|event| event["message"] == "pool_poll_failed");
    let kinds: Vec<String> = failed.filter_map(|event| Some(event["failures"].as_object()?.keys().next()?.clone())).collect();
    assert!(kinds.len() >= bombs.len() && kinds.iter().all(|kind| kind == "body_too_large"), "{kinds:?}");
    println!("three bombs raised the peak by {rise} bytes");
    assert!(rise <= bombs.len() * (LIMIT_BYTES + BESIDE_BYTES) + 2 * LIMIT_BYTES, "{rise} bytes");
    assert_eq!(bench.rows.events(), []);
    daemon.stop();
}

/// A server that answers well until it is armed, and counts the bombs that it has sent.
fn serve(coding: &str, bomb: Vec<u8>, armed: &Arc<AtomicBool>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let (sent, armed, coding) = (Arc::clone(&count), Arc::clone(armed), coding.to_owned());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let armed = armed.load(Ordering::SeqCst);
            let (label, body) = if armed { (coding.as_str(), bomb.as_slice()) } else { ("identity", &b"{\"paid\":10.5}"[..]) };
            let head = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: {label}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            // The daemon goes away in the middle of it.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
            sent.fetch_add(usize::from(armed), Ordering::SeqCst);
        }
    });
    (url, count)
}
