//! The takeover on PostgreSQL: the columns change their types where they are.

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, Statement};

use super::figure;
use super::original::{Class, TABLES, columns};

/// Lifts the limits that keep a daemon from blocking others: this takes as long as the tables are large. Waiting for a lock
/// stays limited.
pub(super) async fn without_limits(db: &DatabaseTransaction) -> Result<(), DbErr> {
    // The last one makes the text of a float the shortest that names it, whatever the database's own setting is.
    db.execute_unprepared("SET LOCAL statement_timeout = 0; SET LOCAL extra_float_digits = 1").await?;
    Ok(())
}

/// Keeps everybody else away from the tables until the end of the transaction.
pub(super) async fn lock(db: &DatabaseTransaction) -> Result<(), DbErr> {
    for table in TABLES {
        db.execute_unprepared(&format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", table.name)).await?;
    }
    Ok(())
}

/// Views that use a column whose type changes, which PostgreSQL refuses.
pub(super) async fn dependent_views(db: &DatabaseTransaction) -> Result<Vec<String>, DbErr> {
    let changing: Vec<String> = TABLES
        .iter()
        .flat_map(|table| {
            let changes = |class: &Class| matches!(class, Class::Amount | Class::Key);
            table
                .columns
                .iter()
                .filter(move |(_, class)| changes(class))
                .map(|(column, _)| format!("(to_regclass('{}'), '{column}')", table.name))
        })
        .collect();
    let sql = format!(
        "SELECT DISTINCT v.oid::regclass::text, a.attrelid::regclass::text || '.' || a.attname \
         FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class \
         JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
         WHERE d.classid = 'pg_rewrite'::regclass AND v.relkind IN ('v', 'm') \
           AND (a.attrelid, a.attname::text) IN (SELECT * FROM (VALUES {}) AS changing (of_table, named)) ORDER BY 1, 2",
        changing.join(", ")
    );
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    rows.iter()
        .map(|row| {
            let (view, column): (String, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            Ok(format!("the view {view} uses {column}, whose type changes: drop it, migrate and create it again"))
        })
        .collect()
}

/// Turns floats into decimals and keys into 64 bits, and gives defaults to columns that have none.
pub(super) async fn convert(db: &DatabaseTransaction) -> Result<(), DbErr> {
    for table in TABLES {
        let found = columns(db, table.name).await?;
        let mut changes = Vec::new();
        for column in table.amounts() {
            let kept = figure::is_kept(DbBackend::Postgres, column);
            changes.push(format!(
                "ALTER COLUMN {column} TYPE numeric USING CASE WHEN {kept} THEN ({column}::text)::numeric ELSE 0 END"
            ));
        }
        for (column, class) in table.columns {
            if *class == Class::Key && found.iter().any(|found| found.name == *column && found.declared == "integer") {
                changes.push(format!("ALTER COLUMN {column} TYPE bigint"));
            }
        }
        for (column, default, _) in table.defaults {
            if found.iter().any(|found| found.name == *column && !found.has_default) {
                changes.push(format!("ALTER COLUMN {column} SET DEFAULT {default}"));
            }
        }
        // One statement, so that the table is rewritten once.
        db.execute_unprepared(&format!("ALTER TABLE {} {}", table.name, changes.join(", "))).await?;
        if table.columns.contains(&("id", Class::Key)) {
            widen_sequence(db, table.name).await?;
        }
    }
    Ok(())
}

/// The numbers of a SERIAL end at 2³¹ − 1 whatever the type of its column.
async fn widen_sequence(db: &DatabaseTransaction, table: &str) -> Result<(), DbErr> {
    let sql = "SELECT s.seqrelid::regclass::text FROM pg_sequence s \
               WHERE s.seqrelid = pg_get_serial_sequence($1, 'id')::regclass AND s.seqtypid = 'integer'::regtype";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [table.into()]);
    if let Some(row) = db.query_one_raw(statement).await? {
        let sequence: String = row.try_get_by_index(0)?;
        db.execute_unprepared(&format!("ALTER SEQUENCE {sequence} AS bigint")).await?;
    }
    Ok(())
}
