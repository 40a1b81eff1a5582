//! Books and days that are played three times.

use serde_json::{Value, json};

/// A monthly fee of 100.00 and VAT, to be paid within so many days, with these methods and policies.
fn book(term: u32, methods: &Value, policies: &Value) -> Value {
    let plan = |sku: &str, policy: Option<&str>| {
        let mut plan = json!({"sku": sku, "fullname": sku, "currencycode": "DKK", "changehandle": 1, "charges": [
            {"sku": format!("{sku}-FEE"), "fullname": "Fee", "chargetype": "recurring", "pricingmodel": "per_unit", "billingperiod": "monthly",
             "billingperiodalignment": "subscription_start", "defaultamount": "2", "taxable": true,
             "pricings": [{"currencycode": "DKK", "price": "50.00"}]}]});
        if let Some(policy) = policy {
            plan["dunningpolicy"] = json!(policy);
        }
        plan
    };
    let subscription = |number: &str, plan: &str| json!({"subscriptionnumber": number, "customer": "C-1", "productplan": plan, "startdate": "2026-01-01", "status": "active", "autorenew": true});
    json!({
        "tenant": {"fullname": "Seller", "companyvat": "DK12345678", "currencycode": "DKK", "timezone": "Europe/Copenhagen", "country": "DK"},
        "taxrules": [{"fullname": "VAT", "country": "*", "state": "*", "ruletype": "*", "priority": 10, "taxpct": "25", "category": "S"}],
        "productplans": [plan("P", None), plan("Q", policies[1]["refkey"].as_str())],
        "customers": [{"accountnumber": "C-1", "fullname": "Buyer", "currencycode": "DKK", "country": "DK", "autobill": true,
                       "primaryemail": "buyer@example.com", "paymentterm": term, "paymentmethods": methods}],
        "subscriptions": [subscription("S-1", "P"), subscription("S-2", "Q")],
        "dunningpolicies": policies,
    })
}

fn method(refkey: &str, token: &str, default: bool) -> Value {
    json!({"refkey": refkey, "type": "token", "gateway": "sandbox", "token": token, "makedefault": default})
}

fn policy(refkey: &str, default: bool, manual: bool, steps: &[(u32, &str)]) -> Value {
    let steps: Vec<Value> =
        steps.iter().map(|(days, action)| json!({"days": days, "action": action})).collect();
    json!({"refkey": refkey, "default": default, "manual": manual, "steps": steps})
}

fn on(day: &str, step: Value) -> Value {
    let mut step = step;
    step["on"] = json!(day);
    step
}

fn run(day: &str) -> Value {
    on(day, json!({"run": {}}))
}

fn retry(day: &str) -> Value {
    on(day, json!({"payments": "retry"}))
}

fn invoice(day: &str, place: usize, verb: &str, more: Value) -> Value {
    let mut step = on(day, json!({"invoice": place, "do": verb}));
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    step
}

/// A second customer, with a subscription of its own.
fn two_payers() -> Value {
    let mut book = book(8, &json!([]), &json!([]));
    book["productplans"][0]["changehandle"] = json!(0);
    let second = |list: &str, key: &str, name: &str, from: &Value| {
        let mut second = from[list][0].clone();
        second[key] = json!(name);
        second
    };
    let customer = second("customers", "accountnumber", "C-2", &book);
    let mut subscription = second("subscriptions", "subscriptionnumber", "S-3", &book);
    subscription["customer"] = json!("C-2");
    book["customers"].as_array_mut().unwrap().push(customer);
    book["subscriptions"].as_array_mut().unwrap().push(subscription);
    book
}

