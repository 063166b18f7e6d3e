//! From the keys of a pool file to a [`PoolSpec`]: everything that one key alone cannot show.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use awc::http::header::HeaderName;
use regex::Regex;
use toml::Spanned;

use super::feed::{Amounts, EACH, FeedRule, Filter};
use super::listed::ListRule;
use super::pointer::Pointer;
use super::raw::{
    RawCurrency, RawFeed, RawFilter, RawLimits, RawMissing, RawPaid, RawRule, RawSpec, RawUnit, RawWallet, RawWhen,
};
use super::rules::{Candidate, CurrencyRule, ErrorRule, Limits, Outcome, PaidRule, Scalar, Sum, WalletForm, When};
use super::spec::PoolSpec;
use super::spec_error::Fault;
use super::template::{UrlTemplate, ValueTemplate, WalletEncoding};
use super::unit::{UnitPlace, UnitRule};
use super::windows;

/// The longest address the database holds.
const WALLET_CHARS_MAX: usize = 255;
/// The default and the greatest body limit, in bytes. A NOMP answer with a hundred rigs has about two megabytes.
const BODY_BYTES_DEFAULT: usize = 4 << 20;
const BODY_BYTES_MAX: usize = 16 << 20;
/// Requests under way at once, by default and at most.
const CONCURRENCY_DEFAULT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);
const CONCURRENCY_MAX: usize = 64;
/// The greatest time for one answer.
const TIMEOUT_SECONDS_MAX: u64 = 300;
/// 10^30 base units a coin; more is a slip of the pen.
pub(super) const DECIMALS_MAX: u32 = 30;
/// How often a unit may be read at most and at least, and how often it is by default, in seconds.
const REFRESH_SECONDS: RangeInclusive<u64> = 60..=86_400;
const REFRESH_SECONDS_DEFAULT: u64 = 3_600;
/// The default time for a document that is about the whole pool, which can be large.
const DOCUMENT_SECONDS_DEFAULT: u64 = 30;
/// Pages of a feed.
const PAGES_MAX: u32 = 100;
/// Headers that the HTTP client itself must set.
const OWN_HEADERS: [&str; 5] = ["host", "connection", "content-length", "transfer-encoding", "accept-encoding"];

/// Checks all of a file's keys together.
pub(super) fn validate(raw: RawSpec, origin: &str, text: &str) -> Result<PoolSpec, Fault> {
    let url = url(&raw)?;
    if let Some(suffix) = &raw.url_suffix {
        // Proved on an example, because an override comes from the environment long after the file was written.
        let (example, text) = ("http://example.com/x", Some(suffix.get_ref().as_str()));
        match raw.feed {
            Some(_) => UrlTemplate::parse_document_override(example, text),
            None => UrlTemplate::parse_override(example, text, raw.wallet_encoding),
        }
        .map_err(|error| Fault::at(suffix.span(), format!("appended to a URL, {error}")))?;
    }
    if raw.feed.is_some() {
        only_of_a_wallet(&raw)?;
    }
    let decimals = raw.decimals.as_ref().map_or(Ok(0), |decimals| at_most(decimals, DECIMALS_MAX))?;
    let unit = match raw.unit {
        Some(unit) if raw.decimals.is_some() => {
            return Err(Fault::at(unit.span(), "decimals and [unit] contradict each other: give one of them"));
        }
        Some(unit) => Some(self::unit(unit.into_inner(), &url)?),
        None => None,
    };
    let (paid, zero_beside) = match (raw.paid, raw.feed) {
        (_, Some(feed)) => (PaidRule::Feed(self::feed(feed, &url)?), None),
        (Some(paid), None) => self::paid(paid, &raw.windows)?,
        (None, None) => return Err(Fault::missing("paid")),
    };
    let mut spec = PoolSpec {
        name: raw.name,
        origin: origin.to_owned(),
        text: text.into(),
        enabled: raw.enabled,
        url,
        url_suffix: raw.url_suffix.map(Spanned::into_inner),
        wallet_encoding: raw.wallet_encoding,
        headers: headers(raw.headers)?,
        wallet: wallet(raw.wallet)?,
        paid: paid.in_units(decimals),
        zero_beside,
        figures: raw.figures.unwrap_or_default(),
        windows: raw.windows.into_iter().map(|(name, pointer)| (name.into(), pointer)).collect(),
        decimals,
        unit,
        currency: currency(raw.currency)?,
        identity: raw.identity,
        errors: raw.errors.into_iter().enumerate().map(error_rule).collect::<Result<_, _>>()?,
        empty_body: raw.responses.empty_body,
        status: status(raw.responses.status)?,
        limits: limits(&raw.limits)?,
        members: Vec::new(),
        #[cfg(debug_assertions)]
        panic_when_body_contains: raw.panic_when_body_contains,
        #[cfg(debug_assertions)]
        hang_when_asked_about: raw.hang_when_asked_about,
    };
    let members: BTreeSet<&str> = spec.pointers().map(Pointer::first).collect();
    spec.members = members.into_iter().map(str::to_owned).collect();
    Ok(spec)
}

