//! Approving, rejecting and reversing: each once, whoever is at work at the same time, and the sums stay right.

use entity::mining_events::{AWARDED, HELD, REJECTED};
use futures_util::future::join_all;
use pool_poller::domain::Rate;
use pool_poller::domain::payout::FirstReading;
use pool_poller::store::connect;
use pool_poller::store::decisions::{DecisionError, EventRef, approve, reject};
use pool_poller::store::outbox::{mark_notified, next_undelivered, waiting};
use pool_poller::store::reversal::reverse;

use super::bench::{Bench, Engine, amount, now, of_wallet, olga, on_both_engines, points, read, seen, wallet};

on_both_engines!(
    a_held_event_is_approved_once_however_many_press,
    approval_and_rejection_at_once_are_one_decision,
    a_rejected_event_gives_nothing_and_never_comes_again,
    approval_gives_the_ap_of_now,
    an_award_is_taken_back_once_however_many_press,
    what_was_taken_back_is_not_found_again,
    only_an_award_can_be_taken_back,
    spent_points_are_taken_back_only_when_told_to,
    an_award_of_the_replaced_service_can_be_taken_back,
    decisions_and_commits_at_once_keep_every_sum,
);

fn factor(text: &str) -> Rate {
    text.parse().unwrap()
}

/// Holds an event of 2,997 ADVC: the counter was multiplied by exactly a thousand.
async fn held(bench: &Bench) -> i64 {
    let mut book = bench.book(FirstReading::Baseline);
    let report = read(&mut book, &[(1, "3"), (1, "3000")]).await;
    assert_eq!(report.held.len(), 1);
    bench.events().await[0].id
}

async fn a_held_event_is_approved_once_however_many_press(engine: Engine) {
    let bench = Bench::new(engine).await;
    let event = EventRef::Row(held(&bench).await);
    let others = join_all((0..4).map(|_| connect(&bench.url, "test"))).await;
    let (factor, operator) = (factor("100"), olga());
    let pressed = others.iter().map(|db| approve(db.as_ref().unwrap(), event, &operator, factor, now()));
    let outcomes = join_all(pressed).await;
    let (done, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 1);
    for refusal in refused {
        assert!(matches!(refusal, Err(DecisionError::NotHeld { .. })), "{refusal:?}");
    }
    assert_eq!(bench.total(1).await, "299700 AP 2997 ADVC #1");
    let [row] = bench.events().await.try_into().unwrap();
    assert_eq!((row.status.as_str(), row.processed, row.player_sequence), (AWARDED, true, Some(1)));
    assert_eq!((row.decided_by.as_deref(), row.decision_reason.as_deref()), (Some("olga"), Some("the pool said so")));
    assert!(row.decided_at.is_some());

    let [offered] = next_undelivered(&bench.db, &[], 10, now()).await.unwrap().try_into().unwrap();
    assert_eq!((offered.points, offered.total_ap, offered.sequence), (points("299700"), points("299700"), 1));
    mark_notified(&bench.db, &[offered.event_id]).await.unwrap();
    assert_eq!(waiting(&bench.db).await.unwrap(), 0);
    bench.assert_verified().await;
}

async fn approval_and_rejection_at_once_are_one_decision(engine: Engine) {
    let bench = Bench::new(engine).await;
    let event = EventRef::Row(held(&bench).await);
    let other = connect(&bench.url, "test").await.unwrap();
    let operator = olga();
    let (approved, rejected) =
        tokio::join!(approve(&bench.db, event, &operator, factor("100"), now()), reject(&other, event, &operator, now()));
    assert_ne!(approved.is_ok(), rejected.is_ok());
    let expected = if approved.is_ok() { "299700 AP 2997 ADVC #1" } else { "0 AP 0 ADVC #0" };
    assert_eq!(bench.total(1).await, expected);
    bench.assert_verified().await;
}

