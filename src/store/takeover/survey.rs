//! Looks at the tables of the replaced service: what is there, where positions begin, what stands in the way.

use std::collections::{BTreeMap, HashMap};

use futures_util::TryStreamExt as _;
use rust_decimal::Decimal;
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbBackend, QueryResult, Statement, StreamTrait as _};

use super::marks::{Mark, Recorded, recorded};
use super::original::{EVENTS, PLAYERS, SNAPSHOTS, TABLES, Table};
use super::report::{IgnoredFigure, PoolMarks, Report, Skipped, TableRows};
use super::{TakeoverError, backend_of, figure, postgres, twice};
use crate::domain::{Amount, Currency, PoolName, Rate, Wallet};

/// How many of many are named.
const NAMED_MAX: usize = 10;

/// What a takeover is carried out by.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) report: Report,
    pub(super) marks: Vec<Mark>,
    /// `players.wallet_address` by id, as it is written.
    pub(super) wallets: HashMap<i32, String>,
}

/// Reads everything once and changes nothing.
pub(super) async fn survey(db: &DatabaseTransaction, rates: &BTreeMap<Currency, Rate>) -> Result<Survey, TakeoverError> {
    let mut report = Report::default();
    for table in TABLES {
        report.tables.push(rows_of(db, table).await?);
    }
    report.newest_snapshot = one(db, "SELECT max(snapshot_time) FROM pool_snapshots").await?.try_get_by_index(0)?;
    report.never_sent = count(db, "SELECT count(*) FROM mining_events WHERE NOT notified").await?;
    report.blockers = odd_totals(db).await?;
    if backend_of(db) == DbBackend::Postgres {
        report.blockers.extend(postgres::dependent_views(db).await?);
    }
    report.ignored = ignored_figures(db).await?;
    report.twice = twice::find(db).await?;
    let wallets = wallets(db).await?;
    let marks = marks(db, rates, &wallets, &mut report).await?;
    Ok(Survey { report, marks, wallets })
}

async fn one(db: &DatabaseTransaction, sql: &str) -> Result<QueryResult, TakeoverError> {
    let row = db.query_one_raw(Statement::from_string(backend_of(db), sql)).await?;
    row.ok_or_else(|| TakeoverError::Mismatch(format!("no answer to {sql}")))
}

/// The number that a query counts.
pub(super) async fn count(db: &DatabaseTransaction, sql: &str) -> Result<u64, TakeoverError> {
    let counted: i64 = one(db, sql).await?.try_get_by_index(0)?;
    Ok(counted.unsigned_abs())
}

async fn rows_of(db: &DatabaseTransaction, table: &Table) -> Result<TableRows, TakeoverError> {
    let name = table.name;
    let rows = count(db, &format!("SELECT count(*) FROM {name}")).await?;
    let orphans = if table.counter.is_some() {
        // SQLite enforces foreign keys only where a program asks for it, and the replaced service did not.
        let sql = format!("SELECT count(*) FROM {name} t WHERE NOT EXISTS (SELECT 1 FROM players p WHERE p.id = t.player_id)");
        count(db, &sql).await?
    } else {
        0
    };
    Ok(TableRows { table: name, rows, orphans })
}

