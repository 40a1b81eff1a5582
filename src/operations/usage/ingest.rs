//! `ingest_usage`: one usage file becomes segments, keys and rejects; an event is accounted for once (rules Q3, Q4).
//!
//! Idempotency keys: the hash of the file's bytes; (source, id) per event, in this file and in history.

use crate::act::Actor;
use crate::context::Context;
use crate::files::file_store::relative;
use crate::refusal::Stop;
use crate::usage::import_lock::{self, ImportLock};
use crate::usage::snapshot::Snapshot;
use crate::usage::{import_rows, open_rejects, refused, reject_name};
use domain::audit::{Action, Object};
use domain::refusal::{Code, Refusal};
use metering::{InputFile, IntakeContext, IntakeError, OutDirs};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Tx;
use store::imports::{self, Committed, Import, ImportStart, NewImport};
use uuid::Uuid;

/// An import whose writer has not committed by then may be given up by a program of an earlier version.
const DEADLINE: chrono::Duration = chrono::Duration::hours(6);

/// How long the system or the server takes to notice that a writer is gone, generously; and how often it is asked.
const DEAD_NOTICED: Duration = Duration::from_secs(3);

const LOOK: Duration = Duration::from_millis(100);

/// How often a file is judged again because another import was committed meanwhile.
const TRIES_MAX: u32 = 20;

/// How a file is to be brought in.
#[derive(Debug, Clone)]
pub struct Request {
    /// Source of records that name none.
    pub source: Option<String>,
    /// Count, and write nothing that stays.
    pub dry_run: bool,
    /// Who asked, for the audit log.
    pub actor: Actor,
}

/// What came of a file; the form is a contract.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Ingested {
    pub file: String,
    /// Number of the import; none on a dry run.
    pub import: Option<i64>,
    pub read: u64,
    pub accepted: u64,
    pub duplicate: u64,
    pub rejected: u64,
    /// A part of accepted: events of billed periods.
    pub late: u64,
    /// Relative to the home folder.
    pub rejectfile: Option<String>,
    pub rejects: BTreeMap<String, u64>,
    /// These very bytes had been brought in before.
    #[serde(skip)]
    pub again: bool,
}

/// Called with the bytes read so far.
pub type Report = Arc<dyn Fn(u64) + Send + Sync>;

/// Where records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    File,
    /// The table of what waits, up to an ordinal: the rows go in the commit.
    Waiting {
        through: i64,
    },
}

impl Origin {
    fn lateness(self) -> Lateness {
        match self {
            Self::File => Lateness::Judged,
            // It was accepted when it came.
            Self::Waiting { .. } => Lateness::Taken,
        }
    }
}

/// What is done with usage of a billed period whose charge refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lateness {
    Judged,
    Taken,
}

/// Another process is at the same bytes.
fn in_progress(file: &str, owner: &str) -> Refusal {
    let message = format!("{file} is being brought in by {}", process(owner));
    Refusal::new(Code::ImportInProgress, message)
        .hint("wait for it, or end it if it hangs, then run the same command again")
}

/// `host:pid:nonce` as people say it.
fn process(owner: &str) -> String {
    let mut parts = owner.rsplitn(3, ':').skip(1);
    match (parts.next(), parts.next()) {
        (Some(pid), Some(host)) => format!("process {pid} on {host}"),
        _ => owner.to_owned(),
    }
}

/// Brings in one file by the commit protocol: intent, files, one transaction. What waits goes first.
pub async fn ingest(
    ctx: &Context,
    file: InputFile,
    request: &Request,
    report: Report,
) -> Result<Ingested, Stop> {
    if !request.dry_run {
        super::waiting::move_all(ctx).await?;
    }
    bring_in(ctx, file, request, report, Origin::File).await
}

