//! Names and identities, each a type of its own so that none can be put in another's place.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::amount::Amount;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} must be {allowed}")]
pub struct NameError {
    what: &'static str,
    text: String,
    allowed: &'static str,
}

/// A pool's name: lower case, as in its file and in `pool_name` of every table (`cpu-pool`, `rplant`, `zpool`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PoolName(Arc<str>);

impl PoolName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The prefix of this pool's environment variables: `CPU_POOL` for `cpu-pool`.
    #[must_use]
    pub fn env_prefix(&self) -> String {
        self.0.to_ascii_uppercase().replace(['-', '.'], "_")
    }
}

impl FromStr for PoolName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        // 50 characters is the width of the column that the original service made.
        if starts_well && text.len() <= 50 && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(NameError {
                what: "pool name",
                text: text.into(),
                allowed: "1 to 50 characters of a-z, 0-9, '-', '_' and '.', beginning with a letter or digit",
            })
        }
    }
}

impl Borrow<str> for PoolName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A currency's ticker in upper case: `ADVC`, `BTC`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(Arc<str>);

impl Currency {
    /// The game's own coin, whose rate is one.
    pub const ADVC: &'static str = "ADVC";

    /// The ticker as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Currency {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let well_formed = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !well_formed {
            return Err(NameError { what: "currency", text: text.into(), allowed: "1 to 16 letters or digits" });
        }
        let is_upper_case = !text.bytes().any(|byte| byte.is_ascii_lowercase());
        Ok(Self(if is_upper_case { text.into() } else { text.to_ascii_uppercase().into() }))
    }
}

/// A wallet address as a pool knows it. Opaque here; each pool's file says what form it must have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Wallet(Arc<str>);

impl Wallet {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are one text in memory, which is known without a look at it. Equal ones may be two.
    #[must_use]
    pub fn shares_text_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether a text is an address, without making one of it.
    ///
    /// # Errors
    /// Why it is none.
    pub fn check(text: &str) -> Result<(), NameError> {
        let printable = text.chars().all(|c| !c.is_control() && !c.is_whitespace());
        // 255 characters is the width of the column that the original service made.
        if !text.is_empty() && text.chars().count() <= 255 && printable {
            Ok(())
        } else {
            Err(NameError {
                what: "wallet address",
                text: text.into(),
                allowed: "1 to 255 printable characters without white space",
            })
        }
    }
}

impl FromStr for Wallet {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::check(text).map(|()| Self(text.into()))
    }
}

macro_rules! text_conversions {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    )*};
}

text_conversions!(PoolName, Currency, Wallet);

/// `players.id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlayerId(pub i32);

impl fmt::Display for PlayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a game server recognizes a repeated event by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(Uuid);

/// The namespace of event ids: the `UUIDv5` of `pool-poller/mining_events` in the URL namespace, spelled out.
const EVENT_NAMESPACE: Uuid = Uuid::from_u128(0x5633_c9f3_ad7b_5ba8_8d9a_e6b4_8d67_17ae);

impl EventId {
    /// The id of the event that took a wallet's counter on a pool from `previous` to `current`, both in the pool's own
    /// currency: the same on every retry and again after a backup was restored (SPEC.md section 6).
    ///
    /// `epoch` counts how often an operator has rebased the position; without it, a counter that was set back and then
    /// passed the same two marks again would repeat an id for different money.
    #[must_use]
    pub fn derive(pool: &PoolName, wallet: &Wallet, epoch: i32, previous: Amount, current: Amount) -> Self {
        let mut name = format!("{pool}\n{wallet}\n{previous}\n{current}");
        if epoch != 0 {
            name = format!("{name}\n{epoch}");
        }
        Self(Uuid::new_v5(&EVENT_NAMESPACE, name.as_bytes()))
    }

    /// The id of the event that takes back the one named `reversed`: its event id, or what else it is known by.
    #[must_use]
    pub fn reversal(reversed: &str) -> Self {
        Self(Uuid::new_v5(&EVENT_NAMESPACE, format!("{reversed}\nreversal").as_bytes()))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_names_give_environment_prefixes() {
        assert_eq!("cpu-pool".parse::<PoolName>().unwrap().env_prefix(), "CPU_POOL");
        for bad in ["", "Cpu", "-x", "a b", "a/b", &"a".repeat(51)] {
            assert!(bad.parse::<PoolName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn currencies_are_upper_case_tickers() {
        assert_eq!("btc".parse::<Currency>().unwrap().as_str(), "BTC");
        for bad in ["", "B TC", "B-TC", &"A".repeat(17)] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
    }

    #[test]
    fn wallets_have_no_blanks_or_controls() {
        assert!("PAdvc1".parse::<Wallet>().is_ok());
        for bad in ["", "a b", "a\n", "\u{0}", &"a".repeat(256)] {
            assert!(bad.parse::<Wallet>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_event_id_depends_on_the_counters_and_nothing_else() {
        let pool: PoolName = "rplant".parse().unwrap();
        let wallet: Wallet = "W".parse().unwrap();
        let amount = |text: &str| text.parse::<Amount>().unwrap();
        let id = EventId::derive(&pool, &wallet, 0, amount("10.50"), amount("12"));
        assert_eq!(id, EventId::derive(&pool, &wallet, 0, amount("10.5"), amount("12.000")));
        assert_ne!(id, EventId::derive(&pool, &wallet, 0, amount("10.5"), amount("12.1")));
        assert_ne!(id, EventId::derive(&pool, &wallet, 1, amount("10.5"), amount("12")));
        assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
    }
}
