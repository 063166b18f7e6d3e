//! Whether it is our own network that is gone, and not the pools.
//!
//! A pool that cannot be reached is that pool's matter; pools that cannot be reached all at once are ours. Then nothing is held
//! against them, and one request each, a few seconds apart, finds out when the network is back.
//!
//! Time is a [`Duration`] since any fixed moment of the caller's monotonic clock.

use std::collections::BTreeMap;
use std::time::Duration;

use super::names::PoolName;

/// Between two requests to one pool while the network is gone.
pub const RECHECK: Duration = Duration::from_secs(5);

/// A pool that was reached so long ago, and not asked since, says nothing about now.
const REACHED_COUNTS_FOR: Duration = Duration::from_secs(90);

/// How far a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The pool answered, well or badly, or at least took the connection.
    Pool,
    /// Nobody answered; it may be the pool or the way there.
    Nobody,
    /// The machine itself says that it has no network.
    NoNetwork,
}

/// What a request has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The network is gone.
    Lost,
    /// It is back, after so long.
    Back(Duration),
}

/// How each pool was last reached.
#[derive(Debug, Clone, Copy)]
enum Seen {
    Reached(Duration),
    /// Not since this moment; whether the machine itself said why.
    Unreached {
        since: Duration,
        no_network: bool,
    },
}

/// What all pools together know about the network.
#[derive(Debug, Default)]
pub struct Network {
    pools: BTreeMap<PoolName, Seen>,
    /// When anybody was last reached.
    reached_at: Option<Duration>,
    lost_at: Option<Duration>,
    losses: u64,
    /// How long it was gone, the running time not included.
    gone: Duration,
}

impl Network {
    /// `pool` will be asked: until it has been, for a while, the others alone do not tell about the network.
    pub fn expect(&mut self, pool: &PoolName, now: Duration) {
        self.pools.entry(pool.clone()).or_insert(Seen::Reached(now));
    }

    /// `pool` is asked no more, and says nothing about the network.
    pub fn forget(&mut self, pool: &PoolName) {
        self.pools.remove(pool);
    }

    /// A request to `pool` came so far at `now`.
    pub fn note(&mut self, pool: &PoolName, reach: Reach, now: Duration) -> Option<Change> {
        if reach == Reach::Pool {
            self.reached_at = Some(now);
            self.pools.insert(pool.clone(), Seen::Reached(now));
            let gone = now.saturating_sub(self.lost_at.take()?);
            self.gone += gone;
            return Some(Change::Back(gone));
        }
        let (since, known) = match self.pools.get(pool) {
            Some(Seen::Unreached { since, no_network }) => (*since, *no_network),
            _ => (now, false),
        };
        let no_network = reach == Reach::NoNetwork || known;
        self.pools.insert(pool.clone(), Seen::Unreached { since, no_network });
        if self.lost_at.is_none() && self.looks_lost(now) {
            self.lost_at = Some(now);
            self.losses += 1;
            return Some(Change::Lost);
        }
        None
    }

    fn looks_lost(&self, now: Duration) -> bool {
        // Who could not be reached while another answered is gone by itself.
        let is_new = |since: Duration| self.reached_at.is_none_or(|reached| since >= reached);
        let mut unreached = 0;
        let mut somebody_is_there = false;
        for seen in self.pools.values() {
            match seen {
                Seen::Unreached { since, no_network: true } if is_new(*since) => return true,
                Seen::Unreached { since, .. } if is_new(*since) => unreached += 1,
                Seen::Unreached { .. } => {}
                Seen::Reached(at) => somebody_is_there |= now.saturating_sub(*at) < REACHED_COUNTS_FOR,
            }
        }
        unreached >= 2 && !somebody_is_there
    }

