//! Un-notified awards as the notifier's outbox.

use chrono::TimeDelta;
use pool_poller::domain::PlayerId;
use pool_poller::store::now_utc;
use pool_poller::store::outbox::{Attempt, Undelivered, mark_notified, next_undelivered, record_attempts, waiting};

use super::bench::{Bench, amount, record, seen};

super::on_both_engines![
    what_is_offered_has_every_figure_of_the_award,
    each_player_is_offered_the_oldest_and_waits_for_nobody_else,
    a_notice_that_is_given_up_is_passed_over,
    marking_again_and_counting_after_the_mark_change_nothing,
    held_events_are_never_offered,
    a_limit_offers_the_oldest_first,
];

async fn with_events(bench: &Bench) {
    bench.players(&["ann", "bob"]).await;
    let mut book = bench.book();
    for paid in ["10", "11", "12"] {
        record(&mut book, &[seen(1, "Wann", paid), seen(2, "Wbob", paid)].concat()).await;
    }
}

fn offered(list: &[Undelivered]) -> Vec<(i32, i64)> {
    list.iter().map(|event| (event.player.0, event.sequence)).collect()
}

async fn offer(bench: &Bench, except: &[PlayerId], limit: u64) -> Vec<Undelivered> {
    next_undelivered(&bench.db, except, limit, now_utc()).await.expect("a list")
}

async fn what_is_offered_has_every_figure_of_the_award(bench: Bench) {
    let player = bench.player("O'Hara 日本", "W'1").await;
    let mut book = bench.book();
    record(&mut book, &seen(player, "W'1", "10")).await;
    let award = record(&mut book, &seen(player, "W'1", "11.50000001")).await.awards.remove(0);
    record(&mut book, &seen(player, "W'1", "20")).await;
    let [event] = offer(&bench, &[], 10).await.try_into().expect("one event");
    assert_eq!((event.event_id, event.sequence, event.player), (award.event_id, 1, PlayerId(player)));
    assert_eq!((event.username.as_str(), event.pool.as_str(), event.attempts), ("O'Hara 日本", "rplant", 0));
    assert_eq!((event.advc, event.points), (amount("1.50000001"), award.points));
    assert_eq!((event.total_ap, event.total_advc), (award.total_ap, amount("1.50000001")), "the totals right after it");
    assert_eq!(event.at, award.at);
}

async fn each_player_is_offered_the_oldest_and_waits_for_nobody_else(bench: Bench) {
    with_events(&bench).await;
    let first = offer(&bench, &[], 10).await;
    assert_eq!((offered(&first), waiting(&bench.db).await.expect("a number")), (vec![(1, 1), (2, 1)], 4));
    mark_notified(&bench.db, &[first[0].event_id]).await.expect("a mark");
    let now = now_utc();
    let later = now + TimeDelta::minutes(10);
    let attempt = Attempt { event_id: first[1].event_id, next_at: later, dead: false };
    record_attempts(&bench.db, &[attempt]).await.expect("an attempt");
    assert_eq!(offered(&offer(&bench, &[], 10).await), [(1, 2)], "bob's oldest waits, and nobody else does");
    assert_eq!(offered(&offer(&bench, &[PlayerId(1)], 10).await), []);
    let at = |moment| next_undelivered(&bench.db, &[PlayerId(1), PlayerId(7)], 10, moment);
    assert_eq!(offered(&at(later - TimeDelta::microseconds(1)).await.expect("a list")), []);
    let due = at(later).await.expect("a list");
    assert_eq!((offered(&due), due[0].attempts), (vec![(2, 1)], 1), "due to the microsecond");
}

async fn a_notice_that_is_given_up_is_passed_over(bench: Bench) {
    with_events(&bench).await;
    let first = offer(&bench, &[PlayerId(1)], 10).await;
    let attempts = [
        Attempt { event_id: first[0].event_id, next_at: now_utc(), dead: true },
        Attempt { event_id: "00000000-0000-0000-0000-000000000000".parse().expect("an id"), next_at: now_utc(), dead: true },
    ];
    record_attempts(&bench.db, &attempts).await.expect("attempts, one of an event that is not there");
    record_attempts(&bench.db, &[]).await.expect("nothing to do");
    assert_eq!(offered(&offer(&bench, &[], 10).await), [(1, 1), (2, 2)]);
    assert_eq!(waiting(&bench.db).await.expect("a number"), 3);
}

async fn marking_again_and_counting_after_the_mark_change_nothing(bench: Bench) {
    with_events(&bench).await;
    let id = offer(&bench, &[], 1).await[0].event_id;
    for _ in 0..2 {
        mark_notified(&bench.db, &[id]).await.expect("a mark");
    }
    mark_notified(&bench.db, &[]).await.expect("nothing to do");
    record_attempts(&bench.db, &[Attempt { event_id: id, next_at: now_utc(), dead: true }]).await.expect("a late attempt");
    let event = bench.events().await.remove(0);
    assert_eq!((event.notified, event.delivery_dead, event.delivery_attempts, event.next_attempt_at), (true, false, 0, None));
    assert_eq!(waiting(&bench.db).await.expect("a number"), 3);
}

async fn held_events_are_never_offered(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = bench.book();
    for paid in ["300", "200300", "200301"] {
        record(&mut book, &seen(1, "Wann", paid)).await;
    }
    assert_eq!(bench.events().await.len(), 2);
    assert_eq!((offered(&offer(&bench, &[], 10).await), waiting(&bench.db).await.expect("a number")), (vec![(1, 1)], 1));
}

async fn a_limit_offers_the_oldest_first(bench: Bench) {
    with_events(&bench).await;
    assert_eq!(offered(&offer(&bench, &[], 1).await), [(1, 1)]);
    assert_eq!(offered(&offer(&bench, &[], 0).await), []);
    assert_eq!(offered(&offer(&bench, &[], u64::MAX).await), [(1, 1), (2, 1)]);
    let everyone: Vec<PlayerId> = (1..=500).map(PlayerId).collect();
    assert_eq!(offered(&offer(&bench, &everyone, 10).await), []);
}
