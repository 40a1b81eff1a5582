//! `send_invoices`: booked invoices go by mail, one per address, with their PDF. The intent to deliver is committed
//! first, then the mail is sent, then the answer is written.
//!
//! Key that makes a repeat quiet: invoice, channel and address, from which the Message-ID follows. What was sent is
//! not sent again; a mail that went out just before a crash goes out once more under the same Message-ID.

use crate::after_booking::{self, Aside};
use crate::context::JobContext;
use crate::render_invoices::{self, PDF};
use anyhow::Context;
use chrono::{DateTime, Duration, Utc};
use documents::{InvoiceMail, MailKind, Renderer};
use domain::catalogue::Catalogue;
use domain::customer::Customer;
use domain::ids::{CustomerId, InvoiceId};
use domain::mail::{Mail, Mailbox, message_id};
use domain::task::SliceTask;
use gateways::Delivery as Answer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::Tx;
use store::delivery::{self, Delivery, DeliveryState};
use store::document::{self, Document};
use store::invoice::{self, Booked};

/// Minutes after which a mail that met a passing fault is tried again; after the last one it is set aside.
const LADDER_MINUTES: [i64; 8] = [1, 5, 15, 60, 240, 720, 1_440, 1_440];
/// Mails handed to the transport together once the relay has shown that it works.
const BATCH: usize = 100;
/// Mails in a first, careful batch.
const PROBE: usize = 4;
/// So many passing faults in a row, and the rest of the slice waits for another time.
const FAULTS_IN_A_ROW_MAX: usize = 8;
/// Pause before the run's own second try.
const SECOND_TRY: std::time::Duration = std::time::Duration::from_millis(300);
/// Deliveries of earlier runs that one pass makes up for.
const OVERDUE_MAX: u32 = 1_000;

/// What became of a number of deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    pub sent: u64,
    pub aside: Aside,
}

/// Sends the slice's invoices; the first slice also sends what earlier runs left for now.
pub async fn run(ctx: &JobContext, task: SliceTask) -> anyhow::Result<()> {
    let (run, invoices) = after_booking::slice_of(ctx, task).await?;
    if task.slice == 0 {
        send_overdue(ctx).await?;
    }
    let sent = send(ctx, &invoices).await?;
    after_booking::finish(ctx, task, &run, &sent.aside).await
}

/// Sends each of these invoices to every address that has not got it, where it is not waiting for its time.
pub async fn send(ctx: &JobContext, invoices: &[InvoiceId]) -> anyhow::Result<Sent> {
    let mut sent = Sent { aside: plan(ctx, invoices, None).await?, ..Sent::default() };
    let mut tx = ctx.store.read().await?;
    let now = (ctx.now)();
    let mut due = delivery::of_invoices(&mut tx, invoices).await?;
    drop(tx);
    due.retain(|d| d.state == DeliveryState::Pending && d.due_at.is_none_or(|at| at <= now));
    deliver_twice(ctx, due, &mut sent).await?;
    Ok(sent)
}

/// Sends what an earlier run, or an earlier try, has left for now.
pub async fn send_overdue(ctx: &JobContext) -> anyhow::Result<Sent> {
    let mut tx = ctx.store.read().await?;
    let mut due = delivery::due(&mut tx, (ctx.now)(), OVERDUE_MAX).await?;
    drop(tx);
    // An invoice that was never tried belongs to a slice that is at work.
    due.retain(|d| d.attempts > 0 || d.channel != MailKind::Invoice.channel());
    let mut sent = Sent::default();
    deliver(ctx, due, &mut sent).await?;
    Ok(sent)
}

/// Tells the payers of these invoices that their payment failed, where that is planned and not done.
pub async fn send_declined(ctx: &JobContext, invoices: &[InvoiceId]) -> anyhow::Result<Sent> {
    let mut tx = ctx.store.read().await?;
    let mut due = delivery::of_invoices(&mut tx, invoices).await?;
    drop(tx);
    let now = (ctx.now)();
    due.retain(|d| d.channel != MailKind::Invoice.channel());
    due.retain(|d| d.state == DeliveryState::Pending && d.due_at.is_none_or(|at| at <= now));
    let mut sent = Sent::default();
    deliver_twice(ctx, due, &mut sent).await?;
    Ok(sent)
}

