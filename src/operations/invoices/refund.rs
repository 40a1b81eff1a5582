//! Money back to the payer: the open balance of a credit note, or what was paid too much (rules I7).
//!
//! Idempotency key: the refund's, which follows from the document and what is settled so far, and is the
//! provider's idempotency key.

use crate::act::{Act, note_amount};
use crate::context::Context;
use crate::invoices::find;
use crate::invoices::view::InvoiceView;
use crate::payments::account::{account, policy_of};
use crate::payments::settle::{keep, next_entry};
use crate::refusal::Stop;
use anyhow::Context as _;
use domain::Decimal;
use domain::audit::Action;
use domain::direct_debit::SEPA;
use domain::ids::{CustomerId, InvoiceId};
use domain::invoice::account as amounts;
use domain::invoice::verbs::{self, Books, Concerned, PartKind};
use domain::ledger::EntryKind;
use domain::money::Money;
use domain::payment::{Attempt, AttemptState};
use domain::refusal::{Code, Refusal, Verb};
use gateways::{GatewayError, RefundAnswer, RefundRequest};
use std::collections::BTreeSet;
use store::invoice::{self, Booked};
use store::refund::AskedRefund;
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
    /// Through the provider that took it; outside of tallybook if it was not taken online.
    Provider,
    /// By bank transfer, outside.
    Hand,
}

/// Pays back. What a provider is asked for is noted first, then it is called, then its answer is written (rules Y1): after a
/// crash the same command, and the next daily dunning run, ask again with the same key.
pub async fn refund(ctx: &Context, act: &Act, asked: &Refund<'_>) -> Result<InvoiceView, Stop> {
    act.insist_near(ctx).await?;
    let mut tx = ctx.store.begin().await?;
    let booked = find::locked(&mut tx, asked.invoice, "refunded").await?;
    let id = booked.invoice.draft.id;
    if let Some(under_way) = store::refund::asked_of(&mut tx, id).await? {
        same_as(&under_way, asked, &booked)?;
        drop(tx);
        return finish(ctx, act, &under_way).await;
    }
    let received = received_minor(&mut tx, &booked).await?;
    let amount_minor = amounts::refund(find::standing(&booked), received, asked.amount)?;
    let key = refund_key(&booked, amount_minor);
    let charge = charge_to_refund(&mut tx, &booked, amount_minor).await?;
    let Some(charge) = charge.filter(|_| asked.by == RefundBy::Provider) else {
        keep_refund(ctx, &mut tx, act, &booked, (key, amount_minor)).await?;
        return InvoiceView::committed(ctx, tx, id).await;
    };
    let intent = AskedRefund { id: key, invoice: id, charge: charge.id, amount_minor, on: act.on };
    store::refund::ask(&mut tx, &intent).await?;
    store::request::goes_on();
    tx.commit().await?;
    finish(ctx, act, &intent).await
}

/// A refund that is under way is finished before anything else of the document goes back.
fn same_as(under_way: &AskedRefund, asked: &Refund<'_>, booked: &Booked) -> Result<(), Refusal> {
    let (number, currency) = (&booked.invoice.number, booked.invoice.draft.currency);
    let is_other = match asked.amount {
        Some(amount) => amounts::minor(amount, currency)? != under_way.amount_minor,
        None => false,
    };
    if !is_other && asked.by == RefundBy::Provider {
        return Ok(());
    }
    let amount = Money::new(under_way.amount_minor, currency);
    let message = format!("a refund of {amount} on {number} is under way and has no answer yet");
    Err(Refusal::new(Code::PaymentUnderWay, message)
        .hint("it is asked about again, and made once, with ")
        .ask(Verb::RefundInvoice.on(number)))
}

/// Asks the provider for a refund that is noted, and writes its answer.
async fn finish(ctx: &Context, act: &Act, intent: &AskedRefund) -> Result<InvoiceView, Stop> {
    let mut tx = ctx.store.read().await?;
    let attempts = payment::by_id(&mut tx, intent.charge).await?;
    let charge = attempts.context("the payment that goes back is gone")?;
    drop(tx);
    let answer = ask_refund(ctx, &charge, intent.id, intent.amount_minor).await;
    let answer = match answer {
        Err(refusal) if refusal.code == Code::Gateway => return Err(refusal.into()),
        answer => answer,
    };
    let mut tx = ctx.store.begin().await?;
    invoice::lock_settlements(&mut tx, &[intent.invoice]).await?;
    let booked = invoice::by_id(&mut tx, intent.invoice).await?.context("the invoice is gone")?;
    let is_news = store::refund::answered(&mut tx, intent.id).await?;
    if let Err(refusal) = answer {
        tx.commit().await?;
        return Err(refusal.into());
    }
    if is_news {
        let act = Act { on: intent.on, ..act.clone() };
        keep_refund(ctx, &mut tx, &act, &booked, (intent.id, intent.amount_minor)).await?;
    }
    InvoiceView::committed(ctx, tx, intent.invoice).await
}

