//! How the bytes of a file are packed and written: gzip and zstd, also one in the other, and UTF-16.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, BufReader, Read};

/// Layers of compression that are read; more is refused.
pub(super) const LAYERS_MAX: usize = 2;
/// How many times its size a file may unpack to, beyond what is allowed to any. Usage has an id of its own in every
/// record: packers make a tenth of it, and of numbered ids that are alike in all else a sixtieth. What is more than this is
/// written to use up the machine of whoever reads it.
const UNPACKED_TIMES: u64 = 200;

/// How the bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    /// One or more members.
    Gzip,
    /// One or more frames.
    Zstd,
}

impl Compression {
    /// Told by the first bytes.
    pub(super) fn of(head: &[u8]) -> Self {
        match head {
            [0x1F, 0x8B, ..] => Self::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Self::Zstd,
            [frame, 0x2A, 0x4D, 0x18, ..] if (0x50..=0x5F).contains(frame) => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// How text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    #[default]
    Utf8,
    Utf16 {
        big_endian: bool,
    },
}

impl Encoding {
    /// Told by the byte order mark.
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0xFF, 0xFE, ..] => Self::Utf16 { big_endian: false },
            [0xFE, 0xFF, ..] => Self::Utf16 { big_endian: true },
            _ => Self::Utf8,
        }
    }
}

/// From the bytes on disk to UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Packing {
    /// The outermost first.
    pub layers: Vec<Compression>,
    pub encoding: Encoding,
}

impl Packing {
    pub fn is_packed(&self) -> bool {
        !self.layers.is_empty()
    }

    /// A reader of the plain content; more than `bytes_max` of it is refused.
    pub fn content<'a>(
        &self,
        raw: Box<dyn Read + Send + 'a>,
        bytes_max: u64,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        let mut reader = self.unpacked(raw, bytes_max)?;
        if let Encoding::Utf16 { big_endian } = self.encoding {
            reader = Box::new(Utf16::new(reader, big_endian));
        }
        Ok(reader)
    }

    /// The same, as it is written.
    pub fn unpacked<'a>(
        &self,
        mut reader: Box<dyn Read + Send + 'a>,
        bytes_max: u64,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        for layer in &self.layers {
            let unpacked: Box<dyn Read + Send + 'a> = match layer {
                Compression::None => reader,
                Compression::Gzip => Box::new(Gzip::new(reader)),
                Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(reader)?),
            };
            reader = Box::new(Bounded { inner: unpacked, left: bytes_max });
        }
        Ok(reader)
    }
}

/// What a file of so many bytes may unpack to, if so many are allowed to any.
pub(super) fn unpacked_bytes_max(any: u64, bytes: u64) -> u64 {
    any.saturating_add(bytes.saturating_mul(UNPACKED_TIMES))
}

/// A bound that the content meets: the file's own fault, whatever reads it.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(super) struct BoundMet {
    pub reason: String,
    pub hint: &'static str,
}

impl BoundMet {
    pub fn unpacked() -> Self {
        let reason = "unpacks to more than 256 MiB and 200 times its size: that is no usage".to_owned();
        Self { reason, hint: "look at it before you hand it in again; a file that is right may be split" }
    }

    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(BoundMet::unpacked().into_io()),
        }
        Ok(count)
    }
}

/// Members one after the other. What tapes and block devices fill up with, zeros after the last one, is passed over;
/// anything else that follows is damage.
struct Gzip<R> {
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Gzip<R> {
    fn new(inner: R) -> Self {
        Self { member: Some(GzDecoder::new(BufReader::with_capacity(1 << 16, inner))) }
    }
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            let Some(ended) = self.member.take() else { break };
            let mut rest = ended.into_inner();
            match after_padding(&mut rest)? {
                None => break,
                Some(0x1F) => self.member = Some(GzDecoder::new(rest)),
                Some(_) => {
                    let reason = "something follows the compressed data";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
                }
            }
        }
        Ok(0)
    }
}

/// The first byte that is not zero, not taken.
fn after_padding(rest: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let bytes = rest.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        if let Some(byte) = bytes.get(zeros) {
            let byte = *byte;
            rest.consume(zeros);
            return Ok(Some(byte));
        }
        if zeros == 0 {
            return Ok(None);
        }
        rest.consume(zeros);
    }
}

/// UTF-16 as UTF-8. Half a pair, or half a unit at the end, becomes a byte that is not UTF-8, so that its record is
/// refused and no other.
struct Utf16<R> {
    inner: R,
    big_endian: bool,
    /// Bytes read and not yet turned: half a unit, or the first half of a pair.
    kept: Vec<u8>,
    out: Vec<u8>,
    at: usize,
    is_over: bool,
}

const UTF16_BYTES: usize = 1 << 16;

impl<R: Read> Utf16<R> {
    fn new(inner: R, big_endian: bool) -> Self {
        Self { inner, big_endian, kept: Vec::new(), out: Vec::new(), at: 0, is_over: false }
    }

    fn turn_more(&mut self) -> io::Result<()> {
        self.out.clear();
        self.at = 0;
        let got = self.inner.by_ref().take(UTF16_BYTES as u64).read_to_end(&mut self.kept)?;
        self.is_over = got < UTF16_BYTES;
        let turned = turn(&self.kept, self.big_endian, self.is_over, &mut self.out);
        self.kept.drain(..turned);
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.out.len() && !self.is_over {
            self.turn_more()?;
        }
        let count = buffer.len().min(self.out.len() - self.at);
        buffer[..count].copy_from_slice(&self.out[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Appends `bytes` as UTF-8; gives how many were turned. `is_last`: nothing follows them.
pub(super) fn turn(bytes: &[u8], big_endian: bool, is_last: bool, out: &mut Vec<u8>) -> usize {
    let unit =
        |pair: &[u8; 2]| if big_endian { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
    let (pairs, half) = bytes.as_chunks::<2>();
    // The first half of a pair waits for the second.
    let waits = !is_last && pairs.last().is_some_and(|last| (0xD800..0xDC00).contains(&unit(last)));
    let pairs = &pairs[..pairs.len() - usize::from(waits)];
    for c in char::decode_utf16(pairs.iter().map(unit)) {
        match c {
            Ok(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(_) => out.push(0xFF),
        }
    }
    if is_last && !half.is_empty() {
        out.push(0xFF);
        return bytes.len();
    }
    pairs.len() * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|u| if big_endian { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
    }

    /// Gives a few bytes at a time.
    struct Dribble<'a>(&'a [u8]);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(3).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn utf16_is_read_whatever_the_cut() {
        let text = "id;mængde;😀".repeat(20_000);
        for big_endian in [false, true] {
            let bytes = utf16(&text, big_endian);
            let mut read = String::new();
            Utf16::new(Dribble(&bytes), big_endian).read_to_string(&mut read).unwrap();
            assert!(read == text);
        }
    }

    #[test]
    fn half_a_character_is_no_text() {
        let mut cut = utf16("a", false);
        cut.extend([0x3D, 0xD8, b'b', 0, 7]);
        let mut read = Vec::new();
        Utf16::new(cut.as_slice(), false).read_to_end(&mut read).unwrap();
        assert_eq!(read, b"a\xFFb\xFF");
    }
}
