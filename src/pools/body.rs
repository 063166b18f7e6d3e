//! From the bytes of a body, as they come from the network, to text.
//!
//! Promises: it is pure; what is kept is at most the limit, whatever the compression, the charset and the server's labels say; what comes out is UTF-8 without byte order mark. It leaves what the text means to `extract`.
//!
//! The charset is that of a byte order mark, else the label of `Content-Type`, else UTF-8; an unknown label is UTF-8 too.
//! Bytes that are not of the charset end it: a figure beside them could be another one than the pool meant.

use encoding_rs::{Decoder as Charset, DecoderResult, Encoding, UTF_8};

use super::coding::{Coding, Decoder, Sink};
use super::failure::{Excerpt, Failure};

/// What a compressed body may be longer than the limit on the network.
const SLACK_BYTES: usize = 64 << 10;
/// How much of a body can be shown in an error, in characters.
const BEGINS_CHARS: usize = 256;
/// The most that is set aside for a body before it comes.
const PROMISED_BYTES_MAX: usize = 64 << 10;
/// Room beyond the limit for one character, so that a text of exactly the limit is no overflow.
const ROOM_BYTES: usize = 16;

/// A body that is being read.
pub(super) struct Body {
    decoder: Decoder,
    text: Text,
    received: usize,
    /// How many bytes should come; 0 where that is not said.
    promised: usize,
}

impl Body {
    /// A body whose headers `Content-Encoding` and `Content-Type` are these, empty where absent.
    ///
    /// # Errors
    /// When the encoding cannot be undone.
    pub(super) fn new(content_encoding: &str, content_type: &str, limit_bytes: usize) -> Result<Self, Failure> {
        let decoder = Decoder::new(Coding::parse(content_encoding)?, limit_bytes);
        Ok(Self { decoder, text: Text::new(charset(content_type), limit_bytes), received: 0, promised: 0 })
    }

    /// The same, of which this many bytes should come. Room is made for them with the first, unless they are many: a length is
    /// soon said.
    pub(super) fn of_length(mut self, length: usize) -> Self {
        self.promised = length;
        self
    }

    /// Whether `bytes`, the first that came, are all of it and its text as they are, if they are one of UTF-8 without a byte order
    /// mark.
    pub(super) fn is_text(&self, bytes: &[u8]) -> bool {
        self.received == 0 && self.promised == bytes.len() && self.decoder.may_be_plain() && self.text.charset.encoding() == UTF_8
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When there will be no text; the rest need not be read.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.received == 0 && self.promised > 0 {
            // As much room as a decoder wants for so many bytes of UTF-8: it asks for a little more than it fills.
            let room = self.promised.min(self.text.limit_bytes).min(PROMISED_BYTES_MAX);
            self.text.text.reserve_exact(room.saturating_add(ROOM_BYTES));
        }
        self.received = self.received.saturating_add(bytes.len());
        // Compression makes nothing longer by more than this, so a body that expands to nothing does not go on for ever.
        if self.received > self.text.limit_bytes.saturating_add(SLACK_BYTES) {
            return Err(self.text.too_large());
        }
        self.decoder.write(bytes, &mut self.text)
    }

    /// The bytes that came.
    pub(super) fn received(&self) -> usize {
        self.received
    }

    /// The whole text.
    ///
    /// # Errors
    /// When the body is cut or broken.
    pub(super) fn finish(mut self) -> Result<String, Failure> {
        self.decoder.finish(&mut self.text)?;
        self.text.push(&[], true)?;
        Ok(self.text.text)
    }
}

/// The charset that `Content-Type` names, else UTF-8.
fn charset(content_type: &str) -> &'static Encoding {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let label = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset")).map(|(_, value)| value).next();
    let label = label.unwrap_or_default().trim().trim_matches(['"', '\'']);
    Encoding::for_label_no_replacement(label.as_bytes()).unwrap_or(UTF_8)
}

/// Bytes in a charset on their way to text.
struct Text {
    charset: Charset,
    text: String,
    limit_bytes: usize,
    /// How many bytes were read.
    read: usize,
}

impl Text {
    fn new(charset: &'static Encoding, limit_bytes: usize) -> Self {
        Self { charset: charset.new_decoder(), text: String::new(), limit_bytes, read: 0 }
    }

    fn push(&mut self, mut bytes: &[u8], last: bool) -> Result<(), Failure> {
        loop {
            let (result, read) = self.charset.decode_to_string_without_replacement(bytes, &mut self.text, last);
            self.read += read;
            if self.text.len() > self.limit_bytes {
                return Err(self.too_large());
            }
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => self.grow()?,
                DecoderResult::Malformed(malformed, behind) => {
                    let good = read.checked_sub(usize::from(malformed) + usize::from(behind));
                    // Without one, it began with an earlier piece.
                    let (before, from) = good.map_or(("\u{fffd}", read), |good| ("", good));
                    let rest = bytes.get(from..).unwrap_or_default();
                    let rest = String::from_utf8_lossy(rest.get(..4 * BEGINS_CHARS).unwrap_or(rest));
                    return Err(self.malformed(&format!("{before}{rest}")));
                }
            }
            bytes = bytes.get(read..).unwrap_or_default();
        }
    }

    /// Twice the room, and never more than the limit needs.
    fn grow(&mut self) -> Result<(), Failure> {
        let most = self.limit_bytes.saturating_add(ROOM_BYTES);
        let wanted = self.text.capacity().saturating_mul(2).max(4096).min(most);
        if wanted <= self.text.capacity() {
            return Err(self.too_large());
        }
        self.text.reserve_exact(wanted - self.text.len());
        Ok(())
    }

    fn too_large(&self) -> Failure {
        Failure::BodyTooLarge { limit_bytes: self.limit_bytes }
    }

    /// `rest` is what came behind the text.
    fn malformed(&self, rest: &str) -> Failure {
        let reason = format!("not {}, about byte {}", self.charset.encoding().name(), self.read);
        let begins: String = self.text.chars().chain(rest.chars()).take(BEGINS_CHARS).collect();
        Failure::NotJson { reason: Excerpt::new(&reason), begins: Excerpt::new(&begins) }
    }
}

impl Sink for Text {
    fn take(&mut self, portion: &[u8]) -> Result<(), Failure> {
        self.push(portion, false)
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
