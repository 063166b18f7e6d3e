use super::*;

/// A file that is right, to be made wrong in one place.
const GOOD: &str = r#"name = "p"
url = "http://h/{wallet}"
url_suffix = "/{wallet}"
decimals = 8

[headers]
X-Key = "{secret:KEY}"

[wallet]
pattern = "[a-z]+"
length_min = 2
length_max = 8

[paid]
pointer = "/paid"

[currency]
constant = "ADVC"

[[errors]]
pointer = "/error"
when = "non_empty"
outcome = "error"

[responses.status]
404 = "unknown_wallet"

[limits]
timeout_seconds = 15
"#;

/// What is replaced, by what, and how the message reads: line, key and the beginning of the reason.
const WRONG: &[(&str, &str, &str)] = &[
    ("name = \"p\"", "name = \"P x\"", "1: name: pool name \"P x\" must be"),
    ("name = \"p\"", "name = 5", "1: name: invalid type: integer `5`, expected a string"),
    ("name = \"p\"", "", "1: missing field `name`"),
    ("decimals = 8", "decimal = 8", "4: decimal: unknown field `decimal`, expected one of"),
    ("decimals = 8", "decimals = 31", "4: decimals: 31 must be at most 30"),
    ("decimals = 8", "decimals = -1", "4: decimals: invalid value"),
    ("decimals = 8", "decimals = 8 8", "4: decimals: "),
    ("http://h/", "ftp://h/", "2: url: must begin with http:// or https://"),
    ("http://h/{wallet}", "http://h/{coin}/{wallet}", "2: url: has an unknown placeholder {coin}"),
    ("http://h/{wallet}", "http://h/", "2: url: has no {wallet}"),
    ("url_suffix = \"/{wallet}\"", "url_suffix = \"/x\"", "3: url_suffix: appended to a URL, has no {wallet}"),
    ("{secret:KEY}", "{wallet}", "7: headers.X-Key: header \"X-Key\" has an unknown placeholder {wallet}"),
    ("{secret:KEY}", "a\\nb", "7: headers.X-Key: header \"X-Key\" may hold printable ASCII only"),
    ("X-Key", "Host", "7: headers.Host: header \"Host\" is set by the HTTP client"),
    ("X-Key", "\"X Key\"", "7: "),
    ("[a-z]+", "[a-z", "10: wallet.pattern: regex parse error"),
    ("[a-z]+", "a)(b", "10: wallet.pattern: regex parse error"),
    ("length_max = 8", "length_max = 1", "12: wallet.length_max: length_max must be at least length_min (2)"),
    ("length_max = 8", "length_max = 256", "12: wallet.length_max: 256 must be at most 255"),
    ("length_max = 8", "address = \"mine\"", "12: wallet.address: unknown variant `mine`, expected `player` or `payout`"),
    ("\"/paid\"", "\"paid\"", "15: paid.pointer: JSON pointer \"paid\" must begin with '/'"),
    ("pointer = \"/paid\"", "", "14: paid: needs exactly one of pointer, sum, first and list"),
    ("pointer = \"/paid\"", "pointer = \"/a\"\nsum = [\"/b\"]", "14: paid: needs exactly one of"),
    ("pointer = \"/paid\"", "sum = []", "14: paid: needs at least one pointer"),
    ("pointer = \"/paid\"", "first = [\"/a\", \"/a\"]", "14: paid: names a pointer twice"),
    ("pointer = \"/paid\"", "first = [\n\"/a\",\n\"b\"]", "17: paid.first: JSON pointer \"b\" must begin"),
    ("pointer = \"/paid\"", "first = [{ pointer = \"/a\" }]", "15: paid.first: missing field `requires`"),
    ("pointer = \"/paid\"", "first = [{ pointer = \"/a\", needs = \"/b\" }]", "15: paid.first: unknown field `needs`"),
    ("pointer = \"/paid\"", "first = [5]", "15: paid.first: invalid type: integer `5`, expected a JSON pointer or {"),
    ("pointer = \"/paid\"", "pointer = \"/a\"\nmissing = \"zero\"", "14: paid: missing = \"zero\" needs requires"),
    ("pointer = \"/paid\"", "pointer = \"/a\"\nrequires = \"/b\"", "14: paid: requires has a meaning only with"),
    ("pointer = \"/paid\"", "first = [\"/a\"]\nmissing = \"zero\"\nrequires = \"/b\"", "14: paid: missing = \"zero\" goes with"),
    ("pointer = \"/paid\"", "pointer = \"/a\"\nmissing = \"null\"", "16: paid.missing: unknown variant `null`"),
    ("[paid]\npointer = \"/paid\"", "", "1: missing field `paid`"),
    ("constant = \"ADVC\"", "", "17: currency: needs exactly one of constant and pointer"),
    ("constant = \"ADVC\"", "constant = \"AD VC\"", "18: currency.constant: currency \"AD VC\" must be"),
    ("constant = \"ADVC\"", "constant = \"A\"\npointer = \"/c\"", "17: currency: needs exactly one of"),
    ("constant = \"ADVC\"", "constant = \"A\"\ndefault = \"A\"", "17: currency: allowed and default go with pointer"),
    ("constant = \"ADVC\"", "pointer = \"/c\"\nallowed = []", "17: currency: allowed is empty"),
    ("constant = \"ADVC\"", "pointer = \"/c\"\nallowed = [\"A\"]\ndefault = \"B\"", "17: currency: default must be among"),
    ("pointer = \"/error\"", "pointer = []", "20: errors: needs at least one pointer"),
    ("pointer = \"/error\"", "pointer = [\"/a\", \"b\"]", "21: errors.pointer: JSON pointer \"b\" must begin"),
    ("when = \"non_empty\"", "when = \"equals\"", "20: errors: when = \"equals\" needs value"),
    (
        "when = \"non_empty\"",
        "when = \"equals\"\nvalue = 1.5",
        "23: errors.value: value must be a string, a boolean or an integer",
    ),
    ("when = \"non_empty\"", "when = \"matches\"\nvalue = \"a\"", "20: errors: when = \"matches\" needs pattern"),
    ("when = \"non_empty\"", "when = \"matches\"\npattern = \"(\"", "23: errors.pattern: regex parse error"),
    ("when = \"non_empty\"", "when = \"absent\"\nvalue = 1", "20: errors: value goes with"),
    ("when = \"non_empty\"", "when = \"sometimes\"", "22: errors.when: unknown variant `sometimes`"),
    ("outcome = \"error\"", "outcome = \"ignore\"", "23: errors.outcome: unknown variant `ignore`"),
    ("404 = \"unknown_wallet\"", "200 = \"error\"", "26: responses.status.200: status \"200\" must be a number from 400 to 599"),
    ("404 = \"unknown_wallet\"", "x = \"error\"", "26: responses.status.x: status \"x\" must be"),
    ("timeout_seconds = 15", "timeout_seconds = 0", "29: limits.timeout_seconds: must be above 0"),
    ("timeout_seconds = 15", "timeout_seconds = 301", "29: limits.timeout_seconds: 301 must be at most 300"),
    ("timeout_seconds = 15", "concurrency = 0", "29: limits.concurrency: must be above 0"),
    ("timeout_seconds = 15", "concurrency = 65", "29: limits.concurrency: 65 must be at most 64"),
    ("timeout_seconds = 15", "rate_per_minute = 0", "29: limits.rate_per_minute: invalid value"),
    ("timeout_seconds = 15", "body_bytes_max = 16777217", "29: limits.body_bytes_max: 16777217 must be at most"),
];

