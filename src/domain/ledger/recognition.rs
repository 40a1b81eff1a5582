//! Deferred revenue that is earned, month by month (rules L1).

use super::posting::{Builder, PostingFault, line_posting, revenue_account};
use super::{Chart, Entry, EntryKind, Posting, Role};
use crate::catalogue::{BusinessUnit, Catalogue};
use crate::exact::Exact;
use crate::ids::LineId;
use crate::invoice::Invoice;
use crate::period::Period;
use chrono::{Datelike, NaiveDate};
use std::collections::BTreeSet;

/// The chart's accounts of deferred revenue by code: the role's, and what business units have in its place.
pub fn deferred_codes<'a>(
    chart: &Chart,
    units: impl IntoIterator<Item = &'a BusinessUnit>,
) -> BTreeSet<String> {
    let base = chart.code(Role::DeferredRevenue);
    let mapped = units.into_iter().filter_map(|unit| unit.accounts.get(&base).cloned());
    std::iter::once(base.clone()).chain(mapped).collect()
}

/// What a document has earned in the month that ends before `until`: per deferred line
/// round(net × days elapsed ÷ days of its period) − what is in revenue so far (half away from zero, once per line and month).
/// `posted` is what stands of the document in the ledger; a line that was booked late catches up. The entry is dated the
/// month's last day; none if nothing was earned. Lines of a credit note are below zero and have the credited period.
pub fn recognition_entry(
    invoice: &Invoice,
    catalogue: &Catalogue,
    open_from: Option<NaiveDate>,
    until: NaiveDate,
    posted: &[Entry],
) -> Result<Option<Entry>, PostingFault> {
    let codes = deferred_codes(&catalogue.tenant.accounts, catalogue.business_units.values());
    let on = until.pred_opt().unwrap_or(until);
    // A month that was earned, or one before it, has nothing left.
    if posted.iter().any(|entry| entry.kind == EntryKind::Recognition && entry.document_date >= on) {
        return Ok(None);
    }
    // Of each month once: a second try makes the same entry.
    let ordinal = on.year().unsigned_abs() * 12 + on.month();
    let mut entry = Builder::new(invoice, EntryKind::Recognition, ordinal, on, open_from);
    for line in invoice.draft.lines.iter().filter(|line| line.deferred) {
        let Some(standing) = LineBalance::of(line.id, posted, &codes) else { continue };
        let earned = |minor, so_far: i64| earned_minor(line.period, minor, until) - so_far;
        let earned_base = earned(standing.base_minor, standing.earned_base_minor);
        let earned = earned(standing.net_minor, standing.earned_minor);
        let revenue = revenue_account(catalogue, line, invoice.country());
        let to_revenue = line_posting(catalogue, line, revenue);
        let from_deferred = Posting { account: standing.account, ..to_revenue.clone() };
        let before = entry.entry.postings.len();
        entry.debit(from_deferred, i128::from(earned));
        entry.credit(to_revenue, i128::from(earned));
        if invoice.base.is_some()
            && let [from, to] = &mut entry.entry.postings[before..]
        {
            (from.base_minor, to.base_minor) = (Some(earned_base), Some(-earned_base));
        }
    }
    if entry.entry.postings.is_empty() { Ok(None) } else { entry.finish().map(Some) }
}

/// How a line stands in the ledger: credit less debit.
struct LineBalance {
    /// Where it was deferred.
    account: String,
    net_minor: i64,
    base_minor: i64,
    earned_minor: i64,
    earned_base_minor: i64,
}

impl LineBalance {
    /// None if nothing of the line was deferred.
    fn of(line: LineId, posted: &[Entry], codes: &BTreeSet<String>) -> Option<Self> {
        let mut standing = Self {
            account: String::new(),
            net_minor: 0,
            base_minor: 0,
            earned_minor: 0,
            earned_base_minor: 0,
        };
        for entry in posted {
            let is_booking = matches!(entry.kind, EntryKind::Booking | EntryKind::CreditNote);
            for row in entry.postings.iter().filter(|row| row.line == Some(line)) {
                let (minor, base) = (row.credit_minor - row.debit_minor, -row.base_minor.unwrap_or(0));
                let is_deferred = codes.contains(&row.account);
                if is_booking {
                    standing.net_minor += minor;
                    standing.base_minor += base;
                    if is_deferred {
                        standing.account.clone_from(&row.account);
                    }
                }
                if !is_deferred {
                    standing.earned_minor += minor;
                    standing.earned_base_minor += base;
                }
            }
        }
        (!standing.account.is_empty()).then_some(standing)
    }
}

