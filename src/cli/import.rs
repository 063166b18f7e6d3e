//! `pool-poller players import`: many players from one CSV file, all of them or none.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::PathBuf;

use csv::{ReaderBuilder, StringRecord, Trim};
use sea_orm::DatabaseConnection;

use super::output::print;
use super::players::unique_text;
use super::progress::Bar;
use super::{Session, Stop};
use crate::domain::PoolName;
use crate::store::import::{self, ImportError};
use crate::store::now_utc;
use crate::store::players::NewPlayer;

/// Faults that are shown; a file in the wrong form has one in each line.
const FAULTS_SHOWN: usize = 20;
/// The columns that a file must have, and the optional one; further ones are `wallet:POOL`.
const REQUIRED: [&str; 3] = ["username", "email", "wallet"];
const VERIFIED: &str = "verified";
const POOL_WALLET: &str = "wallet:";

/// Arguments of `players import`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The CSV file; `-` for standard input.
    file: PathBuf,
    /// Check the file and the database and add nobody.
    #[arg(long)]
    dry_run: bool,
}

/// What stands in which column.
struct Columns {
    required: [usize; 3],
    verified: Option<usize>,
    pool_wallets: Vec<(usize, PoolName)>,
}

pub(super) async fn run(session: &Session, db: &DatabaseConnection, args: Args) -> Result<(), Stop> {
    let name = args.file.display().to_string();
    let input: Box<dyn Read> = if name == "-" {
        if io::stdin().is_terminal() {
            return Err(Stop::usage("the CSV is read from standard input, which is a terminal"));
        }
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&args.file).map_err(|error| Stop::failed(format!("{name}: {error}")))?)
    };
    let (players, mut faults) = read(session, input).map_err(|error| Stop::failed(format!("{name}: {error}")))?;
    if faults.is_empty() {
        let bar = Bar::new("waiting for the database");
        let imported = import::import(db, &players, now_utc(), args.dry_run, &|progress| bar.observe(progress)).await;
        drop(bar);
        match imported {
            Ok(()) if args.dry_run => return print(format_args!("{} players could be added", players.len())),
            Ok(()) => return print(format_args!("{} players added", players.len())),
            Err(ImportError::Taken(found)) => faults = found,
            Err(ImportError::Store(error)) => return Err(Stop::failed(error)),
        }
    }
    for (line, fault) in faults.iter().take(FAULTS_SHOWN) {
        super::output::complain(format_args!("{name}, line {line}: {fault}"));
    }
    Err(Stop::failed(format!("{name}: {} faults; nobody was added", faults.len())))
}

/// The line of each player, and the player.
type Numbered = Vec<(u64, NewPlayer)>;

/// Reads the whole file: the players, or what is wrong in which line.
fn read(session: &Session, input: impl Read) -> Result<(Numbered, Vec<(u64, String)>), String> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(input);
    let headings = reader.headers().map_err(|error| error.to_string())?.clone();
    let columns = Columns::find(session, &headings)?;
    let (mut players, mut faults) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                faults.push((line, without_position(&error)));
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        match columns.player(&record) {
            Ok(player) => players.push((line, player)),
            Err(fault) => faults.push((line, fault)),
        }
    }
    Ok((players, faults))
}

/// What is wrong, without the place, which is shown before it.
fn without_position(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!("{len} fields, the first line has {expected_len}"),
        _ => error.to_string(),
    }
}

impl Columns {
    fn find(session: &Session, headings: &StringRecord) -> Result<Self, String> {
        let at = |name: &str| headings.iter().position(|heading| heading.trim_start_matches('\u{feff}') == name);
        let bare = |heading: &str| heading.trim_start_matches('\u{feff}').to_owned();
        let is_repeated = |index: usize, heading: &str| at(&bare(heading)).is_some_and(|first| first < index);
        if let Some((_, twice)) = headings.iter().enumerate().find(|(index, heading)| is_repeated(*index, heading)) {
            return Err(format!("two columns are called {:?}", bare(twice)));
        }
        let mut required = [0; 3];
        for (place, name) in required.iter_mut().zip(REQUIRED) {
            *place = at(name).ok_or_else(|| {
                format!("the first line names no column {name}; it names username, email and wallet, and may name verified and wallet:POOL")
            })?;
        }
        let mut pool_wallets = Vec::new();
        for (index, heading) in headings.iter().enumerate() {
            let heading = heading.trim_start_matches('\u{feff}');
            if let Some(pool) = heading.strip_prefix(POOL_WALLET) {
                let known = session.pools.iter().map(|spec| spec.name()).find(|name| name.as_str() == pool);
                let pool = known.ok_or_else(|| format!("column {heading}: there is no pool {pool:?}"))?;
                pool_wallets.push((index, pool.clone()));
            } else if !REQUIRED.contains(&heading) && heading != VERIFIED {
                return Err(format!("unknown column {heading:?}"));
            }
        }
        Ok(Self { required, verified: at(VERIFIED), pool_wallets })
    }

    fn player(&self, record: &StringRecord) -> Result<NewPlayer, String> {
        let field = |index: usize| record.get(index).unwrap_or_default();
        let [username, email, wallet] = self.required.map(field);
        let verified = match self.verified.map(field).unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "0" | "no" | "false" => false,
            "1" | "yes" | "true" => true,
            other => return Err(format!("verified is {other:?}: it must be true or false (or yes, no, 1, 0)")),
        };
        let mut pool_wallets = Vec::new();
        for (index, pool) in &self.pool_wallets {
            if !field(*index).is_empty() {
                let address = field(*index).parse().map_err(|error| format!("{POOL_WALLET}{pool}: {error}"))?;
                pool_wallets.push((pool.clone(), address));
            }
        }
        Ok(NewPlayer {
            username: unique_text(username, 100).map_err(|fault| format!("username {fault}"))?,
            email: unique_text(email, 255).map_err(|fault| format!("email {fault}"))?,
            wallet: wallet.parse().map_err(|error| format!("wallet: {error}"))?,
            pool_wallets,
            verified,
        })
    }
}