/// Sends one invoice because a person asks: to the addresses that have not got it, or to this one.
pub async fn send_now(ctx: &JobContext, invoice: InvoiceId, to: Option<&str>) -> anyhow::Result<Sent> {
    let mut sent = Sent { aside: plan(ctx, &[invoice], to).await?, ..Sent::default() };
    let mut tx = ctx.store.begin().await?;
    delivery::retry(&mut tx, &[invoice]).await?;
    let mut due = delivery::of_invoices(&mut tx, &[invoice]).await?;
    tx.commit().await?;
    due.retain(|d| match to {
        Some(address) => same_address(&d.address, address),
        None => d.state == DeliveryState::Pending,
    });
    deliver_twice(ctx, due, &mut sent).await?;
    Ok(sent)
}

/// Commits the intent to deliver. Payers without a usable sender are set aside; those without any address get no
/// mail.
async fn plan(ctx: &JobContext, invoices: &[InvoiceId], to: Option<&str>) -> anyhow::Result<Aside> {
    let mut tx = ctx.store.begin().await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let booked = invoice::by_ids(&mut tx, invoices).await?;
    let payers: Vec<CustomerId> = booked.iter().map(|b| b.invoice.draft.payer).collect();
    let payers = store::book::customers(&mut tx, &payers).await?;
    let mut aside = Aside::default();
    let mut planned = Vec::new();
    for booked in &booked {
        let draft = &booked.invoice.draft;
        let own = payers.get(&draft.payer).map(Customer::invoice_addresses).unwrap_or_default();
        let addresses = distinct(to.map_or(own, |to| vec![to.to_owned()]));
        if addresses.is_empty() {
            tracing::info!(invoice = booked.invoice.number, "nobody to mail the invoice to");
            continue;
        }
        let Some(sender) = sender(ctx, booked, &catalogue) else {
            aside.fail(draft.payer, "no sender for mail: set mail.from, or the tenant's email in the book");
            continue;
        };
        for address in addresses {
            let channel = MailKind::Invoice.channel();
            planned.push(Delivery {
                invoice: draft.id,
                message_id: message_id(draft.id, &channel, &address, sender),
                channel,
                address,
                state: DeliveryState::Pending,
                reason: None,
                attempts: 0,
                due_at: None,
            });
        }
    }
    delivery::plan(&mut tx, &planned).await?;
    tx.commit().await?;
    Ok(aside)
}

/// Adds, to the transaction that writes a declined attempt, the mails that tell the payer. Their key is the attempt: a
/// repeat plans nothing new.
pub(crate) async fn plan_declined(
    ctx: &JobContext,
    tx: &mut Tx,
    catalogue: &Catalogue,
    booked: &Booked,
    ordinal: u32,
) -> anyhow::Result<()> {
    let channel = MailKind::PaymentFailed { ordinal, will_retry: false }.channel();
    plan_notice(ctx, tx, catalogue, booked, channel).await.map(drop)
}

/// Adds mails about an invoice to a transaction, one per address of its payer; false if there is nobody to write to, or
/// no sender.
pub(crate) async fn plan_notice(
    ctx: &JobContext,
    tx: &mut Tx,
    catalogue: &Catalogue,
    booked: &Booked,
    channel: String,
) -> anyhow::Result<bool> {
    let draft = &booked.invoice.draft;
    let payers = store::book::customers(tx, &[draft.payer]).await?;
    let addresses = payers.get(&draft.payer).map(Customer::invoice_addresses).unwrap_or_default();
    let Some(sender) = sender(ctx, booked, catalogue) else { return Ok(false) };
    let planned: Vec<Delivery> = distinct(addresses)
        .into_iter()
        .map(|address| Delivery {
            invoice: draft.id,
            message_id: message_id(draft.id, &channel, &address, sender),
            channel: channel.clone(),
            address,
            state: DeliveryState::Pending,
            reason: None,
            attempts: 0,
            due_at: None,
        })
        .collect();
    delivery::plan(tx, &planned).await?;
    Ok(!planned.is_empty())
}

