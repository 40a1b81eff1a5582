//! A consistent copy of a live home, and the proof of one: the database as one snapshot, then the files that it
//! names. Files are written before the commit that names them and never changed, so whatever the snapshot names is there
//! when the copying begins; what came later is copied too and harms nothing.
//!
//! Key that makes a repeat quiet: none is wanted; a backup goes into a new folder. Its manifest is written last: a folder
//! without one is not a backup.

use crate::context::JobContext;
use crate::files::sha256_hex;
use crate::shelf;
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

/// Written last.
pub const MANIFEST: &str = "backup.json";
/// The SQLite file, in a home and in a backup.
const DATABASE: &str = "tallybook.db";
/// What belongs to this machine and moment, or is not worth keeping.
const LEFT_OUT: [&str; 5] = [DATABASE, "tallybook.db-wal", "tallybook.db-shm", "worker.lock", MANIFEST];
/// Unfinished files of imports.
const UNFINISHED: &str = "usage/temp";

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

/// Copies the home into `target`, which must not exist or be empty. SQLite only.
pub async fn backup(ctx: &JobContext, target: &Path) -> anyhow::Result<Manifest> {
    make_private(target)?;
    ctx.store.copy_to(&target.join(DATABASE)).await?;
    if ctx.shelf.buckets().next().is_some() {
        let mut tx = ctx.store.read().await?;
        let named = shelf::all_named(&mut tx).await?;
        drop(tx);
        ctx.shelf.need(named.into_iter().map(|(file, _)| file)).await?;
    }
    let (root, made_at, target) = (ctx.folders.root.clone(), (ctx.now)().to_rfc3339(), target.to_owned());
    tokio::task::spawn_blocking(move || {
        let mut files = vec![entry(&target, Path::new(DATABASE))?];
        sync(&target.join(DATABASE))?;
        for path in files_below(&root)? {
            copy(&root.join(&path), &target.join(&path))?;
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

/// Copies a backup into a new home.
pub fn restore(folder: &Path, home: &Path) -> anyhow::Result<Manifest> {
    let manifest = manifest(folder)?;
    make_private(home)?;
    for file in &manifest.files {
        plain_file(folder, &file.path)?;
        let (from, to) = (folder.join(&file.path), home.join(&file.path));
        copy(&from, &to)?;
        ensure!(entry(home, Path::new(&file.path))? == *file, "{} differs from the manifest", file.path);
    }
    Ok(manifest)
}

/// A home that stands on a backup's files and on a copy of its database, so that it can be opened without a mark on the
/// backup.
pub fn stand_in(folder: &Path, at: &Path) -> anyhow::Result<()> {
    // Made here and now: what stands there already may be somebody else's.
    fs::DirBuilder::new().mode(0o700).create(at).with_context(|| format!("making {}", at.display()))?;
    copy(&folder.join(DATABASE), &at.join(DATABASE))?;
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
    let bytes = fs::read(root.join(path)).with_context(|| format!("reading {}", path.display()))?;
    Ok(Entry {
        path: path.to_string_lossy().into_owned(),
        bytes: u64::try_from(bytes.len())?,
        sha256: sha256_hex(&bytes),
    })
}

/// Every file of a home that belongs into a backup, relative to it.
fn files_below(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for found in fs::read_dir(root.join(&folder))? {
            let found = found?;
            let path = folder.join(found.file_name());
            let kind = found.file_type()?;
            if kind.is_dir() && path != Path::new(UNFINISHED) {
                folders.push(path);
            } else if kind.is_file() && !LEFT_OUT.iter().any(|left| path == Path::new(left)) {
                files.push(path);
            }
        }
    }
    Ok(files)
}
