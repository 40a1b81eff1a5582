//! Exact amounts: fractions of 256-bit integers. Multiply first, divide once, round once (rules M1).
//!
//! A 21-digit quantity times a 21-digit price has 42 digits, more than `rust_decimal` (28) or `i128` (38) hold.

use crate::money::Currency;
use ethnum::I256;
use rust_decimal::Decimal;
use std::cmp::Ordering;

/// A fraction `num / den` with `den > 0`. Arithmetic that would leave 256 bits panics with the operands: the
/// bounds of rules Q1 keep every billing product below 70 digits.
#[derive(Debug, Clone, Copy)]
pub struct Exact {
    num: I256,
    den: I256,
}

impl Exact {
    /// Zero.
    pub const ZERO: Exact = Exact { num: I256::ZERO, den: I256::ONE };
    /// One.
    pub const ONE: Exact = Exact { num: I256::ONE, den: I256::ONE };

    /// `num / den`; panics if `den` is zero.
    pub fn ratio(num: i128, den: i128) -> Self {
        assert!(den != 0, "a fraction needs a denominator: {num}/{den}");
        let sign = if den < 0 { -1 } else { 1 };
        Self { num: I256::from(num) * I256::from(sign), den: I256::from(den) * I256::from(sign) }.reduced()
    }

    /// An integer.
    pub fn int(value: i128) -> Self {
        Self { num: I256::from(value), den: I256::ONE }
    }

    /// An integer scaled by a power of ten: `scaled(15, 1)` is 1.5.
    pub fn scaled(value: i128, scale: u32) -> Self {
        Self { num: I256::from(value), den: pow10(scale) }
    }

    /// A decimal, exactly.
    pub fn of(value: Decimal) -> Self {
        Self::scaled(value.mantissa(), value.scale())
    }

    /// An amount of minor units in major units: 12 345 of DKK is 123.45.
    pub fn of_minor(minor: i64, currency: Currency) -> Self {
        Self::scaled(i128::from(minor), currency.decimals())
    }

    /// A fraction of wide integers, for sums that leave `i128` before they are divided; `den` must be above zero.
    pub(crate) fn wide(num: I256, den: I256) -> Self {
        assert!(den > I256::ZERO, "a fraction needs a positive denominator: {num}/{den}");
        Self { num, den }.reduced()
    }

    /// The sum, exactly.
    pub fn plus(self, other: Self) -> Self {
        if self.den == other.den {
            return Self { num: add(self.num, other.num), den: self.den };
        }
        if bits(self.num) + bits(other.den) < 126
            && bits(other.num) + bits(self.den) < 126
            && bits(self.den) + bits(other.den) < 126
        {
            let num = self.num * other.den + other.num * self.den;
            return Self { num, den: self.den * other.den };
        }
        let (a, b) = (self.reduced(), other.reduced());
        let shared = gcd(a.den, b.den);
        let (left, right) = (b.den / shared, a.den / shared);
        Self { num: add(mul(a.num, left), mul(b.num, right)), den: mul(a.den, left) }.reduced()
    }

    /// The difference, exactly.
    pub fn minus(self, other: Self) -> Self {
        self.plus(other.negated())
    }

    /// The product, exactly.
    pub fn times(self, other: Self) -> Self {
        if bits(self.num) + bits(other.num) < 127 && bits(self.den) + bits(other.den) < 127 {
            return Self { num: self.num * other.num, den: self.den * other.den };
        }
        let (a, b) = (self.reduced(), other.reduced());
        let (left, right) = (gcd(a.num.abs(), b.den), gcd(b.num.abs(), a.den));
        Self { num: mul(a.num / left, b.num / right), den: mul(a.den / right, b.den / left) }
    }

    /// The quotient, exactly; panics if `other` is zero.
    pub fn over(self, other: Self) -> Self {
        assert!(other.num != I256::ZERO, "division by zero of {self:?}");
        let flip = if other.num < I256::ZERO { -I256::ONE } else { I256::ONE };
        self.times(Self { num: other.den * flip, den: other.num * flip })
    }

