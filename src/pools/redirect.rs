//! Where a redirect may lead: to the pool that was asked, and nowhere else.
//!
//! Promises: the scheme and the host stay, or http becomes https on the same host; the port stays, or becomes that of https;
//! whatever else a server says is a failure that names the setting. A wallet's request, with its headers and secrets, goes to
//! the configured pool only.

use awc::http::StatusCode;
use awc::http::header::{HeaderMap, LOCATION};
use url::{Position, Url};

use super::failure::Failure;
use super::spec::PoolSpec;

/// Redirects that are followed for one answer: one to https and one to the page's real place.
pub(super) const REDIRECTS_MAX: usize = 2;

/// The address that an answer to a request for `url` redirects to, or `None` where it is no redirect.
///
/// # Errors
/// [`Failure::Redirect`] when it leads anywhere but to the same pool. The text holds the host and never the address, in
/// which a server may repeat a secret.
pub(super) fn target(spec: &PoolSpec, url: &str, status: StatusCode, headers: &HeaderMap) -> Result<Option<String>, Failure> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let refused = |reason: String| Err(Failure::Redirect { status: status.as_u16(), reason });
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let addresses = Url::parse(url).ok().zip(location).and_then(|(from, location)| Some((from.join(location).ok()?, from)));
    let Some((to, from)) = addresses else { return refused("without saying where to".to_owned()) };
    let setting = format!("set {}_URL if the pool is there now", spec.name.env_prefix());
    if to.host_str() != from.host_str() {
        let host: String = to.host_str().unwrap_or("nowhere").chars().take(HOST_CHARS_MAX).collect();
        return refused(format!("to another host, {host}: {setting}"));
    }
    let same_port = to.port_or_known_default() == from.port_or_known_default();
    let allowed = match (from.scheme(), to.scheme()) {
        ("http", "http") | ("https", "https") => same_port,
        // The port that was given may serve both, as it does behind some proxies.
        ("http", "https") => to.port().is_none() || to.port() == from.port(),
        ("https", "http") => return refused("from https to http, which anybody can read".to_owned()),
        (_, scheme) => return refused(format!("to the scheme {}", scheme.chars().take(HOST_CHARS_MAX).collect::<String>())),
    };
    if !allowed {
        return refused(format!("to another port of the same host: {setting}"));
    }
    if !to.username().is_empty() || to.password().is_some() {
        return refused("to an address with a user name".to_owned());
    }
    Ok(Some(to[..Position::AfterQuery].to_owned()))
}

/// The most of a host's name that is shown.
const HOST_CHARS_MAX: usize = 100;
