//! Keeps the usage store in few files: small segments of a month are bundled, key runs are merged. Every event stays in
//! its import, so nothing that is read or billed changes.
//!
//! Idempotency key: the store's version (somebody committed meanwhile: what was made is dropped, and the
//! next upkeep tries again); paths are claimed before they are written.

use crate::context::Context;
use crate::files::file_store::{Named, relative};
use crate::usage::measure::segment_ref;
use chrono::Duration;
use metering::{BundleFile, KeyRunFile, SegmentRef};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use store::segment::{self, Compaction, KeyRun, Segment, VersionChange};
use uuid::Uuid;

/// A file of fewer rows is small.
const SMALL_ROWS: u64 = 1 << 16;

/// So many small files of a month become one.
const SMALL_FILES_MAX: usize = 8;

/// Rows of a bundle; what is over goes into the next one.
const BUNDLE_ROWS_MAX: u64 = 1 << 20;

/// An import asks a filter of each.
const KEY_RUNS_MAX: usize = 8;

/// Who has not committed by then has died.
const CLAIMED: Duration = Duration::hours(6);

/// What there is to do.
#[derive(Debug, Default)]
struct Plan {
    /// Parts of each new bundle.
    bundles: Vec<Vec<Segment>>,
    merge: Vec<KeyRun>,
}

/// One round; returns how many files became fewer.
pub async fn compact(ctx: &Context) -> anyhow::Result<u64> {
    let mut tx = ctx.store.read().await?;
    let seen = segment::version(&mut tx).await?;
    let plan = plan(segment::visible_at(&mut tx, seen).await?, segment::key_runs(&mut tx, 0, seen).await?);
    drop(tx);
    let old = old_paths(&plan).len();
    if old == 0 {
        return Ok(0);
    }
    let names = names(&plan);
    let mut tx = ctx.store.begin().await?;
    segment::claim(&mut tx, &names, (ctx.now)() + CLAIMED).await?;
    tx.commit().await?;
    ctx.files.need(named(&plan)).await?;
    let compaction = write(ctx, plan, &names).await?;
    ctx.files.publish(ctx.doors, names.iter().cloned()).await?;
    let mut tx = ctx.store.begin().await?;
    if let VersionChange::To(_) = segment::compact(&mut tx, seen, &compaction).await? {
        tx.commit().await?;
        return Ok(u64::try_from(old.saturating_sub(names.len()))?);
    }
    drop(tx);
    for name in &names {
        ctx.files.delete(name).await?;
    }
    let mut tx = ctx.store.begin().await?;
    segment::forget(&mut tx, &names).await?;
    tx.commit().await?;
    Ok(0)
}

fn plan(segments: Vec<Segment>, mut runs: Vec<KeyRun>) -> Plan {
    let mut months: BTreeMap<String, Vec<Segment>> = BTreeMap::new();
    for part in segments.into_iter().filter(|part| part.rows_in_file < SMALL_ROWS) {
        months.entry(part.month.clone()).or_default().push(part);
    }
    let mut plan = Plan::default();
    for parts in months.into_values() {
        let files: BTreeSet<&String> = parts.iter().map(|part| &part.path).collect();
        if files.len() > SMALL_FILES_MAX {
            plan.bundles.extend(in_bundles(parts));
        }
    }
    if runs.len() > KEY_RUNS_MAX {
        // The smallest: a large run is merged seldom.
        runs.sort_by_key(|run| run.rows);
        runs.truncate(runs.len() - KEY_RUNS_MAX + 1);
        plan.merge = runs;
    }
    plan
}

/// Files that stay within [`BUNDLE_ROWS_MAX`] together; the parts of a file are not torn apart.
fn in_bundles(parts: Vec<Segment>) -> Vec<Vec<Segment>> {
    let mut bundles: Vec<Vec<Segment>> = Vec::new();
    let mut rows = 0;
    for part in parts {
        let of_the_last_file =
            bundles.last().and_then(|bundle| bundle.last()).is_some_and(|last| last.path == part.path);
        if !of_the_last_file {
            rows += part.rows_in_file;
        }
        match bundles.last_mut() {
            Some(bundle) if of_the_last_file || rows <= BUNDLE_ROWS_MAX => bundle.push(part),
            _ => {
                rows = part.rows_in_file;
                bundles.push(vec![part]);
            }
        }
    }
    bundles
}

fn old_paths(plan: &Plan) -> BTreeSet<&String> {
    plan.bundles
        .iter()
        .flatten()
        .map(|part| &part.path)
        .chain(plan.merge.iter().map(|run| &run.path))
        .collect()
}

fn named(plan: &Plan) -> impl Iterator<Item = Named> {
    plan.bundles.iter().flatten().map(Named::from).chain(plan.merge.iter().map(Named::from))
}

/// Paths of what will be written: the bundles, then the key run.
fn names(plan: &Plan) -> Vec<String> {
    let id = Uuid::new_v4();
    let bundles = (0..plan.bundles.len()).map(|n| format!("usage/segments/{id}-{n:03}.parquet"));
    let keys = (!plan.merge.is_empty()).then(|| format!("usage/keys/{id}.keys"));
    bundles.chain(keys).collect()
}

