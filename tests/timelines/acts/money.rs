//! Money that comes, is asked for, is given back or given up.

use super::{Act, act, number, some, today};
use crate::timelines::world::World;
use chrono::NaiveDate;
use serde_json::json;

/// The daily dunning run.
pub fn retry(world: &mut World) {
    let day = world.today.to_string();
    let step = today(world, json!({"payments": "retry"}));
    act(world, &Act::quiet(&["payments", "retry", "--as-of", &day]).with_step(step));
}

/// The daily dunning run that comes with a run: of its as-of, in `simulate` a part of the run.
pub fn retry_before_run(world: &mut World, as_of: NaiveDate) {
    if as_of == world.today {
        return retry(world);
    }
    act(world, &Act::quiet(&["payments", "retry", "--as-of", &as_of.to_string()]));
}

pub fn mark_paid(world: &mut World) {
    let part = world.dice.chance(50);
    let is = |invoice: &serde_json::Value| part || invoice["PaymentStatus"] != 20;
    let Some(invoice) = some(world, |i| i["IsCreditNote"] == false && is(i)) else { return };
    let (number, day) = (number(&invoice), world.today.to_string());
    let mut step = today(world, json!({"invoice": number, "do": "markpaid"}));
    let mut args = vec!["invoices", "markpaid", &number, "--on", &day];
    if part {
        args.extend(["--amount", "50.00"]);
        step["amount"] = json!("50.00");
    }
    act(world, &Act::once(&args).with_step(step));
}

pub fn write_off(world: &mut World) {
    let Some(invoice) = some(world, |i| i["IsCreditNote"] == false && i["PaymentStatus"] != 20) else {
        return;
    };
    let (number, day) = (number(&invoice), world.today.to_string());
    let step = today(world, json!({"invoice": number, "do": "writeoff"}));
    act(world, &Act::once(&["invoices", "writeoff", &number, "--on", &day]).with_step(step));
}

pub fn refund(world: &mut World) {
    let Some(invoice) = some(world, |i| i["IsCreditNote"] == true || i["SettlementStatus"] == 8) else {
        return;
    };
    let (number, day) = (number(&invoice), world.today.to_string());
    let step = today(world, json!({"invoice": number, "do": "refund"}));
    let mut args = vec!["invoices", "refund", &number, "--on", &day];
    args.extend(world.dice.chance(50).then_some("--by-hand"));
    act(world, &Act::once(&args).with_step(step).if_they_let());
}

pub fn recharge(world: &mut World) {
    let Some(invoice) = some(world, |i| i["IsCreditNote"] == false && i["PaymentStatus"] != 20) else {
        return;
    };
    let (number, day) = (number(&invoice), world.today.to_string());
    let step = today(world, json!({"invoice": number, "do": "recharge"}));
    act(
        world,
        &Act::quiet(&["invoices", "recharge", &number, "--as-of", &day]).with_step(step).if_they_let(),
    );
}
