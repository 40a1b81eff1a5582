//! Money that waits for a person: it is put on an invoice, or went back to who sent it (rules Y6).
//!
//! Key that makes a repeat quiet: what is left of the entry, read under its lock.

use super::put::{Placement, put};
use super::{ReceivedView, committed, locked};
use crate::act::Act;
use crate::context::Context;
use crate::payments::settle;
use crate::payments::tried::decimal;
use crate::refusal::{Stop, unknown_payer};
use anyhow::Context as _;
use domain::Decimal;
use domain::audit::{Action, Object};
use domain::bank::{self as placing, expect_payable, open_or_newest, spread};
use domain::ids::{CustomerId, InvoiceId};
use domain::money::{Currency, Money};
use domain::payment::AttemptState;
use domain::refusal::{Code, Refusal, Verb};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use store::bank::{self, EntryRow, EntryState, Unplaced};
use store::invoice::{self, Booked, InvoiceFilter};
use store::{Tx, payer, payment};

/// What is put where.
#[derive(Debug, Clone, Default)]
pub struct Allocation<'a> {
    /// Number of an invoice; none = the one that is proposed.
    pub invoice: Option<&'a str>,
    /// Account number of a payer, whose oldest open invoices are paid.
    pub customer: Option<&'a str>,
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
    let parts = match asked.customer {
        Some(account) => of_payer(&mut tx, &entry, account, amount_minor).await?,
        None => {
            let booked = target(&mut tx, &entry, asked.invoice, amount_minor).await?;
            vec![(booked.invoice.draft.id, amount_minor)]
        }
    };
    for (invoice, amount_minor) in parts {
        let part =
            Placement { entry: entry.received.id, invoice, amount_minor, on: entry.received.booked_on };
        put(ctx, &mut tx, &act.actor, &catalogue, &part).await?;
    }
    let minor = entry.left.minor - amount_minor;
    let left = match minor {
        0 => Unplaced { minor, state: EntryState::Placed, why: None, proposed: None },
        _ => Unplaced { minor, state: EntryState::Open, proposed: None, ..entry.left },
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
    let left = Unplaced { minor: 0, state: EntryState::Refunded, why: None, proposed: None };
    bank::save_left(&mut tx, entry.received.id, left).await?;
    let amount = Money::new(minor, entry.received.currency).decimal();
    let detail = serde_json::json!({"amount": amount.to_string(), "on": act.on});
    ctx.note(&mut tx, &act.actor, Action::RefundPayment, Object::Received(payment), detail).await?;
    committed(tx, payment).await
}

fn amount_of(entry: &EntryRow, asked: Option<Decimal>) -> Result<i64, Refusal> {
    placing::amount_of(entry.number, Money::new(entry.left.minor, entry.received.currency), asked)
}

/// The payer's open invoices in the currency of the money, the oldest first; what is over stays on the last, and where nothing is
/// open on the newest, as the payer's credit (rules Y5). Invoices whose payment is under way are left out.
async fn of_payer(
    tx: &mut Tx,
    entry: &EntryRow,
    account: &str,
    amount_minor: i64,
) -> Result<Vec<(InvoiceId, i64)>, Stop> {
    let payer = payer_called(tx, account).await?;
    invoice::lock_open(tx, &[payer]).await?;
    let ids = invoice::ids(tx, &InvoiceFilter { payer: Some(payer), ..InvoiceFilter::default() }).await?;
    let under_way: Vec<InvoiceId> = payment::of_invoices(tx, &ids)
        .await?
        .into_iter()
        .filter(|attempt| attempt.state == AttemptState::Pending)
        .map(|attempt| attempt.invoice)
        .collect();
    let currency = entry.received.currency;
    let all = invoice::by_ids(tx, &ids).await?;
    let documents = all.iter().map(|booked| (&booked.invoice, &booked.settlement));
    let open = open_or_newest(documents, currency, |id| under_way.contains(&id));
    if open.is_empty() {
        let message = format!("{account} has no invoice in {currency} that money can be put on");
        let refusal = Refusal::new(Code::UnknownInvoice, message).hint("send it back and note that with ");
        return Err(refusal.ask(Verb::RefundPayment.on(entry.number)).into());
    }
    let ids: Vec<InvoiceId> = open.iter().map(|(id, _)| *id).collect();
    invoice::lock_settlements(tx, &ids).await?;
    Ok(spread(amount_minor, &open))
}

async fn payer_called(tx: &mut Tx, account: &str) -> Result<CustomerId, Stop> {
    let named = store::book::customer(tx, account).await?.ok_or_else(|| unknown_payer(account))?;
    Ok(payer::lock_of(tx, named.id).await?)
}

/// What of a payer's credit paid which invoices. The fields are a contract.
#[derive(Debug, Clone, Serialize)]
pub struct CreditAllocated {
    pub account: String,
    pub parts: Vec<CreditPart>,
}

/// So much of one document's credit.
#[derive(Debug, Clone, Serialize)]
pub struct CreditPart {
    pub credit: String,
    pub invoice: String,
    pub currency: Currency,
    #[serde(serialize_with = "decimal")]
    pub amount: Money,
}

/// Sets a payer's credit against their oldest open invoices, as the next booking would: what could not be while a payment was
/// under way (rules Y5).
///
/// Key that makes a repeat quiet: what is owed and open then.
pub async fn allocate_credit(ctx: &Context, act: &Act, account: &str) -> Result<CreditAllocated, Stop> {
    let mut tx = ctx.store.begin().await?;
    let payer = payer_called(&mut tx, account).await?;
    let met = settle::set_off_of_payers(&mut tx, &[payer], act.on).await?;
    let ids: BTreeSet<InvoiceId> = met.iter().flat_map(|(_, pair)| [pair.credit, pair.invoice]).collect();
    let documents = invoice::by_ids(&mut tx, &ids.into_iter().collect::<Vec<_>>()).await?;
    let numbers: BTreeMap<InvoiceId, &str> =
        documents.iter().map(|b| (b.invoice.draft.id, b.invoice.number.as_str())).collect();
    let number = |id| numbers.get(&id).map(|n| (*n).to_owned()).context("a settled document is gone");
    let mut parts = Vec::with_capacity(met.len());
    for (currency, pair) in met {
        let amount = Money::new(pair.amount_minor, currency);
        let (credit, invoice) = (number(pair.credit)?, number(pair.invoice)?);
        let detail =
            serde_json::json!({"amount": amount.decimal().to_string(), "credit": credit, "on": act.on});
        ctx.note(&mut tx, &act.actor, Action::AllocatePayment, Object::Invoice(&invoice), detail).await?;
        parts.push(CreditPart { credit, invoice, currency, amount });
    }
    if parts.is_empty() {
        let message = format!("{account} has no credit that an open invoice in its currency could use");
        return Err(Refusal::new(Code::NothingLeft, message)
            .hint("what is owed to them is paid back with ")
            .ask(Verb::RefundPayment.plain().with("customer", account))
            .into());
    }
    tx.commit().await?;
    Ok(CreditAllocated { account: account.to_owned(), parts })
}

/// The invoice, held until the transaction ends.
async fn target(
    tx: &mut Tx,
    entry: &EntryRow,
    asked: Option<&str>,
    amount_minor: i64,
) -> Result<Booked, Stop> {
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
    let attempts = payment::of_invoices(tx, &[id]).await?;
    let pending = attempts.iter().find(|attempt| attempt.state == AttemptState::Pending);
    let came = Money::new(amount_minor, entry.received.currency);
    expect_payable(&booked.invoice, number, came, pending)?;
    Ok(booked)
}
