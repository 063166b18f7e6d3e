//! `pool-poller run`: the daemon.

use std::path::PathBuf;

use super::{Session, Stop};
use crate::actors::scheduler::Mode;
use crate::app::{Daemon, Ended, Options};
use crate::shutdown::Signals;

/// Arguments of `run`.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Args {
    /// Poll and decide; write nothing to the database and send nothing to the game server.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(config: Option<PathBuf>, args: Args) -> Result<(), Stop> {
    let signals = Signals::listen().map_err(Stop::failed)?;
    let session = Session::load(config)?;
    session.start_logging();
    let db = session.connect_migrated().await?;
    let Session { settings, pools } = session;
    let names: Vec<&str> = pools.iter().filter(|pool| pool.enabled()).map(|pool| pool.name().as_str()).collect();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        database = %settings.database_url,
        game_server = settings
            .notify_webhook_url
            .as_ref()
            .or(settings.socketio_url.as_ref())
            .map(|url| crate::settings::redact_url(url.as_str())),
        pools = names.join(","),
        interval_seconds = settings.poll_interval.as_secs(),
        dry_run = args.dry_run,
        "started"
    );
    if names.is_empty() {
        tracing::warn!(hint = "enable one with <NAME>_ENABLED=true; `pool-poller pools list` shows them", "no_pools_enabled");
    }
    let options = Options { mode: Mode::Every(settings.poll_interval), dry_run: args.dry_run, database_wait_max: None };
    let daemon = Daemon::build(&settings, pools, db, options).map_err(|error| Stop::config(format!("{error:#}")))?;
    let (shutdown, dump) = signals.into_shutdown();
    match daemon.run_until(shutdown, dump).await {
        Ended::Stopped => Ok(()),
        Ended::Failed(fatal) => Err(Stop::fatal(format!("{}: {}", fatal.actor, fatal.reason))),
    }
}
