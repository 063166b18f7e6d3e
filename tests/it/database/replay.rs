//! Sending again: by an operator, and by what a game server says that it has.

use chrono::TimeDelta;
use pool_poller::domain::PlayerId;
use pool_poller::store::now_utc;
use pool_poller::store::outbox::{Attempt, mark_notified, next_undelivered, record_attempts};
use pool_poller::store::replay::{ReplayFilter, Replayed, replay};
use pool_poller::store::resume::{Resumed, resume};

use super::bench::{Bench, record, seen};

super::on_both_engines![
    what_is_replayed_waits_again_as_if_it_had_never_been_sent,
    each_condition_narrows_what_is_replayed,
    what_the_game_is_never_told_of_is_not_replayed,
    a_server_that_lost_awards_gets_them_again_and_has_acknowledged_the_rest,
    a_statement_changes_nobody_who_is_not_named,
];

/// Two players with three awards each: the first is acknowledged, the second given up, the third waits after an attempt.
async fn with_a_history(bench: &Bench) {
    bench.players(&["ann", "bob"]).await;
    let mut book = bench.book();
    for paid in ["10", "11", "12", "13"] {
        record(&mut book, &[seen(1, "Wann", paid), seen(2, "Wbob", paid)].concat()).await;
    }
    for dead in [None, Some(true), Some(false)] {
        let heads = next_undelivered(&bench.db, &[], 10, now_utc()).await.expect("the oldest of each");
        let ids: Vec<_> = heads.iter().map(|event| event.event_id).collect();
        let next_at = now_utc() + TimeDelta::hours(1);
        match dead {
            None => mark_notified(&bench.db, &ids).await.expect("marks"),
            Some(dead) => {
                let attempts: Vec<Attempt> = ids.into_iter().map(|event_id| Attempt { event_id, next_at, dead }).collect();
                record_attempts(&bench.db, &attempts).await.expect("attempts");
            }
        }
    }
    assert_eq!(states(bench).await, ["1/1 told", "2/1 told", "1/2 dead", "2/2 dead", "1/3 later", "2/3 later"]);
}

/// What the delivery columns say of each award.
async fn states(bench: &Bench) -> Vec<String> {
    let state = |event: &entity::mining_events::Model| match (
        event.notified,
        event.delivery_dead,
        event.delivery_attempts,
        event.next_attempt_at,
    ) {
        (true, false, _, None) => "told",
        (false, true, ..) => "dead",
        (false, false, 0, None) => "waits",
        (false, false, _, Some(_)) => "later",
        _ => "mixed up",
    };
    let events = bench.events().await;
    events.iter().map(|event| format!("{}/{} {}", event.player_id, event.player_sequence.unwrap_or(0), state(event))).collect()
}

async fn what_is_replayed_waits_again_as_if_it_had_never_been_sent(bench: Bench) {
    with_a_history(&bench).await;
    let before = bench.events().await;
    let everything = ReplayFilter { since: Some(now_utc() - TimeDelta::days(1)), ..ReplayFilter::default() };
    assert_eq!(replay(&bench.db, &everything, true).await.expect("a count"), Replayed { events: 6, players: 2 });
    assert_eq!(bench.events().await, before, "a dry run changes nothing");
    assert_eq!(replay(&bench.db, &everything, false).await.expect("a replay"), Replayed { events: 6, players: 2 });
    assert_eq!(states(&bench).await, ["1/1 waits", "2/1 waits", "1/2 waits", "2/2 waits", "1/3 waits", "2/3 waits"]);
    for (now, then) in bench.events().await.iter().zip(&before) {
        assert_eq!(
            (&now.event_id, now.player_sequence, now.total_ap_after),
            (&then.event_id, then.player_sequence, then.total_ap_after)
        );
    }
    let offered = next_undelivered(&bench.db, &[], 10, now_utc()).await.expect("a list");
    assert_eq!(offered.iter().map(|event| (event.player.0, event.sequence)).collect::<Vec<_>>(), [(1, 1), (2, 1)], "in order");
}

