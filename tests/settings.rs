//! The settings from the outside: every key, every layer, every kind of fault.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use pool_poller::domain::payout::FirstReading;
use pool_poller::domain::{Currency, Rate};
use pool_poller::settings::{Backend, KEYS, LoadOptions, LogFormat, Origin, Settings, SettingsError, SnapshotPolicy};
use secrecy::ExposeSecret;
use tempfile::TempDir;

const DEFAULT_TOML: &str = include_str!("../config/default.toml");
const ENV_EXAMPLE: &str = include_str!("../deploy/.env.example");

/// What the documents name beside the fixed names: the pools of the mission, and the one rate that has a default.
const DOCUMENTED_EXTRA: [&str; 7] =
    ["CPU_POOL_ENABLED", "CPU_POOL_URL", "RPLANT_ENABLED", "RPLANT_URL", "ZPOOL_ENABLED", "ZPOOL_URL", "BTC_TO_ADVC_RATE"];

/// A working directory of its own, with as many layers as a test wants.
struct Place {
    directory: TempDir,
    options: LoadOptions,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let options = LoadOptions {
            config_file: None,
            system_config_file: directory.path().join("system.toml"),
            working_directory: directory.path().to_owned(),
            environment: Vec::new(),
        };
        Self { directory, options }
    }

    fn write(self, name: &str, text: &str) -> Self {
        std::fs::write(self.directory.path().join(name), text).unwrap();
        self
    }

    fn config(mut self, text: &str) -> Self {
        self.options.config_file = Some("my.toml".into());
        self.write("my.toml", text)
    }

    fn system_config(self, text: &str) -> Self {
        self.write("system.toml", text)
    }

    fn dotenv(self, text: &str) -> Self {
        self.write(".env", text)
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.options.environment.push((name.into(), value.into()));
        self
    }

    fn load(&self) -> Result<Settings, SettingsError> {
        Settings::load(&self.options)
    }

    fn error(&self) -> String {
        match self.load() {
            Ok(settings) => panic!("it was accepted: {settings:?}"),
            Err(error) => one_line(&error),
        }
    }
}

/// The error as an operator sees it, checked to be one line and to say no more in its `Debug` form.
fn one_line(error: &SettingsError) -> String {
    let line = error.to_string();
    assert!(!line.contains('\n') && !line.contains("hunter2"), "{line}");
    assert!(!format!("{error:?}").contains("hunter2"));
    line
}

fn with(name: &str, value: &str) -> Place {
    Place::new().env(name, value)
}

fn origin_of(settings: &Settings, name: &str) -> Origin {
    settings.describe().into_iter().find(|line| line.name == name).unwrap().origin
}

