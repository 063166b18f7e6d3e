//! Undoes a body's `Content-Encoding`, piece by piece.
//!
//! Promises: whatever a piece expands to goes to the sink in portions of at most [`PORTION_BYTES`], and a sink that
//! refuses one ends it, so a bomb costs no more memory than the sink allows, plus what the algorithms need themselves: for gzip
//! and deflate less than 128 KiB; for Brotli, whose window may be as long as the text, twice the limit, and never more than
//! the 16 MiB of its standard. A stream that is cut, broken or followed by other bytes is an error. It does no I/O.
//!
//! Labels lie. gzip tells itself by its first two bytes, with which no text begins, so they decide in both directions. The
//! other codings need their label, and a body that begins as a JSON object does is none of them whatever it says.

use brotli_decompressor::{Allocator, BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use encoding_rs::Encoding;
use flate2::write::GzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, Write};

use super::failure::{Excerpt, Failure};

/// The most that a sink is given at once.
pub(super) const PORTION_BYTES: usize = 32 << 10;

/// The first two bytes of every gzip stream (RFC 1952), none of which can begin a JSON text in any encoding.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Takes what comes out.
pub(super) trait Sink {
    /// Takes a portion, or says why there must be no more.
    fn take(&mut self, portion: &[u8]) -> Result<(), Failure>;
}

/// The `Content-Encoding` of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// None, or gzip: the body tells which.
    PlainOrGzip,
    /// zlib (RFC 1950) as the standard says, or raw deflate (RFC 1951) as some servers send.
    Deflate,
    Brotli,
}

impl Coding {
    /// The coding that the header's value names; none and an empty one are plain.
    ///
    /// # Errors
    /// When it is unknown, or more than one.
    pub(super) fn parse(header: &str) -> Result<Self, Failure> {
        let unusable = |why: &str| Err(Failure::Protocol { reason: Excerpt::new(&format!("Content-Encoding {why}: {header}")) });
        let mut coding = None;
        for label in header.split(',').map(str::trim) {
            let next = match label.to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Self::PlainOrGzip,
                "deflate" => Self::Deflate,
                "br" => Self::Brotli,
                // A common slip of PHP programs: a charset, which belongs into Content-Type, and is no compression.
                charset if Encoding::for_label(charset.as_bytes()).is_some() => continue,
                _ => return unusable("is not gzip, deflate or br"),
            };
            if coding.replace(next).is_some() {
                return unusable("is more than one compression");
            }
        }
        Ok(coding.unwrap_or(Self::PlainOrGzip))
    }
}

/// A body on its way.
pub(super) struct Decoder {
    state: State,
    limit_bytes: usize,
}

enum State {
    /// Fewer than two bytes came.
    Unknown {
        coding: Coding,
        first: Vec<u8>,
    },
    Plain,
    /// The sink's portions are taken out of it after each step.
    Gzip(Box<GzDecoder<Portions>>),
    Deflate(Box<Inflate>),
    Brotli(Box<Brotli>),
}

impl Decoder {
    /// A body of which the sink takes at most `limit_bytes`.
    pub(super) fn new(coding: Coding, limit_bytes: usize) -> Self {
        Self { state: State::Unknown { coding, first: Vec::new() }, limit_bytes }
    }

    /// Whether what comes goes to the sink as it is, unless it says by its first bytes that it is gzip. Asked before anything came.
    pub(super) fn may_be_plain(&self) -> bool {
        matches!(self.state, State::Unknown { coding: Coding::PlainOrGzip, .. })
    }

    /// Takes a piece of the body.
    pub(super) fn write(&mut self, piece: &[u8], sink: &mut dyn Sink) -> Result<(), Failure> {
        if let State::Unknown { coding, first } = &mut self.state {
            if first.is_empty() && piece.len() >= GZIP_MAGIC.len() {
                self.state = State::begin(*coding, piece, self.limit_bytes);
                return self.state.write(piece, sink);
            }
            first.extend_from_slice(piece);
            if first.len() < GZIP_MAGIC.len() {
                return Ok(());
            }
            let first = std::mem::take(first);
            self.state = State::begin(*coding, &first, self.limit_bytes);
            return self.state.write(&first, sink);
        }
        self.state.write(piece, sink)
    }

