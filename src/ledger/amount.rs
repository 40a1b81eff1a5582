//! Minor units as decimal text: integers all the way.

use domain::money::Currency;

/// `-1234.05` for -123 405 minor units of DKK, `1200` for JPY, `0.005` for KWD; a point, no thousands mark.
pub fn decimal_text(minor: i128, currency: Currency) -> String {
    let decimals = usize::try_from(currency.decimals()).unwrap_or(0);
    let sign = if minor < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

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
