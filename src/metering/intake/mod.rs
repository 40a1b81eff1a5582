//! From a usage file to staged segments, key runs and rejects (rules Q3, Q4).
//!
//! A reader thread cuts the file into blocks of whole records ([`blocks`]); parsing threads check and resolve every
//! record ([`parse`]); the calling thread takes the blocks in the order of the file ([`collector`]), judges them against
//! one another and the history ([`judge`]) and puts what was accepted into chunks of bounded size ([`chunk`]); writing
//! threads sort these and write the segments. All of them work at once, and memory is bounded by the chunks and the keys
//! that wait to be written, whatever the file's size.

mod blocks;
mod chunk;
mod collector;
mod error;
mod foreign;
mod header;
mod json;
mod json_usage;
mod judge;
mod live;
mod names;
mod open;
mod packing;
mod pages;
mod parquet;
mod parse;
pub(crate) mod rejects;
mod rows;
mod split;
mod spool;
mod subjects;

#[cfg(test)]
mod shapes;
#[cfg(test)]
mod tests;

pub use error::IntakeError;
pub use live::{LiveIntake, LiveUsage, Target, holds_any};
pub use open::{InputFile, open, open_or_copy};
pub use packing::Compression;
pub use spool::open_waiting;
pub use subjects::{Billed, Subjects};

use crate::files::HashingReader;
use crate::keys::{Hashes, KeyRunFile};
use crate::segment::SegmentFile;
use anyhow::{Context, anyhow, ensure};
use blocks::Block;
use chrono_tz::Tz;
use chunk::Chunk;
use collector::Collector;
use domain::usage::{Limits, RejectCode};
use open::Format;
use packing::unpacked_bytes_max;
use parse::{ParseContext, parse};
use rows::{BufferPool, Parsed};
use spool::Spooled;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// Source of events whose file names none.
pub const DEFAULT_SOURCE: &str = "file";

/// What an intake holds in memory at most, whatever the file's size.
#[derive(Debug, Clone, Copy)]
struct MemoryLimits {
    /// Rows that are sorted and written at once.
    chunk_rows: usize,
    /// A chunk ends early when its texts are long.
    chunk_bytes: usize,
    /// Blocks that are judged at once, where there are key runs.
    batch_bytes: usize,
    /// Keys before a key run is written, which is then searched like any other.
    keys: usize,
    /// What a packed file may unpack to whatever its size; on disk and in time, not in memory.
    unpacked_bytes: u64,
}

/// About 80 MB for a chunk of usual rows, of which one is gathered and one is written; 300 MB for keys.
const BOUNDS: MemoryLimits = MemoryLimits {
    chunk_rows: 1 << 20,
    chunk_bytes: 96 << 20,
    batch_bytes: 48 << 20,
    keys: 8 << 20,
    unpacked_bytes: 256 << 20,
};

/// All that taking in a file depends on.
pub struct IntakeContext<'a> {
    /// Zone of times without offset: the tenant's (rules T1).
    pub zone: Tz,
    /// Source of records that name none; else what a fixed reject file says, else [`DEFAULT_SOURCE`].
    pub source: Option<&'a str>,
    pub subjects: &'a Subjects,
    /// Every key run of the version of the usage store that the commit builds on.
    pub history: &'a [PathBuf],
    /// The usage store's secret, made once and never changed: the key runs depend on it.
    pub seed: u128,
    pub out: &'a OutDirs,
    /// The import; every file written bears it in its name, but for the reject file.
    pub import: Uuid,
    /// Name of the reject file, that no other one has.
    pub rejects: &'a str,
    /// Counts, and writes nothing that stays.
    pub dry_run: bool,
    /// Parsing threads, 1 or more.
    pub threads: usize,
    /// Called about once per megabyte, on the calling thread.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// Where files go. All on one file system, as they are renamed out of `temp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutDirs {
    pub segments: PathBuf,
    pub keys: PathBuf,
    pub rejects: PathBuf,
    pub temp: PathBuf,
}

/// How far an intake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Of the file on disk.
    pub bytes_read: u64,
    pub bytes_total: u64,
    /// Records read.
    pub records: u64,
}

/// A file taken in but not committed: what the commit must name. `read = accepted + duplicate + rejected`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Staged {
    /// SHA-256 of the file's bytes on disk, lower-case hex.
    pub sha256: String,
    pub bytes: u64,
    pub read: u64,
    pub accepted: u64,
    pub duplicate: u64,
    pub rejected: u64,
    /// Accepted events of periods that have been billed; a part of `accepted`.
    pub late: u64,
    /// Refused records by code; they sum to `rejected`.
    pub rejects: BTreeMap<RejectCode, u64>,
    pub segments: Vec<SegmentFile>,
    pub key_runs: Vec<KeyRunFile>,
    /// None if nothing was refused.
    pub reject_file: Option<RejectFile>,
}

