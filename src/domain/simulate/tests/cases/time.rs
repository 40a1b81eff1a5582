//! Periods, stubs and changes.

use super::Case::{self, None as Unknown, Ours};
use super::{Invoices, Play, recurring, same, shown};
use rust_decimal::Decimal;
use serde_json::{Value, json};

const THIRTY: &str = "days are counted as they are, never as months of 30 (R1)";

pub fn case(id: &str) -> Option<Case> {
    stubs(id).or_else(|| changes(id)).or_else(|| dates(id))
}

/// A fee on a day of the month.
fn monthly_on(day: u32, price: &str) -> Value {
    recurring("R", price, json!({"billingperiod": "day_of_month", "billingday": day}))
}

/// What is billed of a fee of one million by the end, in millions: the share of the period.
fn share(charge: Value, start: &str, end: &str) -> Decimal {
    let play = Play::new(start, vec![charge]).set("/subscriptions/0/enddate", json!(end));
    play.run(end).invoices().sum("Total") / Decimal::from(1_000_000)
}

fn stubs(id: &str) -> Option<Case> {
    const MILLION: &str = "1000000";
    let trailing = |start, end| same(&[share(recurring("R", MILLION, json!({})), start, end)]);
    let leading = |day, start, end| same(&[share(monthly_on(day, MILLION), start, end)]);
    let stub_and_four = |price: &str| {
        let play = Play::new("2026-06-17", vec![monthly_on(1, price)]).currency("DKK");
        let invoices = play.run("2026-06-17").run("2026-10-31").invoices();
        same(&[invoices.each("SubTotal")[0], invoices.sum("Total")])
    };
    let quarter = |price: &str| {
        Play::new("2024-04-01", vec![recurring("R", price, json!({"billingperiod": "quarterly"}))])
            .act("2024-04-01", "setamount", json!({"amount": "0"}))
            .run("2024-04-01")
            .act("2024-05-20", "setamount", json!({"amount": "1", "prorate": true}))
    };
    Some(match id {
        "PRO-02" => trailing("2011-02-01", "2011-02-14"),
        "PRO-03" => trailing("2012-02-01", "2012-02-15"),
        "PRO-04" => trailing("2011-02-07", "2011-02-15"),
        "PRO-05" => leading(13, "2011-02-01", "2011-02-13"),
        "PRO-09" => leading(15, "2023-05-23", "2023-06-15"),
        "PRO-10" => leading(15, "2023-06-23", "2023-07-15"),
        "PRO-11" => leading(15, "2023-02-23", "2023-03-15"),
        "PRO-13" | "PRO-14" | "PRO-15" => Unknown(THIRTY),
        "PRO-19" => Ours(
            share(recurring("R", MILLION, json!({})), "2012-03-02", "2012-06-02").to_string(),
            "three whole months are three periods (T2)",
        ),
        "PRO-33" | "PRO-34" => Unknown(THIRTY),
        "PRO-35" => {
            let play = Play::new("2026-01-15", vec![monthly_on(1, "31")]);
            same(&[play.run("2026-01-31").invoices().sum("Total")])
        }
        "PRO-36" => stub_and_four("35"),
        "PRO-38" => stub_and_four("56"),
        "PRO-39" => leading(1, "2021-01-17", "2021-02-01"),
        "PRO-42" => {
            let yearly = recurring(
                "R",
                "3650",
                json!({"billingperiod": "day_of_month", "billingday": 1, "billingperiodinterval": 12}),
            );
            let play = Play::new("2026-12-02", vec![yearly]);
            same(&[play.run("2026-12-31").invoices().sum("Total")])
        }
        "PRO-43" => {
            let billed = quarter("91").run("2024-05-20").invoices().last();
            same(&[Decimal::from(91 * 42) / billed])
        }
        "PRO-45" => same(&[shown(share(monthly_on(1, MILLION), "2015-01-25", "2015-02-03"), 6)]),
        "PRO-48" => {
            let play = quarter("91000").run("2024-05-20");
            let play = play
                .act("2024-06-21", "setamount", json!({"amount": "0", "prorate": true}))
                .run("2024-06-21");
            same(&[play.invoices().sum("Total")])
        }
        "PRO-51" => {
            let play = Play::new("2024-05-01", vec![recurring("R", "31", json!({}))]);
            let play = play
                .set("/tenant/timezone", json!("America/Nuuk"))
                .set("/subscriptions/0/enddate", json!("2024-05-05"));
            same(&[play.run("2024-05-31").invoices().sum("Total")])
        }
        _ => return None,
    })
}

/// Credit, charge and net of what a change on a day of the month makes.
fn change(invoices: &Invoices) -> Case {
    let lines = invoices.each("SubTotal");
    let [.., credit, charge] = lines.as_slice() else { panic!("{lines:?}") };
    same(&[*credit, *charge, credit + charge])
}

/// A quantity that changes on a day.
fn quantity(currency: &str, price: &str, start: &str, on: &str, from: &str, to: &str) -> Case {
    let charge = recurring("R", price, json!({"defaultamount": from}));
    let play = Play::new(start, vec![charge]).currency(currency).run(start);
    change(&play.act(on, "setamount", json!({"amount": to, "prorate": true})).run(on).invoices())
}

/// A second plan to switch to.
fn other_plan(currency: &str, charges: Vec<Value>) -> Value {
    json!({"sku": "OTHER", "fullname": "Other", "currencycode": currency, "changehandle": 1, "charges": charges})
}

