//! Numbers that other billing systems are known to give (`tests/golden/cases.csv`, with their sources), each played as
//! a scenario. A row that rests on a convention other than ours is named here with the reason, never skipped.

mod amounts;
mod models;
mod time;

use super::super::simulate;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};

const CASES: &str = include_str!("../../../../../tests/golden/cases.csv");

/// What we make of a row.
pub enum Case {
    /// The row's numbers are ours too.
    Same(String),
    /// Ours is another number, by a rule.
    Ours(String, &'static str),
    /// Nothing of ours gives a number for it.
    None(&'static str),
}

/// A row's numbers, in the row's order.
pub fn same<T: ToString>(numbers: &[T]) -> Case {
    Case::Same(numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

#[test]
fn every_row_is_ours_or_listed_with_the_reason() {
    let mut wrong = Vec::new();
    let (mut held, mut listed) = (0, 0);
    for row in rows(CASES).into_iter().skip(1) {
        let (id, expected) = (row[0].as_str(), plain(&row[3]));
        let case = models::case(id).or_else(|| time::case(id)).or_else(|| amounts::case(id));
        match case {
            Some(Case::Same(ours)) if plain(&ours) == expected => held += 1,
            Some(Case::Ours(ours, reason)) if plain(&ours) != expected && !reason.is_empty() => listed += 1,
            Some(Case::None(reason)) if !reason.is_empty() => listed += 1,
            Some(Case::Same(ours)) => wrong.push(format!("{id}: expected {expected}, ours {}", plain(&ours))),
            Some(Case::Ours(..)) => wrong.push(format!("{id}: is the same as ours: {expected}")),
            Some(Case::None(_)) => wrong.push(format!("{id}: listed without a reason")),
            None => wrong.push(format!("{id}: nobody knows it")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((held, listed), (146, 51), "rows that hold, and rows listed with a reason");
}

/// Numbers without trailing zeros, other words as they are.
fn plain(text: &str) -> String {
    let parts = text.split(", ").map(|part| match part.trim().parse::<Decimal>() {
        Ok(number) => number.normalize().to_string(),
        Err(_) => part.trim().to_owned(),
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Fields of a CSV text (RFC 4180).
fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            c => field.push(c),
        }
    }
    rows
}

/// A book with one seller, customer, plan and subscription, and what happens to it.
pub struct Play {
    book: Value,
    timeline: Vec<Value>,
}

impl Play {
    /// Starts on a day; amounts are in a currency with three decimals unless said otherwise, and nothing is taxed.
    pub fn new(start: &str, charges: Vec<Value>) -> Self {
        let book = json!({
            "tenant": {"fullname": "Seller", "currencycode": "BHD", "timezone": "UTC", "country": "BH"},
            "productplans": [{"sku": "PLAN", "fullname": "Plan", "currencycode": "BHD", "changehandle": 1, "charges": charges}],
            "discounts": [],
            "customers": [{"accountnumber": "A", "fullname": "Buyer", "currencycode": "BHD", "country": "BH"}],
            "subscriptions": [{"subscriptionnumber": "S", "customer": "A", "productplan": "PLAN", "startdate": start,
                               "status": "active"}],
        });
        Self { book, timeline: Vec::new() }
    }

    pub fn set(mut self, pointer: &str, value: Value) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        self.book.pointer_mut(parent).unwrap()[name] = value;
        self
    }

    pub fn push(mut self, list: &str, value: Value) -> Self {
        self.book[list].as_array_mut().unwrap().push(value);
        self
    }

    pub fn currency(self, code: &str) -> Self {
        self.set("/tenant/currencycode", json!(code))
            .set("/productplans/0/currencycode", json!(code))
            .set("/customers/0/currencycode", json!(code))
    }

    pub fn tax(self, percent: &str) -> Self {
        let rule = json!({"fullname": "Tax", "country": "*", "state": "*", "ruletype": "*", "priority": 1,
                          "taxpct": percent, "category": "S"});
        self.set("/taxrules", json!([rule]))
    }

    pub fn step(mut self, step: Value) -> Self {
        self.timeline.push(step);
        self
    }

    pub fn run(self, on: &str) -> Self {
        self.step(json!({"on": on, "run": {}}))
    }

    /// Usage of the meter `m`, one event each.
    pub fn usage(self, on: &str, quantities: &[&str]) -> Self {
        let at = self.timeline.len();
        let event = |(n, quantity): (usize, &&str)| {
            json!({"id": format!("{at}-{n}"), "subject": "S", "meter": "m", "quantity": quantity,
                   "time": format!("{on}T10:00:00Z")})
        };
        let events: Vec<Value> = quantities.iter().enumerate().map(event).collect();
        self.step(json!({"on": on, "ingest": events}))
    }

    pub fn act(self, on: &str, verb: &str, arguments: Value) -> Self {
        let mut step = json!({"on": on, "subscription": "S", "do": verb});
        step.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        self.step(step)
    }

    /// The invoices, every step done.
    #[track_caller]
    pub fn invoices(self) -> Invoices {
        let answer = simulate(
            &json!({"name": "case", "book": self.book, "timeline": self.timeline}).to_string(),
            super::words,
        );
        for step in answer["steps"].as_array().unwrap() {
            assert_eq!(step["ok"], true, "{step}");
        }
        Invoices(answer["invoices"].as_array().unwrap().clone())
    }
}

pub struct Invoices(pub Vec<Value>);

impl Invoices {
    pub fn lines(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().flat_map(|invoice| invoice["InvoiceLines"].as_array().unwrap())
    }

    /// A field of every line.
    pub fn each(&self, field: &str) -> Vec<Decimal> {
        self.lines().map(|line| number(&line[field])).collect()
    }

    /// A field of every invoice, summed.
    pub fn sum(&self, field: &str) -> Decimal {
        self.0.iter().map(|invoice| number(&invoice[field])).sum()
    }

    /// Net of the last invoice.
    pub fn last(&self) -> Decimal {
        self.0.last().map_or(Decimal::ZERO, |invoice| number(&invoice["Total"]))
    }
}

/// With as many decimals as the row has, half away from zero.
pub fn shown(value: Decimal, decimals: u32) -> Decimal {
    value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero)
}

pub fn number(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

/// A charge that counts the meter `m` by month, with some fields set otherwise.
pub fn metered(model: &str, pricings: Vec<Value>, fields: Value) -> Value {
    let charge = json!({"sku": "M", "anchorcode": "m", "chargetype": "usage", "meter": "m",
        "usagedatacalculationtype": "sum", "pricingmodel": model, "billingperiod": "monthly",
        "billingperiodalignment": "period_end", "pricings": pricings});
    but(charge, fields)
}

/// A recurring charge in advance, with some fields set otherwise.
pub fn recurring(sku: &str, price: &str, fields: Value) -> Value {
    let charge = json!({"sku": sku, "chargetype": "recurring", "pricingmodel": "per_unit", "billingperiod": "monthly",
        "billingperiodalignment": "subscription_start", "defaultamount": "1", "pricings": [{"price": price}]});
    but(charge, fields)
}

pub fn but(mut charge: Value, fields: Value) -> Value {
    charge.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    charge
}

/// Tiers of (upper bound, unit price, flat amount); the last bound is empty.
pub fn tiers(list: &[(&str, &str, &str)]) -> Vec<Value> {
    let tier = |(n, (to, price, flat)): (usize, &(&str, &str, &str))| {
        let mut tier = json!({"segment": n + 1, "price": price});
        for (name, value) in [("tierto", to), ("flatprice", flat)] {
            if !value.is_empty() {
                tier[name] = json!(value);
            }
        }
        tier
    };
    list.iter().enumerate().map(tier).collect()
}

/// Net of one month's usage.
pub fn rated(charge: Value, quantities: &[&str]) -> Decimal {
    Play::new("2026-01-01", vec![charge])
        .usage("2026-01-15", quantities)
        .run("2026-02-01")
        .invoices()
        .sum("Total")
}
