//! The answer as it is kept with a snapshot: valid JSON, short, and storable everywhere.

use serde_json::{Map, Value, json};

use super::amount::Amount;
use super::names::Currency;
use super::reading::{Counter, Figures};

/// The longest answer that is kept as it came, in bytes of compact JSON.
pub const BYTES_MAX: usize = 4096;
/// A longer text is not even looked at: indentation alone seldom quadruples an answer. In bytes.
pub const TEXT_BYTES_MAX: usize = 4 * BYTES_MAX;
/// The deepest nesting that is kept: common readers refuse more than 128 levels.
const DEPTH_MAX: usize = 100;

/// The beginning of the keys by which the JSON library passes literal numbers to itself. An object with such a key is
/// read as a number or not at all, here and by whoever reads the kept answer.
const PRIVATE_KEY: &str = "$serde_json::private";

/// `text`, which is a well-formed JSON object, in compact form; or, when that is longer than [`BYTES_MAX`] or not readable
/// everywhere, a note of its length and the figures that were found in it.
#[must_use]
pub fn shorten(text: &str, currency: &Currency, counters: &[Counter], figures: &Figures) -> String {
    if text.len() <= TEXT_BYTES_MAX
        && let Some(compact) = compact(text)
    {
        return compact;
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
        note.insert("windows".to_owned(), windows.iter().map(|(name, amount)| (name.to_string(), exact(*amount))).collect());
    }
    note.to_string()
}

/// A JSON number with the amount's exact digits.
#[must_use]
pub fn exact(amount: Amount) -> Value {
    let text = amount.to_string();
    text.parse().map_or(Value::String(text), Value::Number)
}

/// The text without white space between its parts, in one pass and without building what it says. `None` when it is too long, or
/// well-formed in a way that common readers refuse: nested too deeply, half a surrogate pair, a key that is private to the
/// JSON library.
///
/// NUL characters, which PostgreSQL's `text` and `jsonb` refuse, become U+FFFD. Escaped ASCII is written plainly, so that no
/// spelling hides a key.
fn compact(text: &str) -> Option<String> {
    let mut kept = String::with_capacity(text.len().min(BYTES_MAX));
    let (mut depth, mut in_string) = (0_usize, false);
    let mut rest = text;
    while let Some(next) = rest.bytes().next() {
        // Up to the next byte that means something here; all of those are ASCII.
        let special =
            |byte: u8| if in_string { matches!(byte, b'"' | b'\\') } else { !matches!(byte, b'0'..=b'9' | b'a'..=b'z') };
        if special(next) {
            let mut taken = 1;
            match next {
                b'"' => in_string = !in_string,
                b'\\' => {
                    taken = unescape(rest, &mut kept)?;
                    rest = rest.get(taken..)?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.checked_sub(1)?,
                b' ' | b'\t' | b'\r' | b'\n' => {
                    rest = rest.get(taken..)?;
                    continue;
                }
                _ => {}
            }
            kept.push_str(rest.get(..taken)?);
            rest = rest.get(taken..)?;
            if depth > DEPTH_MAX {
                return None;
            }
        } else {
            let length = rest.bytes().position(special).unwrap_or(rest.len());
            kept.push_str(rest.get(..length)?);
            rest = rest.get(length..)?;
        }
        if kept.len() > BYTES_MAX {
            return None;
        }
    }
    (!kept.contains(PRIVATE_KEY)).then_some(kept)
}

/// Writes the escape that `text` begins with, and answers how many bytes it has.
fn unescape(text: &str, kept: &mut String) -> Option<usize> {
    let unit = |at: usize| u16::from_str_radix(text.get(at..at + 4)?, 16).ok();
    if text.as_bytes().get(1) != Some(&b'u') {
        let escape = text.get(..2)?;
        kept.push_str(if escape == "\\/" { "/" } else { escape });
        return Some(2);
    }
    match unit(2)? {
        0 => kept.push(char::REPLACEMENT_CHARACTER),
        // Needs its escape.
        0x22 | 0x5c => kept.extend(['\\', char::from_u32(unit(2)?.into())?]),
        ascii @ 0x20..=0x7e => kept.push(char::from_u32(ascii.into())?),
        0xd800..=0xdbff => {
            let is_pair = text.get(6..8) == Some("\\u") && matches!(unit(8)?, 0xdc00..=0xdfff);
            kept.push_str(text.get(..12).filter(|_| is_pair)?);
            return Some(12);
        }
        0xdc00..=0xdfff => return None,
        _ => kept.push_str(text.get(..6)?),
    }
    Some(6)
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
            r#"{"b":1e-8,"a":10.500000000000000000002}"#
        );
        assert_eq!(shortened("\t{ \"a b\" : [ true ,\r\n-1.5E+2, null , { } ] }\n"), r#"{"a b":[true,-1.5E+2,null,{}]}"#);
    }

    #[test]
    fn escapes_mean_what_they_meant() {
        let text = r#"{"a\/b":"\"\\ \u0022\u005c\u0041\u00e9\u20AC\ud83d\ude00é \n \u001f"}"#;
        let kept = shortened(text);
        assert_eq!(kept, r#"{"a/b":"\"\\ \"\\A\u00e9\u20AC\ud83d\ude00é \n \u001f"}"#);
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(read(&kept), read(text));
        for half in [r#"{"a":"\ud83d"}"#, r#"{"a":"\ud83d\ud83d"}"#, r#"{"a":"\ude00"}"#, r#"{"a":"\ud83dx"}"#] {
            assert!(shortened(half).contains("\"truncated\":true"), "{half}");
        }
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
        for private in [
            r#"{"$serde_json::private::Number":"7"}"#,
            r#"{"a":1,"$serde_json::private::Number":[]}"#,
            r#"{"a":{"\u0024serde_json::priv\u0061te::Number":"x"}}"#,
        ] {
            assert!(shortened(private).contains("\"truncated\":true"), "{private}");
        }
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
        assert!(shortened(&deep).contains("\"truncated\":true"), "deeper than the reader goes");
    }
}
