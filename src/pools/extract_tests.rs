use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::pools::corpus_tests::{built_in, check_outcome, shown};
use crate::pools::failure::Blame;

/// The wallet that the fixtures speak about.
const ADVC_WALLET: &str = "AMf6wPvUz9GTjMyPbUFyXwaJxJqQWg3kd8";

/// The pools of the mission.
const POOLS: [&str; 3] = ["cpu-pool", "rplant", "zpool"];

fn fixtures(pool: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(pool)
}

fn wallet(text: &str) -> Wallet {
    text.parse().unwrap()
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
    assert_eq!(decided(&spec, body), "XMR /stats/paid@1e-12=1.23456789 [0.00000009 - - 1000]");
    assert_eq!(
        decided(&spec, r#"{"stats":{"balance":"0"}}"#),
        "XMR /stats/paid@1e-12=0 [0 - - -]",
        "absent until the first payout"
    );
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
        for pool in POOLS {
            prop_assert!(extract(built_in(pool), &wallet(ADVC_WALLET), &body).is_err());
        }
    }

    #[test]
    fn arbitrary_answers_give_sound_readings_or_failures(body in answer(), cut in any::<prop::sample::Index>()) {
        for pool in POOLS {
            let spec = built_in(pool);
            check_outcome(&extract(spec, &wallet(ADVC_WALLET), body.as_bytes()));
            let part = &body.as_bytes()[..cut.index(body.len())];
            prop_assert!(extract(spec, &wallet(ADVC_WALLET), part).is_err(), "a cut answer gave a reading");
        }
    }
}
