//! The scanner of JSON against the JSON library: the same texts pass, and the same parts come of them.

#![no_main]

use std::fmt;

use libfuzzer_sys::fuzz_target;
use pool_poller_fuzz::pools::{document_member, elements, is_json, members};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let is_well_formed = serde_json::from_str::<IgnoredAny>(text).is_ok();
    assert_eq!(is_json(text), is_well_formed);
    let items = serde_json::from_str::<Vec<&RawValue>>(text).ok();
    let items: Option<Vec<&str>> = items.map(|items| items.into_iter().map(RawValue::get).collect());
    assert_eq!(elements(text), items);
    match serde_json::from_str::<Entries<'_>>(text) {
        Ok(Entries(entries)) => {
            // The last of the keys, which may have occurred before.
            if let Some((key, value)) = entries.last() {
                assert_eq!(document_member(text, key), Ok(Some((*value).to_owned())));
            }
            assert_eq!(members(text), Some(entries));
        }
        Err(error) => {
            assert_eq!(members(text), None);
            let is_other = is_well_formed && !text.starts_with('{');
            assert_eq!(document_member(text, "a"), Err((!is_other).then(|| error.to_string())));
        }
    }
});

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
