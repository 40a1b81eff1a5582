//! `subscriptions bulk`: one verb on every subscription of a CSV.

use crate::app::App;
use crate::cli::{act, input};
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount, grouped};
use domain::NaiveDate;
use domain::money::Money;
use operations::act::Mode;
use operations::subscriptions::bulk::{self, Bulk, BulkDone};
use serde_json::{Map, Value};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// One of the verbs: setprice, setamount, switchplan, cancel, applydiscount, …
    #[arg(value_name = "VERB")]
    verb: String,
    /// CSV with a column `subscription` and one for each argument of the verb; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// An argument that is the same in every line, for example `plan=PRO-2026`; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = argument)]
    arguments: Vec<(String, String)>,
    /// Day on which it is done (default: today, tenant-local)
    #[arg(long, value_name = "DATE")]
    on: Option<NaiveDate>,
    /// First day of the new state, if it is another day; a column `effective` says it line by line
    #[arg(long, value_name = "DATE")]
    effective: Option<NaiveDate>,
    /// Change nothing; show what the subscriptions come to per month, before and after
    #[arg(long)]
    preview: bool,
}

fn argument(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE"))?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

/// Does the verb on all of them, or on none.
pub async fn run(app: &App, args: Args, output: &Output) -> Result<Exit, Failure> {
    app.catalogue().await?;
    let sheet = input::sheet(&args.file)?;
    let mut arguments = Map::new();
    for (name, value) in args.arguments {
        if arguments.insert(name.clone(), Value::String(value)).is_some() {
            return Err(Failure::input("bad_argument", format!("`{name}` is set twice")).hint("set it once"));
        }
    }
    let bulk = Bulk { verb: args.verb, arguments, effective: args.effective };
    let mode = if args.preview { Mode::Show } else { Mode::Change };
    let done = bulk::bulk(&app.ctx, &act(app, args.on).await?, &sheet, &bulk, mode).await?;
    if output.is_json() {
        output.document(&done);
    } else {
        told(&done, mode, output);
    }
    Ok(Exit::Done)
}

fn told(done: &BulkDone, mode: Mode, output: &Output) {
    let money = |money: Money| amount(i128::from(money.minor), money.currency);
    let more = |before: Money, after: Money| {
        amount(i128::from(after.minor) - i128::from(before.minor), before.currency)
    };
    if mode == Mode::Show {
        let columns = [
            Column::Left("subscription"),
            Column::Left("from"),
            Column::Left(""),
            Column::Right("per month before"),
            Column::Right("after"),
            Column::Right("difference"),
        ];
        let rows = done.changes.iter().map(|change| {
            vec![
                change.number.clone(),
                change.from.to_string(),
                change.currency.to_string(),
                money(change.before),
                money(change.after),
                more(change.before, change.after),
            ]
        });
        output.table(&columns, rows.collect());
    }
    let columns = [
        Column::Right("subscriptions"),
        Column::Left(""),
        Column::Right("per month before"),
        Column::Right("after"),
        Column::Right("difference"),
    ];
    let rows = done.totals.iter().map(|total| {
        vec![
            grouped(total.subscriptions),
            total.currency.to_string(),
            money(total.before),
            money(total.after),
            more(total.before, total.after),
        ]
    });
    output.table(&columns, rows.collect());
    let (verb, lines) = (done.verb, grouped(done.lines));
    let what = format!("{verb} of {lines} lines on {} subscriptions", grouped(done.subscriptions));
    output.line(&match mode {
        Mode::Show => format!("{what}: nothing is changed"),
        Mode::Change => format!("{what} is done"),
    });
}
