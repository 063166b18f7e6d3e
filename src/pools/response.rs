//! What an HTTP answer means before its body is read as JSON: statuses, `Retry-After`, errors of the client, and the
//! bounded reading of the body.

use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime};

use awc::ClientResponse;
use awc::error::{ConnectError, PayloadError, SendRequestError};
use awc::http::StatusCode;
use awc::http::header::{self, HeaderMap, HttpDate};
use futures_util::{Stream, StreamExt};

use super::body::Body;
use super::failure::{Excerpt, Failure};
use super::spec::PoolSpec;

/// The longest pause a pool may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The failure that a status means, or `None` where the body decides.
pub(super) fn status_failure(spec: &PoolSpec, status: StatusCode, headers: &HeaderMap) -> Option<Failure> {
    if status.is_success() {
        return None;
    }
    let code = status.as_u16();
    let retry_after = || retry_after(headers, SystemTime::now());
    let said = format!("HTTP status {code}");
    let failure = match spec.status.get(&code) {
        Some(outcome) => outcome.failure(&said),
        None if status == StatusCode::TOO_MANY_REQUESTS => Failure::RateLimited { retry_after: None, said: Excerpt::new(&said) },
        // Without Retry-After a 503 is just a server that does not work.
        None if status == StatusCode::SERVICE_UNAVAILABLE && retry_after().is_some() => {
            Failure::RateLimited { retry_after: None, said: Excerpt::new(&said) }
        }
        None => Failure::HttpStatus { status: code },
    };
    Some(match failure {
        Failure::RateLimited { said, .. } => Failure::RateLimited { retry_after: retry_after(), said },
        other => other,
    })
}

/// The pause that `Retry-After` asks for, in seconds or as a date; at most an hour.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than an integer holds is still "very long".
        return Some(text.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs).min(RETRY_AFTER_MAX));
    }
    let date = |text: &str| text.parse::<HttpDate>().ok().map(SystemTime::from);
    // Measured from the server's own clock where it tells it: ours may be wrong.
    let sent = headers.get(header::DATE).and_then(|value| date(value.to_str().ok()?)).unwrap_or(now);
    Some(date(text)?.duration_since(sent).unwrap_or_default().min(RETRY_AFTER_MAX))
}

/// A body as its headers describe it. `length` is what [`content_length`] says.
///
/// # Errors
/// When it cannot be undone, or is longer than `limit_bytes` by what it says itself.
pub(super) fn new_body(headers: &HeaderMap, length: Option<usize>, limit_bytes: usize) -> Result<Body, Failure> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?"));
    let Some(first) = encodings.next() else {
        let body = Body::new("", content_type, limit_bytes)?;
        return match length {
            Some(length) if length > limit_bytes => Err(Failure::BodyTooLarge { limit_bytes }),
            Some(length) => Ok(body.of_length(length)),
            None => Ok(body),
        };
    };
    // The length of a compressed body says little about what it expands to.
    let all = encodings.fold(first.to_owned(), |all, next| format!("{all},{next}"));
    Body::new(&all, content_type, limit_bytes)
}

/// The length of the body on the network, where the server says it.
pub(super) fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok())
}

/// Reads a body to its end, at most `limit_bytes` of its text. `None` for one that comes in one piece, as its text is, and that
/// `is_known`.
pub(super) async fn read_body<S, B>(
    body: &mut ClientResponse<S>,
    limit_bytes: usize,
    is_known: &dyn Fn(&[u8]) -> bool,
) -> Result<Option<String>, Failure>
where
    ClientResponse<S>: Stream<Item = Result<B, PayloadError>> + Unpin,
    B: AsRef<[u8]>,
{
    let length = content_length(body.headers());
    let mut text = new_body(body.headers(), length, limit_bytes)?;
    let mut is_same = false;
    // To its end also where it is known already: only then is the connection good for the next request.
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(payload_failure)?;
        if is_same {
            return Err(Failure::Protocol { reason: Excerpt::new("more came than the length that it says") });
        }
        is_same = text.is_text(piece.as_ref()) && is_known(piece.as_ref());
        if !is_same {
            text.write(piece.as_ref())?;
        }
    }
    if is_same {
        return Ok(None);
    }
    match length {
        // The client takes a connection that closes early for the end of the body.
        Some(length) if text.received() < length => {
            Err(Failure::Disconnected { reason: Excerpt::new(&format!("{} of {length} bytes came", text.received())) })
        }
        _ => text.finish().map(Some),
    }
}

