//! Money that comes, goes back or is written off, and credits that are set against invoices (rules I7, I8, Y5).

use super::{Account, Books, Effects, PartKind, SettlementPart};
use crate::ids::{AttemptId, InvoiceId, LineId};
use crate::invoice::account::minor;
use crate::invoice::{Credit, Invoice, Line, SettledBy, Settlement};
use crate::ledger::{self, Happening, PostingFault};
use crate::money::{Currency, Money};
use crate::payment::{Attempt, BY_BANK, MANUAL};
use crate::refusal::{Code, Refusal};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A payment that a provider has taken: the attempt's amount settles the invoice, what the provider keeps is an expense.
///
/// # Errors
/// If it cannot be posted.
pub fn paid_online(
    account: &Account<'_>,
    attempt: Attempt,
    books: Books<'_>,
) -> Result<Effects, PostingFault> {
    let (catalogue, open_from) = (books.catalogue, books.calendar.open_from);
    let came = through(account, &attempt, attempt.amount_minor);
    let mut entries = vec![ledger::payment_entry(account.invoice, catalogue, open_from, came)?];
    entries.extend(fee(account, &attempt, books)?);
    let (kind, source) = (PartKind::Payment, attempt.id.0);
    let mut effects = moved(account, kind, source, attempt.amount_minor, attempt.on);
    effects.entries = entries;
    effects.attempt = Some(attempt);
    Ok(effects)
}

/// What a provider or bank keeps for an attempt.
///
/// # Errors
/// If it cannot be posted.
pub(super) fn fee(
    account: &Account<'_>,
    attempt: &Attempt,
    books: Books<'_>,
) -> Result<Option<ledger::Entry>, PostingFault> {
    if attempt.fee_minor == 0 {
        return Ok(None);
    }
    let kept = through(account, attempt, attempt.fee_minor);
    ledger::fee_entry(account.invoice, books.catalogue, books.calendar.open_from, kept).map(Some)
}

/// The way that so much of an attempt's money took. What came past every gateway has its own: a bank, or a person's mark.
fn through<'a>(account: &Account<'_>, attempt: &'a Attempt, amount_minor: i64) -> (&'a str, Happening) {
    let settled_minor = account.settlement.settled_minor;
    let happening = Happening { ordinal: attempt.ordinal, on: attempt.on, amount_minor, settled_minor };
    let is_outside = attempt.gateway == MANUAL;
    (if is_outside { attempt.method.as_str() } else { attempt.gateway.as_str() }, happening)
}

/// Money that came elsewhere, so many minor units: a bank transfer, cash. What comes beyond what is open is the payer's credit
/// (rules Y5).
///
/// # Errors
/// If it cannot be posted.
pub fn paid_manually(
    account: &Account<'_>,
    amount_minor: i64,
    on: NaiveDate,
    books: Books<'_>,
) -> Result<Effects, PostingFault> {
    paid_outside(account, amount_minor, on, MANUAL, books)
}

/// As [`paid_manually`], of money that a bank statement tells of.
///
/// # Errors
/// If it cannot be posted.
pub fn paid_by_bank(
    account: &Account<'_>,
    amount_minor: i64,
    on: NaiveDate,
    books: Books<'_>,
) -> Result<Effects, PostingFault> {
    paid_outside(account, amount_minor, on, BY_BANK, books)
}

fn paid_outside(
    account: &Account<'_>,
    amount_minor: i64,
    on: NaiveDate,
    method: &str,
    books: Books<'_>,
) -> Result<Effects, PostingFault> {
    let (draft, ordinal) = (&account.invoice.draft, account.next_ordinal());
    let id = AttemptId::nth(draft.id, ordinal);
    let outside = Attempt::outside(draft, id, ordinal, amount_minor, on);
    let attempt = Attempt { method: method.to_owned(), ..outside };
    paid_online(account, attempt, books)
}

