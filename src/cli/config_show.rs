//! `pool-poller config`: the settings in force, and where each comes from.

use std::path::PathBuf;

use serde_json::json;

use super::output::print;
use super::table::{table, visible};
use super::{Session, Stop};

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
}

pub(super) fn run(config: Option<PathBuf>, command: &Command) -> Result<(), Stop> {
    let Command::Show { json } = command;
    let session = Session::load(config)?;
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
