//! Adding many players at once: all of them or none.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDateTime;
use entity::{player_wallets, players};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DatabaseConnection, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use super::players::{NewPlayer, pool_wallet, row};
use super::write::ROWS_PER_STATEMENT;
use super::{Observer, Progress, StoreError};

/// Why nobody was added.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// What is taken, by the number that came with the player, which is the line of a file.
    #[error("{} of the players cannot be added", .0.len())]
    Taken(Vec<(u64, String)>),
    /// The database could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sea_orm::DbErr> for ImportError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

/// Adds all of `players` in one transaction, or nobody, telling `observer` how far that is. With `dry_run` everything is checked
/// and nobody is added.
///
/// # Errors
/// When a name, mail address or wallet is somebody's already, also another one's of `players`, or the database cannot be asked.
pub async fn import(
    db: &DatabaseConnection,
    players: &[(u64, NewPlayer)],
    now: NaiveDateTime,
    dry_run: bool,
    observer: Observer<'_>,
) -> Result<(), ImportError> {
    let transaction = super::decisions::begin(db).await?;
    let begins = |what| observer(Progress::Begins { what, of: Some(players.len() as u64) });
    begins("checking players");
    let mut faults = twice(players);
    faults.extend(taken(&transaction, players, observer).await?);
    if !faults.is_empty() {
        faults.sort();
        return Err(ImportError::Taken(faults));
    }
    if dry_run {
        return Ok(transaction.rollback().await?);
    }
    begins("adding players");
    for chunk in players.chunks(ROWS_PER_STATEMENT) {
        let rows = chunk.iter().map(|(_, player)| row(player, now));
        let inserted = players::Entity::insert_many(rows).exec_with_returning(&transaction).await?;
        let ids: HashMap<&str, i32> = inserted.iter().map(|row| (row.username.as_str(), row.id)).collect();
        let wallets: Vec<player_wallets::ActiveModel> = chunk
            .iter()
            .filter_map(|(_, player)| Some((ids.get(player.username.as_str())?, player)))
            .flat_map(|(id, player)| player.pool_wallets.iter().map(|(pool, wallet)| pool_wallet(*id, pool, wallet, now)))
            .collect();
        for wallets in wallets.chunks(ROWS_PER_STATEMENT) {
            player_wallets::Entity::insert_many(wallets.to_vec()).exec_without_returning(&transaction).await?;
        }
        observer(Progress::Went(chunk.len() as u64));
    }
    Ok(transaction.commit().await?)
}

/// What must be one player's alone, with its name for a person.
fn claims(player: &NewPlayer) -> impl Iterator<Item = (String, String)> {
    let own = [("username", &player.username), ("email", &player.email)];
    let own = own.into_iter().map(|(what, text)| (what.to_owned(), text.clone()));
    let wallet = [("wallet".to_owned(), player.wallet.to_string())];
    let on_pools = player.pool_wallets.iter().map(|(pool, wallet)| (format!("wallet:{pool}"), wallet.to_string()));
    own.chain(wallet).chain(on_pools)
}

/// What stands in `players` twice.
fn twice(players: &[(u64, NewPlayer)]) -> Vec<(u64, String)> {
    let mut first: HashMap<(String, String), u64> = HashMap::new();
    let mut faults = Vec::new();
    for (line, player) in players {
        for claim in claims(player) {
            let fault = format!("{} {} stands in line", claim.0, claim.1);
            if let Some(earlier) = first.get(&claim) {
                faults.push((*line, format!("{fault} {earlier} too")));
            } else {
                first.insert(claim, *line);
            }
        }
    }
    faults
}

/// What is somebody's in the database.
async fn taken(
    db: &impl ConnectionTrait,
    players: &[(u64, NewPlayer)],
    observer: Observer<'_>,
) -> Result<Vec<(u64, String)>, StoreError> {
    let mut faults = Vec::new();
    for chunk in players.chunks(ROWS_PER_STATEMENT) {
        let mut found: HashSet<(String, String)> = HashSet::new();
        for (what, column) in [
            ("username", players::Column::Username),
            ("email", players::Column::Email),
            ("wallet", players::Column::WalletAddress),
        ] {
            let wanted =
                chunk.iter().flat_map(|(_, player)| claims(player)).filter(|(claim, _)| claim == what).map(|(_, text)| text);
            let query = players::Entity::find().select_only().column(column).filter(column.is_in(wanted));
            let texts: Vec<String> = query.into_tuple().all(db).await?;
            found.extend(texts.into_iter().map(|text| (what.to_owned(), text)));
        }
        let addresses = chunk.iter().flat_map(|(_, player)| player.pool_wallets.iter().map(|(_, wallet)| wallet.to_string()));
        let rows = player_wallets::Entity::find().filter(player_wallets::Column::Address.is_in(addresses)).all(db).await?;
        found.extend(rows.into_iter().map(|row| (format!("wallet:{}", row.pool_name), row.address)));
        for (line, player) in chunk {
            let of_player = claims(player).filter(|claim| found.contains(claim));
            faults.extend(of_player.map(|(what, text)| (*line, format!("{what} {text} is another player's already"))));
        }
        observer(Progress::Went(chunk.len() as u64));
    }
    Ok(faults)
}
