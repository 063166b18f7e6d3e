//! `players`: on SQLite and on PostgreSQL alike.

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database};
use serde_json::Value;

use super::program::{Outcome, Place};
use crate::support::pg::TestDatabase;

/// An empty database with the tables, and the program on it.
pub(super) struct Game {
    pub(super) place: Place,
    url: String,
    /// Dropped last.
    _database: Option<TestDatabase>,
}

impl Game {
    pub(super) async fn both() -> [Self; 2] {
        let database = TestDatabase::create().await;
        let url = database.url().to_owned();
        let postgres =
            Self { place: Place::new().env("DATABASE_URL", &url).env("AUTO_MIGRATE", "true"), url, _database: Some(database) };
        let place = Place::new();
        let url = format!("sqlite://{}/pool-poller.db", place.path().display());
        [Self { place, url, _database: None }, postgres]
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Outcome {
        self.place.run(&[&["players"], arguments].concat())
    }

    pub(super) fn add(&self, name: &str, mail: &str, wallet: &str, more: &[&str]) -> Outcome {
        self.run(&[&["add", "--email", mail, "--wallet", wallet], more, &["--", name]].concat())
    }

    pub(super) fn list(&self) -> Vec<Value> {
        serde_json::from_str(self.run(&["list", "--json"]).succeeded()).expect("JSON")
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.list().iter().map(|row| row["username"].as_str().expect("a name").to_owned()).collect()
    }

    /// As the game would write.
    async fn execute(&self, sql: &str) {
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(1).sqlx_logging(false);
        let db = Database::connect(options).await.expect("a database");
        db.execute_unprepared(sql).await.expect("a statement");
        db.close().await.expect("a connection");
    }
}

#[tokio::test]
async fn a_player_is_added_verified_and_deactivated() {
    for game in Game::both().await {
        let outcome = game.add("alice", "alice@example.org", "AliceWallet", &["--pool-wallet", "zpool=bc1alice"]);
        assert_eq!(outcome.succeeded(), "player 1 (alice) added, not polled until `pool-poller players verify`\n");
        let outcome = game.add("bob", "bob@example.org", "BobWallet", &["--verified"]);
        assert_eq!(outcome.succeeded(), "player 2 (bob) added, polled from the next cycle on\n");
        let flags = || -> Vec<(Value, Value)> {
            game.list().iter().map(|row| (row["verified"].clone(), row["active"].clone())).collect()
        };
        assert_eq!(flags(), [(false.into(), true.into()), (true.into(), true.into())]);
        assert_eq!(game.run(&["verify", "alice"]).succeeded(), "player 1 (alice) is verified, polled from the next cycle on\n");
        assert_eq!(game.run(&["deactivate", "2"]).succeeded(), "player 2 (bob) is no longer polled\n");
        assert_eq!(flags(), [(true.into(), true.into()), (true.into(), false.into())]);
        let outcome = game.run(&["verify", "bob"]);
        assert_eq!(outcome.succeeded(), "player 2 (bob) is verified, not polled: the account is not active\n");
        assert_eq!(game.run(&["activate", "bob"]).succeeded(), "player 2 (bob) is active, polled from the next cycle on\n");
        assert_eq!(flags(), [(true.into(), true.into()), (true.into(), true.into())]);
    }
}

#[tokio::test]
async fn what_is_somebodys_already_is_refused_by_name_and_nothing_is_added() {
    for game in Game::both().await {
        game.add("alice", "alice@example.org", "AliceWallet", &["--pool-wallet", "zpool=bc1alice"]).succeeded();
        let cases: &[(&str, &str, &str, &[&str], &str)] = &[
            ("alice", "b@example.org", "B", &[], "another player has this username already"),
            ("bob", "alice@example.org", "B", &[], "another player has this email already"),
            ("bob", "b@example.org", "AliceWallet", &[], "another player has this wallet already"),
            ("bob", "b@example.org", "B", &["--pool-wallet", "zpool=bc1alice"], "another player has this wallet already"),
            (
                "bob",
                "b@example.org",
                "B",
                &["--pool-wallet", "zpool=x", "--pool-wallet", "zpool=y"],
                "--pool-wallet names a pool twice; a player has one address on a pool",
            ),
            (
                "bob",
                "b@example.org",
                "B",
                &["--pool-wallet", "nopool=x"],
                "there is no pool nopool; `pool-poller pools list` shows all",
            ),
        ];
        for (name, mail, wallet, more, line) in cases {
            assert_eq!(game.add(name, mail, wallet, more).failed(), *line);
            assert_eq!(game.names(), ["alice"], "{line}");
        }
        // What failed has taken nothing: all of it is still to be had, on another pool the same address too.
        game.add("bob", "b@example.org", "B", &["--pool-wallet", "rplant=bc1alice", "--pool-wallet", "zpool=x"]).succeeded();
    }
}

#[tokio::test]
async fn what_cannot_be_a_player_is_refused_before_the_database_is_asked() {
    let long_name = "n".repeat(101);
    let long_mail = "m".repeat(256);
    let long_wallet = "w".repeat(256);
    let cases = [
        ("", "m", "W", "<NAME>"),
        (" alice", "m", "W", "<NAME>"),
        ("ali\nce", "m", "W", "<NAME>"),
        ("ali\u{1b}[31mce", "m", "W", "<NAME>"),
        (&long_name, "m", "W", "<NAME>"),
        ("alice", "", "W", "--email"),
        ("alice", "m\t", "W", "--email"),
        ("alice", &long_mail, "W", "--email"),
        ("alice", "m", "", "--wallet"),
        ("alice", "m", "two words", "--wallet"),
        ("alice", "m", "line\nend", "--wallet"),
        ("alice", "m", &long_wallet, "--wallet"),
    ];
    for (name, mail, wallet, expected) in cases {
        let place = Place::new();
        let outcome = place.run(&["players", "add", "--email", mail, "--wallet", wallet, "--", name]);
        assert_eq!(outcome.code(), 2, "{name:?} {mail:?} {wallet:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(expected) && outcome.stderr.contains("must be 1 to "), "{}", outcome.stderr);
        assert_eq!(place.names(), Vec::<String>::new());
    }
    for pool_wallet in ["zpool", "zpool=", "=x", "Z Pool=x", "zpool=a b"] {
        let arguments = ["players", "add", "a", "--email", "m", "--wallet", "W", "--pool-wallet", pool_wallet];
        let outcome = Place::new().run(&arguments);
        assert_eq!(outcome.code(), 2, "{pool_wallet}");
        assert!(outcome.stderr.contains("--pool-wallet"), "{pool_wallet}: {}", outcome.stderr);
    }
    let (name, mail, wallet) = (&long_name[1..], &long_mail[1..], &long_wallet[1..]);
    for game in Game::both().await {
        game.add(name, mail, wallet, &[]).succeeded();
        assert_eq!(game.list()[0]["wallet_address"], wallet);
    }
}

#[tokio::test]
async fn names_are_only_text() {
    let odd = [
        "Robert'); DROP TABLE players;--",
        "\" OR 1=1 --",
        "%_\\",
        "$1 ? :name {0}",
        "日本 🎮 ünïcödé",
        "-leading-dash",
        "--verified",
    ];
    for game in Game::both().await {
        for (index, name) in odd.iter().enumerate() {
            let mail = format!("{index}'\"@example.org");
            let wallet = format!("W'\"日\\%{index}");
            game.add(name, &mail, &wallet, &[]).succeeded();
            let row = game.list().pop().expect("a player");
            let stored = ["username", "email", "wallet_address"].map(|column| row[column].as_str().expect("a text").to_owned());
            assert_eq!(stored, [(*name).to_owned(), mail, wallet]);
        }
        for name in odd {
            game.run(&["verify", "--", name]).succeeded();
        }
        assert!(game.list().iter().all(|row| row["verified"] == true));
        assert_eq!(game.names(), odd);
        let line = game.run(&["deactivate", "%"]);
        assert_eq!(line.failed(), "there is no player \"%\"; `pool-poller players list` shows all", "a name is no pattern");
    }
}

#[tokio::test]
async fn a_name_made_of_digits_is_a_name_first_and_an_id_second() {
    for game in Game::both().await {
        game.add("2", "a@example.org", "A", &[]).succeeded();
        game.add("bob", "b@example.org", "B", &[]).succeeded();
        assert_eq!(game.run(&["verify", "2"]).succeeded(), "player 1 (2) is verified, polled from the next cycle on\n");
        assert_eq!(game.run(&["verify", "1"]).succeeded(), "player 1 (2) is verified, polled from the next cycle on\n");
        assert_eq!(game.run(&["verify", "bob"]).succeeded(), "player 2 (bob) is verified, polled from the next cycle on\n");
        for nobody in ["3", "0", "99999999999999999999", "BOB", " bob"] {
            let outcome = game.run(&["verify", nobody]);
            assert_eq!(outcome.failed(), format!("there is no player {nobody:?}; `pool-poller players list` shows all"));
        }
        game.run(&["deactivate", "--", "-1"]).failed();
    }
}

#[tokio::test]
async fn json_has_the_exact_digits_and_the_table_is_aligned() {
    for game in Game::both().await {
        assert_eq!(game.run(&["list"]).succeeded().lines().count(), 1, "a heading and nobody");
        assert_eq!(game.run(&["list", "--json"]).succeeded(), "[]\n");
        game.add("alice", "alice@example.org", "A", &["--verified"]).succeeded();
        game.add("日本", "b@example.org", "ARatherLongWalletAddress0123456789", &[]).succeeded();
        // More digits than a float has.
        game.execute(
            "UPDATE players SET total_ap = '123456789012345678901.12345678', total_advc_mined = '0.00000001', \
             last_mining_event = '2026-01-02 03:04:05.678901' WHERE id = 1",
        )
        .await;
        // What the game itself may have written: a line end, and an escape sequence.
        game.execute("UPDATE players SET username = 'a\nb\u{1b}[31m' WHERE id = 2").await;
        let outcome = game.run(&["list", "--json"]);
        let json = outcome.succeeded();
        for part in ["\"total_ap\": 123456789012345678901.12345678,", "\"total_advc_mined\": 0.00000001,", "\"total_ap\": 0,"] {
            assert!(json.contains(part), "{part}: {json}");
        }
        let rows = game.list();
        assert_eq!(rows[0]["last_mining_event"], "2026-01-02T03:04:05.678901+00:00");
        assert_eq!((&rows[1]["last_mining_event"], &rows[1]["username"]), (&Value::Null, &"a\nb\u{1b}[31m".into()));
        let outcome = game.run(&["list"]);
        let lines: Vec<&str> = outcome.succeeded().lines().collect();
        assert_eq!(lines.len(), 3, "a row a player whatever the name: {}", outcome.stdout);
        assert!(lines[2].contains("a\\nb\\u{1b}[31m") && !outcome.stdout.contains('\u{1b}'), "{}", outcome.stdout);
        assert!(lines[1].ends_with("2026-01-02 03:04:05"), "{}", lines[1]);
        let end_of = |line: &str, text: &str| line.find(text).map(|at| at + text.len());
        assert_eq!(end_of(lines[0], " AP"), end_of(lines[1], "123456789012345678901.12345678"), "{}", outcome.stdout);
        assert_eq!(end_of(lines[0], " ADVC"), end_of(lines[1], " 0.00000001"), "{}", outcome.stdout);
    }
}
