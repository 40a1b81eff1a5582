//! Blocks in the order of the file: judged, counted, their refused lines written, and what was accepted handed on in
//! chunks ([`Chunk`]).

use super::chunk::{Chunk, Copied};
use super::judge::{Verdict, judge};
use super::open::{Format, InputFile};
use super::rejects::{RejectFile, RejectPlan};
use super::rows::{BufferPool, Lateness, Parsed, Refused, Row};
use super::{IntakeContext, MemoryLimits, Staged};
use crate::keys::{Hashes, History};
use crate::segment::SegmentFile;
use anyhow::{Result, anyhow, ensure};
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;

/// Takes blocks in the order of the file. What was written is removed when it is dropped before [`Collector::finish`].
pub(crate) struct Collector<'a> {
    bounds: MemoryLimits,
    context: &'a IntakeContext<'a>,
    hashes: Hashes,
    history: History,
    rejects: Option<RejectFile>,
    staged: Staged,
    chunk: Chunk,
    is_finished: bool,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        bounds: MemoryLimits,
        input: &InputFile,
        context: &'a IntakeContext<'a>,
        format: &Format,
        source: &str,
    ) -> Result<Self> {
        let plan = RejectPlan {
            temp: context.out.temp.clone(),
            folder: context.out.rejects.clone(),
            name: context.rejects.to_owned(),
            import: context.import,
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
            rejects: Some(RejectFile::new(plan)),
            staged: Staged { bytes: input.bytes(), ..Staged::default() },
            chunk: Chunk::new(0, context.subjects, Chunk::default()),
            is_finished: false,
        })
    }

    /// Whether these blocks are enough to be judged. Where keys are looked up on disk many at once are cheaper.
    pub fn is_enough(&self, blocks: &[Parsed]) -> bool {
        let wanted = if self.history.has_runs() { self.bounds.batch_bytes } else { 0 };
        blocks.iter().map(Parsed::weight).sum::<usize>() >= wanted
    }

    /// Judges and counts a batch of blocks; chunks that are full go to `chunks`.
    pub fn take(
        &mut self,
        batch: &mut Vec<Parsed>,
        chunks: &SyncSender<Chunk>,
        spare: &BufferPool,
    ) -> Result<()> {
        let verdicts = judge(batch, &mut self.history, self.hashes)?;
        let mut verdicts = verdicts.as_slice();
        for mut block in batch.drain(..) {
            let (own, others) = verdicts.split_at(block.rows.len());
            self.take_block(&mut block, own)?;
            verdicts = others;
            spare.give(block);
            if self.chunk.is_full(&self.bounds) {
                self.hand_on(chunks, spare)?;
            }
        }
        if self.history.in_memory() >= self.bounds.keys {
            self.write_keys()?;
        }
        Ok(())
    }

    fn take_block(&mut self, block: &mut Parsed, verdicts: &[Verdict]) -> Result<()> {
        self.staged.read += block.read;
        let mut fallen: Vec<Refused> = Vec::new();
        let mut copied = Copied::of(block);
        for (row, verdict) in block.rows.iter().zip(verdicts) {
            match verdict {
                Verdict::Accepted => {
                    self.staged.accepted += 1;
                    self.staged.late += u64::from(row.lateness == Lateness::Late);
                    if !self.context.dry_run {
                        self.chunk.add(block, row, &mut copied);
                    }
                }
                Verdict::Duplicate => self.staged.duplicate += 1,
                Verdict::Conflict | Verdict::Stale | Verdict::TooLate => {
                    fallen.extend(refused(block, row, *verdict));
                }
            }
        }
        block.refused.append(&mut fallen);
        self.refuse(block)
    }

    /// Counts and writes the refused lines of a block, in the order of the file.
    fn refuse(&mut self, block: &mut Parsed) -> Result<()> {
        block.refused.sort_by_key(|refused| refused.line);
        for refused in &block.refused {
            self.staged.rejected += 1;
            *self.staged.rejects.entry(refused.code).or_default() += 1;
            if let Some(rejects) = &mut self.rejects {
                rejects.write(block, refused)?;
            }
        }
        Ok(())
    }

    /// Hands on what is left and writes the last keys, side by side.
    pub fn end(&mut self, chunks: SyncSender<Chunk>, spare: &BufferPool) -> Result<()> {
        if !self.chunk.is_empty() {
            self.hand_on(&chunks, spare)?;
        }
        drop(chunks);
        if self.context.dry_run { Ok(()) } else { self.write_keys() }
    }

    fn hand_on(&mut self, chunks: &SyncSender<Chunk>, spare: &BufferPool) -> Result<()> {
        let next = Chunk::new(self.chunk.number() + 1, self.context.subjects, spare.chunk());
        let full = std::mem::replace(&mut self.chunk, next);
        // Whoever writes segments and stopped says why.
        chunks.send(full).map_err(|_| anyhow!("segments are no longer written"))
    }

    fn write_keys(&mut self) -> Result<()> {
        let IntakeContext { out, import, dry_run, threads, .. } = self.context;
        let folder = if *dry_run { &out.temp } else { &out.keys };
        let name = format!("{import}-{:04}.keys", self.staged.key_runs.len());
        self.staged.key_runs.extend(self.history.write(&out.temp, folder, &name, *threads)?);
        Ok(())
    }

    /// Segments that were written, to be named by the commit or removed.
    pub fn add_segments(&mut self, files: Vec<SegmentFile>) {
        self.staged.segments.extend(files);
        self.staged.segments.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// Lands the reject file and checks the sums.
    pub fn finish(mut self, sha256: String) -> Result<Staged> {
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
}

impl Drop for Collector<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            self.staged.discard();
        }
    }
}

fn refused(block: &Parsed, row: &Row, verdict: Verdict) -> Option<Refused> {
    let reject = verdict.reject(block.text(row.id), block.text(block.rest(row).corrects))?;
    Some(Refused { line: block.line(row), code: reject.code, text: reject.text, raw: row.raw })
}

fn header_of(format: &Format) -> String {
    match format {
        Format::Csv { header, .. } => header.clone(),
        Format::Rejects { inner, .. } => header_of(inner),
        Format::NdJson { .. } | Format::Parquet => String::new(),
    }
}
