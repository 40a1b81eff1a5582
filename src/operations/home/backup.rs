//! A consistent copy of a live home: the database as one snapshot (a file of SQLite, or the tables of PostgreSQL), then the
//! files that it names. Files are written before the commit that names them and never changed, so whatever the snapshot
//! names is there when the copying begins; what came later is copied too and harms nothing.
//!
//! Idempotency key: none is wanted; a backup goes into a new folder. Its manifest is written last: a folder
//! without one is not a backup.

use crate::context::Context;
use crate::files::file_store::{self, Named};
use crate::files::hash::sha256_of_file;
use crate::home::lock::{HomeLock, LockOutcome};
use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use store::{Database, Store, dump};

/// Held by whoever works the home, and by whoever restores it.
const LOCK: &str = "worker.lock";

/// Written last.
pub const MANIFEST: &str = "backup.json";

/// The SQLite file, in a home and in a backup.
const DATABASE: &str = "tallybook.db";

/// What belongs to this machine and moment, or is not worth keeping.
const LEFT_OUT: [&str; 9] = [
    DATABASE,
    "tallybook.db-wal",
    "tallybook.db-shm",
    LOCK,
    MANIFEST,
    LAST_GOOD,
    BACKUPS,
    TABLES,
    // Unfinished files of imports.
    "usage/temp",
];

/// The tables of books that are in PostgreSQL, in a backup.
pub const TABLES: &str = "database";

/// Where backups of the timetable go in a home that names no other folder.
pub const BACKUPS: &str = "backups";

/// What the last good backup was.
pub const LAST_GOOD: &str = "last-backup.json";

const INBOX: &str = "inbox";

/// Snapshots taken before a backup is abandoned.
const SNAPSHOTS_MAX: u32 = 5;

/// What a backup holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// RFC 3339.
    pub made_at: String,
    pub program: String,
    pub bytes: u64,
    /// In path order.
    pub files: Vec<Entry>,
}

/// One file, relative to the home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

/// Copies the home into `target`, which must not exist or be empty: the books as one snapshot, then the files. What waits
/// in the inbox comes first, so that a file that is being brought in is in the one or the other. Upkeep may delete a file
/// that the snapshot still names: then another snapshot is taken.
pub async fn backup(ctx: &Context, target: &Path) -> anyhow::Result<Manifest> {
    make_private(target)?;
    copy_all(ctx, target, INBOX).await?;
    for _ in 0..SNAPSHOTS_MAX {
        let named = snapshot(ctx, target).await?;
        ctx.files.need(named.iter().cloned()).await?;
        copy_all(ctx, target, "").await?;
        if named.iter().all(|file| target.join(&file.path).is_file()) {
            return finish(ctx, target).await;
        }
        forget_snapshot(target)?;
    }
    anyhow::bail!("files that the books name went away while they were copied, {SNAPSHOTS_MAX} times")
}

/// The books as they stand at one moment, and the files that they name.
async fn snapshot(ctx: &Context, target: &Path) -> anyhow::Result<Vec<Named>> {
    let named = if ctx.store.is_sqlite() {
        let path = target.join(DATABASE);
        ctx.store.copy_to(&path).await?;
        let copy = Store::open(&Database::Sqlite { path }).await?;
        let mut tx = copy.read().await?;
        let named = file_store::all_named(&mut tx).await?;
        drop(tx);
        copy.close().await;
        // Looking wrote nothing: what SQLite may leave beside the file is empty.
        for beside in ["tallybook.db-wal", "tallybook.db-shm"] {
            drop(fs::remove_file(target.join(beside)));
        }
        named
    } else {
        let mut tx = ctx.store.read().await?;
        dump::write(&mut tx, &target.join(TABLES)).await?;
        file_store::all_named(&mut tx).await?
    };
    Ok(named.into_iter().map(|(file, _)| file).collect())
}

