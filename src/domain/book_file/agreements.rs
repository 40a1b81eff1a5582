//! Subscriptions on the merged book: owner, plan, currency, and the charges that the plan gives them.

use super::activated;
use super::charge_checks::takes_unit_price;
use super::codes::{self, Codes, keep_until};
use super::collect::Item;
use super::content::ObjectKind;
use super::fault::Place;
use super::fields::Ref;
use super::merge::{MergeContext, Merged, PartialCatalogue};
use super::nearest::did_you_mean;
use super::owners::{check_zone, refuse_inactive_unit};
use super::subscription::{WrittenCharge, WrittenSubscription};
use crate::catalogue::{AppliedDiscount, Charge, ChargeSetup, Plan, PricingModel};
use crate::customer::Customer;
use crate::ids::{ChargeReference, CustomerId, PlanId, SubscriptionId};
use crate::money::Currency;
use crate::subscription::{Subscription, SubscriptionCharge};
use chrono::NaiveDate;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

/// Ancestors looked at for a payment method.
const ANCESTORS_MAX: usize = 100;

/// Customers by account number and id, those of the files before those of the store.
struct People<'b> {
    written: HashMap<&'b str, &'b Customer>,
    stored: &'b BTreeMap<String, Customer>,
    by_id: OnceCell<HashMap<CustomerId, &'b Customer>>,
}

impl<'b> People<'b> {
    fn by_account(&self, account: &str) -> Option<&'b Customer> {
        self.written.get(account).copied().or_else(|| self.stored.get(account))
    }

    fn by_id(&self, id: CustomerId) -> Option<&'b Customer> {
        let all = || self.stored.values().chain(self.written.values().copied()).map(|c| (c.id, c)).collect();
        self.by_id.get_or_init(all).get(&id).copied()
    }
}

/// Subscriptions as they will be stored, in the order of the files.
pub(super) fn merge(
    context: &mut MergeContext<'_>,
    catalogue: &PartialCatalogue,
    codes: &Codes<'_>,
    customers: &[Merged<Customer>],
    items: Vec<Item<WrittenSubscription>>,
) -> Vec<Merged<Subscription>> {
    let people = People {
        written: customers.iter().map(|c| (c.value.account_number.as_str(), &c.value)).collect(),
        stored: &context.known.customers,
        by_id: OnceCell::new(),
    };
    let mut subscriptions = Vec::with_capacity(items.len());
    for Item { key, place, content, value, .. } in items {
        let merged = resolve(context, catalogue, codes, &people, &place, &value);
        context.remember(ObjectKind::Subscription, &key, content);
        subscriptions.extend(merged.map(|value| Merged { place, value }));
    }
    subscriptions
}

/// `None` if a fault keeps the subscription from being made.
fn resolve(
    context: &mut MergeContext<'_>,
    catalogue: &PartialCatalogue,
    codes: &Codes<'_>,
    people: &People<'_>,
    place: &Place,
    written: &WrittenSubscription,
) -> Option<Subscription> {
    let account = context.directory.resolve(ObjectKind::Customer, &written.customer, context.faults);
    let sku = context.directory.resolve(ObjectKind::ProductPlan, &written.plan, context.faults);
    let unit = written.business_unit.as_ref();
    let unit =
        unit.and_then(|unit| context.directory.resolve(ObjectKind::BusinessUnit, unit, context.faults));
    let discount = written.discount.as_ref();
    let discount =
        discount.and_then(|mark| codes.apply(mark, Some(written.start), sku.as_deref(), context.faults));
    let account = account?;
    let owner = people.by_account(&account)?;
    let stored = context.known.subscriptions.get(&written.number);
    if !owner.active && stored.is_none_or(|stored| stored.customer != owner.id) {
        codes::refuse(&written.customer.place, "customer", &account, context.faults);
    }
    refuse_inactive(context, catalogue, codes, written, (unit.as_deref(), discount.as_ref()));
    let plan_id = PlanId::of(&sku?);
    let plan = catalogue.plans.get(&plan_id).filter(|_| !catalogue.faulty_plans.contains(&plan_id))?;
    let payment_method =
        written.payment_method.as_ref().and_then(|method| payment_method(context, people, owner, method));
    let owners_unit = owner.business_unit.as_deref();
    let stored_unit = stored.map(|s| s.business_unit.as_deref().or(owners_unit));
    check_zone(context, catalogue, place, stored_unit, unit.as_deref().or(owners_unit));

    let currency = currency(context, plan, owner, stored, written);
    let deal = SharedTerms { codes, place, plan, currency, written };
    let charges = charges(context, &deal);
    let built = Subscription {
        id: SubscriptionId::of(&written.number),
        number: written.number.clone(),
        customer: owner.id,
        plan: plan_id,
        currency,
        start: written.start,
        end: written.end,
        activated: written.is_active.then_some(written.start),
        auto_renew: written.auto_renew,
        initial_term: written.initial_term,
        renewal_term: written.renewal_term,
        trial_end: written.trial_end,
        billed_through: written.billed_through,
        reference: written.reference.clone(),
        refkey: written.refkey.clone(),
        business_unit: unit,
        payment_method,
        discount: keep_until(discount, stored.and_then(|s| s.discount.as_ref())),
        charges,
        acts: stored.map(|s| s.acts.clone()).unwrap_or_default(),
    };
    if let Some(stored) = stored.filter(|stored| activated::is_activated(stored)) {
        return Some(activated::update(context, plan, place, stored, built, written));
    }
    if written.is_active {
        check_active(context, place, plan, &built, written);
    }
    Some(built)
}

