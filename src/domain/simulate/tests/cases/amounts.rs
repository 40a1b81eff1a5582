//! Rounding, discounts, tax, credit notes, numbers; and dunning, where every system has its own ladder.

use super::Case::{self, None as Unknown, Ours};
use super::{Play, recurring, same};
use crate::billing::format_number;
use crate::exact::{Exact, allocate};
use rust_decimal::Decimal;
use serde_json::{Value, json};

const STACKED: &str = "discounts do not stack: the most specific wins (D1)";
const PREPAID: &str = "no prepaid credits beside open credit notes (P6, I8)";
const TAXES: &str = "a line has one tax rate (X1)";
const LADDER: &str = "another dunning ladder: ours are days after payableby, without a threshold (Y2, Y3)";

pub fn case(id: &str) -> Option<Case> {
    rounding(id).or_else(|| discounts(id)).or_else(|| taxes(id)).or_else(|| credits(id))
}

/// One invoice of flat monthly fees.
fn fees(currency: &str, prices: &[&str]) -> Play {
    let charge = |(n, price): (usize, &&str)| recurring(&format!("R{n}"), price, json!({}));
    Play::new("2026-01-01", prices.iter().enumerate().map(charge).collect()).currency(currency)
}

fn rounding(id: &str) -> Option<Case> {
    let parts = |total: i64, weights: &[i128], decimals: u32| {
        let weights: Vec<Exact> = weights.iter().map(|weight| Exact::int(*weight)).collect();
        let parts = allocate(total, &weights).into_iter().map(|part| Decimal::new(part, decimals));
        same(&parts.collect::<Vec<_>>())
    };
    let yen = |price| same(&[fees("JPY", &[price]).run("2026-01-01").invoices().sum("Total")]);
    Some(match id {
        "ALLOC-01" => parts(5, &[1, 1, 1], 2),
        "ALLOC-02" => parts(5, &[1, 1, 1], 0),
        "ALLOC-04" => parts(500, &[10, 5], 2),
        "ALLOC-05" => parts(100, &[1, 2], 2),
        "CROUND-03" => yen("1023.45"),
        "CROUND-04" => yen("1023.5"),
        "NUM-03" => same(&[
            format_number("RD{seq}", 14, "2026-01-01".parse().unwrap()).unwrap(),
            "counter 14".to_owned(),
        ]),
        _ => return None,
    })
}

/// Grants a discount to the customer.
fn discounted(play: Play, fields: Value) -> Play {
    granted(play, "D", "/customers/0/discount", fields)
}

fn granted(play: Play, refkey: &str, to: &str, fields: Value) -> Play {
    let mut discount =
        json!({"refkey": refkey, "fullname": refkey, "codes": [{"codeprefix": refkey, "code": "1"}]});
    discount.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    play.push("discounts", discount).set(to, json!({"code": format!("{refkey}-1"), "from": "2026-01-01"}))
}

fn discounts(id: &str) -> Option<Case> {
    let fixed = |amount: &str| json!({"type": "fixed", "amount": amount, "currencycode": "DKK"});
    let both = |first: Value, second: Value| {
        let play = discounted(fees("DKK", &["100"]), first);
        let play = granted(play, "E", "/subscriptions/0/discount", second);
        Ours(play.run("2026-01-01").invoices().each("DiscountAmount")[0].to_string(), STACKED)
    };
    let percent = |currency, price, amount: &str| {
        let invoices =
            discounted(fees(currency, &[price]), json!({"amount": amount})).run("2026-01-01").invoices();
        same(&[invoices.each("DiscountAmount")[0], invoices.sum("Total")])
    };
    Some(match id {
        "DISC-02" => both(fixed("10"), fixed("20")),
        "DISC-04" => same(
            &discounted(fees("DKK", &["5"]), fixed("10")).run("2026-01-01").invoices().each("DiscountAmount"),
        ),
        "DISC-06" => both(json!({"amount": "0.10"}), json!({"amount": "0.25"})),
        "DISC-14" => percent("JPY", "1000", "0.33333"),
        "DISC-15" => percent("DKK", "1.00", "0.001"),
        "DISC-18" | "DISC-21" | "DISC-24" => Unknown(PREPAID),
        "DISC-23" => {
            let once = json!({"amount": "0.5", "expiryperiod": "months", "expiryperiodinterval": 1});
            same(&discounted(fees("JPY", &["1000"]), once).run("2026-02-01").invoices().each("SubTotal"))
        }
        "TAX-19" => {
            let coupon = json!({"type": "fixed", "amount": "1000", "currencycode": "JPY"});
            let play = discounted(fees("JPY", &["10000", "5000", "3000", "2000"]), coupon);
            same(&play.run("2026-01-01").invoices().each("DiscountAmount"))
        }
        "TAX-21" => {
            let play = discounted(fees("DKK", &["5", "4"]), fixed("10")).tax("25");
            same(&[play.run("2026-01-01").invoices().sum("TotalVat")])
        }
        _ => return None,
    })
}