#[test]
fn nothing_configured_gives_the_documented_defaults() {
    let settings = Place::new().load().unwrap();
    assert_eq!(settings.database_url.expose(), "sqlite://pool-poller.db?mode=rwc");
    assert_eq!(settings.database_url.backend(), Backend::Sqlite);
    assert!(!settings.auto_migrate);
    assert_eq!(settings.socketio_url.as_ref().unwrap().as_str(), "http://localhost:3000/");
    assert!(settings.socketio_auth_token.is_none());
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
        ("NOTIFY_ACK_TIMEOUT", &["1", "300", "2.5"], &["", "0", "301", "-1", "ten", "1s"]),
        ("NOTIFY_MAX_ATTEMPTS", &["0", "1", "1000000"], &["", "-1", "1000001", "1.5", "+1"]),
        ("POLL_INTERVAL_SECONDS", &["1", "60", "86400"], &["", "0", "86401", "abc", "1.5", "-60", "60s", &long]),
        ("POOL_REQUEST_TIMEOUT", &["1", "10", "300", "0.5e1"], &["", "0", "0.5", "300.1", "nan", "inf"]),
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

#[test]
fn foreign_variables_never_stop_the_start() {
    let place = Place::new().dotenv("FOO_URL=ftp://x\nGAME_PORT=x\nflask_env=y\n");
    let place =
        place.env("FOO_ENABLED", "maybe").env("REDIS_URL", "redis://:hunter2@x").env("PATH", "/bin").env("log_level", "x");
    let settings = place.load().unwrap();
    assert!(settings.warnings().is_empty());
    assert!(!format!("{:?}", settings.describe()).contains("REDIS"));
}

#[test]
fn overrides_are_checked_for_the_pools_that_exist() {
    let place = Place::new().config("cpu_pool_enabled = false\nzpool_url = \"https://file.example\"");
    let place = place
        .env("ZPOOL_URL", "https://z.example/{wallet}?k=hunter2")
        .env("RPLANT_ENABLED", "perhaps")
        .env("NEWPOOL_URL", "ftp://x");
    let settings = place.load().unwrap();
    let pool = |prefix: &str| settings.pool_override(prefix);
    assert_eq!(pool("CPU_POOL").unwrap().enabled, Some(false));
    assert_eq!(pool("CPU_POOL").unwrap().url, None);
    assert_eq!(pool("ZPOOL").unwrap().url.as_deref(), Some("https://z.example/{wallet}?k=hunter2"));
    assert!(!format!("{:?}", pool("ZPOOL")).contains("hunter2"));
    assert_eq!(pool("DATABASE").unwrap(), Default::default());
    assert!(one_line(&pool("RPLANT").unwrap_err()).starts_with("RPLANT_ENABLED is \"perhaps\" (environment): it must be true"));
    assert!(
        one_line(&pool("NEWPOOL").unwrap_err()).starts_with("NEWPOOL_URL is \"ftp://x\" (environment): it must be an http://")
    );
    let lines = settings.describe_override("ZPOOL");
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].name.as_str(), lines[0].value.as_str()), ("ZPOOL_URL", "https://z.example/{wallet}?k=***"));
}

#[test]
fn an_override_in_a_file_must_belong_to_a_pool() {
    let place = Place::new().config("cpu_pool_enabled = false\nzpol_url = \"https://x.example\"").dotenv("OTHER_URL=x");
    let settings = place.env("ZPOL_URL", "https://y.example").load().unwrap();
    let unused = settings.unused_overrides_from_files(&["CPU_POOL", "ZPOOL"]);
    assert_eq!(unused.len(), 1);
    let line = one_line(&unused[0]);
    assert!(line.contains("unknown setting \"zpol_url\" in ") && line.contains("my.toml"), "{line}");
    assert!(settings.unused_overrides_from_files(&["CPU_POOL", "ZPOL"]).is_empty());
}

#[test]
fn no_secret_is_ever_shown() {
    let place = Place::new()
        .env("DATABASE_URL", "postgresql+psycopg2://m2p:hunter2@db:5432/m2p?password=hunter2")
        .env("SOCKETIO_URL", "wss://game.example/?token=hunter2")
        .env("SOCKETIO_AUTH_TOKEN", "hunter2")
        .env("ZPOOL_URL", "https://hunter2:hunter2@z.example/?{wallet}&hunter2")
        .dotenv("POOL_KEY=hunter2");
    let settings = place.load().unwrap();
    let shown = format!(
        "{settings:?} {:#?} {:?} {} {:?} {:?} {:?}",
        settings.describe(),
        settings.database_url,
        settings.database_url,
        settings.warnings(),
        settings.describe_override("ZPOOL"),
        settings.secret("POOL_KEY"),
    );
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(settings.secret("POOL_KEY").unwrap().expose_secret(), "hunter2");
    assert!(settings.secret("DATABASE_URL").is_none() && settings.secret("SOCKETIO_AUTH_TOKEN").is_none());
    assert_eq!(settings.database_url.expose(), "postgresql://m2p:hunter2@db:5432/m2p?password=hunter2");
}

#[test]
fn every_setting_is_described_with_its_origin() {
    let settings = with("LTC_TO_ADVC_RATE", "2").load().unwrap();
    let lines = settings.describe();
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let expected: Vec<&str> = KEYS.iter().map(|key| key.name).chain(["BTC_TO_ADVC_RATE", "LTC_TO_ADVC_RATE"]).collect();
    assert_eq!(names, expected);
    assert_eq!(origin_of(&settings, "LTC_TO_ADVC_RATE").to_string(), "environment");
    assert_eq!(origin_of(&settings, "STATUS_LISTEN").to_string(), "built-in default");
}

