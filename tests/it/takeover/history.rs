//! A past: players whose pools were polled by the replaced service, with all that it did wrong.

// The replaced service calculated in floats, and its noise is what the takeover must get right.
#![allow(clippy::float_arithmetic)]

use fastrand::Rng;
use pool_poller::domain::Amount;

use super::site::Site;

/// Rows of one statement.
const ROWS_PER_STATEMENT: usize = 400;
/// What the service converted by.
pub(super) const RATE: f64 = 1e6;
/// The first of the players whose past is made up by chance.
pub(super) const RANDOM_FROM: i32 = 100;

/// A player's past on one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Past {
    pub(super) player: i32,
    pub(super) pool: &'static str,
    /// The pool's true counter at the end, in its own currency: the highest that was ever recorded.
    pub(super) counter: Amount,
    /// The ids of the events that awarded something again.
    pub(super) twice: Vec<i64>,
}

/// All rows, as SQL.
#[derive(Debug, Default)]
pub(super) struct History {
    players: Vec<String>,
    snapshots: Vec<String>,
    events: Vec<String>,
    minutes: u32,
    pub(super) pasts: Vec<Past>,
}

pub(super) fn wallet(player: i32) -> String {
    format!("A{player:033}")
}

/// A float as both engines read it back bit by bit.
fn sql(float: f64) -> String {
    format!("{float:?}")
}

impl History {
    /// A player with these totals.
    pub(super) fn player(&mut self, id: i32, ap: f64, advc: f64) {
        self.players.push(format!(
            "({id}, 'player{id}', 'player{id}@example.org', '{}', {}, {}, 3, TRUE, TRUE, {}, {}, NULL)",
            wallet(id),
            sql(ap),
            sql(advc),
            at(1),
            at(2)
        ));
    }

    /// A snapshot; `paid` is SQL, so that it can be anything.
    pub(super) fn snapshot(&mut self, player: i32, pool: &str, paid: &str) {
        self.minutes += 1;
        let id = self.snapshots.len() + 1;
        let raw = format!("{{\"paid\": {paid}, \"note\": \"it''s\"}}").replace('\'', "''");
        self.snapshots
            .push(format!("({id}, {player}, '{pool}', 12345.67, NULL, 0.5, 1e-07, {paid}, '{raw}', {})", at(self.minutes)));
    }

    /// An event, and its id.
    pub(super) fn event(&mut self, player: i32, pool: &str, previous: f64, current: f64) -> (i64, f64) {
        self.minutes += 1;
        let id = i64::try_from(self.events.len() + 1).expect("few events");
        let (advc, ap) = (current - previous, (current - previous) * 100.0);
        self.events.push(format!(
            "({id}, {player}, '{pool}', {}, {}, {}, {}, {}, TRUE, {})",
            sql(advc),
            sql(ap),
            sql(previous),
            sql(current),
            at(self.minutes),
            if id % 5 == 0 { "TRUE" } else { "FALSE" }
        ));
        (id, advc)
    }

    /// Polls a wallet as the replaced service did: every tenth answer fails and is written as a zero, and what follows a zero
    /// is awarded whole.
    fn polls(&mut self, rng: &mut Rng, player: i32, pool: &'static str) -> f64 {
        let rate = if pool == "zpool" { RATE } else { 1.0 };
        let (mut units, mut last, mut highest, mut seen) = (rng.i64(0..50_000_000_000), None::<f64>, 0.0_f64, 0);
        let (mut twice, mut total) = (Vec::new(), 0.0);
        for _ in 0..rng.usize(5..40) {
            if rng.u8(..5) == 0 {
                units += rng.i64(0..300_000_000);
            }
            let failed = rng.u8(..10) == 0;
            // The pool shows its counter with eight places, and Python makes a float of it.
            let shown = Amount::from_units(units.into()).expect("an amount").to_string();
            let paid = if failed { 0.0 } else { shown.parse::<f64>().expect("a float") * rate };
            if let Some(last) = last.filter(|last| paid - last > 0.0001) {
                let (id, advc) = self.event(player, pool, last, paid);
                total += advc;
                if last < highest {
                    twice.push(id);
                }
                highest = highest.max(paid);
            }
            self.snapshot(player, pool, &sql(paid));
            last = Some(paid);
            if !failed {
                seen = units;
            }
        }
        self.pasts.push(Past { player, pool, counter: Amount::from_units(seen.into()).expect("an amount"), twice });
        total
    }