/// As [`WRONG`], of the keys that may stand beside or instead of the ones there.
const WRONG_BESIDE: &[(&str, &str, &str)] = &[
    // A list.
    (
        "pointer = \"/paid\"",
        "list = { items = \"/p\", id = \"/tx\", amount = \"/a\" }\nsum = [\"/b\"]",
        "14: paid: needs exactly one of",
    ),
    ("pointer = \"/paid\"", "list = { items = \"/p\", id = \"/tx\" }", "15: paid.list: missing field `amount`"),
    ("pointer = \"/paid\"", "[paid.list]\nitems = \"/p\"\nid = \"tx\"", "17: paid.list.id: JSON pointer \"tx\" must begin"),
    ("pointer = \"/paid\"", "[paid.list]\nitems = \"/p\"\ntx = \"/tx\"", "17: paid.list.tx: unknown field `tx`"),
    (
        "pointer = \"/paid\"",
        "[paid.list]\nitems = \"/p\"\nid = \"/tx\"\namount = \"/a\"\nwindow_seconds = 0",
        "19: paid.list.window_seconds: invalid value",
    ),
    // Windows.
    ("\"/paid\"", "\"/paid24h\"", "14: paid: /paid24h is no counter: paid24h is named like a window of time"),
    (
        "pointer = \"/paid\"",
        "first = [\"/paid\", \"/stats/todayPaid\"]",
        "14: paid: /stats/todayPaid is no counter: todayPaid is",
    ),
    ("pointer = \"/paid\"", "sum = [\"/a\", \"/24h_paid\"]", "14: paid: /24h_paid is no counter"),
    ("[currency]", "[windows]\nday = \"/paid\"\n[currency]", "14: paid: /paid is no counter: it is the window day of [windows]"),
    ("[currency]", "[windows]\nday = \"paid\"\n[currency]", "18: windows.day: JSON pointer \"paid\" must begin"),
    // The unit.
    (
        "[paid]",
        "[unit]\npath = \"/api\"\npointer = \"/u\"\nkind = \"divisor\"\n[paid]",
        "14: unit: decimals and [unit] contradict each other",
    ),
    ("decimals = 8", "[unit]\npointer = \"/u\"\nkind = \"divisor\"", "4: unit: needs exactly one of path and url"),
    ("decimals = 8", "[unit]\npath = \"api\"\npointer = \"/u\"\nkind = \"divisor\"", "5: unit.path: must begin with '/'"),
    (
        "decimals = 8",
        "[unit]\nurl = \"http://other/api\"\npointer = \"/u\"\nkind = \"divisor\"",
        "5: unit.url: must have the scheme, host and port",
    ),
    (
        "decimals = 8",
        "[unit]\npath = \"/{wallet}\"\npointer = \"/u\"\nkind = \"divisor\"",
        "5: unit.path: has an unknown placeholder",
    ),
    ("decimals = 8", "[unit]\npath = \"/a\"\npointer = \"/u\"\nkind = \"scale\"", "7: unit.kind: unknown variant `scale`"),
    (
        "decimals = 8",
        "[unit]\npath = \"/a\"\npointer = \"/u\"\nkind = \"decimals\"\nmissing = 31",
        "8: unit.missing: 31 must be at most 30",
    ),
    (
        "decimals = 8",
        "[unit]\npath = \"/a\"\npointer = \"/u\"\nkind = \"decimals\"\nrefresh_seconds = 5",
        "8: unit.refresh_seconds: 5 must be from 60 to 86400",
    ),
    (
        "decimals = 8",
        "[unit]\npath = \"/a\"\npointer = \"/u\"\nkind = \"decimals\"\nevery = 5",
        "8: unit.every: unknown field `every`",
    ),
    ("length_max = 8", "lower_case = 1", "12: wallet.lower_case: invalid type"),
];

