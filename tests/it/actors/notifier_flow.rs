//! How much a game server is asked to take, and what becomes of rows that nobody can be told of.

use pool_poller::actors::ledger::RewardsReady;
use pool_poller::actors::notifier::WINDOW;
use pool_poller::domain::delivery::DOUBT_AFTER;

use super::bench::{figure, millis, paused, player, secs, wait};
use super::notifier_bench::{ACK_TIMEOUT, Bench};

/// Many players, each with more than one award.
fn many(bench: &Bench) {
    (1..=2_000).for_each(|of| bench.outbox.award(of, 2));
}

#[test]
fn a_server_that_never_acknowledges_is_not_flooded() {
    paused(async {
        let bench = Bench::new();
        many(&bench);
        bench.up().await;
        let mut sent = bench.sent();
        assert_eq!(sent.len(), WINDOW);
        for _ in 0..360 {
            bench.notifier.do_send(RewardsReady::default());
            wait(secs(10)).await;
            sent.extend(bench.sent());
        }
        // A probe waits for its acknowledgement and then for up to 30 s.
        let shortest = ACK_TIMEOUT + secs(15);
        let probes = sent.len() - WINDOW;
        assert!((60..=3_600 / shortest.as_secs() as usize + 10).contains(&probes), "{probes} probes in an hour");
        let metrics = bench.metrics().await;
        assert_eq!((metrics["doubted"].as_bool(), figure(&metrics, "/acked")), (Some(true), 0));
        assert!(sent.iter().all(|(_, sequence)| *sequence == 1), "no player's second before the first");
        let attempts: usize = bench.outbox.stored.borrow().iter().map(|stored| stored.attempts.len()).sum();
        assert!(attempts.abs_diff(sent.len()) <= 1, "what is not sent costs no attempt");
    });
}

#[test]
fn a_server_that_refuses_everything_is_not_flooded_either() {
    paused(async {
        let bench = Bench::with_max_attempts(1);
        many(&bench);
        bench.up().await;
        let mut sent = 0;
        for _ in 0..3_600 {
            for (of, sequence) in bench.sent() {
                sent += 1;
                bench.nack(of, sequence).await;
            }
            wait(secs(1)).await;
        }
        let (told, dead) = bench.outbox.told_and_dead();
        assert_eq!((told, dead), (0, sent), "given up at the first attempt, as it was set");
        assert!((WINDOW + 100..WINDOW + 300).contains(&sent), "{sent} in an hour");
    });
}

#[test]
fn one_acknowledgement_is_enough_for_everything_to_go_on() {
    paused(async {
        let bench = Bench::new();
        many(&bench);
        bench.up().await;
        bench.sent();
        wait(secs(120)).await;
        assert_eq!(bench.metrics().await["doubted"], true);
        bench.sent();
        let mut told = 0;
        let mut waited = 0;
        while bench.outbox.told_and_dead().0 < 4_000 {
            for (of, sequence) in bench.sent() {
                told += 1;
                bench.ack(of, sequence).await;
            }
            wait(millis(500)).await;
            waited += 1;
            assert!(waited < 600, "{told} in five minutes");
        }
        assert_eq!((told, bench.metrics().await["doubted"].as_bool()), (4_000, Some(false)));
    });
}

#[test]
fn a_server_that_is_there_anew_is_asked_at_once() {
    paused(async {
        let bench = Bench::new();
        many(&bench);
        bench.up().await;
        wait(secs(600)).await;
        bench.sent();
        bench.down().await;
        bench.up().await;
        let probe = bench.sent();
        assert_eq!(probe.len(), 1);
        bench.ack(probe[0].0, probe[0].1).await;
        assert_eq!(bench.sent().len(), 2);
    });
}

#[test]
fn one_award_that_is_refused_for_ever_slows_down_nobody() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 1);
        (2..=5).for_each(|of| bench.outbox.award(of, i64::from(DOUBT_AFTER) * 2));
        bench.up().await;
        for _ in 0..2_000 {
            for (of, sequence) in bench.sent() {
                if of == 1 {
                    bench.nack(of, sequence).await;
                } else {
                    bench.ack(of, sequence).await;
                }
            }
            wait(millis(100)).await;
        }
        assert_eq!(bench.outbox.told_and_dead(), (4 * 2 * DOUBT_AFTER as usize, 0));
        assert_eq!(bench.metrics().await["doubted"], false);
    });
}

#[test]
fn a_row_that_cannot_be_read_is_given_up_once_and_the_players_next_one_goes_out() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 3);
        bench.outbox.award(2, 1);
        bench.outbox.spoil(1, 1);
        bench.outbox.storing.set(secs(2));
        bench.up().await;
        bench.notifier.do_send(RewardsReady::default());
        wait(secs(1)).await;
        assert_eq!(bench.sent(), [(2, 1)], "its player waits until it is stored, and nobody else");
        wait(secs(2)).await;
        assert_eq!((bench.sent(), bench.outbox.told_and_dead()), (vec![(1, 2)], (0, 1)));
        wait(secs(5)).await;
        let metrics = bench.metrics().await;
        assert_eq!((figure(&metrics, "/unreadable"), figure(&metrics, "/dead")), (1, 0));
        let stored: Vec<i64> = bench.outbox.stored.borrow().iter().flat_map(|stored| stored.unreadable.clone()).collect();
        assert_eq!(stored, [1_001]);
    });
}

#[test]
fn players_far_behind_many_who_wait_are_reached() {
    paused(async {
        let bench = Bench::new();
        // Each look visits two players; all but the last one wait for their next attempt.
        bench.outbox.visits.set(2);
        (1..=30).for_each(|of| bench.outbox.award(of, 1));
        bench.up().await;
        assert_eq!(bench.sent().len(), 30);
        for of in 1..=10 {
            bench.nack(of, 1).await;
        }
        bench.outbox.award(500, 1);
        bench.notifier.do_send(RewardsReady::default());
        // Looks in vain are counted: one more sweep may be needed.
        wait(millis(1_001)).await;
        assert!(bench.sent().contains(&(500, 1)));
        let looks = bench.outbox.looks.borrow().clone();
        assert!(looks.iter().any(|look| look.from > player(20)), "it went on behind where it had been");
        // An idle outbox costs one look a second.
        drop(looks);
        for of in (1..=30).chain([500]) {
            bench.ack(of, 1).await;
        }
        wait(secs(5)).await;
        bench.outbox.looks.borrow_mut().clear();
        wait(secs(60)).await;
        let idle = bench.outbox.looks.borrow().len();
        assert!((55..=65).contains(&idle), "{idle} looks in an idle minute");
    });
}
