//! The connection of the one who writes, beside those of the others.

use std::fs;

use pool_poller::store::{connect, migrate, writer};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement, TransactionTrait as _};
use tempfile::TempDir;

/// As many as a pool of the daemon has.
const CONNECTIONS: usize = 4;

async fn number(db: &DatabaseConnection, sql: &str) -> i64 {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.expect("an answer");
    row.expect("a row").try_get_by(0).expect("a number")
}

async fn add_player(db: &DatabaseConnection) {
    let insert = "INSERT INTO players (username, email, wallet_address, verified) VALUES ('a', 'a@example.org', 'W', TRUE)";
    db.execute_unprepared(insert).await.expect("a player");
}

#[tokio::test]
async fn whoever_writes_into_a_file_waits_for_no_reader_and_is_seen_by_all() {
    let folder = TempDir::new().expect("a temporary directory");
    let db = connect(&format!("sqlite://{}/m2p.db?mode=rwc", folder.path().display()), "test").await.expect("a database");
    migrate(&db).await.expect("the tables");
    let writer = writer(&db);
    let mut readers = Vec::new();
    for _ in 0..CONNECTIONS {
        let reader = db.begin().await.expect("a connection");
        reader.execute_unprepared("SELECT COUNT(*) FROM players").await.expect("a look");
        readers.push(reader);
    }
    add_player(&writer).await;
    for reader in readers {
        reader.rollback().await.expect("no change");
    }
    assert_eq!(number(&db, "SELECT COUNT(*) FROM players").await, 1);
    // What a commit survives is the same: WAL with a wait for the disk (2 is FULL).
    assert_eq!(number(&writer, "PRAGMA synchronous").await, 2);
    assert_eq!(number(&writer, "PRAGMA foreign_keys").await, 1);
    // It keeps more pages than a reader, by the sign counted in KiB.
    let [of_writer, of_reader] = [number(&writer, "PRAGMA cache_size").await, number(&db, "PRAGMA cache_size").await];
    assert!(of_writer < of_reader && of_reader < 0, "{of_writer} {of_reader}");

    writer.close().await.expect("closed");
    db.close().await.expect("closed");
    let names = fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("a file").file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["m2p.db"], "the last one out has left everything in the file");
}

#[tokio::test]
async fn whoever_writes_into_memory_writes_into_the_same_memory() {
    let db = connect("sqlite::memory:", "test").await.expect("a database");
    migrate(&db).await.expect("the tables");
    add_player(&writer(&db)).await;
    assert_eq!(number(&db, "SELECT COUNT(*) FROM players").await, 1);
}
