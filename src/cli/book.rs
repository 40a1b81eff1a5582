//! `book`: the objects of the book, one by one, and the whole of it as a file.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::out_file;
use crate::output::{Column, Output, grouped};
use domain::book_file::{self, ObjectKind, key_field};
use operations::act::Actor;
use operations::book::objects::{self, Filter, ObjectView, Status, Written};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of a document or a patch.
const DOCUMENT_BYTES_MAX: u64 = 16 << 20;

/// How the reference page begins.
const REFERENCE: &str = "# Every field of the book

This page is made from the program's own tables of fields: `tallybook book reference` prints it, `tallybook book schema` prints
the same as a JSON Schema for editors. [files.md](files.md) explains how the parts work together; `tallybook init --sample` writes
a small commented book to begin with.

Names are read in any case. A decimal is a string, or a number where that is exact. A date is a local day, `2026-01-31`; a date
that ends something is the first day of the new state. A reference is the natural key of the other object, or its refkey or id.
The fields `createdby`, `createddate`, `modifiedby` and `modifieddate` are read in every object and not used.
";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List objects of a kind
    List {
        /// tenant, customer, subscription, productplan, discount, taxrule, rate, uom, …
        kind: String,
        /// Only those whose key or document has this text
        #[arg(long, value_name = "TEXT")]
        like: Option<String>,
        /// Only those of this status; those that are deleted are listed only so
        #[arg(long, value_name = "STATUS", value_parser = ["active", "inactive", "deleted"])]
        status: Option<String>,
        /// Only those after this key
        #[arg(long, value_name = "KEY")]
        after: Option<String>,
        /// Rows at most
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Show an object as it was written
    Show {
        #[command(flatten)]
        object: Named,
        /// Show the tokens of payment methods too
        #[arg(long)]
        secrets: bool,
    },
    /// Write an object whole; what is left out is what is assumed
    Put {
        #[command(flatten)]
        object: Named,
        /// The document; `-` is standard input
        #[arg(long, value_name = "FILE", default_value = "-")]
        file: PathBuf,
    },
    /// Change some fields of an object (RFC 7396: null takes a field away)
    Patch {
        #[command(flatten)]
        object: Named,
        /// The patch, for example '{"city": "Odense"}'
        #[arg(long, value_name = "JSON", conflicts_with = "file")]
        set: Option<String>,
        /// The patch as a file; `-` is standard input
        #[arg(long, value_name = "FILE", default_value = "-")]
        file: PathBuf,
    },
    /// Let nothing new use an object; what uses it goes on
    Deactivate(Named),
    /// Let new objects use it again
    Activate(Named),
    /// Take an object that nothing uses out of every list
    Delete(Named),
    /// Print a JSON Schema of the book, for editors
    Schema,
    /// Print every field of the book with type, default and meaning
    Reference,
    /// Write the whole book as NDJSON that loads back unchanged
    Export {
        /// Write to this file; `-` is standard output, and so is no name
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct Named {
    /// tenant, customer, subscription, productplan, discount, taxrule, rate, uom, …
    kind: String,
    /// Account number, subscription number, SKU, refkey; the tenant needs none
    #[arg(default_value = "tenant", hide_default_value = true)]
    key: String,
}

/// Runs one verb.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    match args.verb {
        Verb::Schema => {
            let schema = serde_json::to_string_pretty(&book_file::json_schema()).unwrap_or_default();
            output.bytes(format!("{schema}\n").as_bytes());
            return Ok(Exit::Done);
        }
        Verb::Reference => {
            output.bytes(format!("{REFERENCE}{}", book_file::reference()).as_bytes());
            return Ok(Exit::Done);
        }
        _ => {}
    }
    let app = App::open_existing(config).await?;
    match args.verb {
        Verb::List { kind, like, status, after, limit } => {
            let status = status.map(|status| match status.as_str() {
                "inactive" => Status::Inactive,
                "deleted" => Status::Deleted,
                _ => Status::Active,
            });
            let filter = Filter { status, like, after };
            list(&app, objects::kind_of(&kind)?, &filter, limit, output).await
        }
        Verb::Show { object, secrets } => {
            let shown = objects::get(&app.ctx, objects::kind_of(&object.kind)?, &object.key).await?;
            show(&shown, secrets, output)
        }
        Verb::Put { object, file } => {
            let document = read(&file)?;
            let kind = objects::kind_of(&object.kind)?;
            written(objects::put(&app.ctx, &actor(), kind, &object.key, &document).await?, output)
        }
        Verb::Patch { object, set, file } => {
            let patch = set.map_or_else(|| read(&file), Ok)?;
            let kind = objects::kind_of(&object.kind)?;
            written(objects::patch(&app.ctx, &actor(), kind, &object.key, &patch).await?, output)
        }
        Verb::Deactivate(object) => {
            let kind = objects::kind_of(&object.kind)?;
            written(objects::deactivate(&app.ctx, &actor(), kind, &object.key).await?, output)
        }
        Verb::Activate(object) => {
            let kind = objects::kind_of(&object.kind)?;
            written(objects::activate(&app.ctx, &actor(), kind, &object.key).await?, output)
        }
        Verb::Delete(object) => {
            let kind = objects::kind_of(&object.kind)?;
            written(objects::delete(&app.ctx, &actor(), kind, &object.key).await?, output)
        }
        Verb::Export { out } => export(&app, out.as_deref(), output).await,
        Verb::Schema | Verb::Reference => Ok(Exit::Done),
    }
}