/// A reject file on disk; its format is a CSV of `file,line,code,text,raw` that can be fixed and ingested again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectFile {
    pub path: PathBuf,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

impl Staged {
    /// Every file written.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let segments = self.segments.iter().map(|file| file.path.as_path());
        let keys = self.key_runs.iter().map(|file| file.path.as_path());
        segments.chain(keys).chain(self.reject_file.iter().map(|file| file.path.as_path()))
    }

    /// Removes every file written: the commit was refused. What cannot be removed stays, and nothing names it.
    pub fn discard(&self) {
        for path in self.paths() {
            if let Err(error) = std::fs::remove_file(path) {
                tracing::warn!(path = %path.display(), %error, "a file of a discarded import stays");
            }
        }
    }
}

impl InputFile {
    /// SHA-256 of the bytes on disk, lower-case hex: a file that was committed before need not be taken in.
    pub fn sha256(&self) -> Result<String, IntakeError> {
        let fault = |error| IntakeError::reading(&self.shown, &error, false);
        let file = File::open(&self.path).map_err(fault)?;
        HashingReader::new(file, Arc::default()).finish().map_err(fault)
    }
}

/// Takes in a file: checks, resolves and judges every record, and writes what a commit needs. On an error nothing
/// stays behind.
pub fn intake(input: &InputFile, context: &IntakeContext<'_>) -> Result<Staged, IntakeError> {
    intake_within(BOUNDS, input, context)
}

fn intake_within(
    bounds: MemoryLimits,
    input: &InputFile,
    context: &IntakeContext<'_>,
) -> Result<Staged, IntakeError> {
    let bytes_max = unpacked_bytes_max(bounds.unpacked_bytes, input.bytes);
    let mut copy = None;
    let (format, records) = match &input.format {
        Format::Parquet => {
            let (copied, sha256) = copied(input, context, bytes_max)?;
            let table = parquet::Table::open(copied.path.clone(), &input.shown, bytes_max)?;
            copy = Some(copied);
            (table.format(), Records::Table { table: Box::new(table), sha256 })
        }
        format => (format.clone(), Records::Text { bytes_max }),
    };
    refuse_missing_quantity(input, &format, context.subjects)?;
    let source = source_of(&format, context.source);
    let limits = Limits { zone: context.zone, default_source: &source };
    let hashes = Hashes::new(context.seed);
    let parsing = ParseContext { format: &format, limits, subjects: context.subjects, hashes };
    let mut collector = Collector::new(bounds, input, context, &format, &source)?;
    let sha256 = run(input, context, &parsing, records, &mut collector)?;
    drop(copy);
    Ok(collector.finish(sha256)?)
}

/// What the reader thread reads.
enum Records {
    Text {
        /// Of its content, if it is packed.
        bytes_max: u64,
    },
    /// With the hash of the bytes that it was copied from.
    Table { table: Box<parquet::Table>, sha256: String },
}

fn source_of(format: &Format, given: Option<&str>) -> String {
    let mended = match format {
        Format::Rejects { source, .. } => source.as_deref(),
        _ => None,
    };
    given.or(mended).unwrap_or(DEFAULT_SOURCE).to_owned()
}

/// A table without quantities can only be counted.
fn refuse_missing_quantity(
    input: &InputFile,
    format: &Format,
    subjects: &Subjects,
) -> Result<(), IntakeError> {
    let layout = match format {
        Format::Csv { layout, .. } => layout,
        Format::Rejects { inner, .. } => return refuse_missing_quantity(input, inner, subjects),
        Format::NdJson { .. } | Format::Parquet => return Ok(()),
    };
    if layout.quantity.is_none() && subjects.all_have_quantities() {
        return Err(IntakeError::MissingColumn { path: input.shown.clone(), column: "quantity".to_owned() });
    }
    Ok(())
}

/// A copy of a Parquet file, unpacked, and the hash of the file.
fn copied(
    input: &InputFile,
    context: &IntakeContext<'_>,
    bytes_max: u64,
) -> Result<(Spooled, String), IntakeError> {
    let name = format!("{}.unpacked", context.import);
    spool::unpacked(input, bytes_max, &context.out.temp, &name)
}

