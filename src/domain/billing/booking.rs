//! Booking: a checked draft gets its number and becomes an invoice (rules I3, I5, I6).

use super::BilledLine;
use crate::catalogue::{Catalogue, Rate};
use crate::exact::Exact;
use crate::ids::{ChargeReference, InvoiceId};
use crate::invoice::{BaseAmounts, Draft, Invoice, Line, LineKey, LineKind};
use crate::period::plus_days;
use chrono::{Datelike, NaiveDate};
use std::collections::BTreeSet;

/// Why a draft cannot be booked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    #[error("lines add up to {lines} net, the draft says {draft}")]
    Net { lines: i64, draft: i64 },
    #[error("VAT groups add up to {groups}, lines to {lines}, the draft says {draft}")]
    Vat { groups: i64, lines: i64, draft: i64 },
    #[error("the number pattern `{0}` has no {{seq}}")]
    Pattern(String),
}

/// Checks the sums of a draft.
pub fn check(draft: &Draft) -> Result<(), BookError> {
    let lines: i64 = draft.lines.iter().map(|l| l.subtotal_minor).sum();
    if lines != draft.net_minor {
        return Err(BookError::Net { lines, draft: draft.net_minor });
    }
    let lines: i64 = draft.lines.iter().map(|l| l.vat_minor).sum();
    let groups: i64 = draft.vat_groups.iter().map(|g| g.vat_minor).sum();
    if lines != draft.vat_minor || groups != draft.vat_minor {
        return Err(BookError::Vat { groups, lines, draft: draft.vat_minor });
    }
    format_number(&draft.number_pattern, 1, draft.invoice_date).map(drop)
}

/// The order in which drafts are numbered (rules I5).
pub fn rank(draft: &Draft) -> (&str, NaiveDate, &str, Option<&str>, NaiveDate, InvoiceId) {
    (
        &draft.series,
        draft.invoice_date,
        &draft.account_number,
        draft.subscription_number.as_deref(),
        draft.charge_date,
        draft.id,
    )
}

/// A number from its pattern: `INV-{seq:07}` and 42 make `INV-0000042`; `{year}` is the invoice date's.
pub fn format_number(pattern: &str, sequence: u64, date: NaiveDate) -> Result<String, BookError> {
    let missing = || BookError::Pattern(pattern.to_owned());
    let with_year = pattern.replace("{year}", &date.year().to_string());
    let start = with_year.find("{seq").ok_or_else(missing)?;
    let end = start + with_year[start..].find('}').ok_or_else(missing)?;
    let width = with_year[start + 4..end].trim_start_matches(':');
    let width: usize = if width.is_empty() { 0 } else { width.parse().map_err(|_| missing())? };
    Ok(format!("{}{sequence:0width$}{}", &with_year[..start], &with_year[end + 1..]))
}

/// The sequence that a number of a pattern has, and its year if the pattern has one; none if the pattern does not make it.
///
/// ```
/// # use domain::billing::numbered;
/// assert_eq!(numbered("INV-{seq:07}", "INV-0004712"), Some((4712, None)));
/// assert_eq!(numbered("{year}-{seq:04}", "2026-0451"), Some((451, Some(2026))));
/// assert_eq!(numbered("INV-{seq:07}", "INV-4712"), None);
/// ```
pub fn numbered(pattern: &str, number: &str) -> Option<(u64, Option<i32>)> {
    let at = pattern.find("{seq")?;
    let (before, after) = (&pattern[..at], &pattern[at..]);
    let after = &after[after.find('}')? + 1..];
    let mut years = if pattern.contains("{year}") { 1_970..=2_199 } else { 0..=0 };
    // Where the digits of year and sequence touch, the year says where one ends.
    years.find_map(|year| {
        let in_year = |part: &str| part.replace("{year}", &year.to_string());
        let digits = number.strip_prefix(&in_year(before))?.strip_suffix(&in_year(after))?;
        let sequence = digits.parse().ok().filter(|sequence| *sequence > 0)?;
        let made = format_number(pattern, sequence, NaiveDate::from_ymd_opt(year.max(1), 1, 1)?).ok()?;
        (made == number).then_some((sequence, (year > 0).then_some(year)))
    })
}

/// The first number of the series that a document is of: 1 unless the book says where it goes on (rules S7). With a year
/// in the pattern that is said of one year; every other begins at 1.
pub fn first_sequence(catalogue: &Catalogue, draft: &Draft) -> u64 {
    let (tenant, notes) = (&catalogue.tenant, draft.is_credit_note);
    let unit = draft.business_unit.as_ref().and_then(|refkey| catalogue.business_units.get(refkey));
    let own = unit.filter(|unit| draft.series.starts_with(&format!("{}/", unit.refkey)));
    let first = match (own, notes) {
        (Some(unit), false) => &unit.first_invoice_number,
        (Some(unit), true) => &unit.first_credit_note_number,
        (None, false) => &tenant.first_invoice_number,
        (None, true) => &tenant.first_credit_note_number,
    };
    let known = first.as_ref().and_then(|first| numbered(&draft.number_pattern, first));
    let of_its_year = known.filter(|(_, year)| year.is_none_or(|year| year == draft.invoice_date.year()));
    of_its_year.map_or(1, |(sequence, _)| sequence)
}

/// Whether a line of a draft amends another whose invoice had no number yet.
pub fn lacks_amended(draft: &Draft) -> bool {
    draft.lines.iter().any(amends_unnamed)
}

