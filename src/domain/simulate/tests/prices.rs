//! How a line shows its price, and discounts, taxes, payers and small invoices.

use super::*;

fn lines(answer: &Value) -> Vec<&Value> {
    answer["invoices"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|i| i["InvoiceLines"].as_array().unwrap())
        .collect()
}

#[test]
fn simple_lines_show_quantity_and_price_and_the_others_one_amount() {
    let tiers = json!([{"currencycode": "DKK", "segment": 1, "tierto": "100", "price": "20"},
                       {"currencycode": "DKK", "segment": 2, "price": "15"}]);
    let tiered = but(
        seats("1", "130"),
        json!({"sku": "TIERED", "anchorcode": "t", "pricingmodel": "tiered", "pricings": tiers}),
    );
    let answer = Scenario::new("2026-01-01", vec![seats("10.00", "3"), tiered]).run("2026-01-01").answer();
    let shown: Vec<[&str; 4]> = lines(&answer)
        .iter()
        .map(|l| {
            ["Quantity", "UnitPrice", "RatedQuantity", "Description"].map(|name| l[name].as_str().unwrap())
        })
        .collect();
    assert_eq!(shown, [["3", "10", "3", ""], ["1", "2450", "130", "100 à 20.00; 30 à 15.00"]]);
}

fn discounted(discount: Value) -> Scenario {
    Scenario::new("2026-01-01", vec![base("100.00"), seats("10.00", "5")])
        .with("/discounts", json!([discount]))
}

#[test]
fn a_percentage_counts_for_its_months_and_a_code_once() {
    let launch = json!({"refkey": "l", "fullname": "L", "type": "percentage", "amount": "0.10", "invoicetext": "Launch",
        "expiryperiod": "months", "expiryperiodinterval": 1, "codes": [{"codeprefix": "L", "code": "1", "redemption": 1}]});
    let scenario = discounted(launch)
        .step(json!({"on": "2026-01-01", "discount": "L-1", "do": "apply", "subscription": "SUB-1"}))
        .step(json!({"on": "2026-01-01", "discount": "L-1", "do": "apply", "customer": "CU-1"}))
        .step(json!({"on": "2026-01-01", "discount": "L-9", "do": "apply", "customer": "CU-1"}))
        .run("2026-02-01");
    assert_eq!(scenario.refusals(), ["used_up", "unknown_code"]);
    let answer = scenario.answer();
    let january: Vec<[&str; 3]> = lines(&answer)[..2]
        .iter()
        .map(|l| ["SubTotal", "Discount", "DiscountAmount"].map(|name| l[name].as_str().unwrap()))
        .collect();
    assert_eq!(january, [["90.00", "0.1", "10.00"], ["45.00", "0.1", "5.00"]]);
    assert_eq!(lines(&answer)[2]["SubTotal"], "100.00");
}

#[test]
fn a_fixed_amount_is_spread_over_the_days_lines() {
    let fixed = json!({"refkey": "f", "fullname": "F", "type": "fixed", "amount": "50", "currencycode": "DKK",
        "invoicetext": "50 off", "expiryperiod": "months", "expiryperiodinterval": 1,
        "codes": [{"codeprefix": "F", "code": "1", "redemption": 0}]});
    let scenario = discounted(fixed)
        .with("/customers/0/discount", json!({"code": "F-1", "from": "2026-01-01"}))
        .run("2026-02-01");
    assert_eq!(
        scenario.invoices(),
        [
            "INV-0000001 2026-01-01 125.00: BASE 66.67 [2026-01-01 2026-01-31]; SEATS 33.33 [2026-01-01 2026-01-31]",
            "INV-0000002 2026-02-01 187.50: BASE 100.00 [2026-02-01 2026-02-28]; SEATS 50.00 [2026-02-01 2026-02-28]",
        ]
    );
}

#[test]
fn gross_prices_are_split_per_group() {
    let scenario = Scenario::new("2026-01-01", vec![base("2.99")])
        .with("/productplans/0/taxinclusive", json!(true))
        .with("/taxrules/0/taxpct", json!("4"))
        .run("2026-01-01");
    let answer = scenario.answer();
    let invoice = &answer["invoices"][0];
    assert_eq!(
        ["Total", "TotalVat", "TotalAmount"].map(|name| invoice[name].as_str().unwrap()),
        ["2.88", "0.11", "2.99"],
        "TAX-27"
    );
}

fn second_subscription(scenario: Scenario, customer: &str) -> Scenario {
    scenario.with(
        "/subscriptions/-",
        json!({"subscriptionnumber": "SUB-2", "customer": customer, "productplan": "PRO", "startdate": "2026-01-01",
               "status": "active"}),
    )
}

#[test]
fn each_subscription_has_its_invoice_unless_collected() {
    let scenario = || second_subscription(Scenario::new("2026-01-01", vec![base("100.00")]), "CU-1");
    assert_eq!(scenario().run("2026-01-01").invoices().len(), 2);
    let collected = scenario().with("/customers/0/collectivebilling", json!(true)).run("2026-01-01");
    let january = "BASE 100.00 [2026-01-01 2026-01-31]";
    assert_eq!(collected.invoices(), [format!("INV-0000001 2026-01-01 250.00: {january}; {january}")]);
    assert_eq!(collected.answer()["invoices"][0]["SubscriptionID"], Value::Null);
}

