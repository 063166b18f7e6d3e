//! `pool-poller pools add`: a draft of a pool file.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::output::print;
use super::session::POOLS_FOLDER;
use super::{Session, Stop};
use crate::domain::{Currency, PoolName, Wallet};
use crate::pools::draft::{Sample, draft};

/// Arguments of `pools add`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The new pool's name: a-z, 0-9, "-", "_", ".".
    name: String,
    /// Where the answer came from, with {wallet} in place of the wallet.
    #[arg(long)]
    url: String,
    /// One of the pool's answers about a wallet, in a file.
    #[arg(long, value_name = "FILE")]
    from_sample: PathBuf,
    /// The wallet that the answer is about: shows where the answer names it.
    #[arg(long, value_name = "ADDRESS")]
    wallet: Option<String>,
    /// What the amounts are in, unless the answer says it.
    #[arg(long, value_name = "CURRENCY")]
    currency: Option<String>,
    /// Write config/pools/NAME.toml, which must not be there.
    #[arg(long)]
    write: bool,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<(), Stop> {
    let name: PoolName = args.name.parse().map_err(|error| Stop::usage(format!("NAME: {error}")))?;
    if let Some(pool) = session.pools.iter().find(|pool| *pool.name() == name) {
        return Err(Stop::usage(format!("there is a pool {name} already, in {}", pool.origin())));
    }
    let wallet = args.wallet.as_deref().map(str::parse::<Wallet>).transpose();
    let wallet = wallet.map_err(|error| Stop::usage(format!("--wallet: {error}")))?;
    let currency = args.currency.as_deref().map(str::parse::<Currency>).transpose();
    let currency = currency.map_err(|error| Stop::usage(format!("--currency: {error}")))?;
    let file = args.from_sample.display();
    let body = fs::read(&args.from_sample).map_err(|error| Stop::failed(format!("{file}: {error}")))?;
    let sample = Sample { name: &name, url: &args.url, body: &body, wallet: wallet.as_ref(), currency: currency.as_ref() };
    let text = draft(&sample).map_err(|error| Stop::failed(format!("{file}: {error}")))?;
    if !args.write {
        return print(text.trim_end());
    }
    let path = Path::new(POOLS_FOLDER).join(format!("{name}.toml"));
    let failed = |error| Stop::failed(format!("{}: {error}", path.display()));
    fs::create_dir_all(POOLS_FOLDER).map_err(failed)?;
    let mut output = fs::File::create_new(&path).map_err(failed)?;
    output.write_all(text.as_bytes()).map_err(failed)?;
    print(format_args!(
        "{} is written and not enabled; check it with: pool-poller pools test {name} --wallet {} --body {file}",
        path.display(),
        wallet.as_ref().map_or("ADDRESS", Wallet::as_str)
    ))
}