/// The failure for an error before the body; `allowed` is the time that was allowed.
pub(super) fn send_failure(error: &SendRequestError, allowed: Duration) -> Failure {
    let reason = Excerpt::new(&error.to_string());
    match error {
        SendRequestError::Timeout | SendRequestError::Connect(ConnectError::Timeout) => Failure::Timeout { after: allowed },
        SendRequestError::Connect(ConnectError::Disconnected) => Failure::Disconnected { reason: Excerpt::new("no answer came") },
        SendRequestError::Connect(ConnectError::Io(error)) if is_tls(error) => io_failure(error),
        SendRequestError::Connect(ConnectError::Io(error))
            if matches!(error.kind(), io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown) =>
        {
            Failure::NoNetwork { reason: Excerpt::new(&error.to_string()) }
        }
        SendRequestError::Connect(error) => Failure::Connect { reason: Excerpt::new(&error.to_string()) },
        SendRequestError::Send(error) => io_failure(error),
        SendRequestError::Response(error) => match error.source().and_then(|source| source.downcast_ref()) {
            Some(error) => io_failure(error),
            None => Failure::Protocol { reason: Excerpt::new(&error.to_string()) },
        },
        _ => Failure::Protocol { reason },
    }
}

/// The failure for an error inside the body.
fn payload_failure(error: PayloadError) -> Failure {
    match error {
        // The client makes either variant of any I/O error.
        PayloadError::Io(error) | PayloadError::Incomplete(Some(error)) => {
            let reason = Excerpt::new(&error.to_string());
            match error.kind() {
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Failure::Protocol { reason },
                _ => Failure::Disconnected { reason },
            }
        }
        PayloadError::Incomplete(None) => Failure::Disconnected { reason: Excerpt::new("the body is cut") },
        other => Failure::Protocol { reason: Excerpt::new(&other.to_string()) },
    }
}

/// The failure for an I/O error on a connection that stood.
fn io_failure(error: &io::Error) -> Failure {
    let reason = Excerpt::new(&error.to_string());
    if is_tls(error) { Failure::Tls { reason } } else { Failure::Disconnected { reason } }
}

/// Whether an I/O error is the TLS library's.
fn is_tls(error: &io::Error) -> bool {
    let mut inner: Option<&(dyn Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(error) = inner {
        if error.is::<rustls::Error>() {
            return true;
        }
        inner = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(retry_after_value: &str, date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, retry_after_value.parse().unwrap());
        if let Some(date) = date {
            headers.insert(header::DATE, date.parse().unwrap());
        }
        retry_after(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_an_hour() {
        let seconds = |number| Some(Duration::from_secs(number));
        assert_eq!(pause("0", None), seconds(0));
        assert_eq!(pause(" 120 ", None), seconds(120));
        assert_eq!(pause("86400", None), seconds(3600));
        assert_eq!(pause("99999999999999999999999", None), seconds(3600));
        assert_eq!(pause("Tue, 14 Nov 2023 22:14:20 GMT", None), seconds(60));
        assert_eq!(pause("Wed, 14 Nov 2040 22:14:20 GMT", None), seconds(3600));
        assert_eq!(pause("Tue, 14 Nov 2000 22:14:20 GMT", None), seconds(0));
        let server_clock = Some("Sat, 01 Jan 2000 00:00:00 GMT");
        assert_eq!(pause("Sat, 01 Jan 2000 00:00:30 GMT", server_clock), seconds(30));
        for nonsense in ["", "-1", "soon", "1.5"] {
            assert_eq!(pause(nonsense, None), None, "{nonsense}");
        }
    }
}
