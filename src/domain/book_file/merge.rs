//! Merges what the files hold into what the store holds: references, rules between objects, and what may not change.

use super::charge_checks::check_billed;
use super::codes::{self, Codes};
use super::collect::{Content, Item, Written, changed, is_stored};
use super::content::ObjectKind;
use super::directory::Directory;
use super::discount::WrittenDiscount;
use super::fault::{Faults, Place};
use super::plan::WrittenPlan;
use super::seller::{rate_key, tax_rule_key};
use super::{Change, LoadReport, Reach, StoredBook, dunning, number_series, unit_accounts};
use crate::catalogue::{BusinessUnit, Catalogue, Discount, Plan, ProductFamily, Rate, TaxRule, Tenant, Uom};
use crate::dunning::DunningPolicy;
use crate::ids::{DiscountId, PlanId};
use crate::subscription::{Subscription, Verb};
use std::collections::{BTreeMap, BTreeSet};

/// The catalogue while a tenant may still be missing.
#[derive(Default, Clone)]
pub(super) struct PartialCatalogue {
    pub tenant: Option<Tenant>,
    pub business_units: BTreeMap<String, BusinessUnit>,
    tax_rules: Vec<TaxRule>,
    rates: Vec<Rate>,
    uoms: BTreeMap<String, Uom>,
    families: BTreeMap<String, ProductFamily>,
    pub plans: BTreeMap<PlanId, Plan>,
    pub discounts: BTreeMap<DiscountId, Discount>,
    pub dunning_policies: BTreeMap<String, DunningPolicy>,
    /// Plans that have a fault themselves: what refers to them is not judged.
    pub faulty_plans: BTreeSet<PlanId>,
}

/// What every step of the merge needs.
pub(super) struct MergeContext<'k> {
    pub known: &'k StoredBook,
    pub directory: Directory<'k>,
    pub faults: &'k mut Faults,
    pub changes: Vec<Change>,
}

/// What is sold and how, in the order in which its parts refer to one another. Returns the plans that changed, with their
/// places.
pub(super) fn catalogue(
    context: &mut MergeContext<'_>,
    catalogue: &mut PartialCatalogue,
    mut written: Written,
    is_cut_off: bool,
) -> BTreeMap<PlanId, Place> {
    dunning::merge(context, &mut catalogue.dunning_policies, std::mem::take(&mut written.dunning_policies));
    catalogue.seller(
        context,
        std::mem::take(&mut written.tenant),
        std::mem::take(&mut written.business_units),
    );
    if !is_cut_off
        && catalogue.tenant.is_none()
        && !context.directory.is_in_files(ObjectKind::Tenant, "tenant")
    {
        context.faults.add(&Place::new(0, "/tenant"), "is missing: the first book needs a tenant");
    }
    catalogue.rules(context, std::mem::take(&mut written.tax_rules), std::mem::take(&mut written.rates));
    for item in std::mem::take(&mut written.uoms) {
        context.remember(ObjectKind::Uom, &item.key, item.content);
        catalogue.uoms.insert(item.key, item.value);
    }
    for item in std::mem::take(&mut written.families) {
        context.remember(ObjectKind::ProductFamily, &item.key, item.content);
        catalogue.families.insert(item.key, item.value);
    }
    let changed = catalogue.plans(context, std::mem::take(&mut written.plans));
    catalogue.discounts(context, std::mem::take(&mut written.discounts));
    changed
}

/// Leaves out what is in the store as it is in the files; customers and subscriptions are not looked at.
pub(super) fn new_or_changed(written: Written, known: &StoredBook, report: &mut LoadReport) -> Written {
    Written {
        tenant: changed(written.tenant, ObjectKind::Tenant, known, report),
        dunning_policies: changed(written.dunning_policies, ObjectKind::DunningPolicy, known, report),
        business_units: changed(written.business_units, ObjectKind::BusinessUnit, known, report),
        tax_rules: changed(written.tax_rules, ObjectKind::TaxRule, known, report),
        rates: changed(written.rates, ObjectKind::Rate, known, report),
        uoms: changed(written.uoms, ObjectKind::Uom, known, report),
        families: changed(written.families, ObjectKind::ProductFamily, known, report),
        plans: changed(written.plans, ObjectKind::ProductPlan, known, report),
        discounts: changed(written.discounts, ObjectKind::Discount, known, report),
        customers: written.customers,
        subscriptions: written.subscriptions,
    }
}

