//! Every row is kept, to the digit, and the game goes on.

use std::collections::BTreeMap;

use pool_poller::store::{connect, migrate};
use sea_orm::ConnectionTrait as _;

use super::history::{self, RANDOM_FROM};
use super::site::{Row, Site, backend, decimal, text};
use super::{on_both_engines, original};

on_both_engines!(
    every_row_is_kept_to_the_digit,
    positions_begin_at_the_highest_counter_ever_recorded,
    the_schema_is_that_of_a_fresh_database,
    a_second_migrate_changes_nothing,
    the_game_goes_on,
);

const TABLES: [&str; 3] = ["players", "pool_snapshots", "mining_events"];

async fn taken_over(site: &Site) -> history::History {
    original::create_with_game(site).await;
    let past = history::usual(site);
    past.write(site).await;
    site.run(&["migrate"]).succeeded();
    past
}

/// The same, or a number by another writing of it.
fn is_same(before: &serde_json::Value, after: &serde_json::Value) -> bool {
    before == after || decimal(before).is_some_and(|number| decimal(after) == Some(number))
}

async fn every_row_is_kept_to_the_digit(site: Site) {
    original::create_with_game(&site).await;
    history::usual(&site).write(&site).await;
    site.execute("UPDATE players SET nickname = 'it''s', referrer_id = 2 WHERE id = 1").await;
    site.execute("UPDATE mining_events SET \"shown, at\" = 'noon' WHERE id = 3").await;
    site.execute("INSERT INTO achievements VALUES (1, 1, 'first'), (2, NULL, 'second')").await;
    site.execute("INSERT INTO dungeons VALUES ('deep', 0.1)").await;
    let mut before = BTreeMap::new();
    for table in TABLES.into_iter().chain(["achievements", "dungeons"]) {
        before.insert(table, site.rows(&format!("SELECT * FROM {table} ORDER BY 1")).await);
    }
    assert!(before["pool_snapshots"].len() > 2_000, "a past worth the name: {}", before["pool_snapshots"].len());
    assert_eq!(text(&before["players"].iter().find(|row| row["id"] == 2).unwrap()["total_ap"]), "0.30000000000000004");

    site.run(&["migrate"]).succeeded();
    let mut replaced = Vec::new();
    for (table, before) in before {
        let after = site.rows(&format!("SELECT * FROM {table} ORDER BY 1")).await;
        assert_eq!(after.len(), before.len(), "{table}");
        for (before, after) in before.iter().zip(&after) {
            for (column, value) in before {
                if !is_same(value, &after[column]) {
                    replaced.push(format!("{table}.{column} {} -> {}", text(value), text(&after[column])));
                }
            }
        }
    }
    replaced.sort();
    let expected = if site.is_postgresql() {
        ["pool_snapshots.paid Infinity -> 0", "pool_snapshots.paid NaN -> 0", "pool_snapshots.paid NaN -> 0"]
    } else {
        ["pool_snapshots.paid 1e300 -> 0", "pool_snapshots.paid broken -> 0", "pool_snapshots.paid inf -> 0"]
    };
    let shortened: Vec<String> = replaced.iter().map(|line| line.replace(&"0".repeat(300), "e300")).collect();
    assert_eq!(shortened, expected, "only what no decimal can be");
    let kept_elsewhere = site.rows("SELECT * FROM anomalies WHERE kind = 'figure_not_kept' ORDER BY id").await;
    assert_eq!(kept_elsewhere.len(), 3);
    assert!(kept_elsewhere.iter().all(|row| !row["resolved_at"].is_null()), "nothing is left to be decided");
    let details: Vec<String> = kept_elsewhere.iter().map(|row| text(&row["detail"])).collect();
    assert!(details[0].starts_with("pool_snapshots.paid of row ") && details[0].ends_with(" was Infinity"), "{details:?}");

    if !site.is_postgresql() {
        let kinds = "SELECT DISTINCT typeof(total_ap) AS k FROM players UNION SELECT typeof(paid) FROM pool_snapshots \
                     UNION SELECT typeof(advc_amount) FROM mining_events";
        assert_eq!(site.value(kinds).await, "text");
        assert_eq!(site.value("SELECT total_ap FROM players WHERE id = 4").await, "0.0000001");
        assert_eq!(site.rows("PRAGMA foreign_key_check").await, Vec::<Row>::new());
    }
}

