//! `retry_payments`: the daily dunning run. Asks about attempts without an answer, then takes the step of the policy
//! that is due on each open invoice, at most one per invoice and day (rules Y3, Y4).
//!
//! Idempotency key: the day of the next step moves on in the transaction that begins the attempt.

use crate::act::{Act, Actor};
use crate::context::Context;
use crate::delivery::send;
use crate::dunning::steps;
use crate::invoices::{book, refund};
use crate::payments::collect::{ask_unanswered, collect};
use crate::payments::tried::{Collected, Tried, TriedOutcome};
use crate::refusal::Stop;
use crate::runs::open::{Reach, insist_reach};
use chrono::NaiveDate;
use domain::ids::InvoiceId;
use domain::refusal::Verb;
use domain::run::MailCounts;
use serde::Serialize;
use std::collections::BTreeSet;
use store::payment;

/// Invoices per round.
const ROUND: u32 = 1_000;

/// What a daily dunning run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retried {
    #[serde(rename = "asof")]
    pub as_of: NaiveDate,
    pub paid: u64,
    pub declined: u64,
    pub unanswered: u64,
    #[serde(rename = "notcalled")]
    pub not_called: u64,
    /// Steps that charge nobody.
    pub acted: u64,
    /// Of the mails that waited and those that the steps have planned.
    pub mails: MailCounts,
    pub tried: Vec<Tried>,
    /// Account number and reason of what a person has to fix.
    pub aside: Vec<String>,
}

/// As [`retry`], because a person asks for a day.
pub async fn retry_asked(ctx: &Context, as_of: NaiveDate, reach: Reach) -> Result<Retried, Stop> {
    let catalogue = ctx.catalogue().await?;
    insist_reach(ctx, &catalogue, as_of, reach, Verb::RetryPayments)?;
    retry(ctx, as_of).await
}

/// Everything due on or before `as_of`; mails that wait for another try go out too.
pub async fn retry(ctx: &Context, as_of: NaiveDate) -> Result<Retried, Stop> {
    let mut all = Collected::default();
    let tomorrow = as_of.succ_opt().unwrap_or(as_of);
    add(&mut all, ask_unanswered(ctx, tomorrow).await?);
    let act = Act { actor: Actor::Dunning, on: as_of };
    for (payer, reason) in refund::finish_all(ctx, &act).await? {
        all.aside.fail(payer, reason);
    }
    charge_what_was_left(ctx, as_of, &mut all).await?;
    let mut seen: BTreeSet<InvoiceId> = BTreeSet::new();
    loop {
        let mut tx = ctx.store.read().await?;
        let due = payment::due_retries(&mut tx, as_of, ROUND).await?;
        drop(tx);
        let due: Vec<InvoiceId> = due.into_iter().filter(|id| seen.insert(*id)).collect();
        if due.is_empty() {
            break;
        }
        let sorted = steps::sort(ctx, &due).await?;
        for (occasion, invoices) in sorted.to_charge {
            add(&mut all, collect(ctx, &invoices, occasion, as_of, None).await?);
        }
        steps::act(ctx, sorted.to_act, as_of, &mut all).await?;
    }
    let sent = send::send_overdue(ctx).await?;
    Ok(report(as_of, all, sent.counts()))
}

/// First charges of invoices that a person booked, where the process was killed before the charge.
async fn charge_what_was_left(ctx: &Context, as_of: NaiveDate, all: &mut Collected) -> anyhow::Result<()> {
    loop {
        let mut tx = ctx.store.read().await?;
        let owed = payment::first_charges_owed(&mut tx, as_of, ROUND).await?;
        drop(tx);
        if owed.is_empty() {
            return Ok(());
        }
        add(all, book::charge_first(ctx, &owed, as_of).await?.0);
    }
}

fn add(all: &mut Collected, more: Collected) {
    all.tried.extend(more.tried);
    all.aside.extend(more.aside);
}

fn report(as_of: NaiveDate, mut collected: Collected, mails: MailCounts) -> Retried {
    collected.tried.sort_by(|a, b| a.invoice.cmp(&b.invoice));
    let count = |outcome| collected.tried.iter().filter(|t| t.outcome == outcome).map(|_| 1u64).sum();
    Retried {
        as_of,
        paid: count(TriedOutcome::Paid),
        declined: count(TriedOutcome::Declined),
        unanswered: count(TriedOutcome::Unanswered),
        not_called: count(TriedOutcome::NotCalled),
        acted: count(TriedOutcome::Acted),
        mails,
        aside: collected.aside.failed.into_values().collect(),
        tried: collected.tried,
    }
}
