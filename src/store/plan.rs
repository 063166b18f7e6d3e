//! What a batch of observations changes, worked out before the database is touched.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{NaiveDateTime, TimeDelta};

use super::listed::PayoutDraft;
use super::positions::{Entry, Key, SnapshotDigest};
use crate::domain::listed::{Changed, Record};
use crate::domain::payout::{AnomalyKind, Credit, Decision, HoldReason, Position, decide};
use crate::domain::{Amount, Counter, Currency, EventId, Listed, PlayerId, PoolName, Rate, Reading, Wallet};

/// When a snapshot is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotPolicy {
    /// For every reading.
    Every,
    /// When the counter, the balance or the immature amount changed, and otherwise hourly. Hash rate and shares change with
    /// every answer and do not cause a row by themselves.
    Changed,
}

/// How old the newest snapshot may be before an unchanged figure is written again.
const SNAPSHOT_AGE_MAX: TimeDelta = TimeDelta::hours(1);
/// How old the recorded time of a list's last reading may be, and which part of the time that the list reaches back.
const LISTED_AGE_MAX: TimeDelta = TimeDelta::hours(1);
const LISTED_AGE_PART: i32 = 4;

/// Something a person should see, found outside the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnomalyReport {
    /// Whose wallet.
    pub player: PlayerId,
    /// On which pool.
    pub pool: PoolName,
    /// The wallet.
    pub wallet: Wallet,
    /// What it is.
    pub kind: AnomalyKind,
    /// What was seen, for a person.
    pub detail: String,
}

/// What a pool hands to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are readings")]
pub enum Observation {
    /// A good answer.
    Reading(Reading),
    /// An answer that must not be credited.
    Anomaly(AnomalyReport),
}

/// An event to insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventDraft {
    pub(super) key: Key,
    pub(super) player: PlayerId,
    pub(super) event_id: EventId,
    pub(super) position_sequence: i64,
    pub(super) epoch: i32,
    pub(super) ap_per_advc: Rate,
    pub(super) currency: String,
    pub(super) credit: Credit,
    pub(super) hold: Option<HoldReason>,
}

/// A snapshot to insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SnapshotDraft {
    pub(super) reading: Reading,
    pub(super) native_paid: Amount,
    pub(super) paid: Amount,
    pub(super) balance: Option<Amount>,
    pub(super) rate: Rate,
}

/// An anomaly that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) key: Key,
    pub(super) player: PlayerId,
    /// The kind, or `None` for all of this wallet.
    pub(super) kind: Option<String>,
}

/// Everything one transaction writes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Positions after the batch; those that are dirty are written.
    pub(super) entries: HashMap<Key, Entry>,
    /// The payouts recorded of the wallets whose pool lists them, after the batch.
    pub(super) records: HashMap<Key, Record>,
    /// Payouts to record.
    pub(super) payouts: Vec<PayoutDraft>,
    pub(super) events: Vec<EventDraft>,
    pub(super) snapshots: Vec<SnapshotDraft>,
    pub(super) anomalies: Vec<AnomalyReport>,
    pub(super) resolved: Vec<Resolved>,
    /// Rises too small to count yet.
    pub(super) dust: u64,
}