fn sender<'a>(ctx: &'a JobContext, booked: &'a Booked, catalogue: &'a Catalogue) -> Option<&'a str> {
    let seller = booked.invoice.draft.seller.email.as_deref();
    ctx.settings.mail_from.as_deref().or(seller).or(catalogue.tenant.email.as_deref())
}

/// Trimmed addresses, each once whatever its case.
fn distinct(addresses: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let trimmed = addresses.into_iter().map(|a| a.trim().to_owned()).filter(|a| !a.is_empty());
    trimmed.filter(|a| seen.insert(a.to_lowercase())).collect()
}

fn same_address(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// Delivers, and tries what met a passing fault once more at the end.
async fn deliver_twice(ctx: &JobContext, due: Vec<Delivery>, sent: &mut Sent) -> anyhow::Result<()> {
    let mut first = Sent::default();
    let again = deliver(ctx, due, &mut first).await?;
    sent.sent += first.sent;
    if again.is_empty() {
        sent.aside.extend(first.aside);
        return Ok(());
    }
    first.aside.waiting.clear();
    sent.aside.extend(first.aside);
    tokio::time::sleep(SECOND_TRY).await;
    let mut second = Sent::default();
    deliver(ctx, again, &mut second).await?;
    sent.sent += second.sent;
    sent.aside.extend(second.aside);
    Ok(())
}

/// Hands mails to the transport batch by batch and writes each batch's answers. Returns what met a passing fault
/// and deserves another try; a relay that answers nobody ends the pass, and the rest waits for its time.
async fn deliver(ctx: &JobContext, due: Vec<Delivery>, sent: &mut Sent) -> anyhow::Result<Vec<Delivery>> {
    let mut left = due.into_iter().peekable();
    let mut again = Vec::new();
    let (mut size, mut faults_in_a_row) = (PROBE, 0);
    while left.peek().is_some() {
        anyhow::ensure!(!ctx.is_stopping(), "stopped between two mails; the next worker goes on");
        let batch: Vec<Delivery> = left.by_ref().take(size).collect();
        let desk = Desk::load(ctx, &batch, sent).await?;
        let answers = hand_over(ctx, &desk, &batch).await?;
        let now = (ctx.now)();
        let mut answered = Vec::with_capacity(batch.len());
        for (mut delivery, answer) in batch.into_iter().zip(answers) {
            faults_in_a_row = if matches!(answer, Answer::Transient(_)) { faults_in_a_row + 1 } else { 0 };
            answer_of(&mut delivery, &answer, now);
            note(sent, &desk, &delivery);
            if matches!(answer, Answer::Transient(_)) && delivery.state == DeliveryState::Pending {
                again.push(delivery.clone());
            }
            answered.push(delivery);
        }
        let mut tx = ctx.store.begin().await?;
        delivery::answer(&mut tx, &answered).await?;
        tx.commit().await?;
        if faults_in_a_row >= FAULTS_IN_A_ROW_MAX {
            postpone(ctx, left.collect(), sent).await?;
            return Ok(Vec::new());
        }
        size = if faults_in_a_row > 0 { PROBE } else { BATCH };
    }
    Ok(again)
}

/// Leaves deliveries for later without a try: the relay answers nobody.
async fn postpone(ctx: &JobContext, mut rest: Vec<Delivery>, sent: &mut Sent) -> anyhow::Result<()> {
    let desk = Desk::load(ctx, &rest, sent).await?;
    for delivery in &mut rest {
        // Counted as a try, so that the next pass finds it among what is overdue.
        let why = Answer::Transient("the mail relay answers nobody".to_owned());
        answer_of(delivery, &why, (ctx.now)());
        note(sent, &desk, delivery);
    }
    tracing::warn!(waiting = rest.len(), "the mail relay answers nobody; mails wait for the next run");
    let mut tx = ctx.store.begin().await?;
    delivery::answer(&mut tx, &rest).await?;
    tx.commit().await
}

/// State, reason, tries and next time of a delivery after an answer.
fn answer_of(delivery: &mut Delivery, answer: &Answer, now: DateTime<Utc>) {
    let tries = usize::try_from(delivery.attempts).unwrap_or(usize::MAX);
    delivery.attempts += 1;
    (delivery.state, delivery.reason, delivery.due_at) = match answer {
        Answer::Sent(_) => (DeliveryState::Sent, None, None),
        Answer::Permanent(why) => (DeliveryState::Failed, Some(why.clone()), None),
        Answer::Transient(why) => match LADDER_MINUTES.get(tries) {
            Some(minutes) => {
                (DeliveryState::Pending, Some(why.clone()), Some(now + Duration::minutes(*minutes)))
            }
            None => (DeliveryState::Failed, Some(format!("given up after {} tries: {why}", tries + 1)), None),
        },
    };
}

/// Counts a delivery, or notes whom it sets aside. Mail is logged by Message-ID.
fn note(sent: &mut Sent, desk: &Desk, delivery: &Delivery) {
    let reason = delivery.reason.as_deref().unwrap_or_default();
    let payer = desk.invoices.get(&delivery.invoice).map(|b| b.invoice.draft.payer);
    match (delivery.state, payer) {
        (DeliveryState::Sent, _) => sent.sent += 1,
        (DeliveryState::Failed, payer) => {
            tracing::warn!(message_id = delivery.message_id, reason, "mail set aside");
            payer
                .into_iter()
                .for_each(|p| sent.aside.fail(p, format!("mail to {}: {reason}", delivery.address)));
        }
        (DeliveryState::Pending, payer) => {
            tracing::info!(message_id = delivery.message_id, reason, "mail will be tried again");
            payer
                .into_iter()
                .for_each(|p| sent.aside.wait(p, format!("mail to {} waits: {reason}", delivery.address)));
        }
    }
}

/// Everything that composing a batch needs.
struct Desk {
    renderer: Arc<Renderer>,
    catalogue: Catalogue,
    invoices: BTreeMap<InvoiceId, Booked>,
    payers: BTreeMap<CustomerId, Customer>,
    documents: BTreeMap<InvoiceId, Document>,
}

impl Desk {
    /// Loads it, and renders what has no document yet.
    async fn load(ctx: &JobContext, batch: &[Delivery], sent: &mut Sent) -> anyhow::Result<Self> {
        let ids: BTreeSet<InvoiceId> = batch.iter().map(|d| d.invoice).collect();
        let ids: Vec<InvoiceId> = ids.into_iter().collect();
        let mut tx = ctx.store.read().await?;
        let mut documents = document::of_invoices(&mut tx, &ids).await?;
        if documents.iter().filter(|d| d.template == PDF).count() < ids.len() {
            drop(tx);
            sent.aside.extend(render_invoices::render(ctx, &ids).await?);
            tx = ctx.store.read().await?;
            documents = document::of_invoices(&mut tx, &ids).await?;
        }
        let booked = invoice::by_ids(&mut tx, &ids).await?;
        let payers: Vec<CustomerId> = booked.iter().map(|b| b.invoice.draft.payer).collect();
        Ok(Self {
            renderer: ctx.renderer()?,
            catalogue: store::catalogue::load(&mut tx).await?.context("the book is empty")?,
            payers: store::book::customers(&mut tx, &payers).await?,
            invoices: booked.into_iter().map(|b| (b.invoice.draft.id, b)).collect(),
            documents: documents.into_iter().filter(|d| d.template == PDF).map(|d| (d.invoice, d)).collect(),
        })
    }

    /// The mail of a delivery, or why it cannot be written.
    async fn mail(&self, ctx: &JobContext, delivery: &Delivery) -> Result<Mail, String> {
        let booked = self.invoices.get(&delivery.invoice).ok_or("the invoice is gone")?;
        let document = self.documents.get(&delivery.invoice).ok_or("the invoice has no document")?;
        let pdf = render_invoices::stored_pdf(ctx, document).await.map_err(|e| format!("{e:#}"))?;
        let payer = self.payers.get(&booked.invoice.draft.payer);
        let contact = payer
            .into_iter()
            .flat_map(|p| &p.contacts)
            .find(|c| c.email.as_deref().is_some_and(|address| same_address(address, &delivery.address)));
        let mail = InvoiceMail {
            document: render_invoices::document_of(booked, &self.catalogue, payer),
            kind: MailKind::of_channel(&delivery.channel, booked.settlement.next_retry.is_some())
                .ok_or_else(|| format!("there is no mail of the kind {}", delivery.channel))?,
            to: Mailbox { name: contact.map(|c| c.fullname.clone()), address: delivery.address.clone() },
            from: ctx.settings.mail_from.as_deref(),
            pdf: Some(pdf),
            at: (ctx.now)(),
        };
        let mail = self.renderer.compose(&mail).map_err(|e| e.to_string())?;
        // The id that was committed is the one that is sent, whatever the sender is called today.
        Ok(Mail { message_id: delivery.message_id.clone(), ..mail })
    }
}

/// Composes the batch and hands it to the transport; one answer per delivery, in their order.
async fn hand_over(ctx: &JobContext, desk: &Desk, batch: &[Delivery]) -> anyhow::Result<Vec<Answer>> {
    let mut mails = Vec::with_capacity(batch.len());
    let mut unwritten = BTreeMap::new();
    for (place, delivery) in batch.iter().enumerate() {
        match desk.mail(ctx, delivery).await {
            Ok(mail) => mails.push(mail),
            Err(why) => drop(unwritten.insert(place, Answer::Permanent(why))),
        }
    }
    let mut answers = ctx.mail.send_all(&mails).await.into_iter();
    let none = || Answer::Transient("the transport gave no answer".to_owned());
    let in_order = (0..batch.len())
        .map(|place| unwritten.remove(&place).unwrap_or_else(|| answers.next().unwrap_or_else(none)));
    Ok(in_order.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(attempts: u32) -> Delivery {
        Delivery {
            invoice: InvoiceId::of("INV-1"),
            channel: "invoice".to_owned(),
            address: "a@kaffe.example".to_owned(),
            message_id: "<1@nordlys.example>".to_owned(),
            state: DeliveryState::Pending,
            reason: None,
            attempts,
            due_at: None,
        }
    }

    #[test]
    fn passing_faults_wait_longer_each_time_and_end_with_a_person() {
        let now = DateTime::from_timestamp(1_770_000_000, 0).expect("an instant");
        let mut delivery = pending(0);
        let mut waits = Vec::new();
        while delivery.state == DeliveryState::Pending {
            answer_of(&mut delivery, &Answer::Transient("451: later".to_owned()), now);
            waits.extend(delivery.due_at.map(|at| (at - now).num_minutes()));
        }
        assert_eq!(waits, LADDER_MINUTES);
        assert_eq!(delivery.reason.as_deref(), Some("given up after 9 tries: 451: later"));
    }

    #[test]
    fn a_refusal_for_good_is_set_aside_at_once() {
        let mut delivery = pending(0);
        answer_of(&mut delivery, &Answer::Permanent("550: no such user".to_owned()), Utc::now());
        assert_eq!((delivery.state, delivery.due_at), (DeliveryState::Failed, None));
    }

    #[test]
    fn an_address_counts_once_whatever_its_case() {
        let of = |list: &[&str]| distinct(list.iter().map(|a| (*a).to_owned()).collect());
        assert_eq!(of(&[" A@b.example", "a@B.example ", "", "c@b.example"]), ["A@b.example", "c@b.example"]);
    }
}
