//! Texts with placeholders: a pool's URL (`{wallet}`, `{wallet:raw}`, `{wallet:percent}`, `{secret:NAME}`), that of a document
//! about everybody (`{page}`, `{secret:NAME}`) and header values (`{secret:NAME}`).
//!
//! A URL's scheme, host and port are literal text, so no wallet and no secret can send a request anywhere else. A
//! wallet is percent-encoded unless it is marked raw, and a raw one may hold only characters that need no encoding.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::domain::Wallet;

/// Everything but RFC 3986's unreserved characters is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How `{wallet}` is put into a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WalletEncoding {
    /// Percent-encoded.
    #[default]
    Percent,
    /// As it is, for servers that do not decode (NOMP).
    Raw,
}

/// Why a text is not a usable template. Never repeats the text, which may hold a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{` without `}`, or `}` without `{`.
    #[error("has an unpaired brace")]
    UnpairedBrace,
    /// A placeholder that is not known here.
    #[error("has an unknown placeholder {{{0}}}; known are {1}")]
    UnknownPlaceholder(String, &'static str),
    /// A secret's name is the name of an environment variable.
    #[error("names a secret {0:?}, which must be upper-case letters, digits and '_', beginning with a letter")]
    SecretName(String),
    /// Neither http nor https.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// A placeholder in front of the path could lead the request elsewhere.
    #[error("must have a literal host: placeholders belong after the host and port")]
    Host,
    /// `user:password@`.
    #[error("must not hold a user name or password; use a header with {{secret:NAME}}")]
    UserInfo,
    /// A fragment is never sent.
    #[error("must not hold '#'")]
    Fragment,
    /// Characters that a URL cannot hold.
    #[error("holds white space or another character that must be percent-encoded")]
    Character,
    /// Anything else that is no URL.
    #[error("is no valid URL: {0}")]
    Url(String),
    /// Every answer would be about nobody.
    #[error("has no {{wallet}}")]
    NoWallet,
    /// A path of the pool's own origin.
    #[error("must begin with '/'")]
    Path,
    /// Nothing but the pool's origin is ever asked.
    #[error("must have the scheme, host and port of the pool's own URL")]
    OtherOrigin,
    /// The pool's suffix begins a query and the URL has one already.
    #[error("has a query already: write {{wallet}} where it belongs")]
    QueryTwice,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Wallet(WalletEncoding),
    Page,
    Secret(String),
}

/// Which placeholders a text may have besides `{secret:NAME}`.
#[derive(Debug, Clone, Copy)]
enum Placeholders {
    /// `{wallet}` in its forms; a bare one means this.
    Wallet(WalletEncoding),
    /// `{page}`.
    Page,
    /// None.
    Secrets,
}

/// A pool's URL with its placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlTemplate {
    text: String,
    parts: Vec<Part>,
    /// Addresses are put in in lower case.
    lower_case: bool,
}

/// A header's value with its placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueTemplate {
    parts: Vec<Part>,
}

impl UrlTemplate {
    /// Reads a URL template; `encoding` is what a bare `{wallet}` means.
    ///
    /// # Errors
    /// When it is not a complete http(s) URL with a literal host and at least one `{wallet}`.
    pub(super) fn parse(text: &str, encoding: WalletEncoding) -> Result<Self, TemplateError> {
        let template = Self::parse_any(text, Placeholders::Wallet(encoding))?;
        if template.parts.iter().any(|part| matches!(part, Part::Wallet(_))) {
            Ok(template)
        } else {
            Err(TemplateError::NoWallet)
        }
    }

    /// Reads the URL of a document that is about no single wallet; `pages` allows `{page}`.
    ///
    /// # Errors
    /// When it is not a complete http(s) URL with a literal host.
    pub(super) fn parse_document(text: &str, pages: bool) -> Result<Self, TemplateError> {
        Self::parse_any(text, if pages { Placeholders::Page } else { Placeholders::Secrets })
    }

    fn parse_any(text: &str, known: Placeholders) -> Result<Self, TemplateError> {
        let scheme_len =
            ["http://", "https://"].into_iter().find(|scheme| text.starts_with(scheme)).ok_or(TemplateError::Scheme)?.len();
        let authority_len = text[scheme_len..].find(['/', '?', '#']).unwrap_or(text.len() - scheme_len);
        let (origin, rest) = text.split_at(scheme_len + authority_len);
        if authority_len == 0 || origin.contains(['{', '}']) {
            return Err(TemplateError::Host);
        }
        if origin.contains('@') {
            return Err(TemplateError::UserInfo);
        }
        // An empty path is sent as "/", written down here so that what is shown is what is sent.
        let slash = if rest.starts_with('/') { "" } else { "/" };
        let text = format!("{origin}{slash}{rest}");
        let parts = parse_parts(&text, known)?;
        for part in &parts {
            let Part::Literal(literal) = part else { continue };
            if literal.contains('#') {
                return Err(TemplateError::Fragment);
            }
            if literal.bytes().any(|byte| !byte.is_ascii_graphic() || b"\"<>\\^`|".contains(&byte)) {
                return Err(TemplateError::Character);
            }
        }
        let sample = render(&parts, |url, _| url.push('x'), |_| "x".to_owned());
        url::Url::parse(&sample).map_err(|error| TemplateError::Url(error.to_string()))?;
        Ok(Self { text, parts, lower_case: false })
    }

