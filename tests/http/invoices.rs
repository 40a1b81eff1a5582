//! Invoices and transactions, by page, by query, one by one.

use crate::support::books::{Books, both};
use crate::support::http::{Client, Server, key};
use crate::support::{book, january};
use serde_json::{Value, json};

/// Seven customers, billed for January; the last two only drafted for February.
fn billed(books: Books) -> Books {
    let file = books.file("book.json", book(7).to_string());
    books.run(&["load", &file]).exits(0);
    let usage = books.file("usage.csv", january(7));
    books.run(&["ingest", &usage]).exits(0);
    books.run(&["run", "--as-of", "2026-02-01", "--skip", "render,send"]).exits(0);
    books.run(&["run", "--as-of", "2026-03-01", "--review", "--customer", "CU-0001"]).exits(0);
    books
}

fn numbers(page: &Value) -> Vec<String> {
    let number = |invoice: &Value| invoice["InvoiceNumber"].as_str().unwrap_or("draft").to_owned();
    page["Items"].as_array().unwrap().iter().map(number).collect()
}

#[test]
fn pages_go_on_where_the_last_one_ended_and_amounts_keep_their_digits() {
    for books in both().map(billed) {
        let reader = key(&books, "reader", &["read"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&reader);
        let all = client.get("/v3/invoices").is(200);
        assert!(all.text().contains("\"TotalAmount\":"), "{}", all.text());
        let all = all.json();
        let total = all["TotalItems"].as_u64().unwrap();
        assert_eq!(numbers(&all).len() as u64, total);
        assert_eq!(numbers(&all).last().unwrap(), "draft");
        let mut paged = Vec::new();
        for page in 1..=total.div_ceil(3) {
            let path = format!("/v3/invoices?pagesize=3&pagenumber={page}");
            paged.extend(numbers(&client.get(&path).is(200).json()));
        }
        assert_eq!(paged, numbers(&all));
        let past = client.get("/v3/invoices?$pagesize=3&$pagenumber=99").is(200).json();
        assert_eq!(past["Items"], json!([]));
        for wrong in ["pagesize=0", "pagenumber=-1", "pagesize=x", "$filter=ID eq null", "page=1"] {
            client.get(&format!("/v3/invoices?{}", wrong.replace(' ', "%20"))).refused(400, "bad_query");
        }

        let first = &all["Items"][0];
        let one = client.get(&format!("/v3/invoices/{}", first["ID"].as_str().unwrap())).is(200);
        let shown = books.json(&["invoices", "show", first["InvoiceNumber"].as_str().unwrap()]);
        // As the command line shows it, but as a number.
        let line = shown["invoice"]["InvoiceLines"][0]["TotalPrice"].as_str();
        if let Some(price) = line {
            assert!(one.text().contains(&format!("\"TotalPrice\":{price},")), "{}", one.text());
        }
        let by_number =
            client.get(&format!("/v3/invoices/bynumber/{}", first["InvoiceNumber"].as_str().unwrap()));
        assert_eq!(by_number.is(200).json()["ID"], first["ID"]);
        client.get("/v3/invoices/bynumber/INV-9999999").refused(404, "not_found");
        client.get("/v3/invoices/00000000-0000-0000-0000-000000000000").refused(404, "not_found");
        assert_eq!(client.get("/v3/invoices/none").refused(400, "bad_id")["ErrorCode"], 40004);
        let own = client.get(&format!("/v3/customers/{}/invoices", first["CustomerID"].as_str().unwrap()));
        assert!(own.is(200).json()["TotalItems"].as_u64().unwrap() >= 1);

        let texts = books.json(&["keys", "create", "texts", "--scope", "read", "--numbers", "text"]);
        let texts = server.with(texts["key"].as_str().unwrap()).get("/v3/invoices").is(200).json();
        assert!(texts["Items"][0]["TotalAmount"].is_string(), "{texts}");

        let paid = client.get("/v3/transactions").is(200).json();
        assert!(paid["TotalItems"].as_u64().unwrap() >= 7, "{paid}");
        let id = paid["Items"][0]["ID"].as_str().unwrap();
        assert_eq!(client.get(&format!("/v3/transactions/{id}")).is(200).json()["StateCode"], 1);
    }
}

fn found(client: &Client<'_>, options: &str) -> Value {
    client
        .get(&format!("/v3/invoices/query?{}", options.replace(' ', "%20").replace('\'', "%27")))
        .is(200)
        .json()
}

#[test]
fn queries_narrow_order_and_count() {
    for books in both().map(billed) {
        let reader = key(&books, "reader", &["read"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&reader);
        let all = client.get("/v3/invoices").is(200).json();
        let items = all["Items"].as_array().unwrap();
        let customer = items[0]["CustomerID"].as_str().unwrap();
        let own = items.iter().filter(|i| i["CustomerID"] == customer).count();
        let query = format!("$filter=CustomerID eq guid'{customer}'&$inlinecount=allpages");
        assert_eq!(found(&client, &query)["TotalItems"], own);
        assert_eq!(found(&client, "$filter=InvoiceNumber eq null")["Items"].as_array().unwrap().len(), 1);
        assert_eq!(
            found(&client, "$filter=InvoiceStatus eq '0' and IsCreditNote eq false")["Items"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        let lines =
            found(&client, "$filter=InvoiceLines/any(l: l/SKU eq 'PRO-API')&$expand=InvoiceLines&$top=1000");
        assert!(!lines["Items"].as_array().unwrap().is_empty());
        assert!(lines["Items"][0]["InvoiceLines"].is_array());
        let sorted = found(&client, "$orderby=TotalAmount desc, InvoiceNumber&$top=4&$skip=1");
        let amounts: Vec<f64> =
            sorted["Items"].as_array().unwrap().iter().map(|i| i["TotalAmount"].as_f64().unwrap()).collect();
        assert_eq!(amounts.len(), 4);
        assert!(amounts.is_sorted_by(|a, b| a >= b), "{amounts:?}");
        let some = found(&client, "$select=ID,InvoiceNumber&$filter=&pagesize=2");
        assert_eq!(some["Items"][0].as_object().unwrap().len(), 2);
        let told = client.get("/v3/invoices/query?$filter=Totl%20gt%201").refused(400, "bad_query");
        assert_eq!(told["Errors"][0]["Hint"], "did you mean `Total`?");
        for wrong in
            ["$filter=Total", "$top=1001", "$top=1&pagesize=1", "$expand=Lines", "$format=xml", "$search=x"]
        {
            client.get(&format!("/v3/invoices/query?{wrong}")).refused(400, "bad_query");
        }
    }
}

#[test]
fn invoices_and_charges_are_found_by_the_names_that_their_callers_gave_them() {
    for books in both().map(billed) {
        let all = key(&books, "all", &["read", "write"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&all);
        let customer = client.get("/v3/customers?pagesize=1").is(200).json()["Items"][0]["ID"].clone();
        let lines = json!([{"Title": "Setup", "Quantity": 1, "UnitPrice": "10.00"}]);
        let draft = json!({"CustomerID": customer, "RefKey": "order 7/1", "InvoiceLines": lines});
        let made = client.post("/v3/invoices", &draft).is(201).json();
        assert_eq!(made["RefKey"], "order 7/1");
        let found = client.get("/v3/invoices/byrefkey/order%207%2F1").is(200).json();
        assert_eq!(found["ID"], made["ID"]);
        client.get("/v3/invoices/byrefkey/none").refused(404, "not_found");

        let charge = client.get("/v3/subscriptioncharges?pagesize=1000").is(200).json()["Items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|charge| charge["PreviousChargeDate"].is_null())
            .unwrap()
            .clone();
        let path = format!("/v3/subscriptioncharges/{}", charge["ID"].as_str().unwrap());
        assert_eq!(client.patch(&path, &json!({"RefKey": "seat"})).is(200).json()["RefKey"], "seat");
        let found = client.get("/v3/subscriptioncharges/byrefkey/seat").is(200).json();
        assert_eq!(found["ReferenceID"], charge["ReferenceID"]);
        client.get("/v3/subscriptioncharges/byrefkey/none").refused(404, "not_found");
    }
}

/// What is booked and unpaid is cancelled in one step: the wire says so and names the note, whatever the row holds; and amounts of
/// a run are numbers.
#[test]
fn a_booked_invoice_that_nobody_has_paid_is_shown_as_cancelled_by_its_credit_note() {
    for books in both() {
        let file = books.file("book.json", book(1).to_string());
        books.run(&["load", &file]).exits(0);
        books.run(&["run", "--as-of", "2026-01-31", "--skip", "render,send,collect"]).exits(0);
        let keys = key(&books, "shop", &["read", "write"]);
        let server = Server::start(&books, &["--no-work"]);
        let client = server.with(&keys);
        let run = client.get("/v3/runs/1").is(200);
        assert!(run.text().contains("\"Gross\":248.75"), "{}", run.text());
        let invoice = client.get("/v3/invoices").is(200).json()["Items"][0].clone();
        assert_eq!((&invoice["InvoiceStatus"], &invoice["CreditNoteID"]), (&json!(10), &Value::Null));
        let at = format!("/v3/invoices/{}", invoice["ID"].as_str().unwrap());
        let told = client.put(&format!("{at}/cancel"), &Value::Null).is(200).json();
        assert_eq!((&told["InvoiceStatus"], &told["PaymentStatus"]), (&json!(50), &json!(50)), "{told}");
        let note =
            client.get(&format!("/v3/invoices/{}", told["CreditNoteID"].as_str().unwrap())).is(200).json();
        assert_eq!((&note["IsCreditNote"], &note["InvoiceStatus"]), (&json!(true), &json!(10)), "{note}");
        let found = client.get("/v3/invoices/query?$filter=InvoiceStatus%20eq%2050").is(200).json();
        assert_eq!(found["Items"][0]["ID"], invoice["ID"]);
        client.put(&format!("{at}/cancel"), &Value::Null).is(409);
    }
}
