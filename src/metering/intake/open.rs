//! Opening a usage file: what it is, told by its content and never by its name.

use super::error::IntakeError;
use super::foreign::{bare_returns, refuse_foreign, refuse_spread_json, unsupported};
use super::header::{CsvLayout, HeaderFault};
use super::packing::{Compression, Encoding, LAYERS_MAX, Packing, turn};
use super::split::{Record, next_record};
use super::spool::{self, Spooled};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Bytes of content read to tell the format; a header line must fit.
const HEAD_BYTES: usize = 256 << 10;
const BOM: &[u8] = b"\xEF\xBB\xBF";
/// Header of the reject files that intake writes, see [`super::rejects`].
pub(crate) const REJECT_HEADER: [&str; 5] = ["file", "line", "code", "text", "raw"];

/// A usage file whose format is known and whose header is sound; its records have not been read.
#[derive(Debug)]
pub struct InputFile {
    /// Where it is read: of a pipe the copy.
    pub(crate) path: PathBuf,
    /// As it was handed in.
    pub(crate) shown: PathBuf,
    /// Size on disk.
    pub(crate) bytes: u64,
    pub(crate) packing: Packing,
    pub(crate) format: Format,
    /// Removed with the value.
    _copy: Option<Spooled>,
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
    /// A reject file of ours, fixed: every record carries a record of `inner` in its last column.
    Rejects {
        inner: Box<Format>,
        delimiter: u8,
        skip: usize,
        skip_lines: u64,
        source: Option<String>,
    },
}

impl InputFile {
    /// Where it lies, as it was handed in.
    pub fn handed_in_at(&self) -> &Path {
        &self.shown
    }

    /// Its name without folders, as it stands in reject files.
    pub fn name(&self) -> String {
        self.shown.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// Size on disk in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How it is packed, the outermost layer.
    pub fn compression(&self) -> Compression {
        self.packing.layers.first().copied().unwrap_or(Compression::None)
    }

    /// `csv`, `ndjson`, `parquet`, or `rejects` for a fixed reject file.
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
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(IntakeError::IsFolder(path.to_owned()));
    }
    if !kind.is_file() {
        let what = if kind.is_fifo() { "a pipe" } else { "a device or a socket" };
        return Err(unsupported(
            path,
            format!("is {what}, not a file"),
            "write it to a file and hand in that",
        ));
    }
    read_head(path, path.to_owned(), metadata.len(), None)
}

/// The same, and a pipe too: it is copied into `folder` first, as a usage file is read more than once.
pub fn open_or_copy(path: &Path, folder: &Path) -> Result<InputFile, IntakeError> {
    if !std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        return open(path);
    }
    let copy = spool::pipe(path, folder)?;
    let bytes = std::fs::metadata(&copy.path).map_err(|e| IntakeError::reading(path, &e, false))?.len();
    read_head(path, copy.path.clone(), bytes, Some(copy))
}

fn read_head(
    shown: &Path,
    path: PathBuf,
    bytes: u64,
    copy: Option<Spooled>,
) -> Result<InputFile, IntakeError> {
    let mut packing = Packing::default();
    let mut head;
    loop {
        let fault = |error| IntakeError::reading(shown, &error, packing.is_packed());
        head = head_of(&path, &packing).map_err(fault)?;
        match Compression::of(&head) {
            Compression::None => break,
            _ if packing.layers.len() == LAYERS_MAX => {
                let reason = "is packed more than twice".to_owned();
                return Err(unsupported(shown, reason, "unpack it once, and hand in what comes out"));
            }
            layer => packing.layers.push(layer),
        }
    }
    let is_whole = head.len() < HEAD_BYTES;
    packing.encoding = Encoding::of(&head);
    if let Encoding::Utf16 { big_endian } = packing.encoding {
        let mut text = Vec::with_capacity(head.len());
        turn(&head, big_endian, is_whole, &mut text);
        head = text;
    }
    let format = format_of(shown, &head, is_whole)?;
    Ok(InputFile { path, shown: shown.to_owned(), bytes, packing, format, _copy: copy })
}

/// The first bytes of the unpacked content.
fn head_of(path: &Path, packing: &Packing) -> io::Result<Vec<u8>> {
    let raw = BufReader::new(File::open(path)?);
    let mut head = Vec::with_capacity(HEAD_BYTES);
    packing.unpacked(Box::new(raw), u64::MAX)?.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn format_of(path: &Path, head: &[u8], is_whole: bool) -> Result<Format, IntakeError> {
    if head.starts_with(b"PAR1") {
        return Ok(Format::Parquet);
    }
    let bom = if head.starts_with(BOM) { BOM.len() } else { 0 };
    let blank = head[bom..].iter().take_while(|b| matches!(b, b' ' | b'\r' | b'\n')).count();
    let start = bom + blank;
    let text = &head[start..];
    if text.trim_ascii().is_empty() {
        return Err(IntakeError::Empty(path.to_owned()));
    }
    refuse_foreign(path, text)?;
    if text.starts_with(b"{") || text.starts_with(b"[") {
        refuse_spread_json(path, text, is_whole)?;
        return Ok(Format::NdJson { skip: bom });
    }
    csv_format(path, head, start, is_whole)
}

fn csv_format(path: &Path, head: &[u8], start: usize, is_whole: bool) -> Result<Format, IntakeError> {
    let (start, delimiter) = match excel_separator(path, &head[start..])? {
        Some((length, delimiter)) => (start + length, delimiter),
        None => (start, delimiter_of(first_line(&head[start..]))),
    };
    let line = first_line(&head[start..]);
    if line.contains(&0) {
        let reason = "has a header line with zero bytes: it is no text, or UTF-16 without a byte order mark";
        return Err(unsupported(path, reason.to_owned(), "save it as UTF-8"));
    }
    if line.trim_ascii_end().contains(&b'\r') {
        return Err(bare_returns(path));
    }
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

/// The line `sep=;` that Excel writes and reads above a header: its length, and the delimiter.
fn excel_separator(path: &Path, text: &[u8]) -> Result<Option<(usize, u8)>, IntakeError> {
    let line = first_line(text);
    let trimmed = line.trim_ascii_end();
    let bare = trimmed.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(trimmed);
    match bare.split_at_checked(4) {
        Some((name, [delimiter @ (b',' | b';')])) if name.eq_ignore_ascii_case(b"sep=") => {
            Ok(Some(((line.len() + 1).min(text.len()), *delimiter)))
        }
        // A tab is white space, and was trimmed.
        Some((name, [])) if name.eq_ignore_ascii_case(b"sep=") && line.contains(&b'\t') => {
            Ok(Some(((line.len() + 1).min(text.len()), b'\t')))
        }
        Some((name, _)) if name.eq_ignore_ascii_case(b"sep=") => {
            let reason = format!("separates its columns by {:?}", String::from_utf8_lossy(&bare[4..]));
            Err(unsupported(path, reason, super::error::COLUMNS_HINT))
        }
        _ => Ok(None),
    }
}

fn first_line(text: &[u8]) -> &[u8] {
    &text[..memchr::memchr(b'\n', text).unwrap_or(text.len())]
}

/// Whichever of comma, semicolon and tab the header has most of.
fn delimiter_of(header: &[u8]) -> u8 {
    let mut best = (b',', count(header, b','));
    for delimiter in [b';', b'\t'] {
        let found = count(header, delimiter);
        if found > best.1 {
            best = (delimiter, found);
        }
    }
    best.0
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
        reason: format!("has no readable header line: {reason}"),
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
        reason: "is a reject file whose first record is not its `header` record".to_owned(),
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
