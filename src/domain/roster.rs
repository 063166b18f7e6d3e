//! Who is polled where: which wallet stands for which player on which pool.
//!
//! A [`Roster`] is what the database has, read anew for every cycle because the game writes there whenever it likes. It is made
//! to be thrown away: all its addresses are one text. [`Lists`] keeps what is polled from cycle to cycle.

use std::collections::BTreeMap;
use std::ops::Range;

use super::names::{NameError, PlayerId, PoolName, Wallet};

mod lists;

pub use lists::{Lists, PoolWork};

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

/// The verified, active players and their addresses, and what of them cannot be polled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// All addresses, one behind the other.
    texts: String,
    /// In the order of their ids, with the ADVC wallet.
    players: Vec<Row>,
    /// The addresses that were given for one pool, as they were added.
    pools: BTreeMap<PoolName, Vec<Row>>,
    /// Another number than in an earlier roster says that an answer which changed nothing may change something now: an operator
    /// or the settings decided otherwise since.
    pub era: u64,
    /// Addresses in the database that are no addresses, with the reason: `player 7: …`.
    pub unusable: Vec<(PlayerId, String)>,
}

/// A player's address in `texts`. An empty one is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    player: PlayerId,
    start: u32,
    bytes: u16,
}

impl Row {
    fn range(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + usize::from(self.bytes)
    }
}

impl Roster {
    /// Takes in a player with the address in `players.wallet_address`. The players come in the order of their ids.
    pub fn add_player(&mut self, player: PlayerId, address: &str) {
        let row = match self.put(player, address) {
            Ok(row) => row,
            Err(error) => {
                self.unusable.push((player, error.to_string()));
                Row { player, start: 0, bytes: 0 }
            }
        };
        self.players.push(row);
    }

    /// Takes in an address of `player_wallets`, when all players are there. Another player's than theirs is passed over; of two
    /// for one player and pool the last one counts.
    pub fn add_pool_wallet(&mut self, player: PlayerId, pool: &str, address: &str) {
        if self.players.binary_search_by_key(&player, |row| row.player).is_err() {
            return;
        }
        let parsed = if self.pools.contains_key(pool) { Ok(None) } else { pool.parse::<PoolName>().map(Some) };
        let row = self.put(player, address);
        for error in [parsed.as_ref().err(), row.as_ref().err()].into_iter().flatten() {
            self.unusable.push((player, error.to_string()));
        }
        let (Ok(new), Ok(row)) = (parsed, row) else { return };
        if let Some(new) = new {
            self.pools.insert(new, Vec::new());
        }
        if let Some(rows) = self.pools.get_mut(pool) {
            rows.push(row);
        }
    }

    fn put(&mut self, player: PlayerId, address: &str) -> Result<Row, NameError> {
        Wallet::check(address)?;
        // Four gigabytes of addresses are more than fit into memory elsewhere.
        let start = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push_str(address);
        Ok(Row { player, start, bytes: u16::try_from(address.len()).unwrap_or_default() })
    }

    /// How many players there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.players.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.players.is_empty()
    }

    /// The players and their ADVC wallets, where they have one, in the order of their ids.
    pub fn players(&self) -> impl ExactSizeIterator<Item = (PlayerId, Option<&str>)> {
        self.players.iter().map(|row| (row.player, self.text(*row)))
    }

    /// The pools for which addresses were given.
    fn pools(&self) -> impl Iterator<Item = &PoolName> {
        self.pools.keys()
    }

    /// The players with an address for `pool` and that address, as they were added.
    pub fn pool_wallets(&self, pool: &PoolName) -> impl ExactSizeIterator<Item = (PlayerId, Option<&str>)> {
        self.pools.get(pool).map(Vec::as_slice).unwrap_or_default().iter().map(|row| (row.player, self.text(*row)))
    }

    /// Puts what [`pool_wallets`](Self::pool_wallets) answers in the order of the players, one for each.
    fn sort(&mut self) {
        for rows in self.pools.values_mut() {
            // Stable, and the last one first: it is the one that stays.
            rows.reverse();
            rows.sort_by_key(|row| row.player);
            rows.dedup_by_key(|row| row.player);
        }
    }

    fn text(&self, row: Row) -> Option<&str> {
        self.texts.get(row.range()).filter(|text| !text.is_empty())
    }
}
