//! The validated rules of a pool file: where a figure is, what an answer means, what a wallet must look like.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use serde::Deserialize;

use super::document::Node;
use super::failure::{Blame, Excerpt, Failure, LimitSign};
use super::feed::FeedRule;
use super::listed::ListRule;
use super::pointer::Pointer;
use crate::domain::Currency;
use crate::domain::listed::UNIT_MARK;
use crate::domain::roster::AddressKind;

/// How a pool wants to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests per minute over all wallets; `None` is bounded by `concurrency` only.
    pub rate_per_minute: Option<NonZeroU32>,
    /// Requests under way at once.
    pub concurrency: NonZeroUsize,
    /// The total time for one answer; `None` takes the setting `POOL_REQUEST_TIMEOUT`.
    pub timeout: Option<Duration>,
    /// The longest body that is read, in bytes after decompression.
    pub body_bytes_max: usize,
}

/// What a status or an error rule means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    UnknownWallet,
    RateLimited,
    Error,
}

impl Outcome {
    /// The failure, with what said so.
    pub(super) fn failure(self, said: &str) -> Failure {
        let said = Excerpt::new(said);
        match self {
            Self::UnknownWallet => Failure::UnknownWallet { said },
            Self::RateLimited => Failure::RateLimited { retry_after: None, said },
            Self::Error => Failure::PoolError { said },
        }
    }
}

/// What `[wallet]` says.
#[derive(Debug, Clone)]
pub(super) struct WalletForm {
    /// Anchored at both ends.
    pub(super) pattern: Option<Regex>,
    /// The shortest address, in characters.
    pub(super) length_min: usize,
    /// The longest address, in characters.
    pub(super) length_max: usize,
    /// The pool takes and shows addresses in lower case.
    pub(super) lower_case: bool,
    pub(super) address: AddressKind,
}

/// Where the cumulative counter is, or the payouts that are summed up instead.
#[derive(Debug, Clone)]
pub(super) enum PaidRule {
    /// The candidates in order of preference; never empty.
    First(Vec<Candidate>),
    /// All added up; never empty.
    Sum(Sum),
    /// The answer lists the wallet's payouts.
    Listed(ListRule),
    /// One document lists everybody's payouts.
    Feed(FeedRule),
}

/// A member that may hold the counter.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) pointer: Pointer,
    /// Without this member the candidate does not count.
    pub(super) requires: Option<Pointer>,
    /// The source of a counter found here, in the pool's unit. Made once: every reading and every position names it.
    pub(super) source: Arc<str>,
}

/// Members that add up to the counter.
#[derive(Debug, Clone)]
pub(super) struct Sum {
    pub(super) pointers: Vec<Pointer>,
    /// As [`Candidate::source`].
    pub(super) source: Arc<str>,
}

impl PaidRule {
    /// The rule of a pool that counts in units of 10⁻ᴺ, N being `decimals`.
    pub(super) fn in_units(mut self, decimals: u32) -> Self {
        match &mut self {
            Self::First(candidates) => {
                for candidate in candidates {
                    candidate.source = in_unit(candidate.pointer.to_string(), decimals).into();
                }
            }
            Self::Sum(sum) => {
                let names: Vec<&str> = sum.pointers.iter().map(Pointer::as_str).collect();
                sum.source = in_unit(names.join("+"), decimals).into();
            }
            Self::Listed(_) | Self::Feed(_) => {}
        }
        self
    }
}

/// A source with the unit that it is counted in.
pub(super) fn in_unit(source: String, decimals: u32) -> String {
    if decimals == 0 { source } else { format!("{source}{UNIT_MARK}{decimals}") }
}

/// Where the currency comes from.
#[derive(Debug, Clone)]
pub(super) enum CurrencyRule {
    Constant(Currency),
    Pointer {
        pointer: Pointer,
        /// `None` allows every ticker; one without a configured rate is an anomaly further on.
        allowed: Option<Vec<Currency>>,
        /// What an answer without the member means.
        default: Option<Currency>,
    },
}

/// `[figures]`: where the figures for show are.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FigureRules {
    pub(super) balance: Option<Pointer>,
    pub(super) immature: Option<Pointer>,
    pub(super) total_hash: Option<Pointer>,
    pub(super) total_shares: Option<Pointer>,
}

/// `[identity]`: where an answer says whose it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityRule {
    pub(super) pointer: Pointer,
    #[serde(default)]
    /// Whether an answer that does not say it is refused.
    pub(super) required: bool,
    #[serde(default)]
    pub(super) ignore_case: bool,
}

/// What a good status with an empty body means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EmptyBody {
    /// The pool does not work.
    #[default]
    Error,
    /// The pool limits us.
    RateLimited,
    /// The pool does not know the wallet.
    UnknownWallet,
    /// One of the last two, and nobody can tell which.
    Ambiguous,
}

impl EmptyBody {
    /// The failure it makes. One that may be the wallet's own never counts against the pool: a single unknown wallet
    /// must not open the breaker for the others.
    pub(super) fn failure(self) -> Failure {
        let blame = match self {
            Self::Error | Self::RateLimited => Blame::Pool,
            Self::UnknownWallet | Self::Ambiguous => Blame::Wallet,
        };
        let limit = match self {
            Self::RateLimited => Some(LimitSign::Certain),
            Self::Ambiguous => Some(LimitSign::Possible),
            Self::Error | Self::UnknownWallet => None,
        };
        Failure::EmptyBody { blame, limit }
    }
}

/// One `[[errors]]` rule.
#[derive(Debug, Clone)]
pub(super) struct ErrorRule {
    pub(super) pointers: Vec<Pointer>,
    pub(super) when: When,
    pub(super) outcome: Outcome,
}

/// The condition of an error rule.
#[derive(Debug, Clone)]
pub(super) enum When {
    NonEmpty,
    Equals(Scalar),
    /// All the pointers lead to nothing, `null` or `""`.
    Absent,
    Matches(Regex),
}

/// What `equals` compares with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scalar {
    Text(String),
    Bool(bool),
    Integer(i64),
}

impl When {
    /// Whether one member fulfils the condition; [`When::Absent`] is about all of them and decided by the caller.
    pub(super) fn holds(&self, node: Option<&Node<'_>>) -> bool {
        let Some(node) = node else { return false };
        match self {
            Self::NonEmpty => match node {
                Node::Null | Node::Bool(false) => false,
                Node::Bool(true) => true,
                Node::Number(text) => *text != "0",
                Node::Text(text) => !text.is_empty(),
                Node::Container { empty } => !empty,
            },
            Self::Equals(scalar) => match (scalar, node) {
                (Scalar::Text(wanted), Node::Text(text)) => wanted == text,
                (Scalar::Bool(wanted), Node::Bool(value)) => wanted == value,
                (Scalar::Integer(wanted), Node::Number(text)) => wanted.to_string() == *text,
                _ => false,
            },
            Self::Absent => false,
            Self::Matches(pattern) => matches!(node, Node::Text(text) if pattern.is_match(text)),
        }
    }
}
