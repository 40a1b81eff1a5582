//! Objects of the book one by one: put, patch, deactivate, activate, delete. They go through the reader and the checks of a book
//! file, as `book` does on the command line.

use super::steps::{StepAnswer, refused};
use super::world::World;
use crate::book_file::{
    ObjectKind, Parsed, has_no_status, in_use, moves_prices, named_by, remove, unknown, was_deleted,
};
use crate::ids::{CustomerId, DiscountId, PlanId};
use crate::refusal::{Code, Refusal};
use crate::subscription::{Arguments, Verb};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Does a verb on the object that the step names.
///
/// # Errors
/// If there is no such kind, object or verb, or it cannot be done.
pub(super) fn act(world: &mut World, verb: &str, step: &Map<String, Value>) -> Result<StepAnswer, Refusal> {
    let arguments = Arguments::of(step);
    let kind = ObjectKind::named(&arguments.required(&["kind"], arguments.text(&["kind"]))?)?;
    let named =
        arguments.text(&["key"]).or_else(|| (kind == ObjectKind::Tenant).then(|| "tenant".to_owned()));
    let key = arguments.required(&["key"], named)?;
    let verb = verb.to_ascii_lowercase();
    arguments.refuse_others(match verb.as_str() {
        "put" => &["book", "document"],
        "patch" => &["book", "patch"],
        _ => &["book"],
    })?;
    let text = |name: &'static str| arguments.required(&[name], step.get(name).map(Value::to_string));
    match verb.as_str() {
        "put" => write(world, kind, &key, Parsed::object(kind, "document", &text("document")?))?,
        "patch" => patch(world, kind, &key, &text("patch")?)?,
        "deactivate" | "activate" => {
            if let Some(refusal) = has_no_status(kind, &key) {
                return Err(refusal);
            }
            let is_off = verb == "deactivate";
            patch(
                world,
                kind,
                &key,
                if is_off { r#"{"status": "inactive"}"# } else { r#"{"status": null}"# },
            )?;
        }
        "delete" => delete(world, kind, &key)?,
        other => {
            let message = format!("there is no verb `{other}` of the book");
            return Err(Refusal::new(Code::UnknownVerb, message)
                .hint("one of activate, deactivate, delete, patch, put"));
        }
    }
    Ok(StepAnswer::new())
}

fn patch(world: &mut World, kind: ObjectKind, key: &str, patch: &str) -> Result<(), Refusal> {
    let document = find(world, kind, key)?;
    let parsed = Parsed::patched(kind, "patch", document, patch);
    write(world, kind, key, parsed)
}

/// The document of an object that is there.
fn find<'w>(world: &'w World, kind: ObjectKind, key: &str) -> Result<&'w str, Refusal> {
    if world.known.object(kind, key).is_some_and(|stored| stored.is_deleted) {
        return Err(was_deleted(kind, key));
    }
    let keys = world.documents_of_book.keys().filter(|(of, _)| *of == kind).map(|(_, key)| key.as_str());
    let found = world.documents_of_book.get(&(kind, key.to_owned()));
    found.map(String::as_str).ok_or_else(|| unknown(kind, key, keys))
}

/// Saves the one object that was written.
fn write(world: &mut World, kind: ObjectKind, key: &str, parsed: Parsed) -> Result<(), Refusal> {
    parsed.expect_key(kind, key)?;
    let loaded = world.known.object(kind, key).and_then(|stored| stored.loaded);
    // Outside a file an object is as it stands, whatever was loaded last (rules S6).
    set_loaded(world, kind, key, None);
    let merged = parsed.merge(&world.known);
    set_loaded(world, kind, key, loaded);
    let set = merged.map_err(|faults| refused(Code::FaultyBook, &faults))?;
    world.load(set)?;
    set_loaded(world, kind, key, loaded);
    Ok(())
}

fn set_loaded(world: &mut World, kind: ObjectKind, key: &str, loaded: Option<crate::book_file::ContentHash>) {
    let of_kind = world.known.objects.get_mut(&kind);
    if let Some(stored) = of_kind.and_then(|of_kind| of_kind.get_mut(key)) {
        stored.loaded = loaded;
    }
}

