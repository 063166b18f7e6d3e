//! `pool-poller events`: what was found, and what an operator decides about it.

use std::path::PathBuf;

use chrono::NaiveDateTime;
use entity::mining_events::{HELD, Model};
use serde_json::{Value, json};

use super::decision::{Who, exact, exact_or_null, plain, player_id, rfc3339, time};
use super::moment::moment;
use super::output::print;
use super::table::{table, visible};
use super::{Session, Stop};
use crate::domain::PoolName;
use crate::store::decisions::{self, Decided, EventRef};
use crate::store::overview::{self, EventFilter};
use crate::store::replay::{self, ReplayFilter};
use crate::store::{now_utc, reversal};

/// Subcommands of `events`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List events, the newest first.
    ///
    /// Example: pool-poller events list --held
    List(List),
    /// Give the AP of a held event: its ADVC times the AP_PER_ADVC of now. The game is told by the running daemon.
    ///
    /// Example: pool-poller events approve 17 --reason "the pool confirmed the payout"
    Approve {
        /// The event's number or event_id.
        event: EventRef,
        #[command(flatten)]
        who: Who,
    },
    /// Decide that a held event gives no AP. Its part of the counter stays accounted for and never comes again.
    ///
    /// Example: pool-poller events reject 17 --reason "the pool changed its unit"
    Reject {
        /// The event's number or event_id.
        event: EventRef,
        #[command(flatten)]
        who: Who,
    },
    /// Take back an award by an event of its own with negative amounts, of which the game is told like of any other.
    ///
    /// The award itself stays as it is, and what it counted is not found again. It is done once for an event.
    ///
    /// Example: pool-poller events reverse 17 --reason "awarded for another player's wallet"
    Reverse {
        /// The event's number or event_id.
        event: EventRef,
        #[command(flatten)]
        who: Who,
        /// Take the AP even where the player has spent them, which leaves the total below zero.
        #[arg(long)]
        allow_negative: bool,
    },
    /// Send awards to the game again, with the same event ids, as if they had never been sent.
    ///
    /// The running daemon does it within a second. A game that has an award already knows it by its event_id and sequence. What is
    /// given must hold together: --player with --dead are that player's given-up ones.
    ///
    /// Example: pool-poller events replay --dead --dry-run
    Replay(Replay),
}

/// Arguments of `events replay`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true).args(["event", "player", "since", "dead"]))]
pub(super) struct Replay {
    /// Only this event, by its number or event_id.
    #[arg(long, value_name = "ID")]
    event: Option<EventRef>,
    /// Only this player's, by name or id.
    #[arg(long)]
    player: Option<String>,
    /// Only those found at this time or later: 2026-11-22, 2026-11-22T10:00 (UTC) or with an offset as in RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<NaiveDateTime>,
    /// Only those whose delivery was given up.
    #[arg(long)]
    dead: bool,
    /// Only say how many there are.
    #[arg(long)]
    dry_run: bool,
}

/// Arguments of `events list`.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only those that wait for an operator.
    #[arg(long)]
    held: bool,
    /// Only awards that the game server has not acknowledged yet.
    #[arg(long)]
    waiting: bool,
    /// Only awards whose delivery was given up.
    #[arg(long)]
    dead: bool,
    /// Only this player's, by name or id.
    #[arg(long)]
    player: Option<String>,
    /// Only this pool's.
    #[arg(long)]
    pool: Option<PoolName>,
    /// At most this many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    limit: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Option<PathBuf>, command: Command) -> Result<(), Stop> {
    let session = Session::without_pools(config)?;
    // Who and why are asked for before anything is opened.
    let who = match &command {
        Command::List(_) | Command::Replay(_) => None,
        Command::Approve { who, .. } | Command::Reject { who, .. } | Command::Reverse { who, .. } => Some(who.operator()?),
    };
    let db = session.connect_existing().await?;
    let now = now_utc();
    match (command, who) {
        (Command::List(list), _) => {
            let filter = EventFilter {
                held: list.held,
                waiting: list.waiting,
                dead: list.dead,
                player: player_id(&db, list.player.as_deref()).await?,
                pool: list.pool,
                limit: list.limit,
            };
            let rows = overview::events(&db, &filter).await.map_err(Stop::failed)?;
            if list.json {
                let rows: Vec<Value> = rows.iter().map(|(event, username)| as_json(event, username)).collect();
                print(format_args!("{:#}", json!(rows)))?;
            } else {
                print(as_table(&rows))?;
            }
        }
        (Command::Approve { event, .. }, Some(operator)) => {
            let ap_per_advc = session.settings.ap_per_advc;
            let done = decisions::approve(&db, event, &operator, ap_per_advc, now).await.map_err(Stop::failed)?;
            let given = format!("{} ADVC are {} AP", plain(done.event.advc_amount), plain(done.event.ap_awarded));
            print(format_args!("event {} approved by {}: {given}; {}", done.event.id, operator.by(), totals(&done)))?;
            let others = decisions::overlapping(&db, &done.event).await.map_err(Stop::failed)?;
            if !others.is_empty() {
                let others: Vec<String> = others.iter().map(|(id, status)| format!("{id} ({status})")).collect();
                print(format_args!(
                    "note: part of the same counter is in event {}; unless the pool began its counters anew, that is one payout \
                     twice, and `pool-poller events reverse {}` takes this one back",
                    others.join(", "),
                    done.event.id
                ))?;
            }
        }
        (Command::Reject { event, .. }, Some(operator)) => {
            let done = decisions::reject(&db, event, &operator, now).await.map_err(Stop::failed)?;
            let (advc, player) = (plain(done.event.advc_amount), visible(&done.username));
            print(format_args!("event {} rejected by {}: no AP for {advc} ADVC of {player}", done.event.id, operator.by()))?;
        }
        (Command::Reverse { event, allow_negative, .. }, Some(operator)) => {
            let done = reversal::reverse(&db, event, &operator, allow_negative, now).await.map_err(Stop::failed)?;
            let reversed = done.event.reverses.unwrap_or_default();
            let taken = format!("{} ADVC, {} AP", plain(done.event.advc_amount), plain(done.event.ap_awarded));
            let new = done.event.id;
            print(format_args!("event {reversed} reversed by {} with event {new}: {taken}; {}", operator.by(), totals(&done)))?;
        }
        (Command::Replay(args), _) => {
            let Replay { event, player, since, dead, dry_run } = args;
            let filter = ReplayFilter { event, player: player_id(&db, player.as_deref()).await?, since, dead };
            let done = replay::replay(&db, &filter, dry_run).await.map_err(Stop::failed)?;
            let counted = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
            let (events, players) = (counted(done.events, "event"), counted(done.players, "player"));
            let goes = if dry_run { "would be sent again" } else { "will be sent again by the running daemon" };
            print(format_args!("{events} of {players} {goes}"))?;
        }
        // Every other command has an operator.
        (_, None) => {}
    }
    db.close().await.map_err(Stop::failed)
}

