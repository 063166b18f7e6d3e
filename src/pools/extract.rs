//! From the body of an answer to figures, by the rules of a pool file.
//!
//! Promises: it is pure, it never panics on any bytes, a number is read from its literal text and never through a
//! float, and nothing is made up: whatever is missing or odd about the counter is a [`Failure`], never a zero. The
//! order is error rules, identity, currency, counter. The figures for show never spoil the counter. The content type
//! plays no part, because pools send JSON under any.

use std::borrow::Cow;
use std::sync::Arc;

use super::document::{Document, DocumentError, Node};
use super::failure::{Excerpt, Failure};
use super::feed;
use super::listed::read_list;
use super::pointer::Pointer;
use super::rules::{Candidate, CurrencyRule, IdentityRule, PaidRule, Sum, When};
use super::spec::PoolSpec;
use crate::domain::listed::{Listed, source};
use crate::domain::raw_answer;
use crate::domain::{Amount, AmountError, Counter, Currency, Figures, PlayerId, PoolName, Reading, Wallet};

/// What an answer says about the wallet that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// The currency of every amount.
    pub currency: Currency,
    /// The counters found, in the pool file's order of preference; empty exactly where `listed` is there.
    pub counters: Vec<Counter>,
    /// The wallet's payouts, where the pool lists them instead of counting them.
    pub listed: Option<Listed>,
    /// Figures for show.
    pub figures: Figures,
    /// The answer, a JSON object of at most [`raw_answer::TEXT_BYTES_MAX`]; a longer one is shortened. How it is kept,
    /// [`Reading::kept_answer`] says.
    pub raw: String,
}

impl Extracted {
    /// The reading of one player's wallet.
    #[must_use]
    pub fn into_reading(self, player: PlayerId, pool: PoolName, wallet: Wallet) -> Reading {
        let Self { currency, counters, listed, figures, raw } = self;
        Reading { player, pool, wallet, currency, counters, listed, figures, raw }
    }
}

/// Reads `body`, the answer of the pool `spec` about `wallet`.
///
/// # Errors
/// When the answer gives no counter that may be believed and credited to this wallet.
///
/// # Panics
/// In debug builds only, when the pool file asks for it (fault injection).
pub fn extract(spec: &PoolSpec, wallet: &Wallet, body: &[u8]) -> Result<Extracted, Failure> {
    extract_text(spec, wallet, Cow::Borrowed(body_text(body)?))
}

/// The same, of a body that nobody needs any more: it becomes the answer that is kept.
pub(super) fn extract_from(spec: &PoolSpec, wallet: &Wallet, mut body: String) -> Result<Extracted, Failure> {
    let length = trimmed(&body).len();
    if length < body.len() {
        body = trimmed(&body).to_owned();
    } else if body.capacity() / 2 > length {
        // Readings wait for the ledger, and a body that was compressed came with room for a longer one.
        body.shrink_to_fit();
    }
    extract_text(spec, wallet, Cow::Owned(body))
}

fn extract_text(spec: &PoolSpec, wallet: &Wallet, text: Cow<'_, str>) -> Result<Extracted, Failure> {
    if text.is_empty() {
        return Err(spec.empty_body.failure());
    }
    inject_panic(spec, &text);
    if spec.is_feed() {
        let missing = || Failure::CounterMissing { expected: "the wallet".to_owned() };
        let mut found = feed::read(spec, std::slice::from_ref(wallet), text.as_bytes())?;
        return found.remove(wallet).unwrap_or_else(|| Err(missing()));
    }
    let document = Document::parse(&text, &spec.members).map_err(|error| match error {
        DocumentError::NotJson(reason) => Failure::NotJson { reason: Excerpt::new(&reason), begins: Excerpt::new(&text) },
        DocumentError::NotObject => Failure::NotObject { begins: Excerpt::new(&text) },
    })?;
    apply_error_rules(spec, |pointer| document.get(pointer))?;
    if let Some(rule) = &spec.identity {
        check_identity(spec, rule, wallet, &document)?;
    }
    let currency = currency(spec, &document)?;
    let listed = listed(spec, &document)?;
    let counters = counters(spec, &document)?;
    let figures = figures(spec, &document);
    let raw = if text.len() > raw_answer::TEXT_BYTES_MAX {
        raw_answer::shorten(&text, &currency, &counters, &figures)
    } else {
        text.into_owned()
    };
    Ok(Extracted { currency, counters, listed, figures, raw })
}

