//! `subscriptions`: list them, look at one, and change it. Every verb is read and done by the same functions as in
//! `simulate`; with `--preview` it says what it would cost and changes nothing.

mod bulk;
mod shown;
mod verb;

use crate::app::App;
use crate::cli::act;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount};
use domain::invoice::InvoiceWire;
use operations::invoices::view::DraftView;
use operations::subscriptions::change::{self, Change};
use operations::subscriptions::preview::{self, Preview};

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
    /// One verb on every subscription of a CSV: a price rise, another plan, an end; all of them or none
    Bulk(bulk::Args),
    #[command(flatten)]
    Change(verb::Change),
}

/// Lists without a verb.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    match args.verb {
        None => shown::list(&app, &args.filter, output).await,
        Some(Verb::Show { number }) => shown::show(&app, &number, output).await,
        Some(Verb::Bulk(args)) => bulk::run(&app, args, output).await,
        Some(Verb::Change(verb)) => change(&app, verb, output).await,
    }
}

async fn change(app: &App, asked: verb::Change, output: &Output) -> Result<Exit, Failure> {
    app.catalogue().await?;
    let (verb, arguments, when) = asked.asked();
    let act = act(app, when.on).await?;
    let asked = Change { verb: verb.to_owned(), arguments, effective: when.effective };
    if when.preview {
        previewed(&preview::preview(&app.ctx, &act, &asked, when.as_of).await?, output);
        return Ok(Exit::Done);
    }
    let changed = change::change(&app.ctx, &act, &asked).await?;
    if !output.is_json() {
        output.line(&format!("{}: {verb} is done", changed.head.number));
    }
    shown::told(&changed, output)
}

fn previewed(preview: &Preview, output: &Output) {
    if output.is_json() {
        output.document(preview);
        return;
    }
    output.line(&format!(
        "billed as of {}, {} would be invoiced as follows; nothing is changed",
        preview.as_of, preview.subscription
    ));
    let mut rows = Vec::new();
    for (which, drafts) in [("with the change", &preview.with), ("without it", &preview.without)] {
        for DraftView { draft, .. } in drafts {
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
