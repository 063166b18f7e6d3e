//! No password, token or key is printed or logged, whatever is asked and whatever goes wrong.

use nix::sys::signal::Signal;
use pool_poller::sim::{SimGame, SimGameConfig, SimPool, SimPools, SimPoolsConfig};
use url::Url;

use super::program::{DEADLINE, Outcome, Place};
use crate::support::own_cluster::OwnCluster;
use crate::support::pg::execute;

/// Part of every secret of these tests; its characters need no escape anywhere.
const MARKER: &str = "MARKERmarker4711";
/// A wallet of a form that every pool takes.
const WALLET: &str = "APlayerWithSecrets0000000000001";

/// A pool whose URL and headers need a secret.
const POOL: &str = "name = \"keyed\"\nurl = \"ORIGIN/{secret:POOL_KEY}/{wallet}\"\n[headers]\nAuthorization = \"Bearer {secret:POOL_KEY}\"\n\
                    [paid]\npointer = \"/paid\"\n[currency]\nconstant = \"ADVC\"\n";

/// Everything that has a secret, really at work: a database with a password, a game server with a token, pools with keys.
struct Scene {
    _cluster: OwnCluster,
    pools: SimPools,
    game: SimGame,
    database_url: String,
}

impl Scene {
    async fn new() -> Self {
        let cluster = OwnCluster::start(0);
        execute(cluster.url(), &format!("ALTER ROLE postgres PASSWORD '{MARKER}'")).await.expect("a password");
        let mut url = Url::parse(cluster.url()).expect("a URL");
        url.set_password(Some(MARKER)).expect("a URL with a host");
        let pools = SimPools::start(SimPoolsConfig::default()).expect("simulated pools");
        let game = SimGameConfig { auth_token: Some(MARKER.into()), ..SimGameConfig::default() };
        let game = SimGame::start(game).expect("a simulated game server");
        Self { _cluster: cluster, pools, game, database_url: url.into() }
    }

    fn place(&self, log_format: &str) -> Place {
        let mut place = Place::new()
            .env("DATABASE_URL", &self.database_url)
            .env("SOCKETIO_URL", self.game.socketio_url())
            .env("SOCKETIO_AUTH_TOKEN", MARKER)
            .env("POOL_KEY", MARKER)
            .env("POLL_INTERVAL_SECONDS", "1")
            .env("FIRST_READING", "award")
            .env("LOG_LEVEL", "TRACE")
            .env("LOG_FORMAT", log_format);
        for pool in [SimPool::CpuPool, SimPool::Rplant] {
            let name = format!("{}_URL", pool.name().to_uppercase().replace('-', "_"));
            place = place.env(name, self.pools.url(pool));
        }
        // One whose key is in the address, one that is not there at all, and one that answers with an error page.
        let place = place.env("ZPOOL_URL", format!("{}?key={MARKER}&address={{wallet}}", self.pools.url(SimPool::Zpool)));
        place.file("config/pools/keyed.toml", POOL.replace("ORIGIN", "http://127.0.0.1:1"));
        let wrong = POOL.replace("ORIGIN", &format!("http://{}", self.pools.address())).replace("keyed", "wrong");
        place.file("config/pools/wrong.toml", wrong);
        place
    }
}

fn assert_clean(what: &str, output: &str) {
    // Base64 of a header or of the handshake would be no better.
    for secret in [MARKER, "TUFSS0VSbWFya2VyNDcx"] {
        assert!(!output.contains(secret), "{what} shows a secret: {}", around(output, secret));
    }
}

fn around<'a>(output: &'a str, secret: &str) -> &'a str {
    output.lines().find(|line| line.contains(secret)).unwrap_or_default()
}

