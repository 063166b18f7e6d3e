//! Payouts that a pool lists one by one: each is recorded and credited once, on both engines.

use std::sync::Arc;

use chrono::{NaiveDateTime, TimeDelta};
use entity::{listed_payouts, position_rebases};
use pool_poller::domain::listed::source;
use pool_poller::domain::payout::{AnomalyKind, FirstReading};
use pool_poller::domain::{Listed, Payout, Reading};
use pool_poller::store::book::{Book, Observation, Report, Rules};
use pool_poller::store::decisions::{EventRef, Operator};
use pool_poller::store::now_utc;
use pool_poller::store::overview::event_story;
use pool_poller::store::rebase::{NewMark, rebase};
use pool_poller::store::verify::verify;
use sea_orm::{EntityTrait as _, QueryOrder as _};

use super::balance::assert_balanced;
use super::bench::{Bench, amount, reading, record, rules};

super::on_both_engines![
    a_listed_payout_is_recorded_and_awarded_once,
    what_is_listed_first_is_the_past_unless_all_is_to_be_awarded,
    small_payouts_add_up_until_they_count,
    a_payout_with_another_amount_is_told_and_what_comes_with_it_is_held,
    two_books_that_see_one_payout_at_the_same_time_award_it_once,
    a_payout_that_another_process_recorded_meanwhile_is_not_recorded_again,
    a_record_is_as_new_as_the_position_that_goes_by_it,
    a_batch_of_more_payouts_than_a_statement_is_stored_whole,
    a_currency_without_a_rate_loses_no_payout,
    a_wallet_that_goes_to_another_player_takes_no_past_along,
    another_unit_pays_nothing_until_a_rebase_and_then_only_what_is_new,
    a_counter_that_is_replaced_by_a_list_pays_no_payout_again,
    a_list_that_was_not_read_for_longer_than_it_reaches_is_told_once,
    an_unchanged_list_opens_no_transaction,
    a_dry_run_records_nothing,
    what_is_wrong_with_the_recorded_payouts_is_found,
];

pub(super) fn listing(player: i32, wallet: &str, payouts: &[(&str, &str)]) -> Reading {
    let payouts =
        payouts.iter().map(|(id, paid)| Payout { id: (*id).to_owned(), amount: amount(paid), time: Some(1_700_000_000) });
    let listed =
        Listed { source: source("/payouts", "/tx", "/amount").into(), payouts: payouts.collect(), window_seconds: Some(86_400) };
    Reading { counters: Vec::new(), listed: Some(listed), ..reading(player, wallet, "0") }
}

fn seen(player: i32, wallet: &str, payouts: &[(&str, &str)]) -> Vec<Observation> {
    vec![Observation::Reading(listing(player, wallet, payouts))]
}

async fn see(book: &mut Book, payouts: &[(&str, &str)]) -> Report {
    record(book, &seen(1, "Wann", payouts)).await
}

/// Reads an empty list until the position has settled.
async fn settle(book: &mut Book) {
    for _ in 0..4 {
        see(book, &[]).await;
    }
}

pub(super) async fn recorded(bench: &Bench) -> Vec<listed_payouts::Model> {
    listed_payouts::Entity::find().order_by_asc(listed_payouts::Column::Id).all(&bench.db).await.expect("payouts")
}

fn shown(rows: &[listed_payouts::Model]) -> Vec<(&str, i64, String, String)> {
    let text = |money: entity::Money| money.0.normalize().to_string();
    rows.iter().map(|row| (row.tx_id.as_str(), row.number, text(row.amount), text(row.total))).collect()
}

async fn assert_good(bench: &Bench) {
    assert_balanced(bench).await;
    assert_verified(bench).await;
}

/// What holds after a rebase too.
async fn assert_verified(bench: &Bench) {
    let report = verify(&bench.db).await.expect("a report");
    assert_eq!(report.differences, [], "{report:?}");
    assert_eq!(report.payouts, recorded(bench).await.len() as u64);
}

async fn kinds(bench: &Bench) -> Vec<(String, bool)> {
    bench.anomalies().await.into_iter().map(|row| (row.kind, row.resolved_at.is_some())).collect()
}

