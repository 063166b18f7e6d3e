//! What goes into one transaction, and who is told of it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Actor as _;
use entity::positions;
use pool_poller::actors::ledger::{
    Adopt, CountWaiting, Ledger, LoadRoster, NextUndelivered, RecordDelivery, RecordObservations, Recorded, RewardsReady,
    Subscribe,
};
use pool_poller::actors::supervision::{Fuse, Supervision};
use pool_poller::clock::Clock;
use pool_poller::domain::Points;
use pool_poller::store::decisions::Operator;
use pool_poller::store::outbox::{Attempt, FIRST_PLAYER};
use pool_poller::store::rebase::{NewMark, rebase};
use pool_poller::store::{connect, now_utc, writer};
use sea_orm::{EntityTrait as _, PaginatorTrait as _};

use super::bench::{amount, figure, neighbour, pool};
use super::ledger_bench::{Bench, Pending, reading, rules, until};

fn awarded(awards: u64, advc: &str, points: &str) -> Recorded {
    Recorded { awards, advc: amount(advc), points: Points::new(amount(points)), ..Recorded::default() }
}

#[actix_rt::test]
async fn what_arrives_during_a_commit_goes_into_the_next_one_together() {
    let bench = Bench::sqlite().await;
    let pools = ["a", "b", "c", "d", "e"];
    for from in pools {
        bench.record(from, &[(1, "10"), (2, "10")]).await.expect("a baseline");
    }
    let before = figure(&bench.metrics().await, "/transactions");
    let lock = bench.lock().await;
    let first = Pending::spawn(bench.record("a", &[(1, "11")]));
    let rest = [
        Pending::spawn(bench.record("b", &[(1, "10.5"), (2, "12")])),
        Pending::spawn(bench.record("c", &[(1, "10")])),
        Pending::spawn(bench.record("d", &[(1, "9"), (2, "13.25")])),
        Pending::spawn(bench.record("e", &[(1, "900000")])),
    ];
    // Long enough for a ledger that does not wait to show itself.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!first.is_there() && !rest.iter().any(Pending::is_there), "nothing is answered before it is stored");
    lock.rollback().await.expect("the lock is released");

    assert_eq!(first.get().await, Ok(awarded(1, "1", "100")));
    let [b, c, d, e] = &rest;
    assert_eq!(b.get().await, Ok(awarded(2, "2.5", "250")), "each pool is told its own part");
    assert_eq!(c.get().await, Ok(Recorded::default()));
    assert_eq!(d.get().await, Ok(Recorded { anomalies: 1, ..awarded(1, "3.25", "325") }));
    assert_eq!(e.get().await, Ok(Recorded { held: 1, ..Recorded::default() }));
    let metrics = bench.metrics().await;
    assert_eq!(figure(&metrics, "/transactions") - before, 2, "the first one alone, and all others together");
    assert_eq!(figure(&metrics, "/batch_readings_max"), 6);
    assert_eq!((bench.total(1).await, bench.total(2).await), ("150 AP 1.5 ADVC".to_owned(), "525 AP 5.25 ADVC".to_owned()));
    assert_eq!((metrics["ap_awarded"].as_str(), figure(&metrics, "/held")), (Some("675"), 1));
    assert_eq!(figure(&metrics, "/anomalies/counter_fell"), 1);
}

#[actix_rt::test]
async fn pools_that_hand_over_again_when_they_are_answered_share_each_commit() {
    const ROUNDS: u64 = 20;
    let bench = Bench::sqlite().await;
    let pools = ["a", "b", "c"];
    for from in pools {
        bench.record(from, &[(1, "10")]).await.expect("a baseline");
    }
    let before = figure(&bench.metrics().await, "/transactions");
    let hand_over = async |from: &str| {
        for round in 1..=ROUNDS {
            bench.record(from, &[(1, &(10 + round).to_string())]).await.expect("stored");
        }
    };
    let [a, b, c] = pools.map(hand_over);
    futures_util::future::join3(a, b, c).await;
    let commits = figure(&bench.metrics().await, "/transactions") - before;
    // The first may begin before all have arrived.
    assert!((ROUNDS..=ROUNDS + 1).contains(&commits), "{commits} commits of {ROUNDS} rounds");
    assert_eq!(bench.total(1).await, "6000 AP 60 ADVC");
}

