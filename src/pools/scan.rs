//! Walks over JSON text: checks all of it and hands out the texts of an object's members or an array's elements.
//!
//! A mining pool's answer for one wallet can hold megabytes of history that nobody asked for, and to pass over them is most of
//! what reading it costs. So this looks at sixteen bytes at once for the end of a string or a number, and builds nothing.
//!
//! Promises: what passes is what `serde_json` passes when it skips a value, to the byte (tested and fuzzed against it); nesting
//! of any depth costs no stack and about one bit a level. What is wrong and where is left to `serde_json`: a refusal here says
//! nothing but that.

use std::borrow::Cow;

use wide::u8x16;

/// Whether `text` is one JSON value, with white space around it at most.
pub(super) fn is_json(text: &str) -> bool {
    value(blank(text.as_bytes())).is_some_and(|behind| blank(behind).is_empty())
}

/// Calls `each` with the key, unescaped, and the text of every member of `text`, in order and also of those that occur twice.
/// `None` unless all of it is one JSON object whose keys are Unicode, which half a surrogate pair is not; what was handed out
/// before means nothing then.
pub(super) fn members<'a>(text: &'a str, mut each: impl FnMut(&str, &'a str)) -> Option<()> {
    children(text, *b"{}", |rest| {
        let (behind_key, begin) = key(rest)?;
        let behind = value(begin)?;
        each(&unescaped(between(text, rest, behind_key)?)?, between(text, begin, behind)?);
        Some(behind)
    })
}

/// Calls `each` with the text of every element of `text`, in order. `None` unless all of it is one JSON array; what was handed
/// out before means nothing then.
pub(super) fn elements<'a>(text: &'a str, mut each: impl FnMut(&'a str)) -> Option<()> {
    children(text, *b"[]", |rest| {
        let behind = value(rest)?;
        each(between(text, rest, behind)?);
        Some(behind)
    })
}

/// Walks over the children of `text`, an object or array as `brackets` says. `child` gets what begins with one and answers what is
/// behind it.
fn children<'a>(text: &'a str, brackets: [u8; 2], mut child: impl FnMut(&'a [u8]) -> Option<&'a [u8]>) -> Option<()> {
    let [open, close] = brackets;
    let mut rest = blank(after(blank(text.as_bytes()), open)?);
    if rest.first() != Some(&close) {
        loop {
            rest = blank(child(rest)?);
            let Some(next) = after(rest, b',') else { break };
            rest = blank(next);
        }
    }
    blank(after(rest, close)?).is_empty().then_some(())
}

/// The part of `text` from where `begin` is left of it to where `end` is.
fn between<'a>(text: &'a str, begin: &[u8], end: &[u8]) -> Option<&'a str> {
    text.get(text.len() - begin.len()..text.len() - end.len())
}

/// What `literal`, a JSON string with its quotes, says.
pub(super) fn unescaped(literal: &str) -> Option<Cow<'_, str>> {
    if literal.contains('\\') {
        return serde_json::from_str(literal).ok().map(Cow::Owned);
    }
    literal.get(1..literal.len() - 1).map(Cow::Borrowed)
}

// From here on each function takes what has to begin with something and answers what is behind that, or `None` where it is not as
// it must be.

/// One JSON value.
fn value(rest: &[u8]) -> Option<&[u8]> {
    match rest.first()? {
        b'{' | b'[' => container(rest),
        _ => scalar(rest),
    }
}

/// An object or array. Iterative: the sender chooses how deep it goes.
fn container(mut rest: &[u8]) -> Option<&[u8]> {
    let mut nesting = Nesting::new();
    // Of the innermost container around `rest`.
    let mut is_object = false;
    loop {
        match rest.split_first()? {
            (b'{', behind) => {
                is_object = true;
                nesting.enter(is_object);
                rest = blank(behind);
                if rest.first() != Some(&b'}') {
                    rest = key(rest)?.1;
                    continue;
                }
            }
            (b'[', behind) => {
                is_object = false;
                nesting.enter(is_object);
                rest = blank(behind);
                if rest.first() != Some(&b']') {
                    continue;
                }
            }
            _ => rest = blank(scalar(rest)?),
        }
        // Behind a value or in an empty container: the ends of what it is the last in, and then the next one.
        loop {
            let (first, behind) = rest.split_first()?;
            rest = blank(behind);
            if *first == b',' {
                if is_object {
                    rest = key(rest)?.1;
                }
                break;
            }
            if *first != if is_object { b'}' } else { b']' } {
                return None;
            }
            match nesting.leave() {
                Some(around_is_object) => is_object = around_is_object,
                None => return Some(behind),
            }
        }
    }
}

/// A value that holds no others.
#[inline(always)]
fn scalar(rest: &[u8]) -> Option<&[u8]> {
    let (first, behind) = rest.split_first()?;
    match first {
        b'"' => string(behind),
        b'1'..=b'9' => number(rest),
        b'0' => fraction(behind),
        b'-' => long_number(behind),
        b't' => behind.strip_prefix(b"rue"),
        b'f' => behind.strip_prefix(b"alse"),
        b'n' => behind.strip_prefix(b"ull"),
        _ => None,
    }
}

/// A member's key and its colon: what is behind the key, and what begins with the value.
#[inline(always)]
fn key(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let behind = string(after(rest, b'"')?)?;
    Some((behind, blank(after(blank(behind), b':')?)))
}

