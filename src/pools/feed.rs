//! Bulk feeds: one document that lists everybody's payouts, read once for all players.
//!
//! Promises: every wallet that is asked about gets an answer, with an empty list where the feed does not name it; what is odd
//! about one wallet's payout refuses that wallet's list and nobody else's; a feed whose items are not where they should be is
//! refused as a whole. Memory is bounded by the body and by the wallets that are asked about. Pure: fetching is `feed_client`'s.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde_json::json;

use super::document::{Node, below};
use super::extract::{Extracted, apply_error_rules, body_text};
use super::failure::{Excerpt, Failure};
use super::listed::{Gathered, Item, elements, members};
use super::pointer::Pointer;
use super::rules::{CurrencyRule, PaidRule, Scalar, When};
use super::spec::PoolSpec;
use crate::domain::listed::{Listed, Payout, source};
use crate::domain::raw_answer::exact;
use crate::domain::{Figures, Wallet};

/// The token of a pattern that stands for every element of an array or member of an object.
pub(super) const EACH: &str = "*";
/// Payouts of one wallet that are kept as its raw answer.
const SHOWN_MAX: usize = 20;

/// `[feed]`: where the items are, which of them count, and what is where in one.
#[derive(Debug, Clone)]
pub(super) struct FeedRule {
    /// With `*` for each element or member.
    pub(super) items: Pointer,
    pub(super) filter: Option<Filter>,
    pub(super) amounts: Amounts,
    pub(super) id: Pointer,
    pub(super) time: Option<Pointer>,
    /// How far back the feed reaches.
    pub(super) window_seconds: Option<u64>,
    /// The number of the first page, and of pages at most. One page where the URL has no `{page}`.
    pub(super) page_first: u32,
    pub(super) pages_max: u32,
}

/// Whose and how much an item is.
#[derive(Debug, Clone)]
pub(super) enum Amounts {
    /// One address and its amount.
    One { address: Pointer, amount: Pointer },
    /// An object of addresses and amounts.
    Map(Pointer),
}

/// What must hold on the way to an item.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    /// How many tokens of the items' pattern it shares; what it tests is below that place.
    pub(super) shared: usize,
    pub(super) rest: Vec<String>,
    pub(super) value: Scalar,
}

impl FeedRule {
    /// The source that positions pin.
    pub(super) fn source(&self) -> String {
        match &self.amounts {
            Amounts::One { amount, .. } => source(self.items.as_str(), self.id.as_str(), amount.as_str()),
            Amounts::Map(amounts) => source(self.items.as_str(), self.id.as_str(), &format!("{amounts}/{EACH}")),
        }
    }
}

/// A list that is being read, page by page, for some wallets.
pub(super) struct FeedReader {
    spec: Arc<PoolSpec>,
    rule: FeedRule,
    wallets: Vec<Wallet>,
    /// Where in `wallets` an address of the feed is.
    by_address: HashMap<String, usize>,
    gathered: Vec<Result<Gathered, Failure>>,
    bytes: usize,
    /// What the filter is about was met on this page.
    passed: bool,
}

impl FeedReader {
    /// A reader for `wallets`, or `None` where the pool has no feed.
    pub(super) fn new(spec: Arc<PoolSpec>, wallets: &[Wallet]) -> Option<Self> {
        let PaidRule::Feed(rule) = &spec.paid else { return None };
        let rule = rule.clone();
        let address = |wallet: &Wallet| spec.as_shown(wallet.as_str()).into_owned();
        let by_address = wallets.iter().enumerate().map(|(at, wallet)| (address(wallet), at)).collect();
        // A wallet of another form is not looked for: it could be anybody's.
        let gathered = wallets.iter().map(|wallet| spec.check_wallet(wallet).map(|()| Gathered::default())).collect();
        Some(Self { spec, rule, wallets: wallets.to_vec(), by_address, gathered, bytes: 0, passed: false })
    }

    /// The numbers of the pages to read, at most.
    pub(super) fn pages(&self) -> Range<u32> {
        self.rule.page_first..self.rule.page_first.saturating_add(self.rule.pages_max)
    }

    /// Reads one page and answers how many items it has, those that the filter passes over included.
    pub(super) fn page(&mut self, body: &[u8]) -> Result<usize, Failure> {
        let text = body_text(body)?;
        if text.is_empty() {
            return Err(self.spec.empty_body.failure());
        }
        serde_json::from_str::<IgnoredAny>(text)
            .map_err(|error| Failure::NotJson { reason: Excerpt::new(&error.to_string()), begins: Excerpt::new(text) })?;
        apply_error_rules(&self.spec, |pointer| below(text, pointer.tokens()).map(Node::read))?;
        self.bytes += text.len();
        let pattern = self.rule.items.tokens().to_vec();
        self.passed = false;
        let items = self.walk(text, &pattern, 0)?;
        // A feed of several coins without ours, as of a server that has just started, is not one without payouts: a new player's
        // past would come as news.
        if let Some(filter) = self.rule.filter.as_ref().filter(|filter| filter.shared < pattern.len() && !self.passed) {
            return Err(Failure::BadPayout {
                place: format!("what the filter /{} tests", filter.rest.join("/")),
                reason: "nowhere as wanted".to_owned(),
                found: Excerpt::new(text),
            });
        }
        Ok(items)
    }

