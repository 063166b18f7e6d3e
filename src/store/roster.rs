//! The players to poll.

use std::collections::HashMap;

use entity::{player_wallets, players};
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{ColumnTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::{StoreError, as_text};
use crate::domain::roster::Player;
use crate::domain::{PlayerId, PoolName, Wallet};

/// The verified, active players, and what of them cannot be polled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// In the order of their ids.
    pub players: Vec<Player>,
    /// Addresses in the database that are no addresses, with the reason: `player 7: …`.
    pub unusable: Vec<(PlayerId, String)>,
}

/// Loads every verified, active player with all addresses.
///
/// # Errors
/// When the database cannot be asked.
pub async fn load_roster(db: &DatabaseConnection) -> Result<Roster, StoreError> {
    let polled = || players::Column::Verified.eq(true).and(players::Column::Active.eq(true));
    let rows: Vec<(i32, String)> = players::Entity::find()
        .select_only()
        .column(players::Column::Id)
        // On SQLite the game can put anything into a column; what is no address is told below and holds up nobody.
        .column_as(as_text(db.get_database_backend(), players::Column::WalletAddress), "wallet_address")
        .filter(polled())
        .order_by_asc(players::Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    let mut roster = Roster::default();
    let mut at: HashMap<i32, usize> = HashMap::with_capacity(rows.len());
    for (id, address) in rows {
        let wallet = usable::<Wallet>(&mut roster.unusable, id, &address);
        at.insert(id, roster.players.len());
        roster.players.push(Player { id: PlayerId(id), wallet, pool_wallets: Default::default() });
    }
    for row in player_wallets::Entity::find().order_by_asc(player_wallets::Column::Id).all(db).await? {
        let Some(player) = at.get(&row.player_id).and_then(|index| roster.players.get_mut(*index)) else { continue };
        let pool = usable::<PoolName>(&mut roster.unusable, row.player_id, &row.pool_name);
        let wallet = usable::<Wallet>(&mut roster.unusable, row.player_id, &row.address);
        if let (Some(pool), Some(wallet)) = (pool, wallet) {
            player.pool_wallets.insert(pool, wallet);
        }
    }
    Ok(roster)
}

/// Parses a stored text, noting why where it cannot be.
fn usable<T: std::str::FromStr<Err: std::fmt::Display>>(
    unusable: &mut Vec<(PlayerId, String)>,
    player: i32,
    text: &str,
) -> Option<T> {
    text.parse().map_err(|error: T::Err| unusable.push((PlayerId(player), error.to_string()))).ok()
}
