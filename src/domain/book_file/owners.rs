//! Customers on the merged book: parents, business units, discounts.

use super::codes::{Codes, keep_until};
use super::collect::Item;
use super::content::ObjectKind;
use super::customer::WrittenCustomer;
use super::fault::Place;
use super::merge::{Desk, Merged, Shelf};
use crate::catalogue::AppliedDiscount;
use crate::customer::Customer;
use crate::ids::CustomerId;
use std::collections::{HashMap, HashSet};

/// Customers as they will be stored, in the order of the files.
pub(super) fn merge(
    desk: &mut Desk<'_>,
    shelf: &Shelf,
    codes: &Codes<'_>,
    items: Vec<Item<WrittenCustomer>>,
) -> Vec<Merged<Customer>> {
    let merged = items.into_iter().map(|item| {
        let Item { key, place, hash, value, .. } = item;
        let customer = resolve(desk, shelf, codes, &place, value);
        desk.remember(ObjectKind::Customer, &key, hash);
        Merged { place, value: customer }
    });
    let customers: Vec<Merged<Customer>> = merged.collect();
    check_parents(desk, &customers);
    customers
}

fn resolve(
    desk: &mut Desk<'_>,
    shelf: &Shelf,
    codes: &Codes<'_>,
    place: &Place,
    written: WrittenCustomer,
) -> Customer {
    let WrittenCustomer { mut customer, currency, parent, business_unit, discount } = written;
    let stored = desk.known.customers.get(&customer.account_number);
    if let (None, Some(tenant)) = (currency, &shelf.tenant) {
        customer.currency = tenant.currency;
    }
    if let Some(parent) = parent {
        let parent = desk.directory.resolve(ObjectKind::Customer, &parent, &mut desk.faults);
        customer.parent = parent.map(|account| CustomerId::of(&account));
    }
    if let Some(unit) = business_unit {
        customer.business_unit = desk.directory.resolve(ObjectKind::BusinessUnit, &unit, &mut desk.faults);
    }
    check_zone(
        desk,
        shelf,
        place,
        stored.map(|s| s.business_unit.as_deref()),
        customer.business_unit.as_deref(),
    );
    // A code applied by hand stays when the book says nothing of a discount.
    customer.discount = match discount {
        Some(mark) => keep_until(
            codes.apply(&mark, None, None, &mut desk.faults),
            stored.and_then(|s| s.discount.as_ref()),
        ),
        None => stored.and_then(|s| s.discount.clone()),
    };
    if let Some(stored) = stored {
        customer.former_discounts.clone_from(&stored.former_discounts);
        let replaced = stored.discount.iter().filter(|old| is_another(old, customer.discount.as_ref()));
        customer.former_discounts.extend(replaced.cloned());
    }
    customer
}

fn is_another(old: &AppliedDiscount, new: Option<&AppliedDiscount>) -> bool {
    new.is_none_or(|new| (old.discount, old.from) != (new.discount, new.from))
}

/// The zone of an owner's dates is fixed once anything is billed (rules T1).
pub(super) fn check_zone(
    desk: &mut Desk<'_>,
    shelf: &Shelf,
    place: &Place,
    stored_unit: Option<Option<&str>>,
    unit: Option<&str>,
) {
    let Some(stored_unit) = stored_unit.filter(|_| desk.known.anything_billed) else { return };
    let zone_of = |unit: Option<&str>| {
        let own = unit.and_then(|unit| shelf.business_units.get(unit)).and_then(|unit| unit.timezone);
        own.or(shelf.tenant.as_ref().map(|tenant| tenant.timezone))
    };
    if zone_of(stored_unit) != zone_of(unit) {
        let message = "cannot move to a business unit in another time zone: something has been billed";
        desk.faults.add(&place.member("businessunit"), message);
    }
}

/// No customer is its own ancestor (rules B2).
fn check_parents(desk: &mut Desk<'_>, customers: &[Merged<Customer>]) {
    if customers.iter().all(|customer| customer.value.parent.is_none()) {
        return;
    }
    let stored = desk.known.customers.values().map(|customer| (customer.id, customer.parent));
    let written = customers.iter().map(|customer| (customer.value.id, customer.value.parent));
    let parents: HashMap<CustomerId, Option<CustomerId>> = stored.chain(written).collect();
    // Whose ancestors are known to end; each link is walked once.
    let mut cleared: HashSet<CustomerId> = HashSet::new();
    for customer in customers {
        let start = customer.value.id;
        let mut path: HashSet<CustomerId> = HashSet::from([start]);
        let mut current = start;
        let mut ends = true;
        while let Some(parent) = parents.get(&current).copied().flatten() {
            if cleared.contains(&parent) {
                break;
            }
            if !path.insert(parent) {
                ends = false;
                if parent == start {
                    let message = "the parents lead back to the customer itself";
                    desk.faults.add(&customer.place.member("parent"), message);
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
