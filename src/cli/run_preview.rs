//! `run --preview`: what would be billed, payer by payer, and what differs from the last run of the same scope.

use super::run::{Kind, exit_of, json, people};
use crate::failure::Exit;
use crate::output::{Column, Output, amount, grouped};
use operations::runs::preview::Preview;
use serde_json::json;

/// Payers listed for a reader; all of them are in the JSON answer.
const PAYERS_SHOWN: usize = 40;

/// The answer of a run, with `payersdetail` and `differences` beside it.
pub fn answer(preview: &Preview, output: &Output) -> Exit {
    let summary = &preview.summary;
    let mut by_account: Vec<_> =
        preview.by_payer.iter().map(|((_, currency), total)| (currency, total)).collect();
    by_account.sort_by(|a, b| (&a.1.account, a.0).cmp(&(&b.1.account, b.0)));
    if output.is_json() {
        let text = |minor: i128, currency| amount(minor, currency).replace(' ', "");
        let mut document = json(summary, Kind::Preview);
        document["payersdetail"] = by_account
            .iter()
            .map(|(currency, t)| {
                json!({"account": t.account, "currency": currency, "invoices": t.invoices, "net": text(t.net_minor, **currency),
                       "vat": text(t.vat_minor, **currency), "gross": text(t.gross_minor(), **currency)})
            })
            .collect();
        document["lastrun"] = preview.last.into();
        document["aside"] = preview
            .aside
            .iter()
            .map(|(account, state, reason)| json!({"account": account, "state": state, "reason": reason}))
            .collect();
        document["leftout"] = preview.left_out.iter().map(|(account, _)| account.as_str()).collect();
        document["differences"] = preview
            .differences
            .iter()
            .map(|(difference, currency, before, now)| {
                json!({"account": before.account, "currency": currency, "difference": difference.name(),
                       "before": text(before.gross_minor(), *currency), "now": text(now.gross_minor(), *currency)})
            })
            .collect();
        output.document(&document);
        return exit_of(summary);
    }
    people(summary, Kind::Preview, output);
    let rows = by_account
        .iter()
        .take(PAYERS_SHOWN)
        .map(|(currency, t)| {
            vec![
                t.account.clone(),
                currency.to_string(),
                grouped(t.invoices),
                amount(t.net_minor, **currency),
                amount(t.vat_minor, **currency),
                amount(t.gross_minor(), **currency),
            ]
        })
        .collect();
    let columns = [
        Column::Left("payer"),
        Column::Left(""),
        Column::Right("invoices"),
        Column::Right("net"),
        Column::Right("VAT"),
        Column::Right("gross"),
    ];
    output.table(&columns, rows);
    if by_account.len() > PAYERS_SHOWN {
        output.say(&format!("and {} more; all of them with --json", by_account.len() - PAYERS_SHOWN));
    }
    aside(preview, output);
    let Some(last) = preview.last else { return exit_of(summary) };
    if preview.differences.is_empty() {
        output.line(&format!("against run {last}: nobody is new or gone, and no amount jumped"));
        return exit_of(summary);
    }
    output.line(&format!("against run {last}:"));
    let rows = preview
        .differences
        .iter()
        .take(PAYERS_SHOWN)
        .map(|(difference, currency, before, now)| {
            vec![
                before.account.clone(),
                difference.name().to_owned(),
                currency.to_string(),
                amount(before.gross_minor(), *currency),
                amount(now.gross_minor(), *currency),
            ]
        })
        .collect();
    let columns = [
        Column::Left("payer"),
        Column::Left("is"),
        Column::Left(""),
        Column::Right("gross then"),
        Column::Right("gross now"),
    ];
    output.table(&columns, rows);
    exit_of(summary)
}

/// Who would not be billed, and why.
fn aside(preview: &Preview, output: &Output) {
    let rows = preview
        .aside
        .iter()
        .map(|(account, state, reason)| vec![account.clone(), state.name().to_owned(), reason.clone()])
        .chain(
            preview
                .left_out
                .iter()
                .map(|(account, reason)| vec![account.clone(), "left out".to_owned(), reason.clone()]),
        )
        .take(PAYERS_SHOWN)
        .collect();
    output.table(&[Column::Left("not billed"), Column::Left("is"), Column::Left("reason")], rows);
}