async fn each_condition_narrows_what_is_replayed(bench: Bench) {
    with_a_history(&bench).await;
    let events = bench.events().await;
    let by_id = events[3].event_id.as_deref().expect("an id").parse().expect("an event");
    let (row, now) = (events[0].id.to_string().parse().expect("an event"), now_utc());
    let all = ReplayFilter::default();
    for (filter, expected) in [
        (ReplayFilter { dead: true, ..all.clone() }, 2),
        (ReplayFilter { dead: true, player: Some(1), ..all.clone() }, 1),
        (ReplayFilter { player: Some(2), ..all.clone() }, 3),
        (ReplayFilter { player: Some(7), ..all.clone() }, 0),
        (ReplayFilter { event: Some(by_id), ..all.clone() }, 1),
        (ReplayFilter { event: Some(row), ..all.clone() }, 1),
        (ReplayFilter { event: Some(row), dead: true, ..all.clone() }, 0),
        (ReplayFilter { since: Some(now + TimeDelta::hours(1)), ..all.clone() }, 0),
        (ReplayFilter { since: Some(events[4].event_time), ..all.clone() }, 2),
    ] {
        assert_eq!(replay(&bench.db, &filter, true).await.expect("a count").events, expected, "{filter:?}");
    }
    replay(&bench.db, &ReplayFilter { dead: true, player: Some(1), ..all }, false).await.expect("a replay");
    assert_eq!(states(&bench).await, ["1/1 told", "2/1 told", "1/2 waits", "2/2 dead", "1/3 later", "2/3 later"]);
}

async fn what_the_game_is_never_told_of_is_not_replayed(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = bench.book();
    for paid in ["300", "200300"] {
        record(&mut book, &seen(1, "Wann", paid)).await;
    }
    let held = bench.events().await.remove(0);
    let everybody = ReplayFilter { player: Some(1), ..ReplayFilter::default() };
    assert_eq!(replay(&bench.db, &everybody, false).await.expect("a replay").events, 0);
    for (event, why) in [(held.id, "it is held"), (held.id + 1, "there is no event")] {
        let one = ReplayFilter { event: Some(event.to_string().parse().expect("an event")), ..ReplayFilter::default() };
        let error = replay(&bench.db, &one, true).await.expect_err("it is never sent").to_string();
        assert!(error.contains(why), "{error}");
    }
}

async fn a_server_that_lost_awards_gets_them_again_and_has_acknowledged_the_rest(bench: Bench) {
    with_a_history(&bench).await;
    // Ann's server has lost everything, Bob's has everything.
    let resumed = resume(&bench.db, &[(PlayerId(1), 0), (PlayerId(2), 3)]).await.expect("stored");
    assert_eq!(resumed, Resumed { acknowledged: 2, again: 2 });
    assert_eq!(states(&bench).await, ["1/1 waits", "2/1 told", "1/2 waits", "2/2 told", "1/3 later", "2/3 told"]);
    let again = resume(&bench.db, &[(PlayerId(1), 0), (PlayerId(2), 3)]).await.expect("stored");
    assert_eq!(again, Resumed::default(), "saying it twice changes nothing");
    let resumed = resume(&bench.db, &[(PlayerId(1), 1), (PlayerId(2), 2)]).await.expect("stored");
    assert_eq!(resumed, Resumed { acknowledged: 1, again: 1 });
    assert_eq!(states(&bench).await, ["1/1 told", "2/1 told", "1/2 waits", "2/2 told", "1/3 later", "2/3 waits"]);
}

async fn a_statement_changes_nobody_who_is_not_named(bench: Bench) {
    with_a_history(&bench).await;
    let before = bench.events().await;
    assert_eq!(resume(&bench.db, &[]).await.expect("nothing"), Resumed::default());
    let strangers: Vec<(PlayerId, i64)> = (3..=502).map(|player| (PlayerId(player), 0)).collect();
    assert_eq!(resume(&bench.db, &strangers).await.expect("nobody"), Resumed::default());
    assert_eq!(bench.events().await, before);
    assert_eq!(resume(&bench.db, &[(PlayerId(1), i64::MAX)]).await.expect("stored"), Resumed { acknowledged: 2, again: 0 });
    assert_eq!(states(&bench).await, ["1/1 told", "2/1 told", "1/2 told", "2/2 dead", "1/3 told", "2/3 later"]);
}
