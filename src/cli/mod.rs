//! The command line: one file a subcommand.

mod backup;
mod check;
mod config;
mod decision;
mod demo;
mod events;
mod explain;
mod healthcheck;
mod import;
mod migrate;
mod moment;
mod once;
mod output;
mod players;
mod pool_draft;
mod pool_trial;
mod pools;
mod positions;
mod progress;
mod prune;
mod run;
mod session;
mod shell;
mod table;
mod takeover;
mod verify;
mod wallet;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use session::{Session, Stop};

/// Watches mining pools for payouts, awards Adventure Points (AP) in the game's database and tells the game server at once.
///
/// Settings come from the compiled-in defaults, --config FILE (else /etc/pool-poller/config.toml), .env in the working directory
/// and the environment, each layer winning over the one before. Without a command it runs the daemon.
#[derive(Debug, Parser)]
#[command(name = "pool-poller", version)]
pub struct Cli {
    /// Read settings from this TOML file.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed; 2 wrong arguments; 70 an actor failed for good; 78 a setting or the \
                          database's schema is wrong; 130 ended by a second signal.";

/// The exit code of a daemon in which an actor failed for good, so that systemd starts it afresh.
pub const EXIT_FATAL: u8 = 70;

/// The exit code of wrong arguments, as clap has it.
const EXIT_USAGE: u8 = 2;

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon until SIGTERM or SIGINT (the default).
    ///
    /// SIGUSR1 logs one `metrics_dump` with every actor's figures. SIGHUP reads settings and pool files again; where they cannot be
    /// used, the old ones stay. A second SIGTERM or SIGINT ends it at once.
    ///
    /// Example: LOG_FORMAT=text pool-poller run --dry-run
    Run(run::Args),
    /// Poll every pool once, print what came of it, and end.
    ///
    /// Ends with exit code 1 where there were requests and none brought a reading, and where the database cannot be written.
    ///
    /// Example: pool-poller once --dry-run
    Once(once::Args),
    /// Show the real daemon at work on simulated pools and a simulated game server.
    ///
    /// Needs no settings, no network and no database: it runs on loopback and in a temporary folder. Ends with an account whose
    /// difference must be 0.
    ///
    /// Example: pool-poller demo --duration 30s
    Demo(demo::Args),
    /// Create or update the tables, or take over those of the service that pool-poller replaces.
    ///
    /// A takeover keeps every row, opens positions at the highest counters that were ever recorded, and lists what that service
    /// awarded twice. Stop it first. BTC_TO_ADVC_RATE must be the rate it ran with; it can be changed afterwards.
    ///
    /// Example: pool-poller migrate --status
    Migrate(migrate::Args),
    /// Say whether everything works: settings, database, every pool, the game server. The first thing to run when something is
    /// wrong.
    ///
    /// One line each; exit code 1 when one of them does not work. Changes nothing: each enabled pool is asked once, and the game
    /// server is connected to and left.
    ///
    /// Example: pool-poller check
    Check(check::Args),
    /// Ask the daemon that runs here whether it is well; exit code 1 and its answer when it is not.
    ///
    /// It asks GET /healthz at the address of STATUS_LISTEN, and needs no database and no pool file: for a container's health
    /// check. An unspecified address (`0.0.0.0`, `[::]`) is asked at loopback.
    ///
    /// Example: pool-poller healthcheck --ready
    Healthcheck(healthcheck::Args),
    /// Show the settings in force, or check them.
    #[command(subcommand)]
    Config(config::Command),
    /// Show and edit players.
    #[command(subcommand)]
    Players(players::Command),
    /// Show the pools, what a pool file makes of an answer, and draft a file for another pool.
    #[command(subcommand)]
    Pools(pools::Command),
    /// Show events, and decide about held and wrong ones.
    #[command(subcommand)]
    Events(events::Command),
    /// Show positions, and count one from another mark.
    #[command(subcommand)]
    Positions(positions::Command),
    /// Prove row by row that everything adds up; exit code 1 when something does not.
    ///
    /// Reads one consistent state and holds up no writer; the daemon does the same every night.
    ///
    /// Example: pool-poller verify --json | jq .differences
    Verify(verify::Args),
    /// Show what made an event or a player's totals: readings, rate, rule, decision and delivery.
    ///
    /// Example: pool-poller explain 17
    Explain(explain::Args),
    /// Copy the SQLite database while the daemon runs, and check the copy; on PostgreSQL, say which pg_dump to run.
    ///
    /// Example: pool-poller backup /var/backups/pool-poller-2026-11-22.db
    Backup(backup::Args),
    /// Delete old snapshots. It never changes what is awarded; the daemon does the same every hour.
    ///
    /// Example: pool-poller prune --days 7 --dry-run
    Prune(prune::Args),
    /// Print a completion script for a shell.
    ///
    /// Example: pool-poller completions bash > /usr/share/bash-completion/completions/pool-poller
    Completions(shell::CompletionsArgs),
    /// Print the manual page, or write one for each command.
    ///
    /// Example: pool-poller man /usr/local/share/man/man1
    Man(shell::ManArgs),
}

/// All commands, each of which says what its exit codes mean: for parsing, `--help`, manual pages and completions.
fn definitions() -> clap::Command {
    fn with_exit_codes(command: clap::Command) -> clap::Command {
        command.after_long_help(EXIT_CODES).mut_subcommands(with_exit_codes)
    }
    with_exit_codes(Cli::command()).after_help(EXIT_CODES)
}

/// Runs the command line and answers the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&definitions().get_matches()).unwrap_or_else(|error| error.exit());
    let command = cli.command.unwrap_or_else(|| Command::Run(run::Args::default()));
    let config = cli.config;
    let outcome = actix_rt::System::new().block_on(async move {
        match command {
            Command::Run(args) => run::run(config, args).await,
            Command::Once(args) => once::run(config, args).await,
            Command::Demo(args) => demo::run(args).await,
            Command::Migrate(args) => migrate::run(config, args).await,
            Command::Check(args) => check::run(config, args).await,
            Command::Healthcheck(args) => healthcheck::run(config, args).await,
            Command::Config(command) => config::run(config, &command),
            Command::Players(command) => players::run(config, command).await,
            Command::Pools(command) => pools::run(config, command).await,
            Command::Events(command) => events::run(config, command).await,
            Command::Positions(command) => positions::run(config, command).await,
            Command::Verify(args) => verify::run(config, args).await,
            Command::Explain(args) => explain::run(config, args).await,
            Command::Backup(args) => backup::run(config, args).await,
            Command::Prune(args) => prune::run(config, args).await,
            Command::Completions(args) => shell::completions(&args),
            Command::Man(args) => shell::man(&args),
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            output::complain(&stop);
            ExitCode::from(stop.code())
        }
    }
}
