//! `pool-poller demo`: the real daemon on simulated pools and a simulated game server.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use entity::mining_events;
use sea_orm::{ColumnTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _};

use super::output::{complain, print};
use super::run::listen;
use super::table::table;
use super::{Session, Stop};
use crate::actors::scheduler::Mode;
use crate::app::{Daemon, Options};
use crate::clock::Clock;
use crate::domain::{Amount, Rate};
use crate::pools::{Limits, PoolSpec};
use crate::settings::{LoadOptions, Settings};
use crate::shutdown::Signals;
use crate::sim::{SimGame, SimGameConfig, SimPool, SimPools, SimPoolsConfig, WorldConfig};
use crate::store::players::{self, NewPlayer};
use crate::store::{self, now_utc};
use crate::telemetry;

/// The pools of the demo: those that are compiled in.
const POOLS: [SimPool; 3] = [SimPool::CpuPool, SimPool::Rplant, SimPool::Zpool];
/// Between two cycles.
const INTERVAL_SECONDS: u64 = 1;
/// Between two blocks found by a simulated pool.
const BLOCK_INTERVAL: Duration = Duration::from_millis(700);
/// How long the last awards may take to arrive.
const SETTLE_MAX: Duration = Duration::from_secs(20);
/// Between two looks at what has arrived.
const LOOK: Duration = Duration::from_millis(50);

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How long to run, as 30s, 5m or 1h; 0 runs until Ctrl-C.
    #[arg(long, default_value = "30s", value_parser = duration)]
    duration: Duration,
    /// Players who mine on every pool.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    players: u32,
    /// The seed of the simulated mining, to see the same luck again.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Serve the status page on this IP address and port, as 127.0.0.1:9464.
    #[arg(long, value_name = "ADDRESS")]
    status_listen: Option<SocketAddr>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| "expected a whole number with s, m or h behind it".to_owned())?;
    let seconds = match &text[digits.len()..] {
        "" | "s" => Some(number),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3600),
        _ => None,
    };
    seconds.map(Duration::from_secs).ok_or_else(|| "expected a whole number with s, m or h behind it".to_owned())
}

pub(super) async fn run(args: Args) -> Result<(), Stop> {
    let signals = Signals::listen().map_err(Stop::failed)?;
    let status = args.status_listen.map(listen).transpose()?;
    let folder = tempfile::tempdir().map_err(|error| Stop::failed(format!("no temporary folder: {error}")))?;
    let pools =
        SimPools::start(SimPoolsConfig { seed: args.seed, world: WorldConfig::demo(BLOCK_INTERVAL), ..Default::default() })
            .map_err(|error| Stop::failed(format!("the simulated pools do not start: {error}")))?;
    let game = SimGame::start(SimGameConfig::default())
        .map_err(|error| Stop::failed(format!("the simulated game server does not start: {error}")))?;
    let session = session(folder.path(), &pools, &game)?;
    if let Err(error) = telemetry::init(tracing::Level::WARN, crate::settings::LogFormat::Text) {
        complain(error);
    }
    let db = session.connect_migrated().await?;
    enrol(&db, &pools, args.players).await?;
    print(format_args!(
        "{} players mine on {} simulated pools; a cycle every {INTERVAL_SECONDS} s. Ctrl-C ends it.",
        args.players,
        POOLS.len()
    ))?;

    let printer = print_arrivals(&game);
    let options = Options { mode: Mode::Every(Duration::from_secs(INTERVAL_SECONDS)), dry_run: false, database_wait_max: None };
    let Session { settings, pools: specs, .. } = session;
    let rate = settings.rate(&btc()?).unwrap_or(Rate::ONE);
    let mut daemon = Daemon::build(&settings, specs, db.clone(), options)?;
    if let Some(listener) = status {
        let address = daemon.serve_status(listener).map_err(Stop::failed)?;
        print(format_args!("The status page is on http://{address}/."))?;
    }
    let shutdown = signals.into_shutdown();
    let mut ended: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
        let _ = shutdown.await;
    });
    if !args.duration.is_zero() {
        let until = tokio::time::sleep(args.duration);
        ended = Box::pin(async move {
            tokio::select! {
                () = until => {}
                () = ended => {}
            }
        });
    }
    let failed = loop {
        tokio::select! {
            () = &mut ended => break None,
            summary = daemon.next_summary() => if let Err(failed) = summary { break Some(failed) },
        }
    };

    // No more payouts; then everything that was paid must have been seen, awarded and told.
    pools.world().stop_paying();
    let settling = Clock::start();
    let mut is_settled = false;
    while !is_settled && failed.is_none() && settling.now() < SETTLE_MAX {
        tokio::time::sleep(LOOK).await;
        is_settled = settled(&db, &pools, &game).await?;
    }
    let account = Account::of(&db, &pools, &game, rate).await?;
    daemon.drain().await;
    game.stop();
    pools.stop();
    drop(game);
    // The subscription ends with the game server.
    let _ = printer.join();
    print(format_args!("\n{}", account.show()))?;
    match failed {
        Some(failed) => Err(failed.into()),
        None if !account.balanced() => Err(Stop::failed("the account does not balance")),
        None if !is_settled => Err(Stop::failed(format!("not every wallet was polled within {} s", SETTLE_MAX.as_secs()))),
        None => Ok(()),
    }
}

