//! `pool-poller backup`: a copy of the database.

use std::path::{Path, PathBuf};

use super::output::print;
use super::progress::during;
use super::session::explain;
use super::verify::as_text;
use super::{Session, Stop};
use crate::settings::Backend;
use crate::store::{self, SchemaState, backup};

/// Arguments of `backup`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The new file.
    file: PathBuf,
}

pub(super) async fn run(config: Option<PathBuf>, args: Args) -> Result<(), Stop> {
    let session = Session::without_pools(config)?;
    let url = &session.settings.database_url;
    if url.backend() == Backend::Postgres {
        let command = url.pg_dump_command(&shell(&args.file)?).ok_or_else(|| Stop::config("DATABASE_URL is no address"))?;
        return print(format_args!(
            "PostgreSQL makes its own backups, while the daemon runs:\n\n  {command}\n\n\
             The password is asked for, or taken from ~/.pgpass. Restore with pg_restore into an empty database; then\n\
             `pool-poller verify`, and start the daemon: the first cycle awards what came after the backup."
        ));
    }
    // A backup is also what one makes before an update, so nothing is migrated here.
    if let Some(file) = url.sqlite_file().filter(|file| !file.exists()) {
        return Err(Stop::config(format!("DATABASE_URL: there is no file {}", file.display())));
    }
    let db = session.connect().await?;
    match store::schema_state(&db).await.map_err(Stop::failed)? {
        state @ SchemaState::Empty => return Err(Stop::config(explain(&state))),
        SchemaState::Current
        | SchemaState::Behind(_)
        | SchemaState::Original
        | SchemaState::Foreign(_)
        | SchemaState::Ahead(_) => {}
    }
    let report = during("copying and checking", backup::sqlite(&db, &args.file)).await.map_err(Stop::failed)?;
    db.close().await.map_err(Stop::failed)?;
    let file = args.file.display();
    match report {
        None => print(format_args!("{file}: whole; its tables are of another version, so the rows were not verified")),
        Some(report) if report.differences_total == 0 => print(format_args!("{file}: whole and verified\n{}", as_text(&report))),
        Some(report) => {
            print(as_text(&report))?;
            Err(Stop::failed(format!("{file} is a whole copy, but the database does not add up; see `pool-poller verify`")))
        }
    }
}

/// A path as a shell takes it.
fn shell(path: &Path) -> Result<String, Stop> {
    let text = path.to_str().ok_or_else(|| Stop::usage("the file's name is not UTF-8"))?;
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}