/// The same, wherever the records come from.
pub(crate) async fn bring_in(
    ctx: &Context,
    file: InputFile,
    request: &Request,
    report: Report,
    origin: Origin,
) -> Result<Ingested, Stop> {
    let file = Arc::new(file);
    let hashed = Arc::clone(&file);
    // What is known is read beside: of a large book that takes as long as the hash of a large file.
    let (hashed, snapshot) = tokio::join!(
        tokio::task::spawn_blocking(move || hashed.sha256()),
        Snapshot::read(ctx, origin.lateness())
    );
    let (sha256, snapshot) = (hashed.map_err(anyhow::Error::from)??, snapshot?);
    let id = Uuid::new_v4();
    let mut incoming = Incoming { id, file, sha256, origin, rejects: String::new() };
    if request.dry_run {
        return write_and_commit(ctx, &incoming, request, &report, snapshot).await;
    }
    let lock = ImportLock::take(ctx, id).await?;
    let file = &incoming.file;
    let (begun, rejects) = begin(ctx, id, file, &incoming.sha256, request).await?;
    match begun {
        ImportStart::New => {}
        ImportStart::Done(import) => {
            let mut tx = ctx.store.begin().await?;
            refused::settle(&mut tx, file.handed_in_at()).await?;
            if import.totals.rejected == 0 {
                open_rejects::settle(ctx, &mut tx, file.handed_in_at()).await?;
            }
            tx.commit().await?;
            return Ok(again(file, &import));
        }
        ImportStart::Writing(import) => return Err(in_progress(&file.name(), &import.owner).into()),
    }
    incoming.rejects = rejects;
    let outcome = write_and_commit(ctx, &incoming, request, &report, snapshot).await;
    if outcome.is_err()
        && let Err(error) = abandon(ctx, id).await
    {
        // The lock goes all the same, and with it the import: whoever comes next gives it up.
        tracing::warn!(error = format!("{error:#}"), "the import could not be abandoned");
    }
    drop(lock);
    outcome
}

async fn abandon(ctx: &Context, id: Uuid) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    imports::abandon(&mut tx, id, (ctx.now)()).await?;
    tx.commit().await
}

/// Gives up every import whose writer is gone; returns how many that were.
pub(crate) async fn abandon_dead(ctx: &Context) -> anyhow::Result<u64> {
    let mut tx = ctx.store.begin().await?;
    let mut given_up = 0;
    for import in imports::writing(&mut tx).await? {
        if import_lock::is_free(ctx, &mut tx, import.id).await? {
            given_up += u64::from(imports::abandon(&mut tx, import.id, (ctx.now)()).await?);
        }
    }
    tx.commit().await?;
    import_lock::sweep(ctx);
    Ok(given_up)
}

