//! The reconciliation of a run: what went in, what came out, and whether both ends agree.
//!
//! Idempotency key: it only reads.

use crate::context::Context;
use crate::refusal::Stop;
use crate::runs::find::find;
use crate::runs::view::{PayerAside, RunView, StepView};
use crate::usage::missing::MissingUsage;
use domain::ids::InvoiceId;
use domain::ledger::EntryKind;
use domain::money::{Currency, Total};
use domain::payment::AttemptState;
use serde::Serialize;
use std::collections::BTreeMap;
use store::delivery::{self, DeliveryState};
use store::{document, invoice, ledger, payment, run, slice};

/// Documents read together.
const PAGE: usize = 500;

/// The reconciliation.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    #[serde(flatten)]
    pub run: RunView,
    pub scope: String,
    pub steps: Vec<StepView>,
    pub aside: Vec<PayerAside>,
    pub currencies: Vec<CurrencyView>,
    pub documents: DocumentsView,
    #[serde(rename = "refusedmails")]
    pub refused_mails: Vec<RefusedMail>,
    #[serde(rename = "ledgerentries")]
    pub ledger_entries: u64,
    pub checks: Vec<CheckView>,
    pub ok: bool,
    #[serde(flatten)]
    pub missing: MissingUsage,
}

impl RunReport {
    /// Whether something of it, or a file that is missing in it, waits for a person.
    pub fn is_set_aside(&self) -> bool {
        self.run.is_set_aside() || self.missing.is_set_aside()
    }
}

/// One currency of a run.
#[derive(Debug, Clone, Serialize)]
pub struct CurrencyView {
    pub currency: Currency,
    pub invoices: u64,
    #[serde(rename = "creditnotes")]
    pub credit_notes: u64,
    pub net: Total,
    pub vat: Total,
    pub gross: Total,
    pub open: Total,
    pub charges: u64,
    pub charged: Total,
    pub declined: u64,
    pub debit: Total,
    pub credit: Total,
}

/// The run's documents.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct DocumentsView {
    pub count: u64,
    pub bytes: u64,
}

/// A mail that was refused.
#[derive(Debug, Clone, Serialize)]
pub struct RefusedMail {
    pub address: String,
    pub reason: String,
}

/// A sum from one end and from the other. Amounts are in minor units.
#[derive(Debug, Clone, Serialize)]
pub struct CheckView {
    pub name: String,
    pub ok: bool,
    #[serde(serialize_with = "as_text")]
    pub left: i128,
    #[serde(serialize_with = "as_text")]
    pub right: i128,
    /// Of amounts; none of counts.
    #[serde(skip)]
    pub currency: Option<Currency>,
}

impl CheckView {
    fn counts(name: &str, left: i128, right: i128) -> Self {
        Self { name: name.to_owned(), ok: left == right, left, right, currency: None }
    }

    fn amounts(currency: Currency, name: &str, left: i128, right: i128) -> Self {
        let check = Self::counts(&format!("{currency}: {name}"), left, right);
        Self { currency: Some(currency), ..check }
    }
}

