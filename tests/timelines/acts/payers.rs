//! Payers: looked at, exported, erased.

use super::{Act, act};
use crate::timelines::world::{World, account};

/// A payer's data goes out, or the person is erased; most of them still owe or are served, and that is refused.
pub fn personal(world: &mut World) {
    let account = account(world.someone());
    match world.dice.within(0, 3) {
        0 => {
            let listed = world.look(&["payers"]);
            assert!(listed.to_string().contains(&account), "{listed}");
            world.look(&["payers", &account]);
        }
        1 => {
            let exported = world.look(&["payers", "export", &account]);
            assert!(exported.to_string().contains(&account), "{exported}");
        }
        _ => {
            if act(world, &Act::quiet(&["payers", "erase", &account, "--yes"])).code == 0 {
                world.erased.insert(account);
            }
        }
    }
}
