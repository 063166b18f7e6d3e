//! `pool-poller prune`: old snapshots.

use std::num::NonZeroU32;
use std::path::PathBuf;

use super::decision::time;
use super::output::print;
use super::progress::Bar;
use super::{Session, Stop};
use crate::store::{Progress, now_utc, prune};

/// Arguments of `prune`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Delete what is older than this many days, by default SNAPSHOT_RETENTION_DAYS.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    /// Say how many rows would be deleted and delete none.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(config: Option<PathBuf>, args: Args) -> Result<(), Stop> {
    let session = Session::without_pools(config)?;
    let days = args.days.and_then(NonZeroU32::new).or(session.settings.snapshot_retention_days);
    let days = days.ok_or_else(|| Stop::usage("SNAPSHOT_RETENTION_DAYS is 0, which keeps all; give --days N"))?;
    let db = session.connect_existing().await?;
    let before = prune::cutoff(now_utc(), days);
    let from = format!("from before {} UTC", time(before));
    if args.dry_run {
        let rows = prune::count(&db, before).await.map_err(Stop::failed)?;
        print(format_args!("{rows} snapshots {from} would be deleted"))?;
    } else {
        let bar = Bar::new("counting snapshots");
        let of = Some(prune::count(&db, before).await.map_err(Stop::failed)?);
        bar.observe(Progress::Begins { what: "deleting snapshots", of });
        let mut rows = 0;
        loop {
            let deleted = prune::prune_batch(&db, before).await.map_err(Stop::failed)?;
            rows += deleted;
            bar.observe(Progress::Went(deleted));
            if deleted < prune::ROWS_PER_BATCH {
                break;
            }
        }
        drop(bar);
        print(format_args!("{rows} snapshots {from} deleted"))?;
    }
    db.close().await.map_err(Stop::failed)
}