/// Called when what changed of the catalogue is known, and nothing else yet.
pub(super) fn reach(known: &StoredBook, changes: &[Change]) -> Reach {
    let mut plans = BTreeSet::new();
    for Change { kind, key, .. } in changes {
        match kind {
            ObjectKind::Tenant | ObjectKind::BusinessUnit | ObjectKind::TaxRule | ObjectKind::Rate => {
                return Reach::Everybody;
            }
            ObjectKind::Discount if is_stored(known, *kind, key) => return Reach::Everybody,
            ObjectKind::ProductPlan if is_stored(known, *kind, key) => {
                plans.insert(PlanId::of(key));
            }
            _ => {}
        }
    }
    Reach::Plans(plans)
}

/// A customer or subscription as it will be stored, and where it came from.
pub(super) struct Merged<T> {
    pub place: Place,
    pub value: T,
}

impl MergeContext<'_> {
    /// Remembers the content of an object that will be stored.
    pub fn remember(&mut self, kind: ObjectKind, key: &str, content: Content) {
        let Content { hash, document, document_hash, is_active } = content;
        let is_new = self.known.object(kind, key).is_none();
        let key = key.to_owned();
        let content = document_hash;
        self.changes.push(Change { kind, key, loaded: hash, document, content, is_active, is_new });
    }
}

impl PartialCatalogue {
    pub fn of(stored: Catalogue) -> Self {
        Self {
            tenant: Some(stored.tenant),
            business_units: stored.business_units,
            tax_rules: stored.tax_rules,
            rates: stored.rates,
            uoms: stored.uoms,
            families: stored.families,
            plans: stored.plans,
            discounts: stored.discounts,
            dunning_policies: stored.dunning_policies,
            faulty_plans: BTreeSet::new(),
        }
    }

    pub fn into_catalogue(self) -> Option<Catalogue> {
        Some(Catalogue {
            tenant: self.tenant?,
            business_units: self.business_units,
            tax_rules: self.tax_rules,
            rates: self.rates,
            uoms: self.uoms,
            families: self.families,
            plans: self.plans,
            discounts: self.discounts,
            dunning_policies: self.dunning_policies,
        })
    }

    fn seller(
        &mut self,
        context: &mut MergeContext<'_>,
        tenant: Vec<Item<Tenant>>,
        units: Vec<Item<BusinessUnit>>,
    ) {
        let tenant_place = tenant.last().map(|item| item.place.clone());
        let unit_places = units.iter().map(|item| (item.key.clone(), item.place.clone())).collect();
        for item in tenant {
            if let Some(stored) = &self.tenant {
                check_tenant(context, stored, &item);
            }
            context.remember(ObjectKind::Tenant, &item.key, item.content);
            self.tenant = Some(item.value);
        }
        for item in units {
            let stored = self.business_units.get(&item.key);
            if let Some(stored) = stored {
                check_unit(context, stored, &item);
            }
            let policy = item.value.dunning_policy.as_deref();
            let was = stored.and_then(|unit| unit.dunning_policy.as_deref());
            dunning::resolve(context, &self.dunning_policies, &item.place, policy, was);
            context.remember(ObjectKind::BusinessUnit, &item.key, item.content);
            self.business_units.insert(item.key, item.value);
        }
        if let Some(tenant) = &self.tenant {
            let units = &self.business_units;
            number_series::check(tenant, units, tenant_place.as_ref(), &unit_places, context.faults);
            unit_accounts::check(tenant, units, &unit_places, context.faults);
        }
    }

    fn rules(
        &mut self,
        context: &mut MergeContext<'_>,
        tax_rules: Vec<Item<TaxRule>>,
        rates: Vec<Item<Rate>>,
    ) {
        let base = self.tenant.as_ref().map(|tenant| tenant.currency);
        let rule_at: BTreeMap<String, usize> =
            self.tax_rules.iter().enumerate().map(|(i, r)| (tax_rule_key(r), i)).collect();
        for item in tax_rules {
            context.remember(ObjectKind::TaxRule, &item.key, item.content);
            match rule_at.get(&item.key) {
                Some(&index) => self.tax_rules[index] = item.value,
                None => self.tax_rules.push(item.value),
            }
        }
        let rate_at: BTreeMap<String, usize> =
            self.rates.iter().enumerate().map(|(i, r)| (rate_key(r), i)).collect();
        for item in rates {
            if Some(item.value.currency) == base && item.value.rate != rust_decimal::Decimal::ONE {
                let message = format!("{} is the tenant's own currency: its rate is 1", item.value.currency);
                context.faults.add(&item.place.member("rate"), message);
            }
            context.remember(ObjectKind::Rate, &item.key, item.content);
            match rate_at.get(&item.key) {
                Some(&index) => self.rates[index] = item.value,
                None => self.rates.push(item.value),
            }
        }
    }

