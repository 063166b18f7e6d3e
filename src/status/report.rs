//! What the status page shows, as `/status.json` says it. Amounts and points are exact decimals in text, times are RFC 3339 in
//! UTC, and what is not known is null.

use std::collections::BTreeMap;

use serde::Serialize;

/// Everything that the status page shows, at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The moment.
    pub at: String,
    /// The running version.
    pub version: &'static str,
    /// When the daemon began.
    pub up_since: String,
    /// Between two cycles; `None` where there is only one.
    pub interval_seconds: Option<u64>,
    /// Nothing is written and nothing is sent.
    pub dry_run: bool,
    /// This machine reaches none of the pools.
    pub offline: bool,
    /// Actors that do not answer.
    pub silent_actors: Vec<String>,
    /// The database.
    pub database: Database,
    /// The cycle that ended last; `None` before the first.
    pub last_cycle: Option<Cycle>,
    /// The pools that are polled.
    pub pools: Vec<Pool>,
    /// The connection to the game server.
    pub game: Game,
    /// What waits; `None` while the database does not answer.
    pub events: Option<Events>,
    /// The newest events, the newest first; `None` while the database does not answer.
    pub awards: Option<Vec<Award>>,
    /// The newest anomalies, the newest first; `None` while the database does not answer.
    pub anomalies: Option<Vec<Anomaly>>,
}

/// The database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Database {
    /// `SQLite` or `PostgreSQL`.
    pub engine: &'static str,
    /// Whether it answers.
    pub answers: bool,
    /// Why it does not.
    pub error: Option<String>,
}

/// A cycle that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cycle {
    /// Its number since the daemon began.
    pub cycle: u64,
    /// When it ended.
    pub at: String,
    /// From its tick to the end of its slowest pool.
    pub duration_ms: u64,
    /// Verified, active players that some pool was asked about.
    pub players: u64,
    /// Requests made.
    pub requests: u64,
    /// Good answers.
    pub good: u64,
    /// Requests without a good answer.
    pub failed: u64,
    /// Awards.
    pub awards: u64,
    /// AP awarded, exact.
    pub ap_awarded: String,
    /// ADVC awarded, exact.
    pub advc_awarded: String,
    /// Events held.
    pub held: u64,
    /// Anomalies recorded.
    pub anomalies: u64,
    /// Pools that were still at their last poll.
    pub pools_skipped: u64,
    /// Why it could not begin.
    pub error: Option<String>,
}

/// What a pool is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolState {
    /// It was not asked yet, or has not answered yet.
    NoAnswerYet,
    /// No player has a wallet there.
    NoWallets,
    /// It answers.
    Answers,
    /// It gave no good answer in its last cycle, and is asked on.
    Fails,
    /// It failed for everyone, or asked for it: nothing is sent until `left_alone_until`.
    LeftAlone,
    /// The pause is over, and one request tries it.
    Tried,
    /// This machine reaches none of the pools.
    NoNetwork,
    /// Its actor does not answer.
    Unknown,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: PoolState,
    /// When it is tried again.
    pub left_alone_until: Option<String>,
    /// Why it is not well, in words.
    pub reason: Option<String>,
    /// Its part of the last cycle that it finished.
    pub last_cycle: Option<PoolCycle>,
    /// Its answers over its latest cycles.
    pub recent: Answers,
    /// How long its requests took in each of these cycles, the oldest first.
    pub latency: Vec<Option<Latency>>,
}

/// A pool's part of a cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolCycle {
    /// When it had finished.
    pub at: String,
    /// Wallets that it should have been asked about.
    pub wallets: u64,
    /// Requests made; one of a pool that lists everybody's payouts brings many answers.
    pub requests: u64,
    /// Good answers.
    pub good: u64,
    /// Failures by kind.
    pub failed: BTreeMap<&'static str, u64>,
    /// Wallets that it was not asked about.
    pub not_asked: u64,
    /// From its first to its last moment.
    pub duration_ms: u64,
}

/// A pool's answers over several cycles.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answers {
    /// Over how many cycles.
    pub cycles: u64,
    /// Good answers.
    pub good: u64,
    /// Failures.
    pub failed: u64,
    /// Good ones in a hundred, to one place and never rounded up; `None` without any.
    pub success_percent: Option<f64>,
}

impl Answers {
    /// With the rate.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "a figure for people, not money")]
    pub fn new(cycles: u64, good: u64, failed: u64) -> Self {
        let per_mille = good.saturating_mul(1_000).checked_div(good.saturating_add(failed));
        Self { cycles, good, failed, success_percent: per_mille.map(|per_mille| per_mille as f64 / 10.0) }
    }
}

/// How long the requests of a cycle took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// The middle one.
    pub median_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// What the connection to the game server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GameState {
    /// Awards are sent.
    Connected,
    /// Awards wait, and it is tried again.
    Disconnected,
    /// No game server is configured: awards wait.
    NotConfigured,
    /// The notifier does not answer.
    Unknown,
}

/// The connection to the game server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Game {
    /// What it is; `not_configured` in a dry run too.
    pub state: GameState,
    /// `socketio`, `websocket` or `webhook`.
    pub kind: Option<&'static str>,
    /// Where, without secrets.
    pub url: Option<String>,
    /// Since when; `None` where it never was connected.
    pub since: Option<String>,
    /// Why it is not connected, in words.
    pub reason: Option<String>,
    /// It has acknowledged nothing for long, and gets single notices only.
    pub doubted: Option<bool>,
    /// Notices sent and not acknowledged yet.
    pub in_flight: Option<u64>,
}

/// Events that something has to become of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Events {
    /// Awards that wait for the game server.
    pub waiting: u64,
    /// When the oldest of them was awarded.
    pub waiting_since: Option<String>,
    /// Events that wait for an operator.
    pub held: u64,
    /// Awards whose delivery was given up.
    pub given_up: u64,
}

/// A payout that was found, or its reversal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Award {
    /// `mining_events.id`, by which the commands name it.
    pub id: i64,
    /// When it was found.
    pub at: String,
    /// Whose.
    pub player_id: i32,
    /// The player's name.
    pub player: String,
    /// On which pool.
    pub pool: String,
    /// The payout, exact.
    pub advc: String,
    /// AP for it, exact; zero while it is held or when it was rejected.
    pub ap: String,
    /// `told`, `waiting`, `given_up`, `held`, `rejected`, or `old` where the replaced service made it.
    pub state: &'static str,
    /// Why it is held.
    pub hold_reason: Option<String>,
    /// The event that it takes back.
    pub reverses: Option<i64>,
}

/// A reading that was not believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anomaly {
    /// When it was first seen.
    pub at: String,
    /// What it is.
    pub kind: String,
    /// On which pool.
    pub pool: String,
    /// Whose.
    pub player_id: i32,
    /// The player's name.
    pub player: String,
    /// What was seen, in words.
    pub detail: String,
    /// When it ended; `None` while it lasts.
    pub resolved_at: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_rate_is_unknown_without_answers_and_never_rounded_up() {
        for (good, failed, percent) in
            [(0, 0, None), (0, 5, Some(0.0)), (5, 0, Some(100.0)), (99_999, 1, Some(99.9)), (2, 1, Some(66.6))]
        {
            assert_eq!(Answers::new(3, good, failed).success_percent, percent, "{good} good, {failed} failed");
        }
    }
}
