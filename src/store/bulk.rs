//! One statement for many rows, whose text is the same however many they are.
//!
//! An engine reads and plans a statement once a connection and finds it again by its text. So PostgreSQL gets one array a column,
//! and SQLite, which has no arrays, a few texts for fixed numbers of rows: a batch is cut into those and padded. What a batch costs is then
//! its rows, and no connection keeps a statement for each number of them.

use std::sync::OnceLock;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};

use super::cells::{Cell, Columns};

/// The type of a column of the rows, which PostgreSQL must be told.
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

/// Values of one statement on SQLite at most. Larger ones cost more a row, measured, and each connection keeps them prepared.
const VALUES_MAX: usize = 2_048;
/// Values of one statement on SQLite that are padding, at most. A statement more costs several times what these do.
const PADDING_MAX: usize = 256;
/// Powers of two up to the most rows of one statement on SQLite: those of a single column.
const SIZES: usize = VALUES_MAX.ilog2() as usize + 1;

/// A statement about many rows.
///
/// In its SQL `{rows}` stands for the rows, a table named `v` with the columns `column1`, `column2` and so on. Each `{}` stands
/// for a value that all rows share; those come before the rows. On SQLite there may be more rows, of nulls alone: a statement must
/// do nothing about them.
pub(super) struct Bulk {
    postgres: &'static str,
    sqlite: &'static str,
    shared: &'static [Kind],
    columns: &'static [Kind],
    postgres_text: OnceLock<String>,
    /// By the power of two that is the number of rows.
    sqlite_texts: [OnceLock<String>; SIZES],
}

impl Bulk {
    /// A statement that both engines know in the same form.
    pub(super) const fn new(sql: &'static str, shared: &'static [Kind], columns: &'static [Kind]) -> Self {
        Self::of_each(sql, sql, shared, columns)
    }

    /// A statement that PostgreSQL and SQLite say in different words.
    pub(super) const fn of_each(
        postgres: &'static str,
        sqlite: &'static str,
        shared: &'static [Kind],
        columns: &'static [Kind],
    ) -> Self {
        Self {
            postgres,
            sqlite,
            shared,
            columns,
            postgres_text: OnceLock::new(),
            sqlite_texts: [const { OnceLock::new() }; SIZES],
        }
    }

    /// No rows yet, with room for `capacity`. Each row that is added has a cell for each column.
    pub(super) fn rows(&self, db: &impl ConnectionTrait, capacity: usize) -> Rows<'_> {
        let backend = db.get_database_backend();
        Rows { bulk: self, backend, columns: Columns::new(backend, self.columns.len(), capacity) }
    }

    /// The most rows of one statement on SQLite: a power of two.
    fn size_max(&self) -> usize {
        1 << (VALUES_MAX / self.columns.len()).ilog2()
    }

    fn text(&self, backend: DbBackend, size: usize) -> String {
        let (sql, text) = match backend {
            DbBackend::Postgres => (self.postgres, Some(&self.postgres_text)),
            _ => (self.sqlite, self.sqlite_texts.get(size.ilog2() as usize)),
        };
        text.map_or_else(|| self.build(backend, sql, size), |text| text.get_or_init(|| self.build(backend, sql, size)).clone())
    }

    fn build(&self, backend: DbBackend, sql: &str, size: usize) -> String {
        let mut text = sql.to_owned();
        for (number, kind) in self.shared.iter().enumerate() {
            text = text.replacen("{}", &place(backend, number + 1, *kind), 1);
        }
        text.replace("{rows}", &self.rows_text(backend, size))
    }

    fn rows_text(&self, backend: DbBackend, size: usize) -> String {
        if backend == DbBackend::Postgres {
            let first = self.shared.len() + 1;
            let arrays = self.columns.iter().enumerate();
            // Sent as the text of an array, which takes part in no conversion here and can hold nulls.
            let arrays = arrays.map(|(column, kind)| format!("CAST(CAST(${} AS text) AS {}[])", first + column, kind.postgres()));
            let names = (1..=self.columns.len()).map(|column| format!("column{column}"));
            let [arrays, names] = [arrays.collect::<Vec<_>>(), names.collect()].map(|parts| parts.join(", "));
            return format!("unnest({arrays}) AS v({names})");
        }
        let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
        format!("(VALUES {}) AS v", vec![row.as_str(); size].join(", "))
    }
}

