//! Charging what invoices leave open to the online methods of their payers. The attempt is committed before the provider
//! is called (rules Y1); one without an answer is asked again under the same id, never a new one.

use crate::context::Context;
use crate::payments::account::{account, policy_of};
use crate::payments::look_up;
use crate::payments::tried::{Collected, CommittedAttempt, Occasion, TriedOutcome, tried};
use anyhow::Context as _;
use chrono::{Days, NaiveDate};
use domain::catalogue::Catalogue;
use domain::customer::{Customer, PaymentMethod};
use domain::direct_debit::SEPA;
use domain::ids::{AttemptId, CustomerId, InvoiceId, RunId};
use domain::invoice::verbs::{self, Charge, Charging, PayerHistory};
use domain::payment::Attempt;
use gateways::{ChargeAnswer, ChargeRequest, GatewayError};
use std::collections::{BTreeMap, BTreeSet};
use store::invoice::{self, Booked};
use store::{Tx, payment};

/// Charges handed to a provider together, and answered in one transaction.
const BATCH: usize = 100;

/// How often an attempt is asked about before it is left for the next run.
const ASKED_MAX: u32 = 3;

/// Pause before an attempt is asked about again.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Attempts of earlier days without an answer that one pass asks about.
const UNANSWERED_MAX: u32 = 1_000;

/// Days that the card schemes' caps look back (rules Y2).
const CAP_DAYS: u64 = 30;

/// Collects what is open of these invoices on a day.
pub async fn collect(
    ctx: &Context,
    invoices: &[InvoiceId],
    occasion: Occasion,
    on: NaiveDate,
    run: Option<RunId>,
) -> anyhow::Result<Collected> {
    let mut collected = Collected::default();
    if invoices.is_empty() {
        return Ok(collected);
    }
    let catalogue = catalogue(ctx).await?;
    for batch in invoices.chunks(BATCH) {
        anyhow::ensure!(!ctx.is_stopping(), "stopped between two payments; the next worker goes on");
        let batch = Batch { own: batch, of_run: run };
        let begun = begin(ctx, batch, occasion, on, &catalogue, &mut collected).await?;
        ask(ctx, begun, run, &mut collected).await?;
    }
    Ok(collected)
}

/// Asks about attempts of days before `on` that have no answer yet.
pub async fn ask_unanswered(ctx: &Context, on: NaiveDate) -> anyhow::Result<Collected> {
    let mut tx = ctx.store.read().await?;
    let pending = payment::pending(&mut tx, UNANSWERED_MAX).await?;
    drop(tx);
    let invoices: Vec<InvoiceId> = pending.into_iter().filter(|a| a.on < on).map(|a| a.invoice).collect();
    ask_again(ctx, &invoices, on).await
}

/// Asks about the attempts on these invoices that have no answer yet.
pub async fn ask_again(ctx: &Context, invoices: &[InvoiceId], on: NaiveDate) -> anyhow::Result<Collected> {
    let mut collected = Collected::default();
    if invoices.is_empty() {
        return Ok(collected);
    }
    let catalogue = catalogue(ctx).await?;
    for batch in invoices.chunks(BATCH) {
        let batch = Batch { own: batch, of_run: None };
        let begun = begin(ctx, batch, Occasion::Booking, on, &catalogue, &mut collected).await?;
        ask(ctx, begun, None, &mut collected).await?;
    }
    Ok(collected)
}

/// The policies that decide what comes after a decline, once for all batches.
async fn catalogue(ctx: &Context) -> anyhow::Result<Catalogue> {
    let mut tx = ctx.store.read().await?;
    store::catalogue::load(&mut tx).await?.context("the book is empty")
}

/// Invoices to decide on.
#[derive(Clone, Copy)]
struct Batch<'a> {
    own: &'a [InvoiceId],
    /// The run whose earlier invoices of the same payers come first if nobody has decided on them: a card bears so many
    /// attempts (rules Y2), and which of them it bears must not depend on which slice comes first.
    of_run: Option<RunId>,
}

