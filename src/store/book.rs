//! The ledger's book: applies the money rule to batches of observations, one transaction a batch.
//!
//! Promises: a batch is stored whole or not at all; every position's sequence is compared inside the transaction, so two
//! processes on one database may both try and only one awards; a batch in which nothing changed opens no transaction; a row
//! that the database refuses is found by splitting and becomes an anomaly, and the others are stored.
//! Leaves to the ledger actor: gathering batches, waiting for a database that is away, and telling of awards.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDateTime;
use sea_orm::DatabaseConnection;

pub use super::plan::{AnomalyReport, Observation, SnapshotPolicy};
pub use super::report::{AwardedEvent, HeldEvent, Report};

use super::cache::Cache;
use super::plan::{Plan, Resolved, changes_nothing};
use super::positions::{self, Entry, Key};
use super::{Next, StoreError, begin_to_write, listed, write};
use crate::domain::listed::Record;
use crate::domain::payout::{AnomalyKind, FirstReading, Policy, open};
use crate::domain::{Amount, Counter, Currency, Listed, PlayerId, Points, PoolName, Rate, Reading, Wallet};

/// How long a transaction may take in all before its outcome counts as unknown. Longer than every limit inside the database.
const TRANSACTION_MAX: Duration = Duration::from_secs(30);
/// Conflicts in a row with another process before the batch waits instead of trying again at once.
const CONFLICTS_MAX: u32 = 5;

/// The operator's settings that the ledger depends on.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The money rule's thresholds.
    pub policy: Policy,
    /// ADVC per unit of each currency but ADVC itself.
    pub rates: HashMap<Currency, Rate>,
    /// When snapshots are written.
    pub snapshots: SnapshotPolicy,
}

impl Rules {
    /// ADVC per unit of `currency`, if one is set; ADVC itself is one.
    #[must_use]
    pub fn rate(&self, currency: &Currency) -> Option<Rate> {
        if currency.as_str() == Currency::ADVC { Some(Rate::ONE) } else { self.rates.get(currency).copied() }
    }
}

/// Positions that an operator has rebased.
#[derive(Debug, Default)]
pub struct Rebased {
    wallets: Vec<Key>,
    /// The number of the newest rebase that was seen.
    pub newest: i64,
}

impl Rebased {
    /// What was rebased since the rebase numbered `after`.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn since(db: &DatabaseConnection, after: i64) -> Result<Self, StoreError> {
        let (wallets, newest) = positions::rebased_since(db, after).await?;
        Ok(Self { wallets, newest })
    }

    /// Takes the wallets out; the number stays.
    #[must_use]
    pub fn take(&mut self) -> Self {
        Self { wallets: std::mem::take(&mut self.wallets), newest: self.newest }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wallets.is_empty()
    }

    /// Puts two answers together.
    pub fn merge(&mut self, other: Self) {
        self.wallets.extend(other.wallets);
        self.newest = self.newest.max(other.newest);
    }
}

/// The ledger's memory of positions and its way to store them.
#[derive(Debug)]
pub struct Book {
    db: DatabaseConnection,
    rules: Arc<Rules>,
    dry_run: bool,
    cache: Cache,
    /// What is recorded of the wallets whose pool lists payouts; of single payouts only those that it listed last.
    records: HashMap<Key, Record>,
    /// Anomalies of wallets without a position that are recorded already, so that they cost nothing at the next poll.
    recorded: HashMap<Key, HashSet<(PlayerId, AnomalyKind)>>,
}

impl Book {
    /// An empty book on `db`. With `dry_run` everything is decided and nothing is written.
    #[must_use]
    pub fn new(db: DatabaseConnection, rules: Arc<Rules>, dry_run: bool) -> Self {
        Self { db, rules, dry_run, cache: Cache::default(), records: HashMap::new(), recorded: HashMap::new() }
    }

    /// Decides by `rules` from here on. What was decided stays.
    pub fn use_rules(&mut self, rules: Arc<Rules>) {
        self.rules = rules;
    }

    /// Positions held in memory.
    #[must_use]
    pub fn cached(&self) -> usize {
        self.cache.len()
    }

    /// Forgets the positions with an unresolved anomaly or a doubted unit, so that an operator's decision is seen at their next
    /// reading.
    pub fn forget_anomalous(&mut self) {
        self.cache.retain(|entry| entry.open_anomaly().is_none() && !entry.position.unit_in_doubt);
    }

    /// Forgets these wallets' positions: they were rebased, and are read again at their next reading.
    pub fn forget(&mut self, rebased: &Rebased) {
        for key in &rebased.wallets {
            self.cache.take(key);
            self.records.remove(key);
        }
    }

