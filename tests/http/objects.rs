//! Objects of the book over HTTP: made, read, changed and deleted, as Upodi's clients do it, and kept as a load keeps them.

use crate::support::book;
use crate::support::books::{Books, both};
use crate::support::http::{Client, Server, key};
use serde_json::{Value, json};

fn tenant(books: Books) -> Books {
    let book = json!({
        "tenant": {"fullname": "Seller ApS", "currencycode": "DKK", "timezone": "Europe/Copenhagen", "companyvat": "DK12345678",
                   "country": "DK"},
        "taxrules": [{"fullname": "DK", "country": "DK", "taxpct": "25"}],
    });
    let file = books.file("book.json", book.to_string());
    books.run(&["load", &file]).exits(0);
    books
}

fn id(value: &Value) -> String {
    value["ID"].as_str().unwrap_or_else(|| panic!("no ID in {value}")).to_owned()
}

fn monthly(client: &Client<'_>) -> (String, String) {
    let plan =
        client.post("/v3/productplans", &json!({"fullname": "Basic", "currencycode": "DKK"})).is(201).json();
    assert_eq!((&plan["SKU"], &plan["Status"]), (&json!("PLAN-0000001"), &json!(0)), "{plan}");
    let plan = id(&plan);
    let charge = json!([{
        "FullName": "Seat", "ChargeType": 16, "PricingModel": 16, "BillingPeriod": 300, "Taxable": true,
        "ProductPlanChargePricings": [{"CurrencyCode": "DKK", "Price": 100}],
    }]);
    let added = client.post(&format!("/v3/productplans/{plan}/charges"), &charge).is(201).json();
    assert_eq!(added["Items"][0]["SKU"], "Seat", "{added}");
    client.put(&format!("/v3/productplans/{plan}/activate"), &Value::Null).is(200);
    (plan, id(&added))
}

