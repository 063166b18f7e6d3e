//! The tables are what SPEC.md section 3 says, on both engines.

use super::bench::Bench;

super::on_both_engines![
    every_column_is_there_with_its_type,
    every_key_and_index_is_there,
    every_foreign_key_is_there,
    what_must_be_unique_is_refused_twice,
    a_second_migration_changes_nothing,
];

/// Table and columns. `!` must be given, `?` may be absent, `=` has a default.
const COLUMNS: &[(&str, &str)] = &[
    (
        "players",
        "id=int username!text100 email!text255 wallet_address!text255 total_ap=money total_advc_mined=money level=int verified=bool \
         active=bool created_at=time updated_at=time last_mining_event?time event_sequence=bigint",
    ),
    ("player_wallets", "id=int player_id!int pool_name!text50 address!text255 created_at=time"),
    (
        "positions",
        "id=bigint player_id!int pool_name!text50 address!text255 currency!text16 source!text baseline!money high_water!money \
         sequence=bigint readings=int began_at_zero=bool epoch=int open_anomaly?text32 snapshot_digest?text255 snapshot_at?time \
         created_at=time updated_at=time listed_at?time",
    ),
    (
        "listed_payouts",
        "id=bigint pool_name!text50 address!text255 tx_id!text255 number!bigint amount!money total!money source!text paid_at?time \
         seen_at!time",
    ),
    (
        "mining_events",
        "id=bigint player_id!int pool_name!text50 advc_amount!money ap_awarded!money previous_paid!money current_paid!money \
         event_time=time processed=bool notified=bool event_id?text36 position_id?bigint position_sequence?bigint \
         player_sequence?bigint address?text255 native_amount?money native_previous?money native_current?money currency?text16 \
         rate?rate status=text16 hold_reason?text32 total_ap_after?money total_advc_after?money delivery_attempts=int \
         next_attempt_at?time delivery_dead=bool epoch=int ap_per_advc?rate decided_at?time decided_by?text100 \
         decision_reason?text reverses?bigint",
    ),
    (
        "pool_snapshots",
        "id=bigint player_id!int pool_name!text50 total_hash?money total_shares?money immature?money balance?money paid!money \
         raw_response?text snapshot_time=time address?text255 native_paid?money currency?text16 rate?rate",
    ),
    (
        "anomalies",
        "id=bigint player_id!int pool_name!text50 address!text255 kind!text32 detail!text seen_at!time resolved_at?time \
         resolved_by?text100 resolution?text",
    ),
    (
        "position_rebases",
        "id=bigint position_id!bigint position_sequence!bigint from_epoch!int to_epoch!int old_currency!text16 new_currency!text16 \
         old_source!text new_source!text old_baseline!money old_high_water!money new_high_water!money decided_by!text100 reason!text \
         decided_at!time",
    ),
];

/// Unique keys (`!`) and indexes, by table and columns; `*` holds only some rows.
const INDEXES: &[&str] = &[
    "anomalies!*(player_id,pool_name,address,kind)",
    "listed_payouts!(pool_name,address,number)",
    "listed_payouts!(pool_name,address,tx_id)",
    "mining_events!(event_id)",
    "mining_events!(player_id,player_sequence)",
    "mining_events!(position_id,position_sequence)",
    "mining_events!(reverses)",
    "mining_events(event_time)",
    "mining_events(player_id,event_time)",
    "mining_events*(player_id,player_sequence)",
    "mining_events*(player_id,player_sequence)",
    "mining_events*(position_id)",
    "player_wallets!(player_id,pool_name)",
    "player_wallets!(pool_name,address)",
    "players!(email)",
    "players!(username)",
    "players!(wallet_address)",
    "pool_snapshots(player_id,pool_name,snapshot_time)",
    "pool_snapshots(snapshot_time)",
    "position_rebases!(position_id,position_sequence)",
    "positions!(player_id,pool_name,address)",
    "positions(pool_name,address)",
];