async fn write(ctx: &Context, plan: Plan, names: &[String]) -> anyhow::Result<Compaction> {
    let parts = |bundle: &Vec<Segment>| bundle.iter().map(|part| segment_ref(ctx, part)).collect();
    let sources: Vec<Vec<SegmentRef>> = plan.bundles.iter().map(parts).collect::<anyhow::Result<_>>()?;
    let runs: Vec<PathBuf> = plan.merge.iter().map(|run| ctx.folders.root.join(&run.path)).collect();
    let (usage, file_names) = (ctx.folders.usage.clone(), names.to_vec());
    let written = move || -> anyhow::Result<(Vec<BundleFile>, Option<KeyRunFile>)> {
        let (temp, segments, keys) = (usage.join("temp"), usage.join("segments"), usage.join("keys"));
        let name = |path: &String| path.rsplit('/').next().unwrap_or_default().to_owned();
        let bundles = sources.iter().zip(&file_names);
        let bundles = bundles
            .map(|(parts, path)| metering::bundle(parts, &temp, &segments, &name(path)))
            .collect::<anyhow::Result<_>>()?;
        let runs: Vec<_> = runs.iter().map(PathBuf::as_path).collect();
        let merged = match file_names.last() {
            Some(path) if !runs.is_empty() => {
                Some(metering::merge_key_runs(&runs, &temp, &keys, &name(path))?)
            }
            _ => None,
        };
        Ok((bundles, merged))
    };
    crate::usage::keys::insist_keys(ctx, &plan.merge).await?;
    let written = ctx.doors.through("files.put", async { tokio::task::spawn_blocking(written).await? });
    let (bundles, merged) = written.await?;
    let mut compaction = Compaction {
        remove_segments: plan.bundles.iter().flatten().map(|part| part.path.clone()).collect(),
        remove_key_runs: plan.merge.iter().map(|run| run.path.clone()).collect(),
        ..Compaction::default()
    };
    compaction.remove_segments.dedup();
    for (file, parts) in bundles.iter().zip(&plan.bundles) {
        let path = relative(&ctx.folders.root, &file.path)?;
        let renamed = parts.iter().zip(&file.parts).map(|(part, written)| Segment {
            path: path.clone(),
            import: None,
            rows_in_file: written.rows_in_file,
            first_row: written.first_row,
            month: file.month.clone(),
            bytes: file.bytes,
            sha256: file.sha256.clone(),
            ..part.clone()
        });
        compaction.add_bundles.push(renamed.collect());
    }
    if let Some(merged) = merged {
        compaction.add_key_runs.push(KeyRun {
            path: relative(&ctx.folders.root, &merged.path)?,
            import_number: plan.merge.iter().map(|run| run.import_number).max().unwrap_or_default(),
            rows: merged.rows,
            bytes: merged.bytes,
            sha256: merged.sha256,
        });
    }
    Ok(compaction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(path: &str, rows_in_file: u64, rows: u64) -> Segment {
        Segment {
            path: path.to_owned(),
            import: None,
            import_number: Some(1),
            rows_in_file,
            first_row: 0,
            month: "2026-01".to_owned(),
            rows,
            bytes: 1,
            sha256: String::new(),
            min_time_us: 0,
            max_time_us: 0,
            min_subscription: 1,
            max_subscription: 1,
            corrections: 0,
        }
    }

    fn key_run(path: &str, rows: u64) -> KeyRun {
        KeyRun { path: path.to_owned(), import_number: 1, rows, bytes: 1, sha256: String::new() }
    }

    #[test]
    fn few_or_large_files_stay_and_many_small_ones_become_bundles() {
        let files = |count: usize, rows: u64| -> Vec<Segment> {
            (0..count).map(|n| segment(&format!("{n:03}"), rows, rows)).collect()
        };
        assert!(plan(files(8, 10), Vec::new()).bundles.is_empty());
        assert!(plan(files(50, SMALL_ROWS), Vec::new()).bundles.is_empty());
        assert_eq!(plan(files(9, 10), Vec::new()).bundles[0].len(), 9);
        let large = plan(files(40, SMALL_ROWS - 1), Vec::new()).bundles;
        assert_eq!(large.iter().map(Vec::len).collect::<Vec<_>>(), [16, 16, 8]);
        // The parts of a bundle that is bundled again stay together, and the file counts once.
        let mut parts = files(8, 10);
        parts.extend([segment("old", SMALL_ROWS - 1, 10), segment("old", SMALL_ROWS - 1, SMALL_ROWS - 11)]);
        assert_eq!(plan(parts, Vec::new()).bundles.iter().map(Vec::len).collect::<Vec<_>>(), [10]);
    }

    #[test]
    fn the_smallest_key_runs_become_one_so_that_eight_are_left() {
        let runs: Vec<KeyRun> = (0..12).map(|n| key_run(&format!("{n:02}"), 1000 - n)).collect();
        let merge = plan(Vec::new(), runs).merge;
        assert_eq!(merge.iter().map(|r| r.path.as_str()).collect::<Vec<_>>(), ["11", "10", "09", "08", "07"]);
        assert!(plan(Vec::new(), (0..8).map(|n| key_run("a", n)).collect()).merge.is_empty());
    }
}
