//! `run --preview`: what would be billed, payer by payer, and what differs from the last run of the same scope.

use super::run::figures;
use crate::failure::Exit;
use crate::output::{Column, Output, grouped, total};
use operations::runs::preview::{NotBilled, PayerView, RunPreview};

/// Payers listed for a reader; all of them are in the JSON answer.
const PAYERS_SHOWN: usize = 40;

/// Something that would be set aside makes exit code 3.
pub fn answer(preview: &RunPreview, output: &Output) -> Exit {
    if output.is_json() {
        output.document(preview);
    } else {
        people(preview, output);
    }
    if preview.run.is_set_aside() { Exit::SetAside } else { Exit::Done }
}

fn people(preview: &RunPreview, output: &Output) {
    figures(&preview.run, output);
    if preview.run.failed + preview.run.parked > 0 {
        output.line(&format!("{} payer(s) fail, {} parked", preview.run.failed, preview.run.parked));
    }
    let rows = preview.payers.iter().take(PAYERS_SHOWN).map(|payer| {
        let PayerView { account, total: own } = payer;
        let amounts = [&own.net, &own.vat, &own.gross].map(total);
        let named = [account.clone(), own.currency.to_string(), grouped(own.invoices)];
        named.into_iter().chain(amounts).collect()
    });
    let columns = [
        Column::Left("payer"),
        Column::Left(""),
        Column::Right("invoices"),
        Column::Right("net"),
        Column::Right("VAT"),
        Column::Right("gross"),
    ];
    output.table(&columns, rows.collect());
    if preview.payers.len() > PAYERS_SHOWN {
        output.say(&format!("and {} more; all of them with --json", preview.payers.len() - PAYERS_SHOWN));
    }
    not_billed(preview, output);
    differences(preview, output);
}

fn differences(preview: &RunPreview, output: &Output) {
    let Some(last) = preview.last_run else { return };
    if preview.differences.is_empty() {
        output.line(&format!("against run {last}: nobody is new or gone, and no amount jumped"));
        return;
    }
    output.line(&format!("against run {last}:"));
    let rows = preview.differences.iter().take(PAYERS_SHOWN).map(|d| {
        let (account, is) = (d.account.clone(), d.difference.name().to_owned());
        vec![account, is, d.currency.to_string(), total(&d.before), total(&d.now)]
    });
    let columns = [
        Column::Left("payer"),
        Column::Left("is"),
        Column::Left(""),
        Column::Right("gross then"),
        Column::Right("gross now"),
    ];
    output.table(&columns, rows.collect());
}

/// Who would not be billed, and why.
fn not_billed(preview: &RunPreview, output: &Output) {
    let aside = preview.aside.iter().map(|not| (not, not.state.name()));
    let left_out = preview.left_out.iter().map(|not| (not, "left out"));
    let row = |(not, is): (&NotBilled, &str)| vec![not.account.clone(), is.to_owned(), not.reason.clone()];
    let rows = aside.chain(left_out).take(PAYERS_SHOWN).map(row);
    output.table(&[Column::Left("not billed"), Column::Left("is"), Column::Left("reason")], rows.collect());
    let parked = preview.aside.iter().find(|not| not.is_parked());
    match parked.map(|not| (&not.account, not.parked_by)) {
        Some((account, Some(run))) => {
            output.say(&format!("hint: `tallybook runs release {run} --customer {account}` lets it through"));
        }
        Some((_, None)) => {
            output.say("hint: a run parks it, and `tallybook runs release` of that run lets it through");
        }
        None => {}
    }
}