/// Those of every noun.
pub fn all() -> Vec<(String, Value)> {
    let verbs = json!([
        policy("k", true, true, &[(3, "mail"), (10, "hold"), (20, "write_off")]),
        policy("own", false, true, &[(5, "expire")])
    ]);
    let cards = json!([method("card", "tok_soft_decline", true), method("spare", "tok_ok_fee", false)]);
    let climbing = json!([
        policy("k", true, false, &[(0, "retry"), (1, "retry"), (3, "other_method")]),
        policy("own", false, false, &[(1, "retry"), (2, "mail"), (4, "cancel"), (9, "write_off")])
    ]);
    let made = [
        (
            "money from elsewhere, more than is open, credits, refunds, a write-off",
            book(8, &json!([]), &json!([])),
            vec![
                run("2026-01-01"),
                invoice("2026-01-05", 1, "markpaid", json!({"amount": "200.00"})),
                invoice("2026-01-06", 2, "markpaid", json!({"amount": "20.00"})),
                invoice("2026-01-07", 2, "writeoff", json!({"amount": "5.00"})),
                invoice("2026-01-08", 1, "credit", json!({"lines": [{"line": 1, "amount": "40.00"}]})),
                invoice("2026-01-09", 3, "refund", json!({})),
                run("2026-02-01"),
                invoice("2026-02-02", 4, "credit", json!({})),
                invoice("2026-02-03", 5, "markpaid", json!({})),
                invoice("2026-02-04", 5, "credit", json!({})),
                invoice("2026-02-05", 7, "refund", json!({"amount": "30.00"})),
                run("2026-03-01"),
                invoice("2026-03-02", 8, "writeoff", json!({})),
            ],
        ),
        (
            "given up, then paid, credited by a person and by a run",
            book(8, &json!([]), &json!([])),
            vec![
                run("2026-01-01"),
                invoice("2026-01-10", 1, "writeoff", json!({})),
                invoice("2026-01-11", 1, "markpaid", json!({"amount": "25.00"})),
                invoice("2026-01-12", 1, "credit", json!({"lines": [{"line": 1, "amount": "40.00"}]})),
                invoice("2026-01-13", 2, "writeoff", json!({})),
                invoice("2026-01-14", 2, "credit", json!({})),
                run("2026-02-01"),
                invoice("2026-02-02", 5, "writeoff", json!({})),
                on("2026-02-10", json!({"subscription": "S-1", "do": "expire", "refund": "prorated"})),
                on("2026-02-10", json!({"subscription": "S-2", "do": "expire", "refund": "prorated"})),
                run("2026-02-11"),
                invoice("2026-02-12", 1, "markpaid", json!({"amount": "80.00"})),
            ],
        ),
        (
            "nobody to charge, dunned",
            book(0, &json!([]), &verbs),
            vec![
                run("2026-01-01"),
                retry("2026-01-02"),
                retry("2026-01-04"),
                retry("2026-01-06"),
                retry("2026-01-11"),
                retry("2026-01-21"),
                run("2026-02-01"),
            ],
        ),
        (
            "cards that are declined, dunned",
            book(0, &cards, &climbing),
            vec![
                run("2026-01-01"),
                retry("2026-01-02"),
                retry("2026-01-03"),
                retry("2026-01-04"),
                retry("2026-01-05"),
                retry("2026-01-10"),
                invoice("2026-01-11", 1, "credit", json!({"lines": [{"line": 1, "amount": "40.00"}]})),
                run("2026-02-01"),
                invoice("2026-02-01", 4, "recharge", json!({})),
                retry("2026-02-02"),
            ],
        ),
        (
            "a run approved in part, cancelled, reversed and billed anew; a change billed with what it amends",
            two_payers(),
            vec![
                on("2026-01-01", json!({"run": {"review": true}})),
                on("2026-01-01", json!({"runs": 1, "do": "approve", "customer": "C-2"})),
                on("2026-01-02", json!({"runs": 1, "do": "cancel"})),
                run("2026-01-03"),
                on("2026-01-04", json!({"runs": 2, "do": "reverse", "rebill": true})),
                run("2026-01-05"),
                on(
                    "2026-02-10",
                    json!({"subscription": "S-1", "do": "setamount", "charge": "P-FEE", "amount": "1"}),
                ),
                run("2026-03-01"),
                on("2026-04-01", json!({"run": {"review": true}})),
                on(
                    "2026-04-01",
                    json!({"subscription": "S-3", "do": "setamount", "charge": "P-FEE", "amount": "3"}),
                ),
                on("2026-04-01", json!({"runs": 5, "do": "approve"})),
                on("2026-04-01", json!({"runs": 5, "do": "rerun"})),
                on("2026-04-01", json!({"runs": 5, "do": "approve"})),
            ],
        ),
    ];
    made.into_iter()
        .chain([agreements(), one_by_one(), from_the_bank(), debited()])
        .map(|(name, book, timeline)| {
            (name.to_owned(), json!({"name": name, "book": book, "timeline": timeline}))
        })
        .collect()
}

