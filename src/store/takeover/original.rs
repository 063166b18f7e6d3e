//! The tables of the replaced service, and telling them from anybody else's.

use migration::first_version;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, IdenStatic, Iterable, Statement};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A number of 32 bits.
    Integer,
    /// A primary key of 32 or 64 bits.
    Key,
    Text,
    /// A float that becomes a decimal.
    Amount,
    Flag,
    Time,
}

/// A table of the replaced service.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Class)],
    /// Defaults for columns that have none, so that inserts that leave them out work as on a fresh database: the column,
    /// and the expression on PostgreSQL and on SQLite.
    pub(super) defaults: &'static [(&'static str, &'static str, &'static str)],
    /// The amount that is a pool's cumulative counter.
    pub(super) counter: Option<&'static str>,
}

impl Table {
    /// The names of the columns that become decimals.
    pub(super) fn amounts(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().filter(|(_, class)| *class == Class::Amount).map(|(name, _)| *name)
    }
}

const NOW_POSTGRES: &str = "(now() AT TIME ZONE 'utc')";
const NOW_SQLITE: &str = "CURRENT_TIMESTAMP";

pub(super) const PLAYERS: Table = Table {
    name: "players",
    columns: &[
        ("id", Class::Integer),
        ("username", Class::Text),
        ("email", Class::Text),
        ("wallet_address", Class::Text),
        ("total_ap", Class::Amount),
        ("total_advc_mined", Class::Amount),
        ("level", Class::Integer),
        ("verified", Class::Flag),
        ("active", Class::Flag),
        ("created_at", Class::Time),
        ("updated_at", Class::Time),
        ("last_mining_event", Class::Time),
    ],
    defaults: &[
        ("total_ap", "0", "'0'"),
        ("total_advc_mined", "0", "'0'"),
        ("level", "1", "1"),
        ("verified", "FALSE", "FALSE"),
        ("active", "TRUE", "TRUE"),
        ("created_at", NOW_POSTGRES, NOW_SQLITE),
        ("updated_at", NOW_POSTGRES, NOW_SQLITE),
    ],
    counter: None,
};

pub(super) const SNAPSHOTS: Table = Table {
    name: "pool_snapshots",
    columns: &[
        ("id", Class::Key),
        ("player_id", Class::Integer),
        ("pool_name", Class::Text),
        ("total_hash", Class::Amount),
        ("total_shares", Class::Amount),
        ("immature", Class::Amount),
        ("balance", Class::Amount),
        ("paid", Class::Amount),
        ("raw_response", Class::Text),
        ("snapshot_time", Class::Time),
    ],
    defaults: &[("snapshot_time", NOW_POSTGRES, NOW_SQLITE)],
    counter: Some("paid"),
};

pub(super) const EVENTS: Table = Table {
    name: "mining_events",
    columns: &[
        ("id", Class::Key),
        ("player_id", Class::Integer),
        ("pool_name", Class::Text),
        ("advc_amount", Class::Amount),
        ("ap_awarded", Class::Amount),
        ("previous_paid", Class::Amount),
        ("current_paid", Class::Amount),
        ("event_time", Class::Time),
        ("processed", Class::Flag),
        ("notified", Class::Flag),
    ],
    defaults: &[("event_time", NOW_POSTGRES, NOW_SQLITE), ("processed", "FALSE", "FALSE"), ("notified", "FALSE", "FALSE")],
    counter: Some("current_paid"),
};

pub(super) const TABLES: [&Table; 3] = [&PLAYERS, &SNAPSHOTS, &EVENTS];

/// What a database without a record of migrations holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Found {
    /// None of the replaced service's tables.
    Nothing,
    /// The tables of the replaced service.
    Original,
    /// Tables by those names that are neither, and what is unexpected.
    Foreign(String),
}

/// Whether there is such a table.
pub(in crate::store) async fn has_table(db: &impl ConnectionTrait, name: &str) -> Result<bool, DbErr> {
    Ok(!columns(db, name).await?.is_empty())
}

