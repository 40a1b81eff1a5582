//! Whole books: what loads, what a second load does, and a table of what is refused.

mod refused;

use super::*;
use crate::catalogue::{Alignment, PricingModel, TaxCategory};
use crate::ids::{PlanId, SubscriptionId};
use crate::subscription::{Act, Verb};
use serde_json::{Value, json};

/// The example of the manual.
const SAMPLE: &str = include_str!("sample.json");

fn sample() -> Value {
    serde_json::from_str(SAMPLE).unwrap()
}

fn load(book: &Value, known: &StoredBook) -> Result<LoadSet, Vec<Fault>> {
    read_text("book.json", &book.to_string(), known)
}

/// What the store would hold after a load.
fn stored(set: LoadSet, mut known: StoredBook) -> StoredBook {
    known.catalogue = Some(Arc::new(set.catalogue));
    known.customers.extend(set.customers.into_iter().map(|c| (c.account_number.clone(), c)));
    known.subscriptions.extend(set.subscriptions.into_iter().map(|s| (s.number.clone(), s)));
    for Change { kind, key, loaded, document, content, .. } in set.objects {
        known.documents.insert(key.clone(), document);
        let stored = Stored { loaded: Some(loaded), content, is_deleted: false };
        known.objects.entry(kind).or_default().insert(key, stored);
    }
    known
}

fn known_sample() -> StoredBook {
    stored(load(&sample(), &StoredBook::default()).unwrap(), StoredBook::default())
}

/// The sample with one place changed; `null` removes.
fn with(pointer: &str, value: Value) -> Value {
    let mut book = sample();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match book.pointer_mut(parent).unwrap() {
        Value::Object(map) => drop(map.insert(name.to_owned(), value)),
        Value::Array(list) if name == "-" => list.push(value),
        Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
        other => panic!("{other}"),
    }
    book
}

fn date(text: &str) -> chrono::NaiveDate {
    text.parse().unwrap()
}

#[track_caller]
fn assert_refused(book: &Value, known: &StoredBook, pointer: &str, words: &str) {
    let faults = load(book, known).expect_err(&format!("{pointer}: {words}"));
    let found = faults.iter().any(|f| {
        f.pointer == pointer
            && (f.message.contains(words)
                || f.hint.as_ref().is_some_and(|h| format!("{h:?}").contains(words)))
    });
    assert!(found, "{pointer}: {words}\n{faults:#?}");
}

#[test]
fn the_sample_loads_and_loads_again_unchanged() {
    let set = load(&sample(), &StoredBook::default()).unwrap();
    let subscription = &set.subscriptions[0];
    assert_eq!(subscription.id, SubscriptionId::of("SUB-0001"));
    assert_eq!(subscription.activated, Some(date("2026-01-31")));
    let charges: Vec<&str> = subscription.charges.iter().map(|c| c.charge.as_str()).collect();
    assert_eq!(charges, ["PRO-BASE", "PRO-API"]);
    let plan = &set.catalogue.plans[&PlanId::of("PRO")];
    assert_eq!(plan.charges[1].pricing_model, PricingModel::Tiered);
    assert_eq!(plan.charges[1].alignment, Alignment::PeriodEnd);
    assert_eq!(plan.charges[1].pricings[2].flat_price.unwrap().to_string(), "10");
    let report = serde_json::to_value(&set.report).unwrap();
    assert_eq!(report["created"]["customers"], 1);
    assert_eq!(report["updated"]["customers"], 0);
    assert_eq!(report["created"]["tenant"], 1);

    let again = load(&sample(), &known_sample()).unwrap();
    assert!(!again.catalogue_changed && again.customers.is_empty() && again.subscriptions.is_empty());
    assert!(again.objects.is_empty());
    assert_eq!(serde_json::to_value(&again.report).unwrap()["unchanged"]["subscriptions"], 1);
}