async fn positions_begin_at_the_highest_counter_ever_recorded(site: Site) {
    let past = taken_over(&site).await;
    let rows = site.rows("SELECT * FROM positions ORDER BY player_id, pool_name").await;
    let position = |player: i32, pool: &str| {
        let mut found = rows.iter().filter(|row| row["player_id"] == player && row["pool_name"] == pool);
        let row = found.next().unwrap_or_else(|| panic!("player {player} has no position on {pool}"));
        assert!(found.next().is_none());
        assert_eq!(decimal(&row["baseline"]), decimal(&row["high_water"]));
        assert_eq!(
            (text(&row["address"]), text(&row["sequence"]), text(&row["epoch"])),
            (history::wallet(player), "0".into(), "0".into())
        );
        let mark = decimal(&row["high_water"]).unwrap().normalize().to_string();
        (mark, text(&row["currency"]), text(&row["source"]))
    };
    for past in &past.pasts {
        let (mark, currency, _) = position(past.player, past.pool);
        assert_eq!(mark, past.counter.to_string(), "{past:?}");
        assert_eq!(currency, if past.pool == "zpool" { "BTC" } else { "ADVC" });
    }
    let fields = |mark: &str, currency: &str, source: &str| (mark.to_owned(), currency.to_owned(), source.to_owned());
    assert_eq!(position(1, "cpu-pool"), fields("12", "ADVC", "~/paid"));
    assert_eq!(position(2, "rplant"), fields("0.3", "ADVC", "~/stats/paid|/paid|/totalPaid"));
    assert_eq!(position(3, "zpool"), fields("0.00056", "BTC", "~/paid"));
    assert_eq!(position(4, "cpu-pool"), fields("3.5", "ADVC", "~/paid"));
    assert_eq!(position(5, "cpu-pool"), fields("0", "ADVC", "~/paid"));
    assert_eq!(position(6, "newpool"), fields("7", "ADVC", "~"));
    assert_eq!(rows.len(), past.pasts.len() + 7, "and player 4 has none on rplant");
    let zeros = rows.iter().filter(|row| decimal(&row["high_water"]).unwrap().is_zero());
    assert!(zeros.clone().count() >= 2);
    assert!(zeros.into_iter().all(|row| [1.into(), true.into()].contains(&row["began_at_zero"])));
}

/// Columns with type, whether null is allowed and whether there is a default; and the names of indexes.
async fn schema(site: &Site) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for table in TABLES.into_iter().chain(["positions", "position_rebases", "player_wallets", "anomalies", "seaql_migrations"]) {
        let sql = if site.is_postgresql() {
            format!(
                "SELECT column_name AS name, data_type AS kind, is_nullable = 'YES' AS empty, column_default IS NOT NULL AS preset \
                 FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}'"
            )
        } else {
            format!(
                "SELECT name, lower(type) AS kind, \"notnull\" = 0 AS empty, dflt_value IS NOT NULL AS preset \
                 FROM pragma_table_xinfo('{table}')"
            )
        };
        for row in site.rows(&sql).await {
            // SQLite's types are names; what matters is what they are to it.
            let kind = text(&row["kind"]).replace("varchar", "text").replace("character varying", "text");
            let kind =
                kind.split('(').next().unwrap_or_default().replace("timestamp_text", "datetime").replace("bigint", "integer");
            let kind = kind.trim_end_matches("_text").to_owned();
            let name = text(&row["name"]);
            // A key counts by itself, by whatever means.
            let preset = if name == "id" { String::new() } else { text(&row["preset"]) };
            all.insert(format!("{table}.{name}"), format!("{kind} {} {preset}", text(&row["empty"])));
        }
    }
    let indexes = if site.is_postgresql() {
        "SELECT indexname AS name, indexdef AS sql FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%_key'"
    } else {
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    };
    for row in site.rows(indexes).await {
        let sql = text(&row["sql"]).replace('"', "").to_lowercase();
        all.insert(
            text(&row["name"]),
            sql.split(" on ").nth(1).unwrap_or_default().replace("public.", "").replace(" using btree", ""),
        );
    }
    all
}