/// Looks at the tables and changes nothing.
pub(in crate::store) async fn recognize(db: &impl ConnectionTrait) -> Result<Found, DbErr> {
    let backend = db.get_database_backend();
    let first = first_version(backend);
    let mut existing = Vec::new();
    for table in &first.tables {
        let name = table_name(table);
        let columns = columns(db, &name).await?;
        if !columns.is_empty() {
            existing.push((name, columns));
        }
    }
    if existing.iter().all(|(name, _)| TABLES.iter().all(|table| table.name != name)) {
        return Ok(Found::Nothing);
    }
    let foreign = |reason: String| Ok(Found::Foreign(reason));
    if let Some((name, _)) = existing.iter().find(|(name, _)| TABLES.iter().all(|table| table.name != name)) {
        return foreign(format!("there is a table {name} that is not the replaced service's"));
    }
    for table in TABLES {
        let Some((_, found)) = existing.iter().find(|(name, _)| name == table.name) else {
            let others: Vec<&str> = existing.iter().map(|(name, _)| name.as_str()).collect();
            return foreign(format!("there is no table {} beside {}", table.name, others.join(" and ")));
        };
        for (name, class) in table.columns {
            let Some(column) = found.iter().find(|column| column.name == *name) else {
                return foreign(format!("the table {} has no column {name}", table.name));
            };
            if !fits(backend, *class, &column.declared) {
                return foreign(format!("{}.{name} is {}", table.name, column.declared));
            }
        }
        let needed = entity_columns(table.name);
        let added = needed.iter().filter(|name| table.columns.iter().all(|(original, _)| original != name));
        if let Some(taken) = added.into_iter().find(|name| found.iter().any(|column| column.name == **name)) {
            return foreign(format!("{}.{taken} is not the replaced service's, and the name is needed here", table.name));
        }
        if !found.iter().any(|column| column.name == "id" && column.primary_key) {
            return foreign(format!("{}.id is not the primary key", table.name));
        }
    }
    Ok(Found::Original)
}

/// The columns that this program uses of a table.
fn entity_columns(table: &str) -> Vec<String> {
    fn names<C: Iterable + IdenStatic>() -> Vec<String> {
        C::iter().map(|column| column.as_str().to_owned()).collect()
    }
    match table {
        "players" => names::<entity::players::Column>(),
        "pool_snapshots" => names::<entity::pool_snapshots::Column>(),
        _ => names::<entity::mining_events::Column>(),
    }
}

/// The name of the table that a statement makes.
pub(super) fn table_name(statement: &sea_orm::sea_query::TableCreateStatement) -> String {
    use sea_orm::sea_query::TableRef;
    match statement.get_table_name() {
        Some(TableRef::Table(name, _)) => name.1.to_string(),
        _ => String::new(),
    }
}

/// A column as the database has it.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// Its declared type, in lower case.
    pub(super) declared: String,
    pub(super) has_default: bool,
    /// Its value is computed and cannot be inserted.
    pub(super) generated: bool,
    pub(super) primary_key: bool,
}

/// The columns of a table in their order; empty when there is no such table.
pub(super) async fn columns(db: &impl ConnectionTrait, table: &str) -> Result<Vec<Column>, DbErr> {
    let backend = db.get_database_backend();
    let sql = if backend == DbBackend::Postgres {
        // Not information_schema, which hides what this login may not read.
        "SELECT a.attname::text, format_type(a.atttypid, NULL), a.atthasdef OR a.attidentity <> '', a.attgenerated <> '', \
                EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnatts = 1 \
                          AND i.indkey[0] = a.attnum) \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = current_schema() AND c.relname = $1 AND c.relkind IN ('r', 'p') AND a.attnum > 0 \
           AND NOT a.attisdropped ORDER BY a.attnum"
    } else {
        "SELECT name, lower(type), dflt_value IS NOT NULL, hidden IN (2, 3), pk = 1 FROM pragma_table_xinfo(?) \
         WHERE hidden <> 1 ORDER BY cid"
    };
    let rows = db.query_all_raw(Statement::from_sql_and_values(backend, sql, [table.into()])).await?;
    rows.iter()
        .map(|row| {
            Ok(Column {
                name: row.try_get_by_index(0)?,
                declared: row.try_get_by_index(1)?,
                has_default: row.try_get_by_index(2)?,
                generated: row.try_get_by_index(3)?,
                primary_key: row.try_get_by_index(4)?,
            })
        })
        .collect()
}

/// Whether a declared type is one that the replaced service may have made such a column with.
fn fits(backend: DbBackend, class: Class, declared: &str) -> bool {
    let postgres: &[&str] = match class {
        Class::Integer => &["integer"],
        Class::Key => &["integer", "bigint"],
        Class::Text => &["character varying", "text"],
        Class::Amount => &["double precision", "real", "numeric"],
        Class::Flag => &["boolean"],
        Class::Time => &["timestamp without time zone"],
    };
    let sqlite: &[&str] = match class {
        Class::Integer | Class::Key => &["int"],
        Class::Text => &["char", "text"],
        Class::Amount => &["floa", "doub", "real", "numeric", "decimal"],
        Class::Flag => &["bool", "int"],
        Class::Time => &["datetime", "timestamp"],
    };
    if backend == DbBackend::Postgres { postgres.contains(&declared) } else { sqlite.iter().any(|part| declared.contains(part)) }
}
