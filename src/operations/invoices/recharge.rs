//! Charges what is open of an invoice now, because somebody asks for it.
//!
//! Idempotency key: the attempt's id; while it has no answer, the same one is asked again.

use crate::act::Act;
use crate::context::Context;
use crate::invoices::find;
use crate::payments::collect;
use crate::payments::tried::{Occasion, Tried};
use crate::refusal::Stop;
use domain::direct_debit::SEPA;
use domain::payment::{Attempt, AttemptState, under_way};
use domain::refusal::{Code, Refusal, Verb};
use store::payment;

/// What became of the newest charge of this invoice: why it was declined, if it was.
pub async fn declined(ctx: &Context, invoice: &str) -> Result<Option<String>, Stop> {
    let mut tx = ctx.store.read().await?;
    let booked = find::booked(&mut tx, invoice, "charged").await?;
    let attempts = payment::of_invoices(&mut tx, &[booked.invoice.draft.id]).await?;
    let newest = attempts.into_iter().max_by_key(|attempt| attempt.ordinal);
    Ok(newest.and_then(|attempt| attempt.decline_code))
}

/// Charges the invoice of this number.
pub async fn recharge(ctx: &Context, act: &Act, invoice: &str) -> Result<Tried, Stop> {
    act.insist_near(ctx).await?;
    let mut tx = ctx.store.read().await?;
    let booked = find::booked(&mut tx, invoice, "charged").await?;
    let attempts = payment::of_invoices(&mut tx, &[booked.invoice.draft.id]).await?;
    drop(tx);
    let is_debit = |attempt: &&Attempt| attempt.state == AttemptState::Pending && attempt.gateway == SEPA;
    if let Some(debit) = attempts.iter().find(is_debit) {
        return Err(under_way(invoice, debit).into());
    }
    let gross = booked.invoice.draft.gross_minor();
    if gross <= 0 || booked.settlement.open_minor(gross) <= 0 {
        return Err(Refusal::new(Code::NothingOpen, format!("nothing is open on {invoice}"))
            .ask(Verb::ShowInvoice.on(invoice))
            .hint(" says what settled it")
            .into());
    }
    let ids = [booked.invoice.draft.id];
    let collected = collect::collect(ctx, &ids, Occasion::Request, act.on, None).await?;
    let tried = collected.tried.into_iter().next().ok_or_else(|| {
        Refusal::new(Code::NoMethod, format!("{invoice} has no online payment method"))
            .hint("load one with the book, or note a payment with ")
            .ask(Verb::MarkPaid.on(invoice))
    })?;
    Ok(tried)
}