fn forget_snapshot(target: &Path) -> anyhow::Result<()> {
    for path in [target.join(DATABASE), target.join(TABLES)] {
        if path.is_dir() {
            fs::remove_dir_all(&path)?;
        } else if path.exists() {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Copies the files of the home below `part` that the backup has not yet; what goes away meanwhile is left out.
async fn copy_all(ctx: &Context, target: &Path, part: &'static str) -> anyhow::Result<()> {
    let (root, target) = (ctx.folders.root.clone(), target.to_owned());
    tokio::task::spawn_blocking(move || {
        for path in files_below(&root, Path::new(part))? {
            let to = target.join(&path);
            if to.exists() {
                continue;
            }
            match copy(&root.join(&path), &to) {
                Err(error) if is_gone(&error) && !root.join(&path).exists() => {
                    drop(fs::remove_file(&to)); // it may not have been begun
                }
                copied => copied?,
            }
        }
        Ok(())
    })
    .await?
}

fn is_gone(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::NotFound))
}

/// Hashes everything and writes the manifest, without which a folder is no backup.
async fn finish(ctx: &Context, target: &Path) -> anyhow::Result<Manifest> {
    let (made_at, target) = ((ctx.now)().to_rfc3339(), target.to_owned());
    tokio::task::spawn_blocking(move || {
        if target.join(DATABASE).exists() {
            sync(&target.join(DATABASE))?;
        }
        let mut files = Vec::new();
        for path in all_below(&target, Path::new(""))? {
            files.push(entry(&target, &path)?);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let bytes = files.iter().map(|f| f.bytes).sum();
        let manifest = Manifest { made_at, program: env!("CARGO_PKG_VERSION").to_owned(), bytes, files };
        let mut file = private_file(&target.join(MANIFEST))?;
        file.write_all(&serde_json::to_vec_pretty(&manifest)?)?;
        file.sync_all()?;
        File::open(&target)?.sync_all()?;
        Ok(manifest)
    })
    .await?
}

/// The manifest of a backup, with what differs from it: path and what is wrong.
pub fn check(folder: &Path) -> anyhow::Result<(Manifest, Vec<String>)> {
    let manifest = manifest(folder)?;
    let mut wrong = Vec::new();
    for known in &manifest.files {
        match plain_file(folder, &known.path).and_then(|()| entry(folder, Path::new(&known.path))) {
            Ok(found) if found == *known => {}
            Ok(found) => wrong.push(format!(
                "{}: {} bytes instead of {}, or other content",
                known.path, found.bytes, known.bytes
            )),
            Err(error) => wrong.push(format!("{}: {error:#}", known.path)),
        }
    }
    Ok((manifest, wrong))
}

/// Reads a backup's manifest.
pub fn manifest(folder: &Path) -> anyhow::Result<Manifest> {
    let path = folder.join(MANIFEST);
    let bytes = fs::read(&path)
        .with_context(|| format!("{} is not a finished backup: no {MANIFEST}", folder.display()))?;
    let manifest: Manifest =
        serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?;
    for file in &manifest.files {
        ensure!(
            stays_inside(&file.path),
            "{} names {:?}, which is no place in a home: somebody has changed it",
            path.display(),
            file.path
        );
    }
    Ok(manifest)
}

/// Whether a path of a manifest is one below the folder that it stands in.
fn stays_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_))) && !path.contains('\0')
}

/// Insists that a file of a backup is a file, reached through folders: a link could lead anywhere.
fn plain_file(folder: &Path, path: &str) -> anyhow::Result<()> {
    let mut at = folder.to_owned();
    for part in Path::new(path).components() {
        at.push(part);
        let kind = fs::symlink_metadata(&at).with_context(|| format!("reading {path}"))?.file_type();
        ensure!(!kind.is_symlink(), "{path}: {} is a link, which no backup has", at.display());
    }
    ensure!(at.is_file(), "{path} is not a file");
    Ok(())
}

/// Whether its books were in PostgreSQL.
pub fn is_of_postgres(folder: &Path) -> bool {
    folder.join(TABLES).join(dump::TABLES).is_file()
}

/// A home that is being restored: it has another name until everything is there, so that a death in the midst of it leaves
/// no half a home behind that would open.
#[derive(Debug)]
pub struct Restoring {
    pub manifest: Manifest,
    at: PathBuf,
    home: PathBuf,
    _lock: HomeLock,
}