const FOREIGN_KEYS: &[&str] = &[
    "anomalies.player_id -> players",
    "mining_events.player_id -> players",
    "mining_events.position_id -> positions",
    "mining_events.reverses -> mining_events keeps",
    "player_wallets.player_id -> players",
    "pool_snapshots.player_id -> players",
    "position_rebases.position_id -> positions",
    "positions.player_id -> players",
];

/// The columns of a table in the notation of [`COLUMNS`]. SQLite has no exact number: money and rates are text there.
async fn columns(bench: &Bench, table: &str) -> String {
    let rows = if bench.is_postgres() {
        bench
            .texts(&format!(
                "SELECT CAST(column_name AS text), CAST(data_type AS text), CAST(character_maximum_length AS text), \
                 CAST(numeric_precision || '.' || numeric_scale AS text), CAST(is_nullable AS text), \
                 CASE WHEN column_default IS NOT NULL OR is_identity = 'YES' THEN 'yes' ELSE '' END \
                 FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}' ORDER BY ordinal_position"
            ))
            .await
    } else {
        bench
            .texts(&format!(
                "SELECT name, lower(type), '', '', CASE WHEN \"notnull\" = 1 THEN 'NO' ELSE 'YES' END, \
                 CASE WHEN dflt_value IS NOT NULL OR pk > 0 THEN 'yes' ELSE '' END FROM pragma_table_info('{table}') ORDER BY cid"
            ))
            .await
    };
    let shown = rows.iter().map(|row| {
        let [name, kind, length, digits, nullable, default] = &row[..] else { panic!("{row:?}") };
        let kind = match (kind.as_str(), digits.as_str()) {
            ("integer", _) if name == "id" && !bench.is_postgres() => "id".to_owned(),
            ("integer", _) => "int".to_owned(),
            ("bigint", _) => "bigint".to_owned(),
            ("boolean", _) => "bool".to_owned(),
            ("numeric", "38.8") => "money".to_owned(),
            ("numeric", "36.18") => "rate".to_owned(),
            ("timestamp without time zone" | "timestamp_text", _) => "time".to_owned(),
            ("character varying", _) => format!("text{length}"),
            (text, _) if text.starts_with("varchar(") => format!("text{}", text.trim_matches(|c: char| !c.is_ascii_digit())),
            (other, _) => other.to_owned(),
        };
        let mark = if default == "yes" {
            "="
        } else if nullable == "NO" {
            "!"
        } else {
            "?"
        };
        format!("{name}{mark}{kind}")
    });
    shown.collect::<Vec<_>>().join(" ")
}

async fn every_column_is_there_with_its_type(bench: Bench) {
    for (table, expected) in COLUMNS {
        let expected = expected.split_whitespace().map(|column| match column {
            // SQLite's keys are all of one kind, and what is exact there is text.
            "id=int" | "id=bigint" if !bench.is_postgres() => "id=id".to_owned(),
            other if !bench.is_postgres() => other.replace("money", "text").replace("?rate", "?text").replace("bigint", "int"),
            other => other.to_owned(),
        });
        assert_eq!(columns(&bench, table).await, expected.collect::<Vec<_>>().join(" "), "{table}");
    }
    let tables = if bench.is_postgres() {
        "SELECT CAST(table_name AS text) FROM information_schema.tables WHERE table_schema = 'public'"
    } else {
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    };
    assert_eq!(bench.texts(tables).await.len(), COLUMNS.len() + 1, "these and the record of migrations");
}

