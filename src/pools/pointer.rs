//! JSON pointers (RFC 6901) as pool files write them: `/stats/paid`, `/tbs/a~1b`.

use std::fmt;

use serde::Deserialize;

/// A JSON pointer to a member, never to the whole document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer {
    text: String,
    tokens: Vec<String>,
}

/// Why a text is not a pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// It does not begin with a slash; the empty pointer is refused with it, because every answer is an object.
    #[error("JSON pointer {0:?} must begin with '/'")]
    NoSlash(String),
    /// A tilde that is neither `~0` nor `~1`.
    #[error("JSON pointer {0:?} may hold '~' only as '~0' (for '~') or '~1' (for '/')")]
    BadEscape(String),
}

impl Pointer {
    /// The pointer as the file spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// All tokens, unescaped.
    pub(super) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// The member of the document that the pointer starts at, unescaped.
    pub(super) fn first(&self) -> &str {
        self.tokens.first().map_or("", String::as_str)
    }

    /// The tokens below [`Pointer::first`], unescaped.
    pub(super) fn rest(&self) -> &[String] {
        self.tokens.get(1..).unwrap_or_default()
    }
}

impl TryFrom<String> for Pointer {
    type Error = PointerError;

    fn try_from(text: String) -> Result<Self, PointerError> {
        let Some(path) = text.strip_prefix('/') else { return Err(PointerError::NoSlash(text)) };
        let tokens: Option<Vec<String>> = path.split('/').map(unescape).collect();
        match tokens {
            Some(tokens) => Ok(Self { text, tokens }),
            None => Err(PointerError::BadEscape(text)),
        }
    }
}

/// One token without its escapes, or `None` for a stray tilde.
fn unescape(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = match part.as_bytes().first()? {
            b'0' => {
                out.push('~');
                part.get(1..)?
            }
            b'1' => {
                out.push('/');
                part.get(1..)?
            }
            _ => return None,
        };
        out.push_str(rest);
    }
    Some(out)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_unescaped() {
        let pointer = Pointer::try_from("/a~1b/~0c/~01//0".to_owned()).unwrap();
        assert_eq!((pointer.first(), pointer.rest()), ("a/b", ["~c", "~1", "", "0"].map(String::from).as_slice()));
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for bad in ["", "paid", "#/paid", "/a~", "/a~2", "/~é"] {
            assert!(Pointer::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
