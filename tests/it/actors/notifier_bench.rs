//! A notifier between an outbox and a game server that the test plays.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use pool_poller::actors::ReportMetrics;
use pool_poller::actors::ledger::{CountWaiting, LedgerError, NextUndelivered, RecordDelivery, RecordResume, RewardsReady};
use pool_poller::actors::notifier::{DeliveryRules, LedgerLink, Link, Notifier, OpenLink, WINDOW};
use pool_poller::actors::supervision::{Fatal, Fuse, Supervision};
use pool_poller::clock::Clock;
use pool_poller::domain::{EventId, PlayerId, Points};
use pool_poller::notify::{Command, ConnectionEvent, DownReason, Protocol};
use pool_poller::store::book::AwardedEvent;
use pool_poller::store::now_utc;
use pool_poller::store::outbox::{Look, Undelivered, Unreadable};
use pool_poller::store::resume::Resumed;
use serde_json::Value;
use tokio::sync::mpsc;

use super::bench::{amount, neighbour, player, pool, secs, settle, wallet};

/// The id of a player's event.
pub(crate) fn event(of: usize, sequence: i64) -> EventId {
    let (before, after) = (amount(&(sequence - 1).to_string()), amount(&sequence.to_string()));
    EventId::derive(&pool("a"), &wallet(&format!("W{of}")), 0, before, after)
}

/// An award that was not acknowledged.
struct Row {
    award: Undelivered,
    due: Duration,
    told: bool,
    dead: bool,
    unreadable: bool,
}

impl Row {
    fn waits(&self) -> bool {
        !self.told && !self.dead
    }

    /// The number that its row would have.
    fn id(&self) -> i64 {
        i64::from(self.award.player.0) * 1_000 + self.award.sequence
    }
}

/// A ledger that the test plays, as far as it is an outbox.
pub(crate) struct Outbox {
    clock: Clock,
    rows: RefCell<Vec<Row>>,
    /// Every look for rows.
    pub(crate) looks: RefCell<Vec<NextUndelivered>>,
    /// What was stored about notices.
    pub(crate) stored: RefCell<Vec<RecordDelivery>>,
    /// What the server said that it has, message by message.
    pub(crate) resumed: RefCell<Vec<Vec<(PlayerId, i64)>>>,
    /// How many players one look visits.
    pub(crate) visits: Cell<usize>,
    /// How many times it was asked to store something.
    pub(crate) stores: Cell<u32>,
    /// Cannot be asked for rows.
    pub(crate) unreadable: Cell<bool>,
    /// Cannot store.
    pub(crate) readonly: Cell<bool>,
    /// How long it takes to store.
    pub(crate) storing: Cell<Duration>,
    /// How long a look's rows are on their way.
    pub(crate) looking: Cell<Duration>,
}

impl Outbox {
    /// Adds the awards 1 to `count` of a player.
    pub(crate) fn award(&self, of: usize, count: i64) {
        let rows = (1..=count).map(|sequence| Row {
            award: Undelivered {
                event_id: event(of, sequence),
                sequence,
                player: player(of),
                username: format!("player {of}"),
                pool: pool("a"),
                advc: amount("1"),
                points: Points::new(amount("100")),
                total_ap: Points::new(amount("100")),
                total_advc: amount("1"),
                at: now_utc(),
                attempts: 0,
            },
            due: Duration::ZERO,
            told: false,
            dead: false,
            unreadable: false,
        });
        self.rows.borrow_mut().extend(rows);
    }

    /// Makes an award's row one that cannot be read.
    pub(crate) fn spoil(&self, of: usize, sequence: i64) {
        let mut rows = self.rows.borrow_mut();
        let row = rows.iter_mut().find(|row| row.award.event_id == event(of, sequence));
        row.expect("an award").unreadable = true;
    }

    /// Awards that were marked as told, and such that were given up.
    pub(crate) fn told_and_dead(&self) -> (usize, usize) {
        let rows = self.rows.borrow();
        (rows.iter().filter(|row| row.told).count(), rows.iter().filter(|row| row.dead).count())
    }

    /// What the ledger says when it has just stored this award.
    pub(crate) fn stored_just_now(&self, of: usize, sequence: i64) -> RewardsReady {
        let rows = self.rows.borrow();
        let row = rows.iter().find(|row| row.award.event_id == event(of, sequence)).expect("an award");
        let award = row.award.clone();
        RewardsReady(Arc::new(vec![AwardedEvent {
            event_id: award.event_id,
            player: award.player,
            username: award.username,
            pool: award.pool,
            sequence: award.sequence,
            advc: award.advc,
            points: award.points,
            total_ap: award.total_ap,
            total_advc: award.total_advc,
            at: award.at,
        }]))
    }

