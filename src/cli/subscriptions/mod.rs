//! `subscriptions`: list them, look at one, and change it. Every verb is read and done by the same functions as in
//! `simulate`; with `--preview` it says what it would cost and changes nothing.

mod shown;
mod verb;

pub use verb::Change;

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount};
use domain::invoice::{Draft, InvoiceWire};
use domain::refusal::{self, Refusal, WayOut};
use domain::subscription::Request;
use operations::subscriptions::change::Asked;
use operations::subscriptions::preview::Preview;
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    filter: shown::Filter,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// One subscription: state, charges, and what was done to it
    Show { number: String },
    #[command(flatten)]
    Change(Change),
}

/// Lists without a verb.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    match args.verb {
        None => shown::list(&app, &args.filter, output).await,
        Some(Verb::Show { number }) => shown::show(&app, &number, output).await,
        Some(Verb::Change(verb)) => change(&app, verb, output).await,
    }
}

async fn change(app: &App, verb: Change, output: &Output) -> Result<Exit, Failure> {
    app.catalogue().await?;
    let (name, mut arguments, when) = verb.asked();
    let number = match arguments.get("subscription").and_then(Value::as_str) {
        Some(number) => number.to_owned(),
        None => {
            shown::owner_of(app, arguments.get("charge").and_then(Value::as_str).unwrap_or_default()).await?
        }
    };
    let request = Request::read(name, &arguments).map_err(|refusal| refused(refusal, &number))?;
    arguments.retain(|name, value| name != "subscription" && !value.is_null());
    let on = match when.on {
        Some(day) => day,
        None => app.today().await?,
    };
    let asked = Asked {
        number: number.clone(),
        request,
        arguments,
        effective: when.effective.unwrap_or(on),
        on,
        actor: super::operator(),
    };
    if when.preview {
        let preview = operations::subscriptions::preview::preview(&app.ctx, &asked, when.as_of).await?;
        previewed(&preview.map_err(|refusal| refused(refusal, &number))?, &asked, output);
        return Ok(Exit::Done);
    }
    let changed = operations::subscriptions::change::change(&app.ctx, &asked).await?;
    changed.map_err(|refusal| refused(refusal, &number))?;
    if !output.is_json() {
        output.line(&format!("{number}: {name} is done"));
    }
    shown::show_on(app, &number, on.max(asked.effective), output).await
}

/// A refusal of the core as the command line says it.
pub fn refused(refusal: Refusal, number: &str) -> Failure {
    refusal.or(WayOut::from("look at it with ").ask(refusal::Verb::ShowSubscription.on(number))).into()
}

fn previewed(preview: &Preview, asked: &Asked, output: &Output) {
    let wire = |drafts: &[Draft]| -> Vec<InvoiceWire> { drafts.iter().map(InvoiceWire::draft).collect() };
    if output.is_json() {
        output.document(&json!({
            "subscription": asked.number, "verb": asked.request.verb().name(), "on": asked.on, "effective": asked.effective,
            "asof": preview.as_of, "with": wire(&preview.with), "without": wire(&preview.without),
        }));
        return;
    }
    output.line(&format!(
        "billed as of {}, {} would be invoiced as follows; nothing is changed",
        preview.as_of, asked.number
    ));
    let mut rows = Vec::new();
    for (which, drafts) in [("with the change", &preview.with), ("without it", &preview.without)] {
        for draft in drafts {
            rows.push(vec![
                which.to_owned(),
                draft.invoice_date.to_string(),
                draft.currency.to_string(),
                amount(i128::from(draft.net_minor), draft.currency),
                amount(i128::from(draft.vat_minor), draft.currency),
                amount(i128::from(draft.gross_minor()), draft.currency),
            ]);
            for line in &InvoiceWire::draft(draft).invoice_lines {
                let period = format!("  {} {}–{}", line.title, line.period_start, line.period_end);
                rows.push(vec![
                    period,
                    String::new(),
                    String::new(),
                    line.sub_total.clone(),
                    line.total_vat.clone(),
                    line.total_price.clone(),
                ]);
            }
        }
        if drafts.is_empty() {
            rows.push(vec![
                which.to_owned(),
                "nothing is due".to_owned(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
            ]);
        }
    }
    let columns = [
        Column::Left(""),
        Column::Left("invoice date"),
        Column::Left(""),
        Column::Right("net"),
        Column::Right("VAT"),
        Column::Right("gross"),
    ];
    output.table(&columns, rows);
}
