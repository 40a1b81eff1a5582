//! The files of a home that several machines share. Without buckets (`usage_url`, `documents_url`) the home folder is all
//! there is. With them the bucket has every file and the folder is a working copy: what is written goes up before the
//! commit that names it, and what is named comes down when it is first needed, with its hash checked. Files never
//! change once they are named, so a copy never grows old.

use crate::files::doors::Doors;
use crate::files::hash::sha256_of_file;
use anyhow::{Context as _, ensure};
use domain::ids::InvoiceId;
use futures_util::{StreamExt, TryStreamExt, stream};
use gateways::{Bucket, BucketError};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use store::Tx;
use store::document::{self, Document};
use store::ledger::LedgerExport;
use store::segment::{self, KeyRun, Segment};
use uuid::Uuid;

/// Files on their way at once.
const AT_ONCE: usize = 16;

/// Documents read at once.
const PAGE: u32 = 5_000;

/// A file as the database names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Relative to the home: `usage/…`, `rejects/…`, `documents/…`, `exports/…`.
    pub path: String,
    /// Hex; none if it was not recorded.
    pub sha256: Option<String>,
}

impl From<&Segment> for Named {
    fn from(segment: &Segment) -> Self {
        Self { path: segment.path.clone(), sha256: Some(segment.sha256.clone()) }
    }
}

impl From<&KeyRun> for Named {
    fn from(run: &KeyRun) -> Self {
        Self { path: run.path.clone(), sha256: Some(run.sha256.clone()) }
    }
}

impl From<&Document> for Named {
    fn from(document: &Document) -> Self {
        Self { path: format!("documents/{}", document.path), sha256: Some(document.sha256.clone()) }
    }
}

impl From<&LedgerExport> for Named {
    fn from(export: &LedgerExport) -> Self {
        Self { path: format!("exports/{}", export.path), sha256: Some(export.sha256.clone()) }
    }
}

/// A home's files and the buckets behind them.
#[derive(Debug, Clone)]
pub struct FileStore {
    root: PathBuf,
    usage: Option<Bucket>,
    documents: Option<Bucket>,
}

impl FileStore {
    /// `usage` holds segments, keys and rejects, `documents` the documents and the marked exports.
    pub fn new(root: PathBuf, usage: Option<Bucket>, documents: Option<Bucket>) -> Self {
        Self { root, usage, documents }
    }

