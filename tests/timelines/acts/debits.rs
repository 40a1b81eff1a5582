//! Direct debits: files for the bank, and what it says of them in any order, twice, and months later.

use super::{Act, act, today};
use crate::support::bank_files::{credited, given_back, rejected, statement};
use crate::support::files_below;
use crate::timelines::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A debit as it stands in a file for the bank.
#[derive(Debug, Clone)]
struct Debit {
    message: String,
    batch: String,
    id: String,
    invoice: String,
    amount: String,
}

/// What is due goes into a file.
pub fn export(world: &mut World) {
    let step = today(world, json!({"payments": "export"}));
    act(world, &Act::quiet(&["payments", "export"]).with_step(step).by_the_clock());
}

/// The bank says something of a debit, or what it said last once more.
pub fn answer(world: &mut World) {
    if let Some((text, step)) = world.bank_said.clone().filter(|_| world.dice.chance(20)) {
        return import(world, &text, step);
    }
    let known = in_files(world);
    if known.is_empty() {
        return export(world);
    }
    let debit = world.dice.pick(&known).clone();
    let on = world.today.to_string();
    let (text, step) = match world.dice.weighted(&[(4, "paid"), (3, "declined"), (3, "back")]) {
        "paid" => {
            let reference = format!("C-{}", debit.id);
            let entry = json!({"debit": debit.invoice, "amount": debit.amount, "date": on, "id": reference});
            let text = statement("camt.053", &credited(&debit.amount, &debit.id, &reference, &on));
            (text, json!({"payments": "import", "entries": [entry]}))
        }
        "declined" => {
            let code = *world.dice.pick(&["AM04", "MS03", "AC04", "MD01"]);
            let text = rejected((&debit.message, &debit.batch, &debit.id), code, &on);
            (text, returned(&debit, code, &on))
        }
        _ => {
            let code = *world.dice.pick(&["AM04", "MD06", "MS02"]);
            let text = statement("camt.054", &given_back(&debit.amount, &debit.id, code, &on));
            (text, returned(&debit, code, &on))
        }
    };
    world.bank_said = Some((text.clone(), step.clone()));
    import(world, &text, step);
}

fn returned(debit: &Debit, code: &str, on: &str) -> Value {
    json!({"payments": "import", "returned": [{"debit": debit.invoice, "code": code, "date": on}]})
}

fn import(world: &mut World, text: &str, step: Value) {
    let path = world.file("bank.xml", text);
    let step = today(world, step);
    act(world, &Act::quiet(&["payments", "import", &path]).with_step(step));
}

/// The newest debit of each invoice.
fn in_files(world: &World) -> Vec<Debit> {
    let mut files = files_below(&world.home().join("exports"), "xml");
    files.sort();
    let mut newest: BTreeMap<String, Debit> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let message = between(&text, "MsgId").unwrap_or_default();
        for batch in text.split("<PmtInf>").skip(1) {
            for debit in batch.split("<DrctDbtTxInf>").skip(1) {
                let invoice = between(debit, "Ustrd").unwrap_or_default();
                let amount = debit.split("<InstdAmt Ccy=\"EUR\">").nth(1).and_then(|a| a.split('<').next());
                let debit = Debit {
                    message: message.clone(),
                    batch: between(batch, "PmtInfId").unwrap_or_default(),
                    id: between(debit, "EndToEndId").unwrap_or_default(),
                    invoice: invoice.split_whitespace().last().unwrap_or_default().to_owned(),
                    amount: amount.unwrap_or_default().to_owned(),
                };
                newest.insert(debit.invoice.clone(), debit);
            }
        }
    }
    newest.into_values().collect()
}

fn between(text: &str, tag: &str) -> Option<String> {
    let rest = text.split(&format!("<{tag}>")).nth(1)?;
    rest.split('<').next().map(str::to_owned)
}
