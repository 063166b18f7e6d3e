//! The first cycles after a takeover: real HTTP, the real program, a game server that listens.

use pool_poller::domain::Amount;
use pool_poller::sim::{Shape, SimGame, SimGameConfig, SimPool, SimPools, SimPoolsConfig};

use super::history::{History, RANDOM_FROM, usual, wallet};
use super::site::{Site, decimal, text};
use super::{on_both_engines, original};

on_both_engines!(
    only_what_is_new_is_awarded_and_told,
    the_past_is_not_paid_where_the_field_or_the_pool_is_not_the_one_that_was_read,
);

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// A taken-over database, pools that stand where the service left them, and a game server.
struct Stage {
    site: Site,
    past: History,
    pools: SimPools,
    game: SimGame,
}

impl Stage {
    async fn new(site: Site, rplant: Shape, zpool: Shape) -> Self {
        original::create_with_game(&site).await;
        let past = usual(&site);
        past.write(&site).await;
        // The pace of the real pools is kept, so a few are enough.
        site.execute(&format!("UPDATE players SET active = FALSE WHERE id >= {}", RANDOM_FROM + 3)).await;
        let pools = SimPools::start(SimPoolsConfig::default()).unwrap();
        let game = SimGame::start(SimGameConfig::default()).unwrap();
        pools.set_shape(rplant);
        pools.set_shape(zpool);
        let site = site
            .env("CPU_POOL_URL", &pools.url(SimPool::CpuPool))
            .env("RPLANT_URL", &pools.url(SimPool::Rplant))
            .env("ZPOOL_URL", &pools.url(SimPool::Zpool))
            .env("SOCKETIO_URL", &game.socketio_url());
        let stage = Self { site, past, pools, game };
        for past in &stage.past.pasts {
            let pool =
                [SimPool::CpuPool, SimPool::Rplant, SimPool::Zpool].into_iter().find(|pool| pool.name() == past.pool).unwrap();
            stage.stands(pool, past.player, past.counter);
        }
        stage.stands(SimPool::CpuPool, 1, amount("12"));
        // With the noise that the pool's own program adds.
        stage.stands(SimPool::Rplant, 2, amount("0.3"));
        stage.stands(SimPool::Zpool, 3, amount("0.00056"));
        stage.stands(SimPool::CpuPool, 4, amount("3.5"));
        stage
    }

    fn stands(&self, pool: SimPool, player: i32, paid: Amount) {
        self.pools.world().add_account(pool, &wallet(player), paid);
    }

    fn pays(&self, pool: SimPool, player: i32, paid: &str) {
        self.pools.world().pay(pool, &wallet(player), amount(paid)).unwrap();
    }

    /// One cycle, and what it has added: player, pool, AP, state and reason.
    async fn cycle(&self) -> Vec<String> {
        let seen: i64 = self.site.value("SELECT coalesce(max(id), 0) AS n FROM mining_events").await.parse().unwrap();
        self.site.run(&["once"]).succeeded();
        let rows = self.site.rows(&format!("SELECT * FROM mining_events WHERE id > {seen} ORDER BY player_id, pool_name")).await;
        rows.iter()
            .map(|row| {
                let ap = decimal(&row["ap_awarded"]).unwrap().normalize();
                let reason = row["hold_reason"].as_str().map(|reason| format!(" {reason}")).unwrap_or_default();
                format!("{} {} {ap} {}{reason}", row["player_id"], text(&row["pool_name"]), text(&row["status"]))
            })
            .collect()
    }

    async fn total(&self, player: i32) -> String {
        let row = &self.site.rows(&format!("SELECT total_ap, total_advc_mined FROM players WHERE id = {player}")).await[0];
        format!("{} {}", decimal(&row["total_ap"]).unwrap().normalize(), decimal(&row["total_advc_mined"]).unwrap().normalize())
    }
}

