//! Bad input over HTTP: each is refused with its status, its place and a way out that a program can take, and nothing is changed.
//! The same on the command line: `flows/book_objects`.

use crate::support::book;
use crate::support::books::{Books, both};
use crate::support::http::{Client, Server, key};
use serde_json::{Value, json};

/// Two customers with PRO, a second plan, a unit of measure, a branch, and a code that CU-0001 has applied.
fn a_home(books: Books) -> Books {
    let mut book = book(2);
    let mut big = book["productplans"][0].clone();
    big["sku"] = json!("BIG");
    book["productplans"].as_array_mut().unwrap().push(big);
    book["businessunits"] = json!([{"refkey": "dk", "fullname": "Denmark"}]);
    book["customers"][1]["businessunit"] = json!("dk");
    book["discounts"] = json!([{"refkey": "launch", "fullname": "Launch", "type": "percentage", "amount": "0.10",
        "codes": [{"codeprefix": "LAUNCH", "code": "A1"}]}]);
    book["customers"][0]["discount"] = json!({"code": "LAUNCH-A1", "from": "2026-01-01"});
    let file = books.file("book.json", book.to_string());
    books.json(&["load", &file]);
    books
}

/// The whole book, what was done to it, and the runs there are.
fn state(books: &Books) -> (String, Value, Value) {
    let export = books.run(&["book", "export"]).exits(0).stdout;
    (export, books.json(&["audit"]), books.json(&["runs"]))
}

/// A request with what it must be told.
type Bad<'a> = (&'a str, String, Value, u16, &'a str, &'a str);

/// Each is refused so, with a hint that says this, and afterwards everything is as before.
#[track_caller]
fn refused(books: &Books, client: &Client<'_>, all: Vec<Bad<'_>>) {
    let before = state(books);
    for (method, path, body, status, code, hint) in all {
        let body = (!body.is_null()).then(|| body.to_string());
        let client = client.clone().header("Content-Type", "application/json");
        let told = client.send(method, &path, body.as_deref().map(str::as_bytes)).refused(status, code);
        let faults = told["Errors"].as_array().unwrap();
        let hints: Vec<&str> = faults.iter().filter_map(|fault| fault["Hint"].as_str()).collect();
        assert!(hints.iter().any(|told| told.contains(hint)), "{method} {path}: `{hint}` in {told:#}");
        assert_eq!(state(books), before, "{method} {path} changed something");
    }
}

fn id_at(client: &Client<'_>, path: &str) -> String {
    let found = client.get(path).is(200).json();
    let one = if found["Items"].is_array() { &found["Items"][0] } else { &found };
    one["ID"].as_str().unwrap_or_else(|| panic!("no ID in {found}")).to_owned()
}

