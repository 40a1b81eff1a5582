//! A table of books that could only fail at a run: each differs from the sample in one place.

use super::*;

#[test]
fn what_could_only_fail_at_a_run_is_refused_at_load() {
    let charge = |n: usize, field: &str| format!("/productplans/0/charges/{n}/{field}");
    let row = |n: usize, field: &str| format!("/productplans/0/charges/1/pricings/{n}/{field}");
    let table: Vec<(String, Value, String, &str)> = vec![
        // Tiers (P2)
        (row(1, "tierto"), json!("900"), row(1, "tierto"), "do not ascend"),
        (row(1, "tierto"), json!(null), row(1, "tierto"), "open tier before its last"),
        (row(2, "tierto"), json!("20000"), row(2, "tierto"), "the last tier must be open"),
        (row(1, "tierfrom"), json!("1002"), row(1, "tierfrom"), "a gap"),
        (row(1, "tierfrom"), json!("999"), row(1, "tierfrom"), "an overlap"),
        (row(1, "segment"), json!(1), row(1, "segment"), "segment 1 twice"),
        (row(0, "price"), json!("-1"), row(0, "price"), "negative"),
        (row(0, "price"), json!("0.0000000000001"), row(0, "price"), "more than 12 decimals"),
        (row(0, "price"), json!(null), row(0, "price"), "is missing"),
        (row(0, "percentage"), json!("3"), row(0, "percentage"), "only for the models"),
        // Charges
        (charge(0, "pricingmodel"), json!("package"), charge(0, "packagesize"), "is missing"),
        (charge(0, "pricingmodel"), json!("dynamic"), charge(0, "pricingmodel"), "must count usage"),
        (charge(0, "pricingmodel"), json!("flatt"), charge(0, "pricingmodel"), "did you mean `flat`?"),
        (
            charge(0, "usagedatacalculationtype"),
            json!("sum"),
            charge(0, "usagedatacalculationtype"),
            "set `chargetype`",
        ),
        (charge(0, "chargetype"), json!("weekly"), charge(0, "chargetype"), "one of one_time"),
        (charge(0, "groupby"), json!("region"), charge(0, "groupby"), "only for charges that count"),
        (charge(0, "billingperiod"), json!("day_of_month"), charge(0, "billingday"), "is missing"),
        (charge(0, "billingperiod"), json!(null), charge(0, "billingperiod"), "is missing"),
        (charge(0, "billingday"), json!(5), charge(0, "billingday"), "only for the periods"),
        (charge(0, "billingperiodinterval"), json!(0), charge(0, "billingperiodinterval"), "not within 1"),
        (charge(0, "maximumamount"), json!({"SEK": "5"}), "/productplans/0/charges".into(), "not sold in it"),
        (charge(1, "usagedatacalculationtype"), json!("percentile"), charge(1, "percentile"), "is missing"),
        (
            charge(1, "usagedatacalculationtype"),
            json!("unique_count"),
            charge(1, "uniqueproperty"),
            "is missing",
        ),
        (
            charge(1, "usagedatacalculationtype"),
            json!("sum_average"),
            charge(1, "sumaveragefactor"),
            "is missing",
        ),
        (
            charge(1, "percentile"),
            json!("95"),
            charge(1, "percentile"),
            "only for usagedatacalculationtype percentile",
        ),
        (
            charge(1, "billingperiodalignment"),
            json!("customer_date"),
            charge(1, "billingperiodalignment"),
            "in arrears",
        ),
        (charge(1, "filter"), json!({"region": []}), charge(1, "filter"), "no event would ever count"),
        (charge(1, "anchorcode"), json!("base"), "/productplans/0/charges".into(), "same anchor `base`"),
        (charge(1, "sku"), json!("PRO-BASE"), "/productplans/0/charges".into(), "occurs twice"),
        (charge(1, "uom"), json!("cal"), charge(1, "uom"), "did you mean `call`?"),
        (
            charge(0, "pricings"),
            json!([{"currencycode": "SEK", "price": "1"}]),
            charge(0, "pricings/0/currencycode"),
            "not sold in SEK",
        ),
        (charge(0, "pricings"), json!([]), "/productplans/0/charges".into(), "no price in any currency"),
        (
            charge(0, "pricings/-"),
            json!({"currencycode": "DKK", "price": "1"}),
            charge(0, "pricings/2"),
            "priced twice",
        ),
        // Sellers
        ("/tenant/iban".into(), json!("DK5000400440116244"), "/tenant/iban".into(), "check digits"),
        ("/tenant/companyvat".into(), json!("12345678"), "/tenant/companyvat".into(), "not a VAT number"),
        ("/tenant/paymentterm".into(), json!(15), "/tenant/paymentterm".into(), "not a payment term"),
        ("/tenant/country".into(), json!("Denmark"), "/tenant/country".into(), "not a country code"),
        // Codes are on a list, not only of a form.
        ("/tenant/country".into(), json!("ZZ"), "/tenant/country".into(), "two letters of ISO 3166"),
        ("/customers/0/country".into(), json!("UK"), "/customers/0/country".into(), "did you mean `GB`?"),
        (
            "/customers/0/deliverycountry".into(),
            json!("QQ"),
            "/customers/0/deliverycountry".into(),
            "ISO 3166",
        ),
        ("/taxrules/0/country".into(), json!("EL"), "/taxrules/0/country".into(), "did you mean `GR`?"),
        (
            "/tenant/accounts".into(),
            json!({"vat": {"S25@ZZ": "2610"}}),
            "/tenant/accounts/vat/S25@ZZ".into(),
            "is not a category and rate",
        ),
        (
            "/tenant/accounts".into(),
            json!({"revenue_by_country": {"XX": "1010"}}),
            "/tenant/accounts/revenue_by_country/XX".into(),
            "is not a country code",
        ),
        ("/tenant/iban".into(), json!("ZZ5000400440116243"), "/tenant/iban".into(), "begins with no country"),
        ("/tenant/bic".into(), json!("DABAZZKK"), "/tenant/bic".into(), "a country in fifth and sixth place"),
        ("/tenant/language".into(), json!("dk"), "/tenant/language".into(), "did you mean `da`?"),
        ("/customers/0/language".into(), json!("zz"), "/customers/0/language".into(), "ISO 639"),
        ("/customers/0/language".into(), json!("de-zz"), "/customers/0/language".into(), "ISO 639"),
        ("/tenant/currencycode".into(), json!("XXX"), "/tenant/currencycode".into(), "XXX"),
        ("/tenant/timezone".into(), json!("Europe/Odense"), "/tenant/timezone".into(), "not a time zone"),
        ("/tenant/email".into(), json!("billing"), "/tenant/email".into(), "not a mail address"),
        ("/tenant/fullname".into(), json!(null), "/tenant/fullname".into(), "is missing"),
        (
            "/businessunits/0/invoicenumberpattern".into(),
            json!("CN-{seq}"),
            "/businessunits/0/invoicenumberpattern".into(),
            "can make a number of `CN-{seq:07}`, the creditnotenumberpattern of the tenant",
        ),
        (
            "/tenant/firstinvoicenumber".into(),
            json!("CN-0000007"),
            "/tenant/firstinvoicenumber".into(),
            "is no number that `INV-{seq:07}` makes",
        ),
        (
            "/tenant/firstcreditnotenumber".into(),
            json!("0"),
            "/tenant/firstcreditnotenumber".into(),
            "is no number that `CN-{seq:07}` makes",
        ),
        (
            "/businessunits/0/firstcreditnotenumber".into(),
            json!("CN-0000007"),
            "/businessunits/0/firstcreditnotenumber".into(),
            "is of a series that the unit does not have",
        ),
        (
            "/subscriptions/0/billedthrough".into(),
            json!("2020-01-01"),
            "/subscriptions/0/billedthrough".into(),
            "is before the subscription starts",
        ),
        (
            "/businessunits/0/accounts".into(),
            json!({"1100": "1101\n2026-01-01 * forged"}),
            "/businessunits/0/accounts/1100".into(),
            "has a control character",
        ),
        (
            "/businessunits/0/accounts".into(),
            json!({"1100": "11 01  ; x"}),
            "/businessunits/0/accounts/1100".into(),
            "is not 1 to 20 letters",
        ),
        (
            "/businessunits/0/accounts".into(),
            json!({"9999": "1101"}),
            "/businessunits/0/accounts/9999".into(),
            "the tenant's chart has no account `9999`",
        ),
        (
            "/businessunits/0/accounts".into(),
            json!({"1100": ["1".repeat(5_000)]}),
            "/businessunits/0/accounts/1100/0".into(),
            "is longer than 255 bytes",
        ),
        (
            "/businessunits/0/accounts".into(),
            json!({"11\n00": "1101"}),
            "/businessunits/0/accounts/11\n00".into(),
            "its name has a control character",
        ),
        (
            "/businessunits/0/invoicenumberpattern".into(),
            json!("INV"),
            "/businessunits/0/invoicenumberpattern".into(),
            "{seq} exactly once",
        ),
        ("/taxrules/0/category".into(), json!("AE"), "/taxrules/0/taxpct".into(), "must be 0"),
        ("/taxrules/0/taxpct".into(), json!("0"), "/taxrules/0/taxpct".into(), "above 0"),
        ("/taxrules/0/taxpct".into(), json!("101"), "/taxrules/0/taxpct".into(), "more than 100 %"),
        ("/taxrules/0/validto".into(), json!("1992-01-01"), "/taxrules/0/validto".into(), "not after"),
        ("/rates/0/rate".into(), json!("0"), "/rates/0/rate".into(), "above zero"),
        // Discounts
        ("/discounts/0/amount".into(), json!("10"), "/discounts/0/amount".into(), "0.10 is 10 %"),
        ("/discounts/0/type".into(), json!("fixed"), "/discounts/0/currencycode".into(), "is missing"),
        (
            "/discounts/0/expiryperiodinterval".into(),
            json!(null),
            "/discounts/0/expiryperiod".into(),
            "go together",
        ),
        (
            "/discounts/0/codes/-".into(),
            json!({"codeprefix": "LAUNCH", "code": "A1"}),
            "/discounts/0/codes".into(),
            "occurs twice",
        ),
        // Customers
        (
            "/customers/0/billtoparent".into(),
            json!(true),
            "/customers/0/billtoparent".into(),
            "needs a `parent`",
        ),
        (
            "/customers/0/parent".into(),
            json!("CU-0001"),
            "/customers/0/parent".into(),
            "back to the customer itself",
        ),
        (
            "/customers/0/businessunit".into(),
            json!("se"),
            "/customers/0/businessunit".into(),
            "there is no businessunit `se`",
        ),
        (
            "/customers/0/discount".into(),
            json!({"code": "LAUNCH-A2", "from": "2026-01-01"}),
            "/customers/0/discount/code".into(),
            "did you mean `LAUNCH-A1`?",
        ),
        ("/customers/0/discount".into(), json!("LAUNCH-A1"), "/customers/0/discount".into(), "`from`"),
        (
            "/customers/0/autobill".into(),
            json!("yes"),
            "/customers/0/autobill".into(),
            "true or false was expected",
        ),
        (
            "/customers/0/paymentmethods/0/token".into(),
            json!(null),
            "/customers/0/paymentmethods/0/token".into(),
            "is missing",
        ),
        (
            "/customers/0/fullname".into(),
            json!("a\u{0007}b"),
            "/customers/0/fullname".into(),
            "control character",
        ),
        // Subscriptions
        (
            "/subscriptions/0/customer".into(),
            json!("CU-0002"),
            "/subscriptions/0/customer".into(),
            "did you mean `CU-0001`?",
        ),
        (
            "/subscriptions/0/productplan".into(),
            json!("PRI"),
            "/subscriptions/0/productplan".into(),
            "did you mean `PRO`?",
        ),
        (
            "/subscriptions/0/startdate".into(),
            json!("2026-02-29"),
            "/subscriptions/0/startdate".into(),
            "does not exist",
        ),
        (
            "/subscriptions/0/enddate".into(),
            json!("2026-01-31"),
            "/subscriptions/0/enddate".into(),
            "not after",
        ),
        (
            "/subscriptions/0/trialend".into(),
            json!("2026-01-31"),
            "/subscriptions/0/trialend".into(),
            "not after",
        ),
        (
            "/subscriptions/0/paymentmethod".into(),
            json!("card-9"),
            "/subscriptions/0/paymentmethod".into(),
            "no payment method `card-9`",
        ),
        (
            "/subscriptions/0/currencycode".into(),
            json!("SEK"),
            "/subscriptions/0/currencycode".into(),
            "not sold in SEK",
        ),
        (
            "/subscriptions/0/charges/0/charge".into(),
            json!("PRO-BAS"),
            "/subscriptions/0/charges/0/charge".into(),
            "did you mean `PRO-BASE`?",
        ),
        (
            "/subscriptions/0/charges/0/amount".into(),
            json!("-1"),
            "/subscriptions/0/charges/0/amount".into(),
            "negative",
        ),
        (
            "/subscriptions/0/charges/-".into(),
            json!({"charge": "PRO-BASE"}),
            "/subscriptions/0/charges/1/charge".into(),
            "listed twice",
        ),
        (
            "/subscriptions/0/charges/-".into(),
            json!({"charge": "PRO-API", "unitprice": "1"}),
            "/subscriptions/0/charges/1/charge".into(),
            "one price cannot",
        ),
        (
            "/productplans/0/status".into(),
            json!("draft"),
            "/subscriptions/0/productplan".into(),
            "not active",
        ),
    ];
    for (place, value, pointer, words) in table {
        assert_refused(&with(&place, value), &StoredBook::default(), &pointer, words);
    }
}

