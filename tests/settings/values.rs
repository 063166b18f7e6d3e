//! What each setting accepts, what it refuses and in which words.

use std::collections::BTreeSet;
use std::time::Duration;

use pool_poller::domain::payout::FirstReading;
use pool_poller::domain::{Currency, Rate};
use pool_poller::settings::{Backend, KEYS, LogFormat, SnapshotPolicy};
use secrecy::ExposeSecret;

use crate::{Place, with};

/// A file with one certificate.
const CA_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/notify/testdata/loopback-certificate.pem");
const SIGNING_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn nothing_configured_gives_the_documented_defaults() {
    let settings = Place::new().load().unwrap();
    assert_eq!(settings.database_url.expose(), "sqlite://pool-poller.db?mode=rwc");
    assert_eq!(settings.database_url.backend(), Backend::Sqlite);
    assert!(!settings.auto_migrate);
    assert_eq!(settings.socketio_url.as_ref().unwrap().as_str(), "http://localhost:3000/");
    assert!(settings.socketio_auth_token.is_none() && settings.socketio_ca_file.is_none());
    assert!(settings.notify_signer.is_none() && settings.notify_webhook_url.is_none());
    assert_eq!(settings.socketio_namespace, "/");
    assert_eq!(settings.notify_ack_timeout, Duration::from_secs(10));
    assert_eq!(settings.notify_max_attempts.unwrap().get(), 50);
    assert_eq!(settings.poll_interval, Duration::from_secs(60));
    assert_eq!(settings.pool_request_timeout, Duration::from_secs(10));
    assert_eq!(settings.pools_dir, None);
    assert_eq!(settings.snapshot_policy, SnapshotPolicy::Changed);
    assert_eq!(settings.snapshot_retention_days.unwrap().get(), 30);
    assert_eq!(settings.status_listen, None);
    assert_eq!(settings.log_level, tracing::Level::INFO);
    assert_eq!(settings.log_format, LogFormat::Json);
    let policy = settings.policy();
    assert_eq!(policy.first_reading, FirstReading::Baseline);
    assert_eq!(policy.min_payout_delta.to_string(), "0.0001");
    assert_eq!(policy.max_payout_delta.to_string(), "100000");
    assert_eq!(policy.ap_per_advc.to_string(), "100");
    let rate = |currency: &str| settings.rate(&currency.parse::<Currency>().unwrap()).map(|rate| rate.to_string());
    assert_eq!(rate("BTC").as_deref(), Some("1000000"));
    assert_eq!(rate("ADVC").as_deref(), Some("1"));
    assert_eq!(rate("LTC"), None);
    assert_eq!(settings.warnings(), []);
}

