//! Why there is no reading, and whose fault that is.
//!
//! A failure means *unknown*: it is never read as a zero or as an empty balance. Its text is one line, holds at most a
//! short escaped piece of an answer, and never a URL or a secret.

use std::fmt;
use std::time::Duration;

use crate::domain::network::Reach;

/// Whether a failure tells about the pool or about one wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The pool does not work: the failure counts against its breaker.
    Pool,
    /// The pool works, this wallet has no reading there: other wallets must not suffer.
    Wallet,
}

/// Whether a failure says that the pool is asked too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitSign {
    /// It does.
    Certain,
    /// It may, or it says something about the wallet.
    Possible,
}

/// A short piece of an answer, safe in a log line: one line, escaped, at most 80 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt(String);

/// Characters that an excerpt keeps.
const EXCERPT_CHARS_MAX: usize = 80;

impl Excerpt {
    /// The beginning of `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut escaped = text.chars().take(EXCERPT_CHARS_MAX + 1).flat_map(char::escape_debug);
        let mut kept: String = escaped.by_ref().take(EXCERPT_CHARS_MAX).collect();
        if escaped.next().is_some() {
            kept.pop();
            kept.push('…');
        }
        Self(kept)
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why one request gave no reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Connecting, the head and the body together took too long.
    #[error("no complete answer within {} ms", after.as_millis())]
    Timeout {
        /// The time that was allowed.
        after: Duration,
    },
    /// No connection: the name does not resolve, nobody listens, no route.
    #[error("cannot connect: {reason}")]
    Connect {
        /// The system's words.
        reason: Excerpt,
    },
    /// No connection, because this machine has no network.
    #[error("this machine has no network: {reason}")]
    NoNetwork {
        /// The system's words.
        reason: Excerpt,
    },
    /// The TLS handshake failed.
    #[error("TLS: {reason}")]
    Tls {
        /// The TLS library's words.
        reason: Excerpt,
    },
    /// The connection ended before the answer did.
    #[error("the connection was closed before the answer was complete: {reason}")]
    Disconnected {
        /// The system's words.
        reason: Excerpt,
    },
    /// What came is not HTTP, or its compression is broken.
    #[error("an HTTP answer that cannot be read: {reason}")]
    Protocol {
        /// The HTTP library's words.
        reason: Excerpt,
    },
    /// A status that means failure.
    #[error("HTTP status {status}")]
    HttpStatus {
        /// The status code.
        status: u16,
    },
    /// A redirect that is not followed.
    #[error("HTTP status {status} redirects {reason}")]
    Redirect {
        /// The status code.
        status: u16,
        /// Where it leads and what to set; the host at most, and never the whole address.
        reason: String,
    },
    /// The pool asks for fewer requests.
    #[error("rate limited: {said}{}", asked_pause(*retry_after))]
    RateLimited {
        /// How long the pool wants to be left alone, where it says so; at most an hour.
        retry_after: Option<Duration>,
        /// What said so: a status or a member of the answer.
        said: Excerpt,
    },
    /// A good status and nothing in the body.
    #[error("the body is empty")]
    EmptyBody {
        /// Whose fault that is on this pool.
        blame: Blame,
        /// Whether it is how this pool limits its clients.
        limit: Option<LimitSign>,
    },
    /// The body, after decompression, is longer than the pool file allows.
    #[error("the body is longer than {limit_bytes} bytes")]
    BodyTooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The body is not JSON: HTML, a PHP warning, a cut answer, other bytes than UTF-8.
    #[error("not JSON: {reason}; begins with: {begins}")]
    NotJson {
        /// The parser's reason.
        reason: Excerpt,
        /// The beginning of the body.
        begins: Excerpt,
    },
    /// The body is JSON but not an object.
    #[error("not a JSON object: {begins}")]
    NotObject {
        /// The beginning of the body.
        begins: Excerpt,
    },
    /// An error rule of the pool file says that the pool failed.
    #[error("the pool reports an error: {said}")]
    PoolError {
        /// The member of the answer that says so.
        said: Excerpt,
    },
    /// The pool does not know the wallet.
    #[error("unknown wallet: {said}")]
    UnknownWallet {
        /// What says so.
        said: Excerpt,
    },
    /// The wallet does not have this pool's form; nothing was sent.
    #[error("the wallet {reason}")]
    BadWallet {
        /// What is wrong with it.
        reason: String,
    },
    /// The cumulative counter is not in the answer.
    #[error("no counter in the answer: {expected} missing")]
    CounterMissing {
        /// The pointers that were looked at.
        expected: String,
    },
    /// The counter is there and is not a number that may be believed.
    #[error("{source_pointer} is {reason}: {found}")]
    BadNumber {
        /// The pointer.
        source_pointer: String,
        /// What is wrong with the number.
        reason: String,
        /// What stands there.
        found: Excerpt,
    },
    /// A list of payouts is there and cannot be believed.
    #[error("{place} is {reason}: {found}")]
    BadPayout {
        /// The list, or the member of one of its items.
        place: String,
        /// What is wrong.
        reason: String,
        /// What stands there.
        found: Excerpt,
    },
    /// In what unit the pool counts is not known: the document that says it cannot be read.
    #[error("the pool's unit is not known: {reason}")]
    UnitUnknown {
        /// Why the document cannot be read.
        reason: Excerpt,
    },
    /// The answer is about another wallet, or does not say about which although it must.
    #[error("the answer is not about this wallet: {reason}")]
    IdentityMismatch {
        /// What it says, and what to change where that is known.
        reason: String,
    },
    /// The currency is missing, no ticker or none that the pool file allows.
    #[error("currency unknown: {reason}")]
    CurrencyUnknown {
        /// What stands there.
        reason: Excerpt,
    },
    /// The code that reads answers panicked. Made by the actor that caught it.
    #[error("panic while reading the answer: {reason}")]
    Panic {
        /// The panic's message.
        reason: Excerpt,
    },
}

