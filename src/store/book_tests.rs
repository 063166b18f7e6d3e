//! The book against a real SQLite file: exactly once, all or nothing.

use entity::{anomalies, mining_events, players, pool_snapshots, positions};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, TransactionTrait as _};

use super::*;
use crate::domain::{Counter, Figures, Wallet};
use crate::store::{connect, migrate, now_utc, players as people};

struct Bench {
    _folder: tempfile::TempDir,
    db: DatabaseConnection,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = connect(&format!("sqlite://{}/t.db?mode=rwc", folder.path().display()), "test").await.unwrap();
        migrate(&db).await.unwrap();
        let bench = Self { _folder: folder, db };
        for name in ["ann", "bob"] {
            bench.player(name).await;
        }
        bench
    }

    async fn player(&self, name: &str) -> i32 {
        let player = people::NewPlayer {
            username: name.into(),
            email: format!("{name}@example.org"),
            wallet: format!("W{name}").parse().unwrap(),
            pool_wallets: vec![],
            verified: true,
        };
        people::add(&self.db, player, now_utc()).await.unwrap()
    }

    fn book(&self) -> Book {
        self.book_with(FirstReading::Baseline)
    }

    fn book_with(&self, first_reading: FirstReading) -> Book {
        let policy = Policy {
            first_reading,
            min_payout_delta: "0.0001".parse().unwrap(),
            max_payout_delta: "100000".parse().unwrap(),
            ap_per_advc: "100".parse().unwrap(),
        };
        let rules = Rules {
            policy,
            rates: HashMap::from([("BTC".parse().unwrap(), "1000000".parse().unwrap())]),
            snapshots: SnapshotPolicy::Changed,
        };
        Book::new(self.db.clone(), Arc::new(rules), false)
    }

    async fn events(&self) -> Vec<mining_events::Model> {
        mining_events::Entity::find().all(&self.db).await.unwrap()
    }

    async fn total(&self, id: i32) -> String {
        let row = players::Entity::find_by_id(id).one(&self.db).await.unwrap().unwrap();
        format!("{} AP {} ADVC #{}", row.total_ap.0.normalize(), row.total_advc_mined.0.normalize(), row.event_sequence)
    }
}

fn reading(player: i32, wallet: &str, paid: &str) -> Reading {
    Reading {
        player: PlayerId(player),
        pool: "rplant".parse().unwrap(),
        wallet: wallet.parse::<Wallet>().unwrap(),
        currency: "ADVC".parse().unwrap(),
        counters: vec![Counter { source: "/paid".into(), paid: paid.parse().unwrap() }],
        listed: None,
        figures: Figures::default(),
        raw: "{}".into(),
    }
}

fn seen(player: i32, wallet: &str, paid: &str) -> Vec<Observation> {
    vec![Observation::Reading(reading(player, wallet, paid))]
}

#[actix_rt::test]
async fn a_payout_is_stored_with_every_column() {
    let bench = Bench::new().await;
    let mut book = bench.book();
    book.record(&seen(1, "Wann", "10.5"), now_utc()).await.unwrap();
    let report = book.record(&seen(1, "Wann", "12"), now_utc()).await.unwrap();
    assert_eq!(report.awards.len(), 1);
    let [event] = bench.events().await.try_into().unwrap();
    let text = |money: entity::Money| money.0.normalize().to_string();
    assert_eq!((text(event.advc_amount), text(event.ap_awarded)), ("1.5".into(), "150".into()));
    assert_eq!((text(event.previous_paid), text(event.current_paid)), ("10.5".into(), "12".into()));
    assert_eq!((event.status.as_str(), event.processed, event.notified), ("awarded", true, false));
    assert_eq!((event.position_sequence, event.player_sequence), (Some(1), Some(1)));
    assert_eq!(bench.total(1).await, "150 AP 1.5 ADVC #1");
    assert_eq!(pool_snapshots::Entity::find().all(&bench.db).await.unwrap().len(), 2);
}

