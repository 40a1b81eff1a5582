//! Payments in memory: the verbs of [`crate::invoice::verbs`] on the accounts of a scenario, with the sandbox as the provider
//! (rules I8, Y1–Y5).

use super::settling::{apply, happen, name, with_account, write_off};
use super::world::{Document, Transaction, TransactionKind, World};
use super::{agreements, debits, running};
use crate::billing::{self, Reminded};
use crate::direct_debit::SEPA;
use crate::dunning::DunningAction;
use crate::ids::CustomerId;
use crate::invoice::Draft;
use crate::invoice::verbs::{self, Account, Answer, Books, Charging, NextStep, Occasion, PayerHistory};
use crate::payment::{AttemptState, SandboxAnswer, sandbox_answer, under_way};
use crate::refusal::{Code, Refusal};
use crate::subscription::{CancelOption, Request};
use chrono::{Days, NaiveDate};
use serde_json::Value;
use std::collections::BTreeSet;

/// Days that the card schemes' caps look back (rules Y2).
const CAP_DAYS: u64 = 30;

/// What a step asks of payments: the daily dunning run of the day (rules Y4).
///
/// # Errors
/// If it asks for something else.
pub(super) fn asked(world: &mut World, what: &Value, on: NaiveDate) -> Result<(), Refusal> {
    if what.as_str().is_none_or(|what| !what.eq_ignore_ascii_case("retry")) {
        let message = format!("{what} cannot be done with payments");
        let hint = "`{\"payments\": \"retry\"}`, `export`, `import`, `allocate` or `refund`";
        return Err(Refusal::new(Code::UnknownVerb, message).hint(hint));
    }
    world.mornings.remove(&on); // who asks for it by name gets it, as often as they like
    morning(world, on);
    Ok(())
}

/// The first attempt, made at booking (rules Y3). What cannot be charged waits for its dunning.
pub(super) fn at_booking(world: &mut World, places: &[usize], on: NaiveDate) {
    for at in places {
        if let Ok(charging) = begin(world, *at, Occasion::Booking, on) {
            let _ = ask(world, *at, charging);
        }
    }
}

/// The daily dunning run of a day: the step that is due on each open invoice (rules Y3). With runs it comes once a day.
pub(super) fn morning(world: &mut World, on: NaiveDate) {
    if !world.mornings.insert(on) {
        return;
    }
    let is_due = |document: &Document| {
        let next = document.settlement.next_retry;
        document.booked.is_some() && next.is_some_and(|next| next <= on)
    };
    let due = (0..world.documents.len()).filter(|at| is_due(&world.documents[*at]));
    let coming: Vec<(usize, NextStep)> =
        due.filter_map(|at| Some((at, with_account(world, at, verbs::coming)?))).collect();
    let mut charges: Vec<(Occasion, usize)> = coming
        .iter()
        .filter_map(|(at, coming)| match coming {
            NextStep::Charge(occasion) => Some((*occasion, *at)),
            _ => None,
        })
        .collect();
    charges.sort_unstable();
    for (occasion, at) in charges {
        if let Ok(charging) = begin(world, at, occasion, on) {
            let _ = ask(world, at, charging);
        }
    }
    for (at, coming) in coming {
        match coming {
            NextStep::Act(action) => act(world, at, action, on),
            NextStep::Over => step(world, at, on),
            NextStep::Charge(_) => {}
        }
    }
}

/// A step that charges nobody. A write-off ends the dunning by itself.
fn act(world: &mut World, at: usize, action: DunningAction, on: NaiveDate) {
    let request = match action {
        DunningAction::Hold => Some(Request::Hold { refund_prorated: false }),
        DunningAction::Expire => Some(Request::Expire { refund_prorated: false }),
        DunningAction::Cancel => {
            let option = Some(CancelOption::Immediately);
            Some(Request::Cancel { option, date: None, refund_prorated: false })
        }
        DunningAction::WriteOff => {
            let _ = write_off(world, at, None, on);
            return;
        }
        DunningAction::Mail => {
            late_charge(world, at, on);
            None
        }
        DunningAction::Retry | DunningAction::OtherMethod => None,
    };
    let lines = &world.documents[at].draft.lines;
    let numbers: BTreeSet<String> = lines.iter().filter_map(|l| l.subscription_number.clone()).collect();
    for (number, request) in numbers.iter().zip(std::iter::repeat(request)) {
        // One that is refused, as the state that it leads to is there already, is no reason to stop.
        let _ = request.map(|request| agreements::apply(world, number, &request, on, on));
    }
    step(world, at, on);
}

/// What a reminder costs, booked on its day as an invoice of its own (rules Y9).
fn late_charge(world: &mut World, at: usize, on: NaiveDate) {
    let Some(draft) = cost_of_reminder(world, at, on) else { return };
    world.documents.push(Document::draft(draft));
    let place = world.documents.len() - 1;
    if running::book(world, &[place], on).is_err() {
        return;
    }
    at_booking(world, &[place], on);
}

fn cost_of_reminder(world: &World, at: usize, on: NaiveDate) -> Option<Draft> {
    let catalogue = world.catalogue().ok()?;
    let document = &world.documents[at];
    let invoice = document.booked.as_ref()?;
    let payer = world.customer(invoice.draft.payer)?;
    let policy = catalogue.dunning_policy(invoice.draft.dunning_policy.as_deref());
    let taken = document.settlement.dunning_step;
    let earlier = billing::late_charges_of(document.id(), taken);
    let charged = world.documents.iter().map(|document| &document.draft);
    let reminded = Reminded {
        invoice,
        open_minor: document.settlement.open_minor(invoice.draft.gross_minor()),
        payer,
        revision: world.revision(payer.id),
        step: policy.steps.get(usize::try_from(taken).ok()?)?,
        number: taken + 1,
        charged_until: billing::charged_until(charged.filter(|draft| earlier.contains(&draft.id))),
        on,
    };
    billing::late_charge(catalogue, &reminded)
}

