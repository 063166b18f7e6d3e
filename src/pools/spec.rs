//! A pool file, validated: one [`PoolSpec`] is all that the program knows about a pool.
//!
//! Whatever is wrong with a file is found here, with file, line and key, and never while polling. The keys are
//! explained in `config/pools/cpu-pool.toml`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use awc::http::header::HeaderName;

use super::failure::Failure;
use super::pointer::Pointer;
use super::raw::RawSpec;
use super::rules::{
    Candidate, CurrencyRule, EmptyBody, ErrorRule, FigureRules, IdentityRule, Limits, Outcome, PaidRule, WalletForm, in_unit,
};
use super::spec_error::{Fault, SpecError};
use super::template::{TemplateError, UrlTemplate, ValueTemplate, WalletEncoding, is_raw_safe};
use super::unit::UnitRule;
use super::validate;
use crate::domain::roster::AddressKind;
use crate::domain::{PoolName, Wallet};

/// Everything there is to know about one pool.
#[derive(Debug, Clone)]
pub struct PoolSpec {
    pub(super) name: PoolName,
    pub(super) origin: String,
    /// The text of its file.
    pub(super) text: Arc<str>,
    pub(super) enabled: bool,
    pub(super) url: UrlTemplate,
    pub(super) url_suffix: Option<String>,
    pub(super) wallet_encoding: WalletEncoding,
    pub(super) headers: Vec<(HeaderName, ValueTemplate)>,
    pub(super) wallet: WalletForm,
    pub(super) paid: PaidRule,
    /// The member beside which a missing counter is a zero; `None` makes a missing counter a failure.
    pub(super) zero_beside: Option<Pointer>,
    pub(super) figures: FigureRules,
    /// What was paid in windows of time, by the file's names. For show.
    pub(super) windows: Vec<(Arc<str>, Pointer)>,
    /// Counters and balances are divided by 10^`decimals`.
    pub(super) decimals: u32,
    /// Where that number is read instead; see [`PoolSpec::with_decimals`].
    pub(super) unit: Option<UnitRule>,
    pub(super) currency: CurrencyRule,
    pub(super) identity: Option<IdentityRule>,
    pub(super) errors: Vec<ErrorRule>,
    pub(super) empty_body: EmptyBody,
    pub(super) status: BTreeMap<u16, Outcome>,
    pub(super) limits: Limits,
    /// The top-level members of an answer that any pointer starts at.
    pub(super) members: Vec<String>,
    #[cfg(debug_assertions)]
    pub(super) panic_when_body_contains: Option<String>,
    #[cfg(debug_assertions)]
    pub(super) hang_when_asked_about: Option<crate::domain::Wallet>,
}

impl PoolSpec {
    /// Reads the text of a pool file. `origin` is the file's name for messages.
    ///
    /// # Errors
    /// When the text is not TOML, has unknown, missing or contradictory keys, or a value that cannot be used.
    pub fn parse(text: &str, origin: &str) -> Result<Self, SpecError> {
        let raw = toml::from_str::<RawSpec>(text).map_err(Fault::from);
        raw.and_then(|raw| validate::validate(raw, origin, text)).map_err(|fault| fault.locate(origin, text))
    }

