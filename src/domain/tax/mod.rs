//! Which tax rule holds for a line (rules X1, X2) and what VAT an invoice carries (rules M2, M4, [`vat`]).

mod check_digit;
mod vat;
pub mod vat_number;

pub use vat::vat;

use crate::catalogue::{RuleType, TaxCategory, TaxRule};
use crate::invoice::Line;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use std::cmp::Reverse;

/// Member states whose VAT numbers make a buyer eligible for reverse charge, as the prefixes of their numbers:
/// Greece is `EL`. Northern Ireland (`XI`) is a member for goods only and not among them.
const EU_VAT_PREFIXES: [&str; 27] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "EL", "ES", "FI", "FR", "HR", "HU", "IE", "IT", "LT",
    "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
];

/// Printed where a charge is exempt and says no reason.
const EXEMPT: &str = "Exempt from VAT";
/// Printed where no rule matches and nothing on the invoice is taxed.
const OUT_OF_SCOPE: &str = "Outside the scope of VAT";
/// Printed where no rule matches, the seller has no VAT number, and other lines are taxed.
const NO_RULE: &str = "Not subject to VAT";

/// Whether a country, by its ISO 3166 code, is a member of the Union.
pub fn is_in_union(country: &str) -> bool {
    country == "GR" || country != "EL" && EU_VAT_PREFIXES.contains(&country)
}

/// What tax looks at of the seller or the payer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaxParty<'a> {
    /// ISO 3166 alpha-2, any case.
    pub country: Option<&'a str>,
    pub state: Option<&'a str>,
    pub vat_number: Option<&'a str>,
}

/// How a line comes to its tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment<'a> {
    /// By the rule for its tax date.
    ByRule,
    /// By the rule for another day: it gives back what was charged by that rule.
    ByRuleOf(NaiveDate),
    /// Not taxable: category E, with the charge's reason.
    Exempt(Option<&'a str>),
    /// As it stands on the line: it amends something booked (rules M5).
    Kept,
}

/// A day for which no rule matches, where the seller has a VAT number: its rules have a gap, and nobody is billed into
/// it (rules X1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no tax rule matches {place}, {kind}, {on}")]
pub struct NoTaxRule {
    /// Country, and state where there is one.
    place: String,
    /// `business` or `consumer`.
    kind: &'static str,
    on: NaiveDate,
}

impl NoTaxRule {
    fn new(buyer: TaxParty<'_>, on: NaiveDate) -> Self {
        let named = |part: Option<&str>| part.map(|p| p.trim().to_uppercase()).filter(|p| !p.is_empty());
        let country = named(buyer.country).unwrap_or_else(|| "no country".to_owned());
        let place = named(buyer.state).map_or(country.clone(), |state| format!("{country} {state}"));
        Self { place, kind: if has_vat_number(buyer) { "business" } else { "consumer" }, on }
    }
}

/// Whether a line of this buyer on this day has its tax: a rule, or a seller without a VAT number.
///
/// # Errors
/// The gap in the rules.
pub fn check(
    rules: &[TaxRule],
    seller: TaxParty<'_>,
    buyer: TaxParty<'_>,
    on: NaiveDate,
) -> Result<(), NoTaxRule> {
    let is_found = rule_of(on, rules, buyer, allows_reverse_charge(seller, buyer)).is_some();
    if is_found || !has_vat_number(seller) { Ok(()) } else { Err(NoTaxRule::new(buyer, on)) }
}

