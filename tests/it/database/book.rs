//! The ledger's book: each kind of decision is stored alike on both engines.

use entity::pool_snapshots;
use pool_poller::domain::PlayerId;
use pool_poller::domain::payout::{AnomalyKind, FirstReading};
use pool_poller::store::book::{AnomalyReport, Book, Observation};
use pool_poller::store::now_utc;
use sea_orm::EntityTrait as _;

use super::balance::assert_balanced;
use super::bench::{Bench, POOL, amount, reading, record, rules, seen};

super::on_both_engines![
    a_payout_is_stored_with_every_column,
    a_payout_in_another_currency_keeps_both_amounts,
    a_held_event_gives_no_ap_and_is_found_once,
    dust_adds_up_until_it_counts,
    an_anomaly_is_recorded_once_and_resolved_when_it_ends,
    an_anomaly_of_a_wallet_without_a_position_is_recorded_once_and_resolved_by_a_good_answer,
    a_second_book_with_an_old_memory_awards_nothing_twice,
    two_books_that_open_one_position_leave_one,
    a_wallet_that_went_to_another_player_and_back_is_paid_once,
    a_row_of_a_player_who_is_gone_does_not_take_the_others_with_it,
    a_row_that_the_database_refuses_becomes_an_anomaly,
    a_batch_longer_than_a_statement_is_stored_whole,
    a_dry_run_writes_nothing,
    a_deleted_player_takes_everything_along,
];

fn text(money: entity::Money) -> String {
    money.0.normalize().to_string()
}

async fn a_payout_is_stored_with_every_column(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = bench.book();
    let at = now_utc();
    book.record(&seen(1, "Wann", "10.5"), at).await.expect("a baseline");
    let report = book.record(&seen(1, "Wann", "12"), at).await.expect("an award");
    assert_eq!((report.awards.len(), report.transactions, report.snapshots), (1, 1, 1));
    let [event] = bench.events().await.try_into().expect("one event");
    let position = bench.positions().await.remove(0);
    assert_eq!((event.player_id, event.pool_name.as_str(), event.address.as_deref()), (1, POOL, Some("Wann")));
    assert_eq!((text(event.advc_amount), text(event.ap_awarded)), ("1.5".into(), "150".into()));
    assert_eq!((text(event.previous_paid), text(event.current_paid)), ("10.5".into(), "12".into()));
    assert_eq!(event.native_amount.map(text).as_deref(), Some("1.5"));
    assert_eq!(event.native_previous.map(text).as_deref(), Some("10.5"));
    assert_eq!(event.native_current.map(text).as_deref(), Some("12"));
    assert_eq!((event.currency.as_deref(), event.rate.map(text).as_deref()), (Some("ADVC"), Some("1")));
    assert_eq!((event.status.as_str(), event.processed, event.notified, event.hold_reason), ("awarded", true, false, None));
    assert_eq!((event.position_id, event.position_sequence, event.player_sequence), (Some(position.id), Some(1), Some(1)));
    assert_eq!((event.total_ap_after.map(text), event.total_advc_after.map(text)), (Some("150".into()), Some("1.5".into())));
    assert_eq!((event.delivery_attempts, event.next_attempt_at, event.delivery_dead), (0, None, false));
    assert_eq!((event.event_time, event.event_id), (at, Some(report.awards[0].event_id.to_string())));
    assert_eq!((text(position.baseline), text(position.high_water), position.sequence), ("10.5".into(), "12".into(), 1));
    let snapshots = pool_snapshots::Entity::find().all(&bench.db).await.expect("snapshots");
    let shown: Vec<(String, Option<&str>)> = snapshots.iter().map(|row| (text(row.paid), row.raw_response.as_deref())).collect();
    assert_eq!(shown, [("10.5".into(), Some("{\"paid\":10.5}")), ("12".into(), Some("{\"paid\":12}"))]);
    assert_eq!(bench.total(1).await, "150 AP 1.5 ADVC #1");
    assert_balanced(&bench).await;
}