/// JSON numbers do not hold sums of this size.
fn as_text<S: serde::Serializer>(number: &i128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// One currency, as it is summed up, in minor units.
#[derive(Debug, Clone, Default)]
struct Sums {
    invoices: u64,
    credit_notes: u64,
    net_minor: i128,
    vat_minor: i128,
    gross_minor: i128,
    /// Settled so far: payments, set-offs, credit.
    open_minor: i128,
    charged: u64,
    charged_minor: i128,
    declined: u64,
    debit_minor: i128,
    credit_minor: i128,
    /// What booking put on the receivable account.
    receivable_minor: i128,
}

/// Everything that is summed up over the run's invoices.
#[derive(Debug, Default)]
struct RunSums {
    currencies: BTreeMap<Currency, Sums>,
    documents: u64,
    document_bytes: u64,
    refused: Vec<RefusedMail>,
    entries: u64,
}

/// Reads everything that belongs to the run, in one snapshot.
pub async fn report(ctx: &Context, name: &str) -> Result<RunReport, Stop> {
    let mut tx = ctx.store.read().await?;
    let found = find(&mut tx, name).await?;
    let items = run::items(&mut tx, found.id, None).await?;
    let run = RunView::from(run::summary(&mut tx, &found).await?);
    let steps = slice::progress(&mut tx, found.id).await?;
    let ids = invoice::of_run(&mut tx, found.id).await?;
    let mut summed = RunSums::default();
    for page in ids.chunks(PAGE) {
        add_invoices(&mut tx, page, &mut summed).await?;
    }
    let checks = checks(&run, &summed, ids.len());
    Ok(RunReport {
        scope: run.scope.clone(),
        steps: steps.into_iter().map(StepView::from).collect(),
        aside: items.into_iter().filter(|i| i.reason.is_some()).map(PayerAside::from).collect(),
        currencies: summed.currencies.iter().map(|(currency, sums)| currency_view(*currency, sums)).collect(),
        documents: DocumentsView { count: summed.documents, bytes: summed.document_bytes },
        refused_mails: summed.refused,
        ledger_entries: summed.entries,
        ok: checks.iter().all(|check| check.ok),
        checks,
        missing: MissingUsage::of(&mut tx, found.ended_at).await?,
        run,
    })
}

/// The report as a page for people.
pub fn page(report: &RunReport) -> anyhow::Result<String> {
    Ok(documents::run_page(report)?)
}

fn currency_view(currency: Currency, sums: &Sums) -> CurrencyView {
    let total = |minor| Total::new(minor, currency);
    CurrencyView {
        currency,
        invoices: sums.invoices,
        credit_notes: sums.credit_notes,
        net: total(sums.net_minor),
        vat: total(sums.vat_minor),
        gross: total(sums.gross_minor),
        open: total(sums.open_minor),
        charges: sums.charged,
        charged: total(sums.charged_minor),
        declined: sums.declined,
        debit: total(sums.debit_minor),
        credit: total(sums.credit_minor),
    }
}

async fn add_invoices(tx: &mut store::Tx, page: &[InvoiceId], summed: &mut RunSums) -> anyhow::Result<()> {
    for booked in invoice::by_ids(tx, page).await? {
        let draft = &booked.invoice.draft;
        let part = summed.currencies.entry(draft.currency).or_default();
        let gross = draft.gross_minor();
        if gross < 0 {
            part.credit_notes += 1;
        } else {
            part.invoices += 1;
        }
        part.net_minor += i128::from(draft.net_minor);
        part.vat_minor += i128::from(draft.vat_minor);
        part.gross_minor += i128::from(gross);
        part.open_minor += i128::from(booked.settlement.open_minor(gross));
        for entry in ledger::of_document(tx, draft.id).await? {
            summed.entries += 1;
            let (debit, credit) = entry.totals();
            part.debit_minor += debit;
            part.credit_minor += credit;
            if matches!(entry.kind, EntryKind::Booking | EntryKind::CreditNote) {
                // VAT names its rate, revenue its line; what is left stands for the receivable.
                let own = entry.postings.iter().filter(|p| p.line.is_none() && p.tax.is_none());
                part.receivable_minor +=
                    own.map(|p| i128::from(p.debit_minor) - i128::from(p.credit_minor)).sum::<i128>();
            }
        }
    }
    for found in document::of_invoices(tx, page).await? {
        summed.documents += 1;
        summed.document_bytes += found.bytes;
    }
    for mail in delivery::of_invoices(tx, page).await? {
        if mail.state == DeliveryState::Failed {
            let reason = mail.reason.unwrap_or_default();
            summed.refused.push(RefusedMail { address: mail.address, reason });
        }
    }
    for attempt in payment::of_invoices(tx, page).await? {
        let part = summed.currencies.entry(attempt.currency).or_default();
        match attempt.state {
            AttemptState::Paid => {
                part.charged += 1;
                part.charged_minor += i128::from(attempt.amount_minor);
            }
            AttemptState::Pending => {}
            _ => part.declined += 1,
        }
    }
    Ok(())
}

/// What must agree. Amounts are in minor units.
fn checks(run: &RunView, summed: &RunSums, invoices: usize) -> Vec<CheckView> {
    let counted = summed.currencies.values().map(|c| i128::from(c.invoices + c.credit_notes)).sum();
    let invoices = i128::try_from(invoices).unwrap_or(i128::MAX);
    let mut all = vec![CheckView::counts("invoices of the run = invoices counted", invoices, counted)];
    for (currency, part) in &summed.currencies {
        let total = run.totals.iter().find(|t| t.currency == *currency);
        let told = total.map_or(0, |t| t.gross.minor);
        all.extend(
            [
                ("net + VAT = gross", part.net_minor + part.vat_minor, part.gross_minor),
                ("ledger debit = credit", part.debit_minor, part.credit_minor),
                ("gross = receivable booked", part.gross_minor, part.receivable_minor),
                ("gross = total of the run", part.gross_minor, told),
            ]
            .map(|(name, left, right)| CheckView::amounts(*currency, name, left, right)),
        );
    }
    all
}
