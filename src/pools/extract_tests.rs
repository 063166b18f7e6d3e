use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::pools::failure::Blame;
use crate::pools::load;

/// The wallets that the fixtures speak about.
const ADVC_WALLET: &str = "AMf6wPvUz9GTjMyPbUFyXwaJxJqQWg3kd8";
const BTC_WALLET: &str = "1BoatSLRHtKNngkdXEobR76b53LETtpyT";

/// What the built-in pool files make of each fixture: currency, counters and figures (balance, immature, hash rate,
/// shares), or the kind of the failure. Every file of the directories is in the table.
const DECISIONS: &[(&str, &[(&str, &str)])] = &[
    (
        "cpu-pool",
        &[
            ("documented.json", "ADVC /paid=10.5 [1.2 0.5 12345.67 98765]"),
            ("real.json", "ADVC /paid=11 [0.00000001 0.0000005 1234.5 0.1]"),
            ("real_unrounded.json", "ADVC /paid=10.5 [0.00000001 0.0000005 1234.5 0.1]"),
            ("real_exponent.json", "ADVC /paid=0.0000001 [0.00000001 0.0000005 1234.5 0.1]"),
            // The same as a new miner's answer: nobody can tell, and a zero awards nothing.
            ("unknown_wallet.json", "ADVC /paid=0 [0 0 0 0]"),
            ("url_form_wrong.json", "identity_mismatch"),
            ("other_wallet.json", "identity_mismatch"),
            ("other_case.json", "identity_mismatch"),
            ("no_address.json", "pool_error"),
            ("redis_error.json", "counter_missing"),
            ("hash_is_null.json", "ADVC /paid=10.5 [- - - -]"),
            ("paid_null.json", "bad_number"),
            ("paid_true.json", "bad_number"),
            ("paid_object.json", "bad_number"),
            ("paid_array.json", "bad_number"),
            ("paid_empty_string.json", "bad_number"),
            ("paid_negative.json", "bad_number"),
            ("paid_too_large.json", "bad_number"),
            ("paid_exponent_too_large.json", "bad_number"),
            ("paid_text_comma.json", "bad_number"),
            ("paid_text_unit.json", "bad_number"),
            ("paid_text_nan.json", "bad_number"),
            ("paid_text_blank.json", "bad_number"),
            ("paid_text_hex.json", "bad_number"),
            ("paid_text.json", "ADVC /paid=10.5 [1.2 - - -]"),
            ("paid_most.json", "ADVC /paid=1000000000000000 [- - - -]"),
            ("paid_tiny.json", "ADVC /paid=0 [- - - -]"),
            ("paid_many_digits.json", "ADVC /paid=10.12345678 [- - - -]"),
            ("paid_huge_integer.json", "bad_number"),
            ("duplicate_keys.json", "ADVC /paid=10.5 [- - - -]"),
            ("deep_nesting.json", "ADVC /paid=10.5 [- - - -]"),
            ("bom.json", "ADVC /paid=10.5 [- - - -]"),
            ("leading_space.json", "ADVC /paid=10.5 [- - - -]"),
            ("nan.json", "not_json"),
            ("infinity.json", "not_json"),
            ("decimal_comma.json", "not_json"),
            ("plus_sign.json", "not_json"),
            ("leading_zero.json", "not_json"),
            ("cut.json", "not_json"),
            ("two_objects.json", "not_json"),
            ("bad_gateway.html", "not_json"),
            ("something_broke.txt", "not_json"),
            ("null.json", "not_object"),
            ("array.json", "not_object"),
            ("number.json", "not_object"),
            ("empty.json", "empty_body Pool"),
            ("blank.json", "empty_body Pool"),
            ("not_utf8.json", "not_json"),
            ("utf16.json", "not_json"),
            ("nul.json", "ADVC /paid=10.5 [- - - -]"),
            ("private_number.json", "bad_number"),
        ],
    ),
    (
        "rplant",
        &[
            ("real.json", "ADVC /total=123.45678901 [1.5 0.25 1234.5 17]"),
            ("real_text_total.json", "ADVC /total=123.45678901 [1.5 0.25 1234.5 17]"),
            ("real_other_wallet.json", "identity_mismatch"),
            ("stats_paid.json", "ADVC /stats/paid=7.25 [- - - -]"),
            ("paid.json", "ADVC /paid=7.25 [0.5 - - -]"),
            ("total_paid.json", "ADVC /totalPaid=7.25 [- - - -]"),
            ("total_without_address.json", "unknown_wallet"),
            ("several.json", "ADVC /stats/paid=6 /paid=7 /totalPaid=8 /total=9 [- - - -]"),
            ("stats_is_text.json", "ADVC /paid=7.25 [- - - -]"),
            ("unknown_wallet.json", "unknown_wallet"),
            ("address_null.json", "unknown_wallet"),
            ("error.json", "unknown_wallet"),
            ("empty_object.json", "unknown_wallet"),
            ("no_counter.json", "counter_missing"),
            ("second_candidate_bad.json", "bad_number"),
            ("event_stream.txt", "not_json"),
        ],
    ),
    (
        "zpool",
        &[
            ("documented.json", "BTC /paid=0.0005 [0.00002 0.00001 - -]"),
            ("real.json", "BTC /paidtotal=0.0015 [0.000123 0.00000163 - -]"),
            ("real_litecoin.json", "LTC /paidtotal=0.0015 [0.000123 0.00000163 - -]"),
            ("real_lower_case_currency.json", "BTC /paidtotal=0.0015 [0.000123 0.00000163 - -]"),
            // It has no cumulative counter; neither total nor paid24h may stand in for one.
            ("stock_yiimp.json", "counter_missing"),
            ("invalid_address.json", "unknown_wallet"),
            ("error.json", "unknown_wallet"),
            ("no_currency.json", "currency_unknown"),
            ("currency_number.json", "currency_unknown"),
            ("currency_nonsense.json", "currency_unknown"),
            ("unsold_missing.json", "not_json"),
            ("decimal_commas.json", "not_json"),
            ("php_warning.json", "not_json"),
            ("password_missing.json", "not_json"),
            ("limited.json", "rate_limited"),
            ("empty.json", "empty_body Wallet"),
        ],
    ),
];

