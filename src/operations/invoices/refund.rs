//! Money back to the payer: the open balance of a credit note, or what was paid too much (rules I7).
//!
//! The provider is asked before anything is written. Key that makes a repeat quiet: the refund's, which follows from the
//! document and what is settled so far, so that after a crash the same refund is asked for again, and made once.

use crate::act::{Act, note_amount};
use crate::context::Context;
use crate::invoices::find;
use crate::invoices::view::InvoiceView;
use crate::payments::settle::{Happened, happen};
use crate::refusal::Stop;
use domain::Decimal;
use domain::invoice::account;
use domain::journal::Action;
use domain::ledger::{self, EntryKind};
use domain::money::Money;
use domain::payment::{Attempt, AttemptState};
use domain::refusal::{Code, Refusal};
use gateways::{GatewayError, RefundAnswer, RefundRequest};
use std::collections::BTreeSet;
use store::invoice::{self, Booked};
use store::{Tx, payment};
use uuid::Uuid;

/// What goes back.
#[derive(Debug, Clone)]
pub struct Refund<'a> {
    /// Number of the credit note, or of the invoice that was paid too much.
    pub invoice: &'a str,
    /// Major units; none = all that is owed.
    pub amount: Option<Decimal>,
    pub by: RefundBy,
}

/// How money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundBy {
    /// Through the provider that took it; by hand if it was not taken online.
    Provider,
    /// By bank transfer, outside.
    Hand,
}

/// Pays back.
pub async fn refund(ctx: &Context, act: &Act, asked: &Refund<'_>) -> Result<InvoiceView, Stop> {
    let mut tx = ctx.store.read().await?;
    let booked = find::booked(&mut tx, asked.invoice, "refunded").await?;
    let received = received_minor(&mut tx, &booked).await?;
    let amount_minor = account::refund(find::standing(&booked), received, asked.amount)?;
    let key = refund_key(&booked, amount_minor);
    let charge = charge_to_refund(&mut tx, &booked, amount_minor).await?;
    drop(tx);
    let charge = charge.filter(|_| asked.by == RefundBy::Provider);
    if let Some(charge) = &charge {
        ask_refund(ctx, charge, key, amount_minor).await?;
    }
    let mut tx = ctx.store.begin().await?;
    let booked = find::locked(&mut tx, &booked.invoice.number, "refunded").await?;
    // What a provider has given back is written in any case; a person is told that somebody else came first.
    if charge.is_none() {
        let received = received_minor(&mut tx, &booked).await?;
        let amount = Money::new(amount_minor, booked.invoice.draft.currency).decimal();
        account::refund(find::standing(&booked), received, Some(amount))?;
    }
    let happened =
        Happened { kind: "refund", entry: EntryKind::Refund, amount_minor, part_minor: -amount_minor };
    if happen(&mut tx, &booked, act.on, Some(key), happened, ledger::refund_entry).await? {
        note_amount(ctx, &mut tx, &booked.invoice.number, Action::Refund, act, amount_minor).await?;
    }
    InvoiceView::committed(ctx, tx, booked.invoice.draft.id).await
}

/// The money that came for the invoices that a document concerns and has not gone back: payments, less refunds, and
/// what was set off between them and others (rules Y5). A write-off is none. None if it concerns no invoice.
async fn received_minor(tx: &mut Tx, booked: &Booked) -> anyhow::Result<Option<i64>> {
    let mut invoices = Vec::new();
    if booked.invoice.draft.is_credit_note {
        for number in &booked.invoice.draft.credits {
            invoices.extend(invoice::by_number(tx, number).await?.map(|b| b.invoice));
        }
        if invoices.is_empty() {
            return Ok(None);
        }
    } else {
        invoices.push(booked.invoice.clone());
    }
    let mut documents = BTreeSet::from([booked.invoice.draft.id]);
    let notes = invoice::credit_notes_of(tx, booked.invoice.draft.payer).await?;
    for invoice in &invoices {
        documents.insert(invoice.draft.id);
        let own = notes.iter().filter(|(_, credits)| credits.contains(&invoice.number));
        documents.extend(own.map(|(id, _)| *id));
    }
    let mut received = 0;
    for document in documents {
        let parts = invoice::parts(tx, document).await?;
        received += parts.iter().filter(|p| p.kind != "write_off").map(|p| p.amount_minor).sum::<i64>();
    }
    Ok(Some(received))
}

fn refund_key(booked: &Booked, amount_minor: i64) -> Uuid {
    let natural = format!("refund\u{1f}{}\u{1f}{amount_minor}", booked.settlement.settled_minor);
    Uuid::new_v5(&booked.invoice.draft.id.0, natural.as_bytes())
}

/// The newest online payment that is large enough: of the document itself, or of the invoices that it credits.
async fn charge_to_refund(
    tx: &mut Tx,
    booked: &Booked,
    amount_minor: i64,
) -> anyhow::Result<Option<Attempt>> {
    let mut documents = vec![booked.invoice.draft.id];
    for number in &booked.invoice.draft.credits {
        documents.extend(invoice::by_number(tx, number).await?.map(|b| b.invoice.draft.id));
    }
    let attempts = payment::of_invoices(tx, &documents).await?;
    let fits = |a: &Attempt| {
        a.state == AttemptState::Paid && a.provider_reference.is_some() && a.amount_minor >= amount_minor
    };
    Ok(attempts.into_iter().filter(fits).max_by_key(|a| (a.on, a.ordinal)))
}

/// Asks the provider that took the money to give it back.
async fn ask_refund(ctx: &Context, charge: &Attempt, id: Uuid, amount_minor: i64) -> Result<(), Refusal> {
    let gateway = &charge.gateway;
    let refuses = |why: String| {
        Refusal::new(Code::RefundRefused, format!("{gateway} does not refund: {why}"))
            .hint("pay it back by bank transfer and note it with ")
            .switch("by_hand")
    };
    let provider = ctx.gateways.get(gateway).ok_or_else(|| refuses("it is not set up".to_owned()))?;
    let reference = charge.provider_reference.clone().unwrap_or_default();
    let request = RefundRequest { id, reference, amount_minor, currency: charge.currency };
    match provider.refund(&request).await {
        Ok(RefundAnswer::Refunded { .. }) => Ok(()),
        Ok(RefundAnswer::Declined { code }) => Err(refuses(code)),
        Err(GatewayError::Refused { why, .. }) => Err(refuses(why)),
        Err(GatewayError::Unknown { why, .. }) => {
            Err(Refusal::new(Code::Gateway, format!("{gateway} has not answered: {why}"))
                .hint("run the same command again: the refund is made once"))
        }
    }
}
