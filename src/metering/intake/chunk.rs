//! A chunk of parsed blocks: judged, counted, sorted and written.

use super::judge::{Candidate, Verdict, judge};
use super::open::{Format, InputFile};
use super::rejects::{RejectFile, RejectPlan};
use super::rows::{Lateness, Parsed, Refused, Row};
use super::{Bounds, IntakeContext, Staged};
use crate::keys::{Hashes, History};
use crate::segment::{SegmentFile, SegmentRow, write_segment};
use crate::sort::sort_in_parallel;
use anyhow::{Result, anyhow, ensure};
use chrono::Datelike;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Segments that one chunk makes at most: rare months share one.
const SEGMENTS_PER_CHUNK_MAX: usize = 24;

/// Of the usage file's name in that of its reject file: file systems take 255 bytes in all.
const STEM_BYTES_MAX: usize = 160;

/// Takes chunks in the order of the file. What it has written is removed when it is dropped before [`Chunks::finish`].
pub(crate) struct Chunks<'a> {
    bounds: Bounds,
    context: &'a IntakeContext<'a>,
    hashes: Hashes,
    history: History,
    /// Position of each meter in alphabetical order.
    meter_ranks: Vec<u32>,
    rejects: Option<RejectFile>,
    staged: Staged,
    chunk: usize,
    is_finished: bool,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(
        bounds: Bounds,
        input: &InputFile,
        context: &'a IntakeContext<'a>,
        format: &Format,
        source: &str,
    ) -> Result<Self> {
        let plan = RejectPlan {
            temp: context.out.temp.clone(),
            folder: context.out.rejects.clone(),
            name: reject_name(input, context),
            input: input.name(),
            header: header_of(format),
            source: source.to_owned(),
            is_dry: context.dry_run,
        };
        Ok(Self {
            bounds,
            context,
            hashes: Hashes::new(context.seed),
            history: History::open(context.history.iter().map(PathBuf::as_path))?,
            meter_ranks: ranks(context.subjects.meters()),
            rejects: Some(RejectFile::new(plan)),
            staged: Staged { bytes: input.bytes(), ..Staged::default() },
            chunk: 0,
            is_finished: false,
        })
    }

    /// Whether these blocks are as much as should be held at once.
    pub fn is_enough(&self, blocks: &[Parsed]) -> bool {
        blocks.iter().map(|block| block.rows.len()).sum::<usize>() >= self.bounds.chunk_rows
            || blocks.iter().map(Parsed::weight).sum::<usize>() >= self.bounds.chunk_bytes
    }

    /// Judges, counts and writes a chunk.
    pub fn take(&mut self, mut blocks: Vec<Parsed>) -> Result<()> {
        let candidates: Vec<Candidate<'_>> = blocks.iter().flat_map(candidates_of).collect();
        let (verdicts, entries) = judge(&candidates, &self.history, self.hashes, self.context.threads)?;
        drop(candidates);
        self.staged.read += blocks.iter().map(|block| block.read).sum::<u64>();
        self.refuse(&mut blocks, &verdicts)?;
        self.count(&blocks, &verdicts);
        if !self.context.dry_run {
            self.write_segments(&blocks, &verdicts)?;
        }
        self.history.add(entries);
        if self.history.in_memory() >= self.bounds.keys {
            self.write_keys()?;
        }
        self.chunk += 1;
        Ok(())
    }

    /// Lands the last files and checks the sums.
    pub fn finish(mut self, sha256: String) -> Result<Staged> {
        if !self.context.dry_run {
            self.write_keys()?;
        }
        if let Some(landed) = self.rejects.take().map(RejectFile::finish).transpose()?.flatten() {
            self.staged.reject_file =
                Some(super::RejectFile { path: landed.path, bytes: landed.bytes, sha256: landed.sha256 });
        }
        self.staged.sha256 = sha256;
        self.check_sums()?;
        if self.context.dry_run {
            self.staged.discard();
            self.staged.key_runs.clear();
        }
        self.is_finished = true;
        Ok(std::mem::take(&mut self.staged))
    }

    /// rules Q4: every record is accounted for, and so is every row of a segment and every key.
    fn check_sums(&self) -> Result<()> {
        let Staged { read, accepted, duplicate, rejected, rejects, segments, .. } = &self.staged;
        ensure!(
            *read == accepted + duplicate + rejected,
            "read {read} ≠ {accepted} + {duplicate} + {rejected}"
        );
        let by_code: u64 = rejects.values().sum();
        ensure!(by_code == *rejected, "rejected {rejected}, but {by_code} by code");
        let rows: u64 = segments.iter().map(|file| file.bounds.rows).sum();
        ensure!(
            self.context.dry_run || rows == *accepted,
            "accepted {accepted}, but {rows} rows in segments"
        );
        Ok(())
    }

    /// Adds the rows that did not stand to the refused lines, in the order of the file, and writes these.
    fn refuse(&mut self, blocks: &mut [Parsed], verdicts: &[Verdict]) -> Result<()> {
        let mut verdicts = verdicts.iter();
        for block in blocks {
            let fallen: Vec<Refused> = block
                .rows
                .iter()
                .zip(verdicts.by_ref())
                .filter_map(|(row, v)| refused(block, row, *v))
                .collect();
            block.refused.extend(fallen);
            block.refused.sort_by_key(|refused| refused.line);
            for refused in &block.refused {
                self.staged.rejected += 1;
                *self.staged.rejects.entry(refused.code).or_default() += 1;
                if let Some(rejects) = &mut self.rejects {
                    rejects.write(block, refused)?;
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, blocks: &[Parsed], verdicts: &[Verdict]) {
        let rows = blocks.iter().flat_map(|block| &block.rows);
        for (row, verdict) in rows.zip(verdicts) {
            match verdict {
                Verdict::Accepted => {
                    self.staged.accepted += 1;
                    self.staged.late += u64::from(row.lateness == Lateness::Late);
                }
                Verdict::Duplicate => self.staged.duplicate += 1,
                Verdict::Conflict | Verdict::Stale | Verdict::TooLate => {}
            }
        }
    }

    fn write_keys(&mut self) -> Result<()> {
        let out = self.context.out;
        let folder = if self.context.dry_run { &out.temp } else { &out.keys };
        let name = format!("{}-{:04}.keys", self.context.import, self.staged.key_runs.len());
        self.staged.key_runs.extend(self.history.write(&out.temp, folder, &name)?);
        Ok(())
    }

    fn write_segments(&mut self, blocks: &[Parsed], verdicts: &[Verdict]) -> Result<()> {
        let rows = blocks.iter().flat_map(|block| block.rows.iter().map(move |row| (block, row)));
        let accepted: Vec<(&Parsed, &Row)> = rows
            .zip(verdicts)
            .filter(|(_, verdict)| **verdict == Verdict::Accepted)
            .map(|(at, _)| at)
            .collect();
        let buckets = by_month(&accepted);
        let next = AtomicUsize::new(0);
        let written = Mutex::new(Vec::new());
        // Months side by side; the sorting of a single month takes all threads.
        let workers = self.context.threads.clamp(1, buckets.len().max(1));
        let sorting_threads = (self.context.threads / workers).max(1);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some(bucket) = buckets.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let outcome = self.write_segment(bucket, &accepted, sorting_threads);
                        if let Ok(mut written) = written.lock() {
                            written.push(outcome);
                        }
                    }
                });
            }
        });
        let written = written.into_inner().map_err(|_| anyhow!("a thread that wrote segments panicked"))?;
        let mut fault = None;
        for outcome in written {
            match outcome {
                Ok(file) => self.staged.segments.push(file),
                Err(error) => fault = Some(error),
            }
        }
        self.staged.segments.sort_by(|a, b| a.path.cmp(&b.path));
        fault.map_or(Ok(()), Err)
    }

    fn write_segment(
        &self,
        bucket: &Bucket,
        accepted: &[(&Parsed, &Row)],
        threads: usize,
    ) -> Result<SegmentFile> {
        let mut order: Vec<(u128, u32)> =
            bucket.rows.iter().map(|&at| (self.sort_key(accepted[at as usize].1), at)).collect();
        sort_in_parallel(&mut order, threads);
        for ties in order.chunk_by_mut(|a, b| a.0 == b.0).filter(|ties| ties.len() > 1) {
            let key = |&(_, at): &(u128, u32)| {
                let (block, row) = accepted[at as usize];
                (block.text(row.source), block.text(row.id))
            };
            ties.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        }
        let rows: Vec<SegmentRow<'_>> =
            order.iter().map(|(_, at)| self.segment_row(accepted[*at as usize])).collect();
        let name = format!("{}-{:04}-{}.parquet", self.context.import, self.chunk, month_text(bucket.month));
        write_segment(&self.context.out.temp, &self.context.out.segments, &name, &rows)
    }

    fn sort_key(&self, row: &Row) -> u128 {
        let meter = self.meter_ranks.get(row.resolved.meter as usize).copied().unwrap_or(u32::MAX);
        // Times are from 1970 on (rules Q3), so their order is that of their unsigned bits.
        u128::from(row.resolved.subscription) << 96
            | u128::from(meter) << 64
            | u128::from(row.time_us.cast_unsigned())
    }

    fn segment_row<'r>(&self, (block, row): (&'r Parsed, &Row)) -> SegmentRow<'r>
    where
        'a: 'r,
    {
        let meters: &'a [Box<str>] = self.context.subjects.meters();
        SegmentRow {
            subscription: row.resolved.subscription,
            charge: row.resolved.charge,
            meter: meters.get(row.resolved.meter as usize).map_or("", AsRef::as_ref),
            time_us: row.time_us,
            quantity: row.quantity,
            source: block.text(row.source),
            id: block.text(row.id),
            properties: block.text(row.properties),
            corrects: block.text(row.corrects),
            line: row.line,
        }
    }
}

