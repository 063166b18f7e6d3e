//! `pool-poller migrate`: the tables.

use std::path::PathBuf;

use super::output::print;
use super::session::{explain, reason};
use super::{Session, Stop};
use crate::store::{self, SchemaState};

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Say what would be done and change nothing; exit code 1 when something would.
    #[arg(long)]
    status: bool,
}

pub(super) async fn run(config: Option<PathBuf>, args: Args) -> Result<(), Stop> {
    let session = Session::load(config)?;
    if args.status && session.settings.database_url.sqlite_file().is_some_and(|file| !file.exists()) {
        // Opening it would make the file.
        return Err(Stop::failed(explain(&SchemaState::Empty)));
    }
    let db = session.connect().await?;
    let state = store::schema_state(&db).await.map_err(|error| Stop::failed(reason(&error)))?;
    match state {
        SchemaState::Current => print(explain(&state))?,
        SchemaState::Empty | SchemaState::Behind(_) if args.status => return Err(Stop::failed(explain(&state))),
        SchemaState::Empty | SchemaState::Behind(_) => {
            store::migrate(&db).await.map_err(|error| Stop::failed(format!("nothing was changed: {}", reason(&error))))?;
            print("the tables are made and up to date")?;
        }
        SchemaState::Foreign | SchemaState::Ahead(_) => return Err(Stop::config(explain(&state))),
    }
    db.close().await.map_err(|error| Stop::failed(reason(&error)))
}
