//! Reads single members out of a JSON answer without building the rest of it.
//!
//! A mining pool's answer for one wallet can hold megabytes of history. Only the top-level members that a pool file
//! points at are kept, and they are kept as slices of the text: memory stays near the size of the body whatever the
//! answer holds, and a number is seen as the literal that the pool wrote. A key that occurs twice counts with its last
//! value, as in every common JSON reader.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::pointer::Pointer;

/// A JSON object, checked to be well formed to its end.
pub(super) struct Document<'a> {
    /// As many as a pool file points at, so a list is as fast as anything.
    members: Vec<(&'a str, &'a RawValue)>,
}

/// What a pointer leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as the pool spelled it.
    Number(&'a str),
    /// A string, unescaped.
    Text(String),
    /// An object or array.
    Container {
        /// Whether nothing is in it.
        empty: bool,
    },
}

/// Why a text is not a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DocumentError {
    /// Not JSON; the parser's reason with line and column.
    NotJson(String),
    /// JSON, but not an object.
    NotObject,
}

impl<'a> Document<'a> {
    /// Checks all of `text` and keeps the top-level members named in `wanted`.
    pub(super) fn parse(text: &'a str, wanted: &'a BTreeSet<String>) -> Result<Self, DocumentError> {
        if !text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok() {
            return Err(DocumentError::NotObject);
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let members = Members { wanted }.deserialize(&mut json).and_then(|members| json.end().map(|()| members));
        members.map(|members| Self { members }).map_err(|error| DocumentError::NotJson(error.to_string()))
    }

    /// The text of what `pointer` leads to.
    pub(super) fn text(&self, pointer: &Pointer) -> Option<&'a str> {
        let (_, member) = self.members.iter().find(|(name, _)| *name == pointer.first())?;
        below(member.get(), pointer.rest())
    }

    /// What `pointer` leads to; `None` when there is nothing, also below something that is no object or array.
    pub(super) fn get(&self, pointer: &Pointer) -> Option<Node<'a>> {
        self.text(pointer).map(Node::read)
    }
}

impl<'a> Node<'a> {
    /// What `text`, a JSON value, is.
    pub(super) fn read(text: &'a str) -> Self {
        match text.as_bytes().first() {
            Some(b'"') => Self::Text(serde_json::from_str(text).unwrap_or_else(|_| text.to_owned())),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'{' | b'[') => {
                let inside = text.get(1..text.len() - 1).unwrap_or_default();
                Self::Container { empty: inside.trim_ascii().is_empty() }
            }
            Some(b'-' | b'0'..=b'9') => Self::Number(text),
            _ => Self::Null,
        }
    }

    /// Whether it says nothing: `null` or `""`.
    pub(super) fn is_blank(&self) -> bool {
        matches!(self, Self::Null) || matches!(self, Self::Text(text) if text.is_empty())
    }
}

/// How a node reads in a message.
impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Number(text) => f.write_str(text),
            Self::Text(text) => f.write_str(text),
            Self::Container { .. } => f.write_str("an object or array"),
        }
    }
}

/// Collects the wanted members of an object.
struct Members<'w> {
    wanted: &'w BTreeSet<String>,
}

impl<'de: 'w, 'w> DeserializeSeed<'de> for Members<'w> {
    type Value = Vec<(&'w str, &'de RawValue)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de: 'w, 'w> Visitor<'de> for Members<'w> {
    type Value = Vec<(&'w str, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Self::Value = Vec::new();
        let find = |key: &str| self.wanted.get(key).map(String::as_str);
        while let Some(wanted) = map.next_key_seed(Key(find))? {
            let Some(key) = wanted else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value()?;
            match members.iter_mut().find(|(name, _)| *name == key) {
                Some((_, earlier)) => *earlier = value,
                None => members.push((key, value)),
            }
        }
        Ok(members)
    }
}

/// A key, looked at where it stands: what `F` makes of it.
struct Key<F>(F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Key<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Key<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<T, E> {
        Ok(self.0(key))
    }
}

/// What `tokens` lead to from `text`, a JSON value.
pub(super) fn below<'a>(text: &'a str, tokens: &[String]) -> Option<&'a str> {
    tokens.iter().try_fold(text, |text, token| child(text, token))
}

/// The member or element `token` of the object or array `text`.
fn child<'a>(text: &'a str, token: &str) -> Option<&'a str> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_any(Child { token }).ok().flatten().map(RawValue::get)
}

/// Finds one member or element.
struct Child<'t> {
    token: &'t str,
}

impl<'de> Visitor<'de> for Child<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_wanted) = map.next_key_seed(Key(|key: &str| key == self.token))? {
            if is_wanted {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let canonical = self.token == "0" || !self.token.starts_with(['0', '+']);
        let wanted = self.token.parse::<usize>().ok().filter(|_| canonical);
        let (mut found, mut index) = (None, 0);
        while let Some(element) = seq.next_element()? {
            if Some(index) == wanted {
                found = Some(element);
            }
            index += 1;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(text: &'static str, pointer: &str) -> Option<Node<'static>> {
        let pointer = Pointer::try_from(pointer.to_owned()).unwrap();
        let wanted = Box::leak(Box::new(BTreeSet::from([pointer.first().to_owned()])));
        Document::parse(text, wanted).unwrap().get(&pointer)
    }

    #[test]
    fn numbers_keep_their_literal_text() {
        for literal in ["0.1", "1e-8", "1.6319901806703E-6", "123456789012345678901234567890", "-0"] {
            let text: &'static str = format!("{{\"a\":{{\"b\": [ {literal} ]}}}}").leak();
            assert_eq!(get(text, "/a/b/0"), Some(Node::Number(literal)));
        }
    }

    #[test]
    fn a_pointer_into_a_scalar_or_beyond_an_array_finds_nothing() {
        let text = r#"{"a":5,"b":[1,2],"c":null,"d":{"$serde_json::private::Number":"7"}}"#;
        for pointer in ["/a/b", "/b/2", "/b/-", "/b/01", "/b/+1", "/c/x", "/e", "/d/x"] {
            assert_eq!(get(text, pointer), None, "{pointer}");
        }
        assert_eq!(get(text, "/b/1"), Some(Node::Number("2")));
        assert_eq!(get(text, "/d"), Some(Node::Container { empty: false }), "not taken for a number");
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        assert_eq!(get(r#"{"a":1,"a":{"b":2,"b":3}}"#, "/a/b"), Some(Node::Number("3")));
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let deep = format!("{{\"x\":{}{},\"a\":1}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(get(deep.leak(), "/a"), Some(Node::Number("1")));
    }

    #[test]
    fn what_is_no_object_is_told_from_what_is_no_json() {
        let parse = |text| Document::parse(text, &BTreeSet::new()).err();
        for text in ["null", "[]", "1", "\"a\"", "true"] {
            assert_eq!(parse(text), Some(DocumentError::NotObject), "{text}");
        }
        for text in
            ["", "<html>", "{", "{}{}", "{\"a\":}", "{\"a\":NaN}", "{\"a\":1,}", "{\"a\":01}", "{\"a\":1.}", "nul", "{\"a\":tru}"]
        {
            assert!(matches!(parse(text), Some(DocumentError::NotJson(_))), "{text}");
        }
    }
}