    /// Whether `other` is read in the same way from the same place: the same file and the same overrides.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let (url, other_url) = (self.url.to_string(), other.url.to_string());
        self.text == other.text && url == other_url && self.enabled == other.enabled && self.limits == other.limits
    }

    /// The pool's name.
    #[must_use]
    pub fn name(&self) -> &PoolName {
        &self.name
    }

    /// The file it came from.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether the pool is polled.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// The URL with its placeholders; secrets appear by name only.
    #[must_use]
    pub fn url(&self) -> &UrlTemplate {
        &self.url
    }

    /// Which of a player's addresses the pool is asked about.
    #[must_use]
    pub fn address_source(&self) -> AddressKind {
        self.wallet.address
    }

    /// How the pool wants to be asked.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The names of the environment variables whose values the URL and the headers need.
    #[must_use]
    pub fn secret_names(&self) -> BTreeSet<String> {
        let headers = self.headers.iter().flat_map(|(_, value)| value.secrets());
        let unit = self.unit.iter().flat_map(|unit| unit.url.secrets());
        self.url.secrets().chain(headers).chain(unit).map(str::to_owned).collect()
    }

    /// The wallet at which a test wants the pool's actor to hang.
    #[cfg(debug_assertions)]
    #[must_use]
    pub fn hang_when_asked_about(&self) -> Option<&crate::domain::Wallet> {
        self.hang_when_asked_about.as_ref()
    }

    /// The same pool, polled or not (`<NAME>_ENABLED`).
    #[must_use]
    pub fn with_enabled(self, enabled: bool) -> Self {
        Self { enabled, ..self }
    }

    /// The same pool at another URL (`<NAME>_URL`). One without `{wallet}` gets the pool's `url_suffix` appended.
    ///
    /// # Errors
    /// When the result is no usable template. The message never repeats the URL.
    pub fn with_url(self, url: &str) -> Result<Self, TemplateError> {
        let suffix = self.url_suffix.as_deref();
        let url = if self.is_feed() {
            UrlTemplate::parse_document_override(url, suffix)?
        } else {
            UrlTemplate::parse_override(url, suffix, self.wallet_encoding)?.with_lower_case(self.wallet.lower_case)
        };
        let unit = match self.unit {
            Some(unit) => Some(UnitRule { url: unit.place.at(&url)?, ..unit }),
            None => None,
        };
        Ok(Self { url, unit, ..self })
    }

    /// Whether one document is read for all wallets, instead of one for each.
    #[must_use]
    pub fn is_feed(&self) -> bool {
        matches!(self.paid, PaidRule::Feed(_))
    }

    /// Whether the unit of the amounts is read from another document of the pool.
    #[must_use]
    pub fn reads_unit(&self) -> bool {
        self.unit.is_some()
    }

    /// The same pool, whose amounts are divided by 10^`decimals` whatever its file or another document says.
    #[must_use]
    pub fn with_decimals(&self, decimals: u32) -> Self {
        Self { decimals, unit: None, paid: self.paid.clone().in_units(decimals), ..self.clone() }
    }

    /// A counter's source with the unit that it is counted in.
    pub(super) fn in_unit(&self, source: String) -> String {
        in_unit(source, self.decimals)
    }

    /// An address as the pool writes it.
    pub(super) fn as_shown<'a>(&self, address: &'a str) -> Cow<'a, str> {
        if self.wallet.lower_case { address.to_lowercase().into() } else { address.into() }
    }

    /// The same pool with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Whether the pool may be asked about `wallet`.
    ///
    /// # Errors
    /// [`Failure::BadWallet`] when the address has not this pool's form. Some servers match by prefix or by glob
    /// (NOMP), so an address of another form could be shown other people's money.
    pub fn check_wallet(&self, wallet: &Wallet) -> Result<(), Failure> {
        let text = wallet.as_str();
        let form = &self.wallet;
        let length = if text.is_ascii() { text.len() } else { text.chars().count() };
        let bad = |reason: String| Err(Failure::BadWallet { reason });
        if length < form.length_min || length > form.length_max {
            return bad(format!("has {length} characters, {} takes {} to {}", self.name, form.length_min, form.length_max));
        }
        if form.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
            return bad(format!("has not the form that {} takes", self.name));
        }
        // A dot segment survives percent-encoding: servers and proxies would shorten the path.
        if matches!(text, "." | "..") || (self.url.has_raw_wallet() && !is_raw_safe(text)) {
            return bad("holds characters that have a meaning in a URL".to_owned());
        }
        Ok(())
    }

    /// All pointers of the file, in no particular order.
    pub(super) fn pointers(&self) -> impl Iterator<Item = &Pointer> {
        let candidates: Vec<&Pointer> = match &self.paid {
            PaidRule::First(candidates) => candidates
                .iter()
                .flat_map(|Candidate { pointer, requires, .. }| [Some(pointer), requires.as_ref()])
                .flatten()
                .collect(),
            PaidRule::Sum(sum) => sum.pointers.iter().collect(),
            PaidRule::Listed(rule) => vec![&rule.items],
            // A feed is walked and not looked up.
            PaidRule::Feed(_) => Vec::new(),
        };
        let currency = match &self.currency {
            CurrencyRule::Pointer { pointer, .. } => Some(pointer),
            CurrencyRule::Constant(_) => None,
        };
        let FigureRules { balance, immature, total_hash, total_shares } = &self.figures;
        candidates
            .into_iter()
            .chain(self.zero_beside.as_ref())
            .chain(self.windows.iter().map(|(_, pointer)| pointer))
            .chain([balance, immature, total_hash, total_shares].into_iter().flatten())
            .chain(currency)
            .chain(self.identity.as_ref().map(|identity| &identity.pointer))
            .chain(self.errors.iter().flat_map(|rule| &rule.pointers))
    }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
