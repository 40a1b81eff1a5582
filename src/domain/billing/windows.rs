//! What must be measured before a payer can be billed, and what becomes of every event meanwhile (rules Q4, Q5).

use super::items::{Item, ItemKind, due_items, usage_window};
use super::late::{self, LatePeriod};
use super::{ClassRange, Due, PayerBook, UsageClass};
use crate::catalogue::{Aggregation, Charge};
use crate::customer::Customer;
use crate::invoice::LineKind;
use crate::measure::{Instants, Window, WindowKey};
use crate::money::Currency;
use crate::period::Period;
use crate::pricing;
use crate::subscription::{ChargeLife, Life, Subscription, Timeline};
use crate::zone::start_of_day;
use chrono::NaiveDate;
use chrono_tz::Tz;

/// What must be measured to bill a payer as of a day, late usage included, and how its usage is accounted for. A
/// payer whose book is broken has nothing due here: [`super::bill`] says why.
pub fn due(book: &PayerBook, as_of: NaiveDate) -> Due {
    let Ok(items) = due_items(book, as_of) else { return Due::default() };
    let mut due = Due::default();
    for item in items.iter().filter(|item| is_measured(item)) {
        due.windows.push(window(book, item));
    }
    for period in late::periods(book, &items, as_of) {
        due.windows.push(window(book, &period.item));
        due.classes.extend(late_class(book, &period));
    }
    for subscription in book.subscriptions.values() {
        classify(book, subscription, &items, as_of, &mut due.classes);
    }
    due
}

/// Whether an item's quantity comes from events.
pub(super) fn is_measured(item: &Item<'_>) -> bool {
    item.kind == ItemKind::Period && !item.as_nothing && item.terms.charge.is_metered()
}

/// The key under which an item's quantity is measured.
pub(super) fn window_key(item: &Item<'_>) -> WindowKey {
    WindowKey { charge: item.reference, start: item.piece.start }
}

/// First days of the stretches that are measured apart: versions of the price cut what adds up (rules P9).
pub(super) fn stretch_starts(charge: &Charge, currency: Currency, piece: Period) -> Vec<NaiveDate> {
    let adds_up = matches!(charge.aggregation, Aggregation::Sum | Aggregation::Count);
    let mut starts = vec![piece.start];
    if adds_up && charge.usage_period.is_none() {
        starts.extend(charge.version_starts(currency, piece.start, piece.end));
    }
    starts
}

fn window(book: &PayerBook, item: &Item<'_>) -> Window {
    let charge = item.terms.charge;
    let zone = zone(book, item.subscription, item.owner);
    let starts = stretch_starts(charge, item.subscription.currency, item.piece);
    let ends = starts[1..].iter().copied().chain([item.piece.end]);
    let stretches = if charge.usage_period.is_some() {
        let days = usage_window(item);
        let served: Vec<Period> = item.served.iter().filter_map(|served| served.intersect(days)).collect();
        vec![served.into_iter().map(|days| instants(days, zone)).collect()]
    } else {
        starts.iter().zip(ends).map(|(from, until)| vec![instants(Period::new(*from, until), zone)]).collect()
    };
    Window {
        key: window_key(item),
        subscription: item.subscription.id,
        meter: charge.meter.clone(),
        stretches,
        aggregation: charge.aggregation,
        sum_average_factor: charge.sum_average_factor,
        unique_property: charge.unique_property.clone(),
        percentile: charge.percentile,
        group_by: charge.group_by.clone(),
        filter: charge.filter.clone(),
        wants_events: pricing::wants_events(charge),
        up_to_import: None,
    }
}

/// Zone of a subscription's local dates (rules T1, B2).
pub fn zone(book: &PayerBook, subscription: &Subscription, owner: &Customer) -> Tz {
    let catalogue = &book.catalogue;
    let refkey = subscription.business_unit.as_ref().or(owner.business_unit.as_ref());
    let unit = refkey.and_then(|refkey| catalogue.business_units.get(refkey));
    unit.and_then(|unit| unit.timezone).unwrap_or(catalogue.tenant.timezone)
}

/// The instants of local days.
pub fn instants(days: Period, zone: Tz) -> Instants {
    let us = |day: NaiveDate| {
        // Beyond any time that an event may have (rules Q3), and beyond what a zone can tell.
        let bounded = day.clamp(FIRST_DAY, LAST_DAY);
        start_of_day(bounded, zone).timestamp_micros()
    };
    Instants { from_us: us(days.start), to_us: us(days.end) }
}

const FIRST_DAY: NaiveDate = match NaiveDate::from_ymd_opt(1969, 12, 30) {
    Some(day) => day,
    None => NaiveDate::MIN,
};
const LAST_DAY: NaiveDate = match NaiveDate::from_ymd_opt(2200, 1, 3) {
    Some(day) => day,
    None => NaiveDate::MAX,
};

