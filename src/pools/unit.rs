//! The unit that a pool counts in, where another of its documents says it.
//!
//! Promises: only the pool's own origin is asked; a document that cannot be read means that the unit is not known and never
//! that it is what it was once, beyond a day; the unit becomes a part of every reading's source, so a changed one credits
//! nothing until an operator rebases.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::document::{Document, DocumentError, Node};
use super::extract::body_text;
use super::failure::{Excerpt, Failure};
use super::pointer::Pointer;
use super::spec::PoolSpec;
use super::template::{TemplateError, UrlTemplate};
use super::validate::DECIMALS_MAX;

/// How long a unit is gone by that could not be read again.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 3600);
/// How soon after a failure the document is asked for again.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// How the document writes the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum UnitKind {
    /// The number of decimal places: `8`.
    Decimals,
    /// What amounts are divided by, a power of ten: `100000000`.
    Divisor,
}

/// Where the document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UnitPlace {
    /// A path of the pool's own origin, wherever that is.
    Path(String),
    /// A whole URL, of the same origin.
    Url(String),
}

/// `[unit]`.
#[derive(Debug, Clone)]
pub(super) struct UnitRule {
    pub(super) place: UnitPlace,
    /// The place at the pool's origin.
    pub(super) url: UrlTemplate,
    pub(super) pointer: Pointer,
    pub(super) kind: UnitKind,
    pub(super) refresh: Duration,
    /// What a document without the member means.
    pub(super) missing: Option<u32>,
    pub(super) timeout: Duration,
    pub(super) body_bytes_max: usize,
}

impl UnitPlace {
    /// The document's URL for a pool that is asked at `pool`.
    pub(super) fn at(&self, pool: &UrlTemplate) -> Result<UrlTemplate, TemplateError> {
        match self {
            Self::Path(path) if !path.starts_with('/') => Err(TemplateError::Path),
            Self::Path(path) => UrlTemplate::parse_document(&format!("{}{path}", pool.origin()), false),
            Self::Url(url) => {
                let url = UrlTemplate::parse_document(url, false)?;
                if url.origin() == pool.origin() { Ok(url) } else { Err(TemplateError::OtherOrigin) }
            }
        }
    }
}

impl UnitRule {
    /// The number of decimal places that `body` says.
    pub(super) fn read(&self, body: &[u8]) -> Result<u32, Failure> {
        let unknown = |reason: String| Failure::UnitUnknown { reason: Excerpt::new(&reason) };
        let text = body_text(body)?;
        let wanted = [self.pointer.first().to_owned()];
        let document = Document::parse(text, &wanted).map_err(|error| match error {
            DocumentError::NotJson(reason) => unknown(format!("not JSON: {reason}")),
            DocumentError::NotObject => unknown("not a JSON object".to_owned()),
        })?;
        let Some(node) = document.get(&self.pointer).filter(|node| !node.is_blank()) else {
            return self.missing.ok_or_else(|| unknown(format!("{} is missing", self.pointer)));
        };
        let literal = match &node {
            Node::Number(text) => text,
            Node::Text(text) => text.as_ref(),
            _ => "",
        };
        let places = match self.kind {
            UnitKind::Decimals => literal.parse().ok().filter(|_| literal.bytes().all(|byte| byte.is_ascii_digit())),
            UnitKind::Divisor => power_of_ten(literal),
        };
        places.filter(|places| *places <= DECIMALS_MAX).ok_or_else(|| {
            let wanted = match self.kind {
                UnitKind::Decimals => "a number of decimals",
                UnitKind::Divisor => "a power of ten",
            };
            unknown(format!("{} is no {wanted}: {node}", self.pointer))
        })
    }
}

/// The power of a literal such as `1000000` or `1e6`.
fn power_of_ten(literal: &str) -> Option<u32> {
    let power = literal.strip_prefix('1')?;
    match power.strip_prefix(['e', 'E']) {
        Some(exponent) => exponent.strip_prefix('+').unwrap_or(exponent).parse().ok(),
        None => power.bytes().all(|byte| byte == b'0').then(|| u32::try_from(power.len()).ok())?,
    }
}

/// What is known of the unit.
#[derive(Debug, Default)]
struct Known {
    /// The pool's file with the unit in it, and when it was read.
    spec: Option<(Arc<PoolSpec>, Instant)>,
    /// Why it could not be read the last time, and when.
    failed: Option<(Failure, Instant)>,
}

/// Keeps a pool's unit up to date.
pub(super) struct UnitReader {
    spec: Arc<PoolSpec>,
    rule: UnitRule,
    /// Taken while the document is asked for, so that it is asked for once.
    known: Mutex<Known>,
}

impl UnitReader {
    /// A reader, where the pool's file has a unit to read.
    pub(super) fn new(spec: &Arc<PoolSpec>) -> Option<Self> {
        let rule = spec.unit.clone()?;
        Some(Self { spec: Arc::clone(spec), rule, known: Mutex::default() })
    }

    /// The pool's file with the unit of now in it. `download` fetches the document.
    pub(super) async fn current(
        &self,
        download: impl AsyncFnOnce(&UnitRule) -> Result<String, Failure>,
    ) -> Result<Arc<PoolSpec>, Failure> {
        let mut known = self.known.lock().await;
        if let Some((spec, read_at)) = &known.spec
            && read_at.elapsed() < self.rule.refresh
        {
            return Ok(Arc::clone(spec));
        }
        if let Some((failure, failed_at)) = &known.failed
            && failed_at.elapsed() < RETRY_AFTER
        {
            return known.still().ok_or_else(|| failure.clone());
        }
        let body = match download(&self.rule).await {
            // Nobody knows the coin there yet.
            Err(Failure::HttpStatus { status: 404 }) => Ok("{}".to_owned()),
            other => other,
        };
        match body.and_then(|body| self.rule.read(body.as_bytes())) {
            Ok(decimals) => {
                let spec = match &known.spec {
                    Some((spec, _)) if spec.decimals == decimals => Arc::clone(spec),
                    _ => Arc::new(self.spec.with_decimals(decimals)),
                };
                *known = Known { spec: Some((Arc::clone(&spec), Instant::now())), failed: None };
                Ok(spec)
            }
            Err(failure) => {
                let failure = match failure {
                    Failure::UnitUnknown { .. } | Failure::RateLimited { .. } => failure,
                    other => Failure::UnitUnknown { reason: Excerpt::new(&other.to_string()) },
                };
                tracing::warn!(pool = %self.spec.name(), error = %failure, "unit_not_read");
                known.failed = Some((failure.clone(), Instant::now()));
                known.still().ok_or(failure)
            }
        }
    }
}

impl Known {
    /// What was known before a failure, while it may be gone by.
    fn still(&self) -> Option<Arc<PoolSpec>> {
        self.spec.as_ref().filter(|(_, read_at)| read_at.elapsed() < KNOWN_FOR).map(|(spec, _)| Arc::clone(spec))
    }
}

#[cfg(test)]
#[path = "unit_tests.rs"]
mod tests;
