//! An import as it is stored: its totals, segments, key runs and rejects.

use crate::context::Context;
use crate::files::file_store::relative;
use crate::usage::ingest::Ingested;
use store::imports::{self, ImportTotals};
use store::segment::{KeyRun, Segment};

/// What intake has written, as the catalogue names it: paths relative to the home folder.
pub(crate) fn of(
    ctx: &Context,
    staged: &metering::Staged,
    answer: &Ingested,
) -> anyhow::Result<imports::Staged> {
    let segments = staged
        .segments
        .iter()
        .map(|s| {
            Ok(Segment {
                path: relative(&ctx.folders.root, &s.path)?,
                import: None,
                import_number: None,
                rows_in_file: s.bounds.rows,
                first_row: 0,
                month: s.month.clone(),
                rows: s.bounds.rows,
                bytes: s.bytes,
                sha256: s.sha256.clone(),
                min_time_us: s.bounds.min_time_us,
                max_time_us: s.bounds.max_time_us,
                min_subscription: i64::from(s.bounds.min_subscription_no),
                max_subscription: i64::from(s.bounds.max_subscription_no),
                corrections: s.bounds.corrections,
            })
        })
        .collect::<anyhow::Result<_>>()?;
    let key_runs = staged
        .key_runs
        .iter()
        .map(|k| {
            Ok(KeyRun {
                path: relative(&ctx.folders.root, &k.path)?,
                import_number: 0,
                rows: k.rows,
                bytes: k.bytes,
                sha256: k.sha256.clone(),
            })
        })
        .collect::<anyhow::Result<_>>()?;
    let totals = ImportTotals {
        read: answer.read,
        accepted: answer.accepted,
        duplicate: answer.duplicate,
        rejected: answer.rejected,
        late: answer.late,
        rejects: answer.rejects.clone(),
    };
    let reject_sha256 = staged.reject_file.as_ref().map(|file| file.sha256.clone());
    Ok(imports::Staged { totals, segments, key_runs, reject_path: answer.rejectfile.clone(), reject_sha256 })
}

/// The files that a commit would name.
pub(crate) fn paths(rows: &imports::Staged) -> Vec<String> {
    let segments = rows.segments.iter().map(|s| &s.path);
    segments.chain(rows.key_runs.iter().map(|k| &k.path)).chain(&rows.reject_path).cloned().collect()
}
