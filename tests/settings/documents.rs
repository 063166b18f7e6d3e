//! What is shown of the settings, and that the two documented files say the same as the program.

use std::collections::BTreeSet;

use pool_poller::settings::{FILE_SUFFIX, KEYS};
use secrecy::ExposeSecret;

use crate::{Place, origin_of, with};

const DEFAULT_TOML: &str = include_str!("../../config/default.toml");
const ENV_EXAMPLE: &str = include_str!("../../deploy/.env.example");

/// What the documents name beside the fixed names: the pools of the mission, and the one rate that has a default.
const DOCUMENTED_EXTRA: [&str; 7] =
    ["CPU_POOL_ENABLED", "CPU_POOL_URL", "RPLANT_ENABLED", "RPLANT_URL", "ZPOOL_ENABLED", "ZPOOL_URL", "BTC_TO_ADVC_RATE"];

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
fn no_secret_is_ever_shown() {
    let place = Place::new()
        .env("DATABASE_URL", "postgresql+psycopg2://m2p:hunter2@db:5432/m2p?password=hunter2")
        .env("SOCKETIO_URL", "wss://game.example/?token=hunter2")
        .env("SOCKETIO_AUTH_TOKEN", "hunter2")
        .env("NOTIFY_SIGNING_SECRET", "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg==")
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
    assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyM"), "{shown}");
    assert_eq!(settings.secret("POOL_KEY").unwrap().unwrap().expose_secret(), "hunter2");
    assert!(settings.secret("DATABASE_URL").unwrap().is_none() && settings.secret("SOCKETIO_AUTH_TOKEN").unwrap().is_none());
    assert_eq!(settings.database_url.expose(), "postgresql://m2p:hunter2@db:5432/m2p?password=hunter2");
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
    let files = KEYS.iter().filter(|key| key.may_be_in_a_file()).map(|key| format!("{}{FILE_SUFFIX}", key.name));
    KEYS.iter().map(|key| key.name).chain(DOCUMENTED_EXTRA).map(str::to_owned).chain(files).collect()
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
    // One of the ready pools shows how they are switched on.
    let ready = ["MININGCORE_ENABLED", "MININGCORE_URL"].map(str::to_owned);
    assert_eq!(documented_names(ENV_EXAMPLE, "="), all_names().into_iter().chain(ready).collect());
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
