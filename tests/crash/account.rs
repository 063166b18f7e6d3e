//! The account after a disaster: what the pools paid, what was awarded, what the game server was told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::daemon::eventually;
use crate::payday::Payday;

/// How long the last payouts may take to be awarded and told once everything is well again.
const SETTLE_MAX: Duration = Duration::from_secs(120);

impl Payday {
    /// Starts the daemon once more, waits until all is awarded and told, stops it and checks the account. Answers how many
    /// payouts and how many awards there were.
    pub(crate) fn settle(&self) -> (usize, usize) {
        let daemon = self.bench.start();
        self.wait_settled();
        daemon.stop();
        self.check()
    }

    /// Waits until all is awarded and told.
    pub(crate) fn wait_settled(&self) {
        eventually("everything paid is awarded and told", SETTLE_MAX, || {
            let settled =
                self.bench.rows.awarded() == self.bench.paid() && self.bench.rows.awards().iter().all(|award| award.notified);
            settled.then_some(())
        });
    }

    /// 0 lost, 0 twice, every award told at least once with one id and one content.
    pub(crate) fn check(&self) -> (usize, usize) {
        let bench = &self.bench;
        let (awards, payouts) = (bench.rows.awards(), bench.pools.payouts().len());
        assert_eq!(bench.rows.awarded(), bench.paid(), "awarded and paid, by pool and wallet, seed {}", self.seed);
        assert!(bench.rows.events().len() == awards.len(), "nothing was held");

        let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for received in bench.game.received() {
            told.entry(received.event_id()).or_default().insert(received.payload.to_string());
        }
        let ids: BTreeSet<String> = awards.iter().map(|award| award.event_id.clone().expect("an event id")).collect();
        assert_eq!(ids.len(), awards.len(), "each award has its own id");
        assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), ids, "every award is told, and nothing else");
        let changed: Vec<_> = told.iter().filter(|(_, contents)| contents.len() != 1).collect();
        assert!(changed.is_empty(), "a repeated notice says the same: {changed:?}");

        self.verify();
        (payouts, awards.len())
    }

    /// The program's own proof, row by row.
    pub(crate) fn verify(&self) {
        let verified = self.bench.run(&["verify"]);
        let said = format!("{}{}", String::from_utf8_lossy(&verified.stdout), String::from_utf8_lossy(&verified.stderr));
        assert!(verified.status.success(), "verify: {said}");
    }
}