#[test]
fn codes_prices_and_zones_are_tested_on_their_day() {
    let customer = |from: &str| with("/customers/0/discount", json!({"code": "LAUNCH-A1", "from": from}));
    let mut expired = customer("2026-03-01");
    expired["discounts"][0]["codes"][0]["expiredate"] = json!("2026-03-01");
    assert_refused(&expired, &StoredBook::default(), "/customers/0/discount/code", "from 2026-03-01 on");
    let mut in_time = customer("2026-02-28");
    in_time["discounts"][0]["codes"][0]["expiredate"] = json!("2026-03-01");
    assert!(load(&in_time, &StoredBook::default()).is_ok());

    let mut restricted = with("/subscriptions/0/discount", json!("LAUNCH-A1"));
    assert_eq!(
        load(&restricted, &StoredBook::default()).unwrap().subscriptions[0].discount.as_ref().unwrap().from,
        date("2026-01-31")
    );
    let mut basic = restricted["productplans"][0].clone();
    basic["sku"] = json!("BASIC");
    restricted["productplans"].as_array_mut().unwrap().push(basic);
    restricted["discounts"][0]["codes"][0]["productplans"] = json!(["BASIC"]);
    assert_refused(
        &restricted,
        &StoredBook::default(),
        "/subscriptions/0/discount",
        "only for the plans BASIC",
    );

    let late_price = with("/productplans/0/charges/0/pricings/0/validfrom", json!("2026-02-01"));
    assert_refused(
        &late_price,
        &StoredBook::default(),
        "/subscriptions/0/charges/0/charge",
        "no DKK price on 2026-01-31",
    );
    let own_rate = with("/rates/-", json!({"currencycode": "DKK", "date": "2026-01-30", "rate": "2"}));
    assert_refused(&own_rate, &StoredBook::default(), "/rates/1/rate", "its rate is 1");
    let twice = with("/rates/-", json!({"currencycode": "EUR", "date": "2026-01-30", "rate": "2"}));
    assert_refused(&twice, &StoredBook::default(), "/rates/1", "occurs twice, first at /rates/0");
}

