//! `pool-poller pools test`: what a pool file makes of an answer.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::output::print;
use super::table::visible;
use super::{Session, Stop};
use crate::app::{pool_client, rules, user_agent};
use crate::domain::listed::Record;
use crate::domain::payout::{Decision, decide, open};
use crate::domain::roster::Lists;
use crate::domain::{Amount, Counter, Listed, PlayerId, Wallet};
use crate::pools::trial::{judge, shown_headers};
use crate::pools::{Blame, Extracted, Failure, PoolSpec};
use crate::settings::redact_url;
use crate::store::book::{Book, Observation, Report};
use crate::store::{self, SchemaState};

/// Payouts of a list that are shown to a person.
const PAYOUTS_SHOWN: usize = 10;

/// Arguments of `pools test`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The pool's name.
    name: String,
    /// The address to ask about.
    #[arg(long, value_name = "ADDRESS")]
    wallet: String,
    /// Read the answer from this file instead of asking the pool.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The HTTP status that the answer of --body came with.
    #[arg(long, value_name = "CODE", default_value_t = 200, requires = "body", value_parser = clap::value_parser!(u16).range(100..=599))]
    status: u16,
    /// The number of decimals of the pool's amounts, for a file that reads it from another document of the pool.
    #[arg(long, value_name = "N", requires = "body", value_parser = clap::value_parser!(u32).range(0..=30))]
    decimals: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(session: &Session, args: Args) -> Result<(), Stop> {
    let known = || session.pools.iter().map(|pool| pool.name().as_str()).collect::<Vec<_>>().join(", ");
    let pool = session.pools.iter().find(|pool| pool.name().as_str() == args.name);
    let pool = pool.ok_or_else(|| Stop::usage(format!("there is no pool {}; there are {}", visible(&args.name), known())))?;
    let wallet: Wallet = args.wallet.parse().map_err(|error| Stop::usage(format!("--wallet: {error}")))?;
    let (from, outcome) = match &args.body {
        Some(file) => {
            let body = fs::read(file).map_err(|error| Stop::failed(format!("{}: {error}", file.display())))?;
            let from = format!("{}, {} bytes, taken for status {}", file.display(), body.len(), args.status);
            let pool = match args.decimals {
                Some(decimals) => &pool.with_decimals(decimals),
                None if pool.reads_unit() => {
                    return Err(Stop::usage(format!("{} reads its unit from another document: give --decimals", pool.name())));
                }
                None => pool,
            };
            (from, judge(pool, &wallet, args.status, &body))
        }
        None => ask(session, pool, &wallet).await?,
    };
    let ledger = match &outcome {
        Ok(found) => ledger(session, pool, &wallet, found).await?,
        Err(_) => "nothing: it is never asked".to_owned(),
    };
    let url = pool.url().shown_for(&redact_url(&pool.url().to_string()), &wallet);
    let mut headers = shown_headers(pool);
    if !headers.iter().any(|(name, _)| name == "user-agent") {
        headers.push(("user-agent".to_owned(), user_agent(&session.settings)));
    }
    let lines = [
        vec![
            ("pool", format!("{} from {}{}", pool.name(), pool.origin(), if pool.enabled() { "" } else { ", not enabled" })),
            ("request", format!("GET {url}")),
        ],
        headers.iter().map(|(name, value)| ("", format!("{name}: {value}"))).collect(),
        vec![("answer", from.clone())],
        decision_lines(&outcome),
        vec![("ledger", ledger.clone())],
    ];
    if args.json {
        let mut shown = outcome_json(&outcome);
        for (key, value) in [
            ("pool", json!(pool.name().as_str())),
            ("from", json!(pool.origin())),
            ("enabled", json!(pool.enabled())),
            ("wallet", json!(wallet.as_str())),
            ("url", json!(url)),
            ("headers", Value::Object(headers.into_iter().map(|(name, value)| (name, json!(value))).collect())),
            ("answer", json!(from)),
            ("ledger", json!(ledger)),
        ] {
            shown[key] = value;
        }
        print(format_args!("{shown:#}"))?;
    } else {
        let text: Vec<String> = lines.concat().iter().map(|(key, value)| format!("{key:<10}{}", visible(value))).collect();
        print(text.join("\n"))?;
    }
    match outcome {
        Ok(_) => Ok(()),
        Err(failure) => Err(Stop::failed(format!("no reading: {}", failure.kind()))),
    }
}

