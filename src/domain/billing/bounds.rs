//! Safety bounds (rules I9): an invoice is held against what the same charges billed for the period before, whatever
//! runs there were in between. A payer beyond a bound is for a person to look at, and no error.

use super::{BilledLine, PayerBook};
use crate::exact::Exact;
use crate::ids::{ChargeReference, InvoiceId};
use crate::invoice::{Draft, LineKind};
use crate::money::Total;
use crate::period::Period;
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet};

/// What the operator has set; 0 = no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Invoices of one payer in one run.
    pub invoices_per_payer: u32,
    /// By how much an invoice may grow against the period before, in percent.
    pub amount_growth_pct: u32,
}

/// Why a payer is beyond a bound, if it is. `drafts` and `lines` are what billing gave.
pub fn beyond(book: &PayerBook, drafts: &[Draft], lines: &[BilledLine], bounds: Bounds) -> Option<String> {
    let most = usize::try_from(bounds.invoices_per_payer).unwrap_or(usize::MAX);
    if most > 0 && drafts.len() > most {
        let count = drafts.len();
        return Some(format!("{count} invoices at once, more than bounds.invoices_per_payer = {most}"));
    }
    if bounds.amount_growth_pct == 0 {
        return None;
    }
    let history = History::of(book, lines);
    drafts.iter().find_map(|draft| {
        let own: Vec<&BilledLine> = lines.iter().filter(|l| l.invoice == Some(draft.id)).collect();
        let (now, before) = history.compare(&own, draft.id);
        let grown = now.minus(before).times(Exact::int(100));
        let allowed = before.times(Exact::int(i128::from(bounds.amount_growth_pct)));
        if before <= Exact::int(0) || grown <= allowed {
            return None;
        }
        let money = |minor: Exact| Total::new(minor.round_half_away(0).into(), draft.currency).grouped();
        Some(format!(
            "an invoice of {date}: {now} {currency} net, against {before} for the period before, is beyond \
             bounds.amount_growth_pct = {pct}",
            date = draft.invoice_date,
            now = money(now),
            currency = draft.currency,
            before = money(before),
            pct = bounds.amount_growth_pct
        ))
    })
}

/// Everything that was billed of each charge, in this run too.
struct History<'a>(BTreeMap<ChargeReference, Vec<&'a BilledLine>>);

impl<'a> History<'a> {
    fn of(book: &'a PayerBook, lines: &'a [BilledLine]) -> Self {
        let mut all: BTreeMap<ChargeReference, Vec<&BilledLine>> = BTreeMap::new();
        for line in book.billed.values().flatten().chain(lines) {
            all.entry(line.key.charge).or_default().push(line);
        }
        Self(all)
    }

    /// What the invoice of these lines bills for charges that were billed before, and what those billed then. A period
    /// before that was a stub counts as if it had been as long: the first whole month is no growth.
    fn compare(&self, own: &[&BilledLine], invoice: InvoiceId) -> (Exact, Exact) {
        let (mut now, mut before) = (Exact::int(0), Exact::int(0));
        let charges: BTreeSet<ChargeReference> = own.iter().map(|l| l.key.charge).collect();
        for charge in charges {
            let lines: Vec<&BilledLine> = own.iter().copied().filter(|l| l.key.charge == charge).collect();
            let Some(earlier) = self.period_before(charge, &lines, invoice) else { continue };
            let (days, days_before) = (span(&lines).days(), span(&earlier).days());
            // A month is no stub of the next one.
            let was_stub = days * 4 > days_before * 5;
            let longer = Exact::ratio(i128::from(days.max(1)), i128::from(days_before.max(1)));
            now = now.plus(net(&lines));
            before = before.plus(net(&earlier).times(if was_stub { longer } else { Exact::int(1) }));
        }
        (now, before)
    }

    /// All that was billed of the period before the one that these lines bill; of lines that only amend, what was billed
    /// of the period that they amend.
    fn period_before(
        &self,
        charge: ChargeReference,
        lines: &[&BilledLine],
        invoice: InvoiceId,
    ) -> Option<Vec<&'a BilledLine>> {
        let regular = |l: &BilledLine| l.key.kind == LineKind::Regular;
        let start = lines.iter().filter(|l| regular(l)).map(|l| l.key.period_start).min();
        let latest = lines.iter().map(|l| l.key.period_start).max()?;
        let is_before = |day: NaiveDate| start.map_or(day <= latest, |start| day < start);
        let others = self.0.get(&charge)?.iter().copied().filter(|l| l.invoice != Some(invoice));
        let others: Vec<&BilledLine> = others.filter(|l| is_before(l.key.period_start)).collect();
        let period = others.iter().filter(|l| regular(l)).map(|l| l.key.period_start).max()?;
        Some(others.into_iter().filter(|l| l.key.period_start == period).collect())
    }
}

