//! Decimal text with bounds (rules Q1): more digits than a field may carry are refused, never rounded.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What a decimal field may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits {
    /// Digits before the point.
    pub integer_digits: u32,
    /// Digits after the point.
    pub scale: u32,
}

/// Quantities: 12 integer digits, 9 decimals.
pub const QUANTITY: Digits = Digits { integer_digits: 12, scale: 9 };
/// Prices: 9 integer digits, 12 decimals.
pub const PRICE: Digits = Digits { integer_digits: 9, scale: 12 };
/// Rates and percentages: 9 integer digits, 9 decimals.
pub const RATE: Digits = Digits { integer_digits: 9, scale: 9 };

/// Why a text is not a decimal of these bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalFault {
    /// Not `[+-]digits[.digits]`, optionally with an exponent.
    #[error("is not a decimal number")]
    NotANumber,
    /// More integer digits than the field may carry.
    #[error("has more than {0} digits before the point")]
    TooLarge(u32),
    /// More decimals than the field may carry.
    #[error("has more than {0} decimals")]
    TooFine(u32),
}

/// A quantity as an integer at scale 9: 1.5 is 1 500 000 000.
pub type Quantity9 = i128;
/// 10^9: one unit of a [`Quantity9`].
pub const ONE_AT_SCALE_9: i128 = 1_000_000_000;

/// Parses decimal text exactly within bounds. Accepts `1`, `-0.5`, `.5`, `1.`, `1e3`; trailing zeros do not count.
pub fn parse(text: &str, bounds: Digits) -> Result<Decimal, DecimalFault> {
    let (mantissa, scale) = parse_scaled(text, bounds)?;
    Ok(Decimal::from_i128_with_scale(mantissa, scale).normalize())
}

/// Parses a quantity to an integer at scale 9 without going through `Decimal`: the hot path of intake.
pub fn parse_quantity9(text: &[u8]) -> Result<Quantity9, DecimalFault> {
    if let Some(quantity) = plain_quantity9(text) {
        return Ok(quantity);
    }
    let text = std::str::from_utf8(text).map_err(|_| DecimalFault::NotANumber)?;
    let (mantissa, scale) = parse_scaled(text, QUANTITY)?;
    Ok(mantissa * 10_i128.pow(QUANTITY.scale - scale))
}

/// `[-]digits[.digits]` with at most 12 and 9 digits, the form that nearly every record has; anything else is `None`.
#[inline]
fn plain_quantity9(text: &[u8]) -> Option<Quantity9> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let (whole, rest) = plain_digits(digits, 12)?;
    let fraction = match rest {
        [] => 0,
        [b'.', rest @ ..] => {
            let (fraction, end) = plain_digits(rest, 9)?;
            if !end.is_empty() {
                return None;
            }
            let missing = u32::try_from(9 - rest.len()).ok()?;
            fraction * 10_i64.pow(missing)
        }
        _ => return None,
    };
    let quantity = i128::from(whole) * ONE_AT_SCALE_9 + i128::from(fraction);
    Some(if negative { -quantity } else { quantity })
}

/// The number at the start of `text`, of 1 to `most` digits, and what follows it.
#[inline]
fn plain_digits(text: &[u8], most: usize) -> Option<(i64, &[u8])> {
    let mut value = 0;
    let mut count = 0;
    while let Some(digit) = text.get(count).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9) {
        if count == most {
            return None;
        }
        value = value * 10 + i64::from(digit);
        count += 1;
    }
    (count > 0).then(|| (value, &text[count..]))
}

/// A quantity at scale 9 as a decimal without trailing zeros.
pub fn from_quantity9(quantity: Quantity9) -> Decimal {
    Decimal::from_i128_with_scale(quantity, QUANTITY.scale).normalize()
}

/// Mantissa and scale with trailing zeros of the fraction removed.
fn parse_scaled(text: &str, bounds: Digits) -> Result<(i128, u32), DecimalFault> {
    let bytes = text.as_bytes();
    let (negative, digits) = match bytes.first() {
        Some(b'-') => (true, &bytes[1..]),
        Some(b'+') => (false, &bytes[1..]),
        _ => (false, bytes),
    };
    let (digits, exponent) = split_exponent(digits)?;
    let point = digits.iter().position(|&b| b == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&digits[..at], &digits[at + 1..]),
        None => (digits, &digits[..0]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DecimalFault::NotANumber);
    }
    let mut significant: Vec<u8> = Vec::with_capacity(whole.len() + fraction.len());
    for &byte in whole.iter().chain(fraction) {
        if !byte.is_ascii_digit() {
            return Err(DecimalFault::NotANumber);
        }
        significant.push(byte - b'0');
    }
    scale_within(&significant, whole.len(), exponent, negative, bounds)
}

