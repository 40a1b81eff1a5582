//! Values of fields that are more than texts: numbers, decimals, dates, currencies and names of enumerations.

use super::fields::Fields;
use super::json::Node;
use super::nearest::did_you_mean;
use crate::decimal::{self, Digits};
use crate::money::Currency;
use crate::usage::shown;
use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;

/// Years that a date may have; calendars of billing do not need more.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2199;

impl<'n> Fields<'n, '_> {
    /// `true` or `false`.
    pub fn boolean(&mut self, names: &'static str) -> Option<bool> {
        let (key, node) = self.take(names)?;
        if let Node::Bool(value) = node {
            return Some(*value);
        }
        self.wrong_type(key, node, "true or false");
        None
    }

    /// A whole number within bounds.
    pub fn integer(&mut self, names: &'static str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let (key, node) = self.take(names)?;
        let (Node::Number(text) | Node::Text(text)) = node else {
            self.wrong_type(key, node, "a whole number");
            return None;
        };
        match text.parse::<i64>() {
            Ok(value) if range.contains(&value) => Some(value),
            Ok(_) => {
                let message = format!("{text} is not within {} and {}", range.start(), range.end());
                self.faults.add(&self.place.member(key), message);
                None
            }
            Err(_) => {
                self.faults.add(&self.place.member(key), format!("`{text}` is not a whole number"));
                None
            }
        }
    }

    /// A count: a whole number from `least` to a million.
    pub fn count(&mut self, names: &'static str, least: u32) -> Option<u32> {
        self.integer(names, i64::from(least)..=1_000_000).and_then(|value| u32::try_from(value).ok())
    }

    /// A decimal as a string or a number, exact within bounds (rules Q1).
    pub fn decimal(&mut self, names: &'static str, bounds: Digits) -> Option<Decimal> {
        let (key, node) = self.take(names)?;
        self.checked_decimal(key, node, bounds)
    }

    fn checked_decimal(&mut self, key: &str, node: &Node, bounds: Digits) -> Option<Decimal> {
        let (Node::Number(text) | Node::Text(text)) = node else {
            self.wrong_type(key, node, "a decimal");
            return None;
        };
        match decimal::parse(text, bounds) {
            Ok(value) => Some(value),
            Err(fault) => {
                let hint = text.contains(',').then(|| "write 1234.5: a point and no separators".to_owned());
                self.faults.note(&self.place.member(key), format!("`{}` {fault}", clipped(text)), hint);
                None
            }
        }
    }

    /// A decimal that is not negative.
    pub fn non_negative(&mut self, names: &'static str, bounds: Digits) -> Option<Decimal> {
        let value = self.decimal(names, bounds)?;
        if value.is_sign_negative() && !value.is_zero() {
            self.fault(names, format!("{value} is negative"));
            return None;
        }
        Some(value)
    }

    /// A decimal above zero.
    pub fn positive(&mut self, names: &'static str, bounds: Digits) -> Option<Decimal> {
        let value = self.non_negative(names, bounds)?;
        if value.is_zero() {
            self.fault(names, "must be above zero");
            return None;
        }
        Some(value)
    }

    /// Amounts by currency: `{"DKK": "10"}`, or one amount in `currency`.
    pub fn amounts(&mut self, names: &'static str, currency: Option<Currency>) -> Vec<(Currency, Decimal)> {
        let Some((key, node)) = self.take(names) else { return Vec::new() };
        if !matches!(node, Node::Object(_)) {
            let amount = self.checked_decimal(key, node, decimal::PRICE);
            return self
                .not_negative(key, amount)
                .and_then(|amount| Some((currency?, amount)))
                .into_iter()
                .collect();
        }
        let place = self.place.member(key);
        let read = |inner: &mut Fields<'n, '_>| {
            let mut amounts = Vec::new();
            for (code, value) in inner.members {
                let amount = inner.checked_decimal(code, value, decimal::PRICE);
                let amount = inner.not_negative(code, amount);
                match code.parse::<Currency>() {
                    Ok(currency) => amounts.extend(amount.map(|amount| (currency, amount))),
                    Err(fault) => inner.faults.add(&inner.place.member(code), fault.to_string()),
                }
            }
            inner.members = &[];
            amounts
        };
        Fields::read(node, place, self.faults, read).unwrap_or_default()
    }

    fn not_negative(&mut self, key: &str, amount: Option<Decimal>) -> Option<Decimal> {
        let amount = amount?;
        if amount < Decimal::ZERO {
            self.faults.add(&self.place.member(key), format!("{amount} is negative"));
            return None;
        }
        Some(amount)
    }

    /// A local date `YYYY-MM-DD` that exists.
    pub fn date(&mut self, names: &'static str) -> Option<NaiveDate> {
        let (key, node) = self.take(names)?;
        let Node::Text(text) = node else {
            self.wrong_type(key, node, "a date");
            return None;
        };
        match read_date(text) {
            Ok(date) => Some(date),
            Err(message) => {
                self.faults.hinted(
                    &self.place.member(key),
                    message,
                    "dates are local days, for example 2026-01-31",
                );
                None
            }
        }
    }

    /// A currency code.
    pub fn currency(&mut self, names: &'static str) -> Option<Currency> {
        let text = self.text(names)?;
        match text.parse() {
            Ok(currency) => Some(currency),
            Err(fault) => {
                self.fault(names, format!("{fault}"));
                None
            }
        }
    }

    /// A currency code that must be there.
    pub fn required_currency(&mut self, names: &'static str) -> Option<Currency> {
        if self.has(names) {
            return self.currency(names);
        }
        self.missing(names);
        None
    }

    /// A name of an enumeration in any case, or Upodi's number.
    pub fn choice<T>(
        &mut self,
        names: &'static str,
        parse: impl Fn(&str) -> Option<T>,
        choices: &'static [&'static str],
    ) -> Option<T> {
        let (key, node) = self.take(names)?;
        let (Node::Number(text) | Node::Text(text)) = node else {
            self.wrong_type(key, node, "a name or a number");
            return None;
        };
        let chosen = parse(text).or_else(|| parse(&text.trim().replace([' ', '-'], "_")));
        if chosen.is_none() {
            let hint = did_you_mean(text, choices.iter().copied())
                .unwrap_or_else(|| format!("one of {}", choices.join(", ")));
            self.faults.hinted(
                &self.place.member(key),
                format!("`{}` is not one of its values", clipped(text)),
                hint,
            );
        }
        chosen
    }
}

