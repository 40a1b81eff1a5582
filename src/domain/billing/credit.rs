//! Credit notes of booked invoices, whole or by line (rules.md I7, M3, M5).

use super::drafting::series_of;
use crate::catalogue::{Catalogue, TaxCategory};
use crate::exact::{Exact, allocate};
use crate::ids::{self, InvoiceId, LineId};
use crate::invoice::{Draft, Invoice, Line, VatGroup};
use crate::money::{Currency, Money};
use crate::subscription::Refusal;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// What is to be credited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreditScope {
    /// All that is left of the invoice.
    Whole,
    Lines(Vec<CreditLine>),
}

/// One line to be credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreditLine {
    /// Number of the invoice's line.
    pub number: u32,
    /// Net to be credited in minor units, with the sign of the line; none = all that is left of it.
    pub net_minor: Option<i64>,
}

/// Draft of a credit note on `invoice`, dated `on`. `earlier` are the credit notes booked on it before: together they
/// never exceed it, and the one that brings a VAT group's net to zero takes all VAT that is left of it (rules.md M3).
/// Lines keep their number, key, period, category and rate (rules.md M5); VAT of a group is round(net × rate), half
/// away from zero. `run_ordinal` is the newest run's.
///
/// # Errors
/// If there is no such line, nothing is left, or more is asked for than is left.
pub fn credit_note(
    invoice: &Invoice,
    earlier: &[&Invoice],
    scope: &CreditScope,
    on: NaiveDate,
    run_ordinal: u64,
    catalogue: &Catalogue,
) -> Result<Draft, Refusal> {
    if invoice.draft.is_credit_note {
        let message = format!("{} is a credit note", invoice.number);
        return Err(Refusal::new("conflict", message).hint("credit the invoice that it amends"));
    }
    let left = Left::of(invoice, earlier);
    let wanted = wanted(invoice, &left, scope)?;
    let mut lines: Vec<Line> = Vec::with_capacity(wanted.len());
    for (line, net_minor) in wanted {
        let natural = format!("{}\u{1f}{}\u{1f}{}", line.id, earlier.len(), line.number);
        let id = LineId(ids::run_made(run_ordinal, "credit_line", &natural));
        lines.push(opposite(line, id, net_minor, invoice));
    }
    let vat_groups = vat(&mut lines, invoice, &left);
    let net_minor = lines.iter().map(|line| line.subtotal_minor).sum();
    let vat_minor = lines.iter().map(|line| line.vat_minor).sum();
    check_gross(invoice, &left, net_minor + vat_minor)?;
    let original = &invoice.draft;
    let (series, number_pattern) = series_of(catalogue, original.business_unit.as_deref(), true, on);
    let natural = format!("{}\u{1f}{}", original.id, earlier.len());
    Ok(Draft {
        id: InvoiceId(ids::run_made(run_ordinal, "credit_note", &natural)),
        charge_date: on,
        invoice_date: on,
        due_date: on,
        payment_term: 0,
        is_credit_note: true,
        credits: vec![invoice.number.clone()],
        series,
        number_pattern,
        lines,
        vat_groups,
        net_minor,
        vat_minor,
        ..original.clone()
    })
}

/// rules.md M3: where an invoice has lines below zero too, its notes neither raise what is owed nor exceed it.
fn check_gross(invoice: &Invoice, left: &Left, gross_minor: i64) -> Result<(), Refusal> {
    let left_minor: i64 = left.groups.values().map(|(net, vat)| net + vat).sum();
    if gross_minor <= 0 && left_minor + gross_minor >= 0 {
        return Ok(());
    }
    let money = |minor| Money::new(minor, invoice.draft.currency);
    let message = format!(
        "{} cannot be credited of {}: {} is left of it",
        money(-gross_minor),
        invoice.number,
        money(left_minor)
    );
    Err(Refusal::new("too_much", message)
        .hint("lines below and above zero belong together: credit them together, or leave out `lines`"))
}

type GroupKey = (TaxCategory, Decimal);

fn group_of(line: &Line) -> GroupKey {
    (line.tax_category, line.tax_pct.normalize())
}

/// What earlier credit notes have left of an invoice, minor units.
struct Left {
    /// (net, VAT) by line number.
    lines: BTreeMap<u32, (i64, i64)>,
    /// (net, VAT) by group.
    groups: BTreeMap<GroupKey, (i64, i64)>,
}

impl Left {
    fn of(invoice: &Invoice, earlier: &[&Invoice]) -> Self {
        let mut left = Self { lines: BTreeMap::new(), groups: BTreeMap::new() };
        let credited = earlier.iter().flat_map(|note| &note.draft.lines);
        for line in invoice.draft.lines.iter().chain(credited) {
            let of_line = left.lines.entry(line.number).or_default();
            *of_line = (of_line.0 + line.subtotal_minor, of_line.1 + line.vat_minor);
            let of_group = left.groups.entry(group_of(line)).or_default();
            *of_group = (of_group.0 + line.subtotal_minor, of_group.1 + line.vat_minor);
        }
        left
    }