#[test]
fn good_values_are_accepted_and_bad_ones_name_their_variable() {
    let long = "9".repeat(1_000);
    let cases: &[(&str, &[&str], &[&str])] = &[
        (
            "DATABASE_URL",
            &[
                "sqlite::memory:",
                "sqlite:x.db",
                "postgres://a:b@c/d",
                "postgresql+psycopg2://a:b@c/d",
                "postgresql:///d?host=/run",
            ],
            &[
                "",
                "mysql://a:hunter2@c/d",
                "x.db",
                "sqlite:",
                "postgres://a:hunter2",
                "postgres://a:b/hunter2@c/d",
                "hunter2:hunter2@c",
            ],
        ),
        ("AUTO_MIGRATE", &["true", "FALSE", "1", "0", "Yes", "no", "On", "off"], &["", "maybe", "2", " true"]),
        (
            "SOCKETIO_URL",
            &["", "http://a", "https://a:1/b", "ws://a", "wss://a/?t=1"],
            &["ftp://a", "localhost:3000", "http://", "http://me:hunter2@a", "ws://hunter2@a", "http://a#b", "http:// a", "x"],
        ),
        ("SOCKETIO_AUTH_TOKEN", &["", "hunter2", "with spaces and $"], &["hunter2\n", "\u{7}hunter2"]),
        ("SOCKETIO_NAMESPACE", &["/", "/game"], &["", "game", "/a,b", "/a?b"]),
        ("SOCKETIO_CA_FILE", &["", CA_FILE], &["not/there.pem", "/", "/dev/null"]),
        ("NOTIFY_ACK_TIMEOUT", &["1", "300", "2.5"], &["", "0", "301", "-1", "ten", "1s"]),
        ("NOTIFY_MAX_ATTEMPTS", &["0", "1", "1000000"], &["", "-1", "1000001", "1.5", "+1"]),
        (
            "NOTIFY_SIGNING_SECRET",
            &["", SIGNING_SECRET],
            &["hunter2", "whsec_", "whsec_aHVudGVyMg==", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        ),
        // Alone it is refused, because nothing says how to sign.
        ("NOTIFY_WEBHOOK_URL", &[""], &["https://a/hook", "ws://a", "ftp://a", "http://me:hunter2@a", "https://a#b", "x"]),
        ("POLL_INTERVAL_SECONDS", &["1", "60", "86400"], &["", "0", "86401", "abc", "1.5", "-60", "60s", &long]),
        ("POOL_REQUEST_TIMEOUT", &["1", "10", "300", "0.5e1"], &["", "0", "0.5", "300.1", "nan", "inf"]),
        (
            "POOL_CONTACT",
            &["", "ops@game.example", "https://game.example/bots", "http://game.example"],
            &["x", "a b@c", "a@b\r\nX: y", "(a@b)", "a@b)", "ops@", "@game", "a@b@c", "é@b", "ftp://a/", &long],
        ),
        ("POOLS_DIR", &["", "pools", "/etc/pools"], &["a\0b"]),
        (
            "AP_PER_ADVC",
            &["100", "0.5", "1e3", "0.000000000000000001"],
            &["", "0", "-1", "1,5", "1234567890123456", "1e-19", "nan"],
        ),
        ("MIN_PAYOUT_DELTA", &["0", "0.0001", "1e-8"], &["", "-0.1", "1e-9", "0,0001", "NaN", "one"]),
        ("MAX_PAYOUT_DELTA", &["0.00010001", "100000"], &["", "0.0001", "0", "-1", "much", "1e30"]),
        ("FIRST_READING", &["baseline", "award", "AWARD"], &["", "both"]),
        ("SNAPSHOT_POLICY", &["every", "changed"], &["", "never"]),
        ("SNAPSHOT_RETENTION_DAYS", &["0", "30", "36500"], &["", "-1", "36501", "1.5"]),
        ("STATUS_LISTEN", &["", "127.0.0.1:9464", "[::1]:0"], &["9464", "localhost:9464", "127.0.0.1", "127.0.0.1:99999"]),
        ("LOG_LEVEL", &["TRACE", "debug", "Info", "WARN", "WARNING", "ERROR", "critical"], &["", "LOUD", "0"]),
        ("LOG_FORMAT", &["json", "text", "TEXT"], &["", "xml"]),
        ("BTC_TO_ADVC_RATE", &["1000000", "0.5", "1e6"], &["", "0", "-1", "many", "inf"]),
        ("LTC_TO_ADVC_RATE", &["2.5"], &["", "0"]),
        ("ADVC_TO_ADVC_RATE", &["1", "1.0"], &["2", "0", ""]),
        ("TOO_MANY_WORDS_TO_ADVC_RATE", &[], &["1"]),
    ];
    for (name, good, bad) in cases {
        for value in *good {
            if let Err(error) = with(name, value).load() {
                panic!("{name}={value:?} is refused: {error}");
            }
        }
        for value in *bad {
            let line = with(name, value).error();
            assert!(line.starts_with(&format!("{name} is ")) && line.contains(" (environment): it must be "), "{line}");
            assert!(line.len() < 400, "{line}");
        }
    }
    let tested: BTreeSet<&str> = cases.iter().map(|case| case.0).collect();
    assert!(KEYS.iter().all(|key| tested.contains(key.name)), "a key is not tested");
}

#[test]
fn an_error_reads_as_documented() {
    for (place, line) in [
        (
            with("POLL_INTERVAL_SECONDS", "abc"),
            r#"POLL_INTERVAL_SECONDS is "abc" (environment): it must be a whole number of seconds from 1 to 86400"#,
        ),
        (with("LOG_FORMAT", "a\nb"), r#"LOG_FORMAT is "a\nb" (environment): it must be json or text"#),
        (
            with("SOCKETIO_AUTH_TOKEN", "hunter2\n"),
            "SOCKETIO_AUTH_TOKEN is *** (environment): it must be text without control characters, or empty for none",
        ),
        (
            with("MIN_PAYOUT_DELTA", "200000"),
            r#"MAX_PAYOUT_DELTA is "100000" (built-in default): it must be a number of ADVC above MIN_PAYOUT_DELTA, which is 200000, with at most 8 decimal places"#,
        ),
    ] {
        assert_eq!(place.error(), line);
    }
    let line = with("DATABASE_URL", "mysql://m2p:hunter2@db/m2p").error();
    assert!(line.starts_with(r#"DATABASE_URL is "mysql://***:***@db/m2p" (environment): it must be sqlite://FILE or"#), "{line}");
}

#[test]
fn events_go_through_the_socket_or_as_webhooks_and_never_both() {
    let signed = || with("NOTIFY_SIGNING_SECRET", SIGNING_SECRET);
    let webhook = || signed().env("NOTIFY_WEBHOOK_URL", "https://game.example/hook");
    for place in [webhook(), webhook().env("SOCKETIO_URL", "")] {
        let settings = place.load().unwrap();
        assert_eq!(settings.notify_webhook_url.as_ref().unwrap().as_str(), "https://game.example/hook");
        assert!(settings.socketio_url.is_none() && settings.notify_signer.is_some(), "the default gives way");
        assert_eq!(settings.warnings(), []);
    }
    assert!(signed().load().unwrap().socketio_url.is_some());
    assert_eq!(
        webhook().env("SOCKETIO_URL", "http://game.example").error(),
        r#"SOCKETIO_URL is "http://game.example" (environment): it must be empty where NOTIFY_WEBHOOK_URL is set: events go one way or the other"#
    );
    assert_eq!(
        with("NOTIFY_WEBHOOK_URL", "https://game.example/?key=hunter2").error(),
        r#"NOTIFY_WEBHOOK_URL is "https://game.example/?key=***" (environment): it must be empty, or NOTIFY_SIGNING_SECRET must be set: every request is signed"#
    );
}

#[test]
fn typed_values_are_what_was_written() {
    let settings = with("POOL_REQUEST_TIMEOUT", "2.5")
        .env("NOTIFY_MAX_ATTEMPTS", "0")
        .env("SNAPSHOT_RETENTION_DAYS", "0")
        .env("SOCKETIO_URL", "")
        .env("SOCKETIO_AUTH_TOKEN", "t")
        .env("LOG_LEVEL", "CRITICAL")
        .env("LTC_TO_ADVC_RATE", "0.000000000000000001")
        .env("POOLS_DIR", "more")
        .env("STATUS_LISTEN", "127.0.0.1:9464");
    let loaded = settings.load().unwrap();
    assert_eq!(loaded.pool_request_timeout, Duration::from_millis(2_500));
    assert_eq!((loaded.notify_max_attempts, loaded.snapshot_retention_days), (None, None));
    assert_eq!(loaded.socketio_url, None);
    assert_eq!(loaded.socketio_auth_token.as_ref().unwrap().expose_secret(), "t");
    assert_eq!(loaded.log_level, tracing::Level::ERROR);
    let litecoin: Currency = "LTC".parse().unwrap();
    assert_eq!(loaded.rate(&litecoin), Some("1e-18".parse::<Rate>().unwrap()));
    assert_eq!(loaded.rates().len(), 2);
    assert_eq!(loaded.pools_dir, Some(settings.directory.path().join("more")));
    assert_eq!(loaded.status_listen.unwrap().port(), 9464);
}

#[test]
fn odd_settings_are_warned_about() {
    type Variables<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(Variables<'_>, &[&str])] = &[
        (&[("POOL_REQUEST_TIMEOUT", "61")], &["POOL_REQUEST_TIMEOUT"]),
        (&[("POOL_REQUEST_TIMEOUT", "60")], &[]),
        (&[("DATABASE_URL", "sqlite::memory:")], &["DATABASE_URL"]),
        (&[("DATABASE_URL", "sqlite:///m2p.db")], &["DATABASE_URL"]),
        (&[("SOCKETIO_URL", "http://game.example"), ("SOCKETIO_AUTH_TOKEN", "t")], &["SOCKETIO_URL"]),
        (&[("SOCKETIO_URL", "https://game.example"), ("SOCKETIO_AUTH_TOKEN", "t")], &[]),
        (&[("SOCKETIO_URL", "ws://127.0.0.1:1"), ("SOCKETIO_AUTH_TOKEN", "t")], &[]),
        (&[("SOCKETIO_URL", "http://game.example")], &[]),
        (&[("SOCKETIO_URL", "")], &["SOCKETIO_URL"]),
        (&[("SOCKETIO_URL", "wss://game.example"), ("SOCKETIO_NAMESPACE", "/game")], &["SOCKETIO_NAMESPACE"]),
        (&[("SOCKETIO_URL", "https://game.example"), ("SOCKETIO_NAMESPACE", "/game")], &[]),
        (&[("NOTIFY_WEBHOOK_URL", "http://game.example"), ("NOTIFY_SIGNING_SECRET", SIGNING_SECRET)], &["NOTIFY_WEBHOOK_URL"]),
        (&[("NOTIFY_WEBHOOK_URL", "http://127.0.0.1:1"), ("NOTIFY_SIGNING_SECRET", SIGNING_SECRET)], &[]),
        (&[("FIRST_READING", "award")], &["FIRST_READING"]),
        (&[("STATUS_LISTEN", "0.0.0.0:9464")], &["STATUS_LISTEN"]),
        (&[("STATUS_LISTEN", "[::1]:9464")], &[]),
    ];
    for (variables, expected) in cases {
        let place = variables.iter().fold(Place::new(), |place, (name, value)| place.env(name, value));
        let names: Vec<&str> = place.load().unwrap().warnings().iter().map(|warning| warning.name).collect();
        assert_eq!(names, *expected, "{variables:?}");
    }
    let warnings = Place::new().dotenv("ap_per_advc=5").load().unwrap().warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].message.starts_with("ap_per_advc in "), "{warnings:?}");
}

#[test]
fn a_name_that_is_nearly_one_of_ours_is_mentioned() {
    let place = Place::new().dotenv("AP_PER_ADVCX=5\nPOOL_INTERVAL_SECONDS=5\nRUST_BACKTRACE=1\nPGPASSFILE=x\nEXTRA_KEY=x\n");
    let warnings =
        place.env("SOCKETIO_AUTH_TOKN", "hidden").env("SOCKETIO_URL_FILE", "").env("PATH", "x").load().unwrap().warnings();
    let said: Vec<(&str, &str)> = warnings.iter().map(|warning| (warning.name, warning.message.as_str())).collect();
    let [advc, interval, token] = said.as_slice() else { panic!("{said:?}") };
    assert!(advc.0 == "AP_PER_ADVC" && advc.1.starts_with("AP_PER_ADVCX (") && advc.1.ends_with("is AP_PER_ADVC meant?"));
    assert_eq!(interval.0, "POLL_INTERVAL_SECONDS");
    assert_eq!(token.1, "SOCKETIO_AUTH_TOKN (environment) is no setting and is ignored; is SOCKETIO_AUTH_TOKEN meant?");
}
