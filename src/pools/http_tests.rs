use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::Instant;

use awc::http::header::LOCATION;
use proptest::prelude::*;

#[cfg(debug_assertions)]
use futures_util::FutureExt;

use super::*;
use crate::pools::Blame;

const WALLET: &str = "AMf6wPvUz9GTjMyPbUFyXwaJxJqQWg3kd8";
const TIMEOUT: Duration = Duration::from_millis(400);
const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n{\"paid\":10.5}";

/// A raw TCP server on loopback: the head of each request goes to the receiver, then `answer` has the connection.
fn serve(answer: impl Fn(&mut TcpStream) + Send + 'static) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, serve_on(listener, move |stream, _| answer(stream)))
}

fn serve_on(listener: TcpListener, answer: impl Fn(&mut TcpStream, &str) + Send + 'static) -> Receiver<String> {
    let (heads, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            // Nobody is left to be told when the test is over.
            let _ = heads.send(head.clone());
            answer(&mut stream, &head);
        }
    });
    requests
}

/// A server that always sends the same bytes and closes.
fn serve_bytes(bytes: impl Into<Vec<u8>>) -> (SocketAddr, Receiver<String>) {
    let bytes = bytes.into();
    serve(move |stream| {
        let _ = stream.write_all(&bytes);
    })
}

/// A pool file for a path on `address`, with `more` keys.
fn spec(address: SocketAddr, path: &str, more: &str) -> Arc<PoolSpec> {
    let text = format!(
        "name = \"p\"\nurl = \"http://{address}{path}\"\n{more}\n[paid]\npointer = \"/paid\"\n[currency]\nconstant = \"ADVC\""
    );
    Arc::new(PoolSpec::parse(&text, "p.toml").unwrap())
}

fn client_with(spec: Arc<PoolSpec>, secret: &dyn Fn(&str) -> Option<String>) -> Result<PoolClient, ClientError> {
    let settings = HttpSettings { timeout: TIMEOUT, user_agent: "pool-poller/test".to_owned() };
    PoolClient::new(spec, &settings, secret)
}

fn fetch_wallet(spec: Arc<PoolSpec>, wallet: &str) -> Result<Extracted, Failure> {
    let wallet = wallet.parse().unwrap();
    actix_rt::System::new().block_on(async { client_with(spec, &|_| None).unwrap().fetch(&wallet).await })
}

fn fetch(spec: Arc<PoolSpec>) -> Result<Extracted, Failure> {
    fetch_wallet(spec, WALLET)
}

fn kind(spec: Arc<PoolSpec>) -> &'static str {
    match fetch(spec) {
        Ok(_) => "ok",
        Err(failure) => failure.kind(),
    }
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

#[test]
fn the_url_is_sent_as_the_template_says() {
    for (path, wallet, line) in [
        ("/api/worker_stats?{wallet:raw}", WALLET, format!("GET /api/worker_stats?{WALLET} HTTP/1.1")),
        ("/api?{wallet:raw}", "ecash:a.b-c_d~", "GET /api?ecash:a.b-c_d~ HTTP/1.1".to_owned()),
        ("?{wallet}", WALLET, format!("GET /?{WALLET} HTTP/1.1")),
        ("/a/{wallet}/b", "a/../b?x#y&z%00é", "GET /a/a%2F..%2Fb%3Fx%23y%26z%2500%C3%A9/b HTTP/1.1".to_owned()),
        ("/a//../b;c=1/{wallet}?x=%41&y", "W", "GET /a//../b;c=1/W?x=%41&y HTTP/1.1".to_owned()),
        ("/a?address={wallet}&k=v", "+=&;'\"<>", "GET /a?address=%2B%3D%26%3B%27%22%3C%3E&k=v HTTP/1.1".to_owned()),
    ] {
        let (address, requests) = serve_bytes(GOOD);
        assert!(fetch_wallet(spec(address, path, ""), wallet).is_ok(), "{path}");
        let head = requests.recv().unwrap();
        assert_eq!(head.lines().next().unwrap(), line);
        let lower = head.to_ascii_lowercase();
        assert!(lower.contains(&format!("\r\nhost: {address}\r\n")), "{head}");
        assert!(lower.contains("\r\nuser-agent: pool-poller/test\r\n") && lower.contains("gzip"), "{head}");
    }
}

