//! `events replay`: which awards, and in which words.

use super::program::Place;

#[test]
fn it_wants_to_know_which_awards() {
    let place = Place::new();
    place.run(&["migrate"]).succeeded();
    let outcome = place.run(&["events", "replay", "--dry-run"]);
    assert_eq!(outcome.code(), 2);
    for option in ["--event <ID>", "--player <PLAYER>", "--since <TIME>", "--dead"] {
        assert!(outcome.stderr.contains(option), "{}", outcome.stderr);
    }
    for (option, value) in [("--since", "yesterday"), ("--event", "the-first")] {
        assert_eq!(place.run(&["events", "replay", option, value]).code(), 2, "{option} {value}");
    }
}

#[test]
fn it_counts_first_where_it_is_asked_to_and_names_what_is_not_there() {
    let place = Place::new();
    place.run(&["migrate"]).succeeded();
    let said = |arguments: &[&str]| place.run(&[&["events", "replay"], arguments].concat()).succeeded().trim().to_owned();
    assert_eq!(said(&["--dead", "--dry-run"]), "0 events of 0 players would be sent again");
    assert_eq!(said(&["--dead"]), "0 events of 0 players will be sent again by the running daemon");
    assert_eq!(said(&["--since", "2026-11-22T10:00+01:00", "--dry-run"]), "0 events of 0 players would be sent again");
    assert!(place.run(&["events", "replay", "--event", "17"]).failed().contains("there is no event 17"));
    assert!(place.run(&["events", "replay", "--player", "nobody"]).failed().contains("nobody"));
}
