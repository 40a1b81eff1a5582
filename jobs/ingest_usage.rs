//! `ingest_usage`: one usage file becomes segments, keys and rejects; an event is accounted for once (rules.md Q3, Q4).
//!
//! Keys that make a repeat quiet: the hash of the file's bytes; (source, id) per event, in this file and in history.

use crate::context::JobContext;
use crate::files;
use crate::shelf::Named;
use anyhow::Context;
use chrono::Duration;
use domain::catalogue::{Catalogue, LateUsage};
use domain::journal::{Action, Object};
use domain::zone;
use metering::{Billed, InputFile, IntakeContext, IntakeError, OutDirs, Subjects};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::imports::{self, Begun, Committed, Import, ImportTotals, NewImport};
use store::segment::{self, KeyRun, Segment};
use store::{Tx, meta, subject};
use uuid::Uuid;

/// An import whose writer has not committed by then may be given up by anybody.
const DEADLINE: Duration = Duration::hours(6);
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
    pub actor: String,
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
    #[error("{file} is being brought in by {owner}")]
    Busy { file: String, owner: String },
}

impl Refusal {
    /// Stable word for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Intake(error) => error.code(),
            Self::Busy { .. } => "import_in_progress",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Intake(error) => error.hint(),
            Self::Busy { .. } => {
                "wait for it; if that process has died, `tallybook ingest` may be run again after it"
                    .to_owned()
            }
        }
    }

    /// Whether the caller's input is at fault.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Intake(error) => error.is_input(),
            Self::Busy { .. } => true,
        }
    }
}

/// Called with the bytes read so far.
pub type Report = Arc<dyn Fn(u64) + Send + Sync>;

/// Brings in one file by the commit protocol: intent, files, one transaction.
pub async fn ingest(
    ctx: &JobContext,
    file: InputFile,
    request: &Request,
    report: Report,
) -> anyhow::Result<Result<Ingested, Refusal>> {
    let file = Arc::new(file);
    let hashed = Arc::clone(&file);
    let sha256 = match tokio::task::spawn_blocking(move || hashed.sha256()).await? {
        Ok(sha256) => sha256,
        Err(error) => return Ok(Err(error.into())),
    };
    let id = Uuid::new_v4();
    if !request.dry_run {
        match begin(ctx, id, &file, &sha256, request).await? {
            Begun::New => {}
            Begun::Done(import) => return Ok(Ok(again(&file, &import))),
            Begun::Writing(import) => {
                return Ok(Err(Refusal::Busy { file: file.name(), owner: import.owner }));
            }
        }
    }
    let outcome = write_and_commit(ctx, id, &file, request, &report).await;
    if !request.dry_run && !matches!(outcome, Ok(Ok(_))) {
        let mut tx = ctx.store.begin().await?;
        imports::abandon(&mut tx, id, (ctx.now)()).await?;
        tx.commit().await?;
    }
    outcome
}

/// The files of the inbox, one after another; what was brought in moves to `inbox/done`.
pub async fn inbox(ctx: &JobContext) -> anyhow::Result<usize> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(&ctx.folders.inbox)
        .context("reading the inbox")?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.is_file())
        .collect();
    names.sort();
    let request = Request { source: None, dry_run: false, actor: "timetable".to_owned() };
    let mut brought_in = 0;
    for path in names {
        let outcome = match metering::open(&path) {
            Ok(file) => ingest(ctx, file, &request, Arc::new(|_| {})).await?,
            Err(error) => Err(error.into()),
        };
        let folder = match &outcome {
            Ok(_) => "done",
            Err(refusal) => {
                tracing::error!(
                    file = path.display().to_string(),
                    error = refusal.to_string(),
                    "file of the inbox refused"
                );
                "refused"
            }
        };
        brought_in += usize::from(outcome.is_ok());
        shelve(&path, &ctx.folders.inbox.join(folder))?;
    }
    Ok(brought_in)
}

fn shelve(path: &Path, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let name = path.file_name().context("a file without a name")?;
    std::fs::rename(path, folder.join(name)).with_context(|| format!("moving {}", path.display()))
}

async fn begin(
    ctx: &JobContext,
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
    let mut tx = ctx.store.begin().await?;
    let mut begun = imports::begin(&mut tx, &import, now).await?;
    if let Begun::Writing(other) = &begun
        && is_dead(ctx, other)
    {
        imports::abandon(&mut tx, other.id, now).await?;
        begun = imports::begin(&mut tx, &import, now).await?;
    }
    tx.commit().await?;
    Ok(begun)
}