#[test]
fn a_parsed_value_a_text_and_ndjson_give_the_same_book() {
    let text = load(&sample(), &StoredBook::default()).unwrap();
    let value = read_value(&sample(), &StoredBook::default()).unwrap();
    let mut lines = String::from("\u{feff}");
    for (name, part) in sample().as_object().unwrap() {
        let single = ObjectKind::ALL.iter().find(|kind| kind.name() == name).unwrap().singular();
        match part {
            // Subscriptions first: order does not matter.
            Value::Array(list) => {
                list.iter().for_each(|p| lines = format!("{{\"{single}\": {p}}}\r\n\n{lines}"))
            }
            one => lines = format!("{{\"{single}\": {one}}}\n{lines}"),
        }
    }
    let lines = format!("\u{feff}{}", lines.replace('\u{feff}', ""));
    let ndjson = read_text("book.ndjson", &lines, &StoredBook::default()).unwrap();
    for other in [&value, &ndjson] {
        assert_eq!(text.customers, other.customers);
        assert_eq!(text.subscriptions, other.subscriptions);
        assert_eq!(text.catalogue.plans, other.catalogue.plans);
        assert_eq!(text.catalogue.tenant, other.catalogue.tenant);
        assert_eq!(text.report, other.report);
    }
    let sorted = |set: &LoadSet| {
        let objects = set.objects.iter();
        objects.map(|o| (o.kind, o.key.clone(), o.loaded, o.document.clone())).collect::<BTreeSet<_>>()
    };
    assert_eq!(sorted(&text), sorted(&ndjson));
}

#[test]
fn names_are_read_in_any_case_and_enumerations_by_upodis_numbers() {
    let mut book = sample();
    book["productplans"][0]["charges"][0]["chargetype"] = json!(16);
    book["productplans"][0]["charges"][0]["pricingmodel"] = json!("8");
    book["productplans"][0]["charges"][1]["billingperiodalignment"] = json!(128);
    book["productplans"][0]["charges"][1]["usagedatacalculationtype"] = json!("SUM");
    book["customers"][0]["contacts"][0]["contacttype"] = json!(24);
    book["discounts"][0]["expiryperiod"] = json!(400);
    let text =
        book.to_string().replace("\"accountnumber\"", "\"AccountNumber\"").replace("\"sku\"", "\"SKU\"");
    let set = read_text("f", &text, &StoredBook::default()).unwrap();
    let contact = &set.customers[0].contacts[0];
    assert!(contact.receives_invoice && contact.is_delivery && !contact.is_einvoice);
    let discount = set.catalogue.discounts.values().next().unwrap();
    assert_eq!(discount.expiry, Some((crate::catalogue::ExpiryPeriod::Years, 3)));
    assert_eq!(set.catalogue.plans[&PlanId::of("PRO")].charges[1].alignment, Alignment::PeriodEnd);
}

#[test]
fn every_fault_is_reported_at_once_in_every_file() {
    let first = json!({"tenant": {"fullname": "T", "currencycode": "DKKK", "timezone": "Europe/Copenhagn"},
        "customers": [{"accountnumber": "A", "fullname": "A"}, {"accountnumber": "A", "fullname": "B", "Currencycod": "DKK"}],
        "subscriptions": [{"subscriptionnumber": "S", "customer": "B", "productplan": "P", "startdate": "2026-02-30"}]});
    let second = "{\"customer\": {\"accountnumber\": \"C\", \"fullname\": \"C\", \"currencycode\": \"XYZ\"}}\n{\"customer\": {";
    let source = |text: String| -> Box<dyn Read> { Box::new(std::io::Cursor::new(text.into_bytes())) };
    let files = vec![
        ("a.json".to_owned(), source(first.to_string())),
        ("b.ndjson".to_owned(), source(second.to_owned())),
    ];
    let faults = read(files, &StoredBook::default()).unwrap_err();
    let places: Vec<String> = faults.iter().map(|f| format!("{} {}", f.file, f.pointer)).collect();
    for expected in [
        "a.json /tenant/currencycode",
        "a.json /tenant/timezone",
        "a.json /customers/1",
        "a.json /customers/1/Currencycod",
        "a.json /subscriptions/0/startdate",
        "b.ndjson line 1 /customer/currencycode",
        "b.ndjson line 2",
    ] {
        assert!(places.iter().any(|p| p == expected), "{expected}\n{places:#?}");
    }
    let zone = faults.iter().find(|f| f.pointer == "/tenant/timezone").unwrap();
    assert_eq!(zone.hint, Some("did you mean `Europe/Copenhagen`?".into()));
    assert!(!places.iter().any(|p| p == "a.json /tenant"), "the faulty tenant is not missing: {places:#?}");
}

