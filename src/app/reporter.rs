//! Tells the service manager how the daemon is.
//!
//! Promises: `READY` comes after the first write to the database that succeeded; a sign of life comes only when every actor has
//! just answered, so that one which answers its mailbox no more ends in a restart of the process; a status line comes with
//! every cycle. Leaves to others: how that is sent ([`ServiceManager`]), and the good-bye (the drain).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::join_all;
use sea_orm::DatabaseConnection;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::figures::ANSWER_MAX as FIGURES_MAX;
use crate::actors::Ping;
use crate::actors::ledger::CountWaiting;
use crate::actors::scheduler::CycleSummary;
use crate::domain::PoolName;
use crate::service_manager::ServiceManager;
use crate::store;

/// Signs of life within the time after which the process is killed: two of them may be lost.
const SIGNS_PER_PATIENCE: u32 = 3;
/// An actor that needs longer to answer does not count as having just answered. It is also how much later than the service
/// manager's own limit a process with a hung actor is killed at most.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// Between two attempts to write to a database that does not let itself be written.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// What is asked and told.
pub(super) struct Sources {
    /// Every actor, with its name for the log.
    pub(super) actors: Vec<(String, Recipient<Ping>)>,
    /// For the number of events that wait.
    pub(super) waiting: Recipient<CountWaiting>,
    /// The pools that are polled.
    pub(super) pools: Vec<PoolName>,
    /// What has to be written to once; `None` where nothing is to be written.
    pub(super) db: Option<DatabaseConnection>,
}

/// The running reports. They end with this value.
pub(super) struct Reporter {
    manager: Rc<ServiceManager>,
    actors: Actors,
    news: mpsc::UnboundedSender<News>,
    /// `READY` was sent.
    is_ready: Rc<Cell<bool>>,
    tasks: [JoinHandle<()>; 3],
}

/// Every actor, with its name for the log. A reload puts others there.
type Actors = Rc<RefCell<Vec<(String, Recipient<Ping>)>>>;

/// What the status line is made from.
enum News {
    /// A cycle is complete.
    Cycle(CycleSummary),
    /// Others are the pools.
    Pools(Vec<PoolName>),
}

impl Reporter {
    pub(super) fn start(manager: ServiceManager, sources: Sources) -> Self {
        let manager = Rc::new(manager);
        let Sources { actors, waiting, pools, db } = sources;
        let (news, received) = mpsc::unbounded_channel();
        let (actors, is_ready) = (Rc::new(RefCell::new(actors)), Rc::default());
        let tasks = [
            actix_rt::spawn(become_ready(Rc::clone(&manager), db, Rc::clone(&is_ready))),
            actix_rt::spawn(show_life(Rc::clone(&manager), Rc::clone(&actors))),
            actix_rt::spawn(show_status(Rc::clone(&manager), Pools::new(pools), waiting, received)),
        ];
        Self { manager, actors, news, is_ready, tasks }
    }

    /// A cycle is complete.
    pub(super) fn cycle(&self, summary: CycleSummary) {
        // The receiver lives as long as this value.
        let _ = self.news.send(News::Cycle(summary));
    }

    /// The settings are about to be taken over.
    pub(super) fn reloading(&self) {
        // One that is not ready yet is starting, and that is what is shown.
        if self.is_ready.get() {
            self.manager.reloading();
        }
    }

    /// The settings are taken over, and these are the actors and pools.
    pub(super) fn reloaded(&self, actors: Vec<(String, Recipient<Ping>)>, pools: Vec<PoolName>) {
        self.actors.replace(actors);
        let _ = self.news.send(News::Pools(pools));
        if self.is_ready.get() {
            self.manager.ready();
        }
    }

    /// The daemon ends: no further report, and a good-bye.
    pub(super) fn stopping(&self) {
        self.stop();
        self.manager.stopping();
    }

    fn stop(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Writes to the database until that has succeeded once.
async fn become_ready(manager: Rc<ServiceManager>, db: Option<DatabaseConnection>, is_ready: Rc<Cell<bool>>) {
    if let Some(db) = db {
        // The ledger says what is wrong in the log; here stands what the start is waiting for.
        while let Err(error) = store::write_once(&db).await {
            manager.status(&format!("waiting for the database: {error}"));
            tokio::time::sleep(WRITE_AGAIN).await;
        }
    }
    manager.ready();
    is_ready.set(true);
}

/// Sends a sign of life whenever all actors have just answered.
async fn show_life(manager: Rc<ServiceManager>, actors: Actors) {
    let Some(patience) = manager.patience() else { return };
    let every = patience / SIGNS_PER_PATIENCE;
    let answer_max = ANSWER_MAX.min(every);
    let mut next = Instant::now();
    loop {
        // An actor that a reload has let go meanwhile does not answer, and is not asked next time.
        let asked = actors.borrow().clone();
        let mut silent = silent(asked, answer_max).await;
        silent.retain(|name| actors.borrow().iter().any(|(known, _)| known == name));
        if silent.is_empty() {
            manager.lives();
        } else {
            let kill_after_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
            tracing::error!(actors = silent.join(","), kill_after_ms, "actor_does_not_answer");
        }
        // Ticks that were missed are not made up for.
        next = (next + every).max(Instant::now());
        tokio::time::sleep_until(next).await;
    }
}

/// The actors that do not answer in time.
async fn silent(actors: Vec<(String, Recipient<Ping>)>, answer_max: Duration) -> Vec<String> {
    let asked = actors.into_iter().map(|(name, actor)| async move {
        let answered = matches!(actor.send(Ping).timeout(answer_max).await, Ok(()));
        (!answered).then_some(name)
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// Shows a new status line after each cycle.
async fn show_status(
    manager: Rc<ServiceManager>,
    mut pools: Pools,
    waiting: Recipient<CountWaiting>,
    mut news: mpsc::UnboundedReceiver<News>,
) {
    while let Some(news) = news.recv().await {
        let summary = match news {
            News::Cycle(summary) => summary,
            News::Pools(names) => {
                pools.become_those(names);
                continue;
            }
        };
        pools.note(&summary);
        let waiting = waiting.send(CountWaiting).timeout(FIGURES_MAX).await.ok().and_then(Result::ok);
        manager.status(&pools.status(&summary, waiting));
    }
}

/// Which pools answer, as far as is known: a pool that is still busy with an older cycle is what it was.
struct Pools(BTreeMap<PoolName, Option<bool>>);

impl Pools {
    fn new(names: Vec<PoolName>) -> Self {
        Self(names.into_iter().map(|name| (name, None)).collect())
    }

    fn become_those(&mut self, names: Vec<PoolName>) {
        self.0 = names.into_iter().map(|name| (name.clone(), self.0.get(&name).copied().flatten())).collect();
    }

    fn note(&mut self, summary: &CycleSummary) {
        for report in &summary.pools {
            // The last report of a pool that has left is about nothing any more.
            if let Some(is_up) = self.0.get_mut(&report.pool) {
                *is_up = Some(report.backoff_state == "closed");
            }
        }
    }

    fn status(&self, summary: &CycleSummary, waiting: Option<u64>) -> String {
        let up = self.0.values().filter(|up| **up == Some(true)).count();
        let waiting = match waiting {
            Some(1) => "1 event waiting".to_owned(),
            Some(count) => format!("{count} events waiting"),
            None => "events waiting: unknown".to_owned(),
        };
        let failed = summary.error.as_ref().map(|error| format!("; it could not begin: {error}")).unwrap_or_default();
        format!("cycle {}, {up} of {} pools up, {waiting}{failed}", summary.cycle, self.0.len())
    }
}