    /// Many players on all pools.
    pub(super) fn random(&mut self, seed: u64, players: i32) {
        let mut rng = Rng::with_seed(seed);
        for player in RANDOM_FROM..RANDOM_FROM + players {
            let advc = ["cpu-pool", "rplant", "zpool"].map(|pool| self.polls(&mut rng, player, pool)).iter().sum::<f64>();
            self.player(player, advc * 100.0, advc);
        }
    }

    /// Writes it into the replaced service's tables, which count on from there.
    pub(super) async fn write(&self, site: &Site) {
        let parts = [
            (
                "players",
                "id, username, email, wallet_address, total_ap, total_advc_mined, level, verified, active, created_at, updated_at, last_mining_event",
                &self.players,
            ),
            (
                "pool_snapshots",
                "id, player_id, pool_name, total_hash, total_shares, immature, balance, paid, raw_response, snapshot_time",
                &self.snapshots,
            ),
            (
                "mining_events",
                "id, player_id, pool_name, advc_amount, ap_awarded, previous_paid, current_paid, event_time, processed, notified",
                &self.events,
            ),
        ];
        for (table, columns, rows) in parts {
            for chunk in rows.chunks(ROWS_PER_STATEMENT) {
                site.execute(&format!("INSERT INTO {table} ({columns}) VALUES {}", chunk.join(", "))).await;
            }
            if site.is_postgresql() {
                site.execute(&format!("SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))")).await;
            }
        }
    }
}

/// A time as SQL, some minutes after a beginning.
fn at(minutes: u32) -> String {
    let begin =
        chrono::NaiveDate::from_ymd_opt(2025, 11, 1).and_then(|day| day.and_hms_micro_opt(0, 0, 0, 123_456)).expect("a time");
    format!("'{}'", (begin + chrono::TimeDelta::minutes(minutes.into())).format("%Y-%m-%d %H:%M:%S%.6f"))
}

/// The past that most tests begin with: the players 1 to 6 by hand, the others by chance.
pub(super) fn usual(site: &Site) -> History {
    let mut history = History::default();
    history.random(7, 40);
    // A payout, a failed answer, and the whole counter again.
    history.player(1, 1350.0, 13.5);
    for paid in ["10.5", "12", "0", "12"] {
        history.snapshot(1, "cpu-pool", paid);
    }
    history.event(1, "cpu-pool", 10.5, 12.0);
    history.event(1, "cpu-pool", 0.0, 12.0);
    // Float noise, and a newest snapshot that is a failed answer.
    history.player(2, 0.1 + 0.2, 1_234_567.1);
    for paid in [sql(0.1), sql(0.1 + 0.2), "0".to_owned()] {
        history.snapshot(2, "rplant", &paid);
    }
    history.event(2, "rplant", 0.1, 0.1 + 0.2);
    // Bitcoin, recorded in ADVC; the highest figure is only in an event.
    history.player(3, 56_000.000_000_000_01, 560.000_000_000_000_1);
    history.snapshot(3, "zpool", "500");
    history.event(3, "zpool", 500.0, 0.00056 * RATE);
    history.snapshot(3, "zpool", "0");
    // Answers that are no counters.
    history.player(4, 1e-7, 1e-7);
    history.snapshot(4, "cpu-pool", "3.5");
    history.snapshot(4, "cpu-pool", "-1");
    history.snapshot(4, "cpu-pool", "2e15");
    history.snapshot(4, "cpu-pool", if site.is_postgresql() { "'Infinity'" } else { "9e999" });
    history.snapshot(4, "cpu-pool", if site.is_postgresql() { "'NaN'" } else { "1e300" });
    history.snapshot(4, "rplant", if site.is_postgresql() { "'NaN'" } else { "'broken'" });
    // Nothing but zeros.
    history.player(5, 0.0, 0.0);
    history.snapshot(5, "cpu-pool", "0");
    history.snapshot(5, "zpool", "0");
    // A pool that somebody had added to the service.
    history.player(6, 700.0, 7.0);
    history.snapshot(6, "newpool", "7");
    history
}
