//! Billing again what was credited (rules I4, S5). Crediting an invoice does not make its periods due again; credited
//! for a rebill, it does: from the day of the credit note on, as the next revision, with the quantity and the price of
//! the days they had and all acts known by then.

use super::{BilledLine, PayerBook};
use crate::ids::ChargeReference;
use crate::invoice::{Invoice, LineKey, LineKind};
use crate::refusal::{Code, Refusal, Verb};
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a line that was billed before and is due again; nothing of most.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reopened {
    /// Day of the newest credit.
    pub on: Option<NaiveDate>,
    /// Charge date of the first billing.
    pub first_date: Option<NaiveDate>,
}

impl Reopened {
    /// The charge date: not before the credit.
    pub fn due(self, date: NaiveDate) -> NaiveDate {
        self.on.map_or(date, |on| on.max(date))
    }
}

impl PayerBook {
    /// Revision under which a period of a charge is billed next.
    pub(super) fn next_revision(&self, charge: ChargeReference, period_start: NaiveDate) -> u32 {
        let lines = self.reopened.get(&charge).into_iter().flatten().map(|reopened| &reopened.line.key);
        lines.filter(|key| key.period_start == period_start).map(|key| key.revision + 1).max().unwrap_or(0)
    }

    /// What was credited of a line, in any revision.
    pub(super) fn reopened_as(&self, key: &LineKey) -> Reopened {
        let lines = self.reopened.get(&key.charge).into_iter().flatten();
        let mut found = Reopened::default();
        let mut first = None;
        for reopened in lines.filter(|reopened| reopened.line.key.is_same_in_any_revision(key)) {
            found.on = found.on.max(Some(reopened.on));
            let revision = reopened.line.key.revision;
            if first.is_none_or(|first| revision < first) {
                (first, found.first_date) = (Some(revision), Some(reopened.line.charge_date));
            }
        }
        found
    }
}

