//! The answer as it is kept with a snapshot: valid JSON, short, and storable everywhere.

use serde_json::{Map, Value, json};

use crate::domain::{Amount, Counter, Currency, Figures};

/// The longest answer that is kept as it came, in bytes of compact JSON.
pub(super) const BYTES_MAX: usize = 4096;
/// A longer text is not even looked at: indentation alone seldom quadruples an answer.
const TEXT_BYTES_MAX: usize = 4 * BYTES_MAX;

/// The beginning of the keys by which the JSON library passes literal numbers to itself. An object with such a key is
/// read as a number or not at all, here and by whoever reads the kept answer.
const PRIVATE_KEY: &str = "$serde_json::private";

/// `text`, which is a JSON object, in compact form; or, when that is longer than [`BYTES_MAX`], a note of its length
/// and the figures that were found in it.
pub(super) fn shorten(text: &str, currency: &Currency, counters: &[Counter], figures: &Figures) -> String {
    if text.len() <= TEXT_BYTES_MAX
        && let Ok(mut value) = serde_json::from_str::<Value>(text)
    {
        remove_nul(&mut value);
        let compact = value.to_string();
        if compact.len() <= BYTES_MAX && value.is_object() && !compact.contains(PRIVATE_KEY) {
            return compact;
        }
    }
    let mut paid = Map::new();
    for Counter { source, paid: amount } in counters {
        // A pointer that no answer should make long: a sum's is as long as its pool file.
        paid.insert(source.chars().take(256).collect(), exact(*amount));
    }
    let Figures { balance, immature, total_hash, total_shares, windows } = figures;
    let mut note = json!({"truncated": true, "bytes": text.len(), "currency": currency.as_str(), "paid": paid});
    let named = [("balance", balance), ("immature", immature), ("total_hash", total_hash), ("total_shares", total_shares)];
    for (name, amount) in named {
        if let (Some(amount), Some(note)) = (amount, note.as_object_mut()) {
            note.insert(name.to_owned(), exact(*amount));
        }
    }
    if let (false, Some(note)) = (windows.is_empty(), note.as_object_mut()) {
        note.insert("windows".to_owned(), windows.iter().map(|(name, amount)| (name.clone(), exact(*amount))).collect());
    }
    note.to_string()
}

/// A JSON number with the amount's exact digits.
pub(super) fn exact(amount: Amount) -> Value {
    let text = amount.to_string();
    text.parse().map_or(Value::String(text), Value::Number)
}

/// Replaces NUL characters, which PostgreSQL's `text` and `jsonb` refuse, by U+FFFD.
fn remove_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(remove_nul),
        Value::Object(members) => {
            if members.keys().any(|key| key.contains('\0')) {
                let taken = std::mem::take(members);
                members.extend(taken.into_iter().map(|(key, value)| (key.replace('\0', "\u{fffd}"), value)));
            }
            members.values_mut().for_each(remove_nul);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortened(text: &str) -> String {
        let counters = [Counter { source: "/paid".into(), paid: "10.5".parse().unwrap() }];
        let figures = Figures { balance: "0.00000001".parse().ok(), ..Figures::default() };
        shorten(text, &"ADVC".parse().unwrap(), &counters, &figures)
    }

    #[test]
    fn a_short_answer_is_kept_with_its_literals() {
        assert_eq!(
            shortened("{ \"b\" : 1e-8,\n \"a\": 10.500000000000000000002 }"),
            r#"{"a":10.500000000000000000002,"b":1e-8}"#
        );
    }

    #[test]
    fn nul_characters_do_not_survive() {
        let raw = shortened(r#"{"a\u0000":[{"b":"\u0000x"}],"c":"\u0000"}"#);
        assert!(!raw.contains("\\u0000") && !raw.contains('\0'), "{raw}");
        assert!(raw.contains('\u{fffd}'));
    }

    #[test]
    fn a_long_answer_is_noted_with_its_figures() {
        let long = format!("{{\"x\":\"{}\"}}", "y".repeat(5_000));
        let note = r#"{"balance":0.00000001,"bytes":5008,"currency":"ADVC","paid":{"/paid":10.5},"truncated":true}"#;
        assert_eq!(shortened(&long), note);
        for private in [r#"{"$serde_json::private::Number":"7"}"#, r#"{"a":1,"$serde_json::private::Number":[]}"#] {
            assert!(shortened(private).contains("\"truncated\":true"), "{private}");
        }
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
        assert!(shortened(&deep).contains("\"truncated\":true"), "deeper than the reader goes");
    }
}