#[test]
fn what_is_no_book_is_refused_with_line_and_column() {
    let table: [(&[u8], &str, &str); 9] = [
        (b"", "", "is empty"),
        (b"\n \n", "", "is empty"),
        (b"[1, 2]", "", "an object was expected"),
        (b"{\n \"tenant\": {\n", "", "ends too early, at line 3"),
        (b"{\n \"tenant\": {\"fullname\": \"K\xf8benhavn\"}}", "", "not UTF-8 at line 2, column 27"),
        (
            b"{\"customer\": {}}\n{\"customer\": {\"fullname\": \"\xff\"}}\n",
            "line 2",
            "not UTF-8 at line 2, column 28",
        ),
        (b"{\"customer\": {\"fullname\": \n{\"customer\": {}}\n", "line 1", "ends too early"),
        (
            b"{\"customer\": {}}\n\n{\"customer\": {\"fullname\": 1, \"FullName\": 2}}",
            "line 3 /customer/FullName",
            "twice (line 3, column 42)",
        ),
        (b"{\"costumers\": []}", "/costumers", "did you mean `customers`?"),
    ];
    for (bytes, pointer, words) in table {
        let source: Box<dyn Read> = Box::new(std::io::Cursor::new(bytes.to_vec()));
        let faults = read(vec![("f".to_owned(), source)], &StoredBook::default()).unwrap_err();
        let found =
            faults.iter().any(|f| f.pointer == pointer && format!("{f} {:?}", f.hint).contains(words));
        assert!(found, "{words}: {faults:#?}");
        // A tenant that may stand in the part that could not be read is not said to be missing.
        let is_readable = words.contains("mean") || words.contains("twice");
        assert_eq!(faults.iter().any(|f| f.pointer == "/tenant"), is_readable, "{words}: {faults:#?}");
    }
}

#[test]
fn a_maximum_below_the_minimum_is_refused() {
    let mut book = sample();
    book["productplans"][0]["charges"][1]["minimumamount"] = json!("10");
    book["productplans"][0]["charges"][1]["maximumamount"] = json!({"DKK": "9.99"});
    assert_refused(
        &book,
        &StoredBook::default(),
        "/productplans/0/charges/1/maximumamount",
        "below the minimum",
    );
    book["productplans"][0]["charges"][1]["maximumamount"] = json!({"DKK": "10"});
    let set = load(&book, &StoredBook::default()).unwrap();
    let charge = &set.catalogue.plans[&PlanId::of("PRO")].charges[1];
    assert_eq!(charge.minimum_amount[&"DKK".parse().unwrap()].to_string(), "10");
}

#[test]
fn bounds_in_the_style_of_0_1_101_are_read_as_the_bound_before() {
    let mut book = sample();
    book["productplans"][0]["charges"][1]["pricings"] = json!([
        {"currencycode": "DKK", "tierfrom": 0, "tierto": 100, "price": "1"},
        {"currencycode": "DKK", "tierfrom": 101, "tierto": 200, "price": "2"},
        {"currencycode": "DKK", "tierfrom": 201, "tierto": 0, "price": "3"}]);
    let set = load(&book, &StoredBook::default()).unwrap();
    let rows = &set.catalogue.plans[&PlanId::of("PRO")].charges[1].pricings;
    let tiers: Vec<_> = rows.iter().map(|r| (r.segment, r.tier_to.map(|t| t.to_string()))).collect();
    assert_eq!(tiers, [(1, Some("100".into())), (2, Some("200".into())), (3, None)]);
}

#[test]
fn a_charge_priced_in_neither_currency_is_refused() {
    let mut book = sample();
    book["customers"][0]["currencycode"] = json!("EUR");
    // PRO-API has no EUR price, but all of the plan is priced in DKK.
    assert_eq!(load(&book, &StoredBook::default()).unwrap().subscriptions[0].currency.code(), "DKK");
    book["productplans"][0]["charges"][0]["pricings"] = json!([{"currencycode": "EUR", "price": "26.90"}]);
    assert_refused(&book, &StoredBook::default(), "/subscriptions/0", "no price in EUR");
}

#[test]
fn a_tax_rule_without_category_is_standard_rated_or_zero_rated() {
    let mut book = sample();
    book["taxrules"] = json!([{"fullname": "a", "taxpct": "8.875"}, {"fullname": "b", "taxpct": 0},
                              {"fullname": "c", "category": "AE"}]);
    let rules = load(&book, &StoredBook::default()).unwrap().catalogue.tax_rules;
    assert_eq!([rules[0].category, rules[1].category], [TaxCategory::S, TaxCategory::Z]);
    assert!(rules[2].tax_pct.is_zero(), "every category but S says that there is none");
    book["taxrules"] = json!([{"fullname": "a", "category": "S"}]);
    assert_refused(&book, &StoredBook::default(), "/taxrules/0/taxpct", "is missing");
    book["taxrules"] = json!([{"fullname": "a", "taxpct": "8.875"}]);
    let rules = load(&book, &StoredBook::default()).unwrap().catalogue.tax_rules;
    assert_eq!((rules[0].country.as_str(), rules[0].tax_pct.to_string()), ("*", "8.875".to_owned()));
}

