//! Discounts (rules D1, D2): which one a line enjoys, and what it takes off.

use crate::catalogue::{AppliedDiscount, Discount, DiscountType, ExpiryPeriod};
use crate::exact::{Exact, allocate};
use crate::ids::DiscountId;
use crate::money::Currency;
use crate::period::{plus_days, plus_months};
use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Where a discount was applied; the later, the more specific.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiscountLevel {
    Customer,
    Subscription,
    Charge,
}

/// The discounts applied around one line.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiscountCandidates<'a> {
    pub customer: Option<&'a AppliedDiscount>,
    pub subscription: Option<&'a AppliedDiscount>,
    pub charge: Option<&'a AppliedDiscount>,
}

/// The one discount that a line enjoys.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WinningDiscount<'a> {
    pub level: DiscountLevel,
    pub applied: &'a AppliedDiscount,
    pub discount: &'a Discount,
}

impl WinningDiscount<'_> {
    /// The fraction to take off (0.10 = 10 %); `None` for a fixed amount.
    pub fn fraction(&self) -> Option<Decimal> {
        (self.discount.kind == DiscountType::Percentage).then_some(self.discount.amount)
    }

    /// Major units to take off the day's lines in all; `None` for a percentage.
    pub fn fixed_amount(&self) -> Option<Exact> {
        (self.discount.kind == DiscountType::Fixed).then(|| Exact::of(self.discount.amount))
    }
}

/// The discount of a line with this tax date (rules D1, D2): those that do not run on it, are unknown, or are a
/// fixed amount of another currency are ignored, then the most specific wins; discounts do not stack.
pub fn winning<'a>(
    candidates: DiscountCandidates<'a>,
    discounts: &'a BTreeMap<DiscountId, Discount>,
    tax_date: NaiveDate,
    currency: Currency,
) -> Option<WinningDiscount<'a>> {
    let by_specificity = [
        (DiscountLevel::Charge, candidates.charge),
        (DiscountLevel::Subscription, candidates.subscription),
        (DiscountLevel::Customer, candidates.customer),
    ];
    by_specificity.into_iter().find_map(|(level, applied)| {
        let applied = applied?;
        let discount = discounts.get(&applied.discount)?;
        let usable = runs_on(applied, discount, tax_date)
            && (discount.kind == DiscountType::Percentage || discount.currency.is_none_or(|c| c == currency));
        usable.then_some(WinningDiscount { level, applied, discount })
    })
}

/// Whether an applied discount counts on a day: `[from, from + interval)`, cut short by `until` (rules D2).
pub fn runs_on(applied: &AppliedDiscount, discount: &Discount, day: NaiveDate) -> bool {
    let ended = |end: Option<NaiveDate>| end.is_some_and(|end| end <= day);
    applied.from <= day && !ended(applied.until) && !ended(expires_on(applied.from, discount.expiry))
}

/// First day on which a discount applied on `from` no longer counts; `None` = never. Months and years clamp to the
/// month's end (rules T2): 3 months from 30 November end on 28 February.
pub fn expires_on(from: NaiveDate, expiry: Option<(ExpiryPeriod, u32)>) -> Option<NaiveDate> {
    let (unit, count) = expiry?;
    let count = i64::from(count);
    Some(match unit {
        ExpiryPeriod::Days => plus_days(from, count),
        ExpiryPeriod::Weeks => plus_days(from, 7 * count),
        ExpiryPeriod::Months => plus_months(from, count, from.day()),
        ExpiryPeriod::Years => plus_months(from, 12 * count, from.day()),
    })
}

/// An amount after its discount, minor units. Subtotal and discount sum to the amount rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discounted {
    pub subtotal_minor: i64,
    pub discount_minor: i64,
}

/// Takes a fraction (0.10 = 10 %) off an exact amount (rules P7, M1): SubTotal = round(exact × (1 − fraction)),
/// DiscountAmount = round(exact) − SubTotal, both half away from zero.
pub fn take_off(exact: Exact, fraction: Decimal, currency: Currency) -> Discounted {
    let decimals = currency.decimals();
    let subtotal_minor = exact.times(Exact::ONE.minus(Exact::of(fraction))).round_half_away(decimals);
    Discounted { subtotal_minor, discount_minor: exact.round_half_away(decimals) - subtotal_minor }
}

