//! All tables on an empty database.
//!
//! Columns that the replaced service did not have are nullable or have a default, so that the game's own inserts work.

use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::prelude::*;

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What differs between the two engines.
struct Types {
    backend: DbBackend,
}

impl Types {
    /// An amount: 30 digits before the point and 8 behind it. SQLite has no exact decimal, so there it is text.
    fn money(&self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match self.backend {
            DbBackend::Sqlite => column.text(),
            _ => column.decimal_len(38, 8),
        };
        column
    }

    /// A conversion rate: up to 18 places.
    fn rate(&self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match self.backend {
            DbBackend::Sqlite => column.text(),
            _ => column.decimal_len(36, 18),
        };
        column
    }

    /// A time in UTC without zone, now by default.
    fn time_now(&self, name: &'static str) -> ColumnDef {
        let now = match self.backend {
            DbBackend::Sqlite => "CURRENT_TIMESTAMP",
            _ => "(now() AT TIME ZONE 'utc')",
        };
        let mut column = ColumnDef::new(name);
        column.timestamp().not_null().default(Expr::cust(now));
        column
    }

    /// The default of a money column, in the form that the column holds.
    fn zero(&self) -> Expr {
        match self.backend {
            DbBackend::Sqlite => Expr::cust("'0'"),
            _ => Expr::cust("0"),
        }
    }
}

fn id() -> ColumnDef {
    let mut column = ColumnDef::new("id");
    column.big_integer().not_null().auto_increment().primary_key();
    column
}

fn small_id() -> ColumnDef {
    let mut column = ColumnDef::new("id");
    column.integer().not_null().auto_increment().primary_key();
    column
}

fn text(name: &'static str, length: u32) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.string_len(length);
    column
}

fn flag(name: &'static str, default: bool) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.boolean().not_null().default(default);
    column
}

fn counter(name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.big_integer().not_null().default(0);
    column
}

fn small_counter(name: &'static str, default: i32) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.integer().not_null().default(default);
    column
}

fn time(name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.timestamp();
    column
}

fn player_id() -> ColumnDef {
    let mut column = ColumnDef::new("player_id");
    column.integer().not_null();
    column
}