/// Where a shared value stands.
fn place(backend: DbBackend, number: usize, kind: Kind) -> String {
    match backend {
        DbBackend::Postgres => format!("CAST(${number} AS {})", kind.postgres()),
        // SQLite keeps the type of what is bound; a cast would turn the text of an amount into a float.
        _ => "?".to_owned(),
    }
}

/// The rows of a statement.
pub(super) struct Rows<'a> {
    bulk: &'a Bulk,
    backend: DbBackend,
    columns: Columns,
}

impl Rows<'_> {
    /// Adds a row.
    pub(super) fn add<'c, const N: usize>(&mut self, cells: [Cell<'c>; N]) {
        debug_assert_eq!(N, self.bulk.columns.len(), "{}", self.bulk.sqlite);
        for (column, cell) in cells.into_iter().enumerate() {
            self.columns.add(column, cell);
        }
    }

    /// Runs the statement and answers how many rows of its table were inserted or changed. On SQLite it may take several, so that
    /// it belongs into a transaction.
    pub(super) async fn execute(self, db: &impl ConnectionTrait, shared: &[Value]) -> Result<u64, DbErr> {
        let mut affected = 0;
        for statement in self.statements(shared) {
            affected += db.execute_raw(statement).await?.rows_affected();
        }
        Ok(affected)
    }

    /// Runs the statement and answers the rows that it returns.
    pub(super) async fn query(self, db: &impl ConnectionTrait, shared: &[Value]) -> Result<Vec<QueryResult>, DbErr> {
        let mut found = Vec::new();
        for statement in self.statements(shared) {
            found.extend(db.query_all_raw(statement).await?);
        }
        Ok(found)
    }

    fn statements(self, shared: &[Value]) -> Vec<Statement> {
        debug_assert_eq!(shared.len(), self.bulk.shared.len(), "{}", self.bulk.sqlite);
        let Self { bulk, backend, columns } = self;
        let of = |size: usize, values: Vec<Value>| Statement {
            sql: bulk.text(backend, size),
            values: Some(sea_orm::sea_query::Values(shared.iter().cloned().chain(values).collect())),
            db_backend: backend,
        };
        let width = bulk.columns.len();
        match columns {
            Columns::Postgres { rows: 0, .. } => Vec::new(),
            Columns::Postgres { arrays, rows } => {
                vec![of(rows, arrays.into_iter().map(|array| (array + "}").into()).collect())]
            }
            Columns::Sqlite { values, .. } => {
                let mut left = values.len() / width;
                let mut values = values.into_iter();
                let mut statements = Vec::new();
                while left > 0 {
                    let (size, taken) = piece(left, width, bulk.size_max());
                    let mut some: Vec<Value> = Vec::with_capacity(size * width);
                    some.extend(values.by_ref().take(taken * width));
                    some.resize(size * width, Value::String(None));
                    statements.push(of(size, some));
                    left -= taken;
                }
                statements
            }
        }
    }
}

/// The rows of the next statement on SQLite, and how many of them are not padding, where `left` rows of `width` values are left: a
/// power of four, so that there are few texts.
fn piece(left: usize, width: usize, size_max: usize) -> (usize, usize) {
    let power = left.min(size_max).ilog2();
    let below = 1 << (power - power % 2);
    if below == left {
        return (below, below);
    }
    let above = 4 * below;
    if above <= size_max && (above - left) * width <= PADDING_MAX { (above, left) } else { (below, below) }
}

#[cfg(test)]
#[path = "bulk_tests.rs"]
mod tests;