async fn a_payout_in_another_currency_keeps_both_amounts(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = bench.book();
    for paid in ["0.0005", "0.0006"] {
        let mut reading = reading(1, "Wann", paid);
        reading.currency = "BTC".parse().expect("a currency");
        record(&mut book, &[Observation::Reading(reading)]).await;
    }
    let [event] = bench.events().await.try_into().expect("one event");
    assert_eq!((text(event.advc_amount), text(event.ap_awarded)), ("100".into(), "10000".into()));
    assert_eq!((text(event.previous_paid), text(event.current_paid)), ("500".into(), "600".into()));
    assert_eq!((event.native_amount.map(text), event.rate.map(text)), (Some("0.0001".into()), Some("1000000".into())));
    assert_eq!(bench.total(1).await, "10000 AP 100 ADVC #1");
}

async fn a_held_event_gives_no_ap_and_is_found_once(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = bench.book();
    for paid in ["300", "200300", "200300", "200301", "200301000", "200301001"] {
        record(&mut book, &seen(1, "Wann", paid)).await;
    }
    let events = bench.events().await;
    let shown: Vec<(&str, Option<&str>, Option<i64>, bool)> = events
        .iter()
        .map(|event| (event.status.as_str(), event.hold_reason.as_deref(), event.player_sequence, event.processed))
        .collect();
    assert_eq!(
        shown,
        [
            ("held", Some("above_maximum"), None, false),
            ("awarded", None, Some(1), true),
            ("held", Some("unit_change"), None, false),
            ("held", Some("unit_in_doubt"), None, false)
        ]
    );
    assert_eq!(bench.total(1).await, "100 AP 1 ADVC #1");
    assert_balanced(&bench).await;
}

async fn dust_adds_up_until_it_counts(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = bench.book();
    for paid in ["1", "1.00005", "1.0001", "1.00010001"] {
        record(&mut book, &seen(1, "Wann", paid)).await;
    }
    assert_eq!(bench.total(1).await, "0.010001 AP 0.00010001 ADVC #1");
}

async fn an_anomaly_is_recorded_once_and_resolved_when_it_ends(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = bench.book();
    for paid in ["10", "7", "7", "0"] {
        record(&mut book, &seen(1, "Wann", paid)).await;
    }
    record(&mut bench.book(), &seen(1, "Wann", "3")).await;
    let [anomaly] = bench.anomalies().await.try_into().expect("one anomaly, a restart in between or not");
    assert_eq!((anomaly.kind.as_str(), anomaly.resolved_at), ("counter_fell", None));
    assert!(anomaly.detail.contains("the counter is 7 ADVC, below the 10"), "{}", anomaly.detail);
    record(&mut bench.book(), &seen(1, "Wann", "10")).await;
    let [anomaly] = bench.anomalies().await.try_into().expect("one anomaly");
    assert!(anomaly.resolved_at.is_some() && anomaly.resolution.is_some());
    assert_eq!(anomaly.resolved_by.as_deref(), Some("pool-poller"));
    record(&mut bench.book(), &seen(1, "Wann", "9")).await;
    assert_eq!(bench.anomalies().await.len(), 2, "one that comes again is a new one");
    assert_eq!(bench.events().await.len(), 0);
}

async fn an_anomaly_of_a_wallet_without_a_position_is_recorded_once_and_resolved_by_a_good_answer(bench: Bench) {
    bench.players(&["ann"]).await;
    let anomaly = Observation::Anomaly(AnomalyReport {
        player: PlayerId(1),
        pool: POOL.parse().expect("a pool"),
        wallet: "Wann".parse().expect("a wallet"),
        kind: AnomalyKind::IdentityMismatch,
        detail: "/address is \"it's ünïcödé 🎮\"".to_owned(),
    });
    for _ in 0..3 {
        record(&mut bench.book(), std::slice::from_ref(&anomaly)).await;
    }
    let [row] = bench.anomalies().await.try_into().expect("one anomaly");
    assert_eq!((row.detail.as_str(), row.resolved_at), ("/address is \"it's ünïcödé 🎮\"", None));
    record(&mut bench.book(), &seen(1, "Wann", "10")).await;
    let [row] = bench.anomalies().await.try_into().expect("one anomaly");
    assert!(row.resolved_at.is_some());
}

