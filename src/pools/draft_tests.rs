use super::*;
use crate::pools::extract;

const WALLET: &str = "AMf6wPvUz9GTjMyPbUFyXwaJxJqQWg3kd8";

fn drafted(body: &str, currency: Option<&str>) -> Result<String, DraftError> {
    let (name, wallet) = ("new".parse().unwrap(), WALLET.parse().unwrap());
    let currency: Option<Currency> = currency.map(|text| text.parse().unwrap());
    let url = if body.starts_with('[') {
        "https://pool.example/api".to_owned()
    } else {
        format!("https://pool.example/api?address={WALLET}")
    };
    draft(&Sample { name: &name, url: &url, body: body.as_bytes(), wallet: Some(&wallet), currency: currency.as_ref() })
}

/// The counter that the draft made of `body` finds in `body`.
fn found(body: &str) -> (String, String) {
    let text = drafted(body, Some("ADVC")).unwrap();
    let spec = PoolSpec::parse(&text, "draft.toml").unwrap();
    assert!(!spec.enabled(), "a draft is not polled");
    assert_eq!(spec.url().to_string(), "https://pool.example/api?address={wallet}");
    let reading = extract(&spec, &WALLET.parse().unwrap(), body.as_bytes()).unwrap();
    (reading.counters[0].source.to_string(), reading.counters[0].paid.to_string())
}

#[test]
fn the_counters_of_the_known_families_are_found() {
    let nomp = format!(r#"{{"miner":"{WALLET}","paid":10.5,"balance":1,"workers":{{"{WALLET}.rig":{{"paid":99}}}}}}"#);
    for (body, source, paid) in [
        (nomp.as_str(), "/paid", "10.5"),
        (r#"{"pendingBalance":0.5,"totalPaid":12.25,"todayPaid":1}"#, "/totalPaid", "12.25"),
        (r#"{"currency":"BTC","unpaid":1,"paid24h":5,"paidtotal":"7.5","total":6,"error":""}"#, "/paidtotal", "7.5"),
        (r#"{"amtPaid":1500,"amtDue":3}"#, "/amtPaid", "1500"),
        (r#"{"stats":{"paid":3,"balance":1,"paid_last_24h":2},"success":true}"#, "/stats/paid", "3"),
        (r#"{"data":{"userParams":{"e_sum":4.5}},"status":true}"#, "/data/userParams/e_sum", "4.5"),
        (r#"{"a/b":{"c~d":{"paid":1}}}"#, "/a~1b/c~0d/paid", "1"),
    ] {
        assert_eq!(found(body), (source.to_owned(), paid.to_owned()), "{body}");
    }
}

#[test]
fn what_was_guessed_is_said() {
    let text = drafted(
        &format!(r#"{{"address":"{WALLET}","currency":"LTC","paid":500000000,"paidtotal":7,"paid24h":5,"error":""}}"#),
        None,
    );
    let text = text.unwrap();
    for line in [
        "pointer = \"/paidtotal\"",
        "# also named like one: /paid = 500000000",
        "[windows]",
        "\"paid24h\" = \"/paid24h\"",
        "pointer = \"/currency\"",
        "pointer = \"/address\"",
        "required = true",
        "pointer = \"/error\"",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let base_units = drafted(r#"{"paid":500000000}"#, Some("ADVC")).unwrap();
    assert!(base_units.contains("#: decimals = 8"), "{base_units}");
}

#[test]
fn too_little_to_go_by_is_refused() {
    let error = |body, currency| drafted(body, currency).unwrap_err().to_string();
    assert!(error("<html>", None).starts_with("the sample is no JSON object: "));
    assert!(error("5", None).starts_with("the sample is no JSON object: "));
    assert!(error("[]", Some("ADVC")).contains("an array whose elements are no payouts"));
    assert!(error("[]", None).contains("--currency"));
    assert!(error(r#"{"paid":1}"#, None).contains("--currency"));
    let windows = error(r#"{"paid24h":1,"todayPaid":2,"total":3,"paid":true}"#, Some("ADVC"));
    assert!(windows.contains("like a list of payouts; the figures are /paid24h = 1, /todayPaid = 2, /total = 3"), "{windows}");
}

fn listed(text: &str, body: &str) -> Vec<String> {
    let spec = PoolSpec::parse(text, "draft.toml").unwrap();
    assert!(!spec.enabled());
    let listed = extract(&spec, &WALLET.parse().unwrap(), body.as_bytes()).unwrap().listed.unwrap();
    listed.payouts.iter().map(|payout| format!("{}={}@{:?}", payout.id, payout.amount, payout.time)).collect()
}

#[test]
fn a_list_of_payouts_stands_in_for_a_counter_or_ready_beside_one() {
    let body = r#"{"currency":"BTC","unpaid":1,"paid24h":5,"total":6,"payouts":[{"time":1700000000,"amount":"0.5","tx":"a"}]}"#;
    let text = drafted(body, None).unwrap();
    assert_eq!(listed(&text, body), ["a=0.5@Some(1700000000)"]);
    let text = drafted(&body.replace("\"total\"", "\"paidtotal\""), None).unwrap();
    assert!(
        text.contains("pointer = \"/paidtotal\"") && text.contains("#: [paid.list]") && text.contains("#: id = \"/tx\""),
        "{text}"
    );
}

#[test]
fn a_document_with_everybodys_payouts_becomes_a_feed() {
    let nomp = format!(r#"[{{"name":"advc","payments":[{{"time":1700000000000,"txid":"a","amounts":{{"{WALLET}":1.5}}}}]}}]"#);
    let text = drafted(&nomp, Some("ADVC")).unwrap();
    assert!(text.contains("filter = { pointer = \"/*/name\", value = \"advc\" }"), "{text}");
    assert_eq!(listed(&text, &nomp), ["a=1.5@Some(1700000000)"]);
    let miningcore = format!(
        r#"[{{"coin":"ADVC","address":"{WALLET}","amount":2,"transactionConfirmationData":"b","created":"2023-11-14T22:13:20Z"}}]"#
    );
    assert_eq!(listed(&drafted(&miningcore, Some("ADVC")).unwrap(), &miningcore), ["b=2@Some(1700000000)"]);
}