fn totals(done: &Decided) -> String {
    let total = |value: Option<entity::Money>| plain(value.unwrap_or_default());
    format!(
        "{} now has {} AP for {} ADVC; the game is told by the running daemon",
        visible(&done.username),
        total(done.event.total_ap_after),
        total(done.event.total_advc_after)
    )
}

/// What the game server knows of an event.
pub(super) fn delivery(event: &Model) -> String {
    if event.player_sequence.is_none() {
        return if event.event_id.is_none() { "not by this program" } else { "" }.to_owned();
    }
    match (event.notified, event.delivery_dead, event.delivery_attempts) {
        (true, ..) => "acknowledged".to_owned(),
        (_, true, attempts) => format!("given up after {attempts}"),
        (_, _, 0) => "waiting".to_owned(),
        (_, _, attempts) => format!("waiting, sent {attempts} times"),
    }
}

/// What an event is.
pub(super) fn status(event: &Model) -> String {
    match (&event.hold_reason, event.reverses) {
        (_, Some(reversed)) => format!("reverses {reversed}"),
        (Some(reason), _) if event.status == HELD => format!("held: {reason}"),
        _ => event.status.clone(),
    }
}

fn as_table(rows: &[(Model, String)]) -> String {
    let headings = ["id", "time (UTC)", "player", "pool", "advc", "ap", "status", "no", "delivery", "event id"];
    let cells = rows.iter().map(|(event, username)| {
        vec![
            event.id.to_string(),
            time(event.event_time),
            username.clone(),
            event.pool_name.clone(),
            plain(event.advc_amount),
            plain(event.ap_awarded),
            status(event),
            event.player_sequence.map(|number| number.to_string()).unwrap_or_default(),
            delivery(event),
            event.event_id.clone().unwrap_or_default(),
        ]
    });
    table(&headings, &["id", "advc", "ap", "no"], cells)
}

/// Everything that the row holds.
pub(super) fn as_json(event: &Model, username: &str) -> Value {
    json!({
        "id": event.id, "event_id": event.event_id, "event_time": rfc3339(Some(event.event_time)),
        "player_id": event.player_id, "username": username, "pool": event.pool_name, "address": event.address,
        "status": event.status, "hold_reason": event.hold_reason, "reverses": event.reverses,
        "advc_amount": exact(event.advc_amount), "ap_awarded": exact(event.ap_awarded),
        "currency": event.currency, "native_amount": exact_or_null(event.native_amount),
        "native_previous": exact_or_null(event.native_previous), "native_current": exact_or_null(event.native_current),
        "rate": exact_or_null(event.rate), "ap_per_advc": exact_or_null(event.ap_per_advc),
        "position_id": event.position_id, "position_sequence": event.position_sequence, "epoch": event.epoch,
        "player_sequence": event.player_sequence, "total_ap_after": exact_or_null(event.total_ap_after),
        "total_advc_after": exact_or_null(event.total_advc_after), "decided_at": rfc3339(event.decided_at),
        "decided_by": event.decided_by, "decision_reason": event.decision_reason, "notified": event.notified,
        "delivery_attempts": event.delivery_attempts, "next_attempt_at": rfc3339(event.next_attempt_at),
        "delivery_dead": event.delivery_dead,
    })
}
