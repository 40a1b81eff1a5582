//! Why a whole usage file is refused. One bad record never is a reason: it becomes a reject (rules Q4).

use super::packing::BoundMet;
use domain::refusal::{Code, Verb, WayOut};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Columns that a file must have, and may have, as printed in hints.
pub(crate) const COLUMNS_HINT: &str = "columns are id, subject, meter, quantity, time and optionally source, \
corrects, properties or properties.NAME, separated by , ; or tabs";

/// A file that cannot be taken in. Nothing of it has been kept; [`IntakeError::way_out`] says what to do.
#[derive(Debug, Error)]
pub enum IntakeError {
    /// No such file.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// A folder.
    #[error("{} is a folder", .0.display())]
    IsFolder(PathBuf),
    /// The operating system refuses to read it.
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    /// No bytes, or nothing but white space.
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
    /// gzip or zstd that ends too early.
    #[error("{} is cut off: the compressed data ends too early", .0.display())]
    Truncated(PathBuf),
    /// gzip, zstd or Parquet that is damaged.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    /// The header, or the whole file, is not UTF-8.
    #[error("{} is not UTF-8 text", .0.display())]
    NotUtf8(PathBuf),
    /// A required column is not in the header.
    #[error("{}: the header has no column {column:?}", path.display())]
    MissingColumn { path: PathBuf, column: String },
    /// A column that means nothing here.
    #[error("{}: unknown column {column:?}", path.display())]
    UnknownColumn { path: PathBuf, column: String },
    /// Two columns of one meaning.
    #[error("{}: column {column:?} is there twice", path.display())]
    RepeatedColumn { path: PathBuf, column: String },
    /// A format that is not read.
    #[error("{} {reason}", path.display())]
    Unsupported { path: PathBuf, reason: String, hint: String },
    /// Somebody writes to it, or has put another in its place, while it is read.
    #[error("{} changed while it was read", .0.display())]
    Changed(PathBuf),
    /// Our fault: a disk that is full, a bug.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl IntakeError {
    /// Stable word for machines.
    pub fn code(&self) -> Code {
        match self {
            Self::Missing(_) => Code::FileMissing,
            Self::IsFolder(_) => Code::FileIsFolder,
            Self::Unreadable { .. } => Code::FileUnreadable,
            Self::Empty(_) => Code::FileEmpty,
            Self::Truncated(_) => Code::FileTruncated,
            Self::Damaged { .. } => Code::FileDamaged,
            Self::NotUtf8(_) => Code::FileNotUtf8,
            Self::MissingColumn { .. } => Code::ColumnMissing,
            Self::UnknownColumn { .. } => Code::ColumnUnknown,
            Self::RepeatedColumn { .. } => Code::ColumnRepeated,
            Self::Unsupported { .. } => Code::FileUnsupported,
            Self::Changed(_) => Code::FileChanged,
            Self::Internal(_) => Code::Internal,
        }
    }

    /// What a person can do about it.
    pub fn way_out(&self) -> WayOut {
        let words = match self {
            Self::Missing(path) => format!("list what is there: `ls {}`", parent(path)),
            Self::IsFolder(path) => {
                let files = Verb::IngestUsage.on(format!("{}/*", path.display()));
                return WayOut::from("name the files: ").ask(files);
            }
            Self::Unreadable { path, .. } => {
                format!("look at its owner and mode: `ls -l {}`", path.display())
            }
            Self::Empty(_) => {
                "a usage file has a header line and one event per line; was it still being written?".into()
            }
            Self::Truncated(_) => "fetch the file again and compare its size with the sender's".into(),
            Self::Damaged { path, .. } => {
                format!("fetch the file again; `file {}` tells what it is", path.display())
            }
            Self::NotUtf8(path) => {
                format!("save it as UTF-8: `iconv -f ISO-8859-1 -t UTF-8 {0} > {0}.utf8`", path.display())
            }
            Self::MissingColumn { .. } | Self::UnknownColumn { .. } => COLUMNS_HINT.into(),
            Self::RepeatedColumn { .. } => "keep one of the two columns".into(),
            Self::Unsupported { hint, .. } => hint.clone(),
            Self::Changed(_) => "nothing was kept; run the same command again once it is whole".into(),
            Self::Internal(_) => "nothing was kept; it is safe to run the same command again".into(),
        };
        WayOut::from(words)
    }

    /// Whether the input is at fault rather than we.
    pub fn is_input(&self) -> bool {
        !matches!(self, Self::Internal(_))
    }

    /// Whether it is what the file holds: the same bytes are refused again, whoever reads them and wherever they lie.
    pub fn is_of_the_file(&self) -> bool {
        self.code().is_of_the_file()
    }

    /// What reading `path` failed with; of compressed data an early end has its own name.
    pub(crate) fn reading(path: &Path, error: &std::io::Error, compressed: bool) -> Self {
        use std::io::ErrorKind::{InvalidData, InvalidInput, IsADirectory, NotFound, UnexpectedEof};
        let path = path.to_owned();
        if let Some(bound) = error.get_ref().and_then(|inner| inner.downcast_ref::<BoundMet>()) {
            return Self::Unsupported { path, reason: bound.reason.clone(), hint: bound.hint.to_owned() };
        }
        match error.kind() {
            NotFound => Self::Missing(path),
            IsADirectory => Self::IsFolder(path),
            UnexpectedEof if compressed => Self::Truncated(path),
            InvalidData | InvalidInput if compressed => Self::Damaged { path, reason: error.to_string() },
            _ if compressed && error.raw_os_error().is_none() => {
                Self::Damaged { path, reason: error.to_string() }
            }
            _ => Self::Unreadable { path, reason: error.to_string() },
        }
    }
}

fn parent(path: &Path) -> String {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.display().to_string(),
        _ => ".".to_owned(),
    }
}
