//! What settles an invoice in memory: money that is noted, refunds, write-offs and set-offs, by the verbs of
//! [`crate::invoice::verbs`] on the accounts of a scenario (rules I8, Y5).

use super::world::{Document, Transaction, TransactionKind, World};
use crate::catalogue::Catalogue;
use crate::ids::{CustomerId, InvoiceId};
use crate::invoice::verbs::{self, Account, BookingFault, Books, Effects, PartKind, SettlementPart};
use crate::invoice::{Invoice, OpenDocument, account, set_off as parts_of};
use crate::ledger::{EntryKind, PostingFault};
use crate::money::{Currency, Money};
use crate::payment::{Attempt, AttemptState, MANUAL, under_way};
use crate::refusal::{Code, Refusal, Verb};
use chrono::NaiveDate;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Money that came elsewhere.
///
/// # Errors
/// As [`account::payment`].
pub(super) fn mark_paid(
    world: &mut World,
    at: usize,
    amount: Option<rust_decimal::Decimal>,
    (on, overrules): (NaiveDate, bool),
) -> Result<(), Refusal> {
    let asked = |account: &Account<'_>| account::payment(account.standing(), amount);
    let amount_minor = with_account(world, at, asked).ok_or_else(not_booked)??;
    if let Some(pending) = with_account(world, at, |account| account.pending().cloned()).flatten() {
        if !overrules {
            let number = name(world, at);
            return Err(under_way(&number, &pending)
                .hint(", or overrule it with ")
                .ask(Verb::MarkPaid.on(number).switch("despite_pending")));
        }
        if let Some(begun) = world.transactions.iter_mut().find(|t| t.attempt.id == pending.id) {
            begun.attempt = pending.overruled();
        }
    }
    happen(world, at, |account, books| verbs::paid_manually(account, amount_minor, on, books))
}

/// What is written off: bad debt.
///
/// # Errors
/// As [`account::write_off`].
pub(super) fn write_off(
    world: &mut World,
    at: usize,
    amount: Option<rust_decimal::Decimal>,
    on: NaiveDate,
) -> Result<(), Refusal> {
    let asked = |account: &Account<'_>| account::write_off(account.standing(), amount);
    let amount_minor = with_account(world, at, asked).ok_or_else(not_booked)??;
    let ordinal = next_entry(world, at, EntryKind::WriteOff);
    happen(world, at, |account, books| verbs::write_off(account, amount_minor, ordinal, on, books))
}

/// Money back to the payer: what is owed on a credit note, or was paid too much (rules I7, Y5).
///
/// # Errors
/// As [`account::refund`].
pub(super) fn refund(
    world: &mut World,
    at: usize,
    amount: Option<rust_decimal::Decimal>,
    on: NaiveDate,
) -> Result<(), Refusal> {
    let invoice = world.documents[at].booked.clone().ok_or_else(not_booked)?;
    let received = received_minor(world, &invoice);
    let asked = |account: &Account<'_>| account::refund(account.standing(), received, amount);
    let amount_minor = with_account(world, at, asked).ok_or_else(not_booked)??;
    let ordinal = next_entry(world, at, EntryKind::Refund);
    let attempt = Attempt::refund(&invoice.draft, ordinal, amount_minor, on);
    let key = (ordinal, attempt.id.0);
    happen(world, at, |account, books| verbs::refund(account, amount_minor, key, on, books))?;
    world.transactions.push(Transaction { attempt, kind: TransactionKind::Refund });
    Ok(())
}

/// So much of what a payer is owed goes back, or all that was paid of it, the oldest first (rules Y5).
///
/// # Errors
/// `nothing_owed`, `amount`, `more_than_open`.
pub(super) fn refund_credit(
    world: &mut World,
    payer: CustomerId,
    amount: Option<rust_decimal::Decimal>,
    on: NaiveDate,
) -> Result<(), Refusal> {
    let owed = credits_of(world, payer);
    let standing: Vec<verbs::Owed> = owed.iter().map(|(_, owed)| *owed).collect();
    for (place, amount_minor) in verbs::refund_of_credit(&standing, amount)? {
        let (at, currency) = (owed[place].0, owed[place].1.currency);
        refund(world, at, Some(Money::new(amount_minor, currency).decimal()), on)?;
    }
    Ok(())
}

/// Documents on which a payer is owed something, the oldest first, each with what may go back.
fn credits_of(world: &World, payer: CustomerId) -> Vec<(usize, verbs::Owed)> {
    let mut owed: Vec<(usize, verbs::Owed)> = Vec::new();
    for (at, document) in world.documents.iter().enumerate() {
        let Some(invoice) = document.booked.as_ref().filter(|_| document.draft.payer == payer) else {
            continue;
        };
        let owed_minor = -document.settlement.open_minor(document.draft.gross_minor());
        let amount_minor =
            received_minor(world, invoice).map_or(owed_minor, |received| received.min(owed_minor));
        if amount_minor > 0 {
            owed.push((at, verbs::Owed { currency: document.draft.currency, amount_minor }));
        }
    }
    owed.sort_by_key(|(at, _)| age(&world.documents[*at]));
    owed
}

