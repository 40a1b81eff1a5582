//! `payers statement`: what a payer was billed and has paid.

use crate::app::App;
use crate::failure::Failure;
use crate::out_file;
use crate::output::{Column, Output, amount};
use domain::NaiveDate;
use domain::invoice::statement::Movement;
use operations::payers::statement::{self, Days, LineView, StatementView};
use serde::Serialize;
use std::path::Path;

pub(super) async fn run(
    app: &App,
    account: &str,
    (from, to): (Option<NaiveDate>, Option<NaiveDate>),
    pdf: Option<&Path>,
    output: &Output,
) -> Result<(), Failure> {
    let to = match to {
        Some(day) => day,
        None => app.today().await?,
    };
    if let Some(path) = pdf {
        return write(app, account, Days { from, to }, path, output).await;
    }
    let statements = statement::show(&app.ctx, account, Days { from, to }).await?;
    if output.is_json() {
        output.document(&statements);
    } else if statements.is_empty() {
        output.line("nothing was billed");
    } else {
        statements.iter().for_each(|statement| people(statement, output));
    }
    Ok(())
}

/// What was written. The fields are a contract.
#[derive(Serialize)]
struct WrittenView<'a> {
    account: &'a str,
    files: &'a [String],
}

/// On paper: one file, or one per currency beside it.
async fn write(app: &App, account: &str, days: Days, path: &Path, output: &Output) -> Result<(), Failure> {
    let pages = statement::render(&app.ctx, account, days).await?;
    let mut written = Vec::new();
    for page in &pages {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let own = path.with_file_name(format!("{stem}-{}.pdf", page.currency));
        let to = if pages.len() == 1 { path } else { own.as_path() };
        out_file::write(to, &page.bytes)?;
        written.push(to.display().to_string());
    }
    if output.is_json() {
        output.document(&WrittenView { account, files: &written });
    } else if written.is_empty() {
        output.line("nothing was billed");
    } else {
        output.say(&written.join(", "));
    }
    Ok(())
}

fn people(statement: &StatementView, output: &Output) {
    let StatementView { account, name, currency, opening, closing, lines, .. } = statement;
    let money = |minor: i64| amount(i128::from(minor), *currency);
    let from = statement.from.map_or_else(|| "the beginning".to_owned(), |day| day.to_string());
    output.line(&format!("{account} {name}, {currency}, {from} to {}", statement.to));
    let row = |line: &LineView| {
        vec![
            line.date.to_string(),
            what(line.what).to_owned(),
            line.document.clone(),
            money(line.amount.minor),
            money(line.balance.minor),
        ]
    };
    let edge = |what: &str, minor: i64| {
        vec![String::new(), what.to_owned(), String::new(), String::new(), money(minor)]
    };
    let mut rows = vec![edge("opening balance", opening.minor)];
    rows.extend(lines.iter().map(row));
    rows.push(edge("closing balance", closing.minor));
    let columns = [
        Column::Left("date"),
        Column::Left("what"),
        Column::Left("document"),
        Column::Right("amount"),
        Column::Right("balance"),
    ];
    output.table(&columns, rows);
}

fn what(movement: Movement) -> &'static str {
    match movement {
        Movement::Invoice => "invoice",
        Movement::CreditNote => "credit note",
        Movement::Payment => "payment",
        Movement::Refund => "refund",
        Movement::WriteOff => "written off",
    }
}
