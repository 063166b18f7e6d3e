//! From the keys of a pool file to a [`PoolSpec`]: everything that one key alone cannot show.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::Duration;

use awc::http::header::HeaderName;
use regex::Regex;
use toml::Spanned;

use super::pointer::Pointer;
use super::raw::{RawCurrency, RawLimits, RawMissing, RawPaid, RawRule, RawSpec, RawWallet, RawWhen};
use super::rules::{Candidate, CurrencyRule, ErrorRule, Limits, Outcome, PaidRule, Scalar, WalletForm, When};
use super::spec::PoolSpec;
use super::spec_error::Fault;
use super::template::{UrlTemplate, ValueTemplate};

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
const DECIMALS_MAX: u32 = 30;
/// Headers that the HTTP client itself must set.
const OWN_HEADERS: [&str; 5] = ["host", "connection", "content-length", "transfer-encoding", "accept-encoding"];

/// Checks all of a file's keys together.
pub(super) fn validate(raw: RawSpec, origin: &str) -> Result<PoolSpec, Fault> {
    let url = UrlTemplate::parse(raw.url.get_ref(), raw.wallet_encoding).map_err(|error| Fault::at(raw.url.span(), error))?;
    if let Some(suffix) = &raw.url_suffix {
        // Proved on an example, because an override comes from the environment long after the file was written.
        UrlTemplate::parse_override("http://example.com/x", Some(suffix.get_ref()), raw.wallet_encoding)
            .map_err(|error| Fault::at(suffix.span(), format!("appended to a URL, {error}")))?;
    }
    let (paid, zero_beside) = paid(raw.paid)?;
    let mut spec = PoolSpec {
        name: raw.name,
        origin: origin.to_owned(),
        enabled: raw.enabled,
        url,
        url_suffix: raw.url_suffix.map(Spanned::into_inner),
        wallet_encoding: raw.wallet_encoding,
        headers: headers(raw.headers)?,
        wallet: wallet(raw.wallet)?,
        paid,
        zero_beside,
        figures: raw.figures,
        decimals: raw.decimals.map_or(Ok(0), |decimals| at_most(&decimals, DECIMALS_MAX))?,
        currency: currency(raw.currency)?,
        identity: raw.identity,
        errors: raw.errors.into_iter().enumerate().map(error_rule).collect::<Result<_, _>>()?,
        empty_body: raw.responses.empty_body,
        status: status(raw.responses.status)?,
        limits: limits(&raw.limits)?,
        members: BTreeSet::new(),
        #[cfg(debug_assertions)]
        panic_when_body_contains: raw.panic_when_body_contains,
    };
    spec.members = spec.pointers().map(|pointer| pointer.first().to_owned()).collect();
    Ok(spec)
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
    Ok(WalletForm { pattern, length_min, length_max, address: raw.address })
}

fn paid(raw: RawPaid) -> Result<(PaidRule, Option<Pointer>), Fault> {
    let fault = |reason: &str| Err(Fault::in_table("paid", 0, reason));
    let first = raw.first.is_some();
    let rule = match (raw.pointer, raw.sum, raw.first) {
        (Some(pointer), None, None) => PaidRule::First(vec![Candidate { pointer, requires: None }]),
        (None, Some(pointers), None) => PaidRule::Sum(pointers),
        (None, None, Some(candidates)) => PaidRule::First(
            candidates.into_iter().map(|raw| Candidate { pointer: raw.pointer, requires: raw.requires }).collect(),
        ),
        _ => return fault("needs exactly one of pointer, sum and first"),
    };
    let pointers: Vec<&str> = match &rule {
        PaidRule::First(candidates) => candidates.iter().map(|candidate| candidate.pointer.as_str()).collect(),
        PaidRule::Sum(pointers) => pointers.iter().map(Pointer::as_str).collect(),
    };
    if pointers.is_empty() {
        return fault("needs at least one pointer");
    }
    if pointers.iter().collect::<BTreeSet<_>>().len() != pointers.len() {
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
        (RawWhen::Equals, Some(value), None) => {
            let span = value.span();
            When::Equals(match value.into_inner() {
                toml::Value::String(text) => Scalar::Text(text),
                toml::Value::Boolean(value) => Scalar::Bool(value),
                toml::Value::Integer(value) => Scalar::Integer(value),
                _ => return Err(Fault::at(span, "value must be a string, a boolean or an integer")),
            })
        }
        (RawWhen::Matches, None, Some(pattern)) => When::Matches(regex(&pattern, false)?),
        (RawWhen::Equals, ..) => return fault("when = \"equals\" needs value and no pattern"),
        (RawWhen::Matches, ..) => return fault("when = \"matches\" needs pattern and no value"),
        _ => return fault("value goes with when = \"equals\" and pattern with when = \"matches\""),
    };
    Ok(ErrorRule { pointers: raw.pointer.0, when, outcome: raw.outcome })
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