    /// The number with the opposite sign.
    pub fn negated(self) -> Self {
        Self { num: -self.num, den: self.den }
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.num == I256::ZERO
    }

    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.num < I256::ZERO
    }

    /// The larger of two.
    pub fn max(self, other: Self) -> Self {
        if self >= other { self } else { other }
    }

    /// The smaller of two.
    pub fn min(self, other: Self) -> Self {
        if self <= other { self } else { other }
    }

    /// Smallest integer that is not below it (packages, rules P5).
    pub fn ceil(self) -> Self {
        let floor = self.floor_int();
        let exact = mul(floor, self.den) == self.num;
        Self { num: if exact { floor } else { add(floor, I256::ONE) }, den: I256::ONE }
    }

    /// Largest integer that is not above it.
    pub fn floor(self) -> Self {
        Self { num: self.floor_int(), den: I256::ONE }
    }

    /// Rounded half away from zero to `decimals`, as an integer of that unit (rules M1).
    /// Panics beyond i64: 9.2e18 minor units are more than any invoice carries.
    pub fn round_half_away(self, decimals: u32) -> i64 {
        let rounded = self.rounded(decimals);
        i64::try_from(rounded).unwrap_or_else(|_| panic!("amount {rounded} is beyond 64 bits of minor units"))
    }

    /// As [`Self::round_half_away`], `None` beyond i64: ask this before an amount that came from outside is booked.
    pub fn checked_round_half_away(self, decimals: u32) -> Option<i64> {
        i64::try_from(self.rounded(decimals)).ok()
    }

    /// Rounded half away from zero to `decimals`, for display (rated quantities, unit prices).
    pub fn to_decimal(self, decimals: u32) -> Decimal {
        let mantissa = i128::try_from(self.rounded(decimals)).unwrap_or(i128::MAX);
        Decimal::try_from_i128_with_scale(mantissa, decimals).unwrap_or(Decimal::MAX).normalize()
    }

    /// Numerator and denominator in lowest terms, as text: stable across runs, for storage (`"10/3"`, `"5"`).
    pub fn to_fraction_text(self) -> String {
        let r = self.reduced();
        if r.den == I256::ONE { r.num.to_string() } else { format!("{}/{}", r.num, r.den) }
    }

    /// Reads [`Self::to_fraction_text`] back.
    pub fn from_fraction_text(text: &str) -> Option<Self> {
        let (num, den) = text.split_once('/').unwrap_or((text, "1"));
        let (num, den) = (num.parse().ok()?, den.parse().ok()?);
        (den > I256::ZERO).then_some(Self { num, den })
    }

    /// `self × 10^decimals` as an integer, half away from zero.
    fn rounded(self, decimals: u32) -> I256 {
        let reduced = if bits(self.num) > 200 { self.reduced() } else { self };
        let scaled = mul(reduced.num, pow10(decimals));
        let doubled = add(mul(scaled.abs(), I256::from(2)), reduced.den);
        let magnitude = doubled / mul(reduced.den, I256::from(2));
        if scaled < I256::ZERO { -magnitude } else { magnitude }
    }

    fn floor_int(self) -> I256 {
        self.num.div_euclid(self.den)
    }

    fn reduced(self) -> Self {
        let divisor = gcd(self.num.abs(), self.den);
        if divisor <= I256::ONE {
            return self;
        }
        Self { num: self.num / divisor, den: self.den / divisor }
    }
}

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Exact {}
impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Exact {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.den == other.den {
            return self.num.cmp(&other.num);
        }
        if (self.num < I256::ZERO) != (other.num < I256::ZERO) || self.is_zero() || other.is_zero() {
            return self.num.signum().cmp(&other.num.signum());
        }
        if bits(self.num) + bits(other.den) < 254 && bits(other.num) + bits(self.den) < 254 {
            return (self.num * other.den).cmp(&(other.num * self.den));
        }
        let (a, b) = (self.reduced(), other.reduced());
        let shared = gcd(a.den, b.den);
        mul(a.num, b.den / shared).cmp(&mul(b.num, a.den / shared))
    }
}

