//! The largest, the smallest and the strangest that may come.

use pool_poller::domain::payout::FirstReading;
use pool_poller::domain::{Amount, Counter, Figures, Rate, Reading};
use pool_poller::store::book::{Book, Observation};

use super::balance::assert_balanced;
use super::bench::{Bench, amount, reading, record, rules_with, seen};

super::on_both_engines![
    the_largest_counter_and_the_smallest_unit_stay_exact,
    the_most_precise_rates_can_be_stored_and_read_again,
    an_amount_that_cannot_be_represented_is_an_anomaly_and_moves_nothing,
    a_total_that_would_outgrow_its_column_takes_nobody_with_it,
    quotes_unicode_and_odd_characters_come_back_as_they_were,
    a_source_of_many_pointers_fits,
    a_zero_byte_costs_nobody_a_payout,
];

fn text(money: entity::Money) -> String {
    money.0.normalize().to_string()
}

fn in_currency(currency: &str, paid: &str) -> Vec<Observation> {
    let mut reading = reading(1, "Wann", paid);
    reading.currency = currency.parse().expect("a currency");
    vec![Observation::Reading(reading)]
}

/// A book that holds nothing back.
fn generous(bench: &Bench) -> Book {
    Book::new(bench.db.clone(), rules_with(FirstReading::Award, "700000000000000000000", "100"), false)
}

async fn the_largest_counter_and_the_smallest_unit_stay_exact(bench: Bench) {
    bench.players(&["ann", "bob"]).await;
    let mut book = generous(&bench);
    let largest = "1000000000000000";
    assert_eq!(Amount::parse_counter(largest, 0), Ok(amount(largest)));
    record(&mut book, &seen(1, "Wann", "999999999999999.99999999")).await;
    record(&mut bench.book(), &seen(1, "Wann", largest)).await;
    assert_eq!(bench.total(1).await, "99999999999999999.999999 AP 999999999999999.99999999 ADVC #1", "0.00000001 is dust");
    assert_eq!(text(bench.positions().await[0].high_water), "999999999999999.99999999");
    // The smallest rise that counts.
    for paid in ["0.00000001", "0.00010002"] {
        record(&mut bench.book(), &seen(2, "Wbob", paid)).await;
    }
    assert_eq!(bench.total(2).await, "0.010001 AP 0.00010001 ADVC #1");
    assert_balanced(&bench).await;
}

async fn the_most_precise_rates_can_be_stored_and_read_again(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = generous(&bench);
    record(&mut book, &in_currency("BIG", "1.00000001")).await;
    let [event] = bench.events().await.try_into().expect("one event");
    let big: Rate = "999999999999999".parse().expect("a rate");
    assert_eq!(event.rate.map(|rate| rate.0.normalize()), Some(big.to_decimal()));
    assert_eq!(text(event.advc_amount), "1000000009999998.99999999");
    let mut reading = reading(1, "Wtiny", "1000000000000000");
    reading.currency = "TINY".parse().expect("a currency");
    let mut book = Book::new(bench.db.clone(), rules_with(FirstReading::Award, "1000", "100"), false);
    reading.wallet = "Wann".parse().expect("a wallet");
    reading.pool = "zpool".parse().expect("a pool");
    record(&mut book, &[Observation::Reading(reading)]).await;
    let events = bench.events().await;
    assert_eq!(events[1].rate.map(text).as_deref(), Some("0.000000000000000001"));
    assert_eq!(text(events[1].advc_amount), "0.001");
    assert_balanced(&bench).await;
}

async fn an_amount_that_cannot_be_represented_is_an_anomaly_and_moves_nothing(bench: Bench) {
    bench.players(&["ann"]).await;
    let mut book = generous(&bench);
    record(&mut book, &in_currency("BIG", "1000000000000000")).await;
    assert_eq!((bench.events().await.len(), bench.total(1).await), (0, "0 AP 0 ADVC #0".into()));
    assert_eq!(bench.anomalies().await[0].kind, "amount_overflow");
    assert_eq!(text(bench.positions().await[0].high_water), "0");
    record(&mut book, &in_currency("BIG", "2")).await;
    assert_eq!((bench.events().await.len(), bench.anomalies().await[0].resolved_at.is_some()), (1, true));
}

