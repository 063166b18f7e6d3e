//! `pool-poller run`: the daemon.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use super::{Session, Stop};
use crate::actors::scheduler::Mode;
use crate::app::{Daemon, Ended, Options, Reloader, Reread};
use crate::service_manager::ServiceManager;
use crate::shutdown::Signals;

/// Arguments of `run`.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Args {
    /// Poll and decide; write nothing to the database and send nothing to the game server.
    #[arg(long)]
    dry_run: bool,
    /// At the start, wait for this long for a database that is away, and then end with exit code 1 instead of 78.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    database_wait: u64,
}

pub(super) async fn run(config: Option<PathBuf>, args: Args) -> Result<(), Stop> {
    let signals = Signals::listen().map_err(Stop::failed)?;
    let mut session = Session::load(config.clone())?;
    session.database_wait = Duration::from_secs(args.database_wait);
    let level = session.start_logging();
    // Before anything is begun: a port that is taken is a wrong setting.
    let status = session.settings.status_listen.map(listen).transpose()?;
    let (shutdown, asks) = signals.into_shutdown_and_asks();
    tokio::pin!(shutdown);
    let db = tokio::select! {
        db = session.connect_migrated() => db?,
        // Nothing has begun yet.
        signal = &mut shutdown => {
            tracing::info!(signal, "stopping");
            tracing::info!("stopped");
            return Ok(());
        }
    };
    let Session { settings, pools, .. } = session;
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
    if let Some(listener) = status {
        let address = daemon.serve_status(listener).map_err(Stop::failed)?;
        tracing::info!(%address, "status_served");
    }
    let reread: Reread = Box::new(move || match Session::load(config.clone()) {
        Ok(Session { settings, pools, .. }) => Ok((settings, pools)),
        Err(stop) => Err(stop.to_string()),
    });
    match daemon.reporting_to(ServiceManager::of_process()).run_until(shutdown, asks, Reloader { reread, level }).await {
        Ended::Stopped => Ok(()),
        Ended::Failed(fatal) => Err(Stop::fatal(format!("{}: {}", fatal.actor, fatal.reason))),
    }
}

/// Opens the address of `STATUS_LISTEN`.
pub(super) fn listen(address: SocketAddr) -> Result<TcpListener, Stop> {
    TcpListener::bind(address).map_err(|error| Stop::config(format!("STATUS_LISTEN={address}: {error}")))
}
