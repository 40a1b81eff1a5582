//! What must be measured before a payer can be billed, and what becomes of every event meanwhile (rules.md Q4, Q5).

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
use crate::subscription::{ChargeLife, Subscription, Timeline};
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

/// First days of the stretches that are measured apart: versions of the price cut what adds up (rules.md P9).
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

/// Zone of a subscription's local dates (rules.md T1, B2).
pub fn zone(book: &PayerBook, subscription: &Subscription, owner: &Customer) -> Tz {
    let catalogue = &book.catalogue;
    let refkey = subscription.business_unit.as_ref().or(owner.business_unit.as_ref());
    let unit = refkey.and_then(|refkey| catalogue.business_units.get(refkey));
    unit.and_then(|unit| unit.timezone).unwrap_or(catalogue.tenant.timezone)
}

/// The instants of local days.
pub fn instants(days: Period, zone: Tz) -> Instants {
    let us = |day: NaiveDate| {
        // Beyond any time that an event may have (rules.md Q3), and beyond what a zone can tell.
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
                classes.push(ClassRange { subscription: subscription.id, meter: meter.clone(), range, class });
            }
        };
        let accounted = accounted_until(book, charge);
        let mut open_from = accounted.unwrap_or(NaiveDate::MIN);
        let own = items.iter().filter(|item| item.reference == charge.reference && item.kind == ItemKind::Period);
        for item in own {
            push(item.piece, if item.as_nothing { UsageClass::NoCharge } else { UsageClass::Rated });
            open_from = open_from.max(item.piece.end);
        }
        let until = as_of.max(open_from);
        let from = accounted.unwrap_or(NaiveDate::MIN);
        for gap in charge.gaps(&timeline.life, from, until) {
            for (days, class) in split_gap(&timeline, gap) {
                push(days, class);
            }
        }
        let ended = timeline.life.ends_on().into_iter().chain(charge.removed.map(|gone| gone.on)).min();
        let tail_class = match ended {
            Some(end) if end <= until => UsageClass::AfterEnd,
            _ => UsageClass::Open,
        };
        push(Period::new(open_from, until), UsageClass::Open);
        push(Period::new(until, NaiveDate::MAX), tail_class);
    }
}

/// First day after what earlier runs have billed of a charge; none if nothing.
fn accounted_until(book: &PayerBook, charge: &ChargeLife<'_>) -> Option<NaiveDate> {
    let lines = book.billed.get(&charge.reference)?;
    lines.iter().filter(|line| line.key.kind == LineKind::Regular).map(|line| line.period.end).max()
}

/// Why nothing is served in a gap, day by day: before the start, trial, hold, after the end.
fn split_gap(timeline: &Timeline<'_>, gap: Period) -> Vec<(Period, UsageClass)> {
    let life = &timeline.life;
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
