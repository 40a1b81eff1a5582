//! `deliver_mails`: hands mails to the transport, batch by batch, each claimed before it is sent, and writes the answers.
//! A refusal is for a person; a passing fault, of the relay or of ours, is tried again with growing pauses.

use crate::context::Context;
use crate::delivery::claims::{LOOK, OTHERS, Pass};
use crate::delivery::late_charges::late_charges;
use crate::delivery::plan::same_address;
use crate::delivery::render::{self, Changed, PDF, Unmade};
use anyhow::Context as _;
use chrono::{DateTime, Duration, Utc};
use documents::{InvoiceMail, MailKind, OpenItem, ReminderLevel, Renderer};
use domain::catalogue::Catalogue;
use domain::customer::Customer;
use domain::dunning::DunningAction;
use domain::ids::{CustomerId, InvoiceId};
use domain::invoice::{PaymentStatus, Settlement};
use domain::mail::{Mail, Mailbox};
use domain::run::MailCounts;
use gateways::Delivery as Answer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use store::delivery::{self, Claimed, Delivery, DeliveryState};
use store::document::{self, Document};
use store::invoice::{self, Booked};
use store::payment;

/// Minutes after which a mail that met a passing fault is tried again. A mail that the relay put off so often is set
/// aside; one that could not even be handed over waits on.
const LADDER_MINUTES: [i64; 8] = [1, 5, 15, 60, 240, 720, 1_440, 1_440];

/// Mails handed to the transport together once the relay has shown that it works.
const BATCH: usize = 100;

/// Mails in a first, careful batch.
const PROBE: usize = 4;

/// So many passing faults in a row, and the rest waits for another time.
const FAULTS_IN_A_ROW_MAX: usize = 8;

/// Pause before the second try of a pass.
pub(crate) const SECOND_TRY: std::time::Duration = std::time::Duration::from_millis(300);

/// What became of a number of deliveries; the reasons name the invoice and the address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    pub sent: u64,
    pub waiting: Vec<String>,
    pub refused: Vec<String>,
    /// Invoices without any address.
    pub nobody: Vec<String>,
    /// The relay answered nobody: what was left was not tried.
    pub is_cut_short: bool,
}

impl Sent {
    /// Notes those of these deliveries for which there is no address.
    pub(crate) fn note_nobody(&mut self, deliveries: &[Delivery]) {
        let nobody = deliveries.iter().filter(|d| d.is_open() && d.address.is_empty());
        self.nobody.extend(nobody.filter_map(|d| d.reason.clone()));
    }

    /// Adds what another pass did.
    pub fn extend(&mut self, other: Sent) {
        self.sent += other.sent;
        self.waiting.extend(other.waiting);
        self.refused.extend(other.refused);
        self.nobody.extend(other.nobody);
        self.is_cut_short |= other.is_cut_short;
    }

    /// How many of each there are.
    pub fn counts(&self) -> MailCounts {
        let count = |list: &Vec<String>| list.iter().map(|_| 1u64).sum();
        MailCounts {
            sent: self.sent,
            waiting: count(&self.waiting),
            refused: count(&self.refused),
            nobody: count(&self.nobody),
        }
    }

    /// Why mails are not sent.
    pub fn reasons(&self) -> impl Iterator<Item = &String> {
        self.nobody.iter().chain(&self.refused).chain(&self.waiting)
    }

    /// Counts a delivery, or notes its reason. Mail is logged by Message-ID.
    fn note(&mut self, context: &BatchContext, delivery: &Delivery) {
        let reason = delivery.reason.as_deref().unwrap_or_default();
        let number = context.invoices.get(&delivery.invoice).map_or("", |b| b.invoice.number.as_str());
        match delivery.state {
            DeliveryState::Sent => self.sent += 1,
            DeliveryState::Failed => {
                tracing::warn!(message_id = delivery.message_id, reason, "mail set aside");
                self.refused.push(format!("{number}: mail to {}: {reason}", delivery.address));
            }
            DeliveryState::Pending => {
                tracing::info!(message_id = delivery.message_id, reason, "mail will be tried again");
                self.waiting.push(format!("{number}: mail to {} waits: {reason}", delivery.address));
            }
        }
    }
}

/// Delivers, tries what met a passing fault once more at the end, and waits a while for what another pass holds.
pub async fn deliver_twice(ctx: &Context, due: Vec<Delivery>, sent: &mut Sent) -> anyhow::Result<()> {
    if due.is_empty() {
        return Ok(());
    }
    let pass = Pass::begin(ctx).await?;
    let mut first = Sent::default();
    let Unsent { again, held } = deliver(ctx, &pass, due, &mut first).await?;
    if !again.is_empty() {
        first.waiting.clear();
        tokio::time::sleep(SECOND_TRY).await;
        deliver(ctx, &pass, again, &mut first).await?;
    }
    sent.extend(first);
    take_from_others(ctx, &pass, held, sent).await
}