impl Plan {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.snapshots.is_empty()
            && self.anomalies.is_empty()
            && self.resolved.is_empty()
            && self.payouts.is_empty()
            && !self.entries.values().any(|entry| entry.dirty)
    }

    /// Adds a reading. Its wallet's entry must be in `entries`.
    pub(super) fn reading(&mut self, reading: &Reading, rules: &super::book::Rules, now: NaiveDateTime) {
        let key = (reading.pool.clone(), reading.wallet.clone());
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let rate = rules.rate(&reading.currency);
        let seen = match &reading.listed {
            Some(listed) => {
                let record = self.records.entry(key.clone()).or_default();
                if let Some(gap) = note_listed(entry, listed, now) {
                    self.anomalies.push(gap_report(reading, gap));
                }
                see_list(entry, record, listed, &reading.currency, &key, &mut self.payouts)
            }
            None => match entry.position.counter_in(&reading.counters) {
                Some(counter) => Seen { counter: counter.clone(), overflow: false, changed: None },
                None => return,
            },
        };
        let counter = &seen.counter;
        let decision = if seen.overflow {
            Decision::Refuse(AnomalyKind::AmountOverflow)
        } else {
            decide(&entry.position, &reading.currency, counter, rate, &rules.policy)
        };
        let decision = if seen.changed.is_some() { decision.doubted(HoldReason::PayoutChanged) } else { decision };
        let after = entry.position.after_counter(&decision, counter);
        match &decision {
            Decision::Award(credit) | Decision::Hold(credit, _) => self.events.push(EventDraft {
                key: key.clone(),
                player: reading.player,
                event_id: EventId::derive(&reading.pool, &reading.wallet, entry.epoch, credit.previous, credit.current),
                position_sequence: after.sequence,
                epoch: entry.epoch,
                ap_per_advc: rules.policy.ap_per_advc,
                currency: reading.currency.to_string(),
                credit: credit.clone(),
                hold: match &decision {
                    Decision::Hold(_, reason) => Some(*reason),
                    _ => None,
                },
            }),
            Decision::Dust => self.dust += 1,
            Decision::Unchanged | Decision::Refuse(_) => {}
        }
        entry.dirty |= after != entry.position;
        entry.position = after;
        let refused = decision.anomaly().map(|kind| (kind, describe(kind, entry, reading, counter.paid, &counter.source)));
        let changed = seen.changed.as_ref().map(|changed| (AnomalyKind::PayoutChanged, describe_changed(changed, reading)));
        let anomaly = refused.or(changed).map(|(kind, detail)| AnomalyReport {
            player: reading.player,
            pool: reading.pool.clone(),
            wallet: reading.wallet.clone(),
            kind,
            detail,
        });
        note_anomaly(entry, &key, anomaly, &mut self.anomalies, &mut self.resolved);
        let believed = !matches!(decision, Decision::Refuse(kind) if kind != AnomalyKind::CounterFell);
        if let Some(rate) = rate.filter(|_| believed) {
            self.snapshot(reading, counter.paid, rate, rules.snapshots, now);
        }
    }

    /// Adds an anomaly that was found outside the ledger.
    pub(super) fn report(&mut self, report: &AnomalyReport) {
        let key = (report.pool.clone(), report.wallet.clone());
        match self.entries.get_mut(&key) {
            Some(entry) => note_anomaly(entry, &key, Some(report.clone()), &mut self.anomalies, &mut self.resolved),
            None => self.anomalies.push(report.clone()),
        }
    }

    fn snapshot(&mut self, reading: &Reading, paid: Amount, rate: Rate, policy: SnapshotPolicy, now: NaiveDateTime) {
        let key = (reading.pool.clone(), reading.wallet.clone());
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if !is_snapshot_due(entry, reading, paid, policy, now) {
            return;
        }
        // A figure too large to be shown in ADVC is left out of the history; it has no other effect.
        let Ok(in_advc) = paid.convert(rate) else { return };
        entry.snapshot = Some(digest(paid, reading));
        entry.snapshot_at = Some(now);
        entry.rare_mut().new_digest = Some(digest_text(paid, reading));
        entry.dirty = true;
        self.snapshots.push(SnapshotDraft {
            reading: reading.clone(),
            native_paid: paid,
            paid: in_advc,
            balance: reading.figures.balance.and_then(|balance| balance.convert(rate).ok()),
            rate,
        });
    }
}

/// Whether `reading` leaves everything about its wallet as it is: nothing to write, and nothing to remember. Most readings do, so
/// this is asked first and costs nothing but comparisons.
pub(super) fn changes_nothing(entry: &Entry, reading: &Reading, rules: &super::book::Rules, now: NaiveDateTime) -> bool {
    let position = &entry.position;
    if entry.dirty || entry.player != reading.player || entry.open_anomaly().is_some() || reading.listed.is_some() {
        return false;
    }
    let Some(counter) = position.counter_in(&reading.counters) else { return false };
    let rate = rules.rate(&reading.currency);
    rate.is_some()
        && counter.paid == position.high_water
        && decide(position, &reading.currency, counter, rate, &rules.policy) == Decision::Unchanged
        && position.is_settled_in(counter)
        && !is_snapshot_due(entry, reading, counter.paid, rules.snapshots, now)
}

fn is_snapshot_due(entry: &Entry, reading: &Reading, paid: Amount, policy: SnapshotPolicy, now: NaiveDateTime) -> bool {
    match policy {
        SnapshotPolicy::Every => true,
        SnapshotPolicy::Changed => {
            let changed = entry.snapshot != Some(digest(paid, reading));
            // A clock that was set back must not silence the history until it has caught up.
            let old = entry.snapshot_at.is_none_or(|at| (now - at).abs() >= SNAPSHOT_AGE_MAX);
            changed || old
        }
    }
}

/// What a reading says about the position's counter.
struct Seen {
    counter: Counter,
    /// The listed payouts add up to more than can be represented.
    overflow: bool,
    changed: Option<Changed>,
}