#[test]
fn a_trial_and_a_custom_price_and_optional_charges() {
    let mut book = sample();
    let charges = book["productplans"][0]["charges"].as_array_mut().unwrap();
    charges.push(json!({"sku": "SEAT", "chargetype": "recurring", "pricingmodel": "per_unit", "chargesetup": "optional",
        "billingperiod": "monthly", "pricings": [{"price": "10"}]}));
    charges.push(json!({"sku": "DEAL", "chargetype": "recurring", "pricingmodel": "custom", "billingperiod": "annually"}));
    book["subscriptions"][0]["trialdays"] = json!(14);
    assert_refused(
        &book,
        &StoredBook::default(),
        "/subscriptions/0/charges",
        "custom charge DEAL has no price",
    );
    book["subscriptions"][0]["charges"] = json!([{"charge": "DEAL", "unitprice": "5000"},
        {"charge": "SEAT", "amount": 3}, {"charge": "SEAT", "amount": "2", "startdate": "2026-03-01"}]);
    let subscription = load(&book, &StoredBook::default()).unwrap().subscriptions.remove(0);
    assert_eq!(subscription.trial_end, Some(date("2026-02-14")));
    let got: Vec<_> = subscription.charges.iter().map(|c| format!("{} {}", c.charge, c.amount)).collect();
    assert_eq!(got, ["PRO-BASE 1", "PRO-API 0", "SEAT 3", "SEAT 2", "DEAL 1"]);
    let references: BTreeSet<_> = subscription.charges.iter().map(|c| c.reference).collect();
    assert_eq!(references.len(), 5);
}

#[test]
fn references_work_by_refkey_and_by_id() {
    let mut book = sample();
    book["customers"][0]["refkey"] = json!("kaffe");
    book["customers"][0]["id"] = json!("0b7e7a52-0000-4000-8000-000000000001");
    for name in
        ["kaffe", "0b7e7a52-0000-4000-8000-000000000001", &crate::ids::CustomerId::of("CU-0001").to_string()]
    {
        book["subscriptions"][0]["customer"] = json!(name);
        let set = load(&book, &StoredBook::default()).unwrap();
        assert_eq!(set.subscriptions[0].customer, set.customers[0].id, "{name}");
    }
}

#[test]
fn a_parent_cycle_is_refused_for_all_in_it() {
    let customer = |n: &str, parent: &str| json!({"accountnumber": n, "fullname": n, "parent": parent, "billtoparent": true});
    let mut book = sample();
    let list = book["customers"].as_array_mut().unwrap();
    list.extend([customer("A", "B"), customer("B", "C"), customer("C", "B"), customer("D", "CU-0001")]);
    let faults = load(&book, &StoredBook::default()).unwrap_err();
    let pointers: Vec<&str> = faults.iter().map(|f| f.pointer.as_str()).collect();
    assert_eq!(pointers, ["/customers/2/parent", "/customers/3/parent"]);
}

#[test]
fn a_code_is_applied_as_often_as_it_may_be() {
    let mut book = sample();
    book["customers"][0]["discount"] = json!({"code": "LAUNCH-A1", "from": "2026-01-31"});
    let known = stored(load(&book, &StoredBook::default()).unwrap(), StoredBook::default());
    let applied = known.customers["CU-0001"].discount.as_ref().unwrap();
    assert_eq!((applied.code.as_str(), applied.from), ("LAUNCH-A1", date("2026-01-31")));
    let other = json!({"customer": {"accountnumber": "CU-2", "fullname": "B", "discount": {"code": "LAUNCH-A1", "from": "2026-02-01"}}});
    assert_refused(
        &other,
        &known,
        "line 1 /customer/discount",
        "may be applied 1 times, and is applied 2 times",
    );
}