#[test]
fn an_owner_cannot_move_to_another_time_zone_once_billed() {
    let mut known = known_sample();
    let mut book = with("/businessunits/-", json!({"refkey": "is", "timezone": "Atlantic/Reykjavik"}));
    book["customers"][0]["businessunit"] = json!("is");
    assert!(load(&book, &known).is_ok());
    known.anything_billed = true;
    assert_refused(&book, &known, "/customers/0/businessunit", "another time zone");
}

/// Pointers of all values.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, v)| pointers(v, &format!("{at}/{key}"), found)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, v)| pointers(v, &format!("{at}/{i}"), found))
        }
        _ => {}
    }
}

#[test]
fn nothing_that_a_file_may_hold_makes_the_reader_panic() {
    let known = known_sample();
    let mut places = Vec::new();
    pointers(&sample(), "", &mut places);
    let huge = "9".repeat(300);
    let odd = [
        json!(null),
        json!(-1),
        json!(true),
        json!(""),
        json!("2199-12-31"),
        json!("1e300"),
        json!(huge),
        json!([]),
        json!({}),
        json!([[1]]),
    ];
    for place in places.iter().skip(1) {
        for value in &odd {
            let book = with(place, value.clone());
            let faults = load(&book, &known).err();
            assert!(faults.is_none_or(|faults| !faults.is_empty()), "{place} {value}");
        }
    }
    for end in (0..SAMPLE.len()).step_by(7) {
        let Some(cut) = SAMPLE.get(..end) else { continue };
        assert!(read_text("cut", cut, &known).is_err(), "{cut}");
    }
}
