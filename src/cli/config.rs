//! `pool-poller config`: the settings in force, where each comes from, and whether they can be used.

use std::path::PathBuf;

use serde_json::json;

use super::output::print;
use super::table::{table, visible};
use super::{Session, Stop};
use crate::app::pool_client;
use crate::pools::PoolSpec;

/// Subcommands of `config`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show each setting with its value and the layer that set it. Secrets are masked.
    ///
    /// Example: pool-poller config show
    Show {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say whether the settings and the pool files can be used, and ask nobody: neither the database nor a pool nor the game server.
    ///
    /// Exit code 78 with one line that names what is wrong. systemd runs it before a reload.
    ///
    /// Example: pool-poller config check && sudo systemctl reload pool-poller
    Check,
}

pub(super) fn run(config: Option<PathBuf>, command: &Command) -> Result<(), Stop> {
    let session = Session::load(config)?;
    let Command::Show { json } = command else { return check(&session) };
    let mut lines = session.settings.describe();
    for pool in &session.pools {
        lines.extend(session.settings.describe_override(&pool.name().env_prefix()));
    }
    if *json {
        let lines: Vec<_> =
            lines.iter().map(|line| json!({ "name": line.name, "value": line.value, "from": line.origin.to_string() })).collect();
        return print(format_args!("{:#}", json!(lines)));
    }
    let rows = lines.into_iter().map(|line| vec![line.name, visible(&line.value), line.origin.to_string()]);
    print(table(&["setting", "value", "from"], &[], rows))
}

fn check(session: &Session) -> Result<(), Stop> {
    let enabled: Vec<&PoolSpec> = session.pools.iter().filter(|pool| pool.enabled()).collect();
    for spec in &enabled {
        // A secret that a pool's file asks for may be missing.
        pool_client(&session.settings, (*spec).clone()).map_err(|error| Stop::config(format!("{error:#}")))?;
    }
    for warning in session.settings.warnings() {
        print(format_args!("note: {}: {}", warning.name, warning.message))?;
    }
    print(format_args!("the settings can be used; {} of {} pools are enabled", enabled.len(), session.pools.len()))
}
