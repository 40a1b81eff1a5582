//! Verbs on subscriptions, and discounts on customers, subscriptions and charges (rules S2, D1).

use super::world::World;
use crate::customer::PaymentMethod;
use crate::refusal::{Code, Refusal};
use crate::subscription::{ActContext, Arguments, EFFECTIVE, Request, applicable};
use chrono::NaiveDate;
use serde_json::{Map, Value};

/// Does a verb on the subscription that the step names. `effective` dates a change ahead or back.
///
/// # Errors
/// As [`crate::subscription::act`].
pub(super) fn act(
    world: &mut World,
    verb: &str,
    step: &Map<String, Value>,
    on: NaiveDate,
) -> Result<(), Refusal> {
    let arguments = Arguments::of(step);
    let number = arguments.required(&["subscription"], arguments.text(&["subscription"]))?;
    let request = Request::read(verb, step)?;
    let effective = arguments.date(&EFFECTIVE)?.unwrap_or(on);
    apply(world, &number, &request, effective, on)
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
    world.change_bills_of(&[owner].into());
    Ok(())
}

/// Methods of an owner and of those who pay for it.
fn methods(world: &World, owner: crate::ids::CustomerId) -> Vec<PaymentMethod> {
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