#[test]
fn after_activation_the_book_names_the_verb() {
    let mut known = known_sample();
    let table = [
        ("/subscriptions/0/startdate", json!("2026-02-01"), "/subscriptions/0/startdate", "activated"),
        (
            "/subscriptions/0/enddate",
            json!("2027-01-01"),
            "/subscriptions/0/enddate",
            "ChangeSubscription(Cancel), subject: Some(\"SUB-0001\")",
        ),
        (
            "/subscriptions/0/status",
            json!("draft"),
            "/subscriptions/0/status",
            "ChangeSubscription(Cancel), subject: Some(\"SUB-0001\")",
        ),
        ("/subscriptions/0/currencycode", json!("EUR"), "/subscriptions/0/currencycode", "activated"),
        (
            "/subscriptions/0/charges/0/amount",
            json!("2"),
            "/subscriptions/0/charges/0/charge",
            "ChangeSubscription(SetAmount), subject: Some(\"SUB-0001\")",
        ),
        (
            "/subscriptions/0/charges/0/unitprice",
            json!("2"),
            "/subscriptions/0/charges/0/charge",
            "ChangeSubscription(SetPrice)",
        ),
        ("/subscriptions/0/trialdays", json!(3), "/subscriptions/0/trialend", "activated"),
    ];
    for (place, value, pointer, words) in table {
        assert_refused(&with(place, value), &known, pointer, words);
    }
    // What verbs have done stays; the rest may be updated.
    let subscription = known.subscriptions.get_mut("SUB-0001").unwrap();
    let reference = subscription.charges[0].reference;
    let verb = Verb::SetAmount { charge: reference, amount: "2".parse().unwrap(), prorate: None };
    subscription.acts.push(Act { on: date("2026-02-10"), done: date("2026-02-10"), ordinal: 1, verb });
    let mut book = sample();
    assert!(load(&book, &known).unwrap().subscriptions.is_empty());
    book["subscriptions"][0]["subscriptionreference"] = json!("PO 7");
    let updated = load(&book, &known).unwrap().subscriptions.remove(0);
    assert_eq!(updated.reference.as_deref(), Some("PO 7"));
    assert_eq!(updated.acts.len(), 1);
    assert_eq!(updated.charges[0].amount.to_string(), "1");
}

#[test]
fn what_is_billed_is_immutable() {
    let mut known = known_sample();
    known.billed_charges.insert(("PRO".into(), "PRO-BASE".into()));
    known.anything_billed = true;
    let price = "/productplans/0/charges/0/pricings/0/price";
    assert_refused(
        &with(price, json!("209")),
        &known,
        "/productplans/0/charges/0",
        "cannot change: it has been billed",
    );
    let period = with("/productplans/0/charges/0/billingperiod", json!("quarterly"));
    assert_refused(&period, &known, "/productplans/0/charges/0", "`billingperiod`");
    assert_refused(
        &with("/tenant/timezone", json!("UTC")),
        &known,
        "/tenant/timezone",
        "cannot change from Europe/Copenhagen",
    );
    assert_refused(
        &with("/tenant/currencycode", json!("EUR")),
        &known,
        "/tenant/currencycode",
        "cannot change from DKK",
    );
    let mut left_out = sample();
    left_out["productplans"][0]["charges"].as_array_mut().unwrap().remove(0);
    left_out["subscriptions"] = json!([]);
    assert_refused(&left_out, &known, "/productplans/0/charges", "has been billed and cannot be left out");

    let later = json!({"currencycode": "DKK", "price": "209.00", "validfrom": "2026-06-01"});
    let book = with("/productplans/0/charges/0/pricings/-", later);
    let known = stored(load(&book, &known).unwrap(), known);
    let dkk = "DKK".parse().unwrap();
    let charge = &known.catalogue.as_ref().unwrap().plans[&PlanId::of("PRO")].charges[0];
    assert_eq!(charge.version_on(dkk, date("2026-05-31"))[0].price.to_string(), "199");
    assert_eq!(charge.version_on(dkk, date("2026-06-01"))[0].price.to_string(), "209");
    let earlier = json!({"currencycode": "DKK", "price": "205.00", "validfrom": "2026-03-01"});
    let mut book = book;
    book["productplans"][0]["charges"][0]["pricings"].as_array_mut().unwrap().push(earlier);
    assert_refused(&book, &known, "/productplans/0/charges/0", "must begin after 2026-06-01");
}

#[test]
fn a_plan_keeps_serving_the_subscriptions_that_are_on_it() {
    let known = known_sample();
    let mut plan = sample()["productplans"][0].clone();
    plan["charges"].as_array_mut().unwrap().remove(1);
    assert_refused(
        &json!({"productplan": plan}),
        &known,
        "line 1 /productplan/charges",
        "but the subscription SUB-0001 has it",
    );
}