    /// The buckets, for whoever looks after them.
    pub fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        self.usage.iter().chain(&self.documents)
    }

    /// Whether a bucket stands behind a folder of the home.
    pub fn is_shared(&self, folder: &str) -> bool {
        self.place(&format!("{folder}/")).is_some()
    }

    /// The bucket of a path, and the object's name in it.
    fn place<'a>(&self, path: &'a str) -> Option<(&Bucket, &'a str)> {
        let (folder, rest) = path.split_once('/')?;
        match folder {
            "usage" => Some((self.usage.as_ref()?, rest)),
            "rejects" => Some((self.usage.as_ref()?, path)),
            "documents" => Some((self.documents.as_ref()?, rest)),
            "exports" => Some((self.documents.as_ref()?, path)),
            _ => None,
        }
    }

    /// Sends files up, so that the commit may name them. They are whole and synced in the home.
    pub async fn publish(&self, doors: Doors, paths: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
        let paths: Vec<String> = paths.into_iter().filter(|path| self.place(path).is_some()).collect();
        if paths.is_empty() {
            return Ok(());
        }
        let sending = stream::iter(paths).map(Ok::<_, anyhow::Error>).try_for_each_concurrent(
            AT_ONCE,
            |path| async move {
                let Some((bucket, name)) = self.place(&path) else { return Ok(()) };
                Ok(bucket.put(name, &self.root.join(&path)).await?)
            },
        );
        doors.through("files.put", sending).await
    }

    /// Fetches those of these files that the home has not.
    pub async fn need(&self, files: impl IntoIterator<Item = Named>) -> anyhow::Result<()> {
        stream::iter(self.absent(files))
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |file| self.fetch(file))
            .await
    }

    /// Fetches like [`Self::need`], but answers with the files that are lost or damaged, and why, by path; only a bucket
    /// that does not answer is an error.
    pub async fn need_or_tell(
        &self,
        files: impl IntoIterator<Item = Named>,
    ) -> anyhow::Result<HashMap<String, String>> {
        let fetching = |file: Named| async move {
            let path = file.path.clone();
            match self.fetch(file).await {
                Ok(()) => Ok(None),
                Err(e) if e.downcast_ref().is_some_and(|e: &BucketError| !e.is_missing()) => Err(e),
                Err(e) => Ok(Some((path, format!("{e:#}")))),
            }
        };
        stream::iter(self.absent(files))
            .map(fetching)
            .buffer_unordered(AT_ONCE)
            .try_filter_map(|told| async { Ok(told) })
            .try_collect()
            .await
    }

    /// What a bucket is to have and the home has not.
    fn absent(&self, files: impl IntoIterator<Item = Named>) -> impl Iterator<Item = Named> {
        let absent = |file: &Named| self.place(&file.path).is_some() && !self.root.join(&file.path).exists();
        // The parts of a bundle name one file.
        let absent: BTreeMap<String, Named> =
            files.into_iter().filter(absent).map(|file| (file.path.clone(), file)).collect();
        absent.into_values()
    }

    async fn fetch(&self, file: Named) -> anyhow::Result<()> {
        let Some((bucket, name)) = self.place(&file.path) else { return Ok(()) };
        let path = self.root.join(&file.path);
        let folder = path.parent().unwrap_or(&self.root);
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let aside = folder.join(format!(".{}.fetching", Uuid::new_v4().simple()));
        let outcome = async {
            bucket.get(name, &aside).await?;
            let (from, to) = (aside.clone(), path.clone());
            tokio::task::spawn_blocking(move || settle(&from, &to, file.sha256.as_deref())).await?
        };
        let outcome: anyhow::Result<()> = outcome.await;
        if outcome.is_err() {
            let _ = fs::remove_file(&aside); // it may not even be there
        }
        outcome.with_context(|| format!("fetching {} from {}", file.path, bucket.url()))
    }

    /// Deletes one path of the catalogue, here and in the bucket; one that ends in `*` stands for all that begin so.
    /// Returns how many files went.
    pub async fn delete(&self, path: &str) -> anyhow::Result<u64> {
        let Some(start) = path.strip_suffix('*') else {
            if let Some((bucket, name)) = self.place(path) {
                bucket.delete(name).await?;
            }
            return remove(&self.root.join(path));
        };
        if let Some((bucket, name)) = self.place(start) {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            for (found, _) in bucket.list(folder).await?.iter().filter(|(found, _)| found.starts_with(name)) {
                bucket.delete(found).await?;
            }
        }
        let start = self.root.join(start);
        let (Some(folder), Some(name)) = (start.parent(), start.file_name().and_then(|n| n.to_str())) else {
            return Ok(0);
        };
        let Ok(entries) = fs::read_dir(folder) else { return Ok(0) };
        let mut deleted = 0;
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|n| n.starts_with(name)) && entry.file_type()?.is_file()
            {
                deleted += remove(&entry.path())?;
            }
        }
        Ok(deleted)
    }

    /// What the buckets hold below `folder` of the home, by path relative to the home, with bytes; none if no bucket
    /// stands behind that folder.
    pub async fn listed(&self, folder: &str) -> anyhow::Result<Option<HashMap<String, u64>>> {
        let below = format!("{folder}/");
        let Some((bucket, name)) = self.place(&below) else { return Ok(None) };
        let found = bucket.list(name.trim_end_matches('/')).await?;
        let path = |object: String| match folder {
            "usage" | "documents" => format!("{below}{object}"),
            _ => object,
        };
        Ok(Some(found.into_iter().map(|(object, bytes)| (path(object), bytes)).collect()))
    }
}

/// Segments and key runs that the database names, with their bytes.
pub async fn usage_named(tx: &mut Tx) -> anyhow::Result<Vec<(Named, u64)>> {
    let version = segment::version(tx).await?;
    let segments = segment::visible_at(tx, version).await?;
    let runs = segment::key_runs(tx, 0, version).await?;
    let segments = segments.iter().map(|s| (Named::from(s), s.bytes));
    Ok(segments.chain(runs.iter().map(|k| (Named::from(k), k.bytes))).collect())
}

