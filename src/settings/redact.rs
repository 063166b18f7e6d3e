//! Addresses without their secrets, for errors, logs and dumps.
//!
//! Promises: no password, no user token and no query value gets through, not even of a text that is no address. In doubt
//! it hides too much.

use url::Url;

use super::error::HIDDEN;

/// Query keys whose values help an operator and are never secret.
const HARMLESS_KEYS: [&str; 6] = ["sslmode", "mode", "host", "port", "dbname", "user"];

/// The address with its password, its user name (unless it is a database's) and its query values replaced by `***`.
///
/// Placeholders such as `{wallet}` stay readable. Of a text that is no address, only what cannot be a secret is left.
#[must_use]
pub fn redact_url(text: &str) -> String {
    // A SQLite address is a file name and knows no secrets.
    if text.starts_with("sqlite:") {
        return text.to_owned();
    }
    match Url::parse(text) {
        Ok(url) if url.has_host() || text.starts_with("postgres") && text.contains("://") => redact(text, url),
        // What looks like a scheme may as well be the user of `USER:PASSWORD@HOST`.
        Ok(_) => HIDDEN.to_owned(),
        Err(_) => redact_broken(text),
    }
}

/// Redacts what could be parsed; `text` is what it was parsed from.
fn redact(text: &str, mut url: Url) -> String {
    let is_database = url.scheme().starts_with("postgres");
    // A password with an unescaped '/', '?' or '#' ends the host part too early: what follows is then part of the secret.
    let tail = [Some(url.path()), url.query(), url.fragment()];
    if tail.into_iter().flatten().any(|part| part.contains('@')) {
        return format!("{}://{HIDDEN}", url.scheme());
    }
    if url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none() {
        return text.to_owned();
    }
    // The setters refuse only addresses that have no host, which have no user either.
    if url.password().is_some() {
        let _ = url.set_password(Some(HIDDEN));
    }
    if !is_database && !url.username().is_empty() {
        let _ = url.set_username(HIDDEN);
    }
    if let Some(query) = url.query() {
        let query: Vec<String> = query.split('&').map(redact_pair).collect();
        url.set_query(Some(&query.join("&")));
    }
    if url.fragment().is_some() {
        url.set_fragment(Some(HIDDEN));
    }
    url.as_str().replace("%7B", "{").replace("%7D", "}")
}

/// Redacts one `key=value` of a query.
fn redact_pair(pair: &str) -> String {
    let is_placeholder = |text: &str| text.starts_with('{') || text.starts_with("%7B");
    match pair.split_once('=') {
        Some((key, value)) if is_placeholder(value) || HARMLESS_KEYS.contains(&key) => pair.to_owned(),
        Some((key, _)) => format!("{key}={HIDDEN}"),
        None if pair.is_empty() || is_placeholder(pair) => pair.to_owned(),
        None => HIDDEN.to_owned(),
    }
}

/// Leaves of a text that is no address its scheme, or all of it where nothing in it separates a secret.
fn redact_broken(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | ' ');
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    match text.split_once("://") {
        Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+') => format!("{scheme}://{HIDDEN}"),
        _ => HIDDEN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_keep_what_is_no_secret() {
        for (text, shown) in [
            ("postgres://m2p:hunter2@db:5432/m2p?sslmode=require", "postgres://m2p:***@db:5432/m2p?sslmode=require"),
            ("postgres://m2p@db/m2p", "postgres://m2p@db/m2p"),
            ("postgres:///m2p?host=/run/postgresql&password=hunter2", "postgres:///m2p?host=/run/postgresql&password=***"),
            ("sqlite://pool-poller.db?mode=rwc", "sqlite://pool-poller.db?mode=rwc"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("https://hunter2@pool.example/api/{wallet}", "https://***@pool.example/api/{wallet}"),
            ("https://pool.example/api?addr={wallet}&key=hunter2", "https://pool.example/api?addr={wallet}&key=***"),
            ("http://cpu-pool.com/api?{wallet}", "http://cpu-pool.com/api?{wallet}"),
            ("http://pool.example/?hunter2#hunter2", "http://pool.example/?***#***"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("not an address", "not an address"),
        ] {
            assert_eq!(redact_url(text), shown);
        }
    }

    #[test]
    fn broken_addresses_do_not_leak_either() {
        for text in [
            "postgres://m2p:hunter2",
            "postgres://m2p:hunt/er2@db/m2p",
            "postgres://m2p:123/hunter2@db/m2p",
            "postgres://m2p:123?hunter2@db/m2p",
            "postgres://m2p:123#hunter2@db/m2p",
            "postgres:m2p:hunter2@db",
            "postgres:hunter2",
            "m2p:hunter2@db/m2p",
            "m2p:hunter2",
            "http//m2p:hunter2@db",
            "http://game.example:hunter2",
            "://hunter2@",
        ] {
            let shown = redact_url(text);
            assert!(!shown.contains("hunter2") && !shown.contains("er2"), "{text} is shown as {shown}");
        }
    }

    proptest! {
        #[test]
        fn no_password_is_shown_whatever_stands_around_it(
            scheme in "(postgres|postgresql|http|https|ws|wss|mysql|redis|x)",
            before in "[0-9a-z@:/?#&=%{} .+\\\\\\[-]{0,6}",
            after in "[0-9a-z@:/?#&=%{} .+\\\\\\[-]{0,6}",
            tail in "(|:5432|/m2p|/m2p\\?a=b|/#c)",
        ) {
            let text = format!("{scheme}://m2p:{before}hunter2{after}@db{tail}");
            prop_assert!(!redact_url(&text).contains("hunter2"), "{} is shown as {}", text, redact_url(&text));
        }
    }
}