async fn a_rejected_event_gives_nothing_and_never_comes_again(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    assert_eq!(read(&mut book, &[(1, "3"), (1, "200000")]).await.held.len(), 1);
    let event = EventRef::Row(bench.events().await[0].id);
    reject(&bench.db, event, &olga(), now()).await.unwrap();
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "200000"), (1, "200001")]).await;
    let events = bench.events().await;
    assert_eq!(events.iter().map(|event| event.status.as_str()).collect::<Vec<_>>(), [REJECTED, HELD], "the unit is in doubt");
    assert!(events[0].processed && events[0].player_sequence.is_none());
    let refused = approve(&bench.db, event, &olga(), factor("100"), now()).await.unwrap_err();
    assert!(refused.to_string().contains("it was rejected by olga at "), "{refused}");
    bench.assert_verified().await;
}

async fn approval_gives_the_ap_of_now(engine: Engine) {
    let bench = Bench::new(engine).await;
    let event = EventRef::Row(held(&bench).await);
    let done = approve(&bench.db, event, &olga(), factor("0.5"), now()).await.unwrap();
    assert_eq!(done.event.ap_awarded.0.normalize().to_string(), "1498.5");
    assert_eq!(bench.total(1).await, "1498.5 AP 2997 ADVC #1");
    bench.assert_verified().await;
}

async fn an_award_is_taken_back_once_however_many_press(engine: Engine) {
    let bench = Bench::new(engine).await;
    read(&mut bench.book(FirstReading::Baseline), &[(1, "10"), (1, "11.5"), (1, "12")]).await;
    let award = bench.events().await[0].clone();
    let event = EventRef::Id(award.event_id.clone().unwrap().parse().unwrap());
    let others = join_all((0..4).map(|_| connect(&bench.url, "test"))).await;
    let operator = olga();
    let outcomes = join_all(others.iter().map(|db| reverse(db.as_ref().unwrap(), event, &operator, false, now()))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    for refusal in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(refusal.to_string().contains("took it back already"), "{refusal}");
    }
    assert_eq!(bench.total(1).await, "50 AP 0.5 ADVC #3");
    let events = bench.events().await;
    assert_eq!(events[0], award, "what is taken back stays as it is");
    let back = &events[2];
    assert_eq!((back.reverses, back.position_sequence, back.player_sequence), (Some(award.id), None, Some(3)));
    assert_eq!((back.native_previous, back.native_current), (award.native_current, award.native_previous));

    let mut told = Vec::new();
    while let Some(next) = next_undelivered(&bench.db, &[], 1, now()).await.unwrap().pop() {
        told.push((next.advc, next.points, next.total_ap));
        mark_notified(&bench.db, &[next.event_id]).await.unwrap();
    }
    let expected = [("1.5", "150", "150"), ("0.5", "50", "200"), ("-1.5", "-150", "50")];
    assert_eq!(told, expected.map(|(advc, ap, total)| (amount(advc), points(ap), points(total))));
    bench.assert_verified().await;
}

async fn what_was_taken_back_is_not_found_again(engine: Engine) {
    let bench = Bench::new(engine).await;
    read(&mut bench.book(FirstReading::Baseline), &[(1, "10"), (1, "12")]).await;
    reverse(&bench.db, EventRef::Row(bench.events().await[0].id), &olga(), false, now()).await.unwrap();
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "12"), (1, "10"), (1, "12"), (1, "13")]).await;
    assert_eq!(bench.total(1).await, "100 AP 1 ADVC #3");
    bench.assert_verified().await;
}

async fn only_an_award_can_be_taken_back(engine: Engine) {
    let bench = Bench::new(engine).await;
    let event = EventRef::Row(held(&bench).await);
    let refused = reverse(&bench.db, event, &olga(), false, now()).await.unwrap_err();
    assert!(refused.to_string().contains(&format!("it is {HELD}")), "{refused}");
    approve(&bench.db, event, &olga(), factor("100"), now()).await.unwrap();
    let back = reverse(&bench.db, event, &olga(), false, now()).await.unwrap().event;
    let refused = reverse(&bench.db, EventRef::Row(back.id), &olga(), false, now()).await.unwrap_err();
    assert!(matches!(refused, DecisionError::NotReversible { .. }), "{refused}");
    let refused = reverse(&bench.db, EventRef::Row(99), &olga(), false, now()).await.unwrap_err();
    assert!(matches!(refused, DecisionError::UnknownEvent(_)), "{refused}");
    assert_eq!(bench.total(1).await, "0 AP 0 ADVC #2");
    bench.assert_verified().await;
}

