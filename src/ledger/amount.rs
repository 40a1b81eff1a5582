//! Minor units as decimal text, integers all the way; and rates for formats that take fewer decimals than a book.

use domain::Decimal;
use domain::money::Currency;
use rust_decimal::RoundingStrategy;

/// `-1234.05` for -123 405 minor units of DKK, `1200` for JPY, `0.005` for KWD; a point, no thousands mark.
pub fn decimal_text(minor: i128, currency: Currency) -> String {
    let decimals = usize::try_from(currency.decimals()).unwrap_or(0);
    let sign = if minor < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// A rate with at most so many decimals, rounded half away from zero (rules M1); it is shown beside amounts and makes none.
pub fn rate_text(rate: Decimal, decimals: u32) -> String {
    rate.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero).normalize().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_rounded_away_from_zero_in_the_middle() {
        let table = [
            ("7.123456785", 8, "7.12345679"),
            ("7.123456784", 8, "7.12345678"),
            ("0.1338865", 6, "0.133887"),
            ("0.1338855", 6, "0.133886"),
            ("7.4600", 8, "7.46"),
        ];
        for (rate, decimals, expected) in table {
            assert_eq!(rate_text(rate.parse().unwrap(), decimals), expected, "{rate}");
        }
    }

    #[test]
    fn every_currency_has_its_own_decimals() {
        let table = [
            (-123_405, "DKK", "-1234.05"),
            (5, "EUR", "0.05"),
            (-5, "EUR", "-0.05"),
            (0, "EUR", "0.00"),
            (1_200, "JPY", "1200"),
            (0, "JPY", "0"),
            (5, "KWD", "0.005"),
            (-1_234_567, "BHD", "-1234.567"),
            (12_345, "UYW", "1.2345"),
            (i128::from(i64::MIN), "DKK", "-92233720368547758.08"),
        ];
        for (minor, code, expected) in table {
            assert_eq!(decimal_text(minor, code.parse().unwrap()), expected, "{minor} {code}");
        }
    }
}
