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
    let month = name(next);
    let answer = act(world, &Act::quiet(&["books", "close", &month]).done_says("period_closed"));
    assert_eq!(answer.code, 0, "a month that is over cannot be closed: {answer:?}");
    world.closed = Some(next);
    assert!(world.home().join(format!("exports/books-{month}.csv")).exists(), "{month} has no file");
}