#[tokio::test]
async fn no_command_prints_a_secret() {
    let scene = Scene::new().await;
    for pool in [SimPool::CpuPool, SimPool::Rplant, SimPool::Zpool] {
        scene.pools.world().add_account(pool, WALLET, "5".parse().expect("an amount"));
    }
    let place = scene.place("text");
    let add = ["players", "add", "alice", "--email", "alice@example.org", "--wallet", WALLET, "--verified"];
    let commands: &[(&[&str], i32)] = &[
        (&["migrate", "--status"], 1),
        (&["run"], 78),
        (&["migrate"], 0),
        (&["migrate", "--status"], 0),
        (&add, 0),
        (&add, 1),
        (&["players", "list"], 0),
        (&["players", "list", "--json"], 0),
        (&["players", "verify", "alice"], 0),
        (&["players", "verify", MARKER_FREE_NOBODY], 1),
        (&["pools", "list"], 0),
        (&["pools", "list", "--json"], 0),
        (&["once", "--dry-run"], 0),
        (&["once"], 0),
        (&["once", "--json"], 0),
        (&["players", "deactivate", "alice"], 0),
        (&["--help"], 0),
        (&["players", "add"], 2),
    ];
    for (arguments, code) in commands {
        let Outcome { stdout, stderr, .. } = {
            let outcome = place.run(arguments);
            assert_eq!(outcome.code(), *code, "{arguments:?}: {}", outcome.stderr);
            outcome
        };
        assert_clean(&format!("{arguments:?}"), &format!("{stdout}{stderr}"));
    }
    // They were secrets of a working whole: without them nothing of this would have come about.
    assert!(scene.game.connections().total > 0 && scene.game.distinct_events() > 0, "the token opened the game server");
    assert!(scene.pools.requests(SimPool::Zpool).total() > 0, "the keyed pool was asked");
}

/// A name that is nobody's.
const MARKER_FREE_NOBODY: &str = "nobody";

#[tokio::test]
async fn the_daemon_logs_no_secret_at_any_level_nor_in_a_dump() {
    let scene = Scene::new().await;
    for pool in [SimPool::CpuPool, SimPool::Rplant, SimPool::Zpool] {
        scene.pools.world().add_account(pool, WALLET, "5".parse().expect("an amount"));
    }
    for format in ["json", "text"] {
        let place = scene.place(format).env("AUTO_MIGRATE", "true");
        if format == "json" {
            let add = ["players", "add", "alice", "--email", "alice@example.org", "--wallet", WALLET, "--verified"];
            place.run(&add).succeeded();
        }
        let mut daemon = place.start(&["run"]);
        daemon.line("game_server_connected");
        for _ in 0..3 {
            daemon.line("polling_cycle_complete");
        }
        daemon.signal(Signal::SIGUSR1);
        let dump = daemon.line("metrics_dump");
        assert!(dump.contains("wrong"), "the dump speaks of every pool: {dump}");
        assert_eq!(daemon.terminate().code(), Some(0));
        let log = daemon.seen();
        assert_clean(format, &log);
        for sign in ["request_failed", "DEBUG"] {
            assert!(log.contains(sign), "nothing was logged at {sign}: the test sees less than it claims");
        }
    }
    scene.game.wait_for(1, DEADLINE).expect("an award");
}

#[tokio::test]
async fn a_refused_token_and_a_wrong_password_are_not_shown() {
    let scene = Scene::new().await;
    let place = scene.place("json").env("AUTO_MIGRATE", "true").env("SOCKETIO_AUTH_TOKEN", format!("{MARKER}wrong"));
    let mut daemon = place.start(&["run"]);
    daemon.event("game_server_disconnected");
    assert_eq!(daemon.terminate().code(), Some(0));
    assert_clean("a refused token", &daemon.seen());
    assert!(scene.game.connections().refused > 0, "the token was wrong");
    let wrong = scene.database_url.replace(MARKER, &format!("{MARKER}wrong"));
    let outcome = place.env("DATABASE_URL", wrong).run(&["run"]);
    assert!(outcome.stderr.contains("password authentication failed"), "{}", outcome.stderr);
    assert_eq!(outcome.code(), 78);
    assert_clean("a wrong password", &outcome.stderr);
}