    /// Whether the network is gone.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost_at.is_some()
    }

    /// How often it was lost.
    #[must_use]
    pub fn losses(&self) -> u64 {
        self.losses
    }

    /// How long it was gone in all, until `now`.
    #[must_use]
    pub fn gone(&self, now: Duration) -> Duration {
        self.gone + self.lost_at.map_or(Duration::ZERO, |lost| now.saturating_sub(lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of these notes changes.
    fn changes(notes: &[(u64, &str, Reach)]) -> Vec<Option<Change>> {
        let mut network = Network::default();
        let note =
            |(at, pool, reach): &(u64, &str, Reach)| network.note(&pool.parse().unwrap(), *reach, Duration::from_secs(*at));
        notes.iter().map(note).collect()
    }

    const BACK: fn(u64) -> Option<Change> = |secs| Some(Change::Back(Duration::from_secs(secs)));

    #[test]
    fn a_machine_without_a_network_says_so_itself() {
        let notes = [(0, "a", Reach::Pool), (60, "a", Reach::NoNetwork), (65, "a", Reach::NoNetwork), (70, "a", Reach::Pool)];
        assert_eq!(changes(&notes), [None, Some(Change::Lost), None, BACK(10)]);
    }

    #[test]
    fn pools_that_are_gone_all_at_once_are_our_own_loss() {
        let notes = [
            (0, "a", Reach::Pool),
            (1, "b", Reach::Pool),
            (60, "a", Reach::Nobody),
            (61, "b", Reach::Nobody),
            (66, "b", Reach::Pool),
        ];
        assert_eq!(changes(&notes), [None, None, None, Some(Change::Lost), BACK(5)]);
    }

    #[test]
    fn a_pool_that_is_gone_while_another_answers_is_gone_by_itself() {
        let mut notes = vec![(0, "a", Reach::Pool), (0, "b", Reach::Pool), (0, "c", Reach::Pool)];
        for minute in 1..100 {
            notes.extend([
                (60 * minute, "a", Reach::Nobody),
                (60 * minute + 1, "b", Reach::Nobody),
                (60 * minute + 2, "c", Reach::Pool),
            ]);
        }
        assert!(changes(&notes).iter().all(Option::is_none));
    }

    #[test]
    fn one_pool_alone_may_be_gone_without_the_network() {
        let notes: Vec<_> = (0..100).map(|minute| (60 * minute, "a", Reach::Nobody)).collect();
        assert!(changes(&notes).iter().all(Option::is_none));
    }

    #[test]
    fn a_pool_that_nobody_asks_any_more_vouches_for_nothing() {
        let notes = [(0, "left-alone", Reach::Pool), (300, "a", Reach::Pool), (300, "b", Reach::Pool)];
        let lost = [(400, "a", Reach::Nobody), (401, "b", Reach::Nobody)];
        let notes: Vec<_> = notes.into_iter().chain(lost).collect();
        assert_eq!(changes(&notes).last(), Some(&Some(Change::Lost)));
    }

    #[test]
    fn a_pool_that_was_dead_before_is_no_witness() {
        let mut notes = vec![(0, "dead", Reach::Nobody), (1, "alive", Reach::Pool), (60, "dead", Reach::Nobody)];
        notes.push((200, "alive", Reach::Nobody));
        assert!(changes(&notes).iter().all(Option::is_none), "one of the two was dead already");
        notes.push((205, "alive", Reach::NoNetwork));
        assert_eq!(changes(&notes).last(), Some(&Some(Change::Lost)));
    }

    #[test]
    fn a_pool_that_was_not_asked_yet_is_waited_for() {
        let mut network = Network::default();
        for pool in ["a", "b", "c"] {
            network.expect(&pool.parse().unwrap(), Duration::ZERO);
        }
        let mut note = |at, pool: &str| network.note(&pool.parse().unwrap(), Reach::Nobody, Duration::from_secs(at));
        assert_eq!([note(1, "a"), note(2, "b"), note(3, "c")], [None, None, Some(Change::Lost)]);
    }

    #[test]
    fn losses_and_their_time_are_counted() {
        let mut network = Network::default();
        let pool = "a".parse().unwrap();
        let at = Duration::from_secs;
        network.note(&pool, Reach::NoNetwork, at(10));
        assert!(network.is_lost());
        assert_eq!(network.gone(at(15)), at(5));
        network.note(&pool, Reach::Pool, at(20));
        network.note(&pool, Reach::NoNetwork, at(30));
        assert_eq!((network.losses(), network.gone(at(33))), (2, at(13)));
    }
}