/// Records what `listed` brings, and answers the sum of all payouts as the counter. A list that the position is not about
/// brings nothing: neither its payouts nor their ids mean what the recorded ones do.
fn see_list(
    entry: &mut Entry,
    record: &mut Record,
    listed: &Listed,
    currency: &Currency,
    key: &Key,
    payouts: &mut Vec<PayoutDraft>,
) -> Seen {
    let mut seen = Seen { counter: counter_of(record, listed), overflow: false, changed: None };
    let pinned = entry.position.is_pinned();
    if *currency != entry.position.currency || (pinned && listed.source != entry.position.source) {
        return seen;
    }
    match record.take(listed) {
        Ok(taken) => {
            payouts.extend(taken.fresh.into_iter().map(|fresh| PayoutDraft {
                key: key.clone(),
                source: listed.source.to_string(),
                fresh,
            }));
            seen.changed = taken.changed;
            seen.counter = counter_of(record, listed);
            if !pinned {
                entry.position = Position::beginning_at(&entry.position, record.total);
                entry.dirty = true;
            }
        }
        Err(_) => seen.overflow = true,
    }
    seen
}

fn counter_of(record: &Record, listed: &Listed) -> Counter {
    Counter { source: Arc::clone(&listed.source), paid: record.total }
}

/// Notes that a list was read, and answers since when it was not where that is longer than it reaches back.
fn note_listed(entry: &mut Entry, listed: &Listed, now: NaiveDateTime) -> Option<NaiveDateTime> {
    let window = listed.window_seconds.and_then(|seconds| TimeDelta::try_seconds(i64::try_from(seconds).ok()?))?;
    let rare = entry.rare_mut();
    let last = rare.listed_at.replace(now);
    // Not with every reading, which would otherwise change nothing.
    let old = |at: NaiveDateTime| (now - at).abs() >= LISTED_AGE_MAX.min(window / LISTED_AGE_PART);
    let is_due = rare.stored_listed_at.is_none_or(old);
    entry.dirty |= is_due;
    last.filter(|last| now - *last > window)
}

fn gap_report(reading: &Reading, last: NaiveDateTime) -> AnomalyReport {
    let window = reading.listed.as_ref().and_then(|listed| listed.window_seconds).unwrap_or_default();
    AnomalyReport {
        player: reading.player,
        pool: reading.pool.clone(),
        wallet: reading.wallet.clone(),
        kind: AnomalyKind::ListGap,
        detail: format!(
            "the list reaches back {window} s and was last read at {} UTC: payouts since then may have left it unseen",
            last.format("%Y-%m-%d %H:%M:%S")
        ),
    }
}

fn describe_changed(changed: &Changed, reading: &Reading) -> String {
    let Changed { id, recorded, listed } = changed;
    // An id is as long as a pool makes it.
    let id: String = id.chars().take(100).collect();
    format!("payout {id} is listed with {listed} {} and recorded with {recorded}; what is new is held", reading.currency)
}

/// The figures whose change is worth a row.
fn digest(paid: Amount, reading: &Reading) -> SnapshotDigest {
    SnapshotDigest::of([Some(paid), reading.figures.balance, reading.figures.immature])
}

/// The same as the database holds them.
fn digest_text(paid: Amount, reading: &Reading) -> String {
    let shown = |amount: Option<Amount>| amount.map(|amount| amount.to_string()).unwrap_or_default();
    format!("{paid}|{}|{}", shown(reading.figures.balance), shown(reading.figures.immature))
}

/// Records an anomaly when it begins and resolves it when it ends, so that it is seen once and not once a poll.
fn note_anomaly(
    entry: &mut Entry,
    key: &Key,
    anomaly: Option<AnomalyReport>,
    anomalies: &mut Vec<AnomalyReport>,
    resolved: &mut Vec<Resolved>,
) {
    let name = anomaly.as_ref().map(|report| report.kind.as_str());
    if entry.open_anomaly() == name {
        return;
    }
    if let Some(ended) = entry.rare_mut().open_anomaly.take() {
        resolved.push(Resolved { key: key.clone(), player: entry.player, kind: Some(ended) });
    }
    entry.rare_mut().open_anomaly = name.map(str::to_owned);
    entry.dirty = true;
    anomalies.extend(anomaly);
}

/// What a person is told about an anomaly.
fn describe(kind: AnomalyKind, entry: &Entry, reading: &Reading, paid: Amount, source: &str) -> String {
    let position = &entry.position;
    match kind {
        AnomalyKind::CounterFell => {
            format!("the counter is {paid} {}, below the {} already accounted for", reading.currency, position.high_water)
        }
        AnomalyKind::SourceChanged => format!(
            "the answer counts {} in {source}, the position was opened in {} with {}",
            reading.currency, position.currency, position.source
        ),
        AnomalyKind::NoRate => format!("set {}_TO_ADVC_RATE: the counter is {paid} {}", reading.currency, reading.currency),
        AnomalyKind::AmountOverflow => format!("{paid} {} is too large to be converted", reading.currency),
        AnomalyKind::IdentityMismatch
        | AnomalyKind::WalletTaken
        | AnomalyKind::ReadingRefused
        | AnomalyKind::PayoutChanged
        | AnomalyKind::ListGap => kind.as_str().to_owned(),
    }
}