fn step(day: &str, step: Value, more: &Value) -> Value {
    let mut step = on(day, step);
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    step
}

fn verb(day: &str, number: &str, verb: &str, more: Value) -> Value {
    step(day, json!({"subscription": number, "do": verb}), &more)
}

/// What each verb of subscriptions and discounts does to what is billed.
fn agreements() -> (&'static str, Value, Vec<Value>) {
    let mut book =
        book(8, &json!([method("card", "tok_ok", true), method("spare", "tok_ok", false)]), &json!([]));
    let seats = json!({"sku": "P-SEAT", "fullname": "Seat", "chargetype": "recurring", "pricingmodel": "per_unit",
        "billingperiod": "monthly", "billingperiodalignment": "subscription_start", "chargesetup": "optional", "taxable": true,
        "pricings": [{"currencycode": "DKK", "price": "10.00"}]});
    book["productplans"][0]["changehandle"] = json!(0);
    book["productplans"][0]["charges"].as_array_mut().unwrap().push(seats);
    for plan in 0..2 {
        book["productplans"][plan]["charges"][0]["anchorcode"] = json!("fee");
    }
    book["discounts"] = json!([{"refkey": "launch", "fullname": "Launch", "type": "percentage", "amount": "0.10",
        "codes": [{"codeprefix": "LAUNCH", "code": "A1"}, {"codeprefix": "LAUNCH", "code": "A2"}]}]);
    let subscriptions = book["subscriptions"].as_array_mut().unwrap();
    for (number, status) in [("S-3", "active"), ("S-4", "draft")] {
        let mut other = subscriptions[0].clone();
        other["subscriptionnumber"] = json!(number);
        other["status"] = json!(status);
        subscriptions.push(other);
    }
    subscriptions[2]["autorenew"] = json!(true);
    let none = || json!({});
    let timeline = vec![
        verb("2026-01-01", "S-4", "activate", none()),
        run("2026-01-01"),
        verb("2026-01-05", "S-1", "addoptionalcharge", json!({"charge": "P-SEAT", "amount": "3"})),
        verb("2026-01-06", "S-1", "setprice", json!({"charge": "P-FEE", "unitprice": "45.00"})),
        verb("2026-01-07", "S-1", "applydiscount", json!({"code": "LAUNCH-A1"})),
        step(
            "2026-01-08",
            json!({"subscriptioncharge": "Q-FEE", "do": "setamountbyreferenceid"}),
            &json!({"amount": "3", "note": "S-2"}),
        ),
        verb("2026-01-10", "S-3", "hold", json!({"refund": "prorated"})),
        verb("2026-01-12", "S-1", "setpaymentmethod", json!({"method": "spare"})),
        run("2026-02-01"),
        verb("2026-02-05", "S-3", "resume", json!({"option": "today"})),
        verb("2026-02-06", "S-1", "skipnextcharge", json!({"charge": "P-SEAT"})),
        verb("2026-02-07", "S-2", "cancel", json!({"option": "before_next_billing"})),
        verb("2026-02-08", "S-2", "reactivate", none()),
        verb("2026-02-09", "S-4", "switchplan", json!({"plan": "Q", "when": "next_charge"})),
        verb("2026-02-10", "S-1", "cleardiscount", none()),
        step("2026-02-11", json!({"discount": "LAUNCH-A2", "do": "apply"}), &json!({"customer": "C-1"})),
        run("2026-03-01"),
        verb("2026-03-03", "S-1", "removecharge", json!({"charge": "P-SEAT", "refund": "prorated"})),
        verb("2026-03-04", "S-3", "togglecharge", json!({"charge": "P-FEE", "toggled": true})),
        verb("2026-03-05", "S-2", "setnextchargedate", json!({"charge": "Q-FEE", "date": "2026-04-10"})),
        step("2026-03-06", json!({"discount": "LAUNCH-A2", "do": "clear"}), &json!({"customer": "C-1"})),
        step(
            "2026-03-07",
            json!({"subscriptions": [{"subscription": "S-1", "charge": "P-FEE", "amount": "4"},
                                     {"subscription": "S-2", "charge": "Q-FEE", "amount": "5"}], "do": "setamount"}),
            &json!({"effective": "2026-03-15"}),
        ),
        run("2026-04-01"),
        verb("2026-04-02", "S-4", "expire", json!({"refund": "prorated"})),
        run("2026-04-10"),
    ];
    ("every verb of subscriptions, alone and on many", book, timeline)
}

