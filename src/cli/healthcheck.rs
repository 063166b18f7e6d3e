//! `pool-poller healthcheck`: asks a running daemon whether it is well, as a container's HEALTHCHECK does.
//!
//! It opens no database and reads no pool file, and with `--address` no setting either: it is run every few seconds.

use std::path::PathBuf;
use std::time::Duration;

use awc::error::SendRequestError;
use awc::http::StatusCode;
use awc::http::uri::Authority;

use super::output::print;
use super::{Session, Stop};
use crate::pools::install_crypto;

/// An answer names what is wrong, a line each; a longer one is not the daemon's.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Arguments of `healthcheck`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ask /readyz instead of /healthz: also whether the database answers and a cycle has begun.
    #[arg(long)]
    ready: bool,
    /// Ask there instead of at STATUS_LISTEN.
    #[arg(long, value_name = "HOST:PORT", value_parser = authority)]
    address: Option<Authority>,
    /// How many seconds the answer may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
}

pub(super) async fn run(config: Option<PathBuf>, args: Args) -> Result<(), Stop> {
    let authority = match args.address {
        Some(authority) => authority,
        None => configured(config)?,
    };
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let url = format!("http://{}{path}", reachable(&authority));
    let limit = Duration::from_secs(args.timeout);
    let answered = tokio::time::timeout(limit, ask(&url, limit)).await;
    let (status, text) = answered
        .unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs())))
        .map_err(|why| Stop::failed(format!("{url}: {why}")))?;
    if status == StatusCode::OK { print(text.trim_end()) } else { Err(Stop::failed(format!("{url}: {status}: {text}"))) }
}

/// The address that the daemon of these settings listens on.
fn configured(config: Option<PathBuf>) -> Result<Authority, Stop> {
    let Some(address) = Session::without_pools(config)?.settings.status_listen else {
        return Err(Stop::config(
            "STATUS_LISTEN is not set, so nothing is served that could be asked; set it, or give --address",
        ));
    };
    if address.port() == 0 {
        return Err(Stop::config(format!("STATUS_LISTEN={address} leaves the port to the system; give --address")));
    }
    address.to_string().parse().map_err(Stop::config)
}

/// A daemon that listens on every address of the machine is asked on loopback; an unspecified one is none to connect to.
fn reachable(authority: &Authority) -> String {
    let host = match authority.host() {
        "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        host => host,
    };
    authority.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

async fn ask(url: &str, limit: Duration) -> Result<(StatusCode, String), String> {
    install_crypto();
    // awc's own limits would be shorter or longer than the one that counts.
    let client = awc::Client::builder()
        .connector(awc::Connector::new().timeout(limit).handshake_timeout(limit))
        .disable_timeout()
        .disable_redirects()
        .finish();
    let mut response = client.get(url).send().await.map_err(|error: SendRequestError| error.to_string())?;
    let body = response.body().limit(ANSWER_BYTES_MAX).await.map_err(|error| error.to_string())?;
    Ok((response.status(), String::from_utf8_lossy(&body).into_owned()))
}

fn authority(text: &str) -> Result<Authority, String> {
    let expected = || "expected a host and a port, as 127.0.0.1:9464 or [::1]:9464".to_owned();
    let authority: Authority = text.parse().map_err(|_| expected())?;
    let is_whole = !authority.host().is_empty() && authority.port_u16().is_some_and(|port| port != 0);
    if is_whole && !text.contains('@') { Ok(authority) } else { Err(expected()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["127.0.0.1:9464", "[::1]:9464", "localhost:1", "0.0.0.0:65535"] {
            assert!(authority(good).is_ok(), "{good}");
        }
        for bad in ["", ":9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "::1:9464", "a:65536", "me@a:1", "http://a:1", "a:1/b"]
        {
            assert!(authority(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unspecified_address_is_asked_at_loopback() {
        for (listened, asked) in [
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("[::]:9464", "[::1]:9464"),
            ("192.0.2.1:9464", "192.0.2.1:9464"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80"),
        ] {
            assert_eq!(reachable(&listened.parse().unwrap()), asked);
        }
    }
}
