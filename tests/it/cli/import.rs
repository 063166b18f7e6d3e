//! `players import`: a file is taken whole or not at all, on SQLite and on PostgreSQL alike.

use super::players::Game;

/// Writes `text` as a file of the game's place and imports it.
fn import(game: &Game, text: &str, more: &[&str]) -> super::program::Outcome {
    game.place.file("players.csv", text);
    game.run(&[&["import", "players.csv"], more].concat())
}

/// The faults, without the file's name, and the last line.
fn faults(outcome: &super::program::Outcome) -> Vec<String> {
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (1, ""), "{}", outcome.stderr);
    let lines = outcome.stderr.lines().map(|line| line.strip_prefix("pool-poller: players.csv").expect("the file is named"));
    lines.map(|line| line.trim_start_matches([',', ':', ' ']).to_owned()).collect()
}

#[tokio::test]
async fn every_player_of_a_file_is_added() {
    for game in Game::both().await {
        let text = "\u{feff}username, email ,wallet,verified,wallet:zpool\r\nann,a@example.org,AnnWallet,true,bc1ann\r\n\
                    \"bob, the second\",b@example.org,BobWallet,,\r\n\r\ncy,c@example.org,CyWallet,no,bc1cy\r\n";
        assert_eq!(import(&game, text, &["--dry-run"]).succeeded(), "3 players could be added\n");
        assert_eq!(game.names(), Vec::<String>::new());
        assert_eq!(import(&game, text, &[]).succeeded(), "3 players added\n");
        assert_eq!(game.names(), ["ann", "bob, the second", "cy"]);
        let verified: Vec<bool> = game.list().iter().map(|row| row["verified"].as_bool().expect("a flag")).collect();
        assert_eq!(verified, [true, false, false]);
        assert_eq!(game.run(&["wallet", "cy", "zpool"]).succeeded(), "zpool knows cy as bc1cy\n");
        assert!(game.run(&["wallet", "bob, the second", "zpool"]).succeeded().contains("no address of its own"));
    }
}

#[tokio::test]
async fn a_column_that_is_named_twice_is_refused() {
    for game in Game::both().await {
        let found = import(&game, "username,email,wallet,wallet\na,a@example.org,AWallet,BWallet\n", &[]);
        assert_eq!((found.code(), found.stdout.as_str()), (1, ""));
        assert!(found.stderr.contains("two columns are called \"wallet\""), "{}", found.stderr);
        assert_eq!(game.names(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_file_with_faults_adds_nobody_and_names_each_line() {
    for game in Game::both().await {
        game.add("ann", "a@example.org", "AnnWallet", &["--pool-wallet", "zpool=bc1ann"]).succeeded();
        let text = "username,email,wallet,verified,wallet:zpool\n\
                    new,n@example.org,NewWallet,true,\n\
                    ,x@example.org,XWallet,true,\n\
                    y,y@example.org,a wallet,true,\n\
                    z,z@example.org,ZWallet,perhaps,\n\
                    w,w@example.org\n";
        let found = faults(&import(&game, text, &[]));
        let lines: Vec<&str> = found.iter().filter_map(|fault| fault.split(':').next()).collect();
        assert_eq!(lines, ["line 3", "line 4", "line 5", "line 6", "4 faults; nobody was added"], "{found:?}");
        assert!(found[0].contains("username must be") && found[1].contains("wallet: "), "{found:?}");
        assert!(found[2].contains("perhaps") && found[3].contains("2 fields, the first line has 5"), "{found:?}");

        let text = "username,email,wallet,verified,wallet:zpool\n\
                    ann,n@example.org,NewWallet,true,\n\
                    bob,b@example.org,AnnWallet,true,bc1ann\n\
                    cy,c@example.org,CyWallet,true,\n\
                    cy,d@example.org,CyWallet,true,\n";
        let found = faults(&import(&game, text, &[]));
        assert_eq!(
            found,
            [
                "line 2: username ann is another player's already",
                "line 3: wallet AnnWallet is another player's already",
                "line 3: wallet:zpool bc1ann is another player's already",
                "line 5: username cy stands in line 4 too",
                "line 5: wallet CyWallet stands in line 4 too",
                "5 faults; nobody was added",
            ]
        );
        assert_eq!(game.names(), ["ann"]);
    }
}

#[tokio::test]
async fn a_file_of_another_kind_is_refused_in_one_line() {
    let [game, _] = Game::both().await;
    for (text, said) in [
        ("name,email,wallet\n", "no column username"),
        ("username,email,wallet,colour\n", "unknown column \"colour\""),
        ("username,email,wallet,wallet:nowhere\n", "there is no pool \"nowhere\""),
        ("", "no column username"),
    ] {
        let outcome = import(&game, text, &[]);
        assert!(outcome.failed().contains(said), "{text:?}: {}", outcome.stderr);
    }
    assert!(game.run(&["import", "absent.csv"]).failed().contains("absent.csv: No such file"));
    assert_eq!(import(&game, "username,email,wallet\n", &[]).succeeded(), "0 players added\n");
}

#[tokio::test]
async fn thousands_are_added_in_one_transaction() {
    for game in Game::both().await {
        let lines = (1..=2_500).map(|number| format!("player{number},p{number}@example.org,Wallet{number},true,bc1p{number}\n"));
        let text = format!("username,email,wallet,verified,wallet:zpool\n{}", lines.collect::<String>());
        assert_eq!(import(&game, &text, &[]).succeeded(), "2500 players added\n");
        assert_eq!(game.names().len(), 2_500);
        assert_eq!(game.run(&["wallet", "player2500", "zpool"]).succeeded(), "zpool knows player2500 as bc1p2500\n");
    }
}
