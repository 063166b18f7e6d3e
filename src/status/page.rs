//! The status page: one document, one style sheet, one script, and the figures that the script asks for.
//!
//! Promises: the files are compiled in and nothing is loaded from elsewhere; the figures are put together at most once a second,
//! however many clients ask.

use std::time::Duration;

use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpResponse, HttpResponseBuilder};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use super::{Ask, Wish, ask, plain};

const HTML: &str = include_str!("page/index.html");
const CSS: &str = include_str!("page/status.css");
const SCRIPT: &str = include_str!("page/status.js");

/// How long figures are good for. The script asks half as often.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// Nothing from elsewhere, nothing inline, and in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What every answer says to a browser.
pub(super) fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::CONTENT_SECURITY_POLICY, POLICY))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add((header::CACHE_CONTROL, "no-store"))
        .add(("Cross-Origin-Resource-Policy", "same-origin"))
}

/// Where the figures come from, and the newest ones.
pub(super) struct Page {
    asks: mpsc::Sender<Ask>,
    last: Mutex<Option<(Instant, Figures)>>,
}

/// The figures in JSON, or why there are none and with which status.
type Figures = Result<Bytes, Missing>;

#[derive(Debug, Clone, Copy)]
enum Missing {
    Daemon,
    Form,
}

impl Page {
    pub(super) fn new(asks: mpsc::Sender<Ask>) -> Self {
        Self { asks, last: Mutex::default() }
    }

    async fn figures(&self) -> Figures {
        // Whoever comes meanwhile waits here and gets the same.
        let mut last = self.last.lock().await;
        if let Some((_, figures)) = last.as_ref().filter(|(at, _)| at.elapsed() < GOOD_FOR) {
            return figures.clone();
        }
        let figures = self.ask().await;
        *last = Some((Instant::now(), figures.clone()));
        figures
    }

    async fn ask(&self) -> Figures {
        let snapshot = ask(&self.asks, Wish::Page).await.map_err(|_| Missing::Daemon)?;
        let json = serde_json::to_vec(&snapshot.report.ok_or(Missing::Form)?);
        json.map(Bytes::from).map_err(|error| {
            tracing::error!(%error, "status_not_shown");
            Missing::Form
        })
    }
}

pub(super) async fn html() -> HttpResponse {
    file("text/html; charset=utf-8", HTML)
}

pub(super) async fn css() -> HttpResponse {
    file("text/css; charset=utf-8", CSS)
}

pub(super) async fn script() -> HttpResponse {
    file("text/javascript; charset=utf-8", SCRIPT)
}

fn file(kind: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, kind)).body(text)
}

pub(super) async fn json(page: Data<Page>) -> HttpResponse {
    let missing = |answer: HttpResponseBuilder, why: &str| plain(answer, format!("{why}\n"));
    match page.figures().await {
        Ok(figures) => HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(figures),
        Err(Missing::Daemon) => missing(HttpResponse::ServiceUnavailable(), "the daemon does not answer"),
        Err(Missing::Form) => missing(HttpResponse::InternalServerError(), "the figures cannot be shown"),
    }
}
