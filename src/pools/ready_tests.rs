//! What the ready files of feeds make of their documents, and the lines that stand ready in other files.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::pools::load;

const ADVC: &str = "AMf6wPvUz9GTjMyPbUFyXwaJxJqQWg3kd8";
const BTC: &str = "1BoatSLRHtKNngkdXEobR76b53LETtpyT";

/// File by file.
type Decisions = &'static [(&'static str, &'static str)];

/// Pool, wallet and, file by file, the counters or payouts with balance, immature and windows, or the kind of the failure. Every
/// file of the directories is in the table.
const DECISIONS: &[(&str, &str, Decisions)] = &[
    (
        "nomp-payments",
        ADVC,
        &[
            ("real.json", "ADVC list:/*/payments/*:/txid:/amounts/* t2=1.5@1700000000 t1=0.00000001@1690000000 [- -]"),
            ("not_named.json", "ADVC list:/*/payments/*:/txid:/amounts/* [- -]"),
            ("no_payments.json", "ADVC list:/*/payments/*:/txid:/amounts/* [- -]"),
            ("pending.json", "ADVC list:/*/payments/*:/txid:/amounts/* t1=2@1700000000 [- -]"),
            ("amount_is_text.json", "ADVC list:/*/payments/*:/txid:/amounts/* t1=2.5 [- -]"),
            ("amount_negative.json", "bad_number"),
            ("amount_null.json", "bad_number"),
            ("another_is_malformed.json", "ADVC list:/*/payments/*:/txid:/amounts/* t1=2 [- -]"),
            ("twice.json", "ADVC list:/*/payments/*:/txid:/amounts/* t1=2@1700000000 [- -]"),
            ("twice_different.json", "bad_payout"),
            // A server that has just started, or another one: nobody's list is empty because of that.
            ("coin_is_missing.json", "bad_payout"),
            ("not_started.json", "bad_payout"),
            ("object.json", "bad_payout"),
            ("payments_missing.json", "bad_payout"),
            ("payments_null.json", "bad_payout"),
            ("cut.json", "not_json"),
            ("empty.json", "empty_body"),
            ("bad_gateway.html", "not_json"),
            // Another address is another wallet, however alike.
            ("prefix.json", "ADVC list:/*/payments/*:/txid:/amounts/* [- -]"),
        ],
    ),
    (
        "miningcore-payments",
        ADVC,
        &[
            ("real.json", "ADVC list:/*:/transactionConfirmationData:/amount t2=1.5@1700000000 t1=0.12345678@1700000000 [- -]"),
            ("empty_page.json", "ADVC list:/*:/transactionConfirmationData:/amount [- -]"),
            ("null_id.json", "ADVC list:/*:/transactionConfirmationData:/amount t1=2@1700000000 [- -]"),
            ("amount_text_nan.json", "bad_number"),
            ("address_missing.json", "ADVC list:/*:/transactionConfirmationData:/amount [- -]"),
            ("not_found.txt", "not_json"),
            ("null.json", "bad_payout"),
        ],
    ),
];

fn shown(outcome: &Result<Extracted, Failure>) -> String {
    let found = match outcome {
        Ok(found) => found,
        Err(failure) => return failure.kind().to_owned(),
    };
    let mut text = found.currency.to_string();
    for Counter { source, paid } in &found.counters {
        text.push_str(&format!(" {source}={paid}"));
    }
    if let Some(listed) = &found.listed {
        text.push_str(&format!(" {}", listed.source));
        for payout in &listed.payouts {
            let time = payout.time.map(|time| format!("@{time}")).unwrap_or_default();
            text.push_str(&format!(" {}={}{time}", payout.id, payout.amount));
        }
    }
    let figure = |figure: Option<Amount>| figure.map_or_else(|| "-".to_owned(), |amount| amount.to_string());
    text.push_str(&format!(" [{} {}]", figure(found.figures.balance), figure(found.figures.immature)));
    for (name, amount) in &found.figures.windows {
        text.push_str(&format!(" {name}={amount}"));
    }
    text
}

