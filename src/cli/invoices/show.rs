//! `invoices show` and `invoices pdf`.

use super::list::state_of;
use super::{Found, find};
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::out_file;
use crate::output::{Column, Output, amount};
use documents::InvoiceDocument;
use domain::NaiveDate;
use domain::ids::InvoiceId;
use domain::invoice::{Draft, InvoiceWire, TransactionWire};
use domain::money::{Currency, Money};
use domain::payment::{Attempt, AttemptState};
use operations::delivery::render;
use std::path::Path;
use store::delivery::{self, Delivery};
use store::document::{self, Document};
use store::invoice::{self, Booked};
use store::{Tx, payment};

/// Everything about one invoice.
pub async fn show(app: &App, name: &str, output: &Output) -> Result<Exit, Failure> {
    match find(app, name).await? {
        Found::Draft(draft, key) => {
            if output.is_json() {
                output.document(&InvoiceWire::draft(&draft));
                return Ok(Exit::Done);
            }
            output.line(&format!("draft {} for {}", draft.id, draft.account_number));
            if let Some(reason) = &key.reason {
                output.line(&format!("set aside: {reason}"));
            }
            body(&draft, output);
        }
        Found::Booked(booked) => {
            let about = About::load(app, &booked).await?;
            if output.is_json() {
                output.document(&about.json(&booked)?);
                return Ok(Exit::Done);
            }
            head(app, &booked, output).await?;
            body(&booked.invoice.draft, output);
            about.people(booked.invoice.draft.currency, output);
        }
    }
    Ok(Exit::Done)
}

