//! The database as a test sees it: beside the program, with a connection of its own.

use std::collections::BTreeMap;

use entity::{anomalies, mining_events, player_wallets, players, pool_snapshots, positions};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, EntityTrait as _, QueryOrder as _, Statement};
use tokio::runtime::{Builder, Runtime};

use pool_poller::domain::Amount;

/// A connection, with the runtime that drives it while a call is waiting.
pub(crate) struct Rows {
    db: DatabaseConnection,
    runtime: Runtime,
}

impl Rows {
    /// Connects.
    pub(crate) fn connect(url: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut options = ConnectOptions::new(url);
        options.max_connections(1).sqlx_logging(false);
        let db = runtime.block_on(Database::connect(options)).unwrap_or_else(|error| panic!("connecting to {url}: {error}"));
        Self { db, runtime }
    }

    /// Runs statements.
    pub(crate) fn execute(&self, sql: &str) {
        self.runtime.block_on(self.db.execute_unprepared(sql)).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The first column of each row, as text.
    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        let statement = Statement::from_string(self.db.get_database_backend(), sql);
        let rows = self.runtime.block_on(self.db.query_all_raw(statement)).unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.iter().map(|row| row.try_get_by_index(0).unwrap_or_else(|error| panic!("{sql}: {error}"))).collect()
    }

    /// Adds a verified player as the game does, which knows the original columns only. Answers the id.
    pub(crate) fn add_player(&self, username: &str, wallet: &str) -> i32 {
        self.execute(&format!(
            "INSERT INTO players (username, email, wallet_address, total_ap, total_advc_mined, level, verified, active) \
             VALUES ('{username}', '{username}@example.org', '{wallet}', 0, 0, 1, TRUE, TRUE)"
        ));
        self.player(username).id
    }

    /// The address by which a pool knows a player.
    pub(crate) fn add_pool_wallet(&self, player: i32, pool: &str, address: &str) {
        self.execute(&format!(
            "INSERT INTO player_wallets (player_id, pool_name, address) VALUES ({player}, '{pool}', '{address}')"
        ));
    }

    pub(crate) fn player(&self, username: &str) -> players::Model {
        let found = self.players().into_iter().find(|player| player.username == username);
        found.unwrap_or_else(|| panic!("no player {username}"))
    }

    pub(crate) fn players(&self) -> Vec<players::Model> {
        self.block(players::Entity::find().order_by_asc(players::Column::Id).all(&self.db))
    }

    pub(crate) fn player_wallets(&self) -> Vec<player_wallets::Model> {
        self.block(player_wallets::Entity::find().order_by_asc(player_wallets::Column::Id).all(&self.db))
    }

    pub(crate) fn events(&self) -> Vec<mining_events::Model> {
        self.block(mining_events::Entity::find().order_by_asc(mining_events::Column::Id).all(&self.db))
    }

    pub(crate) fn snapshots(&self) -> Vec<pool_snapshots::Model> {
        self.block(pool_snapshots::Entity::find().order_by_asc(pool_snapshots::Column::Id).all(&self.db))
    }

    pub(crate) fn positions(&self) -> Vec<positions::Model> {
        self.block(positions::Entity::find().order_by_asc(positions::Column::Id).all(&self.db))
    }

    pub(crate) fn anomalies(&self) -> Vec<anomalies::Model> {
        self.block(anomalies::Entity::find().order_by_asc(anomalies::Column::Id).all(&self.db))
    }

    /// Every row of every table in one text, to see whether anything changed.
    pub(crate) fn everything(&self) -> String {
        format!(
            "{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}",
            self.players(),
            self.player_wallets(),
            self.events(),
            self.snapshots(),
            self.positions(),
            self.anomalies()
        )
    }

    /// Checks that no row of any table differs from what [`Rows::everything`] was.
    pub(crate) fn assert_unchanged(&self, before: &str, when: &str) {
        let after = self.everything();
        let differs = before.lines().zip(after.lines()).enumerate().find(|(_, (before, after))| before != after);
        assert!(before == after, "{when}, {} and {} characters: {differs:?}", before.len(), after.len());
    }

    /// Events that AP was given for.
    pub(crate) fn awards(&self) -> Vec<mining_events::Model> {
        self.events().into_iter().filter(|event| event.status == mining_events::AWARDED).collect()
    }

    /// What was awarded for each pool and wallet, in the pool's own currency.
    pub(crate) fn awarded(&self) -> BTreeMap<(String, String), Amount> {
        let mut sums = BTreeMap::new();
        for event in self.awards() {
            let native = Amount::from_decimal(event.native_amount.expect("a native amount").0).expect("an amount");
            let key = (event.pool_name, event.address.expect("an address"));
            let sum = sums.entry(key).or_insert(Amount::ZERO);
            *sum = sum.checked_add(native).expect("a small sum");
        }
        sums
    }

    fn block<T>(&self, query: impl Future<Output = Result<T, sea_orm::DbErr>>) -> T {
        self.runtime.block_on(query).unwrap_or_else(|error| panic!("{error}"))
    }
}
