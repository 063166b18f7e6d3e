//! Every command explains itself.

use super::program::Place;

/// The subcommands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let first_words = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    first_words.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The help of a command and of everything below it.
fn helps(place: &Place, path: &[String], found: &mut Vec<(String, String)>) {
    let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = place.run(&arguments).succeeded().to_owned();
    for name in listed(&help) {
        helps(place, &[path, &[name]].concat(), found);
    }
    found.push((path.join(" "), help));
}

#[test]
fn every_command_has_help_that_names_its_options() {
    // A bad setting is no reason to explain nothing.
    let place = Place::new().env("DATABASE_URL", "nonsense");
    let mut found = Vec::new();
    helps(&place, &[], &mut found);
    let help = |path: &str| -> &str {
        found.iter().find(|(name, _)| name == path).map(|(_, help)| help.as_str()).unwrap_or_else(|| panic!("no {path:?}"))
    };
    let expected: &[(&str, &[&str])] = &[
        ("", &["--config <FILE>", "--version", "Exit codes: 0 done", "78", "/etc/pool-poller/config.toml", ".env"]),
        ("run", &["--dry-run", "SIGUSR1"]),
        ("once", &["--dry-run", "--json"]),
        ("demo", &["--duration <DURATION>", "--players <PLAYERS>", "--seed <SEED>", "[default: 30s]"]),
        ("migrate", &["--status"]),
        ("events replay", &["--event <ID>", "--player <PLAYER>", "--since <TIME>", "--dead", "--dry-run", "2026-11-22"]),
        ("check", &["--wallet <ADDRESS>", "--json"]),
        ("healthcheck", &["--ready", "--address <HOST:PORT>", "--timeout <SECONDS>", "[default: 5]", "Example: "]),
        ("config show", &["--json", "Secrets are masked"]),
        ("completions", &["<SHELL>", "bash", "zsh", "fish"]),
        ("man", &["[DIRECTORY]"]),
        ("players", &["add", "import", "list", "verify", "activate", "deactivate", "wallet"]),
        ("players import", &["<FILE>", "--dry-run", "username, email, wallet"]),
        ("players add", &["<NAME>", "--email <EMAIL>", "--wallet <ADDRESS>", "--pool-wallet <POOL=ADDRESS>", "--verified"]),
        ("players list", &["--json"]),
        ("players verify", &["<PLAYER>"]),
        ("players deactivate", &["<PLAYER>"]),
        ("pools", &["list"]),
        ("pools list", &["--json"]),
    ];
    for (path, words) in expected {
        for word in *words {
            assert!(help(path).contains(word), "{path:?} does not mention {word}");
        }
    }
    for (path, help) in &found {
        assert!(help.contains("--config <FILE>") && help.contains("-h, --help"), "{path}: {help}");
        let first = help.lines().next().unwrap_or_default();
        assert!(first.len() > 10 && first.chars().next().is_some_and(char::is_uppercase), "{path}: {first}");
        let expected: Vec<&str> = path.split_whitespace().collect();
        let usage = help.lines().find(|line| line.starts_with("Usage: ")).unwrap_or_else(|| panic!("{path}: no usage"));
        assert!(help.contains("Exit codes: 0 done; 1 failed; 2 wrong arguments"), "{path}: {help}");
        if listed(help).is_empty() {
            let example = help.lines().find_map(|line| line.strip_prefix("Example: "));
            let example = example.unwrap_or_else(|| panic!("{path}: no example"));
            assert!(example.contains(&format!("pool-poller {path}")), "{path}: {example}");
        }
        assert!(usage.starts_with(&format!("Usage: pool-poller {}", expected.join(" ")).trim_end().to_owned()), "{usage}");
    }
    assert_eq!(place.names(), Vec::<String>::new(), "an explanation makes nothing");
}

#[test]
fn version_and_short_help_answer() {
    let place = Place::new();
    for flag in ["--version", "-V"] {
        assert_eq!(place.run(&[flag]).succeeded(), format!("pool-poller {}\n", env!("CARGO_PKG_VERSION")));
    }
    assert!(place.run(&["-h"]).succeeded().contains("Usage: pool-poller"));
    assert!(place.run(&["help", "players", "add"]).succeeded().contains("--pool-wallet"));
}

#[test]
fn wrong_arguments_exit_with_2_and_say_what_is_wrong() {
    let place = Place::new();
    let cases: &[(&[&str], &str)] = &[
        (&["nonsense"], "nonsense"),
        (&["run", "now"], "now"),
        (&["--nonsense"], "--nonsense"),
        (&["players"], "Usage"),
        (&["pools"], "Usage"),
        (&["players", "add"], "--email"),
        (&["players", "add", "a", "--email", "m"], "--wallet"),
        (&["players", "verify"], "<PLAYER>"),
        (&["migrate", "--status=maybe"], "--status"),
        (&["demo", "--duration", "soon"], "--duration"),
        (&["demo", "--players", "0"], "--players"),
        (&["run", "--config"], "--config"),
        (&["healthcheck", "--address", "9464"], "127.0.0.1:9464"),
        (&["healthcheck", "--timeout", "0"], "--timeout"),
    ];
    for (arguments, word) in cases {
        let outcome = place.run(arguments);
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (2, ""), "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(word) && !outcome.stderr.contains("panic"), "{arguments:?}: {}", outcome.stderr);
    }
    assert_eq!(place.names(), Vec::<String>::new(), "a slip of the pen makes nothing");
}
