//! `pool-poller explain`: what made an event or a player's totals.

use std::path::PathBuf;

use entity::mining_events::{AWARDED, HELD, Model};
use entity::{listed_payouts, pool_snapshots};
use serde_json::{Value, json};

use super::decision::{exact, exact_or_null, exact_text, last_award, last_award_json, plain, plain_text, rfc3339, time};
use super::events::{as_json, delivery, status};
use super::output::print;
use super::positions;
use super::table::{table, visible, yes};
use super::{Session, Stop};
use crate::store::decisions::EventRef;
use crate::store::overview::{EventStory, PlayerStory, event_story, player_story};
use crate::store::players;

/// Events of a player that are shown.
const EVENTS_SHOWN: u64 = 10;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An event's number or event_id, or a player's name.
    #[arg(value_name = "EVENT|PLAYER")]
    what: String,
    /// It is a player, by name or id.
    #[arg(long)]
    player: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Option<PathBuf>, args: Args) -> Result<(), Stop> {
    let session = Session::without_pools(config)?;
    let db = session.connect_existing().await?;
    let shown = match args.what.parse::<EventRef>() {
        Ok(event) if !args.player => {
            let story = event_story(&db, event).await.map_err(Stop::failed)?;
            let story = story.ok_or_else(|| {
                Stop::failed(format!("there is no event {event}; a player with this name or id: explain --player {}", args.what))
            })?;
            if args.json { format!("{:#}", event_json(&story)) } else { event_text(&story) }
        }
        _ => {
            let player = players::find(&db, &args.what).await.map_err(Stop::failed)?;
            let story = player_story(&db, player, EVENTS_SHOWN).await.map_err(Stop::failed)?;
            if args.json { format!("{:#}", player_json(&story)) } else { player_text(&story) }
        }
    };
    print(shown)?;
    db.close().await.map_err(Stop::failed)
}

/// Lines of a name and what is to be said of it.
fn lines(pairs: Vec<(&str, String)>) -> String {
    let pairs = pairs.into_iter().filter(|(_, text)| !text.is_empty());
    pairs.map(|(name, text)| format!("{name:<10} {}", visible(&text))).collect::<Vec<_>>().join("\n")
}

fn event_text(story: &EventStory) -> String {
    let event = &story.event;
    let reading = |row: &Option<pool_snapshots::Model>| match row {
        Some(row) => format!("{} UTC, counter {}", time(row.snapshot_time), row.native_paid.map(plain).unwrap_or_default()),
        None if event.event_id.is_none() => String::new(),
        None => "no snapshot of it (pruned, or unchanged since an older one)".to_owned(),
    };
    let (before, made) = match event.reverses {
        None => (reading(&story.reading_before), reading(&story.reading)),
        Some(_) => (String::new(), String::new()),
    };
    let id = event.event_id.as_deref().unwrap_or("without event_id");
    let number = event.player_sequence.map(|number| format!(", number {number} of the player")).unwrap_or_default();
    lines(vec![
        ("event", format!("{} ({id})", event.id)),
        ("player", format!("{} ({}){number}", story.username, event.player_id)),
        ("wallet", format!("{} on {}", event.address.as_deref().unwrap_or("unknown"), event.pool_name)),
        ("found", format!("{} UTC", time(event.event_time))),
        ("before", before),
        ("reading", made),
        ("rise", rise(event)),
        ("payouts", payouts(story)),
        ("rule", rule(story)),
        ("decision", decision(event)),
        ("reversed", story.reversed_by.as_ref().map(|by| format!("by event {}: {}", by.id, decision(by))).unwrap_or_default()),
        ("totals", totals(event)),
        ("delivery", told(event)),
    ])
}

/// The payouts that the event consists of, where the pool lists them.
fn payouts(story: &EventStory) -> String {
    let currency = story.event.currency.as_deref().unwrap_or_default();
    let shown = story.payouts.iter().map(|payout| format!("{} {currency} by {}", plain(payout.amount), payout.tx_id));
    shown.collect::<Vec<_>>().join(", ")
}

