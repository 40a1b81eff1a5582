//! Verbs on subscriptions, and discounts on customers, subscriptions and charges (rules S2, D1).

use super::world::World;
use crate::customer::PaymentMethod;
use crate::ids::CustomerId;
use crate::refusal::{Code, Refusal};
use crate::subscription::{ActContext, Arguments, EFFECTIVE, Request, applicable};
use chrono::NaiveDate;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Does a verb on the subscription that the step names, by its number or by the reference of one of its charges. `effective` dates a
/// change ahead or back.
///
/// # Errors
/// As [`crate::subscription::act`].
pub(super) fn act(
    world: &mut World,
    verb: &str,
    step: &Map<String, Value>,
    on: NaiveDate,
) -> Result<(), Refusal> {
    let owner = one(world, verb, step, on)?;
    world.change_bills_of(&[owner].into());
    Ok(())
}

/// One verb on many subscriptions, all of them or none, as `subscriptions bulk`: what the step says is said for all lines.
///
/// # Errors
/// Those of the first line that cannot be done, with its place.
pub(super) fn bulk(
    world: &mut World,
    verb: &str,
    step: &Map<String, Value>,
    on: NaiveDate,
) -> Result<(), Refusal> {
    let lines = Arguments::of(step).value(&["subscriptions"]).and_then(Value::as_array).ok_or_else(|| {
        let hint = "for example `\"subscriptions\": [{\"subscription\": \"SUB-0001\", \"amount\": \"2\"}]`";
        Refusal::new(Code::MissingArgument, "`subscriptions` is a list of lines").hint(hint)
    })?;
    let mut shared = step.clone();
    shared.retain(|name, _| !name.eq_ignore_ascii_case("subscriptions"));
    let before = world.known.subscriptions.clone();
    let mut touched = BTreeSet::new();
    for (place, line) in lines.iter().enumerate() {
        match bulk_line(&shared, line).and_then(|line| one(world, verb, &line, on)) {
            Ok(owner) => drop(touched.insert(owner)),
            Err(refusal) => {
                world.known.subscriptions = before;
                return Err(refusal.at(format!("/subscriptions/{place}")));
            }
        }
    }
    world.change_bills_of(&touched);
    Ok(())
}

