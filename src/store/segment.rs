//! The usage store's catalogue: which files are visible at which version (architecture.md §4).

use crate::bulk::Bulk;
use crate::tx::{Tx, on};
use crate::words::{count, stored};
use anyhow::ensure;
use uuid::Uuid;

/// A Parquet file of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Relative to the usage folder.
    pub path: String,
    /// The import's id and number; none once compaction has merged several.
    pub import: Option<Uuid>,
    pub import_number: Option<i64>,
    /// `2026-01`.
    pub month: String,
    pub rows: u64,
    pub bytes: u64,
    pub sha256: String,
    pub min_time_us: i64,
    pub max_time_us: i64,
    /// Subscription numbers of the usage store.
    pub min_subscription: i64,
    pub max_subscription: i64,
    /// Rows that correct another event.
    pub corrections: u64,
}

/// A sorted run of event keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRun {
    pub path: String,
    /// The newest import whose keys it holds.
    pub import_number: i64,
    pub rows: u64,
    pub bytes: u64,
    pub sha256: String,
}

/// What became of a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bumped {
    /// The version that this transaction makes visible.
    To(i64),
    /// Somebody committed since `seen`: check against the newer key runs and try again.
    Moved { now: i64 },
}

/// The newest version.
pub async fn version(tx: &mut Tx) -> anyhow::Result<i64> {
    Ok(on!(tx, c => sqlx::query_scalar("select version from usage_store where one = 1").fetch_one(c).await?))
}

/// Raises the version if it is still the one that was seen. Locks it until the transaction ends.
pub(crate) async fn bump(tx: &mut Tx, seen: i64) -> anyhow::Result<Bumped> {
    let to: Option<i64> = on!(tx, c => sqlx::query_scalar(
        "update usage_store set version = version + 1 where one = 1 and version = $1 returning version")
        .bind(seen)
        .fetch_optional(c)
        .await?);
    match to {
        Some(to) => Ok(Bumped::To(to)),
        None => Ok(Bumped::Moved { now: version(tx).await? }),
    }
}

pub(crate) async fn add_segments(tx: &mut Tx, version: i64, segments: &[Segment]) -> anyhow::Result<()> {
    let columns = &[
        "path",
        "import",
        "import_number",
        "month",
        "row_count",
        "byte_count",
        "sha256",
        "min_time_us",
        "max_time_us",
        "min_subscription",
        "max_subscription",
        "correction_count",
        "added_version",
    ];
    let mut rows = Bulk::into("usage_segment", columns);
    for s in segments {
        rows.row([
            (&s.path).into(),
            s.import.into(),
            s.import_number.into(),
            (&s.month).into(),
            stored(s.rows).into(),
            stored(s.bytes).into(),
            (&s.sha256).into(),
            s.min_time_us.into(),
            s.max_time_us.into(),
            s.min_subscription.into(),
            s.max_subscription.into(),
            stored(s.corrections).into(),
            version.into(),
        ]);
    }
    rows.insert(tx).await.map(drop)
}

pub(crate) async fn add_key_runs(tx: &mut Tx, version: i64, runs: &[KeyRun]) -> anyhow::Result<()> {
    let columns = &["path", "import_number", "row_count", "byte_count", "sha256", "added_version"];
    let mut rows = Bulk::into("usage_key_run", columns);
    for r in runs {
        rows.row([
            (&r.path).into(),
            r.import_number.into(),
            stored(r.rows).into(),
            stored(r.bytes).into(),
            (&r.sha256).into(),
            version.into(),
        ]);
    }
    rows.insert(tx).await.map(drop)
}

/// Segments visible at a version, oldest import first.
pub async fn visible_at(tx: &mut Tx, version: i64) -> anyhow::Result<Vec<Segment>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        path: String,
        import: Option<Uuid>,
        import_number: Option<i64>,
        month: String,
        row_count: i64,
        byte_count: i64,
        sha256: String,
        min_time_us: i64,
        max_time_us: i64,
        min_subscription: i64,
        max_subscription: i64,
        correction_count: i64,
    }
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "select path, import, import_number, month, row_count, byte_count, sha256,
                min_time_us, max_time_us, min_subscription, max_subscription, correction_count
         from usage_segment
         where added_version <= $1
           and (removed_version is null or removed_version > $1)
         order by added_version, path")
        .bind(version)
        .fetch_all(c)
        .await?);
    rows.into_iter()
        .map(|r| {
            Ok(Segment {
                path: r.path,
                import: r.import,
                import_number: r.import_number,
                month: r.month,
                rows: count(r.row_count, "usage_segment.row_count")?,
                bytes: count(r.byte_count, "usage_segment.byte_count")?,
                sha256: r.sha256,
                min_time_us: r.min_time_us,
                max_time_us: r.max_time_us,
                min_subscription: r.min_subscription,
                max_subscription: r.max_subscription,
                corrections: count(r.correction_count, "usage_segment.correction_count")?,
            })
        })
        .collect()
}

