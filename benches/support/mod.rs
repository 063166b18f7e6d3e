//! What the benches share.

#![allow(dead_code, reason = "no bench uses all of it")]

use pool_poller::store::{connect, migrate, writer};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};

/// A migrated database, to write into as the ledger does.
pub(crate) async fn open(url: &str) -> DatabaseConnection {
    let db = connect(url, "bench").await.expect("a database");
    migrate(&db).await.expect("tables");
    writer(&db)
}

/// A new database on the PostgreSQL server, replacing one of the same name.
pub(crate) async fn fresh(server: &str, name: &str) -> String {
    let db = connect(server, "bench").await.expect("a server");
    db.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name}")).await.expect("permission");
    db.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("permission");
    let mut url = url::Url::parse(server).expect("a URL");
    url.set_path(name);
    url.to_string()
}

/// The median of what was measured, and its range.
pub(crate) fn median(measured: &[f64]) -> (f64, f64, f64) {
    let mut sorted = measured.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[sorted.len() / 2], sorted[0], sorted[sorted.len() - 1])
}
