//! Players, for a person at the command line. In production the game owns these rows.

use chrono::NaiveDateTime;
use entity::{Money, player_wallets, players};
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, EntityTrait as _,
    FromQueryResult, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, SqlErr,
    TransactionTrait as _,
};

use super::{StoreError, as_text};
use crate::domain::{PoolName, Wallet};

/// Why a command about a player failed.
#[derive(Debug, thiserror::Error)]
pub enum PlayerError {
    /// A name, mail address or wallet is somebody's already.
    #[error("{0}")]
    Taken(String),
    /// There is no such player.
    #[error("there is no player {0:?}; `pool-poller players list` shows all")]
    Unknown(String),
    /// The database could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sea_orm::DbErr> for PlayerError {
    fn from(error: sea_orm::DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(message)) => Self::Taken(taken(&message)),
            _ => Self::Store(error.into()),
        }
    }
}

/// Says what of a new player is taken, from the name of the violated key.
fn taken(message: &str) -> String {
    let what = ["username", "email", "wallet_address", "address"].into_iter().find(|column| message.contains(column));
    match what {
        Some("address" | "wallet_address") => "another player has this wallet already".to_owned(),
        Some(column) => format!("another player has this {column} already"),
        None => "another player has this already".to_owned(),
    }
}

/// A player to add.
#[derive(Debug, Clone)]
pub struct NewPlayer {
    /// Unique name.
    pub username: String,
    /// Unique mail address.
    pub email: String,
    /// The ADVC wallet.
    pub wallet: Wallet,
    /// The addresses by which single pools know the player.
    pub pool_wallets: Vec<(PoolName, Wallet)>,
    /// Poll from the next cycle on.
    pub verified: bool,
}

/// Adds a player and answers the id.
///
/// # Errors
/// When something that must be unique is taken, or the database cannot be asked.
pub async fn add(db: &DatabaseConnection, player: NewPlayer, now: NaiveDateTime) -> Result<i32, PlayerError> {
    let transaction = db.begin().await?;
    let row = row(&player, now).insert(&transaction).await?;
    for (pool, wallet) in player.pool_wallets {
        pool_wallet(row.id, &pool, &wallet, now).insert(&transaction).await?;
    }
    transaction.commit().await?;
    Ok(row.id)
}

/// A row of `players` to insert.
pub(super) fn row(player: &NewPlayer, now: NaiveDateTime) -> players::ActiveModel {
    players::ActiveModel {
        username: Set(player.username.clone()),
        email: Set(player.email.clone()),
        wallet_address: Set(player.wallet.to_string()),
        total_ap: Set(Money::default()),
        total_advc_mined: Set(Money::default()),
        level: Set(1),
        verified: Set(player.verified),
        active: Set(true),
        created_at: Set(now),
        updated_at: Set(now),
        last_mining_event: Set(None),
        event_sequence: Set(0),
        ..Default::default()
    }
}

/// A row of `player_wallets` to insert.
pub(super) fn pool_wallet(player: i32, pool: &PoolName, wallet: &Wallet, now: NaiveDateTime) -> player_wallets::ActiveModel {
    player_wallets::ActiveModel {
        player_id: Set(player),
        pool_name: Set(pool.to_string()),
        address: Set(wallet.to_string()),
        created_at: Set(now),
        ..Default::default()
    }
}

/// A row of `players` as a person sees it. The game writes these rows too: what could be of any form is text, so that one
/// odd value does not hide the other rows.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct PlayerRow {
    /// Primary key.
    pub id: i32,
    /// Unique name.
    pub username: String,
    /// Unique mail address.
    pub email: String,
    /// The ADVC wallet.
    pub wallet_address: String,
    /// Adventure Points, as they stand there.
    pub total_ap: String,
    /// ADVC, as they stand there.
    pub total_advc_mined: String,
    /// The level in the game.
    pub level: i32,
    /// The wallet is proven.
    pub verified: bool,
    /// The account is in use.
    pub active: bool,
    /// The number of the newest award.
    pub event_sequence: i64,
    /// When AP were given last, UTC, as it stands there.
    pub last_mining_event: Option<String>,
}

impl PlayerRow {
    /// When AP were given last, UTC, where it is a time of this calendar.
    #[must_use]
    pub fn last_award(&self) -> Option<NaiveDateTime> {
        let text = self.last_mining_event.as_deref()?;
        ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text.trim_end_matches(['Z', 'z']), format).ok())
    }
}

