//! Signatures by which a receiver refuses forged rewards, as in Standard Webhooks: HMAC-SHA256 over `id.timestamp.payload`.
//!
//! The secret is `whsec_` and the base64 of 24 to 64 bytes. Over HTTP the three parts travel as headers. In a WebSocket the
//! payload gets one more member, `signed`, with the exact text that was signed: a receiver has no use for the signature of an
//! object that its JSON parser has taken apart. What it verifies is that text, and it takes the reward from there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::Value;

use crate::domain::EventId;

/// What every secret begins with.
const PREFIX: &str = "whsec_";
/// The version of the signature.
const VERSION: &str = "v1";

/// Signs payloads. `Debug` shows the algorithm and nothing else.
#[derive(Debug, Clone)]
pub struct Signer {
    key: hmac::Key,
}

impl Signer {
    /// Reads a secret; `None` where it is not of the form.
    #[must_use]
    pub fn parse(secret: &str) -> Option<Self> {
        let bytes = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
        (24..=64).contains(&bytes.len()).then(|| Self { key: hmac::Key::new(hmac::HMAC_SHA256, &bytes) })
    }

    /// The signature: `v1,` and the base64 of the code. `timestamp` is in seconds since 1970.
    #[must_use]
    pub fn sign(&self, event_id: EventId, timestamp: i64, payload: &str) -> String {
        let code = hmac::sign(&self.key, format!("{event_id}.{timestamp}.{payload}").as_bytes());
        format!("{VERSION},{}", STANDARD.encode(code))
    }

    /// The payload, a JSON object, with the member `signed` at its end.
    #[must_use]
    pub fn embed(&self, event_id: EventId, timestamp: i64, payload: &str) -> String {
        let Some(fields) = payload.strip_suffix('}') else { return payload.to_owned() };
        let signature = self.sign(event_id, timestamp, payload);
        let text = Value::String(payload.to_owned());
        let comma = if fields == "{" { "" } else { "," };
        format!(r#"{fields}{comma}"signed":{{"payload":{text},"timestamp":{timestamp},"signature":"{signature}"}}}}"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn event_id() -> EventId {
        "6f1d4c5e-0000-5000-8000-000000000001".parse().unwrap()
    }

    #[test]
    fn a_secret_has_the_prefix_and_enough_bytes() {
        assert!(Signer::parse(SECRET).is_some());
        let of_bytes = |count: usize| format!("whsec_{}", STANDARD.encode(vec![7; count]));
        for (count, is_secret) in [(0, false), (23, false), (24, true), (64, true), (65, false)] {
            assert_eq!(Signer::parse(&of_bytes(count)).is_some(), is_secret, "{count} bytes");
        }
        for secret in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_!", "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(Signer::parse(secret).is_none(), "{secret}");
        }
    }

    #[test]
    fn a_signature_is_the_one_that_other_implementations_make() {
        let signer = Signer::parse(SECRET).unwrap();
        // Computed with Python's hmac.
        assert_eq!(
            signer.sign(event_id(), 1_614_265_330, r#"{"test": 2432232314}"#),
            "v1,fKVCqHAvHqyg859OY0m4SszZc7MKrTRdNO892jD8xW0="
        );
        assert!(!format!("{signer:?}").contains("MfKQ"));
    }

    #[test]
    fn the_signed_text_is_the_payload_itself() {
        let signer = Signer::parse(SECRET).unwrap();
        let payload = r#"{"advc_amount":1.50,"username":"\"é\n"}"#;
        let embedded = signer.embed(event_id(), 17, payload);
        assert!(embedded.starts_with(r#"{"advc_amount":1.50,"username":"\"é\n","signed":{"#), "{embedded}");
        let value: Value = serde_json::from_str(&embedded).unwrap();
        assert_eq!(value["signed"]["payload"], payload);
        assert_eq!(value["signed"]["timestamp"], 17);
        assert_eq!(value["signed"]["signature"], signer.sign(event_id(), 17, payload));
        assert!(serde_json::from_str::<Value>(&signer.embed(event_id(), 17, "{}")).is_ok());
    }
}
