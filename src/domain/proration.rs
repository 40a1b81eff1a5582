//! Shares of a period (rules R1, R2): whole local days over whole local days, actual/actual.

use crate::discount::Discounted;
use crate::exact::Exact;
use crate::money::Currency;
use crate::period::Period;
use chrono::NaiveDate;
use rust_decimal::Decimal;

/// Minor units of the part `[a, b)` of a period `full` of D days whose whole price is `full_amount` (major units) and
/// which is charged from `charged_from` = c (rules R2): round(P × days(c, b) ÷ D) − round(P × days(c, a) ÷ D), half
/// away from zero. A lone stub is rounded once, and the parts of a partition always sum to the whole.
///
/// An empty `full` has no price: 0. 17 of the 31 days of March 2026 at DKK 100.00, in one part and in two:
///
/// ```
/// use domain::{NaiveDate, exact::Exact, period::Period, proration::part_minor};
/// let day = |m, d| NaiveDate::from_ymd_opt(2026, m, d).unwrap();
/// let march = Period::new(day(3, 1), day(4, 1));
/// let part = |a, b| part_minor(Exact::int(100), "DKK".parse().unwrap(), day(3, 15), Period::new(a, b), march);
/// assert_eq!(part(day(3, 15), day(4, 1)), 5484);
/// assert_eq!(part(day(3, 15), day(3, 20)) + part(day(3, 20), day(4, 1)), 5484);
/// ```
pub fn part_minor(
    full_amount: Exact,
    currency: Currency,
    charged_from: NaiveDate,
    part: Period,
    full: Period,
) -> i64 {
    let until = |day: NaiveDate| {
        let charged = Period::new(charged_from, day);
        full_amount.times(share(charged, full)).round_half_away(currency.decimals())
    };
    until(part.end) - until(part.start)
}

/// The part `[a, b)` after a discount of `fraction` (0.10 = 10 %): the subtotal is the part of P × (1 − fraction), the
/// discount what is missing to the part of P. So a lone stub is rounded once after its discount too (rules M1, P7),
/// and discounted parts sum to the discounted period.
///
/// 17 of the 31 days of March 2026 at DKK 100.00 less 10 %: 49.3548…, not 10 % off 54.84.
///
/// ```
/// use domain::{NaiveDate, exact::Exact, period::Period, proration::part_after_discount};
/// let day = |m, d| NaiveDate::from_ymd_opt(2026, m, d).unwrap();
/// let (march, stub) = (Period::new(day(3, 1), day(4, 1)), Period::new(day(3, 15), day(4, 1)));
/// let tenth = "0.10".parse().unwrap();
/// let part = part_after_discount(Exact::int(100), tenth, "DKK".parse().unwrap(), stub.start, stub, march);
/// assert_eq!((part.subtotal_minor, part.discount_minor), (4935, 549));
/// ```
pub fn part_after_discount(
    full_amount: Exact,
    fraction: Decimal,
    currency: Currency,
    charged_from: NaiveDate,
    part: Period,
    full: Period,
) -> Discounted {
    let of = |amount: Exact| part_minor(amount, currency, charged_from, part, full);
    let subtotal_minor = of(full_amount.times(Exact::ONE.minus(Exact::of(fraction))));
    Discounted { subtotal_minor, discount_minor: of(full_amount) - subtotal_minor }
}

