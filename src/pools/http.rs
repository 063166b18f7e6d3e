//! Asks one pool about one wallet over HTTP.
//!
//! Promises: the URL that is requested is the template with the wallet in place, byte for byte; only the configured
//! pool is contacted, and a redirect followed only if it stays there (`redirect`); a wallet of the wrong form is never
//! sent; one answer takes at most the time and the memory that the pool file allows, whatever the server does; no secret
//! appears in a failure or in the kept answer. It leaves pacing, retries and the breaker to its caller.
//!
//! gzip alone is asked for, which every server has; `deflate` means two things, and `br` gains nothing on answers of this
//! size. What comes is undone by `body`, not by awc, which would expand a whole piece of the network before anybody can
//! say stop (measured: 8 MiB above the limit with gzip, and without any bound with Brotli).
//!
//! A [`PoolClient`] belongs to the thread that made it.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::panic;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use awc::SendClientRequest;
use awc::http::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue, TRANSFER_ENCODING, USER_AGENT,
};
use awc::http::uri::InvalidUri;
use awc::http::{StatusCode, Uri, Version};
use foldhash::quality::RandomState;
use secrecy::{ExposeSecret, SecretString};

use super::extract::{Extracted, extract_from};
use super::failure::{Excerpt, Failure};
use super::feed::FeedReader;
use super::redirect::{REDIRECTS_MAX, target};
use super::response::{read_body, send_failure, status_failure};
use super::spec::PoolSpec;
use super::template::RequestUrl;
use super::unit::UnitReader;
use crate::domain::Wallet;
use crate::domain::agenda::Digest;
use crate::time_limit::TimeLimit;

/// A longer body is read on a blocking thread, so that the other actors of this thread go on.
const PARSE_IN_PLACE_BYTES_MAX: usize = 64 << 10;
/// A shorter secret is not looked for in answers: it would be found in every figure.
const REDACT_CHARS_MIN: usize = 8;

/// How long an idle connection is kept. Node, which NOMP runs on, closes one after five seconds: a request sent at that
/// moment would be lost and look like a failure of the pool.
const KEEP_ALIVE: Duration = Duration::from_secs(4);

/// What all pools share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// The total time for one answer, unless the pool file sets its own.
    pub timeout: Duration,
    /// The `User-Agent`, unless the pool file sets its own: some pools ban clients without one.
    pub user_agent: String,
}

/// Why there is no client for a pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The pool file wants a secret that is not there.
    #[error(
        "pool {pool}: the secret {name} is not set: put it into the environment variable {name}, or into the file that {name}_FILE names"
    )]
    MissingSecret {
        /// The pool.
        pool: String,
        /// The environment variable.
        name: String,
    },
    /// A header cannot be sent with this value. The value is not shown.
    #[error("pool {pool}: the value of the header {header} holds characters that a header cannot hold")]
    BadHeader {
        /// The pool.
        pool: String,
        /// The header.
        header: String,
    },
}

/// A client for one pool.
pub struct PoolClient {
    pub(super) spec: Arc<PoolSpec>,
    client: awc::Client,
    pub(super) url: RequestUrl,
    /// The document that says the unit, where there is one, and who keeps it.
    unit: Option<Unit>,
    headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) timeout: TimeLimit,
    /// The secrets that answers are searched for.
    secrets: Vec<SecretString>,
    /// With a seed of its own, so that no pool can send two answers that look the same.
    hashes: RandomState,
}

/// What a pool said about a wallet.
#[derive(Debug)]
pub enum Fetched {
    /// The same as the last time.
    Same,
    /// This, and what it can be told by from other answers; `None` where that is not looked at.
    New(Box<Extracted>, Option<Digest>),
}

/// Where a pool says its unit.
struct Unit {
    url: RequestUrl,
    reader: UnitReader,
    timeout: TimeLimit,
}

