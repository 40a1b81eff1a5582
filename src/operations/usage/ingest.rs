//! `ingest_usage`: one usage file becomes segments, keys and rejects; an event is accounted for once (rules Q3, Q4).
//!
//! Keys that make a repeat quiet: the hash of the file's bytes; (source, id) per event, in this file and in history.

use crate::act::Actor;
use crate::context::Context;
use crate::files::shelf::{Named, relative};
use crate::usage::import_lock::{self, ImportLock};
use crate::usage::refused;
use anyhow::Context as _;
use domain::catalogue::{Catalogue, LateUsage};
use domain::journal::{Action, Object};
use domain::refusal::{Code, WayOut};
use domain::zone;
use metering::{Billed, InputFile, IntakeContext, IntakeError, OutDirs, Subjects};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::imports::{self, Begun, Committed, Import, ImportTotals, NewImport};
use store::segment::{self, KeyRun, Segment};
use store::{Tx, meta, subject};
use uuid::Uuid;

/// An import whose writer has not committed by then may be given up by a program of an earlier version.
const DEADLINE: chrono::Duration = chrono::Duration::hours(6);

/// How long the system or the server takes to notice that a writer is gone, generously; and how often it is asked.
const DEAD_NOTICED: Duration = Duration::from_secs(3);

const LOOK: Duration = Duration::from_millis(100);

/// How often a file is judged anew because another import was committed meanwhile.
const TRIES_MAX: u32 = 20;

/// How a file is to be brought in.
#[derive(Debug, Clone)]
pub struct Request {
    /// Source of records that name none.
    pub source: Option<String>,
    /// Count, and write nothing that stays.
    pub dry_run: bool,
    /// Who asked, for the journal.
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

/// Why a file was not brought in; nothing of it has been kept.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// Another process is at the same bytes.
    #[error("{file} is being brought in by {}", process(.owner))]
    Busy { file: String, owner: String },
}

/// `host:pid:nonce` as people say it.
fn process(owner: &str) -> String {
    let mut parts = owner.rsplitn(3, ':').skip(1);
    match (parts.next(), parts.next()) {
        (Some(pid), Some(host)) => format!("process {pid} on {host}"),
        _ => owner.to_owned(),
    }
}

impl Refusal {
    /// As whoever asked sees it.
    pub fn refusal(&self) -> domain::refusal::Refusal {
        let (code, way_out) = match self {
            Self::Intake(error) => (error.code(), error.way_out()),
            Self::Busy { .. } => {
                let wait = "wait for it, or end it if it hangs, then run the same command again";
                (Code::ImportInProgress, WayOut::from(wait))
            }
        };
        domain::refusal::Refusal::new(code, self.to_string()).or(way_out)
    }

    /// Whether the caller's input is at fault.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Intake(error) => error.is_input(),
            Self::Busy { .. } => false,
        }
    }

    /// Whether it is what the file holds: the same bytes will be refused again.
    pub fn is_of_the_file(&self) -> bool {
        matches!(self, Self::Intake(error) if error.is_of_the_file())
    }
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