    /// Goes on from `text`, which is where the first `depth` tokens of the pattern lead.
    fn walk(&mut self, text: &str, pattern: &[String], depth: usize) -> Result<usize, Failure> {
        if let Some(filter) = self.rule.filter.as_ref().filter(|filter| filter.shared == depth) {
            let node = below(text, &filter.rest).map(Node::read);
            if !When::Equals(filter.value.clone()).holds(node.as_ref()) {
                return Ok(0);
            }
            self.passed = true;
        }
        let Some(token) = pattern.get(depth) else {
            self.item(text);
            return Ok(1);
        };
        if token != EACH {
            let missing = || self.misplaced("missing", text);
            return self.walk(below(text, std::slice::from_ref(token)).ok_or_else(missing)?, pattern, depth + 1);
        }
        let children: Vec<&str> = match (elements(text), members(text)) {
            (Some(elements), _) => elements.into_iter().map(serde_json::value::RawValue::get).collect(),
            (None, Some(members)) => members.into_iter().map(|(_, value)| value.get()).collect(),
            (None, None) => return Err(self.misplaced("neither an array nor an object", text)),
        };
        children.into_iter().try_fold(0, |sum, child| Ok(sum + self.walk(child, pattern, depth + 1)?))
    }

    fn misplaced(&self, reason: &str, text: &str) -> Failure {
        Failure::BadPayout {
            place: self.rule.items.to_string(),
            reason: reason.to_owned(),
            found: Excerpt::new(&Node::read(text).to_string()),
        }
    }

    fn item(&mut self, text: &str) {
        let Self { spec, rule, by_address, gathered, .. } = self;
        let at = |pointer: &Pointer| below(text, pointer.tokens());
        let (id, time) = (at(&rule.id), rule.time.as_ref().and_then(at));
        let mut add = |address: &str, amount| {
            let wallet = by_address.get(spec.as_shown(address).as_ref()).and_then(|at| gathered.get_mut(*at));
            if let Some(wallet) = wallet
                && let Ok(so_far) = wallet
                && let Err(failure) = so_far.add(rule.items.as_str(), Item { id, amount, time }, spec.decimals)
            {
                *wallet = Err(failure);
            }
        };
        match &rule.amounts {
            Amounts::One { address, amount } => {
                if let Some(Node::Text(address)) = at(address).map(Node::read) {
                    add(&address, at(amount));
                }
            }
            Amounts::Map(amounts) => {
                for (address, amount) in at(amounts).and_then(members).unwrap_or_default() {
                    add(&address, Some(amount.get()));
                }
            }
        }
    }

    /// What the pages say about each wallet.
    pub(super) fn finish(self) -> HashMap<Wallet, Result<Extracted, Failure>> {
        let source: Arc<str> = self.spec.in_unit(self.rule.source()).into();
        let (spec, bytes, window_seconds) = (&self.spec, self.bytes, self.rule.window_seconds);
        let answer = |gathered: Gathered| {
            let CurrencyRule::Constant(currency) = &spec.currency else {
                return Err(Failure::CurrencyUnknown { reason: Excerpt::new("a feed needs a constant currency") });
            };
            let payouts = gathered.into_payouts();
            Ok(Extracted {
                currency: currency.clone(),
                counters: Vec::new(),
                raw: raw(&payouts, bytes),
                listed: Some(Listed { source: Arc::clone(&source), payouts, window_seconds }),
                figures: Figures::default(),
            })
        };
        self.wallets.into_iter().zip(self.gathered).map(|(wallet, gathered)| (wallet, gathered.and_then(answer))).collect()
    }
}

/// The wallet's part of the feed as it is kept with a snapshot.
fn raw(payouts: &[Payout], bytes: usize) -> String {
    let shown = payouts.iter().take(SHOWN_MAX).map(|payout| {
        // Escapes grow a text, and the whole must stay short.
        let id: String = payout.id.chars().filter(char::is_ascii_graphic).take(128).collect();
        json!({"id": id, "amount": exact(payout.amount), "time": payout.time})
    });
    json!({"feed": true, "bytes": bytes, "payouts": payouts.len(), "shown": shown.collect::<Vec<_>>()}).to_string()
}

/// Reads a feed of one page: what it says about each of `wallets`.
///
/// # Errors
/// When the feed as a whole cannot be believed.
pub fn read(spec: &PoolSpec, wallets: &[Wallet], body: &[u8]) -> Result<HashMap<Wallet, Result<Extracted, Failure>>, Failure> {
    let Some(mut reader) = FeedReader::new(Arc::new(spec.clone()), wallets) else { return Ok(HashMap::new()) };
    reader.page(body)?;
    Ok(reader.finish())
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
