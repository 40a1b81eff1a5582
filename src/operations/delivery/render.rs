//! Making the PDFs of booked invoices, on all threads; the files are made durable together, and then their hashes are
//! recorded.

use crate::context::Context;
use crate::files::file_store::Named;
use crate::files::{hash, put};
use anyhow::{Context as _, ensure};
use chrono::Datelike;
use documents::{Collection, DebitNotice, EInvoice, InvoiceDocument, Renderer};
use domain::catalogue::Catalogue;
use domain::customer::{Customer, PaymentMethod};
use domain::direct_debit::Mandate;
use domain::einvoice::{Format, InvoiceForm};
use domain::ids::{CustomerId, InvoiceId};
use domain::invoice::Invoice;
use domain::invoice::verbs::collected_by;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use store::document::{self, Document};
use store::invoice::{self, Booked};
use store::payment;

/// Name of the one template there is.
pub const PDF: &str = "pdf";

/// Documents that cannot be made as things are, with their payer and the reason.
pub type Unmade = BTreeMap<InvoiceId, (CustomerId, Hindrance)>;

/// Why a document cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Hindrance {
    /// Its page: a text that no font can write.
    #[error("{0}")]
    Page(String),
    /// The data that it was to carry inside would not be valid.
    #[error("{0}")]
    Data(String),
}

/// Renders those of these invoices that have no document yet, and says which cannot be rendered.
pub async fn render(ctx: &Context, invoices: &[InvoiceId]) -> anyhow::Result<Unmade> {
    let work = load(ctx, invoices).await?;
    if work.invoices.is_empty() {
        return Ok(Unmade::new());
    }
    let renderer = ctx.renderer()?;
    let (pages, ctx_of_threads) = (Arc::new(work), ctx.clone());
    let rendered =
        tokio::task::spawn_blocking(move || render_all(&ctx_of_threads, &renderer, &pages)).await??;
    let mut unmade = Unmade::new();
    let (mut puts, mut rows) = (Vec::new(), Vec::new());
    for outcome in rendered {
        match outcome {
            Err((invoice, payer, reason)) => {
                unmade.insert(invoice, (payer, reason));
            }
            Ok(page) => {
                rows.push(Document {
                    invoice: page.invoice,
                    template: PDF.to_owned(),
                    path: page.path.clone(),
                    sha256: hash::sha256_hex(&page.bytes),
                    bytes: u64::try_from(page.bytes.len())?,
                });
                puts.push((page.path, page.bytes));
            }
        }
    }
    put::put_all(&ctx.doors, &ctx.folders.documents, puts).await?;
    ctx.files.publish(ctx.doors, rows.iter().map(|row| Named::from(row).path)).await?;
    let mut tx = ctx.store.begin().await?;
    document::save(&mut tx, &rows).await?;
    tx.commit().await?;
    Ok(unmade)
}

/// What has to be rendered.
struct Work {
    catalogue: Arc<Catalogue>,
    invoices: Vec<Booked>,
    payers: BTreeMap<CustomerId, Customer>,
    /// Methods that were declined for good.
    unhealthy: BTreeSet<(CustomerId, String)>,
}

async fn load(ctx: &Context, invoices: &[InvoiceId]) -> anyhow::Result<Work> {
    let mut tx = ctx.store.read().await?;
    let catalogue = Arc::new(store::catalogue::load(&mut tx).await?.context("the book is empty")?);
    let there: BTreeSet<InvoiceId> = document::of_invoices(&mut tx, invoices)
        .await?
        .into_iter()
        .filter(|d| d.template == PDF)
        .map(|d| d.invoice)
        .collect();
    let missing: Vec<InvoiceId> = invoices.iter().copied().filter(|id| !there.contains(id)).collect();
    let mut invoices = invoice::by_ids(&mut tx, &missing).await?;
    invoices.retain(|booked| !booked.invoice.is_taken_over()); // its paper is another system's (rules S7)
    let payers: Vec<CustomerId> = invoices.iter().map(|b| b.invoice.draft.payer).collect();
    let unhealthy = payment::unhealthy(&mut tx, &payers).await?.into_iter().collect();
    let payers = store::book::customers(&mut tx, &payers).await?;
    Ok(Work { catalogue, invoices, payers, unhealthy })
}

/// A rendered document.
struct RenderedDocument {
    invoice: InvoiceId,
    path: String,
    bytes: Vec<u8>,
}

/// A page, or what has none, whose it is, and why.
type Outcome = Result<RenderedDocument, (InvoiceId, CustomerId, Hindrance)>;

/// Renders on all threads. Stops between two documents when asked to; nothing has been written by then.
fn render_all(ctx: &Context, renderer: &Renderer, work: &Work) -> anyhow::Result<Vec<Outcome>> {
    let per_thread = work.invoices.len().div_ceil(ctx.settings.threads.max(1)).max(1);
    let parts: Vec<anyhow::Result<Vec<Outcome>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = work
            .invoices
            .chunks(per_thread)
            .map(|part| {
                scope.spawn(move || {
                    let mut pages = Vec::with_capacity(part.len());
                    for booked in part {
                        ensure!(!ctx.is_stopping(), "stopped between two documents; the next worker goes on");
                        pages.push(render_one(renderer, work, booked));
                    }
                    Ok(pages)
                })
            })
            .collect();
        let died = |_| Err(anyhow::anyhow!("a rendering thread died"));
        threads.into_iter().map(|t| t.join().unwrap_or_else(died)).collect()
    });
    let mut pages = Vec::with_capacity(work.invoices.len());
    for part in parts {
        pages.extend(part?);
    }
    Ok(pages)
}