async fn a_second_book_with_an_old_memory_awards_nothing_twice(bench: Bench) {
    bench.players(&["ann"]).await;
    let (mut first, mut second) = (bench.book(), bench.book());
    record(&mut first, &seen(1, "Wann", "10")).await;
    record(&mut second, &seen(1, "Wann", "10")).await;
    record(&mut first, &seen(1, "Wann", "12")).await;
    let report = record(&mut second, &seen(1, "Wann", "12")).await;
    assert_eq!((report.awards.len(), report.conflicts), (0, 1));
    assert_eq!(record(&mut second, &seen(1, "Wann", "13")).await.awards.len(), 1);
    assert_eq!(record(&mut first, &seen(1, "Wann", "13")).await.awards.len(), 0);
    assert_eq!(bench.total(1).await, "300 AP 3 ADVC #2");
    assert_balanced(&bench).await;
}

async fn two_books_that_open_one_position_leave_one(bench: Bench) {
    bench.players(&["ann", "bob"]).await;
    let batch = |paid: &str| [seen(1, "Wann", paid), seen(2, "Wbob", paid)].concat();
    let other = bench.connect_again().await;
    let mut first = Book::new(bench.db.clone(), rules(FirstReading::Award), false);
    let mut second = Book::new(other, rules(FirstReading::Award), false);
    let (one, two) = (batch("10"), batch("10"));
    let (one, two) = tokio::join!(record(&mut first, &one), record(&mut second, &two));
    assert_eq!(one.opened + two.opened, 2, "{one:?} {two:?}");
    assert_eq!(bench.positions().await.len(), 2);
    assert_eq!((bench.total(1).await, bench.total(2).await), ("1000 AP 10 ADVC #1".into(), "1000 AP 10 ADVC #1".into()));
    assert_balanced(&bench).await;
}

async fn a_wallet_that_went_to_another_player_and_back_is_paid_once(bench: Bench) {
    bench.players(&["ann", "bob"]).await;
    let mut book = bench.book();
    for (player, paid) in [(1, "10"), (1, "12"), (2, "12"), (2, "15"), (1, "15"), (1, "16"), (2, "16"), (2, "18")] {
        record(&mut book, &seen(player, "Wann", paid)).await;
    }
    assert_eq!((bench.total(1).await, bench.total(2).await), ("300 AP 3 ADVC #2".into(), "500 AP 5 ADVC #2".into()));
    assert_balanced(&bench).await;
}

async fn a_row_of_a_player_who_is_gone_does_not_take_the_others_with_it(bench: Bench) {
    bench.players(&["ann", "bob"]).await;
    let mut book = bench.book();
    let batch = |paid: &str| [seen(1, "Wann", paid), seen(77, "Wnobody", paid), seen(2, "Wbob", paid)].concat();
    let report = record(&mut book, &batch("10")).await;
    assert_eq!((report.readings, report.opened, report.dropped.len()), (3, 2, 1), "{:?}", report.dropped);
    assert!(report.dropped[0].starts_with("player 77, rplant, Wnobody: "), "{:?}", report.dropped);
    record(&mut book, &batch("11")).await;
    assert_eq!((bench.total(1).await, bench.total(2).await), ("100 AP 1 ADVC #1".into(), "100 AP 1 ADVC #1".into()));
    assert_balanced(&bench).await;
}

