//! VAT per group, rounded once and allotted to the lines (rules M2–M4).

use crate::catalogue::TaxCategory;
use crate::exact::{Exact, apportion};
use crate::invoice::{Line, VatGroup};
use crate::money::Currency;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Sets the VAT of every line of one invoice and answers its groups, ascending by (category, rate).
///
/// Per (category, rate): VAT = round(net × rate) once, half away from zero (EN 16931 BR-CO-17), allotted to the lines
/// by largest remainder on each line's exact VAT (rules M2). Tax-inclusive lines come in with their gross in
/// `subtotal_minor` and leave with their net; their unit price and discount stay gross (rules M4): of their gross
/// G, net = round(G ÷ (1 + rate)) and VAT = G − net. Lines, groups and total agree to the last unit.
///
/// Lines have their category and percent ([`super::assign`]). Call it once: a second call would take the net of a
/// tax-inclusive line for its gross.
pub fn vat(lines: &mut [Line], currency: Currency) -> Vec<VatGroup> {
    let mut groups: BTreeMap<(TaxCategory, Decimal), Vec<usize>> = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        groups.entry((line.tax_category, line.tax_pct.normalize())).or_default().push(at);
    }
    groups
        .into_iter()
        .map(|((category, rate_pct), members)| group(lines, &members, category, rate_pct, currency))
        .collect()
}

fn group(
    lines: &mut [Line],
    members: &[usize],
    category: TaxCategory,
    rate_pct: Decimal,
    currency: Currency,
) -> VatGroup {
    let rate = Exact::of(rate_pct).times(Exact::ratio(1, 100));
    let (inclusive, exclusive): (Vec<usize>, Vec<usize>) =
        members.iter().copied().partition(|&at| lines[at].tax_inclusive);
    add_vat(lines, &exclusive, rate, currency);
    split_gross(lines, &inclusive, rate, currency);
    let sum = |of: fn(&Line) -> i64| members.iter().map(|&at| of(&lines[at])).sum();
    VatGroup {
        category,
        rate_pct,
        reason: reasons(lines, members),
        net_minor: sum(|l| l.subtotal_minor),
        vat_minor: sum(|l| l.vat_minor),
    }
}

/// Lines priced without tax: VAT of their net, rounded once.
fn add_vat(lines: &mut [Line], members: &[usize], rate: Exact, currency: Currency) {
    let exact_vats: Vec<Exact> =
        members.iter().map(|&at| Exact::of_minor(lines[at].subtotal_minor, currency).times(rate)).collect();
    for (&at, vat_minor) in members.iter().zip(rounded_parts(&exact_vats, currency)) {
        lines[at].vat_minor = vat_minor;
    }
}

/// Lines priced with tax: net of their gross, rounded once; VAT is the rest.
fn split_gross(lines: &mut [Line], members: &[usize], rate: Exact, currency: Currency) {
    let exact_nets: Vec<Exact> = members
        .iter()
        .map(|&at| Exact::of_minor(lines[at].subtotal_minor, currency).over(Exact::ONE.plus(rate)))
        .collect();
    for (&at, net_minor) in members.iter().zip(rounded_parts(&exact_nets, currency)) {
        lines[at].vat_minor = lines[at].subtotal_minor - net_minor;
        lines[at].subtotal_minor = net_minor;
    }
}

/// Exact amounts in major units as minor units that sum to their exact sum, rounded once.
fn rounded_parts(exact: &[Exact], currency: Currency) -> Vec<i64> {
    let total =
        exact.iter().fold(Exact::ZERO, |sum, part| sum.plus(*part)).round_half_away(currency.decimals());
    let minor_units: Vec<Exact> = exact.iter().map(|part| part.times(minor_per_major(currency))).collect();
    apportion(total, &minor_units)
}

fn minor_per_major(currency: Currency) -> Exact {
    Exact::ONE.over(Exact::of_minor(1, currency))
}

/// The different reasons of a group in line order, as one text.
fn reasons(lines: &[Line], members: &[usize]) -> Option<String> {
    let mut reasons: Vec<&str> = Vec::new();
    for reason in members.iter().filter_map(|&at| lines[at].tax_reason.as_deref()) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    (!reasons.is_empty()).then(|| reasons.join("; "))
}