fn late_class(book: &PayerBook, period: &LatePeriod<'_>) -> Option<ClassRange> {
    let item = &period.item;
    let zone = zone(book, item.subscription, item.owner);
    Some(ClassRange {
        subscription: item.subscription.id,
        meter: item.terms.charge.meter.clone(),
        range: instants(item.piece, zone),
        class: UsageClass::Rated,
    })
}

/// Classes of one subscription's events: what this run rates, what lies between its periods, and what is still open.
/// Days that an earlier run has accounted for are left out.
fn classify(
    book: &PayerBook,
    subscription: &Subscription,
    items: &[Item<'_>],
    as_of: NaiveDate,
    classes: &mut Vec<ClassRange>,
) {
    let Some(owner) = book.customers.get(&subscription.customer) else { return };
    let Ok(timeline) = Timeline::known(subscription, &book.catalogue, as_of, as_of) else { return };
    let zone = zone(book, subscription, owner);
    for charge in timeline.charges.iter().filter(|charge| charge.last_terms().charge.is_metered()) {
        let meter = &charge.last_terms().charge.meter;
        let mut push = |days: Period, class: UsageClass| {
            let range = instants(days, zone);
            if range.length_us() > 0 {
                classes.push(ClassRange {
                    subscription: subscription.id,
                    meter: meter.clone(),
                    range,
                    class,
                });
            }
        };
        let billed = accounted_until(book, charge);
        let taken_over = charge.taken_over(&timeline.life).iter().map(|slot| slot.piece.end).max();
        if let (None, Some(until)) = (billed, taken_over) {
            push(Period::new(NaiveDate::MIN, until), UsageClass::BeforeStart); // another system's (rules S7)
        }
        let accounted = billed.max(taken_over);
        let mut open_from = accounted.unwrap_or(NaiveDate::MIN);
        let own =
            items.iter().filter(|item| item.reference == charge.reference && item.kind == ItemKind::Period);
        for item in own {
            push(item.piece, if item.as_nothing { UsageClass::NoCharge } else { UsageClass::Rated });
            open_from = open_from.max(item.piece.end);
        }
        let until = as_of.max(open_from);
        let from = accounted.unwrap_or(NaiveDate::MIN);
        for gap in charge.gaps(&timeline.life, from, until) {
            for (days, class) in split_gap(&charge.rests_in(&timeline.life), gap) {
                push(days, class);
            }
        }
        let tail_class = match charge.gone_on(&timeline.life) {
            Some(end) if end <= until => UsageClass::AfterEnd,
            _ => UsageClass::Open,
        };
        for days in charge.served_within(&timeline.life, Period::new(open_from, until)) {
            push(days, UsageClass::Open);
        }
        push(Period::new(until, NaiveDate::MAX), tail_class);
    }
}

/// First day after what earlier runs have billed of a charge; none if nothing.
fn accounted_until(book: &PayerBook, charge: &ChargeLife<'_>) -> Option<NaiveDate> {
    let lines = book.billed.get(&charge.reference)?;
    lines.iter().filter(|line| line.key.kind == LineKind::Regular).map(|line| line.period.end).max()
}

/// Why nothing is served in a gap, day by day: before the start, trial, hold, after the end.
fn split_gap(life: &Life, gap: Period) -> Vec<(Period, UsageClass)> {
    let mut parts = Vec::new();
    let mut add = |days: Period, class| parts.extend(gap.intersect(days).map(|days| (days, class)));
    let begins = life.trial.map_or(life.service_start, |trial| trial.start);
    add(Period::new(NaiveDate::MIN, begins), UsageClass::BeforeStart);
    if let Some(trial) = life.trial {
        add(trial, UsageClass::Trial);
    }
    let end = life.ends_on().unwrap_or(NaiveDate::MAX);
    let mut at = life.service_start;
    for hold in &life.holds {
        let until = hold.resumed.map_or(NaiveDate::MAX, |(until, _)| until).min(end);
        add(Period::new(at.min(end), hold.from.min(end)), UsageClass::BeforeStart);
        add(Period::new(hold.from.max(life.service_start), until), UsageClass::OnHold);
        at = at.max(until);
    }
    add(Period::new(at.min(end), end), UsageClass::BeforeStart);
    add(Period::new(end, NaiveDate::MAX), UsageClass::AfterEnd);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::{BilledLine, LateHint, RunContext, bill, sample};
    use crate::ids::Place;
    use crate::measure::Measured;
    use crate::subscription::sample::{act, day};
    use crate::subscription::{ResumeOption, Verb};
    use serde_json::json;

    /// One subscription to usage by the month, from 1 January.
    fn book() -> PayerBook {
        sample::book(&json!([{"sku": "CALLS", "fullname": "Calls", "chargetype": "usage", "meter": "calls",
            "usagedatacalculationtype": "sum", "pricingmodel": "per_unit", "billingperiod": "monthly", "taxable": true,
            "pricings": [{"currencycode": "DKK", "price": "1"},
                         {"currencycode": "DKK", "price": "2", "validfrom": "2026-02-10"}]}]))
    }

    fn first(book: &PayerBook) -> &Subscription {
        book.subscriptions.values().next().unwrap()
    }

    /// The class of noon on a day; the first that fits, in the order of rules Q4.
    fn class_on(due: &Due, text: &str) -> Option<UsageClass> {
        let noon = day(text).and_hms_opt(12, 0, 0).unwrap().and_utc().timestamp_micros();
        let mut classes: Vec<UsageClass> =
            due.classes.iter().filter(|c| c.range.contains(noon)).map(|c| c.class).collect();
        classes.sort_unstable();
        classes.first().copied()
    }

    #[test]
    fn each_due_period_is_a_window_cut_at_price_versions() {
        let due = due(&book(), day("2026-03-01"));
        let starts: Vec<String> = due.windows.iter().map(|w| w.key.start.to_string()).collect();
        assert_eq!(starts, ["2026-01-01", "2026-02-01"]);
        assert_eq!(due.windows.iter().map(|w| w.stretches.len()).collect::<Vec<_>>(), [1, 2]);
        let zone = chrono_tz::Europe::Copenhagen;
        let cut = instants(Period::new(day("2026-02-10"), day("2026-03-01")), zone);
        assert_eq!(due.windows[1].stretches[1], [cut]);
    }

    #[test]
    fn every_event_is_in_one_class() {
        let mut book = book();
        let id = first(&book).id;
        let subscription = book.subscriptions.get_mut(&id).unwrap();
        subscription.trial_end = Some(day("2026-01-05"));
        subscription.acts.push(act(1, "2026-01-20", Verb::Hold { refund_prorated: false }));
        subscription.acts.push(act(2, "2026-01-25", Verb::Resume { option: ResumeOption::NextPeriod }));
        let due = due(&book, day("2026-02-20"));
        for (on, class) in [
            ("2025-12-31", UsageClass::BeforeStart),
            ("2026-01-04", UsageClass::Trial),
            ("2026-01-05", UsageClass::Rated),
            ("2026-01-19", UsageClass::Rated),
            ("2026-01-20", UsageClass::OnHold),
            ("2026-01-24", UsageClass::OnHold),
            ("2026-01-25", UsageClass::Rated),
            ("2026-02-04", UsageClass::Rated),
            ("2026-02-05", UsageClass::Open),
            ("2026-04-01", UsageClass::Open),
        ] {
            assert_eq!(class_on(&due, on), Some(class), "{on}");
        }
        let subscription = book.subscriptions.get_mut(&id).unwrap();
        subscription.acts.push(act(3, "2026-02-18", Verb::Expire { refund_prorated: false }));
        let due = super::due(&book, day("2026-02-20"));
        assert_eq!(
            class_on(&due, "2026-02-18"),
            Some(UsageClass::Rated),
            "usage of that day belongs to it (T1)"
        );
        assert_eq!(class_on(&due, "2026-02-19"), Some(UsageClass::AfterEnd));
        assert_eq!(class_on(&super::due(&book, day("2026-02-18")), "2026-02-18"), Some(UsageClass::Open));
    }

    #[test]
    fn what_an_earlier_run_billed_is_not_counted_again_unless_it_is_late() {
        let mut book = book();
        let run = RunContext {
            ordinal: 1,
            place: Place::of(0),
            as_of: day("2026-02-01"),
            usage_mark: 5,
            catch_up_max: 36,
        };
        let billed: Vec<BilledLine> = bill(&book, &Measured::new(), run).lines;
        let reference = billed[0].key.charge;
        book.billed.insert(reference, billed);
        let due = super::due(&book, day("2026-03-01"));
        assert_eq!((due.windows.len(), class_on(&due, "2026-01-10")), (1, None));
        let subscription = first(&book).id;
        let range = Instants { from_us: 0, to_us: i64::MAX };
        book.late.push(LateHint { subscription, meter: "calls".into(), range });
        let due = super::due(&book, day("2026-03-01"));
        assert_eq!((due.windows.len(), class_on(&due, "2026-01-10")), (2, Some(UsageClass::Rated)));
        assert_eq!(
            super::due(&book, day("2026-02-15")).windows.len(),
            0,
            "late lines wait for the next charge date"
        );
    }
}
