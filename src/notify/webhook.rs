//! The keeper's counterpart without a socket: one signed HTTP POST an event, for a game that wants no connection.
//!
//! [`run`] speaks with its caller in the same words as [`super::connection::run`], so that everything behind it is the same
//! outbox. It promises:
//! - an event is acknowledged by a status 2xx and by nothing else; redirects are not followed;
//! - a server that is away, asks to wait (`Retry-After`) or wants no more (401, 403, 410) costs no event an attempt: nothing is
//!   sent to it but, after each pause, the one event that found out, until that is answered;
//! - at most [`WebhookSettings::concurrency`] requests are under way, and each takes at most [`WebhookSettings::timeout`].
//!
//! The headers are those of Standard Webhooks: `webhook-id` is the event id, which is the same on every retry, `webhook-timestamp`
//! the time of this request, and `webhook-signature` covers both and the body.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use awc::error::{ConnectError, SendRequestError};
use awc::http::header::{CONTENT_TYPE, USER_AGENT};
use awc::http::{StatusCode, Version};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use url::Url;

use super::connection::{is_end, unix_seconds};
use super::endpoint::Protocol;
use super::message::{Command, ConnectionEvent};
use super::outlet::Outlet;
use super::reason::{DownReason, is_tls};
use super::signing::Signer;
use super::trust;
use crate::domain::EventId;
use crate::domain::backoff::Backoff;
use crate::pools::{install_crypto, retry_after};

/// What is read of an answer at most, so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long the last answers are waited for at the end.
const FAREWELL_MAX: Duration = Duration::from_millis(500);
/// An idle connection is closed before a server's usual five seconds are over: a request at that moment would be lost.
const KEEP_ALIVE: Duration = Duration::from_secs(4);
/// The pause where the server wants no more: a person has to change something first.
const REFUSED_PAUSE: Duration = Duration::from_secs(300);

/// How the game server is reached by HTTP.
#[derive(Clone)]
pub struct WebhookSettings {
    /// Where events are posted to.
    pub url: Url,
    /// Signs each of them.
    pub signer: Signer,
    /// The certificate authorities that are trusted, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// For one request, from the first packet to the end of the answer.
    pub timeout: Duration,
    /// Requests under way at once.
    pub concurrency: usize,
    /// The shortest pause while the server is away.
    pub retry_min: Duration,
    /// The longest one.
    pub retry_max: Duration,
    /// Who is asking.
    pub user_agent: String,
}

/// Shows neither user nor password nor query.
impl fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSettings")
            .field("host", &self.url.host_str())
            .field("path", &self.url.path())
            .finish_non_exhaustive()
    }
}

/// An event on its way.
#[derive(Clone)]
struct Notice {
    event_id: EventId,
    payload: String,
}

/// What came of a request.
enum Answer {
    Taken,
    /// This event was not taken.
    NotTaken(String),
    /// Nothing is taken for now.
    Away {
        reason: DownReason,
        pause: Option<Duration>,
    },
}

enum State {
    Up,
    /// Nothing is sent before `until`; then the held notice is.
    Down {
        held: Notice,
        until: Instant,
    },
    Probing,
}

struct Done {
    notice: Notice,
    is_probe: bool,
    answer: Answer,
}

/// Posts events until told to close. Its last event is a `Down` without `retry_in`.
pub async fn run(
    settings: WebhookSettings,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<ConnectionEvent>,
    mut entropy: impl FnMut() -> u32,
) {
    let mut outlet = Outlet::new(events);
    let poster = match Poster::new(&settings) {
        Ok(poster) => poster,
        Err(reason) => return outlet.finish(ConnectionEvent::Down { reason, retry_in: None }),
    };
    let mut backoff = Backoff::new(settings.retry_min, settings.retry_max);
    let mut posting = FuturesUnordered::new();
    let mut state = State::Up;
    outlet.push(ConnectionEvent::Up { protocol: Protocol::Webhook, sid: None });
    loop {
        let is_up = matches!(state, State::Up);
        let until = if let State::Down { until, .. } = &state { Some(*until) } else { None };
        let has_room = outlet.has_room();
        tokio::select! {
            biased;
            command = commands.recv(), if !is_up || has_room && posting.len() < settings.concurrency => match command {
                Some(Command::Send { event_id, payload }) if is_up => {
                    posting.push(poster.post(Notice { event_id, payload }, false));
                }
                command if is_end(command.as_ref()) => break,
                // The caller sends again what was not acknowledged.
                _ => {}
            },
            listens = outlet.hand_over(), if !outlet.is_empty() => if !listens { break },
            Some(done) = posting.next(), if has_room => state = take(done, state, &mut outlet, &mut backoff, entropy()),
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                if let State::Down { held, .. } = std::mem::replace(&mut state, State::Probing) {
                    posting.push(poster.post(held, true));
                }
            }
        }
    }
    // Requests that are answered at the last moment count.
    let farewell = async {
        while let Some(Done { notice, answer, .. }) = posting.next().await {
            if let Answer::Taken = answer {
                outlet.push(ConnectionEvent::Acked { event_id: notice.event_id });
            }
        }
    };
    let _ = timeout(FAREWELL_MAX, farewell).await;
    outlet.finish(ConnectionEvent::Down { reason: DownReason::Stopped, retry_in: None });
}

