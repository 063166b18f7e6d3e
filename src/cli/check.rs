//! `pool-poller check`: does everything work?
//!
//! One line a part, each with what to do where it does not. Nothing is changed: a schema that is behind is said and not
//! updated, a pool is asked once, and the game server is connected to and left.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::mpsc;

use super::output::print;
use super::session::{explain, reason};
use super::table::{table, visible};
use super::{Session, Stop};
use crate::app::{connection_settings, pool_client};
use crate::domain::Wallet;
use crate::domain::roster::{Lists, Roster};
use crate::notify::{self, Command, ConnectionEvent};
use crate::pools::{Blame, PoolSpec};
use crate::settings::{Backend, redact_url};
use crate::store::{self, SchemaState};

/// How long the game server may take to answer.
const GAME_SERVER_MAX: Duration = Duration::from_secs(10);
/// How long the database may take to answer.
const DATABASE_MAX: Duration = Duration::from_secs(15);

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ask the pools about this address instead of that of the first verified player.
    #[arg(long, value_name = "ADDRESS")]
    wallet: Option<Wallet>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    /// Works, and a person may want to know something.
    Note,
    Failed,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Failed => "FAILED",
        }
    }
}

/// A line of the result.
struct Line {
    part: String,
    state: State,
    detail: String,
}

impl Line {
    fn new(part: impl Into<String>, state: State, detail: impl Into<String>) -> Self {
        Self { part: part.into(), state, detail: detail.into() }
    }
}

pub(super) async fn run(config: Option<PathBuf>, args: Args) -> Result<(), Stop> {
    // A wrong setting ends every command with its own line and exit code 78.
    let session = Session::load(config)?;
    let mut lines = settings(&session);
    let (database, players) = database(&session).await;
    lines.push(database);
    lines.extend(pools(&session, players, args.wallet.as_ref()).await);
    lines.push(game_server(&session).await);
    let failed = lines.iter().filter(|line| line.state == State::Failed).count();
    if args.json {
        let parts: Vec<_> = lines
            .iter()
            .map(|line| json!({ "part": line.part, "state": line.state.as_str().to_lowercase(), "detail": line.detail }))
            .collect();
        print(format_args!("{:#}", json!(parts)))?;
    } else {
        let rows = lines.iter().map(|line| vec![line.part.clone(), line.state.as_str().to_owned(), visible(&line.detail)]);
        print(table(&["part", "state", "detail"], &[], rows))?;
    }
    match failed {
        0 => Ok(()),
        1 => Err(Stop::failed("1 part does not work")),
        _ => Err(Stop::failed(format!("{failed} parts do not work"))),
    }
}

fn settings(session: &Session) -> Vec<Line> {
    let enabled = session.pools.iter().filter(|pool| pool.enabled()).count();
    let ok = Line::new("settings", State::Ok, format!("read; {enabled} of {} pools are enabled", session.pools.len()));
    let warnings = session.settings.warnings();
    let noted =
        warnings.iter().map(|warning| Line::new("settings", State::Note, format!("{}: {}", warning.name, warning.message)));
    std::iter::once(ok).chain(noted).collect()
}

/// The database's line, and the players in it.
async fn database(session: &Session) -> (Line, Roster) {
    let looked = tokio::time::timeout(DATABASE_MAX, look(session)).await;
    let (state, detail, players) =
        looked.unwrap_or_else(|_| (State::Failed, format!("no answer within {} s", DATABASE_MAX.as_secs()), Roster::default()));
    (Line::new("database", state, format!("{}: {detail}", session.settings.database_url)), players)
}

async fn look(session: &Session) -> (State, String, Roster) {
    let nobody = |state, detail: String| (state, detail, Roster::default());
    if let Some(file) = session.settings.database_url.sqlite_file().filter(|file| !file.exists()) {
        return nobody(State::Note, format!("there is no file {} yet; `run` makes it", file.display()));
    }
    let db = match session.connect().await {
        Ok(db) => db,
        Err(stop) => return nobody(State::Failed, stop.to_string()),
    };
    let state = match store::schema_state(&db).await {
        Ok(state) => state,
        Err(error) => return nobody(State::Failed, reason(&error)),
    };
    let by_itself = session.settings.auto_migrate || session.settings.database_url.backend() == Backend::Sqlite;
    match state {
        SchemaState::Current => {}
        SchemaState::Empty | SchemaState::Behind(_) if by_itself => {
            return nobody(State::Note, format!("{}; `run` does it by itself", explain(&state)));
        }
        state => return nobody(State::Failed, explain(&state)),
    }
    let (roster, writable) = match (store::load_roster(&db).await, store::check_writable(&db).await) {
        (Ok(roster), writable) => (roster, writable),
        (Err(error), _) => return nobody(State::Failed, error.to_string()),
    };
    if let Err(why) = writable {
        return (State::Failed, why.to_string(), roster);
    }
    let state = if roster.is_empty() || !roster.unusable.is_empty() { State::Note } else { State::Ok };
    let unusable = match roster.unusable.first() {
        Some((player, why)) => {
            format!("; {} addresses cannot be polled, the first is player {player}'s: {why}", roster.unusable.len())
        }
        None => String::new(),
    };
    (state, format!("up to date, writable, {} verified players{unusable}", roster.len()), roster)
}

