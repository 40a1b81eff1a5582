//! Invoices by hand: credit, create, edit, book, drop, and how they reach their buyers.

use super::{Act, act, number, some, today};
use crate::timelines::oracle;
use crate::timelines::world::{World, account};
use serde_json::{Value, json};

pub fn credit(world: &mut World) {
    let Some(invoice) = some(world, |i| i["IsCreditNote"] == false) else { return };
    let (number, day) = (number(&invoice), world.today.to_string());
    let mut step = today(world, json!({"invoice": number, "do": "credit"}));
    let mut args = vec!["invoices", "credit", &number, "--as-of", &day];
    match world.dice.within(0, 2) {
        0 => {
            args.extend(["--line", "1=10.00"]);
            step["lines"] = json!([{"line": 1, "amount": "10.00"}]);
        }
        1 => {
            args.push("--rebill");
            step["rebill"] = json!(true);
        }
        _ => {}
    }
    act(world, &Act::once(&args).with_step(step));
}

/// A custom invoice as a draft; most are booked at once.
pub fn create(world: &mut World) {
    let day = world.today.to_string();
    let price = format!("{}.{:02}", world.dice.within(1, 900), world.dice.within(0, 99));
    let written = json!({
        "customer": account(world.someone()), "date": day,
        "refkey": format!("by-hand-{}", world.dice.within(0, 1 << 40)),
        "lines": [{"title": "Workshop", "quantity": "1.5", "unitprice": price}],
    });
    let path = world.file("invoice.json", &written.to_string());
    let step = today(world, json!({"invoice": written, "do": "create"}));
    act(world, &Act::once(&["invoices", "create", &path]).with_step(step));
}

/// Something with a draft that waits: booked, changed or dropped.
pub fn drafts(world: &mut World) {
    let open = world.look(&["invoices", "--state", "draft"]).as_array().unwrap().clone();
    if open.is_empty() {
        return;
    }
    let draft = world.dice.pick(&open).clone();
    let Some(place) = oracle::place_of(world, &draft) else {
        panic!("a draft that simulate does not have: {draft:#}")
    };
    let (id, day) = (draft["ID"].as_str().unwrap().to_owned(), world.today.to_string());
    let (args, step): (Vec<&str>, Value) = match world.dice.within(0, 3) {
        0 => (vec!["invoices", "cancel", &id, "--release"], json!({"do": "cancel", "release": true})),
        1 => (vec!["invoices", "cancel", &id], json!({"do": "cancel"})),
        _ => (vec!["invoices", "book", &id, "--as-of", &day], json!({"do": "book"})),
    };
    let mut step = today(world, step);
    step["invoice"] = json!(place);
    // A booking that was killed goes on when it is asked for again: its charge is still to come.
    let done = if args[1] == "book" { Act::quiet(&args).done_says("booked") } else { Act::once(&args) };
    act(world, &done.with_step(step).if_they_let());
}

/// Handed over otherwise, or sent again to somebody else.
pub fn deliver(world: &mut World) {
    let Some(invoice) = some(world, |_| true) else { return };
    let number = number(&invoice);
    match world.dice.within(0, 2) {
        0 => act(world, &Act::quiet(&["invoices", "markdelivered", &number, "--note", "by post"])),
        1 => act(world, &Act::quiet(&["invoices", "send", &number])),
        _ => act(world, &Act::quiet(&["mails", "send", "--refused"])),
    };
}