async fn a_row_that_the_database_refuses_becomes_an_anomaly(bench: Bench) {
    bench.players(&["ann", "bob", "cec", "dan", "eve"]).await;
    let wallets = ["Wann", "Wbob", "Wcec", "Wdan", "Weve"];
    let batch =
        |paid: &str| -> Vec<Observation> { (1..).zip(wallets).flat_map(|(player, wallet)| seen(player, wallet, paid)).collect() };
    let mut book = bench.book();
    record(&mut book, &batch("1")).await;
    bench
        .execute(if bench.is_postgres() {
            "ALTER TABLE mining_events ADD CONSTRAINT refused CHECK (address <> 'Wcec')"
        } else {
            "CREATE TRIGGER refused BEFORE INSERT ON mining_events WHEN NEW.address = 'Wcec' BEGIN SELECT RAISE(ABORT, 'no'); END"
        })
        .await;
    let report = record(&mut book, &batch("2")).await;
    assert_eq!((report.readings, report.awards.len(), report.anomalies.len(), report.dropped.len()), (5, 4, 1, 0), "{report:?}");
    let [anomaly] = bench.anomalies().await.try_into().expect("one anomaly");
    assert_eq!((anomaly.kind.as_str(), anomaly.player_id, anomaly.address.as_str()), ("reading_refused", 3, "Wcec"));
    assert_eq!(bench.total(3).await, "0 AP 0 ADVC #0");
    assert_balanced(&bench).await;
    // Nothing of it is lost: once the row is accepted, the whole rise is awarded.
    bench
        .execute(if bench.is_postgres() { "ALTER TABLE mining_events DROP CONSTRAINT refused" } else { "DROP TRIGGER refused" })
        .await;
    record(&mut book, &batch("3")).await;
    assert_eq!(bench.total(3).await, "200 AP 2 ADVC #1");
    assert!(bench.anomalies().await[0].resolved_at.is_some());
    assert_balanced(&bench).await;
}

async fn a_batch_longer_than_a_statement_is_stored_whole(bench: Bench) {
    const PLAYERS: i32 = 2_300;
    let names = (1..=PLAYERS).map(|n| format!("('p{n}', 'm{n}', 'w{n}', TRUE)")).collect::<Vec<_>>().join(", ");
    bench.execute(&format!("INSERT INTO players (username, email, wallet_address, verified) VALUES {names}")).await;
    let batch = |paid: &str| -> Vec<Observation> { (1..=PLAYERS).flat_map(|n| seen(n, &format!("w{n}"), paid)).collect() };
    let mut book = bench.book();
    let report = record(&mut book, &batch("1")).await;
    assert_eq!((report.opened, report.transactions), (PLAYERS as u64, 1));
    let report = record(&mut book, &batch("2.5")).await;
    assert_eq!((report.awards.len(), report.transactions, report.snapshots), (PLAYERS as usize, 1, PLAYERS as u64));
    assert_eq!((bench.total(1).await, bench.total(PLAYERS).await), ("150 AP 1.5 ADVC #1".into(), "150 AP 1.5 ADVC #1".into()));
    assert_balanced(&bench).await;
}

async fn a_dry_run_writes_nothing(bench: Bench) {
    bench.players(&["ann"]).await;
    record(&mut bench.book(), &seen(1, "Wann", "10")).await;
    let mut book = Book::new(bench.db.clone(), rules(FirstReading::Baseline), true);
    let report = record(&mut book, &seen(1, "Wann", "12")).await;
    assert_eq!((report.awards.len(), report.awards[0].advc), (1, amount("2")));
    record(&mut book, &seen(1, "Wann", "9")).await;
    assert_eq!((bench.events().await.len(), bench.anomalies().await.len()), (0, 0));
    assert_eq!((bench.total(1).await, bench.positions().await[0].sequence), ("0 AP 0 ADVC #0".into(), 0));
}

async fn a_deleted_player_takes_everything_along(bench: Bench) {
    bench.players(&["ann", "bob"]).await;
    let mut book = bench.book();
    for paid in ["10", "12", "3"] {
        record(&mut book, &[seen(1, "Wann", paid), seen(2, "Wbob", paid)].concat()).await;
    }
    bench.execute("DELETE FROM players WHERE id = 1").await;
    let of = |rows: Vec<i32>| assert_eq!(rows, [2]);
    of(bench.events().await.iter().map(|row| row.player_id).collect());
    of(bench.positions().await.iter().map(|row| row.player_id).collect());
    of(bench.anomalies().await.iter().map(|row| row.player_id).collect());
}