    /// The same template, which puts addresses in in lower case or not.
    pub(super) fn with_lower_case(self, lower_case: bool) -> Self {
        Self { lower_case, ..self }
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> &str {
        let path = self.text.match_indices('/').nth(2).map_or(self.text.len(), |(at, _)| at);
        self.text.get(..path).unwrap_or_default()
    }

    /// Whether it asks for one page of several.
    pub(super) fn has_page(&self) -> bool {
        self.parts.contains(&Part::Page)
    }

    /// Reads a feed's URL from a setting: without a `{page}` the pool's own `suffix` is appended, unless it ends so.
    pub(super) fn parse_document_override(text: &str, suffix: Option<&str>) -> Result<Self, TemplateError> {
        let Some(suffix) = suffix.filter(|suffix| !text.contains("{page}") && !text.ends_with(suffix)) else {
            return Self::parse_document(text, true);
        };
        Self::parse_document(&appended(text, suffix)?, true)
    }

    /// Reads a URL from a setting: without a `{wallet}` the pool's own `suffix` is appended.
    pub(super) fn parse_override(text: &str, suffix: Option<&str>, encoding: WalletEncoding) -> Result<Self, TemplateError> {
        if text.contains("{wallet}") || text.contains("{wallet:") {
            return Self::parse(text, encoding);
        }
        let suffix = suffix.ok_or(TemplateError::NoWallet)?;
        Self::parse(&appended(text, suffix)?, encoding)
    }

    /// Whether the host is a placeholder: one below `.invalid`, which no name server ever knows (RFC 6761).
    pub(super) fn is_placeholder(&self) -> bool {
        let host = self.text.split('/').nth(2).unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        host.to_ascii_lowercase().ends_with(".invalid")
    }

    /// Whether a wallet is put in without encoding.
    pub(super) fn has_raw_wallet(&self) -> bool {
        self.parts.contains(&Part::Wallet(WalletEncoding::Raw))
    }

    /// A text of the same placeholders, such as this template with its query values hidden, for a person: with the wallet in
    /// place and secrets by name.
    #[must_use]
    pub fn shown_for(&self, text: &str, wallet: &Wallet) -> String {
        let is_percent = |part: &Part| matches!(part, Part::Wallet(WalletEncoding::Percent));
        let bare = if self.parts.iter().any(is_percent) { WalletEncoding::Percent } else { WalletEncoding::Raw };
        match parse_parts(text, Placeholders::Wallet(bare)) {
            Ok(parts) => render(
                &parts,
                |url, encoding| push_wallet(url, wallet, encoding, self.lower_case),
                |name| format!("{{secret:{name}}}"),
            ),
            Err(_) => text.to_owned(),
        }
    }

    /// The names of the secrets in it.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        secret_names(&self.parts)
    }

    /// The template with its secrets put in.
    ///
    /// # Errors
    /// The name of a secret that `secret` does not have.
    pub(super) fn resolve(&self, secret: &dyn Fn(&str) -> Option<SecretString>) -> Result<RequestUrl, String> {
        if let Some(missing) = self.secrets().find(|name| secret(name).is_none()) {
            return Err(missing.to_owned());
        }
        let value = |name: &str| secret(name).map(|value| encode(value.expose_secret())).unwrap_or_default();
        let fill = |part: &Part| match part {
            Part::Secret(name) => Part::Literal(value(name)),
            other => other.clone(),
        };
        Ok(RequestUrl { parts: self.parts.iter().map(fill).collect(), lower_case: self.lower_case })
    }
}

/// The template as it was written; secrets appear by name only.
impl fmt::Display for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A URL template whose secrets are in place: it is neither shown nor logged.
pub(super) struct RequestUrl {
    parts: Vec<Part>,
    lower_case: bool,
}

impl RequestUrl {
    /// The URL for one wallet. A raw wallet has been checked with [`is_raw_safe`] before.
    pub(super) fn for_wallet(&self, wallet: &Wallet) -> String {
        render(&self.parts, |url, encoding| push_wallet(url, wallet, encoding, self.lower_case), |_| String::new())
    }

