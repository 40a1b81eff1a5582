//! `dun_payers`: the steps of a dunning policy that charge nobody: a reminder, a hold, the end of a subscription, a
//! write-off (rules Y3). Steps that charge are `collect_payments`.
//!
//! Idempotency keys: the step of the invoice, which moves on in the transaction that plans its mail; the
//! state that a verb leads to, which refuses it a second time; nothing is open after a write-off. Verbs and write-offs come
//! before the mark: a crash between them repeats them.

use crate::act::{Act, Actor};
use crate::context::Context;
use crate::delivery::plan::{self, NoticeOutcome};
use crate::dunning::late_charges;
use crate::invoices::{book, write_off};
use crate::payments::account::{account, policy_of};
use crate::payments::tried::{Collected, Occasion, Tried, TriedOutcome, tried};
use crate::refusal::Stop;
use crate::subscriptions::change::{DatedRequest, change_because_of};
use anyhow::Context as _;
use chrono::NaiveDate;
use documents::MailKind;
use domain::dunning::DunningAction;
use domain::ids::InvoiceId;
use domain::invoice::Settlement;
use domain::invoice::verbs::{self, NextStep};
use domain::refusal::Code;
use domain::subscription::{CancelOption, Request};
use std::collections::{BTreeMap, BTreeSet};
use store::invoice::{self, Booked};
use store::payment;

/// Steps whose marks are written in one transaction.
const BATCH: usize = 100;

/// Invoices by what their next step does.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub to_charge: BTreeMap<Occasion, Vec<InvoiceId>>,
    pub to_act: Vec<Step>,
}

/// A step to be taken on an invoice; none if its policy has become shorter and holds no more.
#[derive(Debug)]
pub(crate) struct Step {
    booked: Booked,
    action: Option<DunningAction>,
}

/// Looks up the next step of each of these invoices. An attempt without an answer is asked about first, and a technical
/// failure is tried again before the next step.
pub(crate) async fn sort(ctx: &Context, invoices: &[InvoiceId]) -> anyhow::Result<Sorted> {
    let mut tx = ctx.store.read().await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let attempts = payment::of_invoices(&mut tx, invoices).await?;
    let mut sorted = Sorted::default();
    for booked in invoice::by_ids(&mut tx, invoices).await? {
        let id = booked.invoice.draft.id;
        let policy = policy_of(&catalogue, &booked);
        let coming = verbs::coming(&account(&booked, &attempts, None, &policy));
        match coming {
            NextStep::Charge(occasion) => sorted.to_charge.entry(occasion).or_default().push(id),
            NextStep::Act(action) => sorted.to_act.push(Step { booked, action: Some(action) }),
            NextStep::Over => sorted.to_act.push(Step { booked, action: None }),
        }
    }
    Ok(sorted)
}

/// Takes the steps, as of a day.
pub(crate) async fn act(
    ctx: &Context,
    steps: Vec<Step>,
    on: NaiveDate,
    collected: &mut Collected,
) -> anyhow::Result<()> {
    let mut steps = steps.into_iter().peekable();
    while steps.peek().is_some() {
        anyhow::ensure!(!ctx.is_stopping(), "stopped between two steps of dunning; the next worker goes on");
        let batch: Vec<Step> = steps.by_ref().take(BATCH).collect();
        for step in &batch {
            match step.action {
                Some(DunningAction::Hold) => change(ctx, step, on, hold(), collected).await?,
                Some(DunningAction::Cancel) => change(ctx, step, on, cancel(), collected).await?,
                Some(DunningAction::Expire) => change(ctx, step, on, expire(), collected).await?,
                Some(DunningAction::WriteOff) => write_off(ctx, step, on, collected).await?,
                _ => {}
            }
        }
        let cost = write(ctx, batch, on, collected).await?;
        if !cost.is_empty() {
            let (tried, _) = book::charge_first(ctx, &cost, on).await?;
            collected.tried.extend(tried.tried);
            collected.aside.extend(tried.aside);
        }
    }
    Ok(())
}

fn hold() -> Request {
    Request::Hold { refund_prorated: false }
}

fn expire() -> Request {
    Request::Expire { refund_prorated: false }
}

fn cancel() -> Request {
    Request::Cancel { option: Some(CancelOption::Immediately), date: None, refund_prorated: false }
}

