//! Opening a usage file: what it is, told by its content and never by its name.

use super::error::IntakeError;
use super::header::{CsvLayout, HeaderFault};
use super::split::{Record, next_record};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes of content read to tell the format; a header line must fit.
const HEAD_BYTES: usize = 256 << 10;
const BOM: &[u8] = b"\xEF\xBB\xBF";
/// Header of the reject files that intake writes, see [`super::rejects`].
pub(crate) const REJECT_HEADER: [&str; 5] = ["file", "line", "code", "text", "raw"];

/// A usage file whose format is known and whose header is sound; its records have not been read.
#[derive(Debug)]
pub struct InputFile {
    pub(crate) path: PathBuf,
    /// Size on disk.
    pub(crate) bytes: u64,
    pub(crate) compression: Compression,
    pub(crate) format: Format,
}

/// How the bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    /// One or more members.
    Gzip,
    /// One or more frames.
    Zstd,
}

/// What the content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    /// Records follow `skip` bytes and `skip_lines` lines of `header`.
    Csv {
        layout: CsvLayout,
        header: String,
        skip: usize,
        skip_lines: u64,
    },
    NdJson {
        skip: usize,
    },
    Parquet,
    /// A reject file of ours, mended: every record carries a record of `inner` in its last column.
    Rejects {
        inner: Box<Format>,
        delimiter: u8,
        skip: usize,
        skip_lines: u64,
        source: Option<String>,
    },
}

impl InputFile {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name without folders, as it stands in reject files.
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// Size on disk in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How it is packed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// `csv`, `ndjson`, `parquet`, or `rejects` for a mended reject file.
    pub fn format_name(&self) -> &'static str {
        match self.format {
            Format::Csv { .. } => "csv",
            Format::NdJson { .. } => "ndjson",
            Format::Parquet => "parquet",
            Format::Rejects { .. } => "rejects",
        }
    }
}

/// Opens a usage file: CSV, NDJSON or Parquet, plain, gzip or zstd. Reads the head only.
///
/// Errors: whatever makes the whole file unusable, see [`IntakeError`].
pub fn open(path: &Path) -> Result<InputFile, IntakeError> {
    let metadata = std::fs::metadata(path).map_err(|e| IntakeError::reading(path, &e, false))?;
    if metadata.is_dir() {
        return Err(IntakeError::IsFolder(path.to_owned()));
    }
    let compression = compression_of(path)?;
    let file = File::open(path).map_err(|e| IntakeError::reading(path, &e, false))?;
    let mut reader = decompressed(Box::new(BufReader::new(file)), compression)
        .map_err(|e| IntakeError::reading(path, &e, compression != Compression::None))?;
    let (head, is_whole) = read_head(&mut reader)
        .map_err(|e| IntakeError::reading(path, &e, compression != Compression::None))?;
    let format = format_of(path, &head, is_whole)?;
    Ok(InputFile { path: path.to_owned(), bytes: metadata.len(), compression, format })
}

/// A reader of the plain content.
pub(crate) fn decompressed<'a>(
    raw: Box<dyn Read + Send + 'a>,
    compression: Compression,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match compression {
        Compression::None => raw,
        Compression::Gzip => Box::new(MultiGzDecoder::new(raw)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(raw)?),
    })
}

fn compression_of(path: &Path) -> Result<Compression, IntakeError> {
    let mut magic = Vec::with_capacity(4);
    let file = File::open(path).map_err(|e| IntakeError::reading(path, &e, false))?;
    file.take(4).read_to_end(&mut magic).map_err(|e| IntakeError::reading(path, &e, false))?;
    Ok(match magic.as_slice() {
        [0x1F, 0x8B, ..] => Compression::Gzip,
        [0x28, 0xB5, 0x2F, 0xFD] => Compression::Zstd,
        [frame, 0x2A, 0x4D, 0x18] if (0x50..=0x5F).contains(frame) => Compression::Zstd,
        _ => Compression::None,
    })
}

fn read_head(reader: &mut dyn Read) -> io::Result<(Vec<u8>, bool)> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    reader.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let is_whole = head.len() < HEAD_BYTES;
    Ok((head, is_whole))
}

fn format_of(path: &Path, head: &[u8], is_whole: bool) -> Result<Format, IntakeError> {
    if head.starts_with(b"PAR1") {
        return Ok(Format::Parquet);
    }
    if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
        return Err(IntakeError::NotUtf8(path.to_owned()));
    }
    let bom = if head.starts_with(BOM) { BOM.len() } else { 0 };
    let blank = head[bom..].iter().take_while(|b| b.is_ascii_whitespace()).count();
    let start = bom + blank;
    match head.get(start) {
        None => Err(IntakeError::Empty(path.to_owned())),
        Some(b'{') => Ok(Format::NdJson { skip: bom }),
        Some(b'[') => Err(IntakeError::Unsupported {
            path: path.to_owned(),
            reason: "a JSON array is not read".to_owned(),
            hint: format!("write one object per line: `jq -c '.[]' {} > usage.ndjson`", path.display()),
        }),
        Some(_) => csv_format(path, head, start, is_whole),
    }
}

