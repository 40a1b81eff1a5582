//! Credit notes of booked invoices, whole or by line (rules I7, M3, M5).

use super::balance::{Credited, spread};
use super::drafting::series_of;
use crate::catalogue::{Catalogue, TaxCategory};
use crate::exact::Exact;
use crate::ids::{self, InvoiceId, LineId, Place};
use crate::invoice::{Credit, Draft, Invoice, Line, VatGroup};
use crate::money::{Currency, Money};
use crate::refusal::{Code, Refusal};
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
    /// To be credited in minor units, with the sign of the line: net, or gross where its price includes VAT. None =
    /// all that is left of it.
    pub amount_minor: Option<i64>,
}

/// What stands against an invoice already.
#[derive(Debug, Clone, Copy)]
pub struct EarlierCredits<'a> {
    /// Of all lines of its payer.
    pub credited: &'a Credited,
    /// Credit notes that people wrote on it: tells the ids of one from those of the next.
    pub notes: usize,
}

/// Draft of a credit note on `invoice`, dated `on`. Whatever was credited of a line before counts: together it is never
/// more than the line, and the note that brings a VAT group's net to zero takes all VAT that is left of it (rules
/// M3). Lines keep their number, key, period, category and rate (rules M5). `run_ordinal` is the newest run's.
///
/// # Errors
/// If there is no such line, nothing is left, or more is asked for than is left.
pub fn credit_note(
    invoice: &Invoice,
    standing: EarlierCredits<'_>,
    scope: &CreditScope,
    on: NaiveDate,
    run_ordinal: u64,
    catalogue: &Catalogue,
) -> Result<Draft, Refusal> {
    if invoice.draft.is_credit_note {
        let message = format!("{} is a credit note", invoice.number);
        return Err(Refusal::new(Code::Conflict, message).hint("credit the invoice that it amends"));
    }
    let left = Uncredited::of(invoice, standing.credited);
    let wanted = wanted(invoice, &left, scope)?;
    let mut lines: Vec<Line> = Vec::with_capacity(wanted.len());
    for (line, amount_minor) in wanted {
        let natural = format!("{}\u{1f}{}\u{1f}{}", line.id, standing.notes, line.number);
        let id = LineId(ids::run_made(run_ordinal, Place::OUTSIDE_RUN, "credit_line", &natural));
        lines.push(opposite(line, id, amount_minor, invoice));
    }
    let vat_groups = vat(&mut lines, &left, invoice.draft.currency);
    let net_minor = lines.iter().map(|line| line.subtotal_minor).sum();
    let vat_minor = lines.iter().map(|line| line.vat_minor).sum();
    check_gross(invoice, &left, net_minor + vat_minor)?;
    let original = &invoice.draft;
    let (series, number_pattern) = series_of(catalogue, original.business_unit.as_deref(), true, on);
    let natural = format!("{}\u{1f}{}", original.id, standing.notes);
    Ok(Draft {
        id: InvoiceId(ids::run_made(run_ordinal, Place::OUTSIDE_RUN, "credit_note", &natural)),
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

/// rules M3: where an invoice has lines below zero too, its notes neither raise what is owed nor exceed it.
fn check_gross(invoice: &Invoice, left: &Uncredited, gross_minor: i64) -> Result<(), Refusal> {
    let left_minor: i64 = left.groups.iter().map(|(key, rest)| rest.gross_minor(key.2)).sum();
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
    Err(Refusal::new(Code::TooMuch, message)
        .hint("lines below and above zero belong together: credit them together, or leave out `lines`"))
}

/// VAT is counted apart for lines whose price includes it (rules M4).
type GroupKey = (TaxCategory, Decimal, bool);

fn group_of(line: &Line) -> GroupKey {
    (line.tax_category, line.tax_pct.normalize(), line.tax_inclusive)
}

/// What is left of a line or of a group, minor units.
#[derive(Debug, Clone, Copy, Default)]
struct Remainder {
    /// As [`Line::priced_minor`].
    amount_minor: i64,
    vat_minor: i64,
}

impl Remainder {
    fn gross_minor(self, tax_inclusive: bool) -> i64 {
        if tax_inclusive { self.amount_minor } else { self.amount_minor + self.vat_minor }
    }
}

/// What earlier credits have left of an invoice.
struct Uncredited {
    /// By line number.
    lines: BTreeMap<u32, Remainder>,
    groups: BTreeMap<GroupKey, Remainder>,
}

impl Uncredited {
    fn of(invoice: &Invoice, credited: &Credited) -> Self {
        let mut left = Self { lines: BTreeMap::new(), groups: BTreeMap::new() };
        for line in &invoice.draft.lines {
            let rest = Remainder {
                amount_minor: line.priced_minor() - credited.amount_of(line.id),
                vat_minor: line.vat_minor - credited.vat_of(line.id),
            };
            left.lines.insert(line.number, rest);
            let of_group = left.groups.entry(group_of(line)).or_default();
            of_group.amount_minor += rest.amount_minor;
            of_group.vat_minor += rest.vat_minor;
        }
        left
    }

    fn of_line(&self, number: u32) -> Remainder {
        self.lines.get(&number).copied().unwrap_or_default()
    }
}

/// Lines with the amount that is credited of each.
fn wanted<'i>(
    invoice: &'i Invoice,
    left: &Uncredited,
    scope: &CreditScope,
) -> Result<Vec<(&'i Line, i64)>, Refusal> {
    let nothing_left = || {
        let message = format!("nothing is left of {} to be credited", invoice.number);
        Refusal::new(Code::NothingLeft, message)
    };
    let lines = &invoice.draft.lines;
    let CreditScope::Lines(asked) = scope else {
        let rest = lines.iter().map(|line| (line, left.of_line(line.number).amount_minor));
        let rest: Vec<_> = rest.filter(|(_, amount_minor)| *amount_minor != 0).collect();
        return if rest.is_empty() { Err(nothing_left()) } else { Ok(rest) };
    };
    let mut wanted: Vec<(&Line, i64)> = Vec::with_capacity(asked.len());
    for credit in asked {
        let line = lines.iter().find(|line| line.number == credit.number).ok_or_else(|| {
            let message = format!("{} has no line {}", invoice.number, credit.number);
            Refusal::new(Code::UnknownLine, message).hint(format!("it has the lines 1 to {}", lines.len()))
        })?;
        if wanted.iter().any(|(other, _)| other.number == line.number) {
            return Err(Refusal::new(Code::BadArgument, format!("line {} is named twice", line.number)));
        }
        wanted.push((line, amount_of(line, *credit, left, invoice.draft.currency)?));
    }
    if wanted.is_empty() { Err(nothing_left()) } else { Ok(wanted) }
}

fn amount_of(line: &Line, credit: CreditLine, left: &Uncredited, currency: Currency) -> Result<i64, Refusal> {
    let rest = left.of_line(line.number).amount_minor;
    let Some(asked) = credit.amount_minor else {
        let message = || format!("nothing is left of line {} to be credited", line.number);
        return if rest == 0 { Err(Refusal::new(Code::NothingLeft, message())) } else { Ok(rest) };
    };
    if asked == 0 {
        return Err(Refusal::new(
            Code::BadArgument,
            format!("an amount of line {} is credited", line.number),
        ));
    }
    if asked.signum() == rest.signum() && asked.abs() <= rest.abs() {
        return Ok(asked);
    }
    let (asked, left) = (Money::new(asked, currency), Money::new(rest, currency));
    let message = format!("{asked} cannot be credited of line {}: {left} is left of it", line.number);
    Err(Refusal::new(Code::TooMuch, message).hint(match rest {
        0 => "leave the line out".to_owned(),
        _ => format!("give {} at most, or leave out the amount to credit what is left", left.decimal()),
    }))
}

/// The line with the opposite sign; all of it mirrors quantity and discount, a part is 1 × its amount.
fn opposite(line: &Line, id: LineId, amount_minor: i64, invoice: &Invoice) -> Line {
    let is_whole = amount_minor == line.priced_minor();
    let currency = invoice.draft.currency;
    let shown = if is_whole {
        (line.quantity, -line.unit_price, -line.discount_minor)
    } else {
        (Decimal::ONE, Money::new(-amount_minor, currency).decimal(), 0)
    };
    Line {
        id,
        quantity: shown.0,
        unit_price: shown.1,
        discount_minor: shown.2,
        discount: if is_whole { line.discount } else { Decimal::ZERO },
        subtotal_minor: -amount_minor,
        vat_minor: 0,
        amends: Some(invoice.number.clone()),
        exact: Exact::of_minor(-amount_minor, currency),
        credits: vec![Credit { line: line.id, amount_minor, vat_minor: 0 }],
        ..line.clone()
    }
}

/// VAT of the credited lines by group. Lines come in with the amount of their price and leave with their net.
fn vat(lines: &mut [Line], left: &Uncredited, currency: Currency) -> Vec<VatGroup> {
    let mut members: BTreeMap<GroupKey, Vec<usize>> = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        members.entry(group_of(line)).or_default().push(at);
    }
    let mut groups: BTreeMap<(TaxCategory, Decimal), VatGroup> = BTreeMap::new();
    for (key, members) in members {
        let (category, rate_pct, tax_inclusive) = key;
        for (at, vat_minor) in members.iter().zip(vat_of_lines(lines, &members, key, left, currency)) {
            let line = &mut lines[*at];
            line.vat_minor = vat_minor;
            if tax_inclusive {
                line.subtotal_minor -= vat_minor;
            }
            line.credits.iter_mut().for_each(|credit| credit.vat_minor = -vat_minor);
        }
        let reason = members.first().and_then(|at| lines[*at].tax_reason.clone());
        let none = VatGroup { category, rate_pct, reason, net_minor: 0, vat_minor: 0 };
        let group = groups.entry((category, rate_pct)).or_insert(none);
        group.net_minor += members.iter().map(|at| lines[*at].subtotal_minor).sum::<i64>();
        group.vat_minor += members.iter().map(|at| lines[*at].vat_minor).sum::<i64>();
    }
    groups.into_values().collect()
}

/// VAT of each line of a group: at most what is left of the group, and all of it with its last net (rules M3).
fn vat_of_lines(
    lines: &[Line],
    members: &[usize],
    key: GroupKey,
    left: &Uncredited,
    currency: Currency,
) -> Vec<i64> {
    let rest = left.groups.get(&key).copied().unwrap_or_default();
    let amounts: Vec<i64> = members.iter().map(|at| lines[*at].subtotal_minor).collect();
    let amount_minor: i64 = amounts.iter().sum();
    if rest.amount_minor + amount_minor != 0 {
        return spread(vat_within(amount_minor, key, rest, currency), &amounts);
    }
    let own: Vec<i64> = members.iter().map(|at| -left.of_line(lines[*at].number).vat_minor).collect();
    let is_whole =
        members.iter().zip(&amounts).all(|(at, a)| left.of_line(lines[*at].number).amount_minor + a == 0);
    if is_whole && own.iter().sum::<i64>() == -rest.vat_minor {
        return own;
    }
    spread(-rest.vat_minor, &amounts)
}

/// VAT of a part of a group: round(net × rate), or gross − round(gross ÷ (1 + rate)) where prices include it (rules
/// M2, M4), half away from zero, but neither more VAT nor, of a gross amount, more net than is left.
fn vat_within(amount_minor: i64, key: GroupKey, rest: Remainder, currency: Currency) -> i64 {
    let (_, rate_pct, tax_inclusive) = key;
    let rate = Exact::of(rate_pct).times(Exact::ratio(1, 100));
    let amount = Exact::of_minor(amount_minor, currency);
    let vat_minor = if tax_inclusive {
        amount_minor - amount.over(Exact::ONE.plus(rate)).round_half_away(currency.decimals())
    } else {
        amount.times(rate).round_half_away(currency.decimals())
    };
    let bounded = vat_minor.clamp((-rest.vat_minor).min(0), (-rest.vat_minor).max(0));
    let net_left = rest.amount_minor - rest.vat_minor;
    let is_usual = tax_inclusive && amount_minor < 0 && rest.vat_minor >= 0 && net_left >= 0;
    if is_usual { bounded.min(amount_minor + net_left) } else { bounded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::{check, credits_of, sample};
    use proptest::prelude::*;

    fn booked(lines: &[(i64, &str)]) -> Invoice {
        sample::invoice("INV-0000001", lines)
    }

    fn credit(invoice: &Invoice, earlier: &[&Invoice], scope: &CreditScope) -> Result<Invoice, Refusal> {
        let catalogue = sample::catalogue();
        let credited = Credited::of(&credits_of(earlier.iter().flat_map(|note| &note.draft.lines)));
        let standing = EarlierCredits { credited: &credited, notes: earlier.len() };
        let draft = credit_note(invoice, standing, scope, sample::day("2026-03-01"), 1, &catalogue)?;
        check(&draft).unwrap();
        let number = format!("CN-{}", earlier.len() + 1);
        Ok(Invoice { draft, number, ..invoice.clone() })
    }

    fn part(number: u32, amount_minor: i64) -> CreditScope {
        CreditScope::Lines(vec![CreditLine { number, amount_minor: Some(amount_minor) }])
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
        assert_eq!(refused.code, Code::NothingLeft);
    }

    #[test]
    fn the_last_note_takes_the_rest() {
        let invoice = booked(&[(1501 * 4 + 1, "25")]); // VAT 1501.25 → 1501
        let first = credit(&invoice, &[], &part(1, 2402)).unwrap();
        assert_eq!(first.draft.vat_minor, -601); // 600.5, half away from zero
        let last = credit(&invoice, &[&first], &CreditScope::Whole).unwrap();
        assert_eq!(first.draft.vat_minor + last.draft.vat_minor, -invoice.draft.vat_minor);
        assert_eq!(credit(&invoice, &[&first], &part(1, 9999)).unwrap_err().code, Code::TooMuch);
        assert_eq!(credit(&invoice, &[], &part(7, 1)).unwrap_err().code, Code::UnknownLine);
    }

    #[test]
    fn a_line_whose_price_holds_its_vat_is_credited_by_its_price() {
        let mut invoice = booked(&[(999, "25"), (999, "25"), (999, "25")]);
        let lines = &mut invoice.draft.lines;
        lines.iter_mut().for_each(|line| (line.tax_inclusive, line.subtotal_minor) = (true, 999));
        invoice.draft.vat_groups = crate::tax::vat(lines, invoice.draft.currency);
        assert_eq!((lines[0].subtotal_minor, lines[0].vat_minor), (800, 199), "29.97 holds 5.99");
        let alone = credit(&invoice, &[], &part(1, 999)).unwrap();
        assert_eq!((alone.draft.net_minor, alone.draft.vat_minor), (-799, -200));
        let rest = credit(&invoice, &[&alone], &CreditScope::Whole).unwrap();
        assert_eq!((rest.draft.net_minor, rest.draft.vat_minor), (-1599, -399));
        assert_eq!(credit(&invoice, &[&alone], &part(1, 1)).unwrap_err().code, Code::TooMuch);
    }

    #[test]
    fn line_by_line_and_then_whole_leaves_nothing() {
        let invoice = booked(&[(10, "25"), (10, "25")]);
        let second = credit(&invoice, &[], &part(2, 10)).unwrap();
        let first = credit(&invoice, &[&second], &part(1, 10)).unwrap();
        assert_eq!(first.draft.vat_minor + second.draft.vat_minor, -invoice.draft.vat_groups[0].vat_minor);
        let refused = credit(&invoice, &[&second, &first], &CreditScope::Whole).unwrap_err();
        assert_eq!(refused.code, Code::NothingLeft);
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
