//! `run`: bill everything that is due.

use crate::app::App;
use crate::config::Config;
use crate::drive;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount, grouped};
use domain::NaiveDate;
use domain::run::{RunState, RunSummary, Scope, Step};
use operations::runs::open::{Reach, Request};
use store::run::RunOptions;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Bill what is due on or before this day (default: today, tenant-local)
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
    /// Bill as of a day later than today + `bounds.days_ahead` all the same
    #[arg(long)]
    ahead: bool,
    /// Write nothing; answer what would be billed, and its hash
    #[arg(long, conflicts_with_all = ["review", "expect"])]
    preview: bool,
    /// Stop at drafts until `runs approve`
    #[arg(long)]
    review: bool,
    /// Only these payers, by account number
    #[arg(long = "customer", value_name = "ACCOUNT")]
    customers: Vec<String>,
    /// Only payers of this business unit
    #[arg(long, value_name = "REFKEY")]
    business_unit: Option<String>,
    /// Steps to leave out
    #[arg(long, value_name = "STEP", value_delimiter = ',', value_parser = ["render", "send", "collect"])]
    skip: Vec<String>,
    /// Post only if the run hash is the one a preview gave
    #[arg(long, value_name = "HASH")]
    expect: Option<String>,
}

/// Runs or previews.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let as_of = match args.as_of {
        Some(day) => day,
        None => app.today().await?,
    };
    let expect = args.expect.clone();
    let request = Request {
        scope: Scope { customers: args.customers, business_unit: args.business_unit },
        as_of,
        options: RunOptions {
            skip: args.skip.iter().filter_map(|s| Step::parse(s)).collect(),
            review: args.review,
            expect: args.expect,
        },
        reach: if args.ahead { Reach::Ahead } else { Reach::Bounded },
        actor: crate::cli::operator(),
    };
    if args.preview {
        drive::may_open(&app, &request).await?;
        let preview = operations::runs::preview::preview(&app.ctx, &request).await?;
        return Ok(super::run_preview::answer(&preview, output));
    }
    let summary = drive::drive(&app, &request, output).await?;
    if summary.state == RunState::Cancelled && expect.is_some() {
        return Err(Failure::input(
            "hash_differs",
            format!("what is due has the hash {}, not the one expected; nothing was booked", summary.hash),
        )
        .hint("look at it with `tallybook run --preview`, then expect its hash"));
    }
    let missing = operations::usage::refused::waiting(&app.ctx).await?;
    if output.is_json() {
        let mut document = json(&summary, Kind::Posted);
        document["refusedfiles"] = super::ingest::refused_json(&missing);
        output.document(&document);
    } else {
        people(&summary, Kind::Posted, output);
    }
    for file in &missing {
        output.say(&format!("missing in it: {}", file.message));
    }
    if missing.is_empty() {
        return Ok(exit_of(&summary));
    }
    output.say(super::ingest::WAITING_HINT);
    Ok(Exit::SetAside)
}

/// Whether the figures were booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Posted,
    Preview,
}

/// Prints a run's summary; something set aside makes exit code 3.
pub fn answer(summary: &RunSummary, kind: Kind, output: &Output) -> Exit {
    if output.is_json() {
        output.document(&json(summary, kind));
    } else {
        people(summary, kind, output);
    }
    exit_of(summary)
}

/// Something set aside is for a person.
pub fn exit_of(summary: &RunSummary) -> Exit {
    if summary.is_set_aside() { Exit::SetAside } else { Exit::Done }
}

