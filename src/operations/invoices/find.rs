//! What a name stands for: an invoice or credit note by its number, a draft by the end of its id, or its beginning.

use crate::refusal::Stop;
use domain::ids::InvoiceId;
use domain::invoice::account::DocumentBalance;
use domain::refusal::{Code, Refusal, Verb};
use store::Tx;
use store::draft::{self, DraftKey, DraftState};
use store::invoice::{self, Booked};
use uuid::Uuid;

/// So many digits of an id are enough to look for it.
const DIGITS_MIN: usize = 4;

/// What was found.
#[derive(Debug)]
pub(crate) enum DraftOrInvoice {
    Booked(Box<Booked>),
    Draft(Box<DraftKey>),
}

/// The invoice of this number or id, or the draft whose id ends or begins so.
pub(crate) async fn find(tx: &mut Tx, name: &str) -> Result<DraftOrInvoice, Stop> {
    if let Some(booked) = invoice::by_number(tx, name).await? {
        return Ok(DraftOrInvoice::Booked(Box::new(booked)));
    }
    let unknown = || {
        Refusal::new(Code::UnknownInvoice, format!("there is no invoice or draft {name}"))
            .ask(Verb::ListInvoices.plain())
            .hint(" lists numbers, ")
            .ask(Verb::ListDrafts.plain())
            .hint(" ids of drafts")
    };
    let (first, last) = between(name).ok_or_else(unknown)?;
    let (first, last) = match crate::invoices::name::named(tx, name).await?[..] {
        [only] => (only, only),
        _ => (first, last),
    };
    let mut keys = draft::keys_between(tx, first, last).await?;
    if keys.len() > 1 {
        return Err(Refusal::new(Code::AmbiguousDraft, format!("{} drafts begin with {name}", keys.len()))
            .hint("name it with more of its id")
            .into());
    }
    match keys.pop() {
        Some(key) if key.state != DraftState::Booked => Ok(DraftOrInvoice::Draft(Box::new(key))),
        // Of a credit note there never was a draft.
        key if key.is_some() || first == last => {
            let id = key.map_or(first, |key| key.id);
            let booked = invoice::by_id(tx, id).await?.ok_or_else(unknown)?;
            Ok(DraftOrInvoice::Booked(Box::new(booked)))
        }
        _ => Err(unknown().into()),
    }
}

/// The first and the last id that begin so.
fn between(name: &str) -> Option<(InvoiceId, InvoiceId)> {
    let digits = name.replace('-', "");
    if !(DIGITS_MIN..=32).contains(&digits.len()) || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let first = u128::from_str_radix(&format!("{digits:0<32}"), 16).ok()?;
    let last = u128::from_str_radix(&format!("{digits:f<32}"), 16).ok()?;
    Some((InvoiceId(Uuid::from_u128(first)), InvoiceId(Uuid::from_u128(last))))
}

/// A booked invoice, for verbs that a draft does not have. `done` says what cannot be done to one, as in "paid".
pub(crate) async fn booked(tx: &mut Tx, name: &str, done: &str) -> Result<Booked, Stop> {
    match find(tx, name).await? {
        DraftOrInvoice::Booked(booked) => Ok(*booked),
        DraftOrInvoice::Draft(_) => {
            Err(Refusal::new(Code::NotBooked, format!("{name} is a draft and cannot be {done}"))
                .hint("book it first: ")
                .ask(Verb::BookDraft.on(name))
                .into())
        }
    }
}

/// As [`booked`], of a document whose paper is ours: another system has made and sent that of an open item which was
/// taken over (rules S7).
pub(crate) async fn ours(tx: &mut Tx, name: &str, done: &str) -> Result<Booked, Stop> {
    let booked = booked(tx, name, done).await?;
    refuse_taken_over(&booked, done)?;
    Ok(booked)
}

/// See [`ours`].
pub(crate) fn refuse_taken_over(booked: &Booked, done: &str) -> Result<(), Refusal> {
    if !booked.invoice.is_taken_over() {
        return Ok(());
    }
    let number = &booked.invoice.number;
    let message =
        format!("{number} was taken over from another system, which has its paper: it cannot be {done}");
    Err(Refusal::new(Code::Conflict, message)
        .ask(Verb::ShowInvoice.on(number))
        .hint(" says what is open of it"))
}

/// As [`booked`], and its settlement stays as it is until the transaction ends.
pub(crate) async fn locked(tx: &mut Tx, name: &str, done: &str) -> Result<Booked, Stop> {
    let id = booked(tx, name, done).await?.invoice.draft.id;
    invoice::lock_settlements(tx, &[id]).await?;
    let booked = invoice::by_id(tx, id).await?;
    Ok(booked.ok_or_else(|| anyhow::anyhow!("invoice {id} is gone"))?)
}

/// A draft, for verbs that a booked invoice does not have.
pub(crate) async fn draft(tx: &mut Tx, name: &str) -> Result<DraftKey, Stop> {
    match find(tx, name).await? {
        DraftOrInvoice::Draft(key) => Ok(*key),
        DraftOrInvoice::Booked(booked) => {
            let number = &booked.invoice.number;
            Err(Refusal::new(Code::Booked, format!("{number} is booked: a booked invoice is never changed"))
                .hint("credit it: ")
                .ask(Verb::CreditInvoice.on(number))
                .into())
        }
    }
}

/// An invoice as its account sees it.
pub(crate) fn standing(booked: &Booked) -> DocumentBalance<'_> {
    DocumentBalance { invoice: &booked.invoice, settlement: &booked.settlement }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_named_by_its_beginning() {
        let id = InvoiceId(Uuid::from_u128(0x0192_abcd_0000_8000_8000_0000_0000_0001));
        for name in ["0192", "0192ABCD", "0192abcd-0000", &id.to_string()] {
            let (first, last) = between(name).unwrap();
            assert!(first <= id && id <= last, "{name}");
        }
        assert_eq!(between(&id.to_string()), Some((id, id)));
        let (first, last) = between("0193").unwrap();
        assert!(id < first && first < last);
        for name in ["019", "INV-1", "", "0192abcd-0000-8000-8000-0000000000012"] {
            assert_eq!(between(name), None, "{name}");
        }
    }
}