#[actix_rt::test]
async fn an_unchanged_reading_opens_no_transaction() {
    let bench = Bench::new().await;
    let mut book = bench.book();
    for _ in 0..3 {
        book.record(&seen(1, "Wann", "10"), now_utc()).await.unwrap();
    }
    let report = book.record(&seen(1, "Wann", "10"), now_utc()).await.unwrap();
    assert_eq!((report.readings, report.transactions, report.snapshots), (1, 0, 0));
}

#[actix_rt::test]
async fn a_second_book_with_an_old_memory_awards_nothing_twice() {
    let bench = Bench::new().await;
    let (mut first, mut second) = (bench.book(), bench.book());
    first.record(&seen(1, "Wann", "10"), now_utc()).await.unwrap();
    second.record(&seen(1, "Wann", "10"), now_utc()).await.unwrap();
    first.record(&seen(1, "Wann", "12"), now_utc()).await.unwrap();
    let report = second.record(&seen(1, "Wann", "12"), now_utc()).await.unwrap();
    assert_eq!((report.awards.len(), report.conflicts), (0, 1));
    let report = second.record(&seen(1, "Wann", "13"), now_utc()).await.unwrap();
    assert_eq!(report.awards.len(), 1);
    assert_eq!(bench.total(1).await, "300 AP 3 ADVC #2");
}

#[actix_rt::test]
async fn an_anomaly_that_another_book_found_ends_whichever_book_sees_its_end() {
    let bench = Bench::new().await;
    let (mut one, mut other) = (bench.book(), bench.book());
    for book in [&mut one, &mut other] {
        // A position that has settled: its readings are counted no more.
        for _ in 0..4 {
            book.record(&seen(1, "W", "10"), now_utc()).await.unwrap();
        }
    }
    one.record(&seen(1, "W", "12"), now_utc()).await.unwrap();
    // An answer that was on its way for longer than the other process's.
    let report = other.record(&seen(1, "W", "11"), now_utc()).await.unwrap();
    assert_eq!((report.awards.len(), report.anomalies.len()), (0, 1));

    let mut next = reading(1, "W", "12");
    next.figures.balance = Some("0.5".parse().unwrap());
    one.record(&[Observation::Reading(next)], now_utc()).await.unwrap();
    other.forget_anomalous();
    other.record(&seen(1, "W", "12"), now_utc()).await.unwrap();
    let anomalies = anomalies::Entity::find().all(&bench.db).await.unwrap();
    assert!(anomalies.len() == 1 && anomalies[0].resolved_at.is_some(), "{anomalies:?}");
}

#[actix_rt::test]
async fn a_restart_pays_nothing_again() {
    let bench = Bench::new().await;
    bench.book().record(&seen(1, "Wann", "10"), now_utc()).await.unwrap();
    bench.book().record(&seen(1, "Wann", "12"), now_utc()).await.unwrap();
    bench.book().record(&seen(1, "Wann", "12"), now_utc()).await.unwrap();
    assert_eq!(bench.events().await.len(), 1);
}

#[actix_rt::test]
async fn a_changed_wallet_opens_a_new_position_and_its_past_is_never_paid() {
    for first_reading in [FirstReading::Baseline, FirstReading::Award] {
        let bench = Bench::new().await;
        let mut book = bench.book_with(first_reading);
        book.record(&seen(1, "Wann", "5"), now_utc()).await.unwrap();
        let before = bench.total(1).await;
        book.record(&seen(1, "Wother", "900"), now_utc()).await.unwrap();
        assert_eq!(bench.total(1).await, before, "{first_reading:?}");
        book.record(&seen(1, "Wother", "901"), now_utc()).await.unwrap();
        assert_ne!(bench.total(1).await, before, "{first_reading:?}");
    }
}

#[actix_rt::test]
async fn a_wallet_that_went_to_another_player_and_back_is_paid_once() {
    let bench = Bench::new().await;
    let mut book = bench.book();
    for (player, paid) in [(1, "10"), (1, "12"), (2, "12"), (2, "15"), (1, "15"), (1, "16"), (2, "16"), (2, "18")] {
        book.record(&seen(player, "Wann", paid), now_utc()).await.unwrap();
    }
    assert_eq!(bench.total(1).await, "300 AP 3 ADVC #2");
    assert_eq!(bench.total(2).await, "500 AP 5 ADVC #2");
    for row in positions::Entity::find().all(&bench.db).await.unwrap() {
        let awarded = row.high_water.0 - row.baseline.0;
        assert_eq!(awarded.normalize().to_string(), if row.player_id == 1 { "3" } else { "5" });
    }
}