/// Does a verb on every subscription of the invoice. One that is refused, as the state it leads to is there already or the
/// invoice was paid meanwhile, is no reason to stop.
async fn change(
    ctx: &Context,
    step: &Step,
    on: NaiveDate,
    request: Request,
    collected: &mut Collected,
) -> anyhow::Result<()> {
    let draft = &step.booked.invoice.draft;
    let numbers: BTreeSet<&String> =
        draft.lines.iter().filter_map(|l| l.subscription_number.as_ref()).collect();
    for number in numbers {
        let arguments =
            serde_json::Map::from_iter([("invoice".to_owned(), step.booked.invoice.number.clone().into())]);
        let asked =
            DatedRequest { number: number.clone(), request: request.clone(), arguments, effective: on, on };
        let (id, seen) = (draft.id, &step.booked.settlement);
        let done = change_because_of(ctx, &Actor::Dunning, &asked, id, seen).await;
        if let Err(stop) = done {
            let Stop::Refused(refusal) = stop else { return Err(stop.broke()) };
            tracing::info!(
                subscription = number,
                verb = request.verb().name(),
                reason = refusal.message,
                "not done"
            );
            if !matches!(refusal.code, Code::Conflict | Code::Moved) {
                let reason = format!("dunning of {}: {}", step.booked.invoice.number, refusal.message);
                collected.aside.fail(draft.payer, reason);
            }
        }
    }
    Ok(())
}

/// Gives up what is open. The write-off itself ends the dunning: nothing is left to be marked.
async fn write_off(
    ctx: &Context,
    step: &Step,
    on: NaiveDate,
    collected: &mut Collected,
) -> anyhow::Result<()> {
    let act = Act { actor: Actor::Dunning, on };
    match write_off::write_off(ctx, &act, &step.booked.invoice.number, None).await {
        Ok(after) => collected.tried.push(acted(&step.booked, &after.settlement, DunningAction::WriteOff)),
        Err(Stop::Broke(error)) => return Err(error),
        Err(Stop::Refused(refusal)) => {
            tracing::info!(invoice = step.booked.invoice.number, reason = refusal.message, "not written off");
        }
    }
    Ok(())
}

fn acted(booked: &Booked, after: &Settlement, action: DunningAction) -> Tried {
    tried(booked, after, None, TriedOutcome::Acted, Some(action.name().to_owned()))
}

/// Moves the invoices on, plans their reminders and books what those cost: gives its invoices. A step that somebody else has taken
/// meanwhile, and an invoice that was paid or written off, are left as they are.
async fn write(
    ctx: &Context,
    batch: Vec<Step>,
    on: NaiveDate,
    collected: &mut Collected,
) -> anyhow::Result<Vec<InvoiceId>> {
    let ids: Vec<InvoiceId> = batch.iter().map(|step| step.booked.invoice.draft.id).collect();
    let mut tx = ctx.store.begin().await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let to_charge = late_charges::payers_of(&catalogue, batch.iter().map(|step| &step.booked));
    if !to_charge.is_empty() {
        store::payer::lock(&mut tx, &to_charge).await?;
    }
    invoice::lock_settlements(&mut tx, &ids).await?;
    let fresh = invoice::by_ids(&mut tx, &ids).await?;
    let (mut marks, mut reminded) = (Vec::new(), Vec::new());
    for Step { booked: seen, action } in batch {
        let id = seen.invoice.draft.id;
        let Some(booked) = fresh.iter().find(|b| b.invoice.draft.id == id && b.settlement == seen.settlement)
        else {
            continue;
        };
        let policy = policy_of(&catalogue, booked);
        let after = verbs::stepped(&account(booked, &[], None, &policy), on);
        let Some(action) = action else {
            marks.push((id, after));
            continue;
        };
        let step = booked.settlement.dunning_step + 1;
        if action == DunningAction::Mail {
            let channel = MailKind::Reminder { step, on }.channel();
            match plan::plan_notice(ctx, &mut tx, &catalogue, booked, channel).await? {
                NoticeOutcome::Planned => reminded.push(booked),
                NoticeOutcome::Unwanted => {}
                NoticeOutcome::Nobody => {
                    let reason = format!("{}: nobody to remind", booked.invoice.number);
                    collected.aside.fail(booked.invoice.draft.payer, reason);
                }
            }
        }
        collected.tried.push(acted(booked, &after, action));
        marks.push((id, after));
    }
    let cost = match to_charge.is_empty() {
        true => Vec::new(),
        false => late_charges::book(ctx, &mut tx, &catalogue, &reminded, on).await?,
    };
    invoice::save_settlements(&mut tx, &marks).await?;
    tx.commit().await?;
    Ok(cost)
}
