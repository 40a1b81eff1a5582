//! What a subscription comes to per month, to set what it will be against what it was.

use super::service::interval_of;
use super::timeline::{ChargeLife, Timeline};
use crate::catalogue::{BillingPeriod, Charge, ChargeType};
use crate::exact::Exact;
use crate::measure::Measure;
use crate::pricing::{self, Stretch};
use chrono::NaiveDate;

impl Timeline<'_> {
    /// The recurring charges in force on a day, each by the price and quantity of that day, per month: a year has 12 months
    /// and 365 days. Before discounts and VAT; usage is not counted. Minor units, rounded once, half away from
    /// zero. None if it is beyond what an amount holds.
    ///
    /// 1,200.00 a year and 10.00 a week are 100.00 + 10.00 × 365 ÷ 7 ÷ 12 = 143.45.
    pub fn per_month_minor(&self, day: NaiveDate) -> Option<i64> {
        let is_over = self.life.ends_on().is_some_and(|end| end <= day);
        if self.life.activated.is_none() || is_over || self.life.hold_on(day).is_some() {
            return Some(0);
        }
        let charges = self.charges.iter().filter(|charge| is_charged(charge, day));
        let sum = charges.fold(Exact::int(0), |sum, charge| sum.plus(self.of_charge(charge, day)));
        sum.checked_round_half_away(self.subscription.currency.decimals())
    }

    fn of_charge(&self, life: &ChargeLife<'_>, day: NaiveDate) -> Exact {
        let charge = life.terms_on(day).charge;
        let quantity = Exact::of(self.amount_on(life, day));
        let measure = Measure { quantity, events: 0, each: Vec::new() };
        let stretch = Stretch { on: day, measure: &measure };
        let currency = self.subscription.currency;
        let priced = pricing::price(charge, currency, life.unit_price_on(day), &[stretch]);
        priced.amount.times(periods_per_month(charge))
    }
}

fn is_charged(life: &ChargeLife<'_>, day: NaiveDate) -> bool {
    let has_begun = life.own_start.is_none_or(|start| start <= day);
    let is_gone = life.removed.is_some_and(|removed| removed.on <= day);
    let recurs = life.terms_on(day).charge.charge_type == ChargeType::Recurring;
    recurs && has_begun && !is_gone && !life.is_toggled_off(day) && life.own_hold_on(day).is_none()
}

/// How many of a charge's periods a month has.
fn periods_per_month(charge: &Charge) -> Exact {
    let interval = interval_of(charge);
    let count = i128::from(interval.count.max(1));
    match interval.unit {
        BillingPeriod::Daily => Exact::ratio(365, 12 * count),
        BillingPeriod::Weekly | BillingPeriod::DayOfWeek => Exact::ratio(365, 7 * 12 * count),
        BillingPeriod::Monthly | BillingPeriod::DayOfMonth | BillingPeriod::LastDayOfMonth => {
            Exact::ratio(1, count)
        }
        BillingPeriod::Quarterly => Exact::ratio(1, 3 * count),
        BillingPeriod::Annually => Exact::ratio(1, 12 * count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::sample;
    use crate::subscription::sample::{act, day};
    use crate::subscription::{Act, CancelOption, ResumeOption, Verb};
    use serde_json::{Value, json};

    fn charge(sku: &str, period: &str, interval: u32, price: &str) -> Value {
        json!({"sku": sku, "fullname": sku, "chargetype": "recurring", "pricingmodel": "per_unit", "taxable": true,
               "billingperiod": period, "billingperiodinterval": interval, "defaultamount": "1",
               "pricings": [{"currencycode": "DKK", "price": price}]})
    }

    #[test]
    fn every_rhythm_comes_to_a_month() {
        for (period, interval, price, per_month) in [
            ("monthly", 1, "100", 10_000),
            ("monthly", 2, "100", 5_000),
            ("quarterly", 1, "100", 3_333),
            ("annually", 1, "1200", 10_000),
            ("weekly", 1, "10", 4_345),
            ("daily", 1, "1", 3_042),
            ("last_day_of_month", 1, "7", 700),
        ] {
            let book = sample::book(&json!([charge("FEE", period, interval, price)]));
            let subscription = book.subscriptions.values().next().unwrap();
            let on = day("2026-02-01");
            let timeline = Timeline::known(subscription, &book.catalogue, on, on).unwrap();
            assert_eq!(timeline.per_month_minor(on), Some(per_month), "{interval} × {period}");
        }
    }

    #[test]
    fn what_is_not_charged_comes_to_nothing() {
        let mut book = sample::book(&json!([charge("FEE", "monthly", 1, "100")]));
        let subscription = book.subscriptions.values_mut().next().unwrap();
        let cancel = Verb::Cancel { option: CancelOption::OnDate, refund_prorated: false };
        subscription.acts.push(act(1, "2026-02-10", Verb::Hold { refund_prorated: false }));
        subscription.acts.push(act(2, "2026-02-20", Verb::Resume { option: ResumeOption::NextPeriod }));
        subscription.acts.push(Act { on: day("2026-03-01"), ..act(3, "2026-02-20", cancel) });
        let subscription = book.subscriptions.values().next().unwrap();
        let on = |known: &str, text: &str| {
            let timeline = Timeline::known(subscription, &book.catalogue, day(known), day(text)).unwrap();
            timeline.per_month_minor(day(text))
        };
        assert_eq!(on("2026-02-09", "2026-02-09"), Some(10_000));
        assert_eq!(on("2026-02-12", "2026-02-12"), Some(0), "on hold");
        assert_eq!(on("2026-02-25", "2026-02-28"), Some(10_000));
        assert_eq!(on("2026-02-25", "2026-03-01"), Some(0), "cancelled");
    }
}
