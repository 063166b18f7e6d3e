//! A takeover's report, for people and for scripts.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::table::table;
use crate::store::takeover::{IgnoredFigure, Report, Skipped, Twice};

/// Whether it is about to be done or was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// `migrate --status`.
    Before,
    /// `migrate`.
    After,
}

/// Lines of one list for people; `--json` has all.
const LISTED_MAX: usize = 20;

/// The report as text or as JSON.
pub(super) fn show(report: &Report, moment: Moment, as_json: bool) -> String {
    if as_json { format!("{:#}", json_of(report, moment)) } else { text_of(report, moment) }
}

fn text_of(report: &Report, moment: Moment) -> String {
    let mut parts = vec![
        match moment {
            Moment::Before => {
                "These tables were made by the service that pool-poller replaces. `pool-poller migrate` would take them over:"
            }
            Moment::After => "The tables of the service that pool-poller replaces are taken over:",
        }
        .to_owned(),
    ];
    let rows = report.tables.iter().map(|rows| vec![rows.table.to_owned(), rows.rows.to_string(), rows.orphans.to_string()]);
    parts.push(table(&["table", "rows kept", "of no player"], &["rows kept", "of no player"], rows));
    if report.pools.is_empty() {
        parts.push("There is nothing to open positions from.".to_owned());
    } else {
        let rows = report.pools.iter().map(|pool| {
            vec![
                pool.pool.clone(),
                pool.positions.to_string(),
                pool.zero.to_string(),
                pool.marks.normalize().to_string(),
                pool.currency.clone(),
                pool.rate.map(|rate| rate.to_string()).unwrap_or_default(),
            ]
        });
        let headings = ["pool", "positions", "at zero", "sum of marks", "currency", "divided by"];
        parts.push(table(&headings, &["positions", "at zero", "sum of marks", "divided by"], rows));
    }
    parts.extend(notes(report, moment));
    parts.extend(skipped(&report.skipped));
    parts.extend(ignored(&report.ignored));
    parts.push(twice(&report.twice));
    parts.extend(report.blockers.iter().map(|blocker| format!("To be put right first: {blocker}.")));
    parts.join("\n\n")
}

/// What has to be known about the figures above.
fn notes(report: &Report, moment: Moment) -> Vec<String> {
    let mut notes = Vec::new();
    for pool in report.pools.iter().filter(|pool| pool.rate.is_some()) {
        notes.push(format!(
            "{} was recorded in ADVC: its marks are the highest figures divided by {}_TO_ADVC_RATE, which must be the rate of the \
             replaced service. Had it another rate before, a mark may be too high: then nothing is paid until the pool's counter has \
             passed it, or `positions rebase` sets it.",
            pool.pool, pool.currency
        ));
    }
    if report.pools.iter().any(|pool| pool.zero > 0) {
        notes.push(
            "Where a mark is zero, that service recorded nothing but zeros: a rise is held for an operator until the pool has \
             answered zero in three cycles."
                .to_owned(),
        );
    }
    if report.never_sent > 0 {
        notes.push(format!(
            "{} of its events were never acknowledged by the game server. They stay as they are and are not sent.",
            report.never_sent
        ));
    }
    if let Some(newest) = report.newest_snapshot {
        let stopped = if moment == Moment::Before { "; stop that service before the takeover" } else { "" };
        notes.push(format!("Its newest snapshot is of {} UTC{stopped}.", newest.format("%Y-%m-%d %H:%M:%S")));
    }
    notes
}

fn skipped(skipped: &[Skipped]) -> Option<String> {
    let rows = skipped.iter().take(LISTED_MAX);
    let rows = rows.map(|skipped| vec![skipped.player_id.to_string(), skipped.pool.clone(), skipped.reason.clone()]);
    let shown = table(&["player", "pool", "no position, because"], &["player"], rows);
    (!skipped.is_empty()).then(|| format!("Their first reading opens a position:\n{shown}{}", more(skipped.len())))
}

