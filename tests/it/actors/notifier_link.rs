//! A link that breaks, comes back, or ends.

use pool_poller::notify::{ConnectionEvent, DownReason};

use super::bench::{figure, millis, paused, secs, settle, wait};
use super::log::Log;
use super::notifier_bench::{ACK_TIMEOUT, Bench, event};

#[test]
fn what_was_under_way_when_the_link_broke_goes_out_again_with_the_same_id() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 2);
        bench.outbox.award(2, 1);
        bench.up().await;
        assert_eq!(bench.sent(), [(1, 1), (2, 1)]);
        bench.ack(2, 1).await;
        bench.down().await;
        wait(secs(60)).await;
        assert_eq!(bench.sent(), [], "nothing while it is down");
        bench.up().await;
        assert_eq!(bench.sent(), [(1, 1)], "not what was acknowledged, and nothing out of turn");
        assert!(bench.outbox.stored.borrow().iter().all(|stored| stored.attempts.is_empty()), "no attempt was lost by it");
        let metrics = bench.metrics().await;
        assert_eq!((figure(&metrics, "/connections"), figure(&metrics, "/disconnections/lost")), (2, 1));
    });
}

#[test]
fn an_acknowledgement_that_is_being_stored_survives_the_break() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 2);
        bench.outbox.storing.set(secs(5));
        bench.up().await;
        assert_eq!(bench.sent(), [(1, 1)]);
        bench.ack(1, 1).await;
        bench.down().await;
        bench.up().await;
        wait(secs(4)).await;
        assert_eq!(bench.sent(), [], "the player is not offered again before it is known what was stored");
        wait(secs(1)).await;
        assert_eq!((bench.sent(), bench.outbox.told_and_dead()), (vec![(1, 2)], (1, 0)));
    });
}

#[test]
fn what_is_acknowledged_while_the_link_is_down_is_not_sent_again_before_that_is_stored() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 2);
        bench.outbox.storing.set(secs(5));
        bench.up().await;
        assert_eq!(bench.sent(), [(1, 1)]);
        bench.down().await;
        bench.ack(1, 1).await;
        bench.up().await;
        wait(secs(4)).await;
        assert_eq!(bench.sent(), [], "it is known to have arrived");
        wait(secs(2)).await;
        assert_eq!((bench.sent(), bench.outbox.told_and_dead()), (vec![(1, 2)], (1, 0)));
    });
}

#[test]
fn a_game_server_that_stays_away_is_said_every_ten_minutes() {
    paused(async {
        let log = Log::keep();
        let bench = Bench::new();
        bench.up().await;
        for _ in 0..50 {
            bench.down().await;
            wait(secs(30)).await;
        }
        assert_eq!(log.warned("game_server_disconnected", "repeated"), ["0", "19", "19"]);
        assert_eq!(log.warned("game_server_disconnected", "away_seconds"), ["0", "600", "1200"]);
        assert_eq!(log.named("game_server_disconnected").len(), 50, "the others can be had");
        assert_eq!(figure(&bench.metrics().await, "/disconnections/lost"), 50);
        bench.up().await;
        let connected = log.named("game_server_connected");
        assert!(connected[1].fields.iter().any(|field| field.starts_with("away_ms=15000")), "{connected:?}");
        bench.down().await;
        assert_eq!(log.warned("game_server_disconnected", "repeated"), ["0", "19", "19", "0"]);
    });
}

#[test]
fn a_link_that_goes_up_and_down_all_the_time_loses_nothing() {
    paused(async {
        let bench = Bench::new();
        (1..=5).for_each(|of| bench.outbox.award(of, 4));
        let mut told = [0; 6];
        for round in 0..200 {
            bench.up().await;
            for (of, sequence) in bench.sent() {
                assert!(sequence == told[of] + 1 || sequence == told[of], "in order");
                if (of + round) % 3 == 0 {
                    told[of] = sequence;
                    bench.ack(of, sequence).await;
                }
            }
            bench.down().await;
            wait(millis(50)).await;
        }
        assert_eq!((told, bench.outbox.told_and_dead()), ([0, 4, 4, 4, 4, 4], (20, 0)));
    });
}

#[test]
fn what_the_server_says_beside_acknowledgements_changes_nothing() {
    paused(async {
        let bench = Bench::new();
        bench.outbox.award(1, 1);
        bench.up().await;
        bench.report(ConnectionEvent::AckedUnknown { id: "17".to_owned() }).await;
        bench.report(ConnectionEvent::ServerEvent { name: "hello".to_owned() }).await;
        bench.report(ConnectionEvent::Unintelligible { kind: "malformed" }).await;
        bench.report(ConnectionEvent::Nacked { event_id: event(9, 9), message: "who?".to_owned() }).await;
        assert_eq!((bench.sent(), bench.outbox.told_and_dead()), (vec![(1, 1)], (0, 0)));
        assert!(bench.outbox.stored.borrow().is_empty());
        bench.ack(1, 1).await;
        assert_eq!(bench.outbox.told_and_dead(), (1, 0));
    });
}

#[test]
fn a_link_whose_task_ends_is_replaced_by_a_new_one() {
    paused(async {
        let mut bench = Bench::new();
        bench.outbox.award(1, 1);
        bench.up().await;
        assert_eq!(bench.sent(), [(1, 1)]);
        bench.end_link().await;
        assert_eq!(bench.metrics().await["socket"], "connecting");
        wait(millis(200)).await;
        assert_eq!(bench.opened_at.borrow().len(), 2);
        wait(ACK_TIMEOUT + secs(5)).await;
        assert_eq!(bench.sent(), [], "the new one is not up yet");
        bench.up().await;
        assert_eq!(bench.sent(), [(1, 1)]);
        bench.ack(1, 1).await;
        assert_eq!(bench.outbox.told_and_dead(), (1, 0));
        let metrics = bench.metrics().await;
        assert_eq!((figure(&metrics, "/restarts"), figure(&metrics, "/sent"), figure(&metrics, "/acked")), (1, 2, 1));
        assert!(bench.fatal.try_recv().is_err());
    });
}

#[test]
fn settings_that_can_never_work_are_a_link_that_ends() {
    paused(async {
        let mut bench = Bench::new();
        settle().await;
        let reason = DownReason::Unusable { message: "no such scheme".to_owned() };
        bench.report(ConnectionEvent::Down { reason, retry_in: None }).await;
        bench.end_link().await;
        assert_eq!(figure(&bench.metrics().await, "/disconnections/unusable"), 1);
        wait(millis(200)).await;
        assert_eq!(bench.opened_at.borrow().len(), 2, "tried again after a delay");
        assert!(bench.fatal.try_recv().is_err());
    });
}
