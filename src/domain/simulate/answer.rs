//! What a scenario answers.

use super::book::{Book, Document};
use crate::book_file::Fault;
use crate::invoice::{InvoiceStatus, InvoiceWire};
use crate::ledger::{Posting, Sealed};
use crate::money::{Currency, Money};
use crate::subscription::Refusal;
use serde_json::{Map, Value, json};

/// Why a step is not done.
#[derive(Debug)]
pub(super) enum StepFault {
    Refused(Refusal),
    /// A book file with faults.
    Book(Vec<Fault>),
}

impl From<Refusal> for StepFault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl StepFault {
    fn to_value(&self) -> Value {
        match self {
            Self::Refused(refusal) => json!(refusal),
            Self::Book(faults) => {
                let message = match faults.as_slice() {
                    [] => "the book is refused".to_owned(),
                    [only] => format!("{}: {}", only.pointer, only.message),
                    [first, more @ ..] => format!("{}: {}; and {} more", first.pointer, first.message, more.len()),
                };
                let faults: Vec<Value> = faults
                    .iter()
                    .map(|fault| json!({"pointer": fault.pointer, "message": fault.message, "hint": fault.hint}))
                    .collect();
                json!({"code": "bad_book", "message": message, "faults": faults})
            }
        }
    }
}

/// A scenario that was not played.
pub(super) fn refused(name: Value, fault: &StepFault) -> Value {
    json!({
        "name": name,
        "steps": [{"ok": false, "error": fault.to_value()}],
        "invoices": [],
        "transactions": [],
        "ledger": [],
        "rejects": [],
    })
}

/// A scenario that was played to its end.
pub(super) fn played(name: Value, steps: Vec<Value>, book: &Book) -> Value {
    json!({
        "name": name,
        "steps": steps,
        "invoices": book.documents.iter().map(document).collect::<Vec<_>>(),
        "transactions": book.transactions,
        "ledger": book.sealed.iter().map(entry).collect::<Vec<_>>(),
        "rejects": book.rejects,
    })
}

/// A step's answer.
pub(super) fn step(on: Value, done: Result<Map<String, Value>, StepFault>) -> Value {
    let mut answer = Map::new();
    answer.insert("on".to_owned(), on);
    answer.insert("ok".to_owned(), Value::Bool(done.is_ok()));
    match done {
        Ok(more) => answer.extend(more),
        Err(fault) => {
            answer.insert("error".to_owned(), fault.to_value());
        }
    }
    Value::Object(answer)
}

/// A document on the wire.
pub(super) fn document(document: &Document) -> InvoiceWire {
    match document {
        Document::Draft(draft) => InvoiceWire::draft(draft),
        Document::Cancelled(draft) => {
            InvoiceWire { invoice_status: InvoiceStatus::Cancelled as u32, ..InvoiceWire::draft(draft) }
        }
        Document::Booked(booked) => InvoiceWire::booked(&booked.invoice, &booked.settlement),
    }
}

fn entry(sealed: &Sealed) -> Value {
    let entry = &sealed.entry;
    json!({
        "sequence": sealed.sequence,
        "kind": entry.kind.name(),
        "document": entry.document_number,
        "account": entry.account_number,
        "date": entry.posting_date,
        "documentdate": entry.document_date,
        "currency": entry.currency,
        "postings": entry.postings.iter().map(|p| posting(p, entry.currency)).collect::<Vec<_>>(),
        "hash": sealed.hash.to_string(),
    })
}

fn posting(posting: &Posting, currency: Currency) -> Value {
    let amount = |minor| Money::new(minor, currency).decimal().to_string();
    let mut value = json!({
        "account": posting.account,
        "debit": amount(posting.debit_minor),
        "credit": amount(posting.credit_minor),
    });
    if let Some(sku) = &posting.sku {
        value["sku"] = json!(sku);
    }
    if let Some((category, rate_pct)) = &posting.tax {
        value["tax"] = json!(format!("{}{}", category.code(), rate_pct.normalize()));
    }
    value
}
