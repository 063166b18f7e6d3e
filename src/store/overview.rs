//! What a person looks up: events and positions with their players' names and their anomalies.

use std::collections::HashMap;

use entity::{anomalies, listed_payouts, mining_events, player_wallets, players, pool_snapshots, position_rebases, positions};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseConnection, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::decisions::EventRef;
use super::players::PlayerRow;
use super::{StoreError, as_text};
use crate::domain::PoolName;

/// Which events to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only those that wait for an operator.
    pub held: bool,
    /// Only those that the game server has not acknowledged yet.
    pub waiting: bool,
    /// Only those whose delivery was given up.
    pub dead: bool,
    /// Only this player's.
    pub player: Option<i32>,
    /// Only this pool's.
    pub pool: Option<PoolName>,
    /// At most this many.
    pub limit: u64,
}

/// The newest events that `filter` lets through, the newest first, with the players' names.
///
/// # Errors
/// When the database cannot be asked.
pub async fn events(db: &DatabaseConnection, filter: &EventFilter) -> Result<Vec<(mining_events::Model, String)>, StoreError> {
    use mining_events::Column;
    let mut wanted = Condition::all();
    if filter.held {
        wanted = wanted.add(Column::Status.eq(mining_events::HELD));
    }
    if filter.waiting {
        wanted = wanted.add(waiting());
    }
    if filter.dead {
        wanted = wanted.add(Column::DeliveryDead.eq(true)).add(Column::Notified.eq(false));
    }
    if let Some(player) = filter.player {
        wanted = wanted.add(Column::PlayerId.eq(player));
    }
    if let Some(pool) = &filter.pool {
        wanted = wanted.add(Column::PoolName.eq(pool.as_str()));
    }
    let query = mining_events::Entity::find().filter(wanted).order_by_desc(Column::Id).limit(filter.limit);
    let rows = query.all(db).await?;
    let names = usernames(db, rows.iter().map(|row| row.player_id).collect()).await?;
    let named = |row: mining_events::Model| {
        let name = names.get(&row.player_id).cloned().unwrap_or_default();
        (row, name)
    };
    Ok(rows.into_iter().map(named).collect())
}

/// The newest anomalies, the newest first, with the players' names.
///
/// # Errors
/// When the database cannot be asked.
pub async fn anomalies(db: &DatabaseConnection, limit: u64) -> Result<Vec<(anomalies::Model, String)>, StoreError> {
    let rows = anomalies::Entity::find().order_by_desc(anomalies::Column::Id).limit(limit).all(db).await?;
    let names = usernames(db, rows.iter().map(|row| row.player_id).collect()).await?;
    let named = |row: anomalies::Model| {
        let name = names.get(&row.player_id).cloned().unwrap_or_default();
        (row, name)
    };
    Ok(rows.into_iter().map(named).collect())
}

/// An award that the game server has not acknowledged and that was not given up.
pub(super) fn waiting() -> Condition {
    use mining_events::Column;
    Condition::all().add(Column::Notified.eq(false)).add(Column::DeliveryDead.eq(false)).add(Column::PlayerSequence.is_not_null())
}

async fn usernames(db: &DatabaseConnection, mut ids: Vec<i32>) -> Result<HashMap<i32, String>, StoreError> {
    ids.sort_unstable();
    ids.dedup();
    let mut names = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(1_000) {
        let rows: Vec<(i32, String)> = players::Entity::find()
            .select_only()
            .column(players::Column::Id)
            .column_as(as_text(db.get_database_backend(), players::Column::Username), "username")
            .filter(players::Column::Id.is_in(chunk.iter().copied()))
            .into_tuple()
            .all(db)
            .await?;
        names.extend(rows);
    }
    Ok(names)
}

/// Which positions to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PositionFilter {
    /// Only this player's.
    pub player: Option<i32>,
    /// Only this pool's.
    pub pool: Option<PoolName>,
    /// Only those with an unresolved anomaly.
    pub anomalies: bool,
}

/// A position with what a person wants to see beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionView {
    /// The row.
    pub position: positions::Model,
    /// The player's name.
    pub username: String,
    /// The unresolved anomalies of its wallet.
    pub anomalies: Vec<anomalies::Model>,
}

