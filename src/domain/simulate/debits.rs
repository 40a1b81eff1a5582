//! Direct debits in memory: what goes to the bank, and what it says of that (rules Y8). No file is written or read; a step says
//! what would stand in it.

use super::settling::{happen, with_account};
use super::steps::StepAnswer;
use super::world::{DebitInFile, Transaction, TransactionKind, World};
use crate::direct_debit::{self, AHEAD_DAYS, health_key, next_target_day};
use crate::invoice::account;
use crate::invoice::verbs::{self, Debiting, FileEntry, PayerHistory, Returned};
use crate::money::Currency;
use crate::payment::{Attempt, AttemptState};
use crate::refusal::{Code, Refusal};
use crate::subscription::Arguments;
use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Takes what is due into the next file of the bank, as `payments export`.
///
/// # Errors
/// If something waits, and the tenant can debit nobody.
pub(super) fn export(
    world: &mut World,
    step: &Map<String, Value>,
    on: NaiveDate,
) -> Result<StepAnswer, Refusal> {
    let arguments = Arguments::of(step);
    let until = arguments.date(&["until"])?;
    arguments.refuse_others(&["payments", "format"])?;
    let catalogue = world.catalogue()?.clone();
    if !catalogue.tenant.debits() && !world.to_debit.is_empty() {
        return Err(direct_debit::no_creditor());
    }
    let until = until.or_else(|| on.checked_add_days(Days::new(AHEAD_DAYS))).unwrap_or(on);
    let soonest = next_target_day(on);
    let mut waiting = std::mem::take(&mut world.to_debit);
    waiting.sort_by_key(|at| {
        world.documents[*at].booked.as_ref().map(|invoice| (invoice.draft.series.clone(), invoice.sequence))
    });
    let (mut debits, mut aside) = (Vec::new(), Vec::new());
    for at in waiting {
        let Some(invoice) = world.documents[at].booked.clone() else { continue };
        let planned = catalogue.tenant.debited_on(invoice.payable_by, invoice.booked_on);
        let collect_on = planned.max(soonest);
        if collect_on > until {
            world.to_debit.push(at);
            continue;
        }
        let known = PayerHistory { unhealthy: world.unhealthy.clone(), ..PayerHistory::default() };
        let used = used(world);
        let decided = with_account(world, at, |account| verbs::debit(account, &known, &used, collect_on, on));
        match decided.unwrap_or(Debiting::Nothing) {
            Debiting::Nothing => {}
            Debiting::Unusable(why, after) => {
                aside.push(format!("{}: {why}", invoice.number));
                world.documents[at].settlement = after;
            }
            Debiting::Take(taken) => {
                debits.push(invoice.number);
                take(world, at, *taken);
            }
        }
    }
    let waiting = world.to_debit.len();
    Ok(StepAnswer::from_iter([
        ("debits".to_owned(), json!(debits)),
        ("waiting".to_owned(), json!(waiting)),
        ("aside".to_owned(), json!(aside)),
    ]))
}

fn take(world: &mut World, at: usize, taken: FileEntry) {
    let FileEntry { attempt, method, settlement } = taken;
    let Some(mandate) = &method.mandate else { return };
    world.debits.push(DebitInFile {
        attempt: attempt.id,
        document: at,
        mandate: mandate.id.clone(),
        health_key: health_key(&attempt.method, &mandate.id, &mandate.iban),
        collect_on: attempt.on,
        went_back: None,
    });
    world.documents[at].settlement = settlement;
    world.transactions.push(Transaction { attempt, kind: TransactionKind::Online });
}

/// The last day for which each mandate was used by a debit that was not refused before it was carried out.
fn used(world: &World) -> BTreeMap<String, NaiveDate> {
    let mut used: BTreeMap<String, NaiveDate> = BTreeMap::new();
    for debit in &world.debits {
        let is_used = attempt(world, debit)
            .is_some_and(|attempt| matches!(attempt.state, AttemptState::Pending | AttemptState::Paid));
        if is_used {
            let last = used.entry(debit.mandate.clone()).or_insert(debit.collect_on);
            *last = (*last).max(debit.collect_on);
        }
    }
    used
}

fn attempt<'w>(world: &'w World, debit: &DebitInFile) -> Option<&'w Attempt> {
    world.transactions.iter().map(|t| &t.attempt).find(|attempt| attempt.id == debit.attempt)
}

/// The newest debit of an invoice, by the invoice's number or place.
///
/// # Errors
/// If there is no such debit.
pub(super) fn find(world: &World, name: &str) -> Result<(usize, Attempt), Refusal> {
    let document = world.document(name)?;
    let place = world.debits.iter().rposition(|debit| debit.document == document);
    let found = place.and_then(|place| Some((place, attempt(world, &world.debits[place])?.clone())));
    found.ok_or_else(|| {
        Refusal::new(Code::UnknownPayment, format!("no debit of `{name}` went to the bank"))
            .hint("`{\"payments\": \"export\"}` takes what is due into a file")
    })
}