#[test]
fn what_cannot_be_done_is_refused_with_the_request_to_make_instead_and_changes_nothing() {
    for books in both().map(a_home) {
        let keys = key(&books, "shop", &["read", "write", "operate"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&keys);
        let customer = format!("/v3/customers/{}", id_at(&client, "/v3/customers/byaccountnumber/CU-0001"));
        let plan = id_at(&client, "/v3/productplans/query?$filter=SKU%20eq%20'PRO'");
        let big = id_at(&client, "/v3/productplans/query?$filter=SKU%20eq%20'BIG'");
        let plan_at = format!("/v3/productplans/{plan}");
        let shown = client.get(&plan_at).is(200).json();
        let charge = shown["ProductPlanCharges"][0]["ID"].as_str().unwrap().to_owned();
        let pricings = format!("/v3/productplans/charge/{charge}/pricings");
        let subscription = format!("/v3/subscriptions/{}", id_at(&client, "/v3/subscriptions"));
        let uom = format!("/v3/uoms/{}", id_at(&client, "/v3/uoms"));
        let unit = format!("/v3/businessunits/{}", id_at(&client, "/v3/businessunits"));
        let discount = format!("/v3/discounts/{}", id_at(&client, "/v3/discounts"));
        let nobody = "00000000-0000-4000-8000-000000000000";
        let dear = json!([{"CurrencyCode": "DKK", "Price": "-1"}]);
        let rows = json!([{"CurrencyCode": "DKK", "Price": "250.00"}]);
        let none = Value::Null;
        refused(
            &books,
            &client,
            vec![
                // A change that would make the book invalid.
                ("PATCH", customer.clone(), json!({"Country": "ZZ"}), 400, "invalid", "ISO 3166"),
                ("PATCH", customer.clone(), json!({"Country": "UK"}), 400, "invalid", "did you mean `GB`?"),
                ("PATCH", customer.clone(), json!({"FullName": null}), 400, "invalid", "ask again"),
                ("PATCH", customer.clone(), json!({"Strete": "x"}), 400, "unknown_field", "did you mean"),
                ("PATCH", customer.clone(), json!({"AccountNumber": "X"}), 409, "immutable", "a new one"),
                (
                    "PATCH",
                    subscription.clone(),
                    json!({"ProductPlanID": big}),
                    400,
                    "invalid",
                    "PUT /v3/subscriptions/{subscriptionId}/switchplan",
                ),
                ("PUT", pricings.clone(), dear, 400, "invalid", ""),
                ("DELETE", format!("{plan_at}/charges"), json!([charge]), 400, "invalid", ""),
                // A kind, a route and a key that nobody knows.
                ("GET", "/v3/custommers".to_owned(), none.clone(), 404, "no_route", "`/v3/customers`?"),
                ("GET", "/v3/wishes/1".to_owned(), none.clone(), 404, "no_route", "GET /openapi.json"),
                ("PATCH", "/v3/uoms".to_owned(), json!({}), 405, "method", "GET /openapi.json"),
                (
                    "GET",
                    format!("/v3/customers/{nobody}"),
                    none.clone(),
                    404,
                    "not_found",
                    "`GET /v3/customers`",
                ),
                (
                    "GET",
                    "/v3/customers/byaccountnumber/CU-9".to_owned(),
                    none.clone(),
                    404,
                    "not_found",
                    "`GET /v3/customers`",
                ),
                (
                    "PATCH",
                    format!("/v3/productplans/{nobody}"),
                    json!({"FullName": "x"}),
                    404,
                    "not_found",
                    "`GET /v3/productplans`",
                ),
                ("DELETE", format!("/v3/uoms/{nobody}"), none.clone(), 404, "not_found", "`GET /v3/uoms`"),
                (
                    "PUT",
                    format!("/v3/subscriptions/{nobody}/cancel"),
                    json!({}),
                    404,
                    "not_found",
                    "`GET /v3/subscriptions`",
                ),
                // What is in use.
                (
                    "DELETE",
                    customer.clone(),
                    none.clone(),
                    409,
                    "in_use",
                    "`PATCH /v3/customers/{customerId}` of customer CU-0001 with `Status` 7",
                ),
                ("PATCH", customer.clone(), json!({"Status": 7}), 400, "invalid", ""),
                (
                    "DELETE",
                    plan_at.clone(),
                    none.clone(),
                    409,
                    "in_use",
                    "PUT /v3/productplans/{productPlanId}/deactivate",
                ),
                ("DELETE", uom, none.clone(), 409, "in_use", "`PUT /v3/uoms` of uom call with `Status` 7"),
                ("DELETE", unit, none.clone(), 409, "in_use", "`PUT /v3/businessunits`"),
                ("DELETE", discount.clone(), none.clone(), 409, "in_use", "PATCH /v3/discounts/{discountId}"),
                (
                    "DELETE",
                    subscription,
                    none.clone(),
                    409,
                    "in_use",
                    "PUT /v3/subscriptions/{subscriptionId}/cancel",
                ),
            ],
        );

        // What moves prices waits for a run whose drafts are made; what moves none goes in, and sets nobody's draft aside.
        books.json(&["run", "--as-of", "2026-01-01", "--review", "--skip", "render,send,collect"]);
        let approve = "`PUT /v3/runs/1/approve` books them, `PUT /v3/runs/1/cancel` drops them";
        let optional = format!("/v3/productplans/{plan}/charges");
        let fee = json!([{"FullName": "Extra", "ChargeType": 16, "PricingModel": 16, "BillingPeriod": 300,
                          "ProductPlanChargePricings": [{"CurrencyCode": "DKK", "Price": 5}]}]);
        refused(
            &books,
            &client,
            vec![
                ("PUT", pricings, rows, 409, "run_under_way", approve),
                ("POST", optional, fee, 409, "run_under_way", approve),
                ("PUT", format!("{plan_at}/deactivate"), none.clone(), 409, "run_under_way", approve),
                ("PATCH", discount, json!({"Amount": 0.5}), 409, "run_under_way", approve),
            ],
        );
        client.post("/v3/uom", &json!({"FullName": "hour"})).is(201);
        let approved = books.json(&["runs", "approve", "1"]);
        assert_eq!((&approved["invoiced"], &approved["failed"]), (&json!(2), &json!(0)), "{approved}");
    }
}

/// A flag that is none, a list that is none, a query that nobody knows: were they taken for nothing, a run would begin where it
/// was only to be shown, for everybody where it was for one, and a verb would be done where it was to be tried.
#[test]
fn what_is_not_understood_is_never_taken_for_nothing() {
    let books = a_home(Books::Sqlite(crate::support::Home::new()));
    let keys = key(&books, "shop", &["read", "write", "usage", "operate"]);
    let server = Server::start(&books, &["--no-work"]);
    let client = server.with(&keys).header("Content-Type", "application/json");
    let before = state(&books);
    let subscription = format!("/v3/subscriptions/{}", id_at(&client, "/v3/subscriptions"));
    let nobody = "/v3/invoices/00000000-0000-4000-8000-000000000000";
    let runs = |body: Value| ("POST", "/v3/runs".to_owned(), body);
    let copy = |body: Value| ("POST", format!("{nobody}/duplicate"), body);
    let cancel = |query: &str| ("PUT", format!("{subscription}/cancel?{query}"), Value::Null);
    for ((method, path, body), code, pointers) in [
        (runs(json!({"Preview": "perhaps"})), "invalid", &["/Preview"][..]),
        (
            runs(json!({"AsOf": "soon", "Customers": [{}], "Skip": ["rendr"], "Review": 5})),
            "invalid",
            &["/Skip", "/Customers/0", "/Review", "/AsOf"],
        ),
        (runs(json!({"Customers": []})), "invalid", &["/Customers"]),
        (copy(json!({"Reverse": "perhaps", "Lines": {"LineNumber": 1}})), "invalid", &["/Lines", "/Reverse"]),
        (cancel("preveiw=true"), "bad_query", &["preveiw"]),
        (cancel("preview=perhaps"), "bad_query", &["preview"]),
        (("GET", format!("{subscription}?$expand=Customer"), Value::Null), "bad_query", &["$expand"]),
        (("POST", "/v3/customers".to_owned(), json!([])), "invalid", &[""]),
    ] {
        let body = (!body.is_null()).then(|| body.to_string());
        let told = client.send(method, &path, body.as_deref().map(str::as_bytes)).refused(400, code);
        let all: Vec<&str> =
            told["Errors"].as_array().unwrap().iter().filter_map(|fault| fault["Pointer"].as_str()).collect();
        assert!(pointers.iter().all(|pointer| all.contains(pointer)), "{path}: {told:#}");
        assert!(!told["Message"].as_str().unwrap().starts_with(':'), "{told}");
    }
    // What a body is coded as, a head that is too large, and a file that is none.
    let coded = client.clone().header("Content-Encoding", "gzip");
    coded.send("POST", "/v3/customers", Some(b"\x1f\x8b")).refused(415, "media_type");
    client.clone().header("X-Long", &"x".repeat(20_000)).get("/v3/customers").refused(431, "head_too_large");
    let told = client.send("POST", "/v3/usagedata/import", Some(b"<html></html>")).refused(400, "unreadable");
    assert!(told["Message"].as_str().unwrap().starts_with("the body is"), "{told}");
    assert!(!told.to_string().contains("/usage/temp"), "{told}");
    assert_eq!(state(&books), before);
}
