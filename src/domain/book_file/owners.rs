//! Customers on the merged book: parents, business units, discounts.

use super::StoredBook;
use super::codes::{self, Codes, keep_until};
use super::collect::Item;
use super::content::ObjectKind;
use super::customer::WrittenCustomer;
use super::fault::{Faults, Place};
use super::fields::Ref;
use super::merge::{MergeContext, Merged, PartialCatalogue};
use super::settle;
use crate::catalogue::AppliedDiscount;
use crate::customer::Customer;
use crate::ids::CustomerId;
use crate::subscription::{State, Subscription};
use chrono::NaiveDate;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Customers as they will be stored, in the order of the files.
pub(super) fn merge(
    context: &mut MergeContext<'_>,
    catalogue: &PartialCatalogue,
    codes: &Codes<'_>,
    items: Vec<Item<WrittenCustomer>>,
) -> Vec<Merged<Customer>> {
    let merged = items.into_iter().map(|item| {
        let Item { key, place, content, value, .. } = item;
        let customer = resolve(context, catalogue, codes, &place, value, &content.document);
        context.remember(ObjectKind::Customer, &key, content);
        Merged { place, value: customer }
    });
    merged.collect()
}

fn resolve(
    context: &mut MergeContext<'_>,
    catalogue: &PartialCatalogue,
    codes: &Codes<'_>,
    place: &Place,
    written: WrittenCustomer,
    document: &str,
) -> Customer {
    let WrittenCustomer { mut customer, currency, parent, business_unit, discount } = written;
    let stored = context.known.customers.get(&customer.account_number);
    if let (None, Some(tenant)) = (currency, &catalogue.tenant) {
        customer.currency = tenant.currency;
    }
    if let Some(parent) = parent {
        let found = context.directory.resolve(ObjectKind::Customer, &parent, context.faults);
        customer.parent = found.as_deref().map(CustomerId::of);
        let inactive =
            found.filter(|account| context.known.customers.get(account).is_some_and(|c| !c.active));
        if let Some(account) = inactive.filter(|_| stored.is_none_or(|s| s.parent != customer.parent)) {
            codes::refuse(&parent.place, "customer", &account, context.faults);
        }
    }
    if let Some(unit) = business_unit {
        customer.business_unit = context.directory.resolve(ObjectKind::BusinessUnit, &unit, context.faults);
        let was = stored.and_then(|stored| stored.business_unit.as_deref());
        refuse_inactive_unit(context, catalogue, &unit, customer.business_unit.as_deref(), was);
    }
    check_zone(
        context,
        catalogue,
        place,
        stored.map(|s| s.business_unit.as_deref()),
        customer.business_unit.as_deref(),
    );
    // A code that a command applied stays when the book says nothing of a discount.
    let was = stored.and_then(|s| s.discount.as_ref());
    customer.discount = match discount {
        // What was written of a discount is as it was: what commands have done since stands (rules S6).
        Some(_) if was.is_some() && says_the_same_of_discounts(context.known, &customer, document) => {
            was.cloned()
        }
        Some(mark) => {
            let applied = codes.apply(&mark, None, None, context.faults);
            codes.refuse_inactive(&mark, applied.as_ref(), was, context.faults);
            keep_until(applied, was)
        }
        None => was.cloned(),
    };
    if let Some(stored) = stored {
        customer.former_discounts.clone_from(&stored.former_discounts);
        let replaced = stored.discount.iter().filter(|old| is_another(old, customer.discount.as_ref()));
        customer.former_discounts.extend(replaced.cloned());
    }
    customer
}

/// Whether the document says of the discount what the stored one says.
fn says_the_same_of_discounts(known: &StoredBook, customer: &Customer, document: &str) -> bool {
    let stored = known.documents.get(&customer.account_number);
    stored.is_some_and(|stored| settle::member(stored, "discount") == settle::member(document, "discount"))
}

/// A unit that is inactive is named by nobody new.
pub(super) fn refuse_inactive_unit(
    context: &mut MergeContext<'_>,
    catalogue: &PartialCatalogue,
    reference: &Ref,
    unit: Option<&str>,
    was: Option<&str>,
) {
    let inactive = unit.filter(|unit| catalogue.business_units.get(*unit).is_some_and(|unit| !unit.active));
    if let Some(unit) = inactive.filter(|unit| was != Some(*unit)) {
        codes::refuse(&reference.place, "businessunit", unit, context.faults);
    }
}