async fn a_listed_payout_is_recorded_and_awarded_once(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = bench.book();
    see(&mut book, &[("a", "10"), ("b", "2.5")]).await;
    let report = see(&mut book, &[("c", "1.25"), ("b", "2.5"), ("a", "10")]).await;
    assert_eq!((report.awards.len(), report.transactions), (1, 1));
    for ids in [&[("c", "1.25"), ("b", "2.5")][..], &[], &[("a", "10"), ("c", "1.25")]] {
        assert_eq!(see(&mut book, ids).await.awards.len(), 0, "{ids:?}");
        // After a restart too.
        assert_eq!(see(&mut bench.book(), ids).await.awards.len(), 0, "{ids:?}");
    }
    assert_eq!(bench.total(1).await, "125 AP 1.25 ADVC #1");
    let rows = recorded(&bench).await;
    let expected = [("a", 1, "10", "10"), ("b", 2, "2.5", "12.5"), ("c", 3, "1.25", "13.75")];
    assert_eq!(shown(&rows), expected.map(|(id, number, paid, total)| (id, number, paid.to_owned(), total.to_owned())));
    assert_eq!((rows[0].pool_name.as_str(), rows[0].address.as_str()), ("rplant", "Wann"));
    assert_eq!(rows[0].source, "list:/payouts:/tx:/amount");
    assert_eq!(rows[0].paid_at.map(|at| at.and_utc().timestamp()), Some(1_700_000_000));
    let [position] = bench.positions().await.try_into().expect("one position");
    assert_eq!(position.source, "list:/payouts:/tx:/amount");
    let story = event_story(&bench.db, EventRef::Row(1)).await.expect("a query").expect("an event");
    assert_eq!(story.payouts.iter().map(|payout| payout.tx_id.as_str()).collect::<Vec<_>>(), ["c"]);
    assert_good(&bench).await;
}

async fn what_is_listed_first_is_the_past_unless_all_is_to_be_awarded(bench: Bench) {
    bench.players(&["ann", "bob"]).await;
    see(&mut bench.book(), &[("a", "10"), ("b", "2")]).await;
    assert_eq!(bench.total(1).await, "0 AP 0 ADVC #0");
    let mut book = Book::new(bench.db.clone(), rules(FirstReading::Award), false);
    record(&mut book, &seen(2, "Wbob", &[("a", "10"), ("b", "2")])).await;
    assert_eq!(bench.total(2).await, "1200 AP 12 ADVC #1");
    assert_good(&bench).await;
}

async fn small_payouts_add_up_until_they_count(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = bench.book();
    settle(&mut book).await;
    assert_eq!(see(&mut book, &[("a", "0.00006")]).await.dust, 1);
    assert_eq!(see(&mut bench.book(), &[("b", "0.00004")]).await.dust, 1, "0.0001 is not more than MIN_PAYOUT_DELTA");
    assert_eq!(see(&mut book, &[("c", "0.00000001")]).await.awards.len(), 1);
    assert_eq!(bench.total(1).await, "0.010001 AP 0.00010001 ADVC #1");
    assert_good(&bench).await;
}

async fn a_payout_with_another_amount_is_told_and_what_comes_with_it_is_held(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = bench.book();
    see(&mut book, &[("a", "10")]).await;
    let report = see(&mut book, &[("a", "10000")]).await;
    assert_eq!(report.anomalies.iter().map(|anomaly| anomaly.kind).collect::<Vec<_>>(), [AnomalyKind::PayoutChanged]);
    assert!(report.anomalies[0].detail.contains("payout a is listed with 10000 ADVC and recorded with 10"), "{report:?}");
    assert_eq!(see(&mut book, &[("a", "10000")]).await.anomalies.len(), 0, "once");
    let report = see(&mut book, &[("a", "10000"), ("b", "2000")]).await;
    assert_eq!((report.awards.len(), report.held.len()), (0, 1));
    assert_eq!(bench.events().await[0].hold_reason.as_deref(), Some("payout_changed"));
    assert_eq!(see(&mut book, &[("b", "2000"), ("c", "3")]).await.awards.len(), 1, "it has left the list");
    assert_eq!(kinds(&bench).await, [("payout_changed".to_owned(), true)]);
    assert_eq!(bench.total(1).await, "300 AP 3 ADVC #1");
    assert_eq!(shown(&recorded(&bench).await)[0], ("a", 1, "10".to_owned(), "10".to_owned()), "what is recorded stays");
    assert_good(&bench).await;
}

