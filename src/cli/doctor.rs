//! `doctor`: look for what would keep a run from working.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::home::Home;
use crate::output::{Column, Output};
use operations::home::lock::Taken;
use serde::Serialize;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Exit code 3 if no run was closed in this time, for example 26h or 2d: a night that did not happen is noticed
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<chrono::Duration>,
}

/// `26h`, `90m`, `2d`.
fn span(text: &str) -> Result<chrono::Duration, String> {
    let wrong = || format!("`{text}` is not a time such as 26h, 90m or 2d");
    let (unit, number) =
        text.char_indices().last().map(|(at, unit)| (unit, &text[..at])).ok_or_else(wrong)?;
    let number = number.parse::<u16>().map(i64::from).map_err(|_| wrong())?;
    match unit {
        'm' => Ok(chrono::Duration::minutes(number)),
        'h' => Ok(chrono::Duration::hours(number)),
        'd' => Ok(chrono::Duration::days(number)),
        _ => Err(wrong()),
    }
}

/// Runs looked at for the last one that was closed.
const RUNS_LOOKED_AT: u32 = 100;

#[derive(Serialize)]
struct Finding {
    ok: bool,
    what: &'static str,
    found: String,
    /// Who has to do something: not ok and none means that the program or a service is at fault.
    #[serde(flatten)]
    warning: Option<Warned>,
}

/// What a person has to look at.
#[derive(Serialize)]
struct Warned {
    code: &'static str,
    pointer: String,
    message: String,
}

/// Exit code 2 if anything would keep a run from working, 3 if something waits for a person or will keep a payer from a
/// right invoice.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let mut findings = Vec::new();
    let mut add = |ok: bool, what: &'static str, found: String| {
        findings.push(Finding { ok, what, found, warning: None });
    };
    let database = if app.store.is_sqlite() {
        format!("SQLite, {}", app.home.database().display())
    } else {
        "PostgreSQL".to_owned()
    };
    add(true, "database", database);
    if let Some(traffic) = app.store.traffic().await? {
        let (ok, found) = link_to(traffic);
        add(ok, "database link", found.to_owned());
    }
    let levels = app.store.synchronous().await?;
    if !levels.is_empty() {
        add(
            levels.iter().all(|l| *l == 2),
            "durable commits",
            format!("synchronous = {levels:?} (2 is FULL)"),
        );
    }
    for folder in Home::FOLDERS {
        let path = app.home.folder(folder);
        let probe = writable(&path);
        add(
            probe.is_ok(),
            "folder",
            probe.map_or_else(|e| format!("{}: {e}", path.display()), |()| path.display().to_string()),
        );
    }
    let strangers = strangers(&app.home);
    let found = if strangers.is_empty() { "its owner alone".to_owned() } else { strangers.join("; ") };
    add(strangers.is_empty(), "who may read the home", found);
    for bucket in app.ctx.shelf.buckets() {
        let tried = bucket.check().await;
        add(tried.is_ok(), "bucket", tried.map_or_else(|e| e.to_string(), |()| bucket.url().to_owned()));
    }
    let lock = match app.lock()? {
        Some(Taken::Held(holder)) => format!("held by {holder}"),
        Some(Taken::Ours(_)) => "free".to_owned(),
        None => "not needed".to_owned(),
    };
    add(true, "worker lock", lock);
    let book = app.catalogue().await;
    add(
        book.is_ok(),
        "book",
        book.map_or_else(
            |e| e.to_string(),
            |c| format!("{} with {} plan(s)", c.tenant.fullname, c.plans.len()),
        ),
    );
    let mut tx = app.store.read().await?;
    let unfinished = store::run::all_unfinished(&mut tx).await?;
    let names: Vec<String> =
        unfinished.iter().map(|r| format!("{} ({})", r.ordinal, r.state.name())).collect();
    add(true, "unfinished runs", if names.is_empty() { "none".to_owned() } else { names.join(", ") });
    let refused = operations::usage::refused::waiting(&app.ctx).await?;
    let named: Vec<&str> = refused.iter().map(|f| f.kept_at.as_ref().unwrap_or(&f.path).as_str()).collect();
    add(
        refused.is_empty(),
        "refused usage files",
        if refused.is_empty() {
            "none".to_owned()
        } else {
            format!("{}; {}", named.join(", "), super::ingest::WAITING_HINT)
        },
    );
    add(true, "time zones", format!("tzdb {}", chrono_tz::IANA_TZDB_VERSION));
    drop(tx);
    let relay = app.ctx.mail.check().await;
    add(relay.is_ok(), "mail", relay.err().unwrap_or_else(|| config.text("mail.transport").to_owned()));
    findings.extend(for_a_person(&app).await?);
    if let Some(since) = args.since {
        findings.push(closed_since(&app, since).await?);
    }
    findings.push(last_backup(&app).await?);
    let ok = findings.iter().all(|f| f.ok);
    let is_fault = findings.iter().any(|f| !f.ok && f.warning.is_none());
    if output.is_json() {
        output.document(&serde_json::json!({"ok": ok, "findings": findings}));
    } else {
        let rows =
            findings.into_iter().map(|f| vec![word(&f).to_owned(), f.what.to_owned(), f.found]).collect();
        output.table(&[Column::Left(""), Column::Left("what"), Column::Left("found")], rows);
    }
    Ok(match (ok, is_fault) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Fault,
        (false, false) => Exit::SetAside,
    })
}

