//! Output that nobody reads, or that cannot be written.

use std::fs::File;
use std::process::Stdio;

use super::program::{Place, wait};

/// Every command that prints, in an order in which each has something to say.
const COMMANDS: &[&[&str]] = &[
    &["--help"],
    &["--version"],
    &["players", "add", "--help"],
    &["migrate"],
    &["migrate", "--status"],
    &["players", "add", "alice", "--email", "alice@example.org", "--wallet", "A"],
    &["players", "list"],
    &["players", "list", "--json"],
    &["players", "verify", "alice"],
    &["players", "deactivate", "alice"],
    &["pools", "list"],
    &["pools", "list", "--json"],
    &["once"],
    &["once", "--json"],
];

fn quiet() -> Place {
    Place::new().env("SOCKETIO_URL", "").env("LOG_LEVEL", "ERROR")
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let place = quiet();
    for arguments in COMMANDS {
        // The reading end is closed before the program starts, so its first write fails.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let outcome = place.command(arguments).stdout(writer).output().expect("the program runs");
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        assert_eq!((outcome.status.code(), stderr.as_ref()), (Some(0), ""), "{arguments:?}");
    }
    assert!(quiet_list(&place).contains("alice"), "what was asked for was done all the same");
}

fn quiet_list(place: &Place) -> String {
    place.run(&["players", "list"]).succeeded().to_owned()
}

#[test]
fn a_reason_that_nobody_can_read_still_exits_with_its_code() {
    let place = quiet().env("POLL_INTERVAL_SECONDS", "abc");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut child = place.command(&["run"]).stdout(Stdio::null()).stderr(writer).spawn().expect("the program starts");
    assert_eq!(wait(&mut child).code(), Some(78));
}

#[test]
fn a_reason_is_an_error_in_the_journal() {
    use std::os::unix::fs::MetadataExt as _;
    let place = quiet().env("POLL_INTERVAL_SECONDS", "abc");
    let said = |stream: &dyn Fn(&std::fs::Metadata) -> String| {
        let path = place.file("stderr", "");
        let file = File::create(&path).expect("a file");
        let stream = stream(&file.metadata().expect("its device and number"));
        let outcome = place.command(&["run"]).env("JOURNAL_STREAM", stream).stderr(file).status().expect("the program runs");
        assert_eq!(outcome.code(), Some(78));
        std::fs::read_to_string(path).expect("text")
    };
    let journal = said(&|file| format!("{}:{}", file.dev(), file.ino()));
    assert!(journal.starts_with("<3>pool-poller: POLL_INTERVAL_SECONDS"), "{journal}");
    let elsewhere = said(&|file| format!("{}:{}", file.dev(), file.ino() + 1));
    assert!(elsewhere.starts_with("pool-poller: POLL_INTERVAL_SECONDS"), "{elsewhere}");
}

#[test]
fn a_full_disk_is_a_failure_in_one_line() {
    let place = quiet();
    place.run(&["migrate"]).succeeded();
    for arguments in [&["players", "list"][..], &["pools", "list", "--json"], &["once"]] {
        let full = File::create("/dev/full").expect("a device that is always full");
        let outcome = place.command(arguments).stdout(full).output().expect("the program runs");
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("pool-poller: standard output: ") && stderr.lines().count() == 1, "{arguments:?}: {stderr}");
    }
}

#[test]
fn the_demo_goes_on_when_nobody_watches() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let outcome = Place::new().command(&["demo", "--duration", "3s", "--players", "2"]).stdout(writer).output();
    let outcome = outcome.expect("the program runs");
    assert_eq!(outcome.status.code(), Some(0), "{}", String::from_utf8_lossy(&outcome.stderr));
}
