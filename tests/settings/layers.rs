//! Which layer wins, and what is wrong with a file.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use pool_poller::settings::Origin;

use crate::{Place, one_line, origin_of, with};

#[test]
fn a_later_layer_goes_before_an_earlier_one() {
    let config = "poll_interval_seconds = 10";
    let (dotenv, name) = ("POLL_INTERVAL_SECONDS=20", "POLL_INTERVAL_SECONDS");
    let seconds = |place: &Place| {
        let settings = place.load().unwrap();
        (settings.poll_interval.as_secs(), origin_of(&settings, name))
    };
    let file = |place: &Place| Origin::File(place.directory.path().join("my.toml"));
    let env_file = |place: &Place| Origin::DotEnv(place.directory.path().join(".env"));

    assert_eq!(seconds(&Place::new()), (60, Origin::Default));
    let place = Place::new().config(config);
    assert_eq!(seconds(&place), (10, file(&place)));
    let place = Place::new().dotenv(dotenv);
    assert_eq!(seconds(&place), (20, env_file(&place)));
    assert_eq!(seconds(&with(name, "30")), (30, Origin::Environment));
    let place = Place::new().config(config).dotenv(dotenv);
    assert_eq!(seconds(&place), (20, env_file(&place)));
    assert_eq!(seconds(&Place::new().config(config).env(name, "30")), (30, Origin::Environment));
    assert_eq!(seconds(&Place::new().dotenv(dotenv).env(name, "30")), (30, Origin::Environment));
    assert_eq!(seconds(&Place::new().config(config).dotenv(dotenv).env(name, "30")), (30, Origin::Environment));
}

#[test]
fn the_system_file_is_read_only_when_no_other_is_named() {
    let place = Place::new().system_config("poll_interval_seconds = 5");
    assert_eq!(place.load().unwrap().poll_interval.as_secs(), 5);
    let place = place.config("log_format = \"text\"");
    assert_eq!(place.load().unwrap().poll_interval.as_secs(), 60);
}

#[test]
fn an_empty_value_takes_a_lower_layers_value_back() {
    let place = Place::new().config("status_listen = \"127.0.0.1:1\"\nsocketio_auth_token = \"t\"\npools_dir = \"p\"");
    let place = place.env("STATUS_LISTEN", "").env("SOCKETIO_AUTH_TOKEN", "").env("POOLS_DIR", "");
    let settings = place.load().unwrap();
    assert!(settings.status_listen.is_none() && settings.socketio_auth_token.is_none() && settings.pools_dir.is_none());
}

#[test]
fn the_last_of_two_lines_for_one_name_counts() {
    let place = Place::new().dotenv("POLL_INTERVAL_SECONDS=1\nPOLL_INTERVAL_SECONDS=2\n");
    assert_eq!(place.load().unwrap().poll_interval.as_secs(), 2);
}

#[test]
fn toml_values_keep_their_digits() {
    let place = Place::new().config("min_payout_delta = \"0.00012345\"\nmax_payout_delta = 7\nauto_migrate = true");
    let settings = place.load().unwrap();
    assert_eq!(settings.min_payout_delta.to_string(), "0.00012345");
    assert_eq!(settings.max_payout_delta.to_string(), "7");
    assert!(settings.auto_migrate);
    for text in ["min_payout_delta = 0.0001", "btc_to_advc_rate = 1e6", "ap_per_advc = nan", "pool_request_timeout = 2.5"] {
        let line = Place::new().config(text).error();
        let name = text.split(' ').next().unwrap().to_uppercase();
        assert!(line.starts_with(&format!("{name} is a decimal number without quotes (")), "{line}");
        assert!(line.contains("my.toml") && line.contains("quotes"), "{line}");
    }
    for text in ["log_level = [\"INFO\"]", "[log_level]", "log_level = 2024-01-01"] {
        let line = Place::new().config(text).error();
        assert!(line.starts_with("LOG_LEVEL is a"), "{line}");
    }
}

#[test]
fn an_unknown_key_of_a_file_is_an_error() {
    for (text, part) in [
        ("pol_interval_seconds = 1", "unknown setting \"pol_interval_seconds\" in "),
        ("[polling]\ninterval = 1", "unknown setting \"polling\" in "),
        ("POLL_INTERVAL_SECONDS = 1", "keys in a file are lower case, \"poll_interval_seconds\""),
        ("\"\" = 1", "unknown setting \"\" in "),
    ] {
        let line = Place::new().config(text).error();
        assert!(line.contains(part) && line.contains("my.toml"), "{line}");
        let line = Place::new().system_config(text).error();
        assert!(line.contains(part) && line.contains("system.toml"), "{line}");
    }
}

#[test]
fn a_malformed_file_is_shown_by_its_line() {
    for (text, line_number) in [
        ("log_level = \"INFO\"\nsocketio_auth_token = \"hunter2\n", 2),
        ("\n\nlog_level\n", 3),
        ("log_level = \"INFO\"\nlog_level = \"INFO\"", 2),
        ("database_url = hunter2", 1),
    ] {
        let line = Place::new().config(text).error();
        assert!(line.contains(&format!("my.toml line {line_number}: ")), "{line}");
    }
    let line = Place::new().dotenv("LOG_LEVEL=INFO\nSOCKETIO_AUTH_TOKEN hunter2\n").error();
    assert!(line.contains(".env line 2: it must be NAME=VALUE"), "{line}");
}

#[test]
fn a_named_file_must_be_there_and_readable() {
    let mut place = Place::new();
    place.options.config_file = Some("absent.toml".into());
    let line = place.error();
    assert!(line.contains("absent.toml cannot be read: there is no such file"), "{line}");
    place.options.config_file = Some(".".into());
    assert!(place.error().contains(" cannot be read: "), "{}", place.error());
    let place = Place::new();
    std::fs::create_dir(place.directory.path().join(".env")).unwrap();
    assert!(place.error().contains(".env cannot be read: "), "{}", place.error());
}

#[test]
fn a_variable_that_is_not_utf_8_is_an_error_only_if_it_is_ours() {
    let broken = |name: &str| {
        let mut place = Place::new();
        place.options.environment.push((name.into(), OsString::from_vec(vec![b'h', 0xFF])));
        place
    };
    for name in ["DATABASE_URL", "LOG_LEVEL", "BTC_TO_ADVC_RATE"] {
        assert_eq!(broken(name).error(), format!("{name} is not UTF-8 (environment): it must be UTF-8 text"));
    }
    assert!(broken("LS_COLORS").load().is_ok());
    let settings = broken("ZPOOL_URL").load().unwrap();
    assert!(one_line(&settings.pool_override("ZPOOL").unwrap_err()).starts_with("ZPOOL_URL is "));
    let mut place = Place::new();
    place.options.environment.push((OsString::from_vec(vec![0xFF]), "x".into()));
    assert!(place.load().is_ok());
}