#[test]
fn a_wallet_of_the_wrong_form_is_never_sent() {
    let (address, requests) = serve_bytes(GOOD);
    let raw = spec(address, "/?{wallet:raw}", "");
    for wallet in ["a&b", "a", "a%20", "é", "a*", "a?b", "a#b", "a/b"] {
        let outcome = fetch_wallet(Arc::clone(&raw), wallet).map_err(|failure| failure.kind());
        assert_eq!(outcome.err(), (wallet != "a").then_some("bad_wallet"), "{wallet}");
    }
    assert_eq!(requests.try_iter().count(), 1, "only the good one was sent");
}

/// What becomes of a redirect from `/{wallet}` to `location`, whose `PORT` stands for the server's own port.
fn redirected(status: &str, location: &str) -> (Result<Extracted, Failure>, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let location = location.replace("PORT", &address.port().to_string());
    let head = format!("HTTP/1.1 {status}\r\nLocation: {location}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    let requests = serve_on(listener, move |stream, request| {
        let found = request.starts_with("GET /good?a=1 ");
        let _ = stream.write_all(if found { GOOD.as_bytes() } else { head.as_bytes() });
    });
    (fetch(spec(address, "/{wallet}", "")), requests.try_iter().count())
}

#[test]
fn a_redirect_within_the_pool_is_followed() {
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"] {
        for location in ["/good?a=1", "good?a=1#part", "http://127.0.0.1:PORT/good?a=1", "//127.0.0.1:PORT/x/../good?a=1"] {
            let (outcome, requests) = redirected(status, location);
            assert_eq!((outcome.map(|found| found.counters.len()), requests), (Ok(1), 2), "{status} {location}");
        }
    }
}

