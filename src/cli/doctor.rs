//! `doctor`: look for what would keep a run from working.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use jobs::home_lock::Taken;
use serde::Serialize;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Finding {
    ok: bool,
    what: &'static str,
    found: String,
}

/// Exit code 2 if anything would keep a run from working.
pub async fn run(_: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let mut findings = Vec::new();
    let mut add = |ok: bool, what: &'static str, found: String| findings.push(Finding { ok, what, found });
    let database = if app.store.is_sqlite() {
        format!("SQLite, {}", app.home.database().display())
    } else {
        "PostgreSQL".to_owned()
    };
    add(true, "database", database);
    let levels = app.store.synchronous().await?;
    if !levels.is_empty() {
        add(
            levels.iter().all(|l| *l == 2),
            "durable commits",
            format!("synchronous = {levels:?} (2 is FULL)"),
        );
    }
    for folder in crate::home::Home::FOLDERS {
        let path = app.home.folder(folder);
        let probe = writable(&path);
        add(
            probe.is_ok(),
            "folder",
            probe.map_or_else(|e| format!("{}: {e}", path.display()), |()| path.display().to_string()),
        );
    }
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
        book.map_or_else(|e| e.message, |c| format!("{} with {} plan(s)", c.tenant.fullname, c.plans.len())),
    );
    let mut tx = app.store.read().await?;
    let unfinished = store::run::all_unfinished(&mut tx).await?;
    let names: Vec<String> =
        unfinished.iter().map(|r| format!("{} ({})", r.ordinal, r.state.name())).collect();
    add(true, "unfinished runs", if names.is_empty() { "none".to_owned() } else { names.join(", ") });
    add(true, "time zones", format!("tzdb {}", chrono_tz::IANA_TZDB_VERSION));
    let ok = findings.iter().all(|f| f.ok);
    if output.is_json() {
        output.document(&serde_json::json!({"ok": ok, "findings": findings}));
    } else {
        let rows = findings
            .into_iter()
            .map(|f| vec![if f.ok { "ok" } else { "BAD" }.to_owned(), f.what.to_owned(), f.found])
            .collect();
        output.table(&[Column::Left(""), Column::Left("what"), Column::Left("found")], rows);
    }
    Ok(if ok { Exit::Done } else { Exit::Fault })
}

fn writable(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(".doctor");
    std::fs::write(&probe, b"probe")?;
    std::fs::remove_file(probe)
}
