//! Mailing invoices, notices and reminders: the intent to deliver is committed first, then the mail is sent, then the
//! answer is written.

use crate::context::Context;
use crate::delivery::claims::Pass;
use crate::delivery::deliver::{Sent, deliver, deliver_twice, take_from_others};
use crate::delivery::plan::{plan_invoices, same_address};
use anyhow::Context as _;
use chrono::NaiveDate;
use documents::MailKind;
use domain::ids::InvoiceId;
use std::collections::BTreeSet;
use store::delivery::{self, Closed, Delivery, DeliveryState, OpenFilter, OpenState};
use store::invoice;

/// Deliveries of earlier runs that one pass makes up for, and of one page of all that wait.
const PAGE: u32 = 1_000;

/// Invoices whose deliveries are planned in one transaction.
const PLANNED_TOGETHER: usize = 500;

/// Sends each of these invoices to every address that has not got it, where it is not waiting for its time.
pub async fn send(ctx: &Context, invoices: &[InvoiceId]) -> anyhow::Result<Sent> {
    plan(ctx, invoices, None).await?;
    let mut tx = ctx.store.read().await?;
    let due = delivery::of_invoices(&mut tx, invoices).await?;
    drop(tx);
    let mut sent = Sent::default();
    sent.note_nobody(&due);
    deliver_twice(ctx, due_now(ctx, due), &mut sent).await?;
    Ok(sent)
}

/// Sends what an earlier run, or an earlier try, has left for now.
pub async fn send_overdue(ctx: &Context) -> anyhow::Result<Sent> {
    let mut tx = ctx.store.read().await?;
    let due = delivery::due(&mut tx, (ctx.now)(), PAGE).await?;
    drop(tx);
    let mut sent = Sent::default();
    if !due.is_empty() {
        deliver(ctx, &Pass::begin(ctx).await?, due, &mut sent).await?;
    }
    Ok(sent)
}

/// Tells the payers of these invoices that their payment failed, where that is planned and not done.
pub async fn send_declined(ctx: &Context, invoices: &[InvoiceId]) -> anyhow::Result<Sent> {
    let mut tx = ctx.store.read().await?;
    let mut due = delivery::of_invoices(&mut tx, invoices).await?;
    drop(tx);
    due.retain(|d| d.channel != MailKind::Invoice.channel());
    let mut sent = Sent::default();
    deliver_twice(ctx, due_now(ctx, due), &mut sent).await?;
    Ok(sent)
}

fn due_now(ctx: &Context, mut deliveries: Vec<Delivery>) -> Vec<Delivery> {
    let now = (ctx.now)();
    deliveries
        .retain(|d| d.state == DeliveryState::Pending && d.is_open() && d.due_at.is_none_or(|at| at <= now));
    deliveries
}

/// Sends one invoice because a person asks: to the addresses that have not got it, or to this one. What was refused
/// elsewhere is settled by a mail to an address that a person names.
pub async fn send_now(ctx: &Context, invoice: InvoiceId, to: Option<&str>) -> anyhow::Result<Sent> {
    plan(ctx, &[invoice], to).await?;
    let mut tx = ctx.store.begin().await?;
    match to {
        None => {
            delivery::retry(&mut tx, &[invoice]).await?;
        }
        Some(address) => {
            let all = delivery::of_invoices(&mut tx, &[invoice]).await?;
            for again in all.iter().filter(|d| is_invoice(d) && same_address(&d.address, address)) {
                delivery::reopen(&mut tx, again).await?;
            }
        }
    }
    let mut due = delivery::of_invoices(&mut tx, &[invoice]).await?;
    tx.commit().await?;
    let mut sent = Sent::default();
    if let Some(address) = to {
        due.retain(|d| is_invoice(d) && same_address(&d.address, address));
    } else {
        sent.note_nobody(&due);
    }
    due.retain(|d| d.state == DeliveryState::Pending && d.is_open());
    deliver_twice(ctx, due, &mut sent).await?;
    if let Some(address) = to
        && sent.sent > 0
    {
        let mut tx = ctx.store.begin().await?;
        let settled: Vec<Delivery> = delivery::of_invoices(&mut tx, &[invoice])
            .await?
            .into_iter()
            .filter(|d| is_invoice(d) && d.state == DeliveryState::Failed)
            .collect();
        let closed = Closed { on: today(ctx, &mut tx).await?, why: format!("sent to {address}") };
        delivery::close(&mut tx, &settled, &closed).await?;
        tx.commit().await?;
    }
    Ok(sent)
}

/// Which of the mails that have not gone out a person wants sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSelection {
    /// Those that wait, whatever their time, and those whose payer has got an address since.
    Waiting,
    /// Those that were refused or given up too.
    WaitingAndRefused,
}

/// Sends all of them, until the relay answers nobody.
pub async fn send_all(ctx: &Context, which: MailSelection) -> anyhow::Result<Sent> {
    plan_anew(ctx, OpenState::Nobody).await?;
    if which == MailSelection::WaitingAndRefused {
        plan_anew(ctx, OpenState::Refused).await?;
    }
    let pass = Pass::begin(ctx).await?;
    let mut sent = Sent::default();
    let mut last: Option<Delivery> = None;
    let mut held = Vec::new();
    while !sent.is_cut_short {
        let mut tx = ctx.store.read().await?;
        let page = delivery::waiting(&mut tx, last.as_ref(), PAGE).await?;
        drop(tx);
        last = page.last().cloned();
        if last.is_none() {
            break;
        }
        held.extend(deliver(ctx, &pass, page, &mut sent).await?.held);
    }
    take_from_others(ctx, &pass, held, &mut sent).await?;
    Ok(sent)
}

/// Plans again what was set aside so: to the addresses that the payers have by now.
async fn plan_anew(ctx: &Context, state: OpenState) -> anyhow::Result<()> {
    let filter = OpenFilter { state: Some(state), ..OpenFilter::default() };
    let mut tx = ctx.store.read().await?;
    let open = delivery::list_open(&mut tx, &filter).await?;
    drop(tx);
    let of_channel = |is_wanted: bool| -> Vec<InvoiceId> {
        let ids: BTreeSet<InvoiceId> = open
            .iter()
            .filter(|d| (d.channel == MailKind::Invoice.channel()) == is_wanted)
            .map(|d| d.invoice)
            .collect();
        ids.into_iter().collect()
    };
    for ids in of_channel(true).chunks(PLANNED_TOGETHER) {
        plan(ctx, ids, None).await?;
    }
    if state == OpenState::Refused {
        let mut tx = ctx.store.begin().await?;
        for ids in [of_channel(true), of_channel(false)] {
            delivery::retry(&mut tx, &ids).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

pub(crate) fn is_invoice(delivery: &Delivery) -> bool {
    delivery.channel == MailKind::Invoice.channel()
}

async fn plan(ctx: &Context, invoices: &[InvoiceId], to: Option<&str>) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let booked = invoice::by_ids(&mut tx, invoices).await?;
    plan_invoices(ctx, &mut tx, &catalogue, &booked, to).await?;
    tx.commit().await
}

async fn today(ctx: &Context, tx: &mut store::Tx) -> anyhow::Result<NaiveDate> {
    let catalogue = store::catalogue::load(tx).await?.context("the book is empty")?;
    Ok(domain::zone::local_date((ctx.now)(), catalogue.tenant.timezone))
}
