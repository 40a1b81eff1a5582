//! Payments in memory: the verbs of [`crate::invoice::verbs`] on the accounts of a scenario, with the sandbox as the provider
//! (rules I8, Y1–Y5).

use super::{agreements, debits};
use super::world::{Document, Transaction, TransactionKind, World};
use crate::catalogue::Catalogue;
use crate::direct_debit::SEPA;
use crate::dunning::DunningAction;
use crate::ids::{CustomerId, InvoiceId};
use crate::invoice::verbs::{
    self, Account, Answer, BookingFault, Books, Charging, Effects, NextStep, Occasion, PartKind,
    PayerHistory, SettlementPart,
};
use crate::invoice::{Invoice, OpenDocument, account, set_off as parts_of};
use crate::ledger::{EntryKind, PostingFault};
use crate::money::{Currency, Money};
use crate::payment::{Attempt, AttemptState, MANUAL, SandboxAnswer, sandbox_answer, under_way};
use crate::refusal::{Code, Refusal, Verb};
use crate::subscription::{CancelOption, Request};
use chrono::{Days, NaiveDate};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Days that the card schemes' caps look back (rules Y2).
const CAP_DAYS: u64 = 30;

/// What a step asks of payments: the dunning morning of the day (rules Y4).
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

/// The dunning morning of a day: the step that is due on each open invoice (rules Y3). With runs it comes once a day.
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
        DunningAction::Mail | DunningAction::Retry | DunningAction::OtherMethod => None,
    };
    let lines = &world.documents[at].draft.lines;
    let numbers: BTreeSet<String> = lines.iter().filter_map(|l| l.subscription_number.clone()).collect();
    for (number, request) in numbers.iter().zip(std::iter::repeat(request)) {
        // One that is refused, as the state that it leads to is there already, is no reason to stop.
        let _ = request.map(|request| agreements::apply(world, number, &request, on, on));
    }
    step(world, at, on);
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

/// Money that came elsewhere.
///
/// # Errors
/// As [`account::payment`].
pub(super) fn mark_paid(
    world: &mut World,
    at: usize,
    amount: Option<rust_decimal::Decimal>,
    (on, overrules): (NaiveDate, bool),
) -> Result<(), Refusal> {
    let asked = |account: &Account<'_>| account::payment(account.standing(), amount);
    let amount_minor = with_account(world, at, asked).ok_or_else(not_booked)??;
    if let Some(pending) = with_account(world, at, |account| account.pending().cloned()).flatten() {
        if !overrules {
            let number = name(world, at);
            return Err(under_way(&number, &pending)
                .hint(", or overrule it with ")
                .ask(Verb::MarkPaid.on(number).switch("despite_pending")));
        }
        if let Some(begun) = world.transactions.iter_mut().find(|t| t.attempt.id == pending.id) {
            begun.attempt = pending.overruled();
        }
    }
    happen(world, at, |account, books| verbs::paid_manually(account, amount_minor, on, books))
}

/// What is given up: bad debt.
///
/// # Errors
/// As [`account::write_off`].
pub(super) fn write_off(
    world: &mut World,
    at: usize,
    amount: Option<rust_decimal::Decimal>,
    on: NaiveDate,
) -> Result<(), Refusal> {
    let asked = |account: &Account<'_>| account::write_off(account.standing(), amount);
    let amount_minor = with_account(world, at, asked).ok_or_else(not_booked)??;
    let ordinal = next_entry(world, at, EntryKind::WriteOff);
    happen(world, at, |account, books| verbs::write_off(account, amount_minor, ordinal, on, books))
}

