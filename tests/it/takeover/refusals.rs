//! When nothing is taken over.

use std::process::Stdio;

use super::site::Site;
use super::{history, on_both_engines, original};

on_both_engines!(
    a_daemon_takes_nothing_over_unless_it_is_told_to,
    tables_that_are_not_the_services_are_left_alone_and_the_reason_is_named,
    a_total_that_is_no_number_has_to_be_put_right_first,
    two_takeovers_at_once_are_one,
    the_rate_of_the_settings_is_what_converted_figures_are_divided_by,
);

async fn prepared(site: &Site) {
    original::create_with_game(site).await;
    history::usual(site).write(site).await;
}

async fn a_daemon_takes_nothing_over_unless_it_is_told_to(site: Site) {
    prepared(&site).await;
    let before = site.everything().await;
    for arguments in [&["run"][..], &["once"], &["players", "list"]] {
        let line = site.run(arguments).ended_with(78);
        assert!(line.contains("pool-poller migrate --status") && line.contains("AUTO_MIGRATE=true"), "{line}");
    }
    assert_eq!(site.everything().await, before);
    let site = site.env("AUTO_MIGRATE", "true").env("CPU_POOL_ENABLED", "false").env("RPLANT_ENABLED", "false");
    let outcome = site.env("ZPOOL_ENABLED", "false").env("LOG_LEVEL", "WARN").run(&["once"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let line = outcome.stderr.lines().find(|line| line.contains("database_taken_over")).expect("it is in the log");
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&event["level"], &event["players"]), (&"WARN".into(), &46.into()), "{line}");
}

async fn tables_that_are_not_the_services_are_left_alone_and_the_reason_is_named(site: Site) {
    let site = site.env("AUTO_MIGRATE", "true");
    original::create(&site).await;
    let column = |table: &str, column: &str| format!("ALTER TABLE {table} ADD COLUMN {column}");
    let without = |table: &str, column: &str| format!("ALTER TABLE {table} DROP COLUMN {column}");
    let rename = |table: &str, from: &str, to: &str| format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}");
    let cases = [
        ("CREATE TABLE positions (mine INTEGER)".to_owned(), "DROP TABLE positions".to_owned(), "a table positions that is not"),
        (column("mining_events", "status VARCHAR"), without("mining_events", "status"), "mining_events.status is not"),
        (rename("players", "total_ap", "points"), rename("players", "points", "total_ap"), "players has no column total_ap"),
        (
            "ALTER TABLE pool_snapshots RENAME TO snaps".to_owned(),
            "ALTER TABLE snaps RENAME TO pool_snapshots".to_owned(),
            "no table pool_snapshots",
        ),
        (
            format!("{}; {}", rename("players", "last_mining_event", "gone"), column("players", "last_mining_event INTEGER")),
            format!("{}; {}", without("players", "last_mining_event"), rename("players", "gone", "last_mining_event")),
            "players.last_mining_event is integer",
        ),
    ];
    for (spoil, mend, reason) in cases {
        site.execute(&spoil).await;
        let before = site.everything().await;
        for arguments in [&["migrate"][..], &["migrate", "--status"], &["run"], &["once"]] {
            let line = site.run(arguments).ended_with(78);
            assert!(line.contains(reason) && line.contains("left alone"), "{reason}: {line}");
        }
        assert_eq!(site.everything().await, before, "{reason}");
        site.execute(&mend).await;
    }
    site.run(&["migrate"]).succeeded();
}

async fn a_total_that_is_no_number_has_to_be_put_right_first(site: Site) {
    prepared(&site).await;
    let infinity = if site.is_postgresql() { "'Infinity'" } else { "9e999" };
    site.execute(&format!("UPDATE players SET total_ap = {infinity} WHERE id = 5")).await;
    let before = site.everything().await;
    let line = site.run(&["migrate"]).ended_with(1);
    assert!(line.contains("nothing was taken over or changed: player 5 (player5) has total_ap = Infinity"), "{line}");
    assert!(site.run(&["migrate", "--status"]).stdout.contains("To be put right first: player 5 (player5)"));
    assert_eq!(site.everything().await, before);
    site.execute("UPDATE players SET total_ap = 0 WHERE id = 5").await;
    site.run(&["migrate"]).succeeded();
}

async fn two_takeovers_at_once_are_one(site: Site) {
    prepared(&site).await;
    let start = || site.command(&["migrate", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let outputs: Vec<_> = (0..3).map(|_| start()).map(|child| child.wait_with_output().unwrap()).collect();
    let mut taken = 0;
    for output in outputs {
        // One that had to wait for too long gives up and has changed nothing.
        let text = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || complaint.contains("nothing was taken over or changed: "), "{complaint}");
        taken += i32::from(text.contains("\"taken_over\": true"));
    }
    assert_eq!(taken, 1);
    assert_eq!(site.value("SELECT count(*) AS n FROM positions").await, "127");
    site.run(&["migrate", "--status"]).succeeded();
}

async fn the_rate_of_the_settings_is_what_converted_figures_are_divided_by(site: Site) {
    prepared(&site).await;
    let marks = async |site: &Site| site.value("SELECT high_water FROM positions WHERE player_id = 3").await;
    let site = site.env("BTC_TO_ADVC_RATE", "500000");
    let report = site.run(&["migrate", "--json"]).json();
    assert_eq!(report["pools"][3]["divided_by"], 500_000);
    assert_eq!(marks(&site).await.trim_end_matches('0'), "0.00112", "the settings' rate is what counts");
}

#[tokio::test]
async fn a_view_on_a_column_that_changes_is_named() {
    let site = Site::postgresql().await;
    prepared(&site).await;
    site.execute("CREATE VIEW best AS SELECT username FROM players ORDER BY total_ap DESC").await;
    site.execute("CREATE MATERIALIZED VIEW days AS SELECT sum(advc_amount) AS advc FROM mining_events").await;
    let before = site.everything().await;
    let line = site.run(&["migrate"]).ended_with(1);
    assert!(
        line.contains("the view best uses players.total_ap") && line.contains("the view days uses mining_events.advc_amount"),
        "{line}"
    );
    assert!(!line.contains("names"), "a view on other columns is in nobody's way: {line}");
    assert_eq!(site.everything().await, before);
    site.execute("DROP VIEW best; DROP MATERIALIZED VIEW days").await;
    site.run(&["migrate"]).succeeded();
    site.execute("CREATE VIEW best AS SELECT username FROM players ORDER BY total_ap DESC").await;
}

#[tokio::test]
async fn rows_of_a_player_who_is_gone_are_kept_and_open_nothing() {
    let site = Site::sqlite();
    prepared(&site).await;
    // SQLite does not look unless it is asked to.
    site.execute("PRAGMA foreign_keys = OFF; DELETE FROM players WHERE id = 3").await;
    let report = site.run(&["migrate", "--json"]).json();
    assert_eq!((&report["tables"][1]["of_no_player"], &report["tables"][2]["of_no_player"]), (&2.into(), &1.into()));
    assert!(
        report["skipped"]
            .as_array()
            .unwrap()
            .iter()
            .any(|skipped| skipped["player_id"] == 3 && skipped["reason"] == "the player is gone")
    );
    assert_eq!(site.value("SELECT count(*) AS n FROM pool_snapshots WHERE player_id = 3").await, "2");
    assert_eq!(site.value("SELECT count(*) AS n FROM positions WHERE player_id = 3").await, "0");
}
