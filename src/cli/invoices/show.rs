//! `invoices show`, `invoices pdf` and `invoices xml`.

use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::out_file::{self, Written};
use crate::output::{Column, Output, amount};
use domain::einvoice::Format;
use domain::invoice::Draft;
use operations::invoices::document;
use operations::invoices::show::{self, Delivered, InvoiceDetails, Settled, Shown};
use operations::invoices::view::{DraftView, InvoiceView};
use std::path::Path;

/// Everything about one invoice.
pub async fn show(app: &App, name: &str, output: &Output) -> Result<Exit, Failure> {
    match show::show(&app.ctx, name).await? {
        Shown::Draft(view) => draft(&view, output),
        Shown::Booked(about) => booked(&about, output),
    }
    Ok(Exit::Done)
}

/// A draft with its lines.
pub fn draft(view: &DraftView, output: &Output) {
    if output.is_json() {
        output.document(view);
        return;
    }
    output.line(&format!("draft {} for {}", view.name, view.draft.account_number));
    if let Some(reason) = &view.set_aside {
        output.line(&format!("set aside: {reason}"));
    }
    body(&view.draft, output);
}

fn booked(about: &InvoiceDetails, output: &Output) {
    if output.is_json() {
        output.document(about);
        return;
    }
    head(&about.invoice, output);
    body(&about.invoice.invoice.draft, output);
    settlements(about, output);
    payments(about, output);
    deliveries(&about.deliveries, output);
    for document in &about.documents {
        output.line(&format!("{}: documents/{}", document.template, document.path));
    }
}

fn head(view: &InvoiceView, output: &Output) {
    let (invoice, draft) = (&view.invoice, &view.invoice.draft);
    let kind = if draft.is_credit_note { "credit note" } else { "invoice" };
    output.line(&format!("{kind} {} to {} {}", invoice.number, draft.account_number, draft.buyer.name));
    output.line(&format!(
        "dated {}, booked {}, to be paid by {}: {}",
        draft.invoice_date,
        invoice.booked_on,
        invoice.payable_by,
        view.state.words()
    ));
    if !draft.credits.is_empty() {
        output.line(&format!("credits {}", draft.credits.join(", ")));
    }
    if view.open_minor() != 0 {
        let open = amount(i128::from(view.open_minor()), draft.currency);
        output.line(&format!("open: {open} {}", draft.currency));
    }
    if let Some(day) = view.settlement.next_retry {
        output.line(&format!("next retry: {day}, after {} step(s) of dunning", view.settlement.dunning_step));
    }
}

pub fn body(draft: &Draft, output: &Output) {
    let money = |minor: i64| amount(i128::from(minor), draft.currency);
    let rows = draft
        .lines
        .iter()
        .map(|line| {
            vec![
                line.number.to_string(),
                line.sku.clone(),
                line.title.clone(),
                line.rated_quantity.normalize().to_string(),
                format!("{} – {}", line.period.start, line.period.last_day()),
                money(line.subtotal_minor),
                line.tax_pct.normalize().to_string(),
            ]
        })
        .collect();
    let columns = [
        Column::Right("line"),
        Column::Left("sku"),
        Column::Left("title"),
        Column::Right("quantity"),
        Column::Left("period"),
        Column::Right("net"),
        Column::Right("VAT %"),
    ];
    output.table(&columns, rows);
    let (net, vat, gross) = (money(draft.net_minor), money(draft.vat_minor), money(draft.gross_minor()));
    output.line(&format!("net {net} + VAT {vat} = {gross} {}", draft.currency));
}

fn settlements(about: &InvoiceDetails, output: &Output) {
    let currency = about.invoice.invoice.draft.currency;
    let row = |part: &Settled| {
        let kind = part.kind.replace('_', " ");
        let against = part.against.clone().unwrap_or_default();
        vec![part.on.to_string(), kind, against, amount(i128::from(part.amount.minor), currency)]
    };
    let columns =
        [Column::Left("settled"), Column::Left("by"), Column::Left("against"), Column::Right("amount")];
    output.table(&columns, about.settlements.iter().map(row).collect());
}

fn payments(about: &InvoiceDetails, output: &Output) {
    let rows = about.transactions.iter().map(|transaction| {
        let attempt = &transaction.attempt;
        vec![
            attempt.on.to_string(),
            attempt.method.clone(),
            amount(i128::from(attempt.amount_minor), attempt.currency),
            attempt.state.name().replace('_', " "),
            attempt.decline_code.clone().unwrap_or_default(),
        ]
    });
    let columns = [
        Column::Left("payment"),
        Column::Left("method"),
        Column::Right("amount"),
        Column::Left("state"),
        Column::Left("code"),
    ];
    output.table(&columns, rows.collect());
}

fn deliveries(deliveries: &[Delivered], output: &Output) {
    let rows = deliveries.iter().map(|d| {
        let due = d.due_at.map(|at| format!("again {}", at.format("%Y-%m-%d %H:%M")));
        let closed = d.closed_by.as_ref().zip(d.closed_on).map(|(why, on)| format!("{why} ({on})"));
        let reason = closed.or_else(|| d.reason.clone()).or(due).unwrap_or_default();
        vec![d.address.clone(), d.words().to_owned(), reason]
    });
    output.table(&["mail to", "state", "reason"].map(Column::Left), rows.collect());
}

/// Writes or names the PDF.
pub async fn pdf(app: &App, name: &str, out: Option<&Path>, output: &Output) -> Result<Exit, Failure> {
    let pdf = document::pdf(&app.ctx, name).await?;
    match out {
        None if pdf.is_stored => {
            Written { path: &pdf.path, bytes: pdf.bytes.len() }.say(output);
            Ok(Exit::Done)
        }
        out => written(out.unwrap_or(&pdf.path), &pdf.bytes, output),
    }
}

/// Its XML for the receiver's system.
pub async fn xml(
    app: &App,
    name: &str,
    format: Format,
    out: Option<&Path>,
    output: &Output,
) -> Result<Exit, Failure> {
    let xml = document::xml(&app.ctx, name, format).await?;
    match out {
        None => {
            output.line(xml.trim_end());
            Ok(Exit::Done)
        }
        Some(place) => written(place, xml.as_bytes(), output),
    }
}

fn written(place: &Path, bytes: &[u8], output: &Output) -> Result<Exit, Failure> {
    out_file::write(place, bytes)?;
    // What went to standard output is the answer.
    if !out_file::is_stdout(place) {
        Written { path: place, bytes: bytes.len() }.say(output);
    }
    Ok(Exit::Done)
}
