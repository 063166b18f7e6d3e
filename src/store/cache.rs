//! The ledger's memory of positions: one entry for each wallet on each pool, so what an entry takes counts a hundred thousand times.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::positions::{Entry, Key};
use crate::domain::{PoolName, Wallet};

/// Entries by pool and wallet. The texts are shared with those who ask.
#[derive(Debug, Default)]
pub(super) struct Cache(HashMap<PoolName, HashMap<Wallet, Entry, RandomState>>);

impl Cache {
    /// The entry of a wallet.
    pub(super) fn get(&self, pool: &PoolName, wallet: &Wallet) -> Option<&Entry> {
        self.0.get(pool)?.get(wallet)
    }

    /// Takes an entry out.
    pub(super) fn take(&mut self, (pool, wallet): &Key) -> Option<Entry> {
        self.0.get_mut(pool)?.remove(wallet)
    }

    /// Puts an entry in, in place of an older one.
    pub(super) fn put(&mut self, (pool, wallet): Key, entry: Entry) {
        self.0.entry(pool).or_default().insert(wallet, entry);
    }

    /// Forgets all entries but those that `stays` is true of.
    pub(super) fn retain(&mut self, stays: impl Fn(&Entry) -> bool) {
        for entries in self.0.values_mut() {
            entries.retain(|_, entry| stays(entry));
        }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.0.values().map(HashMap::len).sum()
    }
}
