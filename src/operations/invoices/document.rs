//! An invoice as a file: its PDF, its XML.

use crate::context::{Context, catalogue};
use crate::delivery::render::{self, Hindrance};
use crate::invoices::find::{self, DraftOrInvoice};
use crate::refusal::Stop;
use anyhow::Context as _;
use documents::{EInvoice, Gap, InvoiceDocument, TemplateError};
use domain::einvoice::Format;
use domain::refusal::{Code, Fault, Refusal, Verb};
use std::path::PathBuf;
use store::book;
use store::document;
use store::draft;
use store::invoice::Booked;

/// A PDF.
#[derive(Debug)]
pub struct Pdf {
    pub bytes: Vec<u8>,
    /// Where it is stored; a draft's is not, and has only a name.
    pub path: PathBuf,
    pub is_stored: bool,
}

/// The PDF of the invoice or draft of this name. A booked invoice's is the stored one, rendered if it is missing; a
/// draft's is marked as such.
pub async fn pdf(ctx: &Context, name: &str) -> Result<Pdf, Stop> {
    let mut tx = ctx.store.read().await?;
    match find::find(&mut tx, name).await? {
        DraftOrInvoice::Draft(key) => {
            let draft = draft::by_ids(&mut tx, &[key.id]).await?.pop().context("the draft has a body")?;
            let catalogue = catalogue(&mut tx).await?;
            let document = InvoiceDocument::draft(&draft, &catalogue.tenant);
            let renderer = ctx.renderer().map_err(faulty_template)?;
            let bytes = renderer.render_invoice(&document).map_err(|e| not_made(e.to_string()))?;
            Ok(Pdf { bytes, path: document.file_name().into(), is_stored: false })
        }
        DraftOrInvoice::Booked(booked) => {
            drop(tx);
            find::refuse_taken_over(&booked, "rendered")?;
            stored(ctx, &booked).await
        }
    }
}

async fn stored(ctx: &Context, booked: &Booked) -> Result<Pdf, Stop> {
    let ids = [booked.invoice.draft.id];
    ctx.renderer().map_err(faulty_template)?;
    let unmade = render::render(ctx, &ids).await?;
    match unmade.into_values().next() {
        Some((_, Hindrance::Page(reason))) => return Err(not_made(reason).into()),
        Some((_, Hindrance::Data(reason))) => return Err(without_data(reason).into()),
        None => {}
    }
    let mut tx = ctx.store.read().await?;
    let documents = document::of_invoices(&mut tx, &ids).await?;
    let stored = documents.into_iter().find(|d| d.template == render::PDF);
    let stored = stored.with_context(|| format!("{} has no document", booked.invoice.number))?;
    drop(tx);
    let bytes = render::stored_pdf(ctx, &stored).await?;
    Ok(Pdf { bytes, path: ctx.folders.documents.join(&stored.path), is_stored: true })
}

/// The booked invoice of this number as XML for the receiver's system (rules E1 to E3).
pub async fn xml(ctx: &Context, number: &str, format: Format) -> Result<String, Stop> {
    let mut tx = ctx.store.read().await?;
    let booked = find::ours(&mut tx, number, "sent as XML").await?;
    let catalogue = catalogue(&mut tx).await?;
    let payer = booked.invoice.draft.payer;
    let payer =
        book::customers(&mut tx, &[payer]).await?.remove(&payer).context("the payer is in the book")?;
    let (invoice, settlement) = (&booked.invoice, &booked.settlement);
    let document = EInvoice { invoice, settlement, tenant: &catalogue.tenant, payer: &payer };
    document.xml(format).map_err(|gaps| not_valid(&invoice.number, format, gaps).into())
}

fn not_valid(number: &str, format: Format, gaps: Vec<Gap>) -> Refusal {
    let faults = gaps.into_iter().map(|gap| Fault {
        pointer: gap.place,
        message: gap.message,
        way_out: gap.hint.map(Into::into),
    });
    let message = format!("{number} would not be valid as {}: receivers would turn it away", format.title());
    Refusal::new(Code::NotValid, message)
        .hint("add what is missing to a book file, load it, and ask again: ")
        .ask(Verb::LoadBook.on("book.json"))
        .with(faults.collect())
}

fn without_data(reason: String) -> Refusal {
    Refusal::new(Code::NotValid, reason)
        .hint("add what is missing to the book, or let this customer have \"invoiceform\": \"pdf\", then ")
        .ask(Verb::LoadBook.on("book.json"))
}

fn not_made(reason: String) -> Refusal {
    Refusal::new(Code::Document, reason)
        .hint("put fonts and templates that can into the home's templates/ folder (docs/operating.md)")
}

fn faulty_template(error: TemplateError) -> Refusal {
    Refusal::new(Code::Template, error.to_string())
        .hint("fix the file in the home's templates/ folder, or remove it to use the built-in one")
}
