//! The notifier at the end of the program.

use pool_poller::actors::notifier::Drain;
use pool_poller::notify::Command;

use super::bench::{millis, paused, secs, settle, wait};
use super::notifier_bench::Bench;

#[test]
fn draining_waits_for_what_is_under_way_and_says_good_bye() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 2);
        bench.outbox.award(2, 1);
        bench.outbox.storing.set(millis(100));
        bench.up().await;
        assert_eq!(bench.sent(), [(1, 1), (2, 1)]);
        let mut drain = tokio::spawn(bench.notifier.send(Drain));
        settle().await;
        assert!(!drain.is_finished());
        bench.ack(1, 1).await;
        wait(millis(200)).await;
        assert_eq!(bench.sent(), [(1, 2)], "what can still be told is told");
        bench.ack(2, 1).await;
        bench.ack(1, 2).await;
        assert!(!drain.is_finished(), "the acknowledgements are not stored yet");
        (&mut drain).await.expect("no panic").expect("a living notifier");
        assert_eq!(bench.outbox.told_and_dead(), (3, 0));
        assert_eq!(bench.commands(), [Command::Close]);
    });
}

#[test]
fn an_idle_notifier_is_drained_at_once() {
    paused(async {
        let bench = Bench::new();
        bench.up().await;
        let before = bench.clock.now();
        bench.notifier.send(Drain).await.expect("a living notifier");
        assert!(bench.clock.now() - before < millis(10));
        assert_eq!(bench.commands(), [Command::Close]);
    });
}

#[test]
fn with_the_link_down_nothing_is_waited_for() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 1);
        wait(secs(3)).await;
        let before = bench.clock.now();
        bench.notifier.send(Drain).await.expect("a living notifier");
        assert!(bench.clock.now() - before < millis(10));
        assert_eq!(bench.commands(), [Command::Close]);
    });
}

#[test]
fn a_link_that_breaks_while_draining_ends_the_waiting() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 1);
        bench.up().await;
        let drain = tokio::spawn(bench.notifier.send(Drain));
        settle().await;
        bench.down().await;
        settle().await;
        assert!(drain.is_finished(), "its award waits for the next start");
        assert_eq!(bench.outbox.told_and_dead(), (0, 0));
    });
}

#[test]
fn without_a_game_server_there_is_nothing_to_drain() {
    paused(async {
        let bench = Bench::with(false, None, 512);
        bench.outbox.award(1, 1);
        wait(secs(1)).await;
        let before = bench.clock.now();
        bench.notifier.send(Drain).await.expect("a living notifier");
        assert!(bench.clock.now() - before < millis(10));
    });
}

#[test]
fn an_outbox_that_cannot_be_read_does_not_hold_up_the_end() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 1);
        bench.outbox.unreadable.set(true);
        bench.up().await;
        let before = bench.clock.now();
        bench.notifier.send(Drain).await.expect("a living notifier");
        assert!(bench.clock.now() - before < secs(1));
        assert_eq!(bench.commands(), [Command::Close]);
    });
}

#[test]
fn the_end_of_the_link_after_the_good_bye_is_no_failure() {
    paused(async {
        let mut bench = Bench::new();
        bench.up().await;
        bench.notifier.send(Drain).await.expect("a living notifier");
        bench.end_link().await;
        wait(secs(10)).await;
        assert_eq!(bench.opened_at.borrow().len(), 1, "no new link");
        assert!(bench.fatal.try_recv().is_err());
    });
}