/// Sends what another pass held once that is known to be gone. A process that was killed is seen as gone by the database
/// only moments later, and must not leave its mails behind; a pass at work answers for them itself.
pub async fn take_from_others(
    ctx: &Context,
    pass: &Pass,
    mut held: Vec<Delivery>,
    sent: &mut Sent,
) -> anyhow::Result<()> {
    let until = Instant::now() + OTHERS;
    let mut at_work = None;
    while !sent.is_cut_short {
        held = delivery::untried(&mut ctx.store.read().await?, held).await?;
        if held.is_empty() || Instant::now() >= until {
            break;
        }
        tokio::time::sleep(LOOK).await;
        let mut tx = ctx.store.begin().await?;
        let now_at_work = Some(pass.free_abandoned(&mut tx).await?);
        tx.commit().await?;
        // As long as the same passes are at work, their mails are theirs.
        if now_at_work != at_work {
            at_work = now_at_work;
            held = deliver(ctx, pass, held, sent).await?.held;
        }
    }
    let left = held.iter().map(|d| format!("mail to {} waits: another process has it in hand", d.address));
    sent.waiting.extend(left);
    Ok(())
}

/// What a pass did not answer.
#[derive(Debug, Default)]
pub struct Unsent {
    /// It met a passing fault, and deserves another try.
    pub again: Vec<Delivery>,
    /// Another pass holds it, or has sent it.
    pub held: Vec<Delivery>,
}

/// Hands mails to the transport batch by batch and writes each batch's answers. A relay that answers nobody ends the
/// pass, and the rest waits for its time.
pub async fn deliver(
    ctx: &Context,
    pass: &Pass,
    due: Vec<Delivery>,
    sent: &mut Sent,
) -> anyhow::Result<Unsent> {
    let mut left = due.into_iter().peekable();
    let Unsent { mut again, mut held } = Unsent::default();
    let (mut size, mut faults_in_a_row) = (PROBE, 0);
    let mut tx = ctx.store.begin().await?;
    pass.free_abandoned(&mut tx).await?;
    tx.commit().await?;
    while left.peek().is_some() {
        anyhow::ensure!(!ctx.is_stopping(), "stopped between two mails; the next worker goes on");
        let batch: Vec<Delivery> = left.by_ref().take(size).collect();
        let mut tx = ctx.store.begin().await?;
        let Claimed { mine: batch, others } = pass.claim(&mut tx, batch).await?;
        tx.commit().await?;
        held.extend(others);
        if batch.is_empty() {
            continue;
        }
        let context = BatchContext::load(ctx, &batch).await?;
        let answers = hand_over(ctx, &context, &batch).await?;
        let now = (ctx.now)();
        let mut answered = Vec::with_capacity(batch.len());
        let mut last_fault = None;
        for (mut delivery, answer) in batch.into_iter().zip(answers) {
            answer_of(&mut delivery, &answer, now);
            sent.note(&context, &delivery);
            if let Answer::Transient(why) | Answer::Unreachable(why) = answer {
                faults_in_a_row += 1;
                last_fault = Some(why);
                if delivery.state == DeliveryState::Pending {
                    again.push(delivery.clone());
                }
            } else {
                faults_in_a_row = 0;
            }
            answered.push(delivery);
        }
        let mut tx = ctx.store.begin().await?;
        delivery::answer(&mut tx, &answered, pass.name()).await?;
        tx.commit().await?;
        if let Some(why) = last_fault.filter(|_| faults_in_a_row >= FAULTS_IN_A_ROW_MAX) {
            postpone(ctx, pass, left.collect(), &why, sent).await?;
            sent.is_cut_short = true;
            return Ok(Unsent { again: Vec::new(), held });
        }
        size = if faults_in_a_row > 0 { PROBE } else { BATCH };
    }
    Ok(Unsent { again, held })
}

/// Leaves deliveries for later without a try: one fault after another, and the next would meet the same.
async fn postpone(
    ctx: &Context,
    pass: &Pass,
    rest: Vec<Delivery>,
    why: &str,
    sent: &mut Sent,
) -> anyhow::Result<()> {
    let mut tx = ctx.store.begin().await?;
    let mut rest = pass.claim(&mut tx, rest).await?.mine;
    for delivery in &mut rest {
        // Counted as a try, so that the pauses grow and the next pass does not begin with it.
        answer_of(delivery, &Answer::Unreachable(format!("not tried, as others met: {why}")), (ctx.now)());
        sent.waiting.extend(delivery.reason.clone());
    }
    tracing::warn!(waiting = rest.len(), why, "one mail after another meets a fault; the rest waits");
    delivery::answer(&mut tx, &rest, pass.name()).await?;
    tx.commit().await
}

