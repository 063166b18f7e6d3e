//! One wallet, several players: whoever is asked about it when, its rise is credited once.

use pool_poller::domain::PlayerId;
use pool_poller::domain::payout::AnomalyKind;
use pool_poller::store::book::{AnomalyReport, Observation};

use super::balance::{assert_balanced, found_by_wallet};
use super::bench::{Bench, POOL, amount, record, seen};

super::on_both_engines![
    a_batch_with_two_players_of_one_wallet_credits_each_reading_to_its_own,
    a_wallet_that_is_taken_leaves_its_owners_position_alone,
    a_book_that_has_not_seen_the_wallet_move_credits_nothing_twice,
];

async fn a_batch_with_two_players_of_one_wallet_credits_each_reading_to_its_own(bench: Bench) {
    bench.players(&["ann", "bob"]).await;
    let mut book = bench.book();
    record(&mut book, &seen(1, "Wann", "10")).await;
    // What was still under way when the wallet went to the other player, and what came after it.
    record(&mut book, &[seen(1, "Wann", "12"), seen(2, "Wann", "12"), seen(2, "Wann", "15")].concat()).await;
    assert_eq!((bench.total(1).await, bench.total(2).await), ("200 AP 2 ADVC #1".into(), "300 AP 3 ADVC #1".into()));
    assert_balanced(&bench).await;
}

async fn a_wallet_that_is_taken_leaves_its_owners_position_alone(bench: Bench) {
    bench.players(&["ann", "bob"]).await;
    let taken = Observation::Anomaly(AnomalyReport {
        player: PlayerId(2),
        pool: POOL.parse().expect("a pool"),
        wallet: "Wann".parse().expect("a wallet"),
        kind: AnomalyKind::WalletTaken,
        detail: "another player has this wallet on this pool".to_owned(),
    });
    let mut book = bench.book();
    for paid in ["10", "11", "12"] {
        record(&mut book, &[seen(1, "Wann", paid), vec![taken.clone()]].concat()).await;
    }
    assert_eq!(bench.total(1).await, "200 AP 2 ADVC #2");
    assert_eq!(bench.positions().await[0].open_anomaly, None, "it is the other player's anomaly");
    let [anomaly] = bench.anomalies().await.try_into().expect("one anomaly");
    assert_eq!((anomaly.player_id, anomaly.kind.as_str(), anomaly.resolved_at), (2, "wallet_taken", None));
}

async fn a_book_that_has_not_seen_the_wallet_move_credits_nothing_twice(bench: Bench) {
    bench.players(&["ann", "bob"]).await;
    let (mut first, mut second) = (bench.book(), bench.book());
    record(&mut first, &seen(1, "Wann", "10")).await;
    // Another daemon has seen the wallet go to bob, and credits him; this one still asks for ann.
    record(&mut second, &seen(2, "Wann", "10")).await;
    record(&mut second, &seen(2, "Wann", "12")).await;
    record(&mut first, &seen(1, "Wann", "13")).await;
    record(&mut second, &seen(2, "Wann", "14")).await;
    record(&mut first, &seen(1, "Wann", "14")).await;
    assert_eq!(found_by_wallet(&bench).await["Wann"], amount("4"), "{} and {}", bench.total(1).await, bench.total(2).await);
    assert_balanced(&bench).await;
}
