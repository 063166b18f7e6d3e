//! Payouts that an answer lists one by one: from its text to [`Payout`]s.
//!
//! Promises: a payout without an id is one that is still under way and is not there yet; whatever is odd about one that has an
//! id refuses the whole list, because a list that is read in part would look like one that is complete.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::document::{Node, below};
use super::extract::number;
use super::failure::{Excerpt, Failure};
use super::pointer::Pointer;
use crate::domain::listed::Payout;

/// The longest id that the database holds, in characters.
const ID_CHARS_MAX: usize = 255;
/// Seconds since 1970 from here on are milliseconds: the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// `[paid.list]`: where the items are, and what is where in one.
#[derive(Debug, Clone)]
pub(super) struct ListRule {
    pub(super) items: Pointer,
    pub(super) id: Pointer,
    pub(super) amount: Pointer,
    pub(super) time: Option<Pointer>,
    /// How far back the list reaches.
    pub(super) window_seconds: Option<u64>,
}

/// The payouts of one wallet while they are read.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    payouts: Vec<Payout>,
    by_id: HashMap<String, usize>,
}

impl Gathered {
    /// Adds one item. `place` names the list in messages.
    pub(super) fn add(&mut self, place: &str, item: Item<'_>, decimals: u32) -> Result<(), Failure> {
        let Item { id, amount, time } = item;
        let Some(id) = id.map(Node::read).filter(|id| !id.is_blank()) else { return Ok(()) };
        let bad = |what: &str, reason: &str, found: &Node<'_>| Failure::BadPayout {
            place: format!("{what} of a payout in {place}"),
            reason: reason.to_owned(),
            found: Excerpt::new(&found.to_string()),
        };
        let text = match &id {
            Node::Text(text) => text.as_ref(),
            Node::Number(text) => text,
            other => return Err(bad("the id", "neither a text nor a number", other)),
        };
        if text.chars().count() > ID_CHARS_MAX || text.chars().any(char::is_control) {
            return Err(bad("the id", "too long or holds control characters", &id));
        }
        let Some(amount) = amount.map(Node::read) else { return Err(bad("the amount", "missing, its id", &id)) };
        let paid = number(&format!("the amount of a payout in {place}"), &amount, decimals)?;
        match self.by_id.get(text).and_then(|at| self.payouts.get(*at)) {
            // The same payout twice, as on two pages between which the list has grown.
            Some(first) if first.amount == paid => Ok(()),
            Some(_) => Err(bad("the id", "there twice with different amounts", &id)),
            None => {
                self.by_id.insert(text.to_owned(), self.payouts.len());
                self.payouts.push(Payout { id: text.to_owned(), amount: paid, time: time.map(Node::read).and_then(moment) });
                Ok(())
            }
        }
    }

    pub(super) fn into_payouts(self) -> Vec<Payout> {
        self.payouts
    }
}

/// The texts of what is read of one item.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) amount: Option<&'a str>,
    pub(super) time: Option<&'a str>,
}

/// The payouts of `text`, which stands where the rule's items should be.
pub(super) fn read_list(rule: &ListRule, text: &str, decimals: u32) -> Result<Vec<Payout>, Failure> {
    let place = rule.items.as_str();
    let items = elements(text).ok_or_else(|| Failure::BadPayout {
        place: place.to_owned(),
        reason: "no array".to_owned(),
        found: Excerpt::new(&Node::read(text).to_string()),
    })?;
    let mut gathered = Gathered::default();
    for item in items {
        let at = |pointer: &Pointer| below(item.get(), pointer.tokens());
        let item = Item { id: at(&rule.id), amount: at(&rule.amount), time: rule.time.as_ref().and_then(at) };
        gathered.add(place, item, decimals)?;
    }
    Ok(gathered.into_payouts())
}

/// The elements of an array.
pub(super) fn elements(text: &str) -> Option<Vec<&RawValue>> {
    if text.starts_with('[') { serde_json::from_str(text).ok() } else { None }
}

/// The members of an object in their order; of a name that occurs twice, the last value counts.
pub(super) fn members(text: &str) -> Option<Vec<(String, &RawValue)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members: Vec<(String, &RawValue)> = Vec::new();
            let mut at: HashMap<String, usize> = HashMap::new();
            while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                match at.get(&key).and_then(|at| members.get_mut(*at)) {
                    Some((_, last)) => *last = value,
                    None => {
                        at.insert(key.clone(), members.len());
                        members.push((key, value));
                    }
                }
            }
            Ok(members)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Vec::new())
        }
    }
    if !text.starts_with('{') {
        return None;
    }
    serde_json::Deserializer::from_str(text).deserialize_map(Members).ok()
}

/// Seconds since 1970 of a time as pools write it: seconds, milliseconds, ISO 8601 or a date and time in UTC. What is none does
/// no harm: nothing depends on it.
fn moment(node: Node<'_>) -> Option<i64> {
    let text = match &node {
        Node::Number(text) => text,
        Node::Text(text) => text.as_ref(),
        _ => return None,
    };
    if let Ok(number) = text.split('.').next().unwrap_or_default().parse::<i64>()
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return Some(if number >= MILLISECONDS_FROM { number / 1_000 } else { number });
    }
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp());
    }
    let plain = text.replace('T', " ");
    chrono::NaiveDateTime::parse_from_str(&plain, "%Y-%m-%d %H:%M:%S%.f").ok().map(|time| time.and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_the_forms_that_pools_write() {
        let read = |text: &str| moment(Node::read(text));
        for text in [
            "1700000000",
            "1700000000.25",
            "1700000000123",
            "\"1700000000\"",
            "\"2023-11-14T22:13:20Z\"",
            "\"2023-11-14T22:13:20.5\"",
            "\"2023-11-15T00:13:20+02:00\"",
            "\"2023-11-14 22:13:20\"",
        ] {
            assert_eq!(read(text), Some(1_700_000_000), "{text}");
        }
        for text in ["null", "true", "\"\"", "\"soon\"", "-5", "1e9", "[]", "99999999999999999999"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_of_two_equal_members_counts() {
        let members = members(r#"{"a":1,"b":2,"a":3}"#).unwrap();
        let shown: Vec<(&str, &str)> = members.iter().map(|(key, value)| (key.as_str(), value.get())).collect();
        assert_eq!(shown, [("a", "3"), ("b", "2")]);
    }
}
