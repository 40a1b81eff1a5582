//! Amounts, quantities, percentages and dates as a reader of the language expects them. Text only: nothing is rounded
//! or computed here.

use crate::templates::{Format, Labels};
use chrono::{Datelike, NaiveDate};
use domain::Decimal;
use domain::money::Currency;
use domain::period::Period;

/// Writes figures in the format of a language.
#[derive(Clone, Copy)]
pub struct Figures<'a>(pub(crate) &'a Format);

impl<'a> Figures<'a> {
    /// The format of these labels.
    pub fn of(labels: &'a Labels) -> Self {
        Self(&labels.format)
    }

    /// An amount of minor units with the currency's decimals: `1.234,56`, `-0,05`, `12.346` for JPY.
    pub fn amount(&self, minor: i64, currency: Currency) -> String {
        self.wide_amount(i128::from(minor), currency)
    }

    /// The same for sums.
    pub fn wide_amount(&self, minor: i128, currency: Currency) -> String {
        let places = usize::try_from(currency.decimals()).unwrap_or(0);
        let digits = format!("{:0>width$}", minor.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        self.assemble(minor < 0, whole, fraction)
    }

    /// An amount after its currency: `DKK 1.234,56`, kept on one line.
    pub fn money(&self, minor: i64, currency: Currency) -> String {
        format!("{currency}\u{a0}{}", self.amount(minor, currency))
    }

    /// A quantity or rate without trailing zeros: `1.300`, `0,5`.
    pub fn number(&self, value: Decimal) -> String {
        self.padded(value, 0)
    }

    /// A unit price: at least the currency's decimals, more only if it has more.
    pub fn price(&self, value: Decimal, currency: Currency) -> String {
        self.padded(value, usize::try_from(currency.decimals()).unwrap_or(0))
    }

    /// A percentage: `25 %` in Danish, `25%` in English.
    pub fn percent(&self, value: Decimal) -> String {
        self.0.percent.replace("{number}", &self.number(value)).replace(' ', "\u{a0}")
    }

    /// A date with the month's name, which nobody misreads; kept on one line by no-break spaces.
    pub fn date(&self, day: NaiveDate) -> String {
        let month = self.0.months.get(usize::try_from(day.month0()).unwrap_or(0)).map_or("", String::as_str);
        let text = self.0.date.replace("{day}", &day.day().to_string()).replace("{month}", month);
        text.replace("{year}", &day.year().to_string()).replace(' ', "\u{a0}")
    }

    /// A period by its first and last day (rules T1: the last day is inclusive on paper).
    pub fn period(&self, period: Period) -> String {
        let (first, last) = (period.start, period.last_day());
        if first >= last { self.date(first) } else { format!("{} – {}", self.date(first), self.date(last)) }
    }

    fn padded(&self, value: Decimal, decimals_min: usize) -> String {
        let text = value.normalize().abs().to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let fraction = format!("{fraction:0<decimals_min$}");
        self.assemble(value.is_sign_negative() && !value.is_zero(), whole, &fraction)
    }

    fn assemble(&self, negative: bool, whole: &str, fraction: &str) -> String {
        let mut text = String::from(if negative { "-" } else { "" });
        for (place, digit) in whole.chars().enumerate() {
            if place > 0 && (whole.len() - place).is_multiple_of(3) {
                text.push_str(&self.0.thousands);
            }
            text.push(digit);
        }
        if !fraction.is_empty() {
            text.push_str(&self.0.decimal);
            text.push_str(fraction);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Templates;

    #[test]
    fn amounts_follow_the_language_and_the_currency() {
        let templates = Templates::embedded().unwrap();
        let (da, en) = (Figures::of(templates.labels("da")), Figures::of(templates.labels("en")));
        let dkk = "DKK".parse().unwrap();
        for (minor, danish, english) in [
            (123_456, "1.234,56", "1,234.56"),
            (-5, "-0,05", "-0.05"),
            (0, "0,00", "0.00"),
            (100_000, "1.000,00", "1,000.00"),
            (99_999_999_999_999, "999.999.999.999,99", "999,999,999,999.99"),
            (i64::MIN, "-92.233.720.368.547.758,08", "-92,233,720,368,547,758.08"),
        ] {
            assert_eq!(da.amount(minor, dkk), danish);
            assert_eq!(en.amount(minor, dkk), english);
        }
        assert_eq!(en.amount(1_234_567, "JPY".parse().unwrap()), "1,234,567");
        assert_eq!(en.amount(1_234_567, "KWD".parse().unwrap()), "1,234.567");
    }

    #[test]
    fn quantities_lose_zeros_and_prices_keep_the_currencys() {
        let templates = Templates::embedded().unwrap();
        let da = Figures::of(templates.labels("da"));
        let dkk = "DKK".parse().unwrap();
        let decimal = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(da.number(decimal("1300.500")), "1.300,5");
        assert_eq!(da.price(decimal("0.05"), dkk), "0,05");
        assert_eq!(da.price(decimal("199"), dkk), "199,00");
        assert_eq!(da.price(decimal("0.000125"), dkk), "0,000125");
        assert_eq!(da.percent(decimal("25.00")), "25\u{a0}%");
        assert_eq!(Figures::of(templates.labels("en")).percent(decimal("12.5")), "12.5%");
    }

    #[test]
    fn periods_end_on_their_last_day() {
        let templates = Templates::embedded().unwrap();
        let day = |month, day| NaiveDate::from_ymd_opt(2026, month, day).unwrap();
        let period = Period::new(day(1, 31), day(2, 28));
        let plain = |text: String| text.replace('\u{a0}', " ");
        assert_eq!(plain(Figures::of(templates.labels("en")).period(period)), "31 Jan 2026 – 27 Feb 2026");
        assert_eq!(
            plain(Figures::of(templates.labels("da")).period(period)),
            "31. januar 2026 – 27. februar 2026"
        );
        let one_day = Period::new(day(3, 1), day(3, 2));
        assert_eq!(plain(Figures::of(templates.labels("en")).period(one_day)), "1 Mar 2026");
    }
}
