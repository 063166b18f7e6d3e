//! A database and the program, for one test.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rust_decimal::Decimal;
use sea_orm::sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, QueryResult, Statement};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::pg::{TestDatabase, connect};

/// A row by the names of its columns.
pub(super) type Row = BTreeMap<String, Value>;

pub(super) struct Site {
    pub(super) folder: TempDir,
    pub(super) url: String,
    /// Dropped after everything that is connected to it.
    _database: Option<TestDatabase>,
    environment: Vec<(String, String)>,
}

/// How the program ended.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Outcome {
    /// The output of a command that did its work.
    pub(super) fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Its output as JSON.
    pub(super) fn json(self) -> Value {
        serde_json::from_str(&self.succeeded()).expect("JSON")
    }

    /// The line of a command that ended with `code`.
    pub(super) fn ended_with(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        self.stderr
    }
}

impl Site {
    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}/game.db?mode=rwc", folder.path().display());
        Self { folder, url, _database: None, environment: Vec::new() }.prepared()
    }

    pub(super) async fn postgresql() -> Self {
        let database = TestDatabase::create().await;
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, url: database.url().to_owned(), _database: Some(database), environment: Vec::new() }.prepared()
    }

    fn prepared(self) -> Self {
        // Instead of the one in /etc, which a test must not depend on.
        std::fs::write(self.folder.path().join("empty.toml"), "").expect("a writable folder");
        let url = self.url.clone();
        self.env("DATABASE_URL", &url).env("SOCKETIO_URL", "").env("LOG_LEVEL", "ERROR")
    }

    /// With one more variable for the program.
    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn is_postgresql(&self) -> bool {
        self.url.starts_with("postgres")
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) async fn connect(&self) -> DatabaseConnection {
        connect(&self.url, 1).await.expect("a database")
    }

    /// Runs statements.
    pub(super) async fn execute(&self, sql: &str) {
        let db = self.connect().await;
        db.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{error}: {sql:.400}"));
        db.close().await.expect("a connection");
    }

    /// Every row that a query finds; PostgreSQL names the columns of a subquery by itself.
    pub(super) async fn rows(&self, sql: &str) -> Vec<Row> {
        let db = self.connect().await;
        let sql = if self.is_postgresql() { format!("SELECT row_to_json(t)::text FROM ({sql}) t") } else { sql.to_owned() };
        let found = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.expect("a query");
        let rows = found.iter().map(row).collect();
        db.close().await.expect("a connection");
        rows
    }

    /// The only column of the only row, as text.
    pub(super) async fn value(&self, sql: &str) -> String {
        let rows = self.rows(sql).await;
        let [row] = &rows[..] else { panic!("{} rows: {sql}", rows.len()) };
        text(row.values().next().expect("a column"))
    }

    /// Whether a table is there.
    pub(super) async fn has(&self, table: &str) -> bool {
        let sql = if self.is_postgresql() {
            format!("SELECT count(*) AS n FROM pg_tables WHERE schemaname = 'public' AND tablename = '{table}'")
        } else {
            format!("SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND name = '{table}'")
        };
        self.value(&sql).await == "1"
    }

    /// All tables with all rows, and the schema: what a command that changes nothing must leave the same.
    pub(super) async fn everything(&self) -> Vec<(String, Vec<Row>)> {
        let schema = if self.is_postgresql() {
            "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || coalesce(column_default, '') AS line \
             FROM information_schema.columns WHERE table_schema = 'public' \
             UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
        } else {
            "SELECT coalesce(sql, name) AS line FROM sqlite_master ORDER BY name"
        };
        let tables = if self.is_postgresql() {
            "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        } else {
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1"
        };
        let mut all = vec![("schema".to_owned(), self.rows(schema).await)];
        for table in self.rows(tables).await {
            let name = text(&table["name"]);
            let rows = self.rows(&format!("SELECT * FROM {name} ORDER BY 1")).await;
            all.push((name, rows));
        }
        all
    }

    /// The program, not started yet.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pool-poller"));
        command.current_dir(self.path()).env_clear().stdin(Stdio::null()).args(["--config", "empty.toml"]).args(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program to its end.
    pub(super) fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).output().expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Starts the program and does not wait for it.
    pub(super) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
    }
}

fn row(found: &QueryResult) -> Row {
    let Some(sqlite) = found.try_as_sqlite_row() else {
        let json: String = found.try_get_by_index(0).expect("a text");
        return serde_json::from_str(&json).expect("JSON");
    };
    let value = |index: usize| {
        let raw = sqlite.try_get_raw(index).expect("a value");
        match raw.type_info().name() {
            _ if raw.is_null() => Value::Null,
            "INTEGER" => sqlite.get_unchecked::<i64, _>(index).into(),
            "REAL" => number(sqlite.get_unchecked::<f64, _>(index)),
            _ => sqlite.get_unchecked::<String, _>(index).into(),
        }
    };
    sqlite.columns().iter().map(|column| (column.name().to_owned(), value(column.ordinal()))).collect()
}

/// A float by its shortest digits, as PostgreSQL shows it.
fn number(float: f64) -> Value {
    float.to_string().parse().map_or_else(|_| Value::String(float.to_string()), Value::Number)
}

/// A value as text, without quotes.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value as an exact number.
pub(super) fn decimal(value: &Value) -> Option<Decimal> {
    let text = text(value);
    text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
}

/// The engine's word for it.
pub(super) fn backend(site: &Site) -> DbBackend {
    if site.is_postgresql() { DbBackend::Postgres } else { DbBackend::Sqlite }
}
