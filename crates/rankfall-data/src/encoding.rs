//! Text as UTF-8, whatever it was written in: byte order marks, and UTF-16 as Excel and PowerShell
//! write it.

use std::io::{self, Cursor, ErrorKind, Read};
use std::path::Path;

use crate::error::DataError;
use crate::open;

/// Bytes by which an encoding is told.
const HEAD: usize = 512;
/// Bytes of UTF-16 decoded at once.
const BLOCK: usize = 1 << 16;

/// How text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16LittleEndian,
    Utf16BigEndian,
}

impl Encoding {
    /// The encoding of a file that starts with `head`, and the length of its byte order mark.
    ///
    /// Without a mark, UTF-16 is told by a zero at every other place of what else is plain text.
    pub fn of(head: &[u8]) -> (Self, usize) {
        match head {
            [0xef, 0xbb, 0xbf, ..] => (Self::Utf8, 3),
            [0xff, 0xfe, ..] => (Self::Utf16LittleEndian, 2),
            [0xfe, 0xff, ..] => (Self::Utf16BigEndian, 2),
            _ if is_utf16(head, 0, 1) => (Self::Utf16LittleEndian, 0),
            _ if is_utf16(head, 1, 0) => (Self::Utf16BigEndian, 0),
            _ => (Self::Utf8, 0),
        }
    }
}

/// Whether nine of ten pairs are a plain character at `low` and a zero at `high`, and none has a
/// zero for its character.
fn is_utf16(head: &[u8], low: usize, high: usize) -> bool {
    let pairs = head.chunks_exact(2);
    let count = pairs.len();
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) || b"\t\r\n".contains(&byte);
    let fitting = pairs.clone().filter(|p| plain(p[low]) && p[high] == 0);
    let broken = pairs.clone().any(|p| p[low] == 0 && p[high] == 0);
    count >= 2 && !broken && 10 * fitting.count() >= 9 * count
}

/// The text at `path` from its start as UTF-8, unpacked when `gzip`, without a byte order mark.
pub(crate) fn text_stream(path: &Path, gzip: bool) -> Result<Box<dyn Read + Send>, DataError> {
    let mut stream = open::stream(path, gzip)?;
    let mut head = vec![0; HEAD];
    let got = open::fill(&mut stream, &mut head).map_err(|e| open::io_error(path, e))?;
    head.truncate(got);
    let (encoding, mark) = Encoding::of(&head);
    let mut head = Cursor::new(head);
    head.set_position(mark as u64);
    let whole = head.chain(stream);
    Ok(match encoding {
        Encoding::Utf8 => Box::new(whole),
        _ => Box::new(Utf16::new(whole, encoding == Encoding::Utf16BigEndian)),
    })
}

/// Decodes UTF-16 as it is read.
struct Utf16<R> {
    stream: R,
    big_endian: bool,
    /// Bytes read and not decoded: half a character, or nothing.
    raw: Vec<u8>,
    decoded: Vec<u8>,
    /// How much of `decoded` was handed out.
    used: usize,
}

impl<R: Read> Utf16<R> {
    fn new(stream: R, big_endian: bool) -> Self {
        Self {
            stream,
            big_endian,
            raw: Vec::new(),
            decoded: Vec::new(),
            used: 0,
        }
    }

    /// Decodes the next block; nothing is decoded at the end.
    fn refill(&mut self) -> io::Result<()> {
        let broken = |what: &str| Err(io::Error::new(ErrorKind::InvalidData, what.to_owned()));
        let kept = self.raw.len();
        self.raw.resize(BLOCK, 0);
        let got = open::fill(&mut self.stream, &mut self.raw[kept..])?;
        self.raw.truncate(kept + got);
        let ended = kept + got < BLOCK;
        let unit = |pair: &[u8]| match self.big_endian {
            true => u16::from_be_bytes([pair[0], pair[1]]),
            false => u16::from_le_bytes([pair[0], pair[1]]),
        };
        let mut units: Vec<u16> = self.raw.chunks_exact(2).map(unit).collect();
        // The first half of a pair waits for the second.
        if !ended && units.last().is_some_and(|u| (0xd800..0xdc00).contains(u)) {
            units.pop();
        }
        self.raw.drain(..2 * units.len());
        if ended && !self.raw.is_empty() {
            return broken("its UTF-16 text stops inside a character");
        }
        let Ok(text) = String::from_utf16(&units) else {
            return broken("its UTF-16 text has a broken character; save it as UTF-8");
        };
        self.decoded = text.into_bytes();
        self.used = 0;
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.decoded.len() {
            self.refill()?;
        }
        let rest = &self.decoded[self.used..];
        let got = rest.len().min(buffer.len());
        buffer[..got].copy_from_slice(&rest[..got]);
        self.used += got;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_is_decoded_across_blocks_and_with_pairs() {
        let text: String = (0..30_000)
            .map(|i| if i % 7 == 0 { '𝄞' } else { 'é' })
            .collect();
        for big_endian in [false, true] {
            let bytes = text.encode_utf16().flat_map(|u| match big_endian {
                true => u.to_be_bytes(),
                false => u.to_le_bytes(),
            });
            let bytes: Vec<u8> = bytes.collect();
            let mut out = String::new();
            let mut reader = Utf16::new(&bytes[..], big_endian);
            reader.read_to_string(&mut out).unwrap();
            assert_eq!(out, text);
            let cut = &bytes[..bytes.len() - 1];
            assert!(
                Utf16::new(cut, big_endian)
                    .read_to_string(&mut out)
                    .is_err()
            );
        }
    }

    #[test]
    fn encodings_are_told_by_their_first_bytes() {
        assert_eq!(Encoding::of(b"\xef\xbb\xbfa"), (Encoding::Utf8, 3));
        assert_eq!(
            Encoding::of(b"a\0,\0b\0\n\0"),
            (Encoding::Utf16LittleEndian, 0)
        );
        assert_eq!(Encoding::of(b"\0a\0,\0b"), (Encoding::Utf16BigEndian, 0));
        assert_eq!(Encoding::of(b"a,b\n"), (Encoding::Utf8, 0));
        // Numbers as they lie in memory are no text.
        assert_eq!(Encoding::of(&[7, 0, 0, 0, 9, 0, 0, 0]), (Encoding::Utf8, 0));
    }
}