async fn two_books_that_see_one_payout_at_the_same_time_award_it_once(bench: Bench) {
    bench.players(&["ann"]).await;
    let (mut one, mut other) = (bench.book(), bench.book());
    settle(&mut one).await;
    settle(&mut other).await;
    for round in 0..10 {
        let (first, second) = (format!("x{round}"), format!("y{round}"));
        // Each sees one that the other has not seen yet, and one that both see.
        let (a, b) = ([(first.as_str(), "1"), ("both", "7")], [(second.as_str(), "2"), ("both", "7")]);
        let (a, b) = (seen(1, "Wann", &a), seen(1, "Wann", &b));
        tokio::join!(record(&mut one, &a), record(&mut other, &b));
    }
    assert_eq!(recorded(&bench).await.len(), 21);
    let last = bench.positions().await.remove(0);
    assert_eq!(last.high_water.0.normalize().to_string(), "37");
    // Whoever saw the last payout alone has credited it.
    see(&mut one, &[]).await;
    assert!(bench.total(1).await.starts_with("3700 AP 37 ADVC"), "{}", bench.total(1).await);
    assert_good(&bench).await;
}

async fn a_payout_that_another_process_recorded_meanwhile_is_not_recorded_again(bench: Bench) {
    bench.players(&["ann"]).await;
    let (mut one, mut other) = (bench.book(), bench.book());
    see(&mut one, &[("a", "10")]).await;
    see(&mut other, &[("a", "10")]).await;
    see(&mut one, &[("a", "10"), ("b", "2")]).await;
    see(&mut one, &[("a", "10"), ("b", "2"), ("c", "3")]).await;
    // The answer was on its way for longer, and knows of one that the other has not seen.
    let report = see(&mut other, &[("a", "10"), ("b", "2"), ("d", "4")]).await;
    assert_eq!((report.awards.len(), report.awards[0].advc), (1, amount("4")));
    assert_eq!(bench.total(1).await, "900 AP 9 ADVC #3");
    assert_eq!(shown(&recorded(&bench).await)[3], ("d", 4, "4".to_owned(), "19".to_owned()));
    assert_good(&bench).await;
}

async fn a_record_is_as_new_as_the_position_that_goes_by_it(bench: Bench) {
    bench.players(&["ann", "bob"]).await;
    let (mut one, mut other) = (bench.book(), bench.book());
    let whose = |player, payouts| seen(player, "Wshared", payouts);
    record(&mut one, &whose(1, &[("a", "1")])).await;
    record(&mut other, &whose(1, &[("a", "1"), ("b", "2")])).await;
    // The position is read from the database here, and what is recorded of the wallet must not be older.
    record(&mut one, &whose(2, &[])).await;
    record(&mut one, &whose(1, &[])).await;
    assert_eq!(kinds(&bench).await, []);
    record(&mut one, &whose(1, &[("b", "2"), ("c", "4")])).await;
    assert_eq!((bench.total(1).await, bench.total(2).await), ("600 AP 6 ADVC #2".into(), "0 AP 0 ADVC #0".into()));
    assert_good(&bench).await;
}

async fn a_batch_of_more_payouts_than_a_statement_is_stored_whole(bench: Bench) {
    bench.players(&["ann", "bob", "cid"]).await;
    let ids: Vec<String> = (0..1_500).map(|number| format!("t{number:04}")).collect();
    let payouts: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "0.5")).collect();
    let mut book = bench.book();
    let batch = |payouts: &[(&str, &str)]| {
        let readings = ["Wann", "Wbob", "Wcid"].iter().zip(1..);
        readings.map(|(wallet, player)| Observation::Reading(listing(player, wallet, payouts))).collect::<Vec<_>>()
    };
    record(&mut book, &batch(&payouts[..1_200])).await;
    record(&mut bench.book(), &batch(&payouts)).await;
    assert_eq!(recorded(&bench).await.len(), 4_500);
    for player in 1..=3 {
        assert_eq!(bench.total(player).await, "15000 AP 150 ADVC #1");
    }
    assert_good(&bench).await;
}