/// Decides on each invoice and commits the attempts, before anybody is called.
async fn begin(
    ctx: &Context,
    batch: Batch<'_>,
    occasion: Occasion,
    on: NaiveDate,
    catalogue: &Catalogue,
    collected: &mut Collected,
) -> anyhow::Result<Vec<CommittedAttempt>> {
    let mut tx = ctx.store.begin().await?;
    let own: BTreeSet<InvoiceId> = batch.own.iter().copied().collect();
    let invoices = &match batch.of_run {
        Some(run) => invoice::with_earlier_of_run(&mut tx, run, batch.own).await?,
        None => batch.own.to_vec(),
    };
    invoice::lock_settlements(&mut tx, invoices).await?;
    let booked = invoice::by_ids(&mut tx, invoices).await?;
    let ids: BTreeSet<CustomerId> = booked.iter().map(|b| b.invoice.draft.payer).collect();
    let ids: Vec<CustomerId> = ids.into_iter().collect();
    let payers: BTreeMap<CustomerId, Customer> = store::book::customers(&mut tx, &ids).await?;
    let attempts = payment::of_invoices(&mut tx, invoices).await?;
    let asked_with = payment::tokens_asked(&mut tx, invoices).await?;
    let mut known = known(ctx, &mut tx, &ids, on).await?;
    known.gateways.extend(catalogue.tenant.debits().then(|| SEPA.to_owned()));
    let (mut begun, mut marks, mut to_debit) = (Vec::new(), Vec::new(), Vec::new());
    for booked in booked {
        let policy = policy_of(catalogue, &booked);
        let payer = payers.get(&booked.invoice.draft.payer);
        let account = account(&booked, &attempts, payer, &policy);
        if !own.contains(&booked.invoice.draft.id) && !account.attempts.is_empty() {
            continue; // whoever has begun with it goes on with it
        }
        let technical_in_a_row = account.technical_in_a_row();
        let Charge { what, settlement } = verbs::charge(&account, &known, occasion, on);
        let after = settlement.clone().unwrap_or_else(|| booked.settlement.clone());
        marks.extend(settlement.map(|after| (booked.invoice.draft.id, after)));
        let not_called =
            |method, reason| tried(&booked, &after, method, TriedOutcome::NotCalled, Some(reason));
        match what {
            Charging::Leave | Charging::NobodyToCharge => {}
            Charging::AskAgain(attempt, method) => {
                let asked_with = asked_with.get(&attempt.id).cloned();
                begun.push(asked_before(booked, attempt, technical_in_a_row, method, asked_with));
            }
            Charging::Begin(attempt, method) => {
                known.recent.push((attempt.customer, attempt.method.clone(), on));
                let booked = Booked { settlement: after, ..booked };
                begun.push(asked_first(booked, attempt, technical_in_a_row, method));
            }
            Charging::AwaitFile(method) => {
                to_debit.push(booked.invoice.draft.id);
                let (method, outcome) = (Some(method.refkey), TriedOutcome::AwaitsFile);
                collected.tried.push(tried(&booked, &after, method, outcome, None));
            }
            Charging::NotCalled { method, reason } => {
                collected.tried.push(not_called(Some(method), reason));
            }
            Charging::Misconfigured(reason) => {
                collected.aside.fail(booked.invoice.draft.payer, reason.clone());
                collected.tried.push(not_called(None, reason));
            }
        }
    }
    keep_new(&mut tx, &begun).await?;
    store::debit::ask(&mut tx, &to_debit, on).await?;
    invoice::save_settlements(&mut tx, &marks).await?;
    if !begun.is_empty() {
        // Whoever asked is answered with what the provider says.
        store::request::goes_on();
    }
    tx.commit().await?;
    Ok(begun)
}

/// What is known of these payers beside their invoices.
async fn known(
    ctx: &Context,
    tx: &mut Tx,
    payers: &[CustomerId],
    on: NaiveDate,
) -> anyhow::Result<PayerHistory> {
    let since = on.checked_sub_days(Days::new(CAP_DAYS)).unwrap_or(on);
    Ok(PayerHistory {
        unhealthy: payment::unhealthy(tx, payers).await?.into_iter().collect(),
        recent: payment::recent(tx, payers, since).await?,
        gateways: ctx.gateways.keys().cloned().collect(),
    })
}

/// Keeps the attempts that are new, and the tokens that they are asked with.
async fn keep_new(tx: &mut Tx, begun: &[CommittedAttempt]) -> anyhow::Result<()> {
    let new = || begun.iter().filter(|begun| !begun.asked_before);
    let attempts: Vec<Attempt> = new().map(|begun| begun.attempt.clone()).collect();
    payment::begin(tx, &attempts).await?;
    let tokens: Vec<(AttemptId, String)> =
        new().map(|begun| (begun.attempt.id, begun.token().to_owned())).collect();
    payment::asked_with(tx, &tokens).await
}