/// The start of a text that may be anything, for messages; what cannot be seen is written out.
fn clipped(text: &str) -> String {
    let start = match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    };
    shown(&start).trim_matches('`').to_owned()
}

fn read_date(text: &str) -> Result<NaiveDate, String> {
    let shape = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
    if !shape {
        return Err(format!("`{}` is not a date", clipped(text)));
    }
    let date: NaiveDate = text.parse().map_err(|_| format!("{text} does not exist"))?;
    if !YEARS.contains(&date.year()) {
        return Err(format!("{text} is not within {} and {}", YEARS.start(), YEARS.end()));
    }
    Ok(date)
}

#[cfg(test)]
mod tests {
    use super::super::fields::tests::faults_of;
    use crate::decimal::PRICE;

    #[test]
    fn decimals_are_exact_or_refused() {
        let read = |text: &str| {
            let mut value = None;
            let faults = faults_of(&format!("{{\"price\": {text}}}"), |f| value = f.decimal("price", PRICE));
            value.map(|v| v.to_string()).ok_or(faults.join(";"))
        };
        assert_eq!(read("0.05").as_deref(), Ok("0.05"));
        assert_eq!(read("\"0.0100\"").as_deref(), Ok("0.01"));
        assert_eq!(read("123456789.123456789012").as_deref(), Ok("123456789.123456789012"));
        assert!(
            read("0.0500000000000000000000000000000000000001").unwrap_err().contains("more than 12 decimals")
        );
        assert!(read("1234567890123456789012345678901234567890").unwrap_err().contains("9 digits before"));
        assert!(read("\"1,5\"").unwrap_err().contains("is not a decimal number | write 1234.5"));
        assert!(read("true").unwrap_err().contains("a decimal was expected"));
    }

    #[test]
    fn dates_must_exist() {
        let read = |text: &str| {
            let mut value = None;
            let faults = faults_of(&format!("{{\"on\": \"{text}\"}}"), |f| value = f.date("on"));
            value.ok_or(faults.join(";"))
        };
        assert!(read("2028-02-29").is_ok());
        assert!(read("2026-02-29").unwrap_err().contains("2026-02-29 does not exist"));
        assert!(read("2026-1-31").unwrap_err().contains("is not a date"));
        assert!(read("2026-01-31T00:00:00Z").unwrap_err().contains("is not a date"));
        assert!(read("0026-01-31").unwrap_err().contains("1900"));
    }
}
