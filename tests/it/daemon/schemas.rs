//! The published schemas against what the program sends, by an independent validator.

use std::io::Write as _;
use std::process::{Command, Stdio};

use chrono::NaiveDate;
use pool_poller::domain::{Amount, EventId, PlayerId, Points};
use pool_poller::notify::{MiningReward, Signer};
use serde_json::Value;

use crate::support::{required_env, tests_file};

/// What the validator says of each text: `ok`, or what is wrong.
fn check(schema: &str, texts: &[String]) -> Vec<String> {
    let mut child = Command::new(required_env("POOL_POLLER_TEST_PYTHON"))
        .arg(tests_file("interop/check_schema.py"))
        .arg(format!("{}/config/schema/{schema}.json", env!("CARGO_MANIFEST_DIR")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut input = child.stdin.take().expect("a pipe");
    let lines = texts.join("\n") + "\n";
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("its output");
    writer.join().expect("no panic").expect("it reads everything");
    let said: Vec<String> = String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect();
    assert_eq!(said.len(), texts.len(), "{said:?}");
    said
}

fn reward(number: i32) -> MiningReward {
    let amount = |units: i128| Amount::from_units(units).expect("in range");
    let units = i128::from(number) * 987_654_321_987_654_321 * if number % 3 == 0 { -1 } else { 1 };
    let name = number.to_string();
    MiningReward {
        event_id: EventId::reversal(&name),
        sequence: i64::from(number) + 1,
        player_id: PlayerId(number),
        username: format!("\"{name}\\ \u{1f600}\u{7}\n"),
        pool: "cpu-pool.2_x".parse().expect("a pool"),
        advc_amount: amount(units),
        ap_awarded: Points::new(amount(units / 7)),
        total_ap: Points::new(amount(units.abs())),
        total_advc_mined: amount(i128::from(number)),
        timestamp: NaiveDate::from_ymd_opt(2026, 1, 2).expect("a day").and_hms_micro_opt(3, 4, 5, 6).expect("a time"),
    }
}

#[test]
fn every_payload_is_of_its_schema_signed_or_not() {
    let signer = Signer::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
    let texts: Vec<String> = (0..300)
        .map(|number| {
            let reward = reward(number);
            let text = reward.to_json();
            match number % 3 {
                0 => text,
                1 => signer.embed(reward.event_id, 1_760_000_000, &text),
                _ => pool_poller::notify::websocket::encode("mining_reward", &text).expect("an object"),
            }
        })
        .collect();
    assert!(check("mining_reward.v1", &texts).iter().all(|said| said == "ok"), "{:?}", check("mining_reward.v1", &texts[..3]));
}

#[test]
fn a_payload_without_any_of_its_fields_is_not_of_the_schema() {
    let whole: Value = serde_json::from_str(&reward(1).to_json()).expect("JSON");
    let fields: Vec<String> = whole.as_object().expect("an object").keys().cloned().collect();
    let without = |name: &String| {
        let mut changed = whole.clone();
        changed.as_object_mut().expect("an object").remove(name);
        changed.to_string()
    };
    let with_null = |name: &String| {
        let mut changed = whole.clone();
        changed[name.as_str()] = Value::Null;
        changed.to_string()
    };
    let texts: Vec<String> = fields.iter().map(without).chain(fields.iter().map(with_null)).collect();
    assert_eq!(texts.len(), 22);
    let said = check("mining_reward.v1", &texts);
    assert!(said.iter().all(|said| said != "ok"), "{said:?}");
}

#[test]
fn what_counts_as_an_acknowledgement_is_of_its_schema() {
    let id = "00000000-0000-5000-8000-0000000000a1";
    let good = [
        format!(r#"{{"type":"ack","event_id":"{id}"}}"#),
        format!(r#"{{"type":"ack","event_id":"{id}","ok":false,"error":{{"code":7}}}}"#),
        "null".to_owned(),
        "true".to_owned(),
        r#""taken""#.to_owned(),
        "{}".to_owned(),
        r#"{"ok":true}"#.to_owned(),
        r#"{"error":"full"}"#.to_owned(),
    ];
    assert!(check("ack.v1", &good).iter().all(|said| said == "ok"), "{:?}", check("ack.v1", &good));
    let bad = [r#"{"type":"ack"}"#, r#"{"type":"ack","event_id":7}"#, r#"{"type":"nack","event_id":"x"}"#, r#"{"ok":"yes"}"#];
    let said = check("ack.v1", &bad.map(str::to_owned));
    assert!(said.iter().all(|said| said != "ok"), "{said:?}");
}

#[test]
fn a_resume_is_of_its_schema_exactly_where_it_is_understood() {
    let texts =
        ["{}", r#"{"1":7,"42":0}"#, r#"{"-1":7}"#, r#"{"1":1.5}"#, r#"{"a":1}"#, r#"{"1":"7"}"#, r#"{"1":null}"#, "[]", "7"];
    let said = check("resume.v1", &texts.map(str::to_owned));
    for (text, said) in texts.iter().zip(said) {
        let understood = pool_poller::notify::resume::from_object(text).is_some();
        assert_eq!(said == "ok", understood, "{text}: {said}");
    }
}
