//! Every statement that the daemon sends finds its rows by an index, also when the tables are long.

use std::sync::{Arc, Mutex};

use pool_poller::domain::payout::FirstReading;
use pool_poller::domain::{EventId, PlayerId};
use pool_poller::store::book::{Book, Observation};
use pool_poller::store::recent::recent;
use pool_poller::store::replay::{ReplayFilter, replay};
use pool_poller::store::{begin_to_write, now_utc, outbox, resume};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement, TransactionTrait as _};

use super::bench::{Bench, record, rules, seen};

super::on_both_engines![no_statement_of_the_daemon_reads_a_long_table_whole];

/// Rows of each long table.
const ROWS: i32 = 10_000;
/// Tables that grow without end, or with the number of players.
const LONG: [&str; 4] = ["mining_events", "positions", "pool_snapshots", "players"];

/// Indexes of few rows: reading one from end to end is what it is for.
const PARTIAL: [&str; 3] = ["ix_mining_events_outbox", "ix_mining_events_given_up", "ix_mining_events_held"];

/// Fills the tables: everybody has a position and an event, and a hundred of the events are not delivered yet.
async fn fill(bench: &Bench) {
    let numbers = if bench.is_postgres() {
        format!("generate_series(1, {ROWS}) AS s(n)")
    } else {
        format!("(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ROWS}) SELECT n FROM s)")
    };
    for sql in [
        format!(
            "INSERT INTO players (username, email, wallet_address, verified, event_sequence) \
             SELECT 'p' || n, 'm' || n, 'w' || n, TRUE, 1 FROM {numbers}"
        ),
        format!(
            "INSERT INTO positions (player_id, pool_name, address, currency, source, baseline, high_water, sequence, readings) \
             SELECT n, 'rplant', 'w' || n, 'ADVC', '/paid', 1, 1, 1, 3 FROM {numbers}"
        ),
        format!(
            "INSERT INTO mining_events (player_id, pool_name, advc_amount, ap_awarded, previous_paid, current_paid, notified, event_id, \
             position_id, position_sequence, player_sequence, total_ap_after, total_advc_after) SELECT n, 'rplant', 1, 100, 0, 1, \
             n % 100 <> 0, '00000000-0000-0000-0000-' || substr('000000000000' || n, length('000000000000' || n) - 11), n, 1, 1, 100, 1 \
             FROM {numbers}"
        ),
        format!("INSERT INTO pool_snapshots (player_id, pool_name, paid) SELECT n, 'rplant', 1 FROM {numbers}"),
    ] {
        bench.execute(&sql).await;
    }
}

/// The plan of a statement, a step a line.
async fn plan(db: &DatabaseConnection, statement: &Statement) -> Vec<String> {
    let is_postgres = db.get_database_backend() == DbBackend::Postgres;
    let explain = if is_postgres { "EXPLAIN" } else { "EXPLAIN QUERY PLAN" };
    let statement = Statement { sql: format!("{explain} {}", statement.sql), ..statement.clone() };
    let rows = db.query_all_raw(statement.clone()).await.unwrap_or_else(|error| panic!("{}: {error}", statement.sql));
    let column = if is_postgres { "QUERY PLAN" } else { "detail" };
    rows.iter().map(|row| row.try_get("", column).expect("a step")).collect()
}

/// The first step of a plan that reads a long table from end to end.
fn whole_table(plan: &[String], sql: &str) -> Option<String> {
    // SQLite names the alias: the outbox calls its events `e` and `o`, and its players `p`. Not one step of it is a sort.
    if is_outbox(sql)
        && let Some(sort) = plan.iter().find(|step| step.contains("Sort") || step.contains("B-TREE"))
    {
        return Some(sort.clone());
    }
    if is_newest(sql) {
        // From the end of the primary key, and no further than the limit: SQLite calls that a scan too.
        return plan.iter().find(|step| step.contains("Seq Scan") || step.contains("Sort") || step.contains("B-TREE")).cloned();
    }
    let aliases = if is_outbox(sql) { ["e", "o", "p"].as_slice() } else { &[] };
    let reads_whole = |step: &&String| {
        LONG.iter().chain(aliases).any(|name| {
            let words = format!("{step} ");
            words.contains(&format!("Seq Scan on {name} "))
                || words.starts_with(&format!("SCAN {name} ")) && !PARTIAL.iter().any(|index| words.contains(index))
        })
    };
    plan.iter().find(reads_whole).cloned()
}