async fn a_total_that_would_outgrow_its_column_takes_nobody_with_it(bench: Bench) {
    bench.players(&["ann", "bob"]).await;
    bench.execute("UPDATE players SET total_ap = '792281625142643375935.43950335' WHERE id = 1").await;
    let mut book = bench.book();
    for paid in ["1", "2"] {
        record(&mut book, &[seen(1, "Wann", paid), seen(2, "Wbob", paid)].concat()).await;
    }
    assert_eq!(bench.total(2).await, "100 AP 1 ADVC #1");
    assert_eq!(bench.total(1).await, "792281625142643375935.43950335 AP 0 ADVC #0");
    let [anomaly] = bench.anomalies().await.try_into().expect("one anomaly");
    assert_eq!((anomaly.kind.as_str(), anomaly.player_id), ("reading_refused", 1));
}

async fn quotes_unicode_and_odd_characters_come_back_as_they_were(bench: Bench) {
    let odd = "a'b\"c\\d%_$1?;--ünïcödé日本🎮\u{301}\u{202e}\u{feff}";
    let player = bench.player(odd, odd).await;
    let answer = |zero: &str| format!("{{\"paid\":\"12\",\"note\":\"{}\u{7f}\u{2028}{zero}\\ud83c\\udfae'\"}}", "日本🎮'");
    let reading = |paid: &str| Reading {
        counters: vec![Counter { source: format!("/{odd}").into(), paid: amount(paid) }],
        listed: None,
        figures: Figures {
            balance: Some(amount("0.5")),
            immature: None,
            total_hash: Some(amount("1000000000000000")),
            total_shares: None,
            ..Figures::default()
        },
        raw: answer("\\u0000"),
        ..reading(player, odd, paid)
    };
    for paid in ["10", "11", "3", "12"] {
        record(&mut bench.book(), &[Observation::Reading(reading(paid))]).await;
    }
    assert_eq!(bench.total(player).await, "200 AP 2 ADVC #2");
    let position = bench.positions().await.remove(0);
    assert_eq!((position.address.as_str(), position.source.strip_prefix('/')), (odd, Some(odd)));
    assert_eq!(bench.events().await[0].address.as_deref(), Some(odd));
    assert_eq!(bench.anomalies().await[0].address, odd);
    let rows = bench.texts("SELECT raw_response, address FROM pool_snapshots").await;
    // A zero byte cannot be kept, escaped or not.
    assert!(rows.iter().all(|row| row[0] == answer("\u{fffd}") && row[1] == odd), "{rows:?}");
    assert_balanced(&bench).await;
}

async fn a_source_of_many_pointers_fits(bench: Bench) {
    bench.players(&["ann"]).await;
    let source = (0..60).map(|n| format!("/a/rather/long/pointer/{n}")).collect::<Vec<_>>().join("+");
    for paid in ["1", "2"] {
        let counters = vec![Counter { source: source.as_str().into(), paid: amount(paid) }];
        let report = record(&mut bench.book(), &[Observation::Reading(Reading { counters, ..reading(1, "Wann", paid) })]).await;
        assert_eq!((report.anomalies.len(), report.dropped.len()), (0, 0), "{report:?}");
    }
    assert_eq!(bench.total(1).await, "100 AP 1 ADVC #1");
    assert_eq!(bench.positions().await[0].source, source);
}

/// PostgreSQL stores no text with a zero byte, which must not cost the payout that came with it.
async fn a_zero_byte_costs_nobody_a_payout(bench: Bench) {
    bench.players(&["ann"]).await;
    for paid in ["1", "2"] {
        let raw = format!("{{\"paid\":{paid}}}\0");
        let report = record(&mut bench.book(), &[Observation::Reading(Reading { raw, ..reading(1, "Wann", paid) })]).await;
        assert_eq!((report.anomalies.len(), report.dropped.len()), (0, 0), "{report:?}");
    }
    assert_eq!(bench.total(1).await, "100 AP 1 ADVC #1");
}
