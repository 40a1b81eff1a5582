//! `run`: bill everything that is due.

use crate::app::App;
use crate::cli::mails;
use crate::config::Config;
use crate::drive;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, grouped, total};
use domain::NaiveDate;
use domain::run::{Scope, Step};
use operations::runs::open::{NewRun, Reach};
use operations::runs::preview;
use operations::runs::view::{RunAnswer, RunView, State};

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
    let act = super::act(&app, args.as_of).await?;
    let what = NewRun {
        scope: Scope { customers: args.customers, business_unit: args.business_unit },
        skip: args.skip.iter().filter_map(|s| Step::parse(s)).collect(),
        review: args.review,
        expect: args.expect,
        reach: if args.ahead { Reach::Ahead } else { Reach::Bounded },
    };
    if args.preview {
        let preview = preview::preview(&app.ctx, &act, &what).await?;
        return Ok(super::run_preview::answer(&preview, output));
    }
    let ended = drive::drive(&app, &act, &what, output).await?;
    Ok(answer(&ended, output))
}

/// Prints how a run ended; something set aside makes exit code 3.
pub fn answer(ended: &RunAnswer, output: &Output) -> Exit {
    if output.is_json() {
        output.document(ended);
    } else {
        super::ingest::say_missing(&ended.missing, output);
        people(&ended.run, output);
    }
    if ended.is_set_aside() { Exit::SetAside } else { Exit::Done }
}

/// The figures of a run, and its effects in the last line.
pub fn people(run: &RunView, output: &Output) {
    figures(run, output);
    mails::hints(&run.mails, output);
    if let Some(ordinal) = run.run.filter(|_| run.drafts > 0) {
        let booking = match run.state {
            State::Review => format!("`tallybook runs approve {ordinal}` books them"),
            _ => "`tallybook invoices book DRAFT` books one".to_owned(),
        };
        output.say(&format!(
            "hint: `tallybook invoices --run {ordinal} --state draft` lists drafts, {booking}"
        ));
    }
    if let Some(ordinal) = run.run.filter(|_| run.is_set_aside()) {
        output.say(&format!("hint: `tallybook runs show {ordinal}` says who is set aside and why"));
    }
    effects(run, output);
}

/// What a run bills, or would.
pub fn figures(run: &RunView, output: &Output) {
    output.line(&match run.run {
        None => format!("preview as of {}", run.as_of),
        Some(ordinal) => format!("run {ordinal} as of {}: {}", run.as_of, run.state.name()),
    });
    if run.invoiced == 0 && run.failed + run.parked == 0 {
        output.line(&format!("nothing was due for {} payer(s)", grouped(run.payers)));
    }
    let rows = run
        .totals
        .iter()
        .map(|t| {
            let amounts = [&t.net, &t.vat, &t.gross].map(total);
            [t.currency.to_string(), grouped(t.invoices)].into_iter().chain(amounts).collect()
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
    let usage = &run.usage;
    let mut parts = vec![format!("{} rated", grouped(usage.rated))];
    parts.extend(usage.reasons.iter().map(|(reason, n)| format!("{} {reason}", grouped(*n))));
    if usage.superseded > 0 {
        parts.push(format!("{} superseded", grouped(usage.superseded)));
    }
    if usage.open > 0 {
        parts.push(format!("{} open", grouped(usage.open)));
    }
    output.line(&format!("usage events {} = {}", grouped(usage.events), parts.join(" + ")));
    if !run.hash.is_empty() {
        output.line(&format!("hash {}", run.hash));
    }
    if !run.left_out.is_empty() {
        let named: Vec<&str> = run.left_out.iter().map(String::as_str).take(NAMED).collect();
        let more = if run.left_out.len() > NAMED { ", …" } else { "" };
        let (count, named) = (run.left_out.len(), named.join(", "));
        output.line(&format!("{count} payer(s) left out, billed as of a later day already: {named}{more}"));
    }
}

/// Payers named in a line.
const NAMED: usize = 5;

/// What was booked, what went out, what was paid, and what waits for somebody: the last line.
pub fn effects(run: &RunView, output: &Output) {
    let (mails, payments) = (run.mails, run.payments);
    let invoices = if run.run.is_some() { run.booked } else { run.invoiced };
    let parts = [
        (invoices, "invoice(s)"),
        (run.drafts, "draft(s) to review"),
        (mails.sent, "mail(s) sent"),
        (mails.waiting, "mail(s) waiting"),
        (mails.refused, "mail(s) refused"),
        (mails.nobody, "without an address"),
        (payments.paid, "payment(s) taken"),
        (payments.declined, "payment(s) declined"),
        (payments.pending, "payment(s) without an answer"),
        (run.failed, "payer(s) failed"),
        (run.parked, "payer(s) parked"),
        (run.older, "left by older runs"),
    ];
    let told: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", grouped(*n))).collect();
    if !told.is_empty() {
        output.line(&told.join(", "));
    }
}