/// How much of an amount that is earned over a period is earned by the start of `until`, minor units.
pub fn earned_minor(period: Period, minor: i64, until: NaiveDate) -> i64 {
    let days = i128::from(period.days());
    let elapsed = i128::from((until - period.start).num_days()).clamp(0, days.max(0));
    if days <= 0 || elapsed == days {
        return if until > period.start { minor } else { 0 };
    }
    Exact::int(i128::from(minor)).times(Exact::ratio(elapsed, days)).round_half_away(0)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{catalogue, day, invoice, line};
    use super::super::{Calendar, Chart, book_entry};
    use super::*;
    use crate::invoice::{BaseAmounts, Line};
    use rust_decimal::Decimal;

    /// A quarter in advance: 90 days.
    fn quarter(net_minor: i64) -> Line {
        let mut quarter = line(1, "PRO", net_minor, None);
        quarter.deferred = true;
        quarter.period = Period::new(day(1, 1), day(4, 1));
        quarter
    }

    fn deferring() -> Catalogue {
        catalogue(Chart { defer: true, ..Chart::default() })
    }

    /// (account, credit less debit) of every row.
    fn rows(entry: &Entry) -> Vec<(&str, i64)> {
        entry.postings.iter().map(|p| (p.account.as_str(), p.credit_minor - p.debit_minor)).collect()
    }

    /// Earns up to each of these days; (dated, earned).
    fn earn(document: &Invoice, posted: &mut Vec<Entry>, days: &[NaiveDate]) -> Vec<(NaiveDate, i64)> {
        let mut earned = Vec::new();
        for until in days {
            let entry = recognition_entry(document, &deferring(), None, *until, posted).unwrap();
            let Some(entry) = entry else { continue };
            let to_revenue = entry.postings.iter().filter(|p| p.account == "4000");
            earned.push((entry.document_date, to_revenue.map(|p| p.credit_minor - p.debit_minor).sum()));
            assert!(entry.is_balanced() && entry.postings.iter().all(|p| p.tax.is_none()));
            posted.push(entry);
        }
        earned
    }

    #[test]
    fn deferred_revenue_is_earned_by_the_day_and_ends_at_the_net() {
        let document = invoice("INV-0000001", vec![quarter(10_000), line(2, "API", 500, None)]);
        let booked = book_entry(&document, &deferring(), Calendar::default()).unwrap();
        assert_eq!(rows(&booked)[2..], [("2100", 10_000), ("4000", 500)]);
        let mut posted = vec![booked.clone()];
        let ends = [day(2, 1), day(3, 1), day(4, 1), day(5, 1)];
        // 31, 59 and 90 of 90 days of 100.00; then nothing is left.
        let months = [(day(1, 31), 3_444), (day(2, 28), 3_112), (day(3, 31), 3_444)];
        assert_eq!(earn(&document, &mut posted, &ends), months);
        assert_eq!(earn(&document, &mut posted, &ends), []);
        // Booked late, it catches up.
        assert_eq!(earn(&document, &mut vec![booked], &[day(3, 1)]), [(day(2, 28), 6_556)]);
        // What was revenue at once has nothing to earn.
        let at_once = book_entry(&document, &catalogue(Chart::default()), Calendar::default()).unwrap();
        assert_eq!(earn(&document, &mut vec![at_once], &ends), []);
    }

    #[test]
    fn a_credit_note_takes_back_what_is_earned_and_what_is_not() {
        let mut note = quarter(-10_000);
        note.vat_minor = -2_500;
        let document = invoice("CN-0000001", vec![note]);
        let calendar = Calendar { open_from: None, recognized_until: Some(day(3, 1)) };
        let booked = book_entry(&document, &deferring(), calendar).unwrap();
        assert_eq!(rows(&booked)[2..], [("4000", -6_556), ("2100", -3_444)]);
        let taxed: i64 = booked.postings[2..].iter().filter_map(|p| p.tax).map(|t| t.base_minor).sum();
        assert_eq!(taxed, -10_000);
        let mut posted = vec![booked];
        assert_eq!(earn(&document, &mut posted, &[day(3, 1), day(4, 1)]), [(day(3, 31), -3_444)]);
    }

    #[test]
    fn the_base_currency_is_earned_to_its_own_end() {
        let mut document = invoice("INV-0000001", vec![quarter(10_000)]);
        document.draft.currency = "EUR".parse().unwrap();
        document.base = Some(BaseAmounts {
            currency: "DKK".parse().unwrap(),
            rate: Decimal::new(74_690, 4),
            rate_date: day(1, 30),
            rate_source: "ECB".into(),
            net_minor: 74_690,
            vat_minor: 18_673,
        });
        let mut posted = vec![book_entry(&document, &deferring(), Calendar::default()).unwrap()];
        earn(&document, &mut posted, &[day(2, 1), day(3, 1), day(4, 1)]);
        let on = |account: &str| -> i64 {
            let rows = posted.iter().flat_map(|entry| &entry.postings).filter(|p| p.account == account);
            rows.map(|p| p.base_minor.unwrap()).sum()
        };
        assert_eq!((on("2100"), on("4000")), (0, -74_690));
    }
}
