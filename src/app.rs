//! Builds and wires the actors, and owns the order in which they end. The only place that knows every actor.
//!
//! Building is apart from running: [`Daemon::build`] starts the actors on the current actix system, [`Daemon::run_until`] waits
//! for the end and drains: no new cycles, requests in hand are finished and committed, notices in hand are acknowledged or
//! left for the next start, the socket is closed, the database too.

mod figures;
mod history;
mod page;
mod pools;
mod reload;
mod reporter;
mod rows;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use sea_orm::DatabaseConnection;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::actors::Ping;
use crate::actors::ledger::{self, CountWaiting, GiveUp, Ledger, Subscribe, Upkeep};
use crate::actors::notifier::{self, DeliveryRules, LedgerLink, Link, Notifier, OpenLink, WINDOW};
use crate::actors::pool::{self, NetworkWatch, PollReport};
use crate::actors::scheduler::{self, CycleSummary, Mode, Scheduler};
use crate::actors::supervision::{Fatal, Fuse, Supervision};
use crate::clock::Clock;
use crate::notify::{ConnectionSettings, WebhookSettings, connection, webhook};
use crate::pools::{PoolClient, PoolSpec};
use crate::service_manager::ServiceManager;
use crate::settings::Settings;
use crate::shutdown::Asks;
use crate::status;
use crate::store;
use crate::store::book::Rules;

use figures::{ANSWER_MAX, Figures};
use history::History;
use page::About;
use pools::{PoolList, Prepared, Starter};
pub use reload::{Reloader, Reread};
use reporter::{Reporter, Sources};
use rows::Rows;

/// The whole drain; below systemd's `TimeoutStopSec` and SPEC.md's ten seconds.
const DRAIN_MAX: Duration = Duration::from_secs(9);
/// The pools' share of it.
const DRAIN_POOLS_MAX: Duration = Duration::from_secs(5);
/// The ledger's share of it.
const DRAIN_LEDGER_MAX: Duration = Duration::from_secs(2);
/// The notifier's share of it.
const DRAIN_NOTIFIER_MAX: Duration = Duration::from_millis(1_500);
/// How much longer than its time-out a request may take before it counts as one without an end.
const HANG_GRACE: Duration = Duration::from_secs(10);
/// How long after a connect nothing is sent, because the game server may first say what it has.
const RESUME_WAIT: Duration = Duration::from_millis(250);
/// Webhook requests under way at once.
const WEBHOOK_WINDOW: usize = 16;
/// How much longer a webhook request is waited for than it may take.
const WEBHOOK_SLACK: Duration = Duration::from_secs(2);
/// The first pause of a pool that fails for everyone.
const POOL_BACKOFF_MIN: Duration = Duration::from_secs(10);
/// The longest pause of a pool that fails for everyone.
const POOL_BACKOFF_MAX: Duration = Duration::from_secs(15 * 60);

/// How the daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// When cycles begin.
    pub mode: Mode,
    /// Poll and decide, write and send nothing.
    pub dry_run: bool,
    /// How long a database that goes away is waited for; `None`: until it is back. With a limit, one that is there and refuses
    /// for want of rights is not waited for at all.
    pub database_wait_max: Option<Duration>,
}

/// How the daemon ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// As it was asked to.
    Stopped,
    /// An actor failed for good; the process should exit with a non-zero code.
    Failed(Fatal),
}

/// Why there is no summary of a cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoSummary {
    /// An actor failed for good.
    Failed(Fatal),
    /// The database was away for too long, or refuses for want of rights; the text says which.
    Database(String),
}

