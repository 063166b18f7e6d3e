//! `pools list`: what would be asked.

use serde_json::Value;

use super::program::Place;

/// The pools that are compiled in and off.
const READY: [&str; 12] = [
    "cryptonote",
    "k1pool",
    "miningcore",
    "miningcore-payments",
    "mpos",
    "nanopool",
    "nodejs-pool",
    "nomp-payments",
    "open-ethereum-pool",
    "unmineable",
    "woolypooly",
    "zergpool",
];

/// The rows of `pools list --json` as name, enabled, url.
fn listed(place: &Place) -> Vec<(String, bool, String)> {
    let outcome = place.run(&["pools", "list", "--json"]);
    let rows: Vec<Value> = serde_json::from_str(outcome.succeeded()).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    rows.iter().map(|row| (text(&row["name"]), row["enabled"].as_bool().expect("a boolean"), text(&row["url"]))).collect()
}

/// The addresses of all pools but the ready ones.
fn urls(place: &Place) -> Vec<String> {
    listed(place).into_iter().filter(|(name, _, _)| !READY.contains(&name.as_str())).map(|(_, _, url)| url).collect()
}

#[test]
fn the_three_pools_are_there_without_any_file() {
    let rows = listed(&Place::new());
    let on = rows.iter().filter(|(_, enabled, _)| *enabled);
    let shown: Vec<(&str, bool, &str)> = on.map(|(name, enabled, url)| (name.as_str(), *enabled, url.as_str())).collect();
    assert_eq!(
        shown,
        [
            ("cpu-pool", true, "http://cpu-pool.com/api/worker_stats?{wallet}"),
            ("rplant", true, "https://pool.rplant.xyz/api/walletEx/advc/{wallet}"),
            ("zpool", true, "https://zpool.ca/api/walletEx?address={wallet}"),
        ]
    );
}

#[test]
fn the_ready_pools_are_listed_as_off() {
    let rows = listed(&Place::new());
    let off: Vec<&str> = rows.iter().filter(|(_, enabled, _)| !enabled).map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(off, READY);
}

#[test]
fn a_ready_pool_needs_its_address_and_then_two_settings_are_enough() {
    let place = Place::new().env("MININGCORE_ENABLED", "true");
    let outcome = place.run(&["pools", "list"]);
    let refused = outcome.refused();
    assert!(refused.contains("MININGCORE_URL") && refused.contains("miningcore.toml"), "{refused}");
    let place = place.env("MININGCORE_URL", "https://pool.example/api/pools/advc1");
    let on = (String::from("miningcore"), true, String::from("https://pool.example/api/pools/advc1/miners/{wallet}"));
    assert!(listed(&place).contains(&on));
}

#[test]
fn the_table_is_aligned_and_shows_disabled_pools() {
    let place = Place::new().env("CPU_POOL_ENABLED", "false");
    place.file(
        "config/pools/new.toml",
        "name = \"a-pool-with-a-rather-long-name\"\nurl = \"http://h/{wallet}\"\npaid = { pointer = \"/p\" }\ncurrency = { constant = \"BTC\" }\n",
    );
    let outcome = place.run(&["pools", "list"]);
    let lines: Vec<&str> = outcome.succeeded().lines().collect();
    assert_eq!(lines.len(), 5 + READY.len(), "{}", outcome.stdout);
    let columns: Vec<usize> =
        ["NAME", "ENABLED", "URL", "FROM"].iter().map(|heading| lines[0].find(heading).expect("a heading")).collect();
    for line in &lines[1..] {
        for column in &columns[1..] {
            assert_eq!(line.as_bytes()[column - 1], b' ', "{line}");
            assert_ne!(line.as_bytes()[*column], b' ', "{line}");
        }
        assert_eq!(line.trim_end(), *line, "no blanks at the end");
    }
    let row = |name: &str| -> Vec<&str> {
        lines.iter().find(|line| line.starts_with(name)).expect("a row").split_whitespace().collect()
    };
    assert_eq!((row("cpu-pool")[1], row("rplant")[1]), ("no", "yes"));
    assert_eq!(row("a-pool-with")[3], "config/pools/new.toml");
}

#[test]
fn the_environment_overrides_a_pool() {
    let place = Place::new()
        .env("CPU_POOL_ENABLED", "false")
        .env("CPU_POOL_URL", "http://one/api/worker_stats")
        .env("RPLANT_URL", "http://two/{wallet}/stats")
        .env("ZPOOL_URL", "https://three/api/walletEx/");
    assert_eq!(
        urls(&place),
        ["http://one/api/worker_stats?{wallet}", "http://two/{wallet}/stats", "https://three/api/walletEx/?address={wallet}"]
    );
    let on: Vec<String> = listed(&place).into_iter().filter(|row| row.1).map(|row| row.0).collect();
    assert_eq!(on, ["rplant", "zpool"]);
}

#[test]
fn the_environment_wins_over_dotenv_and_that_over_the_file() {
    let place = Place::new().env("CPU_POOL_URL", "http://environment/x");
    place.file(".env", "CPU_POOL_URL=http://dotenv/x\nRPLANT_URL=http://dotenv/y\n");
    place.file("my.toml", "cpu_pool_url = \"http://file/x\"\nrplant_url = \"http://file/y\"\nzpool_url = \"http://file/z\"\n");
    let outcome = place.run(&["--config", "my.toml", "pools", "list", "--json"]);
    for url in ["http://environment/x?{wallet}", "http://dotenv/y/{wallet}", "http://file/z?address={wallet}"] {
        assert!(outcome.succeeded().contains(url), "{url}: {}", outcome.stdout);
    }
}

#[test]
fn a_key_in_a_url_is_not_shown() {
    let place = Place::new().env("ZPOOL_URL", "http://z/api?key=hunter2&address={wallet}");
    place.file(
        "config/pools/new.toml",
        "name = \"new\"\nurl = \"http://h/{secret:POOL_KEY}/{wallet}\"\npaid = { pointer = \"/p\" }\ncurrency = { constant = \"BTC\" }\n",
    );
    let place = place.env("POOL_KEY", "hunter2");
    let shown = urls(&place);
    assert_eq!(shown[1], "http://h/{secret:POOL_KEY}/{wallet}");
    assert_eq!(shown[3], "http://z/api?key=***&address={wallet}");
    assert!(!place.run(&["pools", "list"]).succeeded().contains("hunter2"));
}

#[test]
fn listing_pools_needs_no_database() {
    let place = Place::new().env("DATABASE_URL", "postgres://m2p:hunter2@127.0.0.1:1/m2p");
    assert_eq!(listed(&place).len(), 3 + READY.len());
    assert_eq!(place.names(), Vec::<String>::new());
}