async fn the_schema_is_that_of_a_fresh_database(site: Site) {
    taken_over(&site).await;
    let fresh = if site.is_postgresql() { Site::postgresql().await } else { Site::sqlite() };
    let db = connect(&fresh.url, "test").await.expect("a database");
    migrate(&db).await.expect("tables");
    db.close().await.expect("a connection");
    let (fresh, taken) = (schema(&fresh).await, schema(&site).await);
    assert!(fresh.len() > 80);
    for (name, what) in fresh {
        if name.starts_with("sqlite_autoindex") {
            continue;
        }
        let found = taken.get(&name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(found, &what, "{name}");
    }
    for kept in ["ix_players_username", "ix_players_wallet_address", "ix_pool_snapshots_snapshot_time", "ix_game_nickname"] {
        assert!(taken.contains_key(kept), "{kept}");
    }
    assert_eq!(site.value("SELECT count(*) AS n FROM seaql_migrations").await, migrations().to_string());
    if site.is_postgresql() {
        let numbers = "SELECT string_agg(sequencename || ' ' || data_type, ', ' ORDER BY sequencename) AS s FROM pg_sequences \
                       WHERE sequencename IN ('mining_events_id_seq', 'pool_snapshots_id_seq', 'players_id_seq')";
        let wide = "mining_events_id_seq bigint, players_id_seq integer, pool_snapshots_id_seq bigint";
        assert_eq!(site.value(numbers).await, wide, "they do not end before their columns do");
    }
}

fn migrations() -> usize {
    use migration::MigratorTrait as _;
    migration::Migrator::migrations().len()
}

async fn a_second_migrate_changes_nothing(site: Site) {
    taken_over(&site).await;
    let before = site.everything().await;
    assert_eq!(site.run(&["migrate"]).succeeded(), "the tables are up to date\n");
    assert_eq!(site.run(&["migrate", "--status"]).succeeded(), "the tables are up to date\n");
    assert_eq!(site.everything().await, before);
}

async fn the_game_goes_on(site: Site) {
    taken_over(&site).await;
    let db = site.connect().await;
    let run = async |sql: &str| db.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{error}: {sql}")).rows_affected();
    // Its inserts know the columns that it knew, and give every one of them a value.
    let insert = "INSERT INTO players (username, email, wallet_address, total_ap, total_advc_mined, level, verified, active, created_at, \
                  updated_at, nickname) VALUES ('new', 'new@example.org', 'Wnew', 0.0, 0.0, 1, TRUE, TRUE, '2026-01-01 10:00:00', \
                  '2026-01-01 10:00:00', 'greeted')";
    run(insert).await;
    let id: i32 = db
        .query_one_raw(sea_orm::Statement::from_string(backend(&site), "SELECT id FROM players WHERE username = 'new'"))
        .await
        .unwrap()
        .unwrap()
        .try_get_by_index(0)
        .unwrap();
    assert_eq!(id, RANDOM_FROM + 40, "it counts on from where it was");
    assert_eq!(run(&format!("INSERT INTO achievements VALUES ({id}, NULL, 'more')")).await, 1);
    assert!(db.execute_unprepared("INSERT INTO achievements VALUES (99999, NULL, 'nobody')").await.is_err(), "keys still hold");
    assert!(db.execute_unprepared(&insert.replace("Wnew", "Wnewer")).await.is_err(), "names are still unique");
    assert_eq!(run("UPDATE players SET total_ap = total_ap - 50, level = 4 WHERE id = 1").await, 1);
    assert!(
        run(
            "INSERT INTO mining_events (player_id, pool_name, advc_amount, ap_awarded, previous_paid, current_paid, event_time, \
                 processed, notified) VALUES (1, 'cpu-pool', 1.5, 150.0, 12.0, 13.5, '2026-01-01 10:00:00', TRUE, FALSE)"
        )
        .await
            == 1
    );
    db.close().await.unwrap();
    let welcome = format!("SELECT count(*) AS n FROM achievements WHERE player_id = {id} AND title = 'welcome'");
    assert_eq!(site.value(&welcome).await, "1", "its trigger is still there");
    assert_eq!(decimal(&site.rows("SELECT total_ap FROM players WHERE id = 1").await[0]["total_ap"]), Some(1300.into()));
    assert_eq!(site.value("SELECT count(*) AS n FROM names").await, "47");
    let row = &site.rows(&format!("SELECT * FROM players WHERE id = {id}")).await[0];
    assert_eq!((text(&row["event_sequence"]), text(&row["nickname"])), ("0".into(), "greeted".into()));
    site.execute(&format!("DELETE FROM achievements WHERE player_id = {id}; DELETE FROM players WHERE id = {id}")).await;
    assert!(site.run(&["players", "list"]).succeeded().contains("player139"), "and the program reads all of it");
    // The number of a player who is gone is nobody else's: money is recorded under it.
    let again = insert.replace("'new'", "'newer'").replace("new@", "newer@").replace("Wnew", "Wnewer");
    site.execute(&again).await;
    let newer: i32 = site.value("SELECT max(id) AS n FROM players").await.parse().expect("a number");
    assert!(newer > id, "{newer}");
}