async fn spent_points_are_taken_back_only_when_told_to(engine: Engine) {
    let bench = Bench::new(engine).await;
    read(&mut bench.book(FirstReading::Baseline), &[(1, "10"), (1, "12")]).await;
    // The game's own SQL, as it writes it.
    bench.run("UPDATE players SET total_ap = total_ap - 150 WHERE id = 1").await;
    let event = EventRef::Row(bench.events().await[0].id);
    let refused = reverse(&bench.db, event, &olga(), false, now()).await.unwrap_err();
    assert!(matches!(refused, DecisionError::Spent { .. }), "{refused}");
    assert_eq!(bench.total(1).await, "50 AP 2 ADVC #1");
    reverse(&bench.db, event, &olga(), true, now()).await.unwrap();
    assert_eq!(bench.total(1).await, "-150 AP 0 ADVC #2");
    let report = pool_poller::store::verify::verify(&bench.db).await.unwrap();
    assert_eq!((report.differences_total, report.players_with_other_ap), (0, 1));
    assert_eq!(report.other_ap, amount("-150"), "what the game took is told, and is no difference");
}

async fn an_award_of_the_replaced_service_can_be_taken_back(engine: Engine) {
    let bench = Bench::new(engine).await;
    bench
        .run(
            "INSERT INTO mining_events (player_id, pool_name, advc_amount, ap_awarded, previous_paid, current_paid, processed) \
             VALUES (1, 'rplant', '2.5', '250', '0', '2.5', TRUE)",
        )
        .await;
    bench.run("UPDATE players SET total_ap = '600', total_advc_mined = '6' WHERE id = 1").await;
    let event = EventRef::Row(bench.events().await[0].id);
    let back = reverse(&bench.db, event, &olga(), false, now()).await.unwrap().event;
    assert_eq!((back.position_id, back.native_amount, back.player_sequence), (None, None, Some(1)));
    assert_eq!(bench.total(1).await, "350 AP 3.5 ADVC #1");
    assert!(reverse(&bench.db, event, &olga(), false, now()).await.is_err());
    bench.assert_verified().await;
}

async fn decisions_and_commits_at_once_keep_every_sum(engine: Engine) {
    let bench = Bench::new(engine).await;
    let mut book = bench.book(FirstReading::Baseline);
    read(&mut book, &[(1, "1"), (2, "1")]).await;
    // Ten held events of 999 ADVC each, on wallets of their own.
    for number in 0..10 {
        let wallet = format!("{}{number}", wallet(1));
        for paid in ["1", "1000"] {
            book.record(&[of_wallet(1, &wallet, paid)], now()).await.unwrap();
        }
    }
    let held: Vec<EventRef> = bench.events().await.iter().map(|event| EventRef::Row(event.id)).collect();
    assert_eq!(held.len(), 10);
    let (first, second) = (connect(&bench.url, "test").await.unwrap(), connect(&bench.url, "test").await.unwrap());
    let operator = olga();
    let committing = async {
        for paid in 2..=60 {
            let paid = paid.to_string();
            book.record(&[seen(1, &paid), seen(2, &paid)], now()).await.unwrap();
        }
    };
    let decide = async |db| {
        let mut done = 0;
        for event in &held {
            done += u32::from(approve(db, *event, &operator, factor("100"), now()).await.is_ok());
            done += u32::from(reverse(db, *event, &operator, true, now()).await.is_ok());
        }
        done
    };
    let ((), one, two) = tokio::join!(committing, decide(&first), decide(&second));
    assert_eq!(one + two, 20, "each of ten events was approved once and reversed once");
    assert_eq!(bench.total(1).await, "5900 AP 59 ADVC #79");
    assert_eq!(bench.total(2).await, "5900 AP 59 ADVC #59");
    bench.assert_verified().await;
}
