//! A day of an operator: some acts, then the checks.

use super::acts::{self, Act, WITH_ALL_VERBS, WITH_DEBITS};
use super::doors::Door;
use super::world::World;
use super::{books, checks};
use chrono::TimeDelta;

/// The first day: a book.
pub fn first(world: &mut World) {
    let today = world.today;
    let mut book = books::first(&mut world.dice, today);
    let customers = book["customers"].as_array_mut().unwrap();
    world.customers = u64::try_from(customers.len()).unwrap();
    if world.seed >= WITH_ALL_VERBS {
        customers.push(books::payer_of_open_items());
    }
    if world.seed >= WITH_DEBITS {
        book = books::debited(&mut world.dice, &book);
    }
    world.book = book.clone();
    let path = world.file("book.json", &book.to_string());
    world.act(&Act::quiet(&["load", &path]), &Door::Open);
}

/// Any other day: tomorrow, or some days on.
pub fn next(world: &mut World) {
    let days = world.dice.weighted(&[(5, 1), (4, 2), (3, 4), (2, 8), (1, 15)]);
    world.today += TimeDelta::days(days);
    for _ in 0..world.dice.within(1, 3) {
        acts::one(world);
    }
    world.tally.days += 1;
    checks::after_a_day(world);
}
