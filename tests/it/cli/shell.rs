//! Completions and manual pages come from the same definitions as the help.

use super::program::Place;

#[test]
fn each_shell_has_a_completion_script_that_knows_the_commands() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run(&["completions", shell]);
        for word in ["positions", "rebase", "high-water"] {
            assert!(script.succeeded().contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(place.run(&["completions", "tcsh"]).code(), 2);
    // The shell itself finds no fault in it.
    place.file("completion", place.run(&["completions", "bash"]).succeeded());
    let checked = std::process::Command::new("bash").arg("-n").arg(place.path().join("completion")).status();
    assert!(checked.expect("bash").success());
}

#[test]
fn each_command_has_a_manual_page() {
    let place = Place::new();
    assert!(place.run(&["man"]).succeeded().starts_with(".ie"));
    let said = place.run(&["man", "pages"]).succeeded().to_owned();
    let pages = std::fs::read_dir(place.path().join("pages")).expect("a directory").count();
    assert_eq!(said, format!("{pages} pages in pages\n"));
    for name in ["pool-poller.1", "pool-poller-events-approve.1", "pool-poller-players-import.1"] {
        let page = std::fs::read_to_string(place.path().join("pages").join(name)).expect(name);
        assert!(page.contains(".TH") && page.contains(".SH SYNOPSIS"), "{name}");
    }
    assert!(!place.path().join("pages/pool-poller-help.1").exists());
}