/// Makes ring the process's TLS provider, unless there is one already. May be called any number of times.
pub fn install_crypto() {
    // The error says that another one is installed, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl PoolClient {
    /// A client for `spec`. `secret` looks up a `{secret:NAME}`, normally in the environment.
    ///
    /// # Errors
    /// When a secret is not there or a header cannot hold it.
    pub fn new(
        spec: Arc<PoolSpec>,
        settings: &HttpSettings,
        secret: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ClientError> {
        install_crypto();
        let pool = || spec.name().to_string();
        let lookup = |name: &str| secret(name).filter(|value| !value.is_empty()).map(SecretString::from);
        let missing = |name: String| ClientError::MissingSecret { pool: pool(), name };
        let url = spec.url.resolve(&lookup).map_err(missing)?;
        let unit = match (&spec.unit, UnitReader::new(&spec)) {
            (Some(rule), Some(reader)) => {
                let url = rule.url.resolve(&lookup).map_err(missing)?;
                Some(Unit { url, reader, timeout: TimeLimit::new(rule.timeout) })
            }
            _ => None,
        };
        let mut headers = Vec::new();
        for (name, template) in &spec.headers {
            let value = template.resolve(&lookup).map_err(missing)?;
            headers.push((name.clone(), header_value(&value).map_err(|_| bad_header(&spec, name))?));
        }
        if !headers.iter().any(|(name, _)| name == USER_AGENT) {
            let value = settings.user_agent.parse().map_err(|_| bad_header(&spec, &USER_AGENT))?;
            headers.push((USER_AGENT, value));
        }
        if !headers.iter().any(|(name, _)| name == ACCEPT_ENCODING) {
            headers.push((ACCEPT_ENCODING, HeaderValue::from_static("gzip")));
        }
        let secrets = spec.secret_names().into_iter().filter_map(|name| lookup(&name));
        let secrets = secrets.filter(|value| value.expose_secret().chars().count() >= REDACT_CHARS_MIN).collect();
        let timeout = spec.limits().timeout.unwrap_or(settings.timeout);
        // awc's own limits (5 s for each step) are opened to ours, which covers all steps together.
        let connector = awc::Connector::new().timeout(timeout).handshake_timeout(timeout).conn_keep_alive(KEEP_ALIVE);
        let client = awc::Client::builder()
            .connector(connector)
            // A dead HTTP/2 connection would swallow every request until it ages out; here one time-out closes it.
            .max_http_version(Version::HTTP_11)
            .disable_timeout()
            .disable_redirects()
            .finish();
        Ok(Self { spec, client, url, unit, headers, timeout: TimeLimit::new(timeout), secrets, hashes: RandomState::default() })
    }

    /// The pool's file.
    #[must_use]
    pub fn spec(&self) -> &Arc<PoolSpec> {
        &self.spec
    }

    /// The longest that a request can take: its answer, or the pages of a feed, and the document with the unit before.
    #[must_use]
    pub fn time_max(&self) -> Duration {
        let pages = FeedReader::new(Arc::clone(&self.spec), &[]).map_or(1, |reader| reader.pages().len());
        let unit = self.spec.unit.as_ref().map_or(Duration::ZERO, |unit| unit.timeout);
        self.timeout.duration() * u32::try_from(pages).unwrap_or(u32::MAX) + unit
    }

    /// Asks the pool about `wallet`. Dropping the future closes the connection.
    ///
    /// # Errors
    /// When there is no reading, with the reason.
    ///
    /// # Panics
    /// A panic of the code that reads answers goes on to the caller, on whichever thread it happened.
    pub async fn fetch(&self, wallet: &Wallet) -> Result<Extracted, Failure> {
        if self.spec.is_feed() {
            return self.fetch_from_feed(wallet).await;
        }
        self.spec.check_wallet(wallet)?;
        let (spec, body) = self.answer(wallet, None).await?;
        Ok(*read_answer(spec, wallet, body.unwrap_or_default()).await?)
    }

    /// The same, but an answer that is the same as `last`, an earlier one about this wallet, is not read again.
    ///
    /// # Errors
    /// When there is no reading, with the reason.
    ///
    /// # Panics
    /// A panic of the code that reads answers goes on to the caller, on whichever thread it happened.
    pub async fn fetch_unless(&self, wallet: &Wallet, last: Option<Digest>) -> Result<Fetched, Failure> {
        // What few pools need is in boxes of its own: this future is made for each request, and should be small.
        if self.spec.is_feed() {
            return Ok(Fetched::New(Box::new(Box::pin(self.fetch_from_feed(wallet)).await?), None));
        }
        if last.is_none() {
            self.spec.check_wallet(wallet)?;
        }
        let (spec, body) = self.answer(wallet, last).await?;
        let Some(body) = body else { return Ok(Fetched::Same) };
        let digest = is_read_in_place(&body).then(|| self.digest(&spec, body.as_bytes()));
        if digest.is_some() && digest == last {
            return Ok(Fetched::Same);
        }
        let found = match digest {
            Some(_) => Box::new(extract_from(&spec, wallet, body)?),
            None => Box::pin(read_answer(spec, wallet, body)).await?,
        };
        Ok(Fetched::New(found, digest))
    }

    async fn fetch_from_feed(&self, wallet: &Wallet) -> Result<Extracted, Failure> {
        self.spec.check_wallet(wallet)?;
        let missing = Failure::CounterMissing { expected: "the wallet".to_owned() };
        self.fetch_feed(std::slice::from_ref(wallet)).await?.remove(wallet).unwrap_or(Err(missing))
    }

    /// The text of the pool's answer, and the file to read it by. No text says that it is the same as `last`, which could be seen
    /// before it was decoded.
    async fn answer(&self, wallet: &Wallet, last: Option<Digest>) -> Result<(Arc<PoolSpec>, Option<String>), Failure> {
        let spec = match &self.unit {
            Some(_) => Box::pin(self.spec_of_now()).await?,
            None => Arc::clone(&self.spec),
        };
        let body_bytes_max = self.spec.limits().body_bytes_max;
        let is_known = |body: &[u8]| last.is_some() && Some(self.digest(&spec, body)) == last;
        let wanted = Wanted { spec: &self.spec, body_bytes_max, limit: &self.timeout, is_known: &is_known };
        let body = self.get_unless(self.url.for_wallet(wallet), &wanted).await?;
        Ok((spec, body))
    }

    /// Of the text of a whole answer.
    fn digest(&self, spec: &PoolSpec, text: &[u8]) -> Digest {
        Digest::new(self.hashes.hash_one((spec.decimals, text)))
    }

    /// The pool's file with the unit of now in it, where another document says the unit.
    pub(super) async fn spec_of_now(&self) -> Result<Arc<PoolSpec>, Failure> {
        let Some(Unit { url, reader, timeout }) = &self.unit else { return Ok(Arc::clone(&self.spec)) };
        // What a status means for a wallet, it does not mean for this document.
        let plain = PoolSpec { status: BTreeMap::new(), ..self.spec.as_ref().clone() };
        reader.current(async |rule| self.get(&plain, url.for_page(1), rule.body_bytes_max, timeout).await).await
    }

    /// The body of one good answer, without secrets.
    pub(super) async fn get(
        &self,
        spec: &PoolSpec,
        url: String,
        body_bytes_max: usize,
        limit: &TimeLimit,
    ) -> Result<String, Failure> {
        let wanted = Wanted { spec, body_bytes_max, limit, is_known: &|_| false };
        Ok(self.get_unless(url, &wanted).await?.unwrap_or_default())
    }

    /// The same, or `None` for one that is known.
    async fn get_unless(&self, url: String, wanted: &Wanted<'_>) -> Result<Option<String>, Failure> {
        let body = wanted.limit.run(pin!(self.download(url, wanted))).await;
        Ok(body.ok_or(Failure::Timeout { after: wanted.limit.duration() })??.map(|body| self.redact(body)))
    }
}

/// Which answer is wanted. Apart from the futures that ask for it, each of which would hold all of it.
struct Wanted<'a> {
    /// What says which statuses mean something.
    spec: &'a PoolSpec,
    body_bytes_max: usize,
    limit: &'a TimeLimit,
    /// Whether these bytes, where they are the text as it comes, are one that need not be read.
    is_known: &'a dyn Fn(&[u8]) -> bool,
}