    /// The body is at its end.
    pub(super) fn finish(self, sink: &mut dyn Sink) -> Result<(), Failure> {
        match self.state {
            // Too short for gzip, and for the others whatever their beginning says.
            State::Unknown { coding: Coding::PlainOrGzip, first } => sink.take(&first),
            // An empty body is an empty answer, under whatever label.
            State::Unknown { first, .. } if first.is_empty() => Ok(()),
            State::Unknown { coding, first } => {
                let mut state = State::begin(coding, &first, self.limit_bytes);
                state.write(&first, sink)?;
                state.finish(sink)
            }
            state => state.finish(sink),
        }
    }
}

impl State {
    fn begin(coding: Coding, first: &[u8], limit_bytes: usize) -> Self {
        match coding {
            _ if is_object(first) => Self::Plain,
            Coding::PlainOrGzip if first.starts_with(&GZIP_MAGIC) => Self::Gzip(Box::new(GzDecoder::new(Portions::default()))),
            Coding::PlainOrGzip => Self::Plain,
            Coding::Deflate => Self::Deflate(Box::new(Inflate::new(is_zlib(first)))),
            Coding::Brotli => Self::Brotli(Box::new(Brotli::new(limit_bytes))),
        }
    }

    fn write(&mut self, piece: &[u8], sink: &mut dyn Sink) -> Result<(), Failure> {
        match self {
            Self::Unknown { .. } => Ok(()),
            Self::Plain => piece.chunks(PORTION_BYTES).try_for_each(|portion| sink.take(portion)),
            Self::Gzip(decoder) => gunzip(decoder, piece, sink),
            Self::Deflate(inflate) => inflate.write(piece, sink),
            Self::Brotli(brotli) => brotli.write(piece, sink),
        }
    }

    fn finish(self, sink: &mut dyn Sink) -> Result<(), Failure> {
        match self {
            Self::Unknown { .. } | Self::Plain => Ok(()),
            Self::Gzip(mut decoder) => {
                decoder.try_finish().map_err(|error| broken("gzip", &io_reason(&error)))?;
                decoder.get_mut().hand_over(sink)
            }
            Self::Deflate(inflate) if inflate.ended => Ok(()),
            Self::Deflate(_) => Err(broken("deflate", CUT)),
            Self::Brotli(brotli) if brotli.ended => Ok(()),
            Self::Brotli(_) => Err(broken("br", CUT)),
        }
    }
}

const CUT: &str = "it is cut";
const TRAILING: &str = "bytes follow its end";

/// The compressed stream is not what it should be.
fn broken(coding: &str, reason: &str) -> Failure {
    Failure::Protocol { reason: Excerpt::new(&format!("the {coding} body is broken: {reason}")) }
}

fn io_reason(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof { CUT.to_owned() } else { error.to_string() }
}

/// What the gzip decoder has put out and the sink has not seen. The decoder writes its buffer of 32 KiB at once and
/// is asked again only after that was handed over.
#[derive(Default)]
struct Portions(Vec<u8>);

impl Portions {
    fn hand_over(&mut self, sink: &mut dyn Sink) -> Result<(), Failure> {
        let taken = self.0.chunks(PORTION_BYTES).try_for_each(|portion| sink.take(portion));
        self.0.clear();
        taken
    }
}

impl Write for Portions {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gunzip(decoder: &mut GzDecoder<Portions>, mut piece: &[u8], sink: &mut dyn Sink) -> Result<(), Failure> {
    while !piece.is_empty() {
        let used = decoder.write(piece).map_err(|error| broken("gzip", &io_reason(&error)))?;
        decoder.get_mut().hand_over(sink)?;
        if used == 0 {
            return Err(broken("gzip", TRAILING));
        }
        piece = piece.get(used..).unwrap_or_default();
    }
    Ok(())
}

/// Whether a body begins as an object does. No compressed text begins so: `{` would be an empty Brotli stream, and deflate whose
/// first character is none of ASCII.
fn is_object(first: &[u8]) -> bool {
    matches!(first, [b'{', b'"' | b'}' | b' ' | b'\t' | b'\r' | b'\n', ..])
}

/// Whether a stream begins with a zlib header. Raw deflate that does so by accident would be of a kind that no encoder
/// writes: a stored block with bits set that mean nothing.
fn is_zlib(first: &[u8]) -> bool {
    matches!(first, [method, flags, ..]
        if method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31))
}