/// Days of `part` ÷ days of `full`, exactly; 0 if `full` is empty (rules R1).
pub fn share(part: Period, full: Period) -> Exact {
    if full.days() <= 0 {
        return Exact::ZERO;
    }
    Exact::ratio(i128::from(part.days()), i128::from(full.days()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn dkk() -> Currency {
        "DKK".parse().unwrap()
    }

    #[test]
    fn shares_of_the_reference_cases() {
        // (id, part, full, share at 9 decimals). Not taken, other conventions: PRO-13..15 fixed 30-day months, PRO-19
        // one denominator for several months, PRO-33/34 actual/360 and 30/360, PRO-45 calendar months alone.
        let table = [
            ("PRO-02", ["2011-02-01", "2011-02-14"], ["2011-02-01", "2011-03-01"], "0.464285714"),
            ("PRO-03", ["2012-02-01", "2012-02-15"], ["2012-02-01", "2012-03-01"], "0.482758621"),
            ("PRO-04", ["2011-02-07", "2011-02-15"], ["2011-02-07", "2011-03-07"], "0.285714286"),
            ("PRO-05", ["2011-02-01", "2011-02-13"], ["2011-01-13", "2011-02-13"], "0.387096774"),
            ("PRO-09", ["2023-05-23", "2023-06-15"], ["2023-05-15", "2023-06-15"], "0.741935484"),
            ("PRO-10", ["2023-06-23", "2023-07-15"], ["2023-06-15", "2023-07-15"], "0.733333333"),
            ("PRO-11", ["2023-02-23", "2023-03-15"], ["2023-02-15", "2023-03-15"], "0.714285714"),
            ("PRO-39", ["2021-01-17", "2021-02-01"], ["2021-01-01", "2021-02-01"], "0.483870968"),
            ("V4", ["2024-04-01", "2025-01-01"], ["2024-01-01", "2025-01-01"], "0.75136612"),
        ];
        for (id, part, full, expected) in table {
            let part = Period::new(day(part[0]), day(part[1]));
            let full = Period::new(day(full[0]), day(full[1]));
            assert_eq!(share(part, full).to_decimal(9).to_string(), expected, "{id}");
        }
    }

    #[test]
    fn amounts_of_the_reference_cases() {
        let table = [
            ("PRO-35", 3100, ["2026-01-15", "2026-02-01"], ["2026-01-01", "2026-02-01"], 1700),
            ("PRO-36", 3500, ["2026-04-17", "2026-05-01"], ["2026-04-01", "2026-05-01"], 1633),
            ("PRO-38", 5600, ["2026-04-17", "2026-05-01"], ["2026-04-01", "2026-05-01"], 2613),
            ("PRO-42", 365_000, ["2026-04-01", "2026-05-01"], ["2026-01-01", "2027-01-01"], 30_000),
            ("PRO-48", 91_000, ["2024-05-20", "2024-06-21"], ["2024-04-01", "2024-07-01"], 32_000),
            ("CHG-01 credit", 1000, ["2026-03-15", "2026-04-01"], ["2026-03-01", "2026-04-01"], 548),
            ("CHG-01 charge", 2000, ["2026-03-15", "2026-04-01"], ["2026-03-01", "2026-04-01"], 1097),
            ("CHG-21", 2000, ["2026-03-21", "2026-04-01"], ["2026-03-01", "2026-04-01"], 710),
        ];
        for (id, price_minor, part, full, expected) in table {
            let part = Period::new(day(part[0]), day(part[1]));
            let full = Period::new(day(full[0]), day(full[1]));
            let price = Exact::of_minor(price_minor, dkk());
            assert_eq!(part_minor(price, dkk(), part.start, part, full), expected, "{id}");
        }
    }

    #[test]
    fn an_empty_full_period_has_no_price() {
        let none = Period::new(day("2026-01-01"), day("2026-01-01"));
        assert_eq!(part_minor(Exact::int(10), dkk(), none.start, none, none), 0);
    }

    proptest! {
        /// rules R2: whatever the cuts, the parts sum to what one part over all of them would be.
        #[test]
        fn parts_of_any_partition_sum_to_the_whole(
            price_minor in -10_000_000_i64..10_000_000,
            days in 1_u64..400,
            charged_after in 0_u64..400,
            cuts in proptest::collection::vec(0_u64..400, 0..12),
        ) {
            let start = day("2024-01-31");
            let at = |n: u64| start + chrono::Days::new(n);
            let full = Period::new(start, at(days));
            let from = charged_after % days;
            let mut bounds: Vec<u64> = cuts.into_iter().map(|c| from + c % (days - from)).collect();
            bounds.extend([from, days]);
            bounds.sort_unstable();
            let price = Exact::of_minor(price_minor, dkk());
            let of = |a: u64, b: u64| part_minor(price, dkk(), at(from), Period::new(at(a), at(b)), full);
            let sum: i64 = bounds.windows(2).map(|w| of(w[0], w[1])).sum();
            prop_assert_eq!(sum, of(from, days));
            if from == 0 {
                prop_assert_eq!(sum, price_minor);
            }
        }
    }
}
