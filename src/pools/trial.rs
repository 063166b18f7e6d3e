//! What a pool file makes of one answer, for a person who writes or repairs such a file.

use awc::http::StatusCode;
use awc::http::header::HeaderMap;

use super::extract::{Extracted, extract};
use super::failure::Failure;
use super::redirect;
use super::response::{new_body, status_failure};
use super::spec::PoolSpec;
use crate::domain::Wallet;

/// Words in a header's name that say that its value may be a key.
const KEY_WORDS: [&str; 5] = ["auth", "cookie", "key", "secret", "token"];

/// Reads `body`, answered with the HTTP status `status`, as if the pool had just sent it.
///
/// # Errors
/// The failure that the daemon would count.
pub fn judge(spec: &PoolSpec, wallet: &Wallet, status: u16, body: &[u8]) -> Result<Extracted, Failure> {
    spec.check_wallet(wallet)?;
    decide(spec, wallet, status, &HeaderMap::new(), body)
}

/// The decision about a whole answer, to which no redirect leads any further.
pub(super) fn decide(
    spec: &PoolSpec,
    wallet: &Wallet,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Extracted, Failure> {
    let code = StatusCode::from_u16(status).map_err(|_| Failure::HttpStatus { status })?;
    let url = spec.url.shown_for(&spec.url.to_string(), wallet);
    if redirect::target(spec, &url, code, headers)?.is_some() {
        return Err(Failure::Redirect { status, reason: "within the pool, which a request would follow".to_owned() });
    }
    if let Some(failure) = status_failure(spec, code, headers) {
        return Err(failure);
    }
    let body = if code == StatusCode::NO_CONTENT { &[] } else { body };
    let mut text = new_body(headers, None, spec.limits().body_bytes_max)?;
    text.write(body)?;
    extract(spec, wallet, text.finish()?.as_bytes())
}

/// The headers of the pool's file as name and value; secrets appear by name, and what may be a key not at all.
#[must_use]
pub fn shown_headers(spec: &PoolSpec) -> Vec<(String, String)> {
    let shown = |name: &str, value: String| {
        let may_be_key = KEY_WORDS.iter().any(|word| name.contains(word));
        if may_be_key && !value.contains("{secret:") { "***".to_owned() } else { value }
    };
    spec.headers.iter().map(|(name, value)| (name.to_string(), shown(name.as_str(), value.to_string()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_decides_before_the_body() {
        let spec = PoolSpec::parse(
            "name = \"x\"\nurl = \"http://h/{wallet}\"\npaid.pointer = \"/paid\"\ncurrency.constant = \"ADVC\"\n\
             headers.X-Api-Key = \"hush\"\nheaders.Authorization = \"Bearer {secret:TOKEN}\"\nheaders.Accept = \"*/*\"\n\
             limits.body_bytes_max = 20\nresponses.status.404 = \"unknown_wallet\"",
            "x.toml",
        )
        .unwrap();
        let wallet = "W".parse().unwrap();
        let kind = |status, body: &str| judge(&spec, &wallet, status, body.as_bytes()).map_err(|failure| failure.kind()).err();
        let good = r#"{"paid":1.5}"#;
        assert_eq!(kind(200, good), None);
        assert_eq!(kind(404, good), Some("unknown_wallet"));
        assert_eq!(kind(429, good), Some("rate_limited"));
        assert_eq!(kind(502, good), Some("http_status"));
        assert_eq!(kind(99, good), Some("http_status"));
        assert_eq!(kind(204, good), Some("empty_body"), "a status that has no body");
        assert_eq!(kind(200, r#"{"paid":1.5,"more":0}"#), Some("body_too_large"));
        let mut headers = shown_headers(&spec);
        headers.sort();
        let expected = [("accept", "*/*"), ("authorization", "Bearer {secret:TOKEN}"), ("x-api-key", "***")];
        assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
