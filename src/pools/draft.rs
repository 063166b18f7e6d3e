//! Drafts a pool file from one of the pool's answers: a beginning for a person, which guesses by the names that pools use.
//!
//! Promises: nothing is guessed in silence. What was found and why is written as comments, the draft is not enabled, and it is
//! a file that [`PoolSpec::parse`] takes. Sums that a pool pays in a window of time never become the counter.

mod feed;
mod payouts;

use serde_json::Value;

use super::spec::PoolSpec;
use super::spec_error::SpecError;
use crate::domain::{Amount, Currency, PoolName, Wallet};

/// How deep objects are looked into.
const DEPTH_MAX: usize = 6;
/// A whole number from here on looks like one that counts in a coin's base units.
const BASE_UNITS_FROM: u64 = 100_000_000;

/// Names of members, without case and separators, the most telling first. They are those that the known families of pool
/// software use.
const PAID: [&str; 8] = ["totalpaid", "paidtotal", "amtpaid", "paidbalance", "esum", "paidout", "alltimepaid", "paid"];
const BALANCE: [&str; 6] = ["balance", "pendingbalance", "amtdue", "due", "unpaidbalance", "unpaid"];
const IMMATURE: [&str; 6] = ["immature", "immaturebalance", "unsold", "unconfirmed", "balanceunconfirmed", "balanceuncomfirmed"];
const TOTAL_HASH: [&str; 4] = ["totalhash", "hashrate", "currenthashrate", "hash"];
const TOTAL_SHARES: [&str; 2] = ["totalshares", "shares"];
/// What in a name says that the figure is about a span of time.
const WINDOWS: [&str; 8] = ["24h", "day", "daily", "hour", "week", "month", "last", "recent"];
/// Names in the items of a list of payouts.
const IDS: [&str; 8] = ["tx", "txid", "txhash", "transactionconfirmationdata", "transactionid", "transaction", "hash", "id"];
const AMOUNTS: [&str; 3] = ["amount", "value", "paid"];
const TIMES: [&str; 7] = ["time", "timestamp", "date", "datetime", "created", "createdat", "paytime"];
const ADDRESSES: [&str; 4] = ["address", "wallet", "miner", "to"];

/// What a draft is made from.
#[derive(Debug)]
pub struct Sample<'a> {
    /// The pool's name.
    pub name: &'a PoolName,
    /// The URL of the answer, with `{wallet}` or with the wallet itself.
    pub url: &'a str,
    /// The answer.
    pub body: &'a [u8],
    /// The wallet that the answer is about, if known.
    pub wallet: Option<&'a Wallet>,
    /// What the amounts are in, unless the answer says it.
    pub currency: Option<&'a Currency>,
}

/// Why there is no draft.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The sample is no JSON object.
    #[error("the sample is no JSON object: {0}")]
    NoObject(String),
    /// Nothing in it is named like a counter of everything paid, and it lists no payouts.
    #[error("no member is named like a counter of everything ever paid, and no array like a list of payouts{0}")]
    NoCounter(String),
    /// Neither the sample nor the caller says what the amounts are in.
    #[error("the sample does not say what the amounts are in; give --currency")]
    NoCurrency,
    /// The draft is no usable pool file, because the URL is none.
    #[error(transparent)]
    Spec(#[from] SpecError),
}

/// A scalar of the sample.
struct Leaf<'a> {
    pointer: String,
    /// The member's name without case and separators.
    name: String,
    value: &'a Value,
}

impl Leaf<'_> {
    fn amount(&self) -> Option<Amount> {
        let text = match self.value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return None,
        };
        Amount::parse_counter(&text, 0).ok()
    }

    fn is_window(&self) -> bool {
        WINDOWS.iter().any(|window| self.name.contains(window))
    }
}