/// State, reason, tries and next time of a delivery after an answer.
fn answer_of(delivery: &mut Delivery, answer: &Answer, now: DateTime<Utc>) {
    (delivery.state, delivery.reason, delivery.due_at) = after_answer(answer, delivery.attempts, now);
    delivery.attempts += 1;
}

/// State, reason and next time of what was tried so often before this answer.
pub(crate) fn after_answer(
    answer: &Answer,
    tries: u32,
    now: DateTime<Utc>,
) -> (DeliveryState, Option<String>, Option<DateTime<Utc>>) {
    let tries = usize::try_from(tries).unwrap_or(usize::MAX);
    let pause = |minutes: i64| Some(now + Duration::minutes(minutes));
    let longest = LADDER_MINUTES[LADDER_MINUTES.len() - 1];
    match answer {
        Answer::Sent(_) => (DeliveryState::Sent, None, None),
        Answer::Permanent(why) => (DeliveryState::Failed, Some(why.clone()), None),
        Answer::Transient(why) => match LADDER_MINUTES.get(tries) {
            Some(minutes) => (DeliveryState::Pending, Some(why.clone()), pause(*minutes)),
            None => (DeliveryState::Failed, Some(format!("given up after {} tries: {why}", tries + 1)), None),
        },
        Answer::Unreachable(why) => {
            let minutes = LADDER_MINUTES.get(tries).copied().unwrap_or(longest);
            (DeliveryState::Pending, Some(why.clone()), pause(minutes))
        }
    }
}

/// Whether the method that was declined is charged again: not one that was declined for good (rules Y3).
fn will_retry(settlement: &Settlement) -> bool {
    settlement.next_retry.is_some() && settlement.payment_status == PaymentStatus::PendingRetry
}

/// Which of its policy's mails a reminder is.
fn reminder_level(catalogue: &Catalogue, booked: &Booked, kind: MailKind) -> ReminderLevel {
    let MailKind::Reminder { step, .. } = kind else { return ReminderLevel { number: 1, is_last: false } };
    let policy = catalogue.dunning_policy(booked.invoice.draft.dunning_policy.as_deref());
    let mails = (1u32..).zip(&policy.steps).filter(|(_, step)| step.action == DunningAction::Mail);
    let (before, after): (Vec<u32>, Vec<u32>) =
        mails.map(|(place, _)| place).partition(|place| *place <= step);
    let number = u32::try_from(before.len()).unwrap_or(u32::MAX).max(1);
    ReminderLevel { number, is_last: after.is_empty() }
}

/// Everything that composing a batch needs.
struct BatchContext {
    renderer: Arc<Renderer>,
    catalogue: Catalogue,
    invoices: BTreeMap<InvoiceId, Booked>,
    payers: BTreeMap<CustomerId, Customer>,
    /// Methods that were declined for good.
    unhealthy: BTreeSet<(CustomerId, String)>,
    /// What the reminders of an invoice have cost and is open.
    late_charges: BTreeMap<InvoiceId, Vec<OpenItem>>,
    documents: BTreeMap<InvoiceId, Document>,
    /// Documents that cannot be made as things are.
    unmade: Unmade,
    /// Why documents could not be made just now.
    fault: Option<String>,
}

impl BatchContext {
    /// Loads it, and renders what has no document yet. A folder that cannot be reached for a moment is a passing fault of these
    /// mails, and no reason to stop.
    async fn load(ctx: &Context, batch: &[Delivery]) -> anyhow::Result<Self> {
        let ids: BTreeSet<InvoiceId> = batch.iter().map(|d| d.invoice).collect();
        let ids: Vec<InvoiceId> = ids.into_iter().collect();
        let mut tx = ctx.store.read().await?;
        let mut documents = document::of_invoices(&mut tx, &ids).await?;
        let (mut unmade, mut fault) = (Unmade::new(), None);
        if documents.iter().filter(|d| d.template == PDF).count() < ids.len() {
            drop(tx);
            match render::render(ctx, &ids).await {
                Ok(made) => unmade = made,
                Err(error) => fault = Some(format!("{error:#}")),
            }
            tx = ctx.store.read().await?;
            documents = document::of_invoices(&mut tx, &ids).await?;
        }
        let booked = invoice::by_ids(&mut tx, &ids).await?;
        let payers: Vec<CustomerId> = booked.iter().map(|b| b.invoice.draft.payer).collect();
        Ok(Self {
            renderer: ctx.renderer()?,
            catalogue: store::catalogue::load(&mut tx).await?.context("the book is empty")?,
            unhealthy: payment::unhealthy(&mut tx, &payers).await?.into_iter().collect(),
            payers: store::book::customers(&mut tx, &payers).await?,
            late_charges: late_charges(&mut tx, batch).await?,
            invoices: booked.into_iter().map(|b| (b.invoice.draft.id, b)).collect(),
            documents: documents.into_iter().filter(|d| d.template == PDF).map(|d| (d.invoice, d)).collect(),
            unmade,
            fault,
        })
    }

