//! Which month may be closed, and up to which one revenue may be recognised (rules I2, L8).

use super::MonthRange;
use crate::refusal::{Code, Refusal, Verb};
use chrono::NaiveDate;

/// Refuses a quarter or a year, and a month that has more to come.
///
/// # Errors
/// `dates`, `not_over`.
pub fn expect_month(month: MonthRange, today: NaiveDate, verb: Verb) -> Result<(), Refusal> {
    if !month.is_month() {
        return Err(Refusal::new(Code::Dates, format!("{month} is not one month"))
            .hint("month by month: ")
            .ask(verb.on(MonthRange::month_of(month.start))));
    }
    if month.end > today {
        let message = format!("{month} is not over before {}", month.end);
        return Err(Refusal::new(Code::NotOver, message).hint(format!("today is {today}")));
    }
    Ok(())
}

/// Months are closed in order: the next is the one from `closed_until` on, or the one of the first posting.
///
/// # Errors
/// `period_closed`, `period_before`.
pub fn expect_next(
    month: MonthRange,
    closed_until: Option<NaiveDate>,
    first_posting: Option<NaiveDate>,
) -> Result<(), Refusal> {
    if closed_until.is_some_and(|until| month.end <= until) {
        return Err(closed(month));
    }
    let first = closed_until.or_else(|| first_posting.map(|day| MonthRange::month_of(day).start));
    match first.filter(|first| *first < month.start) {
        Some(first) => {
            let before = MonthRange::month_of(first);
            let message = format!("{before} is open: months are closed in order");
            Err(Refusal::new(Code::PeriodBefore, message).ask(Verb::ClosePeriod.on(before)))
        }
        None => Ok(()),
    }
}

/// What is closed is never opened again.
pub fn closed(month: MonthRange) -> Refusal {
    Refusal::new(Code::PeriodClosed, format!("{month} is closed, and stays closed"))
        .ask(Verb::ListPeriods.plain())
        .hint(" shows what was closed when; what comes late is posted in the open period")
}
