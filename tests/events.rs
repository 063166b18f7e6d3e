//! The list of the log's events, held against the source: what is logged is listed at its level, and what is listed is logged.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const LIST: &str = include_str!("../deploy/events.md");

/// The events of the source by level: the last text of each call of a macro of `tracing`.
fn logged() -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for level in ["error", "warn", "info", "debug", "trace"] {
                for (_, call) in
                    text.match_indices(&format!("tracing::{level}!(")).map(|(at, name)| (at, &text[at + name.len()..]))
                {
                    let name = last_text(call).unwrap_or_else(|| panic!("{}: {level} without a name", path.display()));
                    found.entry(level).or_default().insert(name.to_owned());
                }
            }
        }
    }
    found
}

/// The last literal text before the bracket that ends the call.
fn last_text(call: &str) -> Option<&str> {
    let (mut depth, mut last, mut begins) = (1, None, None);
    let mut escaped = false;
    for (at, byte) in call.bytes().enumerate() {
        match (begins, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(from), b'"') => {
                last = Some(&call[from..at]);
                begins = None;
            }
            (None, b'"') => begins = Some(at + 1),
            (None, b'(') => depth += 1,
            (None, b')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return last;
        }
    }
    None
}

/// The names in the part of the list that begins with `heading`.
fn listed(heading: &str) -> BTreeSet<String> {
    let part = LIST.split("\n## ").find(|part| part.starts_with(heading)).expect("the part");
    let rows = part.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| row.split('|').next().unwrap());
    let texts: Vec<&str> = if part.contains("| --- |") { rows.collect() } else { vec![part] };
    let names = texts.iter().flat_map(|text| text.split([' ', '`', ',', '\n', '.']));
    let is_name = |name: &&str| name.len() > 4 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    names.filter(is_name).map(str::to_owned).collect()
}

#[test]
fn every_error_and_warning_is_listed_with_what_it_means_and_no_other() {
    let mut logged = logged();
    // Only in a debug build, when a test asks for it.
    logged.get_mut("error").unwrap().remove("fault injection: hangs");
    assert_eq!(listed("Errors"), logged["error"]);
    assert_eq!(listed("Warnings"), logged["warn"]);
}

#[test]
fn every_other_event_is_listed() {
    let logged = logged();
    let listed = listed("What happens");
    for name in logged["info"].iter().chain(&logged["debug"]) {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name:?} is no stable name");
        assert!(listed.contains(name), "{name} is not listed");
    }
}

#[test]
fn a_name_is_found_behind_its_fields() {
    assert_eq!(last_text(r#"%error, hint = f("a ) \" b"), "the_name");"#), Some("the_name"));
}
