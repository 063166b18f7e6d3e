//! `config show`: every value, and the layer that set it.

use serde_json::Value;

use super::program::Place;

/// Part of every secret.
const MARKER: &str = "MARKERmarker4711";

#[test]
fn each_setting_is_shown_with_its_layer_and_no_secret() {
    let place = Place::new()
        .env("POLL_INTERVAL_SECONDS", "30")
        .env("DATABASE_URL", format!("postgresql://game:{MARKER}@db.example/game"))
        .env("SOCKETIO_AUTH_TOKEN", MARKER)
        .env("ZPOOL_URL", format!("https://zpool.example/api/walletEx?key={MARKER}&address={{wallet}}"));
    place.file("config.toml", "ap_per_advc = \"50\"\ncpu_pool_enabled = false\n");
    place.file(".env", "LOG_LEVEL=DEBUG\nLTC_TO_ADVC_RATE=5000\n");
    let json = place.run(&["--config", "config.toml", "config", "show", "--json"]);
    assert!(!json.succeeded().contains(MARKER), "{}", json.stdout);
    let shown: Vec<Value> = serde_json::from_str(&json.stdout).expect("JSON");
    let line = |name: &str| -> (String, String) {
        let line = shown.iter().find(|line| line["name"] == name).unwrap_or_else(|| panic!("{name} is not shown"));
        (line["value"].as_str().expect("text").to_owned(), line["from"].as_str().expect("text").to_owned())
    };
    let is = |value: &str, from: &str| (value.to_owned(), from.to_owned());
    assert_eq!(line("POLL_INTERVAL_SECONDS"), is("30", "environment"));
    assert_eq!(line("AP_PER_ADVC"), is("50", "config.toml"));
    assert_eq!(line("LOG_LEVEL"), is("DEBUG", ".env"));
    assert_eq!(line("LTC_TO_ADVC_RATE"), is("5000", ".env"));
    assert_eq!(line("LOG_FORMAT"), is("json", "built-in default"));
    assert_eq!(line("CPU_POOL_ENABLED"), is("false", "config.toml"));
    assert_eq!(line("SOCKETIO_AUTH_TOKEN").1, "environment");

    let table = place.run(&["--config", "config.toml", "config", "show"]);
    assert!(!table.succeeded().contains(MARKER), "{}", table.stdout);
    assert!(table.stdout.starts_with("SETTING"), "{}", table.stdout);
    assert!(table.stdout.lines().any(|line| line.starts_with("POLL_INTERVAL_SECONDS") && line.ends_with("environment")));
}

#[test]
fn a_value_from_a_file_is_shown_with_the_file() {
    let place = Place::new();
    let file = place.file("url", format!("postgresql://game:{MARKER}@db.example/game\n"));
    let place = place.env("DATABASE_URL_FILE", &file);
    let shown = place.run(&["config", "show"]);
    let line = shown.succeeded().lines().find(|line| line.starts_with("DATABASE_URL ")).expect("its line");
    assert!(line.ends_with(&format!("DATABASE_URL_FILE={}", file.display())) && !line.contains(MARKER), "{line}");
    let twice = place.env("DATABASE_URL", "sqlite://other.db").run(&["config", "show"]);
    assert!(twice.refused().starts_with("DATABASE_URL and DATABASE_URL_FILE are both set (environment)"), "{}", twice.stderr);
}