/// A branch or a code that is inactive is kept by who has it, and taken by nobody else.
fn refuse_inactive(
    context: &mut MergeContext<'_>,
    catalogue: &PartialCatalogue,
    codes: &Codes<'_>,
    written: &WrittenSubscription,
    (unit, discount): (Option<&str>, Option<&AppliedDiscount>),
) {
    let stored = context.known.subscriptions.get(&written.number);
    if let Some(reference) = &written.business_unit {
        let was = stored.and_then(|stored| stored.business_unit.as_deref());
        refuse_inactive_unit(context, catalogue, reference, unit, was);
    }
    if let Some(mark) = &written.discount {
        codes.refuse_inactive(mark, discount, stored.and_then(|s| s.discount.as_ref()), context.faults);
    }
}

/// The owner's method, or that of a customer who pays for it.
fn payment_method(
    context: &mut MergeContext<'_>,
    people: &People<'_>,
    owner: &Customer,
    method: &Ref,
) -> Option<String> {
    let mut customer = Some(owner);
    for _ in 0..ANCESTORS_MAX {
        let Some(current) = customer else { break };
        if current.payment_methods.iter().any(|known| known.refkey == method.name) {
            return Some(method.name.clone());
        }
        customer = current.parent.filter(|_| current.bill_to_parent).and_then(|parent| people.by_id(parent));
    }
    let message = format!("the customer {} has no payment method `{}`", owner.account_number, method.name);
    context.faults.add(&method.place, message);
    None
}

/// The customer's currency if the plan has it, else the plan's (rules P8); what is activated keeps its own.
fn currency(
    context: &mut MergeContext<'_>,
    plan: &Plan,
    owner: &Customer,
    stored: Option<&Subscription>,
    written: &WrittenSubscription,
) -> Currency {
    if let Some((currency, reference)) = &written.currency {
        if !plan.currencies.contains(currency) {
            context.faults.add(&reference.place, format!("the plan {} is not sold in {currency}", plan.sku));
        }
        return *currency;
    }
    if let Some(stored) = stored.filter(|stored| activated::is_activated(stored)) {
        return stored.currency;
    }
    let wanted = plan.currency_for(owner.currency);
    let is_taken = |charge: &&Charge| {
        charge.setup == ChargeSetup::Standard
            || written.charges.iter().any(|listed| listed.charge.name == charge.sku)
    };
    let is_priced = |currency: Currency| plan.charges.iter().filter(is_taken).all(|c| c.priced_in(currency));
    if is_priced(wanted) || !is_priced(plan.currency) { wanted } else { plan.currency }
}

/// What the charges of one subscription have in common.
struct SharedTerms<'d> {
    codes: &'d Codes<'d>,
    place: &'d Place,
    plan: &'d Plan,
    currency: Currency,
    written: &'d WrittenSubscription,
}

/// Every standard charge of the plan, and the optional ones that are listed.
fn charges(context: &mut MergeContext<'_>, deal: &SharedTerms<'_>) -> Vec<SubscriptionCharge> {
    let plan = deal.plan;
    let mut listed: BTreeMap<&str, Vec<&WrittenCharge>> = BTreeMap::new();
    for own in &deal.written.charges {
        match find_charge(plan, &own.charge.name) {
            Some(charge) => listed.entry(&charge.sku).or_default().push(own),
            None => {
                let message = format!("the plan {} has no charge `{}`", plan.sku, own.charge.name);
                let hint =
                    did_you_mean(&own.charge.name, plan.charges.iter().map(|charge| charge.sku.as_str()));
                context.faults.note(&own.charge.place, message, hint);
            }
        }
    }
    let mut charges = Vec::new();
    for charge in &plan.charges {
        let own = listed.remove(charge.sku.as_str()).unwrap_or_default();
        match charge.setup {
            ChargeSetup::Standard => {
                for repeat in own.iter().skip(1) {
                    let message = format!("the charge {} is listed twice", charge.sku);
                    let hint = "only optional charges may be there several times";
                    context.faults.hinted(&repeat.charge.place, message, hint);
                }
                charges.push(one_charge(context, deal, charge, own.first().copied(), 0));
            }
            ChargeSetup::Optional => {
                for (ordinal, own) in (0..).zip(own) {
                    charges.push(one_charge(context, deal, charge, Some(own), ordinal));
                }
            }
        }
    }
    charges
}

