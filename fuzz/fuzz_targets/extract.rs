//! Bodies, from the bytes of the network to figures, by every shipped pool file.
//!
//! The last two bytes of an input choose the pool and the labels; what is before them is the body.

#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pool_poller_fuzz::domain::raw_answer::TEXT_BYTES_MAX;
use pool_poller_fuzz::domain::{Amount, PlayerId, Wallet};
use pool_poller_fuzz::pools::{Extracted, Failure, PoolSpec, extract, read_body, registry};
use serde::de::IgnoredAny;

/// A small limit, so that the engine finds it.
const LIMIT: usize = 8 << 10;

const ENCODINGS: [&str; 8] = ["", "", "gzip", "deflate", "br", "identity", "gzip, br", "utf-8"];
const TYPES: [&str; 8] = [
    "",
    "application/json",
    "text/html; charset=utf-8",
    "text/html; charset=iso-8859-1",
    "a/b; charset=utf-16",
    "a/b; charset=gbk",
    "a/b; charset=shift_jis",
    "a/b; charset=x",
];

/// The one shipped file that says how to read a list, with the list instead of the counters.
const ZPOOL: &str = include_str!("../../config/pools/zpool.toml");
const LIST: &str =
    "list = { items = \"/payouts\", id = \"/tx\", amount = \"/amount\", time = \"/time\", window_seconds = 86400 }";

/// Each pool with a wallet of its form.
static POOLS: LazyLock<Vec<(PoolSpec, Wallet)>> = LazyLock::new(|| {
    let mut pools = registry::load(&[], &|_| Ok((None, None))).expect("the shipped pool files");
    let listing = ZPOOL.replace("first = [\"/paid\", \"/paidtotal\"]", LIST);
    assert_ne!(listing, ZPOOL, "the shipped file has changed");
    pools.push(PoolSpec::parse(&listing, "list").expect("a pool file"));
    let wallets = ["AMf6wPvUz9GTjMyPbUFyXwaJxJqQWg3kd8", "0x52908400098527886E0F7030069857D2E4169EE7", "1234"];
    let long = "4".repeat(95);
    let known = |spec: &PoolSpec| {
        let mut all = wallets.iter().copied().chain([long.as_str()]).map(|text| text.parse::<Wallet>().expect("a wallet"));
        all.find(|wallet| spec.check_wallet(wallet).is_ok()).expect("a wallet of the pool's form")
    };
    pools.into_iter().map(|spec| (known(&spec), spec)).map(|(wallet, spec)| (spec, wallet)).collect()
});

fuzz_target!(|data: &[u8]| {
    let [body @ .., pool, labels] = data else { return };
    let (spec, wallet) = &POOLS[usize::from(*pool) % POOLS.len()];
    let (encoding, content_type) = (ENCODINGS[usize::from(labels & 7)], TYPES[usize::from(labels >> 3 & 7)]);
    let whole = read_body(encoding, content_type, LIMIT, body, body.len().max(1));
    // The further checks cost as much again, so each input chooses one.
    let further = labels >> 6;
    if further == 1 {
        // Where the network cuts a body must not matter.
        let pieces = read_body(encoding, content_type, LIMIT, body, 3);
        assert_eq!(whole.as_ref().ok(), pieces.as_ref().ok(), "{whole:?} {pieces:?}");
    }
    let text = match whole {
        Ok(text) => text,
        Err(failure) => return check_failure(&failure),
    };
    assert!(text.len() <= LIMIT);
    let outcome = extract(spec, wallet, text.as_bytes());
    match &outcome {
        Ok(found) => check_reading(found, &text),
        Err(failure) => check_failure(failure),
    }
    match further {
        2 => assert_eq!(outcome, extract(spec, wallet, text.as_bytes()), "the same body, another decision"),
        // The bytes as they are, which the daemon does not hand on unless they are text.
        3 => drop(extract(spec, wallet, body).map_err(|failure| check_failure(&failure))),
        _ => {}
    }
});

fn check_reading(found: &Extracted, text: &str) {
    let json = text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
    assert!(serde_json::from_str::<IgnoredAny>(json.trim_end()).is_ok(), "a reading of no JSON");
    // A document about everybody may be an array.
    assert!(json.starts_with('{') || (found.listed.is_some() && json.starts_with('[')), "a reading of no object");
    let most: Amount = "1000000000000000".parse().expect("a number");
    assert_eq!(found.counters.is_empty(), found.listed.is_some());
    let payouts = found.listed.iter().flat_map(|listed| &listed.payouts);
    let mut ids = HashSet::new();
    for payout in payouts {
        assert!(payout.amount >= Amount::ZERO && payout.amount <= most, "{payout:?}");
        assert!(!payout.id.is_empty() && ids.insert(&payout.id), "{payout:?}");
    }
    for counter in &found.counters {
        // A sum of several counters may pass what one of them may be.
        let parts = i128::try_from(counter.source.matches('+').count() + 1).expect("few");
        assert!(counter.paid >= Amount::ZERO && counter.paid.units() <= most.units() * parts, "{counter:?}");
    }
    for figure in [found.figures.balance, found.figures.immature, found.figures.total_hash, found.figures.total_shares] {
        assert!(figure.is_none_or(|figure| figure >= Amount::ZERO && figure <= most), "{figure:?}");
    }
    assert!(found.raw.len() <= TEXT_BYTES_MAX);
    let (pool, wallet) = ("pool".parse().expect("a name"), "W".parse().expect("a wallet"));
    let kept = found.clone().into_reading(PlayerId(1), pool, wallet).kept_answer();
    let raw: serde_json::Value = serde_json::from_str(&kept).expect("the kept answer is JSON");
    assert!(raw.is_object() && kept.len() <= 4096, "{kept}");
    assert!(!kept.contains('\0') && !has_nul(&raw), "{kept}");
}

fn has_nul(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => text.contains('\0'),
        serde_json::Value::Array(items) => items.iter().any(has_nul),
        serde_json::Value::Object(members) => members.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

fn check_failure(failure: &Failure) {
    let text = failure.to_string();
    assert!(!text.contains(char::is_control) && text.chars().count() <= 500, "{text:?}");
    assert!(!failure.kind().is_empty());
}