impl Drop for Chunks<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            self.staged.discard();
        }
    }
}

fn candidates_of(block: &Parsed) -> impl Iterator<Item = Candidate<'_>> {
    block.rows.iter().map(|row| Candidate {
        row,
        source: block.text(row.source),
        corrects: block.text(row.corrects),
    })
}

fn refused(block: &Parsed, row: &Row, verdict: Verdict) -> Option<Refused> {
    let reject = verdict.reject(block.text(row.id), block.text(row.corrects))?;
    Some(Refused { line: row.line, code: reject.code, text: reject.text, raw: row.raw })
}

/// Rows of one segment, as positions among the accepted ones.
struct Bucket {
    /// Months since year 0.
    month: i32,
    rows: Vec<u32>,
}

/// Rows by month in UTC. Where there are too many months, neighbours share a bucket until it has its part of the rows.
fn by_month(accepted: &[(&Parsed, &Row)]) -> Vec<Bucket> {
    let mut months: BTreeMap<i32, Vec<u32>> = BTreeMap::new();
    let mut last: Option<(i32, std::ops::Range<i64>)> = None;
    for ((_, row), at) in accepted.iter().zip(0_u32..) {
        let month = match &last {
            Some((month, range)) if range.contains(&row.time_us) => *month,
            _ => {
                let (month, range) = month_of(row.time_us);
                last = Some((month, range));
                month
            }
        };
        months.entry(month).or_default().push(at);
    }
    if months.len() <= SEGMENTS_PER_CHUNK_MAX {
        return months.into_iter().map(|(month, rows)| Bucket { month, rows }).collect();
    }
    let fair = accepted.len().div_ceil(SEGMENTS_PER_CHUNK_MAX / 2);
    let mut buckets: Vec<Bucket> = Vec::new();
    for (month, rows) in months {
        match buckets.last_mut().filter(|bucket| bucket.rows.len() + rows.len() <= fair) {
            Some(bucket) => bucket.rows.extend(rows),
            None => buckets.push(Bucket { month, rows }),
        }
    }
    buckets
}