/// By SKU, else by anchor code.
fn find_charge<'p>(plan: &'p Plan, name: &str) -> Option<&'p Charge> {
    plan.charge(name)
        .or_else(|| plan.charges.iter().find(|charge| charge.anchor_code.as_deref() == Some(name)))
}

fn one_charge(
    context: &mut MergeContext<'_>,
    deal: &SharedTerms<'_>,
    charge: &Charge,
    own: Option<&WrittenCharge>,
    ordinal: u32,
) -> SubscriptionCharge {
    let SharedTerms { codes, plan, written, .. } = deal;
    let unit_price = own.and_then(|own| own.unit_price);
    let start = own.and_then(|own| own.start).filter(|start| *start != written.start);
    let first_day = start.or(written.trial_end).unwrap_or(written.start);
    let billed_through = own.and_then(|own| own.billed_through);
    let first_charged = billed_through.or(written.billed_through).map_or(first_day, |day| day.max(first_day));
    check_price(context, deal, charge, own, first_charged);
    let mark = own.and_then(|own| own.discount.as_ref());
    let discount = mark.and_then(|mark| codes.apply(mark, Some(first_day), Some(&plan.sku), context.faults));
    let reference =
        ChargeReference::for_charge(SubscriptionId::of(&written.number), charge.anchor(), ordinal);
    if let Some(mark) = mark {
        let stored = context.known.subscriptions.get(&written.number);
        let was = stored.and_then(|s| s.charges.iter().find(|charge| charge.reference == reference));
        codes.refuse_inactive(
            mark,
            discount.as_ref(),
            was.and_then(|was| was.discount.as_ref()),
            context.faults,
        );
    }
    SubscriptionCharge {
        reference,
        charge: charge.sku.clone(),
        amount: own.and_then(|own| own.amount).unwrap_or(charge.default_amount),
        unit_price,
        start,
        billed_through: billed_through.filter(|day| Some(*day) != written.billed_through),
        discount,
    }
}

/// The charge has a price on its first day: its own where the model allows one, else the plan's (rules P8).
fn check_price(
    context: &mut MergeContext<'_>,
    deal: &SharedTerms<'_>,
    charge: &Charge,
    own: Option<&WrittenCharge>,
    first_day: NaiveDate,
) {
    let SharedTerms { plan, currency, .. } = deal;
    let place = own.map_or(deal.place, |own| &own.charge.place);
    if own.is_some_and(|own| own.unit_price.is_some()) {
        if !takes_unit_price(charge.pricing_model) {
            let model = charge.pricing_model.name();
            let message =
                format!("the charge {} has the model {model}: one price cannot stand for it", charge.sku);
            context.faults.add(place, message);
        }
        return;
    }
    if charge.pricing_model == PricingModel::Custom {
        return;
    }
    if !charge.priced_in(*currency) {
        let message =
            format!("the charge {} of the plan {} has no price in {currency}", charge.sku, plan.sku);
        context.faults.hinted(place, message, format!("add a {currency} price to the charge"));
    } else if charge.version_on(*currency, first_day).is_empty() {
        let message = format!(
            "the charge {} of the plan {} has no {currency} price on {first_day}",
            charge.sku, plan.sku
        );
        context.faults.hinted(place, message, "the first price version must have begun by then");
    }
}

/// What a draft may lack and an active subscription may not.
fn check_active(
    context: &mut MergeContext<'_>,
    place: &Place,
    plan: &Plan,
    subscription: &Subscription,
    written: &WrittenSubscription,
) {
    if !plan.active {
        let message = format!("the plan {} is not active, and the subscription is", plan.sku);
        context.faults.hinted(&written.plan.place, message, "set the plan's `status` to active");
    }
    for own in &subscription.charges {
        let Some(charge) = plan.charge(&own.charge) else { continue };
        let has_plan_price = charge.pricings.iter().any(|pricing| pricing.currency == subscription.currency);
        if charge.pricing_model == PricingModel::Custom && own.unit_price.is_none() && !has_plan_price {
            let message = format!("the custom charge {} has no price", charge.sku);
            let hint = format!("list it: {{\"charge\": \"{}\", \"unitprice\": \"…\"}}", charge.sku);
            context.faults.hinted(&place.member("charges"), message, hint);
        }
    }
}