/// The running actors.
pub struct Daemon {
    db: DatabaseConnection,
    /// The ledger's way into the same database.
    writer: DatabaseConnection,
    scheduler: Addr<Scheduler>,
    pools: PoolList,
    starter: Starter,
    ledger: Addr<Ledger>,
    notifier: Addr<Notifier>,
    fatal: mpsc::UnboundedReceiver<Fatal>,
    summaries: mpsc::UnboundedReceiver<CycleSummary>,
    reports: mpsc::UnboundedReceiver<PollReport>,
    given_up: mpsc::UnboundedReceiver<String>,
    options: Options,
    /// The settings that are in force until the end, unless a reload takes them over.
    started_with: Settings,
    /// The settings of the newest reload.
    settings: Settings,
    about: Rc<About>,
    history: Rc<RefCell<History>>,
    /// Whom to tell how it goes.
    reporter: Option<Reporter>,
}

impl Daemon {
    /// Starts the actors; the first cycle begins at once.
    ///
    /// # Errors
    /// When a pool's file needs a secret that is not set.
    pub fn build(settings: &Settings, specs: Vec<PoolSpec>, db: DatabaseConnection, options: Options) -> anyhow::Result<Self> {
        let clock = Clock::start();
        let (fuse, fatal) = Fuse::new();
        let supervision = |actor: String| Supervision::new(actor, clock, fuse.clone());

        // Before any actor is started: one that was started and never ran would be woken up by its own drop, without a runtime.
        let specs = specs.into_iter().filter(PoolSpec::enabled);
        let prepared = specs.map(|spec| Prepared::new(settings, spec)).collect::<Result<Vec<_>, _>>()?;

        let rules = rules(settings);
        // A single cycle is no time for it, and a dry run writes nothing.
        let upkeep = Upkeep {
            retention_days: settings.snapshot_retention_days.filter(|_| !options.dry_run),
            is_daemon: matches!(options.mode, Mode::Every(_)),
        };
        let (tell, given_up) = mpsc::unbounded_channel();
        let give_up = options.database_wait_max.map(|after| GiveUp { after, tell });
        // On a thread of its own: what it decides and writes goes on while answers are read, and each statement's turn does not
        // wait for them. It ends with the system.
        let writer = store::writer(&db);
        let ledger = Supervisor::start_in_arbiter(&Arbiter::new().handle(), {
            let (db, writer) = (db.clone(), writer.clone());
            let (rules, supervision) = (Arc::new(rules), supervision("ledger".to_owned()));
            move |ctx: &mut Context<Ledger>| {
                ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
                let ledger = Ledger::new(db, rules, options.dry_run, supervision).with_writer(writer).with_upkeep(upkeep);
                if let Some(give_up) = give_up { ledger.with_limit(give_up) } else { ledger }
            }
        });

        let notifier = Supervisor::start({
            let link = LedgerLink {
                next: ledger.clone().recipient(),
                record: ledger.clone().recipient(),
                resume: ledger.clone().recipient(),
                count: ledger.clone().recipient(),
            };
            let open = if options.dry_run { None } else { open_webhook(settings).or_else(|| open_link(settings)) };
            let rules = delivery_rules(settings);
            let supervision = supervision("notifier".to_owned());
            move |ctx: &mut Context<Notifier>| {
                ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
                Notifier::new(link, open, rules, clock, supervision)
            }
        });
        ledger.do_send(Subscribe(notifier.clone().recipient()));

        let network = NetworkWatch::new(clock);
        let starter = Starter { clock, fuse: fuse.clone(), ledger: ledger.clone(), network };
        let pools = PoolList::default();
        for pool in prepared {
            pools.add(starter.start(pool));
        }

        let (completed, summaries) = mpsc::unbounded_channel();
        let (told, reports) = mpsc::unbounded_channel();
        let scheduler = Supervisor::start({
            let (roster, record) = (ledger.clone().recipient(), ledger.clone().recipient());
            let (slots, fuse, supervision) = (pools.slots(), fuse.clone(), supervision("scheduler".to_owned()));
            move |ctx: &mut Context<Scheduler>| {
                ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
                let scheduler = Scheduler::new(options.mode, slots, roster, record, clock, fuse, supervision);
                scheduler.with_summaries(completed).with_reports(told)
            }
        });
        let about = About {
            up_since: store::now_utc(),
            interval: Cell::new(if let Mode::Every(interval) = options.mode { Some(interval) } else { None }),
            dry_run: options.dry_run,
            engine: db.get_database_backend(),
            game: page::game_of(settings),
        };
        let (started_with, settings, reporter) = (settings.clone(), settings.clone(), None);
        Ok(Self {
            db,
            writer,
            scheduler,
            pools,
            starter,
            ledger,
            notifier,
            fatal,
            summaries,
            reports,
            given_up,
            options,
            started_with,
            settings,
            about: Rc::new(about),
            history: Rc::default(),
            reporter,
        })
    }

