//! `pool-poller once`: one cycle and its summary.

use std::path::PathBuf;
use std::time::Duration;

use super::output::print;
use super::table::table;
use super::{Session, Stop};
use crate::actors::scheduler::{CycleSummary, Mode};
use crate::app::{Daemon, Options};

/// Arguments of `once`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Poll and decide; write nothing to the database and send nothing to the game server.
    #[arg(long)]
    dry_run: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// Give up when the database has been away for this long. Where a right is missing it gives up at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    database_wait: u64,
}

pub(super) async fn run(config: Option<PathBuf>, args: Args) -> Result<(), Stop> {
    let session = Session::load(config)?;
    session.start_logging();
    let db = session.connect_migrated().await?;
    let Session { settings, pools, .. } = session;
    let database_wait_max = Some(Duration::from_secs(args.database_wait));
    let options = Options { mode: Mode::Once, dry_run: args.dry_run, database_wait_max };
    let mut daemon = Daemon::build(&settings, pools, db, options).map_err(|error| Stop::config(format!("{error:#}")))?;
    let outcome = daemon.next_summary().await;
    if settings.socketio_url.is_some() && !args.dry_run && outcome.is_ok() {
        // Awards of this cycle are told before the end, if the game server is there; else they wait for the next start.
        let told = async {
            while daemon.waiting().await.is_some_and(|waiting| waiting > 0) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(settings.notify_ack_timeout, told).await.is_err() {
            tracing::warn!("awards_wait_for_the_game_server");
        }
    }
    let given_up = daemon.given_up();
    daemon.drain().await;
    let summary = outcome?;
    if args.json {
        print(serde_json::to_string_pretty(&summary).map_err(Stop::failed)?)?;
    } else {
        print(show(&summary))?;
    }
    if let Some(error) = summary.error {
        return Err(Stop::failed(error));
    }
    if let Some(reason) = given_up {
        return Err(Stop::failed(format!("the awards are stored, but not that they were told: {reason}")));
    }
    // One pool that is away is that pool's matter; none that says anything is most likely this machine's.
    match summary.requests {
        0 => Ok(()),
        requests if summary.readings == 0 => Err(Stop::failed(format!("none of {requests} requests brought a reading"))),
        _ => Ok(()),
    }
}

fn show(summary: &CycleSummary) -> String {
    let headings = ["pool", "wallets", "readings", "failures", "not asked", "awards", "advc", "ap", "held", "time"];
    let row = |name: String, counts: [u64; 5], advc: String, ap: String, held: u64, ms: u64| {
        let [wallets, readings, failures, not_asked, awards] = counts.map(|count| count.to_string());
        vec![name, wallets, readings, failures, not_asked, awards, advc, ap, held.to_string(), format!("{ms} ms")]
    };
    let mut rows: Vec<Vec<String>> = summary
        .pools
        .iter()
        .map(|pool| {
            let counts = [pool.wallets, pool.readings, pool.failures.values().sum(), pool.not_asked, pool.awards];
            row(pool.pool.to_string(), counts, pool.advc.to_string(), pool.points.to_string(), pool.held, pool.duration_ms)
        })
        .collect();
    rows.sort();
    let sum = |of: fn(&crate::actors::pool::PollReport) -> u64| summary.pools.iter().map(of).sum();
    let counts = [sum(|pool| pool.wallets), summary.readings, summary.failures, sum(|pool| pool.not_asked), summary.awards];
    let (advc, ap) = (summary.advc_awarded.to_string(), summary.ap_awarded.to_string());
    rows.push(row("total".to_owned(), counts, advc, ap, summary.held, summary.duration_ms));
    let mut shown = table(&headings, &headings[1..], rows);
    for pool in &summary.pools {
        if let Some(failure) = &pool.first_failure {
            shown.push_str(&format!("\n{}: {failure}", pool.pool));
        }
    }
    if summary.players == 0 {
        shown.push_str("\nThere are no verified players: pool-poller players add NAME --email MAIL --wallet ADDRESS --verified");
    }
    shown
}
