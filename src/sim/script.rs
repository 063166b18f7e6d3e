//! What a simulated pool does wrong, and how often.

use std::collections::VecDeque;
use std::time::Duration;

/// A way to misbehave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answer with this status instead, as text/plain unless a header says otherwise.
    Status {
        /// The HTTP status.
        code: u16,
        /// The body.
        body: String,
        /// Headers to add, such as `Retry-After`.
        headers: Vec<(String, String)>,
    },
    /// Answer 200 with this body instead.
    Body {
        /// The body, which need not be text.
        bytes: Vec<u8>,
        /// The `Content-Type`.
        content_type: String,
    },
    /// Give the good answer of another wallet.
    AnswerFor(String),
    /// Take the request and never answer.
    Hang,
    /// Drop the connection without a byte of an answer.
    Close,
    /// Give the good answer, this much later.
    Delay(Duration),
    /// Answer 200 with JSON that never ends, as fast as it is read.
    EndlessBody,
    /// Give the good answer one byte at a time with this pause before each.
    Drip(Duration),
}

impl Fault {
    /// An empty answer with this status.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::Status { code, body: String::new(), headers: Vec::new() }
    }

    /// A 200 answer with this text, labelled as JSON.
    #[must_use]
    pub fn body(text: impl Into<String>) -> Self {
        Self::Body { bytes: text.into().into_bytes(), content_type: String::from("application/json") }
    }
}

/// A fault with the requests that it befalls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    fault: Fault,
    wallet: Option<String>,
    /// How many requests are left; `None` is until it is cleared.
    left: Option<u64>,
}

impl Script {
    /// Befalls the next `requests` requests.
    #[must_use]
    pub fn next(requests: u64, fault: Fault) -> Self {
        Self { fault, wallet: None, left: Some(requests) }
    }

    /// Befalls every request until it is cleared.
    #[must_use]
    pub fn standing(fault: Fault) -> Self {
        Self { fault, wallet: None, left: None }
    }

    /// Befalls only requests about this wallet.
    #[must_use]
    pub fn for_wallet(self, wallet: impl Into<String>) -> Self {
        Self { wallet: Some(wallet.into()), ..self }
    }

    fn matches(&self, address: Option<&str>) -> bool {
        self.wallet.as_deref().is_none_or(|wallet| Some(wallet) == address)
    }
}

/// A pool's scripts, played in the order they were given.
#[derive(Debug, Default)]
pub(super) struct Scripts(VecDeque<Script>);

impl Scripts {
    /// Adds a script behind those that are not finished.
    pub(super) fn push(&mut self, script: Script) {
        if script.left != Some(0) {
            self.0.push_back(script);
        }
    }

    /// Forgets every script.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault that befalls a request about `address`: that of the first script that it concerns.
    pub(super) fn take(&mut self, address: Option<&str>) -> Option<Fault> {
        let at = self.0.iter().position(|script| script.matches(address))?;
        let script = self.0.get_mut(at)?;
        let fault = script.fault.clone();
        if let Some(left) = &mut script.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.0.remove(at);
            }
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_played_in_order_and_run_out() {
        let mut scripts = Scripts::default();
        scripts.push(Script::next(0, Fault::EndlessBody));
        scripts.push(Script::next(2, Fault::Hang).for_wallet("A"));
        scripts.push(Script::next(1, Fault::Close));
        scripts.push(Script::standing(Fault::status(503)));
        assert_eq!(scripts.take(Some("A")), Some(Fault::Hang));
        assert_eq!(scripts.take(Some("B")), Some(Fault::Close));
        assert_eq!(scripts.take(None), Some(Fault::status(503)));
        assert_eq!(scripts.take(Some("A")), Some(Fault::Hang));
        for _ in 0..10 {
            assert_eq!(scripts.take(Some("A")), Some(Fault::status(503)));
        }
        scripts.clear();
        assert_eq!(scripts.take(Some("A")), None);
    }
}