fn url(raw: &RawSpec) -> Result<UrlTemplate, Fault> {
    let parsed = match (&raw.url, &raw.feed) {
        (Some(url), Some(_)) => return Err(Fault::at(url.span(), "url goes without [feed], which has a url of its own")),
        (None, None) => return Err(Fault::missing("url")),
        (Some(url), None) => (UrlTemplate::parse(url.get_ref(), raw.wallet_encoding), url.span()),
        (None, Some(feed)) => (UrlTemplate::parse_document(feed.url.get_ref(), true), feed.url.span()),
    };
    let (url, span) = parsed;
    url.map(|url| url.with_lower_case(raw.wallet.lower_case)).map_err(|error| Fault::at(span, error))
}

/// Refuses what has a meaning only in an answer about one wallet.
fn only_of_a_wallet(raw: &RawSpec) -> Result<(), Fault> {
    let named = [
        ("paid", raw.paid.is_some()),
        ("figures", raw.figures.is_some()),
        ("windows", !raw.windows.is_empty()),
        ("identity", raw.identity.is_some()),
    ];
    if let Some((table, _)) = named.into_iter().find(|(_, there)| *there) {
        return Err(Fault::in_table(table, 0, format!("[{table}] goes without [feed], whose document is about everybody")));
    }
    if raw.wallet_encoding != WalletEncoding::default() {
        return Err(Fault::in_table("wallet_encoding", 0, "wallet_encoding goes without [feed], whose url has no {wallet}"));
    }
    if raw.currency.pointer.is_some() {
        return Err(Fault::in_table("currency", 0, "a [feed] needs a constant currency"));
    }
    Ok(())
}

fn feed(raw: RawFeed, url: &UrlTemplate) -> Result<FeedRule, Fault> {
    let fault = |reason: &str| Err(Fault::in_table("feed", 0, reason));
    let (has_page, pages_max) = (url.has_page(), raw.pages_max.as_ref());
    if !has_page && (raw.page_first.is_some() || pages_max.is_some()) {
        return fault("page_first and pages_max go with a {page} in url");
    }
    let pages_max = pages_max.map_or(Ok(1), |pages| {
        at_most(pages, PAGES_MAX).and_then(|number| if number == 0 { Err(zero(pages.span())) } else { Ok(number) })
    })?;
    let amounts = match (raw.address, raw.amount, raw.amounts) {
        (Some(address), Some(amount), None) => Amounts::One { address, amount },
        (None, None, Some(amounts)) => Amounts::Map(amounts),
        _ => return fault("needs either address and amount, or amounts"),
    };
    if !raw.items.get_ref().tokens().iter().any(|token| token == EACH) {
        return Err(Fault::at(raw.items.span(), "items needs a '*' for each element or member"));
    }
    let filter = raw.filter.map(|filter| self::filter(filter, raw.items.get_ref())).transpose()?;
    Ok(FeedRule {
        items: raw.items.into_inner(),
        filter,
        amounts,
        id: raw.id,
        time: raw.time,
        window_seconds: raw.window_seconds.map(NonZeroU64::get),
        page_first: raw.page_first.unwrap_or(if has_page { 0 } else { 1 }),
        pages_max,
    })
}

