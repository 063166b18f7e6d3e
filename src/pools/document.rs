//! Reads single members out of a JSON answer without building the rest of it.
//!
//! A mining pool's answer for one wallet can hold megabytes of history. Only the top-level members that a pool file
//! points at are kept, and they are kept as slices of the text: memory stays near the size of the body whatever the
//! answer holds, and a number is seen as the literal that the pool wrote. A key that occurs twice counts with its last
//! value, as in every common JSON reader. The rest is checked and passed over by [`scan`](super::scan); what is no JSON is read
//! once more by the JSON library, which says what is wrong and where.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::pointer::Pointer;
use super::scan::{elements, is_json, members, unescaped};

/// A JSON object, checked to be well formed to its end.
pub(super) struct Document<'a> {
    /// As many as a pool file points at, so a list is as fast as anything.
    members: Vec<(&'a str, &'a str)>,
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
    Text(Cow<'a, str>),
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
    pub(super) fn parse(text: &'a str, wanted: &'a [String]) -> Result<Self, DocumentError> {
        let mut kept: Vec<(&str, &str)> = Vec::with_capacity(wanted.len());
        let object = members(text, |key, value| {
            // They are few: to look at their lengths and beginnings is faster than to search.
            let Some(key) = wanted.iter().find(|name| is_same(name, key)) else { return };
            match kept.iter_mut().find(|(name, _)| is_same(name, key)) {
                Some((_, earlier)) => *earlier = value,
                None => kept.push((key, value)),
            }
        });
        if object.is_some() {
            return Ok(Self { members: kept });
        }
        if !text.starts_with('{') && is_json(text) {
            return Err(DocumentError::NotObject);
        }
        Err(DocumentError::NotJson(complaint(text)))
    }

    /// The text of what `pointer` leads to.
    pub(super) fn text(&self, pointer: &Pointer) -> Option<&'a str> {
        let (_, member) = self.members.iter().find(|(name, _)| is_same(name, pointer.first()))?;
        below(member, pointer.rest())
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
            Some(b'"') => Self::Text(unescaped(text).unwrap_or(Cow::Borrowed(text))),
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

/// Whether two names are the same, which most are not from their first byte on.
#[inline]
fn is_same(name: &str, other: &str) -> bool {
    name.len() == other.len() && name.as_bytes().first() == other.as_bytes().first() && name == other
}

/// What `tokens` lead to from `text`, a JSON value.
pub(super) fn below<'a>(text: &'a str, tokens: &[String]) -> Option<&'a str> {
    tokens.iter().try_fold(text, |text, token| child(text, token))
}

/// The member or element `token` of the object or array `text`.
fn child<'a>(text: &'a str, token: &str) -> Option<&'a str> {
    let mut found = None;
    if text.starts_with('{') {
        members(text, |key, value| {
            if key == token {
                found = Some(value);
            }
        })?;
    } else {
        let canonical = token == "0" || !token.starts_with(['0', '+']);
        let wanted: usize = token.parse().ok().filter(|_| canonical)?;
        let mut index = 0;
        elements(text, |element| {
            if index == wanted {
                found = Some(element);
            }
            index += 1;
        })?;
    }
    found
}

/// What is wrong with `text`, which is no JSON object: the JSON library's words, with line and column.
fn complaint(text: &str) -> String {
    struct Object;
    impl<'de> Visitor<'de> for Object {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while map.next_entry::<String, IgnoredAny>()?.is_some() {}
            Ok(())
        }
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_map(Object).and_then(|()| json.end());
    // The two agree on what is an object: see `scan`.
    read.err().map_or_else(|| "not read as an object".to_owned(), |error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(text: &'static str, pointer: &str) -> Option<Node<'static>> {
        let pointer = Pointer::try_from(pointer.to_owned()).unwrap();
        let wanted = Box::leak(Box::new([pointer.first().to_owned()]));
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
        let parse = |text| Document::parse(text, &[]).err();
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
