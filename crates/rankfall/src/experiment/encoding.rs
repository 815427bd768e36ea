//! The text of a file in UTF-8, or in the UTF-16 that PowerShell's `>` writes.

/// The text, without a byte order mark.
///
/// UTF-16 is known by its mark, or by the zero that is every other byte of ASCII in it.
///
/// # Errors
/// Why it is no text, as the end of a sentence.
pub fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    let big_endian = match &bytes[..] {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Err("it is UTF-32; save it as UTF-8".to_owned());
        }
        [0xff, 0xfe, ..] => Some(false),
        [0xfe, 0xff, ..] => Some(true),
        [0, ascii, 0, other, ..] if is_text(*ascii) && is_text(*other) => Some(true),
        [ascii, 0, other, 0, ..] if is_text(*ascii) && is_text(*other) => Some(false),
        _ => None,
    };
    let text = match big_endian {
        Some(big_endian) => from_utf16(&bytes, big_endian)?,
        None => String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            format!("byte {} is not UTF-8", at + 1)
        })?,
    };
    if text.contains('\0') {
        return Err("it has zero bytes in it".to_owned());
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}

fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace()
}

fn from_utf16(bytes: &[u8], big_endian: bool) -> Result<String, String> {
    if !bytes.len().is_multiple_of(2) {
        return Err("it is UTF-16 that ends within a character; save it as UTF-8".to_owned());
    }
    let unit = |pair: &[u8]| match big_endian {
        true => u16::from_be_bytes([pair[0], pair[1]]),
        false => u16::from_le_bytes([pair[0], pair[1]]),
    };
    let units: Vec<u16> = bytes.chunks_exact(2).map(unit).collect();
    String::from_utf16(&units)
        .map_err(|_| "it looks like UTF-16 and is not valid; save it as UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"é ☃ 𝄞\"\r\n";

    fn encoded(mark: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let marked = format!("{mark}{TEXT}");
        marked.encode_utf16().flat_map(bytes_of).collect()
    }

    #[test]
    fn every_unicode_encoding_gives_the_same_text() {
        for mark in ["", "\u{feff}"] {
            for bytes in [
                encoded(mark, u16::to_le_bytes),
                encoded(mark, u16::to_be_bytes),
                format!("{mark}{TEXT}").into_bytes(),
            ] {
                assert_eq!(text_of(bytes).as_deref(), Ok(TEXT));
            }
        }
    }

    #[test]
    fn what_is_no_text_says_why() {
        let why = |bytes: &[u8]| text_of(bytes.to_vec()).unwrap_err();
        assert!(why(b"\x7fELF\0\x01\x02").contains("zero bytes"));
        assert!(why(b"caf\xe9").contains("byte 4 is not UTF-8"));
        assert!(why(b"\xff\xfea").contains("UTF-16 that ends within"));
        assert!(why(b"\xff\xfe\x00\xd8a\0").contains("not valid"));
        assert!(why(b"\xff\xfe\0\0a\0\0\0").contains("UTF-32"));
        assert!(why(b"a\0b\0\0\0").contains("zero bytes"));
        assert_eq!(text_of(Vec::new()).as_deref(), Ok(""));
    }
}
