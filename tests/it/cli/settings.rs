//! Every bad setting stops the program with exit code 78 and one line that names the variable.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use pool_poller::settings::KEYS;

use super::program::Place;

/// What must never be seen.
const SECRET: &str = "hunter2";

#[test]
fn every_bad_setting_exits_with_78_and_one_line_that_names_it() {
    let long = "9".repeat(100_000);
    let cases: &[(&str, &[&str])] = &[
        (
            "DATABASE_URL",
            &["", "mysql://a:hunter2@c/d", "x.db", "sqlite:", "postgres://a:hunter2", "postgres://a:b/hunter2@c/d", "a\nb"],
        ),
        ("AUTO_MIGRATE", &["", "maybe", "2"]),
        ("SOCKETIO_URL", &["ftp://a", "localhost:3000", "http://", "http://me:hunter2@a", "http://a#hunter2", "x y"]),
        ("SOCKETIO_AUTH_TOKEN", &["hunter2\n", "\u{7}hunter2"]),
        ("SOCKETIO_NAMESPACE", &["", "game", "/a,b"]),
        ("SOCKETIO_CA_FILE", &["not-there.pem", "/dev/null"]),
        ("NOTIFY_ACK_TIMEOUT", &["", "0", "301", "ten"]),
        ("NOTIFY_MAX_ATTEMPTS", &["", "-1", "1.5"]),
        ("NOTIFY_SIGNING_SECRET", &["hunter2", "whsec_aHVudGVyMg=="]),
        ("NOTIFY_WEBHOOK_URL", &["ws://a", "https://me:hunter2@a", "https://a/?key=hunter2"]),
        ("POLL_INTERVAL_SECONDS", &["", "0", "86401", "abc", "60s", "1\n2", &long]),
        ("POOL_REQUEST_TIMEOUT", &["", "0", "nan", "inf"]),
        ("POOL_CONTACT", &["nobody", "a b@c", "a(b)@c"]),
        ("POOLS_DIR", &["not-there", "/dev/null"]),
        ("AP_PER_ADVC", &["", "0", "-1", "1,5", "nan"]),
        ("MIN_PAYOUT_DELTA", &["", "-0.1", "1e-9", "one"]),
        ("MAX_PAYOUT_DELTA", &["", "0.0001", "-1", "much"]),
        ("FIRST_READING", &["", "both"]),
        ("SNAPSHOT_POLICY", &["", "never"]),
        ("SNAPSHOT_RETENTION_DAYS", &["", "-1", "1.5"]),
        ("STATUS_LISTEN", &["9464", "localhost:9464", "127.0.0.1:99999"]),
        ("LOG_LEVEL", &["", "LOUD"]),
        ("LOG_FORMAT", &["", "xml"]),
        ("BTC_TO_ADVC_RATE", &["", "0", "many"]),
        ("LTC_TO_ADVC_RATE", &["-1"]),
        ("ADVC_TO_ADVC_RATE", &["2"]),
        ("CPU_POOL_ENABLED", &["", "maybe"]),
        ("ZPOOL_URL", &["ftp://z/?key=hunter2", "http://me:hunter2@z/"]),
    ];
    let tested: BTreeSet<&str> = cases.iter().map(|case| case.0).collect();
    assert!(KEYS.iter().all(|key| tested.contains(key.name)), "a setting is not tested");
    for (name, values) in cases {
        for value in *values {
            let place = Place::new().env(*name, *value);
            let outcome = place.run(&["run"]);
            let line = outcome.refused();
            let names_it = line.contains(name) || *name == "POOLS_DIR" && line.contains(value);
            assert!(names_it && line.len() < 500 && !line.contains(SECRET), "{name}={value:.60}: {line:.600}");
            assert_eq!(place.names(), Vec::<String>::new(), "{name}: nothing is made before the settings are known to be good");
        }
    }
}

#[test]
fn a_value_that_is_not_utf_8_is_refused_where_it_matters_and_no_matter_elsewhere() {
    let odd = || OsString::from_vec(b"a\xffb".to_vec());
    for name in ["POLL_INTERVAL_SECONDS", "DATABASE_URL", "SOCKETIO_URL", "BTC_TO_ADVC_RATE"] {
        let outcome = Place::new().env(name, odd()).run(&["pools", "list"]);
        assert!(outcome.refused().starts_with(name), "{}", outcome.stderr);
    }
    Place::new().env("SOMEBODY_ELSES", odd()).run(&["pools", "list"]).succeeded();
    Place::new().env(odd(), "1").run(&["pools", "list"]).succeeded();
}

#[test]
fn every_command_that_reads_settings_refuses_a_bad_one() {
    let place = Place::new().env("POLL_INTERVAL_SECONDS", "abc");
    let add = ["players", "add", "alice", "--email", "a@example.org", "--wallet", "A"];
    let commands: [&[&str]; 9] = [
        &[],
        &["run", "--dry-run"],
        &["once"],
        &["migrate"],
        &["pools", "list"],
        &["players", "list"],
        &["players", "verify", "alice"],
        &["players", "deactivate", "alice"],
        &add,
    ];
    for command in commands {
        let outcome = place.run(command);
        assert!(outcome.refused().starts_with("POLL_INTERVAL_SECONDS is \"abc\" (environment)"), "{}", outcome.stderr);
    }
}

#[test]
fn a_bad_file_is_named_with_its_line() {
    let cases = [
        (".env", "AP_PER_ADVC=5\nLOG_LEVEL=LOUD\n", "LOG_LEVEL is \"LOUD\""),
        (".env", "SOCKETIO_AUTH_TOKEN='hunter2\n", ".env line 1"),
        ("my.toml", "log_level = \"INFO\"\nlog_levle = \"hunter2\"\n", "log_levle"),
        ("my.toml", "log_level = \"INFO\"\nsocketio_auth_token = \"hunter2\n", "my.toml line 2"),
        ("my.toml", "newpool_url = \"http://x/{wallet}\"\n", "newpool_url"),
    ];
    for (name, text, expected) in cases {
        let place = Place::new();
        place.file(name, text);
        let arguments: &[&str] = if name == "my.toml" { &["--config", "my.toml", "run"] } else { &["run"] };
        let outcome = place.run(arguments);
        let line = outcome.refused();
        assert!(line.contains(expected) && line.contains(name) && !line.contains(SECRET), "{name}: {line}");
    }
    let outcome = Place::new().run(&["--config", "nowhere.toml"]);
    assert!(outcome.refused().contains("nowhere.toml cannot be read"), "{}", outcome.stderr);
}