/// Copies a backup into a new home that [`Restoring::stand_up`] gives its name; books of PostgreSQL are brought into a
/// database by [`store::dump::Server`] before. What a dead process has left of the same home is started again.
pub fn restore(folder: &Path, home: &Path) -> anyhow::Result<Restoring> {
    let manifest = manifest(folder)?;
    let mut name = home.file_name().context("the home has no name")?.to_owned();
    name.push(".restoring");
    let at = home.with_file_name(name);
    make_private(&at)?;
    let lock = match HomeLock::take(&at.join(LOCK), &format!("restore {}", std::process::id()))? {
        LockOutcome::Ours(lock) => lock,
        LockOutcome::Held(holder) => anyhow::bail!("{} is being made by {holder}", home.display()),
    };
    empty(&at)?;
    for file in &manifest.files {
        plain_file(folder, &file.path)?;
        // The tables go into a database, from where they lie.
        let is_table = Path::new(&file.path).starts_with(TABLES);
        if !is_table {
            copy(&folder.join(&file.path), &at.join(&file.path))?;
        }
        let came = entry(if is_table { folder } else { &at }, Path::new(&file.path))?;
        ensure!(came == *file, "{} differs from the manifest", file.path);
    }
    Ok(Restoring { manifest, at, home: home.to_owned(), _lock: lock })
}

impl Restoring {
    /// Everything is there: it gets its name.
    pub fn stand_up(self) -> anyhow::Result<Manifest> {
        fs::rename(&self.at, &self.home).with_context(|| format!("naming {}", self.home.display()))?;
        let beside = self.home.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(beside.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(self.manifest)
    }
}

/// Deletes everything in a folder but its lock.
fn empty(folder: &Path) -> anyhow::Result<()> {
    for found in fs::read_dir(folder)? {
        let found = found?;
        if found.file_type()?.is_dir() {
            fs::remove_dir_all(found.path())?;
        } else if found.file_name() != LOCK {
            fs::remove_file(found.path())?;
        }
    }
    Ok(())
}

/// A home that stands on a backup's files and on a copy of its database, so that it can be opened without a mark on the
/// backup.
pub fn stand_in(folder: &Path, at: &Path) -> anyhow::Result<()> {
    // Made here and now: what stands there already may be somebody else's.
    fs::DirBuilder::new().mode(0o700).create(at).with_context(|| format!("making {}", at.display()))?;
    if folder.join(DATABASE).exists() {
        copy(&folder.join(DATABASE), &at.join(DATABASE))?;
    }
    for found in fs::read_dir(folder)? {
        let found = found?;
        let name = found.file_name();
        if found.path() != at
            && !found.file_type()?.is_symlink()
            && !LEFT_OUT.iter().any(|left| name.to_str() == Some(left))
        {
            std::os::unix::fs::symlink(fs::canonicalize(found.path())?, at.join(name))?;
        }
    }
    Ok(())
}

fn make_private(folder: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("making {}", folder.display()))
}

fn private_file(path: &Path) -> anyhow::Result<File> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.with_context(|| format!("writing {}", path.display()))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if let Some(folder) = to.parent() {
        make_private(folder)?;
    }
    let mut source = File::open(from).with_context(|| format!("reading {}", from.display()))?;
    let mut target = private_file(to)?;
    std::io::copy(&mut source, &mut target).with_context(|| format!("copying {}", from.display()))?;
    target.sync_all()?;
    Ok(())
}

fn sync(path: &Path) -> anyhow::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(File::open(path)?.sync_all()?)
}

fn entry(root: &Path, path: &Path) -> anyhow::Result<Entry> {
    let hashed = sha256_of_file(&root.join(path)).with_context(|| format!("reading {}", path.display()));
    let (sha256, bytes) = hashed?;
    Ok(Entry { path: path.to_string_lossy().into_owned(), bytes, sha256 })
}

/// Every file of a home below `part` that belongs into a backup, relative to the home.
fn files_below(root: &Path, part: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = all_below(root, part)?;
    files.retain(|path| !LEFT_OUT.iter().any(|left| path.starts_with(left)));
    Ok(files)
}

/// Every file below `part`, relative to the root; links are none. A folder that goes away meanwhile is empty.
fn all_below(root: &Path, part: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![part.to_owned()]);
    while let Some(folder) = folders.pop() {
        let found = match fs::read_dir(root.join(&folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            found => found.with_context(|| format!("reading {}", root.join(&folder).display()))?,
        };
        for found in found {
            let found = found?;
            let path = folder.join(found.file_name());
            let kind = found.file_type()?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                files.push(path);
            }
        }
    }
    Ok(files)
}