#[test]
fn a_customer_is_made_changed_and_deleted_with_all_that_belongs_to_it() {
    for books in both().map(tenant) {
        let keys = key(&books, "shop", &["read", "write"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&keys);
        let made = client
            .post("/v3/customers", &json!({"FullName": "Ada", "Note": "likes tea", "AutoBill": "false"}));
        assert!(made.header("location").is_some_and(|place| place.starts_with("/v3/customers/")));
        let made = made.is(201).json();
        assert_eq!((&made["AccountNumber"], &made["CurrencyCode"]), (&json!("CU-0000001"), &json!("DKK")));
        assert_eq!(
            (&made["Note"], &made["AutoBill"], &made["Status"]),
            (&json!("likes tea"), &json!(false), &json!(1))
        );
        assert_eq!(made["CreatedBy"], "key:shop");
        let ada = id(&made);
        let at = format!("/v3/customers/{ada}");

        // What was read can be sent back; what is not sent falls back, and what belongs to it stays.
        let contact = client
            .post("/v3/contacts", &json!({"CustomerID": ada, "FullName": "Bob", "ContactType": 8}))
            .is(201);
        let contact = contact.json();
        client.put("/v3/customers", &client.get(&at).is(200).json()).is(200);
        let put = client.put("/v3/customers", &json!({"ID": ada, "FullName": "Ada L."})).is(200).json();
        assert_eq!(
            (&put["FullName"], &put["AutoBill"], &put["Note"]),
            (&json!("Ada L."), &json!(true), &Value::Null)
        );
        let contacts = client.get(&format!("{at}/contacts")).is(200).json();
        assert_eq!(contacts["Items"][0]["ID"], contact["ID"]);
        let patched = client.patch(&at, &json!({"city": "Odense", "Country": "DK"})).is(200).json();
        assert_eq!((&patched["City"], &patched["FullName"]), (&json!("Odense"), &json!("Ada L.")));
        let told = client.patch(&at, &json!({"Fulname": "x"})).refused(400, "unknown_field");
        assert_eq!(told["Errors"][0]["Hint"], "did you mean `FullName`?", "{told}");
        let told = client.patch(&at, &json!({"Country": "Denmark"})).refused(400, "invalid");
        assert_eq!(told["Errors"][0]["Pointer"], "/Country", "{told}");
        client.patch(&at, &json!({"AccountNumber": "X"})).refused(409, "immutable");
        client
            .post("/v3/customers", &json!({"FullName": "B", "AccountNumber": "CU-0000001"}))
            .refused(422, "duplicate");

        // A contact keeps its id whatever it is called.
        let contact = id(&contact);
        let renamed = client
            .patch(&format!("/v3/contacts/{contact}"), &json!({"FullName": "Rob", "Note": "x"}))
            .is(200);
        assert_eq!((&renamed.json()["FullName"], id(&renamed.json())), (&json!("Rob"), contact.clone()));
        let found =
            client.get(&format!("/v3/contacts/query?$filter=CustomerID%20eq%20guid'{ada}'")).is(200).json();
        assert_eq!(found["Items"][0]["ID"], contact.as_str(), "{found}");
        let told =
            client.patch(&format!("/v3/contacts/{contact}"), &json!({"PrimaryEmail": "no"})).is(400).json();
        assert_eq!(told["Errors"][0]["Pointer"], "/PrimaryEmail", "{told}");

        // Ways to pay: the first is the default until another one is, and tokens are never told.
        let body = json!({"Type": 64, "MakeDefault": true, "PureToken": {"Token": "tok_ok", "PaymentGateway": "sandbox"}});
        let method = client.post(&format!("/v3/paymentmethods/{ada}"), &body).is(201);
        assert!(!method.text().contains("tok_ok"));
        let method = id(&method.json());
        assert_eq!(client.get(&at).json()["PaymentMethod"], method.as_str());
        let choose = format!("{at}/setdefaultpaymentmethod");
        assert_eq!(client.put(&choose, &Value::Null).is(200).json()["PaymentMethod"], Value::Null);
        client.put(&choose, &json!(method)).is(200);
        assert_eq!(client.get(&at).json()["PaymentMethod"], method.as_str());
        let wrong = json!({"Type": 64, "PureToken": {"Token": "t", "PaymentGateway": "nowhere"}});
        client.post(&format!("/v3/paymentmethods/{ada}"), &wrong).refused(400, "unknown_gateway");
        client
            .put(&format!("{at}/assigncardtoken"), &json!({"Token": "tok_2", "MakeDefault": "true"}))
            .is(200);
        assert_eq!(client.get("/v3/paymentmethods").json()["TotalItems"], 2);
        client.delete(&format!("/v3/paymentmethods/{method}")).is(204);
        assert_eq!(client.get("/v3/paymentmethods").json()["TotalItems"], 1);
        let gone = client.get(&format!("/v3/paymentmethods/{method}")).is(200).json();
        assert_eq!((&gone["Status"], &gone["PaymentProvider"]), (&json!(1024), &json!("sandbox")), "{gone}");
        client.delete(&format!("/v3/paymentmethods/{method}")).refused(409, "deleted");

        // What a payer has signed: the account is never told whole, and a wrong one is refused with its place.
        let mandate = |iban: &str| {
            json!({"Type": 512, "RefKey": "debit", "SEPA": {"IBAN": iban, "MandateID": "M-1", "MandateDate": "2025-11-30",
                   "MandateSequence": "one_off"}})
        };
        let debits = format!("/v3/paymentmethods/{ada}");
        let wrong = client.post(&debits, &mandate("AT611904300234573202")).is(400).json();
        assert_eq!(wrong["Errors"][0]["Pointer"], "/SEPA/IBAN", "{wrong}");
        let signed = client.post(&debits, &mandate("AT61 1904 3002 3457 3201")).is(201).json();
        assert_eq!((&signed["PaymentMethodType"], &signed["MandateID"]), (&json!(512), &json!("M-1")));
        assert_eq!(signed["MandateAccount"], "AT61…3201");
        let signed = format!("/v3/paymentmethods/{}", id(&signed));
        client.patch(&signed, &json!({"SEPA": {"IBAN": "DE89370400440532013000"}})).refused(409, "immutable");
        client.delete(&signed).is(204);

        // Texts of programs.
        let text = json!({"CustomerID": ada, "Key": "crm", "Value": "4711"});
        let first = client.post("/v3/customers/metadata", &text).is(201).json();
        client.post("/v3/customers/metadata", &text).is(200);
        assert_eq!(client.get("/v3/customers/bymetadata/?key=crm").json()["Items"][0]["ID"], ada.as_str());
        assert_eq!(client.get(&format!("{at}/metadata")).json()["Items"][0]["Value"], "4711");
        client.delete(&format!("/v3/customers/metadata/{}", id(&first))).is(204);
        assert_eq!(client.get("/v3/customers/bymetadata?key=crm").json()["TotalItems"], 0);

        client.delete(&format!("/v3/contacts/{contact}")).is(204);
        let gone = client.get(&format!("/v3/contacts/{contact}")).is(200).json();
        assert_eq!((&gone["Status"], &gone["FullName"]), (&json!(1024), &json!("Rob")), "{gone}");
        client.patch(&format!("/v3/contacts/{contact}"), &json!({"Note": "y"})).refused(409, "deleted");
        assert_eq!(client.get(&format!("{at}/contacts")).json()["TotalItems"], 0);
        client.delete(&at).is(204);
        assert_eq!(client.get("/v3/customers").json()["TotalItems"], 0);
        assert_eq!(client.get(&at).is(200).json()["Status"], 1024);
        client.delete(&at).is(409);
        client.patch(&at, &json!({"City": "x"})).is(409);
        books.run(&["verify"]).exits(0);
    }
}

#[test]
fn what_is_sold_is_set_up_and_billed_over_http_as_by_a_book() {
    for books in both().map(tenant) {
        let keys = key(&books, "shop", &["read", "write"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&keys);
        let unit = client.post("/v3/uom", &json!({"FullName": "stk.", "PluralName": "stk."})).is(201).json();
        let (plan, charge) = monthly(&client);
        let put = json!({"ID": charge, "SKU": "Seat", "FullName": "Seat", "ChargeType": 16, "PricingModel": 16,
                         "BillingPeriod": 300, "UoMID": unit["ID"]});
        let charged = client.put("/v3/productplans/charge", &put).is(200).json();
        assert_eq!(
            (&charged["UoMID"], &charged["ProductPlanChargePricings"][0]["Price"]),
            (&unit["ID"], &json!(100))
        );
        let rows = json!([{"CurrencyCode": "DKK", "Price": "120.5", "Segment": 1, "TierPriceFormat": 1}]);
        let priced = client.put(&format!("/v3/productplans/charge/{charge}/pricings"), &rows).is(200);
        assert!(priced.text().contains("\"Price\":120.5"), "{}", priced.text());
        client.delete(&format!("/v3/uoms/{}", id(&unit))).refused(409, "in_use");
        let copy = client.post(&format!("/v3/productplans/{plan}/duplicate"), &Value::Null).is(201).json();
        assert_eq!((&copy["SKU"], &copy["Status"]), (&json!("PLAN-0000001-2"), &json!(0)));
        client.delete(&format!("/v3/productplans/{}", id(&copy))).is(204);

        let ada =
            id(&client.post("/v3/customers", &json!({"FullName": "Ada", "Country": "DK"})).is(201).json());
        let sent = json!({"CustomerID": ada, "ProductPlanID": plan, "StartDate": "2026-01-01",
                          "SubscriptionCharges": [{"ProductPlanChargeID": charge, "Amount": 3}]});
        let made = client.post("/v3/subscriptions", &sent).is(201).json();
        assert_eq!((&made["SubscriptionNumber"], &made["StateCode"]), (&json!("SUB-0000001"), &json!(5)));
        let sub = id(&made);
        let at = format!("/v3/subscriptions/{sub}");
        client.patch(&at, &json!({"SubscriptionReference": "PO 7"})).is(200);
        client.put(&format!("{at}/activate"), &json!({"ActivationDate": "2026-01-01"})).is(200);
        client.delete(&at).is(409);

        let code = json!({"FullName": "Launch", "Amount": 0.1, "InvoiceText": "launch"});
        let discount = id(&client.post("/v3/discounts", &code).is(201).json());
        let codes = client
            .put(
                &format!("/v3/discounts/{discount}/generatediscountcodes"),
                &json!({"Prefix": "L", "Amount": 3}),
            )
            .is(200)
            .json();
        assert_eq!(codes["TotalItems"], 3, "{codes}");
        let code = codes["Items"][0]["CompleteCode"].as_str().unwrap().to_owned();
        let asked = json!({"DiscountCode": code, "CustomerID": ada});
        assert_eq!(client.post("/v3/discounts/checkeligibility", &asked).is(200).json()["Eligible"], true);
        let apply = format!("/v3/discounts/applydiscountcodecustomer/{ada}");
        assert_eq!(
            client.put(&apply, &json!({"DiscountCode": code})).is(200).json()["DiscountCode"],
            code.as_str()
        );
        client.delete(&format!("/v3/discounts/{ada}/cleardiscountcodecustomer")).is(204);
        client
            .delete(&format!("/v3/discounts/{ada}/cleardiscountcodecustomer"))
            .refused(409, "nothing_applied");
        let gone = json!({"DiscountCode": codes["Items"][1]["CompleteCode"]}).to_string();
        let json_client = client.clone().header("Content-Type", "application/json");
        json_client
            .send("DELETE", &format!("/v3/discounts/{discount}/discountcode"), Some(gone.as_bytes()))
            .is(204);
        let listed = client.get(&format!("/v3/discounts/{discount}/discountcodes")).json();
        assert_eq!(
            listed["Items"].as_array().unwrap().iter().filter(|c| c["State"] == 1).count(),
            1,
            "{listed}"
        );

        books.run(&["run", "--as-of", "2026-01-01", "--skip", "render,send,collect"]).exits(0);
        let invoices = client.get(&format!("/v3/customers/{ada}/invoices")).is(200);
        assert!(invoices.text().contains("\"Total\":361.50,"), "{}", invoices.text());
        let rows = client
            .get(&format!("/v3/subscriptioncharges/query?$filter=SubscriptionID%20eq%20guid'{sub}'"))
            .json();
        let rows = rows["Items"].as_array().unwrap().clone();
        let billed: Vec<&Value> = rows.iter().filter(|row| !row["PreviousChargeDate"].is_null()).collect();
        let pending: Vec<&Value> = rows.iter().filter(|row| !row["NextChargeDate"].is_null()).collect();
        assert_eq!((billed.len(), pending.len()), (1, 1), "{rows:?}");
        assert_eq!(pending[0]["NextChargeDate"], "2026-02-01");
        let (old, now) = (id(billed[0]), id(pending[0]));
        let told =
            client.put(&format!("/v3/subscriptioncharges/{old}/setamount"), &json!(5)).refused(409, "billed");
        assert!(told["Message"].as_str().unwrap().contains(&now), "{told}");
        let put = json!({"Quantity": 5, "EntryDate": "2026-02-01"});
        client.put(&format!("/v3/subscriptioncharges/{now}/setamount"), &put).is(200);

        // One charge rests, and goes on; a second hold is refused, and names what is there.
        let of_charge = |verb: &str, body: &Value| {
            let reference = pending[0]["ReferenceID"].as_str().unwrap();
            client.put(&format!("/v3/subscriptioncharges/{reference}/{verb}"), body)
        };
        assert_eq!(of_charge("hold", &Value::Null).is(200).json()["StateCode"], 2);
        of_charge("hold", &Value::Null).refused(409, "conflict");
        assert_eq!(client.get(&at).is(200).json()["StateCode"], 0);
        assert_eq!(of_charge("resume", &json!({"ResumeOption": 1})).is(200).json()["StateCode"], 1);
        of_charge("resume", &Value::Null).refused(409, "conflict");
        books.run(&["verify"]).exits(0);
    }
}

#[test]
fn invoices_are_drafted_changed_booked_and_credited_over_http() {
    for books in both().map(tenant) {
        let keys = key(&books, "shop", &["read", "write"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&keys);
        let ada =
            id(&client.post("/v3/customers", &json!({"FullName": "Ada", "Country": "DK"})).is(201).json());
        let empty =
            client.post("/v3/invoices", &json!({"CustomerID": ada, "CurrencyCode": "DKK"})).is(201).json();
        assert_eq!(client.put(&format!("/v3/invoices/{}/book", id(&empty)), &Value::Null).status, 409);
        client.delete(&format!("/v3/invoices/{}", id(&empty))).is(204);
        let lines = json!([{"Title": "Day", "Quantity": 2, "UnitPrice": "100.00", "Discount": 0.2},
                           {"Title": "Travel", "Quantity": 1, "UnitPrice": 99.95}]);
        let draft = client.post("/v3/invoices", &json!({"CustomerID": ada, "InvoiceLines": lines})).is(201);
        assert!(draft.text().contains("\"Total\":259.95,"), "{}", draft.text());
        let draft = draft.json();
        let at = format!("/v3/invoices/{}", id(&draft));
        let mut kept = draft["InvoiceLines"].as_array().unwrap().clone();
        kept.pop();
        kept.push(json!({"Title": "More", "Quantity": 1, "UnitPrice": 40}));
        let changed = client.patch(&at, &json!({"InvoiceLines": kept, "InvoiceReference": "PO 1"})).is(200);
        assert!(changed.text().contains("\"Total\":200.00,"), "{}", changed.text());
        let booked = client.put(&format!("{at}/book"), &Value::Null).is(200).json();
        assert_eq!(booked["InvoiceNumber"], "INV-0000001", "{booked}");
        client.patch(&at, &json!({"InvoiceReference": "x"})).refused(409, "booked");
        let note = client.post(&format!("{at}/duplicate"), &json!({"Reverse": true})).is(201).json();
        assert_eq!((&note["IsCreditNote"], &note["InvoiceStatus"]), (&json!(true), &json!(0)), "{note}");
        let noted = client.put(&format!("/v3/invoices/{}/book", id(&note)), &Value::Null).is(200).json();
        assert!(noted["InvoiceNumber"].as_str().is_some_and(|n| n.starts_with("CN-")), "{noted}");
        assert_eq!(client.get(&at).json()["SettlementStatus"], 4);
        books.run(&["verify"]).exits(0);
    }
}

#[test]
fn a_write_can_hold_to_what_was_read_and_a_repeat_is_answered_as_before() {
    for books in both().map(tenant) {
        let keys = key(&books, "shop", &["read", "write"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&keys);
        let once = client.clone().header("Idempotency-Key", "0d9f4e6a-5a0e-4d0e-9f5b-0a8d3a1c7e11");
        let made = once.post("/v3/customers", &json!({"FullName": "Ada"})).is(201);
        let again = once.post("/v3/customers", &json!({"FullName": "Ada"})).is(201);
        assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &made.body));
        assert_eq!(client.get("/v3/customers").json()["TotalItems"], 1);
        let at = format!("/v3/customers/{}", id(&made.json()));
        let read = client.get(&at).is(200);
        let tag = read.header("etag").unwrap().to_owned();
        let holding = client.clone().header("If-Match", &tag);
        holding.patch(&at, &json!({"City": "Odense"})).is(200);
        holding.patch(&at, &json!({"City": "Aarhus"})).refused(412, "changed");
        assert_eq!(client.get(&at).json()["City"], "Odense");
        let page = server.anybody().get("/docs").is(200);
        assert!(page.text().contains("/openapi.json") && !page.text().contains("https://"));
    }
}

/// A page of customers or subscriptions has Upodi's reduced records, a query and an id all there is.
#[test]
fn plain_pages_show_reduced_records_in_the_order_in_which_they_came() {
    const CUSTOMER: [&str; 9] = [
        "ID",
        "CompanyName",
        "AccountNumber",
        "CurrencyCode",
        "FullName",
        "AutoBill",
        "RefKey",
        "CreatedDate",
        "ModifiedDate",
    ];
    const SUBSCRIPTION: [&str; 11] = [
        "ID",
        "SubscriptionNumber",
        "CustomerID",
        "ProductPlanID",
        "StartDate",
        "EndDate",
        "StateCode",
        "Status",
        "RefKey",
        "CreatedDate",
        "ModifiedDate",
    ];
    for books in both() {
        let file = books.file("book.json", book(3).to_string());
        books.run(&["load", &file]).exits(0);
        let keys = key(&books, "shop", &["read", "write"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&keys);
        client.post("/v3/customers", &json!({"FullName": "Ada", "RefKey": "crm-1"})).is(201);
        for (path, names, total) in
            [("/v3/customers", &CUSTOMER[..], 4), ("/v3/subscriptions", &SUBSCRIPTION[..], 3)]
        {
            let page = client.get(path).is(200).json();
            assert_eq!(page["TotalItems"], total, "{path}");
            let all = client.get(&format!("{path}/query")).is(200).json();
            for (row, whole) in page["Items"].as_array().unwrap().iter().zip(all["Items"].as_array().unwrap())
            {
                let row = row.as_object().unwrap();
                let mut shown: Vec<&str> = row.keys().map(String::as_str).collect();
                let mut names = names.to_vec();
                shown.sort_unstable();
                names.sort_unstable();
                assert_eq!(shown, names);
                assert!(row.iter().all(|(name, value)| *value == whole[name]), "{row:?} {whole}");
            }
            let at = format!("{path}?pagesize=1&pagenumber=2");
            assert_eq!(client.get(&at).is(200).json()["Items"][0], page["Items"][1]);
        }
    }
}

#[test]
fn what_has_no_list_of_its_own_is_expanded_from_what_it_belongs_to() {
    for books in both() {
        let mut book = book(2);
        book["productfamilies"] = json!([{"refkey": "cloud", "fullname": "Cloud"}]);
        book["productplans"][0]["productfamily"] = json!("cloud");
        book["discounts"] = json!([{"refkey": "launch", "fullname": "Launch", "type": "percentage", "amount": "0.10",
            "expiryperiod": "months", "expiryperiodinterval": 3, "codes": [{"codeprefix": "LAUNCH", "code": "A1"}]}]);
        book["customers"][0]["discount"] = json!({"code": "LAUNCH-A1", "from": "2026-01-01"});
        book["customers"][0]["paymentmethods"] = json!([{"refkey": "card", "type": "card", "gateway": "sandbox",
            "token": "tok_ok", "makedefault": true}]);
        let file = books.file("book.json", book.to_string());
        books.run(&["load", &file]).exits(0);
        books.run(&["run", "--as-of", "2026-01-31", "--skip", "render,send,collect"]).exits(0);
        let keys = key(&books, "shop", &["read"]);
        let server = Server::start(&books, &["--no-work"]);
        let first = |path: &str| server.with(&keys).get(path).is(200).json()["Items"][0].clone();
        let plan = first("/v3/productplans/query?$expand=ProductFamily");
        assert_eq!(
            (&plan["ProductFamily"]["FullName"], &plan["ProductFamily"]["ID"]),
            (&json!("Cloud"), &plan["ProductFamilyID"])
        );
        let customer = first("/v3/customers/query?$filter=AccountNumber%20eq%20'CU-0001'&$expand=Currency");
        let base = (
            &customer["Currency"]["CurrencyCode"],
            &customer["Currency"]["IsBase"],
            &customer["Currency"]["ExchangeRate"],
        );
        assert_eq!(base, (&json!("DKK"), &json!(true), &json!(1)));
        let discount = first("/v3/discounts/query?$expand=DiscountConsumers,DiscountCodes");
        let consumer = &discount["DiscountConsumers"][0];
        assert_eq!(consumer["ConsumerID"], customer["ID"], "{discount}");
        assert_eq!(
            (&consumer["ConsumerType"], &consumer["ExpiryDate"]),
            (&json!(0), &json!("2026-04-01")),
            "{consumer}"
        );
        let number = customer["ID"].as_str().unwrap();
        let invoice = first(&format!(
            "/v3/invoices/query?$filter=CustomerID%20eq%20guid'{number}'&$expand=PaymentMethod"
        ));
        assert_eq!(invoice["PaymentMethod"]["ID"], customer["PaymentMethod"], "{invoice}");
        assert_eq!(invoice["PaymentMethod"]["RefKey"], "card");
    }
}
