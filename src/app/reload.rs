//! SIGHUP: the settings and pool files are read again, and a running daemon goes on with them.
//!
//! Promises: all of it is read and checked before anything is changed, and what cannot be used changes nothing; a pool whose file
//! and settings are as they were goes on undisturbed; one that leaves finishes its requests, and what they bring is stored; what
//! needs a restart is said by name. Leaves to others: reading (the caller's [`Reread`]).

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;

use super::pools::Prepared;
use super::{DRAIN_POOLS_MAX, Daemon, rules, within};
use crate::actors::ledger::Adopt;
use crate::actors::pool;
use crate::actors::scheduler::Reconfigure;
use crate::domain::PoolName;
use crate::pools::PoolSpec;
use crate::settings::{Settings, is_taken_over};
use crate::telemetry::LevelSwitch;

/// Reads the settings and the pool files, or says in one line why they cannot be used.
pub type Reread = Box<dyn FnMut() -> Result<(Settings, Vec<PoolSpec>), String>>;

/// What a reload needs from outside.
pub struct Reloader {
    /// Reads everything again.
    pub reread: Reread,
    /// Changes the level of the log, where the daemon has set it up.
    pub level: Option<LevelSwitch>,
}

impl Daemon {
    /// Takes over what has changed. May be dropped at any point: the daemon then goes on, or drains, with what is there.
    pub(super) async fn reload(&mut self, reloader: &mut Reloader) {
        let read = (reloader.reread)().and_then(|(settings, specs)| {
            if let Some(file) = self.settings.file_gone_in(&settings) {
                return Err(format!("{} is gone; an empty file says that it sets nothing", file.display()));
            }
            let enabled = specs.into_iter().filter(PoolSpec::enabled);
            let wanted = enabled.map(|spec| Prepared::new(&settings, spec)).collect::<Result<Vec<_>, _>>();
            Ok((wanted.map_err(|error| format!("{error:#}"))?, settings))
        });
        let (wanted, settings) = match read {
            Ok(read) => read,
            Err(reason) => {
                tracing::error!(reason, "reload_refused");
                return;
            }
        };
        if let Some(reporter) = &self.reporter {
            reporter.reloading();
        }
        if let Some(level) = &reloader.level {
            level.set(settings.log_level);
        }
        if settings.warnings() != self.settings.warnings() {
            settings.log_warnings();
        }
        let needs_restart: Vec<String> =
            self.started_with.changed_in(&settings).into_iter().filter(|name| !is_taken_over(name)).collect();
        if !needs_restart.is_empty() {
            tracing::warn!(settings = needs_restart.join(","), "setting_needs_restart");
        }
        let (coming, leaving) = self.pools.difference(wanted);
        let coming_names: BTreeSet<PoolName> = coming.iter().map(|pool| pool.name().clone()).collect();
        let adopt = Adopt {
            rules: Arc::new(rules(&settings)),
            retention_days: settings.snapshot_retention_days.filter(|_| !self.options.dry_run),
        };
        // A ledger that is gone ends the process by itself.
        let _ = self.ledger.send(adopt).await;
        self.let_go(&leaving).await;
        for pool in coming {
            self.pools.add(self.starter.start(pool));
        }
        let reconfigure = Reconfigure { interval: settings.poll_interval, pools: self.pools.slots() };
        // A scheduler that is gone ends the process by itself.
        let _ = self.scheduler.send(reconfigure).await;
        self.about.interval.set(Some(settings.poll_interval));
        if let Some(reporter) = &self.reporter {
            reporter.reloaded(self.actors(), self.pools.all().into_iter().map(|(name, _)| name).collect());
        }
        let changed = self.settings.changed_in(&settings).into_iter().filter(|name| is_taken_over(name));
        let changed = changed.map(|name| {
            let [old, new] = [&self.settings, &settings].map(|settings| settings.shown(&name));
            format!("{name} {} -> {}", or_unset(&old), or_unset(&new))
        });
        let changed: Vec<String> = changed.collect();
        let leaving: BTreeSet<PoolName> = leaving.into_iter().collect();
        tracing::info!(
            settings = changed.join(", "),
            pools_added = names(coming_names.difference(&leaving)),
            pools_removed = names(leaving.difference(&coming_names)),
            pools_changed = names(coming_names.intersection(&leaving)),
            interval_seconds = settings.poll_interval.as_secs(),
            "reloaded"
        );
        self.settings = settings;
    }

    /// Lets pools finish what they have begun, and takes them off the list.
    async fn let_go(&self, leaving: &[PoolName]) {
        let pools = self.pools.all().into_iter().filter(|(name, _)| leaving.contains(name));
        let drains = pools.map(|(_, pool)| async move { pool.send(pool::Drain).await });
        // One that waits for the database ends by itself when that is back; until then it asks about nobody.
        within(DRAIN_POOLS_MAX, join_all(drains)).await;
        self.pools.remove(leaving);
        for name in leaving {
            self.starter.network.forget(name);
            self.history.borrow_mut().forget(name);
        }
    }
}

fn or_unset(value: &str) -> &str {
    if value.is_empty() { "unset" } else { value }
}

fn names<'a>(names: impl Iterator<Item = &'a PoolName>) -> String {
    names.map(PoolName::as_str).collect::<Vec<_>>().join(",")
}