/// Puts a position into the database as a takeover leaves it.
async fn take_over_position(bench: &Bench, player: i32, wallet: &str, mark: &str) {
    let position = crate::domain::payout::Position::taken_over("ADVC".parse().unwrap(), mark.parse().unwrap(), &["/paid"]);
    let mut entry = Entry::new(PlayerId(player), 0, position);
    entry.dirty = false;
    let mut plan = Plan::default();
    plan.entries.insert(("rplant".parse().unwrap(), wallet.parse().unwrap()), entry);
    let transaction = bench.db.begin().await.unwrap();
    write::write(&transaction, &mut plan, now_utc()).await.unwrap();
    transaction.commit().await.unwrap();
}

#[actix_rt::test]
async fn a_taken_over_position_is_paid_for_what_is_new_and_pinned_in_the_database() {
    let bench = Bench::new().await;
    take_over_position(&bench, 1, "Wann", "10.5").await;
    let report = bench.book().record(&seen(1, "Wann", "12"), now_utc()).await.unwrap();
    assert_eq!((report.opened, report.awards.len()), (0, 1));
    assert_eq!(positions::Entity::find().all(&bench.db).await.unwrap()[0].source, "/paid");
    assert_eq!(bench.total(1).await, "150 AP 1.5 ADVC #1");
}

#[actix_rt::test]
async fn a_second_book_cannot_pin_a_taken_over_position_to_another_field() {
    let bench = Bench::new().await;
    take_over_position(&bench, 1, "Wann", "10.5").await;
    let (mut first, mut second) = (bench.book(), bench.book());
    let mut other = reading(1, "Wann", "10");
    other.counters[0].source = "/other".into();
    second.record(&[Observation::Reading(other.clone())], now_utc()).await.unwrap();
    first.record(&seen(1, "Wann", "10.5"), now_utc()).await.unwrap();
    other.counters[0].paid = "11".parse().unwrap();
    let report = second.record(&[Observation::Reading(other)], now_utc()).await.unwrap();
    assert_eq!((report.conflicts, report.held.len(), report.anomalies[0].kind.as_str()), (1, 0, "source_changed"));
}

#[actix_rt::test]
async fn a_taken_over_wallet_that_was_another_players_in_between_is_paid_once() {
    let bench = Bench::new().await;
    take_over_position(&bench, 1, "Wann", "10").await;
    let mut book = bench.book();
    for (player, paid) in [(2, "10"), (2, "15"), (1, "16")] {
        book.record(&seen(player, "Wann", paid), now_utc()).await.unwrap();
    }
    assert_eq!((bench.total(2).await, bench.total(1).await), ("500 AP 5 ADVC #1".into(), "100 AP 1 ADVC #1".into()));
}

#[actix_rt::test]
async fn the_noise_of_a_total_that_was_a_float_does_not_reach_an_award() {
    let bench = Bench::new().await;
    bench
        .db
        .execute_unprepared(
            "UPDATE players SET total_ap = '12.299999999999999', total_advc_mined = '0.30000000000000004' WHERE id = 1",
        )
        .await
        .unwrap();
    let mut book = bench.book();
    for paid in ["10", "11"] {
        book.record(&seen(1, "Wann", paid), now_utc()).await.unwrap();
    }
    assert_eq!(bench.total(1).await, "112.3 AP 1.3 ADVC #1");
}

#[actix_rt::test]
async fn an_anomaly_is_recorded_once_and_resolved_when_it_ends() {
    let bench = Bench::new().await;
    let mut book = bench.book();
    for paid in ["10", "7", "7", "0", "10", "10"] {
        book.record(&seen(1, "Wann", paid), now_utc()).await.unwrap();
    }
    let rows = anomalies::Entity::find().all(&bench.db).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.kind.as_str(), row.resolved_at.is_some())).collect::<Vec<_>>(),
        [("counter_fell", true)]
    );
    book.record(&seen(1, "Wann", "3"), now_utc()).await.unwrap();
    bench.book().record(&seen(1, "Wann", "3"), now_utc()).await.unwrap();
    assert_eq!(anomalies::Entity::find().all(&bench.db).await.unwrap().len(), 2, "a restart does not record it again");
}