/// Key runs visible at version `upto` and added after version `after` (0 = all), oldest first.
pub async fn key_runs(tx: &mut Tx, after: i64, upto: i64) -> anyhow::Result<Vec<KeyRun>> {
    let rows: Vec<(String, i64, i64, i64, String)> = on!(tx, c => sqlx::query_as(
        "select path, import_number, row_count, byte_count, sha256
         from usage_key_run
         where added_version > $1
           and added_version <= $2
           and (removed_version is null or removed_version > $2)
         order by added_version, path")
        .bind(after)
        .bind(upto)
        .fetch_all(c)
        .await?);
    rows.into_iter()
        .map(|(path, import_number, rows, bytes, sha256)| {
            let (rows, bytes) =
                (count(rows, "usage_key_run.row_count")?, count(bytes, "usage_key_run.byte_count")?);
            Ok(KeyRun { path, import_number, rows, bytes, sha256 })
        })
        .collect()
}

/// One step of upkeep: files that take the place of others, in one version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compaction {
    pub remove_segments: Vec<String>,
    pub add_segments: Vec<Segment>,
    pub remove_key_runs: Vec<String>,
    pub add_key_runs: Vec<KeyRun>,
}

/// Commits a compaction made while `seen` was the version. Rows must not get lost on the way.
pub async fn compact(tx: &mut Tx, seen: i64, compaction: &Compaction) -> anyhow::Result<Bumped> {
    let bumped = bump(tx, seen).await?;
    let Bumped::To(version) = bumped else { return Ok(bumped) };
    let mut gone: i64 = 0;
    for path in &compaction.remove_segments {
        let rows: Option<i64> = on!(tx, c => sqlx::query_scalar(
            "update usage_segment set removed_version = $2 where path = $1 and removed_version is null returning row_count")
            .bind(path)
            .bind(version)
            .fetch_optional(c)
            .await?);
        ensure!(rows.is_some(), "compaction: segment {path} is not there to be removed");
        gone += rows.unwrap_or(0);
    }
    let come: u64 = compaction.add_segments.iter().map(|s| s.rows).sum();
    ensure!(stored(come) == gone, "compaction: {gone} rows became {come}");
    for path in &compaction.remove_key_runs {
        let removed = on!(tx, c => sqlx::query(
            "update usage_key_run set removed_version = $2 where path = $1 and removed_version is null")
            .bind(path)
            .bind(version)
            .execute(c)
            .await?
            .rows_affected());
        ensure!(removed == 1, "compaction: key run {path} is not there to be removed");
    }
    add_segments(tx, version, &compaction.add_segments).await?;
    add_key_runs(tx, version, &compaction.add_key_runs).await?;
    Ok(bumped)
}

/// Paths that nobody needs: of abandoned imports (a path may end in `*`), and removed files that no unfinished run
/// pins. `upkeep` deletes these files and then calls [`forget`].
pub async fn deletable(tx: &mut Tx) -> anyhow::Result<Vec<String>> {
    Ok(on!(tx, c => sqlx::query_scalar(
        "select p.path
         from usage_path p
         join usage_import i on i.id = p.import
         where i.state = 'abandoned'
         union
         select path
         from usage_segment
         where removed_version <= (select coalesce(min(r.usage_version), (select version from usage_store))
                                   from run r
                                   where r.state in ('open', 'review'))
         union
         select path
         from usage_key_run
         where removed_version <= (select version from usage_store)
         order by 1")
        .fetch_all(c)
        .await?))
}

/// Drops the catalogue's rows of files that have been deleted.
pub async fn forget(tx: &mut Tx, paths: &[String]) -> anyhow::Result<()> {
    for path in paths {
        for sql in [
            "delete from usage_path where path = $1 and import in (select id from usage_import where state = 'abandoned')",
            "delete from usage_segment where path = $1 and removed_version is not null",
            "delete from usage_key_run where path = $1 and removed_version is not null",
        ] {
            on!(tx, c => sqlx::query(sql).bind(path).execute(c).await.map(drop))?;
        }
    }
    Ok(())
}
