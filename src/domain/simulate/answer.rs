//! What a scenario answers.

use super::world::{Rejected, Transaction, TransactionKind, World};
use crate::invoice::TransactionWire;
use crate::ledger::{self, ChainState, Posting, Sealed};
use crate::money::{Currency, Money};
use crate::payment::AttemptState;
use crate::refusal::{Refusal, Wording};
use serde::Serialize;
use serde_json::{Value, json};

/// A scenario that could not begin.
pub(super) fn refused(name: Value, error: Value) -> Value {
    json!({
        "name": name,
        "steps": [{"ok": false, "error": error}],
        "invoices": [],
        "transactions": [],
        "ledger": [],
        "rejects": [],
    })
}

/// All that came of a scenario.
pub(super) fn answer(name: Value, steps: Vec<Value>, world: &mut World) -> Value {
    let as_of = world.today.unwrap_or_default();
    let invoices: Vec<Value> = world.documents.iter().map(|document| value(&document.wire(as_of))).collect();
    let transactions: Vec<Value> = world.transactions.iter().map(|t| value(&transaction(world, t))).collect();
    let sealed = ledger::seal(&ChainState::default(), std::mem::take(&mut world.entries));
    let ledger: Vec<Value> = sealed.iter().map(entry).collect();
    let rejects: Vec<Value> = world.rejects.iter().map(reject).collect();
    json!({
        "name": name,
        "steps": steps,
        "invoices": invoices,
        "transactions": transactions,
        "ledger": ledger,
        "rejects": rejects,
    })
}

/// A refusal as the error of a step.
pub(super) fn error(refusal: &Refusal, words: Wording) -> Value {
    let mut error = json!({"code": refusal.code, "message": refusal.message});
    if let Some(way_out) = &refusal.way_out {
        error["hint"] = words(way_out).into();
    }
    error
}

/// A value of ours as JSON; all of ours can be written.
pub(super) fn value<T: Serialize>(of: &T) -> Value {
    serde_json::to_value(of).unwrap_or(Value::Null)
}

fn transaction(world: &World, transaction: &Transaction) -> TransactionWire {
    let attempt = &transaction.attempt;
    let document = world.documents.iter().find(|document| document.id() == attempt.invoice);
    let number = document.and_then(|d| d.booked.as_ref()).map(|invoice| invoice.number.clone());
    let state_code = match (attempt.state, transaction.kind) {
        (AttemptState::Paid, TransactionKind::Manual) => 32,
        (AttemptState::Paid, _) => 1,
        (AttemptState::SoftDecline | AttemptState::HardDecline, _) => 8,
        (AttemptState::Technical, _) => 16,
        (AttemptState::Pending, _) => 64,
    };
    let kind = match (attempt.state, transaction.kind) {
        (_, TransactionKind::Refund) => 16,
        (AttemptState::SoftDecline | AttemptState::HardDecline, _) => 32,
        _ => 8,
    };
    TransactionWire {
        id: attempt.id.0,
        customer_id: attempt.customer.0,
        invoice_id: attempt.invoice.0,
        invoice_number: number.unwrap_or_default(),
        state_code,
        kind,
        total_amount: amount(attempt.amount_minor, attempt.currency),
        currency_code: attempt.currency.code().to_owned(),
        date: attempt.on,
        error_code: attempt.decline_code.clone(),
    }
}

fn entry(sealed: &Sealed) -> Value {
    let entry = &sealed.entry;
    let base = entry.base.map(|base| base.currency);
    let postings: Vec<Value> = entry.postings.iter().map(|p| posting(p, entry.currency, base)).collect();
    json!({
        "sequence": sealed.sequence,
        "kind": entry.kind.label(),
        "document": entry.document_number,
        "account": entry.account_number,
        "documentdate": entry.document_date,
        "postingdate": entry.posting_date,
        "currency": entry.currency.code(),
        "duedate": entry.due_date,
        "country": entry.country,
        "basecurrency": entry.base.as_ref().map(|base| base.currency.code()),
        "rate": entry.base.as_ref().map(|base| base.rate.to_string()),
        "postings": postings,
        "hash": sealed.hash.to_string(),
    })
}

fn posting(posting: &Posting, currency: Currency, base: Option<Currency>) -> Value {
    json!({
        "account": posting.account,
        "debit": amount(posting.debit_minor, currency),
        "credit": amount(posting.credit_minor, currency),
        "sku": posting.sku,
        "unit": posting.unit_code,
        "tax": posting.tax.map(|tax| format!("{} {}", tax.category.code(), tax.rate_pct.normalize())),
        "taxbase": posting.tax.map(|tax| amount(tax.base_minor, currency)),
        "base": posting.base_minor.zip(base).map(|(minor, base)| amount(minor, base)),
        "periodstart": posting.period.map(|period| period.start),
        "periodend": posting.period.map(|period| period.last_day()),
    })
}

fn reject(rejected: &Rejected) -> Value {
    json!({
        "on": rejected.on,
        "id": rejected.id,
        "code": rejected.reject.code.code(),
        "message": rejected.reject.text,
    })
}

fn amount(minor: i64, currency: Currency) -> String {
    Money::new(minor, currency).decimal().to_string()
}