#[actix_rt::test]
async fn what_is_committed_gets_into_the_file_of_the_database_beside_the_commits() {
    let bench = Bench::sqlite().await;
    let writer = writer(&bench.db);
    let (fuse, _fatal) = Fuse::new();
    let ledger = Ledger::new(bench.db.clone(), Arc::new(rules()), false, Supervision::new("ledger", Clock::start(), fuse));
    let ledger = ledger.with_writer(writer.clone()).start();
    let observations = (0..150).map(|number| reading("a", 1, &format!("W1-{number}"), "10")).collect();
    let sent = RecordObservations { pool: pool("a"), observations: Arc::new(observations) };
    ledger.send(sent).await.expect("a living ledger").expect("stored");

    let file = bench.url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc");
    until("the positions in the file alone", async || {
        // Without its log. While it is written to, what is copied may be no database.
        let copy = format!("{file}.copy");
        std::fs::copy(file, &copy).expect("a copy");
        let Ok(db) = connect(&format!("sqlite://{copy}?mode=rw"), "reader").await else { return false };
        let count = positions::Entity::find().count(&db).await;
        db.close().await.expect("closed");
        count.is_ok_and(|count| count == 150)
    })
    .await;
    writer.close().await.expect("closed");
}

#[actix_rt::test]
async fn a_transaction_does_not_grow_without_limit() {
    let bench = Bench::sqlite().await;
    let many = |from: &str| (0..600).map(|number| reading(from, 1, &format!("W1-{number}"), "10")).collect::<Vec<_>>();
    let lock = bench.lock().await;
    let pending: Vec<_> =
        ["a", "b", "c", "d", "e"].iter().map(|from| Pending::spawn(bench.record_all(from, many(from)))).collect();
    // The messages are in the mailbox; the metrics come behind them.
    assert_eq!(figure(&bench.metrics().await, "/transactions"), 0);
    lock.rollback().await.expect("the lock is released");
    for pending in pending {
        assert_eq!(pending.get().await, Ok(Recorded::default()));
    }
    let metrics = bench.metrics().await;
    assert_eq!(figure(&metrics, "/batch_readings_max"), 1_200, "at most 1,500");
    assert_eq!((figure(&metrics, "/transactions"), figure(&metrics, "/positions_opened")), (3, 3_000));
}

#[actix_rt::test]
async fn a_hint_is_sent_when_the_award_is_committed_and_not_before() {
    let bench = Bench::sqlite().await;
    bench.record("a", &[(1, "10")]).await.expect("a baseline");
    assert_eq!(bench.hints.get(), 0, "a baseline is no award");
    let released: Rc<Cell<bool>> = Rc::default();
    let committed: Rc<Cell<Option<bool>>> = Rc::default();
    let subscriber = neighbour({
        let (released, committed) = (Rc::clone(&released), Rc::clone(&committed));
        move |_: RewardsReady| {
            committed.set(Some(released.get()));
            std::future::ready(())
        }
    });
    bench.ledger.do_send(Subscribe(subscriber.recipient()));
    let lock = bench.lock().await;
    let recorded = Pending::spawn(bench.record("a", &[(1, "11")]));
    // Long enough for a hint that comes too early to come.
    tokio::time::sleep(Duration::from_millis(300)).await;
    released.set(true);
    lock.rollback().await.expect("the lock is released");
    assert_eq!(recorded.get().await, Ok(awarded(1, "1", "100")));
    until("the hint", async || committed.get().is_some()).await;
    assert_eq!(committed.get(), Some(true));
    let other = connect(&bench.url, "reader").await.expect("a second connection");
    let waiting = pool_poller::store::outbox::waiting(&other).await.expect("a query");
    assert_eq!((waiting, bench.hints.get()), (1, 1), "every subscriber is told once");
}

#[actix_rt::test]
async fn readings_that_change_nothing_cost_no_transaction_and_give_no_hint() {
    let bench = Bench::sqlite().await;
    for _ in 0..4 {
        bench.record("a", &[(1, "10"), (2, "20")]).await.expect("stored");
    }
    let before = bench.metrics().await;
    bench.record("a", &[(1, "10"), (2, "20")]).await.expect("stored");
    let after = bench.metrics().await;
    assert_eq!(figure(&after, "/transactions"), figure(&before, "/transactions"));
    assert_eq!(figure(&after, "/batches_unchanged") - figure(&before, "/batches_unchanged"), 1);
    assert_eq!((figure(&after, "/readings"), bench.hints.get()), (10, 0));
}