/// The billed lines that stand on an invoice: what becomes due again if it is credited for a rebill. `billed` is what
/// stands of the payer, by charge. Periods that took part without a line of their own come along.
///
/// # Errors
/// If nothing of the invoice comes from a subscription, all of it is due again already, or another invoice bills late
/// usage of one of its periods.
pub fn reopens(
    invoice: &Invoice,
    billed: &BTreeMap<ChargeReference, Vec<BilledLine>>,
) -> Result<Vec<LineKey>, Refusal> {
    let number = &invoice.number;
    let keyed: BTreeSet<ChargeReference> =
        invoice.draft.lines.iter().filter_map(|line| line.key.as_ref()).map(|key| key.charge).collect();
    if keyed.is_empty() {
        let message = format!("{number} was written by a person: no period of a subscription is on it");
        return Err(Refusal::new(Code::NothingToRebill, message)
            .hint("credit it without a rebill, and write the new one with ")
            .ask(Verb::CreateInvoice.on("FILE")));
    }
    let on_invoice: BTreeSet<_> = invoice.draft.lines.iter().map(|line| line.id).collect();
    let mut keys = Vec::new();
    let mut others = BTreeSet::new();
    for lines in keyed.iter().filter_map(|charge| billed.get(charge)) {
        let is_own = |line: &&BilledLine| line.line.is_some_and(|id| on_invoice.contains(&id));
        let periods: BTreeSet<(NaiveDate, u32)> = lines
            .iter()
            .filter(is_own)
            .filter(|line| matches!(line.key.kind, LineKind::Regular | LineKind::TrueUp))
            .map(|line| (line.key.period_start, line.key.revision))
            .collect();
        for line in lines {
            let in_period = periods.contains(&(line.key.period_start, line.key.revision));
            let is_silent_part = in_period && line.line.is_none() && line.key.kind == LineKind::Regular;
            if is_own(&line) || is_silent_part {
                keys.push(line.key.clone());
            } else if line.key.kind == LineKind::Late
                && line.line.is_some()
                && periods.iter().any(|(start, _)| *start == line.key.period_start)
            {
                others.insert(line.invoice_number.clone().unwrap_or_else(|| "a draft".to_owned()));
            }
        }
    }
    if let Some(other) = others.first() {
        let message = format!("{other} bills late usage of a period that {number} has billed");
        return Err(Refusal::new(Code::LateUsageStands, message)
            .hint(format!("credit {other} for a rebill first: "))
            .ask(Verb::CreditInvoice.on(other).switch("rebill")));
    }
    if keys.is_empty() {
        let message = format!("what {number} billed is due again already");
        return Err(Refusal::new(Code::NothingToRebill, message).hint("the next run bills it"));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::sample::{self, day};
    use crate::billing::{ReopenedLine, RunContext, bill};
    use crate::ids::Place;
    use crate::measure::Measured;
    use crate::subscription::Verb;
    use crate::subscription::sample::act;
    use serde_json::{Value, json};

    fn charge(sku: &str, price: &str, alignment: &str) -> Value {
        json!({"sku": sku, "fullname": sku, "chargetype": "recurring", "pricingmodel": "per_unit", "taxable": true,
               "billingperiod": "monthly", "billingperiodalignment": alignment, "defaultamount": "1",
               "pricings": [{"currencycode": "DKK", "price": price}]})
    }

    fn book() -> PayerBook {
        sample::book(&json!([charge("BASE", "310", "subscription_start"), charge("SEAT", "31", "period_end"),
            {"sku": "SETUP", "fullname": "Setup", "chargetype": "one_time", "pricingmodel": "flat", "taxable": true,
             "defaultamount": "1", "pricings": [{"currencycode": "DKK", "price": "500"}]}]))
    }

    /// Bills as of a day and keeps what was billed; (SKU, first day, net, charge date, revision) of every line.
    fn billed(book: &mut PayerBook, ordinal: u64, as_of: &str) -> Vec<(String, String, i64, String, u32)> {
        let run =
            RunContext { ordinal, place: Place::of(0), as_of: day(as_of), usage_mark: 0, catch_up_max: 36 };
        let made = bill(book, &Measured::new(), run);
        assert_eq!(made.parked, None);
        for line in made.lines {
            book.billed.entry(line.key.charge).or_default().push(line);
        }
        let lines = made.drafts.iter().flat_map(|d| d.lines.iter().map(move |line| (d.charge_date, line)));
        let mut lines: Vec<_> = lines
            .map(|(date, line)| {
                let key = line.key.as_ref().unwrap();
                let start = line.period.start.to_string();
                (line.sku.clone(), start, line.subtotal_minor, date.to_string(), key.revision)
            })
            .collect();
        lines.sort();
        lines
    }

    fn reopen_all(book: &mut PayerBook, on: &str) {
        for (charge, lines) in std::mem::take(&mut book.billed) {
            let lines = lines.into_iter().map(|line| ReopenedLine { line, on: day(on) });
            book.reopened.entry(charge).or_default().extend(lines);
        }
    }

    fn without_date_and_revision(lines: &[(String, String, i64, String, u32)]) -> Vec<(String, String, i64)> {
        lines.iter().map(|(sku, start, net, ..)| (sku.clone(), start.clone(), *net)).collect()
    }

    #[test]
    fn what_is_reopened_is_billed_once_more_from_that_day_on() {
        let mut book = book();
        let first = billed(&mut book, 1, "2026-02-15");
        assert_eq!(first.len(), 4, "{first:?}"); // two months in advance, one in arrears, the set-up
        reopen_all(&mut book, "2026-02-20");
        assert_eq!(billed(&mut book, 2, "2026-02-19"), [], "not before the credit");
        let second = billed(&mut book, 3, "2026-02-25");
        assert_eq!(without_date_and_revision(&second), without_date_and_revision(&first));
        assert!(second.iter().all(|(.., date, revision)| date == "2026-02-20" && *revision == 1));
        assert_eq!(billed(&mut book, 4, "2026-02-28"), [], "and not a third time");
        reopen_all(&mut book, "2026-03-05");
        let third = billed(&mut book, 5, "2026-03-05");
        assert_eq!(third.iter().filter(|(.., revision)| *revision == 2).count(), 4, "{third:?}");
        assert_eq!(third.len(), 6, "March in advance and February in arrears are new: {third:?}");
    }

    #[test]
    fn changes_within_a_reopened_period_are_billed_once_more_too() {
        let mut book = book();
        let subscription = book.subscriptions.values_mut().next().unwrap();
        let first = subscription.charges.iter().find(|c| c.charge == "BASE").unwrap().reference;
        let two = Verb::SetAmount { charge: first, amount: 2.into(), prorate: Some(true) };
        subscription.acts.push(act(1, "2026-01-11", two));
        let on_time = [billed(&mut book, 1, "2026-01-05"), billed(&mut book, 2, "2026-02-01")].concat();
        reopen_all(&mut book, "2026-02-20");
        let again = billed(&mut book, 3, "2026-02-20");
        let mut expected = without_date_and_revision(&on_time);
        expected.sort();
        assert_eq!(without_date_and_revision(&again), expected);
        let later = billed(&mut book, 4, "2026-03-01");
        assert_eq!(later.iter().filter(|(sku, ..)| sku == "BASE").map(|l| l.2).collect::<Vec<_>>(), [62_000]);
    }

    #[test]
    fn an_act_before_the_credit_is_billed_from_its_own_day() {
        let mut book = book();
        billed(&mut book, 1, "2026-02-01");
        reopen_all(&mut book, "2026-02-10");
        let subscription = book.subscriptions.values_mut().next().unwrap();
        let base = subscription.charges.iter().find(|c| c.charge == "BASE").unwrap().reference;
        let three = Verb::SetAmount { charge: base, amount: 3.into(), prorate: None };
        let mut backdated = act(1, "2026-01-01", three);
        backdated.done = day("2026-02-10");
        subscription.acts.push(backdated);
        let again = billed(&mut book, 2, "2026-02-10");
        let nets: Vec<i64> = again.iter().filter(|(sku, ..)| sku == "BASE").map(|l| l.2).collect();
        assert_eq!(nets, [93_000, 93_000], "both months at three, and nothing prorated: {again:?}");
    }
}
