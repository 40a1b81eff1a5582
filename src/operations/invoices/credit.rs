//! What a person books outside a run: a draft that waited for review, and credit notes. Each is one transaction with
//! its number and its entry; document and mail follow.
//!
//! Keys that make a repeat quiet: the draft's state; a credit note's id, a function of the invoice and of how many
//! notes it has.

use crate::act::{Act, note};
use crate::context::Context;
use crate::delivery::plan;
use crate::payments::settle::{set_off_of_payers, set_off_pair};
use anyhow::Context as _;
use domain::billing::{self, BilledLine, CreditScope, Standing};
use domain::catalogue::Catalogue;
use domain::ids::{ChargeReference, CustomerId, InvoiceId};
use domain::invoice::{Invoice, LineKey};
use domain::journal::Action;
use domain::payment::AttemptState;
use domain::refusal::{Code, Refusal};
use std::collections::{BTreeMap, BTreeSet};
use store::invoice::{self, Booked, InvoiceFilter, InvoiceState};
use store::{Tx, payer, payment, run};

/// What is credited of an invoice, and what becomes of its periods.
#[derive(Debug, Clone)]
pub struct Credit {
    pub scope: CreditScope,
    /// The periods of the whole invoice are due again (rules I4).
    pub rebill: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Credited {
    /// None if the invoice was wholly credited before and is only billed anew.
    pub note: Option<Booked>,
    /// Billed lines that are due again.
    pub reopened: usize,
}

/// Books a credit note on an invoice and sets it against what is open of it, then against the payer's oldest open
/// invoices (rules I7, I8). What it leaves is owed to the payer: it is refunded, or set against the next invoice.
pub async fn credit(
    ctx: &Context,
    invoice: &Invoice,
    credit: &Credit,
    asked: &Act,
) -> anyhow::Result<Result<Credited, Refusal>> {
    let mut tx = ctx.store.begin().await?;
    lock(&mut tx, std::slice::from_ref(invoice)).await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let credited = credit_within(ctx, &mut tx, invoice, credit, asked, &catalogue).await?;
    if let Ok(credited) = &credited {
        plan::plan_invoices(ctx, &mut tx, &catalogue, credited.note.as_slice(), None).await?;
        tx.commit().await?;
    }
    Ok(credited)
}

/// Locks what crediting these invoices changes: payers before settlements, as booking does. A run that drafts for one of
/// the payers meanwhile sees that something was credited.
pub async fn lock(tx: &mut Tx, invoices: &[Invoice]) -> anyhow::Result<()> {
    let payers: BTreeSet<CustomerId> = invoices.iter().map(|i| i.draft.payer).collect();
    let payers: Vec<CustomerId> = payers.into_iter().collect();
    payer::lock(tx, &payers).await?;
    invoice::lock_open(tx, &payers).await?;
    let ids: Vec<InvoiceId> = invoices.iter().map(|i| i.draft.id).collect();
    invoice::lock_settlements(tx, &ids).await
}

/// As [`credit`], in a transaction that holds the [`lock`].
pub async fn credit_within(
    ctx: &Context,
    tx: &mut Tx,
    invoice: &Invoice,
    credit: &Credit,
    asked: &Act,
    catalogue: &Catalogue,
) -> anyhow::Result<Result<Credited, Refusal>> {
    let reopens = match credit.rebill {
        true => match reopens(tx, invoice, &credit.scope).await? {
            Ok(keys) => keys,
            Err(refusal) => return Ok(Err(refusal)),
        },
        false => Vec::new(),
    };
    let note = match note_within(ctx, tx, invoice.draft.id, &credit.scope, asked, catalogue).await? {
        Ok(note) => Some(note),
        Err(refusal) if refusal.code == Code::NothingLeft && credit.rebill => None,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if credit.rebill {
        store::reopened::reopen(tx, invoice.draft.payer, &reopens, asked.on).await?;
        self::note(ctx, tx, &invoice.number, Action::RebillInvoice, asked).await?;
    }
    Ok(Ok(Credited { note, reopened: reopens.len() }))
}

/// The billed lines of an invoice that a rebill makes due again.
async fn reopens(
    tx: &mut Tx,
    invoice: &Invoice,
    scope: &CreditScope,
) -> anyhow::Result<Result<Vec<LineKey>, Refusal>> {
    if *scope != CreditScope::Whole {
        let message = "a whole invoice is billed anew, not a line of it";
        return Ok(Err(Refusal::new(Code::BadArgument, message).hint("leave out `--line`")));
    }
    let mut billed: BTreeMap<ChargeReference, Vec<BilledLine>> = BTreeMap::new();
    for (_, line, reopened) in store::payer::billed_lines(tx, &[invoice.draft.payer]).await? {
        if reopened.is_none() {
            billed.entry(line.key.charge).or_default().push(line);
        }
    }
    Ok(billing::reopens(invoice, &billed))
}

async fn note_within(
    ctx: &Context,
    tx: &mut Tx,
    id: InvoiceId,
    scope: &CreditScope,
    asked: &Act,
    catalogue: &Catalogue,
) -> anyhow::Result<Result<Booked, Refusal>> {
    let booked = invoice::by_id(tx, id).await?.context("the invoice is gone")?;
    let notes = notes_on(tx, &booked.invoice).await?;
    let credits = store::line_credit::of_payers(tx, &[booked.invoice.draft.payer]).await?;
    let credited = billing::Credited::of(&credits.into_values().flatten().collect::<Vec<_>>());
    let standing = Standing { credited: &credited, notes: notes.len() };
    let ordinal = run::newest_ordinal(tx).await?;
    let draft = match billing::credit_note(&booked.invoice, standing, scope, asked.on, ordinal, catalogue) {
        Ok(draft) => draft,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if draft.gross_minor() > 0 {
        let message = format!("crediting this of {} would raise what is owed", booked.invoice.number);
        return Ok(Err(Refusal::new(Code::Raises, message)));
    }
    let sequence = invoice::take_numbers(tx, &draft.series, 1).await?;
    let note_booked = billing::book(draft, sequence, asked.on, catalogue)?;
    let open_from = store::ledger::open_from(tx).await?;
    let entry = domain::ledger::book_entry(&note_booked, catalogue, open_from)?;
    invoice::save_booked(tx, None, std::slice::from_ref(&note_booked), &[entry]).await?;
    let pending = payment::of_invoices(tx, &[id]).await?.iter().any(|a| a.state == AttemptState::Pending);
    let open = booked.settlement.open_minor(booked.invoice.draft.gross_minor());
    let amount_minor = open.min(-note_booked.draft.gross_minor());
    if amount_minor > 0 && !pending {
        set_off_pair(tx, note_booked.draft.id, id, amount_minor, asked.on).await?;
    }
    // What it leaves is set against the payer's oldest open invoices (rules I8).
    set_off_of_payers(tx, &[booked.invoice.draft.payer], asked.on).await?;
    note(ctx, tx, &note_booked.number, Action::CreditInvoice, asked).await?;
    let credit = invoice::by_id(tx, note_booked.draft.id).await?.context("the note was just booked")?;
    Ok(Ok(credit))
}

/// Credit notes that mirror lines of this invoice, oldest first. Notes that a run has made name it too, but have
/// lines of their own.
pub(crate) async fn notes_on(tx: &mut Tx, invoice: &Invoice) -> anyhow::Result<Vec<Invoice>> {
    let filter = InvoiceFilter {
        payer: Some(invoice.draft.payer),
        state: Some(InvoiceState::CreditNote),
        ..InvoiceFilter::default()
    };
    let ids = invoice::ids(tx, &filter).await?;
    let notes = invoice::by_ids(tx, &ids).await?.into_iter().map(|b| b.invoice);
    Ok(notes.filter(|note| note.draft.credits.contains(&invoice.number) && mirrors(note, invoice)).collect())
}

fn mirrors(note: &Invoice, invoice: &Invoice) -> bool {
    note.draft.lines.iter().all(|line| {
        invoice
            .draft
            .lines
            .iter()
            .any(|own| own.number == line.number && own.key == line.key && own.sku == line.sku)
    })
}