    /// Returns the plans that changed, with their places.
    fn plans(
        &mut self,
        context: &mut MergeContext<'_>,
        items: Vec<Item<WrittenPlan>>,
    ) -> BTreeMap<PlanId, Place> {
        let mut changed = BTreeMap::new();
        for Item { key, place, content, value, is_sound } in items {
            let WrittenPlan { mut plan, family, uoms } = value;
            let was = self.plans.get(&PlanId::of(&key)).and_then(|plan| plan.dunning_policy.as_deref());
            dunning::resolve(context, &self.dunning_policies, &place, plan.dunning_policy.as_deref(), was);
            let stored = self.plans.get(&PlanId::of(&key));
            if let Some(family) = family {
                plan.family = context.directory.resolve(ObjectKind::ProductFamily, &family, context.faults);
                let inactive =
                    plan.family.as_ref().filter(|f| self.families.get(*f).is_some_and(|f| !f.active));
                if let Some(name) = inactive.filter(|_| stored.is_none_or(|s| s.family != plan.family)) {
                    codes::refuse(&family.place, "productfamily", name, context.faults);
                }
            }
            for (index, uom) in uoms {
                let found = context.directory.resolve(ObjectKind::Uom, &uom, context.faults);
                let Some(charge) = plan.charges.get_mut(index) else { continue };
                let was = stored.and_then(|stored| stored.charge(&charge.sku)?.uom.as_ref());
                let inactive = found.as_ref().filter(|u| self.uoms.get(*u).is_some_and(|uom| !uom.active));
                if let Some(name) = inactive.filter(|name| was != Some(*name)) {
                    codes::refuse(&uom.place, "uom", name, context.faults);
                }
                charge.uom = found;
            }
            let id = PlanId::of(&key);
            if !is_sound {
                self.faulty_plans.insert(id);
            } else if let Some(stored) = self.plans.get(&id) {
                check_billed_plan(context, stored, &plan, &place);
                changed.insert(id, place);
            }
            context.remember(ObjectKind::ProductPlan, &key, content);
            self.plans.insert(id, plan);
        }
        changed
    }

    fn discounts(&mut self, context: &mut MergeContext<'_>, items: Vec<Item<WrittenDiscount>>) {
        for Item { key, place, content, value, .. } in items {
            let WrittenDiscount { mut discount, plans } = value;
            for (index, plan) in plans {
                let plan = context.directory.resolve(ObjectKind::ProductPlan, &plan, context.faults);
                if let (Some(code), Some(plan)) = (discount.codes.get_mut(index), plan) {
                    code.plans.push(plan);
                }
            }
            let id = DiscountId::of(&key);
            self.discounts.remove(&id);
            let mut own = BTreeSet::new();
            for code in discount.codes.iter().map(|code| code.complete()) {
                let is_taken =
                    self.discounts.values().flat_map(|d| &d.codes).any(|other| other.complete() == code);
                if !own.insert(code.clone()) || is_taken {
                    context.faults.add(&place.member("codes"), format!("the code `{code}` occurs twice"));
                }
            }
            context.remember(ObjectKind::Discount, &key, content);
            self.discounts.insert(id, discount);
        }
    }
}

/// Currency and zone are fixed once anything is billed, and first numbers once their series has begun (rules T1, S7).
fn check_tenant(context: &mut MergeContext<'_>, stored: &Tenant, item: &Item<Tenant>) {
    let new = &item.value;
    let fixed = [
        ("currencycode", stored.currency == new.currency, stored.currency.to_string()),
        ("timezone", stored.timezone == new.timezone, stored.timezone.to_string()),
    ];
    let billed = context.known.anything_billed;
    for (name, _, was) in fixed.iter().filter(|(_, is_kept, _)| billed && !is_kept) {
        let message = format!("cannot change from {was}: something has been billed");
        context.faults.hinted(&item.place.member(name), message, "begin a new home for another tenant");
    }
    let first = [
        ("firstinvoicenumber", &stored.first_invoice_number, &new.first_invoice_number),
        ("firstcreditnotenumber", &stored.first_credit_note_number, &new.first_credit_note_number),
    ];
    number_series::check_first("", first, &context.known.series, &item.place, context.faults);
}

