//! The scanner against the JSON library, which is what decides whether a text is JSON.

use std::collections::BTreeSet;
use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::corpus_tests::corpus;
use super::super::document::{Document, DocumentError};
use super::*;

/// The members of an object as the JSON library reads them.
struct Entries<'a>(Vec<(String, &'a str)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    entries.push((key, value.get()));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Compares all that is made of `text`, and answers whether it is JSON.
fn agree(text: &str) -> bool {
    let is_well_formed = serde_json::from_str::<IgnoredAny>(text).is_ok();
    assert_eq!(is_json(text), is_well_formed, "{text:?}");

    let mut seen = Vec::new();
    let all = members(text, |key, value| seen.push((key.to_owned(), value)));
    let entries = serde_json::from_str::<Entries<'_>>(text);
    assert_eq!(all.map(|()| &seen), entries.as_ref().ok().map(|entries| &entries.0), "{text:?}");

    let mut seen = Vec::new();
    let all = elements(text, |element| seen.push(element));
    let items = serde_json::from_str::<Vec<&RawValue>>(text).ok();
    let items: Option<Vec<&str>> = items.map(|items| items.into_iter().map(RawValue::get).collect());
    assert_eq!(all.map(|()| seen), items, "{text:?}");

    // Of those that occur twice the last one; some of the keys, because a pool file names only few.
    match entries {
        Ok(Entries(entries)) => {
            let wanted: BTreeSet<String> = entries.iter().rev().take(20).map(|(key, _)| key.clone()).collect();
            let wanted: Vec<String> = wanted.into_iter().collect();
            let document = Document::parse(text, &wanted).unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
            for key in &wanted {
                let pointer = format!("/{}", key.replace('~', "~0").replace('/', "~1")).try_into().unwrap();
                let last = entries.iter().rfind(|(name, _)| name == key).map(|(_, value)| *value);
                assert_eq!(document.text(&pointer), last, "{text:?}");
            }
        }
        Err(error) => {
            let error = match text.starts_with('{') || !is_well_formed {
                true => DocumentError::NotJson(error.to_string()),
                false => DocumentError::NotObject,
            };
            assert_eq!(Document::parse(text, &[]).err(), Some(error), "{text:?}");
        }
    }
    is_well_formed
}

/// What is put between and into the parts of a text, so that both good and bad ones come of it.
const SCRAPS: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\\",
    "/",
    "u",
    "0",
    "1",
    "9",
    "-",
    "+",
    ".",
    "e",
    "E",
    "t",
    "true",
    "false",
    "null",
    " ",
    "\n",
    "\r",
    "\t",
    "\0",
    "\u{1f}",
    "\u{7f}",
    "\u{b}",
    "\u{a0}",
    "\u{feff}",
    "é",
    "😀",
    "\\u0041",
    "\\ud83d",
    "\\ude00",
    "\\x",
    "\\u00g0",
    "0123456789abcdef",
];

