//! One verb over a table of subscriptions: all of it or nothing, and one act in the audit log.

use crate::support::books::both;
use crate::support::{Home, book};
use serde_json::{Value, json};

#[test]
fn a_price_rise_is_previewed_done_and_one_act() {
    for books in both() {
        let path = books.file("book.json", book(3).to_string());
        books.json(&["load", &path]);
        let prices =
            "subscription;unitprice;effective\nSUB-0001;210,50;2026-03-01\nSUB-0003;250;2026-04-01\n";
        let prices = books.file("prices.csv", prices);
        let bulk =
            ["subscriptions", "bulk", "setprice", &prices, "--set", "charge=PRO-BASE", "--on", "2026-02-10"];
        let preview = books.json(&[&bulk[..], &["--preview"]].concat());
        assert_eq!(
            preview["totals"],
            json!([{"currencycode": "DKK", "subscriptions": 2, "before": "398.00", "after": "460.50"}])
        );
        assert_eq!(books.json(&["subscriptions", "show", "SUB-0001"])["acts"], json!([]));
        assert_eq!(books.json(&bulk), preview);
        books.run(&["run", "--as-of", "2026-04-01", "--skip", "render,send,collect"]).exits(0);
        let invoices = books.json(&["invoices"]);
        let billed = |number: &str, day: &str| {
            let is_it =
                |i: &&Value| i["SubscriptionNumber"] == number && i["InvoiceLines"][0]["PeriodStart"] == day;
            invoices.as_array().unwrap().iter().find(is_it).unwrap()["Total"].clone()
        };
        let told = [
            ("SUB-0001", "2026-02-01"),
            ("SUB-0001", "2026-03-01"),
            ("SUB-0002", "2026-03-01"),
            ("SUB-0003", "2026-03-01"),
            ("SUB-0003", "2026-04-01"),
        ]
        .map(|(number, day)| billed(number, day));
        assert_eq!(told, ["199.00", "210.50", "199.00", "199.00", "250.00"]);
        let acts = books.json(&["audit"]);
        let of_bulk: Vec<&Value> =
            acts.as_array().unwrap().iter().filter(|act| act["action"] == "subscriptions.setprice").collect();
        assert_eq!(of_bulk.len(), 1, "{acts}");
        books.run(&["verify"]).exits(0);
    }
}

#[test]
fn one_line_that_cannot_be_done_leaves_all_as_it_was() {
    let home = Home::new();
    let mut book = book(2);
    book["subscriptions"][1]["status"] = json!("draft");
    home.load(&book);
    let lines = "subscription,option,date\n\
        SUB-0001,on_date,2026-06-01\n\
        SUB-0002,on_date,2026-06-01\n\
        SUB-0009,on_date,2026-06-01\n\
        SUB-0001,sometime,\n\
        ,on_date,2026-06-01\n";
    let path = home.file("ends.csv", lines);
    let bulk = ["--json", "subscriptions", "bulk", "cancel", path.to_str().unwrap(), "--on", "2026-02-01"];
    let refused = home.run(&bulk).exits(1).error();
    let mut places: Vec<&str> =
        refused["faults"].as_array().unwrap().iter().map(|f| f["pointer"].as_str().unwrap()).collect();
    places.sort_unstable();
    let told = ["ends.csv:3", "ends.csv:4 (subscription)", "ends.csv:5", "ends.csv:6 (subscription)"];
    assert_eq!(places, told, "{refused}");
    assert_eq!(home.json(&["subscriptions", "show", "SUB-0001"])["acts"], json!([]));
    let both =
        home.file("twice.csv", "subscription,charge,amount\nSUB-0001,PRO-BASE,2\nSUB-0001,PRO-BASE,3\n");
    let done =
        home.json(&["subscriptions", "bulk", "setamount", both.to_str().unwrap(), "--on", "2026-02-01"]);
    assert_eq!([&done["lines"], &done["subscriptions"]], [2, 1]);
    assert_eq!(done["changes"][0]["after"], "199.00", "flat: a quantity changes no price");
    home.run(&["subscriptions", "bulk", "explode", both.to_str().unwrap()]).exits(1);
    let misspelt = home.file("misspelt.csv", "subscription,chrge,amount\nSUB-0001,PRO-BASE,2\n");
    home.run(&["subscriptions", "bulk", "setamount", misspelt.to_str().unwrap()]).exits(1);
}