#[test]
fn a_redirect_to_anywhere_else_is_one_clear_error() {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let trapped = trap.local_addr().unwrap().port();
    for (location, reason) in [
        ("http://pool.example/good", "to another host, pool.example: set P_URL if the pool is there now"),
        ("http://localhost:PORT/good?a=1", "to another host, localhost: set P_URL if the pool is there now"),
        ("http://127.0.0.1:TRAP/", "to another port of the same host: set P_URL if the pool is there now"),
        ("http://127.0.0.1@127.0.0.2:PORT/", "to another host, 127.0.0.2: set P_URL if the pool is there now"),
        ("http://me:secret@127.0.0.1:PORT/good?a=1", "to an address with a user name"),
        ("ftp://127.0.0.1:PORT/", "to the scheme ftp"),
        ("https://127.0.0.1:TRAP/", "to another port of the same host: set P_URL if the pool is there now"),
        ("file:///etc/passwd", "to another host, nowhere: set P_URL if the pool is there now"),
        ("http://[", "without saying where to"),
        ("again", "once more after 2 redirects"),
    ] {
        let (outcome, requests) = redirected("301 Moved", &location.replace("TRAP", &trapped.to_string()));
        let expected = Failure::Redirect { status: 301, reason: reason.to_owned() };
        assert_eq!((outcome, requests), (Err(expected), if location == "again" { 3 } else { 1 }), "{location}");
    }
    assert!(trap.accept().is_err(), "nobody else was contacted");
    let (address, _requests) = serve_bytes("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(kind(spec(address, "/{wallet}", "")), "redirect", "without Location");
    let (address, _requests) = serve_bytes("HTTP/1.1 304 Not Modified\r\nLocation: /good\r\n\r\n");
    assert_eq!(kind(spec(address, "/{wallet}", "")), "http_status");
}

#[test]
fn http_may_become_https_on_the_same_host() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        let _ = first.read(&mut [0; 4096]);
        let head =
            format!("HTTP/1.1 301 Moved\r\nLocation: https://{address}/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        first.write_all(head.as_bytes()).unwrap();
        let (mut second, _) = listener.accept().unwrap();
        let mut byte = [0];
        second.read_exact(&mut byte).unwrap();
        byte
    });
    let outcome = fetch(spec(address, "/{wallet}", ""));
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!(server.join().unwrap(), [0x16], "a TLS handshake, and no request in the clear");
    let target = |url: &str, location: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_static(location));
        let spec = spec(([127, 0, 0, 1], 1).into(), "/{wallet}", "");
        target(&spec, url, StatusCode::FOUND, &headers).map_err(|failure| failure.to_string())
    };
    assert_eq!(target("http://h.example/a", "https://H.example/b"), Ok(Some("https://h.example/b".to_owned())));
    assert_eq!(target("http://h.example:81/a", "https://h.example/b"), Ok(Some("https://h.example/b".to_owned())));
    assert_eq!(target("https://h.example/a", "https://h.example:443/b"), Ok(Some("https://h.example/b".to_owned())));
    let plain = target("https://h.example/a", "http://h.example/b").unwrap_err();
    assert_eq!(plain, "HTTP status 302 redirects from https to http, which anybody can read");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A wallet is the one text in a request that a stranger chooses.
    #[test]
    fn no_wallet_leads_anywhere_else(
        parts in prop::collection::vec(prop_oneof![
            Just("@".to_owned()), Just("//TRAP/".to_owned()), Just("http://TRAP/".to_owned()), Just("@TRAP".to_owned()),
            Just("/../".to_owned()), Just("%0d%0aHost:TRAP".to_owned()), Just("\\".to_owned()), Just("#?&;=".to_owned()),
            Just("{wallet}{secret:A}".to_owned()), Just("\u{ff0f}\u{2028}".to_owned()), Just(":80".to_owned()),
            "[ -~]{0,6}", "\\PC{0,3}",
        ], 1..6),
        template in prop::sample::select(vec!["/api/{wallet}", "/api?{wallet:raw}", "/api?a={wallet}&b=1", "/api/{wallet:raw}/x"]),
    ) {
        static SERVERS: LazyLock<(SocketAddr, Mutex<Receiver<String>>, TcpListener)> = LazyLock::new(|| {
            let (address, requests) = serve_bytes(answer("200 OK\r\nConnection: close", b"{\"paid\":10.5}"));
            let trap = TcpListener::bind("127.0.0.1:0").unwrap();
            trap.set_nonblocking(true).unwrap();
            (address, Mutex::new(requests), trap)
        });
        let (address, requests, trap) = &*SERVERS;
        let text = parts.concat().replace("TRAP", &trap.local_addr().unwrap().to_string());
        if let Ok(wallet) = text.parse::<Wallet>() {
            let outcome = actix_rt::System::new().block_on(async {
                client_with(spec(*address, template, ""), &|_| None).unwrap().fetch(&wallet).await
            });
            let heads: Vec<String> = requests.lock().unwrap().try_iter().collect();
            prop_assert!(matches!(outcome, Ok(_) | Err(Failure::BadWallet { .. })), "{wallet}: {outcome:?}");
            prop_assert_eq!(heads.len(), usize::from(outcome.is_ok()), "{}", wallet);
            for head in heads {
                prop_assert!(head.starts_with("GET /api/") || head.starts_with("GET /api?"), "{head}");
                let hosts: Vec<&str> = head.lines().filter(|line| line.to_ascii_lowercase().starts_with("host:")).collect();
                prop_assert_eq!(hosts.len(), 1, "{}", head);
                prop_assert!(hosts[0].ends_with(&format!(" {address}")), "{head}");
            }
        }
        prop_assert!(trap.accept().is_err(), "the trap was contacted about {text}");
    }
}