/// The answer for scripts (the form is a contract).
pub fn json(summary: &RunSummary, kind: Kind) -> serde_json::Value {
    let totals: Vec<_> = summary
        .totals
        .iter()
        .map(|t| {
            let text = |minor: i128| amount(minor, t.currency).replace(' ', "");
            serde_json::json!({"currency": t.currency, "invoices": t.invoices, "net": text(t.net_minor), "vat": text(t.vat_minor),
                               "gross": text(t.net_minor + t.vat_minor)})
        })
        .collect();
    let usage = &summary.usage;
    let unrated: u64 = usage.unrated.values().sum();
    serde_json::json!({
        "run": if kind == Kind::Preview { serde_json::Value::Null } else { summary.ordinal.into() },
        "asof": summary.as_of, "state": if kind == Kind::Preview { "preview" } else { summary.state.name() },
        "payers": summary.payers, "invoiced": summary.invoiced, "failed": summary.failed, "parked": summary.parked, "totals": totals,
        "usage": {"events": usage.rated + unrated + usage.superseded + usage.open, "rated": usage.rated, "unrated": unrated,
                  "superseded": usage.superseded, "open": usage.open, "reasons": usage.unrated},
        "mails": summary.mails, "payments": summary.payments, "older": summary.older, "leftout": summary.left_out,
        "hash": summary.hash,
    })
}

pub fn people(summary: &RunSummary, kind: Kind, output: &Output) {
    let head = match kind {
        Kind::Preview => format!("preview as of {}", summary.as_of),
        Kind::Posted => format!("run {} as of {}: {}", summary.ordinal, summary.as_of, summary.state.name()),
    };
    output.line(&head);
    let aside = summary.failed + summary.parked;
    if summary.invoiced == 0 && aside == 0 {
        output.line(&format!("nothing was due for {} payer(s)", grouped(summary.payers)));
    }
    let rows = summary
        .totals
        .iter()
        .map(|t| {
            vec![
                t.currency.to_string(),
                grouped(t.invoices),
                amount(t.net_minor, t.currency),
                amount(t.vat_minor, t.currency),
                amount(t.net_minor + t.vat_minor, t.currency),
            ]
        })
        .collect();
    let columns = [
        Column::Left("currency"),
        Column::Right("invoices"),
        Column::Right("net"),
        Column::Right("VAT"),
        Column::Right("gross"),
    ];
    output.table(&columns, rows);
    let usage = &summary.usage;
    let mut parts = vec![format!("{} rated", grouped(usage.rated))];
    parts.extend(usage.unrated.iter().map(|(reason, n)| format!("{} {reason}", grouped(*n))));
    if usage.superseded > 0 {
        parts.push(format!("{} superseded", grouped(usage.superseded)));
    }
    if usage.open > 0 {
        parts.push(format!("{} open", grouped(usage.open)));
    }
    let events = usage.rated + usage.unrated.values().sum::<u64>() + usage.superseded + usage.open;
    output.line(&format!("usage events {} = {}", grouped(events), parts.join(" + ")));
    if !summary.hash.is_empty() {
        output.line(&format!("hash {}", summary.hash));
    }
    if !summary.left_out.is_empty() {
        let named: Vec<&str> = summary.left_out.iter().map(String::as_str).take(NAMED).collect();
        let more = if summary.left_out.len() > NAMED { ", …" } else { "" };
        let count = summary.left_out.len();
        let named = named.join(", ");
        output.line(&format!("{count} payer(s) left out, billed as of a later day already: {named}{more}"));
    }
    if kind == Kind::Preview {
        if aside > 0 {
            output.line(&format!("{} payer(s) fail, {} parked", summary.failed, summary.parked));
        }
        return;
    }
    effects(summary, output);
    super::mails::say(&summary.mails, output);
    if summary.is_set_aside() {
        output.say(&format!("hint: `tallybook runs show {}` says who is set aside and why", summary.ordinal));
    }
}

/// Payers named in a line.
const NAMED: usize = 5;

/// The last line: what went out, and what waits.
fn effects(summary: &RunSummary, output: &Output) {
    let payments = summary.payments;
    let parts = [
        (summary.invoiced, "invoice(s)"),
        (payments.paid, "payment(s) taken"),
        (payments.declined, "declined"),
        (payments.pending, "without an answer"),
        (summary.failed, "payer(s) failed"),
        (summary.parked, "parked"),
        (summary.older, "left by older runs"),
    ];
    let told: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", grouped(*n))).collect();
    if !told.is_empty() {
        output.line(&told.join(", "));
    }
}
