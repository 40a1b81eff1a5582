//! The sample that `demo` bills: a Danish cloud company, its customers, and two months of usage with the faults
//! that real usage has. Everything follows from the numbers of customers and events; nothing is random.

use serde_json::{Value, json};
use std::io::{self, Write};

const TOWNS: [(&str, &str, &str); 6] = [
    ("8000", "Aarhus", "DK"),
    ("1058", "København", "DK"),
    ("9000", "Aalborg", "DK"),
    ("10115", "Berlin", "DE"),
    ("0150", "Oslo", "NO"),
    ("5000", "Odense", "DK"),
];
const NAMES: [&str; 12] = [
    "Kaffe & Co",
    "Ærø Færgefart A/S",
    "Brødrene Møller",
    "Nordhavn Arkitekter",
    "Fjordbyens Cykelværksted",
    "Grønt Tag ApS",
    "Lyngby Bogbinderi",
    "Sønderjysk Ølbryggeri",
    "Havfruen Rejser",
    "Pedersen & Døtre Tømrerfirma",
    "Klit Kommunikation",
    "Vestkystens Fiskeeksport af 1887",
];
const TOKENS: [&str; 10] = [
    "tok_ok",
    "tok_ok",
    "tok_ok",
    "tok_soft_decline",
    "tok_ok",
    "tok_ok",
    "tok_ok_after_2",
    "tok_hard_decline",
    "tok_ok",
    "tok_timeout_once",
];

/// The part of the book that does not depend on its size.
pub fn head() -> Value {
    json!({
        "tenant": {"fullname": "Nordlys Cloud ApS", "companyvat": "DK10000009", "currencycode": "DKK", "timezone": "Europe/Copenhagen",
                   "paymentterm": 14, "addressline1": "Havnegade 1", "postalcode": "1058", "city": "København", "country": "DK",
                   "iban": "DK5000400440116243", "email": "billing@nordlys.example"},
        "businessunits": [{"refkey": "dk", "fullname": "Denmark", "accountingcode": "100"},
                          {"refkey": "intl", "fullname": "International", "accountingcode": "200", "invoicenumberpattern": "INT-{seq:07}"}],
        "dunningpolicies": [{"refkey": "standard", "fullname": "Standard", "default": true, "manual": true, "steps": [
            {"days": 0, "action": "retry"}, {"days": 1, "action": "retry"}, {"days": 3, "action": "other_method"},
            {"days": 5, "action": "mail"}, {"days": 8, "action": "retry"}, {"days": 45, "action": "hold"}]}],
        "taxrules": [
            {"fullname": "DK VAT", "country": "DK", "state": "*", "ruletype": "*", "priority": 10, "taxpct": "25", "category": "S", "validfrom": "1992-01-01"},
            {"fullname": "EU reverse charge", "country": "DE", "state": "*", "ruletype": "business", "priority": 20, "taxpct": "0", "category": "AE",
             "reason": "Reverse charge, article 196 of Directive 2006/112/EC"},
            {"fullname": "DE VAT", "country": "DE", "state": "*", "ruletype": "consumer", "priority": 30, "taxpct": "19", "category": "S"},
            {"fullname": "Export", "country": "*", "state": "*", "ruletype": "*", "priority": 90, "taxpct": "0", "category": "G",
             "reason": "Export of services outside the EU"}],
        "rates": [{"currencycode": "EUR", "date": "2026-01-30", "rate": "7.4690", "source": "ECB"},
                  {"currencycode": "EUR", "date": "2026-02-27", "rate": "7.4701", "source": "ECB"}],
        "uoms": [{"refkey": "call", "fullname": "call"}, {"refkey": "gb", "fullname": "GB"}, {"refkey": "seat", "fullname": "seat"}],
        "productfamilies": [{"refkey": "cloud", "fullname": "Cloud"}],
        "productplans": [pro(), team()],
        "discounts": [{"refkey": "launch", "fullname": "Launch", "type": "percentage", "amount": "0.10", "invoicetext": "Launch 10 %",
                       "expiryperiod": "months", "expiryperiodinterval": 3, "codes": [{"codeprefix": "LAUNCH", "code": "A1", "redemption": 0}]}]
    })
}

