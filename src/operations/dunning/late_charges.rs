//! What reminders cost: booked in the transaction that plans the reminder, as invoices of their own (rules Y9).
//!
//! Idempotency key: the invoice's id, a function of the reminded one and the step.

use crate::act::{Act, Actor, note};
use crate::context::Context;
use crate::delivery::plan;
use crate::invoices::book::book_drafts;
use crate::payments::account::policy_of;
use chrono::NaiveDate;
use domain::audit::Action;
use domain::billing::{Reminded, charged_until, late_charge, late_charges_of};
use domain::catalogue::Catalogue;
use domain::ids::{CustomerId, InvoiceId};
use domain::invoice::Draft;
use std::collections::BTreeMap;
use store::invoice::{self, Booked};
use store::{Tx, draft, payer, payment};

/// Books what the reminders of these invoices cost on a day, and plans its mails. The step of each is the one after those
/// that its marks say were taken.
pub(super) async fn book(
    ctx: &Context,
    tx: &mut Tx,
    catalogue: &Catalogue,
    reminded: &[&Booked],
    on: NaiveDate,
) -> anyhow::Result<Vec<InvoiceId>> {
    let mut drafts = Vec::new();
    for of in drafted(tx, catalogue, reminded, on).await? {
        if draft::add_manual(tx, &of).await?.is_none() {
            drafts.push(of);
        }
    }
    if drafts.is_empty() {
        return Ok(Vec::new());
    }
    let booked = book_drafts(tx, None, on, catalogue, drafts).await?;
    let ids: Vec<InvoiceId> = booked.iter().map(|invoice| invoice.draft.id).collect();
    let act = Act { actor: Actor::Dunning, on };
    for invoice in &booked {
        note(ctx, tx, &invoice.number, Action::BookInvoice, &act).await?;
        payment::owe_first_charge(tx, invoice.draft.id, on).await?;
    }
    let booked = invoice::by_ids(tx, &ids).await?;
    plan::plan_invoices(ctx, tx, catalogue, &booked, None).await?;
    Ok(ids)
}

async fn drafted(
    tx: &mut Tx,
    catalogue: &Catalogue,
    reminded: &[&Booked],
    on: NaiveDate,
) -> anyhow::Result<Vec<Draft>> {
    let ids: Vec<CustomerId> = reminded.iter().map(|booked| booked.invoice.draft.payer).collect();
    let payers = store::book::customers(tx, &ids).await?;
    let revisions: BTreeMap<CustomerId, i64> =
        payer::locked_refs(tx, &ids).await?.into_iter().map(|p| (p.id, p.revision)).collect();
    let mut drafts = Vec::new();
    for booked in reminded {
        let of = &booked.invoice.draft;
        let (Some(payer), Some(revision)) = (payers.get(&of.payer), revisions.get(&of.payer)) else {
            continue;
        };
        let policy = policy_of(catalogue, booked);
        let taken = booked.settlement.dunning_step;
        let Some(step) = usize::try_from(taken).ok().and_then(|taken| policy.steps.get(taken)) else {
            continue;
        };
        if step.late_charge.is_nothing() {
            continue;
        }
        let before = invoice::by_ids(tx, &late_charges_of(of.id, taken)).await?;
        drafts.extend(late_charge(
            catalogue,
            &Reminded {
                invoice: &booked.invoice,
                open_minor: booked.settlement.open_minor(of.gross_minor()),
                payer,
                revision: *revision,
                step,
                number: taken + 1,
                charged_until: charged_until(before.iter().map(|b| &b.invoice.draft)),
                on,
            },
        ));
    }
    Ok(drafts)
}

/// Payers whose reminders cost something.
pub(super) fn payers_of<'b>(
    catalogue: &Catalogue,
    reminded: impl IntoIterator<Item = &'b Booked>,
) -> Vec<CustomerId> {
    let costs = |booked: &&Booked| {
        let taken = usize::try_from(booked.settlement.dunning_step).unwrap_or(usize::MAX);
        policy_of(catalogue, booked).steps.get(taken).is_some_and(|step| !step.late_charge.is_nothing())
    };
    reminded.into_iter().filter(costs).map(|booked| booked.invoice.draft.payer).collect()
}