async fn only_what_is_new_is_awarded_and_told(site: Site) {
    let stage = Stage::new(site, Shape::RplantTotalPaid, Shape::ZpoolDocumented).await;
    let report = stage.site.run(&["migrate", "--json"]).json();
    assert!(report["never_sent"].as_u64().unwrap() > 100, "there is a past that was never told");
    // Paid while nobody was looking.
    stage.pays(SimPool::CpuPool, 1, "1.5");
    stage.pays(SimPool::Zpool, 3, "0.0001");
    assert_eq!(stage.cycle().await, ["1 cpu-pool 150 awarded", "3 zpool 10000 awarded"]);
    assert_eq!(stage.cycle().await, [""; 0]);
    stage.pays(SimPool::Rplant, 2, "0.4");
    stage.pays(SimPool::Zpool, RANDOM_FROM, "0.00000001");
    stage.pays(SimPool::CpuPool, RANDOM_FROM + 1, "0.00009");
    assert_eq!(
        stage.cycle().await,
        ["2 rplant 40 awarded".to_owned(), format!("{RANDOM_FROM} zpool 1 awarded")],
        "and dust waits"
    );

    assert_eq!(stage.total(1).await, "1500 15");
    assert_eq!(stage.total(2).await, "40.3 1234567.5");
    assert_eq!(stage.total(3).await, "66000 660");
    assert_eq!(stage.total(4).await, "0.0000001 0.0000001");
    assert_eq!(stage.site.value("SELECT count(*) AS n FROM anomalies WHERE resolved_at IS NULL").await, "0");
    let open = "SELECT count(*) AS n FROM positions WHERE player_id IN (1, 2, 3, 4) AND source LIKE '~%'";
    assert_eq!(stage.site.value(open).await, "0", "every field is known by now");
    let proof = stage.site.run(&["verify", "--json"]).json();
    assert_eq!((&proof["differences_total"], proof["foreign_events"].as_u64() > Some(100)), (&0.into(), true), "{proof}");
    let told = stage.game.received();
    let mut first: Vec<(String, String)> =
        told.iter().map(|told| (told.payload["player_id"].to_string(), told.payload["sequence"].to_string())).collect();
    first.sort();
    first.dedup();
    let sequences =
        [("1", "1"), ("100", "1"), ("2", "1"), ("3", "1")].map(|(player, sequence)| (player.to_owned(), sequence.to_owned()));
    assert_eq!(first, sequences, "what is new, and nothing of the past");
}

async fn the_past_is_not_paid_where_the_field_or_the_pool_is_not_the_one_that_was_read(site: Site) {
    // What the real pools answer today: rplant counts in /total, zpool in /paidtotal, and the service read neither.
    let stage = Stage::new(site, Shape::RplantReal, Shape::ZpoolReal).await;
    stage.site.run(&["migrate"]).succeeded();
    stage.pays(SimPool::Rplant, 2, "400");
    // It recorded nothing but zeros.
    stage.stands(SimPool::CpuPool, 5, amount("900"));
    stage.stands(SimPool::Zpool, 5, amount("0.01"));
    // The counter began again below the mark.
    stage.pools.world().set_paid(SimPool::CpuPool, &wallet(1), amount("2"));
    let held = stage.cycle().await;
    assert_eq!(
        held,
        ["2 rplant 0 held taken_over", "5 cpu-pool 0 held pool_restart", "5 zpool 0 held taken_over"],
        "held, and no AP"
    );
    let fell = "SELECT player_id FROM anomalies WHERE kind = 'counter_fell' AND resolved_at IS NULL";
    assert_eq!(stage.site.value(fell).await, "1");
    stage.pays(SimPool::Rplant, 2, "1");
    stage.pays(SimPool::Zpool, 3, "0.0001");
    stage.pays(SimPool::CpuPool, 1, "11");
    assert_eq!(
        stage.cycle().await,
        ["1 cpu-pool 100 awarded", "2 rplant 100 awarded", "3 zpool 10000 awarded"],
        "from there on they count"
    );
    assert_eq!(stage.total(2).await, "100.3 1234568.1");
    assert_eq!(stage.game.distinct_events(), 3);
}