/// Money back to the payer: what is owed on a credit note, or was paid too much (rules I7, Y5).
///
/// # Errors
/// As [`account::refund`].
pub(super) fn refund(
    world: &mut World,
    at: usize,
    amount: Option<rust_decimal::Decimal>,
    on: NaiveDate,
) -> Result<(), Refusal> {
    let invoice = world.documents[at].booked.clone().ok_or_else(not_booked)?;
    let payer = invoice.draft.payer;
    let of_payer = world.documents.iter().filter(|document| document.draft.payer == payer);
    let all: Vec<verbs::Concerned<'_>> = of_payer.filter_map(Document::concerned).collect();
    let kept_minor = kept_minor(world, payer, invoice.draft.currency);
    let received = verbs::received_minor(&invoice, all.iter().copied(), kept_minor);
    let asked = |account: &Account<'_>| account::refund(account.standing(), received, amount);
    let amount_minor = with_account(world, at, asked).ok_or_else(not_booked)??;
    let ordinal = next_entry(world, at, EntryKind::Refund);
    let attempt = Attempt::refund(&invoice.draft, ordinal, amount_minor, on);
    let key = (ordinal, attempt.id.0);
    happen(world, at, |account, books| verbs::refund(account, amount_minor, key, on, books))?;
    world.transactions.push(Transaction { attempt, kind: TransactionKind::Refund });
    Ok(())
}

/// So much of what a payer is owed goes back, or all that was paid of it, the oldest first (rules Y5).
///
/// # Errors
/// `nothing_owed`, `amount`, `more_than_open`.
pub(super) fn refund_credit(
    world: &mut World,
    payer: CustomerId,
    amount: Option<rust_decimal::Decimal>,
    on: NaiveDate,
) -> Result<(), Refusal> {
    let owed = credits_of(world, payer);
    let standing: Vec<verbs::Owed> = owed.iter().map(|(_, owed)| *owed).collect();
    for (place, amount_minor) in verbs::refund_of_credit(&standing, amount)? {
        let (at, currency) = (owed[place].0, owed[place].1.currency);
        refund(world, at, Some(Money::new(amount_minor, currency).decimal()), on)?;
    }
    Ok(())
}

/// Documents on which a payer is owed something, the oldest first, each with what may go back.
fn credits_of(world: &World, payer: CustomerId) -> Vec<(usize, verbs::Owed)> {
    let of_payer = world.documents.iter().filter(|document| document.draft.payer == payer);
    let all: Vec<verbs::Concerned<'_>> = of_payer.filter_map(Document::concerned).collect();
    let mut owed: Vec<(usize, verbs::Owed)> = Vec::new();
    for (at, document) in world.documents.iter().enumerate() {
        let Some(invoice) = document.booked.as_ref().filter(|_| document.draft.payer == payer) else {
            continue;
        };
        let owed_minor = -document.settlement.open_minor(document.draft.gross_minor());
        let kept_minor = kept_minor(world, payer, document.draft.currency);
        let received = verbs::received_minor(invoice, all.iter().copied(), kept_minor);
        let received_minor = received.unwrap_or(owed_minor);
        let amount_minor = owed_minor.min(received_minor);
        if amount_minor > 0 {
            owed.push((at, verbs::Owed { currency: document.draft.currency, amount_minor }));
        }
    }
    owed.sort_by_key(|(at, _)| age(&world.documents[*at]));
    owed
}

/// What a payer has paid in a currency less what went back. What a document below zero gives that credits no invoice is the
/// payer's own (rules Q2).
fn kept_minor(world: &World, payer: CustomerId, currency: Currency) -> i64 {
    let booked = world.documents.iter().filter(|document| document.booked.is_some());
    let own = booked.filter(|document| (document.draft.payer, document.draft.currency) == (payer, currency));
    let kept_of = |document: &Document| -> i64 {
        let is_money = |part: &&SettlementPart| matches!(part.kind, PartKind::Payment | PartKind::Refund);
        let given_minor =
            if document.draft.credits.is_empty() { document.draft.gross_minor().min(0) } else { 0 };
        document.parts.iter().filter(is_money).map(|part| part.amount_minor).sum::<i64>() - given_minor
    };
    own.map(kept_of).sum()
}

fn next_entry(world: &World, at: usize, kind: EntryKind) -> u32 {
    let id = world.documents[at].id();
    let before = world.entries.iter().filter(|entry| entry.invoice == id && entry.kind == kind);
    before.map(|entry| entry.ordinal).max().unwrap_or(0) + 1
}

/// The number of a booked document.
fn name(world: &World, at: usize) -> String {
    world.documents[at].booked.as_ref().map(|invoice| invoice.number.clone()).unwrap_or_default()
}