    /// Stores what `batch` changes, splitting it where the database refuses a row. What changes nothing costs a look into memory.
    ///
    /// # Errors
    /// Only errors whose [`StoreError::next`] is [`Next::RetryLater`]: nothing of the remaining part was stored, or the
    /// outcome is unknown, and trying the same batch again is safe.
    pub async fn record<'a>(
        &mut self,
        batch: impl IntoIterator<Item = &'a Observation>,
        now: NaiveDateTime,
    ) -> Result<Report, StoreError> {
        let (changing, mut settled) = self.changing(batch, now);
        let mut report = if changing.is_empty() { Report::default() } else { self.store(&changing, now).await? };
        report.readings += (settled.len() - changing.len()) as u64;
        for (settled, observation) in settled.iter_mut().filter(|settled| !**settled).zip(changing) {
            *settled = self.is_settled(observation, now);
        }
        report.settled = settled;
        Ok(report)
    }

    /// The observations that may change something, and of each whether it changes nothing. Once one of a wallet changes
    /// something, so may every later one.
    fn changing<'a>(
        &mut self,
        batch: impl IntoIterator<Item = &'a Observation>,
        now: NaiveDateTime,
    ) -> (Vec<&'a Observation>, Vec<bool>) {
        let mut touched: HashSet<(&PoolName, &Wallet)> = HashSet::new();
        let (mut changing, mut all) = (Vec::new(), Vec::new());
        for observation in batch {
            let (pool, wallet) = wallet_of(observation);
            let unchanged = match observation {
                Observation::Reading(_) if touched.is_empty() || !touched.contains(&(pool, wallet)) => {
                    self.is_settled(observation, now)
                }
                _ => false,
            };
            all.push(unchanged);
            if !unchanged {
                touched.insert((pool, wallet));
                changing.push(observation);
                continue;
            }
            if !self.recorded.is_empty() {
                self.recorded.remove(&(pool.clone(), wallet.clone()));
            }
        }
        (changing, all)
    }

    /// Whether it changes nothing about a position that is in memory.
    fn is_settled(&self, observation: &Observation, now: NaiveDateTime) -> bool {
        let Observation::Reading(reading) = observation else { return false };
        let entry = self.cache.get(&reading.pool, &reading.wallet);
        entry.is_some_and(|entry| changes_nothing(entry, reading, &self.rules, now))
    }

    fn store<'a>(
        &'a mut self,
        batch: &'a [&'a Observation],
        now: NaiveDateTime,
    ) -> Pin<Box<dyn Future<Output = Result<Report, StoreError>> + 'a>> {
        Box::pin(async move {
            if let Some(cut) = second_player(batch) {
                let (before, after) = batch.split_at(cut);
                let mut report = self.store(before, now).await?;
                report.add(self.store(after, now).await?);
                return Ok(report);
            }
            let mut conflicts = 0;
            loop {
                let error = match tokio::time::timeout(TRANSACTION_MAX, self.attempt(batch, now)).await {
                    Ok(Ok(mut report)) => {
                        report.conflicts += u64::from(conflicts);
                        return Ok(report);
                    }
                    Ok(Err(error)) => error,
                    Err(_) => StoreError::TimedOut { seconds: TRANSACTION_MAX.as_secs() },
                };
                // Whatever happened, the database may differ from what was believed.
                for observation in batch {
                    let key = key_of(observation);
                    self.cache.take(&key);
                    self.records.remove(&key);
                }
                match error.next() {
                    Next::RetryNow if conflicts < CONFLICTS_MAX => conflicts += 1,
                    Next::RetryNow | Next::RetryLater => return Err(error),
                    Next::Split => return self.split(batch, &error, now).await,
                }
            }
        })
    }

    /// Halves a refused batch until the offending observation stands alone.
    async fn split(&mut self, batch: &[&Observation], error: &StoreError, now: NaiveDateTime) -> Result<Report, StoreError> {
        if let [single] = batch {
            return self.refuse(single, error, now).await;
        }
        let (left, right) = batch.split_at(batch.len() / 2);
        let mut report = self.store(left, now).await?;
        report.add(self.store(right, now).await?);
        Ok(report)
    }

    /// Records an observation that the database refuses as an anomaly instead.
    async fn refuse(&mut self, observation: &Observation, error: &StoreError, now: NaiveDateTime) -> Result<Report, StoreError> {
        let (player, (pool, wallet)) = (player_of(observation), key_of(observation));
        let describe = || format!("player {player}, {pool}, {wallet}: {error}");
        if let Observation::Anomaly(_) = observation {
            return Ok(Report { dropped: vec![describe()], ..Report::default() });
        }
        let refused = AnomalyReport {
            player,
            pool: pool.clone(),
            wallet: wallet.clone(),
            kind: AnomalyKind::ReadingRefused,
            detail: error.to_string(),
        };
        let mut report = self.store(&[&Observation::Anomaly(refused)], now).await?;
        report.readings += 1;
        if !report.dropped.is_empty() {
            report.dropped = vec![describe()];
        }
        Ok(report)
    }

    /// One attempt at one transaction.
    async fn attempt(&mut self, batch: &[&Observation], now: NaiveDateTime) -> Result<Report, StoreError> {
        let mut plan = Plan::default();
        let opened = self.gather(batch, &mut plan).await?;
        let mut report = Report { opened, ..Report::default() };
        for observation in batch {
            match observation {
                Observation::Reading(reading) => {
                    report.readings += 1;
                    plan.reading(reading, &self.rules, now);
                }
                Observation::Anomaly(anomaly) if self.is_recorded(anomaly) => {}
                Observation::Anomaly(anomaly) => plan.report(anomaly),
            }
        }
        if !plan.is_empty() && !self.dry_run {
            let transaction = begin_to_write(&self.db).await?;
            report.awards = write::write(&transaction, &mut plan, now).await?;
            transaction.commit().await?;
            report.transactions = 1;
        }
        report.dust = plan.dust;
        report.snapshots = plan.snapshots.len() as u64;
        report.held = plan.events.iter().filter_map(held).collect();
        if self.dry_run {
            report.awards =
                plan.events.iter().filter(|event| event.hold.is_none()).map(|event| would_award(event, now)).collect();
        }
        for observation in batch {
            match observation {
                Observation::Reading(reading) => {
                    self.recorded.remove(&reading_key(reading));
                }
                Observation::Anomaly(anomaly) => {
                    self.recorded.entry(key_of(observation)).or_default().insert((anomaly.player, anomaly.kind));
                }
            }
        }
        report.anomalies = plan.anomalies;
        for (key, entry) in plan.entries {
            self.cache.put(key, entry);
        }
        for (key, listed) in lists(batch) {
            // The last list of a wallet decides what is kept.
            if let Some(record) = plan.records.get_mut(&key) {
                record.keep_only(listed);
            }
        }
        self.records.extend(plan.records);
        Ok(report)
    }

    /// The records of the wallets whose payouts the batch lists, with every id that it names. Those of wallets whose position
    /// was not in memory are read anew, after the position: a record that is older than it would look like a counter that fell,
    /// and one that is newer meets the position's sequence.
    async fn records_of(&self, batch: &[&Observation], loaded: &HashSet<Key>) -> Result<HashMap<Key, Record>, StoreError> {
        let lists = lists(batch);
        let mut records = HashMap::with_capacity(lists.len());
        for (key, _) in lists.iter().filter(|(key, _)| !loaded.contains(key)) {
            if let Some(record) = self.records.get(key) {
                records.insert(key.clone(), record.clone());
            }
        }
        listed::load(&self.db, &lists, &mut records).await?;
        Ok(records)
    }

    fn is_recorded(&self, anomaly: &AnomalyReport) -> bool {
        let key = (anomaly.pool.clone(), anomaly.wallet.clone());
        self.recorded.get(&key).is_some_and(|recorded| recorded.contains(&(anomaly.player, anomaly.kind)))
    }

    /// Puts the entries of the batch's wallets into the plan: from memory, from the database, or newly opened. Answers how many
    /// were opened.
    async fn gather(&mut self, batch: &[&Observation], plan: &mut Plan) -> Result<u64, StoreError> {
        let mut missing: Vec<&Reading> = Vec::new();
        let mut wanted: Vec<(PlayerId, Key)> = Vec::new();
        for observation in batch {
            let (player, key) = (player_of(observation), key_of(observation));
            if plan.entries.contains_key(&key) {
                continue;
            }
            // It comes back when everything is stored; until then the database is what counts.
            match self.cache.take(&key) {
                // A wallet that stands for another player now is read again: the other may have been credited meanwhile.
                Some(entry) if entry.player == player => {
                    plan.entries.insert(key, entry);
                }
                _ => {
                    // An anomaly is noted in the position as well, where there is one, so that it can be seen to end.
                    wanted.push((player, key));
                    if let Observation::Reading(reading) = observation {
                        missing.push(reading);
                    }
                }
            }
        }
        let loaded = positions::load(&self.db, &wanted).await?;
        let read_anew = wanted.into_iter().map(|(_, key)| key).collect();
        plan.records = self.records_of(batch, &read_anew).await?;
        let unknown = missing.iter().filter(|reading| !loaded.entries.contains_key(&reading_key(reading)));
        let new_players: Vec<i32> = unknown.map(|reading| reading.player.0).collect();
        let elsewhere = if self.rules.policy.first_reading == FirstReading::Award && !new_players.is_empty() {
            positions::players_with_positions(&self.db, new_players).await?
        } else {
            HashSet::new()
        };
        let mut entries = loaded.entries;
        for reading in &missing {
            if let Some(entry) = entries.get_mut(&reading_key(reading)) {
                entry.share_texts(reading);
            }
        }
        plan.entries.extend(entries);
        let mut opened = 0;
        for observation in batch {
            let Observation::Reading(reading) = observation else { continue };
            let key = reading_key(reading);
            if plan.entries.contains_key(&key) {
                continue;
            }
            let Some(counter) = first_counter(reading, plan.records.get(&key)) else { continue };
            // A changed wallet's past is never paid, nor one that was another player's (SPEC.md section 1).
            let first_of_player = !elsewhere.contains(&(reading.player.0, reading.pool.to_string()));
            let others = loaded.known.get(&key).map_or(&[][..], Vec::as_slice);
            let past_may_count = first_of_player && others.is_empty();
            let position = open(reading.currency.clone(), &counter, &self.rules.policy, past_may_count);
            // All positions of a wallet are in one epoch: a rebase is about the pool's counter, not about a player.
            let epoch = others.iter().map(|entry| entry.epoch).max().unwrap_or_default();
            let mut entry = Entry::new(reading.player, epoch, position);
            entry.skip_what_others_had(others);
            plan.entries.insert(key.clone(), entry);
            // What was found about this wallet before it had a position has ended with this good answer.
            plan.resolved.push(Resolved { key, player: reading.player, kind: None });
            opened += 1;
        }
        Ok(opened)
    }
}