/// Players whose totals are no numbers: nobody but an operator can say what they have.
async fn odd_totals(db: &DatabaseTransaction) -> Result<Vec<String>, TakeoverError> {
    let backend = backend_of(db);
    let kept: Vec<String> = PLAYERS.amounts().map(|column| figure::is_kept(backend, column)).collect();
    let shown: Vec<String> = PLAYERS.amounts().map(|column| figure::selected(backend, column)).collect();
    let sql = format!("SELECT id, username, {} FROM players WHERE NOT ({}) ORDER BY id", shown.join(", "), kept.join(" AND "));
    let rows = db.query_all_raw(Statement::from_string(backend, sql)).await?;
    let mut blockers = Vec::new();
    for row in rows.iter().take(NAMED_MAX) {
        let (id, username): (i32, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let mut totals = Vec::new();
        for (column, index) in PLAYERS.amounts().zip(2..) {
            totals.push(format!("{column} = {}", figure::read(row, index)?.unwrap_or_default()));
        }
        blockers.push(format!(
            "player {id} ({username}) has {}: nobody knows what that was, so set it to what the player shall have",
            totals.join(", ")
        ));
    }
    if rows.len() > NAMED_MAX {
        blockers.push(format!("{} more players have such totals", rows.len() - NAMED_MAX));
    }
    Ok(blockers)
}

/// Figures that are no counters, and others that cannot be kept.
async fn ignored_figures(db: &DatabaseTransaction) -> Result<Vec<IgnoredFigure>, TakeoverError> {
    let backend = backend_of(db);
    let mut ignored = Vec::new();
    for table in [&SNAPSHOTS, &EVENTS] {
        let good = |column: &str| {
            if table.counter == Some(column) { figure::is_counter(backend, column) } else { figure::is_kept(backend, column) }
        };
        let conditions: Vec<String> = table.amounts().map(good).collect();
        let shown: Vec<String> = table
            .amounts()
            .map(|column| {
                format!("{}, {}, {}", figure::selected(backend, column), good(column), figure::is_kept(backend, column))
            })
            .collect();
        let sql = format!(
            "SELECT CAST(id AS bigint), player_id, pool_name, {} FROM {} WHERE NOT ({}) ORDER BY id",
            shown.join(", "),
            table.name,
            conditions.join(" AND ")
        );
        let mut rows = db.stream_raw(Statement::from_string(backend, sql)).await?;
        while let Some(row) = rows.try_next().await? {
            for (column, index) in table.amounts().zip((3..).step_by(3)) {
                let is_good: bool = row.try_get_by_index(index + 1)?;
                if !is_good {
                    ignored.push(IgnoredFigure {
                        table: table.name,
                        row: row.try_get_by_index(0)?,
                        player_id: row.try_get_by_index(1)?,
                        pool: row.try_get_by_index(2)?,
                        column,
                        value: figure::read(&row, index)?.unwrap_or_default(),
                        kept: row.try_get_by_index(index + 2)?,
                    });
                }
            }
        }
    }
    Ok(ignored)
}

async fn wallets(db: &DatabaseTransaction) -> Result<HashMap<i32, String>, TakeoverError> {
    let statement = Statement::from_string(backend_of(db), "SELECT id, wallet_address FROM players");
    let mut rows = db.stream_raw(statement).await?;
    let mut wallets = HashMap::new();
    while let Some(row) = rows.try_next().await? {
        wallets.insert(row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    }
    Ok(wallets)
}

/// The highest counters recorded, by player and pool.
async fn highest(db: &DatabaseTransaction, table: &Table) -> Result<Vec<(i32, String, Option<String>)>, TakeoverError> {
    let backend = backend_of(db);
    let column = table.counter.unwrap_or_default();
    let greatest = format!("max(CASE WHEN {} THEN {column} END)", figure::is_counter(backend, column));
    let sql = format!(
        "SELECT player_id, pool_name, {} FROM {} GROUP BY player_id, pool_name",
        figure::selected(backend, &greatest),
        table.name
    );
    let rows = db.query_all_raw(Statement::from_string(backend, sql)).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?, figure::read(row, 2)?))).collect()
}

/// Works out the positions, and notes in the report what they come to and who gets none.
async fn marks(
    db: &DatabaseTransaction,
    rates: &BTreeMap<Currency, Rate>,
    wallets: &HashMap<i32, String>,
    report: &mut Report,
) -> Result<Vec<Mark>, TakeoverError> {
    let mut by_pool: BTreeMap<String, BTreeMap<i32, Vec<String>>> = BTreeMap::new();
    for table in [&SNAPSHOTS, &EVENTS] {
        for (player, pool, text) in highest(db, table).await? {
            by_pool.entry(pool).or_default().entry(player).or_default().extend(text);
        }
    }
    let mut marks = Vec::new();
    for (pool, players) in by_pool {
        let how = match pool.parse::<PoolName>() {
            Ok(name) => recorded(&name, rates).map(|recorded| (name, recorded)).map_err(|missing| {
                report.blockers.push(format!("{pool}: {missing}"));
                missing
            }),
            Err(error) => Err(error.to_string()),
        };
        let mut summary = match &how {
            Ok((_, recorded)) => summary(&pool, recorded),
            Err(_) => {
                PoolMarks { pool: pool.clone(), positions: 0, zero: 0, marks: Decimal::ZERO, currency: String::new(), rate: None }
            }
        };
        for (player_id, texts) in players {
            let mark = how.clone().and_then(|(name, recorded)| mark(player_id, name, &recorded, &texts, wallets));
            match mark {
                Ok(mark) => {
                    summary.positions += 1;
                    summary.zero += u64::from(mark.high_water == Amount::ZERO);
                    summary.marks = summary.marks.saturating_add(mark.high_water.to_decimal());
                    marks.push(mark);
                }
                Err(reason) => report.skipped.push(Skipped { player_id, pool: pool.clone(), reason }),
            }
        }
        if summary.positions > 0 {
            report.pools.push(summary);
        }
    }
    Ok(marks)
}

fn summary(pool: &str, recorded: &Recorded) -> PoolMarks {
    PoolMarks {
        pool: pool.to_owned(),
        positions: 0,
        zero: 0,
        marks: Decimal::ZERO,
        currency: recorded.currency.to_string(),
        rate: recorded.rate,
    }
}

/// The position of one player on one pool, or why there is none.
fn mark(
    player_id: i32,
    pool: PoolName,
    recorded: &Recorded,
    texts: &[String],
    wallets: &HashMap<i32, String>,
) -> Result<Mark, String> {
    let wallet = wallets.get(&player_id).ok_or("the player is gone")?;
    let wallet: Wallet = wallet.parse().map_err(|error| format!("{error}"))?;
    let highest = texts.iter().filter_map(|text| recorded.counter(text)).max();
    let high_water = highest.ok_or("no figure of it is a counter")?;
    Ok(Mark { player_id, pool, wallet, currency: recorded.currency.clone(), high_water, sources: recorded.sources })
}