struct Inflate {
    stream: Decompress,
    buffer: Vec<u8>,
    ended: bool,
}

impl Inflate {
    fn new(zlib: bool) -> Self {
        Self { stream: Decompress::new(zlib), buffer: vec![0; PORTION_BYTES], ended: false }
    }

    fn write(&mut self, mut piece: &[u8], sink: &mut dyn Sink) -> Result<(), Failure> {
        loop {
            if self.ended {
                return if piece.is_empty() { Ok(()) } else { Err(broken("deflate", TRAILING)) };
            }
            let (consumed, produced) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.decompress(piece, &mut self.buffer, FlushDecompress::None);
            let status = status.map_err(|error| broken("deflate", &error.to_string()))?;
            let used = usize::try_from(self.stream.total_in() - consumed).unwrap_or(piece.len());
            let made = usize::try_from(self.stream.total_out() - produced).unwrap_or_default();
            piece = piece.get(used..).unwrap_or_default();
            sink.take(self.buffer.get(..made).unwrap_or_default())?;
            self.ended = status == Status::StreamEnd;
            // A full buffer may leave more to come although all of the piece was taken.
            let done = piece.is_empty() && made < self.buffer.len();
            if !self.ended && (done || (used == 0 && made == 0)) {
                return Ok(());
            }
        }
    }
}

/// Gives a Brotli decoder no window that is longer than a text within the limit can use: it would be made at once for what a
/// stream announces.
struct WindowAlloc {
    bytes_max: usize,
    refused: bool,
}

type Cell = <StandardAlloc as Allocator<u8>>::AllocatedMemory;

impl Allocator<u8> for WindowAlloc {
    type AllocatedMemory = Cell;

    fn alloc_cell(&mut self, length: usize) -> Cell {
        self.refused |= length > self.bytes_max;
        // An empty cell is how an allocator says no.
        if length > self.bytes_max { Cell::default() } else { StandardAlloc::default().alloc_cell(length) }
    }

    fn free_cell(&mut self, cell: Cell) {
        drop(cell);
    }
}

struct Brotli {
    state: BrotliState<WindowAlloc, StandardAlloc, StandardAlloc>,
    limit_bytes: usize,
    buffer: Vec<u8>,
    ended: bool,
}

impl Brotli {
    /// Strict: without the windows of up to 1 GiB that are beyond the standard.
    fn new(limit_bytes: usize) -> Self {
        // The window grows by doubling; beside it the decoder keeps tables of some KiB.
        let window = WindowAlloc { bytes_max: limit_bytes.saturating_mul(2).saturating_add(PORTION_BYTES), refused: false };
        let alloc = StandardAlloc::default;
        let state = BrotliState::new_strict(window, alloc(), alloc());
        Self { state, limit_bytes, buffer: vec![0; PORTION_BYTES], ended: false }
    }

    fn write(&mut self, piece: &[u8], sink: &mut dyn Sink) -> Result<(), Failure> {
        if self.ended {
            return if piece.is_empty() { Ok(()) } else { Err(broken("br", TRAILING)) };
        }
        let (mut left, mut read) = (piece.len(), 0);
        loop {
            let (mut room, mut made, mut total) = (self.buffer.len(), 0, 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut read,
                piece,
                &mut room,
                &mut made,
                &mut self.buffer,
                &mut total,
                &mut self.state,
            );
            sink.take(self.buffer.get(..made).unwrap_or_default())?;
            match result {
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::NeedsMoreInput => return Ok(()),
                BrotliResult::ResultSuccess => {
                    self.ended = true;
                    return if left == 0 { Ok(()) } else { Err(broken("br", TRAILING)) };
                }
                // Only a text beyond the limit needs a window beyond it.
                BrotliResult::ResultFailure if self.state.alloc_u8.refused => {
                    return Err(Failure::BodyTooLarge { limit_bytes: self.limit_bytes });
                }
                BrotliResult::ResultFailure => return Err(broken("br", "it is not Brotli")),
            }
        }
    }
}

#[cfg(test)]
#[path = "coding_tests.rs"]
mod tests;