async fn head(app: &App, booked: &Booked, output: &Output) -> Result<(), Failure> {
    let (invoice, draft) = (&booked.invoice, &booked.invoice.draft);
    let kind = if draft.is_credit_note { "credit note" } else { "invoice" };
    output.line(&format!("{kind} {} to {} {}", invoice.number, draft.account_number, draft.buyer.name));
    output.line(&format!(
        "dated {}, booked {}, to be paid by {}: {}",
        draft.invoice_date,
        invoice.booked_on,
        invoice.payable_by,
        state_of(booked, app.today().await?)
    ));
    if !draft.credits.is_empty() {
        output.line(&format!("credits {}", draft.credits.join(", ")));
    }
    let open = booked.settlement.open_minor(draft.gross_minor());
    if open != 0 {
        output.line(&format!("open: {} {}", amount(i128::from(open), draft.currency), draft.currency));
    }
    if let Some(day) = booked.settlement.next_retry {
        output
            .line(&format!("next retry: {day}, after {} step(s) of dunning", booked.settlement.dunning_step));
    }
    Ok(())
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

/// A part of the settlement.
struct Part {
    /// `payment`, `set_off`, `refund` or `write_off`.
    kind: String,
    /// The document it was set off against.
    against: Option<String>,
    amount_minor: i64,
    on: NaiveDate,
}

impl Part {
    async fn all(tx: &mut Tx, id: InvoiceId) -> Result<Vec<Self>, Failure> {
        let mut parts = Vec::new();
        for part in invoice::parts(tx, id).await? {
            let against = match part.document {
                Some(other) => invoice::by_id(tx, other).await?.map(|b| b.invoice.number),
                None => None,
            };
            parts.push(Self { kind: part.kind, against, amount_minor: part.amount_minor, on: part.on });
        }
        Ok(parts)
    }
}

/// What happened to an invoice since it was booked.
struct About {
    parts: Vec<Part>,
    attempts: Vec<Attempt>,
    deliveries: Vec<Delivery>,
    documents: Vec<Document>,
}

impl About {
    async fn load(app: &App, booked: &Booked) -> Result<Self, Failure> {
        let ids = [booked.invoice.draft.id];
        let mut tx = app.store.read().await?;
        Ok(Self {
            parts: Part::all(&mut tx, booked.invoice.draft.id).await?,
            attempts: payment::of_invoices(&mut tx, &ids).await?,
            deliveries: delivery::of_invoices(&mut tx, &ids).await?,
            documents: document::of_invoices(&mut tx, &ids).await?,
        })
    }

    /// The wire form, and beside it what it does not have.
    fn json(&self, booked: &Booked) -> Result<serde_json::Value, Failure> {
        let wire = InvoiceWire::booked(&booked.invoice, &booked.settlement);
        let mut document = serde_json::to_value(&wire).map_err(anyhow::Error::from)?;
        document["Transactions"] =
            self.attempts.iter().map(|a| serde_json::json!(transaction(booked, a))).collect();
        let money = |minor| Money::new(minor, booked.invoice.draft.currency).decimal().to_string();
        document["Settlements"] = self
            .parts
            .iter()
            .map(|p| serde_json::json!({"Kind": p.kind, "Against": p.against, "Amount": money(p.amount_minor), "Date": p.on}))
            .collect();
        document["Deliveries"] = self
            .deliveries
            .iter()
            .map(|d| {
                serde_json::json!({"Channel": d.channel, "Address": d.address, "MessageID": d.message_id, "State": d.state,
                                   "Reason": d.reason, "Attempts": d.attempts, "DueAt": d.due_at,
                                   "ClosedOn": d.closed.as_ref().map(|c| c.on), "ClosedBy": d.closed.as_ref().map(|c| &c.why)})
            })
            .collect();
        document["Documents"] = self
            .documents
            .iter()
            .map(|d| serde_json::json!({"Template": d.template, "Path": d.path, "Sha256": d.sha256, "Bytes": d.bytes}))
            .collect();
        document["DunningStep"] = booked.settlement.dunning_step.into();
        document["NextRetry"] = serde_json::json!(booked.settlement.next_retry);
        let draft = &booked.invoice.draft;
        let open = booked.settlement.open_minor(draft.gross_minor());
        document["OpenAmount"] = Money::new(open, draft.currency).decimal().to_string().into();
        Ok(document)
    }

    fn people(&self, currency: Currency, output: &Output) {
        let rows = self
            .parts
            .iter()
            .map(|p| {
                let kind = p.kind.replace('_', " ");
                let against = p.against.clone().unwrap_or_default();
                vec![p.on.to_string(), kind, against, amount(i128::from(p.amount_minor), currency)]
            })
            .collect();
        let columns =
            [Column::Left("settled"), Column::Left("by"), Column::Left("against"), Column::Right("amount")];
        output.table(&columns, rows);
        let rows = self
            .attempts
            .iter()
            .map(|a| {
                vec![
                    a.on.to_string(),
                    a.method.clone(),
                    amount(i128::from(a.amount_minor), a.currency),
                    a.state.name().replace('_', " "),
                    a.decline_code.clone().unwrap_or_default(),
                ]
            })
            .collect();
        let columns = [
            Column::Left("payment"),
            Column::Left("method"),
            Column::Right("amount"),
            Column::Left("state"),
            Column::Left("code"),
        ];
        output.table(&columns, rows);
        let rows = self
            .deliveries
            .iter()
            .map(|d| {
                let due =
                    d.due_at.map(|at| format!("again {}", at.format("%Y-%m-%d %H:%M"))).unwrap_or_default();
                let state = match d.state {
                    delivery::DeliveryState::Sent if d.channel == delivery::BY_HAND => "handed over",
                    delivery::DeliveryState::Sent => "sent",
                    _ if d.closed.is_some() => "closed",
                    delivery::DeliveryState::Pending => "waits",
                    delivery::DeliveryState::Failed => "failed",
                };
                let closed = d.closed.as_ref().map(|c| format!("{} ({})", c.why, c.on));
                vec![d.address.clone(), state.to_owned(), closed.or_else(|| d.reason.clone()).unwrap_or(due)]
            })
            .collect();
        output.table(&[Column::Left("mail to"), Column::Left("state"), Column::Left("reason")], rows);
        for document in &self.documents {
            output.line(&format!("{}: documents/{}", document.template, document.path));
        }
    }
}

fn transaction(booked: &Booked, attempt: &Attempt) -> TransactionWire {
    let by_hand = attempt.gateway == operations::payments::settle::BY_HAND;
    let (state_code, kind) = match attempt.state {
        AttemptState::Paid if by_hand => (32, 8),
        AttemptState::Paid => (1, 8),
        AttemptState::SoftDecline | AttemptState::HardDecline => (8, 32),
        AttemptState::Technical => (16, 8),
        AttemptState::Pending => (64, 8),
    };
    TransactionWire {
        id: attempt.id.0,
        customer_id: attempt.customer.0,
        invoice_id: attempt.invoice.0,
        invoice_number: booked.invoice.number.clone(),
        state_code,
        kind,
        total_amount: Money::new(attempt.amount_minor, attempt.currency).decimal().to_string(),
        currency_code: attempt.currency.to_string(),
        date: attempt.on,
        error_code: attempt.decline_code.clone(),
    }
}

/// Writes or names the PDF. A booked invoice's is the stored one, rendered if it is missing.
pub async fn pdf(app: &App, name: &str, out: Option<&Path>, output: &Output) -> Result<Exit, Failure> {
    let (bytes, path) = match find(app, name).await? {
        Found::Draft(draft, _) => {
            let catalogue = app.catalogue().await?;
            let document = InvoiceDocument::draft(&draft, &catalogue.tenant);
            let renderer = app.ctx.renderer().map_err(template)?;
            let bytes = renderer.render_invoice(&document).map_err(|e| unmade_document(&e.to_string()))?;
            (bytes, Path::new(&document.file_name()).to_owned())
        }
        Found::Booked(booked) => {
            let stored = stored(app, &booked).await?;
            let bytes = render::stored_pdf(&app.ctx, &stored).await?;
            let path = app.ctx.folders.documents.join(&stored.path);
            if out.is_none() {
                return named(&path, bytes.len(), output);
            }
            (bytes, path)
        }
    };
    let place = out.unwrap_or(&path);
    out_file::write(place, &bytes)?;
    if out_file::is_stdout(place) { Ok(Exit::Done) } else { named(place, bytes.len(), output) }
}

/// Its XML for the receiver's system.
pub async fn xml(app: &App, name: &str, out: Option<&Path>, output: &Output) -> Result<Exit, Failure> {
    let booked = super::find_booked(app, name, "sent as XML").await?;
    let catalogue = app.catalogue().await?;
    let xml = documents::ubl(&booked.invoice, &catalogue.tenant);
    match out {
        None => {
            output.line(xml.trim_end());
            Ok(Exit::Done)
        }
        Some(place) => {
            out_file::write(place, xml.as_bytes())?;
            if out_file::is_stdout(place) { Ok(Exit::Done) } else { named(place, xml.len(), output) }
        }
    }
}

fn named(path: &Path, bytes: usize, output: &Output) -> Result<Exit, Failure> {
    if output.is_json() {
        output.document(&serde_json::json!({"path": path, "bytes": bytes}));
    } else {
        output.line(&path.display().to_string());
    }
    Ok(Exit::Done)
}

/// The recorded document; rendered now if there is none yet.
async fn stored(app: &App, booked: &Booked) -> Result<Document, Failure> {
    let ids = [booked.invoice.draft.id];
    app.ctx.renderer().map_err(template)?;
    let unmade = render::render(&app.ctx, &ids).await?;
    if let Some((_, reason)) = unmade.into_values().next() {
        return Err(unmade_document(&reason));
    }
    let mut tx = app.store.read().await?;
    let documents = document::of_invoices(&mut tx, &ids).await?;
    let missing = || Failure::fault("document", format!("{} has no document", booked.invoice.number));
    documents.into_iter().find(|d| d.template == render::PDF).ok_or_else(missing)
}

fn unmade_document(reason: &str) -> Failure {
    Failure::input("document", reason)
        .hint("put fonts and templates that can into the home's templates/ folder (docs/operating.md)")
}

fn template(error: documents::TemplateError) -> Failure {
    Failure::input("template", error.to_string())
        .hint("mend the file in the home's templates/ folder, or remove it to use the built-in one")
}