fn pro() -> Value {
    json!({
        "sku": "PRO", "fullname": "Pro", "productfamily": "cloud", "currencycode": "DKK", "currencies": ["DKK", "EUR"], "changehandle": 1,
        "charges": [
            {"sku": "PRO-SETUP", "fullname": "Setup", "invoicetext": "One-time setup", "chargetype": "one_time", "pricingmodel": "flat",
             "billingperiodalignment": "subscription_start", "defaultamount": "1", "taxable": true,
             "pricings": [{"currencycode": "DKK", "price": "500.00"}, {"currencycode": "EUR", "price": "67.00"}]},
            {"sku": "PRO-BASE", "anchorcode": "base", "fullname": "Base fee", "invoicetext": "Pro subscription", "chargetype": "recurring",
             "pricingmodel": "flat", "billingperiod": "monthly", "billingperiodinterval": 1, "billingperiodalignment": "subscription_start",
             "defaultamount": "1", "taxable": true,
             "pricings": [{"currencycode": "DKK", "price": "199.00"}, {"currencycode": "EUR", "price": "26.90"}]},
            {"sku": "PRO-API", "anchorcode": "api", "fullname": "API calls", "chargetype": "usage", "meter": "api_calls", "uom": "call",
             "usagedatacalculationtype": "sum", "pricingmodel": "tiered", "billingperiod": "monthly", "billingperiodalignment": "period_end", "taxable": true,
             "pricings": tiers(&[("DKK", "1000", "0", ""), ("DKK", "10000", "0.05", ""), ("DKK", "", "0.02", "10"),
                                 ("EUR", "1000", "0", ""), ("EUR", "10000", "0.007", ""), ("EUR", "", "0.003", "1.50")])},
            {"sku": "PRO-STORE", "anchorcode": "storage", "fullname": "Storage, peak", "chargetype": "usage", "meter": "storage_gb", "uom": "gb",
             "usagedatacalculationtype": "highest", "pricingmodel": "volume", "billingperiod": "monthly", "billingperiodalignment": "period_end", "taxable": true,
             "pricings": tiers(&[("DKK", "100", "1.20", ""), ("DKK", "", "0.95", ""), ("EUR", "100", "0.16", ""), ("EUR", "", "0.13", "")])}]
    })
}

fn team() -> Value {
    json!({
        "sku": "TEAM", "fullname": "Team", "productfamily": "cloud", "currencycode": "DKK", "currencies": ["DKK", "EUR"], "changehandle": 1,
        "charges": [
            {"sku": "TEAM-SEAT", "anchorcode": "base", "fullname": "Seats", "invoicetext": "Team seats", "chargetype": "recurring", "uom": "seat",
             "pricingmodel": "per_unit", "billingperiod": "monthly", "billingperiodalignment": "subscription_start", "defaultamount": "5", "taxable": true,
             "pricings": [{"currencycode": "DKK", "price": "49.00"}, {"currencycode": "EUR", "price": "6.60"}]},
            {"sku": "TEAM-API", "anchorcode": "api", "fullname": "API calls", "chargetype": "usage", "meter": "api_calls", "uom": "call",
             "usagedatacalculationtype": "sum", "pricingmodel": "package", "packagesize": "1000", "includedamount": "5000", "billingperiod": "monthly",
             "billingperiodalignment": "period_end", "taxable": true, "minimumamount": {"DKK": "25", "EUR": "3.50"},
             "pricings": [{"currencycode": "DKK", "price": "30.00"}, {"currencycode": "EUR", "price": "4.00"}]}]
    })
}

fn tiers(rows: &[(&str, &str, &str, &str)]) -> Value {
    let row = |(index, (currency, to, price, flat)): (usize, &(&str, &str, &str, &str))| {
        let mut row = json!({"currencycode": currency, "segment": index + 1, "price": price});
        if !to.is_empty() {
            row["tierto"] = json!(to);
        }
        if !flat.is_empty() {
            row["flatprice"] = json!(flat);
        }
        row
    };
    Value::Array(rows.iter().enumerate().map(row).collect())
}

/// Customer `n` (from 1).
pub fn customer(n: usize) -> Value {
    let (postal, city, country) = TOWNS[n % TOWNS.len()];
    let name = NAMES[(n - 1) % NAMES.len()];
    let name = if n <= NAMES.len() { name.to_owned() } else { format!("{name} {n}") };
    let business = !n.is_multiple_of(4);
    let mut customer = json!({
        "accountnumber": account(n), "fullname": name, "currencycode": if country == "DK" { "DKK" } else { "EUR" },
        "autobill": true, "country": country, "addressline1": format!("Torvet {}", n % 97 + 1), "postalcode": postal, "city": city,
        "businessunit": if country == "DK" { "dk" } else { "intl" },
        "contacts": [{"fullname": "Bogholder", "contacttype": ["invoice"], "primaryemail": format!("bogholder@kunde{n}.example")}],
    });
    if business && country != "NO" {
        customer["companyvat"] = json!(if country == "DK" {
            vat_number("DK", 10_000_000 + 20 * n)
        } else {
            vat_number("DE", 100_000_000 + 20 * n)
        });
    } else {
        // Who has no VAT number takes electronic invoices at a location number.
        customer["contacts"][0]["contacttype"] = json!(["invoice", "einvoice"]);
        customer["contacts"][0]["gln"] = json!(location_number(579_000_000_000 + n));
    }
    if !n.is_multiple_of(5) {
        let token = TOKENS[n % TOKENS.len()];
        customer["paymentmethods"] = json!([{"refkey": format!("card-{n}"), "type": "token", "gateway": "sandbox", "token": token, "makedefault": true}]);
    }
    if n.is_multiple_of(7) {
        customer["language"] = json!("da");
    }
    customer
}