    /// The URL of one page of a document that is about no single wallet.
    pub(super) fn for_page(&self, page: u32) -> String {
        self.parts.iter().fold(String::new(), |text, part| match part {
            Part::Literal(literal) => text + literal,
            Part::Page => text + &page.to_string(),
            Part::Wallet(_) | Part::Secret(_) => text,
        })
    }
}

impl ValueTemplate {
    /// Reads a header value with `{secret:NAME}` in it.
    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(Self { parts: parse_parts(text, Placeholders::Secrets)? })
    }

    /// The names of the secrets in it.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        secret_names(&self.parts)
    }

    /// The value with its secrets put in.
    ///
    /// # Errors
    /// The name of a secret that `secret` does not have.
    pub(super) fn resolve(&self, secret: &dyn Fn(&str) -> Option<SecretString>) -> Result<SecretString, String> {
        if let Some(missing) = self.secrets().find(|name| secret(name).is_none()) {
            return Err(missing.to_owned());
        }
        let value = |name: &str| secret(name).map(|value| value.expose_secret().to_owned()).unwrap_or_default();
        Ok(SecretString::from(render(&self.parts, |_, _| {}, value)))
    }
}

/// The value as it was written; secrets appear by name only.
impl fmt::Display for ValueTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(&self.parts, |_, _| {}, |name| format!("{{secret:{name}}}")))
    }
}

/// Whether a wallet may stand in a URL without encoding: no character in it has a meaning there.
pub(super) fn is_raw_safe(wallet: &str) -> bool {
    wallet.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':'))
}

fn push_wallet(url: &mut String, wallet: &Wallet, encoding: WalletEncoding, lower_case: bool) {
    let text = if lower_case { Cow::Owned(wallet.as_str().to_lowercase()) } else { Cow::Borrowed(wallet.as_str()) };
    match encoding {
        WalletEncoding::Percent => url.extend(utf8_percent_encode(&text, ENCODED)),
        WalletEncoding::Raw => url.push_str(&text),
    }
}

/// A URL from a setting with the pool's own ending.
fn appended(text: &str, suffix: &str) -> Result<String, TemplateError> {
    let base = if suffix.starts_with('/') { text.trim_end_matches('/') } else { text };
    if base.contains('?') && (suffix.starts_with('?') || suffix.starts_with('/')) {
        return Err(TemplateError::QueryTwice);
    }
    Ok(format!("{base}{suffix}"))
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn secret_names(parts: &[Part]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(|part| match part {
        Part::Secret(name) => Some(name.as_str()),
        _ => None,
    })
}

/// Longer than most URLs are.
const URL_BYTES: usize = 128;

fn render(parts: &[Part], wallet: impl Fn(&mut String, WalletEncoding), secret: impl Fn(&str) -> String) -> String {
    // One allocation for what most URLs are.
    parts.iter().fold(String::with_capacity(URL_BYTES), |mut text, part| {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Wallet(encoding) => wallet(&mut text, *encoding),
            Part::Page => text.push('1'),
            Part::Secret(name) => text.push_str(&secret(name)),
        }
        text
    })
}