fn btc() -> Result<crate::domain::Currency, Stop> {
    "BTC".parse().map_err(Stop::failed)
}

/// Settings that point at the simulations, and at nothing of the machine's own configuration.
fn session(folder: &Path, pools: &SimPools, game: &SimGame) -> Result<Session, Stop> {
    let mut environment = vec![
        ("DATABASE_URL".to_owned(), format!("sqlite://{}/demo.db?mode=rwc", folder.display())),
        ("SOCKETIO_URL".to_owned(), game.socketio_url()),
        ("POLL_INTERVAL_SECONDS".to_owned(), INTERVAL_SECONDS.to_string()),
        ("POOL_REQUEST_TIMEOUT".to_owned(), INTERVAL_SECONDS.to_string()),
    ];
    for pool in POOLS {
        let prefix = pool.name().to_ascii_uppercase().replace('-', "_");
        environment.push((format!("{prefix}_URL"), pools.url(pool)));
    }
    let options = LoadOptions {
        config_file: None,
        system_config_file: folder.join("none.toml"),
        working_directory: folder.to_owned(),
        environment: environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
    };
    let settings = Settings::load(&options).map_err(Stop::failed)?;
    let mut session = Session::with_settings(settings, &[])?;
    // Simulated pools have no limit: a cycle is over within its second.
    let unlimited = |pool: PoolSpec| {
        let limits = Limits { rate_per_minute: None, ..*pool.limits() };
        pool.with_limits(limits)
    };
    session.pools = session.pools.into_iter().map(unlimited).collect();
    Ok(session)
}

/// Adds the players, each with a past on every pool, so that what they are paid from now on is what counts.
async fn enrol(db: &DatabaseConnection, pools: &SimPools, count: u32) -> Result<(), Stop> {
    let past: Amount = "1".parse().map_err(Stop::failed)?;
    for number in 1..=count {
        let wallet = format!("ASimulatedPlayerWallet{number:012}");
        let player = NewPlayer {
            username: format!("player{number}"),
            email: format!("player{number}@example.org"),
            wallet: wallet.parse().map_err(Stop::failed)?,
            pool_wallets: Vec::new(),
            verified: true,
        };
        players::add(db, player, now_utc()).await.map_err(Stop::failed)?;
        for pool in POOLS {
            pools.world().add_account(pool, &wallet, past);
        }
    }
    Ok(())
}