/// The body as text without byte order mark and leading or trailing white space.
pub(super) fn body_text(body: &[u8]) -> Result<&str, Failure> {
    let text = std::str::from_utf8(body).map_err(|error| Failure::NotJson {
        reason: Excerpt::new(&format!("not UTF-8: {error}")),
        begins: Excerpt::new(&String::from_utf8_lossy(body.get(..body.len().min(256)).unwrap_or_default())),
    })?;
    Ok(trimmed(text))
}

fn trimmed(text: &str) -> &str {
    text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace()).trim_end()
}

#[cfg(debug_assertions)]
#[expect(clippy::panic, reason = "fault injection: a test asks for exactly this")]
fn inject_panic(spec: &PoolSpec, text: &str) {
    if spec.panic_when_body_contains.as_ref().is_some_and(|needle| text.contains(needle.as_str())) {
        panic!("fault injection: the answer holds panic_when_body_contains");
    }
}

#[cfg(not(debug_assertions))]
fn inject_panic(_: &PoolSpec, _: &str) {}

/// The first error rule that holds ends the reading.
pub(super) fn apply_error_rules<'a>(spec: &PoolSpec, get: impl Fn(&Pointer) -> Option<Node<'a>>) -> Result<(), Failure> {
    let is_present = |pointer: &Pointer| get(pointer).is_some_and(|node| !node.is_blank());
    for rule in &spec.errors {
        if matches!(rule.when, When::Absent) {
            if rule.pointers.iter().all(|pointer| !is_present(pointer)) {
                let names: Vec<&str> = rule.pointers.iter().map(Pointer::as_str).collect();
                return Err(rule.outcome.failure(&format!("no {} in the answer", names.join(" or "))));
            }
            continue;
        }
        for pointer in &rule.pointers {
            let node = get(pointer);
            if rule.when.holds(node.as_ref()) {
                let shown = node.map(|node| node.to_string()).unwrap_or_default();
                return Err(rule.outcome.failure(&format!("{pointer} is {shown}")));
            }
        }
    }
    Ok(())
}

fn check_identity(spec: &PoolSpec, rule: &IdentityRule, wallet: &Wallet, document: &Document<'_>) -> Result<(), Failure> {
    let Some(node) = document.get(&rule.pointer).filter(|node| !node.is_blank()) else {
        let reason = format!("{} is missing", rule.pointer);
        return if rule.required { Err(Failure::IdentityMismatch { reason }) } else { Ok(()) };
    };
    let said = match &node {
        Node::Text(text) => text.as_ref(),
        Node::Number(text) => text,
        _ => "",
    };
    let asked = wallet.as_str();
    let ignore_case = rule.ignore_case || spec.wallet.lower_case;
    if said == asked || (ignore_case && said.to_lowercase() == asked.to_lowercase()) {
        return Ok(());
    }
    let shown = Excerpt::new(&node.to_string());
    // A NOMP server takes the whole query string for the address.
    let reason = if said.strip_suffix(asked).is_some_and(|before| before.ends_with('=')) {
        let prefix = spec.name.env_prefix();
        format!("the pool took {shown} for the address; set {prefix}_URL to end in ?{{wallet}}")
    } else {
        format!("{} is {shown}", rule.pointer)
    };
    Err(Failure::IdentityMismatch { reason })
}

fn currency(spec: &PoolSpec, document: &Document<'_>) -> Result<Currency, Failure> {
    let (pointer, allowed, default) = match &spec.currency {
        CurrencyRule::Constant(currency) => return Ok(currency.clone()),
        CurrencyRule::Pointer { pointer, allowed, default } => (pointer, allowed, default),
    };
    let unknown = |reason: String| Failure::CurrencyUnknown { reason: Excerpt::new(&reason) };
    let Some(node) = document.get(pointer).filter(|node| !node.is_blank()) else {
        return default.clone().ok_or_else(|| unknown(format!("{pointer} is missing")));
    };
    let Node::Text(text) = &node else { return Err(unknown(format!("{pointer} is {node}"))) };
    let currency: Currency = text.parse().map_err(|_| unknown(format!("{pointer} is {node}")))?;
    if allowed.as_ref().is_some_and(|allowed| !allowed.contains(&currency)) {
        return Err(unknown(format!("{pointer} is {node}, which the pool file does not allow")));
    }
    Ok(currency)
}