    fn next(&self, wanted: &NextUndelivered) -> Look {
        let rows = self.rows.borrow();
        // Each player's oldest, the only one that is ever offered.
        let mut heads: BTreeMap<PlayerId, &Row> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.waits() && row.award.player >= wanted.from) {
            heads.entry(row.award.player).or_insert(row);
        }
        let mut found = Look::default();
        for (visited, (player, row)) in heads.into_iter().enumerate() {
            if visited == self.visits.get() || found.due.len() == wanted.limit {
                found.next = Some(player);
                break;
            }
            if wanted.except.contains(&player) {
                continue;
            }
            if row.unreadable {
                found.unreadable.push(Unreadable { row: row.id(), player, why: "no number".to_owned() });
            } else if row.due <= self.clock.now() {
                found.due.push(row.award.clone());
            }
        }
        found
    }

    fn resume(&self, last: &[(PlayerId, i64)]) -> Resumed {
        let mut resumed = Resumed::default();
        for row in self.rows.borrow_mut().iter_mut() {
            let Some((_, sequence)) = last.iter().find(|(player, _)| *player == row.award.player) else { continue };
            let has = row.award.sequence <= *sequence;
            resumed.acknowledged += u64::from(has && !row.told);
            resumed.again += u64::from(!has && !row.waits());
            row.told = has;
            row.dead = false;
        }
        self.resumed.borrow_mut().push(last.to_vec());
        resumed
    }

    fn store(&self, delivery: &RecordDelivery) {
        for row in self.rows.borrow_mut().iter_mut() {
            row.told |= delivery.acknowledged.contains(&row.award.event_id);
            row.dead |= delivery.unreadable.contains(&row.id());
            if let Some(attempt) = delivery.attempts.iter().find(|attempt| attempt.event_id == row.award.event_id) {
                row.award.attempts += 1;
                row.dead = attempt.dead;
                row.due = self.clock.now() + (attempt.next_at - now_utc()).to_std().unwrap_or_default();
            }
        }
        self.stored.borrow_mut().push(delivery.clone());
    }
}

/// The test's end of a link.
struct Peer {
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<ConnectionEvent>,
}

pub(crate) struct Bench {
    pub(crate) clock: Clock,
    pub(crate) outbox: Rc<Outbox>,
    pub(crate) notifier: Addr<Notifier>,
    pub(crate) fatal: mpsc::UnboundedReceiver<Fatal>,
    /// When links were opened.
    pub(crate) opened_at: Rc<RefCell<Vec<Duration>>>,
    peer: Rc<RefCell<Option<Peer>>>,
}

