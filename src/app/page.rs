//! Puts together what the status page shows.

use std::cell::Cell;
use std::time::Duration;

use chrono::NaiveDateTime;
use entity::{Money, anomalies, mining_events};
use sea_orm::DbBackend;
use serde_json::Value;

use super::history::{Ended, History, PoolHistory};
use super::rows::Read;
use crate::actors::pool::{PollReport, ResponseTime};
use crate::actors::scheduler::CycleSummary;
use crate::domain::PoolName;
use crate::notify::Protocol;
use crate::settings::{Settings, redact_url};
use crate::status::report::{
    Anomaly, Answers, Award, Cycle, Database, Events, Game, GameState, Latency, Pool, PoolCycle, PoolState, Report,
};
use crate::status::silent;
use crate::store::{now_utc, rfc3339};

/// The longest text of a pool or of the game server that is shown, in characters.
const TEXT_CHARS_MAX: usize = 500;

/// What the daemon is from its start on.
#[derive(Debug)]
pub(super) struct About {
    pub(super) up_since: NaiveDateTime,
    /// Between two cycles, which a reload may change; `None` where there is only one.
    pub(super) interval: Cell<Option<Duration>>,
    pub(super) dry_run: bool,
    pub(super) engine: DbBackend,
    /// How the game server is spoken to, and where, without secrets.
    pub(super) game: Option<(Protocol, String)>,
}

/// Where `settings` say that the game server is.
pub(super) fn game_of(settings: &Settings) -> Option<(Protocol, String)> {
    if let Some(url) = &settings.notify_webhook_url {
        return Some((Protocol::Webhook, redact_url(url.as_str())));
    }
    let url = settings.socketio_url.as_ref()?;
    let protocol = if url.scheme().starts_with("ws") { Protocol::WebSocket } else { Protocol::SocketIo };
    Some((protocol, redact_url(url.as_str())))
}

/// The report, from the actors' figures, the latest cycles and the database.
pub(super) fn report(about: &About, metrics: &Value, history: &History, pools: &[PoolName], rows: &Read) -> Report {
    let offline = metrics["network"]["offline"] == true;
    let read = rows.as_ref().ok();
    Report {
        at: rfc3339(now_utc()),
        version: env!("CARGO_PKG_VERSION"),
        up_since: rfc3339(about.up_since),
        interval_seconds: about.interval.get().map(|interval| interval.as_secs()),
        dry_run: about.dry_run,
        offline,
        silent_actors: silent(metrics),
        database: Database {
            engine: if about.engine == DbBackend::Postgres { "PostgreSQL" } else { "SQLite" },
            answers: rows.is_ok(),
            error: rows.as_ref().err().map(|error| short(error)),
        },
        last_cycle: history.last().map(cycle),
        pools: pools.iter().map(|name| pool(name, &metrics["pools"][name.as_str()], history.pool(name), offline)).collect(),
        game: game(about, &metrics["notifier"]),
        events: read.map(|rows| Events {
            waiting: rows.waiting,
            waiting_since: rows.waiting_since.map(rfc3339),
            held: rows.held,
            given_up: rows.given_up,
        }),
        awards: read.map(|rows| rows.events.iter().map(|(event, player)| award(event, player)).collect()),
        anomalies: read.map(|rows| rows.anomalies.iter().map(|(row, player)| anomaly(row, player)).collect()),
    }
}

fn short(text: &str) -> String {
    let mut cut: String = text.chars().take(TEXT_CHARS_MAX).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(short)
}

fn cycle(ended: &Ended<CycleSummary>) -> Cycle {
    let summary = &ended.what;
    Cycle {
        cycle: summary.cycle,
        at: rfc3339(ended.at),
        duration_ms: summary.duration_ms,
        players: summary.players,
        requests: summary.requests,
        good: summary.readings,
        failed: summary.failures,
        awards: summary.awards,
        ap_awarded: summary.ap_awarded.to_string(),
        advc_awarded: summary.advc_awarded.to_string(),
        held: summary.held,
        anomalies: summary.anomalies,
        pools_skipped: summary.pools_skipped,
        error: summary.error.as_deref().map(short),
    }
}