/// The counters of the answer. One present member that is no number refuses the whole answer: to step over it to the
/// next candidate would change the source of a position.
fn counters(spec: &PoolSpec, document: &Document<'_>) -> Result<Vec<Counter>, Failure> {
    match &spec.paid {
        PaidRule::First(candidates) => {
            // One, of most pools.
            let mut counters = Vec::with_capacity(1);
            for Candidate { pointer, requires, source } in candidates {
                if requires.as_ref().is_some_and(|required| !is_present(document, required)) {
                    continue;
                }
                if let Some(node) = document.get(pointer) {
                    let paid = number(pointer.as_str(), &node, spec.decimals)?;
                    counters.push(Counter { source: Arc::clone(source), paid });
                }
            }
            if counters.is_empty() {
                let names: Vec<&str> = candidates.iter().map(|candidate| candidate.pointer.as_str()).collect();
                missing_is_zero(spec, document, &names.join(" or "))?;
                counters.push(Counter { source: spec.in_unit(names.concat()).into(), paid: Amount::ZERO });
            }
            Ok(counters)
        }
        PaidRule::Sum(Sum { pointers, source }) => {
            let mut paid = Amount::ZERO;
            for pointer in pointers {
                let Some(node) = document.get(pointer) else {
                    missing_is_zero(spec, document, pointer.as_str())?;
                    continue;
                };
                let part = number(pointer.as_str(), &node, spec.decimals)?;
                paid = paid.checked_add(part).ok_or_else(|| Failure::BadNumber {
                    source_pointer: source.to_string(),
                    reason: "too large".to_owned(),
                    found: Excerpt::new("the sum"),
                })?;
            }
            Ok(vec![Counter { source: Arc::clone(source), paid }])
        }
        PaidRule::Listed(_) | PaidRule::Feed(_) => Ok(Vec::new()),
    }
}

/// The payouts that the answer lists, where the pool counts by them.
fn listed(spec: &PoolSpec, document: &Document<'_>) -> Result<Option<Listed>, Failure> {
    let PaidRule::Listed(rule) = &spec.paid else { return Ok(None) };
    let payouts = match document.text(&rule.items).filter(|text| !Node::read(text).is_blank()) {
        Some(text) => read_list(rule, text, spec.decimals)?,
        None => {
            missing_is_zero(spec, document, rule.items.as_str())?;
            Vec::new()
        }
    };
    let source = spec.in_unit(source(rule.items.as_str(), rule.id.as_str(), rule.amount.as_str()));
    Ok(Some(Listed { source: source.into(), payouts, window_seconds: rule.window_seconds }))
}

/// Whether a missing counter may stand for zero in this answer.
fn missing_is_zero(spec: &PoolSpec, document: &Document<'_>, expected: &str) -> Result<(), Failure> {
    // `false` is what PHP says when a query failed, so there is no zero beside it.
    let there = |pointer| document.get(pointer).is_some_and(|node| !node.is_blank() && node != Node::Bool(false));
    if spec.zero_beside.as_ref().is_some_and(there) {
        return Ok(());
    }
    Err(Failure::CounterMissing { expected: expected.to_owned() })
}

fn figures(spec: &PoolSpec, document: &Document<'_>) -> Figures {
    // One that is no number is none: there is nothing to say about it.
    let at = |pointer: &Pointer, decimals| amount(&document.get(pointer)?, decimals)?.ok();
    let read = |pointer: &Option<Pointer>, decimals| at(pointer.as_ref()?, decimals);
    let mut windows = Vec::with_capacity(spec.windows.len());
    windows.extend(spec.windows.iter().filter_map(|(name, pointer)| Some((Arc::clone(name), at(pointer, spec.decimals)?))));
    Figures {
        windows,
        balance: read(&spec.figures.balance, spec.decimals),
        immature: read(&spec.figures.immature, spec.decimals),
        // Hashes and shares are no coins: the divisor does not apply.
        total_hash: read(&spec.figures.total_hash, 0),
        total_shares: read(&spec.figures.total_shares, 0),
    }
}

/// A number or a numeric string, exactly. `place` names it in messages.
pub(super) fn number(place: &str, node: &Node<'_>, decimals: u32) -> Result<Amount, Failure> {
    let reason = match amount(node, decimals) {
        Some(Ok(amount)) => return Ok(amount),
        Some(Err(error)) => error.to_string(),
        None => "not a number".to_owned(),
    };
    Err(Failure::BadNumber { source_pointer: place.to_owned(), reason, found: Excerpt::new(&node.to_string()) })
}

/// `None` for what is neither a number nor a text.
fn amount(node: &Node<'_>, decimals: u32) -> Option<Result<Amount, AmountError>> {
    let text = match node {
        Node::Number(text) => text,
        Node::Text(text) => text.as_ref(),
        _ => return None,
    };
    Some(Amount::parse_counter(text, decimals))
}

/// Whether a member is there and says something.
fn is_present(document: &Document<'_>, pointer: &Pointer) -> bool {
    document.get(pointer).is_some_and(|node| !node.is_blank())
}

#[cfg(test)]
#[path = "extract_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "ready_tests.rs"]
mod ready_tests;
