//! Which awards are sent, in what order, and how many at once.

use pool_poller::actors::ledger::RewardsReady;
use pool_poller::actors::notifier::WINDOW;

use super::bench::{figure, millis, paused, secs, settle, wait};
use super::notifier_bench::Bench;

#[test]
fn nothing_is_sent_before_the_link_is_up() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 3);
        bench.notifier.do_send(RewardsReady::default());
        wait(secs(60)).await;
        assert_eq!(bench.sent(), []);
        let metrics = bench.metrics().await;
        assert_eq!((metrics["socket"].as_str(), figure(&metrics, "/waiting")), (Some("connecting"), 3));
        bench.up().await;
        assert_eq!(bench.sent(), [(1, 1)]);
        assert_eq!(bench.metrics().await["socket"], "up");
    });
}

#[test]
fn a_players_awards_go_out_one_at_a_time_and_players_do_not_wait_for_each_other() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 3);
        bench.outbox.award(2, 2);
        bench.up().await;
        assert_eq!(bench.sent(), [(1, 1), (2, 1)]);
        wait(secs(5)).await;
        assert_eq!(bench.sent(), [], "one in flight a player");
        bench.ack(2, 1).await;
        assert_eq!(bench.sent(), [(2, 2)], "the other one does not wait");
        bench.ack(1, 1).await;
        bench.ack(2, 2).await;
        assert_eq!(bench.sent(), [(1, 2)]);
        bench.ack(1, 2).await;
        bench.ack(1, 3).await;
        assert_eq!(bench.sent(), [(1, 3)]);
        assert_eq!(bench.outbox.told_and_dead(), (5, 0));
        wait(secs(60)).await;
        assert_eq!(bench.sent(), []);
        let metrics = bench.metrics().await;
        assert_eq!((figure(&metrics, "/sent"), figure(&metrics, "/acked"), figure(&metrics, "/in_flight")), (5, 5, 0));
    });
}

#[test]
fn the_next_award_waits_until_the_acknowledgement_is_stored() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 2);
        bench.outbox.storing.set(secs(3));
        bench.up().await;
        bench.ack(1, 1).await;
        wait(millis(2_900)).await;
        assert_eq!((bench.sent(), bench.outbox.told_and_dead()), (vec![(1, 1)], (0, 0)));
        wait(millis(200)).await;
        assert_eq!((bench.sent(), bench.outbox.told_and_dead()), (vec![(1, 2)], (1, 0)));
    });
}

#[test]
fn acknowledgements_that_come_together_are_stored_together() {
    paused(async {
        let bench = Bench::new();
        (1..=20).for_each(|of| bench.outbox.award(of, 1));
        bench.outbox.storing.set(secs(1));
        bench.up().await;
        for of in 1..=20 {
            bench.ack(of, 1).await;
        }
        wait(secs(3)).await;
        let sizes: Vec<usize> = bench.outbox.stored.borrow().iter().map(|stored| stored.acknowledged.len()).collect();
        assert_eq!(sizes, [1, 19]);
    });
}

#[test]
fn a_hint_makes_it_look_at_once() {
    paused(async {
        let bench = Bench::new();
        bench.up().await;
        wait(millis(300)).await;
        let looks = bench.outbox.looks.borrow().len();
        bench.outbox.award(1, 1);
        bench.notifier.do_send(RewardsReady::default());
        settle().await;
        assert_eq!(bench.sent(), [(1, 1)]);
        assert!(bench.outbox.looks.borrow().len() > looks);
    });
}

#[test]
fn what_was_just_stored_goes_out_without_a_look() {
    paused(async {
        let bench = Bench::new();
        bench.up().await;
        bench.outbox.award(1, 2);
        let looks = bench.outbox.looks.borrow().len();
        for sequence in [1, 2] {
            bench.notifier.do_send(bench.outbox.stored_just_now(1, sequence));
        }
        settle().await;
        assert_eq!(bench.sent(), [(1, 1)], "one at a time");
        bench.ack(1, 1).await;
        assert_eq!((bench.sent(), bench.outbox.looks.borrow().len()), (vec![(1, 2)], looks));
    });
}

#[test]
fn rows_that_were_told_while_a_look_was_under_way_are_not_told_again() {
    paused(async {
        let bench = Bench::new();
        bench.up().await;
        bench.outbox.award(1, 1);
        bench.outbox.looking.set(millis(300));
        bench.notifier.do_send(RewardsReady::default());
        settle().await;
        bench.notifier.do_send(bench.outbox.stored_just_now(1, 1));
        settle().await;
        assert_eq!(bench.sent(), [(1, 1)]);
        bench.ack(1, 1).await;
        assert_eq!(bench.outbox.told_and_dead(), (1, 0), "before the look answers");
        wait(millis(400)).await;
        assert_eq!(bench.sent(), []);
    });
}

