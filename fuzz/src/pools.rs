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
#[path = "../../src/pools/registry.rs"]
pub mod registry;
#[path = "../../src/pools/rules.rs"]
mod rules;
#[path = "../../src/pools/scan.rs"]
mod scan;
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

/// Whether `text` is JSON to the scanner.
pub fn is_json(text: &str) -> bool {
    scan::is_json(text)
}

/// The members of an object as the scanner hands them out.
pub fn members(text: &str) -> Option<Vec<(String, &str)>> {
    let mut members = Vec::new();
    scan::members(text, |key, value| members.push((key.to_owned(), value)))?;
    Some(members)
}

/// The elements of an array as the scanner hands them out.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    let mut elements = Vec::new();
    scan::elements(text, |element| elements.push(element))?;
    Some(elements)
}

/// What a document has at its member `key`; what is wrong with a text that is none, and nothing for JSON that is no object.
pub fn document_member(text: &str, key: &str) -> Result<Option<String>, Option<String>> {
    let wanted = [key.to_owned()];
    match document::Document::parse(text, &wanted) {
        Ok(document) => {
            let pointer = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
            Ok(document.text(&pointer.try_into().expect("a pointer")).map(str::to_owned))
        }
        Err(document::DocumentError::NotJson(reason)) => Err(Some(reason)),
        Err(document::DocumentError::NotObject) => Err(None),
    }
}