/// Whether the process that was writing an import is gone: its deadline has passed, or it ran on this host and its
/// process is no longer there.
fn is_dead(ctx: &JobContext, import: &Import) -> bool {
    if import.deadline < (ctx.now)() {
        return true;
    }
    let (Some((host, pid)), Some((ours, _))) = (import.owner.rsplit_once(':'), ctx.worker.rsplit_once(':'))
    else {
        return false;
    };
    host == ours && (import.owner == ctx.worker || !Path::new("/proc").join(pid).exists())
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
    ctx: &JobContext,
    id: Uuid,
    file: &Arc<InputFile>,
    request: &Request,
    report: &Report,
) -> anyhow::Result<Result<Ingested, Refusal>> {
    for _ in 0..TRIES_MAX {
        let known = Known::read(ctx).await?;
        let seen = known.version;
        let staged = match take_in(ctx, id, file, request, report, known).await? {
            Ok(staged) => staged,
            Err(error) => return Ok(Err(error.into())),
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
            Committed::Done { number, .. } => {
                answer.import = Some(number);
                let detail = serde_json::json!({"file": answer.file, "read": answer.read, "accepted": answer.accepted});
                let import = Object::Import(number);
                ctx.note(&mut tx, &request.actor, Action::IngestUsage, import, detail).await?;
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

/// The files that a commit would name.
fn paths(rows: &imports::Staged) -> Vec<String> {
    let segments = rows.segments.iter().map(|s| &s.path);
    segments.chain(rows.key_runs.iter().map(|k| &k.path)).chain(&rows.reject_path).cloned().collect()
}

/// Removes what was written for a commit that did not come about.
async fn discard(ctx: &JobContext, staged: metering::Staged, rows: &imports::Staged) -> anyhow::Result<()> {
    staged.discard();
    for path in paths(rows) {
        ctx.shelf.delete(&path).await?;
    }
    Ok(())
}

/// What the store knows that intake has to know.
struct Known {
    version: i64,
    history: Vec<PathBuf>,
    subjects: Subjects,
    seed: u128,
    zone: chrono_tz::Tz,
}

impl Known {
    async fn read(ctx: &JobContext) -> anyhow::Result<Self> {
        let mut tx = ctx.store.begin().await?;
        let seed = meta::key_seed(&mut tx).await?;
        tx.commit().await?;
        let mut tx = ctx.store.read().await?;
        let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
        let version = segment::version(&mut tx).await?;
        let runs = segment::key_runs(&mut tx, 0, version).await?;
        let subjects = subjects(&mut tx, &catalogue).await?;
        drop(tx);
        ctx.shelf.need(runs.iter().map(Named::from)).await?;
        files::insist_keys(ctx, &runs).await?;
        Ok(Self {
            version,
            history: runs.iter().map(|r| ctx.folders.root.join(&r.path)).collect(),
            subjects,
            seed,
            zone: catalogue.tenant.timezone,
        })
    }
}

/// The names that usage may be for, the meters that are counted, and how far they are billed (rules.md Q3, Q5).
async fn subjects(tx: &mut Tx, catalogue: &Catalogue) -> anyhow::Result<Subjects> {
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
                let refuses = plan_charge.late_usage == LateUsage::Reject;
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
    ctx: &JobContext,
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
    let taking_in = move || {
        let context = IntakeContext {
            zone: known.zone,
            source: request.source.as_deref(),
            subjects: &known.subjects,
            history: &known.history,
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

fn answer(ctx: &JobContext, file: &InputFile, staged: &metering::Staged) -> anyhow::Result<Ingested> {
    let rejectfile = staged.reject_file.as_ref().map(|f| relative(ctx, &f.path)).transpose()?;
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
fn rows(ctx: &JobContext, staged: &metering::Staged, answer: &Ingested) -> anyhow::Result<imports::Staged> {
    let segments = staged
        .segments
        .iter()
        .map(|s| {
            Ok(Segment {
                path: relative(ctx, &s.path)?,
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
                path: relative(ctx, &k.path)?,
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

/// A path as the catalogue names it: relative to the home.
pub(crate) fn relative(ctx: &JobContext, path: &Path) -> anyhow::Result<String> {
    let inside = path
        .strip_prefix(&ctx.folders.root)
        .with_context(|| format!("{} is outside the home", path.display()))?;
    inside.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", inside.display()))
}
