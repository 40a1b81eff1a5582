//! Scenarios: each reads as a timeline and the invoices that it must give.

mod acts;
mod adding_up;
mod agreements;
mod basics;
mod cases;
mod catching_up;
mod credits;
mod debits;
mod documents;
mod either_order;
mod objects;
mod prices;
mod runs;
mod taking_over;
mod usage;

use super::simulate;
use super::steps::play_in;
use super::world::World;
use crate::refusal::{Phrase, WayOut};
use serde_json::{Value, json};

/// The words of a way out, without what a front end has its own word for.
pub fn words(way_out: &WayOut) -> String {
    let words = way_out.0.iter().filter_map(|phrase| match phrase {
        Phrase::Words(words) => Some(words.as_str()),
        _ => None,
    });
    words.collect()
}

/// A scenario: seller, one customer, one plan `PRO` with the given charges, and a subscription from `start`.
pub struct Scenario {
    book: Value,
    timeline: Vec<Value>,
}

impl Scenario {
    pub fn new(start: &str, charges: Vec<Value>) -> Self {
        let book = json!({
            "tenant": {"fullname": "Nordlys", "companyvat": "DK12345678", "currencycode": "DKK",
                       "timezone": "Europe/Copenhagen", "paymentterm": 14, "country": "DK"},
            "taxrules": [{"fullname": "DK", "country": "DK", "state": "*", "ruletype": "*", "priority": 10,
                          "taxpct": "25", "category": "S"}],
            "productplans": [{"sku": "PRO", "fullname": "Pro", "currencycode": "DKK", "currencies": ["DKK"],
                              "changehandle": 1, "charges": charges}],
            "customers": [{"accountnumber": "CU-1", "fullname": "Kaffe", "currencycode": "DKK", "autobill": true,
                           "country": "DK"}],
            "subscriptions": [{"subscriptionnumber": "SUB-1", "customer": "CU-1", "productplan": "PRO",
                               "startdate": start, "status": "active"}],
        });
        Self { book, timeline: Vec::new() }
    }

    /// One place of the book set; a missing member is made, `-` appends.
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match self.book.pointer_mut(parent).unwrap_or_else(|| panic!("{parent}")) {
            Value::Object(map) => drop(map.insert(name.to_owned(), value)),
            Value::Array(list) => list.push(value),
            other => panic!("{other}"),
        }
        self
    }

    pub fn step(mut self, step: Value) -> Self {
        self.timeline.push(step);
        self
    }

    pub fn run(self, on: &str) -> Self {
        self.step(json!({"on": on, "run": {}}))
    }

    /// A verb on the subscription.
    pub fn act(self, on: &str, verb: &str, arguments: Value) -> Self {
        let mut step = json!({"on": on, "subscription": "SUB-1", "do": verb});
        step.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        self.step(step)
    }

    pub fn usage(self, on: &str, id: &str, meter: &str, quantity: &str, time: &str) -> Self {
        self.step(json!({"on": on, "ingest": [
            {"id": id, "subject": "SUB-1", "meter": meter, "quantity": quantity, "time": time}]}))
    }

    /// What is there after the last step.
    pub fn world(&self) -> World {
        let mut world = World::default();
        let scenario = json!({"book": self.book, "timeline": self.timeline});
        play_in(&mut world, scenario.as_object().unwrap(), words).unwrap();
        world
    }

    pub fn answer(&self) -> Value {
        simulate(&json!({"name": "test", "book": self.book, "timeline": self.timeline}).to_string(), words)
    }

    /// The invoices in short, and every step done.
    #[track_caller]
    pub fn invoices(&self) -> Vec<String> {
        let answer = self.answer();
        for step in answer["steps"].as_array().unwrap() {
            assert_eq!(step["ok"], true, "{step}");
        }
        short(&answer)
    }

    /// Codes of the steps that were refused.
    pub fn refusals(&self) -> Vec<String> {
        let answer = self.answer();
        let codes = answer["steps"].as_array().unwrap().iter().filter(|step| step["ok"] == false);
        codes.map(|step| step["error"]["code"].as_str().unwrap().to_owned()).collect()
    }
}

/// `INV-0000001 2026-01-01 248.75: PRO-BASE 199.00 [2026-01-01 2026-01-31]; …`, drafts without a number.
pub fn short(answer: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("draft").to_owned();
    let line = |line: &Value| {
        format!(
            "{} {} [{} {}]",
            text(&line["SKU"]),
            text(&line["SubTotal"]),
            text(&line["PeriodStart"]),
            text(&line["PeriodEnd"])
        )
    };
    answer["invoices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|invoice| {
            let lines: Vec<String> = invoice["InvoiceLines"].as_array().unwrap().iter().map(line).collect();
            let (number, date, total) = (
                text(&invoice["InvoiceNumber"]),
                text(&invoice["InvoiceDate"]),
                text(&invoice["TotalAmount"]),
            );
            format!("{number} {date} {total}: {}", lines.join("; "))
        })
        .collect()
}

/// A flat monthly fee in advance.
pub fn base(price: &str) -> Value {
    json!({"sku": "BASE", "anchorcode": "base", "fullname": "Base fee", "chargetype": "recurring", "pricingmodel": "flat",
           "billingperiod": "monthly", "billingperiodalignment": "subscription_start", "defaultamount": "1",
           "taxable": true, "pricings": [{"currencycode": "DKK", "price": price}]})
}

/// Seats in advance, per unit and month.
pub fn seats(price: &str, amount: &str) -> Value {
    json!({"sku": "SEATS", "anchorcode": "seats", "fullname": "Seats", "chargetype": "recurring",
           "pricingmodel": "per_unit", "billingperiod": "monthly", "billingperiodalignment": "subscription_start",
           "defaultamount": amount, "taxable": true, "pricings": [{"currencycode": "DKK", "price": price}]})
}

/// Calls counted by month, per unit.
pub fn calls(price: &str) -> Value {
    json!({"sku": "CALLS", "anchorcode": "calls", "fullname": "Calls", "chargetype": "usage", "meter": "calls",
           "usagedatacalculationtype": "sum", "pricingmodel": "per_unit", "billingperiod": "monthly",
           "billingperiodalignment": "period_end", "taxable": true,
           "pricings": [{"currencycode": "DKK", "price": price}]})
}

/// A charge with some fields set otherwise.
pub fn but(mut charge: Value, fields: Value) -> Value {
    charge.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    charge
}