async fn indexes(bench: &Bench) -> Vec<String> {
    let sql = if bench.is_postgres() {
        "SELECT t.relname || CASE WHEN i.indisunique THEN '!' ELSE '' END || CASE WHEN i.indpred IS NOT NULL THEN '*' ELSE '' END \
         || '(' || array_to_string(ARRAY(SELECT a.attname FROM unnest(i.indkey) WITH ORDINALITY AS k(number, place) \
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number ORDER BY k.place), ',') || ')' \
         FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace \
         WHERE n.nspname = 'public' AND NOT i.indisprimary"
    } else {
        "SELECT t.name || CASE WHEN i.\"unique\" = 1 THEN '!' ELSE '' END || CASE WHEN i.partial = 1 THEN '*' ELSE '' END \
         || '(' || (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) || ')' \
         FROM sqlite_master t JOIN pragma_index_list(t.name) i WHERE t.type = 'table' AND i.origin <> 'pk'"
    };
    let mut found: Vec<String> = bench.texts(sql).await.into_iter().map(|mut row| row.remove(0)).collect();
    found.sort();
    found
}

async fn every_key_and_index_is_there(bench: Bench) {
    assert_eq!(indexes(&bench).await, INDEXES);
}

async fn every_foreign_key_is_there(bench: Bench) {
    let sql = if bench.is_postgres() {
        "SELECT t.relname || '.' || a.attname || ' -> ' || r.relname || CASE c.confdeltype WHEN 'c' THEN '' ELSE ' keeps' END \
         FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class r ON r.oid = c.confrelid \
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1] WHERE c.contype = 'f'"
    } else {
        "SELECT t.name || '.' || k.\"from\" || ' -> ' || k.\"table\" || CASE k.on_delete WHEN 'CASCADE' THEN '' ELSE ' keeps' END \
         FROM sqlite_master t JOIN pragma_foreign_key_list(t.name) k WHERE t.type = 'table'"
    };
    let mut found: Vec<String> = bench.texts(sql).await.into_iter().map(|mut row| row.remove(0)).collect();
    found.sort();
    assert_eq!(found, FOREIGN_KEYS);
}

async fn what_must_be_unique_is_refused_twice(bench: Bench) {
    use sea_orm::ConnectionTrait as _;
    bench.players(&["ann", "bob"]).await;
    bench.execute("INSERT INTO positions (player_id, pool_name, address, currency, source, baseline, high_water) VALUES (1, 'p', 'a', 'ADVC', '/', '1', '1')").await;
    let event = |columns: &str, values: &str| {
        format!(
            "INSERT INTO mining_events (player_id, pool_name, advc_amount, ap_awarded, previous_paid, current_paid, {columns}) \
             VALUES (1, 'p', '1', '1', '0', '1', {values})"
        )
    };
    let anomaly = "INSERT INTO anomalies (player_id, pool_name, address, kind, detail, seen_at) VALUES (1, 'p', 'a', 'k', 'd', '2026-01-01 00:00:00')";
    let once: &[String] = &[
        event("event_id", "'00000000-0000-0000-0000-000000000001'"),
        event("position_id, position_sequence", "1, 1"),
        event("player_sequence", "1"),
        anomaly.to_owned(),
        "INSERT INTO player_wallets (player_id, pool_name, address) VALUES (1, 'zpool', 'x')".to_owned(),
    ];
    for sql in once {
        bench.execute(sql).await;
        assert!(bench.db.execute_unprepared(sql).await.is_err(), "twice: {sql}");
    }
    let other = "INSERT INTO player_wallets (player_id, pool_name, address) VALUES (2, 'zpool', 'x')";
    assert!(bench.db.execute_unprepared(other).await.is_err(), "one address on one pool earns for one player");
    bench.execute("UPDATE anomalies SET resolved_at = seen_at").await;
    bench.execute(anomaly).await;
    let orphan = "INSERT INTO player_wallets (player_id, pool_name, address) VALUES (77, 'zpool', 'y')";
    assert!(bench.db.execute_unprepared(orphan).await.is_err(), "of a player who is there");
}

async fn a_second_migration_changes_nothing(bench: Bench) {
    let before = indexes(&bench).await;
    pool_poller::store::migrate(&bench.db).await.expect("nothing to do");
    assert_eq!(indexes(&bench).await, before);
}