/// The first number from this one on whose check digit fits: one of ten or eleven does.
fn vat_number(country: &str, from: usize) -> String {
    let numbered = |digits: usize| format!("{country}{digits}");
    let mut fitting = (from..).map(numbered).filter(|n| !domain::tax::vat_number::has_wrong_check_digit(n));
    fitting.next().unwrap_or_else(|| numbered(from))
}

/// Twelve digits with the check digit that fits.
fn location_number(from: usize) -> String {
    let numbered = |digit: usize| format!("{from}{digit}");
    let mut fitting = (0..10).map(numbered).filter(|n| domain::einvoice::gln(n).is_ok());
    fitting.next().unwrap_or_else(|| numbered(0))
}

/// The subscription of customer `n`.
pub fn subscription(n: usize) -> Value {
    let start = ["2026-01-01", "2026-01-01", "2026-01-10", "2026-01-31"][n % 4];
    let mut subscription = json!({
        "subscriptionnumber": number(n), "customer": account(n), "productplan": if n.is_multiple_of(3) { "TEAM" } else { "PRO" },
        "startdate": start, "status": "active", "autorenew": true,
    });
    if n % 6 == 1 {
        subscription["discount"] = json!({"code": "LAUNCH-A1", "from": start});
    }
    subscription
}

fn account(n: usize) -> String {
    format!("CU-{n:05}")
}

fn number(n: usize) -> String {
    format!("SUB-{n:05}")
}

/// Writes the book as NDJSON: the head's parts, then a line per customer and subscription.
pub fn write_book(out: &mut dyn Write, customers: usize) -> io::Result<()> {
    let Value::Object(head) = head() else { return Ok(()) };
    for (kind, value) in head {
        match value {
            Value::Array(items) => {
                let single = kind
                    .strip_suffix("ies")
                    .map_or_else(|| kind.trim_end_matches('s').to_owned(), |stem| format!("{stem}y"));
                for item in items {
                    writeln!(out, "{}", json!({ single.as_str(): item }))?;
                }
            }
            value => writeln!(out, "{}", json!({ kind: value }))?,
        }
    }
    for n in 1..=customers {
        writeln!(out, "{}", json!({"customer": customer(n)}))?;
        writeln!(out, "{}", json!({"subscription": subscription(n)}))?;
    }
    Ok(())
}

/// Writes `events` usage lines of January and February 2026 as CSV, about one in a thousand with a fault.
pub fn write_usage(out: &mut dyn Write, customers: usize, events: usize) -> io::Result<()> {
    const SECONDS: usize = 59 * 86_400;
    writeln!(out, "id,subject,meter,quantity,time")?;
    let mut state = SplitMix(0x7a11_b00c);
    for event in 0..events {
        let n = state.below(customers) + 1;
        let second = event * SECONDS / events.max(1);
        let (day, rest) = (second / 86_400, second % 86_400);
        let (month, day) = if day < 31 { (1, day + 1) } else { (2, day - 30) };
        let storage = !n.is_multiple_of(3) && state.below(20) == 0;
        let meter = if storage { "storage_gb" } else { "api_calls" };
        let quantity = if storage { state.below(400) + 1 } else { state.below(120) + 1 };
        let subject = if state.below(5000) == 0 { "SUB-GHOST".to_owned() } else { number(n) };
        let quantity = if state.below(2500) == 0 { String::new() } else { quantity.to_string() };
        let copies = if state.below(2000) == 0 { 2 } else { 1 };
        let line = format!(
            "ev-{event:09},{subject},{meter},{quantity},2026-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
            rest / 3600,
            rest / 60 % 60,
            rest % 60
        );
        for _ in 0..copies {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// SplitMix64: the same numbers on every machine.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from(z % bound).unwrap_or(0)
    }
}
