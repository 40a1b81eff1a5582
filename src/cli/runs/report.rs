//! `runs report`: the reconciliation as a table, as JSON, or as a page for people.

use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount, grouped, total};
use operations::runs::report::{self, RunReport};
use std::path::Path;

/// Exit code 2 if both ends do not agree, 3 if something is set aside.
pub async fn run(
    app: &App,
    name: &str,
    format: &str,
    out: Option<&Path>,
    output: &Output,
) -> Result<Exit, Failure> {
    let report = report::report(&app.ctx, name).await?;
    let page = match format {
        "html" => Some(report::page(&report)?),
        "json" => Some(crate::output::pretty(&report)? + "\n"),
        _ => None,
    };
    match (page, out) {
        (Some(page), Some(path)) => {
            crate::out_file::write(path, page.as_bytes())?;
            if !crate::out_file::is_stdout(path) {
                output.say(&format!("wrote {}", path.display()));
            }
        }
        (Some(page), None) => output.line(page.trim_end()),
        (None, Some(_)) => {
            return Err(Failure::input("format", "a table is not written to a file")
                .hint("add --format html, or --format json"));
        }
        (None, None) if output.is_json() => output.document(&report),
        (None, None) => people(&report, output),
    }
    Ok(match (report.ok, report.is_set_aside()) {
        (false, _) => Exit::Fault,
        (true, true) => Exit::SetAside,
        (true, false) => Exit::Done,
    })
}

fn people(report: &RunReport, output: &Output) {
    let run = &report.run;
    let ordinal = run.run.unwrap_or_default();
    output.line(&format!("run {ordinal} as of {}: {}", run.as_of, run.state.name()));
    let rows = report.currencies.iter().map(|c| {
        let counts = [c.currency.to_string(), grouped(c.invoices), grouped(c.credit_notes)];
        let amounts = [&c.net, &c.vat, &c.gross, &c.charged, &c.open, &c.debit, &c.credit].map(total);
        counts.into_iter().chain(amounts).collect()
    });
    let names =
        ["currency", "invoices", "creditnotes", "net", "vat", "gross", "charged", "open", "debit", "credit"];
    let columns = names.map(|n| if n == "currency" { Column::Left(n) } else { Column::Right(n) });
    output.table(&columns, rows.collect());
    output.line(&format!(
        "{} documents, {} mails sent, {} waiting, {} refused; {} payments without an answer; {} ledger entries",
        grouped(report.documents.count),
        grouped(run.mails.sent),
        grouped(run.mails.waiting),
        grouped(run.mails.refused),
        grouped(run.payments.pending),
        grouped(report.ledger_entries),
    ));
    let checks = report.checks.iter().map(|check| {
        let word = if check.ok { "ok" } else { "DIFFERS" };
        let shown = |sum| check.currency.map_or_else(|| grouped(sum), |currency| amount(sum, currency));
        vec![word.to_owned(), check.name.clone(), shown(check.left), shown(check.right)]
    });
    output.table(
        &[Column::Left(""), Column::Left("check"), Column::Right("left"), Column::Right("right")],
        checks.collect(),
    );
    let aside = report.aside.iter().map(|payer| {
        let reason = payer.reason.clone().unwrap_or_default();
        vec![payer.account.clone(), payer.state.name().to_owned(), reason]
    });
    output.table(&["account", "state", "reason"].map(Column::Left), aside.collect());
    crate::cli::ingest::say_missing(&report.missing, output);
}