#[test]
fn every_document_with_payments_is_decided_as_the_table_says() {
    let pools = load(&[], &|_| Ok((None, None))).unwrap();
    for (pool, wallet, decisions) in DECISIONS {
        let spec = pools.iter().find(|spec| spec.name().as_str() == *pool).unwrap();
        let wallet: Wallet = wallet.parse().unwrap();
        assert_eq!(spec.check_wallet(&wallet), Ok(()), "{pool}");
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(pool);
        for (file, expected) in *decisions {
            let outcome = extract(spec, &wallet, &fs::read(folder.join(file)).unwrap());
            assert_eq!(shown(&outcome), *expected, "{pool}/{file}: {outcome:?}");
            match &outcome {
                Ok(found) => {
                    assert!(
                        found.raw.len() <= 4096 && serde_json::from_str::<serde_json::Value>(&found.raw).unwrap().is_object()
                    );
                    assert_ne!(found.counters.is_empty(), found.listed.is_none(), "one of both");
                }
                Err(failure) => assert!(!failure.to_string().contains('\n'), "{failure}"),
            }
        }
        let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.retain(|file| !decisions.iter().any(|(name, _)| file == name));
        assert!(files.is_empty(), "not in the table: {files:?}");
    }
}

/// The lines of a file behind "#:", which stand ready, in place of what they replace.
fn with_ready_lines(file: &str, without: &str) -> PoolSpec {
    let text = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    assert!(without.lines().all(|gone| text.lines().any(|line| line == gone)), "{without}");
    let text: Vec<&str> = text.lines().filter(|line| !without.lines().any(|gone| gone == *line)).collect();
    let ready = |line: &&str| line.starts_with("#:");
    // A table of its own must not take the keys that follow: it goes to the end.
    let (ready, rest): (Vec<&str>, Vec<&str>) = text.into_iter().partition(ready);
    let ready: Vec<&str> = ready.iter().map(|line| line.trim_start_matches("#:").trim()).collect();
    PoolSpec::parse(&format!("{}\n{}", rest.join("\n"), ready.join("\n")), file).unwrap()
}

#[test]
fn zpool_can_count_its_payouts_by_transaction() {
    let spec = with_ready_lines("config/pools/zpool.toml", "[paid]\nfirst = [\"/paid\", \"/paidtotal\"]");
    let body = |payouts: &str| {
        format!(r#"{{"currency":"BTC","unpaid":1,"paid24h":0.5,"total":1.5,"paidtotal":77,"error":"","payouts":{payouts}}}"#)
    };
    let read = |payouts: &str| shown(&extract(&spec, &BTC.parse().unwrap(), body(payouts).as_bytes()));
    let two = r#"[{"time":1700000000,"amount":"0.00050000","tx":"b"},{"time":1699990000,"amount":"0.00025","tx":"a"}]"#;
    assert_eq!(read(two), "BTC list:/payouts:/tx:/amount b=0.0005@1700000000 a=0.00025@1699990000 [- -] paid24h=0.5 total=1.5");
    assert_eq!(read("[]"), "BTC list:/payouts:/tx:/amount [- -] paid24h=0.5 total=1.5");
    assert_eq!(read(r#"[{"amount":"1","tx":null},{"amount":"x","tx":""}]"#), read("[]"), "still under way");
    for refused in ["null", "\"\"", "{}", "5", r#"[{"tx":"a"}]"#, r#"[{"tx":"a","amount":"x"}]"#, r#"[{"tx":true,"amount":1}]"#] {
        let kind = read(refused);
        assert!(["counter_missing", "bad_payout", "bad_number"].contains(&kind.as_str()), "{refused}: {kind}");
    }
    assert_eq!(read(r#"[{"tx":"a","amount":1},{"tx":"a","amount":2}]"#), "bad_payout");
    assert_eq!(read(&format!(r#"[{{"tx":"{}","amount":1}}]"#, "a".repeat(256))), "bad_payout");
    assert_eq!(read(r#"[{"tx":"a\u0000","amount":1}]"#), "bad_payout");
}

#[test]
fn the_unit_of_rplant_and_of_cryptonote_can_be_read() {
    let rplant = with_ready_lines("config/pools/rplant.toml", "");
    let rule = |spec: &PoolSpec| spec.unit.clone().unwrap();
    assert_eq!(rule(&rplant).url.to_string(), "https://pool.rplant.xyz/api/dash");
    assert_eq!(rule(&rplant).read(br#"{"tbs":{"advc":{"symbol":"ADVC","info":{"div2":8}}}}"#), Ok(8));
    assert_eq!(rule(&rplant).read(br#"{"tbs":{"advc":{"symbol":"ADVC","info":{}}}}"#), Ok(0));
    let cryptonote = with_ready_lines("config/pools/ready/cryptonote.toml", "decimals = 12");
    assert_eq!(rule(&cryptonote).read(br#"{"config":{"coinUnits":1000000000000}}"#), Ok(12));
    let body = br#"{"stats":{"paid":"2500000000000"}}"#;
    let wallet = format!("4{}9", "8Ab".repeat(31)).parse().unwrap();
    assert_eq!(shown(&extract(&cryptonote.with_decimals(11), &wallet, body)), "XMR /stats/paid@1e-11=25 [- -]");
}