fn amends_unnamed(line: &Line) -> bool {
    let amends = |key: &LineKey| matches!(key.kind, LineKind::ProrationCredit | LineKind::Late);
    line.amends.is_none() && line.key.as_ref().is_some_and(amends)
}

/// Names the invoices that a draft's lines amend where they had no number yet when it was drafted, because both came of
/// one run (rules M5, I8). `billed_of` gives what is billed of a charge, numbers filled in; call it once all drafts
/// of the run have their numbers, before [`book`].
pub fn name_amended<'b>(draft: &mut Draft, billed_of: impl Fn(ChargeReference) -> &'b [BilledLine]) {
    for line in draft.lines.iter_mut().filter(|line| amends_unnamed(line)) {
        let Some(key) = line.key.as_ref() else { continue };
        let original = billed_of(key.charge).iter().find(|billed| {
            billed.key.kind == LineKind::Regular
                && billed.line.is_some()
                && billed.period.contains(line.period.start)
        });
        line.amends = original.and_then(|billed| billed.invoice_number.clone());
    }
    if draft.is_credit_note {
        let numbers: BTreeSet<String> = draft.lines.iter().filter_map(|line| line.amends.clone()).collect();
        draft.credits = numbers.into_iter().collect();
    }
}

/// The last day to pay (rules I3): invoice date + term, and the days by which booking comes after the charge date, so
/// that a late run overruns nobody.
pub(super) fn due_date(draft: &Draft, booked_on: NaiveDate) -> NaiveDate {
    let late_days = (booked_on - draft.charge_date).num_days().max(0);
    plus_days(draft.invoice_date, late_days + i64::from(draft.payment_term))
}

/// Makes the invoice of a draft; `sequence` is the series' next number, `booked_on` the run's as-of.
pub fn book(
    mut draft: Draft,
    sequence: u64,
    booked_on: NaiveDate,
    catalogue: &Catalogue,
) -> Result<Invoice, BookError> {
    check(&draft)?;
    draft.due_date = due_date(&draft, booked_on);
    let number = format_number(&draft.number_pattern, sequence, draft.invoice_date)?;
    let payable_by = draft.due_date;
    let base = base_amounts(&draft, booked_on, catalogue);
    Ok(Invoice { draft, number, sequence, booked_on, payable_by, base, payment_reference: None })
}

/// Whether a draft takes one of the numbers of which payment references are made.
pub fn takes_reference(draft: &Draft, catalogue: &Catalogue) -> bool {
    !draft.is_credit_note && catalogue.reference_rule(draft.business_unit.as_deref()).is_some()
}

/// Gives an invoice its payment reference, made of this number; once the reference's digits are used up, its own number is stated.
pub fn refer(invoice: &mut Invoice, number: u64, catalogue: &Catalogue) {
    let rule = catalogue.reference_rule(invoice.draft.business_unit.as_deref());
    invoice.payment_reference = rule.and_then(|rule| rule.reference(number));
}

/// Amounts in the base currency by the latest rate on or before booking (rules I6); none without a rate.
fn base_amounts(draft: &Draft, booked_on: NaiveDate, catalogue: &Catalogue) -> Option<BaseAmounts> {
    let base = catalogue.tenant.currency;
    if draft.currency == base {
        return None;
    }
    let known = catalogue.rates.iter().filter(|r| r.currency == draft.currency && r.date <= booked_on);
    let rate: &Rate = known.max_by_key(|r| r.date)?;
    let convert = |minor: i64| {
        let major = Exact::of_minor(minor, draft.currency);
        major.times(Exact::of(rate.rate)).round_half_away(base.decimals())
    };
    Some(BaseAmounts {
        currency: base,
        rate: rate.rate,
        rate_date: rate.date,
        rate_source: rate.source.clone(),
        net_minor: convert(draft.net_minor),
        vat_minor: convert(draft.vat_minor),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::sample;

    #[test]
    fn a_late_run_moves_the_due_date_by_the_days_it_is_late() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let mut draft = sample::invoice("INV-1", &[(100, "25")]).draft;
        draft.payment_term = 14;
        // Charge date, invoice date, booked on, due.
        for (charged, dated, booked_on, due) in [
            ("2026-02-01", "2026-02-01", "2026-02-01", "2026-02-15"),
            ("2026-02-01", "2026-02-01", "2026-02-11", "2026-02-25"),
            ("2026-02-01", "2026-01-31", "2026-02-01", "2026-02-14"),
            ("2026-02-01", "2026-01-31", "2026-02-11", "2026-02-24"),
            ("2026-02-01", "2026-02-01", "2026-01-20", "2026-02-15"),
        ] {
            (draft.charge_date, draft.invoice_date) = (day(charged), day(dated));
            let booked = book(draft.clone(), 1, day(booked_on), &sample::catalogue()).unwrap();
            assert_eq!((booked.draft.due_date, booked.payable_by), (day(due), day(due)), "{booked_on}");
        }
    }

    #[test]
    fn numbers_follow_their_pattern() {
        let day = NaiveDate::from_ymd_opt(2026, 3, 31).unwrap();
        for (pattern, sequence, number) in [
            ("INV-{seq:07}", 42, "INV-0000042"),
            ("{year}-{seq}", 7, "2026-7"),
            ("A{seq:02}/{year}", 123, "A123/2026"),
        ] {
            assert_eq!(format_number(pattern, sequence, day).unwrap(), number);
        }
        assert!(format_number("INV", 1, day).is_err());
    }
}
