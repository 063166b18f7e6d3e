//! A database that cannot be used: exit code 78, one line, no password.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use url::Url;

use super::program::Place;
use crate::support::pg::TestDatabase;

/// What must never be seen.
const SECRET: &str = "hunter2";

/// The line of a program that cannot use this database. Every command with a database says the same.
fn refusal(place: &Place, url: &str) -> String {
    let lines: Vec<String> = [&["run"][..], &["players", "list"], &["migrate", "--status"]]
        .into_iter()
        .map(|arguments| {
            let mut command = place.command(arguments);
            command.env("DATABASE_URL", url);
            let outcome = command.output().expect("the program runs");
            let text = String::from_utf8(outcome.stderr).expect("the program writes UTF-8");
            assert_eq!(outcome.status.code(), Some(78), "{url}: {text}");
            assert_eq!((text.lines().count(), outcome.stdout.len()), (1, 0), "{text}");
            text
        })
        .collect();
    assert!(lines.iter().all(|line| *line == lines[0]), "{lines:?}");
    let line = lines[0].strip_prefix("pool-poller: DATABASE_URL is ").unwrap_or_else(|| panic!("{}", lines[0]));
    assert!(!line.contains(SECRET) && !line.contains(".rs"), "{line}");
    line.trim_end().to_owned()
}

#[test]
fn a_sqlite_file_that_cannot_be_used_is_named() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("folder")).expect("a directory");
    place.file("noise.db", (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<u8>>());
    place.file("text.db", "This is no database.\n".repeat(500));
    let before = place.names();
    let unable = "unable to open database file";
    assert_eq!(refusal(&place, "sqlite://folder"), format!("sqlite://folder: {unable}"));
    assert_eq!(refusal(&place, "sqlite://noise.db?mode=rwc"), "sqlite://noise.db?mode=rwc: file is not a database");
    assert_eq!(refusal(&place, "sqlite://text.db"), "sqlite://text.db: file is not a database");
    assert_eq!(place.names(), before, "nothing is made, and nothing removed");
    // Where there is no file, `migrate --status` says that it would make the tables; it is not asked to write.
    let outcome = Place::new().env("DATABASE_URL", "sqlite://nowhere/x.db?mode=rwc").run(&["run"]);
    assert_eq!(outcome.refused(), format!("DATABASE_URL is sqlite://nowhere/x.db?mode=rwc: {unable}"));
}

#[test]
fn a_refused_port_reads_as_such() {
    let line = refusal(&Place::new(), "postgres://m2p:hunter2@127.0.0.1:1/m2p");
    assert_eq!(
        line,
        "postgres://m2p:***@127.0.0.1:1/m2p: Connection refused (os error 111); is it running, and are host and port right?"
    );
}

#[test]
fn a_silent_server_is_given_up_after_some_seconds() {
    // Connections wait in its backlog and are never accepted.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let outcome = Place::new().env("DATABASE_URL", format!("postgres://m2p:hunter2@127.0.0.1:{port}/m2p")).run(&["run"]);
    assert!(outcome.refused().ends_with("no answer within 5 s; is it running, and are host and port right?"));
    assert!(!outcome.stderr.contains(SECRET));
}

#[test]
fn a_server_that_speaks_something_else_is_no_database() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port();
    // Ends with the test process.
    thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.expect("a connection");
            // What it is asked does not matter, and neither whether it is still listened to.
            let _ = stream.read(&mut [0; 64]).and_then(|_| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\nhunter2"));
        }
    });
    let outcome = Place::new().env("DATABASE_URL", format!("postgres://m2p:hunter2@127.0.0.1:{port}/m2p")).run(&["run"]);
    let line = outcome.refused();
    assert!(line.starts_with("DATABASE_URL is postgres://m2p:***@127.0.0.1") && !line.contains(SECRET), "{line}");
}

#[tokio::test]
async fn what_postgresql_refuses_is_told_in_its_own_words_without_the_password() {
    // The server asks for passwords (SCRAM).
    let database = TestDatabase::create().await;
    let good = Url::parse(database.url()).expect("a URL");
    let changed = |change: &dyn Fn(&mut Url)| {
        let mut url = good.clone();
        change(&mut url);
        refusal(&Place::new(), url.as_str())
    };
    let line = changed(&|url| url.set_password(Some(SECRET)).expect("a URL with a host"));
    assert!(line.ends_with(": password authentication failed for user \"postgres\""), "{line}");
    let line = changed(&|url| url.set_password(None).expect("a URL with a host"));
    assert!(line.contains("password"), "{line}");
    let line = changed(&|url| url.set_username("nobody").expect("a URL with a host"));
    assert!(line.ends_with(": password authentication failed for user \"nobody\""), "{line}");
    let line = changed(&|url| url.set_path("no_such_database"));
    assert!(line.ends_with("/no_such_database: database \"no_such_database\" does not exist"), "{line}");
    let line = changed(&|url| url.set_query(Some("sslmode=require")));
    assert!(line.contains("sslmode=require") && line.to_lowercase().contains("tls"), "{line}");
}