async fn pools(session: &Session, players: Roster, wallet: Option<&Wallet>) -> Vec<Line> {
    let enabled: Vec<&PoolSpec> = session.pools.iter().filter(|pool| pool.enabled()).collect();
    if enabled.is_empty() {
        return vec![Line::new("pools", State::Failed, "none is enabled; `pool-poller pools list` shows them")];
    }
    let mut lists = Lists::default();
    lists.take_up(players);
    let (work, _) = lists.work(enabled.iter().map(|spec| (spec.name(), spec.address_source())));
    join_all(enabled.into_iter().zip(work).map(|(spec, work)| async move {
        let part = format!("pool {}", spec.name());
        let wallet = wallet.cloned().or_else(|| work.jobs.first().map(|job| job.wallet.clone()));
        let Some(wallet) = wallet else {
            return Line::new(part, State::Note, "not asked: no verified player has an address there; --wallet names one");
        };
        let (state, detail) = ask(session, spec, &wallet).await;
        Line::new(part, state, format!("{}: {detail}", redact_url(&spec.url().to_string())))
    }))
    .await
}

async fn ask(session: &Session, spec: &PoolSpec, wallet: &Wallet) -> (State, String) {
    let client = match pool_client(&session.settings, spec.clone()) {
        Ok(client) => client,
        Err(error) => return (State::Failed, error.to_string()),
    };
    let began = Instant::now();
    match client.fetch(wallet).await {
        Ok(found) => {
            let shown: BTreeMap<&str, String> =
                found.counters.iter().map(|counter| (counter.source.as_ref(), counter.paid.to_string())).collect();
            let shown: Vec<String> =
                shown.into_iter().map(|(source, paid)| format!("{source} is {paid} {}", found.currency)).collect();
            (State::Ok, format!("answered in {} ms, {}", began.elapsed().as_millis(), shown.join(", ")))
        }
        // The pool works; what it says is about this wallet.
        Err(failure) if failure.blame() == Blame::Wallet => (State::Note, format!("{failure} ({wallet})")),
        Err(failure) => (State::Failed, failure.to_string()),
    }
}

async fn game_server(session: &Session) -> Line {
    if let Some(url) = &session.settings.notify_webhook_url {
        // A webhook is answered only to a real notice, and a check sends none.
        return Line::new(
            "game server",
            State::Note,
            format!("{}: a webhook is not tried without a notice", redact_url(url.as_str())),
        );
    }
    let Some(connection) = connection_settings(&session.settings) else {
        return Line::new("game server", State::Note, "SOCKETIO_URL is empty: nothing is sent, events wait");
    };
    let url = redact_url(connection.url.as_str());
    let (commands, received) = mpsc::channel(1);
    let (events, mut happened) = mpsc::channel(4);
    let keeper = actix_rt::spawn(notify::run(connection, received, events, || fastrand::u32(..)));
    let outcome = tokio::time::timeout(GAME_SERVER_MAX, async {
        while let Some(event) = happened.recv().await {
            match event {
                ConnectionEvent::Up { protocol, .. } => return Ok(protocol.as_str()),
                ConnectionEvent::Down { reason, .. } => return Err(reason.to_string()),
                _ => {}
            }
        }
        Err("the connection ended".to_owned())
    })
    .await;
    // A keeper that has ended needs no good-bye.
    let _ = commands.send(Command::Close).await;
    // Its last event must not stop it for want of room.
    happened.close();
    let _ = keeper.await;
    let (state, detail) = match outcome {
        Ok(Ok(protocol)) => (State::Ok, format!("connected, {protocol}")),
        Ok(Err(reason)) => (State::Failed, reason),
        Err(_) => (State::Failed, format!("no answer within {} s", GAME_SERVER_MAX.as_secs())),
    };
    Line::new("game server", state, format!("{url}: {detail}"))
}
