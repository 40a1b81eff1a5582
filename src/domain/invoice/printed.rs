//! Whether a booked line still says what it was booked with.

use crate::exact::Exact;
use crate::money::Currency;
use rust_decimal::Decimal;

/// What a line prints, beside what it comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct PrintedLine {
    pub currency: Currency,
    pub quantity: Decimal,
    pub unit_price: Decimal,
    pub rated_quantity: Decimal,
    pub subtotal_minor: i64,
    pub discount_minor: i64,
    pub tax_inclusive: bool,
}

impl PrintedLine {
    /// What does not agree: quantity × unit price is the amount before discount (rules P7), but for prices that
    /// contain tax, and the rated quantity is the one of the billed period.
    pub fn difference(&self, billed: Option<Exact>) -> Option<String> {
        let printed = Exact::of(self.quantity).times(Exact::of(self.unit_price));
        let before = self.subtotal_minor + self.discount_minor;
        if !self.tax_inclusive && printed.checked_round_half_away(self.currency.decimals()) != Some(before) {
            return Some(format!(
                "{} × {} is not {} before discount",
                self.quantity,
                self.unit_price,
                crate::money::Money::new(before, self.currency)
            ));
        }
        let billed = billed?.to_decimal(9);
        (billed != self.rated_quantity)
            .then(|| format!("rated quantity {}, its period has {billed}", self.rated_quantity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_quantity_or_price_is_told_and_rounding_is_not() {
        let dec = |text: &str| -> Decimal { text.parse().unwrap() };
        let line = |quantity: &str, price: &str, subtotal_minor, discount_minor| PrintedLine {
            currency: "DKK".parse().unwrap(),
            quantity: dec(quantity),
            unit_price: dec(price),
            rated_quantity: dec(quantity),
            subtotal_minor,
            discount_minor,
            tax_inclusive: false,
        };
        // 12.5 × 0.333 = 4.1625, less 10 %: 3.75 and 0.41.
        let right = line("12.5", "0.333", 375, 41);
        assert_eq!(right.difference(Some(Exact::of(dec("12.5")))), None);
        assert_eq!(line("-1", "10.00", -1_000, 0).difference(None), None);
        for wrong in [
            PrintedLine { quantity: dec("13"), ..right.clone() },
            PrintedLine { unit_price: dec("0.34"), ..right.clone() },
            PrintedLine { subtotal_minor: 376, ..right.clone() },
            PrintedLine { rated_quantity: dec("12"), ..right.clone() },
        ] {
            assert!(wrong.difference(Some(Exact::of(dec("12.5")))).is_some(), "{wrong:?}");
        }
        let gross = PrintedLine { tax_inclusive: true, ..line("1", "125.00", 10_000, 0) };
        assert_eq!(gross.difference(None), None);
    }
}