/// A feed that is right, to be made wrong in one place.
const FEED: &str = r#"name = "f"
url_suffix = "/payments?page={page}"

[feed]
url = "http://h/payments?page={page}"
pages_max = 3
items = "/*/payments/*"
filter = { pointer = "/*/name", value = "advc" }
id = "/txid"
amounts = "/amounts"

[currency]
constant = "ADVC"
"#;

const WRONG_FEED: &[(&str, &str, &str)] = &[
    ("[feed]", "url = \"http://h/{wallet}\"\n[feed]", "4: url: url goes without [feed]"),
    ("[feed]", "paid.pointer = \"/p\"\n[feed]", "4: paid: [paid] goes without [feed]"),
    ("[currency]", "[figures]\nbalance = \"/b\"\n[currency]", "12: figures: [figures] goes without [feed]"),
    ("[currency]", "[identity]\npointer = \"/b\"\n[currency]", "12: identity: [identity] goes without [feed]"),
    ("[currency]", "[windows]\nday = \"/b\"\n[currency]", "12: windows: [windows] goes without [feed]"),
    ("[feed]", "wallet_encoding = \"raw\"\n[feed]", "4: wallet_encoding: wallet_encoding goes without [feed]"),
    ("constant = \"ADVC\"", "pointer = \"/c\"", "12: currency: a [feed] needs a constant currency"),
    ("http://h/payments?page={page}", "http://h/{wallet}", "5: feed.url: has an unknown placeholder {wallet}; known are {page}"),
    ("http://h/payments?page={page}", "http://h/payments", "4: feed: page_first and pages_max go with a {page} in url"),
    ("/payments?page={page}", "?{wallet}", "2: url_suffix: appended to a URL, has an unknown placeholder {wallet}"),
    ("pages_max = 3", "pages_max = 0", "6: feed.pages_max: must be above 0"),
    ("pages_max = 3", "pages_max = 101", "6: feed.pages_max: 101 must be at most 100"),
    ("pages_max = 3", "pages = 3", "6: feed.pages: unknown field `pages`"),
    ("/*/payments/*", "/payments", "7: feed.items: items needs a '*'"),
    ("\"/*/name\"", "\"/*/*/name\"", "4: feed: a '*' of filter.pointer must be one of items"),
    ("value = \"advc\"", "value = 1.5", "8: feed.filter: value must be a string, a boolean or an integer"),
    ("amounts = \"/amounts\"", "address = \"/a\"", "4: feed: needs either address and amount, or amounts"),
    ("amounts = \"/amounts\"", "amounts = \"/amounts\"\namount = \"/a\"", "4: feed: needs either address and amount, or"),
    ("id = \"/txid\"", "", "4: feed: missing field `id`"),
];