/// Spreads a fixed discount over the lines that may carry it, in number order, by largest remainder (rules D1, M3).
/// Lines of 0 or less take nothing, no line takes more than it has, and what the lines cannot take lapses. The
/// answer has one discount per line, minor units.
pub fn allocate_fixed(amount_minor: i64, lines_minor: &[i64]) -> Vec<i64> {
    let positive: Vec<i64> = lines_minor.iter().map(|&line| line.max(0)).collect();
    let available = positive.iter().fold(0_i64, |sum, &line| sum.saturating_add(line));
    let granted = amount_minor.clamp(0, available);
    if granted == 0 {
        return vec![0; lines_minor.len()];
    }
    let weights: Vec<Exact> = positive.iter().map(|&line| Exact::int(i128::from(line))).collect();
    allocate(granted, &weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn discount(
        refkey: &str,
        kind: DiscountType,
        amount: &str,
        expiry: Option<(ExpiryPeriod, u32)>,
    ) -> Discount {
        Discount {
            refkey: refkey.into(),
            fullname: refkey.into(),
            amount: dec(amount),
            kind,
            currency: (kind == DiscountType::Fixed).then(|| currency("DKK")),
            invoice_text: refkey.into(),
            expiry,
            codes: Vec::new(),
            active: true,
        }
    }

    fn book() -> BTreeMap<DiscountId, Discount> {
        [
            discount("forever", DiscountType::Percentage, "0.05", None),
            discount("launch", DiscountType::Percentage, "0.10", Some((ExpiryPeriod::Months, 3))),
            discount("fixed", DiscountType::Fixed, "100", None),
        ]
        .into_iter()
        .map(|d| (DiscountId::of(&d.refkey), d))
        .collect()
    }

    fn applied(refkey: &str, from: &str) -> AppliedDiscount {
        AppliedDiscount {
            discount: DiscountId::of(refkey),
            code: refkey.into(),
            from: day(from),
            until: None,
        }
    }

    fn winner(candidates: DiscountCandidates<'_>, on: &str, code: &str) -> Option<(DiscountLevel, String)> {
        winning(candidates, &book(), day(on), currency(code)).map(|w| (w.level, w.discount.refkey.clone()))
    }

    #[test]
    fn expired_ones_are_ignored_then_the_most_specific_wins() {
        let (customer, subscription) = (applied("forever", "2025-01-01"), applied("launch", "2026-01-31"));
        let both =
            DiscountCandidates { customer: Some(&customer), subscription: Some(&subscription), charge: None };
        let launch = Some((DiscountLevel::Subscription, "launch".to_owned()));
        let forever = Some((DiscountLevel::Customer, "forever".to_owned()));
        for (on, expected) in [
            ("2026-01-30", &forever),
            ("2026-01-31", &launch),
            ("2026-04-29", &launch),
            ("2026-04-30", &forever),
        ] {
            assert_eq!(winner(both, on, "DKK"), *expected, "{on}");
        }
        assert_eq!(winner(both, "2024-12-31", "DKK"), None);
    }

    #[test]
    fn a_cleared_discount_and_a_fixed_amount_of_another_currency_give_way() {
        let customer = applied("forever", "2025-01-01");
        let cleared = AppliedDiscount { until: Some(day("2026-03-01")), ..applied("launch", "2026-02-01") };
        let fixed = applied("fixed", "2026-01-01");
        let on_charge =
            DiscountCandidates { customer: Some(&customer), subscription: None, charge: Some(&cleared) };
        assert_eq!(winner(on_charge, "2026-02-28", "DKK").unwrap().0, DiscountLevel::Charge);
        assert_eq!(winner(on_charge, "2026-03-01", "DKK").unwrap().0, DiscountLevel::Customer);
        let money =
            DiscountCandidates { customer: Some(&customer), subscription: Some(&fixed), charge: None };
        assert_eq!(winner(money, "2026-02-28", "DKK").unwrap().1, "fixed");
        assert_eq!(winner(money, "2026-02-28", "EUR").unwrap().1, "forever");
    }

    #[test]
    fn it_runs_for_its_interval_from_its_application() {
        let table = [
            ("2026-01-31", Some((ExpiryPeriod::Days, 10)), Some("2026-02-10")),
            ("2026-01-31", Some((ExpiryPeriod::Weeks, 2)), Some("2026-02-14")),
            ("2025-11-30", Some((ExpiryPeriod::Months, 3)), Some("2026-02-28")),
            ("2024-02-29", Some((ExpiryPeriod::Years, 1)), Some("2025-02-28")),
            ("2026-01-31", None, None),
        ];
        for (from, expiry, expected) in table {
            assert_eq!(expires_on(day(from), expiry), expected.map(day), "{from} + {expiry:?}");
        }
    }

    #[test]
    fn subtotal_and_discount_of_the_reference_cases() {
        // Not taken, other conventions: DISC-02 and DISC-06 stack discounts; DISC-18, 21 and 24 are prepaid credits.
        let table = [
            ("DISC-14", "1000", "0.33333", "JPY", 667, 333),
            ("DISC-15", "1.00", "0.001", "DKK", 100, 0),
            ("DISC-23", "10.00", "0.5", "DKK", 500, 500),
            ("half away", "0.05", "0.1", "DKK", 5, 0),
            ("credit", "-0.15", "0.5", "DKK", -8, -7),
        ];
        for (id, exact, fraction, code, subtotal_minor, discount_minor) in table {
            let got = take_off(Exact::of(dec(exact)), dec(fraction), currency(code));
            assert_eq!(got, Discounted { subtotal_minor, discount_minor }, "{id}");
        }
    }

    #[test]
    fn a_fixed_amount_is_spread_by_largest_remainder_and_lapses() {
        assert_eq!(allocate_fixed(1000, &[500]), [500], "DISC-04");
        assert_eq!(allocate_fixed(1000, &[10_000, 5000, 3000, 2000]), [500, 250, 150, 100], "TAX-19");
        assert_eq!(allocate_fixed(100, &[-50, 100, 0, 50]), [0, 67, 0, 33]);
        assert_eq!(allocate_fixed(100, &[-50, 0]), [0, 0]);
        assert_eq!(allocate_fixed(-5, &[50]), [0]);
    }

    proptest! {
        #[test]
        fn a_fixed_amount_is_granted_to_the_unit_and_no_line_turns_negative(
            amount in 0_i64..1_000_000,
            lines in proptest::collection::vec(-100_000_i64..100_000, 0..12),
        ) {
            let shares = allocate_fixed(amount, &lines);
            let positive: i64 = lines.iter().map(|l| (*l).max(0)).sum();
            prop_assert_eq!(shares.iter().sum::<i64>(), amount.min(positive));
            for (share, line) in shares.iter().zip(&lines) {
                prop_assert!(*share >= 0 && *share <= (*line).max(0), "{share} of {line}");
            }
        }
    }
}
