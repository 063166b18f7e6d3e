//! The figures in the text format of Prometheus.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder as _, TextEncoder};
use serde_json::Value;

use super::Snapshot;
use super::catalogue::{BREAKER_STATES, DAEMON, Family, Kind, POOL, RESTARTS};
use crate::metrics::Durations;

/// The format's media type.
pub(super) const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Upper bounds of the histograms' buckets, in milliseconds: from a commit on a fast disk to a pool's longest time-out.
const BUCKETS_MS: [u64; 14] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

type Labels<'a> = Vec<(&'static str, &'a str)>;

/// All figures of `snapshot`. What an actor did not tell is left out.
///
/// # Errors
/// When the format cannot say it.
pub(super) fn text(snapshot: &Snapshot) -> prometheus::Result<String> {
    let metrics = &snapshot.metrics;
    let mut families = Families::default();
    let version = metrics["version"].as_str().unwrap_or_default();
    families.add(
        "build_info",
        "The running version.",
        MetricType::GAUGE,
        vec![single(vec![("version", version)], Kind::Gauge, 1.0)],
    );
    let up = |up: bool| vec![single(vec![], Kind::Gauge, f64::from(u8::from(up)))];
    families.add("database_up", "Whether the database answers.", MetricType::GAUGE, up(snapshot.database.is_ok()));
    if let Some(socket) = metrics.pointer("/notifier/socket") {
        families.add("game_connected", "Whether the game server is connected.", MetricType::GAUGE, up(socket == "up"));
    }
    for family in DAEMON {
        families.add_family(family, values(family, metrics, &[]));
    }
    let pools: Vec<(&str, &Value)> =
        metrics["pools"].as_object().into_iter().flatten().map(|(name, of)| (name.as_str(), of)).collect();
    for family in POOL {
        families.add_family(family, pools.iter().flat_map(|(name, of)| values(family, of, &[("pool", name)])).collect());
    }
    let states = pools.iter().filter_map(|(name, of)| Some((name, of["backoff_state"].as_str()?)));
    let states = states.flat_map(|(name, now)| {
        BREAKER_STATES.map(|state| single(vec![("pool", name), ("state", state)], Kind::Gauge, f64::from(u8::from(state == now))))
    });
    families.add("pool_breaker_state", "1 for the state of the pool's circuit breaker.", MetricType::GAUGE, states.collect());
    let restarts = RESTARTS.iter().filter_map(|(actor, pointer)| Some(((*actor).to_owned(), number(metrics.pointer(pointer)?)?)));
    let of_pools = pools.iter().filter_map(|(name, of)| Some((format!("pool {name}"), number(&of["restarts"])?)));
    let restarts: Vec<Metric> =
        restarts.chain(of_pools).map(|(actor, count)| single(vec![("actor", &actor)], Kind::Counter, count)).collect();
    families.add("actor_restarts_total", "Restarts after a failure.", MetricType::COUNTER, restarts);
    let responses = snapshot.response_times.iter().map(|(pool, times)| histogram(vec![("pool", pool)], times)).collect();
    families.add("pool_response_seconds", "From a request to the end of its answer.", MetricType::HISTOGRAM, responses);
    let commits = snapshot.commit_time.iter().map(|times| histogram(vec![], times)).collect();
    families.add("commit_seconds", "From a transaction's first statement to its commit.", MetricType::HISTOGRAM, commits);
    let acks = snapshot.ack_time.iter().map(|times| histogram(vec![], times)).collect();
    families.add("notice_ack_seconds", "From a notice to its acknowledgement.", MetricType::HISTOGRAM, acks);
    let mut text = Vec::new();
    TextEncoder::new().encode(&families.0, &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[derive(Default)]
struct Families(Vec<MetricFamily>);

impl Families {
    fn add(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        // The format has no family without a figure.
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(format!("pool_poller_{name}"));
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }

    fn add_family(&mut self, family: &Family, metrics: Vec<Metric>) {
        let kind = if family.kind == Kind::Counter { MetricType::COUNTER } else { MetricType::GAUGE };
        self.add(family.name, family.help, kind, metrics);
    }
}

/// The figures of `family` in `of`; none where there is no number.
fn values(family: &Family, of: &Value, labels: &[(&'static str, &str)]) -> Vec<Metric> {
    let Some(value) = of.pointer(family.pointer) else { return Vec::new() };
    let Some(label) = family.label else {
        return number(value).map(|value| single(labels.to_vec(), family.kind, value)).into_iter().collect();
    };
    let several = value.as_object().into_iter().flatten();
    several.filter_map(|(key, value)| Some(single([labels, &[(label, key)]].concat(), family.kind, number(value)?))).collect()
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        // An exact amount.
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn labelled(labels: Labels<'_>) -> Metric {
    let pairs = labels.into_iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}

fn single(labels: Labels<'_>, kind: Kind, value: f64) -> Metric {
    let mut metric = labelled(labels);
    if kind == Kind::Counter {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    }
    metric
}

fn histogram(labels: Labels<'_>, times: &Durations) -> Metric {
    let buckets = BUCKETS_MS.iter().map(|ms| {
        let bound = std::time::Duration::from_millis(*ms);
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound.as_secs_f64());
        bucket.set_cumulative_count(times.count_up_to(bound));
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(times.count());
    histogram.set_sample_sum(times.sum_seconds());
    let mut metric = labelled(labels);
    metric.set_histogram(histogram);
    metric
}

#[cfg(test)]
#[path = "exposition_tests.rs"]
mod tests;
