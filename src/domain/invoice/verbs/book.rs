//! A draft becomes an invoice, and a credit note takes back what an invoice asked for (rules I5, I7, L1).

use super::{Account, Books, Effects, set_off_pair};
use crate::billing::{self, BilledLine, BookError, CreditScope, EarlierCredits};
use crate::catalogue::Catalogue;
use crate::ids::ChargeReference;
use crate::invoice::{Draft, Invoice, Line, LineKey, at_booking};
use crate::ledger::{self, PostingFault};
use crate::refusal::{Code, Refusal};
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// Why a draft does not become an invoice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookingFault {
    #[error(transparent)]
    Sums(#[from] BookError),
    #[error(transparent)]
    Posting(#[from] PostingFault),
}

impl From<BookingFault> for Refusal {
    fn from(fault: BookingFault) -> Self {
        let code = match fault {
            BookingFault::Sums(_) => Code::CannotBook,
            BookingFault::Posting(_) => Code::CannotPost,
        };
        Self::new(code, fault.to_string())
    }
}

/// What counters give a document that is booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// The next of its series.
    pub sequence: u64,
    /// The next payment reference, if the document takes one ([`billing::takes_reference`]).
    pub reference: Option<u64>,
}

/// Books a draft under its numbers, with its marks and its entry.
///
/// # Errors
/// If its sums disagree, or it cannot be posted.
pub fn book(
    draft: Draft,
    numbers: Numbers,
    on: NaiveDate,
    books: Books<'_>,
) -> Result<(Invoice, Effects), BookingFault> {
    let mut invoice = billing::book(draft, numbers.sequence, on, books.catalogue)?;
    if let Some(reference) = numbers.reference {
        billing::refer(&mut invoice, reference, books.catalogue);
    }
    let entry = ledger::book_entry(&invoice, books.catalogue, books.calendar)?;
    let settlement = Some(at_booking(invoice.draft.gross_minor(), on));
    Ok((invoice, Effects { settlement, entries: vec![entry], ..Effects::default() }))
}

/// What is asked for on a day.
#[derive(Debug, Clone, Copy)]
pub struct Credit<'a> {
    pub scope: &'a CreditScope,
    /// The periods of the whole invoice are due again (rules I4).
    pub rebill: bool,
    pub on: NaiveDate,
    /// The newest run's.
    pub run_ordinal: u64,
}

/// What a credit makes.
#[derive(Debug, Clone, PartialEq)]
pub struct CreditDraft {
    /// The note; none if all was credited before and the invoice is only billed again.
    pub note: Option<Draft>,
    /// Billed lines that are due again.
    pub reopens: Vec<LineKey>,
}

/// Decides what a credit of an invoice makes. `billed` is what stands of those who pay for its lines, by charge; only a rebill
/// asks for it.
///
/// # Errors
/// As [`billing::credit_note`] and [`billing::reopens`]; `bad_argument` where lines are to be billed again.
pub fn credit_draft(
    invoice: &Invoice,
    asked: Credit<'_>,
    standing: EarlierCredits<'_>,
    billed: &BTreeMap<ChargeReference, Vec<BilledLine>>,
    catalogue: &Catalogue,
) -> Result<CreditDraft, Refusal> {
    if asked.rebill && *asked.scope != CreditScope::Whole {
        let message = "a whole invoice is billed again, not a line of it";
        return Err(Refusal::new(Code::BadArgument, message).hint("name no line"));
    }
    let reopens = if asked.rebill { billing::reopens(invoice, billed)? } else { Vec::new() };
    let note = billing::credit_note(invoice, standing, asked.scope, asked.on, asked.run_ordinal, catalogue);
    match note {
        Ok(note) => Ok(CreditDraft { note: Some(note), reopens }),
        Err(refusal) if refusal.code == Code::NothingLeft && asked.rebill => {
            Ok(CreditDraft { note: None, reopens })
        }
        Err(refusal) => Err(refusal),
    }
}

/// Books the draft of a credit note on an invoice, and sets it against what is open of the invoice.
/// An invoice whose payment is under way is left as it is: the payer has the credit.
///
/// # Errors
/// As [`book`].
pub fn credit(
    account: &Account<'_>,
    note: Draft,
    sequence: u64,
    on: NaiveDate,
    books: Books<'_>,
) -> Result<Noted, BookingFault> {
    let (note, mut booked) = book(note, Numbers { sequence, reference: None }, on, books)?;
    let open_minor = account.open_minor().min(-note.draft.gross_minor());
    let Some(settlement) =
        booked.settlement.as_ref().filter(|_| open_minor > 0 && account.pending().is_none())
    else {
        return Ok(Noted { note, booked, credited: None });
    };
    let invoice = account.invoice;
    let credited = set_off_pair((invoice, account.settlement), &note, 0, open_minor, on);
    let of_note = set_off_pair((&note, settlement), invoice, 0, -open_minor, on);
    (booked.parts, booked.settlement) = (of_note.parts, of_note.settlement);
    Ok(Noted { note, booked, credited: Some(credited) })
}

/// A credit note, what comes of it, and what it does to its invoice.
#[derive(Debug, Clone, PartialEq)]
pub struct Noted {
    pub note: Invoice,
    pub booked: Effects,
    pub credited: Option<Effects>,
}

/// Which of these notes of the payer were written on the invoice: all their lines mirror lines of it. Notes that a run has
/// made name it too, but have lines of their own.
pub fn notes_on<'n>(
    invoice: &Invoice,
    notes: impl IntoIterator<Item = &'n Invoice>,
) -> impl Iterator<Item = &'n Invoice> {
    notes.into_iter().filter(move |note| {
        note.draft.is_credit_note
            && note.draft.credits.contains(&invoice.number)
            && note.draft.lines.iter().all(|line| invoice.draft.lines.iter().any(|own| mirrors(line, own)))
    })
}

fn mirrors(line: &Line, own: &Line) -> bool {
    own.number == line.number && own.key == line.key && own.sku == line.sku
}