/// Prints each award as the game server receives it.
fn print_arrivals(game: &SimGame) -> std::thread::JoinHandle<()> {
    let arrivals = game.subscribe();
    std::thread::spawn(move || {
        for arrival in arrivals {
            let text = |key: &str| match &arrival.payload[key] {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let line = format!(
                "{}  {:<10} {:<9} {:>16} ADVC  {:>18} AP   total {:>18} AP",
                text("timestamp").get(11..19).unwrap_or_default(),
                text("username"),
                text("pool"),
                text("advc_amount"),
                text("ap_awarded"),
                text("total_ap")
            );
            // The account at the end says whether all is well; a line that nobody can read is no reason to stop.
            let _ = print(line);
        }
    })
}

/// Whether everything that was paid has been seen, awarded and told.
async fn settled(db: &DatabaseConnection, pools: &SimPools, game: &SimGame) -> Result<bool, Stop> {
    let (paid, unshown) = {
        let world = pools.world();
        (world.payouts().len() as u64, world.unshown())
    };
    if unshown > 0 || game.distinct_events() < paid {
        return Ok(false);
    }
    let waiting = store::outbox::waiting(db).await.map_err(Stop::failed)?;
    Ok(waiting == 0)
}

/// What was paid, awarded and told, in number and in ADVC.
struct Account {
    payouts: u64,
    paid: Amount,
    events: u64,
    awarded: Amount,
    notices: u64,
    told: Amount,
}

impl Account {
    async fn of(db: &DatabaseConnection, pools: &SimPools, game: &SimGame, btc_rate: Rate) -> Result<Self, Stop> {
        let outgrown = || Stop::failed("a sum is too large");
        let add = |total: Amount, amount: Amount| total.checked_add(amount).ok_or_else(outgrown);
        let payouts = pools.payouts();
        let mut paid = Amount::ZERO;
        for payout in &payouts {
            let rate = if payout.pool == SimPool::Zpool { btc_rate } else { Rate::ONE };
            paid = add(paid, payout.amount.convert(rate).map_err(Stop::failed)?)?;
        }
        let awards = mining_events::Entity::find().filter(mining_events::Column::Status.eq(mining_events::AWARDED));
        let awards = awards.all(db).await.map_err(Stop::failed)?;
        let mut awarded = Amount::ZERO;
        for event in &awards {
            awarded = add(awarded, Amount::from_decimal(event.advc_amount.0).ok_or_else(outgrown)?)?;
        }
        // A repeated notice has the same id and counts once.
        let notices: BTreeMap<String, String> =
            game.received().iter().map(|notice| (notice.event_id(), notice.payload["advc_amount"].to_string())).collect();
        let mut told = Amount::ZERO;
        for amount in notices.values() {
            told = add(told, amount.parse().map_err(Stop::failed)?)?;
        }
        Ok(Self {
            payouts: payouts.len() as u64,
            paid,
            events: awards.len() as u64,
            awarded,
            notices: notices.len() as u64,
            told,
        })
    }

    fn balanced(&self) -> bool {
        self.payouts == self.events && self.events == self.notices && self.paid == self.awarded && self.awarded == self.told
    }

    fn show(&self) -> String {
        let row = |what: &str, count: u64, advc: Amount| vec![what.to_owned(), count.to_string(), advc.to_string()];
        let difference = i128::from(self.payouts) - i128::from(self.events.min(self.notices));
        let lowest = self.awarded.min(self.told);
        let difference_advc = self.paid.checked_sub(lowest).map(|advc| advc.to_string()).unwrap_or_default();
        let rows = [
            row("payouts made by the simulated pools", self.payouts, self.paid),
            row("events awarded", self.events, self.awarded),
            row("notifications received", self.notices, self.told),
            vec!["difference".to_owned(), difference.to_string(), difference_advc],
        ];
        table(&["account", "count", "advc"], &["count", "advc"], rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, seconds) in [("0", 0), ("30", 30), ("30s", 30), ("5m", 300), ("1h", 3600)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "-1s", "1.5s", "1d", "99999999999999999999h", "9999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
