//! Records held against one another and against all that was accepted before: duplicates, conflicts, corrections
//! (rules Q3). The first line wins, in the order of the file.
//!
//! Keys are sorted and merged with the history, all at once. Only records that correct something, or share a key with
//! one that does, are looked at one by one: whether they stand depends on what stood before them.

use super::rows::{Lateness, Row};
use crate::keys::{Entry, Hashes, History};
use anyhow::Result;
use domain::usage::{Reject, RejectCode, shown};
use rustc_hash::{FxHashMap, FxHashSet};

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

/// A row as judging sees it: in the order of the file, over all blocks of a chunk.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub row: &'a Row,
    pub source: &'a str,
    /// Empty if it corrects nothing.
    pub corrects: &'a str,
}

/// Judges the rows of a chunk and gives the keys that it adds to the history, ascending.
pub(crate) fn judge(
    rows: &[Candidate<'_>],
    history: &History,
    hashes: Hashes,
    threads: usize,
) -> Result<(Vec<Verdict>, Vec<Entry>)> {
    let mut order: Vec<Keyed> =
        rows.iter().zip(0_u32..).map(|(candidate, row)| Keyed { key: candidate.row.key, row }).collect();
    crate::sort::sort_in_parallel(&mut order, threads);
    let mut keys: Vec<u128> = order.iter().map(|keyed| keyed.key).collect();
    keys.dedup();
    let known = history.look_up(&keys)?;
    let mut verdicts = vec![Verdict::Duplicate; rows.len()];
    let mut apart: Vec<u32> = Vec::new();
    let has_corrections = rows.iter().any(|candidate| !candidate.corrects.is_empty());
    for (group, known) in order.chunk_by(|a, b| a.key == b.key).zip(&known) {
        if has_corrections && group.iter().any(|keyed| !rows[keyed.row as usize].corrects.is_empty()) {
            apart.extend(group.iter().map(|keyed| keyed.row));
            continue;
        }
        let mut standing = *known;
        for keyed in group {
            let row = rows[keyed.row as usize].row;
            verdicts[keyed.row as usize] = against(&mut standing, row);
        }
    }
    apart.sort_unstable();
    let marks = OneByOne { rows, order: &order, history, hashes }.judge(&apart, &mut verdicts)?;
    let entries = added(rows, &order, &verdicts, marks);
    Ok((verdicts, entries))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Keyed {
    key: u128,
    row: u32,
}

/// A row against the content that stands under its key, if any.
fn against(standing: &mut Option<u64>, row: &Row) -> Verdict {
    match standing {
        Some(content) if *content == row.content => Verdict::Duplicate,
        Some(_) => Verdict::Conflict,
        None if row.lateness == Lateness::TooLate => Verdict::TooLate,
        None => {
            *standing = Some(row.content);
            Verdict::Accepted
        }
    }
}

/// The rows that stand or fall with what came before them.
struct OneByOne<'a> {
    rows: &'a [Candidate<'a>],
    order: &'a [Keyed],
    history: &'a History,
    hashes: Hashes,
}

impl OneByOne<'_> {
    /// Judges the rows `apart`, which ascend, and gives the correction marks.
    fn judge(&self, apart: &[u32], verdicts: &mut [Verdict]) -> Result<Vec<Entry>> {
        let mut standing = self.known(apart)?;
        let mut marks = Vec::new();
        let mut marked: FxHashSet<u128> = FxHashSet::default();
        let is_apart: FxHashSet<u128> = apart.iter().map(|row| self.rows[*row as usize].row.key).collect();
        for &number in apart {
            let Candidate { row, source, corrects } = self.rows[number as usize];
            let own = standing.get(&row.key).copied();
            if own.is_some() || corrects.is_empty() {
                let mut content = own;
                verdicts[number as usize] = against(&mut content, row);
                standing.extend(content.map(|content| (row.key, content)));
                continue;
            }
            let target = self.hashes.event(source, corrects);
            let mark = self.hashes.corrected(source, corrects);
            let is_there = standing.contains_key(&target)
                || (!is_apart.contains(&target) && self.accepted_before(target, number, verdicts));
            let is_latest = !standing.contains_key(&mark) && !marked.contains(&mark);
            verdicts[number as usize] = match (is_there && is_latest, row.lateness) {
                (false, _) => Verdict::Stale,
                (true, Lateness::TooLate) => Verdict::TooLate,
                (true, _) => {
                    standing.insert(row.key, row.content);
                    marked.insert(mark);
                    marks.push(Entry { key: mark, content: 0 });
                    Verdict::Accepted
                }
            };
        }
        Ok(marks)
    }

    /// What the history says of every key that judging these rows can ask for.
    fn known(&self, apart: &[u32]) -> Result<FxHashMap<u128, u64>> {
        let mut keys: Vec<u128> = Vec::with_capacity(apart.len() * 3);
        for &number in apart {
            let Candidate { row, source, corrects } = self.rows[number as usize];
            keys.push(row.key);
            if !corrects.is_empty() {
                keys.push(self.hashes.event(source, corrects));
                keys.push(self.hashes.corrected(source, corrects));
            }
        }
        keys.sort_unstable();
        keys.dedup();
        let found = self.history.look_up(&keys)?;
        Ok(keys.into_iter().zip(found).filter_map(|(key, content)| Some((key, content?))).collect())
    }

    /// Whether an earlier row of this chunk, judged with the many, was accepted under this key.
    fn accepted_before(&self, key: u128, number: u32, verdicts: &[Verdict]) -> bool {
        let start = self.order.partition_point(|keyed| keyed.key < key);
        self.order[start..]
            .iter()
            .take_while(|keyed| keyed.key == key && keyed.row < number)
            .any(|keyed| verdicts[keyed.row as usize] == Verdict::Accepted)
    }
}

/// Keys of the accepted rows and the marks, ascending.
fn added(rows: &[Candidate<'_>], order: &[Keyed], verdicts: &[Verdict], mut marks: Vec<Entry>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = order
        .iter()
        .filter(|keyed| verdicts[keyed.row as usize] == Verdict::Accepted)
        .map(|keyed| Entry { key: keyed.key, content: rows[keyed.row as usize].row.content })
        .collect();
    if !marks.is_empty() {
        entries.append(&mut marks);
        entries.sort();
    }
    entries
}
