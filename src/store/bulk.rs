//! One statement for many rows: `UPDATE … FROM (VALUES …)`, which both engines know in the same form.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

/// The type of a column of the values, which PostgreSQL must be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    BigInteger,
    Boolean,
    Text,
    Time,
    Money,
}

impl Kind {
    fn postgres(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::BigInteger => "bigint",
            Self::Boolean => "boolean",
            Self::Text => "text",
            Self::Time => "timestamp",
            Self::Money => "numeric",
        }
    }
}

/// `UPDATE table SET … FROM (VALUES …) AS v WHERE …`.
pub(super) struct BulkUpdate {
    /// The table.
    pub(super) table: &'static str,
    /// The assignments; the values' columns are `v.column1`, `v.column2` … on both engines.
    pub(super) set: &'static str,
    /// The condition that joins a row of the values with a row of the table, and any guard.
    pub(super) on: &'static str,
    /// The values' types, in order.
    pub(super) kinds: &'static [Kind],
}

impl BulkUpdate {
    /// Runs it for `rows`, each as long as `kinds`, and answers how many rows of the table were changed.
    pub(super) async fn run(&self, db: &impl ConnectionTrait, rows: Vec<Vec<Value>>) -> Result<u64, DbErr> {
        if rows.is_empty() {
            return Ok(0);
        }
        let backend = db.get_database_backend();
        let mut number = 0;
        let mut place = |kind: Kind| {
            number += 1;
            match backend {
                DbBackend::Postgres => format!("CAST(${number} AS {})", kind.postgres()),
                // SQLite keeps the type of what is bound; a cast would turn the text of an amount into a float.
                _ => "?".to_owned(),
            }
        };
        let tuples: Vec<String> = rows
            .iter()
            .map(|_| format!("({})", self.kinds.iter().map(|kind| place(*kind)).collect::<Vec<_>>().join(", ")))
            .collect();
        let sql = format!("UPDATE {} SET {} FROM (VALUES {}) AS v WHERE {}", self.table, self.set, tuples.join(", "), self.on);
        let statement = Statement::from_sql_and_values(backend, sql, rows.into_iter().flatten());
        Ok(db.execute_raw(statement).await?.rows_affected())
    }
}