/// So many minor units that are given up: bad debt. `ordinal` counts the write-offs of the invoice.
///
/// # Errors
/// If it cannot be posted.
pub fn write_off(
    account: &Account<'_>,
    amount_minor: i64,
    ordinal: u32,
    on: NaiveDate,
    books: Books<'_>,
) -> Result<Effects, PostingFault> {
    let kind = PartKind::WriteOff;
    let settled_minor = account.settlement.settled_minor;
    let happening = Happening { ordinal, on, amount_minor, settled_minor };
    let entry =
        ledger::write_off_entry(account.invoice, books.catalogue, books.calendar.open_from, happening)?;
    let source = nth(account.invoice.draft.id, kind, ordinal);
    Ok(Effects { entries: vec![entry], ..moved(account, kind, source, amount_minor, on) })
}

/// What came after all for an invoice of which a part was given up, money or a credit note on it, takes the write-off back as
/// far as it goes beyond what is open: it is neither the payer's credit nor bad debt any more (rules Y5). None: there is no
/// such part. `ordinal` counts the write-offs of the invoice.
///
/// # Errors
/// If it cannot be posted.
pub fn taken_back(
    account: &Account<'_>,
    ordinal: u32,
    on: NaiveDate,
    books: Books<'_>,
) -> Result<Option<Effects>, PostingFault> {
    let beyond_minor = (-account.open_minor()).min(account.settlement.written_off_minor);
    if account.invoice.draft.gross_minor() <= 0 || beyond_minor <= 0 {
        return Ok(None);
    }
    write_off(account, -beyond_minor, ordinal, on, books).map(Some)
}

/// So many minor units that go back to the payer. `source` is the refund's own key: it is made once.
///
/// # Errors
/// If it cannot be posted.
pub fn refund(
    account: &Account<'_>,
    amount_minor: i64,
    (ordinal, source): (u32, Uuid),
    on: NaiveDate,
    books: Books<'_>,
) -> Result<Effects, PostingFault> {
    let settled_minor = account.settlement.settled_minor;
    let happening = Happening { ordinal, on, amount_minor, settled_minor };
    let entry = ledger::refund_entry(account.invoice, books.catalogue, books.calendar.open_from, happening)?;
    Ok(Effects { entries: vec![entry], ..moved(account, PartKind::Refund, source, -amount_minor, on) })
}

/// What may go back to a payer on one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    pub currency: Currency,
    /// Above 0, and no more than what was paid of it.
    pub amount_minor: i64,
}

/// Which documents a refund of a payer's credit is taken from, by their place, and how much of each; `owed` are the oldest
/// first. Documents that share what was paid are asked again one by one as it goes back.
///
/// # Errors
/// `nothing_owed`, `wrong_currency` where they are in several, `amount`, `more_than_open`.
pub fn refund_of_credit(owed: &[Owed], amount: Option<Decimal>) -> Result<Vec<(usize, i64)>, Refusal> {
    let Some(first) = owed.first() else {
        return Err(Refusal::new(Code::NothingOwed, "nothing that was paid is owed to the payer"));
    };
    let currency = first.currency;
    if owed.iter().any(|other| other.currency != currency) {
        let message = "the payer is owed in several currencies";
        return Err(Refusal::new(Code::WrongCurrency, message).hint("refund the documents one by one"));
    }
    let all_minor: i64 = owed.iter().map(|owed| owed.amount_minor).sum();
    let mut left_minor = match amount {
        Some(amount) => minor(amount, currency)?,
        None => all_minor,
    };
    if left_minor > all_minor {
        let most = Money::new(all_minor, currency);
        let refusal = Refusal::new(Code::MoreThanOpen, format!("only {most} is owed to the payer"));
        return Err(refusal.option("amount", most.decimal()).hint(" at most"));
    }
    let mut parts = Vec::new();
    for (place, owed) in owed.iter().enumerate() {
        let part_minor = left_minor.min(owed.amount_minor);
        if part_minor > 0 {
            parts.push((place, part_minor));
            left_minor -= part_minor;
        }
    }
    Ok(parts)
}

fn moved(account: &Account<'_>, kind: PartKind, source: Uuid, amount_minor: i64, on: NaiveDate) -> Effects {
    let draft = &account.invoice.draft;
    let by = if kind == PartKind::WriteOff { SettledBy::WriteOff } else { SettledBy::Money };
    let settlement = account.settlement.settled(draft.gross_minor(), amount_minor, by, on);
    let part = SettlementPart { invoice: draft.id, kind, source, document: None, amount_minor, on };
    Effects { parts: vec![part], settlement: Some(settlement), ..Effects::default() }
}

