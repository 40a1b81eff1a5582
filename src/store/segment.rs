//! The usage store's catalogue: which files are visible at which version (ARCHITECTURE.md).

use crate::bulk::Bulk;
use crate::tx::{Tx, on};
use crate::words::{count, stored};
use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A Parquet file of events, or a part of one that upkeep has bundled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Relative to the home.
    pub path: String,
    /// The import's id, none in a bundle, and its number, none before the commit.
    pub import: Option<Uuid>,
    pub import_number: Option<i64>,
    /// Rows of the file, and where those of this part begin; a file of one import has one part.
    pub rows_in_file: u64,
    pub first_row: u64,
    /// `2026-01`.
    pub month: String,
    pub rows: u64,
    /// Of the whole file.
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
pub enum VersionChange {
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
pub(crate) async fn bump(tx: &mut Tx, seen: i64) -> anyhow::Result<VersionChange> {
    let to: Option<i64> = on!(tx, c => sqlx::query_scalar(
        "update usage_store set version = version + 1 where one = 1 and version = $1 returning version")
        .bind(seen)
        .fetch_optional(c)
        .await?);
    match to {
        Some(to) => Ok(VersionChange::To(to)),
        None => Ok(VersionChange::Moved { now: version(tx).await? }),
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

/// Segments visible at a version, oldest import first; the parts of a bundle stand together, in the order of the file.
pub async fn visible_at(tx: &mut Tx, version: i64) -> anyhow::Result<Vec<Segment>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        path: String,
        import: Option<Uuid>,
        import_number: Option<i64>,
        rows_in_file: i64,
        first_row: i64,
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
        "select s.path, s.import, coalesce(p.import_number, s.import_number) as import_number,
                s.row_count as rows_in_file, coalesce(p.first_row, 0) as first_row, s.month,
                coalesce(p.row_count, s.row_count) as row_count, s.byte_count, s.sha256,
                coalesce(p.min_time_us, s.min_time_us) as min_time_us,
                coalesce(p.max_time_us, s.max_time_us) as max_time_us,
                coalesce(p.min_subscription, s.min_subscription) as min_subscription,
                coalesce(p.max_subscription, s.max_subscription) as max_subscription,
                coalesce(p.correction_count, s.correction_count) as correction_count
         from usage_segment s
         left join usage_part p on p.path = s.path
         where s.added_version <= $1
           and (s.removed_version is null or s.removed_version > $1)
         order by s.added_version, s.path, p.first_row")
        .bind(version)
        .fetch_all(c)
        .await?);
    rows.into_iter()
        .map(|r| {
            Ok(Segment {
                path: r.path,
                import: r.import,
                import_number: r.import_number,
                rows_in_file: count(r.rows_in_file, "usage_segment.row_count")?,
                first_row: count(r.first_row, "usage_part.first_row")?,
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
    /// The parts of each new file, in its order; all name the same path, month, bytes and hash.
    pub add_bundles: Vec<Vec<Segment>>,
    pub remove_key_runs: Vec<String>,
    pub add_key_runs: Vec<KeyRun>,
}

/// Says which paths upkeep is about to write; commit before writing them. Who dies leaves the claim, and the path is
/// [`deletable`] after `until`.
pub async fn claim(tx: &mut Tx, paths: &[String], until: DateTime<Utc>) -> anyhow::Result<()> {
    let mut rows = Bulk::into("usage_claim", &["path", "until"]);
    for path in paths {
        rows.row([path.into(), until.into()]);
    }
    rows.insert(tx).await.map(drop)
}

/// Commits a compaction made while `seen` was the version, and gives its claims back. Rows must not get lost on the way.
pub async fn compact(tx: &mut Tx, seen: i64, compaction: &Compaction) -> anyhow::Result<VersionChange> {
    let bumped = bump(tx, seen).await?;
    let VersionChange::To(version) = bumped else { return Ok(bumped) };
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
    let come: u64 = compaction.add_bundles.iter().flatten().map(|part| part.rows).sum();
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
    let files: Vec<Segment> = compaction.add_bundles.iter().filter_map(|parts| whole(parts)).collect();
    add_segments(tx, version, &files).await?;
    add_parts(tx, &compaction.add_bundles).await?;
    add_key_runs(tx, version, &compaction.add_key_runs).await?;
    let made = files.iter().map(|f| &f.path).chain(compaction.add_key_runs.iter().map(|k| &k.path));
    for path in made {
        on!(tx, c => sqlx::query("delete from usage_claim where path = $1").bind(path).execute(c).await.map(drop))?;
    }
    Ok(bumped)
}

/// The file of a bundle's parts.
fn whole(parts: &[Segment]) -> Option<Segment> {
    let first = parts.first()?;
    let of = |value: fn(&Segment) -> i64| parts.iter().map(value);
    Some(Segment {
        import: None,
        import_number: None,
        first_row: 0,
        rows: parts.iter().map(|p| p.rows).sum(),
        min_time_us: of(|p| p.min_time_us).min()?,
        max_time_us: of(|p| p.max_time_us).max()?,
        min_subscription: of(|p| p.min_subscription).min()?,
        max_subscription: of(|p| p.max_subscription).max()?,
        corrections: parts.iter().map(|p| p.corrections).sum(),
        ..first.clone()
    })
}

async fn add_parts(tx: &mut Tx, bundles: &[Vec<Segment>]) -> anyhow::Result<()> {
    let columns = &[
        "path",
        "first_row",
        "import_number",
        "row_count",
        "min_time_us",
        "max_time_us",
        "min_subscription",
        "max_subscription",
        "correction_count",
    ];
    let mut rows = Bulk::into("usage_part", columns);
    for part in bundles.iter().flatten() {
        rows.row([
            (&part.path).into(),
            stored(part.first_row).into(),
            part.import_number.context("a part of a bundle without its import")?.into(),
            stored(part.rows).into(),
            part.min_time_us.into(),
            part.max_time_us.into(),
            part.min_subscription.into(),
            part.max_subscription.into(),
            stored(part.corrections).into(),
        ]);
    }
    rows.insert(tx).await.map(drop)
}

/// Paths that nobody needs: of abandoned imports (a path may end in `*`), claims that ran out, and removed files that no
/// unfinished run pins. `upkeep` deletes these files and then calls [`forget`].
pub async fn deletable(tx: &mut Tx, now: DateTime<Utc>) -> anyhow::Result<Vec<String>> {
    Ok(on!(tx, c => sqlx::query_scalar(
        "select p.path
         from usage_path p
         join usage_import i on i.id = p.import
         where i.state = 'abandoned'
         union
         select path
         from usage_claim
         where until < $1
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
        .bind(now)
        .fetch_all(c)
        .await?))
}

/// Drops the catalogue's rows of files that have been deleted.
pub async fn forget(tx: &mut Tx, paths: &[String]) -> anyhow::Result<()> {
    for path in paths {
        for sql in [
            "delete from usage_path where path = $1 and import in (select id from usage_import where state = 'abandoned')",
            "delete from usage_claim where path = $1",
            "delete from usage_segment where path = $1 and removed_version is not null",
            "delete from usage_key_run where path = $1 and removed_version is not null",
        ] {
            on!(tx, c => sqlx::query(sql).bind(path).execute(c).await.map(drop))?;
        }
    }
    Ok(())
}