impl serde::Serialize for Exact {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_fraction_text())
    }
}
impl<'de> serde::Deserialize<'de> for Exact {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Self::from_fraction_text(&text).ok_or_else(|| serde::de::Error::custom("not a fraction"))
    }
}

/// Bits of the magnitude: two factors of `a` and `b` bits have a product of at most `a + b`.
fn bits(value: I256) -> u32 {
    256 - value.unsigned_abs().leading_zeros()
}

fn pow10(exponent: u32) -> I256 {
    I256::from(10).pow(exponent)
}

fn mul(a: I256, b: I256) -> I256 {
    a.checked_mul(b).unwrap_or_else(|| panic!("{a} × {b} is beyond 256 bits"))
}

fn add(a: I256, b: I256) -> I256 {
    a.checked_add(b).unwrap_or_else(|| panic!("{a} + {b} is beyond 256 bits"))
}

fn gcd(mut a: I256, mut b: I256) -> I256 {
    while b != I256::ZERO {
        if let (Ok(x), Ok(y)) = (u128::try_from(a), u128::try_from(b)) {
            return I256::from(gcd_u128(x, y));
        }
        (a, b) = (b, a % b);
    }
    a
}

fn gcd_u128(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Splits `total` minor units over `weights` by largest remainder (rules M3): floor toward −∞, then one unit
/// each to the largest fractions, ties to the lowest index. The parts always sum to `total`. If every weight is
/// zero, the first part takes all; an empty list gives an empty list.
pub fn allocate(total: i64, weights: &[Exact]) -> Vec<i64> {
    if weights.is_empty() {
        return Vec::new();
    }
    let sum = weights.iter().fold(Exact::ZERO, |acc, w| acc.plus(*w));
    if sum.is_zero() {
        let mut parts = vec![0; weights.len()];
        parts[0] = total;
        return parts;
    }
    let shares: Vec<Exact> =
        weights.iter().map(|w| Exact::int(i128::from(total)).times(*w).over(sum)).collect();
    apportion(total, &shares)
}

/// Rounds exact minor units so that they sum to `total`, which is their exact sum rounded (rules M2, M3): floor
/// toward −∞, then one unit each to the largest fractions, ties to the lowest index. Unlike [`allocate`] it keeps
/// parts of opposite sign as they are: +25.00 and −25.00 stay so under a total of 0.
pub fn apportion(total: i64, shares: &[Exact]) -> Vec<i64> {
    let mut parts: Vec<i64> = shares.iter().map(|s| s.floor().round_half_away(0)).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_cached_key(|&i| (std::cmp::Reverse(shares[i].minus(shares[i].floor())), i));
    let given: i64 = parts.iter().sum();
    for step in 0..usize::try_from(total - given).unwrap_or(0) {
        parts[order[step % order.len()]] += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rounds_half_away_from_zero_once() {
        for (num, den, expected) in
            [(5, 1000, 1), (-5, 1000, -1), (4999, 1_000_000, 0), (1, 3, 33), (2, 3, 67)]
        {
            assert_eq!(Exact::ratio(num, den).round_half_away(2), expected, "{num}/{den}");
        }
    }

    #[test]
    fn holds_a_21_digit_quantity_times_a_21_digit_price() {
        let quantity = Exact::scaled(999_999_999_999_999_999_999, 9);
        let price = Exact::scaled(1, 12);
        assert_eq!(quantity.times(price).round_half_away(2), 100);
    }

    #[test]
    fn largest_remainder_never_loses_a_unit() {
        let weights = |list: &[i128]| list.iter().map(|&w| Exact::int(w)).collect::<Vec<_>>();
        assert_eq!(allocate(5, &weights(&[1, 1, 1])), [2, 2, 1]);
        assert_eq!(allocate(500, &weights(&[10, 5])), [333, 167]);
        assert_eq!(allocate(-5, &weights(&[1, 1, 1])), [-1, -2, -2]);
        assert_eq!(allocate(7, &weights(&[0, 0])), [7, 0]);
    }

    #[test]
    fn opposite_parts_keep_their_size_under_a_total_of_zero() {
        assert_eq!(apportion(0, &[Exact::int(2500), Exact::int(-2500)]), [2500, -2500]);
        assert_eq!(apportion(1, &[Exact::ratio(1, 2), Exact::ratio(1, 4)]), [1, 0]);
    }

    #[test]
    fn reference_case_alloc_04_and_05() {
        let weights = |list: &[i128]| list.iter().map(|&w| Exact::int(w)).collect::<Vec<_>>();
        assert_eq!(allocate(500, &weights(&[10, 5])), [333, 167], "ALLOC-04");
        assert_eq!(allocate(100, &weights(&[1, 2])), [33, 67], "ALLOC-05");
    }

    #[test]
    fn sums_of_wide_fractions_stay_inside_256_bits() {
        // Quantity, price and duration at their bounds: the common denominator is shared, not multiplied.
        let level = Exact::ratio(
            999_999_999_999_999_999_999_i128 * 10_000_000,
            2_678_400_000_001_i128 * 1_000_000_000,
        );
        let price = Exact::scaled(999_999_999_999_999_999_999, 12);
        let amount = level.times(price);
        assert_eq!(amount.plus(amount).minus(amount), amount);
        assert!(amount.plus(Exact::scaled(1, 12)) > amount);
    }

    #[test]
    fn an_amount_beyond_64_bits_can_be_asked_for() {
        assert_eq!(Exact::int(i128::from(i64::MAX)).checked_round_half_away(2), None);
        assert_eq!(Exact::ratio(5, 1000).checked_round_half_away(2), Some(1));
    }

    proptest! {
        #[test]
        fn an_allocation_never_loses_a_unit(
            total in -1_000_000_000_i64..1_000_000_000,
            weights in proptest::collection::vec(0_i128..1_000_000, 1..20),
        ) {
            let weights: Vec<Exact> = weights.into_iter().map(|w| Exact::scaled(w, 3)).collect();
            prop_assert_eq!(allocate(total, &weights).iter().sum::<i64>(), total);
        }

        /// Every shortcut for small fractions answers what the long way does.
        #[test]
        fn arithmetic_is_that_of_fractions(
            a in any::<i64>(), b in 1_i64..i64::MAX, c in any::<i64>(), d in 1_i64..i64::MAX, wide in any::<bool>(),
        ) {
            let widen = |n: i64| I256::from(n) * if wide { I256::from(i64::MAX) } else { I256::ONE };
            let fraction = |n: i64, d: i64| Exact { num: widen(n), den: I256::from(d) };
            let (x, y) = (fraction(a, b), fraction(c, d));
            let sum = Exact { num: widen(a) * I256::from(d) + widen(c) * I256::from(b), den: I256::from(b) * I256::from(d) };
            prop_assert_eq!(x.plus(y), sum);
            prop_assert_eq!(x.plus(y).minus(y), x);
            prop_assert_eq!(x.cmp(&y), (widen(a) * I256::from(d)).cmp(&(widen(c) * I256::from(b))));
            if c != 0 {
                prop_assert_eq!(x.times(y).over(y), x);
                prop_assert_eq!(x.over(y).times(y), x);
            }
        }
    }

    #[test]
    fn fractions_survive_storage() {
        let third = Exact::ratio(10, 3);
        assert_eq!(Exact::from_fraction_text(&third.to_fraction_text()), Some(third));
        assert_eq!(Exact::int(-4).to_fraction_text(), "-4");
    }
}