/// Objects of the book one by one, drafts of invoices that a person writes, a run that must be what was expected, open items of before, and months that are
/// closed.
fn one_by_one() -> (&'static str, Value, Vec<Value>) {
    let mut book = book(8, &json!([]), &json!([]));
    book["tenant"]["firstinvoicenumber"] = json!("INV-0001001");
    let book_step = |day: &str, verb: &str, kind: &str, more: Value| {
        step(day, json!({"book": verb, "kind": kind}), &more)
    };
    let own = |date: &str| {
        json!({"customer": "C-1", "date": date, "refkey": date,
               "lines": [{"title": "Day", "quantity": "2", "unitprice": "100.00"}]})
    };
    let create = |day: &str| step(day, json!({"invoice": own(day), "do": "create"}), &json!({}));
    let timeline = vec![
        step(
            "2026-01-01",
            json!({"do": "takeover", "invoices": [
                {"customer": "C-1", "number": "OLD-1", "date": "2025-12-01", "amount": "125.00", "vat": "25"},
                {"customer": "C-1", "number": "OLD-2", "date": "2025-12-05", "amount": "-25.00", "due": "2025-12-05"}]}),
            &json!({}),
        ),
        book_step(
            "2026-01-01",
            "put",
            "uom",
            json!({"key": "hour", "document": {"refkey": "hour", "fullname": "Hour"}}),
        ),
        book_step("2026-01-01", "patch", "customer", json!({"key": "C-1", "patch": {"city": "Odense"}})),
        on("2026-01-01", json!({"run": {"review": true}})),
        on("2026-01-01", json!({"runs": 1, "do": "approve"})),
        book_step("2026-01-02", "patch", "taxrule", json!({"key": "VAT|*|*|*|", "patch": {"taxpct": "20"}})),
        book_step("2026-01-03", "deactivate", "productplan", json!({"key": "Q"})),
        book_step("2026-01-03", "activate", "productplan", json!({"key": "Q"})),
        book_step("2026-01-04", "delete", "uom", json!({"key": "hour"})),
        create("2026-01-05"),
        invoice(
            "2026-01-06",
            5,
            "edit",
            json!({"reference": "PO 1", "lines": [{"title": "More", "quantity": "1", "unitprice": "40.00"}]}),
        ),
        invoice("2026-01-07", 5, "book", json!({})),
        invoice("2026-01-08", 5, "markdelivered", json!({})),
        create("2026-01-09"),
        invoice("2026-01-10", 6, "cancel", json!({})),
        run("2026-02-01"),
        on("2026-02-02", json!({"books": "close", "month": "2026-01"})),
        invoice("2026-02-03", 1, "markpaid", json!({"date": "2026-01-31"})),
        invoice("2026-02-03", 3, "writeoff", json!({"date": "2026-01-30"})),
        run("2026-03-01"),
        on("2026-03-02", json!({"books": "recognize", "month": "2026-02"})),
    ];
    (
        "objects one by one, drafts of invoices that a person writes, what was open before, and months that are closed",
        book,
        timeline,
    )
}

