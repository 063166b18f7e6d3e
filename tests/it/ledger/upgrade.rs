//! A database of the first version, with money in it, is brought up to date and goes on.

use migration::{Migrator, MigratorTrait as _};
use pool_poller::domain::payout::FirstReading;
use pool_poller::store::{SchemaState, migrate, schema_state};

use super::bench::{Bench, Engine, on_both_engines, read, wallet};

on_both_engines!(rows_of_the_first_version_stay_and_count);

async fn rows_of_the_first_version_stay_and_count(engine: Engine) {
    let bench = Bench::empty(engine).await;
    Migrator::up(&bench.db, Some(1)).await.unwrap();
    let later = Migrator::migrations().len() - 1;
    assert!(matches!(schema_state(&bench.db).await.unwrap(), SchemaState::Behind(missing) if missing.len() == later));
    // As the first version wrote it: 10 to 12 on rplant.
    bench
        .run(&format!(
            "INSERT INTO players (username, email, wallet_address, verified, total_ap, total_advc_mined, event_sequence) \
             VALUES ('ann', 'ann@example.org', '{}', TRUE, '200', '2', 1)",
            wallet(1)
        ))
        .await;
    bench
        .run(&format!(
            "INSERT INTO positions (player_id, pool_name, address, currency, source, baseline, high_water, sequence, readings) \
             VALUES (1, 'rplant', '{}', 'ADVC', '/paid', '10', '12', 1, 2)",
            wallet(1)
        ))
        .await;
    let id = pool_poller::domain::EventId::derive(
        &"rplant".parse().unwrap(),
        &wallet(1).parse().unwrap(),
        0,
        "10".parse().unwrap(),
        "12".parse().unwrap(),
    );
    bench
        .run(&format!(
            "INSERT INTO mining_events (player_id, pool_name, advc_amount, ap_awarded, previous_paid, current_paid, processed, \
             event_id, position_id, position_sequence, player_sequence, address, native_amount, native_previous, \
             native_current, currency, rate, total_ap_after, total_advc_after) \
             VALUES (1, 'rplant', '2', '200', '10', '12', TRUE, '{id}', 1, 1, 1, '{}', '2', '10', '12', 'ADVC', '1', '200', '2')",
            wallet(1)
        ))
        .await;

    migrate(&bench.db).await.unwrap();
    assert_eq!(schema_state(&bench.db).await.unwrap(), SchemaState::Current);
    migrate(&bench.db).await.unwrap();
    let [row] = bench.events().await.try_into().unwrap();
    assert_eq!((row.epoch, row.ap_per_advc, row.decided_by, row.reverses), (0, None, None, None));
    bench.assert_verified().await;
    read(&mut bench.book(FirstReading::Baseline), &[(1, "12"), (1, "13")]).await;
    assert_eq!(bench.total(1).await, "300 AP 3 ADVC #2");
    bench.assert_verified().await;

    // And back to the first version, and up again.
    Migrator::down(&bench.db, Some(u32::try_from(later).unwrap())).await.unwrap();
    Migrator::up(&bench.db, None).await.unwrap();
    assert_eq!(bench.events().await.len(), 2);
}
