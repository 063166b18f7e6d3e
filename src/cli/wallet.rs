//! `pool-poller players wallet`: the address by which one pool knows a player.

use sea_orm::DatabaseConnection;

use super::output::print;
use super::{Session, Stop};
use crate::domain::{PoolName, Wallet};
use crate::store::{now_utc, players};

/// Arguments of `players wallet`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The player's name or id.
    player: String,
    /// The pool.
    pool: PoolName,
    /// The address; without one, the present one is shown.
    #[arg(conflicts_with = "remove")]
    address: Option<Wallet>,
    /// Remove the address: the pool is asked about the ADVC wallet again.
    #[arg(long)]
    remove: bool,
}

pub(super) async fn run(session: &Session, db: &DatabaseConnection, args: Args) -> Result<(), Stop> {
    let Args { player, pool, address, remove } = args;
    if address.is_some() && !session.pools.iter().any(|spec| *spec.name() == pool) {
        return Err(Stop::failed(format!("there is no pool {pool}; `pool-poller pools list` shows all")));
    }
    if address.is_none() && !remove {
        let row = players::find(db, &player).await.map_err(Stop::failed)?;
        return match players::wallet_row(db, &row, &pool).await.map_err(Stop::failed)? {
            Some(wallet) => print(format_args!("{pool} knows {} as {}", row.username, wallet.address)),
            None => {
                print(format_args!("{pool} has no address of its own for {}; its wallet is {}", row.username, row.wallet_address))
            }
        };
    }
    let (row, before) = players::set_wallet(db, &player, &pool, address.as_ref(), now_utc()).await.map_err(Stop::failed)?;
    let name = row.username;
    match (address, before) {
        (Some(new), Some(old)) if new.as_str() == old => print(format_args!("{pool} knows {name} as {new} already")),
        (Some(new), _) => {
            print(format_args!("{pool} is asked about {new} for {name} from the next cycle on; its past is not paid"))
        }
        (None, Some(old)) => {
            print(format_args!("{old} removed: {pool} is asked about the ADVC wallet of {name} from the next cycle on"))
        }
        (None, None) => print(format_args!("{pool} has no address of its own for {name}")),
    }
}
