//! A game server that says what it has.

use pool_poller::domain::PlayerId;
use pool_poller::notify::ConnectionEvent;
use pool_poller::store::resume::PLAYERS_PER_STATEMENT;

use super::bench::{figure, millis, paused, player, secs, wait};
use super::notifier_bench::Bench;

async fn says(bench: &Bench, last: &[(usize, i64)]) {
    let last = last.iter().map(|(of, sequence)| (player(*of), *sequence)).collect();
    bench.report(ConnectionEvent::Resume { last }).await;
}

/// Everything of player 1 was acknowledged, of player 2 the first.
async fn with_a_history(bench: &Bench) {
    bench.outbox.award(1, 3);
    bench.outbox.award(2, 2);
    bench.up().await;
    wait(secs(1)).await;
    for _ in 0..5 {
        for (of, sequence) in bench.sent() {
            if of == 1 || sequence == 1 {
                bench.ack(of, sequence).await;
            }
        }
    }
    assert_eq!(bench.outbox.told_and_dead(), (4, 0));
    bench.down().await;
}

#[test]
fn what_the_server_has_lost_goes_out_again_in_order() {
    paused(async {
        let bench = Bench::with_resume_wait(millis(250));
        with_a_history(&bench).await;
        bench.up().await;
        says(&bench, &[(1, 1)]).await;
        assert_eq!(bench.sent(), [(1, 2), (2, 2)], "from where the server is, and at once");
        bench.ack(1, 2).await;
        bench.ack(2, 2).await;
        assert_eq!(bench.sent(), [(1, 3)]);
        bench.ack(1, 3).await;
        assert_eq!((bench.outbox.told_and_dead(), figure(&bench.metrics().await, "/resumed")), ((5, 0), 2));
    });
}

#[test]
fn what_the_server_has_is_not_sent_again() {
    paused(async {
        let bench = Bench::with_resume_wait(millis(250));
        with_a_history(&bench).await;
        bench.up().await;
        says(&bench, &[(1, 3), (2, 2)]).await;
        wait(secs(5)).await;
        assert_eq!((bench.sent(), bench.outbox.told_and_dead()), (vec![], (5, 0)));
    });
}

#[test]
fn a_server_that_says_nothing_is_waited_for_a_moment_only() {
    paused(async {
        let bench = Bench::with_resume_wait(millis(250));
        with_a_history(&bench).await;
        bench.up().await;
        wait(millis(240)).await;
        assert_eq!(bench.sent(), []);
        wait(millis(20)).await;
        assert_eq!(bench.sent(), [(2, 2)]);
        // A wait of an older connection does not end that of a newer one.
        bench.down().await;
        bench.up().await;
        wait(millis(200)).await;
        bench.down().await;
        bench.up().await;
        wait(millis(200)).await;
        assert_eq!(bench.sent(), []);
        wait(millis(60)).await;
        assert_eq!(bench.sent(), [(2, 2)]);
    });
}

#[test]
fn a_statement_that_cannot_be_stored_is_kept_and_nothing_is_sent_meanwhile() {
    paused(async {
        let bench = Bench::with_resume_wait(millis(250));
        with_a_history(&bench).await;
        bench.outbox.readonly.set(true);
        bench.up().await;
        says(&bench, &[(1, 1)]).await;
        // A later word about the same player goes before the one that waits.
        says(&bench, &[(1, 2)]).await;
        wait(secs(60)).await;
        assert_eq!(bench.sent(), []);
        bench.outbox.readonly.set(false);
        wait(secs(2)).await;
        assert_eq!(bench.sent(), [(1, 3), (2, 2)]);
    });
}

#[test]
fn what_a_link_said_that_is_gone_is_forgotten() {
    paused(async {
        let bench = Bench::with_resume_wait(millis(250));
        with_a_history(&bench).await;
        bench.outbox.readonly.set(true);
        bench.up().await;
        says(&bench, &[(1, 0)]).await;
        bench.down().await;
        bench.outbox.readonly.set(false);
        bench.up().await;
        wait(secs(1)).await;
        assert_eq!(bench.sent(), [(2, 2)]);
    });
}

#[test]
fn a_statement_about_everybody_is_stored_in_parts() {
    paused(async {
        let bench = Bench::with_resume_wait(millis(250));
        with_a_history(&bench).await;
        bench.outbox.storing.set(millis(1));
        bench.up().await;
        for part in 0..4 {
            let last: Vec<(PlayerId, i64)> = (0..25_000).map(|of| (PlayerId(part * 25_000 + of), 1)).collect();
            bench.report(ConnectionEvent::Resume { last }).await;
        }
        // In pieces, with everything else going on in between.
        wait(secs(1)).await;
        assert_eq!(bench.sent(), [(1, 2), (2, 2)]);
        let resumed = bench.outbox.resumed.borrow();
        assert_eq!(resumed.len(), 100_000 / PLAYERS_PER_STATEMENT);
        assert!(resumed.iter().all(|part| part.len() <= PLAYERS_PER_STATEMENT));
    });
}

#[test]
fn nobody_needs_more_memory_than_for_a_quarter_of_a_million_players() {
    paused(async {
        let bench = Bench::with_resume_wait(millis(250));
        with_a_history(&bench).await;
        bench.outbox.storing.set(secs(3_600));
        bench.up().await;
        for part in 0..10 {
            let last: Vec<(PlayerId, i64)> = (0..50_000).map(|of| (PlayerId(part * 50_000 + of), 1)).collect();
            bench.report(ConnectionEvent::Resume { last }).await;
        }
        // The first part is on its way until then, and all others wait for it.
        bench.outbox.storing.set(millis(0));
        wait(secs(3_700)).await;
        let said: usize = bench.outbox.resumed.borrow().iter().map(Vec::len).sum();
        assert_eq!(said, PLAYERS_PER_STATEMENT + 250_000, "the rest is ignored");
        let mut sent = bench.sent();
        sent.dedup();
        assert_eq!(sent, [(1, 2), (2, 2)]);
    });
}
