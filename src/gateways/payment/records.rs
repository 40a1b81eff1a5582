//! The sandbox's books: one line of JSON per key, appended and synced before anybody hears the answer. They outlive
//! processes and may be shared by several: a lock on the file makes them take turns.

use domain::Uuid;
use domain::ids::{AttemptId, InvoiceId};
use domain::money::Currency;
use domain::payment::{Decline, DeclineClass};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// A charge that was asked for, and what was decided.
    Charge(Charge),
    /// Money given back.
    Refund(Refund),
}

/// A charge at the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The idempotency key.
    pub key: AttemptId,
    /// The merchant's reference.
    pub invoice: InvoiceId,
    /// The sandbox token.
    pub token: String,
    /// Minor units.
    pub amount_minor: i64,
    /// Currency of the amount.
    pub currency: Currency,
    /// What was decided.
    pub outcome: Outcome,
}

/// What was decided on a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Money was taken.
    Paid {
        /// Minor units.
        fee_minor: i64,
    },
    /// No money was taken.
    Declined(Decline),
}

/// A refund at the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The idempotency key.
    pub key: Uuid,
    /// The charge.
    pub charge: AttemptId,
    /// Minor units.
    pub amount_minor: i64,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordFileError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A whole line is not ours; it is never skipped, because it may be a charge.
    #[error("{path}: line {line} is broken: {why}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// What has been read of the file so far.
pub(super) struct RecordFile {
    path: PathBuf,
    read_bytes: u64,
    lines: usize,
    charges: HashMap<AttemptId, Charge>,
    refunds: HashMap<Uuid, Refund>,
    refunded_minor: HashMap<AttemptId, i64>,
    soft_declines: HashMap<(String, InvoiceId), u32>,
}

impl RecordFile {
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            read_bytes: 0,
            lines: 0,
            charges: HashMap::new(),
            refunds: HashMap::new(),
            refunded_minor: HashMap::new(),
            soft_declines: HashMap::new(),
        }
    }

    pub fn charge(&self, key: AttemptId) -> Option<&Charge> {
        self.charges.get(&key)
    }

    pub fn refund(&self, key: Uuid) -> Option<&Refund> {
        self.refunds.get(&key)
    }

    /// Minor units given back of a charge.
    pub fn refunded_minor(&self, charge: AttemptId) -> i64 {
        self.refunded_minor.get(&charge).copied().unwrap_or(0)
    }

    /// How often this token has been declined softly for this invoice.
    pub fn soft_declines(&self, token: &str, invoice: InvoiceId) -> u32 {
        self.soft_declines.get(&(token.to_owned(), invoice)).copied().unwrap_or(0)
    }

    /// Reads what others have written, lets `decide` add records, and makes them durable before it returns. The file
    /// is locked meanwhile.
    pub fn turn<T>(
        &mut self,
        decide: impl FnOnce(&mut Self, &mut Vec<Record>) -> T,
    ) -> Result<T, RecordFileError> {
        let path = self.path.clone();
        let io = |source| RecordFileError::Io { path: path.clone(), source };
        let mut file = self.open().map_err(io)?;
        file.lock().map_err(io)?;
        self.catch_up(&mut file)?;
        let mut records = Vec::new();
        let answer = decide(self, &mut records);
        if !records.is_empty() {
            let written = self.append(&mut file, &records);
            if let Err(source) = written {
                // What is on disk is unknown: read it again at the next turn.
                *self = Self::new(path.clone());
                return Err(RecordFileError::Io { path, source });
            }
        }
        Ok(answer)
    }

    /// Takes a record into account.
    pub fn learn(&mut self, record: &Record) {
        match record {
            Record::Charge(charge) => {
                if let Outcome::Declined(decline) = &charge.outcome
                    && decline.class == DeclineClass::Soft
                {
                    *self.soft_declines.entry((charge.token.clone(), charge.invoice)).or_default() += 1;
                }
                self.charges.insert(charge.key, charge.clone());
            }
            Record::Refund(refund) => {
                *self.refunded_minor.entry(refund.charge).or_default() += refund.amount_minor;
                self.refunds.insert(refund.key, refund.clone());
            }
        }
    }

    fn open(&self) -> io::Result<File> {
        let is_new = !self.path.exists();
        let folder = self.path.parent().unwrap_or(Path::new("."));
        if is_new {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        // Tokens are in it.
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        if is_new {
            crate::files::sync_folder(folder)?;
        }
        Ok(file)
    }

    /// Reads whole lines behind what is known. Half a line at the end is what a crash left of an answer that nobody
    /// heard: it is cut off.
    fn catch_up(&mut self, file: &mut File) -> Result<(), RecordFileError> {
        let path = self.path.clone();
        let io = |source| RecordFileError::Io { path: path.clone(), source };
        if file.metadata().map_err(io)?.len() < self.read_bytes {
            // The home was made again: what was known is gone.
            *self = Self::new(path.clone());
        }
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(self.read_bytes)).map_err(io)?;
        file.read_to_end(&mut text).map_err(io)?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        for line in text[..whole].split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            self.lines += 1;
            let broken = |e: serde_json::Error| RecordFileError::Broken {
                path: path.clone(),
                line: self.lines,
                why: e.to_string(),
            };
            let record: Record = serde_json::from_slice(line).map_err(broken)?;
            self.learn(&record);
        }
        self.read_bytes += u64::try_from(whole).unwrap_or(u64::MAX);
        if whole < text.len() {
            file.set_len(self.read_bytes).map_err(io)?;
        }
        Ok(())
    }

    fn append(&mut self, file: &mut File, records: &[Record]) -> io::Result<()> {
        let mut text = Vec::new();
        for record in records {
            serde_json::to_writer(&mut text, record)?;
            text.push(b'\n');
        }
        file.write_all(&text)?;
        file.sync_data()?;
        self.read_bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.lines += records.len();
        Ok(())
    }

    /// Every record of a file, in order: for tests that count what the provider did.
    pub fn read(path: &Path) -> Result<Vec<Record>, RecordFileError> {
        let io = |source| RecordFileError::Io { path: path.to_owned(), source };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(io(e)),
        };
        let parse = |(place, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|e| RecordFileError::Broken {
                path: path.to_owned(),
                line: place + 1,
                why: e.to_string(),
            })
        };
        text.lines().enumerate().map(parse).collect()
    }
}
