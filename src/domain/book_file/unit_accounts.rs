//! Accounts that business units replace must be in the tenant's chart: on any other nothing is ever posted, and the
//! replacement would do nothing (rules B1).

use super::fault::{Faults, Place};
use crate::catalogue::{BusinessUnit, Tenant};
use std::collections::BTreeMap;

/// Refuses such accounts of the units in these files.
pub(super) fn check(
    tenant: &Tenant,
    units: &BTreeMap<String, BusinessUnit>,
    places: &BTreeMap<String, Place>,
    faults: &mut Faults,
) {
    let chart = tenant.accounts.accounts([]);
    for (refkey, place) in places {
        let accounts = units.get(refkey).into_iter().flat_map(|unit| unit.accounts.keys());
        for account in accounts.filter(|account| !chart.contains_key(*account)) {
            faults.hinted(
                &place.member("accounts").member(account),
                format!("the tenant's chart has no account `{account}`"),
                "name an account of `accounts` of the tenant, or of the built-in chart",
            );
        }
    }
}
