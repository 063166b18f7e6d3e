//! The ceilings of fetching: a loop over awc that does nothing but ask, and wrk.

use std::cell::Cell;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_rt::System;
use serde::{Deserialize, Serialize};

use super::child::say;
use super::machine::{CORE_MEASURED, cpu_nanos, pin};

/// How the loop is started.
#[derive(Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) urls: Vec<String>,
    pub(crate) concurrency: usize,
    pub(crate) passes: usize,
}

/// One pass over all URLs.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pass {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
}

/// The process: asks for every URL as fast as awc goes, and drops the bodies unread by any parser.
pub(crate) fn run(setup: &Setup) {
    pin(CORE_MEASURED);
    System::new().block_on(async {
        let connector = awc::Connector::new().limit(0);
        let client = awc::Client::builder()
            .connector(connector)
            .max_http_version(awc::http::Version::HTTP_11)
            .disable_timeout()
            .disable_redirects()
            .finish();
        let uris: Rc<Vec<awc::http::Uri>> = Rc::new(setup.urls.iter().map(|url| url.parse().expect("a URL")).collect());
        for _ in 0..setup.passes {
            let next = Rc::new(Cell::new(0));
            let (began, cpu) = (Instant::now(), cpu_nanos());
            let workers = (0..setup.concurrency).map(|_| {
                let (client, uris, next) = (client.clone(), Rc::clone(&uris), Rc::clone(&next));
                actix_rt::spawn(async move {
                    while let Some(uri) = uris.get(next.replace(next.get() + 1)) {
                        let mut response = client.get(uri.clone()).no_decompress().send().await.expect("an answer");
                        assert!(response.status().is_success());
                        drop(response.body().await.expect("a body"));
                    }
                })
            });
            for worker in workers.collect::<Vec<_>>() {
                worker.await.expect("no panic");
            }
            let cpu = Duration::from_nanos(cpu_nanos() - cpu).as_secs_f64();
            say(&Pass { seconds: began.elapsed().as_secs_f64(), cpu_seconds: cpu });
        }
    });
}

/// Requests a second that wrk reaches on the same core with as many connections; `None` where it is not installed.
pub(crate) fn wrk(url: &str, connections: usize, seconds: u64) -> Option<f64> {
    let arguments = ["-c", &CORE_MEASURED.to_string(), "wrk", "-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), url];
    let output = Command::new("taskset").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"))?;
    line.trim().parse().ok()
}
