//! What the scheduler makes of the players, and what it says about them.

use std::sync::Arc;

use pool_poller::domain::payout::AnomalyKind;
use pool_poller::domain::roster::AddressKind;
use pool_poller::store::book::{AnomalyReport, Observation};

use super::bench::{figure, paused, player, pool, secs, wait, wallet};
use super::log::Log;
use super::scheduler_bench::{Around, Bench, FakePool, players, players_with};

use pool_poller::actors::scheduler::Mode;

#[test]
fn each_pool_is_sent_the_wallets_that_it_knows() {
    paused(async {
        let (advc, btc) = (FakePool::new("advc"), FakePool::new("btc"));
        let mut roster = players(3);
        roster.add_pool_wallet(player(2), "btc", "bc1two");
        let mut around = Around::new(&[&advc, &btc], roster);
        around.slots[1].addresses = AddressKind::Payout;
        let _bench = around.start(Mode::Every(secs(60)));
        wait(secs(1)).await;
        let asked = |of: &FakePool| -> Vec<(i32, String)> {
            of.polls.borrow()[0].1.jobs.iter().map(|job| (job.player.0, job.wallet.to_string())).collect()
        };
        assert_eq!(asked(&advc), [(1, "W1".to_owned()), (2, "W2".to_owned()), (3, "W3".to_owned())]);
        assert_eq!(asked(&btc), [(2, "bc1two".to_owned())]);
        assert_eq!(advc.polls.borrow()[0].1.spread, secs(60));
    });
}

#[test]
fn a_change_of_the_players_is_seen_at_the_next_cycle() {
    paused(async {
        let one = FakePool::new("a");
        let bench = Bench::every_minute(&[&one], players(1));
        wait(secs(30)).await;
        *bench.ledger.roster.borrow_mut() = players(5);
        wait(secs(60)).await;
        *bench.ledger.roster.borrow_mut() = players(2);
        wait(secs(60)).await;
        let counts: Vec<usize> = one.polls.borrow().iter().map(|(_, poll)| poll.jobs.len()).collect();
        assert_eq!(counts, [1, 5, 2]);
        wait(secs(60)).await;
        let list = |cycle: usize| Arc::clone(&one.polls.borrow()[cycle].1.jobs);
        assert!(Arc::ptr_eq(&list(2), &list(3)), "without a change, it is the same list");
        assert_eq!(figure(&bench.metrics().await, "/players"), 2);
    });
}

#[test]
fn a_wallet_that_is_taken_is_asked_for_once_and_reported_as_an_anomaly() {
    paused(async {
        let one = FakePool::new("a");
        let bench = Bench::every_minute(&[&one], players_with(&["W1", "W2", "W1"]));
        wait(secs(1)).await;
        let asked: Vec<i32> = one.polls.borrow()[0].1.jobs.iter().map(|job| job.player.0).collect();
        assert_eq!(asked, [1, 2], "the wallet stands for the player with the lower id");
        let recorded = bench.ledger.recorded.borrow();
        let [message] = recorded.as_slice() else { panic!("one message: {recorded:?}") };
        assert_eq!(message.pool, pool("a"));
        let [Observation::Anomaly(AnomalyReport { player: whose, wallet: which, kind, .. })] = message.observations.as_slice()
        else {
            panic!("one anomaly: {message:?}")
        };
        assert_eq!((*whose, which, *kind), (player(3), &wallet("W1"), AnomalyKind::WalletTaken));
    });
}

#[test]
fn an_unusable_address_is_complained_of_once() {
    paused(async {
        let log = Log::keep();
        let one = FakePool::new("a");
        let mut roster = players(1);
        roster.unusable = vec![(player(7), "an empty address".to_owned()), (player(8), "an empty address".to_owned())];
        let bench = Bench::every_minute(&[&one], roster);
        wait(secs(200)).await;
        assert_eq!(log.named("player_address_unusable").len(), 2, "each player once");
        let other = (player(7), "an address with a blank".to_owned());
        bench.ledger.roster.borrow_mut().unusable.push(other);
        wait(secs(200)).await;
        let said = log.named("player_address_unusable");
        assert_eq!(said.len(), 3, "a new reason is new: {said:?}");
        assert!(said[2].fields.iter().any(|field| field.contains("an address with a blank")), "{said:?}");
    });
}

#[test]
fn that_nobody_is_there_is_said_once_and_again_when_it_happens_again() {
    paused(async {
        let log = Log::keep();
        let one = FakePool::new("a");
        let mut bench = Bench::every_minute(&[&one], players(0));
        wait(secs(200)).await;
        let said = log.named("no_verified_players");
        assert_eq!(said.len(), 1);
        assert!(said[0].fields.iter().any(|field| field.contains("pool-poller players add")), "it says how: {said:?}");
        assert_eq!(bench.completed().len(), 4, "and keeps ticking");
        *bench.ledger.roster.borrow_mut() = players(1);
        wait(secs(60)).await;
        *bench.ledger.roster.borrow_mut() = players(0);
        wait(secs(200)).await;
        assert_eq!(log.named("no_verified_players").len(), 2);
    });
}