/// A new attempt.
fn asked_first(
    booked: Booked,
    attempt: Attempt,
    technical_in_a_row: usize,
    method: PaymentMethod,
) -> CommittedAttempt {
    let (has_method, asked_before, asked_with) = (true, false, None);
    CommittedAttempt { booked, attempt, technical_in_a_row, method, has_method, asked_before, asked_with }
}

/// An attempt without an answer. A method that is gone from the book is as it was asked, or unknown.
fn asked_before(
    booked: Booked,
    attempt: Attempt,
    technical_in_a_row: usize,
    method: Option<PaymentMethod>,
    asked_with: Option<String>,
) -> CommittedAttempt {
    let has_method = method.is_some();
    let method = method.unwrap_or_else(|| PaymentMethod {
        refkey: attempt.method.clone(),
        kind: "token".to_owned(),
        gateway: Some(attempt.gateway.clone()),
        token: asked_with.clone(),
        is_default: false,
        expires: None,
        mandate: None,
    });
    CommittedAttempt {
        booked,
        attempt,
        technical_in_a_row,
        method,
        has_method,
        asked_before: true,
        asked_with,
    }
}

/// Calls the providers, and calls again about what they did not answer, a few times.
async fn ask(
    ctx: &Context,
    mut begun: Vec<CommittedAttempt>,
    run: Option<RunId>,
    collected: &mut Collected,
) -> anyhow::Result<()> {
    for asked in 1..=ASKED_MAX {
        if begun.is_empty() {
            return Ok(());
        }
        let (known, to_charge) = look_up::sort(ctx, begun).await?;
        let answers = call(ctx, &to_charge).await;
        let mut unanswered = Vec::new();
        let mut answered = Vec::new();
        for (mut begun, answer) in known.into_iter().chain(to_charge.into_iter().zip(answers)) {
            match answer {
                Err(GatewayError::Unknown { gateway, why }) => {
                    tracing::info!(
                        attempt = begun.attempt.id.to_string(),
                        gateway,
                        why,
                        "no answer to a charge"
                    );
                    begun.asked_before = true;
                    begun.asked_with.get_or_insert_with(|| begun.method.token.clone().unwrap_or_default());
                    unanswered.push((begun, why));
                }
                answer => answered.push((begun, answer)),
            }
        }
        crate::payments::answers::record(ctx, answered, run, collected).await?;
        if asked == ASKED_MAX {
            for (begun, why) in &unanswered {
                let (booked, method) = (&begun.booked, Some(begun.attempt.method.clone()));
                let reason = format!(
                    "{} has not answered about the payment of {}: {why}",
                    begun.attempt.gateway, booked.invoice.number
                );
                collected.aside.wait(booked.invoice.draft.payer, reason.clone());
                collected.tried.push(tried(
                    booked,
                    &booked.settlement,
                    method,
                    TriedOutcome::Unanswered,
                    Some(reason),
                ));
            }
            return Ok(());
        }
        begun = unanswered.into_iter().map(|(begun, _)| begun).collect();
        if !begun.is_empty() {
            tokio::time::sleep(PAUSE * asked).await;
        }
    }
    Ok(())
}

/// One answer per attempt, in their order, whatever their gateways.
async fn call(ctx: &Context, begun: &[CommittedAttempt]) -> Vec<Result<ChargeAnswer, GatewayError>> {
    let mut answers: Vec<Option<Result<ChargeAnswer, GatewayError>>> = begun.iter().map(|_| None).collect();
    let names: BTreeSet<&str> = begun.iter().map(|b| b.attempt.gateway.as_str()).collect();
    for name in names {
        let Some(gateway) = ctx.gateways.get(name) else { continue };
        let places: Vec<usize> =
            (0..begun.len()).filter(|place| begun[*place].attempt.gateway == name).collect();
        let requests: Vec<ChargeRequest> = places.iter().map(|place| request(&begun[*place])).collect();
        let given = gateway.charge_all(&requests).await;
        for (place, answer) in places.into_iter().zip(given) {
            answers[place] = Some(answer);
        }
    }
    let nobody = |b: &CommittedAttempt| GatewayError::Unknown {
        gateway: b.attempt.gateway.clone(),
        why: "no such gateway".to_owned(),
    };
    answers.into_iter().zip(begun).map(|(answer, b)| answer.unwrap_or_else(|| Err(nobody(b)))).collect()
}

fn request(begun: &CommittedAttempt) -> ChargeRequest {
    let attempt = &begun.attempt;
    ChargeRequest {
        attempt: attempt.id,
        invoice: attempt.invoice,
        token: begun.token().to_owned(),
        amount_minor: attempt.amount_minor,
        currency: attempt.currency,
    }
}
