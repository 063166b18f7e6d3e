//! `pool-poller migrate`: the tables.

use std::path::PathBuf;

use serde_json::json;

use super::output::print;
use super::progress::during;
use super::session::{explain, reason};
use super::{Session, Stop, takeover};
use crate::store::takeover::{Report, TakeoverError, look, take_over};
use crate::store::{self, SchemaState};

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Say what would be done and change nothing; exit code 1 when something would.
    #[arg(long)]
    status: bool,
    /// Print JSON, with every event and figure of a takeover's report.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Option<PathBuf>, args: Args) -> Result<(), Stop> {
    let session = Session::without_pools(config)?;
    if args.status && session.settings.database_url.sqlite_file().is_some_and(|file| !file.exists()) {
        // Opening it would make the file.
        return Err(Stop::failed(explain(&SchemaState::Empty)));
    }
    let db = session.connect().await?;
    let state = store::schema_state(&db).await.map_err(|error| Stop::failed(reason(&error)))?;
    let say = |state: &SchemaState, text: &str| {
        print(if args.json { format!("{:#}", json!({ "state": name(state), "message": text })) } else { text.to_owned() })
    };
    match state {
        SchemaState::Current => say(&state, &explain(&state))?,
        SchemaState::Empty | SchemaState::Behind(_) if args.status => return Err(Stop::failed(explain(&state))),
        SchemaState::Empty | SchemaState::Behind(_) => {
            during("making the tables", store::migrate(&db))
                .await
                .map_err(|error| Stop::failed(format!("nothing was changed: {}", reason(&error))))?;
            say(&SchemaState::Current, "the tables are made and up to date")?;
        }
        SchemaState::Original if args.status => {
            let looked = during("reading what is to be taken over", look(&db, session.settings.rates())).await;
            let report = looked.map_err(|error| refused(&error))?;
            print(takeover::show(&report, takeover::Moment::Before, args.json))?;
            return Err(Stop::failed("the tables were not taken over yet; `pool-poller migrate` does it"));
        }
        SchemaState::Original => match during("taking over", take_over(&db, session.settings.rates(), store::now_utc())).await {
            Ok(Some(report)) => print(takeover::show(&report, takeover::Moment::After, args.json))?,
            Ok(None) => say(&SchemaState::Current, "another process has taken the tables over in the meantime")?,
            Err(error) => return Err(refused(&error)),
        },
        SchemaState::Foreign(_) | SchemaState::Ahead(_) => return Err(Stop::config(explain(&state))),
    }
    db.close().await.map_err(|error| Stop::failed(reason(&error)))
}

/// The state's name for scripts.
fn name(state: &SchemaState) -> &'static str {
    match state {
        SchemaState::Empty => "empty",
        SchemaState::Behind(_) => "behind",
        SchemaState::Current => "current",
        SchemaState::Original => "original",
        SchemaState::Foreign(_) => "foreign",
        SchemaState::Ahead(_) => "ahead",
    }
}

/// A takeover that did not happen.
pub(super) fn refused(error: &TakeoverError) -> Stop {
    match error {
        TakeoverError::Database(error) => Stop::failed(format!("nothing was taken over or changed: {}", reason(error))),
        error => Stop::failed(format!("nothing was taken over or changed: {error}")),
    }
}

/// Says in the log what a takeover did, for a daemon that was allowed to do it.
pub(super) fn log(report: &Report) {
    tracing::warn!(
        players = report.rows("players"),
        pool_snapshots = report.rows("pool_snapshots"),
        mining_events = report.rows("mining_events"),
        positions = report.positions(),
        ignored_figures = report.ignored.len(),
        awarded_twice = report.twice.events.len(),
        awarded_twice_ap = %report.twice.ap.normalize(),
        never_sent = report.never_sent,
        "database_taken_over"
    );
}