/// The money that came for the invoices that a document concerns and has not gone back, if it concerns any.
fn received_minor(world: &World, invoice: &Invoice) -> Option<i64> {
    let payer = invoice.draft.payer;
    let of_payer = world.documents.iter().filter(|document| document.draft.payer == payer);
    let all = of_payer.filter_map(Document::concerned);
    verbs::received_minor(invoice, all, kept_minor(world, payer, invoice.draft.currency))
}

/// What a payer has paid in a currency less what went back. What a document below zero gives that credits no invoice is the
/// payer's own (rules Q2).
fn kept_minor(world: &World, payer: CustomerId, currency: Currency) -> i64 {
    let booked = world.documents.iter().filter(|document| document.booked.is_some());
    let own = booked.filter(|document| (document.draft.payer, document.draft.currency) == (payer, currency));
    let kept_of = |document: &Document| -> i64 {
        let is_money = |part: &&SettlementPart| matches!(part.kind, PartKind::Payment | PartKind::Refund);
        let given_minor =
            if document.draft.credits.is_empty() { document.draft.gross_minor().min(0) } else { 0 };
        document.parts.iter().filter(is_money).map(|part| part.amount_minor).sum::<i64>() - given_minor
    };
    own.map(kept_of).sum()
}

fn next_entry(world: &World, at: usize, kind: EntryKind) -> u32 {
    let id = world.documents[at].id();
    let before = world.entries.iter().filter(|entry| entry.invoice == id && entry.kind == kind);
    before.map(|entry| entry.ordinal).max().unwrap_or(0) + 1
}

/// The number of a booked document.
pub(super) fn name(world: &World, at: usize) -> String {
    world.documents[at].booked.as_ref().map(|invoice| invoice.number.clone()).unwrap_or_default()
}

pub(super) fn not_booked() -> Refusal {
    Refusal::new(Code::Conflict, "it is not booked").hint("book it first")
}