#[test]
fn rows_are_found_without_any_hint() {
    paused(async {
        let bench = Bench::new();
        bench.up().await;
        wait(secs(600)).await;
        bench.outbox.award(1, 1);
        wait(millis(1_001)).await;
        assert_eq!(bench.sent(), [(1, 1)]);
    });
}

#[test]
fn a_look_leaves_out_the_players_of_whom_a_notice_is_under_way() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 2);
        bench.outbox.award(2, 2);
        bench.up().await;
        bench.ack(1, 1).await;
        wait(secs(2)).await;
        let looks = bench.outbox.looks.borrow();
        let last = looks.last().expect("it sweeps");
        let mut except: Vec<i32> = last.except.iter().map(|player| player.0).collect();
        except.sort_unstable();
        assert_eq!((except, last.limit), (vec![1, 2], WINDOW - 2));
    });
}

#[test]
fn no_more_than_a_window_is_ever_under_way() {
    paused(async {
        let bench = Bench::new();
        (1..=1_000).for_each(|of| bench.outbox.award(of, 2));
        bench.up().await;
        let first = bench.sent();
        assert_eq!(first.len(), WINDOW);
        bench.notifier.do_send(RewardsReady::default());
        wait(secs(5)).await;
        assert_eq!(bench.sent(), []);
        assert_eq!(figure(&bench.metrics().await, "/in_flight"), WINDOW as u64);
        for (of, sequence) in &first[..10] {
            bench.ack(*of, *sequence).await;
        }
        assert_eq!(bench.sent().len(), 10, "each acknowledgement makes room for one");
        assert_eq!(figure(&bench.metrics().await, "/in_flight"), WINDOW as u64);
    });
}

#[test]
fn everything_is_told_in_order_however_much_there_is() {
    paused(async {
        let bench = Bench::new();
        let (players, awards) = (600, 3);
        (1..=players).for_each(|of| bench.outbox.award(of, awards));
        bench.up().await;
        let mut told = vec![0; players + 1];
        loop {
            let sent = bench.sent();
            if sent.is_empty() {
                break;
            }
            for (of, sequence) in sent {
                assert_eq!(sequence, told[of] + 1, "in order and without a gap");
                told[of] = sequence;
                bench.ack(of, sequence).await;
            }
        }
        assert_eq!(bench.outbox.told_and_dead(), (players * awards as usize, 0));
        assert_eq!(figure(&bench.metrics().await, "/sent"), 1_800, "each once");
    });
}

#[test]
fn while_acknowledgements_cannot_be_stored_no_more_than_eight_windows_are_sent() {
    paused(async {
        let bench = Bench::new();
        (1..=3_000).for_each(|of| bench.outbox.award(of, 1));
        bench.outbox.readonly.set(true);
        bench.up().await;
        for _ in 0..20 {
            for (of, sequence) in bench.sent() {
                bench.ack(of, sequence).await;
            }
            wait(secs(1)).await;
        }
        assert_eq!(figure(&bench.metrics().await, "/sent"), 8 * WINDOW as u64, "what waits to be stored takes room too");
        bench.outbox.readonly.set(false);
        wait(secs(1)).await;
        assert_eq!((bench.outbox.told_and_dead().0, bench.sent().len()), (8 * WINDOW, WINDOW));
    });
}

#[test]
fn without_a_game_server_nothing_is_sent_and_the_awards_are_counted() {
    paused(async {
        let bench = Bench::with(false, None, 512);
        bench.outbox.award(1, 4);
        bench.notifier.do_send(RewardsReady::default());
        wait(secs(120)).await;
        assert_eq!((bench.opened_at.borrow().len(), bench.outbox.looks.borrow().len()), (0, 0));
        let metrics = bench.metrics().await;
        assert_eq!((metrics["socket"].as_str(), figure(&metrics, "/waiting")), (Some("off"), 4));
        assert_eq!((figure(&metrics, "/sent"), bench.outbox.told_and_dead()), (0, (0, 0)));
    });
}

#[test]
fn a_link_that_takes_little_gets_everything_all_the_same() {
    paused(async {
        let bench = Bench::with(true, None, 3);
        (1..=10).for_each(|of| bench.outbox.award(of, 1));
        bench.up().await;
        let mut told = Vec::new();
        while told.len() < 10 {
            let sent = bench.sent();
            assert!(sent.len() <= 3);
            told.extend(sent);
            wait(secs(1)).await;
        }
        told.sort_unstable();
        assert_eq!(told, (1..=10).map(|of| (of, 1)).collect::<Vec<_>>());
    });
}
