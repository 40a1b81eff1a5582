//! The pages of a Parquet file, looked at by their heads before anything is unpacked: the sums in the footer are what the
//! writer says, the heads are what a reader goes by. A head is Thrift in its compact form; only what is asked is kept.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// The encoding `DELTA_BYTE_ARRAY`: each value says how much of the one before it begins with.
const PREFIXED: i64 = 7;
/// Structs and lists in one another; heads have three.
const DEPTH_MAX: u32 = 8;

/// The pages of a column in a row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pages {
    /// Bytes of all, unpacked.
    pub bytes: u64,
    /// Of the largest.
    pub largest: u64,
    /// Of those that hold differences from the value before.
    pub prefixed: u64,
}

/// Looks at the pages from `start` on, until they hold so many values.
pub(super) fn look(file: &File, start: u64, values: i64) -> io::Result<Pages> {
    if start >= file.metadata()?.len() {
        return Err(broken());
    }
    let mut source = BufReader::with_capacity(1 << 12, file);
    source.seek(SeekFrom::Start(start))?;
    let (mut pages, mut seen) = (Pages::default(), 0);
    while seen < values {
        let head = PageHeader::read(&mut source)?;
        let unpacked = u64::try_from(head.unpacked).map_err(|_| broken())?;
        pages.bytes = pages.bytes.saturating_add(unpacked);
        pages.largest = pages.largest.max(unpacked);
        if head.encoding == PREFIXED {
            pages.prefixed = pages.prefixed.saturating_add(unpacked);
        }
        seen = head.values.checked_add(seen).filter(|sum| *sum >= seen).ok_or_else(broken)?;
        if head.packed < 0 {
            return Err(broken());
        }
        source.seek_relative(head.packed)?;
    }
    Ok(pages)
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the head of a page is broken")
}

/// What a page says of itself.
#[derive(Default)]
struct PageHeader {
    unpacked: i64,
    packed: i64,
    /// Of a dictionary none.
    values: i64,
    encoding: i64,
}

impl PageHeader {
    fn read(source: &mut impl Read) -> io::Result<Self> {
        let mut head = Self::default();
        let mut scan = Scan { source };
        scan.fields(|scan, field, kind| {
            match (field, kind) {
                (2, INT) => head.unpacked = scan.integer()?,
                (3, INT) => head.packed = scan.integer()?,
                // A data page of either version: its values and how they are written.
                (5, STRUCT) => head.data_page(scan, 2)?,
                (8, STRUCT) => head.data_page(scan, 4)?,
                _ => scan.skip(kind, 0)?,
            }
            Ok(())
        })?;
        Ok(head)
    }

    fn data_page(&mut self, scan: &mut Scan<'_, impl Read>, encoding: i64) -> io::Result<()> {
        scan.fields(|scan, field, kind| {
            match (field, kind) {
                (1, INT) => self.values = scan.integer()?,
                (field, INT) if field == encoding => self.encoding = scan.integer()?,
                _ => scan.skip(kind, 1)?,
            }
            Ok(())
        })
    }
}

const BOOLEANS: [u8; 2] = [1, 2];
const BYTE: u8 = 3;
const INT: u8 = 5;
const INTEGERS: [u8; 3] = [4, INT, 6];
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LISTS: [u8; 2] = [9, 10];
const STRUCT: u8 = 12;

struct Scan<'a, R> {
    source: &'a mut R,
}

impl<R: Read> Scan<'_, R> {
    /// Calls `take` for every field of a struct with its number and kind; it reads the value.
    fn fields(&mut self, mut take: impl FnMut(&mut Self, i64, u8) -> io::Result<()>) -> io::Result<()> {
        let mut field = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            field = match head >> 4 {
                0 => self.integer()?,
                further => field.saturating_add(i64::from(further)),
            };
            take(self, field, head & 0x0F)?;
        }
    }

    fn skip(&mut self, kind: u8, depth: u32) -> io::Result<()> {
        match kind {
            _ if depth > DEPTH_MAX => Err(broken()),
            kind if BOOLEANS.contains(&kind) => Ok(()),
            BYTE => self.pass(1),
            kind if INTEGERS.contains(&kind) => self.unsigned().map(|_| ()),
            DOUBLE => self.pass(8),
            BINARY => {
                let bytes = self.unsigned()?;
                self.pass(bytes)
            }
            kind if LISTS.contains(&kind) => self.skip_list(depth),
            STRUCT => self.fields(|scan, _, kind| scan.skip(kind, depth + 1)),
            _ => Err(broken()),
        }
    }

    fn skip_list(&mut self, depth: u32) -> io::Result<()> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.unsigned()? } else { u64::from(head >> 4) };
        let kind = head & 0x0F;
        // In a list a boolean takes a byte, so that no element takes none and no list is without an end.
        let kind = if BOOLEANS.contains(&kind) { BYTE } else { kind };
        (0..count).try_for_each(|_| self.skip(kind, depth + 1))
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.source.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        let passed = io::copy(&mut self.source.by_ref().take(bytes), &mut io::sink())?;
        if passed == bytes { Ok(()) } else { Err(broken()) }
    }

    /// Seven bits a byte, the lowest first.
    fn unsigned(&mut self) -> io::Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(broken())
    }

    /// The sign stands in the lowest bit.
    fn integer(&mut self) -> io::Result<i64> {
        let zigzag = self.unsigned()?;
        Ok((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed()))
    }
}