/// How long a pool wants to be left alone, as the end of a sentence.
fn asked_pause(retry_after: Option<Duration>) -> String {
    retry_after.map(|pause| format!(", to be left alone for {} s", pause.as_secs())).unwrap_or_default()
}

impl Failure {
    /// The metric label.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::Connect { .. } => "connect",
            Self::NoNetwork { .. } => "no_network",
            Self::Tls { .. } => "tls",
            Self::Disconnected { .. } => "disconnected",
            Self::Protocol { .. } => "protocol",
            Self::HttpStatus { .. } => "http_status",
            Self::Redirect { .. } => "redirect",
            Self::RateLimited { .. } => "rate_limited",
            Self::EmptyBody { .. } => "empty_body",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::NotJson { .. } => "not_json",
            Self::NotObject { .. } => "not_object",
            Self::PoolError { .. } => "pool_error",
            Self::UnknownWallet { .. } => "unknown_wallet",
            Self::BadWallet { .. } => "bad_wallet",
            Self::CounterMissing { .. } => "counter_missing",
            Self::BadNumber { .. } => "bad_number",
            Self::BadPayout { .. } => "bad_payout",
            Self::UnitUnknown { .. } => "unit_unknown",
            Self::IdentityMismatch { .. } => "identity_mismatch",
            Self::CurrencyUnknown { .. } => "currency_unknown",
            Self::Panic { .. } => "panic",
        }
    }

    /// Whether the failure counts against the pool's breaker.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::EmptyBody { blame, .. } => *blame,
            // The currency is a property of the wallet's account (zpool), so it is no reason to leave the others alone.
            Self::UnknownWallet { .. } | Self::BadWallet { .. } | Self::CurrencyUnknown { .. } => Blame::Wallet,
            _ => Blame::Pool,
        }
    }

    /// How far the request came; `None` where nothing was sent, or nobody knows.
    #[must_use]
    pub fn reach(&self) -> Option<Reach> {
        match self {
            Self::BadWallet { .. } | Self::Panic { .. } => None,
            Self::Timeout { .. } | Self::Connect { .. } => Some(Reach::Nobody),
            Self::NoNetwork { .. } => Some(Reach::NoNetwork),
            _ => Some(Reach::Pool),
        }
    }

    /// Whether the pool refuses because it is asked too often.
    #[must_use]
    pub fn limit_sign(&self) -> Option<LimitSign> {
        match self {
            Self::RateLimited { .. } => Some(LimitSign::Certain),
            Self::EmptyBody { limit, .. } => *limit,
            _ => None,
        }
    }

    /// How long the pool asked to be left alone, where it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(Excerpt::new("a\n\u{0}\u{1b}[31mé").to_string(), "a\\n\\0\\u{1b}[31mé");
        let long = Excerpt::new(&"\n".repeat(1_000)).to_string();
        assert_eq!(long.chars().count(), EXCERPT_CHARS_MAX);
        assert!(long.ends_with('…'));
        assert_eq!(Excerpt::new(&"x".repeat(80)).to_string(), "x".repeat(80));
        assert_eq!(Excerpt::new(&"x".repeat(81)).to_string(), format!("{}…", "x".repeat(79)));
    }
}