#[test]
fn odd_settings_are_warned_about() {
    let cases: &[(&[(&str, &str)], &[&str])] = &[
        (&[("POOL_REQUEST_TIMEOUT", "61")], &["POOL_REQUEST_TIMEOUT"]),
        (&[("POOL_REQUEST_TIMEOUT", "60")], &[]),
        (&[("DATABASE_URL", "sqlite::memory:")], &["DATABASE_URL"]),
        (&[("DATABASE_URL", "sqlite:///m2p.db")], &["DATABASE_URL"]),
        (&[("SOCKETIO_URL", "http://game.example"), ("SOCKETIO_AUTH_TOKEN", "t")], &["SOCKETIO_URL"]),
        (&[("SOCKETIO_URL", "https://game.example"), ("SOCKETIO_AUTH_TOKEN", "t")], &[]),
        (&[("SOCKETIO_URL", "ws://127.0.0.1:1"), ("SOCKETIO_AUTH_TOKEN", "t")], &[]),
        (&[("SOCKETIO_URL", "http://game.example")], &[]),
        (&[("SOCKETIO_URL", "")], &["SOCKETIO_URL"]),
        (&[("FIRST_READING", "award")], &["FIRST_READING"]),
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

/// The names a document sets or shows commented out, where `#` and at most one space stand before them.
fn documented_names(text: &str, separator: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let line = line.strip_prefix('#').map_or(line, |rest| rest.strip_prefix(' ').unwrap_or(rest));
        let (name, _) = line.split_once(separator)?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_name.then(|| name.to_uppercase())
    };
    text.lines().filter_map(name).collect()
}

fn all_names() -> BTreeSet<String> {
    KEYS.iter().map(|key| key.name).chain(DOCUMENTED_EXTRA).map(str::to_owned).collect()
}

#[test]
fn the_default_file_shows_every_key_and_each_of_its_lines_works() {
    assert_eq!(documented_names(DEFAULT_TOML, " = "), all_names());
    // As a file of its own with every commented line switched on.
    let is_setting = |line: &&str| line.contains(" = ");
    let all_on: Vec<&str> = DEFAULT_TOML.lines().filter(is_setting).map(|line| line.trim_start_matches("# ")).collect();
    let settings = Place::new().config(&all_on.join("\n")).load().unwrap();
    assert!(settings.unused_overrides_from_files(&["CPU_POOL", "RPLANT", "ZPOOL"]).is_empty());
    for prefix in ["CPU_POOL", "RPLANT", "ZPOOL"] {
        let pool = settings.pool_override(prefix).unwrap();
        assert!(pool.enabled == Some(true) && pool.url.is_some());
    }
    assert!(settings.socketio_auth_token.is_some() && settings.pools_dir.is_some() && settings.status_listen.is_some());
}

#[test]
fn the_example_environment_shows_every_name_with_the_defaults() {
    assert_eq!(documented_names(ENV_EXAMPLE, "="), all_names());
    let settings = Place::new().dotenv(ENV_EXAMPLE).load().unwrap();
    assert_eq!(settings.database_url.to_string(), "postgresql://user:***@localhost:5432/m2p_db");
    assert!(settings.warnings().is_empty());
    // Switched on, each commented line sets what is the default anyway.
    let all_on: String = ENV_EXAMPLE
        .lines()
        .map(|line| if line.starts_with('#') && !line.starts_with("# ") { &line[1..] } else { line })
        .map(|line| format!("{line}\n"))
        .collect();
    let all = Place::new().dotenv(&all_on).load().unwrap();
    let defaults = Place::new().load().unwrap();
    for (line, default) in all.describe().into_iter().zip(defaults.describe()).skip(1) {
        assert_eq!((&line.name, &line.value), (&default.name, &default.value));
    }
}
