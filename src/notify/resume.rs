//! What a game server says that it has: `{"<player_id>": <last sequence>, …}`. Pure.
//!
//! In Socket.IO it is the argument of the event `resume`, on a plain WebSocket the member `sequences` of
//! `{"type":"resume","sequences":{…}}`. It is read into 16 bytes a player, without a tree of JSON in between.

use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::domain::PlayerId;

/// The event's name in Socket.IO, and its `type` on a plain WebSocket.
pub const RESUME: &str = "resume";

/// The last sequence of each player. A player named twice has the later one last.
#[derive(Debug, PartialEq, Eq)]
struct Last(Vec<(PlayerId, i64)>);

/// The statement in `data`, the JSON array of the event's name and its arguments.
#[must_use]
pub fn from_arguments(data: &str) -> Option<Vec<(PlayerId, i64)>> {
    let Arguments(last) = serde_json::from_str(data).ok()?;
    Some(last.0)
}

/// The statement in a JSON object.
#[must_use]
pub fn from_object(object: &str) -> Option<Vec<(PlayerId, i64)>> {
    let last: Last = serde_json::from_str(object).ok()?;
    Some(last.0)
}

struct Arguments(Last);

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Arguments;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event's name and an object")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Arguments, A::Error> {
                let missing = || A::Error::invalid_length(1, &self);
                elements.next_element::<IgnoredAny>()?.ok_or_else(missing)?;
                let last = elements.next_element()?.ok_or_else(missing)?;
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Arguments(last))
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

impl<'de> Deserialize<'de> for Last {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Last;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of player ids and whole numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Last, A::Error> {
                let mut last = Vec::new();
                while let Some((player, sequence)) = entries.next_entry::<String, i64>()? {
                    let player = player.parse().map_err(|_| A::Error::custom("a name that is no player id"))?;
                    // A sequence begins at 1: whoever has nothing may say so with any number below.
                    last.push((PlayerId(player), sequence.max(0)));
                }
                Ok(Last(last))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sequences_are_read_by_player() {
        let expected = Some(vec![(PlayerId(42), 7), (PlayerId(-1), 0), (PlayerId(42), 8)]);
        assert_eq!(from_object(r#"{"42":7,"-1":-5,"42":8}"#), expected);
        assert_eq!(from_arguments(r#"["resume",{"42":7,"-1":-5,"42":8},{"more":[1]}]"#), expected);
        assert_eq!(from_arguments(r#"["resume",{}]"#), Some(Vec::new()));
    }

    #[test]
    fn anything_else_is_no_statement() {
        for object in
            ["", "[]", "null", "7", r#"{"a":1}"#, r#"{"1":1.5}"#, r#"{"1":"1"}"#, r#"{"1":null}"#, r#"{"99999999999":1}"#, "{"]
        {
            assert_eq!(from_object(object), None, "{object}");
            assert_eq!(from_arguments(&format!(r#"["resume",{object}]"#)), None, "{object}");
        }
        assert_eq!(from_arguments(r#"["resume"]"#), None);
        assert_eq!(from_arguments("{}"), None);
    }

    proptest! {
        #[test]
        fn any_statement_reads_back(last in prop::collection::vec((any::<i32>(), 0..i64::MAX), 0..50)) {
            let members: Vec<String> = last.iter().map(|(player, sequence)| format!("\"{player}\":{sequence}")).collect();
            let object = format!("{{{}}}", members.join(","));
            let expected: Vec<(PlayerId, i64)> = last.into_iter().map(|(player, sequence)| (PlayerId(player), sequence)).collect();
            prop_assert_eq!(from_object(&object), Some(expected));
        }
    }
}