/// A filter tests a member of the same element that the items are below: as far as both pointers are the same, they mean the
/// same place.
fn filter(raw: RawFilter, items: &Pointer) -> Result<Filter, Fault> {
    let tokens = raw.pointer.tokens();
    let shared = tokens.iter().zip(items.tokens()).take_while(|(one, other)| one == other).count();
    let rest = tokens.get(shared..).unwrap_or_default().to_vec();
    if rest.iter().any(|token| token == EACH) {
        return Err(Fault::in_table("feed", 0, "a '*' of filter.pointer must be one of items"));
    }
    Ok(Filter { shared, rest, value: scalar(raw.value)? })
}

fn unit(raw: RawUnit, pool: &UrlTemplate) -> Result<UnitRule, Fault> {
    let (place, span) = match (raw.path, raw.url) {
        (Some(path), None) => (UnitPlace::Path(path.get_ref().clone()), path.span()),
        (None, Some(url)) => (UnitPlace::Url(url.get_ref().clone()), url.span()),
        _ => return Err(Fault::in_table("unit", 0, "needs exactly one of path and url")),
    };
    let seconds = |value: Option<&Spanned<u64>>, allowed: RangeInclusive<u64>, default: u64| match value {
        None => Ok(Duration::from_secs(default)),
        Some(value) if allowed.contains(value.get_ref()) => Ok(Duration::from_secs(*value.get_ref())),
        Some(value) => {
            let (least, most) = (allowed.start(), allowed.end());
            Err(Fault::at(value.span(), format!("{} must be from {least} to {most}", value.get_ref())))
        }
    };
    let body_bytes_max = raw.body_bytes_max.as_ref().map_or(Ok(BODY_BYTES_MAX), |value| {
        at_most(value, BODY_BYTES_MAX).and_then(|number| if number == 0 { Err(zero(value.span())) } else { Ok(number) })
    })?;
    Ok(UnitRule {
        url: place.at(pool).map_err(|error| Fault::at(span, error))?,
        place,
        pointer: raw.pointer,
        kind: raw.kind,
        refresh: seconds(raw.refresh_seconds.as_ref(), REFRESH_SECONDS, REFRESH_SECONDS_DEFAULT)?,
        missing: raw.missing.as_ref().map(|missing| at_most(missing, DECIMALS_MAX)).transpose()?,
        timeout: seconds(raw.timeout_seconds.as_ref(), 1..=TIMEOUT_SECONDS_MAX, DOCUMENT_SECONDS_DEFAULT)?,
        body_bytes_max,
    })
}

fn headers(raw: BTreeMap<String, Spanned<String>>) -> Result<Vec<(HeaderName, ValueTemplate)>, Fault> {
    let mut headers = Vec::new();
    for (name, value) in raw {
        let fault = |reason: &str| Fault::at(value.span(), format!("header {name:?} {reason}"));
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| fault("is no valid header name"))?;
        if OWN_HEADERS.contains(&header.as_str()) {
            return Err(fault("is set by the HTTP client"));
        }
        if value.get_ref().chars().any(|c| !c.is_ascii() || c.is_ascii_control()) {
            return Err(fault("may hold printable ASCII only"));
        }
        let template = ValueTemplate::parse(value.get_ref()).map_err(|error| fault(&error.to_string()))?;
        headers.push((header, template));
    }
    Ok(headers)
}

fn wallet(raw: RawWallet) -> Result<WalletForm, Fault> {
    let pattern = raw.pattern.as_ref().map(|pattern| regex(pattern, true)).transpose()?;
    let length_min = raw.length_min.unwrap_or(1);
    let length_max = raw.length_max.as_ref().map_or(Ok(WALLET_CHARS_MAX), |max| at_most(max, WALLET_CHARS_MAX))?;
    if length_min > length_max {
        let span = raw.length_max.map_or(0..0, |max| max.span());
        return Err(Fault::at(span, format!("length_max must be at least length_min ({length_min})")));
    }
    Ok(WalletForm { pattern, length_min, length_max, lower_case: raw.lower_case, address: raw.address })
}

