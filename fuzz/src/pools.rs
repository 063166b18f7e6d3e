//! `pools` without its HTTP client.

#[path = "../../src/pools/body.rs"]
mod body;
#[path = "../../src/pools/coding.rs"]
mod coding;
#[path = "../../src/pools/document.rs"]
mod document;
#[path = "../../src/pools/extract.rs"]
pub mod extract;
#[path = "../../src/pools/failure.rs"]
pub mod failure;
#[path = "../../src/pools/feed.rs"]
mod feed;
#[path = "../../src/pools/listed.rs"]
mod listed;
#[path = "../../src/pools/pointer.rs"]
pub mod pointer;
#[path = "../../src/pools/raw.rs"]
mod raw;
#[path = "../../src/pools/raw_answer.rs"]
mod raw_answer;
#[path = "../../src/pools/registry.rs"]
pub mod registry;
#[path = "../../src/pools/rules.rs"]
mod rules;
#[path = "../../src/pools/spec.rs"]
pub mod spec;
#[path = "../../src/pools/spec_error.rs"]
pub mod spec_error;
#[path = "../../src/pools/template.rs"]
mod template;
#[path = "../../src/pools/unit.rs"]
mod unit;
#[path = "../../src/pools/validate.rs"]
mod validate;
#[path = "../../src/pools/windows.rs"]
mod windows;

pub use extract::{Extracted, extract};
pub use failure::{Blame, Excerpt, Failure};
pub use rules::Limits;
pub use spec::PoolSpec;
pub use template::{TemplateError, UrlTemplate};

/// The text of a body that comes in pieces of `piece` bytes.
///
/// # Errors
/// When there is none.
pub fn read_body(encoding: &str, content_type: &str, limit: usize, bytes: &[u8], piece: usize) -> Result<String, Failure> {
    let mut body = body::Body::new(encoding, content_type, limit)?;
    bytes.chunks(piece).try_for_each(|piece| body.write(piece))?;
    body.finish()
}

/// The whole request for a wallet, where it may be asked about.
pub fn url_for(spec: &PoolSpec, wallet: &crate::domain::Wallet) -> Option<String> {
    spec.check_wallet(wallet).ok()?;
    let secret = |_: &str| Some(secrecy::SecretString::from("a/../secret?#@"));
    Some(spec.url().resolve(&secret).ok()?.for_wallet(wallet))
}
