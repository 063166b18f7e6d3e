//! What `STATUS_LISTEN` serves: the status page, figures for Prometheus and whether the daemon is well.
//!
//! It is read only: nothing but GET and HEAD is answered. It knows no actor: each request asks for a [`Snapshot`] through a
//! channel, so that a slow client or a hung actor holds up neither the daemon nor another client.

mod catalogue;
mod exposition;
mod page;
pub mod report;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{self, Data};
use actix_web::{App, FromRequest, Handler, HttpResponse, HttpServer, Resource, Responder};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Durations;
use page::Page;
use report::Report;

/// Connections at once; a scraper and a few people need a handful.
const CONNECTIONS_MAX: usize = 64;
/// How long a client may take to send its request.
const REQUEST_MAX: Duration = Duration::from_secs(5);
/// Longer than the actors together are waited for.
const SNAPSHOT_MAX: Duration = Duration::from_secs(10);

/// Everything there is to show, at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Every actor's figures, as in a `metrics_dump`.
    pub metrics: Value,
    /// From a request to the end of its answer, for each pool by name.
    pub response_times: Vec<(String, Durations)>,
    /// From a transaction's first statement to its commit.
    pub commit_time: Option<Durations>,
    /// From a notice to its acknowledgement.
    pub ack_time: Option<Durations>,
    /// Whether the database answers, or why not; it does where nobody asked for that.
    pub database: Result<(), String>,
    /// What the status page shows, where that was asked for.
    pub report: Option<Report>,
}

/// How much is asked for. Whether the daemon is well is told without the database, which may take long to not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The actors' figures alone.
    Health,
    /// And whether the database answers.
    Readiness,
    /// And all durations.
    Everything,
    /// What the status page shows, and no duration.
    Page,
}

/// A wish for a snapshot; the sender of it waits.
pub type Ask = (Wish, oneshot::Sender<Snapshot>);

/// Serves on `listener` until the process ends; `asks` receives a wish for each request. Answers where it listens.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(listener: TcpListener, asks: mpsc::Sender<Ask>) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let page = Data::new(Page::new(asks.clone()));
    let asks = Data::new(asks);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(asks.clone())
            .app_data(page.clone())
            .wrap(page::headers())
            .service(read_only("/", page::html))
            .service(read_only("/status.css", page::css))
            .service(read_only("/status.js", page::script))
            .service(read_only("/status.json", page::json))
            .service(read_only("/metrics", metrics))
            .service(read_only("/healthz", healthz))
            .service(read_only("/readyz", readyz))
            .default_service(web::to(nothing_here))
    })
    .workers(1)
    .max_connections(CONNECTIONS_MAX)
    .client_request_timeout(REQUEST_MAX)
    .disable_signals()
    .listen(listener)?
    .run();
    // It ends with the process, and nothing waits for it.
    actix_rt::spawn(server);
    Ok(address)
}

/// A resource that can be read, and nothing else.
fn read_only<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args> + Clone,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path).route(web::get().to(handler.clone())).route(web::head().to(handler)).default_service(web::to(not_allowed))
}

async fn not_allowed() -> HttpResponse {
    let mut answer = HttpResponse::MethodNotAllowed();
    answer.insert_header((header::ALLOW, "GET, HEAD"));
    plain(answer, "only GET and HEAD: nothing can be changed here\n".to_owned())
}

/// A snapshot, or the answer that says why there is none.
async fn ask(asks: &mpsc::Sender<Ask>, wish: Wish) -> Result<Snapshot, HttpResponse> {
    let (sender, receiver) = oneshot::channel();
    let asked = async { asks.send((wish, sender)).await.is_ok() };
    let answered = tokio::time::timeout(SNAPSHOT_MAX, async { if asked.await { receiver.await.ok() } else { None } }).await;
    answered.ok().flatten().ok_or_else(|| plain(HttpResponse::ServiceUnavailable(), "the daemon does not answer\n".to_owned()))
}

fn plain(mut answer: actix_web::HttpResponseBuilder, text: String) -> HttpResponse {
    answer.insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8")).body(text)
}

async fn metrics(asks: Data<mpsc::Sender<Ask>>) -> HttpResponse {
    let snapshot = match ask(&asks, Wish::Everything).await {
        Ok(snapshot) => snapshot,
        Err(answer) => return answer,
    };
    match exposition::text(&snapshot) {
        Ok(text) => HttpResponse::Ok().insert_header((header::CONTENT_TYPE, exposition::CONTENT_TYPE)).body(text),
        Err(error) => {
            tracing::error!(%error, "metrics_not_shown");
            plain(HttpResponse::InternalServerError(), format!("{error}\n"))
        }
    }
}

/// Whether every actor answers: what does not heal by itself is for a supervisor to restart.
async fn healthz(asks: Data<mpsc::Sender<Ask>>) -> HttpResponse {
    match ask(&asks, Wish::Health).await {
        Ok(snapshot) => report(&silent(&snapshot.metrics)),
        Err(answer) => answer,
    }
}

/// Whether players are polled and awarded: every actor answers, the database does and stores, and a cycle has begun. A game server that is
/// away is not part of it, because awards wait for it.
async fn readyz(asks: Data<mpsc::Sender<Ask>>) -> HttpResponse {
    let snapshot = match ask(&asks, Wish::Readiness).await {
        Ok(snapshot) => snapshot,
        Err(answer) => return answer,
    };
    let mut faults = silent(&snapshot.metrics);
    if let Err(reason) = &snapshot.database {
        faults.push(format!("the database does not answer: {reason}"));
    }
    // Not the same: the figures are read through another connection than the ledger's, and reading needs fewer rights and no room.
    if let Some(reason) = snapshot.metrics.pointer("/ledger/waits_because").and_then(Value::as_str) {
        faults.push(format!("the ledger cannot store: {reason}"));
    }
    if snapshot.metrics.pointer("/scheduler/cycles").and_then(Value::as_u64).unwrap_or(0) == 0 {
        faults.push("no cycle has begun yet".to_owned());
    }
    report(&faults)
}

async fn nothing_here() -> HttpResponse {
    plain(HttpResponse::NotFound(), "here are /, /status.json, /metrics, /healthz and /readyz\n".to_owned())
}

fn report(faults: &[String]) -> HttpResponse {
    if faults.is_empty() {
        return plain(HttpResponse::Ok(), "ok\n".to_owned());
    }
    plain(HttpResponse::ServiceUnavailable(), faults.iter().map(|fault| format!("{fault}\n")).collect())
}

/// The actors that did not tell their figures, a line each.
pub(crate) fn silent(metrics: &Value) -> Vec<String> {
    let pools = metrics["pools"].as_object().into_iter().flatten().map(|(name, figures)| (format!("pool {name}"), figures));
    let others = ["scheduler", "ledger", "notifier"].map(|name| (name.to_owned(), &metrics[name]));
    let all = others.into_iter().chain(pools);
    all.filter_map(|(actor, figures)| Some(format!("{actor} does not answer: {}", figures.get("unavailable")?.as_str()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_actor_that_does_not_answer_is_named() {
        let mut metrics = json!({ "scheduler": {}, "ledger": {}, "notifier": {}, "pools": { "rplant": { "requests": 1 } } });
        assert_eq!(silent(&metrics), Vec::<String>::new());
        metrics["ledger"] = json!({ "unavailable": "Mailbox has closed" });
        metrics["pools"]["rplant"] = json!({ "unavailable": "Message delivery timed out" });
        assert_eq!(
            silent(&metrics),
            ["ledger does not answer: Mailbox has closed", "pool rplant does not answer: Message delivery timed out"]
        );
    }
}