/// The lists of payouts in a batch, with their wallets.
fn lists<'a>(batch: &[&'a Observation]) -> Vec<(Key, &'a Listed)> {
    batch.iter().filter_map(|observation| Some((key_of(observation), listed_of(observation)?))).collect()
}

fn listed_of(observation: &Observation) -> Option<&Listed> {
    match observation {
        Observation::Reading(reading) => reading.listed.as_ref(),
        Observation::Anomaly(_) => None,
    }
}

/// The counter that a position is opened with. Of a list it is what all payouts add up to once those of this reading are
/// recorded: what a list shows first is the past.
fn first_counter(reading: &Reading, record: Option<&Record>) -> Option<Counter> {
    let Some(listed) = &reading.listed else { return reading.counters.first().cloned() };
    let mut record = record.cloned().unwrap_or_default();
    // A sum that is too large opens the position where it stood; the reading itself is then refused.
    let _ = record.take(listed);
    Some(Counter { source: listed.source.clone(), paid: record.total })
}

fn held(event: &super::plan::EventDraft) -> Option<HeldEvent> {
    let reason = event.hold?;
    Some(HeldEvent { event_id: event.event_id, player: event.player, pool: event.key.0.clone(), advc: event.credit.advc, reason })
}

/// An award as a dry run shows it: without a number and totals, which only the database knows.
fn would_award(event: &super::plan::EventDraft, now: NaiveDateTime) -> AwardedEvent {
    AwardedEvent {
        event_id: event.event_id,
        player: event.player,
        username: String::new(),
        pool: event.key.0.clone(),
        sequence: 0,
        advc: event.credit.advc,
        points: event.credit.points,
        total_ap: Points::ZERO,
        total_advc: Amount::ZERO,
        at: now,
    }
}

fn reading_key(reading: &Reading) -> Key {
    (reading.pool.clone(), reading.wallet.clone())
}

fn wallet_of(observation: &Observation) -> (&PoolName, &Wallet) {
    match observation {
        Observation::Reading(reading) => (&reading.pool, &reading.wallet),
        Observation::Anomaly(anomaly) => (&anomaly.pool, &anomaly.wallet),
    }
}

fn key_of(observation: &Observation) -> Key {
    let (pool, wallet) = wallet_of(observation);
    (pool.clone(), wallet.clone())
}

/// Where the first observation stands whose wallet was another player's earlier in the batch. What is planned together is
/// kept by wallet, and what is one player's must not be counted as the other's.
fn second_player(batch: &[&Observation]) -> Option<usize> {
    let mut players: HashMap<Key, PlayerId> = HashMap::with_capacity(batch.len());
    batch.iter().position(|observation| {
        let player = player_of(observation);
        *players.entry(key_of(observation)).or_insert(player) != player
    })
}

fn player_of(observation: &Observation) -> PlayerId {
    match observation {
        Observation::Reading(reading) => reading.player,
        Observation::Anomaly(anomaly) => anomaly.player,
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
