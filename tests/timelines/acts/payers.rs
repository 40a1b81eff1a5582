//! Payers: looked at, exported, erased.

use super::{Act, act, today};
use crate::timelines::world::{World, account};
use serde_json::json;

/// One field of a customer is written: a new card, or a term.
pub fn patch(world: &mut World) {
    let account = account(world.someone());
    let patch = match world.dice.chance(50) {
        true => json!({"paymentterm": world.dice.pick(&[0, 8, 21, 30])}),
        false => {
            let token = *world.dice.pick(&["tok_ok", "tok_soft_decline", "tok_ok_after_2"]);
            let card = json!({"refkey": "card", "type": "token", "gateway": "sandbox", "token": token, "makedefault": true});
            json!({"paymentmethods": [card]})
        }
    };
    let mut customer = world.customer(&account);
    customer.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    let step = today(world, json!({"load": {"customers": [customer]}}));
    let patch = patch.to_string();
    let answer =
        act(world, &Act::quiet(&["book", "patch", "customer", &account, "--set", &patch]).with_step(step));
    assert_eq!(answer.code, 0, "{answer:?}");
}

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
