use super::*;

fn text(content_type: &str, bytes: &[u8]) -> Result<String, String> {
    read_as(content_type, bytes, 1 << 20, 3).map_err(|failure| failure.to_string())
}

fn read_as(content_type: &str, bytes: &[u8], limit_bytes: usize, piece: usize) -> Result<String, Failure> {
    let mut body = Body::new("", content_type, limit_bytes)?;
    bytes.chunks(piece).try_for_each(|piece| body.write(piece))?;
    let capacity = body.text.text.capacity();
    assert!(capacity <= limit_bytes.max(4096) + ROOM_BYTES, "{capacity}");
    body.finish()
}

fn utf16(text: &str, encode: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(encode).collect()
}

#[test]
fn the_charset_is_that_of_the_mark_else_of_the_label_else_utf8() {
    let little = |text: &str| utf16(text, u16::to_le_bytes);
    let big = |text: &str| utf16(text, u16::to_be_bytes);
    let json = "application/json";
    for (content_type, bytes) in [
        (json, "é".as_bytes().to_vec()),
        ("", "é".as_bytes().to_vec()),
        ("text/html; charset=utf-8", "\u{feff}é".as_bytes().to_vec()),
        ("text/html; charset=iso-8859-1", vec![0xe9]),
        ("text/html;Charset=\"Windows-1252\"", vec![0xe9]),
        ("text/html; a=b; charset='latin1' ; charset=utf-8", vec![0xe9]),
        ("text/html; charset=koi8-u", "\u{feff}é".as_bytes().to_vec()),
        ("application/json; charset=utf-16", little("é")),
        ("application/json; charset=utf-16be", big("é")),
        (json, little("\u{feff}é")),
        (json, big("\u{feff}é")),
        ("text/html; charset=iso-8859-1", little("\u{feff}é")),
        // Unknown labels, and one that names a charset without characters of its own, are UTF-8.
        ("text/html; charset=klingon", "é".as_bytes().to_vec()),
        ("text/html; charset=", "é".as_bytes().to_vec()),
        ("text/html; charset=iso-2022-kr", "é".as_bytes().to_vec()),
    ] {
        assert_eq!(text(content_type, &bytes).as_deref(), Ok("é"), "{content_type}");
    }
}

#[test]
fn bytes_that_are_not_of_the_charset_are_no_text() {
    for (content_type, bytes, error) in [
        ("", b"{\"a\":\"\xe9\"}".as_slice(), "not JSON: not UTF-8, about byte 7; begins with: {\\\"a\\\":\\\"\u{fffd}\\\"}"),
        ("", b"\xc3", "not JSON: not UTF-8, about byte 1; begins with: \u{fffd}"),
        ("text/html; charset=utf-16", b"\x00\xd8\x00", "not JSON: not UTF-16LE, about byte 3; begins with: \u{fffd}"),
        ("text/html; charset=shift_jis", b"{\x81", "not JSON: not Shift_JIS, about byte 2; begins with: {\u{fffd}"),
    ] {
        assert_eq!(text(content_type, bytes).as_ref().map_err(String::as_str), Err(error));
    }
}

#[test]
fn the_limit_is_of_the_text_and_exact() {
    for limit in [0, 1, 20, 4096, 5000, 100_000] {
        for piece in [1000, 1 << 20] {
            let fits = vec![b'x'; limit];
            assert_eq!(read_as("", &fits, limit, piece).map(|text| text.len()), Ok(limit));
            let more = vec![b'x'; limit + 1];
            assert_eq!(read_as("", &more, limit, piece), Err(Failure::BodyTooLarge { limit_bytes: limit }));
        }
    }
    let latin = vec![0xe9; 60];
    assert_eq!(read_as("a/b; charset=latin1", &latin, 120, 7).map(|text| text.len()), Ok(120));
    assert_eq!(read_as("a/b; charset=latin1", &latin, 119, 7), Err(Failure::BodyTooLarge { limit_bytes: 119 }));
}

#[test]
fn a_body_that_expands_to_nothing_does_not_go_on_for_ever() {
    let mut body = Body::new("deflate", "", 1000).unwrap();
    // A stored block without content, which may be followed by another one.
    let nothing = [0, 0, 0, 0xff, 0xff];
    let outcome = (0..1_000_000).find_map(|_| body.write(&nothing).err());
    assert_eq!(outcome, Some(Failure::BodyTooLarge { limit_bytes: 1000 }));
    assert!(body.received() <= 1000 + SLACK_BYTES + nothing.len());
}