fn csv_format(path: &Path, head: &[u8], start: usize, is_whole: bool) -> Result<Format, IntakeError> {
    let first_line = &head[start..memchr::memchr(b'\n', &head[start..]).map_or(head.len(), |at| start + at)];
    let delimiter = if count(first_line, b';') > count(first_line, b',') { b';' } else { b',' };
    let (header, skip) = header_record(path, head, start, delimiter, is_whole)?;
    let skip_lines = newlines(&head[..skip]);
    let text = std::str::from_utf8(header).map_err(|_| IntakeError::NotUtf8(path.to_owned()))?;
    let names =
        super::split::fields(text, delimiter).map_err(|fault| header_fault(path, fault.to_owned()))?;
    if is_reject_header(&names) {
        return reject_format(path, head, RejectHead { delimiter, skip, is_whole });
    }
    let layout = CsvLayout::read(&names, delimiter).map_err(|fault| fault.into_error(path))?;
    Ok(Format::Csv { layout, header: text.to_owned(), skip, skip_lines })
}

/// The header as one record, without its line end, and where the next record starts.
fn header_record<'a>(
    path: &Path,
    head: &'a [u8],
    start: usize,
    delimiter: u8,
    is_whole: bool,
) -> Result<(&'a [u8], usize), IntakeError> {
    match next_record(head, start, delimiter, is_whole) {
        Record::Whole { end, next } => Ok((&head[start..end], next)),
        Record::Broken { .. } | Record::Partial => {
            Err(header_fault(path, "the first line does not end, or a quote in it is left open".to_owned()))
        }
    }
}

fn header_fault(path: &Path, reason: String) -> IntakeError {
    IntakeError::Unsupported {
        path: path.to_owned(),
        reason: format!("no readable header line: {reason}"),
        hint: super::error::COLUMNS_HINT.to_owned(),
    }
}

fn is_reject_header(names: &[std::borrow::Cow<'_, str>]) -> bool {
    names.len() == REJECT_HEADER.len()
        && names.iter().zip(REJECT_HEADER).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

struct RejectHead {
    delimiter: u8,
    skip: usize,
    is_whole: bool,
}

/// The first record of a reject file has the code `header`, the default source in `text`, and the header of the
/// refused lines in `raw`; NDJSON has none.
fn reject_format(path: &Path, head: &[u8], outer: RejectHead) -> Result<Format, IntakeError> {
    let missing = || IntakeError::Unsupported {
        path: path.to_owned(),
        reason: "the first record of a reject file must be its `header` record".to_owned(),
        hint: "keep the line whose code is `header`: it holds the columns of the refused lines".to_owned(),
    };
    let Record::Whole { end, next } = next_record(head, outer.skip, outer.delimiter, outer.is_whole) else {
        return Err(missing());
    };
    let text =
        std::str::from_utf8(&head[outer.skip..end]).map_err(|_| IntakeError::NotUtf8(path.to_owned()))?;
    let fields = super::split::fields(text, outer.delimiter).map_err(|_| missing())?;
    let [_, _, code, source, raw] = fields.as_slice() else { return Err(missing()) };
    if code != "header" {
        return Err(missing());
    }
    let inner = match raw.trim_ascii() {
        "" => Format::NdJson { skip: 0 },
        header => csv_format(path, format!("{header}\n").as_bytes(), 0, true)?,
    };
    if matches!(inner, Format::Rejects { .. }) {
        return Err(missing());
    }
    Ok(Format::Rejects {
        inner: Box::new(inner),
        delimiter: outer.delimiter,
        skip: next,
        skip_lines: newlines(&head[..next]),
        source: Some(source.trim_ascii().to_owned()).filter(|s| !s.is_empty()),
    })
}

fn count(bytes: &[u8], wanted: u8) -> usize {
    memchr::memchr_iter(wanted, bytes).count()
}

fn newlines(bytes: &[u8]) -> u64 {
    count(bytes, b'\n') as u64
}

impl HeaderFault {
    pub(crate) fn into_error(self, path: &Path) -> IntakeError {
        let path = path.to_owned();
        match self {
            Self::Missing(column) => IntakeError::MissingColumn { path, column: column.to_owned() },
            Self::Unknown(column) => IntakeError::UnknownColumn { path, column },
            Self::Repeated(column) => IntakeError::RepeatedColumn { path, column },
        }
    }
}
