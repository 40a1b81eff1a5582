//! The accountant's months: earned, and closed for good. `simulate` closes nothing; what it bills is the same.

use super::{Act, act};
use crate::timelines::world::World;
use chrono::{Datelike, Months, NaiveDate};

/// The first day of the month before a day's.
fn month_before(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap() - Months::new(1)
}

fn name(month: NaiveDate) -> String {
    month.format("%Y-%m").to_string()
}

pub fn recognize(world: &mut World) {
    let month = name(month_before(world.today));
    act(world, &Act::quiet(&["books", "recognize", &month]));
}

/// The next month that is over; its file is there, and `verify` holds it against the ledger from then on.
pub fn close(world: &mut World) {
    let next = match world.closed {
        Some(closed) => closed + Months::new(1),
        None => month_before(world.today),
    };
    if next > month_before(world.today) {
        return;
    }
    let mut month = name(next);
    let close = |month: &str| Act::quiet(&["books", "close", month]).done_says("period_closed");
    let mut answer = act(world, &close(&month));
    if answer.code == 1 && answer.error()["code"] == "period_before" {
        // The first one: the hint says where the books begin.
        let hint = answer.error()["hint"].as_str().unwrap().to_owned();
        month = hint.trim_matches('`').rsplit(' ').next().unwrap().to_owned();
        answer = act(world, &close(&month));
    }
    assert_eq!(answer.code, 0, "a month that is over cannot be closed: {answer:?}");
    world.closed = format!("{month}-01").parse().ok();
    assert!(world.home().join(format!("exports/books-{month}.csv")).exists(), "{month} has no file");
}
