//! What settles an invoice beside its own life in a run: payments, credits set off, payments that a person noted, refunds,
//! write-offs. Each is a part of the settlement with its source as key, and its ledger entry in the same transaction.
//!
//! Idempotency keys: (invoice, kind, source) of a part; (document, kind, ordinal) of an entry.

use crate::payments::account::{account, policy_of};
use anyhow::{Context as _, ensure};
use chrono::NaiveDate;
use domain::ids::{CustomerId, InvoiceId, RunId};
use domain::invoice::verbs::{self, Books, Effects};
use domain::invoice::{Invoice, OpenDocument, SetOff, Settlement, set_off};
use domain::ledger::EntryKind;
use domain::money::Currency;
use domain::payment::{Attempt, AttemptState};
use std::collections::{BTreeMap, BTreeSet};
use store::Tx;
use store::invoice::{self, Booked};

/// The settlement after a paid attempt, with its payment and fee entries.
pub async fn payment(
    tx: &mut Tx,
    booked: &Booked,
    attempt: &Attempt,
    books: Books<'_>,
    run: Option<RunId>,
) -> anyhow::Result<Settlement> {
    let policy = policy_of(books.catalogue, booked);
    let effects = verbs::paid_online(&account(booked, &[], None, &policy), attempt.clone(), books)?;
    keep_money(tx, booked, effects, run).await
}

/// The settlement after a direct debit that waited and has its money, by an entry of the bank.
pub(crate) async fn debit(
    tx: &mut Tx,
    booked: &Booked,
    pending: Attempt,
    (reference, on): (String, NaiveDate),
    books: Books<'_>,
) -> anyhow::Result<Settlement> {
    let paid = Attempt { state: AttemptState::Paid, provider_reference: Some(reference), on, ..pending };
    ensure!(store::payment::answer(tx, &paid).await?, "debit {} was answered a moment ago", paid.id);
    payment(tx, booked, &paid, books, None).await
}

/// Keeps what came of money that moved: parts, marks and ledger entries; what came beyond what is open is the payer's credit
/// (rules Y5). Gives the marks; they are those of before if the same source has settled the invoice already.
pub(crate) async fn keep_money(
    tx: &mut Tx,
    booked: &Booked,
    effects: Effects,
    run: Option<RunId>,
) -> anyhow::Result<Settlement> {
    let draft = &booked.invoice.draft;
    let on = effects.parts.first().map(|part| part.on);
    let settlement = effects.settlement.clone();
    match (keep(tx, &effects, run).await?, settlement, on) {
        (true, Some(settlement), Some(on)) => {
            let settlement = match settlement.written_off_minor {
                0 => settlement,
                _ => take_back(tx, draft.id, on).await?.unwrap_or(settlement),
            };
            if settlement.open_minor(draft.gross_minor()) < 0 && draft.gross_minor() > 0 {
                set_off_of_payers(tx, &[draft.payer], on).await?;
            }
            Ok(settlement)
        }
        _ => Ok(booked.settlement.clone()),
    }
}

/// Keeps parts, marks and ledger entries; false, and nothing kept, if this source has settled the invoice before.
pub(crate) async fn keep(tx: &mut Tx, effects: &Effects, run: Option<RunId>) -> anyhow::Result<bool> {
    for part in &effects.parts {
        let after = effects.settlement.as_ref().context("a part without the marks after it")?;
        if !invoice::settle(tx, part, after).await? {
            return Ok(false);
        }
    }
    store::ledger::save_entries(tx, run, &effects.entries).await?;
    Ok(true)
}

/// What was given up and came after all is no bad debt any more (rules Y5): the marks, if there was such a part.
async fn take_back(tx: &mut Tx, id: InvoiceId, on: NaiveDate) -> anyhow::Result<Option<Settlement>> {
    let booked = invoice::by_id(tx, id).await?.context("a settled document is gone")?;
    let catalogue = store::catalogue::load(tx).await?.context("the book is empty")?;
    let books = Books { catalogue: &catalogue, calendar: store::ledger::calendar(tx).await? };
    let ordinal = next_entry(tx, id, EntryKind::WriteOff).await?;
    let policy = policy_of(&catalogue, &booked);
    let Some(effects) = verbs::taken_back(&account(&booked, &[], None, &policy), ordinal, on, books)? else {
        return Ok(None);
    };
    ensure!(keep(tx, &effects, None).await?, "write-off {ordinal} of {} is taken", booked.invoice.number);
    Ok(effects.settlement)
}