/// Takes an object that nothing uses out of the book; its name stays taken.
fn delete(world: &mut World, kind: ObjectKind, key: &str) -> Result<(), Refusal> {
    find(world, kind, key)?;
    if let Some(by) = used_by(world, kind, key)? {
        return Err(in_use(kind, key, &by));
    }
    let mut touched: BTreeSet<CustomerId> = BTreeSet::new();
    if moves_prices(kind) {
        world.refuse_while_drafts_stand()?;
        touched.extend(world.known.customers.values().map(|customer| customer.id));
    }
    match kind {
        ObjectKind::Customer => {
            touched.insert(CustomerId::of(key));
            world.change_bills_of(&touched);
            world.known.customers.remove(key);
        }
        ObjectKind::Subscription => drop(world.known.subscriptions.remove(key)),
        of_catalogue => {
            let mut catalogue = (**world.catalogue()?).clone();
            remove(&mut catalogue, of_catalogue, key);
            let catalogue = Arc::new(catalogue);
            world.known.catalogue = Some(Arc::clone(&catalogue));
            world.catalogue = Some(catalogue);
            world.change_bills_of(&touched);
        }
    }
    world.documents_of_book.remove(&(kind, key.to_owned()));
    let of_kind = world.known.objects.get_mut(&kind);
    if let Some(stored) = of_kind.and_then(|of_kind| of_kind.get_mut(key)) {
        stored.is_deleted = true;
    }
    Ok(())
}

/// What uses an object, in words.
fn used_by(world: &World, kind: ObjectKind, key: &str) -> Result<Option<String>, Refusal> {
    let customers = || world.known.customers.values();
    let mut subscriptions = world.known.subscriptions.values();
    Ok(match kind {
        ObjectKind::Tenant => Some("it is who sells".to_owned()),
        ObjectKind::Customer => {
            let id = CustomerId::of(key);
            let subscription = subscriptions.find(|subscription| subscription.customer == id);
            let below = || customers().find(|customer| customer.parent == Some(id));
            let billed = || world.documents.iter().any(|document| document.draft.payer == id);
            let has =
                subscription.map(|subscription| format!("it has the subscription {}", subscription.number));
            has.or_else(|| below().map(|below| format!("the customer {} is below it", below.account_number)))
                .or_else(|| billed().then(|| "it was billed".to_owned()))
                .or_else(|| world.run_that_has(id).map(|run| format!("run {run} has looked at it")))
        }
        ObjectKind::Subscription => world.known.subscriptions.get(key).and_then(|subscription| {
            let is_activated = subscription.activated.is_some()
                || subscription.acts.iter().any(|act| matches!(act.verb, Verb::Activate));
            let is_billed = world.billed.values().flatten().any(|line| line.subscription == subscription.id);
            is_activated
                .then(|| "it was activated".to_owned())
                .or_else(|| is_billed.then(|| "it was billed".to_owned()))
        }),
        ObjectKind::BusinessUnit => {
            let is_its = |unit: &Option<String>| unit.as_deref() == Some(key);
            let customer = customers().find(|customer| is_its(&customer.business_unit));
            let subscription = subscriptions.find(|subscription| is_its(&subscription.business_unit));
            let of_customer = customer.map(|c| format!("the customer {} belongs to it", c.account_number));
            of_customer
                .or_else(|| subscription.map(|s| format!("the subscription {} belongs to it", s.number)))
        }
        ObjectKind::ProductPlan => {
            let on_it = subscriptions.find(|subscription| subscription.plans().contains(&PlanId::of(key)));
            on_it
                .map(|subscription| format!("the subscription {} has or had it", subscription.number))
                .or_else(|| named_by(world.catalogue.as_deref()?, kind, key))
        }
        ObjectKind::Discount => {
            let redeemed = world.redeemed();
            let discount = world.catalogue()?.discounts.get(&DiscountId::of(key));
            let codes = discount.into_iter().flat_map(|discount| &discount.codes);
            let mut applied = codes.map(|code| code.complete()).filter(|code| redeemed.contains_key(code));
            applied.next().map(|code| format!("the code {code} was applied"))
        }
        other => named_by(world.catalogue()?, other, key),
    })
}
