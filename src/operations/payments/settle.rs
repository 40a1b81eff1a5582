//! What settles an invoice beside its own life in a run: payments, credits set off, payments by hand, refunds,
//! write-offs. Each is a part of the settlement with its source as key, and its ledger entry in the same transaction.
//!
//! Keys that make a repeat quiet: (invoice, kind, source) of a part; (document, kind, ordinal) of an entry.

use anyhow::{Context as _, ensure};
use chrono::NaiveDate;
use domain::catalogue::Catalogue;
use domain::ids::{CustomerId, InvoiceId, RunId};
use domain::invoice::{Invoice, OpenDocument, Settlement, set_off};
use domain::ledger::{self, Entry, EntryKind, Happening};
use domain::money::Currency;
use domain::payment::Attempt;
use std::collections::{BTreeMap, BTreeSet};
use store::Tx;
use store::invoice::{self, Booked, Part};
use uuid::Uuid;

/// Gateway of what was paid outside.
pub const BY_HAND: &str = "manual";

/// The settlement after a paid attempt, with its payment and fee entries.
pub async fn payment(
    tx: &mut Tx,
    booked: &Booked,
    attempt: &Attempt,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    run: Option<RunId>,
) -> anyhow::Result<Settlement> {
    let invoice = &booked.invoice;
    let settlement = booked.settlement.settled(invoice.draft.gross_minor(), attempt.amount_minor, attempt.on);
    let part = Part {
        invoice: invoice.draft.id,
        kind: "payment",
        source: attempt.id.0,
        document: None,
        amount_minor: attempt.amount_minor,
        on: attempt.on,
    };
    if !invoice::settle(tx, &part, &settlement).await? {
        return Ok(booked.settlement.clone());
    }
    let happening = |amount_minor| Happening { ordinal: attempt.ordinal, on: attempt.on, amount_minor };
    let mut entries =
        vec![ledger::payment_entry(invoice, catalogue, open_from, happening(attempt.amount_minor))?];
    if attempt.fee_minor != 0 {
        entries.push(ledger::fee_entry(invoice, catalogue, open_from, happening(attempt.fee_minor))?);
    }
    store::ledger::save_entries(tx, run, &entries).await?;
    if settlement.open_minor(invoice.draft.gross_minor()) < 0 {
        // What came beyond it is the payer's credit (rules Y5).
        set_off_of_payers(tx, &[invoice.draft.payer], attempt.on).await?;
    }
    Ok(settlement)
}

/// Sets open credits of these invoices' payers against their oldest open invoices of the same currency, in the
/// booking transaction and so before any collection (rules I8). Both stand on the receivable already: the ledger
/// needs no entry.
pub async fn set_off_credit_notes(tx: &mut Tx, invoices: &[Invoice]) -> anyhow::Result<()> {
    let payers: BTreeSet<CustomerId> = invoices.iter().map(|i| i.draft.payer).collect();
    let payers: Vec<CustomerId> = payers.into_iter().collect();
    let on = invoices.iter().map(|i| i.booked_on).max();
    match on {
        Some(on) => set_off_of_payers(tx, &payers, on).await,
        None => Ok(()),
    }
}

/// As [`set_off_credit_notes`], for payers whose credit has just grown.
pub(crate) async fn set_off_of_payers(
    tx: &mut Tx,
    payers: &[CustomerId],
    on: NaiveDate,
) -> anyhow::Result<()> {
    invoice::lock_open(tx, payers).await?;
    let mut groups: BTreeMap<(CustomerId, Currency), Vec<OpenDocument>> = BTreeMap::new();
    for (payer, currency, document) in invoice::open_with_credit(tx, payers).await? {
        groups.entry((payer, currency)).or_default().push(document);
    }
    for documents in groups.into_values() {
        for pair in set_off(&documents) {
            set_off_pair(tx, pair.credit, pair.invoice, pair.amount_minor, on).await?;
        }
    }
    Ok(())
}

/// Settles a credit and an invoice against each other. The key counts how often the two have met: an invoice that was
/// paid too much twice may meet the same open one again.
pub(crate) async fn set_off_pair(
    tx: &mut Tx,
    credit: InvoiceId,
    invoice: InvoiceId,
    amount_minor: i64,
    on: NaiveDate,
) -> anyhow::Result<()> {
    for (id, other, amount_minor) in [(invoice, credit, amount_minor), (credit, invoice, -amount_minor)] {
        let booked = invoice::by_id(tx, id).await?.context("an open document is gone")?;
        let settlement = booked.settlement.settled(booked.invoice.draft.gross_minor(), amount_minor, on);
        let met = invoice::parts(tx, id).await?.iter().filter(|p| p.document == Some(other)).count();
        let source =
            if met == 0 { other.0 } else { Uuid::new_v5(&other.0, format!("again {met}").as_bytes()) };
        let part = Part { invoice: id, kind: "set_off", source, document: Some(other), amount_minor, on };
        ensure!(invoice::settle(tx, &part, &settlement).await?, "{credit} and {invoice} met a moment ago");
    }
    Ok(())
}

/// Something that happens to one document.
pub(crate) struct Happened {
    pub kind: &'static str,
    pub entry: EntryKind,
    /// Of the ledger entry.
    pub amount_minor: i64,
    /// Of the settlement.
    pub part_minor: i64,
}

pub(crate) type EntryOf =
    fn(&Invoice, &Catalogue, Option<NaiveDate>, Happening) -> Result<Entry, ledger::PostingFault>;

/// Writes the part and its entry; false, and nothing written, if this source has happened before.
pub(crate) async fn happen(
    tx: &mut Tx,
    booked: &Booked,
    on: NaiveDate,
    source: Option<Uuid>,
    happened: Happened,
    entry_of: EntryOf,
) -> anyhow::Result<bool> {
    let invoice = &booked.invoice;
    let before = store::ledger::of_document(tx, invoice.draft.id).await?;
    let ordinal =
        before.iter().filter(|e| e.kind == happened.entry).map(|e| e.ordinal).max().unwrap_or(0) + 1;
    let natural = format!("{}\u{1f}{ordinal}", happened.kind);
    let source = source.unwrap_or_else(|| Uuid::new_v5(&invoice.draft.id.0, natural.as_bytes()));
    let settlement = booked.settlement.settled(invoice.draft.gross_minor(), happened.part_minor, on);
    let part = Part {
        invoice: invoice.draft.id,
        kind: happened.kind,
        source,
        document: None,
        amount_minor: happened.part_minor,
        on,
    };
    if !invoice::settle(tx, &part, &settlement).await? {
        return Ok(false);
    }
    let catalogue = store::catalogue::load(tx).await?.context("the book is empty")?;
    let open_from = store::ledger::open_from(tx).await?;
    let happening = Happening { ordinal, on, amount_minor: happened.amount_minor };
    let entry = entry_of(invoice, &catalogue, open_from, happening)?;
    store::ledger::save_entries(tx, None, &[entry]).await?;
    Ok(true)
}