#[test]
fn statuses_mean_what_the_file_says() {
    let outcome =
        |head: &str, more: &str| fetch(spec(serve_bytes(answer(head, b"{\"paid\":10.5}")).0, "/{wallet}", more)).unwrap_err();
    let limited = outcome("429 Too Many Requests\r\nRetry-After: 77", "");
    assert_eq!((limited.kind(), limited.retry_after()), ("rate_limited", Some(Duration::from_secs(77))));
    let dated = "503 Down\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nRetry-After: Sat, 01 Jan 2000 00:00:30 GMT";
    assert_eq!(outcome(dated, "").retry_after(), Some(Duration::from_secs(30)));
    assert_eq!(outcome("429 Too Many Requests", "").retry_after(), None);
    assert_eq!(outcome("503 Service Unavailable", "").kind(), "http_status");
    assert_eq!((outcome("404 Not Found", "").kind(), outcome("404 Not Found", "").blame()), ("http_status", Blame::Pool));
    let mapped = "responses.status.404 = \"unknown_wallet\"\nresponses.status.401 = \"rate_limited\"";
    assert_eq!((outcome("404 Not Found", mapped).kind(), outcome("404 No", mapped).blame()), ("unknown_wallet", Blame::Wallet));
    assert_eq!(outcome("401 Unauthorized\r\nRetry-After: 5", mapped).retry_after(), Some(Duration::from_secs(5)));
    assert_eq!(outcome("500 Oops", mapped).kind(), "http_status");
}

#[test]
fn an_empty_answer_is_no_zero() {
    for bytes in ["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"] {
        assert_eq!(kind(spec(serve_bytes(bytes).0, "/{wallet}", "")), "empty_body", "{bytes}");
    }
}

#[test]
fn a_silent_or_slow_server_is_left_after_the_timeout() {
    let stall = |head: &'static str| {
        serve(move |stream| {
            let _ = stream.write_all(head.as_bytes());
            // One byte at a time until the client goes away: bytes alone must not prolong anything.
            while stream.write_all(b" ").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        })
    };
    let silent = serve(|stream| {
        let _ = stream.read(&mut [0]);
    });
    let before = Instant::now();
    for (address, _requests) in
        [silent, stall("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"), stall("HTTP/1.1 200 OK\r\nX: ")]
    {
        assert_eq!(fetch(spec(address, "/{wallet}", "")), Err(Failure::Timeout { after: TIMEOUT }));
    }
    assert!(before.elapsed() < TIMEOUT * 3 + Duration::from_secs(5), "{:?}", before.elapsed());
}

#[test]
fn an_endless_or_oversized_answer_is_cut_off() {
    let limit = "limits.body_bytes_max = 100000\nlimits.timeout_seconds = 30";
    let endless = |head: &'static str, chunk: Vec<u8>| {
        serve(move |stream| {
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(&chunk).is_ok() {}
        })
    };
    let chunked = [b"1000\r\n".as_slice(), &[b'x'; 4096], b"\r\n"].concat();
    for (address, _requests) in [
        endless("HTTP/1.0 200 OK\r\n\r\n", vec![b' '; 4096]),
        endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunked),
        serve_bytes("HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n"),
        serve_bytes(answer("200 OK\r\nContent-Encoding: gzip", include_bytes!("../../tests/fixtures/http/bomb.json.gz"))),
    ] {
        assert_eq!(fetch(spec(address, "/{wallet}", limit)), Err(Failure::BodyTooLarge { limit_bytes: 100_000 }));
    }
    let (address, _requests) = endless("HTTP/1.1 200 OK\r\nX: ", vec![b'x'; 4096]);
    assert_eq!(kind(spec(address, "/{wallet}", limit)), "protocol", "an endless head");
}