    fn net_of(&self, number: u32) -> i64 {
        self.lines.get(&number).map_or(0, |(net, _)| *net)
    }
}

/// Lines with the net that is credited of each.
fn wanted<'i>(
    invoice: &'i Invoice,
    left: &Left,
    scope: &CreditScope,
) -> Result<Vec<(&'i Line, i64)>, Refusal> {
    let nothing_left = || Refusal::new("nothing_left", format!("{} is credited already", invoice.number));
    let lines = &invoice.draft.lines;
    match scope {
        CreditScope::Whole => {
            let rest: Vec<_> = lines
                .iter()
                .filter(|line| left.lines.get(&line.number).is_some_and(|rest| *rest != (0, 0)))
                .map(|line| (line, left.net_of(line.number)))
                .collect();
            if rest.is_empty() { Err(nothing_left()) } else { Ok(rest) }
        }
        CreditScope::Lines(asked) => {
            let mut wanted: Vec<(&Line, i64)> = Vec::with_capacity(asked.len());
            for credit in asked {
                let line = lines.iter().find(|line| line.number == credit.number);
                let line = line.ok_or_else(|| {
                    let message = format!("{} has no line {}", invoice.number, credit.number);
                    Refusal::new("unknown_line", message)
                        .hint(format!("it has the lines 1 to {}", lines.len()))
                })?;
                if wanted.iter().any(|(other, _)| other.number == line.number) {
                    return Err(Refusal::new("bad_argument", format!("line {} is named twice", line.number)));
                }
                wanted.push((line, amount_of(line, *credit, left, invoice.draft.currency)?));
            }
            if wanted.is_empty() { Err(nothing_left()) } else { Ok(wanted) }
        }
    }
}

fn amount_of(line: &Line, credit: CreditLine, left: &Left, currency: Currency) -> Result<i64, Refusal> {
    let rest = left.net_of(line.number);
    let net_minor = credit.net_minor.unwrap_or(rest);
    let is_within = net_minor != 0 && net_minor.signum() == rest.signum() && net_minor.abs() <= rest.abs();
    if is_within {
        return Ok(net_minor);
    }
    let (asked, rest) = (Money::new(net_minor, currency), Money::new(rest, currency));
    let message = format!("{asked} cannot be credited of line {}: {rest} is left of it", line.number);
    Err(Refusal::new("too_much", message))
}

/// The line with the opposite sign; all of it mirrors quantity and discount, a part is 1 × its amount.
fn opposite(line: &Line, id: LineId, net_minor: i64, invoice: &Invoice) -> Line {
    let is_whole = net_minor == line.subtotal_minor && !line.tax_inclusive;
    let currency = invoice.draft.currency;
    let shown = if is_whole {
        (line.quantity, -line.unit_price, -line.discount_minor)
    } else {
        (Decimal::ONE, Money::new(-net_minor, currency).decimal(), 0)
    };
    Line {
        id,
        quantity: shown.0,
        unit_price: shown.1,
        discount_minor: shown.2,
        discount: if is_whole { line.discount } else { Decimal::ZERO },
        subtotal_minor: -net_minor,
        vat_minor: 0,
        tax_inclusive: false,
        amends: Some(invoice.number.clone()),
        exact: Exact::of_minor(-net_minor, currency),
        ..line.clone()
    }
}

/// VAT of the credited lines by group: at most what is left, and all of it with the last net.
fn vat(lines: &mut [Line], invoice: &Invoice, left: &Left) -> Vec<VatGroup> {
    let mut members: BTreeMap<GroupKey, Vec<usize>> = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        members.entry(group_of(line)).or_default().push(at);
    }
    let mut groups = Vec::with_capacity(members.len());
    for (key, members) in members {
        let net_minor: i64 = members.iter().map(|at| lines[*at].subtotal_minor).sum();
        let (net_left, vat_left) = left.groups.get(&key).copied().unwrap_or_default();
        let is_last = net_left + net_minor == 0;
        let is_whole = |at: &usize| left.net_of(lines[*at].number) + lines[*at].subtotal_minor == 0;
        let of_line = |number: u32| left.lines.get(&number).map_or(0, |(_, vat)| *vat);
        let vat_minor =
            if is_last { -vat_left } else { vat_of(net_minor, key.1, vat_left, invoice.draft.currency) };
        let own: Vec<i64> = members.iter().map(|at| -of_line(lines[*at].number)).collect();
        let parts = if is_last && members.iter().all(is_whole) && own.iter().sum::<i64>() == vat_minor {
            own
        } else {
            let weights: Vec<Exact> =
                members.iter().map(|at| Exact::int(i128::from(lines[*at].subtotal_minor))).collect();
            allocate(vat_minor, &weights)
        };
        for (at, part) in members.iter().zip(parts) {
            lines[*at].vat_minor = part;
        }
        let reason = members.first().and_then(|at| lines[*at].tax_reason.clone());
        groups.push(VatGroup { category: key.0, rate_pct: key.1, reason, net_minor, vat_minor });
    }
    groups
}

