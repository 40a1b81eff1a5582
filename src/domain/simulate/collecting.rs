//! Payments in memory: the sandbox's tokens, set-offs and the ledger entries that follow (rules I8, Y1–Y4).

use super::world::{Transaction, TransactionKind, World};
use crate::customer::PaymentMethod;
use crate::ids::{AttemptId, CustomerId, InvoiceId};
use crate::invoice::{OpenDocument, set_off as parts_of};
use crate::ledger::{self, Happening};
use crate::money::Currency;
use crate::payment::{Attempt, AttemptState, Decline, SandboxAnswer, sandbox_answer};
use crate::refusal::{Code, Refusal};
use chrono::NaiveDate;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a step asks of payments: the dunning morning of the day (rules Y4).
///
/// # Errors
/// If it asks for something else.
pub(super) fn act(world: &mut World, what: &Value, on: NaiveDate) -> Result<(), Refusal> {
    if what.as_str().is_none_or(|what| !what.eq_ignore_ascii_case("retry")) {
        let message = format!("{what} cannot be done with payments");
        return Err(Refusal::new(Code::UnknownVerb, message).hint("`{\"payments\": \"retry\"}`"));
    }
    retry(world, on);
    Ok(())
}

/// The first attempt, made at booking (rules Y3).
pub(super) fn at_booking(world: &mut World, places: &[usize], on: NaiveDate) {
    for at in places {
        if world.documents[*at].draft.autobill {
            let _ = charge(world, *at, on);
        }
    }
}

/// Every step of the dunning ladder that is due, at most one per invoice and day (rules Y3, Y4).
pub(super) fn retry(world: &mut World, on: NaiveDate) {
    for at in 0..world.documents.len() {
        let due = world.documents[at].settlement.next_retry.is_some_and(|next| next <= on);
        let tried_today = world.transactions.iter().any(|t| {
            t.attempt.invoice == world.documents[at].id()
                && t.attempt.on == on
                && t.kind == TransactionKind::Online
        });
        if due && !tried_today {
            world.documents[at].settlement.dunning_step += 1;
            let _ = charge(world, at, on);
        }
    }
}

/// One attempt on what is open, with the invoice's online method.
///
/// # Errors
/// If nothing is open or there is no method that can be charged.
pub(super) fn charge(world: &mut World, at: usize, on: NaiveDate) -> Result<(), Refusal> {
    let document = &world.documents[at];
    let Some(invoice) = document.booked.clone() else {
        return Err(Refusal::new(Code::Conflict, "a draft cannot be charged").hint("book it first"));
    };
    let gross_minor = invoice.draft.gross_minor();
    let open = document.settlement.open_minor(gross_minor);
    if open <= 0 {
        return Err(Refusal::new(Code::Conflict, format!("nothing is open on {}", invoice.number)));
    }
    let Some(method) = method_of(world, invoice.draft.payer, invoice.draft.payment_method.as_deref(), on)
    else {
        let message = format!("{} has no payment method that can be charged", invoice.draft.account_number);
        return Err(
            Refusal::new(Code::NoMethod, message).hint("set an online payment method, or mark it paid")
        );
    };
    let own: Vec<&Attempt> =
        world.transactions.iter().map(|t| &t.attempt).filter(|a| a.invoice == document.id()).collect();
    let soft =
        own.iter().filter(|a| a.state == AttemptState::SoftDecline && a.method == method.refkey).count();
    let ordinal = u32::try_from(own.len()).unwrap_or(u32::MAX).saturating_add(1);
    let prior = u32::try_from(soft).unwrap_or(u32::MAX);
    let answer = sandbox_answer(method.token.as_deref().unwrap_or_default(), open, prior);
    let mut attempt =
        attempt(invoice.draft.id, invoice.draft.payer, ordinal, open, invoice.draft.currency, on);
    attempt.method.clone_from(&method.refkey);
    attempt.gateway = method.gateway.clone().unwrap_or_default();
    match answer {
        SandboxAnswer::Paid { fee_minor } | SandboxAnswer::PaidAnswerLost { fee_minor } => {
            attempt.state = AttemptState::Paid;
            attempt.fee_minor = fee_minor;
            attempt.provider_reference = Some(attempt.id.to_string());
            settle(world, at, open, on);
            post(world, at, Kind::Payment, Happening { ordinal, on, amount_minor: open });
            if fee_minor != 0 {
                post(world, at, Kind::Fee, Happening { ordinal, on, amount_minor: fee_minor });
            }
        }
        SandboxAnswer::Declined(decline) => declined(world, at, &mut attempt, &decline, on),
    }
    world.transactions.push(Transaction { attempt, kind: TransactionKind::Online });
    Ok(())
}