pub(crate) const ACK_TIMEOUT: Duration = Duration::from_secs(10);

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(true, None, 512)
    }

    pub(crate) fn with_max_attempts(max: u32) -> Self {
        Self::with(true, NonZeroU32::new(max), 512)
    }

    /// That waits so long for what a server says that it has.
    pub(crate) fn with_resume_wait(resume_wait: Duration) -> Self {
        Self::with_rules(true, DeliveryRules { resume_wait, ..rules(None) }, 512)
    }

    /// `linked` is whether there is a game server at all, `room` what a link takes before it is read.
    pub(crate) fn with(linked: bool, max_attempts: Option<NonZeroU32>, room: usize) -> Self {
        Self::with_rules(linked, rules(max_attempts), room)
    }

    fn with_rules(linked: bool, rules: DeliveryRules, room: usize) -> Self {
        let clock = Clock::start();
        let outbox = Rc::new(Outbox {
            clock,
            rows: RefCell::default(),
            looks: RefCell::default(),
            stored: RefCell::default(),
            resumed: RefCell::default(),
            visits: Cell::new(256),
            stores: Cell::default(),
            unreadable: Cell::default(),
            readonly: Cell::default(),
            storing: Cell::default(),
            looking: Cell::default(),
        });
        let peer: Rc<RefCell<Option<Peer>>> = Rc::default();
        let opened_at: Rc<RefCell<Vec<Duration>>> = Rc::default();
        let open: OpenLink = Box::new({
            let (peer, opened_at) = (Rc::clone(&peer), Rc::clone(&opened_at));
            move || {
                let (command_sender, commands) = mpsc::channel(room);
                let (events, event_receiver) = mpsc::channel(512);
                *peer.borrow_mut() = Some(Peer { commands, events });
                opened_at.borrow_mut().push(clock.now());
                Link { commands: command_sender, events: event_receiver }
            }
        });
        let (fuse, fatal) = Fuse::new();
        let supervision = Supervision::new("notifier", clock, fuse);
        let ledger = ledger_link(&outbox);
        let actor = Notifier::new(ledger, linked.then_some(open), rules, clock, supervision);
        Self { clock, outbox, notifier: Supervisor::start(|_| actor), fatal, opened_at, peer }
    }

    /// The link reports something.
    pub(crate) async fn report(&self, event: ConnectionEvent) {
        let events = self.peer.borrow().as_ref().expect("a link").events.clone();
        events.send(event).await.expect("the notifier listens");
        settle().await;
    }

    pub(crate) async fn up(&self) {
        settle().await;
        self.report(ConnectionEvent::Up { protocol: Protocol::SocketIo, sid: None }).await;
    }

    pub(crate) async fn down(&self) {
        let reason = DownReason::Lost { message: "the cable was cut".to_owned() };
        self.report(ConnectionEvent::Down { reason, retry_in: Some(secs(1)) }).await;
    }

    pub(crate) async fn ack(&self, of: usize, sequence: i64) {
        self.report(ConnectionEvent::Acked { event_id: event(of, sequence) }).await;
    }

    pub(crate) async fn nack(&self, of: usize, sequence: i64) {
        let event_id = event(of, sequence);
        self.report(ConnectionEvent::Nacked { event_id, message: "not now".to_owned() }).await;
    }

    /// The link's task ends.
    pub(crate) async fn end_link(&self) {
        drop(self.peer.borrow_mut().take());
        settle().await;
    }

    /// What was sent on the newest link since the last call: player and sequence.
    pub(crate) fn sent(&self) -> Vec<(usize, i64)> {
        let commands = self.commands();
        let notices = commands.into_iter().map(|command| match command {
            Command::Send { event_id, payload } => {
                let payload: Value = serde_json::from_str(&payload).expect("a JSON object");
                let number = |name: &str| payload[name].as_i64().expect("a number");
                let (of, sequence) = (usize::try_from(number("player_id")).expect("an id"), number("sequence"));
                assert_eq!((event_id, payload["event_id"].as_str()), (event(of, sequence), Some(&*event_id.to_string())));
                (of, sequence)
            }
            Command::Close => panic!("the link is closed"),
        });
        let mut notices: Vec<_> = notices.collect();
        notices.sort_unstable();
        notices
    }

    /// The same, as it was sent.
    pub(crate) fn commands(&self) -> Vec<Command> {
        let mut peer = self.peer.borrow_mut();
        let commands = &mut peer.as_mut().expect("a link").commands;
        std::iter::from_fn(|| commands.try_recv().ok()).collect()
    }

    pub(crate) async fn metrics(&self) -> Value {
        self.notifier.send(ReportMetrics).await.expect("a living notifier")
    }
}

fn rules(max_attempts: Option<NonZeroU32>) -> DeliveryRules {
    DeliveryRules { ack_timeout: ACK_TIMEOUT, max_attempts, window: WINDOW, resume_wait: Duration::ZERO }
}

fn ledger_link(outbox: &Rc<Outbox>) -> LedgerLink {
    let away = || LedgerError::Database("away".to_owned());
    let looking = Rc::clone(outbox);
    let next = neighbour(move |wanted: NextUndelivered| {
        looking.looks.borrow_mut().push(wanted.clone());
        let found = if looking.unreadable.get() { Err(away()) } else { Ok(looking.next(&wanted)) };
        let delay = looking.looking.get();
        async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            found
        }
    });
    let storing = Rc::clone(outbox);
    let record = neighbour(move |delivery: RecordDelivery| {
        let outbox = Rc::clone(&storing);
        outbox.stores.set(outbox.stores.get() + 1);
        async move {
            tokio::time::sleep(outbox.storing.get()).await;
            if outbox.readonly.get() {
                return Err(away());
            }
            outbox.store(&delivery);
            Ok(())
        }
    });
    let resuming = Rc::clone(outbox);
    let resume = neighbour(move |RecordResume(last): RecordResume| {
        let outbox = Rc::clone(&resuming);
        async move {
            tokio::time::sleep(outbox.storing.get()).await;
            if outbox.readonly.get() { Err(away()) } else { Ok(outbox.resume(&last)) }
        }
    });
    let counting = Rc::clone(outbox);
    let count = neighbour(move |_: CountWaiting| {
        let waiting = counting.rows.borrow().iter().filter(|row| !row.told && !row.dead).count();
        std::future::ready(Ok(waiting as u64))
    });
    LedgerLink { next: next.recipient(), record: record.recipient(), resume: resume.recipient(), count: count.recipient() }
}