/// Months since year 0, and the day of `time_us` as a range of instants: a cheap test for the next row.
fn month_of(time_us: i64) -> (i32, std::ops::Range<i64>) {
    const DAY_US: i64 = 86_400_000_000;
    let start = time_us.div_euclid(DAY_US) * DAY_US;
    let month = chrono::DateTime::from_timestamp_micros(time_us)
        .map_or(0, |at| at.year() * 12 + at.month0().cast_signed());
    (month, start..start + DAY_US)
}

fn month_text(month: i32) -> String {
    format!("{:04}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1)
}

fn ranks(names: &[Box<str>]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_unstable_by_key(|at| &names[*at]);
    let mut ranks = vec![0; names.len()];
    for (at, rank) in order.into_iter().zip(0..) {
        ranks[at] = rank;
    }
    ranks
}

/// `usage-2026-03.csv` of import 0197… → `0197…-usage-2026-03.csv.rejects.csv`: like every file of an import it
/// starts with its id, by which `upkeep` knows what an abandoned import has left.
fn reject_name(input: &InputFile, context: &IntakeContext<'_>) -> String {
    let mut stem: String = input.name().chars().filter(|c| !c.is_control()).collect();
    stem.truncate(stem.floor_char_boundary(STEM_BYTES_MAX));
    format!("{}-{stem}.rejects.csv", context.import)
}

fn header_of(format: &Format) -> String {
    match format {
        Format::Csv { header, .. } => header.clone(),
        Format::Rejects { inner, .. } => header_of(inner),
        Format::NdJson { .. } | Format::Parquet => String::new(),
    }
}