/// As [`check_tenant`], of the zone and the series of a business unit.
fn check_unit(context: &mut MergeContext<'_>, stored: &BusinessUnit, item: &Item<BusinessUnit>) {
    let new = &item.value;
    if context.known.anything_billed && stored.timezone != new.timezone {
        context.faults.add(&item.place.member("timezone"), "cannot change: something has been billed");
    }
    let first = [
        ("firstinvoicenumber", &stored.first_invoice_number, &new.first_invoice_number),
        ("firstcreditnotenumber", &stored.first_credit_note_number, &new.first_credit_note_number),
    ];
    let series = format!("{}/", item.key);
    number_series::check_first(&series, first, &context.known.series, &item.place, context.faults);
}

/// rules P9.
fn check_billed_plan(context: &mut MergeContext<'_>, stored: &Plan, plan: &Plan, place: &Place) {
    let is_billed = |sku: &str| context.known.billed_charges.contains(&(stored.sku.clone(), sku.to_owned()));
    let billed: Vec<_> = stored.charges.iter().filter(|charge| is_billed(&charge.sku)).collect();
    if !billed.is_empty() && stored.tax_inclusive != plan.tax_inclusive {
        context.faults.add(&place.member("taxinclusive"), "cannot change: the plan has been billed");
    }
    for was in billed {
        match plan.charges.iter().position(|charge| charge.sku == was.sku) {
            Some(index) => {
                check_billed(
                    was,
                    &plan.charges[index],
                    &place.member("charges").element(index),
                    context.faults,
                );
            }
            None => {
                let message = format!("the charge {} has been billed and cannot be left out", was.sku);
                let hint = "set its `chargesetup` to optional, so that new subscriptions do without it";
                context.faults.hinted(&place.member("charges"), message, hint);
            }
        }
    }
}

/// What a changed plan no longer has and a subscription needs.
pub(super) fn missing_in_plan(plan: &Plan, subscription: &Subscription) -> Vec<String> {
    let added = subscription.acts.iter().filter_map(|act| match &act.verb {
        Verb::AddOptionalCharge { charge, .. } => Some(charge),
        _ => None,
    });
    let has_switched = subscription.acts.iter().any(|act| matches!(act.verb, Verb::SwitchPlan { .. }));
    let of_base = subscription.charges.iter().map(|charge| &charge.charge);
    let missing = of_base.chain(added.filter(|_| !has_switched)).filter_map(|sku| match plan.charge(sku) {
        None => Some(format!("the charge {sku} is left out")),
        Some(charge) if !charge.priced_in(subscription.currency) => {
            Some(format!("the charge {sku} has no price in {}", subscription.currency))
        }
        Some(_) => None,
    });
    missing.collect()
}

/// No code is applied more often than it may be (rules D1).
pub(super) fn check_redemptions(
    context: &mut MergeContext<'_>,
    codes: &Codes<'_>,
    customers: &[Merged<crate::customer::Customer>],
    subscriptions: &[Merged<crate::subscription::Subscription>],
) {
    let on_customers = customers.iter().filter_map(|c| Some((&c.place, c.value.discount.as_ref()?)));
    let on_subscriptions = subscriptions.iter().flat_map(|s| {
        let charges = s.value.charges.iter().filter_map(|charge| charge.discount.as_ref());
        s.value.discount.iter().chain(charges).map(|applied| (&s.place, applied))
    });
    let limited: Vec<_> = on_customers
        .chain(on_subscriptions)
        .filter_map(|(place, applied)| Some((place, applied, codes.limit(&applied.code)?)))
        .collect();
    if limited.is_empty() {
        return;
    }
    let counts = codes::applications(
        context.known,
        customers.iter().map(|c| &c.value),
        subscriptions.iter().map(|s| &s.value),
    );
    for (place, applied, limit) in limited {
        let count = counts.get(applied.code.as_str()).copied().unwrap_or(0);
        if count > limit {
            let message = format!(
                "the code `{}` may be applied {limit} times, and is applied {count} times",
                applied.code
            );
            context.faults.add(&place.member("discount"), message);
        }
    }
}