fn paid(raw: RawPaid, windows: &BTreeMap<String, Pointer>) -> Result<(PaidRule, Option<Pointer>), Fault> {
    let fault = |reason: &str| Err(Fault::in_table("paid", 0, reason));
    // The source is named once the unit is known: see `PaidRule::in_units`.
    let candidate = |pointer, requires| Candidate { pointer, requires, source: "".into() };
    let first = raw.first.is_some();
    let rule = match (raw.pointer, raw.sum, raw.first, raw.list) {
        (Some(pointer), None, None, None) => PaidRule::First(vec![candidate(pointer, None)]),
        (None, Some(pointers), None, None) => PaidRule::Sum(Sum { pointers, source: "".into() }),
        (None, None, Some(candidates), None) => {
            PaidRule::First(candidates.into_iter().map(|raw| candidate(raw.pointer, raw.requires)).collect())
        }
        (None, None, None, Some(list)) => PaidRule::Listed(ListRule {
            items: list.items,
            id: list.id,
            amount: list.amount,
            time: list.time,
            window_seconds: list.window_seconds.map(NonZeroU64::get),
        }),
        _ => return fault("needs exactly one of pointer, sum, first and list"),
    };
    let pointers: Vec<&Pointer> = match &rule {
        PaidRule::First(candidates) => candidates.iter().map(|candidate| &candidate.pointer).collect(),
        PaidRule::Sum(sum) => sum.pointers.iter().collect(),
        PaidRule::Listed(list) => vec![&list.items],
        PaidRule::Feed(_) => Vec::new(),
    };
    // What a list is called says nothing: its payouts do not fall again.
    let mut counters = pointers.iter().filter(|_| !matches!(rule, PaidRule::Listed(_)));
    if let Some((pointer, name)) = counters.find_map(|pointer| Some((pointer, windows::named_in(pointer)?))) {
        return fault(&format!(
            "{pointer} is no counter: {name} is named like a window of time, which falls again; see [windows]"
        ));
    }
    if let Some((name, pointer)) = windows.iter().find(|(_, window)| pointers.contains(window)) {
        return fault(&format!("{pointer} is no counter: it is the window {name} of [windows]"));
    }
    if pointers.is_empty() {
        return fault("needs at least one pointer");
    }
    if pointers.iter().map(|pointer| pointer.as_str()).collect::<BTreeSet<_>>().len() != pointers.len() {
        return fault("names a pointer twice");
    }
    match (raw.missing, raw.requires) {
        (RawMissing::Error, None) => Ok((rule, None)),
        (RawMissing::Error, Some(_)) => fault("requires has a meaning only with missing = \"zero\""),
        (RawMissing::Zero, None) => fault("missing = \"zero\" needs requires: a member that shows that the answer is a real one"),
        // A zero found under one candidate would pin the position to it and make the real one a change of source.
        (RawMissing::Zero, Some(_)) if first => fault("missing = \"zero\" goes with pointer or sum, not with first"),
        (RawMissing::Zero, Some(requires)) => Ok((rule, Some(requires))),
    }
}

fn currency(raw: RawCurrency) -> Result<CurrencyRule, Fault> {
    let fault = |reason: &str| Err(Fault::in_table("currency", 0, reason));
    match raw {
        RawCurrency { constant: Some(constant), pointer: None, allowed: None, default: None } => {
            Ok(CurrencyRule::Constant(constant))
        }
        RawCurrency { constant: None, pointer: Some(pointer), allowed, default } => {
            if allowed.as_ref().is_some_and(Vec::is_empty) {
                return fault("allowed is empty: no answer could ever be read");
            }
            if let (Some(allowed), Some(default)) = (&allowed, &default)
                && !allowed.contains(default)
            {
                return fault("default must be among allowed");
            }
            Ok(CurrencyRule::Pointer { pointer, allowed, default })
        }
        RawCurrency { constant: Some(_), pointer: None, .. } => fault("allowed and default go with pointer, not with constant"),
        _ => fault("needs exactly one of constant and pointer"),
    }
}

