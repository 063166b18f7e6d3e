//! `pool-poller pools`: what is asked, and how.

use std::path::PathBuf;

use serde_json::json;

use super::output::print;
use super::table::{table, yes};
use super::{Session, Stop, pool_draft, pool_trial};
use crate::pools::PoolSpec;
use crate::settings::redact_url;

/// Subcommands of `pools`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the pools, the compiled-in ones and those of config/pools and POOLS_DIR.
    ///
    /// Example: pool-poller pools list
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what a pool file makes of an answer: the request, the figures and where they are, the decision, and what the ledger
    /// would do. Asks the pool once, or reads the answer from a file. Writes nothing.
    ///
    /// Exit code 1 when the answer gives no reading.
    ///
    /// Example: pool-poller pools test zpool --wallet 1BoatSLRHtKNngkdXEeobR76b53LETtpyT --body answer.json
    Test(pool_trial::Args),
    /// Draft a pool file from one of the pool's answers.
    ///
    /// The draft goes by the names that pools use, says in comments what was guessed, and is not enabled: check it with
    /// `pools test`. It goes to standard output, or with --write to config/pools/NAME.toml.
    ///
    /// Example: pool-poller pools add newpool --url "https://newpool.com/api/{wallet}" --from-sample answer.json --currency ADVC
    #[cfg_attr(doc, expect(rustdoc::bare_urls, reason = "it is the help of a command, where a link has no meaning"))]
    Add(pool_draft::Args),
}

pub(super) async fn run(config: Option<PathBuf>, command: Command) -> Result<(), Stop> {
    let session = Session::load(config)?;
    match command {
        Command::List { json } => list(&session, json),
        Command::Test(args) => pool_trial::run(&session, args).await,
        Command::Add(args) => pool_draft::run(&session, &args),
    }
}

fn list(session: &Session, json: bool) -> Result<(), Stop> {
    if json {
        let pools: Vec<_> = session
            .pools
            .iter()
            .map(|pool| {
                json!({
                    "name": pool.name().as_str(), "enabled": pool.enabled(), "url": shown_url(pool), "from": pool.origin(),
                    "environment_prefix": pool.name().env_prefix(),
                })
            })
            .collect();
        print(format_args!("{:#}", json!(pools)))?;
    } else {
        let rows = session
            .pools
            .iter()
            .map(|pool| vec![pool.name().to_string(), yes(pool.enabled()), shown_url(pool), pool.origin().to_owned()]);
        print(table(&["name", "enabled", "url", "from"], &[], rows))?;
    }
    Ok(())
}

/// A URL from the environment may hold a key: as everywhere, the values of its query are not shown, placeholders are.
fn shown_url(pool: &PoolSpec) -> String {
    redact_url(&pool.url().to_string())
}