#[test]
fn labels_of_compression_and_charset_are_heeded() {
    let paid = |headers: &str, body: &[u8]| {
        let (address, _requests) = serve_bytes(answer(&format!("200 OK\r\n{headers}"), body));
        fetch(spec(address, "/{wallet}", "")).map(|found| found.counters[0].paid.to_string()).map_err(|failure| failure.kind())
    };
    let gzip = include_bytes!("../../tests/fixtures/http/answer.json.gz");
    let brotli = include_bytes!("../../tests/fixtures/http/answer.json.br");
    let good = Ok("10.5".to_owned());
    assert_eq!(paid("Content-Encoding: gzip", gzip), good);
    assert_eq!(paid("Content-Encoding: br", brotli), good);
    assert_eq!(paid("Content-Encoding: gzip", br#"{"paid":10.5,"note":"not compressed"}"#), good);
    assert_eq!(paid("X: y", gzip), good, "without a label");
    assert_eq!(paid("Content-Encoding: gzip", &gzip[..30]), Err("protocol"));
    assert_eq!(paid("Content-Encoding: gzip\r\nContent-Encoding: br", gzip), Err("protocol"));
    assert_eq!(paid("Content-Encoding: zstd", br#"{"paid":10.5}"#), Err("protocol"));
    assert_eq!(paid("Content-Type: text/html; charset=ISO-8859-1", b"{\"paid\":10.5,\"w\":\"\xe9\"}"), good);
    assert_eq!(paid("Content-Type: text/html", b"{\"paid\":10.5,\"w\":\"\xe9\"}"), Err("not_json"));
}

#[test]
fn a_connection_that_breaks_gives_no_reading() {
    for (bytes, expected) in [
        ("", "disconnected"),
        ("HTTP/1.1 200 OK\r\nContent-Le", "disconnected"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"paid\":10.5}", "disconnected"),
        ("HTTP/1.0 200 OK\r\n\r\n{\"paid\":10.", "not_json"),
        ("HTTP/1.0 200 OK\r\n\r\n{\"paid\":10.5}", "ok"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{\"paid\":10.5}\r\n0\r\n\r\n", "ok"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{\"paid\":10.5\r\n", "not_json"),
        // The client cannot read this one (actix-web#2287), and it must not pass for an empty body.
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"paid\":10.5}", "protocol"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "protocol"),
    ] {
        assert_eq!(kind(spec(serve_bytes(bytes).0, "/{wallet}", "")), expected, "{bytes}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(kind(spec(address, "/{wallet}", "")), "connect");
}

#[test]
fn a_server_that_speaks_no_tls_is_told_from_one_that_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let spec = PoolSpec::clone(&spec(address, "/{wallet}", "")).with_url(&format!("https://{address}/{{wallet}}")).unwrap();
    let failure = fetch(Arc::new(spec)).unwrap_err();
    assert_eq!(failure.kind(), "tls", "{failure}");
}

#[test]
fn connections_are_made_again_where_the_server_closes_them() {
    let (address, requests) = serve_bytes(answer("200 OK\r\nConnection: close", b"{\"paid\":10.5}"));
    actix_rt::System::new().block_on(async {
        let client = client_with(spec(address, "/{wallet}", ""), &|_| None).unwrap();
        for _ in 0..3 {
            assert!(client.fetch(&WALLET.parse().unwrap()).await.is_ok());
        }
    });
    assert_eq!(requests.try_iter().count(), 3);
}

#[test]
fn secrets_are_sent_and_never_told() {
    let body = br#"{"error":"no such key: hush-hush/1"}"#;
    let (address, requests) = serve_bytes(answer("200 OK", body));
    let more = "headers.X-Key = \"Bearer {secret:KEY}\"\nheaders.User-Agent = \"mine\"\n\
                errors = [{ pointer = \"/error\", when = \"non_empty\", outcome = \"error\" }]";
    let spec = spec(address, "/{wallet}?k={secret:KEY}", more);
    let missing = client_with(Arc::clone(&spec), &|_| None).err().unwrap().to_string();
    assert_eq!(
        missing,
        "pool p: the secret KEY is not set: put it into the environment variable KEY, or into the file that KEY_FILE names"
    );
    let bad = client_with(Arc::clone(&spec), &|_| Some("hush\nhush".to_owned())).err().unwrap();
    assert_eq!(bad.to_string(), "pool p: the value of the header x-key holds characters that a header cannot hold");
    let failure = actix_rt::System::new().block_on(async {
        let client = client_with(spec, &|name| (name == "KEY").then(|| "hush-hush/1".to_owned())).unwrap();
        client.fetch(&WALLET.parse().unwrap()).await.unwrap_err()
    });
    assert_eq!(failure.to_string(), "the pool reports an error: /error is no such key: ***");
    let head = requests.recv().unwrap();
    assert!(head.starts_with(&format!("GET /{WALLET}?k=hush-hush%2F1 ")), "{head}");
    assert!(head.contains("Bearer hush-hush/1") && head.contains(": mine\r\n") && !head.contains("pool-poller"), "{head}");
}

#[test]
fn a_large_answer_is_read_like_a_small_one() {
    let body = format!("{{\"x\":\"{}\",\"paid\":10.5}}", "y".repeat(200_000));
    let (address, _requests) = serve_bytes(answer("200 OK", body.as_bytes()));
    let extracted = fetch(spec(address, "/{wallet}", "")).unwrap();
    assert_eq!(extracted.counters[0].paid, "10.5".parse().unwrap());
    assert_eq!(extracted.raw, r#"{"bytes":200020,"currency":"ADVC","paid":{"/paid":10.5},"truncated":true}"#);
}

#[cfg(debug_assertions)]
#[test]
fn a_panic_while_reading_reaches_the_caller_from_either_thread() {
    for padding in [0, 200_000] {
        let body = format!("{{\"x\":\"boom{}\",\"paid\":10.5}}", "y".repeat(padding));
        let (address, _requests) = serve_bytes(answer("200 OK", body.as_bytes()));
        let spec = spec(address, "/{wallet}", "panic_when_body_contains = \"boom\"");
        let caught = actix_rt::System::new().block_on(async {
            let client = client_with(spec, &|_| None).unwrap();
            panic::AssertUnwindSafe(client.fetch(&WALLET.parse().unwrap())).catch_unwind().await
        });
        assert!(caught.is_err(), "{padding}");
    }
}

#[test]
fn an_answer_that_is_the_same_as_the_last_one_is_not_read_again() {
    let count = AtomicUsize::new(0);
    let utf_16: Vec<u8> = "{\"paid\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (address, _requests) = serve(move |stream| {
        let (headers, body): (&str, &[u8]) = match count.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => ("Content-Length: 10", b"{\"paid\":1}"),
            2 => ("Content-Length: 20\r\nContent-Type: a/b; charset=utf-16le", &utf_16),
            3 => ("Transfer-Encoding: chunked", b"4\r\n{\"pa\r\n6\r\nid\":1}\r\n0\r\n\r\n"),
            4 => ("Content-Length: 13", b"\xef\xbb\xbf{\"paid\":1}"),
            5 => ("Content-Length: 10", b"{\"paid\":2}"),
            6 => ("Content-Length: 10\r\nTransfer-Encoding: chunked", b"a\r\n{\"paid\":2}\r\n2\r\n{}\r\n0\r\n\r\n"),
            _ => ("Content-Length: 8", b"{\"paid\":"),
        };
        let _ = write!(stream, "HTTP/1.1 200 OK\r\n{headers}\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(body);
    });
    let wallet: Wallet = WALLET.parse().unwrap();
    actix_rt::System::new().block_on(async {
        let client = client_with(spec(address, "/{wallet}", ""), &|_| None).unwrap();
        let Fetched::New(found, first) = client.fetch_unless(&wallet, None).await.unwrap() else {
            panic!("nothing to compare with")
        };
        assert_eq!((found.counters[0].paid.to_string().as_str(), first.is_some()), ("1", true));
        assert!(matches!(client.fetch_unless(&wallet, first).await, Ok(Fetched::Same)));
        // In another charset, in two pieces, behind a byte order mark: the text is what counts.
        for _ in 0..3 {
            assert!(matches!(client.fetch_unless(&wallet, first).await, Ok(Fetched::Same)));
        }
        let Ok(Fetched::New(found, second)) = client.fetch_unless(&wallet, first).await else { panic!("another answer") };
        assert_eq!((found.counters[0].paid.to_string().as_str(), second == first), ("2", false));
        // The same and more behind it is not the same.
        let outcome = client.fetch_unless(&wallet, second).await;
        assert!(outcome.is_err(), "{outcome:?}");
        assert!(matches!(client.fetch_unless(&wallet, second).await, Err(Failure::NotJson { .. })));
    });
}

#[test]
fn a_request_fits_the_fast_path_of_the_allocator() {
    let (address, _requests) = serve_bytes("");
    let wallet: Wallet = WALLET.parse().unwrap();
    actix_rt::System::new().block_on(async {
        let client = client_with(spec(address, "/{wallet}", ""), &|_| None).unwrap();
        // The GNU C library keeps blocks of up to 1,032 bytes in lists of each thread; what is larger costs several times as much.
        let bytes = size_of_val(&client.fetch_unless(&wallet, None));
        assert!(bytes <= 1_032 - 3 * size_of::<usize>(), "{bytes}");
    });
}