/// Money that came to the bank, placed by itself and by a person, and what goes back.
fn from_the_bank() -> (&'static str, Value, Vec<Value>) {
    let came = |amount: &str, day: &str, text: &str, id: &str| json!({"amount": amount, "currency": "DKK", "date": day, "name": "Somebody", "text": text, "id": id});
    let timeline = vec![
        run("2026-01-01"),
        step(
            "2026-01-05",
            json!({"payments": "import"}),
            &json!({"entries": [came("125.00", "2026-01-04", "INV-0000001", "b1"), came("80.00", "2026-01-05", "thanks", "b2"),
                                came("40.00", "2026-01-05", "wrong account", "b3")]}),
        ),
        step(
            "2026-01-06",
            json!({"payments": "allocate"}),
            &json!({"payment": 2, "invoice": "INV-0000002", "amount": "30.00"}),
        ),
        step("2026-01-07", json!({"payments": "allocate"}), &json!({"payment": 2, "customer": "C-1"})),
        step("2026-01-08", json!({"payments": "refund"}), &json!({"payment": 3})),
        run("2026-02-01"),
        step(
            "2026-02-05",
            json!({"payments": "import"}),
            &json!({"entries": [came("400.00", "2026-02-04", "INV-0000003", "b4")]}),
        ),
        step("2026-02-06", json!({"payments": "refund"}), &json!({"customer": "C-1", "amount": "20.00"})),
        run("2026-03-01"),
    ];
    ("money from the bank", book(8, &json!([]), &json!([])), timeline)
}

/// Direct debits: one is paid, one is not carried out, one goes back.
fn debited() -> (&'static str, Value, Vec<Value>) {
    let climbing = json!([policy("k", true, false, &[(3, "retry"), (10, "mail")])]);
    let debit = json!([{"refkey": "debit", "type": "sepa", "iban": "AT61 1904 3002 3457 3201", "mandateid": "M-1",
                        "mandatedate": "2025-11-30", "makedefault": true}]);
    let mut book = book(14, &debit, &climbing);
    book["tenant"]["currencycode"] = json!("EUR");
    book["tenant"]["iban"] = json!("DE89 3704 0044 0532 0130 00");
    book["tenant"]["creditorid"] = json!("DE98ZZZ09999999999");
    book["customers"][0]["currencycode"] = json!("EUR");
    for plan in book["productplans"].as_array_mut().unwrap() {
        plan["currencycode"] = json!("EUR");
        plan["charges"][0]["pricings"][0]["currencycode"] = json!("EUR");
    }
    let mut third = book["subscriptions"][0].clone();
    third["subscriptionnumber"] = json!("S-3");
    book["subscriptions"].as_array_mut().unwrap().push(third);
    let timeline = vec![
        run("2026-01-01"),
        step("2026-01-02", json!({"payments": "export"}), &json!({})),
        step("2026-01-09", json!({"payments": "export"}), &json!({})),
        step(
            "2026-01-14",
            json!({"payments": "import"}),
            &json!({"returned": [{"debit": "INV-0000001", "code": "AM04", "date": "2026-01-14"}]}),
        ),
        step(
            "2026-01-16",
            json!({"payments": "import"}),
            &json!({"entries": [{"amount": "125.00", "currency": "EUR", "date": "2026-01-15", "debit": "INV-0000002", "id": "c2"},
                                {"amount": "123.50", "currency": "EUR", "date": "2026-01-15", "debit": "INV-0000003", "id": "c3"}]}),
        ),
        retry("2026-01-19"),
        step("2026-01-20", json!({"payments": "export"}), &json!({"until": "2026-02-10"})),
        step(
            "2026-02-20",
            json!({"payments": "import"}),
            &json!({"returned": [{"debit": "INV-0000002", "code": "MD06", "fee": "5.00", "date": "2026-02-19"}]}),
        ),
    ];
    ("direct debits that are paid, not carried out, and go back", book, timeline)
}