fn split_exponent(digits: &[u8]) -> Result<(&[u8], i64), DecimalFault> {
    let Some(at) = digits.iter().position(|b| matches!(b, b'e' | b'E')) else {
        return Ok((digits, 0));
    };
    let exponent = std::str::from_utf8(&digits[at + 1..])
        .ok()
        .and_then(|t| t.parse::<i16>().ok())
        .ok_or(DecimalFault::NotANumber)?;
    Ok((&digits[..at], i64::from(exponent)))
}

/// `digits` read as `0.d1d2d3… × 10^(point + exponent)`.
fn scale_within(
    digits: &[u8],
    point: usize,
    exponent: i64,
    negative: bool,
    bounds: Digits,
) -> Result<(i128, u32), DecimalFault> {
    let leading = digits.iter().take_while(|&&d| d == 0).count();
    let trailing = digits.iter().rev().take_while(|&&d| d == 0).count();
    if leading == digits.len() {
        return Ok((0, 0));
    }
    let kept = &digits[leading..digits.len() - trailing];
    let position = |n: usize| i64::try_from(n).map_err(|_| DecimalFault::NotANumber);
    let integer_digits = position(point)? + exponent - position(leading)?;
    let scale = (position(kept.len())? - integer_digits).max(0);
    if integer_digits > i64::from(bounds.integer_digits) {
        return Err(DecimalFault::TooLarge(bounds.integer_digits));
    }
    if scale > i64::from(bounds.scale) {
        return Err(DecimalFault::TooFine(bounds.scale));
    }
    let mut mantissa: i128 = 0;
    for &digit in kept {
        mantissa = mantissa * 10 + i128::from(digit);
    }
    let padding = integer_digits - position(kept.len())?;
    for _ in 0..padding.max(0) {
        mantissa *= 10;
    }
    let scale = u32::try_from(scale).map_err(|_| DecimalFault::NotANumber)?;
    Ok((if negative { -mantissa } else { mantissa }, scale))
}

/// Serde helper type for wire decimals: a string, or a JSON number that is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WireDecimal(pub Decimal);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_exactly_or_says_why_not() {
        let table: [(&str, Result<&str, DecimalFault>); 14] = [
            ("1300", Ok("1300")),
            ("-0.50", Ok("-0.5")),
            (".5", Ok("0.5")),
            ("1.", Ok("1")),
            ("1e3", Ok("1000")),
            ("1.5E-3", Ok("0.0015")),
            ("000", Ok("0")),
            ("999999999999.999999999", Ok("999999999999.999999999")),
            ("1000000000000", Err(DecimalFault::TooLarge(12))),
            ("0.0000000001", Err(DecimalFault::TooFine(9))),
            ("1.0000000000", Ok("1")),
            ("", Err(DecimalFault::NotANumber)),
            ("1,5", Err(DecimalFault::NotANumber)),
            ("NaN", Err(DecimalFault::NotANumber)),
        ];
        for (text, expected) in table {
            let got = parse(text, QUANTITY).map(|d| d.to_string());
            assert_eq!(got, expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn quantities_are_integers_at_scale_9() {
        assert_eq!(parse_quantity9(b"1.5").unwrap(), 1_500_000_000);
        assert_eq!(from_quantity9(-1_500_000_000).to_string(), "-1.5");
    }

    #[test]
    fn the_short_way_of_quantities_agrees_with_the_long_one() {
        for text in [
            "0",
            "-0",
            "7",
            "-1300.5",
            "000000000001",
            "999999999999.999999999",
            "-0.000000001",
            "1.10",
            "12.000000000",
        ] {
            let (mantissa, scale) = parse_scaled(text, QUANTITY).unwrap();
            let expected = mantissa * 10_i128.pow(QUANTITY.scale - scale);
            assert_eq!(plain_quantity9(text.as_bytes()), Some(expected), "{text}");
        }
        for text in
            ["", "-", ".5", "1.", "+1", "1e3", "1.2.3", "1.0000000000", "0000000000001", "1,5", " 1", "--1"]
        {
            assert_eq!(plain_quantity9(text.as_bytes()), None, "{text}");
        }
    }
}