/// Runs reader, parsers, collector and writers; gives the hash of the file's bytes.
fn run(
    input: &InputFile,
    context: &IntakeContext<'_>,
    parsing: &ParseContext<'_>,
    records: Records,
    collector: &mut Collector<'_>,
) -> Result<String, IntakeError> {
    let threads = context.threads.max(1);
    let passed = Arc::new(AtomicU64::new(0));
    let spare = BufferPool::default();
    let (work_to, work) = sync_channel::<Block>(threads * 2);
    let (done_to, done) = sync_channel::<(u64, Parsed)>(threads * 4);
    // A chunk that is full waits in the hands of the collector, so that there are no more of them than writers and one.
    let (chunks_to, chunks) = sync_channel::<Chunk>(0);
    let (work, chunks) = (Arc::new(Mutex::new(work)), Arc::new(Mutex::new(chunks)));
    std::thread::scope(|scope| {
        let (counter, spare) = (Arc::clone(&passed), &spare);
        let reader = move || read(input, parsing.format, records, counter, &work_to, spare);
        let reader = named("read usage").spawn_scoped(scope, reader).context("starting a thread")?;
        for _ in 0..threads {
            let (work, done_to) = (Arc::clone(&work), done_to.clone());
            let parser = move || parse_blocks(parsing, &work, &done_to, spare);
            named("parse usage").spawn_scoped(scope, parser).context("starting a thread")?;
        }
        let writers: Vec<_> = (0..threads.div_ceil(4))
            .map(|_| Arc::clone(&chunks))
            .map(|chunks| move || write_chunks(context, &chunks, spare))
            .map(|writer| named("write usage").spawn_scoped(scope, writer))
            .collect::<std::io::Result<_>>()
            .context("starting a thread")?;
        // Every end of a channel is with the thread that uses it: when one stops, so do its neighbours.
        drop((work, done_to, chunks));
        let progress = |records| {
            let bytes_read = passed.load(Ordering::Relaxed);
            (context.progress)(Progress { bytes_read, bytes_total: input.bytes, records });
        };
        let collected = collect(done, collector, chunks_to, spare, progress);
        let read = reader.join().map_err(|_| anyhow!("the reader of {} panicked", input.shown.display()))?;
        let mut written = Ok(());
        for writer in writers {
            let (files, outcome) =
                writer.join().map_err(|_| anyhow!("a thread that wrote segments panicked"))?;
            collector.add_segments(files);
            written = written.and(outcome);
        }
        written?;
        collected?;
        read
    })
}

/// A thread that shows its work by its name.
fn named(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(name.to_owned())
}

/// The reader thread.
fn read(
    input: &InputFile,
    format: &Format,
    records: Records,
    passed: Arc<AtomicU64>,
    work: &SyncSender<Block>,
    spare: &BufferPool,
) -> Result<String, IntakeError> {
    let is_packed = input.packing.is_packed();
    let fault = |error| IntakeError::reading(&input.shown, &error, is_packed);
    let bytes_max = match records {
        Records::Text { bytes_max } => bytes_max,
        Records::Table { table, sha256 } => {
            table.blocks(spare, |block| work.send(block).is_ok())?;
            passed.store(input.bytes, Ordering::Relaxed);
            return Ok(sha256);
        }
    };
    let file = File::open(&input.path).map_err(fault)?;
    let mut raw = HashingReader::new(file, passed);
    let mut content: Box<dyn Read + Send + '_> =
        input.packing.content(Box::new(&mut raw), bytes_max).map_err(fault)?;
    blocks::cut(&mut content, format, spare, |block| work.send(block).is_ok()).map_err(fault)?;
    drop(content);
    raw.finish().map_err(fault)
}

/// A parsing thread.
fn parse_blocks(
    parsing: &ParseContext<'_>,
    work: &Mutex<Receiver<Block>>,
    done: &SyncSender<(u64, Parsed)>,
    spare: &BufferPool,
) {
    loop {
        let Ok(Ok(block)) = work.lock().map(|work| work.recv()) else { return };
        let number = block.number;
        if done.send((number, parse(parsing, block, spare.parsed()))).is_err() {
            return;
        }
    }
}

/// A writing thread: every segment that it has written, and how it ended.
fn write_chunks(
    context: &IntakeContext<'_>,
    chunks: &Mutex<Receiver<Chunk>>,
    spare: &BufferPool,
) -> (Vec<SegmentFile>, anyhow::Result<()>) {
    let mut files = Vec::new();
    loop {
        let Ok(Ok(mut chunk)) = chunks.lock().map(|chunks| chunks.recv()) else { return (files, Ok(())) };
        if let Err(error) = chunk.write(context, &mut files) {
            return (files, Err(error));
        }
        spare.give_chunk(chunk);
    }
}

/// Puts blocks back in order and hands them on, as many as are judged at once.
fn collect(
    done: Receiver<(u64, Parsed)>,
    collector: &mut Collector<'_>,
    chunks: SyncSender<Chunk>,
    spare: &BufferPool,
    progress: impl Fn(u64),
) -> anyhow::Result<()> {
    let mut early: BTreeMap<u64, Parsed> = BTreeMap::new();
    let mut next = 0;
    let mut batch: Vec<Parsed> = Vec::new();
    let mut records = 0;
    for (number, parsed) in done {
        early.insert(number, parsed);
        while let Some(parsed) = early.remove(&next) {
            next += 1;
            records += parsed.read;
            batch.push(parsed);
            progress(records);
            if collector.is_enough(&batch) {
                collector.take(&mut batch, &chunks, spare)?;
            }
        }
    }
    ensure!(early.is_empty(), "block {next} was lost on the way");
    collector.take(&mut batch, &chunks, spare)?;
    collector.end(chunks, spare)
}