/// Sets category, percent and reason of every line of one invoice, by the line's tax date and the payer's country and
/// VAT number (rules X1, X2). `treatments` has one entry per line; lines beyond its end go by the rules.
///
/// A rule with AE is passed over unless the payer has a VAT number of another EU country than the seller's. With a
/// seller who has no VAT number a line without a rule is O if every line of the invoice is, otherwise E. Only category S
/// carries a percentage above 0.
///
/// # Errors
/// If no rule matches and the seller has a VAT number.
pub fn assign(
    lines: &mut [Line],
    treatments: &[Treatment<'_>],
    rules: &[TaxRule],
    seller: TaxParty<'_>,
    buyer: TaxParty<'_>,
) -> Result<(), NoTaxRule> {
    let reverse_charge = allows_reverse_charge(seller, buyer);
    let mut unmatched = Vec::new();
    for (at, line) in lines.iter_mut().enumerate() {
        let day = match treatments.get(at).copied().unwrap_or(Treatment::ByRule) {
            Treatment::Kept => continue,
            Treatment::Exempt(reason) => {
                set_untaxed(line, TaxCategory::E, reason.unwrap_or(EXEMPT));
                continue;
            }
            Treatment::ByRule => line.tax_date,
            Treatment::ByRuleOf(day) => day,
        };
        match rule_of(day, rules, buyer, reverse_charge) {
            Some(rule) => set_by_rule(line, rule),
            None if has_vat_number(seller) => return Err(NoTaxRule::new(buyer, day)),
            None => unmatched.push(at),
        }
    }
    let all_outside = lines
        .iter()
        .enumerate()
        .all(|(at, line)| unmatched.contains(&at) || line.tax_category == TaxCategory::O);
    for at in unmatched {
        match all_outside {
            true => set_untaxed(&mut lines[at], TaxCategory::O, OUT_OF_SCOPE),
            false => set_untaxed(&mut lines[at], TaxCategory::E, NO_RULE),
        }
    }
    Ok(())
}

/// Whether reverse charge is open to the buyer: a VAT number of another EU country than the seller's (rules X1).
/// A number without a country prefix counts for the party's country.
pub fn allows_reverse_charge(seller: TaxParty<'_>, buyer: TaxParty<'_>) -> bool {
    let Some(buyer_prefix) = buyer.vat_number.and_then(|_| vat_prefix(buyer)) else { return false };
    EU_VAT_PREFIXES.contains(&buyer_prefix.as_str()) && vat_prefix(seller).is_some_and(|s| s != buyer_prefix)
}

/// Two letters of the VAT number, else of the country, as VAT numbers have them.
fn vat_prefix(party: TaxParty<'_>) -> Option<String> {
    let letters = |text: &str| {
        let prefix: String = text.trim().chars().take(2).collect::<String>().to_ascii_uppercase();
        (prefix.len() == 2 && prefix.chars().all(|c| c.is_ascii_alphabetic())).then_some(prefix)
    };
    let prefix = party.vat_number.and_then(letters).or_else(|| party.country.and_then(letters))?;
    Some(if prefix == "GR" { "EL".to_owned() } else { prefix })
}

fn rule_of<'r>(
    day: NaiveDate,
    rules: &'r [TaxRule],
    buyer: TaxParty<'_>,
    reverse_charge: bool,
) -> Option<&'r TaxRule> {
    matching(rules, buyer.country, buyer.state, has_vat_number(buyer), day)
        .into_iter()
        .find(|rule| rule.category != TaxCategory::AE || reverse_charge)
}

fn has_vat_number(party: TaxParty<'_>) -> bool {
    party.vat_number.is_some_and(|n| !n.trim().is_empty())
}

/// Rules that match, the best first: the lowest priority wins, ties go to the more exact match (country, then state, then
/// rule type), then to the first in the book (rules X1). Countries and states are compared without case; `*` matches any,
/// also none.
fn matching<'r>(
    rules: &'r [TaxRule],
    country: Option<&str>,
    state: Option<&str>,
    has_vat_number: bool,
    date: NaiveDate,
) -> Vec<&'r TaxRule> {
    let matches = |rule: &&TaxRule| {
        names(&rule.country, country)
            && names(&rule.state, state)
            && concerns(rule.rule_type, has_vat_number)
            && rule.valid_from.is_none_or(|from| from <= date)
            && rule.valid_to.is_none_or(|to| date < to)
    };
    let exactness =
        |rule: &TaxRule| (rule.country != "*", rule.state != "*", rule.rule_type != RuleType::Any);
    let mut found: Vec<&TaxRule> = rules.iter().filter(matches).collect();
    found.sort_by_key(|rule| (rule.priority, Reverse(exactness(rule))));
    found
}

/// Whether a rule's country or state is the party's.
fn names(pattern: &str, value: Option<&str>) -> bool {
    pattern == "*" || value.is_some_and(|v| v.trim().to_lowercase() == pattern.trim().to_lowercase())
}

fn concerns(rule_type: RuleType, has_vat_number: bool) -> bool {
    match rule_type {
        RuleType::Any => true,
        RuleType::Business => has_vat_number,
        RuleType::Consumer => !has_vat_number,
    }
}

fn set_by_rule(line: &mut Line, rule: &TaxRule) {
    line.tax_category = rule.category;
    line.tax_pct = if rule.category == TaxCategory::S { rule.tax_pct.normalize() } else { Decimal::ZERO };
    line.tax_reason = rule.reason.clone();
}

fn set_untaxed(line: &mut Line, category: TaxCategory, reason: &str) {
    line.tax_category = category;
    line.tax_pct = Decimal::ZERO;
    line.tax_reason = Some(reason.to_owned());
}

#[cfg(test)]
mod tests;
