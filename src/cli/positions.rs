//! `pool-poller positions`: what is accounted for, and counting it from another mark.

use std::path::PathBuf;

use entity::anomalies;
use serde_json::{Value, json};

use super::decision::{Who, exact, plain, player_id, rfc3339, time};
use super::output::print;
use super::table::table;
use super::{Session, Stop};
use crate::domain::{Amount, Currency, PoolName};
use crate::store::now_utc;
use crate::store::overview::{self, PositionFilter, PositionView, Positions};
use crate::store::rebase::{NewMark, Rebased, rebase};

/// Subcommands of `positions`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show the positions: the mark up to which a wallet's counter is accounted for, and what is wrong with it.
    ///
    /// Example: pool-poller positions show --anomalies
    Show(Show),
    /// Let a position be counted from another mark, after the pool began its counter anew or changed its field or currency.
    ///
    /// Every position of the wallet on that pool is rebased, and its anomalies end. What the counter has above the new mark is
    /// awarded at the next reading, under the usual rules.
    ///
    /// Example: pool-poller positions rebase 3 --reason "the pool restarted its counters"
    Rebase(Rebase),
}

/// Arguments of `positions show`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Only this player's, by name or id.
    #[arg(long)]
    player: Option<String>,
    /// Only this pool's.
    #[arg(long)]
    pool: Option<PoolName>,
    /// Only those with an anomaly.
    #[arg(long)]
    anomalies: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `positions rebase`.
#[derive(Debug, clap::Args)]
pub(super) struct Rebase {
    /// The position's id, as `positions show` names it.
    id: i64,
    #[command(flatten)]
    who: Who,
    /// The new mark, in the pool's currency; by default the counter of the newest snapshot.
    #[arg(long, value_name = "AMOUNT")]
    high_water: Option<Amount>,
    /// The field that the counter comes from now, as the anomaly names it.
    #[arg(long, value_name = "POINTER", value_parser = source)]
    source: Option<String>,
    /// The counter's currency now.
    #[arg(long)]
    currency: Option<Currency>,
}

/// A source that can be what a pool file makes of its pointers.
fn source(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err("must not be empty or hold control characters".to_owned()) }
}

pub(super) async fn run(config: Option<PathBuf>, command: Command) -> Result<(), Stop> {
    let session = Session::without_pools(config)?;
    match command {
        Command::Show(show) => {
            let db = session.connect_existing().await?;
            let player = player_id(&db, show.player.as_deref()).await?;
            let filter = PositionFilter { player, pool: show.pool, anomalies: show.anomalies };
            let found = overview::positions(&db, &filter).await.map_err(Stop::failed)?;
            print(if show.json { format!("{:#}", as_json(&found)) } else { as_text(&found) })?;
            db.close().await.map_err(Stop::failed)
        }
        Command::Rebase(args) => {
            let operator = args.who.operator()?;
            let db = session.connect_existing().await?;
            let mark = NewMark { high_water: args.high_water, source: args.source, currency: args.currency };
            let done = rebase(&db, args.id, &mark, &operator, now_utc()).await.map_err(Stop::failed)?;
            print(rebased(&done, operator.by()))?;
            db.close().await.map_err(Stop::failed)
        }
    }
}

fn rebased(done: &Rebased, by: &str) -> String {
    let mut lines: Vec<String> = done
        .positions
        .iter()
        .map(|row| {
            format!(
                "position {} rebased by {by}: from {} {} ({}) to {} {} ({}), epoch {}",
                row.position_id,
                plain(row.old_high_water),
                row.old_currency,
                row.old_source,
                plain(row.new_high_water),
                row.new_currency,
                row.new_source,
                row.to_epoch
            )
        })
        .collect();
    if let Some(counter) = done.counter_above {
        lines.push(format!("its counter was last seen at {counter}: what is above the new mark is awarded at the next reading"));
    }
    lines.join("\n")
}

pub(super) fn as_text(found: &Positions) -> String {
    let headings =
        ["id", "player", "pool", "wallet", "currency", "source", "baseline", "high water", "sequence", "epoch", "anomaly"];
    let cells = found.positions.iter().map(|view| {
        let row = &view.position;
        vec![
            row.id.to_string(),
            view.username.clone(),
            row.pool_name.clone(),
            row.address.clone(),
            row.currency.clone(),
            row.source.clone(),
            plain(row.baseline),
            plain(row.high_water),
            row.sequence.to_string(),
            row.epoch.to_string(),
            view.anomalies.iter().map(|anomaly| anomaly.kind.as_str()).collect::<Vec<_>>().join(", "),
        ]
    });
    let mut text = table(&headings, &["id", "baseline", "high water", "sequence", "epoch"], cells);
    let of_positions = found
        .positions
        .iter()
        .flat_map(|view| view.anomalies.iter().map(|anomaly| (view.position.id.to_string(), view.username.as_str(), anomaly)));
    let others = found.anomalies.iter().map(|(anomaly, username)| (String::new(), username.as_str(), anomaly));
    let cells: Vec<Vec<String>> = of_positions
        .chain(others)
        .map(|(position, username, anomaly)| {
            vec![
                position,
                username.to_owned(),
                anomaly.pool_name.clone(),
                anomaly.kind.clone(),
                time(anomaly.seen_at),
                anomaly.detail.clone(),
            ]
        })
        .collect();
    if !cells.is_empty() {
        text.push_str("\n\n");
        text.push_str(&table(&["position", "player", "pool", "anomaly", "since (UTC)", "detail"], &["position"], cells));
    }
    text
}

fn anomaly_json(anomaly: &anomalies::Model) -> Value {
    json!({ "kind": anomaly.kind, "detail": anomaly.detail, "seen_at": rfc3339(Some(anomaly.seen_at)) })
}

pub(super) fn position_json(view: &PositionView) -> Value {
    let row = &view.position;
    json!({
        "id": row.id, "player_id": row.player_id, "username": view.username, "pool": row.pool_name, "address": row.address,
        "currency": row.currency, "source": row.source, "baseline": exact(row.baseline), "high_water": exact(row.high_water),
        "sequence": row.sequence, "epoch": row.epoch, "readings": row.readings, "began_at_zero": row.began_at_zero,
        "anomalies": view.anomalies.iter().map(anomaly_json).collect::<Vec<_>>(),
        "created_at": rfc3339(Some(row.created_at)), "updated_at": rfc3339(Some(row.updated_at)),
    })
}

pub(super) fn as_json(found: &Positions) -> Value {
    let others: Vec<Value> = found
        .anomalies
        .iter()
        .map(|(anomaly, username)| {
            json!({
                "player_id": anomaly.player_id, "username": username, "pool": anomaly.pool_name, "address": anomaly.address,
                "kind": anomaly.kind, "detail": anomaly.detail, "seen_at": rfc3339(Some(anomaly.seen_at)),
            })
        })
        .collect();
    json!({ "positions": found.positions.iter().map(position_json).collect::<Vec<_>>(), "anomalies_without_position": others })
}
