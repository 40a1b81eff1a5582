//! Money: an integer of a currency's minor units (ISO 4217). The only arithmetic is addition and negation of
//! like currencies; everything that divides or rounds goes through [`crate::exact::Exact`].

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An ISO 4217 currency code, upper case, that has a minor unit (not XXX or metals).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// The text is not a currency that an invoice can carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an ISO 4217 currency code with a minor unit")]
pub struct UnknownCurrency(pub String);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The code, for example `DKK`.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// Decimals of the minor unit: DKK 2, JPY 0, KWD 3 (ISO 4217, 0 to 4).
    pub fn decimals(&self) -> u32 {
        iso_currency::Currency::from_code(self.code()).and_then(|c| c.exponent()).map_or(2, u32::from)
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    /// Accepts any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let upper = text.trim().to_ascii_uppercase();
        let unknown = || UnknownCurrency(text.to_owned());
        iso_currency::Currency::from_code(&upper).and_then(|c| c.exponent()).ok_or_else(unknown)?;
        let bytes: [u8; 3] = upper.as_bytes().try_into().map_err(|_| unknown())?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Currency {
    type Error = UnknownCurrency;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in minor units of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Minor units: 12 345 is DKK 123.45 and JPY 12 345.
    pub minor: i64,
    /// The currency the minor units belong to.
    pub currency: Currency,
}

impl Money {
    /// Zero of a currency.
    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// `minor` units of a currency.
    pub fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// The amount as a decimal with the currency's decimals, for example `123.45`.
    pub fn decimal(&self) -> Decimal {
        Decimal::new(self.minor, self.currency.decimals())
    }
}

impl fmt::Display for Money {
    /// `123.45 DKK`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

/// A total of any number of amounts, in minor units of a currency. In JSON it is its decimal text: `"1234.50"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    pub minor: i128,
    pub currency: Currency,
}

impl Total {
    /// `minor` units of a currency.
    pub fn new(minor: i128, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// As people read it, in groups of three, without the currency: `1 234.50`.
    pub fn grouped(&self) -> String {
        let text = self.to_string();
        let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
        let mut shown = sign.to_owned();
        for (place, digit) in whole.chars().enumerate() {
            if place > 0 && (whole.len() - place) % 3 == 0 {
                shown.push(' ');
            }
            shown.push(digit);
        }
        fraction.map_or(shown.clone(), |fraction| format!("{shown}.{fraction}"))
    }
}

impl fmt::Display for Total {
    /// The decimal text, without the currency.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = usize::try_from(self.currency.decimals()).unwrap_or(2);
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let sign = if self.minor < 0 { "-" } else { "" };
        let point = if decimals == 0 { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

impl Serialize for Total {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_follow_iso_4217() {
        for (code, decimals) in [("DKK", 2), ("jpy", 0), ("KWD", 3), ("HUF", 2), ("ISK", 0), ("UYW", 4)] {
            assert_eq!(code.parse::<Currency>().unwrap().decimals(), decimals, "{code}");
        }
        for bad in ["XXX", "XAU", "", "DK", "DKKK", "ÆØÅ"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
    }

    #[test]
    fn shows_minor_units_with_the_currencys_decimals() {
        let dkk = "DKK".parse().unwrap();
        assert_eq!(Money::new(-5, dkk).to_string(), "-0.05 DKK");
        assert_eq!(Money::new(1200, "JPY".parse().unwrap()).to_string(), "1200 JPY");
    }

    #[test]
    fn a_total_is_its_decimal_text() {
        for (minor, code, text) in [
            (5, "DKK", "0.05"),
            (-123_456_789_012_345_678_901, "DKK", "-1234567890123456789.01"),
            (1200, "JPY", "1200"),
            (1, "KWD", "0.001"),
        ] {
            assert_eq!(Total::new(minor, code.parse().unwrap()).to_string(), text);
        }
    }
}
