//! The book of a timeline, drawn: who is sold what, how they pay, and the usage that comes of it.

use super::acts::open_items;
use super::dice::Dice;
use chrono::{NaiveDate, TimeDelta};
use serde_json::{Value, json};

/// What the sandbox makes of a card; an empty one is no card at all.
const CARDS: [(u64, &str); 7] = [
    (6, "tok_ok"),
    (2, "tok_ok_fee"),
    (2, "tok_timeout_once"),
    (2, "tok_ok_after_2"),
    (1, "tok_soft_decline"),
    (1, "tok_hard_decline"),
    (2, ""),
];

/// Who has open items of another system, and nothing else.
pub fn payer_of_open_items() -> Value {
    json!({"accountnumber": open_items::PAYER, "fullname": "Kunde fra før", "currencycode": "DKK", "autobill": true,
        "country": "DK", "addressline1": "Torvet 99", "postalcode": "8000", "city": "Aarhus", "paymentmethods": [],
        "contacts": [{"fullname": "Bogholder", "contacttype": ["invoice"], "primaryemail": "bogholder@foer.example"}]})
}

/// The book of the first day.
pub fn first(dice: &mut Dice, start: NaiveDate) -> Value {
    let customers = dice.within(3, 6);
    let mut book = seller();
    for number in 1..=customers {
        let (customer, subscription) = customer(dice, number, start);
        book["customers"].as_array_mut().unwrap().push(customer);
        book["subscriptions"].as_array_mut().unwrap().push(subscription);
    }
    book
}

/// The same book in euros, of a seller who debits most of its payers some days after the invoice.
pub fn debited(dice: &mut Dice, book: &Value) -> Value {
    let mut book = in_euros(book);
    let tenant = &mut book["tenant"];
    (tenant["iban"], tenant["creditorid"]) = (json!("DE89370400440532013000"), json!("DE98ZZZ09999999999"));
    (tenant["debitnotice"], tenant["paymentterm"]) = (json!(2), json!(8));
    for (number, customer) in (1..).zip(book["customers"].as_array_mut().unwrap()) {
        if customer["accountnumber"] != open_items::PAYER && dice.chance(75) {
            customer["paymentmethods"] = json!([{"refkey": "debit", "type": "sepa", "iban": "AT611904300234573201",
                "mandateid": format!("M-{number}"), "mandatedate": "2025-11-30", "makedefault": true}]);
        }
    }
    book
}

/// What is priced, billed and owed in euros instead of kroner.
pub fn in_euros(book: &Value) -> Value {
    serde_json::from_str(&book.to_string().replace("\"DKK\"", "\"EUR\"")).unwrap()
}

/// A customer with one subscription.
pub fn customer(dice: &mut Dice, number: u64, start: NaiveDate) -> (Value, Value) {
    let card = dice.weighted(&CARDS);
    let methods = match card {
        "" => json!([]),
        token => {
            json!([{"refkey": "card", "type": "token", "gateway": "sandbox", "token": token, "makedefault": true}])
        }
    };
    let customer = json!({
        "accountnumber": format!("CU-{number:04}"), "fullname": format!("Kunde {number}"), "currencycode": "DKK",
        "autobill": dice.chance(85), "country": dice.pick(&["DK", "DK", "DE"]), "addressline1": format!("Torvet {number}"),
        "postalcode": "8000", "city": "Aarhus", "paymentmethods": methods,
        "contacts": [{"fullname": "Bogholder", "contacttype": ["invoice"], "primaryemail": format!("bogholder@kunde{number}.example")}],
    });
    let begins = start + TimeDelta::days(i64::try_from(dice.within(0, 40)).unwrap() - 20);
    let subscription = json!({
        "subscriptionnumber": format!("SUB-{number:04}"), "customer": format!("CU-{number:04}"),
        "productplan": dice.pick(&["PRO", "PRO", "WEEKLY"]), "startdate": begins, "status": "active", "autorenew": true,
    });
    (customer, subscription)
}

