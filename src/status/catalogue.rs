//! Which figure is shown under which name. Names follow the
//! [conventions of Prometheus](https://prometheus.io/docs/practices/naming/): base units, `_total` for what only grows.

/// What a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows, and begins anew with the process.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// A family of figures.
#[derive(Debug)]
pub(super) struct Family {
    /// Its name, behind `pool_poller_`.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    /// Where it stands among the figures of its owner.
    pub(super) pointer: &'static str,
    /// The label of the keys, where a figure stands under each of several.
    pub(super) label: Option<&'static str>,
}

const fn counter(name: &'static str, pointer: &'static str, help: &'static str) -> Family {
    Family { name, help, kind: Kind::Counter, pointer, label: None }
}

const fn by(label: &'static str, name: &'static str, pointer: &'static str, help: &'static str) -> Family {
    Family { name, help, kind: Kind::Counter, pointer, label: Some(label) }
}

const fn gauge(name: &'static str, pointer: &'static str, help: &'static str) -> Family {
    Family { name, help, kind: Kind::Gauge, pointer, label: None }
}

/// Of the whole daemon; pointers begin at the top.
pub(super) const DAEMON: &[Family] = &[
    gauge("uptime_seconds", "/uptime_seconds", "How long the daemon has been running."),
    counter("cycles_total", "/scheduler/cycles", "Polling cycles begun."),
    counter("cycles_completed_total", "/scheduler/cycles_completed", "Polling cycles completed."),
    counter(
        "cycles_failed_total",
        "/scheduler/cycles_failed",
        "Cycles that could not begin because the players could not be loaded.",
    ),
    counter(
        "ticks_skipped_total",
        "/scheduler/ticks_skipped",
        "Ticks at which no cycle began because the last one was still on its way.",
    ),
    counter("polls_total", "/scheduler/polls_total", "Requests of completed cycles."),
    counter("polls_failed_total", "/scheduler/polls_failed", "Requests of completed cycles that brought no reading."),
    counter(
        "polls_skipped_total",
        "/scheduler/polls_skipped_busy",
        "Polls not begun because the pool was still at the last one.",
    ),
    gauge("players", "/scheduler/players", "Verified, active players in the newest cycle."),
    gauge("network_offline", "/network/offline", "1 while the machine's own network seems to be gone."),
    counter("network_losses_total", "/network/losses", "Losses of the machine's own network."),
    counter("network_offline_seconds_total", "/network/offline_seconds", "Time without a network of one's own."),
    counter("readings_total", "/ledger/readings", "Readings decided; one that is the same as before needs no decision."),
    counter("awards_total", "/ledger/awards", "Payouts awarded."),
    counter("ap_awarded_total", "/ledger/ap_awarded", "Adventure Points awarded; exact to about 15 digits here."),
    counter("events_held_total", "/ledger/held", "Events held for an operator."),
    by("kind", "anomalies_total", "/ledger/anomalies", "Anomalies recorded."),
    counter("positions_opened_total", "/ledger/positions_opened", "Positions opened."),
    counter("dust_total", "/ledger/dust", "Rises too small to count yet."),
    counter("snapshots_total", "/ledger/snapshots", "Snapshots written."),
    counter("transactions_total", "/ledger/transactions", "Transactions committed."),
    counter(
        "batches_unchanged_total",
        "/ledger/batches_unchanged",
        "Batches in which nothing changed, which cost no transaction.",
    ),
    counter("conflicts_total", "/ledger/conflicts", "Conflicts with another process on the same database."),
    by("kind", "transactions_failed_total", "/ledger/failures", "Failed transactions; each was tried again."),
    counter("observations_dropped_total", "/ledger/dropped", "Observations that the database refuses even as an anomaly."),
    gauge("positions_cached", "/ledger/positions_cached", "Positions held in memory."),
    counter("snapshots_pruned_total", "/ledger/rows_pruned", "Old snapshots deleted."),
    gauge("verify_differences", "/ledger/verify_last_differences", "Differences that the last verification found."),
    counter("verify_failures_total", "/ledger/verify_failures", "Verifications that could not be finished."),
    counter("game_connections_total", "/notifier/connections", "Connections to the game server that came up."),
    by("reason", "game_disconnections_total", "/notifier/disconnections", "Connections and attempts that ended."),
    counter("notices_sent_total", "/notifier/sent", "Notices sent, repetitions included."),
    counter("notices_acked_total", "/notifier/acked", "Notices acknowledged."),
    counter("notices_unacked_total", "/notifier/unacked", "Notices not acknowledged in time, or refused."),
    counter("notices_dead_total", "/notifier/dead", "Awards given up after the last attempt."),
    counter("notices_unreadable_total", "/notifier/unreadable", "Awards given up because their rows cannot be read."),
    counter("notices_resumed_total", "/notifier/resumed", "Awards sent again because the game server does not have them."),
    gauge("notices_in_flight", "/notifier/in_flight", "Notices sent and not yet acknowledged."),
    gauge("notices_waiting", "/notifier/waiting", "Awards that wait in the database, at the last look."),
    gauge("game_doubted", "/notifier/doubted", "1 while the game server acknowledges nothing and gets single notices only."),
];

/// Of each pool; pointers begin at the pool's figures.
pub(super) const POOL: &[Family] = &[
    counter("pool_requests_total", "/requests", "Requests sent."),
    counter("pool_readings_total", "/successes", "Good answers."),
    counter(
        "pool_unchanged_total",
        "/unchanged",
        "Good answers that were the same as before and not handed to the ledger again.",
    ),
    by("kind", "pool_failures_total", "/failures", "Answers that gave no reading."),
    counter("pool_probes_total", "/probes", "Requests that tried a failed pool or a lost network."),
    counter("pool_refusals_total", "/rate/refusals", "Requests refused because of the rate."),
    counter("pool_rounds_skipped_total", "/rounds_skipped_backoff", "Rounds in which the pool was left alone."),
    counter("pool_batches_resent_total", "/batches_resent", "Batches handed to the ledger again because its answer was lost."),
    counter("pool_panics_total", "/panics", "Panics caught."),
    counter("pool_requests_hung_total", "/hung", "Requests that had no end."),
    gauge("pool_wallets_waiting", "/waiting", "Wallets that the running round has not asked about."),
    gauge("pool_wallets", "/staleness/wallets", "Wallets that are asked about."),
    gauge("pool_staleness_p50_seconds", "/staleness/p50_seconds", "How long nothing was heard about a wallet: the middle one."),
    gauge(
        "pool_staleness_p99_seconds",
        "/staleness/p99_seconds",
        "How long nothing was heard about a wallet: 99 in 100 are below.",
    ),
    gauge("pool_staleness_max_seconds", "/staleness/max_seconds", "How long nothing was heard about a wallet: the longest."),
    gauge("pool_next_probe_seconds", "/next_probe_seconds", "Time until a failed pool is tried again."),
];

/// Restarts of each actor: its name, and where they stand.
pub(super) const RESTARTS: [(&str, &str); 3] =
    [("scheduler", "/scheduler/restarts"), ("ledger", "/ledger/restarts"), ("notifier", "/notifier/restarts")];

/// What a pool's breaker can be.
pub(super) const BREAKER_STATES: [&str; 3] = ["closed", "half_open", "open"];
