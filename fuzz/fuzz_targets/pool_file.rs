//! Pool files: whatever is in one, it is a pool whose requests go to its own host, or one line that says why not.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pool_poller_fuzz::domain::Wallet;
use pool_poller_fuzz::pools::{PoolSpec, extract, url_for};

const WALLETS: [&str; 6] = [
    "AMf6wPvUz9GTjMyPbUFyXwaJxJqQWg3kd8",
    "@evil.example/",
    "..",
    "//evil.example:80/?#",
    "%2F%00\\evil.example",
    "\u{ff0f}{wallet}{secret:A}",
];
const BODIES: [&str; 3] =
    ["", "{}", r#"{"paid":10.5,"stats":{"paid":"7"},"data":[{"amount":1,"time":1,"tx":"a"}],"currency":"BTC"}"#];

fuzz_target!(|text: &str| {
    let spec = match PoolSpec::parse(text, "fuzz.toml") {
        Ok(spec) => spec,
        Err(error) => {
            let line = error.to_string();
            assert!(!line.contains('\n') && line.starts_with("fuzz.toml:"), "{line:?}");
            assert!(line.len() <= 1_000 + 3 * text.len(), "{line:?}");
            return;
        }
    };
    let host =
        |url: &str| url::Url::parse(url).ok().map(|url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port()));
    let template = spec.url().to_string();
    let literal = template.split(['{', '?']).next().expect("a beginning");
    for wallet in WALLETS.iter().filter_map(|text| text.parse::<Wallet>().ok()) {
        if let Some(url) = url_for(&spec, &wallet) {
            assert!(url.starts_with(literal), "{url} is not of {template}");
            assert_eq!(host(&url), host(literal), "{url} leads away from {template}");
            assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
        }
        for body in BODIES {
            let _ = extract(&spec, &wallet, body.as_bytes());
        }
    }
});
