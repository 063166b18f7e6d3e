//! The game's own SQL on the tables that it shares with this program: it knows the original's columns and no other.

use entity::{mining_events, players, pool_snapshots};
use pool_poller::domain::PlayerId;
use pool_poller::store::{load_roster, outbox};
use sea_orm::{EntityTrait as _, QueryOrder as _};

use super::bench::{Bench, record, seen};

super::on_both_engines![
    a_player_inserted_by_the_game_is_polled_and_awarded,
    rows_of_the_original_service_are_read_and_never_sent,
    what_the_game_takes_and_gives_is_kept_to_the_last_place,
    a_player_who_can_not_be_polled_hinders_nobody,
];

async fn a_player_inserted_by_the_game_is_polled_and_awarded(bench: Bench) {
    // As SQLAlchemy sends it, with every column of the original's model, in the engine's own spelling …
    let [no, yes] = if bench.is_postgres() { ["false", "true"] } else { ["0", "1"] };
    bench
        .execute(&format!(
            "INSERT INTO players (username, email, wallet_address, total_ap, total_advc_mined, level, verified, active, created_at, \
             updated_at, last_mining_event) VALUES ('full', 'full@example.org', 'Wfull', 0.0, 0.0, 1, {yes}, {yes}, \
             '2025-11-22 10:30:00.123456', '2025-11-22 10:30:00.123456', NULL), ('not-verified', 'n@example.org', 'Wn', 12.5, 0.125, \
             3, {no}, {yes}, '2025-11-22 10:30:00', '2025-11-22 10:30:00', '2025-11-22 11:00:00')"
        ))
        .await;
    // … and with the database's defaults for all that has one.
    bench.execute("INSERT INTO players (username, email, wallet_address) VALUES ('short', 'short@example.org', 'Wshort')").await;
    let rows = players::Entity::find().order_by_asc(players::Column::Id).all(&bench.db).await.expect("players");
    let [full, other, short] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(full.created_at.to_string(), "2025-11-22 10:30:00.123456");
    assert_eq!((other.total_ap.0.to_string().parse(), other.level, other.verified), (Ok(12.5), 3, false));
    assert_eq!((short.level, short.verified, short.active, short.event_sequence), (1, false, true, 0));
    assert!((chrono::Utc::now().naive_utc() - short.created_at).num_minutes().abs() < 5, "UTC: {}", short.created_at);
    assert_eq!(short.last_mining_event, None);
    bench.execute(&format!("UPDATE players SET verified = {yes} WHERE username = 'short'")).await;
    let roster = load_roster(&bench.db).await.expect("a roster");
    assert_eq!(roster.players().map(|(player, _)| player).collect::<Vec<_>>(), [PlayerId(1), PlayerId(3)]);
    let mut book = bench.book();
    for paid in ["10", "11.5"] {
        record(&mut book, &[seen(1, "Wfull", paid), seen(2, "Wn", paid), seen(3, "Wshort", paid)].concat()).await;
    }
    assert_eq!(bench.total(1).await, "150 AP 1.5 ADVC #1");
    assert_eq!(bench.total(2).await, "162.5 AP 1.625 ADVC #1");
    assert_eq!(bench.total(3).await, "150 AP 1.5 ADVC #1");
}

async fn rows_of_the_original_service_are_read_and_never_sent(bench: Bench) {
    bench.players(&["ann"]).await;
    let [no, yes] = if bench.is_postgres() { ["false", "true"] } else { ["0", "1"] };
    bench
        .execute(&format!(
            "INSERT INTO mining_events (player_id, pool_name, advc_amount, ap_awarded, previous_paid, current_paid, event_time, \
             processed, notified) VALUES (1, 'rplant', 1.5, 150.0, 10.5, 12.0, '2025-11-22 10:30:00', {yes}, {no})"
        ))
        .await;
    bench
        .execute(
            "INSERT INTO mining_events (player_id, pool_name, advc_amount, ap_awarded, previous_paid, current_paid) \
             VALUES (1, 'rplant', 1, 1, 0, 1)",
        )
        .await;
    bench
        .execute(
            "INSERT INTO pool_snapshots (player_id, pool_name, total_hash, total_shares, immature, balance, paid, raw_response, \
             snapshot_time) VALUES (1, 'rplant', NULL, 1e15, 0.5, 0.25, 12.0, '{}', '2025-11-22 10:30:00')",
        )
        .await;
    let events = mining_events::Entity::find().all(&bench.db).await.expect("events");
    assert_eq!(events[0].advc_amount.0.normalize().to_string(), "1.5");
    assert_eq!((events[0].event_id.clone(), events[0].position_id, events[0].status.as_str()), (None, None, "awarded"));
    assert_eq!((events[1].processed, events[1].notified, events[1].delivery_attempts), (false, false, 0));
    let snapshots = pool_snapshots::Entity::find().all(&bench.db).await.expect("snapshots");
    assert_eq!(snapshots[0].total_shares.map(|money| money.0.normalize().to_string()).as_deref(), Some("1000000000000000"));
    assert_eq!(outbox::waiting(&bench.db).await.expect("a number"), 0);
    assert_eq!(outbox::next_undelivered(&bench.db, &[], 10, pool_poller::store::now_utc()).await.expect("a list"), []);
}

async fn what_the_game_takes_and_gives_is_kept_to_the_last_place(bench: Bench) {
    bench.players(&["ann", "rich"]).await;
    let mut book = bench.book();
    let both = |paid: &str| [seen(1, "Wann", paid), seen(2, "Wrich", paid)].concat();
    for paid in ["0.5", "3.50000001"] {
        record(&mut book, &both(paid)).await;
    }
    assert_eq!(bench.total(1).await, "300.000001 AP 3.00000001 ADVC #1");
    // The game spends and gives with its own arithmetic, which on SQLite is a float's; 1e20 comes out with an exponent there.
    bench.execute("UPDATE players SET total_ap = total_ap - 0.3 WHERE id = 1").await;
    bench.execute("UPDATE players SET total_ap = 1e20 + 0.0 WHERE id = 2").await;
    record(&mut book, &both("4.50000001")).await;
    assert_eq!(bench.total(1).await, "399.700001 AP 4.00000001 ADVC #2");
    assert_eq!(bench.total(2).await, "100000000000000000100 AP 4.00000001 ADVC #2");
    let rows = players::Entity::find().all(&bench.db).await.expect("players");
    assert_eq!(rows.len(), 2, "every row can be read");
}

async fn a_player_who_can_not_be_polled_hinders_nobody(bench: Bench) {
    bench
        .execute(
            "INSERT INTO players (username, email, wallet_address, verified) \
         VALUES ('a', 'a', '', TRUE), ('b', 'b', 'two words', TRUE), ('c', 'c', 'Wc', TRUE)",
        )
        .await;
    bench
        .execute(
            "INSERT INTO player_wallets (player_id, pool_name, address) \
             VALUES (3, 'No Pool', 'x'), (3, 'zpool', ''), (1, 'zpool', 'bc1a')",
        )
        .await;
    let roster = load_roster(&bench.db).await.expect("a roster");
    let wallets: Vec<Option<&str>> = roster.players().map(|(_, wallet)| wallet).collect();
    assert_eq!(wallets, [None, None, Some("Wc")]);
    let zpool: Vec<(PlayerId, Option<&str>)> = roster.pool_wallets(&"zpool".parse().expect("a name")).collect();
    assert_eq!(zpool, [(PlayerId(1), Some("bc1a"))]);
    assert_eq!(roster.unusable.iter().map(|(player, _)| player.0).collect::<Vec<_>>(), [1, 2, 3, 3]);
}