fn changes(id: &str) -> Option<Case> {
    let named = |sku: &str, anchor: &str, price: &str| recurring(sku, price, json!({"anchorcode": anchor}));
    let switch = json!({"plan": "OTHER", "when": "now", "prorate": true});
    let added = |fields: Value, arguments: Value| {
        let charges = vec![recurring("R", "1", json!({})), recurring("ADD", "100", fields)];
        let play = Play::new("2026-04-01", charges).currency("DKK").run("2026-04-01");
        let invoices = play.act("2026-04-16", "addoptionalcharge", arguments).run("2026-04-16").invoices();
        same(&[invoices.last() * Decimal::from(100)])
    };
    Some(match id {
        "CHG-01" => quantity("DKK", "10", "2026-03-01", "2026-03-15", "1", "2"),
        "CHG-02" => quantity("DKK", "10", "2026-03-01", "2026-03-15", "10", "3"),
        "CHG-03" => quantity("DKK", "10", "2026-03-01", "2026-03-15", "5", "10"),
        "CHG-06" => quantity("JPY", "10000", "2026-04-01", "2026-04-16", "1", "2"),
        "CHG-07" => quantity("JPY", "10000", "2026-04-01", "2026-04-01", "1", "2"),
        "CHG-08" => quantity("JPY", "30000", "2026-04-01", "2026-04-30", "1", "2"),
        "CHG-10" => {
            let play =
                Play::new("2026-04-01", vec![named("A", "base", "10000"), named("B", "thirty", "3000")])
                    .currency("JPY")
                    .push(
                        "productplans",
                        other_plan("JPY", vec![named("C", "base", "20000"), named("D", "fifty", "5000")]),
                    );
            let play = play.run("2026-04-01").act("2026-04-16", "switchplan", switch).run("2026-04-16");
            same(&[play.invoices().last()])
        }
        "CHG-11" => added(
            json!({"chargetype": "one_time", "chargesetup": "optional", "pricings": [{"price": "500"}]}),
            json!({"charge": "ADD", "amount": "2"}),
        ),
        "CHG-12" => added(json!({"chargesetup": "optional"}), json!({"charge": "ADD", "amount": "3"})),
        "CHG-15" => {
            let play = Play::new("2026-03-01", vec![named("A", "base", "599.95")])
                .currency("DKK")
                .push("productplans", other_plan("DKK", vec![named("C", "base", "9.95")]));
            let play = play.run("2026-03-01").act("2026-03-07", "switchplan", switch).run("2026-03-07");
            let lines = play.invoices().each("SubTotal");
            same(&[lines[2], lines[1], -(lines[1] + lines[2])])
        }
        "CHG-19" => {
            let day_one = json!({"billingperiod": "day_of_month", "billingday": 1});
            let charges = vec![recurring("A", "1000", day_one.clone()), recurring("B", "1500", day_one)];
            same(
                &Play::new("2026-03-19", charges)
                    .currency("JPY")
                    .run("2026-03-19")
                    .invoices()
                    .each("SubTotal"),
            )
        }
        "CHG-21" => {
            let old = Play::new("2026-01-01", vec![monthly_on(1, "2000")]).currency("JPY");
            let old = old.set("/subscriptions/0/enddate", json!("2026-01-12")).run("2026-01-12");
            let new = Play::new("2026-01-12", vec![monthly_on(1, "100")]).currency("JPY").run("2026-01-12");
            same(&[old.invoices().sum("Total"), new.invoices().sum("Total")])
        }
        _ => return None,
    })
}

fn dates(id: &str) -> Option<Case> {
    let billed = |start: &str, fields: Value, runs: &[&str]| {
        let play = Play::new(start, vec![recurring("R", "1", fields)]);
        runs.iter().fold(play, |play, on| play.run(on)).invoices()
    };
    let dates = |invoices: &Invoices, field: &str| -> Vec<String> {
        invoices.lines().map(|line| line[field].as_str().unwrap().to_owned()).collect()
    };
    Some(match id {
        "DATE-01" => {
            let invoices = billed("2024-01-31", json!({}), &["2024-04-01"]);
            let (from, to) = (dates(&invoices, "PeriodStart"), dates(&invoices, "PeriodEnd"));
            let periods: Vec<String> =
                from.iter().zip(&to).map(|(from, to)| format!("{}..{}", &from[5..], &to[5..])).collect();
            same(&periods)
        }
        "DATE-03" => same(&dates(&billed("2022-01-31", json!({}), &["2022-01-31"]), "PeriodEnd")),
        "DATE-04" => same(&dates(&billed("2020-01-31", json!({}), &["2020-02-29"]), "PeriodStart")[1..]),
        "DATE-05" => same(&dates(
            &billed("2024-01-31", json!({"billingperiod": "annually"}), &["2024-01-31"]),
            "PeriodEnd",
        )),
        "DATE-14" => {
            let fields = json!({"billingperiod": "day_of_month", "billingday": 10});
            let invoices = billed("2024-01-01", fields, &["2024-03-15"]);
            let whole =
                dates(&invoices, "PeriodStart").into_iter().filter(|day| day.ends_with("-10")).count();
            same(&[whole]) // beside the stub before the first billing day
        }
        "DATE-21" => same(&dates(&billed("2025-02-28", json!({}), &["2025-03-28"]), "PeriodStart")[1..]),
        "DATE-22" => {
            let fields = json!({"billingperiod": "annually"});
            same(&dates(&billed("2024-02-29", fields, &["2025-03-01"]), "PeriodStart")[1..])
        }
        "DATE-27" => same(&[billed("2012-01-30", json!({}), &["2012-03-01"]).0.len()]),
        _ => return None,
    })
}
