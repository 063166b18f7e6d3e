//! A copy of a SQLite database while others write to it.
//!
//! Promises: the copy is one consistent state, complete in one file, checked before it gets its name; a file that is there
//! already is never touched; nothing under that name is ever incomplete, however the program ends.

use std::io;
use std::path::Path;

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement};

use super::verify::{self, Report};
use super::{SchemaState, StoreError, schema_state};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The name is taken.
    #[error("{0} is there already; a backup never overwrites a file")]
    Exists(String),
    /// The file cannot be written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The copy is not sound.
    #[error("the copy is damaged and was removed: {0}")]
    Damaged(String),
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sea_orm::DbErr> for BackupError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

/// Copies the SQLite database `db` into the new file `path` and checks the copy: SQLite's own check of the file, and
/// [`verify::verify`] where the tables are of this version. Differences that it finds are the database's own, so the
/// copy stays.
///
/// # Errors
/// When there is such a file, it cannot be written, or the copy is damaged; no file is left then.
pub async fn sqlite(db: &DatabaseConnection, path: &Path) -> Result<Option<Report>, BackupError> {
    let file_error = |error| BackupError::File { path: path.display().to_string(), error };
    if path.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(path.display().to_string()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // In the same folder, so that it can be given its name at the end; removed with this value if it is not.
    let fresh = tempfile::Builder::new().prefix(".pool-poller-backup-").tempfile_in(folder).map_err(file_error)?;
    let text = fresh.path().to_str().ok_or_else(|| file_error(io::Error::other("the path is not UTF-8")))?.to_owned();
    db.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [text.as_str().into()])).await?;
    let report = check(&text).await?;
    // SQLite wrote through a handle of its own; the data must be on the disk before the name is.
    std::fs::File::open(fresh.path()).and_then(|file| file.sync_all()).map_err(file_error)?;
    fresh.persist_noclobber(path).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(path.display().to_string()),
        _ => file_error(error.error),
    })?;
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(file_error)?;
    Ok(report)
}

/// Checks the file `path` without changing it.
async fn check(path: &str) -> Result<Option<Report>, BackupError> {
    let mut options = ConnectOptions::new("sqlite://copy");
    let name = path.to_owned();
    options.max_connections(1).sqlx_logging(false).map_sqlx_sqlite_opts(move |sqlite| sqlite.filename(&name).read_only(true));
    let copy = Database::connect(options).await?;
    let checked = check_copy(&copy).await;
    copy.close().await?;
    checked
}

async fn check_copy(copy: &DatabaseConnection) -> Result<Option<Report>, BackupError> {
    let said = copy.query_all_raw(Statement::from_string(DbBackend::Sqlite, "PRAGMA integrity_check")).await?;
    let said: Vec<String> = said.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
    if said != ["ok"] {
        return Err(BackupError::Damaged(said.join("; ")));
    }
    match schema_state(copy).await? {
        SchemaState::Current => Ok(Some(verify::verify(copy).await?)),
        _ => Ok(None),
    }
}
