//! Every answer of the corpus, as if it had just come.

use std::sync::LazyLock;

use awc::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::extract::Extracted;
use super::failure::Failure;
use super::load;
use super::spec::PoolSpec;
use super::trial::decide;
use crate::domain::{Figures, PlayerId, raw_answer};

#[path = "../../tests/fixtures/corpus.rs"]
mod corpus;

pub(super) use corpus::corpus;

/// Answers in the corpus, at the least.
const CASES_MIN: usize = 150;

pub(super) fn built_in(pool: &str) -> &'static PoolSpec {
    static POOLS: LazyLock<Vec<PoolSpec>> = LazyLock::new(|| load(&[], &|_| Ok((None, None))).unwrap());
    POOLS.iter().find(|spec| spec.name().as_str() == pool).unwrap_or_else(|| panic!("no pool {pool}"))
}

/// An outcome as the corpus writes it.
pub(super) fn shown(outcome: &Result<Extracted, Failure>) -> String {
    match outcome {
        Ok(Extracted { currency, counters, figures, .. }) => {
            let counters: String = counters.iter().map(|counter| format!("{}={} ", counter.source, counter.paid)).collect();
            let Figures { balance, immature, total_hash, total_shares, .. } = figures;
            let figures = [balance, immature, total_hash, total_shares];
            let figures = figures.map(|figure| figure.map_or_else(|| "-".to_owned(), |amount| amount.to_string()));
            format!("{currency} {counters}[{}]", figures.join(" "))
        }
        Err(failure @ Failure::EmptyBody { .. }) => format!("{} {:?}", failure.kind(), failure.blame()),
        Err(failure) => failure.kind().to_owned(),
    }
}

/// The answer as it is kept with a snapshot.
pub(super) fn kept(extracted: &Extracted) -> String {
    let (pool, wallet) = ("pool".parse().unwrap(), "W".parse().unwrap());
    extracted.clone().into_reading(PlayerId(1), pool, wallet).kept_answer()
}

/// What holds for every outcome.
pub(super) fn check_outcome(outcome: &Result<Extracted, Failure>) {
    match outcome {
        Ok(extracted) => {
            assert!(!extracted.counters.is_empty());
            assert!(extracted.raw.len() <= raw_answer::TEXT_BYTES_MAX);
            let raw = &kept(extracted);
            assert!(raw.len() <= raw_answer::BYTES_MAX && !raw.contains("\\u0000") && !raw.contains('\0'), "{raw}");
            assert!(serde_json::from_str::<serde_json::Value>(raw).unwrap().is_object());
        }
        Err(failure) => {
            let text = failure.to_string();
            assert!(!text.contains(char::is_control) && text.chars().count() < 400, "{text}");
        }
    }
}

#[test]
fn every_answer_of_the_corpus_is_decided_as_it_says() {
    let cases = corpus();
    let mut wrong = Vec::new();
    for case in &cases {
        let spec = built_in(&case.pool);
        let wallet = case.wallet.parse().unwrap();
        assert_eq!(spec.check_wallet(&wallet), Ok(()), "{}", case.label);
        let mut headers = HeaderMap::new();
        for (name, value) in &case.headers {
            headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let outcome = decide(spec, &wallet, case.status, &headers, &case.body);
        check_outcome(&outcome);
        if shown(&outcome) != case.expect {
            wrong.push(format!("{}: expected {}, came {outcome:?}", case.label, case.expect));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() >= CASES_MIN, "{}", cases.len());
}
