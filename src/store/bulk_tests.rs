//! The statements against a real SQLite; those of PostgreSQL are in `tests/it/database/sizes.rs`.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use sea_orm::DatabaseConnection;

use super::*;
use crate::store::connect;

static INSERT: Bulk = Bulk::new(
    "INSERT INTO t (shared, a, b, c) SELECT {}, v.column1, v.column2, v.column3 FROM {rows} WHERE v.column1 IS NOT NULL",
    &[Kind::Text],
    &[Kind::BigInteger, Kind::Text, Kind::Money],
);
static MARK: Bulk = Bulk::new("UPDATE t SET b = {} FROM {rows} WHERE t.a = v.column1", &[Kind::Text], &[Kind::BigInteger]);
static READ: Bulk = Bulk::new("SELECT t.a, t.b FROM {rows} CROSS JOIN t WHERE t.a = v.column1", &[], &[Kind::BigInteger]);

/// On both sides of every number of rows that has a statement of its own.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=5).chain([15, 16, 17, 31, 63, 64, 65, 127, 255, 256, 257, 511, 512, 513, 1_023, 1_024, 1_025, 2_500])
}

async fn table() -> DatabaseConnection {
    let db = connect("sqlite::memory:", "test").await.unwrap();
    db.execute_unprepared("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c TEXT, shared TEXT)").await.unwrap();
    db
}

async fn fill(db: &DatabaseConnection, length: usize) -> u64 {
    let mut rows = INSERT.rows(db, length);
    for number in 0..i64::try_from(length).unwrap() {
        let text = (number % 3 > 0).then(|| format!("n°{number}'\"\\"));
        rows.add([number.into(), text.into(), rust_decimal::Decimal::new(number, 18).into()]);
    }
    rows.execute(db, &["same".into()]).await.unwrap()
}

async fn count(db: &DatabaseConnection, condition: &str) -> u64 {
    let sql = format!("SELECT COUNT(*) FROM t WHERE {condition}");
    let row = db.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap().unwrap();
    row.try_get_by::<i64, _>(0).unwrap().try_into().unwrap()
}

#[tokio::test]
async fn every_row_is_inserted_once_whatever_their_number() {
    for length in lengths() {
        let (db, rows) = (table().await, length as u64);
        assert_eq!(fill(&db, length).await, rows);
        assert_eq!(count(&db, "shared = 'same' AND typeof(c) = 'text' AND c = printf('0.%018d', a)").await, rows);
        assert_eq!(count(&db, "a % 3 = 0 AND b IS NULL OR a % 3 > 0 AND b = 'n°' || a || '''\"\\'").await, rows);
    }
}

#[tokio::test]
async fn what_pads_a_statement_changes_nothing() {
    for length in lengths() {
        let (db, wanted) = (table().await, length.saturating_sub(1));
        fill(&db, length).await;
        let mut rows = MARK.rows(&db, wanted);
        for number in 1..=i64::try_from(wanted).unwrap() {
            // The last is not there.
            rows.add([(number + 1).into()]);
        }
        let there = length.saturating_sub(2) as u64;
        assert_eq!(rows.execute(&db, &["marked".into()]).await.unwrap(), there, "{length}");
        assert_eq!(count(&db, "b = 'marked'").await, there);
    }
}

#[tokio::test]
async fn a_query_finds_each_row_once_and_leaves_out_what_is_not_there() {
    let db = table().await;
    fill(&db, 1_500).await;
    for length in lengths() {
        let mut rows = READ.rows(&db, length);
        for number in 0..i64::try_from(length).unwrap() {
            rows.add([number.into()]);
        }
        let found = rows.query(&db, &[]).await.unwrap();
        let keys: HashSet<i64> = found.iter().map(|row| row.try_get_by(0).unwrap()).collect();
        assert_eq!((found.len(), keys.len()), (length.min(1_500), length.min(1_500)));
    }
}

#[tokio::test]
async fn few_texts_serve_every_number_of_rows() {
    let mut db = table().await;
    let texts: Arc<Mutex<HashSet<String>>> = Arc::default();
    let seen = Arc::clone(&texts);
    db.set_metric_callback(move |info| {
        seen.lock().unwrap().insert(info.statement.sql.clone());
    });
    for length in 1..=700 {
        let mut rows = MARK.rows(&db, length);
        (0..length).for_each(|_| rows.add([Cell::Null]));
        rows.execute(&db, &["x".into()]).await.unwrap();
    }
    assert_eq!(texts.lock().unwrap().len(), 5, "of 1, 4, 16, 64 and 256 rows");
}

#[test]
fn no_statement_has_more_values_than_is_good() {
    for bulk in [&INSERT, &MARK, &READ] {
        let most = bulk.size_max() * bulk.columns.len();
        assert!(most <= VALUES_MAX && most > VALUES_MAX / 2, "{most}");
        assert!(bulk.sqlite_texts.get(bulk.size_max().ilog2() as usize).is_some());
    }
}

#[test]
fn pieces_add_up_to_the_rows() {
    for (width, size_max) in [(1, 2_048), (4, 512), (13, 128), (22, 64)] {
        for rows in 1..3_000_usize {
            let (mut left, mut pieces) = (rows, 0);
            while left > 0 {
                let (size, taken) = piece(left, width, size_max);
                assert!(size.ilog2().is_multiple_of(2) && size.is_power_of_two() && size <= size_max, "{left} {size}");
                assert!((1..=size).contains(&taken) && (size - taken) * width <= PADDING_MAX, "{left} {size} {taken}");
                left -= taken;
                pieces += 1;
            }
            assert!(pieces <= rows.div_ceil(size_max / 2) + 4, "{pieces} statements for {rows} rows of {width}");
        }
    }
}