/// What became of money that the bank says is for a debit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CarriedOut {
    Paid,
    /// The bank tells it once more, with its fee or without.
    Known,
    /// It comes to another sum, or the debit waits for no money: a person says what it is.
    Differs,
}

/// Money that came for a debit.
///
/// # Errors
/// If there is no such debit.
pub(super) fn carried_out(
    world: &mut World,
    name: &str,
    (amount_minor, currency, on): (i64, Currency, NaiveDate),
) -> Result<CarriedOut, Refusal> {
    let (place, attempt) = find(world, name)?;
    let fee_minor = attempt.amount_minor - amount_minor;
    let is_of_it = currency == Currency::EUR && fee_minor >= 0;
    match attempt.state {
        AttemptState::Pending if is_of_it => {
            let document = world.debits[place].document;
            let reference = Some(format!("bank {on}"));
            let paid = Attempt {
                state: AttemptState::Paid,
                provider_reference: reference,
                on,
                fee_minor,
                ..attempt
            };
            happen(world, document, |account, books| verbs::paid_online(account, paid, books))?;
            Ok(CarriedOut::Paid)
        }
        AttemptState::Paid
            if is_of_it
                && fee_minor <= attempt.fee_minor
                && world.debits[place].went_back.is_none_or(|returned| returned >= on) =>
        {
            Ok(CarriedOut::Known)
        }
        _ => Ok(CarriedOut::Differs),
    }
}

/// What the bank says of a debit.
pub(super) struct ReturnTold {
    name: String,
    code: String,
    fee_minor: i64,
    on: NaiveDate,
}

/// Debits that were not carried out, or whose money went back.
///
/// # Errors
/// If one cannot be read, or names no debit.
pub(super) fn read_returned(world: &World, all: &[Value], on: NaiveDate) -> Result<Vec<ReturnTold>, Refusal> {
    all.iter().map(|told| read(world, told, on)).collect()
}

fn read(world: &World, told: &Value, on: NaiveDate) -> Result<ReturnTold, Refusal> {
    let told = told
        .as_object()
        .ok_or_else(|| Refusal::new(Code::Malformed, "what went back is a JSON object with a `debit`"))?;
    let arguments = Arguments::of(told);
    let name = arguments.required(&["debit"], arguments.text(&["debit"]))?;
    find(world, &name)?;
    let fee = arguments.text(&["fee"]).unwrap_or_else(|| "0".to_owned());
    let fee: Decimal =
        fee.parse().map_err(|_| Refusal::new(Code::Amount, format!("`{fee}` is not an amount")))?;
    let fee_minor = if fee.is_zero() { 0 } else { account::minor(fee, Currency::EUR)? };
    let code = arguments.text(&["code"]).unwrap_or_else(|| direct_debit::NO_CODE.to_owned());
    let on = arguments.date(&["date"])?.unwrap_or(on);
    arguments.refuse_others(&[])?;
    Ok(ReturnTold { name, code, fee_minor, on })
}

/// What became of each.
///
/// # Errors
/// If it cannot be posted.
pub(super) fn returned(world: &mut World, all: &[ReturnTold]) -> Result<Vec<Value>, Refusal> {
    all.iter().map(|told| came_back(world, told)).collect()
}

/// It goes back once.
fn came_back(world: &mut World, told: &ReturnTold) -> Result<Value, Refusal> {
    let (place, attempt) = find(world, &told.name)?;
    let is_open = matches!(attempt.state, AttemptState::Pending | AttemptState::Paid);
    if !is_open || world.debits[place].went_back.is_some() {
        return Ok(json!({"state": "known"}));
    }
    let debit = &mut world.debits[place];
    debit.went_back = Some(told.on);
    let (at, health_key) = (debit.document, debit.health_key.clone());
    let customer = attempt.customer;
    let returned = Returned { code: &told.code, fee_minor: told.fee_minor, on: told.on };
    let is_pending = attempt.state == AttemptState::Pending;
    let mut declined_for_good = false;
    happen(world, at, |account, books| {
        let effects = if is_pending {
            verbs::rejected(account, attempt, returned, books)
        } else {
            verbs::given_back(account, &attempt, returned, books)
        }?;
        declined_for_good = effects.declined_for_good;
        Ok(effects)
    })?;
    if declined_for_good {
        world.unhealthy.insert((customer, health_key));
    }
    Ok(json!({"state": if is_pending { "declined" } else { "returned" }}))
}

/// An invoice whose money the bank is to fetch waits for the next file; one that waits goes on waiting.
pub(super) fn wait(world: &mut World, at: usize) {
    if !world.to_debit.contains(&at) {
        world.to_debit.push(at);
    }
}