#[actix_rt::test]
async fn a_held_event_gives_no_ap_and_is_found_once() {
    let bench = Bench::new().await;
    let mut book = bench.book();
    // Too much at once, and not so much more that the unit is in doubt.
    for paid in ["300", "200300", "200300", "200301"] {
        book.record(&seen(1, "Wann", paid), now_utc()).await.unwrap();
    }
    let events = bench.events().await;
    assert_eq!(events.iter().map(|event| event.status.as_str()).collect::<Vec<_>>(), ["held", "awarded"]);
    assert_eq!((events[0].player_sequence, events[0].processed, events[1].player_sequence), (None, false, Some(1)));
    assert_eq!(bench.total(1).await, "100 AP 1 ADVC #1");
}

#[actix_rt::test]
async fn one_reading_that_the_database_refuses_does_not_take_the_others_with_it() {
    let bench = Bench::new().await;
    let mut book = bench.book();
    let batch = |paid: &str| -> Vec<Observation> {
        [(1, "Wann"), (77, "Wnobody"), (2, "Wbob")].iter().flat_map(|(player, wallet)| seen(*player, wallet, paid)).collect()
    };
    let report = book.record(&batch("10"), now_utc()).await.unwrap();
    assert_eq!((report.opened, report.dropped.len()), (2, 1), "{:?}", report.dropped);
    book.record(&batch("11"), now_utc()).await.unwrap();
    assert_eq!(bench.total(1).await, "100 AP 1 ADVC #1");
    assert_eq!(bench.total(2).await, "100 AP 1 ADVC #1");
}