async fn a_currency_without_a_rate_loses_no_payout(bench: Bench) {
    bench.players(&["ann"]).await;
    let in_coin = |payouts: &[(&str, &str)]| {
        let reading = listing(1, "Wann", payouts);
        vec![Observation::Reading(Reading { currency: "XYZ".parse().expect("a currency"), ..reading })]
    };
    let mut book = bench.book();
    for list in [&[("a", "10")][..], &[("a", "10"), ("b", "2")], &[("c", "3")]] {
        record(&mut book, &in_coin(list)).await;
    }
    assert_eq!((bench.events().await.len(), kinds(&bench).await), (0, vec![("no_rate".to_owned(), false)]));
    assert_eq!(recorded(&bench).await.len(), 3);
    let mut with_rate = Rules::clone(&rules(FirstReading::Baseline));
    with_rate.rates.insert("XYZ".parse().expect("a currency"), "2".parse().expect("a rate"));
    let mut book = Book::new(bench.db.clone(), Arc::new(with_rate), false);
    record(&mut book, &in_coin(&[("c", "3")])).await;
    assert_eq!(bench.total(1).await, "1000 AP 10 ADVC #1", "b has left the list by now");
    assert_good(&bench).await;
}

async fn a_wallet_that_goes_to_another_player_takes_no_past_along(bench: Bench) {
    bench.players(&["ann", "bob"]).await;
    let mut book = bench.book();
    let whose = |player, payouts| seen(player, "Wshared", payouts);
    record(&mut book, &whose(1, &[("a", "1")])).await;
    record(&mut book, &whose(1, &[("a", "1"), ("b", "2")])).await;
    record(&mut book, &whose(2, &[("b", "2"), ("c", "4")])).await;
    record(&mut book, &whose(2, &[("c", "4"), ("d", "8")])).await;
    record(&mut book, &whose(1, &[("d", "8"), ("e", "16")])).await;
    assert_eq!((bench.total(1).await, bench.total(2).await), ("1800 AP 18 ADVC #2".into(), "800 AP 8 ADVC #1".into()));
    assert_good(&bench).await;
}

async fn another_unit_pays_nothing_until_a_rebase_and_then_only_what_is_new(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = bench.book();
    see(&mut book, &[("a", "1000"), ("b", "2000")]).await;
    let in_unit = |payouts: &[(&str, &str)]| {
        let mut reading = listing(1, "Wann", payouts);
        let listed = reading.listed.as_mut().expect("a list");
        listed.source = format!("{}@1e-3", listed.source).into();
        vec![Observation::Reading(reading)]
    };
    let report = record(&mut book, &in_unit(&[("b", "2"), ("c", "3")])).await;
    assert_eq!(report.anomalies[0].kind, AnomalyKind::SourceChanged);
    assert_eq!((bench.events().await.len(), recorded(&bench).await.len()), (0, 2), "nothing is recorded of it");
    let operator = Operator::new("olga", "the unit has changed").expect("an operator");
    let mark = NewMark { source: Some("list:/payouts:/tx:/amount@1e-3".to_owned()), ..NewMark::default() };
    rebase(&bench.db, 1, &mark, &operator, now_utc()).await.expect("a rebase");
    let mut book = bench.book();
    for _ in 0..4 {
        record(&mut book, &in_unit(&[("b", "2"), ("c", "3")])).await;
    }
    record(&mut book, &in_unit(&[("c", "3"), ("d", "4")])).await;
    let amounts: Vec<String> = bench.events().await.iter().map(|event| event.advc_amount.0.normalize().to_string()).collect();
    assert_eq!(amounts, ["3", "4"]);
    assert_eq!(kinds(&bench).await, [("source_changed".to_owned(), true)], "what is known in another unit is not compared");
    assert_verified(&bench).await;
}

async fn a_counter_that_is_replaced_by_a_list_pays_no_payout_again(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = bench.book();
    for paid in ["10", "12"] {
        record(&mut book, &[Observation::Reading(reading(1, "Wann", paid))]).await;
    }
    let report = see(&mut book, &[("a", "10"), ("b", "2"), ("c", "3")]).await;
    assert_eq!(report.anomalies[0].kind, AnomalyKind::SourceChanged);
    let operator = Operator::new("olga", "it lists payouts now").expect("an operator");
    let mark = NewMark { source: Some("list:/payouts:/tx:/amount".to_owned()), ..NewMark::default() };
    rebase(&bench.db, 1, &mark, &operator, now_utc()).await.expect("a rebase");
    let [row] = position_rebases::Entity::find().all(&bench.db).await.expect("rebases").try_into().expect("one");
    assert_eq!(row.new_source, "~list:/payouts:/tx:/amount");
    for _ in 0..4 {
        book = bench.book();
        see(&mut book, &[("b", "2"), ("c", "3")]).await;
    }
    assert_eq!(bench.total(1).await, "200 AP 2 ADVC #1");
    see(&mut book, &[("c", "3"), ("d", "4")]).await;
    assert_eq!(bench.total(1).await, "600 AP 6 ADVC #2");
    assert_eq!(bench.positions().await[0].source, "list:/payouts:/tx:/amount");
    assert_verified(&bench).await;
}

