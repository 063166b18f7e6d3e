//! What every actor tells about itself.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::{join, join_all, join3, join4};
use sea_orm::DatabaseConnection;
use serde_json::{Map, Value, json};

use super::history::History;
use super::page::{self, About};
use super::pools::PoolList;
use super::rows::Rows;
use crate::actors::ledger::Ledger;
use crate::actors::notifier::Notifier;
use crate::actors::pool::NetworkWatch;
use crate::actors::scheduler::Scheduler;
use crate::actors::{ReportDurations, ReportMetrics};
use crate::clock::Clock;
use crate::domain::PoolName;
use crate::metrics::Durations;
use crate::status::{Snapshot, Wish};

/// How long an actor or the database may take to answer.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The way to every actor's figures.
pub(super) struct Figures {
    pub(super) clock: Clock,
    pub(super) db: DatabaseConnection,
    pub(super) scheduler: Addr<Scheduler>,
    pub(super) pools: PoolList,
    pub(super) network: NetworkWatch,
    pub(super) ledger: Addr<Ledger>,
    pub(super) notifier: Addr<Notifier>,
    pub(super) about: Rc<About>,
    pub(super) history: Rc<RefCell<History>>,
    pub(super) rows: Rows,
}

impl Figures {
    /// Every actor's figures, asked for at the same time. An actor that does not answer in time is named as such.
    pub(super) async fn metrics(&self) -> Value {
        let pools = self.pools.all().into_iter().map(|(name, pool)| async move { (name.to_string(), told(&pool).await) });
        let (scheduler, pools, ledger, notifier) =
            join4(told(&self.scheduler), join_all(pools), told(&self.ledger), told(&self.notifier)).await;
        json!({
            "uptime_seconds": self.clock.now().as_secs(),
            "version": env!("CARGO_PKG_VERSION"),
            "scheduler": scheduler,
            "network": self.network.metrics(),
            "pools": pools.into_iter().collect::<Map<_, _>>(),
            "ledger": ledger,
            "notifier": notifier,
        })
    }

    /// As much as `wish` says.
    pub(super) async fn snapshot(&self, wish: Wish) -> Snapshot {
        if wish == Wish::Page {
            return self.page().await;
        }
        let database = async { if wish == Wish::Health { Ok(()) } else { self.database().await } };
        let durations = async { if wish == Wish::Everything { Some(self.durations().await) } else { None } };
        let (metrics, database, durations) = join3(self.metrics(), database, durations).await;
        let (response_times, commit_time, ack_time) = durations.unwrap_or_default();
        Snapshot { metrics, response_times, commit_time, ack_time, database, report: None }
    }

    /// With what the status page shows. Whether the database answers is told by what it is read for.
    async fn page(&self) -> Snapshot {
        let (metrics, rows) = join(self.metrics(), self.rows.read()).await;
        let pools: Vec<PoolName> = self.pools.all().into_iter().map(|(name, _)| name).collect();
        let report = page::report(&self.about, &metrics, &self.history.borrow(), &pools, &rows);
        let database = rows.map(drop);
        Snapshot { metrics, response_times: Vec::new(), commit_time: None, ack_time: None, database, report: Some(report) }
    }

    /// All durations: each pool's, the ledger's and the notifier's.
    async fn durations(&self) -> (Vec<(String, Durations)>, Option<Durations>, Option<Durations>) {
        let pools = self.pools.all().into_iter().map(|(name, pool)| async move {
            Some((name.to_string(), pool.send(ReportDurations).timeout(ANSWER_MAX).await.ok()?))
        });
        let ledger = self.ledger.send(ReportDurations).timeout(ANSWER_MAX);
        let notifier = self.notifier.send(ReportDurations).timeout(ANSWER_MAX);
        let (pools, ledger, notifier) = join3(join_all(pools), ledger, notifier).await;
        (pools.into_iter().flatten().collect(), ledger.ok(), notifier.ok())
    }

    async fn database(&self) -> Result<(), String> {
        match tokio::time::timeout(ANSWER_MAX, self.db.ping()).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", ANSWER_MAX.as_secs())),
        }
    }
}

/// What an actor tells, or why it does not.
async fn told<A>(actor: &Addr<A>) -> Value
where
    A: Actor<Context = Context<A>> + Handler<ReportMetrics>,
{
    let answer = actor.send(ReportMetrics).timeout(ANSWER_MAX).await;
    answer.unwrap_or_else(|error| json!({ "unavailable": error.to_string() }))
}
