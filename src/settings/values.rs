//! How one text becomes one typed value. Nothing here knows a setting's name or where the text came from.

use std::ops::RangeInclusive;
use std::time::Duration;

use tracing::Level;
use url::Url;

use crate::domain::Amount;
use crate::domain::payout::FirstReading;
pub use crate::store::book::SnapshotPolicy;

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// One line of text an event, for people.
    Text,
}

/// Reads `true`, `1`, `yes`, `on` and their opposites, in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Reads a whole number in `range`: digits only, no sign.
pub(super) fn whole(text: &str, range: RangeInclusive<u32>) -> Option<u32> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_digits && range.contains(number))
}

/// Reads a number of seconds, whole or decimal, in `range`. It is exact to 10 ns.
pub(super) fn seconds(text: &str, range: RangeInclusive<u64>) -> Option<Duration> {
    // An amount has eight places, so its unit is 10 ns when it counts seconds.
    let nanoseconds = u64::try_from(text.parse::<Amount>().ok()?.units()).ok()?.checked_mul(10)?;
    let duration = Duration::from_nanos(nanoseconds);
    let range = Duration::from_secs(*range.start())..=Duration::from_secs(*range.end());
    range.contains(&duration).then_some(duration)
}

/// Reads an amount that is not negative.
pub(super) fn amount(text: &str) -> Option<Amount> {
    text.parse().ok().filter(|amount| *amount >= Amount::ZERO)
}

/// Reads a log level; `WARNING` and `CRITICAL` are the original service's names.
pub(super) fn level(text: &str) -> Option<Level> {
    match text.to_ascii_uppercase().as_str() {
        "TRACE" => Some(Level::TRACE),
        "DEBUG" => Some(Level::DEBUG),
        "INFO" => Some(Level::INFO),
        "WARN" | "WARNING" => Some(Level::WARN),
        "ERROR" | "CRITICAL" => Some(Level::ERROR),
        _ => None,
    }
}

/// Reads the form of the log.
pub(super) fn log_format(text: &str) -> Option<LogFormat> {
    match text.to_ascii_lowercase().as_str() {
        "json" => Some(LogFormat::Json),
        "text" => Some(LogFormat::Text),
        _ => None,
    }
}

/// Reads what the first reading of a wallet means.
pub(super) fn first_reading(text: &str) -> Option<FirstReading> {
    match text.to_ascii_lowercase().as_str() {
        "baseline" => Some(FirstReading::Baseline),
        "award" => Some(FirstReading::Award),
        _ => None,
    }
}

/// Reads when a snapshot row is written.
pub(super) fn snapshot_policy(text: &str) -> Option<SnapshotPolicy> {
    match text.to_ascii_lowercase().as_str() {
        "every" => Some(SnapshotPolicy::Every),
        "changed" => Some(SnapshotPolicy::Changed),
        _ => None,
    }
}

/// Reads an address with a host and one of `schemes`.
///
/// White space is refused, because the parser would drop it silently, and so is U+FFFD, which stands for a byte that was
/// not UTF-8.
pub(super) fn web_url(text: &str, schemes: &[&str]) -> Option<Url> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == char::REPLACEMENT_CHARACTER) {
        return None;
    }
    Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host())
}

/// The longest contact, in characters: more would only make every request longer.
const CONTACT_CHARS_MAX: usize = 200;

/// Reads a mail address or a page's address that stands in a comment of a header: visible ASCII without the characters that
/// end or nest a comment there.
pub(super) fn contact(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'(' | b')' | b'\\' | b'"');
    let well_formed = text.len() <= CONTACT_CHARS_MAX && text.bytes().all(plain);
    let is_mail = || text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    (well_formed && (web_url(text, &["http", "https"]).is_some() || is_mail())).then(|| text.to_owned())
}

/// Reads the game server's address. A password has its own setting, and a fragment is never sent.
pub(super) fn game_server_url(text: &str) -> Option<Url> {
    let url = web_url(text, &["http", "https", "ws", "wss"])?;
    (url.username().is_empty() && url.password().is_none() && url.fragment().is_none()).then_some(url)
}

/// Reads the address that events are posted to.
pub(super) fn webhook_url(text: &str) -> Option<Url> {
    game_server_url(text).filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// Reads a Socket.IO namespace. A comma ends it on the wire, and what follows a question mark is not part of it.
pub(super) fn namespace(text: &str) -> Option<String> {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, ',' | '?' | '#');
    (text.starts_with('/') && text.len() <= 200 && text.chars().all(is_plain)).then(|| text.to_owned())
}

/// Whether an address leads to this machine only.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact_and_bounded() {
        assert_eq!(seconds("10", 1..=300), Some(Duration::from_secs(10)));
        assert_eq!(seconds("2.5", 1..=300), Some(Duration::from_millis(2_500)));
        assert_eq!(seconds("300", 1..=300), Some(Duration::from_secs(300)));
        for bad in ["0", "0.99999999", "300.00000001", "-1", "1s", "", " 1", "1e400", "99999999999999999999"] {
            assert_eq!(seconds(bad, 1..=300), None, "{bad}");
        }
    }

    #[test]
    fn a_namespace_is_what_can_stand_on_the_wire() {
        assert_eq!(namespace("/").as_deref(), Some("/"));
        assert_eq!(namespace("/game-1/é").as_deref(), Some("/game-1/é"));
        for bad in ["", "game", "/a,b", "/a b", "/a?token=1", "/a#b", "/a\n"] {
            assert_eq!(namespace(bad), None, "{bad}");
        }
    }

    #[test]
    fn whole_numbers_have_no_sign() {
        assert_eq!(whole("060", 1..=86_400), Some(60));
        for bad in ["+5", "-5", "5.0", "", "0", "86401", "4294967296"] {
            assert_eq!(whole(bad, 1..=86_400), None, "{bad}");
        }
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        let is = |text: &str| is_loopback(&Url::parse(text).unwrap());
        assert!(is("http://localhost:3000") && is("http://127.9.9.9") && is("ws://[::1]:1/"));
        assert!(!is("http://game.example") && !is("http://10.0.0.1") && !is("http://localhost.example"));
    }
}