fn payouts_json(story: &EventStory) -> Vec<Value> {
    let shown = |payout: &listed_payouts::Model| {
        json!({
            "tx_id": payout.tx_id, "amount": exact(payout.amount), "total": exact(payout.total),
            "paid_at": rfc3339(payout.paid_at), "seen_at": rfc3339(Some(payout.seen_at)),
        })
    };
    story.payouts.iter().map(shown).collect()
}

fn rise(event: &Model) -> String {
    let (Some(native), Some(previous), Some(current), Some(currency), Some(rate)) =
        (event.native_amount, event.native_previous, event.native_current, &event.currency, event.rate)
    else {
        return format!("{} to {} ADVC", plain(event.previous_paid), plain(event.current_paid));
    };
    let sign = if event.reverses.is_some() { "" } else { "+" };
    let mut text = format!("{} to {} {currency}: {sign}{}", plain(previous), plain(current), plain(native));
    text.push_str(&format!(" × {} = {} ADVC", plain(rate), plain(event.advc_amount)));
    match event.ap_per_advc {
        Some(factor) => text.push_str(&format!(" × {} = {} AP", plain(factor), plain(event.ap_awarded))),
        None if event.status == AWARDED => text.push_str(&format!(", {} AP", plain(event.ap_awarded))),
        None => {}
    }
    text
}

fn rule(story: &EventStory) -> String {
    let event = &story.event;
    if let Some(reversed) = &story.reverses {
        let id = reversed.event_id.as_deref().unwrap_or("without event_id");
        return format!("takes back event {} ({id}) of {} UTC", reversed.id, time(reversed.event_time));
    }
    if event.event_id.is_none() {
        return "written by the replaced service".to_owned();
    }
    let Some(reason) = &event.hold_reason else {
        return "above the mark by more than MIN_PAYOUT_DELTA: awarded, the mark rose".to_owned();
    };
    let why = match reason.as_str() {
        "above_maximum" => "more than MAX_PAYOUT_DELTA at once",
        "unit_change" => "the counter was multiplied by exactly a power of ten: a change of unit?",
        "unit_in_doubt" => {
            "it came while an earlier event left the unit of the counter in doubt; approve that one if the unit is right, and else rebase"
        }
        "pool_restart" => "it rose within the first readings of a position that began at 0: a pool that was restarting?",
        "payout_changed" => "the pool's list shows another amount for a payout that is recorded",
        "taken_over" => "the first rise of a position taken over from the replaced service, in another field than it read",
        other => other,
    };
    format!("held ({reason}): {why}")
}

fn decision(event: &Model) -> String {
    match (&event.decided_by, event.decided_at) {
        (Some(by), Some(at)) => {
            let what = if event.reverses.is_some() { "reversed" } else { event.status.as_str() };
            let reason = event.decision_reason.as_deref().unwrap_or_default();
            format!("{what} by {by} at {} UTC: {reason}", time(at))
        }
        _ if event.status == HELD => "waits: `pool-poller events approve` or `events reject`".to_owned(),
        _ => String::new(),
    }
}

fn totals(event: &Model) -> String {
    match (event.total_ap_after, event.total_advc_after) {
        (Some(ap), Some(advc)) => format!("{} AP and {} ADVC right after it", plain(ap), plain(advc)),
        _ => String::new(),
    }
}

fn told(event: &Model) -> String {
    let next = event.next_attempt_at.filter(|_| !event.notified && !event.delivery_dead);
    let next = next.map(|at| format!(", again from {} UTC on", time(at))).unwrap_or_default();
    match delivery(event) {
        nothing if nothing.is_empty() => "nothing to tell before it is decided".to_owned(),
        said => format!("{said}{next}"),
    }
}