#[test]
fn a_contradiction_is_told_with_file_line_and_key() {
    assert!(PoolSpec::parse(FEED, "f.toml").is_ok(), "{:?}", PoolSpec::parse(FEED, "f.toml"));
    for (good, cases) in [(GOOD, WRONG_BESIDE), (FEED, WRONG_FEED)] {
        for (from, to, expected) in cases {
            assert!(good.contains(from), "{from}");
            let error = PoolSpec::parse(&good.replacen(from, to, 1), "dir/p.toml").expect_err(to).to_string();
            assert!(error.starts_with(&format!("dir/p.toml:{expected}")), "{to}\n   got {error}\n  want {expected}");
        }
    }
    let neither = PoolSpec::parse("name = \"p\"\npaid.pointer = \"/p\"\ncurrency.constant = \"A\"", "p").unwrap_err();
    assert_eq!(neither.to_string(), "p:1: missing field `url`");
}

#[test]
fn a_setting_moves_a_feed_and_the_document_with_the_unit() {
    let url = |text: &str| PoolSpec::parse(FEED, "f").unwrap().with_url(text).map(|spec| spec.url().to_string());
    assert_eq!(url("https://h/api/pools/x/").as_deref(), Ok("https://h/api/pools/x/payments?page={page}"));
    assert_eq!(url("https://h/all?p={page}").as_deref(), Ok("https://h/all?p={page}"));
    assert!(url("https://h/{wallet}").is_err());
    let unit = |place: &str| {
        let text = GOOD.replacen("decimals = 8", &format!("[unit]\n{place}\npointer = \"/u\"\nkind = \"divisor\""), 1);
        PoolSpec::parse(&text, "p").unwrap().with_url("https://k:81/x").map(|spec| spec.unit.unwrap().url.to_string())
    };
    assert_eq!(unit("path = \"/api?a={secret:KEY}\"").as_deref(), Ok("https://k:81/api?a={secret:KEY}"));
    assert_eq!(unit("url = \"http://h/api\""), Err(TemplateError::OtherOrigin));
}

