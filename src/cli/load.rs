//! `load`: book files, all or nothing.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use domain::book_file::{self, Pointers};
use domain::warning::Warning;
use operations::act::Actor;
use operations::book::load::Files;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Book files: one JSON document each, or NDJSON with one object per line
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Reads every file, reports every fault at once, and writes all of it or nothing.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let files = args.files.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
    let app = App::open(config).await?;
    let loaded = load(&app, files).await?;
    if output.is_json() {
        output.document(&loaded);
    } else {
        output.table(
            &[
                Column::Left("object"),
                Column::Right("created"),
                Column::Right("updated"),
                Column::Right("unchanged"),
            ],
            rows(&loaded.report),
        );
        say(&loaded.warnings, output);
        output.say("next: `tallybook ingest FILE…`, then `tallybook run --preview`");
    }
    Ok(Exit::Done)
}

/// Opens a file that a person named.
pub fn open(path: &Path) -> Result<(String, Box<dyn Read + Send>), Failure> {
    Ok((path.display().to_string(), super::input::open(path)?))
}

/// What a load did, and what will keep a payer from a right invoice.
#[derive(serde::Serialize)]
pub struct Loaded {
    #[serde(flatten)]
    pub report: book_file::LoadReport,
    pub warnings: Vec<Warned>,
}

/// A warning with the place of its object in the files, or its name if it is in none of them.
#[derive(serde::Serialize)]
pub struct Warned {
    pub pointer: String,
    pub code: &'static str,
    pub message: String,
}

/// Warnings that are shown to people; all of them are in the JSON answer and in `doctor`.
const WARNINGS_SHOWN: usize = 20;

fn say(warnings: &[Warned], output: &Output) {
    for warning in warnings.iter().take(WARNINGS_SHOWN) {
        output.say(&format!("warning: {}: {}", warning.pointer, warning.message));
    }
    if warnings.len() > WARNINGS_SHOWN {
        output.say(&format!("and {} more: `tallybook doctor`", warnings.len() - WARNINGS_SHOWN));
    }
}

fn warned(pointers: &Pointers, warning: Warning) -> Warned {
    let object = (warning.kind, warning.key);
    let field = warning.field.map(|field| format!("/{field}")).unwrap_or_default();
    let pointer = match pointers.get(&object) {
        Some(pointer) => format!("{pointer}{field}"),
        None => format!("{} {}", object.0.singular(), object.1),
    };
    Warned { pointer, code: warning.code, message: warning.message }
}

/// Loads opened files into a home.
pub async fn load(app: &App, files: Files) -> Result<Loaded, Failure> {
    let actor = Actor::Person(crate::cli::operator());
    let loaded = operations::book::load::load(&app.ctx, &actor, files).await?;
    let operations::book::load::Loaded { report, warnings, pointers } = loaded;
    let warnings = warnings.into_iter().map(|warning| warned(&pointers, warning)).collect();
    Ok(Loaded { report, warnings })
}

fn rows(report: &book_file::LoadReport) -> Vec<Vec<String>> {
    let value = serde_json::to_value(report).unwrap_or_default();
    let mut kinds: Vec<String> = Vec::new();
    for part in ["created", "updated", "unchanged"] {
        for kind in value[part].as_object().into_iter().flat_map(|o| o.keys()) {
            if !kinds.contains(kind) {
                kinds.push(kind.clone());
            }
        }
    }
    let cell = |part: &str, kind: &str| value[part][kind].as_u64().unwrap_or(0).to_string();
    kinds
        .into_iter()
        .map(|kind| {
            vec![kind.clone(), cell("created", &kind), cell("updated", &kind), cell("unchanged", &kind)]
        })
        .filter(|row| row[1..].iter().any(|c| c != "0"))
        .collect()
}