fn error_rule((index, raw): (usize, RawRule)) -> Result<ErrorRule, Fault> {
    let fault = |reason: &str| Err(Fault::in_table("errors", index, reason));
    if raw.pointer.0.is_empty() {
        return fault("needs at least one pointer");
    }
    let when = match (raw.when, raw.value, raw.pattern) {
        (RawWhen::NonEmpty, None, None) => When::NonEmpty,
        (RawWhen::Absent, None, None) => When::Absent,
        (RawWhen::Equals, Some(value), None) => When::Equals(scalar(value)?),
        (RawWhen::Matches, None, Some(pattern)) => When::Matches(regex(&pattern, false)?),
        (RawWhen::Equals, ..) => return fault("when = \"equals\" needs value and no pattern"),
        (RawWhen::Matches, ..) => return fault("when = \"matches\" needs pattern and no value"),
        _ => return fault("value goes with when = \"equals\" and pattern with when = \"matches\""),
    };
    Ok(ErrorRule { pointers: raw.pointer.0, when, outcome: raw.outcome })
}

fn scalar(value: Spanned<toml::Value>) -> Result<Scalar, Fault> {
    let span = value.span();
    match value.into_inner() {
        toml::Value::String(text) => Ok(Scalar::Text(text)),
        toml::Value::Boolean(value) => Ok(Scalar::Bool(value)),
        toml::Value::Integer(value) => Ok(Scalar::Integer(value)),
        _ => Err(Fault::at(span, "value must be a string, a boolean or an integer")),
    }
}

fn status(raw: BTreeMap<String, Spanned<Outcome>>) -> Result<BTreeMap<u16, Outcome>, Fault> {
    let read = |(code, outcome): (String, Spanned<Outcome>)| {
        let number = code.parse::<u16>().ok().filter(|number| (400..600).contains(number));
        let reason = || Fault::at(outcome.span(), format!("status {code:?} must be a number from 400 to 599"));
        number.ok_or_else(reason).map(|number| (number, *outcome.get_ref()))
    };
    raw.into_iter().map(read).collect()
}

fn limits(raw: &RawLimits) -> Result<Limits, Fault> {
    let concurrency = raw.concurrency.as_ref().map_or(Ok(CONCURRENCY_DEFAULT), |value| {
        at_most(value, CONCURRENCY_MAX).and_then(|number| NonZeroUsize::new(number).ok_or_else(|| zero(value.span())))
    })?;
    let timeout = raw.timeout_seconds.as_ref().map(|value| {
        at_most(value, TIMEOUT_SECONDS_MAX)
            .and_then(|number| if number == 0 { Err(zero(value.span())) } else { Ok(Duration::from_secs(number)) })
    });
    let body_bytes_max = raw.body_bytes_max.as_ref().map_or(Ok(BODY_BYTES_DEFAULT), |value| {
        at_most(value, BODY_BYTES_MAX).and_then(|number| if number == 0 { Err(zero(value.span())) } else { Ok(number) })
    })?;
    Ok(Limits { rate_per_minute: raw.rate_per_minute, concurrency, timeout: timeout.transpose()?, body_bytes_max })
}

fn zero(span: Range<usize>) -> Fault {
    Fault::at(span, "must be above 0")
}

fn at_most<T: PartialOrd + Copy + std::fmt::Display>(value: &Spanned<T>, max: T) -> Result<T, Fault> {
    let number = *value.get_ref();
    if number > max { Err(Fault::at(value.span(), format!("{number} must be at most {max}"))) } else { Ok(number) }
}

/// A regular expression; `whole` anchors it at both ends.
fn regex(text: &Spanned<String>, whole: bool) -> Result<Regex, Fault> {
    let compile = |pattern: &str| Regex::new(pattern).map_err(|error| Fault::at(text.span(), error));
    // Compiled alone first: `a)(b` would be valid only between the anchors' parentheses.
    let bare = compile(text.get_ref())?;
    if whole { compile(&format!("^(?:{})$", text.get_ref())) } else { Ok(bare) }
}