#[test]
fn an_address_is_sent_in_lower_case_where_the_pool_wants_it() {
    let text = GOOD.replace("length_max = 8", "lower_case = true").replace("[a-z]+", "[A-Za-z]+");
    let spec = PoolSpec::parse(&text, "p").unwrap();
    let url = |spec: &PoolSpec| spec.url().resolve(&|_| None).unwrap().for_wallet(&"AbC".parse().unwrap());
    assert_eq!(url(&spec), "http://h/abc");
    assert_eq!(spec.url().shown_for("http://h/{wallet}", &"AbC".parse().unwrap()), "http://h/abc");
    assert_eq!(url(&spec.with_url("http://k/").unwrap()), "http://k/abc");
    let two = PoolSpec::parse(&GOOD.replace("h/{wallet}", "h/{wallet:raw}/{wallet:percent}"), "p").unwrap();
    assert_eq!(two.url().resolve(&|_| None).unwrap().for_wallet(&"a:b".parse().unwrap()), "http://h/a:b/a%3Ab");
}

#[test]
fn every_fault_is_told_with_file_line_and_key() {
    assert!(PoolSpec::parse(GOOD, "dir/p.toml").is_ok(), "{:?}", PoolSpec::parse(GOOD, "dir/p.toml"));
    for (from, to, expected) in WRONG {
        assert!(GOOD.contains(from), "{from}");
        let error = PoolSpec::parse(&GOOD.replacen(from, to, 1), "dir/p.toml").expect_err(to).to_string();
        assert!(error.starts_with(&format!("dir/p.toml:{expected}")), "{to}\n   got {error}\n  want {expected}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn what_is_not_said_has_its_default() {
    let spec = PoolSpec::parse(
        "name = \"p\"\nurl = \"http://h/{wallet}\"\npaid.pointer = \"/paid\"\ncurrency.constant = \"advc\"",
        "p.toml",
    );
    let spec = spec.unwrap();
    assert!(spec.enabled() && spec.secret_names().is_empty());
    assert_eq!(spec.address_source(), AddressKind::Player);
    let Limits { rate_per_minute, concurrency, timeout, body_bytes_max } = *spec.limits();
    assert_eq!((rate_per_minute, concurrency.get(), timeout, body_bytes_max), (None, 4, None, 4 << 20));
    assert!(spec.clone().with_url("http://h/").is_err(), "no suffix to append");
    assert!(!spec.with_enabled(false).enabled());
}

#[test]
fn a_wallet_of_another_form_is_refused() {
    let spec = PoolSpec::parse(GOOD, "p.toml").unwrap();
    let refused = |spec: &PoolSpec, wallet: &str| spec.check_wallet(&wallet.parse().unwrap()).err().map(|failure| failure.kind());
    for bad in ["a", "abcdefghi", "ab1", "AB", "ab*", "éé"] {
        assert_eq!(refused(&spec, bad), Some("bad_wallet"), "{bad}");
    }
    assert_eq!(refused(&spec, "ab"), None);
    let any = PoolSpec::parse(&GOOD.replace("pattern = \"[a-z]+\"", ""), "p.toml").unwrap();
    assert_eq!((refused(&any, ".."), refused(&any, "a/../b?")), (Some("bad_wallet"), None), "a dot segment is not encoded");
    let raw = any.with_url("http://h/?{wallet:raw}").unwrap();
    assert_eq!((refused(&raw, "a&b"), refused(&raw, "a.b")), (Some("bad_wallet"), None));
}

#[test]
fn secrets_are_known_by_name() {
    let spec = PoolSpec::parse(GOOD, "p.toml").unwrap().with_url("https://h/{secret:ID}/").unwrap();
    assert_eq!(spec.url().to_string(), "https://h/{secret:ID}/{wallet}");
    assert_eq!(spec.secret_names().into_iter().collect::<Vec<_>>(), ["ID", "KEY"]);
}