fn seller() -> Value {
    let charge = |sku: &str, anchor: &str, period: &str, price: &str| {
        json!({"sku": sku, "anchorcode": anchor, "fullname": sku, "chargetype": "recurring", "pricingmodel": "per_unit",
            "billingperiod": period, "billingperiodalignment": "subscription_start", "defaultamount": "1",
            "taxable": true, "pricings": [{"currencycode": "DKK", "price": price}]})
    };
    let usage = |sku: &str, period: &str| {
        json!({"sku": sku, "anchorcode": "api", "fullname": "API calls", "chargetype": "usage", "meter": "api_calls", "uom": "call",
            "usagedatacalculationtype": "sum", "pricingmodel": "tiered", "billingperiod": period,
            "billingperiodalignment": "period_end", "taxable": true,
            "pricings": [{"currencycode": "DKK", "segment": 1, "tierto": "1000", "price": "0.01"},
                         {"currencycode": "DKK", "segment": 2, "price": "0.005"}]})
    };
    let mut extra = charge("PRO-EXTRA", "extra", "monthly", "49.00");
    extra["chargesetup"] = json!("optional");
    json!({
        "tenant": {"fullname": "Nordlys Cloud ApS", "companyvat": "DK10000009", "currencycode": "DKK", "timezone": "Europe/Copenhagen",
                   "paymentterm": 14, "addressline1": "Havnegade 1", "postalcode": "1058", "city": "København", "country": "DK",
                   "email": "billing@nordlys.example"},
        "taxrules": [{"fullname": "DK VAT", "country": "DK", "state": "*", "ruletype": "*", "priority": 10, "taxpct": "25", "category": "S"},
                     {"fullname": "DE VAT", "country": "DE", "state": "*", "ruletype": "*", "priority": 10, "taxpct": "19", "category": "S"}],
        "uoms": [{"refkey": "call", "fullname": "call"}],
        "productplans": [
            {"sku": "PRO", "fullname": "Pro", "currencycode": "DKK", "currencies": ["DKK"], "changehandle": 1,
             "charges": [charge("PRO-BASE", "base", "monthly", "199.00"), extra, usage("PRO-API", "monthly")]},
            {"sku": "BIG", "fullname": "Big", "currencycode": "DKK", "currencies": ["DKK"], "changehandle": 1,
             "charges": [charge("BIG-BASE", "base", "monthly", "499.00"), usage("BIG-API", "monthly")]},
            {"sku": "WEEKLY", "fullname": "Weekly", "currencycode": "DKK", "currencies": ["DKK"], "changehandle": 0,
             "charges": [charge("WEEKLY-BASE", "base", "weekly", "55.55"), usage("WEEKLY-API", "weekly")]}],
        "discounts": [{"refkey": "launch", "fullname": "Launch", "type": "percentage", "amount": "0.10", "expiryperiod": "months",
                       "expiryperiodinterval": 2, "codes": [{"codeprefix": "LAUNCH", "code": "A1"}]}],
        "customers": [], "subscriptions": []
    })
}

/// Usage records as a file has them; some are at fault, some late, some were handed in before.
pub fn usage(dice: &mut Dice, today: NaiveDate, customers: u64, before: &[Value]) -> Vec<Value> {
    let mut records = Vec::new();
    for _ in 0..dice.within(1, 12) {
        let subject = format!("SUB-{:04}", dice.within(1, customers));
        let back = i64::try_from(dice.within(0, 25)).unwrap();
        let day = today - TimeDelta::days(back);
        let mut record = json!({
            "id": format!("e{}", dice.within(0, u64::MAX - 1)), "subject": subject, "meter": "api_calls",
            "quantity": format!("{}", dice.within(1, 900)), "time": format!("{day}T{:02}:15:00Z", dice.within(0, 23)),
        });
        match dice.within(0, 24) {
            0 => record["subject"] = json!("SUB-9999"),
            1 => record["quantity"] = json!("many"),
            2 if !before.is_empty() => record = dice.pick(before).clone(),
            3 if !before.is_empty() => {
                record = dice.pick(before).clone();
                record["quantity"] = json!("17");
            }
            4 => record["time"] = json!(format!("{}T10:00:00Z", today + TimeDelta::days(9))),
            _ => {}
        }
        records.push(record);
    }
    records
}

/// Records as CSV.
pub fn csv(records: &[Value]) -> String {
    let columns = ["id", "subject", "meter", "quantity", "time"];
    let row = |record: &Value| columns.map(|column| record[column].as_str().unwrap()).join(",");
    let rows: Vec<String> = records.iter().map(row).collect();
    format!("{}\n{}\n", columns.join(","), rows.join("\n"))
}

/// Records as NDJSON.
pub fn ndjson(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}
