//! Open items of another system. `simulate` knows nothing of them, so they are a payer's who has nothing else, and are held
//! against what was handed in.

use super::{Act, act};
use crate::timelines::world::World;
use chrono::TimeDelta;

/// Whose they are.
pub const PAYER: &str = "CU-9001";

/// How their numbers begin.
pub const NUMBERS: &str = "OLD-";

pub fn take_over(world: &mut World) {
    let mut rows = vec!["customer,number,date,due,amount".to_owned()];
    let (day, due) = (world.today, world.today + TimeDelta::days(400));
    for _ in 0..world.dice.within(1, 3) {
        let number = format!("{NUMBERS}{:03}", world.taken_over.len() + 1);
        let amount = format!("{}.01", world.dice.within(2_000, 9_000));
        rows.push(format!("{PAYER},{number},{day},{due},{amount}"));
        world.taken_over.insert(number, amount);
    }
    let path = world.file("open-items.csv", &(rows.join("\n") + "\n"));
    act(world, &Act::quiet(&["invoices", "takeover", &path, "--on", &day.to_string()]));
}