    /// The mail of a delivery, or why there is none: for good, or for now.
    async fn mail(&self, ctx: &Context, delivery: &Delivery) -> Result<Mail, Answer> {
        let for_good = |why: &str| Answer::Permanent(why.to_owned());
        let booked = self.invoices.get(&delivery.invoice).ok_or_else(|| for_good("the invoice is gone"))?;
        let pdf = match booked.invoice.is_taken_over() {
            true => None, // a reminder of what another system has sent (rules S7)
            false => Some(self.pdf(ctx, delivery.invoice).await?),
        };
        let payer = self.payers.get(&booked.invoice.draft.payer);
        let contact = payer
            .into_iter()
            .flat_map(|p| &p.contacts)
            .find(|c| c.email.as_deref().is_some_and(|address| same_address(address, &delivery.address)));
        let kind = MailKind::of_channel(&delivery.channel, will_retry(&booked.settlement))
            .ok_or_else(|| for_good(&format!("there is no mail of the kind {}", delivery.channel)))?;
        let by = render::CollectedBy::of(&booked.invoice, payer, &self.unhealthy);
        let mail = InvoiceMail {
            document: render::document_of(booked, &self.catalogue, &by)
                .with_late_charges(self.late_charges.get(&delivery.invoice).map_or(&[], Vec::as_slice)),
            kind,
            level: reminder_level(&self.catalogue, booked, kind),
            to: Mailbox { name: contact.map(|c| c.fullname.clone()), address: delivery.address.clone() },
            from: ctx.settings.mail_from.as_deref(),
            pdf,
            at: (ctx.now)(),
        };
        let mail = self.renderer.compose(&mail).map_err(|e| for_good(&e.to_string()))?;
        // The id that was committed is the one that is sent, whatever the sender is called today.
        Ok(Mail { message_id: delivery.message_id.clone(), ..mail })
    }

    async fn pdf(&self, ctx: &Context, invoice: InvoiceId) -> Result<Vec<u8>, Answer> {
        if let Some((_, reason)) = self.unmade.get(&invoice) {
            return Err(Answer::Permanent(reason.to_string()));
        }
        let Some(document) = self.documents.get(&invoice) else {
            let why = self.fault.as_deref().unwrap_or("the invoice has no document yet");
            return Err(Answer::Unreachable(why.to_owned()));
        };
        render::stored_pdf(ctx, document).await.map_err(|error| match error.is::<Changed>() {
            true => Answer::Permanent(format!("{error:#}")),
            false => Answer::Unreachable(format!("{error:#}")),
        })
    }
}

/// Composes the batch and hands it to the transport; one answer per delivery, in their order.
async fn hand_over(ctx: &Context, context: &BatchContext, batch: &[Delivery]) -> anyhow::Result<Vec<Answer>> {
    let mut mails = Vec::with_capacity(batch.len());
    let mut unwritten = BTreeMap::new();
    for (place, delivery) in batch.iter().enumerate() {
        match context.mail(ctx, delivery).await {
            Ok(mail) => mails.push(mail),
            Err(why) => drop(unwritten.insert(place, why)),
        }
    }
    let mut answers = ctx.mail.send_all(&mails).await.into_iter();
    let none = || Answer::Unreachable("the transport gave no answer".to_owned());
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
            closed: None,
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
    fn a_relay_that_is_away_for_long_costs_no_mail() {
        let now = Utc::now();
        let mut delivery = pending(0);
        for _ in 0..30 {
            answer_of(&mut delivery, &Answer::Unreachable("connection refused".to_owned()), now);
        }
        assert_eq!(delivery.state, DeliveryState::Pending);
        assert_eq!(delivery.due_at, Some(now + Duration::days(1)));
    }

    #[test]
    fn a_refusal_for_good_is_set_aside_at_once() {
        let mut delivery = pending(0);
        answer_of(&mut delivery, &Answer::Permanent("550: no such user".to_owned()), Utc::now());
        assert_eq!((delivery.state, delivery.due_at), (DeliveryState::Failed, None));
    }
}