pub(super) fn not_booked() -> Refusal {
    Refusal::new(Code::Conflict, "it is not booked").hint("book it first")
}

/// Looks at a booked document as an account.
pub(super) fn with_account<R>(world: &World, at: usize, look: impl FnOnce(&Account<'_>) -> R) -> Option<R> {
    let document = &world.documents[at];
    let (invoice, catalogue) = (document.booked.as_ref()?, world.catalogue.as_ref()?);
    let policy = catalogue.dunning_policy(invoice.draft.dunning_policy.as_deref());
    let own = world.transactions.iter().filter(|t| t.kind != TransactionKind::Refund);
    let attempts = own.map(|t| &t.attempt).filter(|attempt| attempt.invoice == document.id()).collect();
    let payer = world.customer(invoice.draft.payer);
    Some(look(&Account { invoice, settlement: &document.settlement, attempts, payer, policy: &policy }))
}

/// Does what moves money, and sets off what the payer has to its credit after it.
pub(super) fn happen(
    world: &mut World,
    at: usize,
    verb: impl FnOnce(&Account<'_>, Books<'_>) -> Result<Effects, PostingFault>,
) -> Result<(), Refusal> {
    let catalogue: Arc<Catalogue> = Arc::clone(world.catalogue()?);
    let books = Books { catalogue: &catalogue, calendar: world.calendar };
    let effects = with_account(world, at, |account| verb(account, books)).ok_or_else(not_booked)?;
    let effects = effects.map_err(BookingFault::from)?;
    let on = effects.parts.first().map(|part| part.on);
    apply(world, at, effects);
    let Some(on) = on else { return Ok(()) };
    take_back(world, at, on)?;
    let document = &world.documents[at];
    if document.settlement.open_minor(document.draft.gross_minor()) < 0 {
        set_off(world, document.draft.payer, on);
    }
    Ok(())
}

/// What was given up and came after all is no bad debt any more (rules Y5).
fn take_back(world: &mut World, at: usize, on: NaiveDate) -> Result<(), Refusal> {
    let catalogue: Arc<Catalogue> = Arc::clone(world.catalogue()?);
    let books = Books { catalogue: &catalogue, calendar: world.calendar };
    let ordinal = next_entry(world, at, EntryKind::WriteOff);
    let effects = with_account(world, at, |account| verbs::taken_back(account, ordinal, on, books));
    if let Some(effects) = effects.transpose().map_err(BookingFault::from)?.flatten() {
        apply(world, at, effects);
    }
    Ok(())
}

/// A credit note meets what was given up of the invoices that it credits, before it goes to others (rules Y5).
///
/// # Errors
/// If it cannot be posted.
pub(super) fn meet_write_offs(world: &mut World, note: usize, on: NaiveDate) -> Result<(), Refusal> {
    let draft = &world.documents[note].draft;
    let is_credited = |document: &Document| {
        let number = document.booked.as_ref().map(|invoice| &invoice.number);
        document.settlement.written_off_minor > 0
            && number.is_some_and(|number| draft.credits.contains(number))
    };
    if !draft.is_credit_note {
        return Ok(());
    }
    let mut credited: Vec<usize> =
        (0..world.documents.len()).filter(|at| is_credited(&world.documents[*at])).collect();
    credited.sort_by_key(|at| age(&world.documents[*at]));
    for at in credited {
        let document = |at: usize| {
            let document = &world.documents[at];
            Some((document.booked.as_ref()?, &document.settlement))
        };
        let (Some(of_note), Some(of_invoice)) = (document(note), document(at)) else { continue };
        let amount_minor = verbs::meets_write_off(of_note, of_invoice);
        if amount_minor > 0 {
            set_off_pair(world, note, at, amount_minor, on);
            take_back(world, at, on)?;
        }
    }
    Ok(())
}

/// A draft became this invoice.
pub(super) fn keep_booked(world: &mut World, at: usize, invoice: Invoice, effects: Effects) {
    let document = &mut world.documents[at];
    document.draft = invoice.draft.clone();
    document.booked = Some(invoice);
    apply(world, at, effects);
}

/// Keeps what came of a verb on a document.
pub(super) fn apply(world: &mut World, at: usize, effects: Effects) {
    let document = &mut world.documents[at];
    document.parts.extend(effects.parts);
    document.settlement = effects.settlement.unwrap_or_else(|| document.settlement.clone());
    // What is zero posts nothing, and a scenario shows what is posted.
    world.entries.extend(effects.entries.into_iter().filter(|entry| !entry.postings.is_empty()));
    let Some(attempt) = effects.attempt else { return };
    match world.transactions.iter_mut().find(|t| t.attempt.id == attempt.id) {
        Some(begun) => begun.attempt = attempt,
        None => {
            let is_manual = attempt.gateway == MANUAL;
            let kind = if is_manual { TransactionKind::Manual } else { TransactionKind::Online };
            world.transactions.push(Transaction { attempt, kind });
        }
    }
}

/// Sets an amount of a credit against an invoice.
pub(super) fn set_off_pair(
    world: &mut World,
    credit: usize,
    invoice: usize,
    amount_minor: i64,
    on: NaiveDate,
) {
    for (at, other, amount_minor) in [(invoice, credit, amount_minor), (credit, invoice, -amount_minor)] {
        let document = &world.documents[at];
        let (Some(booked), Some(other)) = (&document.booked, &world.documents[other].booked) else {
            continue;
        };
        let met = document.parts.iter().filter(|part| part.document == Some(other.draft.id)).count();
        let effects = verbs::set_off_pair((booked, &document.settlement), other, met, amount_minor, on);
        apply(world, at, effects);
    }
}

/// Sets a payer's credits against the oldest open invoices of the currency (rules I8); how often something met. An invoice whose
/// payment is under way is left alone.
pub(super) fn set_off(world: &mut World, payer: CustomerId, on: NaiveDate) -> usize {
    let mut met = 0;
    let mut by_currency: BTreeMap<Currency, Vec<usize>> = BTreeMap::new();
    for (at, document) in world.documents.iter().enumerate() {
        if document.draft.payer == payer && document.booked.is_some() && !is_under_way(world, document.id()) {
            by_currency.entry(document.draft.currency).or_default().push(at);
        }
    }
    for mut places in by_currency.into_values() {
        places.sort_by_key(|at| age(&world.documents[*at]));
        let open: Vec<OpenDocument> = places
            .iter()
            .map(|at| &world.documents[*at])
            .map(|d| OpenDocument { id: d.id(), open_minor: d.settlement.open_minor(d.draft.gross_minor()) })
            .collect();
        for part in parts_of(&open) {
            let place = |id: InvoiceId| places.iter().copied().find(|at| world.documents[*at].id() == id);
            if let (Some(credit), Some(invoice)) = (place(part.credit), place(part.invoice)) {
                set_off_pair(world, credit, invoice, part.amount_minor, on);
                met += 1;
            }
        }
    }
    met
}

/// Whether a payment of an invoice has no answer yet.
pub(super) fn is_under_way(world: &World, id: InvoiceId) -> bool {
    let mut attempts = world.transactions.iter().map(|transaction| &transaction.attempt);
    attempts.any(|attempt| (attempt.invoice, attempt.state) == (id, AttemptState::Pending))
}

/// What decides which of two documents is older (rules I8).
fn age(document: &Document) -> (NaiveDate, String, Option<u64>) {
    let sequence = document.booked.as_ref().map(|invoice| invoice.sequence);
    (document.draft.invoice_date, document.draft.series.clone(), sequence)
}

impl Document {
    /// As refunds must know it.
    fn concerned(&self) -> Option<verbs::Concerned<'_>> {
        let booked = self.booked.as_ref()?;
        let credits = if booked.draft.is_credit_note { booked.draft.credits.as_slice() } else { &[] };
        let money = self.parts.iter().filter(|part| part.kind != PartKind::WriteOff);
        let received_minor = money.map(|part| part.amount_minor).sum();
        Some(verbs::Concerned { id: self.id(), number: &booked.number, credits, received_minor })
    }
}
