use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::*;

const BROTLI: &[u8] = include_bytes!("../../tests/fixtures/http/answer.json.br");
/// A GiB of spaces in 809 bytes, with the largest window of the standard.
const BROTLI_GIBIBYTE: &[u8] = include_bytes!("../../tests/fixtures/http/gibibyte.br");
const TEXT: &[u8] = br#"{"paid":10.5,"note":"compressed compressed compressed"}"#;

/// Keeps everything up to a limit, and how much it was given at once.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    limit: Option<usize>,
    largest: usize,
}

impl Sink for Kept {
    fn take(&mut self, portion: &[u8]) -> Result<(), Failure> {
        self.largest = self.largest.max(portion.len());
        self.bytes.extend_from_slice(portion);
        match self.limit {
            Some(limit_bytes) if self.bytes.len() > limit_bytes => Err(Failure::BodyTooLarge { limit_bytes }),
            _ => Ok(()),
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn raw(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What comes out of `body` in pieces of `piece` bytes.
fn decoded(header: &str, body: &[u8], piece: usize) -> Result<Vec<u8>, String> {
    let mut kept = Kept::default();
    let decoded = Coding::parse(header).and_then(|coding| {
        let mut decoder = Decoder::new(coding, 1 << 20);
        body.chunks(piece).try_for_each(|piece| decoder.write(piece, &mut kept))?;
        decoder.finish(&mut kept)
    });
    assert!(kept.largest <= PORTION_BYTES);
    decoded.map(|()| kept.bytes).map_err(|failure| failure.to_string())
}

#[test]
fn every_coding_is_undone_whatever_the_pieces() {
    for piece in [1, 2, 3, 7, 1000] {
        for (header, body) in [
            ("gzip", gzip(TEXT)),
            ("x-gzip", gzip(TEXT)),
            (" GZIP , identity", gzip(TEXT)),
            ("deflate", zlib(TEXT)),
            ("deflate", raw(TEXT)),
            ("br", BROTLI.to_vec()),
            ("", TEXT.to_vec()),
            ("identity", TEXT.to_vec()),
            ("utf-8", TEXT.to_vec()),
            // The first two bytes go before the label.
            ("gzip", TEXT.to_vec()),
            ("deflate", TEXT.to_vec()),
            ("br", TEXT.to_vec()),
            ("", gzip(TEXT)),
        ] {
            assert_eq!(decoded(header, &body, piece).as_deref(), Ok(TEXT), "{header} in pieces of {piece}");
        }
    }
}

#[test]
fn nothing_is_nothing_under_any_label() {
    for header in ["", "gzip", "deflate", "br"] {
        assert_eq!(decoded(header, b"", 1).as_deref(), Ok(b"".as_slice()), "{header}");
    }
    assert_eq!(decoded("gzip", b"{", 1).as_deref(), Ok(b"{".as_slice()));
}

#[test]
fn what_cannot_be_undone_is_one_clear_error() {
    let mut flipped = gzip(TEXT);
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    for (header, body, error) in [
        ("zstd", TEXT.to_vec(), "Content-Encoding is not gzip, deflate or br: zstd"),
        ("gzip, br", TEXT.to_vec(), "Content-Encoding is more than one compression: gzip, br"),
        ("gzip", gzip(TEXT)[..30].to_vec(), "the gzip body is broken: it is cut"),
        ("gzip", gzip(TEXT)[..5].to_vec(), "the gzip body is broken: it is cut"),
        ("gzip", [gzip(TEXT), vec![b' ']].concat(), "the gzip body is broken: bytes follow its end"),
        ("gzip", flipped, "the gzip body is broken: corrupt gzip stream does not have a matching checksum"),
        ("deflate", zlib(TEXT)[..30].to_vec(), "the deflate body is broken: it is cut"),
        ("deflate", raw(TEXT)[..30].to_vec(), "the deflate body is broken: it is cut"),
        ("deflate", raw(TEXT)[..1].to_vec(), "the deflate body is broken: it is cut"),
        ("deflate", [zlib(TEXT), b"{}".to_vec()].concat(), "the deflate body is broken: bytes follow its end"),
        ("deflate", b"\x07\x07\x07".to_vec(), "the deflate body is broken: deflate decompression error"),
        ("br", BROTLI[..20].to_vec(), "the br body is broken: it is cut"),
        ("br", [BROTLI, b"{}"].concat(), "the br body is broken: bytes follow its end"),
        // A window beyond the standard, which could be of a GiB.
        ("br", vec![0x11; 8], "the br body is broken: it is not Brotli"),
    ] {
        for piece in [1, 1000] {
            let found = decoded(header, &body, piece).unwrap_err();
            assert_eq!(found, format!("an HTTP answer that cannot be read: {error}"), "{header} {piece}");
        }
    }
}

#[test]
fn a_bomb_ends_where_the_sink_refuses() {
    let spaces = vec![b' '; 64 << 20];
    let limit = 1 << 20;
    for (header, bomb) in
        [("gzip", gzip(&spaces)), ("deflate", zlib(&spaces)), ("deflate", raw(&spaces)), ("br", BROTLI_GIBIBYTE.to_vec())]
    {
        let mut kept = Kept { limit: Some(limit), ..Kept::default() };
        // All in one piece, as a network can bring it.
        let outcome = Decoder::new(Coding::parse(header).unwrap(), limit).write(&bomb, &mut kept);
        assert_eq!(outcome, Err(Failure::BodyTooLarge { limit_bytes: limit }), "{header}");
        assert!(kept.bytes.len() <= limit + PORTION_BYTES && kept.largest <= PORTION_BYTES, "{header}: {}", kept.bytes.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn arbitrary_bytes_never_panic_and_stay_small(
        header in prop::sample::select(vec!["", "gzip", "deflate", "br"]),
        magic in prop::sample::select(vec![vec![], vec![0x1f, 0x8b, 8], vec![0x78, 0x9c]]),
        body in prop::collection::vec(any::<u8>(), 0..300),
        piece in 1..64_usize,
    ) {
        let body = [magic, body].concat();
        let whole = decoded(header, &body, body.len().max(1));
        prop_assert_eq!(whole.is_ok(), decoded(header, &body, piece).is_ok(), "the pieces decided");
    }
}