/// rules.md M2: round(net × rate), but not beyond what is left.
fn vat_of(net_minor: i64, rate_pct: Decimal, vat_left: i64, currency: Currency) -> i64 {
    let rate = Exact::of(rate_pct).times(Exact::ratio(1, 100));
    let vat = Exact::of_minor(net_minor, currency).times(rate).round_half_away(currency.decimals());
    let (least, most) = if vat_left >= 0 { (-vat_left, 0) } else { (0, -vat_left) };
    vat.clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::{check, sample};
    use proptest::prelude::*;

    fn booked(lines: &[(i64, &str)]) -> Invoice {
        sample::invoice("INV-0000001", lines)
    }

    fn credit(invoice: &Invoice, earlier: &[&Invoice], scope: &CreditScope) -> Result<Invoice, Refusal> {
        let catalogue = sample::catalogue();
        let draft = credit_note(invoice, earlier, scope, sample::day("2026-03-01"), 1, &catalogue)?;
        check(&draft).unwrap();
        let number = format!("CN-{}", earlier.len() + 1);
        Ok(Invoice { draft, number, ..invoice.clone() })
    }

    fn part(number: u32, net_minor: i64) -> CreditScope {
        CreditScope::Lines(vec![CreditLine { number, net_minor: Some(net_minor) }])
    }

    #[test]
    fn a_whole_credit_note_is_the_invoices_opposite() {
        let invoice = booked(&[(19_900, "25"), (333, "25"), (100, "0")]);
        let note = credit(&invoice, &[], &CreditScope::Whole).unwrap();
        assert_eq!(note.draft.gross_minor(), -invoice.draft.gross_minor());
        for (line, credited) in invoice.draft.lines.iter().zip(&note.draft.lines) {
            assert_eq!(
                (line.subtotal_minor, line.vat_minor),
                (-credited.subtotal_minor, -credited.vat_minor)
            );
            assert_eq!(credited.amends.as_deref(), Some("INV-0000001"));
        }
        assert!(note.draft.is_credit_note && note.draft.series == "credit_note");
        let refused = credit(&invoice, &[&note], &CreditScope::Whole).unwrap_err();
        assert_eq!(refused.code, "nothing_left");
    }

    #[test]
    fn the_last_note_takes_the_rest() {
        let invoice = booked(&[(1501 * 4 + 1, "25")]); // VAT 1501.25 → 1501
        let first = credit(&invoice, &[], &part(1, 2402)).unwrap();
        assert_eq!(first.draft.vat_minor, -601); // 600.5, half away from zero
        let last = credit(&invoice, &[&first], &CreditScope::Whole).unwrap();
        assert_eq!(first.draft.vat_minor + last.draft.vat_minor, -invoice.draft.vat_minor);
        assert_eq!(credit(&invoice, &[&first], &part(1, 9999)).unwrap_err().code, "too_much");
        assert_eq!(credit(&invoice, &[], &part(7, 1)).unwrap_err().code, "unknown_line");
    }

    proptest! {
        /// Credit notes together never exceed the invoice and together reach it exactly.
        #[test]
        fn notes_together_reach_the_invoice_exactly(
            lines in proptest::collection::vec((1_i64..100_000, proptest::sample::select(&["25", "12", "0"][..])), 1..5),
            parts in proptest::collection::vec((0_usize..5, 1_i64..60_000), 0..8),
        ) {
            let invoice = booked(&lines);
            let mut notes: Vec<Invoice> = Vec::new();
            for (at, amount) in parts {
                let number = u32::try_from(at % lines.len()).unwrap() + 1;
                let earlier: Vec<&Invoice> = notes.iter().collect();
                if let Ok(note) = credit(&invoice, &earlier, &part(number, amount)) {
                    notes.push(note);
                }
            }
            let earlier: Vec<&Invoice> = notes.iter().collect();
            if let Ok(note) = credit(&invoice, &earlier, &CreditScope::Whole) {
                notes.push(note);
            }
            let sum = |of: fn(&Draft) -> i64| notes.iter().map(|n| of(&n.draft)).sum::<i64>();
            prop_assert_eq!(sum(|d| d.net_minor), -invoice.draft.net_minor);
            prop_assert_eq!(sum(|d| d.vat_minor), -invoice.draft.vat_minor);
        }
    }
}
