//! Notices that are not acknowledged: when they go out again, and when they are given up.

use std::time::Duration;

use chrono::TimeDelta;
use pool_poller::store::now_utc;

use super::bench::{figure, millis, paused, secs, wait};
use super::notifier_bench::{ACK_TIMEOUT, Bench, event};

/// The delay before the next attempt, as the newest record has it.
fn newest_delay(bench: &Bench) -> TimeDelta {
    let stored = bench.outbox.stored.borrow();
    let [attempt] = stored.last().expect("a record").attempts.as_slice() else { panic!("one attempt: {stored:?}") };
    assert!(!attempt.dead);
    attempt.next_at - now_utc()
}

/// Whether a delay is the wanted one and up to a quarter more; a second is allowed for the time since it was computed.
fn is_about(delay: TimeDelta, secs: i64) -> bool {
    TimeDelta::seconds(secs - 1) <= delay && delay <= TimeDelta::milliseconds(secs * 1_250)
}

/// Waits for the next notice, which must be the first one of player 1, and answers when it came.
async fn next_notice(bench: &Bench) -> Duration {
    loop {
        let sent = bench.sent();
        if !sent.is_empty() {
            // The bench compares the id.
            assert_eq!(sent, [(1, 1)], "the same one, and nothing of this player before it");
            return bench.clock.now();
        }
        wait(millis(100)).await;
    }
}

#[test]
fn what_is_not_acknowledged_goes_out_again_after_growing_delays_with_the_same_id() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 2);
        bench.up().await;
        let mut last = next_notice(&bench).await;
        for delay in [1, 5, 30, 300, 1_800, 7_200, 7_200] {
            let next = next_notice(&bench).await;
            // The time until the sweep finds it overdue, and until the sweep finds it due.
            let slack = secs(2) + millis(200);
            let shortest = ACK_TIMEOUT + secs(delay) - millis(200);
            assert!((shortest..=shortest + secs(delay) / 4 + slack).contains(&(next - last)), "{:?} for {delay} s", next - last);
            last = next;
        }
        let stored = bench.outbox.stored.borrow().clone();
        assert!(stored.iter().all(|stored| stored.attempts.len() == 1 && !stored.attempts[0].dead), "{stored:?}");
        assert_eq!(stored.len(), 7);
        bench.ack(1, 1).await;
        assert_eq!((bench.sent(), bench.outbox.told_and_dead()), (vec![(1, 2)], (1, 0)));
        assert_eq!(figure(&bench.metrics().await, "/unacked"), 7);
    });
}

#[test]
fn an_acknowledgement_in_the_last_moment_counts() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 1);
        bench.up().await;
        wait(ACK_TIMEOUT - millis(100)).await;
        bench.ack(1, 1).await;
        wait(secs(60)).await;
        assert_eq!((bench.sent().len(), bench.outbox.told_and_dead()), (1, (1, 0)));
        assert_eq!(figure(&bench.metrics().await, "/unacked"), 0);
    });
}

#[test]
fn an_acknowledgement_that_comes_too_late_counts_too() {
    paused(async {
        let bench = Bench::with_max_attempts(3);
        bench.outbox.award(1, 2);
        bench.up().await;
        wait(ACK_TIMEOUT + millis(1_200)).await;
        assert_eq!(figure(&bench.metrics().await, "/unacked"), 1);
        bench.ack(1, 1).await;
        assert_eq!(bench.outbox.told_and_dead(), (1, 0), "the game server has it");
        wait(secs(3)).await;
        assert_eq!(bench.sent(), [(1, 1), (1, 2)], "sent once, and then the player's next one");
    });
}

#[test]
fn a_refused_notice_is_sent_again_later_and_holds_up_nobody_else() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 1);
        bench.outbox.award(2, 2);
        bench.up().await;
        assert_eq!(bench.sent(), [(1, 1), (2, 1)]);
        bench.nack(1, 1).await;
        assert!(is_about(newest_delay(&bench), 1));
        bench.ack(2, 1).await;
        assert_eq!(bench.sent(), [(2, 2)]);
        wait(secs(3)).await;
        assert_eq!(bench.sent(), [(1, 1)]);
        bench.nack(1, 1).await;
        assert!(is_about(newest_delay(&bench), 5));
    });
}

#[test]
fn after_the_last_attempt_it_is_given_up_and_the_players_next_one_goes_out() {
    paused(async {
        let bench = Bench::with_max_attempts(2);
        bench.outbox.award(1, 2);
        bench.up().await;
        bench.nack(1, 1).await;
        wait(secs(3)).await;
        assert_eq!(bench.sent(), [(1, 1), (1, 1)]);
        wait(ACK_TIMEOUT + secs(1)).await;
        let last = bench.outbox.stored.borrow().last().cloned().expect("a record");
        assert_eq!((last.attempts[0].event_id, last.attempts[0].dead), (event(1, 1), true));
        assert_eq!((bench.sent(), bench.outbox.told_and_dead()), (vec![(1, 2)], (0, 1)));
        assert_eq!(figure(&bench.metrics().await, "/dead"), 1);
    });
}

#[test]
fn what_cannot_be_stored_is_kept_and_the_event_is_not_sent_again_meanwhile() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 2);
        bench.outbox.award(2, 1);
        bench.outbox.award(3, 1);
        bench.up().await;
        assert_eq!(bench.sent().len(), 3);
        bench.outbox.readonly.set(true);
        bench.ack(1, 1).await;
        bench.nack(2, 1).await;
        wait(secs(5)).await;
        bench.ack(3, 1).await;
        wait(secs(300)).await;
        assert_eq!((bench.sent(), bench.outbox.told_and_dead()), (vec![], (0, 0)));
        let tries = bench.outbox.stores.get();
        assert!((300..=330).contains(&tries), "{tries} tries in five minutes");

        bench.outbox.readonly.set(false);
        wait(secs(4)).await;
        assert_eq!(bench.outbox.told_and_dead(), (2, 0));
        let (acks, attempts) = bench
            .outbox
            .stored
            .borrow()
            .iter()
            .fold((0, 0), |(acks, attempts), stored| (acks + stored.acknowledged.len(), attempts + stored.attempts.len()));
        assert_eq!((acks, attempts), (2, 1), "each once");
        assert_eq!(bench.sent(), [(1, 2), (2, 1)]);
    });
}

#[test]
fn while_the_outbox_cannot_be_read_it_is_looked_at_now_and_then() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 1);
        bench.outbox.unreadable.set(true);
        bench.up().await;
        wait(secs(60)).await;
        let looks = bench.outbox.looks.borrow().len();
        assert!((55..=65).contains(&looks), "{looks} looks in a minute");
        bench.outbox.unreadable.set(false);
        wait(secs(1)).await;
        assert_eq!(bench.sent(), [(1, 1)]);
    });
}