/// Brings in one file by the commit protocol: intent, files, one transaction. What waits goes first.
pub async fn ingest(
    ctx: &Context,
    file: InputFile,
    request: &Request,
    report: Report,
) -> anyhow::Result<Result<Ingested, Refusal>> {
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
) -> anyhow::Result<Result<Ingested, Refusal>> {
    let file = Arc::new(file);
    let hashed = Arc::clone(&file);
    // What is known is read beside: of a large book that takes as long as the hash of a large file.
    let (hashed, known) = tokio::join!(
        tokio::task::spawn_blocking(move || hashed.sha256()),
        Known::read(ctx, origin.lateness())
    );
    let sha256 = match hashed? {
        Ok(sha256) => sha256,
        Err(error) => return Ok(Err(error.into())),
    };
    let known = known?;
    let id = Uuid::new_v4();
    if request.dry_run {
        return write_and_commit(ctx, id, &file, &sha256, request, &report, origin, known).await;
    }
    let lock = ImportLock::take(ctx, id).await?;
    match begin(ctx, id, &file, &sha256, request).await? {
        Begun::New => {}
        Begun::Done(import) => {
            let mut tx = ctx.store.begin().await?;
            refused::settle(&mut tx, file.handed_in_at()).await?;
            tx.commit().await?;
            return Ok(Ok(again(&file, &import)));
        }
        Begun::Writing(import) => {
            return Ok(Err(Refusal::Busy { file: file.name(), owner: import.owner }));
        }
    }
    let outcome = write_and_commit(ctx, id, &file, &sha256, request, &report, origin, known).await;
    if !matches!(outcome, Ok(Ok(_)))
        && let Err(error) = abandon(ctx, id).await
    {
        // The lock goes all the same, and with it the import: whoever comes next gives it up.
        tracing::warn!(error = format!("{error:#}"), "the import could not be given up");
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

/// Writes the intent. Of a writer that died the bytes are taken over at once; one that was killed a moment ago may hold
/// its lock until that is noticed, so it is asked for a while before it is taken for living.
async fn begin(
    ctx: &Context,
    id: Uuid,
    file: &InputFile,
    sha256: &str,
    request: &Request,
) -> anyhow::Result<Begun> {
    let now = (ctx.now)();
    let import = NewImport {
        id,
        sha256: sha256.to_owned(),
        file_name: file.name(),
        source: request.source.clone(),
        owner: ctx.worker.clone(),
        deadline: now + DEADLINE,
        paths: ["usage/segments", "usage/keys", "usage/temp", "rejects"]
            .map(|f| format!("{f}/{id}*"))
            .to_vec(),
    };
    let since = Instant::now();
    loop {
        let mut tx = ctx.store.begin().await?;
        let mut begun = imports::begin(&mut tx, &import, now).await?;
        if let Begun::Writing(other) = &begun
            && import_lock::is_free(ctx, &mut tx, other.id).await?
        {
            tracing::warn!(import = other.id.to_string(), owner = other.owner, "its writer is gone");
            imports::abandon(&mut tx, other.id, now).await?;
            begun = imports::begin(&mut tx, &import, now).await?;
        }
        tx.commit().await?;
        if !matches!(begun, Begun::Writing(_)) || since.elapsed() > DEAD_NOTICED {
            return Ok(begun);
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

async fn write_and_commit(
    ctx: &Context,
    id: Uuid,
    file: &Arc<InputFile>,
    sha256: &str,
    request: &Request,
    report: &Report,
    origin: Origin,
    known: Known,
) -> anyhow::Result<Result<Ingested, Refusal>> {
    let mut first = Some(known);
    for _ in 0..TRIES_MAX {
        let known = match first.take() {
            Some(known) => known,
            None => Known::read(ctx, origin.lateness()).await?,
        };
        let seen = known.version;
        known.insist_keys(ctx).await?;
        let staged = match take_in(ctx, id, file, request, report, known).await? {
            Ok(staged) if staged.sha256 == sha256 => staged,
            Ok(changed) => {
                changed.discard();
                return Ok(Err(IntakeError::Changed(file.handed_in_at().to_owned()).into()));
            }
            Err(error) => return Ok(Err(told_from_change(file, sha256, error).await?.into())),
        };
        let mut answer = answer(ctx, file, &staged)?;
        if request.dry_run {
            answer.rejectfile = None;
            return Ok(Ok(answer));
        }
        let rows = rows(ctx, &staged, &answer)?;
        ctx.shelf.publish(ctx.doors, paths(&rows)).await?;
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
                tx.commit().await?;
                return Ok(Ok(answer));
            }
            Committed::Moved { .. } => discard(ctx, staged, &rows).await?,
            Committed::NotWriting => {
                discard(ctx, staged, &rows).await?;
                anyhow::bail!("the import of {} was given up by somebody else", file.name());
            }
        }
    }
    anyhow::bail!("{} could not be committed: other imports kept coming first", file.name())
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
    let mut keys: Vec<u128> = waiting.into_iter().map(|key| key.as_u128()).collect();
    keys.sort_unstable();
    tokio::task::spawn_blocking(move || metering::holds_any(&runs, &keys)).await?
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

/// The files that a commit would name.
fn paths(rows: &imports::Staged) -> Vec<String> {
    let segments = rows.segments.iter().map(|s| &s.path);
    segments.chain(rows.key_runs.iter().map(|k| &k.path)).chain(&rows.reject_path).cloned().collect()
}

/// Removes what was written for a commit that did not come about.
async fn discard(ctx: &Context, staged: metering::Staged, rows: &imports::Staged) -> anyhow::Result<()> {
    staged.discard();
    for path in paths(rows) {
        ctx.shelf.delete(&path).await?;
    }
    Ok(())
}

/// What the store knows that intake has to know.
pub(crate) struct Known {
    pub version: i64,
    pub key_runs: Vec<KeyRun>,
    pub subjects: Subjects,
    pub seed: u128,
    pub zone: chrono_tz::Tz,
}

impl Known {
    pub async fn read(ctx: &Context, lateness: Lateness) -> anyhow::Result<Self> {
        let mut tx = ctx.store.begin().await?;
        let seed = meta::key_seed(&mut tx).await?;
        tx.commit().await?;
        let mut tx = ctx.store.read().await?;
        let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
        let version = segment::version(&mut tx).await?;
        let key_runs = segment::key_runs(&mut tx, 0, version).await?;
        let subjects = subjects(&mut tx, &catalogue, lateness).await?;
        Ok(Self { version, key_runs, subjects, seed, zone: catalogue.tenant.timezone })
    }

    /// Sees to it that the key runs are here, and as they were written.
    pub async fn insist_keys(&self, ctx: &Context) -> anyhow::Result<()> {
        ctx.shelf.need(self.key_runs.iter().map(Named::from)).await?;
        crate::usage::keys::insist_keys(ctx, &self.key_runs).await
    }
}

/// The names that usage may be for, the meters that are counted, and how far they are billed (rules Q3, Q5).
async fn subjects(tx: &mut Tx, catalogue: &Catalogue, lateness: Lateness) -> anyhow::Result<Subjects> {
    let mut subjects = Subjects::new();
    let metered = |sku: &str, plans: &std::collections::BTreeSet<domain::ids::PlanId>| {
        plans
            .iter()
            .filter_map(|id| catalogue.plans.get(id))
            .find_map(|plan| plan.charge(sku))
            .filter(|charge| charge.is_metered())
    };
    for charge in catalogue.plans.values().flat_map(|p| &p.charges).filter(|c| c.is_metered()) {
        subjects.add_meter(&charge.meter);
        if catalogue.is_only_counted(&charge.meter) {
            subjects.set_only_counted(&charge.meter);
        }
    }
    let billed: BTreeMap<_, _> =
        subject::billed_through(tx).await?.into_iter().map(|b| ((b.subscription, b.charge), b.end)).collect();
    for known in subject::all(tx).await? {
        subjects.add_subscription(known.no, &known.number, &known.account_number);
        for charge in &known.charges {
            let Some(plan_charge) = metered(&charge.sku, &known.plans) else { continue };
            subjects.add_charge(charge.reference, known.no, charge.no, &plan_charge.meter);
            if let Some(end) = billed.get(&(known.id, charge.reference)) {
                let late_before_us = zone::start_of_day(*end, catalogue.tenant.timezone).timestamp_micros();
                let refuses = plan_charge.late_usage == LateUsage::Reject && lateness == Lateness::Judged;
                let refused_before_us = if refuses { late_before_us } else { i64::MIN };
                subjects.set_billed(
                    known.no,
                    &plan_charge.meter,
                    Billed { late_before_us, refused_before_us },
                );
            }
        }
    }
    Ok(subjects)
}

async fn take_in(
    ctx: &Context,
    id: Uuid,
    file: &Arc<InputFile>,
    request: &Request,
    report: &Report,
    known: Known,
) -> anyhow::Result<Result<metering::Staged, IntakeError>> {
    let out = OutDirs {
        segments: ctx.folders.usage.join("segments"),
        keys: ctx.folders.usage.join("keys"),
        rejects: ctx.folders.rejects.clone(),
        temp: ctx.folders.usage.join("temp"),
    };
    let (file, request, report) = (Arc::clone(file), request.clone(), Arc::clone(report));
    let threads = ctx.settings.threads;
    let history: Vec<PathBuf> = known.key_runs.iter().map(|run| ctx.folders.root.join(&run.path)).collect();
    let taking_in = move || {
        let context = IntakeContext {
            zone: known.zone,
            source: request.source.as_deref(),
            subjects: &known.subjects,
            history: &history,
            seed: known.seed,
            out: &out,
            import: id,
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

/// What intake has written, as the catalogue names it: paths relative to the home folder.
fn rows(ctx: &Context, staged: &metering::Staged, answer: &Ingested) -> anyhow::Result<imports::Staged> {
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
