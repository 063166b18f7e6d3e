//! `pool-poller verify`: the invariants, row by row.

use std::path::PathBuf;

use super::output::print;
use super::progress::Bar;
use super::table::table;
use super::{Session, Stop};
use crate::store::verify::{Report, verify_observed};

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Option<PathBuf>, args: Args) -> Result<(), Stop> {
    let session = Session::without_pools(config)?;
    let db = session.connect_existing().await?;
    let bar = Bar::new("waiting for the database");
    let report = verify_observed(&db, &|progress| bar.observe(progress)).await.map_err(Stop::failed)?;
    drop(bar);
    let shown = if args.json { serde_json::to_string_pretty(&report).map_err(Stop::failed)? } else { as_text(&report) };
    print(shown)?;
    db.close().await.map_err(Stop::failed)?;
    match report.differences_total {
        0 => Ok(()),
        1 => Err(Stop::failed("1 difference")),
        many => Err(Stop::failed(format!("{many} differences"))),
    }
}

/// What a report says to a person.
pub(super) fn as_text(report: &Report) -> String {
    let mut text = format!(
        "{} positions, {} events of which {} held, {} reversals, {} players: {} differences",
        report.positions, report.events, report.held, report.reversals, report.players, report.differences_total
    );
    if report.players_with_other_ap > 0 {
        let (players, ap) = (report.players_with_other_ap, report.other_ap);
        text.push_str(&format!(
            "\nfor information: others than this program changed the AP of {players} players, by {ap} in all"
        ));
    }
    if report.foreign_events > 0 {
        let events = report.foreign_events;
        text.push_str(&format!("\nfor information: {events} events of the replaced service carry no numbers to be checked"));
    }
    if !report.differences.is_empty() {
        let cells = report
            .differences
            .iter()
            .map(|found| vec![found.what.to_owned(), found.place.clone(), found.expected.clone(), found.found.clone()]);
        text.push_str("\n\n");
        text.push_str(&table(&["what", "where", "expected", "found"], &[], cells));
    }
    text
}
