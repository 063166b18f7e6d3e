//! Payouts that a pool lists one by one instead of counting them: which of a list are new, and what all of them add up to.
//!
//! The counter of such a wallet is the daemon's own sum of every payout that was ever recorded of it, so everything that the
//! money rule says about counters holds for it. Promises: a payout is known by its id and counted once, however often, in
//! whatever order and by however many daemons it is seen; an id that comes back with another amount changes nothing. Leaves
//! to others: remembering (`store::listed`) and deciding what the sum is worth (`payout`).

use std::collections::HashMap;
use std::sync::Arc;

use super::amount::{Amount, Overflow};

/// What every list's source begins with.
const LIST: &str = "list:";
/// Stands before the unit in a source.
pub const UNIT_MARK: &str = "@1e-";

/// One payout of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// What the pool knows it by, mostly the transaction; unique within a wallet.
    pub id: String,
    /// In the pool's own currency.
    pub amount: Amount,
    /// When the pool says that it paid, in seconds since 1970. For show only.
    pub time: Option<i64>,
}

/// The payouts that an answer lists of one wallet. It may be a part of all: lists are short and reach back a limited time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which list, by which id and in which unit; see [`source`].
    pub source: Arc<str>,
    /// Each id once.
    pub payouts: Vec<Payout>,
    /// How far back the list reaches, in seconds, where the pool file says it.
    pub window_seconds: Option<u64>,
}

/// The source of a list: where its items are, and what in an item is the id and the amount. Another id would make every
/// payout look new, so all of it is pinned in the position.
#[must_use]
pub fn source(items: &str, id: &str, amount: &str) -> String {
    format!("{LIST}{items}:{id}:{amount}")
}

/// Whether a position with this source counts listed payouts.
#[must_use]
pub fn is_list(source: &str) -> bool {
    source.starts_with(LIST)
}

/// Whether two sources name the same list with the same ids, be it in another unit.
#[must_use]
pub fn is_same_list(one: &str, other: &str) -> bool {
    is_list(one) && without_unit(one) == without_unit(other)
}

fn without_unit(source: &str) -> &str {
    source.rsplit_once(UNIT_MARK).map_or(source, |(before, _)| before)
}

/// A payout as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// In the currency and unit of its time.
    pub amount: Amount,
    /// The source of the list at that time.
    pub source: Arc<str>,
}

/// What is recorded of one wallet's payouts, as far as it matters: their sum, and those that an answer has named lately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// How many there are.
    pub number: i64,
    /// What they add up to.
    pub total: Amount,
    /// By their ids. Of an id that is not in here nothing is known, unless the record was asked about it before.
    pub known: HashMap<String, Known>,
}

/// A payout that was recorded for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// The payout.
    pub payout: Payout,
    /// Its number within the wallet, from 1 without gaps.
    pub number: i64,
    /// The sum of all payouts up to and with this one.
    pub total: Amount,
}

/// A payout whose amount is not the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its id.
    pub id: String,
    /// What is recorded.
    pub recorded: Amount,
    /// What the list says now.
    pub listed: Amount,
}

/// What a list brings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Payouts that were not recorded before, the oldest first.
    pub fresh: Vec<Fresh>,
    /// The first payout that is not what it was.
    pub changed: Option<Changed>,
}

impl Record {
    /// Adds what `listed` has and the record has not. Every id of the list that was ever recorded must be in `known`.
    ///
    /// # Errors
    /// When the sum is too large to be represented; the record is then as it was.
    pub fn take(&mut self, listed: &Listed) -> Result<Taken, Overflow> {
        let mut taken = Taken::default();
        let mut new: Vec<&Payout> = Vec::new();
        for payout in &listed.payouts {
            match self.known.get(&payout.id) {
                None => new.push(payout),
                // In another unit or currency the amounts cannot be compared; what is recorded stays recorded.
                Some(known) if known.source != listed.source || known.amount == payout.amount => {}
                Some(known) => {
                    taken.changed.get_or_insert_with(|| Changed {
                        id: payout.id.clone(),
                        recorded: known.amount,
                        listed: payout.amount,
                    });
                }
            }
        }
        // Two daemons number the same payouts alike, whatever order the pool lists them in.
        new.sort_by(|one, other| (one.time, &one.id).cmp(&(other.time, &other.id)));
        let mut total = self.total;
        let mut number = self.number;
        for payout in new {
            total = total.checked_add(payout.amount).ok_or(Overflow)?;
            number += 1;
            taken.fresh.push(Fresh { payout: payout.clone(), number, total });
        }
        (self.total, self.number) = (total, number);
        for Fresh { payout, .. } in &taken.fresh {
            self.known.insert(payout.id.clone(), Known { amount: payout.amount, source: listed.source.clone() });
        }
        Ok(taken)
    }

    /// The ids of `listed` that the record cannot speak about yet.
    pub fn unknown<'a>(&self, listed: &'a Listed) -> impl Iterator<Item = &'a str> {
        listed.payouts.iter().map(|payout| payout.id.as_str()).filter(|id| !self.known.contains_key(*id))
    }

    /// Forgets the payouts that are no longer in the list, so that memory is bounded by what a pool answers.
    pub fn keep_only(&mut self, listed: &Listed) {
        let named: std::collections::HashSet<&str> = listed.payouts.iter().map(|payout| payout.id.as_str()).collect();
        self.known.retain(|id, _| named.contains(id.as_str()));
    }
}

#[cfg(test)]
#[path = "listed_tests.rs"]
mod tests;