fn is_newest(sql: &str) -> bool {
    sql.contains(r#"FROM "mining_events" WHERE TRUE ORDER BY "mining_events"."id" DESC LIMIT"#)
}

fn is_outbox(sql: &str) -> bool {
    sql.contains("JOIN mining_events e ")
}

async fn no_statement_of_the_daemon_reads_a_long_table_whole(bench: Bench) {
    fill(&bench).await;
    if bench.is_postgres() {
        // Its own vacuum does so. Nobody does it on SQLite, where the plans must hold with statistics and without.
        bench.execute("ANALYZE").await;
    }
    let sent: Arc<Mutex<Vec<Statement>>> = Arc::default();
    let mut db = bench.connect_again().await;
    let log = Arc::clone(&sent);
    db.set_metric_callback(move |info| log.lock().expect("a log").push(info.statement.clone()));

    // An award, dust, a fall, a first reading, a wallet of another player, and the delivery of what came of it.
    let mut book = Book::new(db.clone(), rules(FirstReading::Award), false);
    let at = |paid: &[(i32, &str)]| -> Vec<Observation> {
        paid.iter().flat_map(|(player, paid)| seen(*player, &format!("w{player}"), paid)).collect()
    };
    record(&mut book, &[at(&[(5, "2"), (77, "1.00001"), (900, "0.5"), (4_000, "1")]), seen(6_000, "wnew", "3")].concat()).await;
    record(&mut book, &[at(&[(5, "3"), (900, "2")]), seen(12, "w4000", "5")].concat()).await;
    let waiting = outbox::next_undelivered(&db, &[PlayerId(100), PlayerId(200)], 16, now_utc()).await.expect("a list");
    assert_eq!(waiting.len(), 16);
    outbox::next_undelivered(&db, &[], 1, now_utc()).await.expect("a list");
    outbox::waiting(&db).await.expect("a number");
    let ids: Vec<EventId> = waiting.iter().map(|event| event.event_id).collect();
    outbox::mark_notified(&db, &ids[..8]).await.expect("marks");
    let attempt = |event_id: &EventId| outbox::Attempt { event_id: *event_id, next_at: now_utc(), dead: false };
    outbox::record_attempts(&db, &ids[8..].iter().map(attempt).collect::<Vec<_>>()).await.expect("attempts");
    resume::resume(&db, &[(PlayerId(1), 0), (PlayerId(300), 1), (PlayerId(400), 7)]).await.expect("a statement");
    replay(&db, &ReplayFilter { dead: true, ..ReplayFilter::default() }, false).await.expect("a replay");
    let of_player = ReplayFilter { player: Some(7), since: Some(now_utc()), ..ReplayFilter::default() };
    replay(&db, &of_player, false).await.expect("a replay");
    recent(&db, 20).await.expect("the newest rows");

    let sent = std::mem::take(&mut *sent.lock().expect("a log"));
    let explained: Vec<&Statement> = sent
        .iter()
        .filter(|statement| {
            ["SELECT", "WITH", "UPDATE", "DELETE"].iter().any(|verb| statement.sql.trim_start().starts_with(verb))
        })
        .collect();
    for part in [
        "\"positions\"",
        "UPDATE positions",
        "UPDATE players",
        "JOIN players p ",
        "COUNT(",
        "MIN(",
        "DESC LIMIT",
        "UPDATE mining_events",
    ] {
        assert!(explained.iter().any(|statement| statement.sql.contains(part)), "no statement with {part} was seen");
    }
    assert_plans(&bench, &explained).await;
    bench.execute("ANALYZE").await;
    assert_plans(&bench, &explained).await;
}

async fn assert_plans(bench: &Bench, statements: &[&Statement]) {
    for statement in statements {
        let plan = plan(&bench.db, statement).await;
        assert_eq!(whole_table(&plan, &statement.sql), None, "{}\n{plan:#?}", statement.sql);
        if is_outbox(&statement.sql) {
            assert!(plan.iter().any(|step| step.contains("ix_mining_events_outbox")), "{plan:#?}");
        }
    }
}

/// Executions after which PostgreSQL may keep a plan instead of making one for each.
const EXECUTIONS: usize = 6;

#[tokio::test]
async fn a_connection_keeps_no_plan_that_was_made_for_a_short_table() {
    let bench = Bench::postgres().await;
    // Its own statistics would end the plan too, some time.
    bench.execute("ALTER TABLE mining_events SET (autovacuum_enabled = false)").await;
    let sent: Arc<Mutex<Vec<Statement>>> = Arc::default();
    let mut db = bench.connect_again().await;
    let log = Arc::clone(&sent);
    db.set_metric_callback(move |info| log.lock().expect("a log").push(info.statement.clone()));
    outbox::mark_notified(&db, &[EventId::reversal("none")]).await.expect("marks");
    let mark = sent.lock().expect("a log").pop().expect("a statement").sql;

    // Transactions, to stay on one connection each.
    let connections = [db.begin().await.expect("a connection"), begin_to_write(&db).await.expect("a connection")];
    let of_one = "mark('{00000000-0000-0000-0000-000000000001}')";
    for connection in &connections {
        connection.execute_unprepared(&format!("PREPARE mark (text) AS {mark}")).await.expect("a statement");
        for _ in 0..EXECUTIONS {
            connection.execute_unprepared(&format!("EXECUTE {of_one}")).await.expect("no row");
        }
    }
    fill(&bench).await;
    for connection in &connections {
        let explain = Statement::from_string(DbBackend::Postgres, format!("EXPLAIN EXECUTE {of_one}"));
        let rows = connection.query_all_raw(explain).await.expect("a plan");
        let plan: Vec<String> = rows.iter().map(|row| row.try_get("", "QUERY PLAN").expect("a step")).collect();
        assert_eq!(whole_table(&plan, &mark), None, "{plan:#?}");
    }
}
