//! The keys of a pool file as they are written. `spec` turns them into what may be relied on.
//!
//! Unknown keys are refused, so that a misspelt one cannot be overlooked.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::num::{NonZeroU32, NonZeroU64};

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use super::pointer::Pointer;
use super::rules::{EmptyBody, FigureRules, IdentityRule, Outcome};
use super::template::WalletEncoding;
use super::unit::UnitKind;
use crate::domain::roster::AddressKind;
use crate::domain::{Currency, PoolName};

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSpec {
    pub(super) name: PoolName,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    pub(super) url: Option<Spanned<String>>,
    pub(super) url_suffix: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) wallet_encoding: WalletEncoding,
    #[serde(default)]
    pub(super) decimals: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub(super) wallet: RawWallet,
    pub(super) unit: Option<Spanned<RawUnit>>,
    pub(super) paid: Option<RawPaid>,
    pub(super) feed: Option<RawFeed>,
    #[serde(default)]
    pub(super) windows: BTreeMap<String, Pointer>,
    pub(super) figures: Option<FigureRules>,
    pub(super) currency: RawCurrency,
    pub(super) identity: Option<IdentityRule>,
    #[serde(default)]
    pub(super) errors: Vec<RawRule>,
    #[serde(default)]
    pub(super) responses: RawResponses,
    #[serde(default)]
    pub(super) limits: RawLimits,
    /// Fault injection for tests: reading an answer that holds this text panics. An unknown key in release builds.
    #[cfg(debug_assertions)]
    pub(super) panic_when_body_contains: Option<String>,
    /// Fault injection for tests: the actor hangs when it is to ask about this wallet. An unknown key in release builds.
    #[cfg(debug_assertions)]
    pub(super) hang_when_asked_about: Option<crate::domain::Wallet>,
}

fn yes() -> bool {
    true
}

/// `[wallet]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWallet {
    pub(super) pattern: Option<Spanned<String>>,
    pub(super) length_min: Option<usize>,
    pub(super) length_max: Option<Spanned<usize>>,
    #[serde(default)]
    pub(super) address: AddressKind,
    #[serde(default)]
    pub(super) lower_case: bool,
}

/// `[unit]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUnit {
    pub(super) path: Option<Spanned<String>>,
    pub(super) url: Option<Spanned<String>>,
    pub(super) pointer: Pointer,
    pub(super) kind: UnitKind,
    pub(super) refresh_seconds: Option<Spanned<u64>>,
    pub(super) missing: Option<Spanned<u32>>,
    pub(super) timeout_seconds: Option<Spanned<u64>>,
    pub(super) body_bytes_max: Option<Spanned<usize>>,
}

/// `[feed]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFeed {
    pub(super) url: Spanned<String>,
    pub(super) page_first: Option<u32>,
    pub(super) pages_max: Option<Spanned<u32>>,
    pub(super) items: Spanned<Pointer>,
    pub(super) filter: Option<RawFilter>,
    pub(super) address: Option<Pointer>,
    pub(super) amount: Option<Pointer>,
    pub(super) amounts: Option<Pointer>,
    pub(super) id: Pointer,
    pub(super) time: Option<Pointer>,
    pub(super) window_seconds: Option<NonZeroU64>,
}

/// `filter` of `[feed]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFilter {
    pub(super) pointer: Pointer,
    pub(super) value: Spanned<toml::Value>,
}

/// `[paid]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPaid {
    pub(super) pointer: Option<Pointer>,
    pub(super) sum: Option<Vec<Pointer>>,
    pub(super) first: Option<Vec<RawCandidate>>,
    pub(super) list: Option<RawList>,
    #[serde(default)]
    pub(super) missing: RawMissing,
    pub(super) requires: Option<Pointer>,
}

/// `[paid.list]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawList {
    pub(super) items: Pointer,
    pub(super) amount: Pointer,
    pub(super) id: Pointer,
    pub(super) time: Option<Pointer>,
    pub(super) window_seconds: Option<NonZeroU64>,
}

/// `missing` of `[paid]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawMissing {
    #[default]
    Error,
    Zero,
}

/// An element of `first`: a pointer, or a pointer that counts only beside another member.
#[derive(Debug)]
pub(super) struct RawCandidate {
    pub(super) pointer: Pointer,
    pub(super) requires: Option<Pointer>,
}

/// `[currency]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCurrency {
    pub(super) constant: Option<Currency>,
    pub(super) pointer: Option<Pointer>,
    pub(super) allowed: Option<Vec<Currency>>,
    pub(super) default: Option<Currency>,
}

/// One `[[errors]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) pointer: OneOrMany<Pointer>,
    pub(super) when: RawWhen,
    pub(super) value: Option<Spanned<toml::Value>>,
    pub(super) pattern: Option<Spanned<String>>,
    pub(super) outcome: Outcome,
}

/// `when` of `[[errors]]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawWhen {
    NonEmpty,
    Equals,
    Absent,
    Matches,
}

/// `[responses]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawResponses {
    #[serde(default)]
    pub(super) empty_body: EmptyBody,
    #[serde(default)]
    pub(super) status: BTreeMap<String, Spanned<Outcome>>,
}

/// `[limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) rate_per_minute: Option<NonZeroU32>,
    pub(super) concurrency: Option<Spanned<usize>>,
    pub(super) timeout_seconds: Option<Spanned<u64>>,
    pub(super) body_bytes_max: Option<Spanned<usize>>,
}

/// A value or an array of them.
#[derive(Debug)]
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

// Written out instead of `serde(untagged)`, which would swallow the reason and the line of a fault.
impl<'de, T: Deserialize<'de> + TryFrom<String, Error: fmt::Display>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + TryFrom<String, Error: fmt::Display>> Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::try_from(text.to_owned()).map(|one| OneOrMany(vec![one])).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<'de> Deserialize<'de> for RawCandidate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Guarded {
            pointer: Pointer,
            requires: Pointer,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawCandidate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON pointer or { pointer = …, requires = … }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let pointer = Pointer::try_from(text.to_owned()).map_err(E::custom)?;
                Ok(RawCandidate { pointer, requires: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let guarded = Guarded::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RawCandidate { pointer: guarded.pointer, requires: Some(guarded.requires) })
            }
        }
        deserializer.deserialize_any(Either)
    }
}
