//! What has been served up to the end of a day and is on no invoice of that day (rules L9): what would be billed if every
//! agreement had ended with it.

use super::{BilledLine, PayerBook, RunContext, bill};
use crate::invoice::Line;
use crate::measure::Measured;
use crate::money::Currency;
use crate::subscription::{Subscription, Timeline};
use crate::zone::next_day;
use chrono::NaiveDate;

/// The book as it stood at the end of a day, with every agreement ended with it: later acts and what was charged later are
/// left out. The day on which it is billed is the next.
pub fn as_of_the_end_of(book: &PayerBook, day: NaiveDate) -> PayerBook {
    let mut ended = book.clone();
    ended.subscriptions.retain(|_, s| s.start <= day && s.activated.is_some_and(|on| on <= day));
    for subscription in ended.subscriptions.values_mut() {
        end_with(book, subscription, day);
    }
    let is_known = |line: &BilledLine| line.charge_date <= next_day(day);
    for lines in ended.billed.values_mut() {
        lines.retain(is_known);
    }
    for lines in ended.reopened.values_mut() {
        lines.retain(|reopened| reopened.on <= day && is_known(&reopened.line));
    }
    ended.carried.retain(|carried| carried.since <= day);
    ended
}

/// Its term ends with the day, and is not renewed: an act would end it within a day, whose usage then counts (rules T1).
fn end_with(book: &PayerBook, subscription: &mut Subscription, day: NaiveDate) {
    subscription.acts.retain(|act| act.on <= day);
    let ends = Timeline::known(subscription, &book.catalogue, day, day).ok().and_then(|t| t.life.ends_on());
    if ends.is_some_and(|end| end <= next_day(day)) {
        return;
    }
    subscription.end = Some(next_day(day));
    (subscription.auto_renew, subscription.initial_term, subscription.renewal_term) = (false, None, None);
}

/// Its lines, with the currency of each: what is billed after it was served, usage above all. What is billed in advance and waits for a
/// run is none of it.
///
/// # Errors
/// Why the payer cannot be billed.
pub fn unbilled(
    ended: &PayerBook,
    measured: &Measured,
    run: RunContext,
    day: NaiveDate,
) -> Result<Vec<(Currency, Line)>, String> {
    let billed = bill(ended, measured, RunContext { as_of: next_day(day), ..run });
    if let Some(reason) = billed.parked {
        return Err(reason);
    }
    let carried = billed.carried.into_iter().map(|carried| carried.draft);
    let lines = billed.drafts.into_iter().chain(carried).flat_map(|draft| {
        let currency = draft.currency;
        draft.lines.into_iter().map(move |line| (currency, line))
    });
    Ok(lines.filter(|(_, line)| line.arrears && line.subtotal_minor != 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::sample;
    use crate::ids::Place;
    use crate::subscription::sample::day;
    use serde_json::json;

    #[test]
    fn what_was_served_by_the_end_of_a_day_is_unbilled_whatever_was_billed_later() {
        let mut book = sample::book(&json!([
            {"sku": "FEE", "fullname": "Fee", "chargetype": "recurring", "pricingmodel": "flat", "billingperiod": "monthly",
             "taxable": true, "pricings": [{"currencycode": "DKK", "price": "100"}]},
            {"sku": "SEATS", "fullname": "Seats", "chargetype": "recurring", "pricingmodel": "flat", "billingperiod": "quarterly",
             "billingperiodalignment": "period_end", "taxable": true, "pricings": [{"currencycode": "DKK", "price": "90"}]}]));
        let run = RunContext {
            ordinal: 1,
            place: Place::of(0),
            as_of: day("2026-04-01"),
            usage_mark: 0,
            catch_up_max: 36,
        };
        let at = |book: &PayerBook| {
            let ended = as_of_the_end_of(book, day("2026-01-31"));
            let lines = unbilled(&ended, &Measured::new(), run, day("2026-01-31")).unwrap();
            lines.iter().map(|(_, line)| (line.sku.clone(), line.subtotal_minor)).collect::<Vec<_>>()
        };
        // 90.00 for the quarter's 90 days, 31 of them served; the fee is in advance.
        assert_eq!(at(&book), [("SEATS".to_owned(), 3_100)]);
        for line in bill(&book, &Measured::new(), run).lines {
            book.billed.entry(line.key.charge).or_default().push(line);
        }
        assert_eq!(at(&book), [("SEATS".to_owned(), 3_100)], "April's run makes no difference to January");
    }
}
