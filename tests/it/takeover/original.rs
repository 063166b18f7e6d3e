//! The tables as SQLAlchemy's `create_all` emits them, and what a game has added to them.

use super::site::Site;

const POSTGRESQL: &str = "
CREATE TABLE players (
	id SERIAL NOT NULL,
	username VARCHAR(100) NOT NULL,
	email VARCHAR(255) NOT NULL,
	wallet_address VARCHAR(255) NOT NULL,
	total_ap FLOAT NOT NULL,
	total_advc_mined FLOAT NOT NULL,
	level INTEGER NOT NULL,
	verified BOOLEAN NOT NULL,
	active BOOLEAN NOT NULL,
	created_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
	updated_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
	last_mining_event TIMESTAMP WITHOUT TIME ZONE,
	PRIMARY KEY (id),
	UNIQUE (email)
);
CREATE TABLE pool_snapshots (
	id SERIAL NOT NULL,
	player_id INTEGER NOT NULL,
	pool_name VARCHAR(50) NOT NULL,
	total_hash FLOAT,
	total_shares FLOAT,
	immature FLOAT,
	balance FLOAT,
	paid FLOAT NOT NULL,
	raw_response VARCHAR,
	snapshot_time TIMESTAMP WITHOUT TIME ZONE NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(player_id) REFERENCES players (id) ON DELETE CASCADE
);
CREATE TABLE mining_events (
	id SERIAL NOT NULL,
	player_id INTEGER NOT NULL,
	pool_name VARCHAR(50) NOT NULL,
	advc_amount FLOAT NOT NULL,
	ap_awarded FLOAT NOT NULL,
	previous_paid FLOAT NOT NULL,
	current_paid FLOAT NOT NULL,
	event_time TIMESTAMP WITHOUT TIME ZONE NOT NULL,
	processed BOOLEAN NOT NULL,
	notified BOOLEAN NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(player_id) REFERENCES players (id) ON DELETE CASCADE
);";

const SQLITE: &str = "
CREATE TABLE players (
	id INTEGER NOT NULL,
	username VARCHAR(100) NOT NULL,
	email VARCHAR(255) NOT NULL,
	wallet_address VARCHAR(255) NOT NULL,
	total_ap FLOAT NOT NULL,
	total_advc_mined FLOAT NOT NULL,
	level INTEGER NOT NULL,
	verified BOOLEAN NOT NULL,
	active BOOLEAN NOT NULL,
	created_at DATETIME NOT NULL,
	updated_at DATETIME NOT NULL,
	last_mining_event DATETIME,
	PRIMARY KEY (id),
	UNIQUE (email)
);
CREATE TABLE pool_snapshots (
	id INTEGER NOT NULL,
	player_id INTEGER NOT NULL,
	pool_name VARCHAR(50) NOT NULL,
	total_hash FLOAT,
	total_shares FLOAT,
	immature FLOAT,
	balance FLOAT,
	paid FLOAT NOT NULL,
	raw_response VARCHAR,
	snapshot_time DATETIME NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(player_id) REFERENCES players (id) ON DELETE CASCADE
);
CREATE TABLE mining_events (
	id INTEGER NOT NULL,
	player_id INTEGER NOT NULL,
	pool_name VARCHAR(50) NOT NULL,
	advc_amount FLOAT NOT NULL,
	ap_awarded FLOAT NOT NULL,
	previous_paid FLOAT NOT NULL,
	current_paid FLOAT NOT NULL,
	event_time DATETIME NOT NULL,
	processed BOOLEAN NOT NULL,
	notified BOOLEAN NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(player_id) REFERENCES players (id) ON DELETE CASCADE
);";

const INDEXES: &str = "
CREATE UNIQUE INDEX ix_players_username ON players (username);
CREATE UNIQUE INDEX ix_players_wallet_address ON players (wallet_address);
CREATE INDEX idx_player_pool ON pool_snapshots (player_id, pool_name);
CREATE INDEX idx_snapshot_time ON pool_snapshots (snapshot_time);
CREATE INDEX ix_pool_snapshots_snapshot_time ON pool_snapshots (snapshot_time);
CREATE INDEX idx_player_event_time ON mining_events (player_id, event_time);
CREATE INDEX idx_event_time ON mining_events (event_time);
CREATE INDEX ix_mining_events_event_time ON mining_events (event_time);";

/// What a game adds: columns, an index, tables that refer to ours, a view and a trigger.
const OF_THE_GAME: &str = "
ALTER TABLE players ADD COLUMN nickname VARCHAR(40) DEFAULT 'nobody' NOT NULL;
ALTER TABLE players ADD COLUMN referrer_id INTEGER REFERENCES players (id);
ALTER TABLE mining_events ADD COLUMN \"shown, at\" VARCHAR;
CREATE INDEX ix_game_nickname ON players (nickname) WHERE nickname <> 'nobody';
CREATE TABLE achievements (
	player_id INTEGER NOT NULL REFERENCES players (id) ON DELETE CASCADE,
	event_id INTEGER REFERENCES mining_events (id),
	title VARCHAR NOT NULL
);
CREATE TABLE dungeons (name VARCHAR NOT NULL, cost FLOAT NOT NULL);
CREATE VIEW names AS SELECT id, username, nickname FROM players;";

const TRIGGER_POSTGRESQL: &str = "
CREATE FUNCTION greet() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO achievements VALUES (NEW.id, NULL, 'welcome'); RETURN NULL; END $$;
CREATE TRIGGER greet AFTER INSERT ON players FOR EACH ROW WHEN (NEW.nickname = 'greeted') EXECUTE FUNCTION greet();";

const TRIGGER_SQLITE: &str = "
CREATE TRIGGER greet AFTER INSERT ON players WHEN NEW.nickname = 'greeted' BEGIN
  INSERT INTO achievements VALUES (NEW.id, NULL, 'welcome');
END;";

/// The service's own tables.
pub(super) async fn create(site: &Site) {
    site.execute(if site.is_postgresql() { POSTGRESQL } else { SQLITE }).await;
    site.execute(INDEXES).await;
}

/// With everything that a game has added.
pub(super) async fn create_with_game(site: &Site) {
    create(site).await;
    site.execute(OF_THE_GAME).await;
    site.execute(if site.is_postgresql() { TRIGGER_POSTGRESQL } else { TRIGGER_SQLITE }).await;
}