/// A pool file for answers like the sample; it is a text with comments.
///
/// # Errors
/// When the sample holds too little to make a file of.
pub fn draft(sample: &Sample<'_>) -> Result<String, DraftError> {
    let text = String::from_utf8_lossy(sample.body);
    let text = text.trim_start_matches('\u{feff}').trim();
    let value: Value = serde_json::from_str(text).map_err(|error| DraftError::NoObject(error.to_string()))?;
    if value.is_array() {
        return feed::draft(sample, &value);
    }
    if !value.is_object() {
        return Err(DraftError::NoObject("it is another value".to_owned()));
    }
    let mut leaves = Vec::new();
    collect(&value, "", 0, sample.wallet, &mut leaves);

    let mut counters: Vec<(usize, &Leaf<'_>)> = leaves
        .iter()
        .filter(|leaf| !leaf.is_window() && leaf.amount().is_some())
        .filter_map(|leaf| Some((PAID.iter().position(|name| *name == leaf.name)?, leaf)))
        .collect();
    counters.sort_by_key(|(rank, leaf)| (*rank, leaf.pointer.matches('/').count()));
    let list = payouts::find(&value);
    let (counter, others) = match counters.split_first() {
        Some(((_, counter), others)) => (Some(*counter), others),
        None if list.is_some() => (None, &[][..]),
        None => return Err(DraftError::NoCounter(figures_of(&leaves))),
    };
    let by_name = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| leaves.iter().find(|leaf| leaf.name == *name && !leaf.is_window() && leaf.amount().is_some()))
    };

    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    line("# A draft made from one answer: check every line with `pool-poller pools test`, with answers about a known and an");
    line("# unknown wallet, before it is enabled. Every key is explained in cpu-pool.toml.");
    line("");
    line(&format!("name = {}", quoted(sample.name.as_str())));
    line("enabled = false");
    let url = match sample.wallet {
        Some(wallet) if !sample.url.contains("{wallet") => sample.url.replace(wallet.as_str(), "{wallet}"),
        _ => sample.url.to_owned(),
    };
    line(&format!("url = {}", quoted(&url)));
    let counted = counter.map(|counter| counter.value);
    if matches!(counted, Some(Value::Number(number)) if number.as_u64().is_some_and(|number| number >= BASE_UNITS_FROM)) {
        line("# The counter is a large whole number. If the pool counts in base units, say how many decimals the coin has.");
        line("#: decimals = 8");
    }
    line("");
    if let Some(counter) = counter {
        line("# Everything ever paid to the wallet. It must never fall: watch it over some payouts before it is trusted.");
        line("[paid]");
        line(&format!("pointer = {}", quoted(&counter.pointer)));
        for (_, other) in others {
            line(&format!("# also named like one: {} = {}", other.pointer, other.value));
        }
    }
    if let Some(list) = &list {
        let mark = if counter.is_some() { "#: " } else { "" };
        line(match counter {
            Some(_) => "# Instead, should the counter not be trusted: the payouts one by one.",
            None => "# No member is named like a counter, so the payouts are counted one by one.",
        });
        for text in list.lines("paid.list") {
            line(&format!("{mark}{text}"));
        }
    }
    line("");
    let mut windows =
        leaves.iter().filter(|leaf| leaf.is_window() && leaf.name.contains("paid") && leaf.amount().is_some()).peekable();
    if windows.peek().is_some() {
        line("# About spans of time: shown, and never a counter.");
        line("[windows]");
        for window in windows {
            let name: String = window.name.chars().take(40).collect();
            line(&format!("{} = {}", quoted(&name), quoted(&window.pointer)));
        }
        line("");
    }
    line("# For show only.");
    line("[figures]");
    for (key, names) in
        [("balance", &BALANCE[..]), ("immature", &IMMATURE), ("total_hash", &TOTAL_HASH), ("total_shares", &TOTAL_SHARES)]
    {
        if let Some(leaf) = by_name(names) {
            line(&format!("{key} = {}", quoted(&leaf.pointer)));
        }
    }
    line("");
    line("[currency]");
    let ticker = leaves.iter().find(|leaf| leaf.name == "currency" && ticker(leaf.value).is_some());
    match (sample.currency, ticker) {
        (Some(currency), _) => line(&format!("constant = {}", quoted(currency.as_str()))),
        (None, Some(leaf)) => line(&format!("pointer = {}", quoted(&leaf.pointer))),
        (None, None) => return Err(DraftError::NoCurrency),
    }
    let echoed = sample.wallet.and_then(|wallet| leaves.iter().find(|leaf| leaf.value.as_str() == Some(wallet.as_str())));
    line("");
    match echoed {
        Some(leaf) => {
            line("# The answer names the wallet: another one's is refused.");
            line(&format!("[identity]\npointer = {}\nrequired = true", quoted(&leaf.pointer)));
        }
        None => line(
            "# The answer does not name the wallet (or --wallet was not given), so another one's would not be noticed.\n#: [identity]\n#: pointer = \"/address\"",
        ),
    }
    line("");
    line("# How the pool says that it has no reading. Ask about an unknown wallet and see.");
    for leaf in &leaves {
        match (leaf.name.as_str(), leaf.value) {
            ("error", _) => line(&unknown_wallet(&leaf.pointer, "when = \"non_empty\"")),
            ("success" | "status" | "ok", Value::Bool(true)) => {
                line(&unknown_wallet(&leaf.pointer, "when = \"equals\"\nvalue = false"));
            }
            _ => {}
        }
    }
    line("#: [responses.status]\n#: 404 = \"unknown_wallet\"");
    line("");
    line("[limits]\nrate_per_minute = 60\nconcurrency = 1");
    PoolSpec::parse(&out, "the draft")?;
    Ok(out)
}

/// One `[[errors]]`.
fn unknown_wallet(pointer: &str, condition: &str) -> String {
    format!("[[errors]]\npointer = {}\n{condition}\noutcome = \"unknown_wallet\"", quoted(pointer))
}

/// The scalars of objects; arrays are lists of workers, payments or points in time, and an object by the wallet's name is one
/// of workers.
fn collect<'a>(value: &'a Value, pointer: &str, depth: usize, wallet: Option<&Wallet>, leaves: &mut Vec<Leaf<'a>>) {
    let Value::Object(members) = value else { return };
    for (key, value) in members {
        let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        match value {
            Value::Object(_) if depth < DEPTH_MAX && wallet.is_none_or(|wallet| !key.contains(wallet.as_str())) => {
                collect(value, &pointer, depth + 1, wallet, leaves);
            }
            Value::Object(_) | Value::Array(_) => {}
            _ => {
                let name = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
                leaves.push(Leaf { pointer, name, value });
            }
        }
    }
}

/// The amounts of the sample, for a person who must choose.
fn figures_of(leaves: &[Leaf<'_>]) -> String {
    let shown: Vec<String> = leaves
        .iter()
        .filter(|leaf| leaf.amount().is_some())
        .take(20)
        .map(|leaf| format!("{} = {}", leaf.pointer, leaf.value))
        .collect();
    if shown.is_empty() { String::new() } else { format!("; the figures are {}", shown.join(", ")) }
}

fn ticker(value: &Value) -> Option<Currency> {
    value.as_str().and_then(|text| text.parse().ok())
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