fn nth(invoice: InvoiceId, kind: PartKind, ordinal: u32) -> Uuid {
    Uuid::new_v5(&invoice.0, format!("{}\u{1f}{ordinal}", kind.name()).as_bytes())
}

/// One side of a set-off: what settles a document by an amount of another. `met` counts how often the two have met: an invoice
/// that was paid too much twice may meet the same open one again. Both stand on the receivable already, so that the ledger
/// needs no entry.
pub fn set_off_pair(
    (invoice, settlement): (&Invoice, &Settlement),
    other: &Invoice,
    met: usize,
    amount_minor: i64,
    on: NaiveDate,
) -> Effects {
    let id = other.draft.id;
    let source = if met == 0 { id.0 } else { Uuid::new_v5(&id.0, format!("again {met}").as_bytes()) };
    let gross_minor = invoice.draft.gross_minor();
    let own_minor = gross_given_back(other, invoice).min(amount_minor).max(0);
    let after = settlement.settled(gross_minor, own_minor, SettledBy::Credit, on).settled(
        gross_minor,
        amount_minor - own_minor,
        SettledBy::Money,
        on,
    );
    let (kind, document) = (PartKind::SetOff, Some(id));
    let part = SettlementPart { invoice: invoice.draft.id, kind, source, document, amount_minor, on };
    Effects { parts: vec![part], settlement: Some(after), ..Effects::default() }
}

/// Minor units of a credit note that meet what was given up of an invoice that it credits: what it gives back of that
/// invoice beyond what is open there, and at most what it still owes (rules Y5).
pub fn meets_write_off(
    (note, owed): (&Invoice, &Settlement),
    (invoice, settlement): (&Invoice, &Settlement),
) -> i64 {
    let owed_minor = -owed.open_minor(note.draft.gross_minor());
    let open_minor = settlement.open_minor(invoice.draft.gross_minor()).max(0);
    let given_minor = gross_given_back(note, invoice);
    (given_minor - open_minor).min(settlement.written_off_minor).min(owed_minor).max(0)
}

/// Gross that the lines of a note give back of an invoice's lines.
fn gross_given_back(note: &Invoice, invoice: &Invoice) -> i64 {
    let lines: BTreeMap<LineId, &Line> = invoice.draft.lines.iter().map(|line| (line.id, line)).collect();
    let credits = note.draft.lines.iter().flat_map(|line| &line.credits);
    let gross = |credit: &Credit| {
        let is_inclusive = lines.get(&credit.line)?.tax_inclusive;
        Some(credit.amount_minor + if is_inclusive { 0 } else { credit.vat_minor })
    };
    credits.filter_map(gross).sum()
}

/// A document of a payer, as far as refunds must know it.
#[derive(Debug, Clone, Copy)]
pub struct Concerned<'a> {
    pub id: InvoiceId,
    pub number: &'a str,
    /// Numbers of the invoices that it credits; empty on invoices.
    pub credits: &'a [String],
    /// Payments and set-offs, less refunds; a write-off brings no money.
    pub received_minor: i64,
}

/// The money that came for the invoices that a document concerns and has not gone back (rules Y5), out of all documents of
/// its payer; none if it concerns no invoice. A set-off counts, so that what another document paid for goes back too; but
/// never more than `kept_minor`, what the payer has paid in this currency in all, less what went back.
pub fn received_minor<'a>(
    document: &Invoice,
    all: impl IntoIterator<Item = Concerned<'a>> + Clone,
    kept_minor: i64,
) -> Option<i64> {
    let own = [document.number.clone()];
    let invoices: &[String] = if document.draft.is_credit_note { &document.draft.credits } else { &own };
    let invoices: BTreeSet<&str> = invoices.iter().map(String::as_str).collect();
    let is_there = |number: &&str| all.clone().into_iter().any(|other| other.number == *number);
    if !invoices.iter().any(is_there) {
        return None;
    }
    let is_of_it = |other: &Concerned<'_>| {
        other.id == document.draft.id
            || invoices.contains(other.number)
            || other.credits.iter().any(|number| invoices.contains(number.as_str()))
    };
    let received_minor: i64 = all.into_iter().filter(is_of_it).map(|other| other.received_minor).sum();
    Some(received_minor.min(kept_minor))
}