/// Credit notes meet what was given up of the invoices that they credit, before they go to others (rules Y5).
pub(crate) async fn meet_write_offs(tx: &mut Tx, notes: &[Invoice], on: NaiveDate) -> anyhow::Result<()> {
    for note in notes.iter().filter(|note| note.draft.is_credit_note) {
        for id in invoice::written_off(tx, &note.draft.credits).await? {
            invoice::lock_settlements(tx, &[id, note.draft.id]).await?;
            let of_invoice = invoice::by_id(tx, id).await?.context("a credited invoice is gone")?;
            let of_note = invoice::by_id(tx, note.draft.id).await?.context("a credit note is gone")?;
            let amount_minor = verbs::meets_write_off(
                (&of_note.invoice, &of_note.settlement),
                (&of_invoice.invoice, &of_invoice.settlement),
            );
            if amount_minor > 0 {
                set_off_pair(tx, note.draft.id, id, amount_minor, on).await?;
                take_back(tx, id, on).await?;
            }
        }
    }
    Ok(())
}

/// The next ordinal of a document's entries of a kind.
pub(crate) async fn next_entry(tx: &mut Tx, id: InvoiceId, kind: EntryKind) -> anyhow::Result<u32> {
    let before = store::ledger::of_document(tx, id).await?;
    Ok(before.iter().filter(|e| e.kind == kind).map(|e| e.ordinal).max().unwrap_or(0) + 1)
}

/// Sets open credits of these invoices' payers against their oldest open invoices of the same currency, in the
/// booking transaction and so before any collection (rules I8). Both stand on the receivable already: the ledger
/// needs no entry.
pub async fn set_off_credit_notes(tx: &mut Tx, invoices: &[Invoice]) -> anyhow::Result<()> {
    let payers: BTreeSet<CustomerId> = invoices.iter().map(|i| i.draft.payer).collect();
    let payers: Vec<CustomerId> = payers.into_iter().collect();
    let on = invoices.iter().map(|i| i.booked_on).max();
    match on {
        Some(on) => {
            meet_write_offs(tx, invoices, on).await?;
            set_off_of_payers(tx, &payers, on).await.map(drop)
        }
        None => Ok(()),
    }
}

/// As [`set_off_credit_notes`], for payers whose credit has just grown; gives what has met.
pub(crate) async fn set_off_of_payers(
    tx: &mut Tx,
    payers: &[CustomerId],
    on: NaiveDate,
) -> anyhow::Result<Vec<(Currency, SetOff)>> {
    invoice::lock_open(tx, payers).await?;
    let mut groups: BTreeMap<(CustomerId, Currency), Vec<OpenDocument>> = BTreeMap::new();
    for (payer, currency, document) in invoice::open_with_credit(tx, payers).await? {
        groups.entry((payer, currency)).or_default().push(document);
    }
    let mut met = Vec::new();
    for ((_, currency), documents) in groups {
        for pair in set_off(&documents) {
            set_off_pair(tx, pair.credit, pair.invoice, pair.amount_minor, on).await?;
            met.push((currency, pair));
        }
    }
    Ok(met)
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
    let owing = invoice::by_id(tx, invoice).await?.context("an open document is gone")?;
    let owed = invoice::by_id(tx, credit).await?.context("an open document is gone")?;
    for (one, other, amount_minor) in [(&owing, &owed, amount_minor), (&owed, &owing, -amount_minor)] {
        let (id, other) = (one.invoice.draft.id, &other.invoice);
        let met = invoice::parts(tx, id).await?.iter().filter(|p| p.document == Some(other.draft.id)).count();
        let effects = verbs::set_off_pair((&one.invoice, &one.settlement), other, met, amount_minor, on);
        ensure!(
            keep(tx, &effects, None).await?,
            "{} and {} met a moment ago",
            one.invoice.number,
            other.number
        );
    }
    Ok(())
}
