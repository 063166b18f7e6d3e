//! What is the same on both engines: new tables, new columns, indexes, positions, and the record of migrations.

use chrono::NaiveDateTime;
use entity::{Money, anomalies, positions};
use migration::{Migrator, MigratorTrait as _, first_version, seaql_migrations};
use sea_orm::sea_query::{Table as Statements, TableCreateStatement};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, EntityTrait as _,
};

use super::TakeoverError;
use super::original::{TABLES, columns, table_name};
use super::report::Report;
use super::survey::{Survey, count};
use crate::domain::payout::Position;

/// Rows of one statement, as in every other write.
const ROWS_PER_STATEMENT: usize = 1_000;
/// The index that the replaced service made under the same name with fewer columns.
const REPLACED_INDEX: &str = "idx_player_pool";
/// `anomalies.kind` of a figure that could not be kept.
const FIGURE_NOT_KEPT: &str = "figure_not_kept";

fn is_original(statement: &TableCreateStatement) -> bool {
    TABLES.iter().any(|table| table.name == table_name(statement))
}

/// The tables that the replaced service did not have.
pub(super) async fn create_new_tables(db: &DatabaseTransaction) -> Result<(), DbErr> {
    for statement in first_version(db.get_database_backend()).tables {
        if !is_original(&statement) {
            db.execute(&statement).await?;
        }
    }
    Ok(())
}

/// The columns and indexes that its tables did not have.
pub(super) async fn add_columns_and_indexes(db: &DatabaseTransaction) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    let first = first_version(backend);
    for statement in first.tables.iter().filter(|statement| is_original(statement)) {
        let table = table_name(statement);
        let found = columns(db, &table).await?;
        for column in statement.get_columns() {
            let name = column.get_column_name();
            if found.iter().any(|column| column.name == name) {
                continue;
            }
            let adding = Statements::alter().table(table.clone()).add_column(column.clone()).to_owned();
            let mut sql = backend.build(&adding).sql;
            if name == "position_id" {
                sql.push_str(" CONSTRAINT fk_mining_events_position REFERENCES positions (id) ON DELETE CASCADE");
            }
            db.execute_unprepared(&sql).await?;
        }
    }
    // The service's own index of this name is the beginning of ours.
    db.execute_unprepared(&format!("DROP INDEX IF EXISTS {REPLACED_INDEX}")).await?;
    for index in first.indexes {
        if !has_index(db, &index.name).await? {
            db.execute_unprepared(&index.sql).await?;
        }
    }
    Ok(())
}

async fn has_index(db: &DatabaseTransaction, name: &str) -> Result<bool, DbErr> {
    let backend = db.get_database_backend();
    let sql = if backend == DbBackend::Postgres {
        "SELECT 1 FROM pg_indexes WHERE schemaname = current_schema() AND indexname = $1"
    } else {
        "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = ?"
    };
    let statement = sea_orm::Statement::from_sql_and_values(backend, sql, [name.into()]);
    Ok(db.query_one_raw(statement).await?.is_some())
}

/// Records the first migration as applied and applies those that came after it.
pub(super) async fn record_migrations(db: &DatabaseTransaction, now: NaiveDateTime) -> Result<(), DbErr> {
    Migrator::install(db).await?;
    let version = first_version(db.get_database_backend()).name;
    let row = seaql_migrations::ActiveModel { version: Set(version), applied_at: Set(now.and_utc().timestamp()) };
    seaql_migrations::Entity::insert(row).exec_without_returning(db).await?;
    Migrator::up(db, None).await
}

/// One position for each player and pool that has a mark.
pub(super) async fn open_positions(db: &DatabaseTransaction, survey: &Survey, now: NaiveDateTime) -> Result<(), DbErr> {
    for chunk in survey.marks.chunks(ROWS_PER_STATEMENT) {
        let rows = chunk.iter().map(|mark| {
            let position = Position::taken_over(mark.currency.clone(), mark.high_water, mark.sources);
            positions::ActiveModel {
                id: NotSet,
                player_id: Set(mark.player_id),
                pool_name: Set(mark.pool.to_string()),
                address: Set(mark.wallet.to_string()),
                currency: Set(position.currency.to_string()),
                source: Set(position.source.to_string()),
                baseline: Set(Money(position.baseline.to_decimal())),
                high_water: Set(Money(position.high_water.to_decimal())),
                sequence: Set(position.sequence),
                readings: Set(position.readings),
                began_at_zero: Set(position.began_at_zero),
                epoch: Set(0),
                open_anomaly: Set(None),
                snapshot_digest: Set(None),
                snapshot_at: Set(None),
                created_at: Set(now),
                updated_at: Set(now),
                listed_at: NotSet,
            }
        });
        positions::Entity::insert_many(rows).exec_without_returning(db).await?;
    }
    Ok(())
}

/// Keeps what stood where no decimal can, in a table of its own and for good.
pub(super) async fn note_figures(db: &DatabaseTransaction, survey: &Survey, now: NaiveDateTime) -> Result<(), DbErr> {
    let lost: Vec<_> = survey.report.ignored.iter().filter(|figure| !figure.kept).collect();
    for chunk in lost.chunks(ROWS_PER_STATEMENT) {
        let rows: Vec<anomalies::ActiveModel> = chunk
            .iter()
            .filter_map(|figure| {
                Some(anomalies::ActiveModel {
                    id: NotSet,
                    player_id: Set(figure.player_id),
                    pool_name: Set(figure.pool.clone()),
                    address: Set(survey.wallets.get(&figure.player_id)?.clone()),
                    kind: Set(FIGURE_NOT_KEPT.to_owned()),
                    detail: Set(format!("{}.{} of row {} was {}", figure.table, figure.column, figure.row, figure.value)),
                    seen_at: Set(now),
                    // Nothing is left to be decided.
                    resolved_at: Set(Some(now)),
                    resolved_by: Set(Some("pool-poller".to_owned())),
                    resolution: Set(Some("0 stands there since the takeover".to_owned())),
                })
            })
            .collect();
        if !rows.is_empty() {
            anomalies::Entity::insert_many(rows).exec_without_returning(db).await?;
        }
    }
    Ok(())
}

/// The last look before the commit: every row is still there, and every position.
pub(super) async fn compare_counts(db: &DatabaseTransaction, report: &Report) -> Result<(), TakeoverError> {
    let expected = report.tables.iter().map(|table| (table.table, table.rows)).chain([("positions", report.positions())]);
    for (table, rows) in expected {
        let found = count(db, &format!("SELECT count(*) FROM {table}")).await?;
        if found != rows {
            return Err(TakeoverError::Mismatch(format!("{table} has {found} rows instead of {rows}")));
        }
    }
    Ok(())
}