async fn read_answer(spec: Arc<PoolSpec>, wallet: &Wallet, body: String) -> Result<Box<Extracted>, Failure> {
    if is_read_in_place(&body) {
        return extract_from(&spec, wallet, body).map(Box::new);
    }
    let wallet = wallet.clone();
    off_thread(move || extract_from(&spec, &wallet, body).map(Box::new)).await
}

/// Whether a body takes so little time to read that it needs no thread of its own.
pub(super) fn is_read_in_place(body: &str) -> bool {
    body.len() <= PARSE_IN_PLACE_BYTES_MAX
}

/// Reads a body on another thread.
pub(super) async fn off_thread<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match actix_rt::task::spawn_blocking(read).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => panic::resume_unwind(payload),
            // Only a runtime that shuts down cancels a blocking task.
            Err(error) => Err(Failure::Panic { reason: Excerpt::new(&error.to_string()) }),
        },
    }
}

impl PoolClient {
    /// The body of a good answer, behind the redirects that may be followed. `None` for one that is known.
    async fn download(&self, mut url: String, wanted: &Wanted<'_>) -> Result<Option<String>, Failure> {
        let mut followed = 0;
        let mut response = loop {
            let uri: Uri =
                url.try_into().map_err(|error: InvalidUri| Failure::Protocol { reason: Excerpt::new(&error.to_string()) })?;
            let response = self.request(uri.clone()).await.map_err(|error| send_failure(&error, wanted.limit.duration()))?;
            let (status, headers) = (response.status(), response.headers());
            match if status.is_redirection() { target(wanted.spec, &uri.to_string(), status, headers)? } else { None } {
                Some(_) if followed == REDIRECTS_MAX => {
                    let reason = format!("once more after {REDIRECTS_MAX} redirects");
                    return Err(Failure::Redirect { status: status.as_u16(), reason });
                }
                Some(next) => (url, followed) = (next, followed + 1),
                None if status == StatusCode::NO_CONTENT => return Ok(Some(String::new())),
                None => match status_failure(wanted.spec, status, headers) {
                    Some(failure) => return Err(failure),
                    None => break response,
                },
            }
        };
        let body = read_body(&mut response, wanted.body_bytes_max, wanted.is_known).await?;
        if body.as_ref().is_some_and(String::is_empty) && is_unreadable(response.version(), response.headers()) {
            return Err(Failure::Protocol {
                reason: Excerpt::new(
                    "its body has neither a length nor chunks but ends with the connection, which is allowed and which this program cannot read",
                ),
            });
        }
        Ok(body)
    }

    /// The request itself is no part of the future that waits for its answer.
    fn request(&self, uri: Uri) -> SendClientRequest {
        let mut request = self.client.get(uri).no_decompress();
        for (name, value) in &self.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        request.send()
    }

    /// The body without any secret that the pool echoes, so that none reaches a log or the database.
    fn redact(&self, body: String) -> String {
        let secrets = || self.secrets.iter().map(|secret| secret.expose_secret());
        secrets().fold(body, |text, secret| if text.contains(secret) { text.replace(secret, "***") } else { text })
    }
}

/// Whether an empty body may be one that awc cannot see: it takes an HTTP/1.1 answer that ends with the connection for
/// an empty one (actix-web#2287). Told apart, because an empty body has a meaning on some pools.
fn is_unreadable(version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_11 && !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING)
}

fn header_value(value: &SecretString) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(value.expose_secret())?;
    value.set_sensitive(true);
    Ok(value)
}

fn bad_header(spec: &PoolSpec, header: &HeaderName) -> ClientError {
    ClientError::BadHeader { pool: spec.name().to_string(), header: header.to_string() }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
