//! Makes a server's words fit for a log line. Pure.
//!
//! A server may answer with what it was sent ("bad token abc"), with control characters, or with a novel. What leaves here is
//! short, printable and free of our secrets.

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};

use super::settings::ConnectionSettings;

/// The longest text of a server that is passed on, in characters.
const TEXT_CHARS_MAX: usize = 200;
const MASK: &str = "***";

/// Knows the secrets of one connection.
pub(super) struct Redactor {
    secrets: Vec<SecretString>,
}

impl Redactor {
    pub(super) fn new(settings: &ConnectionSettings) -> Self {
        let mut secrets: Vec<SecretString> = settings.auth_token.iter().cloned().collect();
        // A URL with a user alone carries its key there.
        let password = settings.url.password().unwrap_or_else(|| settings.url.username());
        secrets.push(password.into());
        secrets.push(percent_decode_str(password).decode_utf8_lossy().as_ref().into());
        secrets.retain(|secret| !secret.expose_secret().is_empty());
        Self { secrets }
    }

    /// `text` without secrets and control characters, cut to a line.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.expose_secret(), MASK);
        }
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_CHARS_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn secrets_controls_and_novels_are_cut() {
        let settings = ConnectionSettings {
            auth_token: Some("tok-123".into()),
            ..ConnectionSettings::new("http://user:p%40ss@h".parse().unwrap(), Duration::from_secs(1))
        };
        let redactor = Redactor::new(&settings);
        assert_eq!(redactor.clean("bad token tok-123\n(p@ss, p%40ss)"), "bad token *** (***, ***)");
        assert_eq!(redactor.clean(&"é".repeat(1_000)).chars().count(), TEXT_CHARS_MAX);
    }
}