/// Positions, and the anomalies of wallets that have none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions {
    /// In the order of players and pools.
    pub positions: Vec<PositionView>,
    /// Unresolved anomalies of wallets without a position, with the players' names.
    pub anomalies: Vec<(anomalies::Model, String)>,
}

/// The positions that `filter` lets through.
///
/// # Errors
/// When the database cannot be asked.
pub async fn positions(db: &DatabaseConnection, filter: &PositionFilter) -> Result<Positions, StoreError> {
    let mut wanted = Condition::all();
    let mut unresolved = Condition::all().add(anomalies::Column::ResolvedAt.is_null());
    if let Some(player) = filter.player {
        wanted = wanted.add(positions::Column::PlayerId.eq(player));
        unresolved = unresolved.add(anomalies::Column::PlayerId.eq(player));
    }
    if let Some(pool) = &filter.pool {
        wanted = wanted.add(positions::Column::PoolName.eq(pool.as_str()));
        unresolved = unresolved.add(anomalies::Column::PoolName.eq(pool.as_str()));
    }
    let rows = positions::Entity::find()
        .filter(wanted)
        .order_by_asc(positions::Column::PlayerId)
        .order_by_asc(positions::Column::PoolName)
        .order_by_asc(positions::Column::Id)
        .all(db)
        .await?;
    let mut open: HashMap<(i32, String, String), Vec<anomalies::Model>> = HashMap::new();
    let unresolved = anomalies::Entity::find().filter(unresolved).order_by_asc(anomalies::Column::Id);
    for row in unresolved.all(db).await? {
        open.entry((row.player_id, row.pool_name.clone(), row.address.clone())).or_default().push(row);
    }
    let players = rows.iter().map(|row| row.player_id).chain(open.keys().map(|(player, ..)| *player)).collect();
    let names = usernames(db, players).await?;
    let name = |player: i32| names.get(&player).cloned().unwrap_or_default();
    let mut found = Positions::default();
    for position in rows {
        let key = (position.player_id, position.pool_name.clone(), position.address.clone());
        let anomalies = open.remove(&key).unwrap_or_default();
        if !filter.anomalies || !anomalies.is_empty() {
            found.positions.push(PositionView { username: name(position.player_id), position, anomalies });
        }
    }
    let named = |row: anomalies::Model| {
        let name = name(row.player_id);
        (row, name)
    };
    found.anomalies = open.into_values().flatten().map(named).collect();
    found.anomalies.sort_by_key(|(row, _)| row.id);
    Ok(found)
}

/// What made an event, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventStory {
    /// The row.
    pub event: mining_events::Model,
    /// The player's name.
    pub username: String,
    /// The snapshot of the reading before, if it is still there.
    pub reading_before: Option<pool_snapshots::Model>,
    /// The snapshot of the reading that made it, if it is still there.
    pub reading: Option<pool_snapshots::Model>,
    /// The event that takes it back.
    pub reversed_by: Option<mining_events::Model>,
    /// The event that it takes back.
    pub reverses: Option<mining_events::Model>,
    /// The payouts that it consists of, where the pool lists them, the oldest first.
    pub payouts: Vec<listed_payouts::Model>,
}