/// What is said for all lines, and what one says for itself.
fn bulk_line(shared: &Map<String, Value>, line: &Value) -> Result<Map<String, Value>, Refusal> {
    let line = line
        .as_object()
        .ok_or_else(|| Refusal::new(Code::Malformed, "a line is a JSON object with a `subscription`"))?;
    if let Some(twice) = line.keys().find(|name| shared.keys().any(|other| other.eq_ignore_ascii_case(name)))
    {
        let message = format!("`{twice}` is said for all lines, and by the line too");
        return Err(Refusal::new(Code::BadArgument, message).hint("say it in one place"));
    }
    Ok(shared.iter().chain(line).map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Does the verb of a step; whose the subscription is.
fn one(
    world: &mut World,
    verb: &str,
    step: &Map<String, Value>,
    on: NaiveDate,
) -> Result<CustomerId, Refusal> {
    let arguments = Arguments::of(step);
    let number = match (arguments.text(&["subscription"]), arguments.text(&["subscriptioncharge"])) {
        (None, Some(charge)) => owner_of_charge(world, &charge)?,
        (number, _) => arguments.required(&["subscription"], number)?,
    };
    let request = Request::read(verb, step)?;
    let effective = arguments.date(&EFFECTIVE)?.unwrap_or(on);
    keep(world, &number, &request, effective, on)
}

/// Does a request on a subscription.
///
/// # Errors
/// As [`act`].
pub(super) fn apply(
    world: &mut World,
    number: &str,
    request: &Request,
    effective: NaiveDate,
    on: NaiveDate,
) -> Result<(), Refusal> {
    let owner = keep(world, number, request, effective, on)?;
    world.change_bills_of(&[owner].into());
    Ok(())
}

/// Keeps what a request makes of a subscription; whose it is.
fn keep(
    world: &mut World,
    number: &str,
    request: &Request,
    effective: NaiveDate,
    on: NaiveDate,
) -> Result<CustomerId, Refusal> {
    let Some(subscription) = world.known.subscriptions.get(number) else {
        return Err(Refusal::new(Code::UnknownSubscription, format!("there is no subscription `{number}`")));
    };
    let methods = methods(world, subscription.customer);
    let redeemed = world.redeemed();
    let context = ActContext {
        catalogue: world.catalogue()?,
        billed: &world.billed,
        methods: &methods,
        redeemed: &redeemed,
    };
    let changed = crate::subscription::act(subscription, &context, request, effective, on)?;
    let owner = changed.customer;
    world.known.subscriptions.insert(number.to_owned(), changed);
    Ok(owner)
}

/// Methods of an owner and of those who pay for it.
fn methods(world: &World, owner: CustomerId) -> Vec<PaymentMethod> {
    let mut methods = Vec::new();
    let mut customer = world.customer(owner);
    let mut left = 100;
    while let Some(current) = customer.filter(|_| left > 0) {
        methods.extend(current.payment_methods.iter().cloned());
        customer = current.parent.filter(|_| current.bill_to_parent).and_then(|id| world.customer(id));
        left -= 1;
    }
    methods
}

/// Applies or clears a discount code on what the step names.
///
/// # Errors
/// If the code cannot be applied, or there is nothing to clear.
pub(super) fn discount(
    world: &mut World,
    verb: &str,
    step: &Map<String, Value>,
    on: NaiveDate,
) -> Result<(), Refusal> {
    let arguments = Arguments::of(step);
    let code = arguments.text(&["discount", "code"]);
    let is_apply = match verb.to_ascii_lowercase().as_str() {
        "apply" => true,
        "clear" => false,
        other => {
            let message = format!("there is no verb `{other}` of discounts");
            return Err(Refusal::new(Code::UnknownVerb, message).hint("apply or clear"));
        }
    };
    let charge = arguments.text(&["subscriptioncharge", "charge"]);
    arguments.refuse_others(&["subscription", "customer"])?;
    let number = match arguments.text(&["subscription"]) {
        Some(number) => Some(number),
        None => charge.as_deref().map(|charge| owner_of_charge(world, charge)).transpose()?,
    };
    if let Some(number) = number {
        let request = if is_apply {
            Request::ApplyDiscount { charge, code: arguments.required(&["discount"], code)? }
        } else {
            Request::ClearDiscount { charge }
        };
        return apply(world, &number, &request, on, on);
    }
    let account = arguments.required(&["customer"], arguments.text(&["customer"]))?;
    if is_apply {
        apply_to_customer(world, &account, &arguments.required(&["discount"], code)?, on)
    } else {
        clear_of_customer(world, &account, on)
    }
}

fn owner_of_charge(world: &World, charge: &str) -> Result<String, Refusal> {
    let is_it = |reference: crate::ids::ChargeReference| reference.to_string().eq_ignore_ascii_case(charge);
    let mut holders = world.known.subscriptions.values().filter(|subscription| {
        subscription.charges.iter().any(|own| is_it(own.reference) || own.charge == charge)
    });
    match (holders.next(), holders.next()) {
        (Some(one), None) => Ok(one.number.clone()),
        (None, _) => {
            Err(Refusal::new(Code::UnknownCharge, format!("no subscription has the charge `{charge}`")))
        }
        (Some(_), Some(_)) => {
            let message = format!("several subscriptions have the charge `{charge}`");
            Err(Refusal::new(Code::AmbiguousCharge, message)
                .hint("name the subscription too, or give a reference"))
        }
    }
}

fn apply_to_customer(world: &mut World, account: &str, code: &str, on: NaiveDate) -> Result<(), Refusal> {
    let redeemed = world.redeemed();
    let context = ActContext {
        catalogue: world.catalogue()?,
        billed: &world.billed,
        methods: &[],
        redeemed: &redeemed,
    };
    let discount = applicable(&context, code, on, None)?;
    let customer = world.known.customers.get_mut(account).ok_or_else(|| unknown_customer(account))?;
    customer.apply_discount(discount);
    let id = customer.id;
    world.change_bills_of(&[id].into());
    Ok(())
}

fn clear_of_customer(world: &mut World, account: &str, on: NaiveDate) -> Result<(), Refusal> {
    let customer = world.known.customers.get_mut(account).ok_or_else(|| unknown_customer(account))?;
    customer.clear_discount(on)?;
    let id = customer.id;
    world.change_bills_of(&[id].into());
    Ok(())
}

fn unknown_customer(account: &str) -> Refusal {
    Refusal::new(Code::UnknownCustomer, format!("there is no customer `{account}`"))
}
