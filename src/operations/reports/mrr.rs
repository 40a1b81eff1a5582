//! Monthly recurring revenue from one month's end to the next: new, expansion, contraction, churn (rules L7).

use super::Work;
use domain::catalogue::ChargeType;
use domain::money::Currency;
use domain::report::{
    Agreement, Cell, Covered, MonthRange, Movement, monthly_minor, movement, numbers, words,
};
use std::collections::BTreeMap;
use store::ledger::report::{self as sql, CoveredRow};

/// One subscription in one currency, its charges one after the other.
struct Subscription {
    key: (String, String, Currency),
    sku: String,
    /// Lines of the charge that serve the first and the second day.
    lines: [Vec<Covered>; 2],
    monthly_minor: [i64; 2],
}

impl Subscription {
    fn of(row: &CoveredRow) -> Self {
        let key = (row.account_number.clone(), row.subscription_number.clone(), row.currency);
        Self { key, sku: row.sku.clone(), lines: Default::default(), monthly_minor: [0; 2] }
    }

    fn is_of(&self, row: &CoveredRow) -> bool {
        self.key.0 == row.account_number
            && self.key.1 == row.subscription_number
            && self.key.2 == row.currency
    }

    /// Adds what the charge comes to.
    fn end_charge(&mut self) {
        for (lines, monthly) in self.lines.iter_mut().zip(&mut self.monthly_minor) {
            *monthly += monthly_minor(lines);
            lines.clear();
        }
    }
}

/// A row per month and currency.
pub(super) async fn mrr(work: &mut Work<'_>) -> anyhow::Result<()> {
    let columns = [
        words("month", "month"),
        words("currency", ""),
        numbers("subscriptions", "subscriptions"),
        numbers("opening", "opening"),
        numbers("new", "new"),
        numbers("expansion", "expansion"),
        numbers("contraction", "contraction"),
        numbers("churn", "churn"),
        numbers("closing", "closing"),
    ];
    let span = work.ask.span;
    work.begin("Monthly recurring revenue", &columns, ("month", "closing"))?;
    let charges = work.catalogue.plans.values().flat_map(|plan| &plan.charges);
    let mut skus: Vec<String> =
        charges.filter(|c| c.charge_type == ChargeType::Recurring).map(|c| c.sku.clone()).collect();
    skus.sort_unstable();
    skus.dedup();

    let mut agreements = Vec::new();
    let mut closed: BTreeMap<Currency, i128> = BTreeMap::new();
    let mut month = MonthRange::month_of(span.start);
    while month.start < span.end {
        let moved = month_of(work, &skus, month).await?;
        for (currency, (count, moved)) in &moved {
            let amount = |minor| Cell::amount(minor, *currency);
            work.sheet.row(&[
                Cell::text(month.to_string()),
                Cell::currency(*currency),
                Cell::Count(*count),
                amount(moved.opening_minor),
                amount(moved.new_minor),
                amount(moved.expansion_minor),
                amount(moved.contraction_minor),
                amount(moved.churn_minor),
                amount(moved.closing_minor),
            ])?;
            let change =
                moved.new_minor + moved.expansion_minor + moved.contraction_minor + moved.churn_minor;
            let name = format!("{month}: opening and what changed is closing");
            agreements.push(Agreement::of(
                name,
                *currency,
                moved.opening_minor + change,
                moved.closing_minor,
            ));
            if let Some(before) = closed.insert(*currency, moved.closing_minor) {
                let name = format!("{month}: opens as the month before closed");
                agreements.push(Agreement::of(name, *currency, moved.opening_minor, before));
            }
        }
        month = MonthRange::month_of(month.end);
    }
    work.end(&agreements)
}

/// Subscriptions with recurring revenue at the month's end, and how it came about, by currency.
async fn month_of(
    work: &mut Work<'_>,
    skus: &[String],
    month: MonthRange,
) -> anyhow::Result<BTreeMap<Currency, (i64, Movement)>> {
    let days = [MonthRange::month_before(month.start).last_day(), month.last_day()];
    let mut moved: BTreeMap<Currency, (i64, Movement)> = BTreeMap::new();
    let mut at: Option<Subscription> = None;
    let mut done = |mut subscription: Subscription| {
        subscription.end_charge();
        let [before, after] = subscription.monthly_minor;
        let (count, sums) = moved.entry(subscription.key.2).or_default();
        *count += i64::from(after != 0);
        sums.add(&movement(before, after));
    };
    sql::covering(&mut work.tx, skus, days, |row| {
        if let Some(other) = at.take_if(|subscription| !subscription.is_of(&row)) {
            done(other);
        }
        let of = at.get_or_insert_with(|| Subscription::of(&row));
        if of.sku != row.sku {
            of.end_charge();
            of.sku.clone_from(&row.sku);
        }
        for (day, lines) in days.iter().zip(&mut of.lines) {
            if row.period.contains(*day) {
                lines.push(Covered { period: row.period, net_minor: row.minor });
            }
        }
        Ok(())
    })
    .await?;
    at.into_iter().for_each(done);
    Ok(moved)
}