async fn a_list_that_was_not_read_for_longer_than_it_reaches_is_told_once(bench: Bench) {
    bench.players(&["ann"]).await;
    let began = now_utc();
    let at = |hours: i64| -> NaiveDateTime { began + TimeDelta::hours(hours) };
    let mut book = bench.book();
    for hour in [0, 1, 2, 25] {
        book.record(&seen(1, "Wann", &[("a", "10")]), at(hour)).await.expect("a reading");
    }
    assert_eq!(kinds(&bench).await, [], "23 hours are within the day that the list reaches back");
    // The program was off; what it knew of the last reading is in the database.
    let mut book = bench.book();
    let report = book.record(&seen(1, "Wann", &[("a", "10"), ("b", "2")]), at(50)).await.expect("a reading");
    assert_eq!((report.awards.len(), report.anomalies.len()), (1, 1));
    assert!(report.anomalies[0].detail.starts_with("the list reaches back 86400 s and was last read at "), "{report:?}");
    for hour in [51, 80] {
        book.record(&seen(1, "Wann", &[("b", "2")]), at(hour)).await.expect("a reading");
    }
    assert_eq!(kinds(&bench).await, [("list_gap".to_owned(), false)], "it stays until somebody has looked at it");
    assert_good(&bench).await;
}

async fn an_unchanged_list_opens_no_transaction(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = bench.book();
    for _ in 0..4 {
        see(&mut book, &[("a", "10")]).await;
    }
    let report = see(&mut book, &[("a", "10")]).await;
    assert_eq!((report.readings, report.transactions, report.snapshots), (1, 0, 0));
    assert_eq!(see(&mut book, &[]).await.transactions, 0);
    assert_eq!(see(&mut book, &[("a", "10")]).await.transactions, 0, "forgotten and looked up");
}

async fn a_dry_run_records_nothing(bench: Bench) {
    bench.players(&["ann"]).await;
    see(&mut bench.book(), &[("a", "10")]).await;
    let mut book = Book::new(bench.db.clone(), rules(FirstReading::Baseline), true);
    assert_eq!(see(&mut book, &[("a", "10"), ("b", "2")]).await.awards.len(), 1);
    assert_eq!((recorded(&bench).await.len(), bench.events().await.len()), (1, 0));
}

async fn what_is_wrong_with_the_recorded_payouts_is_found(bench: Bench) {
    bench.players(&["ann", "bob"]).await;
    let mut book = bench.book();
    see(&mut book, &[("a", "10")]).await;
    see(&mut book, &[("b", "2")]).await;
    see(&mut book, &[("c", "3")]).await;
    record(&mut book, &seen(2, "Wbob", &[("a", "1")])).await;
    assert_good(&bench).await;
    bench.execute("CREATE TABLE good_payouts AS SELECT * FROM listed_payouts").await;
    for (sql, rule) in [
        ("UPDATE listed_payouts SET amount = '9.00000000' WHERE id = 2", "payout_total"),
        ("UPDATE listed_payouts SET amount = '-2.00000000', total = '8.00000000' WHERE id = 2", "payout_amount"),
        ("UPDATE listed_payouts SET total = '16.00000000' WHERE id = 3", "listed_sum"),
        ("UPDATE listed_payouts SET number = 9 WHERE id = 3", "payout_number"),
        ("UPDATE listed_payouts SET address = 'Wbob', number = 2 WHERE id = 3", "listed_sum"),
        ("DELETE FROM listed_payouts WHERE id = 1", "payout_number"),
        ("DELETE FROM listed_payouts WHERE id = 2", "payout_total"),
        ("DELETE FROM listed_payouts WHERE id = 3", "listed_sum"),
        ("DELETE FROM listed_payouts WHERE address = 'Wbob'", "listed_sum"),
    ] {
        bench.execute(sql).await;
        let report = verify(&bench.db).await.expect("a report");
        assert!(report.differences.iter().any(|found| found.what == rule), "{sql}: {rule} is not in {report:#?}");
        bench.execute("DELETE FROM listed_payouts").await;
        bench.execute("INSERT INTO listed_payouts SELECT * FROM good_payouts").await;
        assert_good(&bench).await;
    }
}
