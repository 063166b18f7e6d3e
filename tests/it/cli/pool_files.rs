//! A pool file that cannot be used stops the start: exit code 78, the file and the line.

use super::program::{Outcome, Place};

/// A pool file that is right.
const GOOD: &str =
    "name = \"newpool\"\nurl = \"http://127.0.0.1:1/{wallet}\"\n[paid]\npointer = \"/paid\"\n[currency]\nconstant = \"ADVC\"\n";

/// `GOOD` with one piece replaced.
fn with(piece: &str, replacement: &str) -> String {
    assert!(GOOD.contains(piece), "{piece}");
    GOOD.replace(piece, replacement)
}

#[test]
fn a_bad_pool_file_is_named_with_its_line_wherever_it_is() {
    let cases = [
        (with("[paid]", "[paid]\nponter = \"/paid\""), 4, "ponter"),
        (with("[paid]", "enabeld = true\n[paid]"), 3, "enabeld"),
        (with("url = \"http", "url = http"), 2, ""),
        (with("[currency]", "[currency"), 5, ""),
        (with("[paid]\n", "[paid]\nsum = [\"/a\", \"/b\"]\n"), 3, "paid"),
        (with("pointer = \"/paid\"", "pointer = \"paid\""), 4, "paid.pointer"),
        (with("{wallet}", ""), 2, "url"),
        (with("http://", "ftp://"), 2, "url"),
        (with("constant = \"ADVC\"", "constant = \"ADVC\"\npointer = \"/currency\""), 5, "currency"),
        (with("name = \"newpool\"\n", ""), 1, "name"),
        (with("newpool", "New Pool"), 1, "New Pool"),
    ];
    for (text, line, expected) in &cases {
        let beside = Place::new();
        beside.file("config/pools/bad.toml", text);
        let elsewhere = Place::new().env("POOLS_DIR", "more");
        elsewhere.file("more/bad.toml", text);
        for (place, folder) in [(beside, "config/pools"), (elsewhere, "more")] {
            let outcome = place.run(&["run"]);
            let refusal = outcome.refused();
            let shown = format!("{folder}/bad.toml:{line}: ");
            assert!(refusal.contains(&shown) && refusal.contains(expected), "{text}\n{refusal}");
        }
    }
}

#[test]
fn pool_files_that_contradict_each_other_are_both_named() {
    let refusal = |files: &[(&str, String)]| -> String {
        let place = Place::new();
        for (name, text) in files {
            place.file(&format!("config/pools/{name}"), text);
        }
        place.run(&["pools", "list"]).refused().to_owned()
    };
    let line = refusal(&[("a.toml", GOOD.to_owned()), ("b.toml", GOOD.to_owned())]);
    assert!(line.contains("a.toml") && line.contains("b.toml") && line.contains("newpool"), "{line}");
    let line = refusal(&[("a.toml", with("newpool", "new-pool")), ("b.toml", with("newpool", "new_pool"))]);
    assert!(line.contains("NEW_POOL_URL"), "{line}");
    let line = refusal(&[("a.toml", with("newpool", "database"))]);
    assert!(line.contains("DATABASE_URL"), "{line}");
}

#[test]
fn a_pools_dir_that_cannot_be_read_is_named() {
    for directory in ["not-there", "file"] {
        let place = Place::new().env("POOLS_DIR", directory);
        place.file("file", "");
        let outcome = place.run(&["pools", "list"]);
        assert!(outcome.refused().contains(directory), "{}", outcome.stderr);
    }
}

#[test]
fn a_file_in_the_working_directory_and_one_in_pools_dir_both_count() {
    let place = Place::new().env("POOLS_DIR", "more");
    place.file("config/pools/a.toml", GOOD);
    place.file("config/pools/z.toml", with("newpool", "zpool"));
    place.file("more/b.toml", with("newpool", "other"));
    let outcome = place.run(&["pools", "list"]);
    let rows: Vec<Vec<&str>> = outcome.succeeded().lines().map(|line| line.split_whitespace().collect()).collect();
    let names: Vec<(&str, &str)> = rows.iter().filter(|row| row[1] == "yes").map(|row| (row[0], row[2])).collect();
    let mine = "http://127.0.0.1:1/{wallet}";
    assert_eq!(names[0].0, "cpu-pool");
    assert_eq!(names[1..3], [("newpool", mine), ("other", mine)]);
    assert_eq!((names[3].0, names[4]), ("rplant", ("zpool", mine)), "a file replaces the compiled-in pool of its name");
}

#[test]
fn a_secret_that_a_pool_needs_and_nobody_set_stops_the_start() {
    let outcome = |place: Place| -> Outcome {
        place.file("config/pools/a.toml", with("[paid]", "[headers]\nAuthorization = \"Bearer {secret:POOL_KEY}\"\n[paid]"));
        place.run(&["once"])
    };
    for place in [Place::new(), Place::new().env("POOL_KEY", "")] {
        let outcome = outcome(place);
        let line = outcome.refused();
        assert!(line.contains("newpool") && line.contains("POOL_KEY is not set"), "{line}");
    }
    let bad = outcome(Place::new().env("POOL_KEY", "hunter2\nX: y"));
    assert!(bad.refused().contains("header authorization") && !bad.stderr.contains("hunter2"), "{}", bad.stderr);
    let quiet = Place::new().env("POOL_KEY", "hunter2").env("LOG_LEVEL", "ERROR").env("SOCKETIO_URL", "");
    outcome(quiet).succeeded();
}

#[test]
fn a_secret_in_a_file_is_found_and_one_that_is_not_there_is_named() {
    let pool = with("{wallet}", "{secret:POOL_KEY}/{wallet}");
    let place = Place::new().env("POOL_KEY_FILE", "key").env("LOG_LEVEL", "ERROR").env("SOCKETIO_URL", "");
    place.file("config/pools/a.toml", &pool);
    let refused = place.run(&["once"]);
    assert_eq!(refused.refused(), "POOL_KEY_FILE names key, which cannot be read: No such file or directory (os error 2)");
    place.file("key", "hunter2\n");
    place.run(&["once"]).succeeded();
}

#[test]
fn a_disabled_pool_needs_no_secret() {
    let place = Place::new().env("NEWPOOL_ENABLED", "false").env("LOG_LEVEL", "ERROR").env("SOCKETIO_URL", "");
    place.file("config/pools/a.toml", with("{wallet}", "{secret:POOL_KEY}/{wallet}"));
    place.run(&["once"]).succeeded();
}

#[test]
fn a_bad_pool_file_keeps_nobody_from_the_database() {
    let place = Place::new();
    place.run(&["migrate"]).succeeded();
    place.file("config/pools/bad.toml", with("[currency]\nconstant = \"ADVC\"\n", ""));
    place.run(&["players", "add", "alice", "--email", "a@example.org", "--wallet", "A", "--verified"]).succeeded();
    for command in [
        &["players", "list"][..],
        &["players", "deactivate", "alice"],
        &["events", "list"],
        &["positions", "show"],
        &["verify"],
        &["explain", "alice"],
        &["prune", "--dry-run"],
        &["backup", "copy.db"],
        &["migrate", "--status"],
    ] {
        place.run(command).succeeded();
    }
    // Who names a pool or asks it needs the files.
    for command in [&["run"][..], &["players", "wallet", "alice", "zpool", "bc1qalice"], &["pools", "list"], &["check"]] {
        assert!(place.run(command).refused().contains("bad.toml:1: "), "{command:?}");
    }
}
