//! The daemon as a process of its own: everything that `pool-poller run` starts, but that the harness can say when a cycle begins.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use actix_rt::System;
use pool_poller::actors::scheduler::Mode;
use pool_poller::app::{Daemon, Options};
use pool_poller::cli::Session;
use pool_poller::pools::{Limits, PoolSpec};
use pool_poller::settings::{LoadOptions, LogFormat, Settings};
use pool_poller::telemetry;
use serde::{Deserialize, Serialize};

use super::allocations;
use super::board::POOLS;
use super::child::say;
use super::machine::{CORE_MEASURED, cpu_nanos, forget_peak, memory_kib, pin};

/// How it is started.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) database: String,
    pub(crate) game: String,
    /// The pools' URLs without the wallet.
    pub(crate) pools: [String; 3],
    /// Requests at once on each pool.
    pub(crate) concurrency: usize,
    /// From one cycle to the next; without it, each begins when the harness says so, and is as fast as can be.
    pub(crate) interval_ms: Option<u64>,
    pub(crate) pinned: bool,
    pub(crate) folder: PathBuf,
}

/// What a cycle came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Cycle {
    /// Since the process was begun.
    pub(crate) at_seconds: f64,
    /// From the tick to the last pool's end.
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    pub(crate) readings: u64,
    pub(crate) failures: u64,
    pub(crate) awards: u64,
    pub(crate) pools_skipped: u64,
    /// Processor time since the last cycle's end.
    pub(crate) cpu_seconds: f64,
    /// Allocations since then, where they are counted.
    pub(crate) allocations: u64,
    pub(crate) memory_kib: u64,
    /// The most since then.
    pub(crate) memory_peak_kib: u64,
}

/// The process.
pub(crate) fn run(setup: &Setup) {
    let began = Instant::now();
    if setup.pinned {
        pin(CORE_MEASURED);
    }
    System::new().block_on(async {
        let mut environment = vec![
            ("DATABASE_URL".to_owned(), setup.database.clone()),
            ("POOL_REQUEST_TIMEOUT".to_owned(), "30".to_owned()),
            ("SOCKETIO_URL".to_owned(), setup.game.clone()),
        ];
        for (pool, url) in POOLS.iter().zip(&setup.pools) {
            let prefix = pool.to_ascii_uppercase().replace('-', "_");
            environment.push((format!("{prefix}_URL"), url.clone()));
        }
        let options = LoadOptions {
            config_file: None,
            system_config_file: setup.folder.join("none.toml"),
            working_directory: setup.folder.clone(),
            environment: environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        };
        let settings = Settings::load(&options).expect("settings");
        telemetry::init(tracing::Level::INFO, LogFormat::Json).expect("the first log");
        let mut session = Session::with_settings(settings, &[]).expect("pools");
        let concurrency = NonZeroUsize::new(setup.concurrency).expect("some");
        let without_limit = |pool: PoolSpec| {
            let limits = Limits { rate_per_minute: None, concurrency, ..*pool.limits() };
            pool.with_limits(limits)
        };
        session.pools = session.pools.into_iter().map(without_limit).collect();
        let db = session.connect_migrated().await.expect("a database");
        let mode = setup.interval_ms.map_or(Mode::Once, |interval| Mode::Every(Duration::from_millis(interval)));
        let options = Options { mode, dry_run: false, database_wait_max: None };
        let mut daemon = Daemon::build(&session.settings, session.pools, db, options).expect("actors");
        // A line asks for a cycle, and the end of the input for the end.
        let (sender, mut asked) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for _ in std::io::stdin().lines() {
                let _ = sender.send(());
            }
        });
        let (mut cpu, mut allocated) = (cpu_nanos(), allocations());
        loop {
            let summary = tokio::select! {
                summary = daemon.next_summary() => summary.unwrap_or_else(|why| panic!("{why:?}")),
                asked = asked.recv() => {
                    let Some(()) = asked else { break };
                    (cpu, allocated) = (cpu_nanos(), allocations());
                    daemon.begin_cycle();
                    continue;
                }
            };
            assert_eq!(summary.error, None);
            let (cpu_now, allocated_now) = (cpu_nanos(), allocations());
            let (memory_kib, memory_peak_kib) = memory_kib();
            say(&Cycle {
                at_seconds: began.elapsed().as_secs_f64(),
                seconds: Duration::from_millis(summary.duration_ms).as_secs_f64(),
                requests: summary.requests,
                readings: summary.readings,
                failures: summary.failures,
                awards: summary.awards,
                pools_skipped: summary.pools_skipped,
                cpu_seconds: Duration::from_nanos(cpu_now - cpu).as_secs_f64(),
                allocations: allocated_now - allocated,
                memory_kib,
                memory_peak_kib,
            });
            (cpu, allocated) = (cpu_now, allocated_now);
            forget_peak();
        }
        daemon.drain().await;
    });
}