/// The rows, whose columns that the game may fill come as text.
fn rows(db: &impl ConnectionTrait) -> Select<players::Entity> {
    use players::Column;
    let query = players::Entity::find().select_only();
    let query = query.columns([Column::Id, Column::Level, Column::Verified, Column::Active, Column::EventSequence]);
    [
        (Column::Username, "username"),
        (Column::Email, "email"),
        (Column::WalletAddress, "wallet_address"),
        (Column::TotalAp, "total_ap"),
        (Column::TotalAdvcMined, "total_advc_mined"),
        (Column::LastMiningEvent, "last_mining_event"),
    ]
    .into_iter()
    .fold(query, |query, (column, name)| query.column_as(as_text(db.get_database_backend(), column), name))
}

/// All players in the order of their ids.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list(db: &DatabaseConnection) -> Result<Vec<PlayerRow>, StoreError> {
    Ok(rows(db).order_by_asc(players::Column::Id).into_model().all(db).await?)
}

/// How many players are polled.
///
/// # Errors
/// When the database cannot be asked.
pub async fn count_polled(db: &DatabaseConnection) -> Result<u64, StoreError> {
    let polled = players::Entity::find().filter(players::Column::Verified.eq(true)).filter(players::Column::Active.eq(true));
    Ok(polled.count(db).await?)
}

/// The player with this id or name.
///
/// # Errors
/// When there is no such player, or the database cannot be asked.
pub async fn find(db: &impl ConnectionTrait, who: &str) -> Result<PlayerRow, PlayerError> {
    let by_name = players::Column::Username.eq(who);
    let wanted = match who.parse::<i32>() {
        Ok(id) => by_name.or(players::Column::Id.eq(id)),
        Err(_) => by_name,
    };
    let mut found: Vec<PlayerRow> = rows(db).filter(wanted).into_model().all(db).await?;
    // A name made of digits can be another player's id: the name is what was meant then.
    found.sort_by_key(|row| row.username != who);
    found.into_iter().next().ok_or_else(|| PlayerError::Unknown(who.to_owned()))
}

/// Sets `verified` or `active` of the player with this id or name, and answers the row.
///
/// # Errors
/// When there is no such player, or the database cannot be asked.
pub async fn set_flag(db: &DatabaseConnection, who: &str, flag: Flag, now: NaiveDateTime) -> Result<PlayerRow, PlayerError> {
    let mut row = find(db, who).await?;
    let mut change = players::ActiveModel { updated_at: Set(now), ..Default::default() };
    match flag {
        Flag::Verified(value) => (row.verified, change.verified) = (value, Set(value)),
        Flag::Active(value) => (row.active, change.active) = (value, Set(value)),
    }
    players::Entity::update_many().set(change).filter(players::Column::Id.eq(row.id)).exec(db).await?;
    Ok(row)
}

/// What [`set_flag`] sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// `players.verified`.
    Verified(bool),
    /// `players.active`.
    Active(bool),
}

/// Gives the player with this id or name another address on one pool, or none of its own where `wallet` is `None`, and answers
/// the row and the address before. What was awarded stays; a changed address opens a new position.
///
/// # Errors
/// When there is no such player, the address is another player's on this pool, or the database cannot be asked.
pub async fn set_wallet(
    db: &DatabaseConnection,
    who: &str,
    pool: &PoolName,
    wallet: Option<&Wallet>,
    now: NaiveDateTime,
) -> Result<(PlayerRow, Option<String>), PlayerError> {
    let transaction = super::decisions::begin(db).await?;
    let player = find(&transaction, who).await?;
    let before = wallet_row(&transaction, &player, pool).await?;
    let address = before.as_ref().map(|row| row.address.clone());
    match (before, wallet) {
        (Some(row), Some(wallet)) => {
            let mut row: player_wallets::ActiveModel = row.into();
            row.address = Set(wallet.to_string());
            row.update(&transaction).await?;
        }
        (None, Some(wallet)) => {
            pool_wallet(player.id, pool, wallet, now).insert(&transaction).await?;
        }
        (Some(row), None) => {
            player_wallets::Entity::delete_by_id(row.id).exec(&transaction).await?;
        }
        (None, None) => {}
    }
    transaction.commit().await?;
    Ok((player, address))
}

/// A player's own address on one pool.
///
/// # Errors
/// When the database cannot be asked.
pub async fn wallet_row(
    db: &impl ConnectionTrait,
    player: &PlayerRow,
    pool: &PoolName,
) -> Result<Option<player_wallets::Model>, StoreError> {
    let of_player = player_wallets::Entity::find().filter(player_wallets::Column::PlayerId.eq(player.id));
    Ok(of_player.filter(player_wallets::Column::PoolName.eq(pool.as_str())).one(db).await?)
}