/// Renders one document; whatever goes wrong concerns this payer and nobody else.
fn render_one(renderer: &Renderer, work: &Work, booked: &Booked) -> Outcome {
    let invoice = &booked.invoice;
    let (id, payer) = (invoice.draft.id, invoice.draft.payer);
    let by = CollectedBy::of(invoice, work.payers.get(&payer), &work.unhealthy);
    let document = document_of(booked, &work.catalogue, &by);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let xml = data_of(booked, work)?;
        let document = xml.as_ref().map_or(document, |xml| document.with_data(xml));
        renderer.render_invoice(&document).map_err(|fault| Hindrance::Page(fault.to_string()))
    }));
    let reason = match outcome {
        Ok(Ok(bytes)) => {
            return Ok(RenderedDocument { invoice: id, path: path_of(booked, &document), bytes });
        }
        Ok(Err(reason)) => reason,
        Err(_) => Hindrance::Page(format!("rendering {} broke an invariant", invoice.number)),
    };
    tracing::warn!(invoice = invoice.number, "document not rendered");
    Err((id, payer, reason))
}

/// The invoice as data, for a payer who wants it inside the PDF; or all that is missing for it to be valid.
fn data_of(booked: &Booked, work: &Work) -> Result<Option<String>, Hindrance> {
    let (invoice, tenant) = (&booked.invoice, &work.catalogue.tenant);
    let Some(payer) = work.payers.get(&invoice.draft.payer) else { return Ok(None) };
    if payer.invoice_form.unwrap_or(tenant.paper.form) == InvoiceForm::Pdf {
        return Ok(None);
    }
    let document = EInvoice { invoice, settlement: &booked.settlement, tenant, payer };
    document.xml(Format::FacturX).map(Some).map_err(|gaps| {
        let gaps: Vec<String> = gaps.iter().map(|gap| format!("{} {}", gap.place, gap.message)).collect();
        let form = Format::FacturX.title();
        Hindrance::Data(format!("{} would not be valid as {form}: {}", invoice.number, gaps.join("; ")))
    })
}

/// How what is open of an invoice comes, as of its booking.
pub struct CollectedBy {
    method: Option<PaymentMethod>,
    account: String,
}

impl CollectedBy {
    /// Of a payer, whose methods may have been declined for good.
    pub fn of(
        invoice: &Invoice,
        payer: Option<&Customer>,
        unhealthy: &BTreeSet<(CustomerId, String)>,
    ) -> Self {
        let owed = payer.filter(|_| invoice.draft.gross_minor() > 0);
        let method = owed.and_then(|payer| collected_by(invoice, payer, unhealthy, invoice.booked_on));
        let mandate = method.as_ref().and_then(|method| method.mandate.as_ref());
        Self { account: mandate.map(Mandate::short_account).unwrap_or_default(), method }
    }
}

/// The document as it is sent and hashed: as booked, less what was set off by then, with the words for how the rest will be
/// paid (rules Y3).
pub fn document_of<'a>(
    booked: &'a Booked,
    catalogue: &'a Catalogue,
    by: &'a CollectedBy,
) -> InvoiceDocument<'a> {
    let (invoice, tenant) = (&booked.invoice, &catalogue.tenant);
    let mandate = by.method.as_ref().and_then(|method| method.mandate.as_ref());
    let collection = match (&by.method, mandate, tenant.creditor_id.as_deref()) {
        (Some(_), Some(mandate), Some(creditor)) => Collection::Debit(DebitNotice {
            on: tenant.debited_on(invoice.payable_by, invoice.booked_on),
            mandate: &mandate.id,
            account: &by.account,
            creditor,
        }),
        (Some(_), None, _) => Collection::Automatic,
        _ => Collection::Transfer,
    };
    let document = InvoiceDocument::booked(invoice, tenant).with_collection(collection);
    if invoice.draft.is_credit_note { document } else { document.with_settlement(&booked.settlement) }
}

/// `2026/INV-0000001.pdf`. A number that cannot be a file name keeps its place by its id.
fn path_of(booked: &Booked, document: &InvoiceDocument) -> String {
    let invoice = &booked.invoice;
    let (year, name) = (invoice.draft.invoice_date.year(), document.file_name());
    if name == format!("{}.pdf", invoice.number) {
        return format!("{year}/{name}");
    }
    format!("{year}/{}-{}", invoice.draft.id, name)
}

/// A stored document is not what was recorded: trying again does not help.
#[derive(Debug, thiserror::Error)]
#[error("{path} was changed: its hash is {found}, not {recorded}")]
pub struct Changed {
    path: String,
    found: String,
    recorded: String,
}

/// The stored PDF of an invoice, checked against its recorded hash ([`Changed`]).
pub async fn stored_pdf(ctx: &Context, document: &Document) -> anyhow::Result<Vec<u8>> {
    ctx.files.need([Named::from(document)]).await?;
    let path = ctx.folders.documents.join(&document.path);
    let bytes = tokio::fs::read(&path).await.with_context(|| format!("reading {}", path.display()))?;
    let found = hash::sha256_hex(&bytes);
    if found != document.sha256 {
        let recorded = document.sha256.clone();
        return Err(Changed { path: path.display().to_string(), found, recorded }.into());
    }
    Ok(bytes)
}
