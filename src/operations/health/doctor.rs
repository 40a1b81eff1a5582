//! `doctor`: looks for what would keep a run from working, for what waits for a person, and for what will keep a payer
//! from a right invoice.

use crate::context::Context;
use crate::health::findings::{Check, Finding, Findings};
use crate::health::waiting;
use crate::home::lock::{self, LockOutcome};
use crate::home::prove_backup;
use crate::refusal::Stop;
use chrono::Duration;
use domain::refusal::{Verb, WayOut};
use std::path::{Path, PathBuf};
use store::{Traffic, audit, run};

/// Runs looked at for the last one that was closed.
const RUNS_LOOKED_AT: u32 = 100;

/// After so long without a good backup a person is told.
const BACKUP_AGE_DAYS: i64 = 7;

/// What is looked at beside what always is.
#[derive(Debug, Clone, Default)]
pub struct DoctorOptions {
    /// A run must have been closed in this time.
    pub since: Option<Duration>,
    /// Files of the home that nobody else may read.
    pub secret_files: Vec<PathBuf>,
    /// How mail goes out, by the name of the setting.
    pub mail_transport: String,
    /// Nothing but these; empty = everything.
    pub only: Vec<Check>,
}

impl DoctorOptions {
    /// Whether this is looked at.
    fn asks(&self, check: Check) -> bool {
        self.only.is_empty() || self.only.contains(&check)
    }
}

/// Looks at everything, or at what is asked for: whoever is not asked for is not called.
pub async fn look(ctx: &Context, what: &DoctorOptions) -> Result<Findings, Stop> {
    let mut findings = database(ctx).await?;
    findings.extend(folders(ctx, &what.secret_files));
    findings.extend(services(ctx, what).await);
    findings.extend(work(ctx).await?);
    findings.extend(waiting::usage(ctx).await?);
    if what.asks(Check::Book) {
        findings.extend(waiting::book(ctx).await?);
    }
    findings.extend(waiting::payers(ctx).await?);
    findings.extend(waiting::drafts(ctx).await?);
    if let Some(since) = what.since {
        findings.push(closed_since(ctx, since).await?);
    }
    findings.push(last_backup(ctx).await?);
    findings.retain(|finding| what.asks(finding.check));
    Ok(Findings { ok: findings.iter().all(|finding| finding.ok), findings })
}

/// Those that we call: buckets, payment providers, the relay.
async fn services(ctx: &Context, what: &DoctorOptions) -> Vec<Finding> {
    let mut findings = Vec::new();
    if what.asks(Check::Bucket) {
        for bucket in ctx.files.buckets() {
            let tried = bucket.check().await;
            let found = tried.as_ref().map_or_else(ToString::to_string, |()| bucket.url().to_owned());
            findings.push(Finding::needed(tried.is_ok(), Check::Bucket, found));
        }
    }
    if what.asks(Check::PaymentProvider) {
        for gateway in ctx.gateways.values() {
            let tried = gateway.check().await;
            let found = tried.as_ref().map_or_else(Clone::clone, |()| "answers".to_owned());
            let found = format!("{}: {found}", gateway.name());
            findings.push(Finding::needed(tried.is_ok(), Check::PaymentProvider, found));
        }
    }
    if what.asks(Check::Mail) {
        let relay = ctx.mail.check().await;
        let is_reached = relay.is_ok();
        let found = relay.err().unwrap_or_else(|| what.mail_transport.clone());
        findings.push(Finding::needed(is_reached, Check::Mail, found));
    }
    findings
}

/// The books and the way to them.
async fn database(ctx: &Context) -> anyhow::Result<Vec<Finding>> {
    let books = match ctx.store.is_sqlite() {
        true => format!("SQLite, {}", ctx.folders.root.join("tallybook.db").display()),
        false => "PostgreSQL".to_owned(),
    };
    let mut findings = vec![Finding::needed(true, Check::Database, books)];
    if let Some(traffic) = ctx.store.traffic().await? {
        let (ok, found) = link_to(traffic);
        findings.push(Finding::needed(ok, Check::DatabaseLink, found));
    }
    let levels = ctx.store.synchronous().await?;
    if !levels.is_empty() {
        let is_full = levels.iter().all(|level| *level == 2);
        let found = format!("synchronous = {levels:?} (2 is FULL)");
        findings.push(Finding::needed(is_full, Check::DurableCommits, found));
    }
    Ok(findings)
}

/// What goes over a network must be encrypted: customers, tokens and the login are in it.
fn link_to(traffic: Traffic) -> (bool, &'static str) {
    match (traffic.is_encrypted, traffic.is_verified, traffic.is_local) {
        (true, true, _) => (true, "TLS, the server's certificate is checked"),
        (true, false, true) => (true, "TLS"),
        (true, false, false) => {
            (true, "TLS, but the server's certificate is not checked: add sslmode=verify-full to the URL")
        }
        (false, _, true) => (true, "this machine, without TLS"),
        (false, _, false) => {
            (false, "another machine, in clear: turn on TLS there and add sslmode=verify-full to the URL")
        }
    }
}