fn net(lines: &[&BilledLine]) -> Exact {
    lines.iter().fold(Exact::int(0), |sum, l| sum.plus(Exact::int(i128::from(l.net_minor))))
}

/// From the first day to the last of the regular lines, else of all.
fn span(lines: &[&BilledLine]) -> Period {
    let regular: Vec<Period> =
        lines.iter().filter(|l| l.key.kind == LineKind::Regular).map(|l| l.period).collect();
    let periods = if regular.is_empty() { lines.iter().map(|l| l.period).collect() } else { regular };
    let start = periods.iter().map(|p| p.start).min().unwrap_or_default();
    Period::new(start, periods.iter().map(|p| p.end).max().unwrap_or(start))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{book, day};
    use super::super::{Billed, PayerBook, RunContext, bill, due};
    use super::{Bounds, beyond};
    use crate::exact::Exact;
    use crate::ids::Place;
    use crate::measure::{GroupMeasure, Measure, Measured, MeasuredWindow};
    use serde_json::json;

    /// A payer with a fee of 100.00 and calls of 1.00, billed as of each day with so many calls in each month.
    fn billed(calls: &[(&str, i128)]) -> (PayerBook, Billed) {
        let mut payer = book(&json!([
            {"sku": "FEE", "fullname": "Fee", "chargetype": "recurring", "pricingmodel": "flat", "billingperiod": "monthly",
             "billingperiodalignment": "subscription_start", "taxable": false, "pricings": [{"currencycode": "DKK", "price": "100"}]},
            {"sku": "API", "fullname": "Calls", "chargetype": "usage", "meter": "calls", "usagedatacalculationtype": "sum",
             "pricingmodel": "per_unit", "billingperiod": "monthly", "billingperiodalignment": "period_end", "taxable": false,
             "pricings": [{"currencycode": "DKK", "price": "1"}]}]));
        let last = calls.len() - 1;
        for (at, (as_of, quantity)) in calls.iter().enumerate() {
            let as_of = day(as_of);
            let mut measured = Measured::new();
            for window in due(&payer, as_of).windows {
                let measure = Measure { quantity: Exact::int(*quantity), events: 1, each: Vec::new() };
                let stretches = vec![measure; window.stretches.len()];
                let groups = vec![GroupMeasure { group: None, stretches }];
                measured.insert(window.key, MeasuredWindow { groups, newest_import: 1 });
            }
            let ordinal = u64::try_from(at).unwrap() + 1;
            let made = bill(
                &payer,
                &measured,
                RunContext { ordinal, place: Place::of(0), as_of, usage_mark: 1, catch_up_max: 36 },
            );
            if at == last {
                return (payer, made);
            }
            for line in made.lines {
                payer.billed.entry(line.key.charge).or_default().push(line);
            }
        }
        panic!("no day was given")
    }

    fn reason(calls: &[(&str, i128)], pct: u32) -> Option<String> {
        let (payer, made) = billed(calls);
        beyond(&payer, &made.drafts, &made.lines, Bounds { amount_growth_pct: pct, ..Bounds::default() })
    }

    #[test]
    fn an_invoice_is_held_against_the_period_before_however_many_runs_lie_between() {
        let usual = [("2026-01-01", 0), ("2026-02-01", 100), ("2026-02-10", 0)];
        let months = |calls| [&usual[..], &[("2026-03-01", calls)]].concat();
        assert_eq!(reason(&months(110), 50), None);
        assert_eq!(reason(&months(300), 100), None, "400 is no more than twice 200");
        let told = reason(&months(301), 100).unwrap();
        assert!(told.contains("401.00 DKK") && told.contains("200.00"), "{told}");
        assert_eq!(reason(&months(301), 0), None, "no bound is set");
    }

    #[test]
    fn months_that_are_caught_up_are_held_against_each_other() {
        assert_eq!(reason(&[("2026-03-01", 100)], 100), None);
        assert!(reason(&[("2026-01-01", 0), ("2026-02-01", 10), ("2026-03-01", 500)], 100).is_some());
    }

    #[test]
    fn too_many_invoices_at_once_are_beyond_a_bound_of_their_own() {
        let (payer, made) = billed(&[("2026-03-01", 1)]);
        let bounds = |n| Bounds { invoices_per_payer: n, ..Bounds::default() };
        assert_eq!(beyond(&payer, &made.drafts, &made.lines, bounds(3)), None);
        let told = beyond(&payer, &made.drafts, &made.lines, bounds(2)).unwrap();
        assert!(told.starts_with("3 invoices"), "{told}");
    }
}
