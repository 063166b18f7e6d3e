//! From a payout to the last column and the last digit of what comes of it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use chrono::{NaiveDateTime, Utc};
use entity::{mining_events, players, pool_snapshots, positions};
use pool_poller::sim::game::AckMode;
use pool_poller::sim::{Shape, SimPool};
use serde_json::Value;
use uuid::Uuid;

use super::bench::{Bench, Engine};
use super::{DEADLINE, amount, money, on_both_engines};

on_both_engines!(an_award_of_one_and_a_half_advc_is_right_in_every_column_and_every_payload_field);

/// The body of the simulated cpu-pool's answer, asked for without the program.
fn answer(bench: &Bench, wallet: &str) -> String {
    let mut stream = TcpStream::connect(bench.pools.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!("GET /cpu-pool/api/worker_stats?{wallet} HTTP/1.1\r\nHost: pool\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// The id that the specification gives an event: a `UUIDv5` over pool, address, previous and current counter.
fn event_id(pool: &str, wallet: &str, previous: &str, current: &str) -> String {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, b"pool-poller/mining_events");
    Uuid::new_v5(&namespace, format!("{pool}\n{wallet}\n{previous}\n{current}").as_bytes()).to_string()
}

fn an_award_of_one_and_a_half_advc_is_right_in_every_column_and_every_payload_field(engine: Engine) {
    let mut bench = Bench::with(engine, &[SimPool::CpuPool]);
    bench.set("NOTIFY_ACK_TIMEOUT", "1");
    bench.pools.set_shape(Shape::CpuPoolDocumented);
    bench.game.set_acks(AckMode::Never);
    let wallet = bench.add_player("alice");
    bench.pools.world().set_owed(SimPool::CpuPool, &wallet, amount("0.25"), amount("0.75"));
    let began = now();
    let inserted = bench.rows.player("alice");

    let daemon = bench.start_with_positions(1);
    daemon.cycles(2);
    let first_answer = answer(&bench, &wallet);
    assert_eq!(bench.rows.events(), [], "the first reading is the baseline");
    assert_eq!(bench.rows.player("alice"), inserted, "a baseline does not touch the player");
    let [baseline] = <[positions::Model; 1]>::try_from(bench.rows.positions()).unwrap();

    bench.pay(SimPool::CpuPool, &wallet, "1.5");
    bench.game.wait_for(1, DEADLINE).unwrap();
    let second_answer = answer(&bench, &wallet);
    daemon.wait_for("notification_not_acknowledged");
    let [unacknowledged] = <[mining_events::Model; 1]>::try_from(bench.rows.events()).unwrap();
    assert!(!unacknowledged.notified, "received and not acknowledged");
    bench.game.set_acks(AckMode::Always);
    let [event] = <[mining_events::Model; 1]>::try_from(bench.wait_notified(1)).unwrap();
    daemon.cycles(2);
    let ended = now();

    assert!(event.delivery_attempts >= 1, "{}", event.delivery_attempts);
    assert!(began <= event.event_time && event.event_time <= ended, "{}", event.event_time);
    let id = event_id("cpu-pool", &wallet, "10.5", "12");
    let expected = mining_events::Model {
        id: 1,
        player_id: inserted.id,
        pool_name: "cpu-pool".into(),
        advc_amount: money("1.5"),
        ap_awarded: money("150"),
        previous_paid: money("10.5"),
        current_paid: money("12"),
        event_time: event.event_time,
        processed: true,
        notified: true,
        event_id: Some(id.clone()),
        position_id: Some(baseline.id),
        position_sequence: Some(1),
        player_sequence: Some(1),
        address: Some(wallet.clone()),
        native_amount: Some(money("1.5")),
        native_previous: Some(money("10.5")),
        native_current: Some(money("12")),
        currency: Some("ADVC".into()),
        rate: Some(money("1")),
        status: "awarded".into(),
        hold_reason: None,
        total_ap_after: Some(money("150")),
        total_advc_after: Some(money("1.5")),
        delivery_attempts: event.delivery_attempts,
        next_attempt_at: None,
        delivery_dead: false,
        epoch: 0,
        ap_per_advc: Some(money("100")),
        decided_at: None,
        decided_by: None,
        decision_reason: None,
        reverses: None,
    };
    assert_eq!(bench.rows.events(), [expected], "still one event after more cycles");

    let position = positions::Model {
        high_water: money("12"),
        sequence: 1,
        readings: 3,
        snapshot_digest: Some("12|0.75|0.25".into()),
        snapshot_at: Some(event.event_time),
        updated_at: event.event_time,
        ..baseline.clone()
    };
    assert_eq!(bench.rows.positions(), [position]);
    let expected_baseline = positions::Model {
        id: 1,
        player_id: inserted.id,
        pool_name: "cpu-pool".into(),
        address: wallet.clone(),
        currency: "ADVC".into(),
        source: "/paid".into(),
        baseline: money("10.5"),
        high_water: money("10.5"),
        sequence: 0,
        readings: baseline.readings,
        began_at_zero: false,
        epoch: 0,
        open_anomaly: None,
        snapshot_digest: Some("10.5|0.75|0.25".into()),
        snapshot_at: Some(baseline.created_at),
        created_at: baseline.created_at,
        updated_at: baseline.updated_at,
        listed_at: None,
    };
    assert_eq!(baseline, expected_baseline);

    let snapshot = |id, paid: &str, body: &str, at| pool_snapshots::Model {
        id,
        player_id: inserted.id,
        pool_name: "cpu-pool".into(),
        total_hash: Some(money(&number(body, "totalHash"))),
        total_shares: Some(money(&number(body, "totalShares"))),
        immature: Some(money("0.25")),
        balance: Some(money("0.75")),
        paid: money(paid),
        raw_response: Some(body.to_owned()),
        snapshot_time: at,
        address: Some(wallet.clone()),
        native_paid: Some(money(paid)),
        currency: Some("ADVC".into()),
        rate: Some(money("1")),
    };
    let snapshots =
        [snapshot(1, "10.5", &first_answer, baseline.created_at), snapshot(2, "12", &second_answer, event.event_time)];
    assert_eq!(bench.rows.snapshots(), snapshots);

    let player = players::Model {
        total_ap: money("150"),
        total_advc_mined: money("1.5"),
        last_mining_event: Some(event.event_time),
        updated_at: event.event_time,
        event_sequence: 1,
        ..inserted.clone()
    };
    assert_eq!(bench.rows.players(), [player]);
    assert_eq!(bench.rows.anomalies(), []);

    let timestamp = event.event_time.format("%Y-%m-%dT%H:%M:%S%.3fZ");
    let payload = format!(
        r#"{{"event_id":"{id}","sequence":1,"player_id":{player},"username":"alice","pool":"cpu-pool","advc_amount":1.5,"ap_awarded":150,"total_ap":150,"total_advc_mined":1.5,"timestamp":"{timestamp}","room":"player_{player}"}}"#,
        player = inserted.id
    );
    let received = bench.game.received();
    assert_eq!(received.len(), usize::try_from(event.delivery_attempts).unwrap() + 1, "once each time it was not acknowledged");
    for notice in &received {
        let sent = notice.raw.trim_start_matches(|c: char| c.is_ascii_digit());
        assert_eq!(sent, format!(r#"["mining_reward",{payload}]"#), "the same each time, digit by digit");
    }
    exact_column_types(&bench, engine);
    daemon.stop();
    assert_eq!(bench.game.offences(), Vec::<String>::new());
}

/// What another program's SQL sees: exact decimals, not binary floats.
fn exact_column_types(bench: &Bench, engine: Engine) {
    let (type_of, exact) = match engine {
        Engine::Sqlite => ("typeof", "text"),
        Engine::PostgreSql => ("pg_typeof", "numeric"),
    };
    for (table, columns) in [
        ("mining_events", vec!["advc_amount", "ap_awarded", "previous_paid", "current_paid", "native_amount", "rate"]),
        ("pool_snapshots", vec!["paid", "balance", "immature", "total_hash", "total_shares", "native_paid"]),
        ("players", vec!["total_ap", "total_advc_mined"]),
        ("positions", vec!["baseline", "high_water"]),
    ] {
        for column in columns {
            let types = bench.rows.texts(&format!("SELECT DISTINCT CAST({type_of}({column}) AS text) FROM {table}"));
            assert_eq!(types, [exact], "{table}.{column}");
        }
    }
}

/// A member of a JSON object as it is written.
fn number(body: &str, member: &str) -> String {
    serde_json::from_str::<Value>(body).unwrap()[member].to_string()
}

fn now() -> NaiveDateTime {
    Utc::now().naive_utc()
}