/// Whether every folder can be written to, and by whom the home can be read.
fn folders(ctx: &Context, secret_files: &[PathBuf]) -> Vec<Finding> {
    let all = &ctx.folders;
    let folders = [&all.usage, &all.inbox, &all.rejects, &all.documents, &all.mail, &all.exports];
    let mut findings: Vec<Finding> = folders
        .iter()
        .map(|folder| match writable(folder) {
            Ok(()) => Finding::needed(true, Check::Folders, folder.display().to_string()),
            Err(error) => Finding::needed(false, Check::Folders, format!("{}: {error}", folder.display())),
        })
        .collect();
    let strangers = strangers(&all.root, secret_files);
    let found = if strangers.is_empty() { "its owner alone".to_owned() } else { strangers.join("; ") };
    findings.push(Finding::needed(strangers.is_empty(), Check::Privacy, found));
    findings
}

fn writable(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(".doctor");
    std::fs::write(&probe, b"probe")?;
    std::fs::remove_file(probe)
}

/// What others than the owner may enter or read, each with a way out. What lies in a closed home is closed.
fn strangers(root: &Path, secret_files: &[PathBuf]) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let rights = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.permissions().mode() & 0o777);
    let told =
        |path: &Path, right: u32| format!("{} is {:o}: `chmod {right:o} {0}`", path.display(), rights(path));
    if rights(root) & 0o077 == 0 {
        return Vec::new();
    }
    let open = secret_files.iter().filter(|path| rights(path) & 0o077 != 0);
    std::iter::once(told(root, 0o700)).chain(open.map(|path| told(path, 0o600))).collect()
}

/// Who works, on what, and what is missing in it.
async fn work(ctx: &Context) -> Result<Vec<Finding>, Stop> {
    let lock = match lock::of(ctx)? {
        Some(LockOutcome::Held(holder)) => format!("held by {holder}"),
        Some(LockOutcome::Ours(_)) => "free".to_owned(),
        None => "not needed".to_owned(),
    };
    let book = match ctx.catalogue().await {
        Ok(c) => {
            let found = format!("{} with {} plan(s)", c.tenant.fullname, c.plans.len());
            Finding::needed(true, Check::Book, found)
        }
        Err(Stop::Refused(refusal)) => Finding::needed(false, Check::Book, refusal.message),
        Err(broke) => return Err(broke),
    };
    let mut tx = ctx.store.read().await?;
    let unfinished = run::all_unfinished(&mut tx).await?;
    drop(tx);
    let runs: Vec<String> =
        unfinished.iter().map(|r| format!("{} ({})", r.ordinal, r.state.name())).collect();
    let unfinished = if runs.is_empty() { "none".to_owned() } else { runs.join(", ") };
    Ok(vec![
        Finding::needed(true, Check::WorkerLock, lock),
        book,
        Finding::needed(true, Check::UnfinishedRuns, unfinished),
        Finding::needed(true, Check::TimeZones, format!("tzdb {}", chrono_tz::IANA_TZDB_VERSION)),
    ])
}

/// The last run that went to its end, and whether it did in this time.
async fn closed_since(ctx: &Context, since: Duration) -> anyhow::Result<Finding> {
    let mut tx = ctx.store.read().await?;
    let runs = run::newest(&mut tx, RUNS_LOOKED_AT).await?;
    let finished = runs.iter().filter(|run| run.state.is_finished());
    let last = finished.filter_map(|run| Some((run.ended_at?, run.ordinal))).max();
    let found = match last {
        Some((at, run)) => format!("run {run} was closed at {}", at.format("%Y-%m-%d %H:%M UTC")),
        None => "no run was ever closed".to_owned(),
    };
    let is_recent = last.is_some_and(|(at, _)| at > (ctx.now)() - since);
    Ok(Finding::for_a_person(is_recent, Check::LastRun, "no_run", found))
}

/// A backup that is older than a week, or none while the books are older than that, is a finding.
async fn last_backup(ctx: &Context) -> anyhow::Result<Finding> {
    let oldest = (ctx.now)() - Duration::days(BACKUP_AGE_DAYS);
    if let Some(last) = prove_backup::last_good(&ctx.folders.root) {
        let found = format!("{} in {}", last.at.format("%Y-%m-%d %H:%M UTC"), last.folder.display());
        return Ok(Finding::for_a_person(last.at > oldest, Check::LastBackup, "old_backup", found));
    }
    let mut tx = ctx.store.read().await?;
    let is_old = match audit::page(&mut tx, 0, 1).await?.pop() {
        Some((_, Some(first))) => first.at < oldest,
        // Of a version before the chain: older than any backup.
        Some((_, None)) => true,
        None => false,
    };
    let way_out = WayOut::from(Verb::Backup.on("DIR")).words(", or ").setting("jobs.backup");
    Ok(Finding::for_a_person(!is_old, Check::LastBackup, "no_backup", "none yet".to_owned()).way_out(way_out))
}
