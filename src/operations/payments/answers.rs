//! What a provider's answers to charges do: outcome of the attempt, settlement, ledger entries and the next step of
//! the ladder, in one transaction (rules Y1, Y2).
//!
//! Idempotency key: an attempt is answered once.

use crate::context::Context;
use crate::delivery::plan;
use crate::payments::account::{account, policy_of};
use crate::payments::settle;
use crate::payments::tried::{Collected, CommittedAttempt, TriedOutcome, tried};
use anyhow::Context as _;
use domain::catalogue::Catalogue;
use domain::ids::{InvoiceId, RunId};
use domain::invoice::Settlement;
use domain::invoice::verbs::{self, Answer, Books, Effects};
use domain::payment::{Attempt, AttemptState, Decline};
use domain::run::Step;
use gateways::{ChargeAnswer, GatewayError};
use std::collections::BTreeMap;
use store::invoice::{self, Booked};
use store::{Tx, payment};

/// Writes outcomes, settlements and ledger entries in one transaction.
pub(crate) async fn record(
    ctx: &Context,
    answered: Vec<(CommittedAttempt, Result<ChargeAnswer, GatewayError>)>,
    run: Option<RunId>,
    collected: &mut Collected,
) -> anyhow::Result<()> {
    if answered.is_empty() {
        return Ok(());
    }
    let mut tx = ctx.store.begin().await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    let calendar = store::ledger::calendar(&mut tx).await?;
    let ids: Vec<InvoiceId> = answered.iter().map(|(b, _)| b.attempt.invoice).collect();
    invoice::lock_settlements(&mut tx, &ids).await?;
    let fresh = invoice::by_ids(&mut tx, &ids).await?;
    let fresh: BTreeMap<InvoiceId, Booked> = fresh.into_iter().map(|b| (b.invoice.draft.id, b)).collect();
    // A run that sends no mail does not write to those whose payment failed either.
    let silent = match run {
        Some(run) => {
            store::run::by_id(&mut tx, run).await?.is_some_and(|r| r.options.skip.contains(&Step::Send))
        }
        None => false,
    };
    for (mut begun, answer) in answered {
        // The settlement may have moved while the provider was thinking.
        begun.booked = fresh.get(&begun.attempt.invoice).cloned().unwrap_or(begun.booked);
        match answer {
            Ok(ChargeAnswer::Paid { reference, fee_minor }) => {
                begun.attempt.state = AttemptState::Paid;
                begun.attempt.provider_reference = Some(reference);
                begun.attempt.fee_minor = fee_minor;
                let books = Books { catalogue: &catalogue, calendar };
                paid(&mut tx, &begun, books, run, collected).await?;
            }
            Ok(ChargeAnswer::Declined(decline)) => {
                let (booked, ordinal) = (begun.booked.clone(), begun.attempt.ordinal);
                if declined(&mut tx, begun, decline, &catalogue, collected).await? && !silent {
                    plan::plan_declined(ctx, &mut tx, &catalogue, &booked, ordinal).await?;
                }
            }
            Err(error) => refused(&mut tx, begun, &error, &catalogue, collected).await?,
        }
    }
    tx.commit().await
}

async fn paid(
    tx: &mut Tx,
    begun: &CommittedAttempt,
    books: Books<'_>,
    run: Option<RunId>,
    collected: &mut Collected,
) -> anyhow::Result<()> {
    if !payment::answer(tx, &begun.attempt).await? {
        return Ok(());
    }
    let (booked, attempt) = (&begun.booked, &begun.attempt);
    let settlement = settle::payment(tx, booked, attempt, books, run).await?;
    collected.tried.push(tried(booked, &settlement, Some(attempt.method.clone()), TriedOutcome::Paid, None));
    Ok(())
}

/// Whether the decline is news.
async fn declined(
    tx: &mut Tx,
    begun: CommittedAttempt,
    decline: Decline,
    catalogue: &Catalogue,
    collected: &mut Collected,
) -> anyhow::Result<bool> {
    let CommittedAttempt { booked, attempt, technical_in_a_row, method, .. } = begun;
    let policy = policy_of(catalogue, &booked);
    let account = account(&booked, &[], None, &policy);
    let effects = verbs::answered(&account, attempt, technical_in_a_row, Answer::Declined(&decline));
    let Some((attempt, settlement)) = keep_answer(tx, &booked, effects.clone()).await? else {
        return Ok(false);
    };
    if effects.declined_for_good {
        payment::mark_unhealthy(tx, attempt.customer, &method.health_key(), attempt.on, &decline.code)
            .await?;
    }
    let (outcome, code) = (TriedOutcome::Declined, Some(decline.code));
    collected.tried.push(tried(&booked, &settlement, Some(attempt.method), outcome, code));
    Ok(true)
}

/// Keeps an answer that moves the marks alone; none if the attempt has been answered before.
async fn keep_answer(
    tx: &mut Tx,
    booked: &Booked,
    effects: Effects,
) -> anyhow::Result<Option<(Attempt, Settlement)>> {
    let Some(attempt) = effects.attempt else { return Ok(None) };
    if !payment::answer(tx, &attempt).await? {
        return Ok(None);
    }
    let settlement = effects.settlement.unwrap_or_else(|| booked.settlement.clone());
    invoice::save_settlements(tx, &[(booked.invoice.draft.id, settlement.clone())]).await?;
    Ok(Some((attempt, settlement)))
}

/// The provider refuses the request itself. If it was asked before, nobody knows what became of the first time: the
/// attempt stays open for a person. Otherwise nothing has happened, and the attempt ends.
async fn refused(
    tx: &mut Tx,
    begun: CommittedAttempt,
    error: &GatewayError,
    catalogue: &Catalogue,
    collected: &mut Collected,
) -> anyhow::Result<()> {
    let CommittedAttempt { booked, attempt, technical_in_a_row, asked_before, .. } = begun;
    let (number, method) = (&booked.invoice.number, attempt.method.clone());
    tracing::error!(attempt = attempt.id.to_string(), reason = error.to_string(), "charge refused");
    collected.aside.fail(booked.invoice.draft.payer, format!("payment of {number}: {error}"));
    let mut settlement = booked.settlement.clone();
    if !asked_before {
        let policy = policy_of(catalogue, &booked);
        let account = account(&booked, &[], None, &policy);
        let effects = verbs::answered(&account, attempt, technical_in_a_row, Answer::Refused);
        match keep_answer(tx, &booked, effects).await? {
            Some((_, after)) => settlement = after,
            None => return Ok(()),
        }
    }
    let (outcome, why) = (TriedOutcome::Unanswered, Some(error.to_string()));
    collected.tried.push(tried(&booked, &settlement, Some(method), outcome, why));
    Ok(())
}