fn pool(name: &PoolName, metrics: &Value, history: Option<&PoolHistory>, offline: bool) -> Pool {
    let last = history.and_then(PoolHistory::last);
    let state = pool_state(metrics, last.map(|last| &last.what), offline);
    let failure = || history.and_then(PoolHistory::failure).map(|failure| short(&failure.what));
    let reason = match state {
        PoolState::Unknown => text(&metrics["unavailable"]),
        PoolState::Fails | PoolState::LeftAlone | PoolState::Tried => failure(),
        _ => None,
    };
    let (cycles, good, failed) = history.map(PoolHistory::answers).unwrap_or_default();
    Pool {
        name: name.to_string(),
        state,
        left_alone_until: text(&metrics["next_probe_at"]).filter(|_| state == PoolState::LeftAlone),
        reason,
        last_cycle: last.map(pool_cycle),
        recent: Answers::new(cycles, good, failed),
        latency: history.into_iter().flat_map(PoolHistory::response_times).map(|time| time.map(latency)).collect(),
    }
}

fn pool_state(metrics: &Value, last: Option<&PollReport>, offline: bool) -> PoolState {
    let Some(breaker) = metrics["backoff_state"].as_str() else { return PoolState::Unknown };
    let has = |figure: &str| metrics[figure].as_u64().unwrap_or(0) > 0;
    match (breaker, last) {
        ("open", _) => PoolState::LeftAlone,
        _ if offline => PoolState::NoNetwork,
        ("half_open", _) => PoolState::Tried,
        (_, Some(last)) if last.wallets == 0 => PoolState::NoWallets,
        (_, Some(last)) if last.readings == 0 && !last.failures.is_empty() => PoolState::Fails,
        // Before the end of its first cycle there is what was counted until now.
        _ if has("successes") => PoolState::Answers,
        _ if metrics["failures"].as_object().is_some_and(|kinds| !kinds.is_empty()) => PoolState::Fails,
        _ => PoolState::NoAnswerYet,
    }
}

fn pool_cycle(ended: &Ended<PollReport>) -> PoolCycle {
    let report = &ended.what;
    PoolCycle {
        at: rfc3339(ended.at),
        wallets: report.wallets,
        requests: report.requests,
        good: report.readings,
        failed: report.failures.clone(),
        not_asked: report.not_asked,
        duration_ms: report.duration_ms,
    }
}

#[expect(clippy::float_arithmetic, reason = "a figure for people, not money")]
fn latency(time: ResponseTime) -> Latency {
    let millis = |duration: Duration| (duration.as_secs_f64() * 1e5).round() / 100.0;
    Latency { median_ms: millis(time.median), max_ms: millis(time.max) }
}

fn game(about: &About, metrics: &Value) -> Game {
    let state = match metrics["socket"].as_str() {
        Some("up") => GameState::Connected,
        Some("off") => GameState::NotConfigured,
        Some(_) => GameState::Disconnected,
        None => GameState::Unknown,
    };
    let (kind, url) = about.game.clone().unzip();
    Game {
        state,
        kind: kind.map(Protocol::as_str),
        url,
        since: text(&metrics["socket_since"]),
        reason: text(&metrics["down_reason"]).or_else(|| text(&metrics["unavailable"])),
        doubted: metrics["doubted"].as_bool(),
        in_flight: metrics["in_flight"].as_u64(),
    }
}

fn exact(money: Money) -> String {
    money.0.normalize().to_string()
}

fn award(event: &mining_events::Model, player: &str) -> Award {
    let is_held = event.status == mining_events::HELD;
    Award {
        id: event.id,
        at: rfc3339(event.event_time),
        player_id: event.player_id,
        player: player.to_owned(),
        pool: event.pool_name.clone(),
        advc: exact(event.advc_amount),
        ap: exact(event.ap_awarded),
        state: match (event.player_sequence, event.notified, event.delivery_dead) {
            _ if is_held => "held",
            _ if event.status == mining_events::REJECTED => "rejected",
            (None, ..) => "old",
            (_, true, _) => "told",
            (_, false, true) => "given_up",
            (_, false, false) => "waiting",
        },
        hold_reason: event.hold_reason.clone().filter(|_| is_held),
        reverses: event.reverses,
    }
}

fn anomaly(row: &anomalies::Model, player: &str) -> Anomaly {
    Anomaly {
        at: rfc3339(row.seen_at),
        kind: row.kind.clone(),
        pool: row.pool_name.clone(),
        player_id: row.player_id,
        player: player.to_owned(),
        detail: short(&row.detail),
        resolved_at: row.resolved_at.map(rfc3339),
    }
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
