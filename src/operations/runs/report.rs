//! The reconciliation of a run: what went in, what came out, and whether both ends agree.
//!
//! Key that makes a repeat quiet: it only reads.

use crate::context::Context;
use domain::ids::InvoiceId;
use domain::ledger::EntryKind;
use domain::money::Currency;
use domain::payment::AttemptState;
use domain::run::{RunSummary, Step};
use std::collections::BTreeMap;
use store::delivery::{self, DeliveryState};
use store::run::{self, Run, RunItem};
use store::{document, invoice, ledger, payment, slice};

/// Documents read together.
const PAGE: usize = 500;

/// One currency of a run, in minor units.
#[derive(Debug, Clone, Default)]
pub struct CurrencyReport {
    pub invoices: u64,
    pub credit_notes: u64,
    pub net_minor: i128,
    pub vat_minor: i128,
    pub gross_minor: i128,
    /// Settled so far: payments, set-offs, credit.
    pub open_minor: i128,
    pub charged: u64,
    pub charged_minor: i128,
    pub declined: u64,
    pub debit_minor: i128,
    pub credit_minor: i128,
    /// What booking put on the receivable account.
    pub receivable_minor: i128,
}

/// A sum from one end and from the other.
#[derive(Debug, Clone)]
pub struct Equality {
    pub name: String,
    pub left: i128,
    pub right: i128,
}

impl Equality {
    pub fn ok(&self) -> bool {
        self.left == self.right
    }
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Report {
    pub summary: RunSummary,
    pub steps: Vec<(Step, u64, u64)>,
    pub aside: Vec<RunItem>,
    pub currencies: BTreeMap<Currency, CurrencyReport>,
    pub documents: u64,
    pub document_bytes: u64,
    /// Address and reason of mails that were refused.
    pub refused: Vec<(String, String)>,
    pub entries: u64,
    pub equalities: Vec<Equality>,
}

/// Reads everything that belongs to the run, in one snapshot.
pub async fn report(ctx: &Context, run: &Run) -> anyhow::Result<Report> {
    let mut tx = ctx.store.read().await?;
    let items = run::items(&mut tx, run.id, None).await?;
    let mut report = Report {
        summary: run::summary(&mut tx, run).await?,
        steps: slice::progress(&mut tx, run.id).await?,
        aside: items.into_iter().filter(|i| i.reason.is_some()).collect(),
        currencies: BTreeMap::new(),
        documents: 0,
        document_bytes: 0,
        refused: Vec::new(),
        entries: 0,
        equalities: Vec::new(),
    };
    let ids = invoice::of_run(&mut tx, run.id).await?;
    for page in ids.chunks(PAGE) {
        add_invoices(&mut tx, page, &mut report).await?;
    }
    drop(tx);
    report.equalities = equalities(&report, ids.len());
    Ok(report)
}

async fn add_invoices(tx: &mut store::Tx, page: &[InvoiceId], report: &mut Report) -> anyhow::Result<()> {
    for booked in invoice::by_ids(tx, page).await? {
        let draft = &booked.invoice.draft;
        let part = report.currencies.entry(draft.currency).or_default();
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
            report.entries += 1;
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
        report.documents += 1;
        report.document_bytes += found.bytes;
    }
    for mail in delivery::of_invoices(tx, page).await? {
        if mail.state == DeliveryState::Failed {
            report.refused.push((mail.address, mail.reason.unwrap_or_default()));
        }
    }
    for attempt in payment::of_invoices(tx, page).await? {
        let part = report.currencies.entry(attempt.currency).or_default();
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
fn equalities(report: &Report, invoices: usize) -> Vec<Equality> {
    let equality = |name: String, left: i128, right: i128| Equality { name, left, right };
    let mut all = vec![equality(
        "invoices of the run = invoices counted".to_owned(),
        i128::try_from(invoices).unwrap_or(i128::MAX),
        report.currencies.values().map(|c| i128::from(c.invoices + c.credit_notes)).sum(),
    )];
    for (currency, part) in &report.currencies {
        all.push(equality(
            format!("{currency}: net + VAT = gross"),
            part.net_minor + part.vat_minor,
            part.gross_minor,
        ));
        all.push(equality(format!("{currency}: ledger debit = credit"), part.debit_minor, part.credit_minor));
        all.push(equality(
            format!("{currency}: gross = receivable booked"),
            part.gross_minor,
            part.receivable_minor,
        ));
        let total = report.summary.totals.iter().find(|t| t.currency == *currency);
        let told = total.map_or(0, |t| t.net_minor + t.vat_minor);
        all.push(equality(format!("{currency}: gross = total of the run"), part.gross_minor, told));
    }
    all
}
