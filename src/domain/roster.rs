//! Who is polled where: which wallet stands for which player on which pool.
//!
//! Promises that one wallet on one pool stands for at most one player at a time, so that no payout is credited to two.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::names::{PlayerId, PoolName, Wallet};

/// A verified, active player as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Player {
    /// `players.id`.
    pub id: PlayerId,
    /// `players.wallet_address`, unless it is no address at all.
    pub wallet: Option<Wallet>,
    /// The addresses of `player_wallets`.
    pub pool_wallets: BTreeMap<PoolName, Wallet>,
}

/// Which of a player's addresses a pool is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressKind {
    /// The player's address for this pool where there is one, else the ADVC wallet.
    #[default]
    Player,
    /// Only an address that was given for this pool.
    Payout,
}

/// One wallet to ask one pool about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollJob {
    /// Whose it is.
    pub player: PlayerId,
    /// The address.
    pub wallet: Wallet,
}

/// The work for one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolWork {
    /// One job a wallet.
    pub jobs: Vec<PollJob>,
    /// Players whose wallet is another player's already; they are not polled and a person should see it.
    pub taken: Vec<PollJob>,
}

/// Works out what to ask `pool` about. An ADVC wallet, which the game has proven to be the player's, wins over an address of the
/// same text that was given for the pool, and among equals the player with the lower id.
#[must_use]
pub fn work_for(pool: &PoolName, addresses: AddressKind, players: &[Player]) -> PoolWork {
    let explicit = players.iter().filter_map(|player| Some((player, player.pool_wallets.get(pool)?)));
    let fallback = players
        .iter()
        .filter(|player| addresses == AddressKind::Player && !player.pool_wallets.contains_key(pool))
        .filter_map(|player| Some((player, player.wallet.as_ref()?)));
    let mut claimed: HashSet<&Wallet> = HashSet::with_capacity(players.len());
    let mut work = PoolWork::default();
    for (player, wallet) in fallback.chain(explicit) {
        let job = PollJob { player: player.id, wallet: wallet.clone() };
        if claimed.insert(wallet) { work.jobs.push(job) } else { work.taken.push(job) }
    }
    work
}

/// How many wallets each player has work for, for a summary.
#[must_use]
pub fn players_in(work: &[PoolWork]) -> usize {
    let mut seen: HashMap<PlayerId, ()> = HashMap::new();
    for job in work.iter().flat_map(|work| &work.jobs) {
        seen.insert(job.player, ());
    }
    seen.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn player(id: i32, wallet: &str, zpool: Option<&str>) -> Player {
        let pool_wallets = zpool.map(|address| ("zpool".parse().unwrap(), address.parse().unwrap())).into_iter().collect();
        Player { id: PlayerId(id), wallet: wallet.parse().ok(), pool_wallets }
    }

    fn asked(work: &PoolWork) -> Vec<(i32, &str)> {
        work.jobs.iter().map(|job| (job.player.0, job.wallet.as_str())).collect()
    }

    #[test]
    fn a_pool_is_asked_about_its_own_address_and_else_about_the_advc_wallet() {
        let players = [player(1, "A", None), player(2, "B", Some("btc2")), player(3, "", None)];
        let zpool = "zpool".parse().unwrap();
        assert_eq!(asked(&work_for(&zpool, AddressKind::Player, &players)), [(1, "A"), (2, "btc2")]);
        assert_eq!(asked(&work_for(&zpool, AddressKind::Payout, &players)), [(2, "btc2")]);
        assert_eq!(asked(&work_for(&"rplant".parse().unwrap(), AddressKind::Player, &players)), [(1, "A"), (2, "B")]);
    }

    #[test]
    fn one_wallet_stands_for_one_player() {
        let players = [player(1, "A", None), player(2, "B", Some("A"))];
        let work = work_for(&"zpool".parse().unwrap(), AddressKind::Player, &players);
        assert_eq!(asked(&work), [(1, "A")], "the proven wallet is its owner's");
        assert_eq!(work.taken, [PollJob { player: PlayerId(2), wallet: "A".parse().unwrap() }]);
        assert_eq!(players_in(&[work]), 1);
    }
}
