//! What waits for the ledger's next commit, and what goes into it.

use std::collections::VecDeque;

use super::Work;

/// Observations of one transaction at most, unless a single message holds more.
const OBSERVATIONS_PER_COMMIT: usize = 1_500;

/// The work that waits. Observations and everything else take turns: what the game acknowledged is marked in a transaction of its
/// own, and a payout would wait for that as well if it came before each one.
#[derive(Default)]
pub(super) struct Queue {
    observations: VecDeque<Work>,
    others: VecDeque<Work>,
    /// The last batch was of observations.
    observations_were_last: bool,
}

impl Queue {
    /// Adds one behind those of its kind.
    pub(super) fn push(&mut self, work: Work) {
        match work {
            Work::Record { .. } => self.observations.push_back(work),
            Work::Deliver { .. } | Work::Resume { .. } | Work::Prune { .. } => self.others.push_back(work),
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.observations.is_empty() && self.others.is_empty()
    }

    /// Whether the next batch is better for waiting a moment: it would be of observations, as the last one was, and those whose
    /// observations were stored with that one are about to hand over what has gathered meanwhile.
    pub(super) fn expects_company(&self) -> bool {
        self.observations_were_last && self.others.is_empty()
    }

    /// Forgets all of it.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes everything that goes into one commit.
    pub(super) fn next_batch(&mut self) -> Vec<Work> {
        self.observations_were_last = !self.observations.is_empty() && (self.others.is_empty() || !self.observations_were_last);
        if !self.observations_were_last {
            return self.others.drain(..).collect();
        }
        let mut batch = Vec::new();
        let mut observations = 0;
        while let Some(work) = self.observations.front() {
            let size = if let Work::Record { observations, .. } = work { observations.len() } else { 0 };
            if !batch.is_empty() && observations + size > OBSERVATIONS_PER_COMMIT {
                break;
            }
            observations += size;
            batch.extend(self.observations.pop_front());
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::oneshot;

    use super::*;
    use crate::actors::ledger::RecordDelivery;
    use crate::domain::payout::AnomalyKind;
    use crate::domain::{PlayerId, PoolName};
    use crate::store::book::{AnomalyReport, Observation};

    fn observations(count: usize) -> Work {
        let pool: PoolName = "a".parse().unwrap();
        let anomaly = AnomalyReport {
            player: PlayerId(1),
            pool: pool.clone(),
            wallet: "W1".parse().unwrap(),
            kind: AnomalyKind::IdentityMismatch,
            detail: String::new(),
        };
        let observations = Arc::new(vec![Observation::Anomaly(anomaly); count]);
        Work::Record { observations, pool, reply: oneshot::channel().0 }
    }

    fn delivery() -> Work {
        Work::Deliver { delivery: RecordDelivery::default(), reply: oneshot::channel().0 }
    }

    fn queue(works: impl IntoIterator<Item = Work>) -> Queue {
        let mut queue = Queue::default();
        works.into_iter().for_each(|work| queue.push(work));
        queue
    }

    /// The kinds of a batch.
    fn next(queue: &mut Queue) -> String {
        let kind = |work: &Work| if let Work::Record { .. } = work { 'o' } else { 'd' };
        queue.next_batch().iter().map(kind).collect()
    }

    #[test]
    fn observations_and_deliveries_take_turns() {
        let mut queue = queue([delivery(), observations(1), delivery(), observations(2)]);
        assert_eq!(next(&mut queue), "oo", "a payout comes first");
        queue.push(observations(1));
        assert_eq!(next(&mut queue), "dd");
        queue.push(delivery());
        assert_eq!((next(&mut queue), next(&mut queue)), ("o".to_owned(), "d".to_owned()));
        assert!(queue.is_empty());
        queue.push(delivery());
        assert_eq!(next(&mut queue), "d", "one's turn is not waited for where it has nothing");
    }

    #[test]
    fn company_is_expected_only_where_observations_would_follow_observations() {
        let mut queue = queue([observations(1)]);
        assert!(!queue.expects_company(), "the first ones begin at once");
        next(&mut queue);
        assert!(queue.expects_company());
        queue.push(observations(1));
        assert!(queue.expects_company(), "others may be about to join them");
        queue.push(delivery());
        assert!(!queue.expects_company(), "there is something to do meanwhile");
        assert_eq!(next(&mut queue), "d");
        assert!(!queue.expects_company(), "that was time enough");
    }

    #[test]
    fn a_batch_is_as_long_as_a_commit_or_one_message() {
        let mut queue = queue([2_000, 700, 800, 1].map(observations));
        assert_eq!(["o", "oo", "o"].map(|_| next(&mut queue)), ["o", "oo", "o"]);
        assert!(queue.is_empty());
    }
}
