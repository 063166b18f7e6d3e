use super::*;

fn spec(feed: &str) -> PoolSpec {
    let text = format!(
        "name = \"f\"\ndecimals = 2\n[feed]\nurl = \"http://h/\"\n{feed}\n[wallet]\nlength_min = 3\n[currency]\nconstant = \"ADVC\""
    );
    PoolSpec::parse(&text, "f.toml").unwrap()
}

fn wallets(names: &[&str]) -> Vec<Wallet> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// What is found of each wallet: its payouts, or the kind of the failure.
fn found(answers: &HashMap<Wallet, Result<Extracted, Failure>>) -> Vec<String> {
    let mut shown: Vec<String> = answers
        .iter()
        .map(|(wallet, answer)| match answer {
            Ok(found) => {
                let listed = found.listed.as_ref().unwrap();
                let payouts: Vec<String> =
                    listed.payouts.iter().map(|payout| format!("{}={}", payout.id, payout.amount)).collect();
                format!("{wallet}: {}", payouts.join(" "))
            }
            Err(failure) => format!("{wallet}: {}", failure.kind()),
        })
        .collect();
    shown.sort();
    shown
}

#[test]
fn every_wallet_gets_an_answer_and_one_odd_payout_is_only_its_own() {
    let spec = spec("items = \"/*\"\nid = \"/tx\"\naddress = \"/to\"\namount = \"/value\"");
    let body = r#"[{"tx":"t1","to":"Aaa","value":150},{"tx":"t1","to":"Bbb","value":"x"},{"tx":7,"to":"Aaa","value":"25"},
        {"to":"Aaa","value":1},{"tx":"t1","to":"Ddd","value":null},{"tx":"t9","to":5,"value":1},5,null]"#;
    let answers = read(&spec, &wallets(&["Aaa", "Bbb", "Ccc", "no"]), body.as_bytes()).unwrap();
    assert_eq!(found(&answers), ["Aaa: t1=1.5 7=0.25", "Bbb: bad_number", "Ccc: ", "no: bad_wallet"]);
    let aaa = answers[&wallets(&["Aaa"])[0]].as_ref().unwrap();
    assert_eq!(*aaa.listed.as_ref().unwrap().source, *"list:/*:/tx:/value@1e-2");
    assert!(aaa.raw.starts_with(r#"{"bytes":"#) && aaa.raw.contains(r#""amount":1.5"#), "{}", aaa.raw);
}

#[test]
fn members_are_walked_like_elements_and_a_filter_is_about_its_own_branch() {
    let spec = spec(
        "items = \"/pools/*/paid/*\"\nfilter = { pointer = \"/pools/*/on\", value = true }\nid = \"/id\"\namounts = \"/to\"",
    );
    let body = r#"{"pools":{"x":{"on":true,"paid":{"1":{"id":"a","to":{"Aaa":100}},"2":{"id":"b","to":{"Aaa":200,"Aaa":300}}}},
        "y":{"on":false,"paid":null},"z":{"on":"true","paid":[{"id":"c","to":{"Aaa":900}}]}}}"#;
    assert_eq!(found(&read(&spec, &wallets(&["Aaa"]), body.as_bytes()).unwrap()), ["Aaa: a=1 b=3"]);
    for refused in [r#"{"pools":{}}"#, r#"{"pools":[{"on":false}]}"#, r#"{}"#, "5", r#"{"pools":{"x":{"on":true}}}"#] {
        assert_eq!(read(&spec, &wallets(&["Aaa"]), refused.as_bytes()).unwrap_err().kind(), "bad_payout", "{refused}");
    }
}

#[test]
fn a_filter_on_the_items_themselves_may_pass_none() {
    let spec = spec("items = \"/*\"\nfilter = { pointer = \"/*/coin\", value = 5 }\nid = \"/id\"\namounts = \"/to\"");
    let body = r#"[{"coin":4,"id":"a","to":{"Aaa":100}},{"coin":5,"id":"b","to":{"Aaa":200}}]"#;
    assert_eq!(found(&read(&spec, &wallets(&["Aaa"]), body.as_bytes()).unwrap()), ["Aaa: b=2"]);
    assert_eq!(found(&read(&spec, &wallets(&["Aaa"]), b"[]").unwrap()), ["Aaa: "]);
}

#[test]
fn pages_add_up_and_a_payout_on_two_of_them_counts_once() {
    let spec = spec("items = \"/*\"\nid = \"/id\"\namounts = \"/to\"");
    let mut reader = FeedReader::new(Arc::new(spec), &wallets(&["Aaa"])).unwrap();
    assert_eq!(reader.page(br#"[{"id":"c","to":{"Aaa":300}},{"id":"b","to":{"Aaa":200}}]"#), Ok(2));
    assert_eq!(reader.page(br#"[{"id":"b","to":{"Aaa":200}},{"id":"a","to":{"Bbb":100}}]"#), Ok(2));
    assert_eq!(reader.page(b"[]"), Ok(0));
    assert_eq!(found(&reader.finish()), ["Aaa: c=3 b=2"]);
}

#[test]
fn error_rules_hold_for_feeds_too_and_addresses_may_be_shown_in_lower_case() {
    let text = "name = \"f\"\n[feed]\nurl = \"http://h/\"\nitems = \"/list/*\"\nid = \"/id\"\namounts = \"/to\"\n[wallet]\nlower_case = true\n\
        [currency]\nconstant = \"ADVC\"\n[[errors]]\npointer = \"/error\"\nwhen = \"non_empty\"\noutcome = \"rate_limited\"";
    let spec = PoolSpec::parse(text, "f.toml").unwrap();
    let read = |body: &str| read(&spec, &wallets(&["AbC"]), body.as_bytes());
    assert_eq!(read(r#"{"error":"slow down"}"#).unwrap_err().kind(), "rate_limited");
    assert_eq!(read("").unwrap_err().kind(), "empty_body");
    assert_eq!(found(&read(r#"{"list":[{"id":"a","to":{"abc":1,"ABC":1}}]}"#).unwrap()), ["AbC: a=1"]);
}