/// Splits a text at its placeholders.
fn parse_parts(text: &str, known: Placeholders) -> Result<Vec<Part>, TemplateError> {
    let names = match known {
        Placeholders::Wallet(_) => "{wallet}, {wallet:raw}, {wallet:percent}, {secret:NAME}",
        Placeholders::Page => "{page}, {secret:NAME}",
        Placeholders::Secrets => "{secret:NAME}",
    };
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let (literal, from_brace) = rest.split_at(open);
        let inside = from_brace.strip_prefix('{').ok_or(TemplateError::UnpairedBrace)?;
        let (name, after) = inside.split_once('}').ok_or(TemplateError::UnpairedBrace)?;
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_owned()));
        }
        parts.push(match (name, known, name.strip_prefix("secret:")) {
            ("wallet", Placeholders::Wallet(encoding), _) => Part::Wallet(encoding),
            ("wallet:raw", Placeholders::Wallet(_), _) => Part::Wallet(WalletEncoding::Raw),
            ("wallet:percent", Placeholders::Wallet(_), _) => Part::Wallet(WalletEncoding::Percent),
            ("page", Placeholders::Page, _) => Part::Page,
            (_, _, Some(secret)) => {
                let well_formed = secret.starts_with(|first: char| first.is_ascii_uppercase())
                    && secret.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
                if !well_formed {
                    return Err(TemplateError::SecretName(secret.to_owned()));
                }
                Part::Secret(secret.to_owned())
            }
            _ => return Err(TemplateError::UnknownPlaceholder(name.to_owned(), names)),
        });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url_for(template: &str, wallet: &str) -> String {
        let template = UrlTemplate::parse(template, WalletEncoding::Percent).unwrap();
        template.resolve(&|name| Some(SecretString::from(format!("<{name}>")))).unwrap().for_wallet(&wallet.parse().unwrap())
    }

    #[test]
    fn wallets_and_secrets_are_encoded_into_the_url() {
        assert_eq!(url_for("http://h/api?{wallet:raw}", "A.b:c"), "http://h/api?A.b:c");
        assert_eq!(url_for("http://h:81?a={wallet}", "a/../b?x#y&z%20é"), "http://h:81/?a=a%2F..%2Fb%3Fx%23y%26z%2520%C3%A9");
        assert_eq!(url_for("https://h/{secret:KEY_1}/{wallet}", "W"), "https://h/%3CKEY_1%3E/W");
    }

    #[test]
    fn a_person_sees_the_wallet_and_no_secret() {
        let shown = |template: &str, encoding| {
            let template = UrlTemplate::parse(template, encoding).unwrap();
            template.shown_for(&template.to_string(), &"a:b".parse().unwrap())
        };
        assert_eq!(shown("http://h/?{wallet}", WalletEncoding::Raw), "http://h/?a:b");
        assert_eq!(shown("http://h/{secret:KEY}?a={wallet}", WalletEncoding::Percent), "http://h/{secret:KEY}?a=a%3Ab");
        assert_eq!(shown("http://h/{wallet:raw}/{wallet}", WalletEncoding::Percent), "http://h/a:b/a%3Ab");
    }

    #[test]
    fn a_setting_without_wallet_gets_the_suffix() {
        let parse =
            |text, suffix| UrlTemplate::parse_override(text, suffix, WalletEncoding::Raw).map(|template| template.to_string());
        assert_eq!(parse("http://h/api", Some("?{wallet}")).as_deref(), Ok("http://h/api?{wallet}"));
        assert_eq!(parse("http://h/api/", Some("/{wallet}")).as_deref(), Ok("http://h/api/{wallet}"));
        assert_eq!(parse("http://h:1", Some("?address={wallet}")).as_deref(), Ok("http://h:1/?address={wallet}"));
        assert_eq!(parse("http://h/?addr={wallet:raw}", Some("?{wallet}")).as_deref(), Ok("http://h/?addr={wallet:raw}"));
        assert_eq!(parse("http://h/?key=1", Some("&a={wallet}")).as_deref(), Ok("http://h/?key=1&a={wallet}"));
        assert_eq!(parse("http://h/?key=1", Some("?{wallet}")), Err(TemplateError::QueryTwice));
        assert_eq!(parse("http://h/", None), Err(TemplateError::NoWallet));
    }

    #[test]
    fn nothing_but_a_literal_http_origin_is_accepted() {
        let error = |text| UrlTemplate::parse(text, WalletEncoding::Percent).unwrap_err();
        assert_eq!(error("ftp://h/{wallet}"), TemplateError::Scheme);
        assert_eq!(error("HTTP:/h/{wallet}"), TemplateError::Scheme);
        assert_eq!(error("http://{wallet}/"), TemplateError::Host);
        assert_eq!(error("http://h{secret:A}/{wallet}"), TemplateError::Host);
        assert_eq!(error("http://me:word@h/{wallet}"), TemplateError::UserInfo);
        assert_eq!(error("http://h/{wallet}#a"), TemplateError::Fragment);
        assert_eq!(error("http://h/a b/{wallet}"), TemplateError::Character);
        assert_eq!(error("http://h/é/{wallet}"), TemplateError::Character);
        assert_eq!(error("http://h/"), TemplateError::NoWallet);
        assert_eq!(error("http://h/{wallet"), TemplateError::UnpairedBrace);
        assert_eq!(error("http://h/wallet}"), TemplateError::UnpairedBrace);
        assert!(matches!(error("http://h/{coin}/{wallet}"), TemplateError::UnknownPlaceholder(..)));
        assert!(matches!(error("http://h/{secret:a}/{wallet}"), TemplateError::SecretName(_)));
        assert!(matches!(error("http://h:99999/{wallet}"), TemplateError::Url(_)));
        assert_eq!(error("http:///{wallet}"), TemplateError::Host);
    }

    #[test]
    fn a_missing_secret_is_named() {
        let template = UrlTemplate::parse("https://h/{secret:KEY}?{wallet}", WalletEncoding::Percent).unwrap();
        assert_eq!(template.resolve(&|_| None).err().as_deref(), Some("KEY"));
        let header = ValueTemplate::parse("Bearer {secret:TOKEN}").unwrap();
        assert_eq!(header.resolve(&|_| None).err().as_deref(), Some("TOKEN"));
        let value = header.resolve(&|_| Some(SecretString::from("abc"))).unwrap();
        assert_eq!(value.expose_secret(), "Bearer abc");
        assert!(ValueTemplate::parse("{wallet}").is_err());
    }
}
