//! The players to poll.

use entity::{player_wallets, players};
use futures_util::TryStreamExt as _;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{ColumnTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::{StoreError, as_text};
use crate::domain::PlayerId;
use crate::domain::roster::Roster;

/// So many rows are taken up at once, before others on the thread have their turn.
const ROWS_AT_ONCE: usize = 256;

/// Loads every verified, active player with all addresses, row by row.
///
/// # Errors
/// When the database cannot be asked.
pub async fn load_roster(db: &DatabaseConnection) -> Result<Roster, StoreError> {
    let polled = players::Column::Verified.eq(true).and(players::Column::Active.eq(true));
    // On SQLite the game can put anything into a column; what is no address is told in the roster and holds up nobody.
    let text = |column| as_text(db.get_database_backend(), column);
    let mut rows = players::Entity::find()
        .select_only()
        .column(players::Column::Id)
        .column_as(text(players::Column::WalletAddress), "wallet_address")
        .filter(polled)
        .order_by_asc(players::Column::Id)
        .into_tuple::<(i32, String)>()
        .stream(db)
        .await?;
    let (mut roster, mut count) = (Roster::default(), 0);
    while let Some((id, address)) = rows.try_next().await? {
        roster.add_player(PlayerId(id), &address);
        pause(&mut count).await;
    }
    drop(rows);
    let text = |column| as_text(db.get_database_backend(), column);
    let mut rows = player_wallets::Entity::find()
        .select_only()
        .column(player_wallets::Column::PlayerId)
        .column_as(text(player_wallets::Column::PoolName), "pool_name")
        .column_as(text(player_wallets::Column::Address), "address")
        .order_by_asc(player_wallets::Column::Id)
        .into_tuple::<(i32, String, String)>()
        .stream(db)
        .await?;
    while let Some((player, pool, address)) = rows.try_next().await? {
        roster.add_pool_wallet(PlayerId(player), &pool, &address);
        pause(&mut count).await;
    }
    Ok(roster)
}

/// The rows may come faster than they are taken up, and would then keep the thread to themselves.
async fn pause(count: &mut usize) {
    *count += 1;
    if count.is_multiple_of(ROWS_AT_ONCE) {
        tokio::task::yield_now().await;
    }
}