#[actix_rt::test]
async fn a_refused_row_of_a_known_player_becomes_an_anomaly() {
    let bench = Bench::new().await;
    bench
        .db
        .execute_unprepared(
            "CREATE TRIGGER t BEFORE INSERT ON positions WHEN NEW.address = 'Wann' BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .await
        .unwrap();
    let mut book = bench.book();
    let batch: Vec<Observation> =
        [(1, "Wann"), (2, "Wbob")].iter().flat_map(|(player, wallet)| seen(*player, wallet, "1")).collect();
    let report = book.record(&batch, now_utc()).await.unwrap();
    assert_eq!((report.opened, report.anomalies.len(), report.dropped.len()), (1, 1, 0));
    assert_eq!(anomalies::Entity::find().all(&bench.db).await.unwrap()[0].kind, "reading_refused");
}

#[actix_rt::test]
async fn totals_too_precise_for_a_float_stay_exact() {
    let bench = Bench::new().await;
    bench.db.execute_unprepared("UPDATE players SET total_ap = '123456789012345.12345678' WHERE id = 1").await.unwrap();
    let mut book = bench.book();
    for paid in ["0.5", "0.50010001"] {
        book.record(&seen(1, "Wann", paid), now_utc()).await.unwrap();
    }
    assert_eq!(bench.total(1).await, "123456789012345.13345778 AP 0.00010001 ADVC #1");
}

#[actix_rt::test]
async fn a_dry_run_decides_and_writes_nothing() {
    let bench = Bench::new().await;
    bench.book().record(&seen(1, "Wann", "10"), now_utc()).await.unwrap();
    let mut book = bench.book();
    book.dry_run = true;
    let report = book.record(&seen(1, "Wann", "12"), now_utc()).await.unwrap();
    assert_eq!(report.awards.len(), 1);
    assert_eq!((bench.events().await.len(), bench.total(1).await), (0, "0 AP 0 ADVC #0".into()));
}

#[actix_rt::test]
async fn the_outbox_offers_the_oldest_of_each_player_and_waits_for_its_turn() {
    use crate::store::outbox::{Attempt, mark_notified, next_undelivered, record_attempts, waiting};
    let bench = Bench::new().await;
    let mut book = bench.book();
    for paid in ["10", "11", "12"] {
        book.record(&[seen(1, "Wann", paid), seen(2, "Wbob", paid)].concat(), now_utc()).await.unwrap();
    }
    let offered = |list: &[crate::store::outbox::Undelivered]| -> Vec<(i32, i64)> {
        list.iter().map(|event| (event.player.0, event.sequence)).collect()
    };
    let now = now_utc();
    let first = next_undelivered(&bench.db, &[], 10, now).await.unwrap();
    assert_eq!((offered(&first), waiting(&bench.db).await.unwrap()), (vec![(1, 1), (2, 1)], 4));
    mark_notified(&bench.db, &[first[0].event_id]).await.unwrap();
    let later = now + chrono::TimeDelta::minutes(1);
    record_attempts(&bench.db, &[Attempt { event_id: first[1].event_id, next_at: later, dead: false }]).await.unwrap();
    assert_eq!(
        offered(&next_undelivered(&bench.db, &[], 10, now).await.unwrap()),
        [(1, 2)],
        "bob's oldest waits and nobody else does"
    );
    let second = next_undelivered(&bench.db, &[PlayerId(1)], 10, later).await.unwrap();
    assert_eq!((offered(&second), second[0].attempts), (vec![(2, 1)], 1));
    record_attempts(&bench.db, &[Attempt { event_id: first[1].event_id, next_at: later, dead: true }]).await.unwrap();
    assert_eq!(
        offered(&next_undelivered(&bench.db, &[PlayerId(1)], 10, later).await.unwrap()),
        [(2, 2)],
        "a dead one is passed over"
    );
}

#[actix_rt::test]
async fn another_wallets_answer_is_recorded_once_and_ends_with_the_next_good_one() {
    let bench = Bench::new().await;
    let mismatch = Observation::Anomaly(AnomalyReport {
        player: PlayerId(1),
        pool: "rplant".parse().unwrap(),
        wallet: "Wann".parse().unwrap(),
        kind: AnomalyKind::IdentityMismatch,
        detail: "the answer is about another wallet".into(),
    });
    let open =
        async || anomalies::Entity::find().all(&bench.db).await.unwrap().iter().filter(|row| row.resolved_at.is_none()).count();
    for position_exists in [false, true] {
        let mut book = bench.book();
        let recorded = book.record(std::slice::from_ref(&mismatch), now_utc()).await.unwrap();
        assert_eq!((recorded.anomalies.len(), open().await), (1, 1), "with a position: {position_exists}");
        let again = book.record(std::slice::from_ref(&mismatch), now_utc()).await.unwrap();
        assert_eq!((again.anomalies.len(), again.transactions), (0, 0), "with a position: {position_exists}");
        let after_restart = bench.book().record(std::slice::from_ref(&mismatch), now_utc()).await.unwrap();
        assert_eq!((after_restart.anomalies.len(), open().await), (0, 1), "with a position: {position_exists}");
        book.record(&seen(1, "Wann", "10"), now_utc()).await.unwrap();
        assert_eq!(open().await, 0, "with a position: {position_exists}");
    }
}

#[actix_rt::test]
async fn a_player_whose_total_is_no_number_holds_up_nobody_else() {
    let bench = Bench::new().await;
    let mut book = bench.book();
    let batch = |paid: &str| [seen(1, "Wann", paid), seen(2, "Wbob", paid)].concat();
    book.record(&batch("10"), now_utc()).await.unwrap();
    bench.db.execute_unprepared("UPDATE players SET total_ap = 'abc' WHERE id = 2").await.unwrap();
    let report = book.record(&batch("11"), now_utc()).await.unwrap();
    assert_eq!((report.awards.len(), report.anomalies.len()), (1, 1));
    assert_eq!(report.anomalies[0].kind, AnomalyKind::ReadingRefused);
    bench.db.execute_unprepared("UPDATE players SET total_ap = '0' WHERE id = 2").await.unwrap();
    book.record(&batch("11"), now_utc()).await.unwrap();
    assert_eq!(bench.total(2).await, "100 AP 1 ADVC #1", "nothing is lost once it is a number again");
}