    /// The same daemon, which tells the service manager how it goes from here on.
    #[must_use]
    pub fn reporting_to(mut self, manager: Option<ServiceManager>) -> Self {
        let sources = Sources {
            actors: self.actors(),
            waiting: self.ledger.clone().recipient(),
            pools: self.pools.all().into_iter().map(|(name, _)| name).collect(),
            db: (!self.options.dry_run).then(|| self.db.clone()),
        };
        self.reporter = manager.map(|manager| Reporter::start(manager, sources));
        self
    }

    /// Every actor, with its name for the log.
    fn actors(&self) -> Vec<(String, Recipient<Ping>)> {
        let pools = self.pools.all().into_iter().map(|(name, pool)| (format!("pool {name}"), pool.recipient()));
        let others = [
            ("scheduler".to_owned(), self.scheduler.clone().recipient()),
            ("ledger".to_owned(), self.ledger.clone().recipient()),
            ("notifier".to_owned(), self.notifier.clone().recipient()),
        ];
        others.into_iter().chain(pools).collect()
    }

    /// Runs until `shutdown` ends or an actor fails for good, doing what is asked for meanwhile, then drains.
    pub async fn run_until(mut self, shutdown: impl Future<Output = &'static str>, asks: Asks, mut reloader: Reloader) -> Ended {
        tokio::pin!(shutdown);
        let Asks { mut dump, mut reload } = asks;
        let ended = loop {
            let signal = tokio::select! {
                signal = &mut shutdown => signal,
                Some(fatal) = self.fatal.recv() => break Ended::Failed(fatal),
                Some(()) = dump.recv() => {
                    self.dump_metrics().await;
                    continue;
                }
                Some(()) = reload.recv() => tokio::select! {
                    () = self.reload(&mut reloader) => continue,
                    // It may have to wait for requests, and the end does not wait for it.
                    signal = &mut shutdown => signal,
                },
                Some(report) = self.reports.recv() => {
                    self.note(report);
                    continue;
                }
                Some(summary) = self.summaries.recv() => {
                    self.history.borrow_mut().note_cycle(&summary, store::now_utc());
                    if let Some(reporter) = &self.reporter {
                        reporter.cycle(summary);
                    }
                    continue;
                }
            };
            tracing::info!(signal, "stopping");
            break Ended::Stopped;
        };
        if let Some(reporter) = self.reporter.take() {
            reporter.stopping();
        }
        self.drain().await;
        ended
    }

    /// The next cycle's summary, or why there is none. Does not drain.
    ///
    /// # Errors
    /// When an actor failed for good, or the database was waited for long enough.
    pub async fn next_summary(&mut self) -> Result<CycleSummary, NoSummary> {
        loop {
            tokio::select! {
                // A cycle whose readings were given up is complete too, and its summary is there a moment later.
                biased;
                Some(fatal) = self.fatal.recv() => return Err(NoSummary::Failed(fatal)),
                Some(reason) = self.given_up.recv() => return Err(NoSummary::Database(reason)),
                Some(report) = self.reports.recv() => self.note(report),
                Some(summary) = self.summaries.recv() => {
                    self.history.borrow_mut().note_cycle(&summary, store::now_utc());
                    return Ok(summary);
                }
            }
        }
    }

