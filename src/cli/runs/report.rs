//! `runs report`: the reconciliation as a table, as JSON, or as a page for people.

use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, amount, grouped};
use operations::runs::report::Report;
use serde_json::{Value, json};
use std::path::Path;
use store::run::Run;

/// Exit code 2 if both ends do not agree, 3 if something is set aside.
pub async fn run(
    app: &App,
    run: &Run,
    format: &str,
    out: Option<&Path>,
    output: &Output,
) -> Result<Exit, Failure> {
    let report = operations::runs::report::report(&app.ctx, run).await?;
    let document = document(&report);
    let page = match format {
        "html" => {
            Some(documents::run_page(&document).map_err(|e| Failure::fault("template", e.to_string()))?)
        }
        "json" => Some(format!("{document:#}\n")),
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
        (None, None) if output.is_json() => output.document(&document),
        (None, None) => people(&document, output),
    }
    let agrees = report.equalities.iter().all(operations::runs::report::Equality::ok);
    Ok(if agrees { crate::cli::run::exit_of(&report.summary) } else { Exit::Fault })
}

fn document(report: &Report) -> Value {
    let mut document = crate::cli::run::json(&report.summary, crate::cli::run::Kind::Posted);
    let money = |minor: i128, currency| amount(minor, currency).replace(' ', "");
    document["scope"] = report.summary.scope.key().into();
    document["steps"] =
        report.steps.iter().map(|(s, open, done)| json!({"step": s, "open": open, "done": done})).collect();
    document["aside"] = report
        .aside
        .iter()
        .map(|i| json!({"account": i.account_number, "state": i.state, "reason": i.reason, "attempts": i.attempts}))
        .collect();
    document["currencies"] = report
        .currencies
        .iter()
        .map(|(currency, c)| {
            json!({
                "currency": currency, "invoices": c.invoices, "creditnotes": c.credit_notes,
                "net": money(c.net_minor, *currency), "vat": money(c.vat_minor, *currency),
                "gross": money(c.gross_minor, *currency), "open": money(c.open_minor, *currency),
                "charges": c.charged, "charged": money(c.charged_minor, *currency), "declined": c.declined,
                "debit": money(c.debit_minor, *currency), "credit": money(c.credit_minor, *currency),
            })
        })
        .collect();
    document["documents"] = json!({"count": report.documents, "bytes": report.document_bytes});
    document["refusedmails"] =
        report.refused.iter().map(|(to, why)| json!({"address": to, "reason": why})).collect();
    document["ledgerentries"] = report.entries.into();
    document["checks"] = report
        .equalities
        .iter()
        .map(|e| json!({"name": e.name, "ok": e.ok(), "left": e.left.to_string(), "right": e.right.to_string()}))
        .collect();
    document["ok"] = report.equalities.iter().all(operations::runs::report::Equality::ok).into();
    document
}

fn people(document: &Value, output: &Output) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    output.line(&format!(
        "run {} as of {}: {}",
        document["run"],
        text(&document["asof"]),
        text(&document["state"])
    ));
    let rows = |list: &Value, names: &[&str]| -> Vec<Vec<String>> {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|row| names.iter().map(|n| text(&row[*n])).collect()).collect()
    };
    let names =
        ["currency", "invoices", "creditnotes", "net", "vat", "gross", "charged", "open", "debit", "credit"];
    let columns = names.map(|n| if n == "currency" { Column::Left(n) } else { Column::Right(n) });
    output.table(&columns, rows(&document["currencies"], &names));
    let count = |value: &Value| grouped(value.as_u64().unwrap_or(0));
    output.line(&format!(
        "{} documents, {} mails sent, {} waiting, {} refused; {} payments without an answer; {} ledger entries",
        count(&document["documents"]["count"]),
        count(&document["mails"]["sent"]),
        count(&document["mails"]["waiting"]),
        count(&document["mails"]["refused"]),
        count(&document["payments"]["pending"]),
        count(&document["ledgerentries"]),
    ));
    let checks = document["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let checks = checks
        .iter()
        .map(|c| {
            let word = if c["ok"] == true { "ok" } else { "DIFFERS" };
            vec![word.to_owned(), text(&c["name"]), text(&c["left"]), text(&c["right"])]
        })
        .collect();
    output.table(
        &[Column::Left(""), Column::Left("check"), Column::Right("left"), Column::Right("right")],
        checks,
    );
    let names = ["account", "state", "reason"];
    output.table(&names.map(Column::Left), rows(&document["aside"], &names));
}