fn snapshot_json(row: &pool_snapshots::Model) -> Value {
    let raw = row.raw_response.as_deref().map(|raw| serde_json::from_str(raw).unwrap_or_else(|_| Value::from(raw)));
    json!({
        "id": row.id, "snapshot_time": rfc3339(Some(row.snapshot_time)), "native_paid": exact_or_null(row.native_paid),
        "currency": row.currency, "rate": exact_or_null(row.rate), "paid": exact(row.paid), "raw_response": raw,
    })
}

fn event_json(story: &EventStory) -> Value {
    let related = |event: &Option<Model>| event.as_ref().map(|event| as_json(event, &story.username));
    json!({
        "event": as_json(&story.event, &story.username), "rule": rule(story),
        "reading_before": story.reading_before.as_ref().map(snapshot_json), "reading": story.reading.as_ref().map(snapshot_json),
        "payouts": payouts_json(story), "reverses": related(&story.reverses), "reversed_by": related(&story.reversed_by),
    })
}

fn player_text(story: &PlayerStory) -> String {
    let player = &story.player;
    let wallets = story.wallets.iter().map(|wallet| format!("{} on {}", wallet.address, wallet.pool_name));
    let mut text = lines(vec![
        ("player", format!("{} ({})", player.username, player.id)),
        ("polled", format!("verified {}, active {}", yes(player.verified), yes(player.active))),
        ("wallet", player.wallet_address.clone()),
        ("", wallets.collect::<Vec<_>>().join(", ")),
        ("totals", format!("{} AP and {} ADVC", plain_text(&player.total_ap), plain_text(&player.total_advc_mined))),
        ("awards", player.event_sequence.to_string()),
        ("last", last_award(player)),
        ("held", format!("{} for an operator", story.held)),
        ("waiting", format!("{} for the game server", story.waiting)),
    ]);
    text.push_str("\n\n");
    text.push_str(&positions::as_text(&story.positions));
    for rebase in &story.rebases {
        let (by, at, reason) = (&rebase.decided_by, time(rebase.decided_at), &rebase.reason);
        let (old, new) = (plain(rebase.old_high_water), plain(rebase.new_high_water));
        text.push('\n');
        text.push_str(&visible(&format!(
            "position {} rebased from {old} to {new} by {by} at {at} UTC: {reason}",
            rebase.position_id
        )));
    }
    if !story.events.is_empty() {
        let cells = story.events.iter().map(|event| {
            vec![
                event.id.to_string(),
                time(event.event_time),
                event.pool_name.clone(),
                rise(event),
                status(event),
                delivery(event),
            ]
        });
        text.push_str("\n\n");
        text.push_str(&table(&["event", "time (UTC)", "pool", "rise", "status", "delivery"], &["event"], cells));
    }
    text
}

fn player_json(story: &PlayerStory) -> Value {
    let player = &story.player;
    let rebases: Vec<Value> = story
        .rebases
        .iter()
        .map(|row| {
            json!({
                "position_id": row.position_id, "from_epoch": row.from_epoch, "to_epoch": row.to_epoch,
                "old_high_water": exact(row.old_high_water), "new_high_water": exact(row.new_high_water),
                "decided_by": row.decided_by, "decided_at": rfc3339(Some(row.decided_at)), "reason": row.reason,
            })
        })
        .collect();
    json!({
        "id": player.id, "username": player.username, "verified": player.verified, "active": player.active,
        "wallet_address": player.wallet_address,
        "pool_wallets": story.wallets.iter().map(|row| (row.pool_name.clone(), Value::from(row.address.clone())))
            .collect::<serde_json::Map<_, _>>(),
        "total_ap": exact_text(&player.total_ap), "total_advc_mined": exact_text(&player.total_advc_mined),
        "event_sequence": player.event_sequence, "last_mining_event": last_award_json(player),
        "held": story.held, "waiting": story.waiting, "positions": positions::as_json(&story.positions), "rebases": rebases,
        "events": story.events.iter().map(|event| as_json(event, &player.username)).collect::<Vec<_>>(),
    })
}