/// Looks at a booked document as an account.
pub(super) fn with_account<R>(world: &World, at: usize, look: impl FnOnce(&Account<'_>) -> R) -> Option<R> {
    let document = &world.documents[at];
    let (invoice, catalogue) = (document.booked.as_ref()?, world.catalogue.as_ref()?);
    let policy = catalogue.dunning_policy(invoice.draft.dunning_policy.as_deref());
    let own = world.transactions.iter().filter(|t| t.kind != TransactionKind::Refund);
    let attempts = own.map(|t| &t.attempt).filter(|attempt| attempt.invoice == document.id()).collect();
    let payer = world.customer(invoice.draft.payer);
    Some(look(&Account { invoice, settlement: &document.settlement, attempts, payer, policy: &policy }))
}

/// Does what moves money, and sets off what the payer has to its credit after it.
pub(super) fn happen(
    world: &mut World,
    at: usize,
    verb: impl FnOnce(&Account<'_>, Books<'_>) -> Result<Effects, PostingFault>,
) -> Result<(), Refusal> {
    let catalogue: Arc<Catalogue> = Arc::clone(world.catalogue()?);
    let books = Books { catalogue: &catalogue, calendar: world.calendar };
    let effects = with_account(world, at, |account| verb(account, books)).ok_or_else(not_booked)?;
    let effects = effects.map_err(BookingFault::from)?;
    let on = effects.parts.first().map(|part| part.on);
    apply(world, at, effects);
    let Some(on) = on else { return Ok(()) };
    take_back(world, at, on)?;
    let document = &world.documents[at];
    if document.settlement.open_minor(document.draft.gross_minor()) < 0 {
        set_off(world, document.draft.payer, on);
    }
    Ok(())
}

/// What was given up and came after all is no bad debt any more (rules Y5).
fn take_back(world: &mut World, at: usize, on: NaiveDate) -> Result<(), Refusal> {
    let catalogue: Arc<Catalogue> = Arc::clone(world.catalogue()?);
    let books = Books { catalogue: &catalogue, calendar: world.calendar };
    let ordinal = next_entry(world, at, EntryKind::WriteOff);
    let effects = with_account(world, at, |account| verbs::taken_back(account, ordinal, on, books));
    if let Some(effects) = effects.transpose().map_err(BookingFault::from)?.flatten() {
        apply(world, at, effects);
    }
    Ok(())
}

/// A credit note meets what was given up of the invoices that it credits, before it goes to others (rules Y5).
///
/// # Errors
/// If it cannot be posted.
pub(super) fn meet_write_offs(world: &mut World, note: usize, on: NaiveDate) -> Result<(), Refusal> {
    let draft = &world.documents[note].draft;
    let is_credited = |document: &Document| {
        let number = document.booked.as_ref().map(|invoice| &invoice.number);
        document.settlement.written_off_minor > 0
            && number.is_some_and(|number| draft.credits.contains(number))
    };
    if !draft.is_credit_note {
        return Ok(());
    }
    let mut credited: Vec<usize> =
        (0..world.documents.len()).filter(|at| is_credited(&world.documents[*at])).collect();
    credited.sort_by_key(|at| age(&world.documents[*at]));
    for at in credited {
        let document = |at: usize| {
            let document = &world.documents[at];
            Some((document.booked.as_ref()?, &document.settlement))
        };
        let (Some(of_note), Some(of_invoice)) = (document(note), document(at)) else { continue };
        let amount_minor = verbs::meets_write_off(of_note, of_invoice);
        if amount_minor > 0 {
            set_off_pair(world, note, at, amount_minor, on);
            take_back(world, at, on)?;
        }
    }
    Ok(())
}

/// A draft became this invoice.
pub(super) fn keep_booked(world: &mut World, at: usize, invoice: Invoice, effects: Effects) {
    let document = &mut world.documents[at];
    document.draft = invoice.draft.clone();
    document.booked = Some(invoice);
    apply(world, at, effects);
}

/// Keeps what came of a verb on a document.
pub(super) fn apply(world: &mut World, at: usize, effects: Effects) {
    let document = &mut world.documents[at];
    document.parts.extend(effects.parts);
    document.settlement = effects.settlement.unwrap_or_else(|| document.settlement.clone());
    // What is zero posts nothing, and a scenario shows what is posted.
    world.entries.extend(effects.entries.into_iter().filter(|entry| !entry.postings.is_empty()));
    let Some(attempt) = effects.attempt else { return };
    match world.transactions.iter_mut().find(|t| t.attempt.id == attempt.id) {
        // It keeps its day, whenever the answer comes.
        Some(begun) => begun.attempt = Attempt { on: begun.attempt.on, ..attempt },
        None => {
            let is_manual = attempt.gateway == MANUAL;
            let kind = if is_manual { TransactionKind::Manual } else { TransactionKind::Online };
            world.transactions.push(Transaction { attempt, kind });
        }
    }
}

/// Sets an amount of a credit against an invoice.
pub(super) fn set_off_pair(
    world: &mut World,
    credit: usize,
    invoice: usize,
    amount_minor: i64,
    on: NaiveDate,
) {
    for (at, other, amount_minor) in [(invoice, credit, amount_minor), (credit, invoice, -amount_minor)] {
        let document = &world.documents[at];
        let (Some(booked), Some(other)) = (&document.booked, &world.documents[other].booked) else {
            continue;
        };
        let met = document.parts.iter().filter(|part| part.document == Some(other.draft.id)).count();
        let effects = verbs::set_off_pair((booked, &document.settlement), other, met, amount_minor, on);
        apply(world, at, effects);
    }
}

/// Sets a payer's credits against the oldest open invoices of the currency (rules I8); how often something met. An invoice whose
/// payment is under way is left alone.
pub(super) fn set_off(world: &mut World, payer: CustomerId, on: NaiveDate) -> usize {
    let mut met = 0;
    let mut by_currency: BTreeMap<Currency, Vec<usize>> = BTreeMap::new();
    for (at, document) in world.documents.iter().enumerate() {
        if document.draft.payer == payer && document.booked.is_some() && !is_under_way(world, document.id()) {
            by_currency.entry(document.draft.currency).or_default().push(at);
        }
    }
    for mut places in by_currency.into_values() {
        places.sort_by_key(|at| age(&world.documents[*at]));
        let open: Vec<OpenDocument> = places
            .iter()
            .map(|at| &world.documents[*at])
            .map(|d| OpenDocument { id: d.id(), open_minor: d.settlement.open_minor(d.draft.gross_minor()) })
            .collect();
        for part in parts_of(&open) {
            let place = |id: InvoiceId| places.iter().copied().find(|at| world.documents[*at].id() == id);
            if let (Some(credit), Some(invoice)) = (place(part.credit), place(part.invoice)) {
                set_off_pair(world, credit, invoice, part.amount_minor, on);
                met += 1;
            }
        }
    }
    met
}

/// Whether a payment of an invoice has no answer yet.
pub(super) fn is_under_way(world: &World, id: InvoiceId) -> bool {
    let mut attempts = world.transactions.iter().map(|transaction| &transaction.attempt);
    attempts.any(|attempt| (attempt.invoice, attempt.state) == (id, AttemptState::Pending))
}

/// What decides which of two documents is older (rules I8).
fn age(document: &Document) -> (NaiveDate, String, Option<u64>) {
    let sequence = document.booked.as_ref().map(|invoice| invoice.sequence);
    (document.draft.invoice_date, document.draft.series.clone(), sequence)
}

impl Document {
    /// As refunds must know it.
    fn concerned(&self) -> Option<verbs::Concerned<'_>> {
        let booked = self.booked.as_ref()?;
        let credits = if booked.draft.is_credit_note { booked.draft.credits.as_slice() } else { &[] };
        let money = self.parts.iter().filter(|part| part.kind != PartKind::WriteOff);
        let received_minor = money.map(|part| part.amount_minor).sum();
        Some(verbs::Concerned { id: self.id(), number: &booked.number, credits, received_minor })
    }
}
