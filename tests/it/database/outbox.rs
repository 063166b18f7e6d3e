//! Un-notified awards as the notifier's outbox.

use chrono::TimeDelta;
use pool_poller::domain::PlayerId;
use pool_poller::store::now_utc;
use pool_poller::store::outbox::{
    Attempt, FIRST_PLAYER, PLAYERS_PER_LOOK, Undelivered, give_up, look, mark_notified, next_undelivered, record_attempts,
    waiting,
};

use super::bench::{Bench, amount, record, seen};

super::on_both_engines![
    what_is_offered_has_every_figure_of_the_award,
    each_player_is_offered_the_oldest_and_waits_for_nobody_else,
    a_notice_that_is_given_up_is_passed_over,
    marking_again_and_counting_after_the_mark_change_nothing,
    held_events_are_never_offered,
    a_limit_ends_a_look_and_the_next_one_goes_on_behind_it,
    a_look_visits_a_bounded_number_of_players,
    a_row_that_cannot_be_read_holds_up_nothing_else,
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

async fn a_limit_ends_a_look_and_the_next_one_goes_on_behind_it(bench: Bench) {
    with_events(&bench).await;
    assert_eq!(offered(&offer(&bench, &[], 1).await), [(1, 1)]);
    assert_eq!(offered(&offer(&bench, &[], 0).await), []);
    assert_eq!(offered(&offer(&bench, &[], u64::MAX).await), [(1, 1), (2, 1)]);
    let everyone: Vec<PlayerId> = (1..=500).map(PlayerId).collect();
    assert_eq!(offered(&offer(&bench, &everyone, 10).await), []);
    let first = look(&bench.db, FIRST_PLAYER, &[], 1, now_utc()).await.expect("a look");
    assert_eq!((offered(&first.due), first.next), (vec![(1, 1)], Some(PlayerId(2))));
    let second = look(&bench.db, PlayerId(2), &[], 1, now_utc()).await.expect("a look");
    assert_eq!((offered(&second.due), second.next), (vec![(2, 1)], None), "the end is known at once");
    let third = look(&bench.db, PlayerId(3), &[], 1, now_utc()).await.expect("a look");
    assert_eq!((offered(&third.due), third.next), (vec![], None));
    let none = look(&bench.db, PlayerId(2), &[], 0, now_utc()).await.expect("a look");
    assert_eq!(none.next, Some(PlayerId(2)));
}

/// Adds players and awards that wait, by the shortest way: each of `players` gets `awards`.
async fn pile_up(bench: &Bench, players: i32, awards: i32) {
    let numbers = |name: &str, count: i32| {
        if bench.is_postgres() {
            format!("generate_series(1, {count}) AS {name}(n)")
        } else {
            format!(
                "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s) AS {name}"
            )
        }
    };
    bench
        .execute(&format!(
            "INSERT INTO players (id, username, email, wallet_address) SELECT p.n, 'p' || p.n, 'm' || p.n, 'w' || p.n FROM {}",
            numbers("p", players)
        ))
        .await;
    bench
        .execute(&format!(
            "INSERT INTO mining_events (player_id, pool_name, advc_amount, ap_awarded, previous_paid, current_paid, event_id, \
             player_sequence, total_ap_after, total_advc_after) SELECT p.n, 'rplant', '1', '100', '0', '1', \
             '00000000-0000-0000-0000-' || substr('000000000000' || (p.n * 1000 + a.n), length('000000000000' || (p.n * 1000 + a.n)) - 11), \
             a.n, '100', '1' FROM {}, {}",
            numbers("p", players),
            numbers("a", awards)
        ))
        .await;
}

async fn a_look_visits_a_bounded_number_of_players(bench: Bench) {
    let players = PLAYERS_PER_LOOK * 2 + 10;
    pile_up(&bench, players, 3).await;
    let later = now_utc() + TimeDelta::minutes(1);
    let everybody = offer(&bench, &[], u64::MAX).await;
    assert_eq!(offered(&everybody), (1..=players).map(|player| (player, 1)).collect::<Vec<_>>());
    // All but the last player wait for their next attempt.
    for chunk in everybody[..everybody.len() - 1].chunks(100) {
        let attempts: Vec<Attempt> =
            chunk.iter().map(|event| Attempt { event_id: event.event_id, next_at: later, dead: false }).collect();
        record_attempts(&bench.db, &attempts).await.expect("attempts");
    }
    let mut from = Some(FIRST_PLAYER);
    let mut looks = Vec::new();
    while let Some(player) = from {
        let found = look(&bench.db, player, &[], 100, now_utc()).await.expect("a look");
        looks.push((offered(&found.due), found.next.map(|player| player.0)));
        from = found.next;
    }
    let visited = PLAYERS_PER_LOOK;
    let expected = [(vec![], Some(visited + 1)), (vec![], Some(2 * visited + 1)), (vec![(players, 1)], None)];
    assert_eq!(looks, expected);
}

async fn a_row_that_cannot_be_read_holds_up_nothing_else(bench: Bench) {
    pile_up(&bench, 4, 2).await;
    // Out of range, no name of a pool, no UUID; on SQLite also no number at all.
    let broken = if bench.is_postgres() { "1e29" } else { "'a lot'" };
    bench
        .execute(&format!("UPDATE mining_events SET total_ap_after = {broken} WHERE player_id = 1 AND player_sequence = 1"))
        .await;
    bench.execute("UPDATE mining_events SET pool_name = 'No Pool' WHERE player_id = 2 AND player_sequence = 1").await;
    bench.execute("UPDATE mining_events SET event_id = 'mine' WHERE player_id = 3 AND player_sequence = 1").await;
    let found = look(&bench.db, FIRST_PLAYER, &[], 10, now_utc()).await.expect("a look");
    assert_eq!((offered(&found.due), found.next), (vec![(4, 1)], None));
    let players: Vec<i32> = found.unreadable.iter().map(|row| row.player.0).collect();
    assert_eq!(players, [1, 2, 3], "{found:?}");
    assert!(found.unreadable.iter().all(|row| !row.why.is_empty() && !row.why.contains('\n')), "{found:?}");

    let rows: Vec<i64> = found.unreadable.iter().map(|row| row.row).collect();
    give_up(&bench.db, &rows).await.expect("given up");
    give_up(&bench.db, &[]).await.expect("nothing to do");
    assert_eq!(offered(&offer(&bench, &[], 10).await), [(1, 2), (2, 2), (3, 2), (4, 1)], "the next ones go out");
    assert_eq!(waiting(&bench.db).await.expect("a number"), 5);
}
