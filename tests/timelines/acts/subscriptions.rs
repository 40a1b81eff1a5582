//! Verbs on subscriptions, discounts, and new customers.

use super::{Act, Step, act, today};
use crate::timelines::world::{World, account};
use crate::timelines::{books, oracle};
use chrono::TimeDelta;
use serde_json::{Value, json};

/// Some verb with some arguments; it may well be refused, and then by both.
pub fn change(world: &mut World) {
    let subscription = format!("SUB-{:04}", world.someone());
    let amount = world.dice.within(0, 4).to_string();
    let ahead = i64::try_from(world.dice.within(0, 40)).unwrap();
    let later = (world.today + TimeDelta::days(ahead)).to_string();
    let charge = *world.dice.pick(&["base", "base", "extra"]);
    let refund = *world.dice.pick(&["prorated", "none"]);
    let plan = *world.dice.pick(&["PRO", "BIG"]);
    let (verb, arguments): (&str, Vec<(&str, &str)>) = match world.dice.within(0, 13) {
        0..=2 => ("setamount", vec![("charge", charge), ("amount", &amount)]),
        3 => ("setamount", vec![("charge", charge), ("amount", &amount), ("prorate", "true")]),
        4 => ("switchplan", vec![("plan", plan), ("when", *world.dice.pick(&["now", "next_charge"]))]),
        5 => ("hold", vec![("refund", refund)]),
        6 => ("resume", vec![("option", *world.dice.pick(&["next_period", "from_hold_date", "today"]))]),
        7 => (
            "cancel",
            vec![("option", *world.dice.pick(&["immediately", "before_next_billing"])), ("refund", refund)],
        ),
        8 => ("cancel", vec![("option", "on_date"), ("date", &later)]),
        9 => ("reactivate", vec![]),
        10 => ("addoptionalcharge", vec![("charge", "extra"), ("amount", &amount)]),
        11 => ("removecharge", vec![("charge", "extra"), ("refund", refund)]),
        12 => ("skipnextcharge", vec![("charge", "base")]),
        _ => ("setprice", vec![("charge", "base"), ("unitprice", "177.77")]),
    };
    let day = world.today.to_string();
    let mut step = today(world, json!({"subscription": subscription, "do": verb}));
    let mut args = vec!["subscriptions".to_owned(), verb.to_owned(), subscription, "--on".to_owned(), day];
    for (name, value) in arguments {
        step[name] = if name == "prorate" { Value::Bool(true) } else { json!(value) };
        args.extend([format!("--{name}"), value.to_owned()]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    act(world, &Act::once(&args).with_step(step));
}

/// One verb on several subscriptions: all of them or none.
pub fn bulk(world: &mut World) {
    let numbers: std::collections::BTreeSet<String> =
        (0..world.dice.within(1, 3)).map(|_| format!("SUB-{:04}", world.someone())).collect();
    let (day, amount) = (world.today.to_string(), world.dice.within(1, 4).to_string());
    let (verb, argument, value) = *world.dice.pick(&[
        ("setprice", "unitprice", "188.88"),
        ("setamount", "amount", ""),
        ("cancel", "option", "before_next_billing"),
        ("hold", "refund", "none"),
    ]);
    let value = if value.is_empty() { amount } else { value.to_owned() };
    let charge = ["setprice", "setamount"].contains(&verb).then_some("base");
    let steps: Vec<Step> = numbers
        .iter()
        .map(|number| {
            let mut step = json!({"subscription": number, "do": verb, argument: value});
            if let Some(charge) = charge {
                step["charge"] = json!(charge);
            }
            Step { value: today(world, step), done: None }
        })
        .collect();
    let may = oracle::would_be_done(world, &steps);
    let path = world.file("bulk.csv", &format!("subscription\n{}\n", Vec::from_iter(numbers).join("\n")));
    let mut args =
        vec!["subscriptions".to_owned(), "bulk".to_owned(), verb.to_owned(), path, "--on".to_owned(), day];
    args.extend(["--set".to_owned(), format!("{argument}={value}")]);
    args.extend(charge.into_iter().flat_map(|charge| ["--set".to_owned(), format!("charge={charge}")]));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let answer = act(world, &Act { steps: if may { steps } else { Vec::new() }, ..Act::once(&args) });
    assert_eq!(
        answer.code == 0,
        may,
        "simulate would {}do all of it: {answer:?}",
        if may { "" } else { "not " }
    );
}

/// A code on a customer, or its end.
pub fn discount(world: &mut World) {
    let account = account(world.someone());
    let day = world.today.to_string();
    let applies = world.dice.chance(60);
    let (args, verb) = match applies {
        true => (vec!["discounts", "apply", "LAUNCH-A1", "--customer", &account, "--on", &day], "apply"),
        false => (vec!["discounts", "clear", "--customer", &account, "--on", &day], "clear"),
    };
    let step = today(world, json!({"discount": "LAUNCH-A1", "do": verb, "customer": account}));
    act(world, &Act::once(&args).with_step(step));
}

pub fn new_customer(world: &mut World) {
    world.customers += 1;
    let (number, day) = (world.customers, world.today);
    let (customer, subscription) = books::customer(&mut world.dice, number, day);
    let mut book = json!({"customers": [customer], "subscriptions": [subscription]});
    if world.seed >= super::WITH_DEBITS {
        book = books::in_euros(&book);
    }
    let path = world.file("book.json", &book.to_string());
    let step = today(world, json!({"load": book}));
    act(world, &Act::quiet(&["load", &path]).with_step(step));
}