/// Writes the intent, and gives the name that is reserved for a reject file. Of a writer that died the bytes are taken
/// over at once; one that was killed a moment ago may hold its lock until that is noticed, so it is asked for a while
/// before it is taken for living.
async fn begin(
    ctx: &Context,
    id: Uuid,
    file: &InputFile,
    sha256: &str,
    request: &Request,
) -> anyhow::Result<(ImportStart, String)> {
    let now = (ctx.now)();
    let import = NewImport {
        id,
        sha256: sha256.to_owned(),
        file_name: file.name(),
        source: request.source.clone(),
        owner: ctx.worker.clone(),
        deadline: now + DEADLINE,
        paths: ["usage/segments", "usage/keys", "usage/temp"].map(|f| format!("{f}/{id}*")).to_vec(),
    };
    let since = Instant::now();
    loop {
        let mut tx = ctx.store.begin().await?;
        let mut begun = imports::begin(&mut tx, &import, now).await?;
        if let ImportStart::Writing(other) = &begun
            && import_lock::is_free(ctx, &mut tx, other.id).await?
        {
            tracing::warn!(import = other.id.to_string(), owner = other.owner, "its writer is gone");
            imports::abandon(&mut tx, other.id, now).await?;
            begun = imports::begin(&mut tx, &import, now).await?;
        }
        let rejects = match begun {
            ImportStart::New => reject_name::reserve(ctx, &mut tx, id, file).await?,
            ImportStart::Done(_) | ImportStart::Writing(_) => String::new(),
        };
        tx.commit().await?;
        if !matches!(begun, ImportStart::Writing(_)) || since.elapsed() > DEAD_NOTICED {
            return Ok((begun, rejects));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The answer for bytes that are known: everything is a duplicate, what was refused is refused again.
fn again(file: &InputFile, import: &Import) -> Ingested {
    let totals = &import.totals;
    Ingested {
        file: file.name(),
        import: import.number,
        read: totals.read,
        accepted: 0,
        duplicate: totals.accepted + totals.duplicate,
        rejected: totals.rejected,
        late: 0,
        rejectfile: import.reject_path.clone(),
        rejects: totals.rejects.clone(),
        again: true,
    }
}

/// A file on its way in.
struct Incoming {
    id: Uuid,
    file: Arc<InputFile>,
    sha256: String,
    origin: Origin,
    /// Name of its reject file.
    rejects: String,
}

async fn write_and_commit(
    ctx: &Context,
    incoming: &Incoming,
    request: &Request,
    report: &Report,
    snapshot: Snapshot,
) -> Result<Ingested, Stop> {
    let Incoming { file, sha256, .. } = incoming;
    let (id, origin) = (incoming.id, incoming.origin);
    let mut first = Some(snapshot);
    for _ in 0..TRIES_MAX {
        let snapshot = match first.take() {
            Some(snapshot) => snapshot,
            None => Snapshot::read(ctx, origin.lateness()).await?,
        };
        let seen = snapshot.version;
        snapshot.insist_keys(ctx).await?;
        let staged = match take_in(ctx, incoming, request, report, snapshot).await? {
            Ok(staged) if staged.sha256 == *sha256 => staged,
            Ok(changed) => {
                changed.discard();
                return Err(IntakeError::Changed(file.handed_in_at().to_owned()).into());
            }
            Err(error) => return Err(told_from_change(file, sha256, error).await?.into()),
        };
        let mut answer = answer(ctx, file, &staged)?;
        if request.dry_run {
            answer.rejectfile = None;
            return Ok(answer);
        }
        let rows = import_rows::of(ctx, &staged, &answer)?;
        ctx.files.publish(ctx.doors, import_rows::paths(&rows)).await?;
        let mut tx = ctx.store.begin().await?;
        match imports::commit(&mut tx, id, seen, &rows, (ctx.now)()).await? {
            Committed::Done { .. } if has_come_meanwhile(ctx, &mut tx, &rows, origin).await? => {
                drop(tx);
                discard(ctx, staged, &rows).await?;
                if origin == Origin::File {
                    super::waiting::move_all(ctx).await?;
                }
            }
            Committed::Done { number, .. } => {
                answer.import = Some(number);
                if let Origin::Waiting { through } = origin {
                    store::waiting::moved(&mut tx, through).await?;
                }
                let detail = serde_json::json!({"file": answer.file, "read": answer.read, "accepted": answer.accepted});
                let import = Object::Import(number);
                ctx.note(&mut tx, &request.actor, Action::IngestUsage, import, detail).await?;
                refused::settle(&mut tx, file.handed_in_at()).await?;
                open_rejects::settle(ctx, &mut tx, file.handed_in_at()).await?;
                tx.commit().await?;
                return Ok(answer);
            }
            Committed::Moved { .. } => discard(ctx, staged, &rows).await?,
            Committed::NotWriting => {
                discard(ctx, staged, &rows).await?;
                let other = anyhow::anyhow!("the import of {} was abandoned by another process", file.name());
                return Err(other.into());
            }
        }
    }
    Err(anyhow::anyhow!("{} could not be committed: other imports kept coming first", file.name()).into())
}

/// Whether an event that this import accepts has come over HTTP since it was judged.
async fn has_come_meanwhile(
    ctx: &Context,
    tx: &mut Tx,
    rows: &imports::Staged,
    origin: Origin,
) -> anyhow::Result<bool> {
    let after = match origin {
        Origin::File => 0,
        Origin::Waiting { through } => through,
    };
    let waiting = store::waiting::keys_after(tx, after).await?;
    if waiting.is_empty() || rows.key_runs.is_empty() {
        return Ok(false);
    }
    let runs: Vec<PathBuf> = rows.key_runs.iter().map(|run| ctx.folders.root.join(&run.path)).collect();
    let known = waiting.iter().flat_map(|(_, keys)| keys);
    let mut keys: Vec<u128> = known.flat_map(|known| [Some(known.key), known.mark]).flatten().collect();
    keys.sort_unstable();
    tokio::task::spawn_blocking(move || metering::holds_any(&runs, &keys)).await?
}

/// Removes what was written for a commit that did not come about.
async fn discard(ctx: &Context, staged: metering::Staged, rows: &imports::Staged) -> anyhow::Result<()> {
    staged.discard();
    for path in import_rows::paths(rows) {
        ctx.files.delete(&path).await?;
    }
    Ok(())
}

/// A file that changes while it is read may look damaged; what counts is whether it is still the one that was hashed.
async fn told_from_change(
    file: &Arc<InputFile>,
    sha256: &str,
    error: IntakeError,
) -> anyhow::Result<IntakeError> {
    if !error.is_of_the_file() {
        return Ok(error);
    }
    let again = Arc::clone(file);
    let now = tokio::task::spawn_blocking(move || again.sha256()).await?;
    let is_same = now.is_ok_and(|now| now == sha256);
    Ok(if is_same { error } else { IntakeError::Changed(file.handed_in_at().to_owned()) })
}

async fn take_in(
    ctx: &Context,
    incoming: &Incoming,
    request: &Request,
    report: &Report,
    snapshot: Snapshot,
) -> anyhow::Result<Result<metering::Staged, IntakeError>> {
    let out = OutDirs {
        segments: ctx.folders.usage.join("segments"),
        keys: ctx.folders.usage.join("keys"),
        rejects: ctx.folders.rejects.clone(),
        temp: ctx.folders.usage.join("temp"),
    };
    let (id, file, rejects) = (incoming.id, Arc::clone(&incoming.file), incoming.rejects.clone());
    let (request, report) = (request.clone(), Arc::clone(report));
    let threads = ctx.settings.threads;
    let history: Vec<PathBuf> =
        snapshot.key_runs.iter().map(|run| ctx.folders.root.join(&run.path)).collect();
    let taking_in = move || {
        let context = IntakeContext {
            zone: snapshot.zone,
            source: request.source.as_deref(),
            subjects: &snapshot.subjects,
            history: &history,
            seed: snapshot.seed,
            out: &out,
            import: id,
            rejects: &rejects,
            dry_run: request.dry_run,
            threads,
            progress: &|progress| report(progress.bytes_read),
        };
        metering::intake(&file, &context)
    };
    ctx.doors.through("files.put", async { Ok(tokio::task::spawn_blocking(taking_in).await?) }).await
}

fn answer(ctx: &Context, file: &InputFile, staged: &metering::Staged) -> anyhow::Result<Ingested> {
    let rejectfile = staged.reject_file.as_ref().map(|f| relative(&ctx.folders.root, &f.path)).transpose()?;
    Ok(Ingested {
        file: file.name(),
        import: None,
        read: staged.read,
        accepted: staged.accepted,
        duplicate: staged.duplicate,
        rejected: staged.rejected,
        late: staged.late,
        rejectfile,
        rejects: staged.rejects.iter().map(|(code, n)| (code.code().to_owned(), *n)).collect(),
        again: false,
    })
}
