//! What each pool is asked about, kept from cycle to cycle.
//!
//! Promises that one wallet on one pool stands for at most one player at a time, so that no payout is credited to two; and that
//! where the players have not changed, the lists are the very same ones, with the very same texts.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::{AddressKind, PollJob, Roster};
use crate::domain::names::{PlayerId, PoolName, Wallet};

/// The work for one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolWork {
    /// One job a wallet.
    pub jobs: Arc<[PollJob]>,
    /// Players whose wallet is another player's already; they are not polled and a person should see it.
    pub taken: Arc<[PollJob]>,
}

/// Players and one address of each, in the order of the players.
type Addresses = Vec<(PlayerId, Option<Wallet>)>;

/// The players of the newest roster and what is to be asked about them.
#[derive(Debug, Default)]
pub struct Lists {
    /// Their ADVC wallets.
    players: Addresses,
    /// The addresses that were given for a pool.
    pools: BTreeMap<PoolName, Addresses>,
    /// The work for a pool for which no address was given.
    common: Option<PoolWork>,
    /// The work for the others, as far as nothing has changed since it was worked out.
    own: Vec<(PoolName, AddressKind, PoolWork)>,
    /// How many players the newest jobs are about.
    polled: usize,
    counted: Vec<Arc<[PollJob]>>,
}

impl Lists {
    /// Goes by a new roster.
    pub fn take_up(&mut self, mut roster: Roster) {
        roster.sort();
        if merge(&mut self.players, roster.players()) {
            self.common = None;
            self.own.clear();
        }
        let gone: Vec<PoolName> = self.pools.keys().filter(|pool| !roster.pools.contains_key(*pool)).cloned().collect();
        for pool in gone.iter().chain(roster.pools()) {
            let addresses = self.pools.entry(pool.clone()).or_default();
            if merge(addresses, roster.pool_wallets(pool)) {
                self.own.retain(|(other, ..)| other != pool);
            }
        }
        self.pools.retain(|_, addresses| !addresses.is_empty());
    }

    /// Works out what to ask each of `pools` about, and how many players that concerns. An ADVC wallet, which the game has proven
    /// to be the player's, wins over an address of the same text that was given for the pool, and among equals the player with
    /// the lower id.
    pub fn work<'a>(&mut self, pools: impl IntoIterator<Item = (&'a PoolName, AddressKind)>) -> (Vec<PoolWork>, usize) {
        let before = std::mem::take(&mut self.own);
        let work: Vec<PoolWork> = pools.into_iter().map(|(pool, addresses)| self.work_for(pool, addresses, &before)).collect();
        let is_counted = self.counted.len() == work.len()
            && self.counted.iter().zip(&work).all(|(counted, work)| Arc::ptr_eq(counted, &work.jobs));
        if !is_counted {
            self.polled = players_in(&self.players, &work);
            self.counted = work.iter().map(|work| Arc::clone(&work.jobs)).collect();
        }
        (work, self.polled)
    }

    fn work_for(&mut self, pool: &PoolName, addresses: AddressKind, before: &[(PoolName, AddressKind, PoolWork)]) -> PoolWork {
        let given = self.pools.get(pool);
        if given.is_none() && addresses == AddressKind::Player {
            return self.common.get_or_insert_with(|| assign(self.players.iter(), std::iter::empty())).clone();
        }
        let known = before.iter().find(|(name, kind, _)| name == pool && *kind == addresses);
        let work = known.map(|(.., work)| work.clone()).unwrap_or_else(|| {
            let given = given.map(Vec::as_slice).unwrap_or_default();
            let proven = if addresses == AddressKind::Player { self.players.as_slice() } else { &[] };
            let mut next = given.iter().map(|(player, _)| *player).peekable();
            // Both are in the order of the players.
            let fallback = proven.iter().filter(|(player, _)| {
                while next.next_if(|given| given < player).is_some() {}
                next.peek() != Some(player)
            });
            assign(fallback, given.iter())
        });
        self.own.push((pool.clone(), addresses, work.clone()));
        work
    }
}

/// Makes `kept` what `rows` say, and answers whether it was something else. Texts that stay the same stay where they are.
fn merge<'a>(kept: &mut Addresses, rows: impl ExactSizeIterator<Item = (PlayerId, Option<&'a str>)>) -> bool {
    let mut is_changed = kept.len() != rows.len();
    let mut before = std::mem::replace(kept, Vec::with_capacity(rows.len())).into_iter().peekable();
    for (player, address) in rows {
        while before.next_if(|(other, _)| *other < player).is_some() {
            is_changed = true;
        }
        let known = before.next_if(|(other, _)| *other == player).and_then(|(_, wallet)| wallet);
        let wallet = if known.as_ref().map(Wallet::as_str) == address {
            known
        } else {
            is_changed = true;
            address.and_then(|address| address.parse().ok())
        };
        kept.push((player, wallet));
    }
    is_changed || before.next().is_some()
}

/// Gives each wallet to the first who has it.
fn assign<'a>(
    proven: impl Iterator<Item = &'a (PlayerId, Option<Wallet>)>,
    given: impl Iterator<Item = &'a (PlayerId, Option<Wallet>)>,
) -> PoolWork {
    let all = proven.chain(given).filter_map(|(player, wallet)| Some((*player, wallet.as_ref()?)));
    let most = all.size_hint().1.unwrap_or_default();
    let mut claimed: HashSet<&Wallet, RandomState> = HashSet::with_capacity_and_hasher(most, RandomState::default());
    let (mut jobs, mut taken) = (Vec::with_capacity(most), Vec::new());
    for (player, wallet) in all {
        let job = PollJob { player, wallet: wallet.clone() };
        if claimed.insert(wallet) { jobs.push(job) } else { taken.push(job) }
    }
    PoolWork { jobs: jobs.into(), taken: taken.into() }
}

/// How many players have work, of all `players`.
fn players_in(players: &Addresses, work: &[PoolWork]) -> usize {
    let mut has_work = vec![false; players.len()];
    let mut counted: Vec<&Arc<[PollJob]>> = Vec::new();
    for PoolWork { jobs, .. } in work {
        if counted.iter().any(|other| Arc::ptr_eq(other, jobs)) {
            continue;
        }
        counted.push(jobs);
        let mut guess = 0;
        for job in jobs.iter() {
            // They come in the order of the players, but for one step back to those with an address of their own.
            let is_it = |index: &usize| players.get(*index).is_some_and(|(player, _)| *player == job.player);
            let index =
                Some(guess).filter(is_it).or_else(|| players.binary_search_by_key(&job.player, |(player, _)| *player).ok());
            if let Some(has_work) = index.and_then(|index| has_work.get_mut(index)) {
                *has_work = true;
            }
            guess = index.unwrap_or_default() + 1;
        }
    }
    has_work.into_iter().filter(|has_work| *has_work).count()
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