fn step(world: &mut World, at: usize, on: NaiveDate) {
    if let Some(after) = with_account(world, at, |account| verbs::stepped(account, on)) {
        world.documents[at].settlement = after;
    }
}

/// One attempt on what is open, as a person asks for it (rules Y4).
///
/// # Errors
/// If nothing is open or there is no method that can be charged.
pub(super) fn recharge(world: &mut World, at: usize, on: NaiveDate) -> Result<(), Refusal> {
    if let Some(pending) = with_account(world, at, |account| account.pending().cloned()).flatten() {
        return Err(under_way(&name(world, at), &pending));
    }
    let charging = begin(world, at, Occasion::Request, on)?;
    if ask(world, at, charging) {
        return Ok(());
    }
    let account = &world.documents[at].draft.account_number;
    let message = format!("{account} has no payment method that can be charged");
    Err(Refusal::new(Code::NoMethod, message).hint("set an online payment method, or mark it paid"))
}

/// Decides on a charge and notes the attempt.
fn begin(world: &mut World, at: usize, occasion: Occasion, on: NaiveDate) -> Result<Charging, Refusal> {
    let Some(invoice) = world.documents[at].booked.clone() else {
        return Err(Refusal::new(Code::Conflict, "a draft cannot be charged").hint("book it first"));
    };
    if world.documents[at].settlement.open_minor(invoice.draft.gross_minor()) <= 0 {
        let message = format!("nothing is open on {}", invoice.number);
        return Err(Refusal::new(Code::NothingOpen, message));
    }
    let known = known(world, invoice.draft.payer, on);
    let charge = with_account(world, at, |account| verbs::charge(account, &known, occasion, on));
    let Some(charge) = charge else { return Ok(Charging::Leave) };
    if let Some(settlement) = charge.settlement {
        world.documents[at].settlement = settlement;
    }
    if matches!(charge.what, Charging::AwaitFile(_)) {
        debits::wait(world, at);
    }
    if let Charging::Begin(attempt, _) = &charge.what {
        world.transactions.push(Transaction { attempt: attempt.clone(), kind: TransactionKind::Online });
    }
    Ok(charge.what)
}

/// What is known of a payer beside its invoices. In memory every gateway is the sandbox.
fn known(world: &World, payer: CustomerId, on: NaiveDate) -> PayerHistory {
    let since = on.checked_sub_days(Days::new(CAP_DAYS)).unwrap_or(on);
    let own = world.transactions.iter().filter(|t| t.kind == TransactionKind::Online);
    let own = own.map(|t| &t.attempt).filter(|a| a.customer == payer && a.on >= since);
    let methods = world.customer(payer).map_or(&[][..], |payer| payer.payment_methods.as_slice());
    // A seller without a creditor identifier debits nobody.
    let debits = world.catalogue.as_ref().is_some_and(|catalogue| catalogue.tenant.debits());
    let is_set_up = |gateway: &String| gateway != SEPA || debits;
    PayerHistory {
        unhealthy: world.unhealthy.clone(),
        recent: own.map(|a| (a.customer, a.method.clone(), a.on)).collect(),
        gateways: methods.iter().filter_map(|method| method.gateway.clone()).filter(is_set_up).collect(),
    }
}

/// Asks the sandbox; whether there was anything to ask.
fn ask(world: &mut World, at: usize, charging: Charging) -> bool {
    let (mut attempt, method) = match charging {
        Charging::Begin(attempt, method) => (attempt, method),
        Charging::NotCalled { .. } | Charging::AwaitFile(_) => return true,
        _ => return false,
    };
    let is_soft = |t: &&Transaction| {
        let a = &t.attempt;
        (a.invoice, a.state, &a.method) == (attempt.invoice, AttemptState::SoftDecline, &attempt.method)
    };
    let prior = u32::try_from(world.transactions.iter().filter(is_soft).count()).unwrap_or(u32::MAX);
    let token = method.token.as_deref().unwrap_or_default();
    match sandbox_answer(token, attempt.amount_minor, prior) {
        SandboxAnswer::Paid { fee_minor } | SandboxAnswer::PaidAnswerLost { fee_minor } => {
            attempt.state = AttemptState::Paid;
            attempt.fee_minor = fee_minor;
            attempt.provider_reference = Some(attempt.id.to_string());
            let paid = |account: &Account<'_>, books: Books<'_>| verbs::paid_online(account, attempt, books);
            let _ = happen(world, at, paid);
        }
        SandboxAnswer::Declined(decline) => {
            let before = |account: &Account<'_>| account.technical_before(attempt.ordinal);
            let Some(in_a_row) = with_account(world, at, before) else { return true };
            let answer = Answer::Declined(&decline);
            let effects =
                with_account(world, at, |account| verbs::answered(account, attempt, in_a_row, answer));
            if let Some(effects) = effects {
                if effects.declined_for_good {
                    let payer = world.documents[at].draft.payer;
                    world.unhealthy.insert((payer, method.health_key()));
                }
                apply(world, at, effects);
            }
        }
    }
    true
}