fn taxes(id: &str) -> Option<Case> {
    let vat = |currency, percent, prices: &[&str]| {
        same(&[fees(currency, prices).tax(percent).run("2026-01-01").invoices().sum("TotalVat")])
    };
    let gross = |play: Play| play.run("2026-01-01").invoices().sum("TotalAmount");
    let inclusive = |play: Play| play.set("/productplans/0/taxinclusive", json!(true));
    Some(match id {
        "TAX-01" => vat("DKK", "10", &["100"]),
        "TAX-04" => vat("DKK", "7.25", &["123.45"]),
        "TAX-07" => vat("DKK", "0.01", &["100"]),
        "TAX-14" => vat("JPY", "15", &["10000", "5000"]),
        "TAX-15" => vat("JPY", "7.25", &["10000"]),
        "TAX-16" => vat("JPY", "21", &["999"]),
        "TAX-18" => vat("JPY", "18", &["10000"]),
        "TAX-24" => Unknown(STACKED),
        "TAX-25" | "TAX-26" => Unknown(TAXES),
        "TAX-27" => {
            let invoices = inclusive(fees("DKK", &["2.99"]).tax("4")).run("2026-01-01").invoices();
            same(&[invoices.sum("Total"), invoices.sum("TotalVat")])
        }
        "TAX-29" => same(&[
            gross(fees("JPY", &["1000"]).tax("20")),
            gross(inclusive(fees("JPY", &["1000"]).tax("20"))),
        ]),
        "TAX-30" => same(&[gross(fees("DKK", &["100", "100"]).tax("17"))]),
        "TAX-31" => same(&[gross(fees("DKK", &["29", "29", "9.99"]).tax("25"))]),
        _ => return None,
    })
}

fn credits(id: &str) -> Option<Case> {
    let credit = |amount: &str| json!({"on": "2026-01-02", "invoice": 1, "do": "credit", "lines": [{"line": 1, "amount": amount}]});
    let rest = || json!({"on": "2026-01-03", "invoice": 1, "do": "credit"});
    let after = |first: &str, second: Value| {
        let play = fees("DKK", &["200"]).run("2026-01-01").step(credit(first)).step(second);
        same(&[-play.invoices().last()])
    };
    Some(match id {
        "CN-03" => {
            let weekly = recurring("R", "2999", json!({"billingperiod": "weekly"}));
            let play = Play::new("2026-01-05", vec![weekly]).currency("JPY").tax("23.33").run("2026-01-05");
            let play =
                play.act("2026-01-06", "cancel", json!({"option": "immediately", "refund": "prorated"}));
            let invoices = play.run("2026-01-06").invoices();
            let field = |at: usize, name: &str| super::number(&invoices.0[at][name]);
            same(&[field(0, "TotalVat"), -field(1, "Total"), -field(1, "TotalVat"), -field(1, "TotalAmount")])
        }
        "CN-06" => {
            let play =
                fees("JPY", &["10000"]).tax("15.01").run("2026-01-01").step(credit("4000")).step(rest());
            let invoices = play.invoices();
            same(&[-super::number(&invoices.0[1]["TotalVat"]), -super::number(&invoices.0[2]["TotalVat"])])
        }
        "CN-09" => after("50", credit("100")),
        "CN-10" => after("50", rest()),
        "CN-11" => after("180", rest()),
        id if id.starts_with("DUN-") => Unknown(LADDER),
        _ => return None,
    })
}