    /// Begins a cycle now, beside those that the interval brings: with [`Mode::Once`], one after another without a pause.
    pub fn begin_cycle(&self) {
        self.scheduler.do_send(scheduler::BeginCycle);
    }

    /// Keeps what a pool did for the status page, unless it was taken off the list meanwhile.
    fn note(&self, report: PollReport) {
        if self.pools.has(&report.pool) {
            self.history.borrow_mut().note_pool(report, store::now_utc());
        }
    }

    /// Why the database was waited for no longer, if that has happened since it was last asked for.
    pub fn given_up(&mut self) -> Option<String> {
        self.given_up.try_recv().ok()
    }

    /// Awards that wait to be told, or `None` when the ledger does not say.
    pub async fn waiting(&self) -> Option<u64> {
        self.ledger.send(CountWaiting).timeout(ANSWER_MAX).await.ok()?.ok()
    }

    /// Every actor's figures. An actor that does not answer in time is named as such.
    pub async fn metrics(&self) -> Value {
        self.figures().metrics().await
    }

    /// Serves the status page, figures and health on `listener` until the process ends. Answers where that is.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub fn serve_status(&self, listener: TcpListener) -> io::Result<SocketAddr> {
        let (sender, mut asks) = mpsc::channel::<status::Ask>(1);
        let figures = Rc::new(self.figures());
        actix_rt::spawn(async move {
            while let Some((wish, answer)) = asks.recv().await {
                let figures = Rc::clone(&figures);
                actix_rt::spawn(async move {
                    // Who asked may have gone.
                    let _ = answer.send(figures.snapshot(wish).await);
                });
            }
        });
        status::serve(listener, sender)
    }

    fn figures(&self) -> Figures {
        Figures {
            clock: self.starter.clock,
            db: self.db.clone(),
            scheduler: self.scheduler.clone(),
            pools: self.pools.clone(),
            network: self.starter.network.clone(),
            ledger: self.ledger.clone(),
            notifier: self.notifier.clone(),
            about: Rc::clone(&self.about),
            history: Rc::clone(&self.history),
            rows: Rows::new(self.db.clone()),
        }
    }

    async fn dump_metrics(&self) {
        let metrics = self.metrics().await;
        tracing::info!(%metrics, "metrics_dump");
    }

    /// Ends everything in order, under one deadline.
    pub async fn drain(self) {
        let clock = Clock::start();
        let finished = tokio::time::timeout(DRAIN_MAX, self.drain_in_order()).await.unwrap_or(false);
        let drain_ms = u64::try_from(clock.now().as_millis()).unwrap_or(u64::MAX);
        if finished {
            tracing::info!(drain_ms, "stopped");
        } else {
            // Safe: what is not stored is read again at the next start, what is not acknowledged is sent again.
            tracing::warn!(drain_ms, "stopped_before_everything_was_finished");
        }
    }

    async fn drain_in_order(self) -> bool {
        let mut finished = self.scheduler.send(scheduler::Drain).await.is_ok();
        let pools = futures_util::future::join_all(
            self.pools.all().into_iter().map(|(_, pool)| async move { pool.send(pool::Drain).await }),
        );
        finished &= within(DRAIN_POOLS_MAX, pools).await;
        finished &= within(DRAIN_LEDGER_MAX, self.ledger.send(ledger::Drain)).await;
        finished &= within(DRAIN_NOTIFIER_MAX, self.notifier.send(notifier::Drain)).await;
        // The notifier's last acknowledgements.
        finished &= within(DRAIN_LEDGER_MAX, self.ledger.send(ledger::Drain)).await;
        finished &= within(DRAIN_LEDGER_MAX, self.writer.close()).await;
        finished &= within(DRAIN_LEDGER_MAX, self.db.close()).await;
        finished
    }
}