#[actix_rt::test]
async fn a_pool_is_told_which_answers_would_change_nothing_again_and_in_which_era() {
    let bench = Bench::sqlite().await;
    let settled = async |paid: &[(usize, &str)]| {
        let Recorded { era, settled, .. } = bench.record("a", paid).await.expect("stored");
        (era, settled)
    };
    let era = async || bench.ledger.send(LoadRoster).await.expect("a living ledger").expect("the players").era;
    for _ in 0..3 {
        settled(&[(1, "10"), (2, "20")]).await;
    }
    assert_eq!(settled(&[(1, "10"), (2, "20")]).await, (0, vec![0, 1]));
    assert_eq!(settled(&[(1, "10"), (2, "4")]).await, (0, vec![0]), "an anomaly is none that can be passed over");
    assert_eq!(settled(&[(2, "4"), (1, "11")]).await, (0, vec![1]), "an award, and the same again is none");
    assert_eq!(settled(&[(1, "12"), (1, "13")]).await, (0, vec![1]), "the last one counts");
    assert_eq!(bench.total(1).await, "300 AP 3 ADVC");
    assert_eq!(era().await, 0, "nobody decided anything");

    let adopt = Adopt { rules: Arc::new(rules()), retention_days: None };
    bench.ledger.send(adopt).await.expect("a living ledger");
    assert_eq!((era().await, settled(&[(1, "13")]).await), (1, (1, vec![0])), "other rules are another era");
    // Both wallets are among the positions, in the order in which they were opened.
    let mark = NewMark { high_water: Some(amount("12.5")), source: None, currency: None };
    let operator = Operator::new("olga", "paid in two coins").expect("an operator");
    rebase(&bench.db, 1, &mark, &operator, now_utc()).await.expect("a rebase");
    assert_eq!(era().await, 2, "the next list of players brings it to the pools");
    assert_eq!(settled(&[(1, "13"), (2, "4")]).await.0, 2);
    assert_eq!(bench.total(1).await, "350 AP 3.5 ADVC", "what was the same before is an award now");
}

#[actix_rt::test]
async fn a_decision_of_the_operator_is_seen_in_the_cycle_after_it_also_while_a_commit_is_running() {
    let bench = Bench::sqlite().await;
    bench.record("a", &[(1, "10")]).await.expect("a baseline");
    bench.record("a", &[(1, "4")]).await.expect("an anomaly");
    // Rebased by hand: from here on it counts from 4.
    bench.execute("UPDATE positions SET baseline = '4', high_water = '4', open_anomaly = NULL").await;
    let lock = bench.lock().await;
    let running = Pending::spawn(bench.record("b", &[(2, "1")]));
    let roster = bench.ledger.send(pool_poller::actors::ledger::LoadRoster).await.expect("a living ledger");
    assert_eq!(roster.expect("the players").len(), 6, "reading does not wait for the commit");
    assert!(!running.is_there());
    lock.rollback().await.expect("the lock is released");
    running.get().await.expect("stored");
    assert_eq!(bench.record("a", &[(1, "6")]).await, Ok(awarded(1, "2", "200")));
    assert_eq!(figure(&bench.metrics().await, "/conflicts"), 0, "the position was read again");
}

#[actix_rt::test]
async fn what_became_of_notices_is_stored_and_offered_rows_follow_it() {
    let bench = Bench::sqlite().await;
    bench.record("a", &[(1, "10"), (2, "10")]).await.expect("a baseline");
    bench.record("a", &[(1, "11"), (2, "11")]).await.expect("two awards");
    let next = |except: &[usize]| {
        let except = except.iter().map(|of| super::bench::player(*of)).collect();
        let asked = bench.ledger.send(NextUndelivered { from: FIRST_PLAYER, except, limit: 10 });
        async { asked.await.expect("a living ledger").expect("the rows").due }
    };
    let offered = next(&[]).await;
    assert_eq!(offered.iter().map(|row| row.player.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(next(&[1]).await.len(), 1);
    let later = now_utc() + chrono::TimeDelta::hours(1);
    let delivery = RecordDelivery {
        acknowledged: vec![offered[0].event_id],
        attempts: vec![Attempt { event_id: offered[1].event_id, next_at: later, dead: false }],
        unreadable: vec![],
    };
    assert_eq!(bench.ledger.send(delivery).await.expect("a living ledger"), Ok(()));
    assert_eq!(next(&[]).await, [], "one is told, the other one not due");
    assert_eq!(bench.ledger.send(CountWaiting).await.expect("a living ledger"), Ok(1));
    let events = bench.events().await;
    assert_eq!(events.iter().map(|event| (event.notified, event.delivery_attempts)).collect::<Vec<_>>(), [(true, 0), (false, 1)]);
}