#[test]
fn an_update_in_parts_leaves_the_rest_alone() {
    let known = known_sample();
    let line = json!({"customer": {"accountnumber": "CU-0002", "fullname": "Ny", "businessunit": "dk"}});
    let set = load(&line, &known).unwrap();
    assert!(!set.catalogue_changed);
    assert_eq!(set.catalogue.plans.len(), 1);
    assert_eq!(set.customers[0].currency.code(), "DKK");
    assert_eq!(set.objects.len(), 1);
    let set = load(&with("/customers/0/paymentterm", json!(-1)), &known).unwrap();
    assert_eq!((set.customers.len(), set.customers[0].payment_term), (1, None));
    assert_eq!(set.report.updated["customers"], 1);
}

/// Every book that the tests have as a file.
fn fixtures() -> Vec<Value> {
    let scenarios = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/scenarios");
    let mut taken_over = with("/subscriptions/0/billedthrough", json!("2026-03-01"));
    taken_over["tenant"]["firstinvoicenumber"] = json!("4712");
    taken_over["businessunits"][0]["firstinvoicenumber"] = json!("DK-0000100");
    taken_over["subscriptions"][0]["charges"] =
        json!([{"charge": "PRO-BASE", "billedthrough": "2026-03-02"}]);
    let mut books = vec![sample(), taken_over];
    for file in std::fs::read_dir(scenarios).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        books.push(serde_json::from_str::<Value>(&text).unwrap()["book"].clone());
    }
    assert!(books.len() > 4);
    books
}

#[test]
fn documents_of_what_is_stored_are_read_again_as_the_same_book() {
    for book in fixtures() {
        let set = load(&book, &StoredBook::default()).unwrap();
        let mut lines = String::new();
        for (kind, _, document) in catalogue_documents(&set.catalogue) {
            lines.push_str(&format!("{{\"{}\": {}}}\n", kind.singular(), document.text));
        }
        let account = |id| set.customers.iter().find(|c| c.id == id).map(|c| c.account_number.as_str());
        for customer in &set.customers {
            let document = customer_document(customer, customer.parent.and_then(account));
            lines.push_str(&format!("{{\"customer\": {}}}\n", document.text));
        }
        for subscription in &set.subscriptions {
            let plan = set.catalogue.plans.get(&subscription.plan);
            let document = subscription_document(subscription, account(subscription.customer).unwrap(), plan);
            lines.push_str(&format!("{{\"subscription\": {}}}\n", document.text));
        }
        let again = read_text("again.ndjson", &lines, &StoredBook::default())
            .unwrap_or_else(|f| panic!("{f:?}\n{lines}"));
        assert_eq!(
            serde_json::to_value(&again.catalogue).unwrap(),
            serde_json::to_value(&set.catalogue).unwrap()
        );
        assert_eq!(again.customers, set.customers);
        assert_eq!(again.subscriptions, set.subscriptions);
        assert!(again.objects.iter().all(|o| o.loaded == o.content), "they are under their own names");
    }
}

#[test]
fn words_of_other_systems_are_answered_with_ours() {
    for (pointer, word, ours) in [
        ("/tenant", "vat", "companyvat"),
        ("/customers/0", "vat", "companyvat"),
        ("/customers/0", "street", "addressline1"),
        ("/customers/0", "zip", "postalcode"),
        ("/customers/0", "name", "fullname"),
        ("/customers/0", "Account_Number", "accountnumber"),
        ("/customers/0/contacts/0", "type", "contacttype"),
        ("/productplans/0", "prices", "charges"),
        ("/productplans/0/charges/0", "prices", "pricings"),
        ("/productplans/0/charges/1", "tiers", "pricings"),
        ("/productplans/0/charges/1/pricings/0", "up_to", "tierto"),
        ("/subscriptions/0", "plan", "productplan"),
        ("/subscriptions/0", "state", "status"),
        ("/subscriptions/0", "quantity", "charges"),
        ("/taxrules/0", "rate", "taxpct"),
        ("", "plans", "productplans"),
    ] {
        let book = with(&format!("{pointer}/{word}"), json!("x"));
        let told = format!("it is called `{ours}` here");
        let faults = load(&book, &StoredBook::default()).unwrap_err();
        let found = faults
            .iter()
            .any(|f| f.pointer == format!("{pointer}/{word}") && f.hint == Some(told.as_str().into()));
        assert!(found, "{pointer}/{word}: {told}\n{faults:#?}");
    }
}