/// Messages that an actor's mailbox holds; each sender has one outstanding, so this is never reached in practice.
const MAILBOX_CAPACITY: usize = 64;

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> bool {
    tokio::time::timeout(limit, work).await.is_ok()
}

/// The way to a pool, with the secrets that its file asks for.
///
/// # Errors
/// When a secret is not set or cannot be used.
pub fn pool_client(settings: &Settings, spec: PoolSpec) -> anyhow::Result<PoolClient> {
    Ok(Prepared::new(settings, spec)?.into_client())
}

/// Names the program, its version and whom a pool's operator can ask.
#[must_use]
pub fn user_agent(settings: &Settings) -> String {
    let contact = settings.pool_contact.as_ref().map(|contact| format!(" (+{contact})"));
    format!("pool-poller/{}{}", env!("CARGO_PKG_VERSION"), contact.unwrap_or_default())
}

/// What the ledger goes by.
#[must_use]
pub fn rules(settings: &Settings) -> Rules {
    Rules {
        policy: settings.policy(),
        rates: settings.rates().iter().map(|(currency, rate)| (currency.clone(), *rate)).collect(),
        snapshots: settings.snapshot_policy,
    }
}

/// How notices are sent by whichever way the settings choose.
fn delivery_rules(settings: &Settings) -> DeliveryRules {
    let max_attempts = settings.notify_max_attempts;
    let ack_timeout = settings.notify_ack_timeout;
    if settings.notify_webhook_url.is_some() {
        // The request has its own limit, which says more when it is over.
        let ack_timeout = ack_timeout + WEBHOOK_SLACK;
        return DeliveryRules { ack_timeout, max_attempts, window: WEBHOOK_WINDOW, resume_wait: Duration::ZERO };
    }
    DeliveryRules { ack_timeout, max_attempts, window: WINDOW, resume_wait: RESUME_WAIT }
}

/// How to post to the game server, or `None` where no `NOTIFY_WEBHOOK_URL` is set.
fn open_webhook(settings: &Settings) -> Option<OpenLink> {
    let webhook_settings = WebhookSettings {
        url: settings.notify_webhook_url.clone()?,
        signer: settings.notify_signer.clone()?,
        ca_file: settings.socketio_ca_file.clone(),
        timeout: settings.notify_ack_timeout,
        concurrency: WEBHOOK_WINDOW,
        retry_min: Duration::from_secs(1),
        retry_max: Duration::from_secs(30),
        user_agent: user_agent(settings),
    };
    Some(Box::new(move || {
        let (command_sender, commands) = mpsc::channel(2 * WEBHOOK_WINDOW);
        let (event_sender, events) = mpsc::channel(2 * WEBHOOK_WINDOW);
        actix_rt::spawn(webhook::run(webhook_settings.clone(), commands, event_sender, || fastrand::u32(..)));
        Link { commands: command_sender, events }
    }))
}

/// How to connect to the game server, or `None` where `SOCKETIO_URL` is empty.
#[must_use]
pub fn connection_settings(settings: &Settings) -> Option<ConnectionSettings> {
    let mut connection = ConnectionSettings::new(settings.socketio_url.clone()?, settings.notify_ack_timeout);
    connection.auth_token.clone_from(&settings.socketio_auth_token);
    connection.namespace.clone_from(&settings.socketio_namespace);
    connection.ca_file.clone_from(&settings.socketio_ca_file);
    connection.signer.clone_from(&settings.notify_signer);
    Some(connection)
}

/// What the notifier connects by.
fn open_link(settings: &Settings) -> Option<OpenLink> {
    let connection_settings = connection_settings(settings)?;
    Some(Box::new(move || {
        let (command_sender, commands) = mpsc::channel(2 * WINDOW);
        let (event_sender, events) = mpsc::channel(2 * WINDOW);
        actix_rt::spawn(connection::run(connection_settings.clone(), commands, event_sender, || fastrand::u32(..)));
        Link { commands: command_sender, events }
    }))
}
