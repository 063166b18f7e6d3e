//! The takeover of a database that the replaced service has been writing (SPEC.md section 3).
//!
//! Promises: one transaction does all of it, so a crash leaves the database as it was; every row of the three tables stays under
//! its id with every column; an amount becomes the shortest decimal text of the float it was, exactly; positions begin at the
//! highest counter that was ever recorded, so nothing of the past is paid again. What the service awarded twice is listed and
//! left as it is; its events are never sent, because they have no number.
//! Leaves to others: showing the report (`cli`), and how a position goes on whose field is not known (`domain::payout`).

mod complete;
mod ddl;
mod figure;
mod marks;
mod original;
mod postgres;
mod report;
mod sqlite;
mod survey;
mod twice;

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, IsolationLevel, TransactionOptions,
    TransactionTrait as _,
};

pub(super) use original::{Found, has_table, recognize};
pub use report::{IgnoredFigure, PoolMarks, Report, Skipped, TableRows};
pub use twice::{Twice, TwiceEvent};

use super::write_at_once;
use crate::domain::{Currency, Rate};

/// Why a takeover did not happen. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// The database said no.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// Somebody has to put these right first.
    #[error("{}", .0.join("; "))]
    Blocked(Vec<String>),
    /// What came out is not what went in.
    #[error("{0}")]
    Mismatch(String),
}

/// Says what a takeover would do, and changes nothing. `rates` are ADVC per unit of each currency.
///
/// # Errors
/// When the database cannot be asked.
pub async fn look(db: &DatabaseConnection, rates: &BTreeMap<Currency, Rate>) -> Result<Report, TakeoverError> {
    let postgres = db.get_database_backend() == DbBackend::Postgres;
    let options = TransactionOptions {
        // Everything is counted at one moment, though the other service may be writing.
        isolation_level: postgres.then_some(IsolationLevel::RepeatableRead),
        access_mode: postgres.then_some(AccessMode::ReadOnly),
        ..TransactionOptions::default()
    };
    let transaction = db.begin_with_options(options).await?;
    if postgres {
        postgres::without_limits(&transaction).await?;
    }
    let survey = survey::survey(&transaction, rates).await?;
    transaction.rollback().await?;
    Ok(survey.report)
}

/// Takes the database over, all of it or nothing. `None` when another process has done it in the meantime.
///
/// # Errors
/// When something has to be put right first, or the database refuses; nothing was changed then.
pub async fn take_over(
    db: &DatabaseConnection,
    rates: &BTreeMap<Currency, Rate>,
    now: NaiveDateTime,
) -> Result<Option<Report>, TakeoverError> {
    if db.get_database_backend() == DbBackend::Postgres {
        let transaction = db.begin().await?;
        postgres::without_limits(&transaction).await?;
        return in_transaction(transaction, rates, now).await;
    }
    // Foreign keys can only be switched off between transactions, and on the connection that rebuilds the tables.
    let single = sqlite::connection_for_rebuild(db).await?;
    let report = match single.begin_with_options(write_at_once()).await {
        Ok(transaction) => in_transaction(transaction, rates, now).await,
        Err(error) => Err(error.into()),
    };
    let closed = single.close().await;
    let report = report?;
    closed?;
    Ok(report)
}

async fn in_transaction(
    transaction: DatabaseTransaction,
    rates: &BTreeMap<Currency, Rate>,
    now: NaiveDateTime,
) -> Result<Option<Report>, TakeoverError> {
    let postgres = backend_of(&transaction) == DbBackend::Postgres;
    super::schema::alone(&transaction).await?;
    if postgres {
        postgres::lock(&transaction).await?;
    }
    // Only now nobody else can change it.
    if super::schema_state(&transaction).await? != super::SchemaState::Original {
        transaction.rollback().await?;
        return Ok(None);
    }
    let survey = survey::survey(&transaction, rates).await?;
    if !survey.report.blockers.is_empty() {
        transaction.rollback().await?;
        return Err(TakeoverError::Blocked(survey.report.blockers));
    }
    complete::create_new_tables(&transaction).await?;
    if postgres {
        postgres::convert(&transaction).await?;
    } else {
        sqlite::rebuild(&transaction).await?;
    }
    complete::add_columns_and_indexes(&transaction).await?;
    complete::record_migrations(&transaction, now).await?;
    complete::open_positions(&transaction, &survey, now).await?;
    complete::note_figures(&transaction, &survey, now).await?;
    complete::compare_counts(&transaction, &survey.report).await?;
    transaction.commit().await?;
    Ok(Some(survey.report))
}

/// The engine; a transaction says it in two traits, and this is the name of one.
fn backend_of(db: &impl ConnectionTrait) -> DbBackend {
    db.get_database_backend()
}