#[test]
fn a_child_is_billed_to_its_parent() {
    let scenario = second_subscription(Scenario::new("2026-01-01", vec![base("100.00")]), "CU-2")
        .with(
            "/customers/-",
            json!({"accountnumber": "CU-2", "fullname": "Branch", "currencycode": "DKK", "autobill": true,
                   "country": "SE", "parent": "CU-1", "billtoparent": true}),
        )
        .run("2026-01-01");
    let answer = scenario.answer();
    let accounts: Vec<&str> =
        answer["invoices"].as_array().unwrap().iter().map(|i| i["AccountNumber"].as_str().unwrap()).collect();
    assert_eq!(accounts, ["CU-1", "CU-1"]);
    let children: Vec<bool> =
        answer["invoices"].as_array().unwrap().iter().map(|i| i["ChildID"].is_string()).collect();
    assert_eq!(children, [false, true]);
}

#[test]
fn small_invoices_wait_for_the_next_one_and_leave_with_the_subscription() {
    let scenario = Scenario::new("2026-01-01", vec![base("30.00")])
        .with("/tenant/minimuminvoice", json!("100"))
        .run("2026-02-20")
        .run("2026-03-01")
        .act("2026-03-20", "cancel", json!({"option": "on_date", "date": "2026-05-01"}))
        .run("2026-05-01");
    let month = |m: &str, last: &str| format!("BASE 30.00 [2026-{m}-01 2026-{m}-{last}]");
    assert_eq!(
        scenario.invoices(),
        [
            format!(
                "INV-0000001 2026-03-01 112.50: {}; {}; {}",
                month("01", "31"),
                month("02", "28"),
                month("03", "31")
            ),
            format!("INV-0000002 2026-05-01 37.50: {}", month("04", "30")),
        ]
    );
}

/// What waits stays with the payer for whom it was made, goes with that one to whoever is billed for it by then, and goes out
/// whatever its size once none of its subscriptions is billed to it (rules I8).
#[test]
fn what_waits_goes_where_its_payer_is_billed() {
    let small = || {
        Scenario::new("2026-01-01", vec![base("30.00")])
            .with("/tenant/minimuminvoice", json!("100"))
            .with(
                "/customers/-",
                json!({"accountnumber": "CU-0", "fullname": "Old", "currencycode": "DKK", "country": "DK"}),
            )
            .with(
                "/customers/-",
                json!({"accountnumber": "CU-9", "fullname": "New", "currencycode": "DKK", "country": "DK"}),
            )
    };
    let billed_to = |parent: &str| {
        json!({"customers": [{"accountnumber": "CU-1", "fullname": "Kaffe", "currencycode": "DKK", "autobill": true,
                              "country": "DK", "parent": parent, "billtoparent": true}]})
    };
    let load = |scenario: Scenario, on: &str, book: Value| scenario.step(json!({"on": on, "load": book}));
    let told = |scenario: &Scenario| -> Vec<(String, String)> {
        assert_eq!(scenario.refusals(), Vec::<String>::new());
        let answer = scenario.answer();
        let invoices = answer["invoices"].as_array().unwrap();
        invoices.iter().map(|i| (i["AccountNumber"].to_string(), i["Total"].to_string())).collect()
    };
    let pair = |account: &str, total: &str| (format!("\"{account}\""), format!("\"{total}\""));
    let joins = |scenario| load(scenario, "2026-02-10", billed_to("CU-9"));
    let on_time = joins(small().run("2026-01-01").run("2026-02-01")).run("2026-03-01").run("2026-04-01");
    let late = joins(small()).run("2026-03-01").run("2026-04-01");
    assert_eq!(told(&on_time), [pair("CU-9", "90.00")], "in either order of run and change");
    assert_eq!(told(&late), told(&on_time));
    let again = on_time.run("2026-05-01").run("2026-06-01");
    assert_eq!(told(&again), [pair("CU-9", "90.00"), pair("CU-9", "90.00")], "nothing is billed twice");
    let moves = load(small(), "2026-01-01", billed_to("CU-0")).run("2026-01-01").run("2026-02-01");
    let moved = load(moves, "2026-02-10", billed_to("CU-9")).run("2026-02-11").run("2026-04-01");
    assert_eq!(told(&moved), [pair("CU-0", "60.00")], "the rest waits for CU-9");
}

#[test]
fn an_amount_beyond_any_invoice_parks_the_payer_with_the_reason() {
    let dear = but(seats("999999999", "999999999999"), json!({}));
    let answer = Scenario::new("2026-01-01", vec![dear]).run("2026-01-01").answer();
    let reason = answer["steps"][0]["parked"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("beyond what an invoice carries"), "{reason}");
}

#[test]
fn a_long_silence_parks_the_payer() {
    let daily = but(base("1.00"), json!({"billingperiod": "daily"}));
    let answer = Scenario::new("2026-01-01", vec![daily]).run("2026-03-01").answer();
    let reason = answer["steps"][0]["parked"][0]["reason"].as_str().unwrap();
    assert_eq!(reason, "BASE of SUB-1 has more than 36 periods to catch up");
}