/// The reference to `players`; the game deletes a player together with everything that is the player's.
fn of_player(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_player"))
        .from(table, "player_id")
        .to("players", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

fn index(name: &str, table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(*column);
    }
    index
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        for table in tables(backend) {
            manager.create_table(table).await?;
        }
        for index in indexes(backend) {
            manager.get_connection().execute_unprepared(&index.sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["anomalies", "pool_snapshots", "mining_events", "positions", "player_wallets", "players"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

/// The tables, each after those that it refers to.
pub(crate) fn tables(backend: DbBackend) -> [TableCreateStatement; 6] {
    let types = Types { backend };
    [players(&types), player_wallets(&types), positions(&types), mining_events(&types), pool_snapshots(&types), anomalies()]
}

/// An index of the tables.
#[derive(Debug, Clone)]
pub struct IndexSql {
    /// Its name.
    pub name: String,
    /// The statement that makes it.
    pub sql: String,
}

/// The indexes of the tables.
pub(crate) fn indexes(backend: DbBackend) -> Vec<IndexSql> {
    let plain = |name: &str, table, columns: &[&'static str]| (name.to_owned(), index(name, table, columns));
    let unique = |name: &str, table, columns: &[&'static str]| (name.to_owned(), index(name, table, columns).unique().to_owned());
    let mut all: Vec<IndexSql> = [
        unique("uq_player_wallets_player_pool", "player_wallets", &["player_id", "pool_name"]),
        // One address on one pool earns for one player.
        unique("uq_player_wallets_pool_address", "player_wallets", &["pool_name", "address"]),
        unique("uq_positions_player_pool_address", "positions", &["player_id", "pool_name", "address"]),
        plain("ix_positions_pool_address", "positions", &["pool_name", "address"]),
        // The three keys that make awarding idempotent: by the rise itself, by the position and by the player.
        unique("uq_mining_events_event_id", "mining_events", &["event_id"]),
        unique("uq_mining_events_position_sequence", "mining_events", &["position_id", "position_sequence"]),
        unique("uq_mining_events_player_sequence", "mining_events", &["player_id", "player_sequence"]),
        plain("idx_player_event_time", "mining_events", &["player_id", "event_time"]),
        plain("idx_event_time", "mining_events", &["event_time"]),
        plain("idx_player_pool", "pool_snapshots", &["player_id", "pool_name", "snapshot_time"]),
        plain("idx_snapshot_time", "pool_snapshots", &["snapshot_time"]),
    ]
    .into_iter()
    .map(|(name, statement)| IndexSql { name, sql: backend.build(&statement).sql })
    .collect();
    // The outbox: few rows of many, so the index holds only those.
    let outbox = "CREATE INDEX ix_mining_events_outbox ON mining_events (player_id, player_sequence) \
                  WHERE notified = FALSE AND delivery_dead = FALSE AND player_sequence IS NOT NULL";
    // One unresolved row a wallet, pool and kind, whoever records it and how often.
    let unresolved = "CREATE UNIQUE INDEX uq_anomalies_unresolved ON anomalies (player_id, pool_name, address, kind) \
                      WHERE resolved_at IS NULL";
    for (name, sql) in [("ix_mining_events_outbox", outbox), ("uq_anomalies_unresolved", unresolved)] {
        all.push(IndexSql { name: name.to_owned(), sql: sql.to_owned() });
    }
    all
}

fn players(types: &Types) -> TableCreateStatement {
    Table::create()
        .table("players")
        .col(small_id())
        .col(text("username", 100).not_null().unique_key())
        .col(text("email", 255).not_null().unique_key())
        .col(text("wallet_address", 255).not_null().unique_key())
        .col(types.money("total_ap").not_null().default(types.zero()))
        .col(types.money("total_advc_mined").not_null().default(types.zero()))
        .col(small_counter("level", 1))
        .col(flag("verified", false))
        .col(flag("active", true))
        .col(types.time_now("created_at"))
        .col(types.time_now("updated_at"))
        .col(time("last_mining_event"))
        .col(counter("event_sequence"))
        .to_owned()
}

fn player_wallets(types: &Types) -> TableCreateStatement {
    Table::create()
        .table("player_wallets")
        .col(small_id())
        .col(player_id())
        .col(text("pool_name", 50).not_null())
        .col(text("address", 255).not_null())
        .col(types.time_now("created_at"))
        .foreign_key(&mut of_player("player_wallets"))
        .to_owned()
}

fn positions(types: &Types) -> TableCreateStatement {
    // As long as a pool file makes it: a counter may be the sum of many pointers.
    let mut source = ColumnDef::new("source");
    source.text().not_null();
    Table::create()
        .table("positions")
        .col(id())
        .col(player_id())
        .col(text("pool_name", 50).not_null())
        .col(text("address", 255).not_null())
        .col(text("currency", 16).not_null())
        .col(source)
        .col(types.money("baseline").not_null())
        .col(types.money("high_water").not_null())
        .col(counter("sequence"))
        .col(small_counter("readings", 0))
        .col(flag("began_at_zero", false))
        .col(small_counter("epoch", 0))
        .col(text("open_anomaly", 32))
        .col(text("snapshot_digest", 255))
        .col(time("snapshot_at"))
        .col(types.time_now("created_at"))
        .col(types.time_now("updated_at"))
        .foreign_key(&mut of_player("positions"))
        .to_owned()
}

fn mining_events(types: &Types) -> TableCreateStatement {
    let mut of_position = ForeignKey::create()
        .name("fk_mining_events_position")
        .from("mining_events", "position_id")
        .to("positions", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned();
    let mut position_id = ColumnDef::new("position_id");
    position_id.big_integer();
    let mut position_sequence = ColumnDef::new("position_sequence");
    position_sequence.big_integer();
    let mut player_sequence = ColumnDef::new("player_sequence");
    player_sequence.big_integer();
    Table::create()
        .table("mining_events")
        .col(id())
        .col(player_id())
        .col(text("pool_name", 50).not_null())
        .col(types.money("advc_amount").not_null())
        .col(types.money("ap_awarded").not_null())
        .col(types.money("previous_paid").not_null())
        .col(types.money("current_paid").not_null())
        .col(types.time_now("event_time"))
        .col(flag("processed", false))
        .col(flag("notified", false))
        .col(text("event_id", 36))
        .col(position_id)
        .col(position_sequence)
        .col(player_sequence)
        .col(text("address", 255))
        .col(types.money("native_amount"))
        .col(types.money("native_previous"))
        .col(types.money("native_current"))
        .col(text("currency", 16))
        .col(types.rate("rate"))
        .col(text("status", 16).not_null().default("awarded"))
        .col(text("hold_reason", 32))
        .col(types.money("total_ap_after"))
        .col(types.money("total_advc_after"))
        .col(small_counter("delivery_attempts", 0))
        .col(time("next_attempt_at"))
        .col(flag("delivery_dead", false))
        .foreign_key(&mut of_player("mining_events"))
        .foreign_key(&mut of_position)
        .to_owned()
}

fn pool_snapshots(types: &Types) -> TableCreateStatement {
    let mut raw_response = ColumnDef::new("raw_response");
    raw_response.text();
    Table::create()
        .table("pool_snapshots")
        .col(id())
        .col(player_id())
        .col(text("pool_name", 50).not_null())
        .col(types.money("total_hash"))
        .col(types.money("total_shares"))
        .col(types.money("immature"))
        .col(types.money("balance"))
        .col(types.money("paid").not_null())
        .col(raw_response)
        .col(types.time_now("snapshot_time"))
        .col(text("address", 255))
        .col(types.money("native_paid"))
        .col(text("currency", 16))
        .col(types.rate("rate"))
        .foreign_key(&mut of_player("pool_snapshots"))
        .to_owned()
}

fn anomalies() -> TableCreateStatement {
    let mut detail = ColumnDef::new("detail");
    detail.text().not_null();
    let mut resolution = ColumnDef::new("resolution");
    resolution.text();
    let mut seen_at = time("seen_at");
    seen_at.not_null();
    Table::create()
        .table("anomalies")
        .col(id())
        .col(player_id())
        .col(text("pool_name", 50).not_null())
        .col(text("address", 255).not_null())
        .col(text("kind", 32).not_null())
        .col(detail)
        .col(seen_at)
        .col(time("resolved_at"))
        .col(text("resolved_by", 100))
        .col(resolution)
        .foreign_key(&mut of_player("anomalies"))
        .to_owned()
}