fn fixtures(pool: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(pool)
}

fn built_in(pool: &str) -> &'static PoolSpec {
    static POOLS: LazyLock<Vec<PoolSpec>> = LazyLock::new(|| load(&[], &|_| Ok((None, None))).unwrap());
    POOLS.iter().find(|spec| spec.name().as_str() == pool).unwrap()
}

fn wallet(text: &str) -> Wallet {
    text.parse().unwrap()
}

fn shown(outcome: &Result<Extracted, Failure>) -> String {
    match outcome {
        Ok(Extracted { currency, counters, figures, .. }) => {
            let counters: String = counters.iter().map(|counter| format!("{}={} ", counter.source, counter.paid)).collect();
            let Figures { balance, immature, total_hash, total_shares } = figures;
            let figures = [balance, immature, total_hash, total_shares];
            let figures = figures.map(|figure| figure.map_or_else(|| "-".to_owned(), |amount| amount.to_string()));
            format!("{currency} {counters}[{}]", figures.join(" "))
        }
        Err(failure @ Failure::EmptyBody { .. }) => format!("{} {:?}", failure.kind(), failure.blame()),
        Err(failure) => failure.kind().to_owned(),
    }
}

#[test]
fn every_fixture_is_decided_as_the_table_says() {
    for (pool, decisions) in DECISIONS {
        let spec = built_in(pool);
        let wallet = wallet(if *pool == "zpool" { BTC_WALLET } else { ADVC_WALLET });
        assert!(spec.check_wallet(&wallet).is_ok());
        for (file, expected) in *decisions {
            let body = fs::read(fixtures(pool).join(file)).unwrap();
            let outcome = extract(spec, &wallet, &body);
            assert_eq!(shown(&outcome), *expected, "{pool}/{file}: {outcome:?}");
            check_outcome(&outcome);
        }
        let mut files: Vec<_> = fs::read_dir(fixtures(pool)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.retain(|file| !decisions.iter().any(|(name, _)| file == name));
        assert!(files.is_empty(), "not in the table: {files:?}");
    }
}

/// What holds for every outcome.
fn check_outcome(outcome: &Result<Extracted, Failure>) {
    match outcome {
        Ok(extracted) => {
            assert!(!extracted.counters.is_empty());
            assert!(extracted.raw.len() <= 4096 && !extracted.raw.contains("\\u0000"), "{}", extracted.raw);
            assert!(serde_json::from_str::<serde_json::Value>(&extracted.raw).unwrap().is_object());
        }
        Err(failure) => {
            let text = failure.to_string();
            assert!(!text.contains(char::is_control) && text.chars().count() < 400, "{text}");
        }
    }
}

#[test]
fn the_wrong_url_form_of_nomp_is_explained() {
    let body = fs::read(fixtures("cpu-pool").join("url_form_wrong.json")).unwrap();
    let failure = extract(built_in("cpu-pool"), &wallet(ADVC_WALLET), &body).unwrap_err();
    assert!(failure.to_string().contains("set CPU_POOL_URL to end in ?{wallet}"), "{failure}");
    assert_eq!(failure.blame(), Blame::Pool);
}

/// A pool file made of the obligatory keys and `more`.
fn spec(more: &str) -> PoolSpec {
    let currency = if more.contains("[currency]") { "" } else { "[currency]\nconstant = \"XMR\"\n" };
    PoolSpec::parse(&format!("name = \"p\"\nurl = \"http://h/{{wallet}}\"\n{more}\n{currency}"), "p.toml").unwrap()
}

fn decided(spec: &PoolSpec, body: &str) -> String {
    shown(&extract(spec, &wallet("Wallet"), body.as_bytes()))
}

#[test]
fn decimals_divide_coins_and_leave_hashes_alone() {
    let spec = spec(
        "decimals = 12\n[paid]\npointer = \"/stats/paid\"\nmissing = \"zero\"\nrequires = \"/stats\"\n\
         [figures]\nbalance = \"/stats/balance\"\ntotal_shares = \"/stats/hashes\"",
    );
    let body = r#"{"stats":{"paid":"1234567891234","balance":"99999","hashes":"1000"}}"#;
    assert_eq!(decided(&spec, body), "XMR /stats/paid=1.23456789 [0.00000009 - - 1000]");
    assert_eq!(decided(&spec, r#"{"stats":{"balance":"0"}}"#), "XMR /stats/paid=0 [0 - - -]", "absent until the first payout");
    assert_eq!(decided(&spec, r#"{"error":"Not found"}"#), "counter_missing");
    assert_eq!(decided(&spec, r#"{"stats":null}"#), "counter_missing");
    assert_eq!(decided(&spec, r#"{"stats":{"paid":null}}"#), "bad_number");
}

#[test]
fn a_sum_needs_all_its_parts_unless_the_file_says_otherwise() {
    let strict = spec("[paid]\nsum = [\"/a\", \"/b\"]");
    assert_eq!(decided(&strict, r#"{"a":1.5,"b":"0.00000001"}"#), "XMR /a+/b=1.50000001 [- - - -]");
    assert_eq!(decided(&strict, r#"{"a":1.5}"#), "counter_missing");
    assert_eq!(decided(&strict, r#"{"a":1.5,"b":false}"#), "bad_number");
    let lenient = spec("[paid]\nsum = [\"/a\", \"/b\"]\nmissing = \"zero\"\nrequires = \"/ok\"");
    assert_eq!(decided(&lenient, r#"{"a":1.5,"ok":true}"#), "XMR /a+/b=1.5 [- - - -]");
    assert_eq!(decided(&lenient, r#"{"a":1.5}"#), "counter_missing");
}

#[test]
fn currencies_are_restricted_where_the_file_restricts_them() {
    let spec = spec("[paid]\npointer = \"/p\"\n[currency]\npointer = \"/c\"\nallowed = [\"BTC\", \"LTC\"]\ndefault = \"LTC\"");
    assert_eq!(decided(&spec, r#"{"p":1,"c":"btc"}"#), "BTC /p=1 [- - - -]");
    assert_eq!(decided(&spec, r#"{"p":1}"#), "LTC /p=1 [- - - -]");
    assert_eq!(decided(&spec, r#"{"p":1,"c":"DOGE"}"#), "currency_unknown");
    assert_eq!(decided(&spec, r#"{"p":1,"c":["BTC"]}"#), "currency_unknown");
}

#[test]
fn identity_can_be_required_and_can_ignore_case() {
    let spec = spec("[paid]\npointer = \"/p\"\n[identity]\npointer = \"/w\"\nrequired = true\nignore_case = true");
    assert_eq!(decided(&spec, r#"{"p":1,"w":"WALLET"}"#), "XMR /p=1 [- - - -]");
    for body in
        [r#"{"p":1}"#, r#"{"p":1,"w":""}"#, r#"{"p":1,"w":null}"#, r#"{"p":1,"w":"Wallet2"}"#, r#"{"p":1,"w":["Wallet"]}"#]
    {
        assert_eq!(decided(&spec, body), "identity_mismatch", "{body}");
    }
}

#[test]
fn the_first_error_rule_that_holds_decides() {
    let spec = spec(
        "[paid]\npointer = \"/p\"\n\
         [[errors]]\npointer = \"/e\"\nwhen = \"non_empty\"\noutcome = \"error\"\n\
         [[errors]]\npointer = \"/s\"\nwhen = \"equals\"\nvalue = false\noutcome = \"rate_limited\"\n\
         [[errors]]\npointer = [\"/s\", \"/n\"]\nwhen = \"equals\"\nvalue = 7\noutcome = \"unknown_wallet\"\n\
         [[errors]]\npointer = \"/m\"\nwhen = \"matches\"\npattern = \"^Only [0-9]+\"\noutcome = \"rate_limited\"\n\
         [[errors]]\npointer = [\"/a\", \"/p\"]\nwhen = \"absent\"\noutcome = \"unknown_wallet\"",
    );
    for fine in ["null", "false", "\"\"", "[]", "{ }", "0"] {
        assert_eq!(decided(&spec, &format!("{{\"p\":1,\"e\":{fine}}}")), "XMR /p=1 [- - - -]", "{fine}");
    }
    for error in ["true", "\"x\"", "[0]", "{\"a\":1}", "1"] {
        assert_eq!(decided(&spec, &format!("{{\"p\":1,\"e\":{error},\"s\":false}}")), "pool_error", "{error}");
    }
    assert_eq!(decided(&spec, r#"{"p":1,"s":false}"#), "rate_limited");
    assert_eq!(decided(&spec, r#"{"p":1,"s":"false","n":7}"#), "unknown_wallet");
    assert_eq!(decided(&spec, r#"{"p":1,"m":"Only 1 request"}"#), "rate_limited");
    assert_eq!(decided(&spec, r#"{"p":1,"m":"not Only 1"}"#), "XMR /p=1 [- - - -]");
    assert_eq!(decided(&spec, r#"{"a":"","p":null}"#), "unknown_wallet");
    assert_eq!(decided(&spec, r#"{"a":"x","p":null}"#), "bad_number");
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "fault injection")]
fn a_panic_can_be_injected() {
    let spec = spec("panic_when_body_contains = \"boom\"\n[paid]\npointer = \"/p\"");
    assert_eq!(decided(&spec, r#"{"p":1}"#), "XMR /p=1 [- - - -]");
    decided(&spec, r#"{"p":1,"x":"boom"}"#);
}

/// JSON-like values around the members that the pool files point at.
fn answer() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?[0-9]{1,30}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,5})?",
        "\"[ -~]{0,12}\"",
        Just(format!("\"{ADVC_WALLET}\"")),
        Just("\"\\u0000\\ud800\"".to_owned()),
        Just("\"BTC\"".to_owned()),
    ];
    let value = scalar.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            ("paid|x", inner).prop_map(|(key, value)| format!("{{\"{key}\":{value}}}")),
        ]
    });
    let keys =
        "paid|stats|total|totalPaid|paidtotal|address|miner|currency|balance|error|result|unsold|\\$serde_json::private::Number";
    prop::collection::vec((keys, value), 0..6).prop_map(|members| {
        let members: Vec<String> = members.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for (pool, _) in DECISIONS {
            prop_assert!(extract(built_in(pool), &wallet(ADVC_WALLET), &body).is_err());
        }
    }

    #[test]
    fn arbitrary_answers_give_sound_readings_or_failures(body in answer(), cut in any::<prop::sample::Index>()) {
        for (pool, _) in DECISIONS {
            let spec = built_in(pool);
            check_outcome(&extract(spec, &wallet(ADVC_WALLET), body.as_bytes()));
            let part = &body.as_bytes()[..cut.index(body.len())];
            prop_assert!(extract(spec, &wallet(ADVC_WALLET), part).is_err(), "a cut answer gave a reading");
        }
    }
}
