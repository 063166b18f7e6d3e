//! Positions as the ledger holds them in memory, and how they are loaded.

use std::collections::HashMap;
use std::hash::{Hash as _, Hasher as _};
use std::num::NonZeroU64;
use std::sync::Arc;

use chrono::NaiveDateTime;
use entity::{Money, mining_events, position_rebases, positions};
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _};
use sea_orm::{ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::StoreError;
use crate::domain::payout::{HoldReason, Position, may_be_same_source};
use crate::domain::{Amount, PlayerId, PoolName, Reading, Wallet};

/// Keys of one query; see `write`.
const ROWS_PER_STATEMENT: usize = 1_000;

/// A wallet on a pool. At any time it stands for one player.
pub(super) type Key = (PoolName, Wallet);

/// A position with everything the ledger needs to decide and to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The row's key; `None` until it is inserted.
    pub(super) id: Option<i64>,
    /// Whose position it is.
    pub(super) player: PlayerId,
    /// How often an operator has rebased it.
    pub(super) epoch: i32,
    /// The position proper.
    pub(super) position: Position,
    /// The sequence in the database, which every update compares.
    pub(super) stored_sequence: i64,
    /// The readings in the database, compared as well: a second process must not set them back while a position settles.
    pub(super) stored_readings: i32,
    /// The newest snapshot's figures.
    pub(super) snapshot: Option<SnapshotDigest>,
    /// The newest snapshot's time.
    pub(super) snapshot_at: Option<NaiveDateTime>,
    /// What few positions have: there is one of these for each wallet on each pool.
    pub(super) rare: Option<Box<Rare>>,
    /// Something in here differs from the database.
    pub(super) dirty: bool,
}

/// What few positions have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rare {
    /// The unresolved anomaly in the database, compared too: another process may have found or resolved one since, and a mark
    /// that is overwritten would leave its row unresolved for good.
    pub(super) stored_anomaly: Option<String>,
    /// The unresolved anomaly's name.
    pub(super) open_anomaly: Option<String>,
    /// When the wallet's list was last read, where it has one.
    pub(super) listed_at: Option<NaiveDateTime>,
    /// The same in the database, where it is brought up to date only now and then.
    pub(super) stored_listed_at: Option<NaiveDateTime>,
    /// The figures of a snapshot that is not stored yet, as the database has them.
    pub(super) new_digest: Option<String>,
}

/// The figures whose change is worth a snapshot, to be compared: the database holds them as text, memory a hash of their numbers.
/// Two that are different and look alike would cost a row of history until the next hour, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SnapshotDigest(NonZeroU64);

impl SnapshotDigest {
    /// Of the counter, the balance and the immature amount.
    pub(super) fn of(figures: [Option<Amount>; 3]) -> Self {
        let mut hasher = std::hash::DefaultHasher::new();
        figures.hash(&mut hasher);
        Self(NonZeroU64::new(hasher.finish()).unwrap_or(NonZeroU64::MIN))
    }

    /// Of the text in the database; one that nobody can read is like no other.
    fn stored(text: &str) -> Option<Self> {
        let mut figures =
            text.split('|').map(|figure| if figure.is_empty() { Some(None) } else { figure.parse().ok().map(Some) });
        let digest = Self::of([figures.next()??, figures.next()??, figures.next()??]);
        figures.next().is_none().then_some(digest)
    }
}

impl Entry {
    /// A position that is not in the database yet.
    pub(super) fn new(player: PlayerId, epoch: i32, position: Position) -> Self {
        Self {
            id: None,
            player,
            epoch,
            position,
            stored_sequence: 0,
            stored_readings: 0,
            snapshot: None,
            snapshot_at: None,
            rare: None,
            dirty: true,
        }
    }

    fn from_row(row: positions::Model) -> Result<Self, StoreError> {
        let amount = |money: Money, column: &str| {
            Amount::from_decimal(money.0)
                .ok_or_else(|| StoreError::Content(format!("positions.{column} of position {} is out of range", row.id)))
        };
        let rare = (row.open_anomaly.is_some() || row.listed_at.is_some()).then(|| {
            Box::new(Rare {
                stored_anomaly: row.open_anomaly.clone(),
                open_anomaly: row.open_anomaly,
                listed_at: row.listed_at,
                stored_listed_at: row.listed_at,
                new_digest: None,
            })
        });
        Ok(Self {
            id: Some(row.id),
            player: PlayerId(row.player_id),
            epoch: row.epoch,
            position: Position {
                currency: row
                    .currency
                    .parse()
                    .map_err(|error| StoreError::Content(format!("positions.currency of position {}: {error}", row.id)))?,
                source: row.source.into(),
                baseline: amount(row.baseline, "baseline")?,
                high_water: amount(row.high_water, "high_water")?,
                sequence: row.sequence,
                readings: row.readings,
                began_at_zero: row.began_at_zero,
                // Known from its events; see `doubt_units`.
                unit_in_doubt: false,
            },
            stored_sequence: row.sequence,
            stored_readings: row.readings,
            snapshot: row.snapshot_digest.as_deref().and_then(SnapshotDigest::stored),
            snapshot_at: row.snapshot_at,
            rare,
            dirty: false,
        })
    }