/// A customer that goes on is not set aside: neither its subscriptions nor those whose bills it pays have another payer.
pub(super) fn check_inactive(
    known: &StoredBook,
    customers: &[Merged<Customer>],
    subscriptions: &[Merged<Subscription>],
    faults: &mut Faults,
) {
    let last_day = NaiveDate::from_ymd_opt(2199, 12, 31).unwrap_or(NaiveDate::MAX);
    for Merged { place, value } in customers.iter().filter(|merged| !merged.value.active) {
        let written: BTreeMap<&str, &Subscription> =
            subscriptions.iter().map(|merged| (merged.value.number.as_str(), &merged.value)).collect();
        let kept = known.subscriptions.values().filter(|s| !written.contains_key(s.number.as_str()));
        let goes_on = |s: &&Subscription| {
            let is_over = matches!(State::on(s, last_day), State::Expired | State::Cancelled | State::Ended);
            s.customer == value.id && !is_over
        };
        let numbers: Vec<&str> =
            kept.chain(written.values().copied()).filter(goes_on).map(|s| s.number.as_str()).collect();
        if let Some(first) = numbers.first() {
            let several =
                if numbers.len() > 1 { format!(" and {} more", numbers.len() - 1) } else { String::new() };
            let message =
                format!("{} is in use: the subscription {first}{several} goes on", value.account_number);
            faults.hinted(
                &place.member("status"),
                message,
                "cancel what goes on first, or move it to another customer",
            );
        }
        let below =
            known.customers.values().find(|c| c.parent == Some(value.id) && c.bill_to_parent && c.active);
        if let Some(below) = below {
            let message = format!(
                "{} is in use: it pays for the customer {}",
                value.account_number, below.account_number
            );
            faults.hinted(&place.member("status"), message, "give that one another parent first");
        }
    }
}

fn is_another(old: &AppliedDiscount, new: Option<&AppliedDiscount>) -> bool {
    new.is_none_or(|new| (old.discount, old.from) != (new.discount, new.from))
}

/// The zone of an owner's dates is fixed once anything is billed (rules T1).
pub(super) fn check_zone(
    context: &mut MergeContext<'_>,
    catalogue: &PartialCatalogue,
    place: &Place,
    stored_unit: Option<Option<&str>>,
    unit: Option<&str>,
) {
    let Some(stored_unit) = stored_unit.filter(|_| context.known.anything_billed) else { return };
    let zone_of = |unit: Option<&str>| {
        let own = unit.and_then(|unit| catalogue.business_units.get(unit)).and_then(|unit| unit.timezone);
        own.or(catalogue.tenant.as_ref().map(|tenant| tenant.timezone))
    };
    if zone_of(stored_unit) != zone_of(unit) {
        let message = "cannot move to a business unit in another time zone: something has been billed";
        context.faults.add(&place.member("businessunit"), message);
    }
}

/// Who is above whom, of all that the files bring and of those whom they name.
#[derive(Default)]
pub(super) struct Parents {
    above: HashMap<CustomerId, CustomerId>,
    /// Those of the files who have a parent.
    written: Vec<(CustomerId, Place)>,
}

impl Parents {
    /// Takes what is known and what is written in its place.
    pub fn add(&mut self, known: &StoredBook, customers: &[Merged<Customer>]) {
        for (id, parent) in known.customers.values().filter_map(|c| Some((c.id, c.parent?))) {
            self.above.entry(id).or_insert(parent);
        }
        for Merged { place, value } in customers {
            match value.parent {
                Some(parent) => {
                    self.above.insert(value.id, parent);
                    self.written.push((value.id, place.clone()));
                }
                None => drop(self.above.remove(&value.id)),
            }
        }
    }

    /// No customer is its own ancestor (rules B2).
    pub fn check(&self, faults: &mut Faults) {
        // Whose ancestors are known to end; each link is walked once.
        let mut cleared: HashSet<CustomerId> = HashSet::new();
        for (start, place) in &self.written {
            let mut path: HashSet<CustomerId> = HashSet::from([*start]);
            let mut current = *start;
            let mut ends = true;
            while let Some(parent) = self.above.get(&current).copied() {
                if cleared.contains(&parent) {
                    break;
                }
                if !path.insert(parent) {
                    ends = false;
                    if parent == *start {
                        faults.add(&place.member("parent"), "the parents lead back to the customer itself");
                    }
                    break;
                }
                current = parent;
            }
            if ends {
                cleared.extend(path);
            }
        }
    }
}