/// Asks the pool itself, once.
async fn ask(session: &Session, pool: &PoolSpec, wallet: &Wallet) -> Result<(String, Result<Extracted, Failure>), Stop> {
    let client = pool_client(&session.settings, pool.clone()).map_err(Stop::config)?;
    let began = Instant::now();
    let outcome = client.fetch(wallet).await;
    let from = match &outcome {
        Err(Failure::BadWallet { .. }) => "the pool was not asked".to_owned(),
        _ => format!("from the pool, after {} ms", began.elapsed().as_millis()),
    };
    Ok((from, outcome))
}

/// The figures beside the counter, by their names in a pool file.
fn figures(found: &Extracted) -> impl Iterator<Item = (String, Amount)> {
    let figures = &found.figures;
    [
        ("balance", figures.balance),
        ("immature", figures.immature),
        ("total_hash", figures.total_hash),
        ("total_shares", figures.total_shares),
    ]
    .into_iter()
    .filter_map(|(name, figure)| Some((name.to_owned(), figure?)))
}

/// What was paid in windows of time. It never leads to an award.
fn windows(found: &Extracted) -> impl Iterator<Item = (String, Amount)> {
    found.figures.windows.iter().map(|(name, amount)| (name.to_string(), *amount))
}

/// The listed payouts, the first [`PAYOUTS_SHOWN`] of them in full.
fn payout_lines(listed: &Listed, found: &Extracted) -> Vec<(&'static str, String)> {
    let count = listed.payouts.len();
    let mut lines = vec![("payouts", format!("{count} listed in {}", listed.source))];
    lines.extend(listed.payouts.iter().take(PAYOUTS_SHOWN).map(|payout| {
        let at = payout.time.and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
        let at = at.map(|at| at.format(" at %Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default();
        ("", format!("{} {} by {}{at}", payout.amount, found.currency, payout.id))
    }));
    if count > PAYOUTS_SHOWN {
        lines.push(("", format!("and {} more", count - PAYOUTS_SHOWN)));
    }
    lines
}

fn decision_lines(outcome: &Result<Extracted, Failure>) -> Vec<(&'static str, String)> {
    match outcome {
        Ok(found) => {
            let mut lines = vec![("decision", "reading".to_owned())];
            lines.extend(
                found
                    .counters
                    .iter()
                    .map(|counter| ("paid", format!("{} {} at {}", counter.paid, found.currency, counter.source))),
            );
            if let Some(listed) = &found.listed {
                lines.extend(payout_lines(listed, found));
            }
            lines.extend(figures(found).map(|(name, figure)| ("", format!("{name} {figure}"))));
            lines.extend(windows(found).map(|(name, figure)| ("window", format!("{name} {figure}, never a counter"))));
            lines
        }
        Err(failure) => vec![("decision", format!("{}: {failure}", failure.kind())), ("", blame(failure).to_owned())],
    }
}

fn blame(failure: &Failure) -> &'static str {
    match failure.blame() {
        Blame::Wallet => "it concerns this wallet only",
        Blame::Pool => "it counts against the pool",
    }
}

fn outcome_json(outcome: &Result<Extracted, Failure>) -> Value {
    match outcome {
        Ok(found) => {
            let counters =
                found.counters.iter().map(|counter| json!({"source": counter.source, "paid": counter.paid.to_string()}));
            let texts = |(name, figure): (String, Amount)| (name, json!(figure.to_string()));
            let mut shown = json!({
                "decision": "reading", "currency": found.currency.to_string(), "paid": counters.collect::<Vec<_>>(),
                "figures": Value::Object(figures(found).map(texts).collect()),
                "windows": Value::Object(windows(found).map(texts).collect()),
            });
            if let Some(Listed { source, payouts, window_seconds }) = &found.listed {
                let payouts = payouts
                    .iter()
                    .map(|payout| json!({"id": payout.id, "amount": payout.amount.to_string(), "time": payout.time}));
                shown["listed"] =
                    json!({"source": source, "payouts": payouts.collect::<Vec<_>>(), "window_seconds": window_seconds});
            }
            shown
        }
        Err(failure) => json!({
            "decision": failure.kind(), "reason": failure.to_string(), "counts_against_pool": failure.blame() == Blame::Pool,
        }),
    }
}

/// What the ledger would do with the reading.
async fn ledger(session: &Session, pool: &PoolSpec, wallet: &Wallet, found: &Extracted) -> Result<String, Stop> {
    match whose(session, pool, wallet).await {
        Ok(Some((mut book, player))) => {
            let reading = found.clone().into_reading(player, pool.name().clone(), wallet.clone());
            let report = book.record(&[Observation::Reading(reading)], store::now_utc()).await.map_err(Stop::failed)?;
            Ok(format!("player {player}: {}", told(&report, found)))
        }
        Ok(None) => Ok(format!("no verified player has this wallet there; for a new one: {}", new_wallet(session, found))),
        Err(why) => Ok(format!("the database was not asked ({why}); for a new wallet: {}", new_wallet(session, found))),
    }
}

/// A book that writes nothing, and the player whose wallet it is.
async fn whose(session: &Session, pool: &PoolSpec, wallet: &Wallet) -> Result<Option<(Book, PlayerId)>, String> {
    if let Some(file) = session.settings.database_url.sqlite_file().filter(|file| !file.exists()) {
        return Err(format!("there is no file {}", file.display()));
    }
    let db = session.connect().await.map_err(|stop| stop.to_string())?;
    if store::schema_state(&db).await.map_err(|error| error.to_string())? != SchemaState::Current {
        return Err("its tables are not up to date".to_owned());
    }
    let roster = store::load_roster(&db).await.map_err(|error| error.to_string())?;
    let mut lists = Lists::default();
    lists.take_up(roster);
    let (work, _) = lists.work([(pool.name(), pool.address_source())]);
    let player = work.iter().flat_map(|work| work.jobs.iter()).find(|job| job.wallet == *wallet).map(|job| job.player);
    Ok(player.map(|player| (Book::new(db, Arc::new(rules(&session.settings)), true), player)))
}

fn told(report: &Report, found: &Extracted) -> String {
    let opened = (report.opened > 0).then(|| "opens a position".to_owned());
    let awards = report.awards.iter().map(|award| format!("awards {} ADVC = {} AP", award.advc, award.points));
    let held = report.held.iter().map(|held| format!("holds {} ADVC for an operator: {}", held.advc, held.reason.as_str()));
    let dust = (report.dust > 0).then(|| "nothing yet: the rise is at most MIN_PAYOUT_DELTA, and adds up".to_owned());
    let anomalies =
        report.anomalies.iter().map(|anomaly| format!("credits nothing: {}, {}", anomaly.kind.as_str(), anomaly.detail));
    let all: Vec<String> = opened.into_iter().chain(awards).chain(held).chain(dust).chain(anomalies).collect();
    if all.is_empty() { format!("nothing: {} is accounted for already", paid(found)) } else { all.join("; ") }
}

fn paid(found: &Extracted) -> String {
    if found.listed.is_some() {
        return "what is listed".to_owned();
    }
    found.counters.iter().map(|counter| format!("{} {}", counter.paid, found.currency)).collect::<Vec<_>>().join(" or ")
}

/// What the money rule says to the first reading of a wallet.
fn new_wallet(session: &Session, found: &Extracted) -> String {
    let rules = rules(&session.settings);
    let counter = match &found.listed {
        Some(listed) => {
            let mut record = Record::default();
            // What is too large is told by the decision below.
            let _ = record.take(listed);
            Some(Counter { source: listed.source.clone(), paid: record.total })
        }
        None => found.counters.first().cloned(),
    };
    let Some(counter) = &counter else { return "nothing".to_owned() };
    let position = open(found.currency.clone(), counter, &rules.policy, true);
    let opened = format!("opens a position, counting begins at {} {} ({})", position.baseline, found.currency, counter.source);
    match decide(&position, &found.currency, counter, rules.rate(&found.currency), &rules.policy) {
        Decision::Award(credit) => format!("{opened}; awards {} ADVC = {} AP", credit.advc, credit.points),
        Decision::Hold(credit, reason) => format!("{opened}; holds {} ADVC for an operator: {}", credit.advc, reason.as_str()),
        Decision::Refuse(kind) => format!("{opened}; credits nothing: {}", kind.as_str()),
        Decision::Unchanged | Decision::Dust => opened,
    }
}