/// The same, and documents.
pub async fn all_named(tx: &mut Tx) -> anyhow::Result<Vec<(Named, u64)>> {
    let mut named = usage_named(tx).await?;
    let mut after: Option<(InvoiceId, String)> = None;
    loop {
        let last = after.as_ref().map(|(id, template)| (*id, template.as_str()));
        let page = document::page(tx, last, PAGE).await?;
        let Some(end) = page.last() else { return Ok(named) };
        after = Some((end.invoice, end.template.clone()));
        named.extend(page.iter().map(|d| (Named::from(d), d.bytes)));
    }
}

/// Checks what was fetched, makes it durable and gives it its name.
fn settle(from: &Path, to: &Path, sha256: Option<&str>) -> anyhow::Result<()> {
    if let Some(sha256) = sha256 {
        let (found, _) = sha256_of_file(from)?;
        ensure!(found == sha256, "its hash is {found}, not {sha256}: the object was changed or damaged");
    }
    File::open(from)?.sync_all()?;
    Ok(fs::rename(from, to)?)
}

fn remove(path: &Path) -> anyhow::Result<u64> {
    match fs::remove_file(path) {
        Ok(()) => Ok(1),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(0),
        Err(e) => Err(e).with_context(|| format!("deleting {}", path.display())),
    }
}

/// A path as the catalogue names it: relative to the home.
pub(crate) fn relative(root: &Path, path: &Path) -> anyhow::Result<String> {
    let inside =
        path.strip_prefix(root).with_context(|| format!("{} is outside the home", path.display()))?;
    inside.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", inside.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::hash::sha256_hex;

    fn named(path: &str, sha256: Option<&str>) -> Named {
        Named { path: path.to_owned(), sha256: sha256.map(str::to_owned) }
    }

    #[tokio::test]
    async fn what_one_home_publishes_another_fetches_and_a_changed_object_is_refused() {
        let (usage, documents) = (Bucket::in_memory(), Bucket::in_memory());
        let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [one, two] = homes
            .each_ref()
            .map(|home| FileStore::new(home.path().to_owned(), Some(usage.clone()), Some(documents.clone())));
        let paths =
            ["usage/segments/a.parquet", "rejects/a.ndjson", "documents/2026/INV-1.pdf", "exports/l.csv"];
        for path in paths {
            let path = homes[0].path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"content").unwrap();
        }
        one.publish(Doors::default(), paths.map(str::to_owned)).await.unwrap();
        let hash = sha256_hex(b"content");
        two.need(paths.map(|path| named(path, Some(&hash)))).await.unwrap();
        for path in paths {
            assert_eq!(fs::read(homes[1].path().join(path)).unwrap(), b"content", "{path}");
        }
        assert_eq!(two.listed("usage").await.unwrap().unwrap()["usage/segments/a.parquet"], 7);
        assert_eq!(two.listed("exports").await.unwrap().unwrap()["exports/l.csv"], 7);

        assert_eq!(two.delete("documents/2026/INV-1.pdf").await.unwrap(), 1);
        assert_eq!(two.delete("usage/segments/a*").await.unwrap(), 1);
        assert!(two.listed("documents").await.unwrap().unwrap().len() == 1, "the export is left");
        fs::remove_file(homes[1].path().join("rejects/a.ndjson")).unwrap();
        let other = sha256_hex(b"other");
        let refused = two.need([named("rejects/a.ndjson", Some(&other))]).await.unwrap_err();
        assert!(format!("{refused:#}").contains("changed or damaged"), "{refused:#}");
        let gone = two.need([named("usage/segments/a.parquet", None)]).await.unwrap_err();
        assert!(format!("{gone:#}").contains("usage/segments/a.parquet"), "{gone:#}");
        let told = two
            .need_or_tell([named("rejects/a.ndjson", Some(&other)), named("usage/segments/a.parquet", None)])
            .await
            .unwrap();
        assert!(told["rejects/a.ndjson"].contains("changed or damaged"), "{told:?}");
        assert!(told["usage/segments/a.parquet"].contains("getting"), "{told:?}");
        assert_eq!(
            fs::read_dir(homes[1].path().join("usage/segments")).unwrap().count(),
            0,
            "nothing is left beside"
        );
    }
}