fn actor() -> Actor {
    Actor::Person(super::operator())
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let mut limited = super::input::open(path)?.take(DOCUMENT_BYTES_MAX + 1);
    limited.read_to_string(&mut text).map_err(|error| super::input::unreadable(path, &error))?;
    if text.len() as u64 > DOCUMENT_BYTES_MAX {
        let message = format!("{} is longer than {} MiB", path.display(), DOCUMENT_BYTES_MAX >> 20);
        return Err(Failure::input("too_large", message)
            .hint("it is one object of the book: many are a book file, for `tallybook load`"));
    }
    Ok(text)
}

async fn list(
    app: &App,
    kind: ObjectKind,
    filter: &Filter,
    limit: u32,
    output: &Output,
) -> Result<Exit, Failure> {
    let mut found = objects::list(&app.ctx, kind, filter, limit).await?;
    found.iter_mut().for_each(hide_tokens);
    if output.is_json() {
        output.document(&found);
        return Ok(Exit::Done);
    }
    let of = |object: &ObjectView| {
        let document: serde_json::Value = serde_json::from_str(object.document.get()).unwrap_or_default();
        let name = document["fullname"].as_str().unwrap_or_default().to_owned();
        let modified = object.modified.as_ref().or(object.created.as_ref());
        let when = modified.map(|t| t.at.format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default();
        let by = modified.map(|touched| touched.by.clone()).unwrap_or_default();
        vec![object.key.clone(), name, object.status.to_owned(), when, by]
    };
    let columns = [
        Column::Left(key_field(kind).unwrap_or("key")),
        Column::Left("name"),
        Column::Left("status"),
        Column::Left("changed (UTC)"),
        Column::Left("by"),
    ];
    output.table(&columns, found.iter().map(of).collect());
    if found.len() == limit as usize {
        output.say(&format!("there may be more: --after {}", found.last().map_or("", |last| &last.key)));
    }
    Ok(Exit::Done)
}

fn show(object: &ObjectView, secrets: bool, output: &Output) -> Result<Exit, Failure> {
    let mut shown = object.clone();
    if !secrets {
        hide_tokens(&mut shown);
    }
    if output.is_json() {
        output.document(&shown);
        return Ok(Exit::Done);
    }
    let document: serde_json::Value = serde_json::from_str(shown.document.get()).unwrap_or_default();
    output.line(&serde_json::to_string_pretty(&document).unwrap_or_default());
    let touched = |word: &str, touched: &Option<objects::Touched>| {
        touched.as_ref().map(|t| format!("{word} {} by {}", t.at.format("%Y-%m-%d %H:%M UTC"), t.by))
    };
    let told = [touched("created", &object.created), touched("changed", &object.modified)];
    let told: Vec<String> = told.into_iter().flatten().collect();
    let told = if told.is_empty() { String::new() } else { format!("; {}", told.join(", ")) };
    output.say(&format!("{} {}: {}{told}", object.kind, object.key, object.status));
    Ok(Exit::Done)
}

/// What a provider knows a card by is nobody's business here.
fn hide_tokens(object: &mut ObjectView) {
    if object.kind != ObjectKind::Customer.singular() || !object.document.get().contains("\"token\"") {
        return;
    }
    let mut document: serde_json::Value = serde_json::from_str(object.document.get()).unwrap_or_default();
    let methods = document.get_mut("paymentmethods").and_then(|list| list.as_array_mut());
    for method in methods.into_iter().flatten() {
        if let Some(token) = method.get_mut("token") {
            *token = serde_json::Value::from("(hidden)");
        }
    }
    if let Ok(text) = serde_json::value::to_raw_value(&document) {
        object.document = text;
    }
}

fn written(written: Written, output: &Output) -> Result<Exit, Failure> {
    if output.is_json() {
        output.document(&written);
    } else {
        output.line(&format!("{} {}: {}", written.kind, written.key, written.outcome));
    }
    Ok(Exit::Done)
}

async fn export(app: &App, out: Option<&Path>, output: &Output) -> Result<Exit, Failure> {
    let mut bytes: Vec<u8> = Vec::new();
    let exported = operations::book::export::export(&app.ctx, &mut bytes).await?;
    match out {
        Some(path) if !out_file::is_stdout(path) => out_file::write_private(path, &bytes)?,
        _ => {
            output.bytes(&bytes);
            return Ok(Exit::Done);
        }
    }
    if output.is_json() {
        output.document(&exported);
        return Ok(Exit::Done);
    }
    let objects: u64 = exported.objects.values().sum();
    output.say(&format!(
        "{} objects in {}; it holds the tokens of payment methods: keep it private",
        grouped(objects),
        out.map(|path| path.display().to_string()).unwrap_or_default()
    ));
    if exported.changed_by_verbs > 0 {
        output.say(&format!(
            "{} subscription(s) were changed by verbs, which no book file says: `tallybook backup` takes that along",
            grouped(exported.changed_by_verbs)
        ));
    }
    Ok(Exit::Done)
}