fn string() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[ -~&&[^\"\\\\]]{0,40}",
        1 => "[é😀\u{7f}\u{2028}]{1,8}",
        1 => select(&["\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0000", "\\uD83D\\uDE00"][..]).prop_map(str::to_owned),
        1 => "\\\\u[0-9a-fA-F]{4}",
    ];
    vec(part, 0..4).prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn json() -> impl Strategy<Value = String> {
    let blank = || select(&["", "", "", "", " ", "\n  ", "\r\n\t"][..]);
    let leaf = prop_oneof![
        select(&["true", "false", "null", "{}", "[]", "{ }", "[\n]", "0", "-0", "1e400", "-0.0E-99999999999"][..])
            .prop_map(str::to_owned),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,12})?",
        string(),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let item = (blank(), inner.clone(), blank()).prop_map(|(before, value, behind)| format!("{before}{value}{behind}"));
        let member = (blank(), prop_oneof![string(), Just("\"a\"".to_owned())], blank(), item.clone())
            .prop_map(|(before, key, behind, value)| format!("{before}{key}{behind}:{value}"));
        prop_oneof![
            vec(item, 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

/// `text` with some of its characters replaced; where the length is zero, something is put between them.
fn changed(text: &str, changes: &[(Index, usize, &str)]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (at, length, scrap) in changes {
        let begin = at.index(chars.len() + 1);
        let end = (begin + length).min(chars.len());
        chars.splice(begin..end, scrap.chars());
    }
    chars.into_iter().collect()
}

fn changes() -> impl Strategy<Value = Vec<(Index, usize, &'static str)>> {
    let scrap = prop_oneof![3 => select(&SCRAPS[..]), 1 => Just("")];
    vec((any::<Index>(), 0..3_usize, scrap), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn json_is_read_as_the_library_reads_it(text in json()) {
        prop_assert!(agree(&text), "{text:?} is JSON");
    }

    #[test]
    fn what_is_hardly_json_is_decided_as_the_library_decides(text in json(), changes in changes()) {
        agree(&changed(&text, &changes));
    }

    #[test]
    fn scraps_are_decided_as_the_library_decides(scraps in vec(select(&SCRAPS[..]), 0..12)) {
        agree(&scraps.concat());
    }
}

#[test]
fn every_answer_of_the_corpus_is_read_as_the_library_reads_it() {
    let (mut good, mut bad) = (0, 0);
    for case in corpus() {
        let text = String::from_utf8_lossy(&case.body);
        if agree(&text) {
            good += 1
        } else {
            bad += 1
        }
        if text.len() > 300 {
            continue;
        }
        for (at, _) in text.char_indices() {
            agree(&text[..at]);
            let mut other = text.clone().into_owned();
            other.insert_str(at, SCRAPS[at % SCRAPS.len()]);
            agree(&other);
        }
    }
    assert!(good > 80 && bad > 20, "{good} {bad}");
}

#[test]
fn odd_texts_are_what_the_library_says_they_are() {
    let good = [
        r#""\ud800""#,
        r#"["\udc00\ud800"]"#,
        r#"{"a":"\uDBFFx"}"#,
        "\"\u{7f}\u{2028}\"",
        "-0",
        "0e0",
        "-0.0e-0",
        "1E+99999999999999999999",
        "0.00000000000000000000000000000000000001",
        "[1e999,-1E999]",
        "\t\r\n 1 \n",
        r#"{"a":1,"a":2}"#,
        r#"{"":{"":[]}}"#,
        "{\"é\":\"é\"}",
        r#"{"$serde_json::private::Number":"7"}"#,
        r#"{"$serde_json::private::RawValue":"x"}"#,
        "[ ]",
        "{ }",
        "[[],{},[{}]]",
    ];
    let bad = [
        "",
        " ",
        "-",
        "+1",
        "00",
        "01",
        "-01",
        "0.",
        ".5",
        "1.",
        "1.e1",
        "1e",
        "1e+",
        "1e-",
        "0x1",
        "1_0",
        "NaN",
        "Infinity",
        "1 2",
        "[1 2]",
        "\u{feff}1",
        "\u{a0}1",
        "\u{b}1",
        "[1,]",
        "[,1]",
        "[,]",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a" 1}"#,
        "{a:1}",
        "{1:1}",
        r#"{"a":1]"#,
        "[1}",
        "]",
        "}",
        "[",
        "{",
        "[[]",
        "[]]",
        "{}}",
        "\"",
        "\"\\",
        "\"\\\"",
        r#""\x""#,
        r#""\u12""#,
        r#""\u12g4""#,
        r#""\u+123""#,
        "\"\u{1f}\"",
        "\"\n\"",
        "\"\0\"",
        "'a'",
        "tru",
        "truE",
        "nulll",
        "true1",
        "falsey",
        "1\0",
        "[1]\0",
        "\0",
        "1.2.3",
        "1e1.5",
        "1e1e1",
        "123456789012345678901234567890.",
        "1234567890.1234567890e",
    ];
    for text in good {
        assert!(agree(text), "{text:?}");
    }
    for text in bad {
        assert!(!agree(text), "{text:?}");
    }
}

#[test]
fn half_a_surrogate_pair_is_no_key() {
    for key in [r"\ud800", r"\udc00", r"a\ud83d\u0041"] {
        assert!(agree(&format!("{{\"a\":{{\"{key}\":1}}}}")), "skipped");
        assert!(members(&format!("{{\"{key}\":1}}"), |_, _| {}).is_none());
        agree(&format!("{{\"{key}\":1}}"));
    }
}

#[test]
fn texts_and_numbers_of_every_length_end_where_they_end() {
    for length in 0..70 {
        let (run, digits) = ("a".repeat(length), format!("1{}", "0".repeat(length)));
        for behind in ["", " ", ",", "                    "] {
            for (begin, end) in [("", behind), ("[", "]"), ("[", " ]          "), ("{\"k\":", "}                  ")] {
                for text in [format!("\"{run}\""), format!("\"{run}\\n\""), format!("\"{run}é\\u00e9{run}\"")] {
                    agree(&format!("{begin}{text}{end}"));
                }
                for broken in [format!("\"{run}"), format!("\"{run}\\"), format!("\"{run}\\u00e"), format!("\"{run}\u{1}\"")] {
                    assert!(!agree(&format!("{begin}{broken}{end}")));
                }
                for number in ["", ".5", ".", ".50e7", "e7", "E", "e+", ".e1", "x", "-"] {
                    agree(&format!("{begin}{digits}{number}{end}"));
                    agree(&format!("{begin}-{digits}{number}{end}"));
                    agree(&format!("{begin}0.{digits}{number}{end}"));
                    agree(&format!("{begin}1.{digits}{number}{end}"));
                }
            }
        }
    }
}

#[test]
fn only_what_was_opened_last_is_closed() {
    for depth in 1..200_usize {
        // Which of them are objects: no regular pattern, so that a level that is mistaken for another shows.
        let is_object: Vec<bool> = (0..depth).map(|level| level * level / 3 % 2 == 1).collect();
        let opened: String = is_object.iter().map(|is_object| if *is_object { "{\"\":" } else { "[" }).collect();
        let closed: Vec<char> = is_object.iter().rev().map(|is_object| if *is_object { '}' } else { ']' }).collect();
        assert!(agree(&format!("{opened}1{}", closed.iter().collect::<String>())));
        for wrong in [0, depth / 2, depth - 1] {
            let mut closed = closed.clone();
            closed[wrong] = if closed[wrong] == '}' { ']' } else { '}' };
            assert!(!agree(&format!("{opened}1{}", closed.iter().collect::<String>())));
        }
    }
}

#[test]
fn a_level_costs_about_one_bit() {
    let mut nesting = Nesting::new();
    (0..1_000_000).for_each(|level| nesting.enter(level % 3 == 0));
    assert!(nesting.outer.len() * 8 < 1_000_000 / 7, "{} bytes", nesting.outer.len() * 8);
    for level in (1..1_000_000).rev() {
        assert_eq!(nesting.leave(), Some((level - 1) % 3 == 0), "{level}");
    }
    assert_eq!(nesting.leave(), None);
}