    /// The unresolved anomaly's name.
    pub(super) fn open_anomaly(&self) -> Option<&str> {
        self.rare.as_ref()?.open_anomaly.as_deref()
    }

    /// The same in the database.
    pub(super) fn stored_anomaly(&self) -> Option<&str> {
        self.rare.as_ref()?.stored_anomaly.as_deref()
    }

    /// The figures of a snapshot that is not stored yet.
    pub(super) fn new_digest(&self) -> Option<&str> {
        self.rare.as_ref()?.new_digest.as_deref()
    }

    /// When the wallet's list was last read, where it has one.
    pub(super) fn listed_at(&self) -> Option<NaiveDateTime> {
        self.rare.as_ref()?.listed_at
    }

    /// What few positions have, to be changed.
    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// What is in here is what the database has.
    pub(super) fn is_stored(&mut self) {
        self.dirty = false;
        self.stored_sequence = self.position.sequence;
        self.stored_readings = self.position.readings;
        if let Some(mut rare) = self.rare.take() {
            rare.stored_anomaly.clone_from(&rare.open_anomaly);
            rare.stored_listed_at = rare.listed_at;
            rare.new_digest = None;
            self.rare = Some(rare).filter(|rare| **rare != Rare::default());
        }
    }

    /// Shares the texts of a reading where they are the same: rows bring texts of their own.
    pub(super) fn share_texts(&mut self, reading: &Reading) {
        let position = &mut self.position;
        if position.currency == reading.currency {
            position.currency = reading.currency.clone();
        }
        let sources =
            reading.counters.iter().map(|counter| &counter.source).chain(reading.listed.as_ref().map(|listed| &listed.source));
        for source in sources {
            if position.source == *source {
                position.source = Arc::clone(source);
            }
        }
    }

    /// Raises the mark to the highest of `all` positions of this wallet without crediting the difference: that part was
    /// another player's, who had this wallet in between. The baseline rises alike, so that the sum of awards stays high
    /// water − baseline.
    pub(super) fn skip_what_others_had(&mut self, all: &[Self]) {
        let same_counter = |entry: &&Self| {
            entry.player != self.player
                && entry.epoch == self.epoch
                && entry.position.currency == self.position.currency
                && may_be_same_source(&entry.position.source, &self.position.source)
        };
        let Some(mark) = all.iter().filter(same_counter).map(|entry| entry.position.high_water).max() else { return };
        let skipped = mark.checked_sub(self.position.high_water).filter(|skipped| *skipped > Amount::ZERO);
        if let Some(baseline) = skipped.and_then(|skipped| self.position.baseline.checked_add(skipped)) {
            self.position.baseline = baseline;
            self.position.high_water = mark;
            self.dirty = true;
        }
    }
}

/// What the database knows about some wallets.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// The position of the asking player, where there is one.
    pub(super) entries: HashMap<Key, Entry>,
    /// Every position of those wallets of which there is one, be it another player's.
    pub(super) known: HashMap<Key, Vec<Entry>>,
}

/// The condition that finds every position of these wallets, whosever it is.
pub(super) fn of_wallets<'a>(wallets: impl IntoIterator<Item = &'a Key>) -> Condition {
    let mut by_pool: HashMap<&PoolName, Vec<&str>> = HashMap::new();
    for (pool, wallet) in wallets {
        by_pool.entry(pool).or_default().push(wallet.as_str());
    }
    by_pool.into_iter().fold(Condition::any(), |any, (pool, addresses)| {
        any.add(positions::Column::PoolName.eq(pool.as_str()).and(positions::Column::Address.is_in(addresses)))
    })
}