/// Reports what came of a request, and answers the state after it.
fn take(done: Done, state: State, outlet: &mut Outlet, backoff: &mut Backoff, entropy: u32) -> State {
    let Done { notice, is_probe, answer } = done;
    let is_up = matches!(state, State::Up);
    let event_id = notice.event_id;
    match answer {
        Answer::Away { reason, pause } if is_up || is_probe => {
            let pause = pause.unwrap_or_else(|| backoff.next_delay(entropy));
            outlet.push(ConnectionEvent::Down { reason, retry_in: Some(pause) });
            return State::Down { held: notice, until: Instant::now() + pause };
        }
        // One of several that found out; the caller sends it again.
        Answer::Away { .. } => return state,
        Answer::NotTaken(_) if !is_up && !is_probe => return state,
        _ => {}
    }
    outlet.push(match answer {
        Answer::NotTaken(message) => ConnectionEvent::Nacked { event_id, message },
        _ => ConnectionEvent::Acked { event_id },
    });
    if is_probe {
        // Last, so that what was just acknowledged is not sent once more.
        outlet.push(ConnectionEvent::Up { protocol: Protocol::Webhook, sid: None });
    }
    if is_up || is_probe {
        backoff.reset();
        return State::Up;
    }
    state
}

/// Makes requests.
struct Poster {
    client: awc::Client,
    settings: Arc<WebhookSettings>,
}

impl Poster {
    fn new(settings: &WebhookSettings) -> Result<Self, DownReason> {
        install_crypto();
        let unusable = |message: String| DownReason::Unusable { message };
        let roots = trust::authorities(settings.ca_file.as_deref()).map_err(|error| unusable(format!("the CA file: {error}")))?;
        let mut tls = trust::client_config(roots).map_err(|error| unusable(error.to_string()))?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        // awc's own limits are opened to ours, which covers all steps together.
        let connector = awc::Connector::new()
            .rustls_0_23(Arc::new(tls))
            .timeout(settings.timeout)
            .handshake_timeout(settings.timeout)
            .conn_keep_alive(KEEP_ALIVE);
        let client = awc::Client::builder()
            .connector(connector)
            .max_http_version(Version::HTTP_11)
            .disable_timeout()
            .disable_redirects()
            .finish();
        Ok(Self { client, settings: Arc::new(settings.clone()) })
    }

    fn post(&self, notice: Notice, is_probe: bool) -> LocalBoxFuture<'static, Done> {
        let (client, settings) = (self.client.clone(), Arc::clone(&self.settings));
        Box::pin(async move {
            let limit = settings.timeout;
            let answer = timeout(limit, ask(&client, &settings, &notice)).await;
            let answer = answer.unwrap_or_else(|_| Answer::NotTaken(format!("no answer within {limit:?}")));
            Done { notice, is_probe, answer }
        })
    }
}

async fn ask(client: &awc::Client, settings: &WebhookSettings, notice: &Notice) -> Answer {
    let Notice { event_id, payload } = notice;
    let timestamp = unix_seconds();
    let request = client
        .post(settings.url.as_str())
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((USER_AGENT, settings.user_agent.as_str()))
        .insert_header(("webhook-id", event_id.to_string()))
        .insert_header(("webhook-timestamp", timestamp.to_string()))
        .insert_header(("webhook-signature", settings.signer.sign(*event_id, timestamp, payload)));
    let mut response = match request.send_body(payload.clone()).await {
        Ok(response) => response,
        Err(error) => return failed(&error),
    };
    let answer = meaning(response.status(), retry_after(response.headers(), SystemTime::now()));
    // Read, or else the connection cannot be used again. What it says does not matter, nor that it is too long.
    let mut bytes = 0;
    while let Some(Ok(chunk)) = response.next().await {
        bytes += chunk.len();
        if bytes > ANSWER_BYTES_MAX {
            break;
        }
    }
    answer
}

/// What a status says about the event, or about the server as a whole.
fn meaning(status: StatusCode, retry_after: Option<Duration>) -> Answer {
    let code = status.as_u16();
    let asks_to_wait = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    match status {
        _ if status.is_success() => Answer::Taken,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::GONE => {
            Answer::Away { reason: DownReason::Refused { message: format!("HTTP {code}") }, pause: Some(REFUSED_PAUSE) }
        }
        _ if asks_to_wait && (retry_after.is_some() || status == StatusCode::TOO_MANY_REQUESTS) => {
            Answer::Away { reason: DownReason::Busy { status: code }, pause: retry_after }
        }
        _ if status.is_redirection() => Answer::NotTaken(format!("HTTP {code}, and redirects are not followed")),
        _ => Answer::NotTaken(format!("HTTP {code}")),
    }
}

/// A request without an answer. Only one that surely did not arrive is no attempt: an event that the server dies of is one.
fn failed(error: &SendRequestError) -> Answer {
    let away = |reason| Answer::Away { reason, pause: None };
    match error {
        SendRequestError::Connect(ConnectError::Io(error)) if is_tls(error) => {
            away(DownReason::Tls { message: error.to_string() })
        }
        SendRequestError::Connect(ConnectError::Disconnected) => Answer::NotTaken("the connection was closed".to_owned()),
        SendRequestError::Connect(error) => away(DownReason::Unreachable { message: error.to_string() }),
        error => Answer::NotTaken(error.to_string()),
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
