//! `invoices takeover`: open items of another system, from a CSV.

use crate::app::App;
use crate::cli::{act, input};
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount, grouped};
use domain::NaiveDate;
use operations::act::Mode;
use operations::invoices::take_over;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// CSV with the columns customer, number, date, amount, and where wanted due, currency, vat, subscription, text; `-` is
    /// standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Say what would be taken over; write nothing
    #[arg(long)]
    preview: bool,
    /// Day of the takeover, which dates the opening entries; today unless given
    #[arg(long, value_name = "DATE")]
    on: Option<NaiveDate>,
}

/// Takes all of the file over, or nothing.
pub async fn run(app: &App, args: &Args, output: &Output) -> Result<Exit, Failure> {
    let sheet = input::sheet(&args.file)?;
    let mode = if args.preview { Mode::Show } else { Mode::Change };
    let taken = take_over::take_over(&app.ctx, &act(app, args.on).await?, &sheet, mode).await?;
    if output.is_json() {
        output.document(&taken);
        return Ok(Exit::Done);
    }
    let columns =
        [Column::Left("currency"), Column::Right("owed by payers"), Column::Right("owed to payers")];
    let rows = taken.totals.iter().map(|total| {
        let money = |money: domain::money::Money| amount(i128::from(money.minor), money.currency);
        vec![total.currency.to_string(), money(total.owed), money(total.credit)]
    });
    output.table(&columns, rows.collect());
    let count = |n: u64, one: &str, many: &str| format!("{} {}", grouped(n), if n == 1 { one } else { many });
    let [done, end] = match args.preview {
        true => ["would be taken over", "; nothing is written"],
        false => ["taken over", ""],
    };
    output.line(&format!(
        "{done}: {}, {}; {} taken over before{end}",
        count(taken.invoices, "open invoice", "open invoices"),
        count(taken.credits, "credit", "credits"),
        count(taken.unchanged, "line was", "lines were"),
    ));
    Ok(Exit::Done)
}
