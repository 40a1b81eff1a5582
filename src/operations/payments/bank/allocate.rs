//! Money that waits for a person: it is put on an invoice, or went back to who sent it (rules Y6).
//!
//! Key that makes a repeat quiet: what is left of the entry, read under its lock.

use super::put::{Placement, put};
use super::{ReceivedView, committed, locked};
use crate::act::Act;
use crate::context::Context;
use crate::refusal::Stop;
use domain::Decimal;
use domain::audit::{Action, Object};
use domain::invoice::account;
use domain::money::Money;
use domain::payment::AttemptState;
use domain::refusal::{Code, Refusal, Verb};
use store::bank::{self, EntryRow, EntryState, Left};
use store::invoice::{self, Booked};
use store::{Tx, payment};

/// What is put where.
#[derive(Debug, Clone, Default)]
pub struct Allocation<'a> {
    /// Number of an invoice; none = the one that is proposed.
    pub invoice: Option<&'a str>,
    /// Major units; none = all that is left.
    pub amount: Option<Decimal>,
}

/// Puts what is left of a payment, or so much of it, on an invoice. It is dated as the bank booked it.
pub async fn allocate(
    ctx: &Context,
    act: &Act,
    payment: i64,
    asked: &Allocation<'_>,
) -> Result<ReceivedView, Stop> {
    let mut tx = ctx.store.begin().await?;
    let catalogue = crate::context::catalogue(&mut tx).await?;
    let entry = locked(&mut tx, payment).await?;
    let amount_minor = amount_of(&entry, asked.amount)?;
    let booked = target(&mut tx, &entry, asked.invoice).await?;
    let id = booked.invoice.draft.id;
    let part =
        Placement { entry: entry.received.id, invoice: id, amount_minor, on: entry.received.booked_on };
    put(ctx, &mut tx, &act.actor, &catalogue, &part).await?;
    let minor = entry.left.minor - amount_minor;
    let left = match minor {
        0 => Left { minor, state: EntryState::Placed, why: None, proposed: None },
        _ => Left { minor, state: EntryState::Open, proposed: None, ..entry.left },
    };
    bank::save_left(&mut tx, entry.received.id, left).await?;
    committed(tx, payment).await
}

/// What is left of a payment went back to who sent it, by bank transfer.
pub async fn refund(ctx: &Context, act: &Act, payment: i64) -> Result<ReceivedView, Stop> {
    let mut tx = ctx.store.begin().await?;
    let entry = locked(&mut tx, payment).await?;
    let minor = amount_of(&entry, None)?;
    // The books have not taken it in: coming and going meet on the bank's account alone.
    let left = Left { minor: 0, state: EntryState::Refunded, why: None, proposed: None };
    bank::save_left(&mut tx, entry.received.id, left).await?;
    let amount = Money::new(minor, entry.received.currency).decimal();
    let detail = serde_json::json!({"amount": amount.to_string(), "on": act.on});
    ctx.note(&mut tx, &act.actor, Action::RefundPayment, Object::Received(payment), detail).await?;
    committed(tx, payment).await
}

fn amount_of(entry: &EntryRow, asked: Option<Decimal>) -> Result<i64, Refusal> {
    let (left, number) = (Money::new(entry.left.minor, entry.received.currency), entry.number);
    if left.minor == 0 {
        let message = format!("nothing is left of payment {number}");
        return Err(Refusal::new(Code::NothingLeft, message)
            .hint("where it is says ")
            .ask(Verb::ListReceived.plain()));
    }
    match asked {
        None => Ok(left.minor),
        Some(amount) => match account::minor(amount, left.currency)? {
            minor if minor <= left.minor => Ok(minor),
            _ => Err(Refusal::new(Code::TooMuch, format!("only {left} is left of payment {number}"))
                .option("amount", left.decimal())
                .hint(" at most")),
        },
    }
}

/// The invoice, held until the transaction ends.
async fn target(tx: &mut Tx, entry: &EntryRow, asked: Option<&str>) -> Result<Booked, Stop> {
    let number = entry.number;
    let Some(name) = asked.or(entry.proposed.as_deref()) else {
        let message = format!("nothing says which invoice payment {number} is for");
        return Err(Refusal::new(Code::MissingArgument, message)
            .hint("name it: ")
            .ask(Verb::AllocatePayment.on(number).with("invoice", "INV-0000001"))
            .into());
    };
    let unknown = || {
        Refusal::new(Code::UnknownInvoice, format!("there is no booked invoice {name}"))
            .hint("see ")
            .ask(Verb::ListInvoices.plain())
    };
    let found = invoice::by_number(tx, name).await?.ok_or_else(unknown)?;
    let id = found.invoice.draft.id;
    invoice::lock_open(tx, &[found.invoice.draft.payer]).await?;
    invoice::lock_settlements(tx, &[id]).await?;
    let booked = invoice::by_id(tx, id).await?.ok_or_else(unknown)?;
    let (came, owed) = (entry.received.currency, booked.invoice.draft.currency);
    if booked.invoice.draft.gross_minor() < 0 {
        let message = format!("{name} is a credit note: nobody pays it");
        return Err(Refusal::new(Code::CreditNote, message).hint("name the invoice that it is for").into());
    }
    if came != owed {
        let message = format!("payment {number} is in {came}, {name} in {owed}");
        let refusal = Refusal::new(Code::WrongCurrency, message).hint("send it back and note that with ");
        return Err(refusal.ask(Verb::RefundPayment.on(number)).into());
    }
    let attempts = payment::of_invoices(tx, &[id]).await?;
    if attempts.iter().any(|attempt| attempt.state == AttemptState::Pending) {
        let message = format!("a payment of {name} is under way and has no answer yet");
        return Err(Refusal::new(Code::PaymentUnderWay, message)
            .hint("ask for the answer with ")
            .ask(Verb::RetryPayments.plain())
            .into());
    }
    Ok(booked)
}