/// Finishes the refunds whose answers were lost; account number and reason of those that a person must look at.
pub(crate) async fn finish_all(ctx: &Context, act: &Act) -> anyhow::Result<Vec<(CustomerId, String)>> {
    let mut tx = ctx.store.read().await?;
    let under_way = store::refund::asked(&mut tx).await?;
    let mut aside = Vec::new();
    let mut payers = Vec::with_capacity(under_way.len());
    for intent in &under_way {
        payers.push(invoice::by_id(&mut tx, intent.invoice).await?);
    }
    drop(tx);
    for (intent, booked) in under_way.iter().zip(payers) {
        match finish(ctx, act, intent).await {
            Ok(_) => {}
            Err(Stop::Refused(refusal)) => aside.extend(booked.map(|booked| {
                let number = &booked.invoice.number;
                (booked.invoice.draft.payer, format!("refund of {number}: {}", refusal.message))
            })),
            Err(Stop::Broke(error)) => return Err(error),
        }
    }
    Ok(aside)
}

/// Writes a refund that is made: its part of the settlement, its entry, and the audit log.
async fn keep_refund(
    ctx: &Context,
    tx: &mut Tx,
    act: &Act,
    booked: &Booked,
    (key, amount_minor): (Uuid, i64),
) -> anyhow::Result<()> {
    let catalogue = store::catalogue::load(tx).await?.context("the book is empty")?;
    let books = Books { catalogue: &catalogue, calendar: store::ledger::calendar(tx).await? };
    let ordinal = next_entry(tx, booked.invoice.draft.id, EntryKind::Refund).await?;
    let policy = policy_of(&catalogue, booked);
    let account = account(booked, &[], None, &policy);
    let effects = verbs::refund(&account, amount_minor, (ordinal, key), act.on, books)?;
    if keep(tx, &effects, None).await? {
        note_amount(ctx, tx, &booked.invoice.number, Action::Refund, act, amount_minor).await?;
    }
    Ok(())
}

/// The money that came for the invoices that a document concerns and has not gone back: payments, less refunds, and
/// what was set off between them and others (rules Y5). A write-off is none. None if it concerns no invoice.
pub(crate) async fn received_minor(tx: &mut Tx, booked: &Booked) -> anyhow::Result<Option<i64>> {
    let draft = &booked.invoice.draft;
    let mut documents = vec![(draft.id, booked.invoice.number.clone(), draft.credits.clone())];
    for number in &draft.credits {
        let credited = invoice::by_number(tx, number).await?;
        documents.extend(credited.map(|b| (b.invoice.draft.id, b.invoice.number, Vec::new())));
    }
    let notes = invoice::credit_notes_of(tx, draft.payer).await?;
    documents.extend(notes.into_iter().map(|(id, credits)| (id, String::new(), credits)));
    let mut all = Vec::with_capacity(documents.len());
    let mut seen = BTreeSet::new();
    for (id, number, credits) in &documents {
        if seen.insert(*id) {
            let parts = invoice::parts(tx, *id).await?;
            let money = parts.iter().filter(|p| p.kind != PartKind::WriteOff.name());
            let under_way = store::refund::asked_of(tx, *id).await?.map_or(0, |asked| asked.amount_minor);
            let received_minor = money.map(|p| p.amount_minor).sum::<i64>() - under_way;
            all.push(Concerned { id: *id, number, credits, received_minor });
        }
    }
    let kept_minor = invoice::kept_minor(tx, draft.payer, draft.currency).await?;
    Ok(verbs::received_minor(&booked.invoice, all.iter().copied(), kept_minor))
}

/// Writes a refund made by bank transfer, in the transaction of the caller, which holds the document; one that a provider has
/// been asked for comes first.
pub(crate) async fn keep_manual(
    ctx: &Context,
    tx: &mut Tx,
    act: &Act,
    id: InvoiceId,
    amount_minor: i64,
) -> Result<(), Stop> {
    let booked = invoice::by_id(tx, id).await?.context("the invoice is gone")?;
    if let Some(under_way) = store::refund::asked_of(tx, id).await? {
        let asked = Refund { invoice: &booked.invoice.number, amount: None, by: RefundBy::Hand };
        same_as(&under_way, &asked, &booked)?;
    }
    // What went back on one document is no longer there for another that shares it.
    let received = received_minor(tx, &booked).await?;
    let amount = Money::new(amount_minor, booked.invoice.draft.currency).decimal();
    let amount_minor = amounts::refund(find::standing(&booked), received, Some(amount))?;
    Ok(keep_refund(ctx, tx, act, &booked, (refund_key(&booked, amount_minor), amount_minor)).await?)
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
        let is_at_provider = a.provider_reference.is_some() && a.gateway != SEPA;
        a.state == AttemptState::Paid && is_at_provider && a.amount_minor >= amount_minor
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