fn word(finding: &Finding) -> &'static str {
    match (finding.ok, &finding.warning) {
        (true, _) => "ok",
        (false, Some(_)) => "look",
        (false, None) => "BAD",
    }
}

/// What the book will not bill or deliver rightly, and what has not reached its buyer (rules I10).
async fn for_a_person(app: &App) -> Result<Vec<Finding>, Failure> {
    let mut findings: Vec<Finding> = operations::book::warnings::of_book(&app.ctx)
        .await?
        .into_iter()
        .map(|w| {
            let pointer = format!("{} {}", w.kind.singular(), w.key);
            let found = format!("{pointer}: {}", w.message);
            let warning = Some(Warned { code: w.code, pointer, message: w.message });
            Finding { ok: false, what: "book", found, warning }
        })
        .collect();
    let mut tx = app.store.read().await?;
    let mails = store::delivery::open_counts(&mut tx).await?;
    let table = [
        (mails.waiting, "mails_waiting", "mail(s) wait: `tallybook mails send`"),
        (mails.refused, "mails_refused", "mail(s) were refused: `tallybook mails --state refused`"),
        (
            mails.nobody,
            "no_address",
            "invoice(s) have nobody to be mailed to: `tallybook mails --state nobody`",
        ),
    ];
    for (count, code, words) in table.into_iter().filter(|(count, ..)| *count > 0) {
        let message = format!("{count} {words}");
        let warning = Warned { code, pointer: "mails".to_owned(), message: message.clone() };
        findings.push(Finding { ok: false, what: "mails", found: message, warning: Some(warning) });
    }
    Ok(findings)
}

/// What others than the owner may enter or read, each with a way out. What lies in a closed home is closed.
fn strangers(home: &Home) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let rights = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.permissions().mode() & 0o777);
    let told =
        |path: &Path, right: u32| format!("{} is {:o}: `chmod {right:o} {0}`", path.display(), rights(path));
    if rights(&home.root) & 0o077 == 0 {
        return Vec::new();
    }
    let secret = [home.settings(), home.database(), home.root.join("sandbox-payments.ndjson")];
    let secret = secret.iter().filter(|path| rights(path) & 0o077 != 0).map(|path| told(path, 0o600));
    std::iter::once(told(&home.root, 0o700)).chain(secret).collect()
}

/// The last closed run, and whether it was closed in this time.
async fn closed_since(app: &App, since: chrono::Duration) -> anyhow::Result<Finding> {
    let mut tx = app.store.read().await?;
    let runs = store::run::newest(&mut tx, RUNS_LOOKED_AT).await?;
    let closed = runs.iter().filter(|run| run.state.is_finished());
    let last = closed.filter_map(|run| Some((run.ended_at?, run.ordinal))).max();
    let found = match last {
        Some((at, run)) => format!("run {run} was closed at {}", at.format("%Y-%m-%d %H:%M UTC")),
        None => "no run was ever closed".to_owned(),
    };
    let is_recent = last.is_some_and(|(at, _)| at > (app.ctx.now)() - since);
    Ok(looked_at(is_recent, "last closed run", "no_run", found))
}

/// A backup that is older than a week, or none while the books are older than that, is a finding.
async fn last_backup(app: &App) -> anyhow::Result<Finding> {
    const WHAT: &str = "last good backup";
    let week_ago = (app.ctx.now)() - chrono::Duration::days(7);
    if let Some(last) = operations::home::prove_backup::last_good(&app.home.root) {
        let found = format!("{} in {}", last.at.format("%Y-%m-%d %H:%M UTC"), last.folder.display());
        return Ok(looked_at(last.at > week_ago, WHAT, "old_backup", found));
    }
    let mut tx = app.store.read().await?;
    let is_old = match store::journal::page(&mut tx, 0, 1).await?.pop() {
        Some((_, Some(first))) => first.at < week_ago,
        // Of a version before the chain: older than any backup.
        Some((_, None)) => true,
        None => false,
    };
    let found = "none yet: `tallybook backup DIR`, or jobs.backup in tallybook.toml".to_owned();
    Ok(looked_at(!is_old, WHAT, "no_backup", found))
}

/// A finding that keeps no run from working: a person looks at it if it is not fine.
fn looked_at(ok: bool, what: &'static str, code: &'static str, found: String) -> Finding {
    let warning = (!ok).then(|| Warned { code, pointer: what.to_owned(), message: found.clone() });
    Finding { ok, what, found, warning }
}

/// What goes over a network must be encrypted: customers, tokens and the login are in it.
fn link_to(traffic: store::Traffic) -> (bool, &'static str) {
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

fn writable(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(".doctor");
    std::fs::write(&probe, b"probe")?;
    std::fs::remove_file(probe)
}
