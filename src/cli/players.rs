//! `pool-poller players`: who is polled.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::json;

use super::decision::{exact_text, last_award, last_award_json, plain_text};
use super::output::print;
use super::table::{table, yes};
use super::{Session, Stop, import, wallet};
use crate::domain::{PoolName, Wallet};
use crate::store::now_utc;
use crate::store::players::{self, Flag, NewPlayer, PlayerRow};

/// Subcommands of `players`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a player.
    ///
    /// Example: pool-poller players add alice --email alice@example.org --wallet AXyz… --verified
    Add(Add),
    /// Add many players from a CSV file: all of them, or none and a line for each fault.
    ///
    /// The first line names the columns: username, email, wallet, and where wanted verified (true or false) and wallet:POOL.
    ///
    /// Example: pool-poller players import players.csv
    Import(import::Args),
    /// List all players.
    ///
    /// Example: pool-poller players list --json | jq 'map(select(.verified | not))'
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Mark a player's wallet as proven: the player is polled from the next cycle on.
    ///
    /// Example: pool-poller players verify alice
    Verify {
        /// The player's name or id.
        player: String,
    },
    /// Poll a player again who was deactivated.
    ///
    /// Example: pool-poller players activate alice
    Activate {
        /// The player's name or id.
        player: String,
    },
    /// Stop polling a player. Nothing that was awarded changes.
    ///
    /// Example: pool-poller players deactivate alice
    Deactivate {
        /// The player's name or id.
        player: String,
    },
    /// Show, set or remove the address by which one pool knows a player.
    ///
    /// Another address opens a new position: counting begins anew there, and what was awarded stays.
    ///
    /// Example: pool-poller players wallet alice zpool bc1q…
    Wallet(wallet::Args),
}

/// Arguments of `players add`.
#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// The player's unique name.
    #[arg(value_parser = |text: &str| unique_text(text, 100))]
    name: String,
    /// The player's unique mail address.
    #[arg(long, value_parser = |text: &str| unique_text(text, 255))]
    email: String,
    /// The player's ADVC wallet.
    #[arg(long, value_name = "ADDRESS")]
    wallet: Wallet,
    /// The address by which one pool knows the player, where it is another one; can be repeated.
    #[arg(long, value_name = "POOL=ADDRESS", value_parser = pool_wallet)]
    pool_wallet: Vec<(PoolName, Wallet)>,
    /// The wallet is proven: poll the player from the next cycle on.
    #[arg(long)]
    verified: bool,
}

/// A text that fits its column on PostgreSQL and shows on one line.
pub(super) fn unique_text(text: &str, chars_max: usize) -> Result<String, String> {
    let fits = (1..=chars_max).contains(&text.chars().count());
    if fits && text.trim() == text && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("must be 1 to {chars_max} characters, none of them a control character, without white space around them"))
    }
}

fn pool_wallet(text: &str) -> Result<(PoolName, Wallet), String> {
    let (pool, wallet) = text.split_once('=').ok_or("expected POOL=ADDRESS")?;
    Ok((pool.parse().map_err(|error| format!("{error}"))?, wallet.parse().map_err(|error| format!("{error}"))?))
}

pub(super) async fn run(config: Option<PathBuf>, command: Command) -> Result<(), Stop> {
    // Only who names a pool needs to know them.
    let names_pools = matches!(command, Command::Import(_) | Command::Wallet(_))
        || matches!(&command, Command::Add(add) if !add.pool_wallet.is_empty());
    let session = if names_pools { Session::load(config)? } else { Session::without_pools(config)? };
    let db = session.connect_migrated().await?;
    match command {
        Command::Add(add) => {
            let known = |pool: &PoolName| session.pools.iter().any(|spec| spec.name() == pool);
            if let Some((pool, _)) = add.pool_wallet.iter().find(|(pool, _)| !known(pool)) {
                return Err(Stop::failed(format!("there is no pool {pool}; `pool-poller pools list` shows all")));
            }
            let pools: BTreeSet<&PoolName> = add.pool_wallet.iter().map(|(pool, _)| pool).collect();
            if pools.len() < add.pool_wallet.len() {
                return Err(Stop::failed("--pool-wallet names a pool twice; a player has one address on a pool"));
            }
            let name = add.name.clone();
            let verified = add.verified;
            let player =
                NewPlayer { username: add.name, email: add.email, wallet: add.wallet, pool_wallets: add.pool_wallet, verified };
            let id = players::add(&db, player, now_utc()).await.map_err(Stop::failed)?;
            let next = if verified { "polled from the next cycle on" } else { "not polled until `pool-poller players verify`" };
            print(format_args!("player {id} ({name}) added, {next}"))?;
        }
        Command::Wallet(args) => wallet::run(&session, &db, args).await?,
        Command::List { json } => {
            let rows = players::list(&db).await.map_err(Stop::failed)?;
            print(if json { as_json(&rows) } else { as_table(&rows) })?;
        }
        Command::Verify { player } => {
            let row = players::set_flag(&db, &player, Flag::Verified(true), now_utc()).await.map_err(Stop::failed)?;
            let next = if row.active { "polled from the next cycle on" } else { "not polled: the account is not active" };
            print(format_args!("player {} ({}) is verified, {next}", row.id, row.username))?;
        }
        Command::Import(args) => import::run(&session, &db, args).await?,
        Command::Activate { player } => {
            let row = players::set_flag(&db, &player, Flag::Active(true), now_utc()).await.map_err(Stop::failed)?;
            let next = if row.verified { "polled from the next cycle on" } else { "not polled: the wallet is not verified" };
            print(format_args!("player {} ({}) is active, {next}", row.id, row.username))?;
        }
        Command::Deactivate { player } => {
            let row = players::set_flag(&db, &player, Flag::Active(false), now_utc()).await.map_err(Stop::failed)?;
            print(format_args!("player {} ({}) is no longer polled", row.id, row.username))?;
        }
    }
    db.close().await.map_err(Stop::failed)
}

fn as_table(rows: &[PlayerRow]) -> String {
    let headings = ["id", "name", "wallet", "verified", "active", "ap", "advc", "last award (UTC)"];
    let cells = rows.iter().map(|row| {
        vec![
            row.id.to_string(),
            row.username.clone(),
            row.wallet_address.clone(),
            yes(row.verified),
            yes(row.active),
            plain_text(&row.total_ap),
            plain_text(&row.total_advc_mined),
            last_award(row),
        ]
    });
    table(&headings, &["id", "ap", "advc"], cells)
}

fn as_json(rows: &[PlayerRow]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "id": row.id, "username": row.username, "email": row.email, "wallet_address": row.wallet_address,
                "total_ap": exact_text(&row.total_ap), "total_advc_mined": exact_text(&row.total_advc_mined),
                "level": row.level, "verified": row.verified, "active": row.active,
                "last_mining_event": last_award_json(row),
            })
        })
        .collect();
    format!("{:#}", json!(rows))
}
