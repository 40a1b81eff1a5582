//! The description of a priced line: which quantity went at which price, in plain figures.

use super::{TierRate, TierUse};
use crate::exact::Exact;
use crate::money::Currency;
use rust_decimal::Decimal;

/// The parts of a price as one text: `1 000 call à 0.05; 300 call à 0.02 + 10.00`.
///
/// `unit` is the unit of measure as printed. Thousands are set apart by a space; prices show the currency's decimals
/// and more where they have more. Empty for no parts.
pub fn tier_text(tiers: &[TierUse], unit: Option<&str>, currency: Currency) -> String {
    let parts: Vec<String> = tiers.iter().map(|tier| one_tier(tier, unit, currency)).collect();
    parts.join("; ")
}

fn one_tier(tier: &TierUse, unit: Option<&str>, currency: Currency) -> String {
    let unit = unit.map(|u| format!(" {u}")).unwrap_or_default();
    let quantity = number(tier.quantity.to_decimal(9), 0);
    let flat = rounded(tier.flat, currency);
    let plus = if tier.flat.is_zero() { String::new() } else { signed(tier.flat, currency) };
    match tier.rate {
        TierRate::Included => format!("{quantity}{unit} included"),
        TierRate::PerUnit(price) => format!("{quantity}{unit} à {}{plus}", money(price, currency)),
        TierRate::PerPackage { size, price } => {
            format!("{quantity} × {}{unit} à {}{plus}", number(size, 0), money(price, currency))
        }
        TierRate::Flat => format!("{quantity}{unit}: {flat}"),
        TierRate::Percent(percent) => format!("{quantity}{unit} à {} %{plus}", number(percent, 0)),
        TierRate::PercentOfEvents { percent, events } => {
            let noun = if events == 1 { "event" } else { "events" };
            format!("{quantity}{unit} à {} %, {events} {noun}{plus}", number(percent, 0))
        }
        TierRate::Maximum => format!("at most {}", rounded(tier.quantity, currency)),
    }
}

fn money(price: Decimal, currency: Currency) -> String {
    number(price, currency.decimals())
}

fn rounded(amount: Exact, currency: Currency) -> String {
    money(amount.to_decimal(currency.decimals()), currency)
}

fn signed(amount: Exact, currency: Currency) -> String {
    let sign = if amount.is_negative() { '−' } else { '+' };
    let magnitude = if amount.is_negative() { amount.negated() } else { amount };
    format!(" {sign} {}", rounded(magnitude, currency))
}

/// A decimal without needless zeros but at least `decimals` of them, thousands set apart by spaces.
fn number(value: Decimal, decimals: u32) -> String {
    let value = value.normalize();
    let text = value.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    let minus = if value.is_sign_negative() && !value.is_zero() { "-" } else { "" };
    let width = usize::try_from(decimals).unwrap_or(0);
    let point = if fraction.is_empty() && width == 0 { "" } else { "." };
    format!("{minus}{grouped}{point}{fraction:0<width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_a_price_list() {
        let dkk: Currency = "DKK".parse().unwrap();
        let dec = |t: &str| t.parse::<Decimal>().unwrap();
        let tier = |quantity, rate, flat| TierUse { quantity, rate, flat, amount: Exact::ZERO };
        let table = [
            (tier(Exact::int(1000), TierRate::PerUnit(dec("0.05")), Exact::ZERO), "1 000 call à 0.05"),
            (
                tier(Exact::int(300), TierRate::PerUnit(dec("0.02")), Exact::int(10)),
                "300 call à 0.02 + 10.00",
            ),
            (tier(Exact::int(5), TierRate::PerUnit(dec("7")), Exact::int(-10)), "5 call à 7.00 − 10.00"),
            (tier(Exact::int(1), TierRate::PerUnit(dec("0.0006")), Exact::ZERO), "1 call à 0.0006"),
            (
                tier(
                    Exact::int(13),
                    TierRate::PerPackage { size: dec("1000"), price: dec("100") },
                    Exact::ZERO,
                ),
                "13 × 1 000 call à 100.00",
            ),
            (tier(Exact::int(1_234_567), TierRate::Flat, Exact::int(30)), "1 234 567 call: 30.00"),
            (tier(Exact::ratio(10, 3), TierRate::Included, Exact::ZERO), "3.333333333 call included"),
            (
                tier(Exact::ratio(3, 2), TierRate::Percent(dec("2.50")), Exact::int(3)),
                "1.5 call à 2.5 % + 3.00",
            ),
            (
                tier(
                    Exact::int(90),
                    TierRate::PercentOfEvents { percent: dec("1"), events: 2 },
                    Exact::int(4),
                ),
                "90 call à 1 %, 2 events + 4.00",
            ),
            (tier(Exact::int(125), TierRate::Maximum, Exact::ZERO), "at most 125.00"),
        ];
        for (tier, expected) in &table {
            assert_eq!(tier_text(std::slice::from_ref(tier), Some("call"), dkk), *expected);
        }
        let two = [table[0].0.clone(), table[1].0.clone()];
        assert_eq!(tier_text(&two, None, "JPY".parse().unwrap()), "1 000 à 0.05; 300 à 0.02 + 10");
        assert_eq!(tier_text(&[], None, dkk), "");
    }
}