fn ignored(ignored: &[IgnoredFigure]) -> Option<String> {
    let rows = ignored.iter().take(LISTED_MAX).map(|figure| {
        vec![
            figure.table.to_owned(),
            figure.row.to_string(),
            figure.player_id.to_string(),
            figure.pool.clone(),
            figure.column.to_owned(),
            figure.value.clone(),
            if figure.kept { "as it is" } else { "as 0, and in anomalies" }.to_owned(),
        ]
    });
    let shown = table(&["table", "row", "player", "pool", "column", "figure", "kept"], &["row", "player"], rows);
    (!ignored.is_empty()).then(|| format!("Figures that say nothing of a counter:\n{shown}{}", more(ignored.len())))
}

fn twice(twice: &Twice) -> String {
    if twice.events.is_empty() {
        return "Nothing was awarded twice.".to_owned();
    }
    let rows = twice.events.iter().take(LISTED_MAX).map(|event| {
        vec![
            event.id.to_string(),
            event.player_id.to_string(),
            event.pool.clone(),
            event.at.format("%Y-%m-%d %H:%M:%S").to_string(),
            plain(event.previous),
            plain(event.current),
            plain(event.earlier),
            plain(event.advc),
            plain(event.ap),
            plain(event.advc_covered),
        ]
    });
    let headings = ["event", "player", "pool", "time (UTC)", "from", "to", "earlier to", "advc", "ap", "advc twice"];
    let shown = table(&headings, &["event", "player", "from", "to", "earlier to", "advc", "ap", "advc twice"], rows);
    format!(
        "The replaced service awarded twice, in {} of its events, of {} ADVC and {} AP together; {} ADVC of it had been awarded before. Nothing is \
         changed about it:\n{shown}{}",
        twice.events.len(),
        plain(twice.advc),
        plain(twice.ap),
        plain(twice.advc_covered),
        more(twice.events.len())
    )
}

fn more(all: usize) -> String {
    match all.saturating_sub(LISTED_MAX) {
        0 => String::new(),
        more => format!("\n… and {more} more, which --json lists"),
    }
}

fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}

fn json_of(report: &Report, moment: Moment) -> Value {
    json!({
        "state": if moment == Moment::Before { "original" } else { "current" },
        "taken_over": moment == Moment::After,
        "tables": report.tables.iter().map(|rows| json!({
            "table": rows.table, "rows": rows.rows, "of_no_player": rows.orphans,
        })).collect::<Vec<_>>(),
        "pools": report.pools.iter().map(|pool| json!({
            "pool": pool.pool, "positions": pool.positions, "at_zero": pool.zero, "marks": exact(pool.marks),
            "currency": pool.currency, "divided_by": pool.rate.map(|rate| exact(rate.to_decimal())),
        })).collect::<Vec<_>>(),
        "skipped": report.skipped.iter().map(|skipped| json!({
            "player_id": skipped.player_id, "pool": skipped.pool, "reason": skipped.reason,
        })).collect::<Vec<_>>(),
        "ignored": report.ignored.iter().map(|figure| json!({
            "table": figure.table, "row": figure.row, "player_id": figure.player_id, "pool": figure.pool, "column": figure.column,
            "figure": figure.value, "kept": figure.kept,
        })).collect::<Vec<_>>(),
        "awarded_twice": {
            "count": report.twice.events.len(), "advc": exact(report.twice.advc), "ap": exact(report.twice.ap),
            "advc_covered": exact(report.twice.advc_covered),
            "events": report.twice.events.iter().map(|event| json!({
                "id": event.id, "player_id": event.player_id, "pool": event.pool, "event_time": event.at.and_utc().to_rfc3339(),
                "previous_paid": exact(event.previous), "current_paid": exact(event.current), "earlier_paid": exact(event.earlier),
                "advc_amount": exact(event.advc), "ap_awarded": exact(event.ap), "advc_covered": exact(event.advc_covered),
            })).collect::<Vec<_>>(),
        },
        "never_sent": report.never_sent,
        "newest_snapshot": report.newest_snapshot.map(|at| at.and_utc().to_rfc3339()),
        "blockers": report.blockers,
    })
}

/// A JSON number with the exact digits.
fn exact(value: Decimal) -> Value {
    plain(value).parse().map_or(Value::Null, Value::Number)
}