fn declined(world: &mut World, at: usize, attempt: &mut Attempt, decline: &Decline, on: NaiveDate) {
    attempt.state = decline.class.state();
    attempt.decline_code = Some(decline.code.clone());
    if attempt.state == AttemptState::HardDecline {
        world.unhealthy.insert((attempt.customer, attempt.method.clone()));
    }
    let catalogue = world.catalogue.clone();
    let document = &mut world.documents[at];
    if let (Some(invoice), Some(catalogue)) = (&document.booked, catalogue) {
        let policy = catalogue.dunning_policy(invoice.draft.dunning_policy.as_deref());
        document.settlement = document.settlement.declined(&policy, invoice.payable_by, decline.class, 0, on);
    }
}

/// The method named, else the payer's default, if it can be charged on the day.
fn method_of(world: &World, payer: CustomerId, named: Option<&str>, on: NaiveDate) -> Option<PaymentMethod> {
    let payer = world.customer(payer)?;
    let own = named.and_then(|refkey| {
        let everybody = world.known.customers.values().flat_map(|customer| &customer.payment_methods);
        payer.payment_methods.iter().chain(everybody).find(|method| method.refkey == refkey)
    });
    let method = own.or_else(|| payer.default_method())?;
    let is_usable = method.is_online()
        && method.expires.is_none_or(|expires| on < expires)
        && !world.unhealthy.contains(&(payer.id, method.refkey.clone()));
    is_usable.then(|| method.clone())
}

/// An attempt that has not been answered.
pub(super) fn attempt(
    invoice: InvoiceId,
    customer: CustomerId,
    ordinal: u32,
    amount_minor: i64,
    currency: Currency,
    on: NaiveDate,
) -> Attempt {
    Attempt {
        id: AttemptId::of(&format!("{invoice}\u{1f}{ordinal}")),
        invoice,
        customer,
        ordinal,
        amount_minor,
        currency,
        method: String::new(),
        gateway: String::new(),
        on,
        state: AttemptState::Pending,
        provider_reference: None,
        decline_code: None,
        fee_minor: 0,
    }
}

/// Moves the marks of a document by money, or by a credit.
pub(super) fn settle(world: &mut World, at: usize, amount_minor: i64, on: NaiveDate) {
    let document = &mut world.documents[at];
    let gross_minor = document.draft.gross_minor();
    document.settlement = document.settlement.settled(gross_minor, amount_minor, on);
    document.received_minor += amount_minor;
}

/// What is posted of a document besides its booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Payment,
    Fee,
    Refund,
    WriteOff,
}

/// Writes the ledger entry of something that happened.
pub(super) fn post(world: &mut World, at: usize, kind: Kind, happening: Happening) {
    let Some(catalogue) = world.catalogue.clone() else { return };
    let Some(invoice) = world.documents[at].booked.clone() else { return };
    let entry = match kind {
        Kind::Payment => ledger::payment_entry(&invoice, &catalogue, None, happening),
        Kind::Fee => ledger::fee_entry(&invoice, &catalogue, None, happening),
        Kind::Refund => ledger::refund_entry(&invoice, &catalogue, None, happening),
        Kind::WriteOff => ledger::write_off_entry(&invoice, &catalogue, None, happening),
    };
    world.entries.extend(entry);
}

/// Sets a payer's credits against the oldest open invoices of the currency (rules I8).
pub(super) fn set_off(world: &mut World, payer: CustomerId, on: NaiveDate) {
    let mut by_currency: BTreeMap<Currency, Vec<usize>> = BTreeMap::new();
    for (at, document) in world.documents.iter().enumerate() {
        if document.draft.payer == payer && document.booked.is_some() {
            by_currency.entry(document.draft.currency).or_default().push(at);
        }
    }
    for mut places in by_currency.into_values() {
        places.sort_by_key(|at| {
            let document = &world.documents[*at];
            let number = document.booked.as_ref().map(|invoice| invoice.number.clone());
            (document.draft.invoice_date, number)
        });
        let open: Vec<OpenDocument> = places
            .iter()
            .map(|at| &world.documents[*at])
            .map(|d| OpenDocument { id: d.id(), open_minor: d.settlement.open_minor(d.draft.gross_minor()) })
            .collect();
        for part in parts_of(&open) {
            let place = |id: InvoiceId| places.iter().copied().find(|at| world.documents[*at].id() == id);
            let (Some(credit), Some(invoice)) = (place(part.credit), place(part.invoice)) else { continue };
            settle(world, credit, -part.amount_minor, on);
            settle(world, invoice, part.amount_minor, on);
        }
    }
}
