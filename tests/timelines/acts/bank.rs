//! Money that comes to the bank: statements, what people make of what they do not say, and what goes back.

use super::{Act, act, some, today};
use crate::timelines::world::{World, account};
use serde_json::{Value, json};
use std::process::Command;

/// Columns of the bank's CSV; what is not set here is called by its own name.
const COLUMNS: [(&str, &str); 5] =
    [("DATE", "date"), ("AMOUNT", "amount"), ("TEXT", "text"), ("NAME", "name"), ("ID", "id")];

/// How the bank writes its files.
pub fn settings(command: &mut Command, currency: &str) {
    for (setting, column) in COLUMNS {
        command.env(format!("TALLYBOOK_BANK_CSV_{setting}"), column);
    }
    command.env("TALLYBOOK_BANK_CSV_DEFAULT_CURRENCY", currency);
}

/// A statement: new money, or now and then that of the last one once more.
pub fn import(world: &mut World) {
    let is_repeated = world.statement.is_some() && world.dice.chance(20);
    if !is_repeated {
        let count = world.dice.within(1, 3);
        world.statement = Some((0..count).map(|_| credit(world)).collect());
    }
    let credits = world.statement.clone().unwrap_or_default();
    let cell = |credit: &Value, name: &str| credit[name].as_str().unwrap().to_owned();
    let row = |credit: &Value| COLUMNS.map(|(_, name)| cell(credit, name)).join(",");
    let rows: Vec<String> = credits.iter().map(row).collect();
    let heads = COLUMNS.map(|(_, name)| name).join(",");
    let path = world.file("bank.csv", &format!("{heads}\n{}\n", rows.join("\n")));
    let step = today(world, json!({"payments": "import", "entries": credits}));
    act(world, &Act::quiet(&["payments", "import", &path]).with_step(step));
}

/// Somebody pays: an invoice that they name, one that they do not, or nothing that anybody knows.
fn credit(world: &mut World) -> Value {
    let invoice = some(world, |i| i["IsCreditNote"] == false);
    let invoice = invoice.filter(|_| world.dice.chance(85));
    let names_it = world.dice.chance(75);
    let part = world.dice.chance(30);
    let text = |i: &Value| format!("faktura {}", i["InvoiceNumber"].as_str().unwrap());
    let (text, amount) = match &invoice {
        Some(invoice) => (
            if names_it { text(invoice) } else { "tak".to_owned() },
            if part { "50.00".to_owned() } else { invoice["TotalAmount"].as_str().unwrap().to_owned() },
        ),
        None => ("ukendt".to_owned(), "123.45".to_owned()),
    };
    let id = format!("b{}", world.dice.within(0, 1 << 40));
    let amount = if amount.starts_with('-') || amount == "0.00" { "1.00".to_owned() } else { amount };
    json!({"date": world.today.to_string(), "amount": amount, "text": text, "name": "Nogen", "id": id})
}

/// Money of which something is left, by its number.
fn left_of(world: &mut World) -> Option<String> {
    let received = world.look(&["payments", "received"]);
    let waits = |payment: &&Value| payment["left"] != "0.00" && payment["state"] != "refunded";
    let waiting: Vec<Value> = received.as_array().unwrap().iter().filter(waits).cloned().collect();
    if waiting.is_empty() { None } else { Some(world.dice.pick(&waiting)["payment"].to_string()) }
}

/// A person puts what waits on an invoice.
pub fn allocate(world: &mut World) {
    let Some(payment) = left_of(world) else { return import(world) };
    let Some(invoice) = some(world, |i| i["IsCreditNote"] == false) else { return };
    let number = super::number(&invoice);
    let mut args = vec!["payments", "allocate", &payment, "--invoice", &number];
    let mut step = today(world, json!({"payments": "allocate", "payment": payment, "invoice": number}));
    if world.dice.chance(30) {
        args.extend(["--amount", "5.00"]);
        step["amount"] = json!("5.00");
    }
    act(world, &Act::once(&args).with_step(step).by_the_clock());
}

/// What nobody knows goes back, or what a payer has to their credit.
pub fn refund(world: &mut World) {
    if world.dice.chance(50) {
        let Some(payment) = left_of(world) else { return import(world) };
        let step = today(world, json!({"payments": "refund", "payment": payment}));
        act(world, &Act::once(&["payments", "refund", &payment]).with_step(step).by_the_clock());
        return;
    }
    let account = account(world.someone());
    let step = today(world, json!({"payments": "refund", "customer": account}));
    act(world, &Act::once(&["payments", "refund", "--customer", &account]).with_step(step).by_the_clock());
}