/// The rest of a string, from behind its opening quote. That an escaped surrogate has its other half matters only to who reads the
/// string.
#[inline(always)]
fn string(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        while let Some((chunk, behind)) = rest.split_first_chunk() {
            let ends = string_ends(*chunk);
            if ends != 0 {
                rest = rest.get(first(ends)..)?;
                break;
            }
            rest = behind;
        }
        rest = match rest.split_first()? {
            (b'"', behind) => return Some(behind),
            (b'\\', behind) => escape(behind)?,
            (0..b' ', _) => return None,
            // Among the last bytes of all.
            (_, behind) => behind,
        };
    }
}

/// The rest of an escape, from behind its backslash.
fn escape(rest: &[u8]) -> Option<&[u8]> {
    match rest.split_first()? {
        (b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', behind) => Some(behind),
        (b'u', behind) => {
            let (digits, behind) = behind.split_first_chunk::<4>()?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(behind)
        }
        _ => None,
    }
}

/// A number that begins with another digit than 0.
#[inline(always)]
fn number(rest: &[u8]) -> Option<&[u8]> {
    match short_number(rest) {
        Some(length) => rest.get(length..),
        None => long_number(rest),
    }
}

/// The length of a number that ends within sixteen bytes and has no exponent, as nearly all do. `None` says nothing.
#[inline(always)]
fn short_number(rest: &[u8]) -> Option<usize> {
    let chunk = rest.first_chunk()?;
    let ends = digits_ends(*chunk);
    let mut length = first(ends);
    if *chunk.get(length)? == b'.' {
        let whole = length;
        length = first(ends & (ends - 1));
        if length == whole + 1 {
            return None;
        }
    }
    (!matches!(chunk.get(length)?, b'e' | b'E')).then_some(length)
}

/// A number behind its sign, however many digits it has and however large its exponent is.
#[inline(never)]
fn long_number(rest: &[u8]) -> Option<&[u8]> {
    match after(rest, b'0') {
        Some(behind) => fraction(behind),
        None => fraction(digits(rest)?),
    }
}

/// What may follow the digits before the decimal point.
fn fraction(mut rest: &[u8]) -> Option<&[u8]> {
    if let Some(behind) = after(rest, b'.') {
        rest = digits(behind)?;
    }
    if let [b'e' | b'E', behind @ ..] = rest {
        rest = match behind {
            [b'+' | b'-', behind @ ..] => digits(behind)?,
            _ => digits(behind)?,
        };
    }
    Some(rest)
}

/// One digit or more.
fn digits(rest: &[u8]) -> Option<&[u8]> {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length > 0 { rest.get(length..) } else { None }
}

#[inline(always)]
fn after(rest: &[u8], wanted: u8) -> Option<&[u8]> {
    rest.split_first().filter(|(first, _)| **first == wanted).map(|(_, behind)| behind)
}

/// White space, if there is any.
#[inline(always)]
fn blank(rest: &[u8]) -> &[u8] {
    if let [0..=b' ', ..] = rest { white_space(rest) } else { rest }
}

/// Apart from [`blank`], because machines seldom write any and the loop would slow down what is around it.
#[inline(never)]
fn white_space(mut rest: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', behind @ ..] = rest {
        rest = behind;
    }
    rest
}

/// The containers around a place: for each one bit, which is set for an object.
struct Nesting {
    /// The innermost ones, the very last lowest, and above them one set bit that says where they end.
    inner: u64,
    /// The others, 63 in each.
    outer: Vec<u64>,
}

impl Nesting {
    fn new() -> Self {
        Self { inner: 1, outer: Vec::new() }
    }

    fn enter(&mut self, is_object: bool) {
        if self.inner.leading_zeros() == 0 {
            self.outer.push(self.inner);
            self.inner = 1;
        }
        self.inner = self.inner << 1 | u64::from(is_object);
    }

    /// Leaves the innermost one and answers whether the one around it is an object; `None` where there is none.
    fn leave(&mut self) -> Option<bool> {
        self.inner >>= 1;
        if self.inner == 1 {
            self.inner = self.outer.pop()?;
        }
        Some(self.inner & 1 == 1)
    }
}

// Sixteen bytes at once: a set bit for each that is looked for, the first one lowest.

/// What may end a run of plain characters in a string: a quote, a backslash, a control character.
#[inline(always)]
fn string_ends(chunk: [u8; 16]) -> u32 {
    let bytes = u8x16::new(chunk);
    // A quote, 0x22, changes places with the space, 0x20; what is below stays there. So one comparison finds both.
    let quote_or_control = (bytes ^ u8x16::splat(2)).min(u8x16::splat(b' ')).simd_eq(bytes ^ u8x16::splat(2));
    (quote_or_control | bytes.simd_eq(u8x16::splat(b'\\'))).to_bitmask()
}

/// What is no digit.
#[inline(always)]
fn digits_ends(chunk: [u8; 16]) -> u32 {
    let value = u8x16::new(chunk) - u8x16::splat(b'0');
    value.max(u8x16::splat(10)).simd_eq(value).to_bitmask()
}

/// Where the first of them is; beyond all sixteen when there is none.
#[inline(always)]
fn first(ends: u32) -> usize {
    ends.trailing_zeros() as usize
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