/// Everything about one event, or `None` where there is no such event.
///
/// # Errors
/// When the database cannot be asked.
pub async fn event_story(db: &DatabaseConnection, wanted: EventRef) -> Result<Option<EventStory>, StoreError> {
    use pool_snapshots::Column;
    let named = match wanted {
        EventRef::Row(id) => mining_events::Column::Id.eq(id),
        EventRef::Id(id) => mining_events::Column::EventId.eq(id.to_string()),
    };
    let Some(event) = mining_events::Entity::find().filter(named).one(db).await? else { return Ok(None) };
    let of_wallet = || {
        pool_snapshots::Entity::find()
            .filter(Column::PlayerId.eq(event.player_id))
            .filter(Column::PoolName.eq(event.pool_name.as_str()))
            .filter(Column::Address.eq(event.address.as_deref().unwrap_or_default()))
    };
    // A snapshot has the time of the transaction that stored its events.
    let at = of_wallet().filter(Column::SnapshotTime.eq(event.event_time)).order_by_asc(Column::Id).all(db).await?;
    let reading = at.into_iter().find(|row| row.native_paid == event.native_current && event.reverses.is_none());
    let before = of_wallet().filter(Column::SnapshotTime.lt(event.event_time)).order_by_desc(Column::SnapshotTime);
    let reading_before = if event.reverses.is_some() { None } else { before.order_by_desc(Column::Id).one(db).await? };
    let reversed_by = mining_events::Entity::find().filter(mining_events::Column::Reverses.eq(event.id)).one(db).await?;
    let reverses = match event.reverses {
        Some(id) => mining_events::Entity::find_by_id(id).one(db).await?,
        None => None,
    };
    let username = usernames(db, vec![event.player_id]).await?.remove(&event.player_id).unwrap_or_default();
    let payouts = payouts_of(db, &event).await?;
    Ok(Some(EventStory { event, username, reading_before, reading, reversed_by, reverses, payouts }))
}

/// The listed payouts between an event's two counters, which are sums of such payouts. The newest are looked at first: an event
/// is made by the last ones of its time.
async fn payouts_of(db: &DatabaseConnection, event: &mining_events::Model) -> Result<Vec<listed_payouts::Model>, StoreError> {
    use listed_payouts::Column;
    let (Some(previous), Some(current), None) = (event.native_previous, event.native_current, event.reverses) else {
        return Ok(Vec::new());
    };
    let of_wallet = || {
        listed_payouts::Entity::find()
            .filter(Column::PoolName.eq(event.pool_name.as_str()))
            .filter(Column::Address.eq(event.address.as_deref().unwrap_or_default()))
            .filter(Column::SeenAt.lte(event.event_time))
    };
    let mut found = Vec::new();
    let mut below = i64::MAX;
    loop {
        let page = of_wallet().filter(Column::Number.lt(below)).order_by_desc(Column::Number).limit(PAYOUTS_PAGE).all(db).await?;
        let Some(last) = page.last() else { break };
        below = last.number;
        let reached = last.total.0 <= previous.0;
        found.extend(page.into_iter().filter(|row| row.total.0 > previous.0 && row.total.0 <= current.0));
        if reached {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

/// Payouts of one query.
const PAYOUTS_PAGE: u64 = 200;

/// Everything about one player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerStory {
    /// The row.
    pub player: PlayerRow,
    /// The addresses of single pools.
    pub wallets: Vec<player_wallets::Model>,
    /// Positions and anomalies.
    pub positions: Positions,
    /// The rebases of these positions, the oldest first.
    pub rebases: Vec<position_rebases::Model>,
    /// The newest events, the newest first.
    pub events: Vec<mining_events::Model>,
    /// Events that wait for an operator.
    pub held: u64,
    /// Awards that wait for the game server.
    pub waiting: u64,
}

/// Everything about one player, with the newest `limit` events.
///
/// # Errors
/// When the database cannot be asked.
pub async fn player_story(db: &DatabaseConnection, player: PlayerRow, limit: u64) -> Result<PlayerStory, StoreError> {
    use mining_events::Column;
    let of_player = || mining_events::Entity::find().filter(Column::PlayerId.eq(player.id));
    let positions = positions(db, &PositionFilter { player: Some(player.id), ..PositionFilter::default() }).await?;
    let ids = positions.positions.iter().map(|view| view.position.id);
    Ok(PlayerStory {
        wallets: player_wallets::Entity::find()
            .filter(player_wallets::Column::PlayerId.eq(player.id))
            .order_by_asc(player_wallets::Column::PoolName)
            .all(db)
            .await?,
        rebases: position_rebases::Entity::find()
            .filter(position_rebases::Column::PositionId.is_in(ids))
            .order_by_asc(position_rebases::Column::Id)
            .all(db)
            .await?,
        events: of_player().order_by_desc(Column::Id).limit(limit).all(db).await?,
        held: of_player().filter(Column::Status.eq(mining_events::HELD)).count(db).await?,
        waiting: of_player().filter(waiting()).count(db).await?,
        positions,
        player,
    })
}
