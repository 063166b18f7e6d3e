//! One request to a simulated pool: which pool and wallet it asks for, and the answer or the fault it gets.
//!
//! Paths and queries are read from the raw request line, because NOMP takes its address from there undecoded.

use std::convert::Infallible;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use futures_util::stream::{self, Stream};
use percent_encoding::percent_decode_str;

use super::pools_record::{SeenRequest, Shared};
use super::script::Fault;
use super::shapes::{Answer, Question, Shape, render};
use super::world::SimPool;

/// A second handle of the client's connection, kept with it so that it can be dropped without an answer.
pub(super) struct Connection(pub(super) TcpStream);

/// The path of each pool's wallet API, up to where the wallet follows.
pub(super) fn base_path(pool: SimPool) -> &'static str {
    match pool {
        SimPool::CpuPool => "/cpu-pool/api/worker_stats",
        SimPool::Rplant => "/rplant/api/walletEx/advc",
        SimPool::Zpool => "/zpool/api/walletEx",
        SimPool::Extra => "/extra/api",
    }
}

/// What a request line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    pool: SimPool,
    coin: String,
    address: Option<String>,
}

/// Finds the pool and the wallet of a request, as the real pools do; `None` where no pool has such a path.
fn locate(path: &str, query: Option<&str>, cpu_pool: Shape) -> Option<Asked> {
    let asked = |pool, coin: &str, address: Option<String>| {
        Some(Asked { pool, coin: coin.to_owned(), address: address.filter(|address| !address.is_empty()) })
    };
    let mut parts = path.strip_prefix('/')?.split('/');
    let (pool, rest) = (parts.next()?, parts.collect::<Vec<_>>());
    match (pool, rest.as_slice()) {
        ("cpu-pool", ["api", "worker_stats"]) => {
            let raw = query.and_then(|query| query.split('.').next()).map(str::to_owned);
            let documented = if cpu_pool == Shape::CpuPoolDocumented { parameter(query, "addr") } else { None };
            asked(SimPool::CpuPool, "", documented.or(raw))
        }
        ("rplant", ["api", "wallet" | "walletEx", coin, wallet]) => asked(SimPool::Rplant, &decode(coin), Some(decode(wallet))),
        ("zpool", ["api", "wallet" | "walletEx"]) => asked(SimPool::Zpool, "", parameter(query, "address")),
        ("extra", ["api", wallet]) => asked(SimPool::Extra, "", Some(decode(wallet))),
        _ => None,
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    url::form_urlencoded::parse(query?.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Answers a request to any path.
pub(super) async fn serve(request: HttpRequest, shared: Data<Arc<Shared>>) -> HttpResponse {
    let uri = request.uri();
    let Some(asked) = locate(uri.path(), uri.query(), shared.shape(SimPool::CpuPool)) else {
        return HttpResponse::NotFound().body("Not Found");
    };
    if request.method() != Method::GET {
        return HttpResponse::MethodNotAllowed().finish();
    }
    let headers = request.headers().iter();
    let seen = SeenRequest {
        path_and_query: uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        address: asked.address.clone(),
        fault: None,
    };
    let Some(fault) = shared.arrive(asked.pool, seen) else {
        let answer = answer(&shared, &asked, true);
        shared.answered(asked.pool);
        return send(answer);
    };
    misbehave(fault, &request, &shared, asked).await
}

/// The good answer. `shown` notes with it that the wallet's figures were shown.
fn answer(shared: &Shared, asked: &Asked, shown: bool) -> Answer {
    let (shape, currency) = (shared.shape(asked.pool), shared.currency());
    let mut world = shared.world();
    let question = Question { address: asked.address.as_deref(), coin: &asked.coin, currency: &currency };
    let answer = render(&world, shape, question);
    if shown && shape == Shape::NompPayments {
        let wallets: Vec<Arc<str>> = world.payouts().iter().map(|payout| Arc::clone(&payout.wallet)).collect();
        for wallet in wallets {
            world.mark_shown(asked.pool, &wallet);
        }
    } else if let Some(address) = asked.address.as_deref().filter(|_| shown) {
        world.mark_shown(asked.pool, address);
    }
    answer
}

fn send(answer: Answer) -> HttpResponse {
    builder(answer.status).insert_header((header::CONTENT_TYPE, answer.content_type)).body(answer.body)
}

async fn misbehave(fault: Fault, request: &HttpRequest, shared: &Shared, asked: Asked) -> HttpResponse {
    match fault {
        Fault::Status { code, body, headers } => {
            let mut response = builder(code);
            response.insert_header((header::CONTENT_TYPE, "text/plain"));
            for (name, value) in headers {
                response.insert_header((name, value));
            }
            response.body(body)
        }
        Fault::Body { bytes, content_type } => HttpResponse::Ok().insert_header((header::CONTENT_TYPE, content_type)).body(bytes),
        Fault::AnswerFor(wallet) => send(answer(shared, &Asked { address: Some(wallet), ..asked }, false)),
        Fault::Hang => std::future::pending().await,
        Fault::Close => {
            if let Some(Connection(socket)) = request.conn_data() {
                // It fails only where the client has gone already, which is as good.
                let _ = socket.shutdown(Shutdown::Both);
            }
            // The socket takes no more bytes: nothing of this is sent.
            HttpResponse::InternalServerError().force_close().finish()
        }
        Fault::Delay(delay) => {
            actix_rt::time::sleep(delay).await;
            send(answer(shared, &asked, true))
        }
        Fault::EndlessBody => HttpResponse::Ok().content_type("application/json").streaming(endless_json()),
        Fault::Drip(pause) => {
            let answer = answer(shared, &asked, false);
            builder(answer.status)
                .insert_header((header::CONTENT_TYPE, answer.content_type))
                .streaming(drip(answer.body.into_bytes(), pause))
        }
    }
}

/// A status that HTTP does not allow becomes 500.
fn builder(status: u16) -> HttpResponseBuilder {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
}

/// `{"paid":1,"junk":[0,0,0,…` without end, as fast as the client reads.
fn endless_json() -> impl Stream<Item = Result<Bytes, Infallible>> {
    let more = Bytes::from("0,".repeat(8 * 1_024));
    stream::unfold(Bytes::from_static(br#"{"paid":1,"junk":["#), move |chunk| {
        let more = more.clone();
        async move {
            // The stream is always ready; without this the other connections of this thread would starve.
            tokio::task::yield_now().await;
            Some((Ok(chunk), more))
        }
    })
}

fn drip(body: Vec<u8>, pause: Duration) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(body.into_iter(), move |mut rest| async move {
        let byte = rest.next()?;
        actix_rt::time::sleep(pause).await;
        Some((Ok(Bytes::from(vec![byte])), rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(target: &str, cpu_pool: Shape) -> Option<(SimPool, Option<String>)> {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        locate(path, query, cpu_pool).map(|asked| (asked.pool, asked.address))
    }

    #[test]
    fn each_pool_reads_the_wallet_in_its_own_way() {
        for (target, pool, wallet) in [
            ("/cpu-pool/api/worker_stats?W", SimPool::CpuPool, Some("W")),
            ("/cpu-pool/api/worker_stats?W.rig1", SimPool::CpuPool, Some("W")),
            ("/cpu-pool/api/worker_stats?addr=W", SimPool::CpuPool, Some("addr=W")),
            ("/cpu-pool/api/worker_stats?a%3Ab", SimPool::CpuPool, Some("a%3Ab")),
            ("/cpu-pool/api/worker_stats?", SimPool::CpuPool, None),
            ("/cpu-pool/api/worker_stats", SimPool::CpuPool, None),
            ("/rplant/api/walletEx/advc/a%2Fb%20c", SimPool::Rplant, Some("a/b c")),
            ("/rplant/api/walletEx/advc/", SimPool::Rplant, None),
            ("/zpool/api/walletEx?address=a%26b", SimPool::Zpool, Some("a&b")),
            ("/zpool/api/walletEx", SimPool::Zpool, None),
            ("/extra/api/W", SimPool::Extra, Some("W")),
        ] {
            assert_eq!(address(target, Shape::CpuPoolNomp), Some((pool, wallet.map(str::to_owned))), "{target}");
        }
        for target in ["/", "/other/api/W", "/extra/api/W/more", "/zpool/api/status"] {
            assert_eq!(address(target, Shape::CpuPoolNomp), None, "{target}");
        }
    }

    #[test]
    fn the_documented_cpu_pool_takes_both_forms() {
        for target in ["/cpu-pool/api/worker_stats?addr=W", "/cpu-pool/api/worker_stats?W"] {
            assert_eq!(address(target, Shape::CpuPoolDocumented), Some((SimPool::CpuPool, Some(String::from("W")))), "{target}");
        }
    }
}
