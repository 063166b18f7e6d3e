//! The takeover on SQLite, which cannot change a column's type: each table is made anew, filled and put in the old one's place.
//!
//! This is the procedure that SQLite's documentation of ALTER TABLE gives for it. The new table is the old one's own text with
//! other types, so columns, checks and keys that somebody added stay. Indexes and triggers are made again from their own text.

use sea_orm::sqlx::sqlite::SqlitePoolOptions;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Statement, Value};
use sea_orm::{RuntimeErr, SqlxSqliteConnector};

use super::original::{TABLES, Table, columns};
use super::{TakeoverError, ddl, figure};

/// The end of a table's name while it is being filled.
const SUFFIX: &str = "_taken_over";
/// Rows of one statement; SQLite allows 32,766 parameters.
const ROWS_PER_STATEMENT: u64 = 1_000;

/// A connection on which the tables can be replaced: without foreign keys, which would delete the rows that refer to a dropped
/// table, and with a renaming that does not follow references to the name.
pub(super) async fn connection_for_rebuild(db: &DatabaseConnection) -> Result<DatabaseConnection, DbErr> {
    let options = db.get_sqlite_connection_pool().connect_options();
    let options = options.as_ref().clone().foreign_keys(false).pragma("legacy_alter_table", "ON");
    let failed = |error| DbErr::Conn(RuntimeErr::SqlxError(std::sync::Arc::new(error)));
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(failed)?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}

/// Replaces the three tables.
pub(super) async fn rebuild(db: &DatabaseTransaction) -> Result<(), TakeoverError> {
    let enforced = query(db, "PRAGMA foreign_keys").await?;
    if !enforced.iter().all(|row| row.try_get_by_index::<i64>(0).is_ok_and(|on| on == 0)) {
        return Err(TakeoverError::Mismatch("foreign keys could not be switched off".to_owned()));
    }
    let before = query(db, "PRAGMA foreign_key_check").await?.len();
    for table in TABLES {
        replace(db, table).await?;
    }
    let after = query(db, "PRAGMA foreign_key_check").await?.len();
    if before != after {
        return Err(TakeoverError::Mismatch(format!("{after} rows refer to nothing, before it were {before}")));
    }
    Ok(())
}

async fn query(db: &DatabaseTransaction, sql: &str) -> Result<Vec<sea_orm::QueryResult>, DbErr> {
    db.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await
}

/// The texts of the schema's entries of one type that belong to a table.
async fn texts(db: &DatabaseTransaction, kind: &str, table: &str) -> Result<Vec<String>, DbErr> {
    let sql = "SELECT sql FROM sqlite_master WHERE type = ? AND tbl_name = ? COLLATE NOCASE AND sql IS NOT NULL ORDER BY rowid";
    let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, [kind.into(), table.into()]);
    db.query_all_raw(statement).await?.iter().map(|row| row.try_get_by_index(0)).collect()
}

async fn replace(db: &DatabaseTransaction, table: &Table) -> Result<(), TakeoverError> {
    let (name, new) = (table.name, format!("{}{SUFFIX}", table.name));
    let found = columns(db, name).await?;
    let [text] = <[String; 1]>::try_from(texts(db, "table", name).await?)
        .map_err(|_| TakeoverError::Mismatch(format!("the text of the table {name} cannot be read")))?;
    let mut followers = texts(db, "index", name).await?;
    followers.extend(texts(db, "trigger", name).await?);
    let amounts: Vec<&str> = table.amounts().collect();
    let defaults: Vec<(&str, &str)> = table
        .defaults
        .iter()
        .filter(|(column, _, _)| found.iter().any(|found| found.name == *column && !found.has_default))
        .map(|(column, _, default)| (*column, *default))
        .collect();
    let made = ddl::rewrite(&text, &new, &amounts, &defaults)
        .ok_or_else(|| TakeoverError::Mismatch(format!("the text of the table {name} cannot be understood: {text}")))?;
    let made = ddl::ids_given_once(&made).unwrap_or(made);
    db.execute_unprepared(&made).await?;
    let inserted: Vec<String> = found.iter().filter(|column| !column.generated).map(|column| column.name.clone()).collect();
    fill(db, name, &new, &inserted, &amounts).await?;
    let highest = query(db, "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").await?;
    if !highest.is_empty() {
        // A key that was given and deleted must not be given again.
        let sql = format!(
            "UPDATE sqlite_sequence SET seq = (SELECT o.seq FROM sqlite_sequence o WHERE o.name = '{name}') \
             WHERE name = '{new}' AND EXISTS (SELECT 1 FROM sqlite_sequence o WHERE o.name = '{name}')"
        );
        db.execute_unprepared(&sql).await?;
        if name == "players" {
            // Nor one of a player who is gone and whose money is still recorded.
            let sql = format!(
                "UPDATE sqlite_sequence SET seq = max(seq, COALESCE((SELECT max(player_id) FROM mining_events), 0), \
                 COALESCE((SELECT max(player_id) FROM pool_snapshots), 0)) WHERE name = '{new}'"
            );
            db.execute_unprepared(&sql).await?;
        }
    }
    db.execute_unprepared(&format!("DROP TABLE {name}")).await?;
    db.execute_unprepared(&format!("ALTER TABLE {new} RENAME TO {name}")).await?;
    for follower in followers {
        db.execute_unprepared(&follower).await?;
    }
    Ok(())
}

/// Copies all rows in the order of their ids, amounts as decimal texts and everything else as it is.
async fn fill(
    db: &DatabaseTransaction,
    old: &str,
    new: &str,
    inserted: &[String],
    amounts: &[&str],
) -> Result<(), TakeoverError> {
    let quoted = |column: &str| format!("\"{}\"", column.replace('"', "\"\""));
    let names: Vec<String> = inserted.iter().map(|column| quoted(column)).collect();
    let values: Vec<String> = inserted
        .iter()
        .map(|column| match amounts.iter().position(|amount| amount == column) {
            Some(place) => format!("v.column{}", place + 2),
            None => format!("o.{}", quoted(column)),
        })
        .collect();
    let row = format!("(?{})", ", ?".repeat(amounts.len()));
    let mut last = i64::MIN;
    loop {
        let sql = format!("SELECT id, {} FROM {old} WHERE id >= ? ORDER BY id LIMIT {ROWS_PER_STATEMENT}", amounts.join(", "));
        let rows = db.query_all_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, [last.into()])).await?;
        let mut bound: Vec<Value> = Vec::with_capacity(rows.len() * (amounts.len() + 1));
        for row in &rows {
            last = row.try_get_by_index(0)?;
            bound.push(last.into());
            for index in 1..=amounts.len() {
                let text = figure::read(row, index)?;
                // What is no number is noted elsewhere.
                let kept = text.map(|text| if figure::number(&text).is_some() { text } else { "0".to_owned() });
                bound.push(kept.into());
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO {new} ({}) SELECT {} FROM (VALUES {}) AS v JOIN {old} o ON o.id = v.column1",
            names.join(", "),
            values.join(", "),
            vec![row.as_str(); rows.len()].join(", ")
        );
        db.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, bound)).await?;
        let Some(next) = last.checked_add(1) else { return Ok(()) };
        last = next;
    }
}