/// Loads the positions that these players have with these wallets.
pub(super) async fn load(db: &impl ConnectionTrait, wanted: &[(PlayerId, Key)]) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    if wanted.is_empty() {
        return Ok(loaded);
    }
    let wallets = of_wallets(wanted.iter().map(|(_, key)| key));
    let rows = positions::Entity::find().filter(wallets).order_by_asc(positions::Column::Id).all(db).await?;
    let mut by_wallet: HashMap<Key, Vec<Entry>> = HashMap::new();
    for row in rows {
        let (Ok(pool), Ok(wallet)) = (row.pool_name.parse(), row.address.parse()) else { continue };
        by_wallet.entry((pool, wallet)).or_default().push(Entry::from_row(row)?);
    }
    doubt_units(db, by_wallet.values_mut().flatten().collect()).await?;
    for (player, key) in wanted {
        let Some(all) = by_wallet.get(key) else { continue };
        let Some(mine) = all.iter().find(|entry| entry.player == *player) else { continue };
        let mut mine = mine.clone();
        mine.skip_what_others_had(all);
        loaded.entries.insert(key.clone(), mine);
    }
    loaded.known = by_wallet;
    Ok(loaded)
}

/// Finds out which of these positions have an event in their epoch that leaves the unit in doubt. One that was rejected still
/// does: it says that the unit has changed, and only a rebase counts in the new one.
async fn doubt_units(db: &impl ConnectionTrait, entries: Vec<&mut Entry>) -> Result<(), StoreError> {
    // A position without events has none in doubt.
    let mut by_id: HashMap<i64, &mut Entry> =
        entries.into_iter().filter(|entry| entry.position.sequence > 0).filter_map(|entry| Some((entry.id?, entry))).collect();
    let ids: Vec<i64> = by_id.keys().copied().collect();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        let held = mining_events::Entity::find()
            .filter(mining_events::Column::PositionId.is_in(chunk.iter().copied()))
            .filter(mining_events::Column::HoldReason.is_in(HoldReason::ABOUT_THE_UNIT.map(HoldReason::as_str)))
            .filter(mining_events::Column::Status.is_in([mining_events::HELD, mining_events::REJECTED]))
            .all(db)
            .await?;
        for event in held {
            let Some(entry) = event.position_id.and_then(|id| by_id.get_mut(&id)) else { continue };
            let reason =
                HoldReason::ABOUT_THE_UNIT.into_iter().find(|reason| event.hold_reason.as_deref() == Some(reason.as_str()));
            let native = |money: Option<Money>| money.and_then(|money| Amount::from_decimal(money.0));
            let doubted = match (reason, native(event.native_previous), native(event.native_current)) {
                (Some(reason), Some(previous), Some(current)) => reason.doubts_the_unit(previous, current),
                // What cannot be read is doubtful.
                _ => true,
            };
            entry.position.unit_in_doubt |= doubted && event.epoch == entry.epoch;
        }
    }
    Ok(())
}

/// The wallets that an operator has rebased since the rebase numbered `after`, and the number of the newest.
pub(super) async fn rebased_since(db: &impl ConnectionTrait, after: i64) -> Result<(Vec<Key>, i64), StoreError> {
    let ids: Vec<(i64, i64)> = position_rebases::Entity::find()
        .select_only()
        .columns([position_rebases::Column::Id, position_rebases::Column::PositionId])
        .filter(position_rebases::Column::Id.gt(after))
        .into_tuple()
        .all(db)
        .await?;
    let newest = ids.iter().map(|(id, _)| *id).max().unwrap_or(after);
    let mut keys = Vec::new();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        let wallets: Vec<(String, String)> = positions::Entity::find()
            .select_only()
            .columns([positions::Column::PoolName, positions::Column::Address])
            .filter(positions::Column::Id.is_in(chunk.iter().map(|(_, position)| *position)))
            .into_tuple()
            .all(db)
            .await?;
        keys.extend(wallets.iter().filter_map(|(pool, wallet)| Some((pool.parse().ok()?, wallet.parse().ok()?))));
    }
    Ok((keys, newest))
}

/// Which of `players` have a position on which pool, whatever the wallet.
pub(super) async fn players_with_positions(
    db: &impl ConnectionTrait,
    players: Vec<i32>,
) -> Result<std::collections::HashSet<(i32, String)>, StoreError> {
    let pairs: Vec<(i32, String)> = positions::Entity::find()
        .select_only()
        .column(positions::Column::PlayerId)
        .column_as(Expr::col(positions::Column::PoolName), "pool_name")
        .filter(positions::Column::PlayerId.is_in(players))
        .distinct()
        .into_tuple()
        .all(db)
        .await?;
    Ok(pairs.into_iter().collect())
}
