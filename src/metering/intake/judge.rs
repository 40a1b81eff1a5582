//! Records held against one another and against all that was accepted before: duplicates, conflicts, corrections
//! (rules Q3). The first line wins, in the order of the file.
//!
//! What may be on disk is looked up for all rows of a batch at once; then they are judged one by one, each against what
//! stood before it.

use super::rows::{Lateness, Parsed, Row};
use crate::keys::{Hashes, History, KeyLookup};
use anyhow::{Result, ensure};
use domain::usage::{Reject, RejectCode, shown};
use rustc_hash::FxHashMap;

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    Duplicate,
    Conflict,
    Stale,
    TooLate,
}

impl Verdict {
    /// The reject of a row that is neither accepted nor a duplicate. `id` and `corrects` are the row's.
    pub fn reject(self, id: &str, corrects: &str) -> Option<Reject> {
        let (code, text) = match self {
            Self::Accepted | Self::Duplicate => return None,
            Self::Conflict => {
                let text = format!(
                    "id {} was accepted before with another content: correct it under a new id",
                    shown(id)
                );
                (RejectCode::Conflict, text)
            }
            Self::Stale => {
                let text = format!(
                    "corrects {} is not the latest accepted version of an event of this source",
                    shown(corrects)
                );
                (RejectCode::StaleCorrection, text)
            }
            Self::TooLate => {
                (RejectCode::TooLate, "its period is billed and the charge refuses late usage".to_owned())
            }
        };
        Some(Reject::new(code, text))
    }
}

/// Rows whose places in memory are looked at together.
const ROWS_AT_ONCE: usize = 256;

/// Judges the rows of a batch, in the order of the file, and adds the keys of those that stand to the history.
pub(crate) fn judge(batch: &[Parsed], history: &mut History, hashes: Hashes) -> Result<Vec<Verdict>> {
    let on_disk = OnDisk::look_up(batch, history, hashes)?;
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(batch.iter().map(|block| block.rows.len()).sum());
    for block in batch {
        ensure!(block.prints.len() == block.rows.len(), "a row has no print");
        let mut judging = Judging { block, history, hashes, on_disk: &on_disk };
        for (rows, prints) in block.rows.chunks(ROWS_AT_ONCE).zip(block.prints.chunks(ROWS_AT_ONCE)) {
            judging.history.touch(prints.iter().map(|print| print.key()));
            for (row, print) in rows.iter().zip(prints) {
                let standing = on_disk.rows.get(verdicts.len()).copied().flatten();
                verdicts.push(judging.row(row, print.key(), print.content, standing)?);
            }
        }
    }
    Ok(verdicts)
}

/// A row against the content that stands under its key.
fn against(standing: u64, content: u64) -> Verdict {
    if standing == content { Verdict::Duplicate } else { Verdict::Conflict }
}

struct Judging<'a> {
    block: &'a Parsed,
    history: &'a mut History,
    hashes: Hashes,
    on_disk: &'a OnDisk,
}

impl Judging<'_> {
    #[inline]
    fn row(&mut self, row: &Row, key: u128, content: u64, on_disk: Option<u64>) -> Result<Verdict> {
        match on_disk {
            Some(standing) => Ok(against(standing, content)),
            None if self.block.has_corrections => self.one(row, key, content),
            None => self.plain(row, key, content),
        }
    }

    /// A row that corrects nothing, and whose key is not on disk.
    #[inline]
    fn plain(&mut self, row: &Row, key: u128, content: u64) -> Result<Verdict> {
        let standing = match row.lateness {
            Lateness::TooLate => self.history.get(key),
            Lateness::InTime | Lateness::Late => self.history.insert(key, content)?,
        };
        Ok(match standing {
            Some(standing) => against(standing, content),
            None if row.lateness == Lateness::TooLate => Verdict::TooLate,
            None => Verdict::Accepted,
        })
    }

    /// A row that may correct another, and whose key is not on disk.
    fn one(&mut self, row: &Row, key: u128, content: u64) -> Result<Verdict> {
        let rest = self.block.rest(row);
        let (source, corrects) = (self.block.text(rest.source), self.block.text(rest.corrects));
        if corrects.is_empty() || self.history.get(key).is_some() {
            return self.plain(row, key, content);
        }
        let mark = self.hashes.corrected(source, corrects);
        if !self.stands(self.hashes.event(source, corrects)) || self.stands(mark) {
            return Ok(Verdict::Stale);
        }
        let verdict = self.plain(row, key, content)?;
        if verdict == Verdict::Accepted {
            self.history.insert(mark, 0)?;
        }
        Ok(verdict)
    }

    fn stands(&self, key: u128) -> bool {
        self.history.get(key).is_some() || self.on_disk.others.contains_key(&key)
    }
}

/// What key runs say of a batch.
#[derive(Default)]
struct OnDisk {
    /// The content that stands under the key of each row; nothing if none does.
    rows: Vec<Option<u64>>,
    /// Keys and marks of what rows correct, if they are there.
    others: FxHashMap<u128, u64>,
}

impl OnDisk {
    fn look_up(batch: &[Parsed], history: &History, hashes: Hashes) -> Result<Self> {
        if !history.has_runs() {
            return Ok(Self::default());
        }
        let rows = batch.iter().flat_map(|block| &block.prints).map(|print| print.key());
        let corrected: Vec<u128> = batch
            .iter()
            .filter(|block| block.has_corrections)
            .flat_map(|block| block.rows.iter().map(move |row| (block, block.rest(row))))
            .filter(|(_, rest)| rest.corrects.len > 0)
            .map(|(block, rest)| (block.text(rest.source), block.text(rest.corrects)))
            .flat_map(|(source, id)| [hashes.event(source, id), hashes.corrected(source, id)])
            .collect();
        let keys = rows.chain(corrected.iter().copied());
        let mut asked: Vec<KeyLookup> = (0..)
            .zip(keys)
            .filter(|(_, key)| history.may_be_on_disk(*key))
            .map(|(at, key)| KeyLookup { key, at })
            .collect();
        if asked.is_empty() {
            return Ok(Self::default());
        }
        let count: usize = batch.iter().map(|block| block.rows.len()).sum();
        let mut found = vec![None; count + corrected.len()];
        history.look_up(&mut asked, &mut found)?;
        let others = corrected.into_iter().zip(found.split_off(count));
        Ok(Self { rows: found, others: others.filter_map(|(key, content)| Some((key, content?))).collect() })
    }
}
