//! Every verb that the command line and HTTP both have leaves the same behind: two homes at one instant, one asked by each,
//! and their tables compared after every verb.

use crate::support::books::Books;
use crate::support::http::{Client, Server, key};
use crate::support::postgres::PgHome;
use crate::support::{Home, book, counterpart};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOW: &str = "2026-03-10T12:00:00Z";

/// Tables of what is not the books': keys, requests, and what tells others.
const NOT_COMPARED: [&str; 7] =
    ["api_key", "idempotency", "webhook", "webhook_delivery", "outbox", "loaded_hash", "meta"];

/// A verb as each face asks for it.
struct Twin {
    /// Arguments of the program.
    cli: Vec<String>,
    method: &'static str,
    path: String,
    body: Value,
}

/// A verb of a subscription: its words on the command line after the number, its last part of the path, and its body.
fn verb(ids: &Ids, number: &str, words: &[&str], last: &str, body: Value) -> Twin {
    let mut cli = vec!["subscriptions".to_owned(), words[0].to_owned(), number.to_owned()];
    cli.extend(words[1..].iter().map(|word| (*word).to_owned()));
    Twin { cli, method: "PUT", path: format!("/v3/subscriptions/{}/{last}", ids.of(number)), body }
}

/// A verb of one charge of a subscription.
fn of_charge(ids: &Ids, number: &str, words: &[&str], last: &str, body: Value) -> Twin {
    let path = format!("/v3/subscriptioncharges/{}", ids.of(&format!("{number} PRO-BASE")));
    let method = match last {
        "" => "PATCH",
        "DELETE" => "DELETE",
        _ => "PUT",
    };
    let path = if method == "PUT" { format!("{path}/{last}") } else { path };
    Twin { method, path, ..verb(ids, number, words, last, body) }
}

/// Ids by the names that the command line uses.
struct Ids(BTreeMap<String, String>);

impl Ids {
    fn read(client: &Client<'_>) -> Self {
        let mut ids = BTreeMap::new();
        let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let mut list = |path: &str, name: &dyn Fn(&Value) -> String, id: &str| {
            for item in client.get(path).is(200).json()["Items"].as_array().unwrap() {
                ids.insert(name(item), text(item, id));
            }
        };
        list("/v3/customers?pagesize=1000", &|item| text(item, "AccountNumber"), "ID");
        list("/v3/productplans?pagesize=1000", &|item| text(item, "SKU"), "ID");
        list("/v3/subscriptions?pagesize=1000", &|item| text(item, "SubscriptionNumber"), "ID");
        list("/v3/invoices?pagesize=1000", &|item| text(item, "InvoiceNumber"), "ID");
        let numbers: BTreeMap<String, String> =
            ids.iter().map(|(name, id)| (id.clone(), name.clone())).collect();
        let charges =
            client.get("/v3/subscriptioncharges/query?$filter=NextChargeDate%20ne%20null&$top=1000");
        for item in charges.is(200).json()["Items"].as_array().unwrap() {
            let of = &numbers[item["SubscriptionID"].as_str().unwrap()];
            ids.insert(format!("{of} {}", text(item, "SKU")), text(item, "ReferenceID"));
        }
        Self(ids)
    }

    fn of(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("no id of {name}"))
    }
}

/// Each acts on what no other one does, so that their order does not matter.
fn twins(ids: &Ids) -> Vec<Twin> {
    let none = Value::Null;
    let sub = |n: u32| format!("SUB-{n:04}");
    let base = "PRO-BASE";
    let code = json!({"DiscountCode": "L-10"});
    let invoice = |words: &[&str], method, path: &str, body| Twin {
        cli: std::iter::once("invoices").chain(words.iter().copied()).map(str::to_owned).collect(),
        method,
        path: format!("/v3/invoices/{}{path}", ids.of(words[1])),
        body,
    };
    let mut all = vec![
        verb(ids, &sub(1), &["hold"], "hold", none.clone()),
        verb(ids, &sub(1), &["resume", "--option", "today"], "resume", json!({"ResumeOption": 2})),
        verb(
            ids,
            &sub(2),
            &["cancel", "--option", "on_date", "--date", "2026-05-01"],
            "cancel",
            json!({"CancelOption": 3, "CancelDate": "2026-05-01"}),
        ),
        verb(ids, &sub(2), &["reactivate"], "reactivate", none.clone()),
        verb(ids, &sub(3), &["expire"], "expire", none.clone()),
        verb(
            ids,
            &sub(4),
            &["setamount", "--charge", base, "--amount", "3"],
            "setamount",
            json!({"Quantity": 3, "ProductPlanChargeID": base}),
        ),
        verb(ids, &sub(5), &["switchplan", "--plan", "BIG"], "switchplan", json!({"toPlan": ids.of("BIG")})),
        verb(
            ids,
            &sub(6),
            &["setpaymentmethod", "--method", "card"],
            "setpaymentmethod",
            json!({"PaymentMethodID": "card"}),
        ),
        verb(ids, &sub(6), &["setpaymentmethod"], "removepaymentmethod", none.clone()),
        verb(
            ids,
            &sub(7),
            &["addoptionalcharge", "--charge", "PRO-EXTRA", "--amount", "2"],
            "addoptionalcharge",
            json!({"ProductPlanChargeID": "PRO-EXTRA", "Amount": 2}),
        ),
        verb(ids, &sub(8), &["renew"], "renew", none.clone()),
        verb(ids, &sub(9), &["activate"], "activate", none.clone()),
        of_charge(ids, &sub(10), &["holdcharge", "--charge", base], "hold", none.clone()),
        of_charge(ids, &sub(10), &["resumecharge", "--charge", base], "resume", none.clone()),
        of_charge(ids, &sub(11), &["togglecharge", "--charge", base], "togglecharge", none.clone()),
        of_charge(
            ids,
            &sub(12),
            &["setprice", "--charge", base, "--unitprice", "99.50"],
            "",
            json!({"UnitPrice": "99.50"}),
        ),
        of_charge(
            ids,
            &sub(13),
            &["setnextchargedate", "--charge", base, "--date", "2026-04-20"],
            "",
            json!({"NextChargeDate": "2026-04-20"}),
        ),
        of_charge(ids, &sub(14), &["setamount", "--charge", base, "--amount", "4"], "setamount", json!(4)),
        of_charge(ids, &sub(15), &["removecharge", "--charge", base], "DELETE", none.clone()),
        invoice(&["markpaid", "INV-0000001"], "PUT", "/markpaid", none.clone()),
        invoice(&["credit", "INV-0000002"], "PUT", "/cancel", none),
    ];
    let discount = |number: &str, words: &[&str], path: &str, method| Twin {
        cli: ["discounts"]
            .iter()
            .chain(words)
            .chain(&["--customer", number])
            .map(|word| (*word).to_owned())
            .collect(),
        method,
        path: path.replace("{}", ids.of(number)),
        body: code.clone(),
    };
    let applied = "/v3/discounts/applydiscountcodecustomer/{}";
    let cleared = "/v3/discounts/{}/cleardiscountcodecustomer";
    all.extend([
        discount("CU-0016", &["apply", "L-10"], applied, "PUT"),
        discount("CU-0016", &["clear"], cleared, "DELETE"),
    ]);
    let apply = "/v3/discounts/applydiscountcodesubscription/";
    all.push(Twin {
        path: format!("{apply}{}", ids.of(&sub(17))),
        ..verb(ids, &sub(17), &["applydiscount", "--code", "L-10"], "", code.clone())
    });
    all.push(Twin {
        method: "DELETE",
        path: format!("/v3/discounts/{}/cleardiscountcodesubscription", ids.of(&sub(17))),
        ..verb(ids, &sub(17), &["cleardiscount"], "", Value::Null)
    });
    all
}

fn scene(books: Books) -> Books {
    let mut book = book(18);
    let plan = book["productplans"][0].clone();
    let charges = book["productplans"][0]["charges"].as_array_mut().unwrap();
    let mut extra = charges[0].clone();
    for (name, value) in [("sku", "PRO-EXTRA"), ("anchorcode", "extra"), ("chargesetup", "optional")] {
        extra[name] = json!(value);
    }
    charges.push(extra);
    let mut big = plan;
    big["sku"] = json!("BIG");
    for charge in big["charges"].as_array_mut().unwrap() {
        charge["sku"] = json!(charge["sku"].as_str().unwrap().replace("PRO", "BIG"));
    }
    book["productplans"].as_array_mut().unwrap().push(big);
    book["discounts"] = json!([{"refkey": "launch", "fullname": "Launch", "amount": "0.1", "type": "percentage",
                                "codes": [{"codeprefix": "L", "code": "10"}]}]);
    book["subscriptions"][8]["status"] = json!("draft");
    book["subscriptions"][7]["autorenew"] = json!(false);
    book["subscriptions"][7]["initialtermperiod"] = json!("months");
    book["subscriptions"][7]["initialterminterval"] = json!(6);
    let file = books.file("book.json", book.to_string());
    for args in [&["load", &file][..], &["run", "--as-of", "2026-03-10", "--skip", "render,send,collect"]] {
        asked(&books, args);
    }
    books
}

/// Runs a command at the instant.
#[track_caller]
fn asked(books: &Books, args: &[&str]) {
    let output = books.command(args).env("TALLYBOOK_NOW", NOW).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Whether a table is the books', and not the queue's, the database's or what tells others.
fn is_compared(name: &str) -> bool {
    let is_ours =
        !name.starts_with('_') && !name.starts_with("sqlite_") && !name.to_lowercase().contains("job");
    is_ours && !name.eq_ignore_ascii_case("workers") && !NOT_COMPARED.contains(&name)
}

/// Every row of the books, by table; without who asked and which process worked, which is what differs.
fn dump(books: &Books) -> BTreeMap<String, Vec<String>> {
    let mut tables = match books {
        Books::Postgres(home) => dump_postgres(home),
        Books::Sqlite(home) | Books::Bucket(home, _) => dump_sqlite(home),
    };
    tables.values_mut().for_each(|rows| rows.sort());
    tables
}

fn dump_sqlite(home: &Home) -> BTreeMap<String, Vec<String>> {
    let file = home.path().join("tallybook.db").display().to_string();
    let names = "select name from sqlite_schema where type = 'table' and sql not like '%virtual%'";
    let names = counterpart("sqlite3", &["-readonly", &file, names]);
    let names: Vec<&str> = names.lines().filter(|name| is_compared(name)).collect();
    // One process for all: a list that names the table, then one of its rows, which is not told if there are none.
    let all: String =
        names.iter().map(|name| format!("select '{name}' as \"~\"; select * from \"{name}\";")).collect();
    let told = counterpart("sqlite3", &["-readonly", "-json", &file, &all]);
    let (mut tables, mut at) = (BTreeMap::new(), String::new());
    for list in serde_json::Deserializer::from_str(&told).into_iter::<Vec<Value>>() {
        let list = list.unwrap();
        match list[0]["~"].as_str() {
            Some(name) => {
                at = name.to_owned();
                tables.insert(at.clone(), Vec::new());
            }
            None => {
                let rows = list.into_iter().map(|row| without_who(&at, row).to_string());
                tables.insert(at.clone(), rows.collect());
            }
        }
    }
    assert_eq!(tables.len(), names.len());
    tables
}

fn dump_postgres(home: &PgHome) -> BTreeMap<String, Vec<String>> {
    let names =
        home.sql("select table_name from information_schema.tables where table_schema = 'public'").unwrap();
    let names: Vec<&str> = names.lines().filter(|name| is_compared(name)).collect();
    let all: Vec<String> = names
        .iter()
        .map(|name| format!("select '{name}' || chr(9) || row_to_json(t)::text from \"{name}\" t"))
        .collect();
    let mut tables: BTreeMap<String, Vec<String>> =
        names.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
    for line in home.sql(&all.join(" union all ")).unwrap().lines() {
        let (table, row) = line.split_once('\t').unwrap();
        let row = serde_json::from_str(row).unwrap();
        tables.get_mut(table).unwrap().push(without_who(table, row).to_string());
    }
    tables
}

fn without_who(table: &str, mut row: Value) -> Value {
    if table == "journal" {
        row = json!([row["action"], row["object"]]);
    }
    if let Some(row) = row.as_object_mut() {
        row.retain(|name, _| !name.ends_with("_by") && name != "worker");
    }
    row
}

#[test]
fn every_verb_leaves_what_its_twin_leaves() {
    leave_the_same([Books::Sqlite(Home::new()), Books::Sqlite(Home::new())]);
}

#[test]
fn every_verb_leaves_what_its_twin_leaves_on_postgresql() {
    leave_the_same([Books::Postgres(PgHome::new()), Books::Postgres(PgHome::new())]);
}

fn leave_the_same(homes: [Books; 2]) {
    let [typed, sent] = homes.map(scene);
    let [_, key] = [&typed, &sent].map(|books| key(books, "twin", &["read", "write", "usage", "operate"]));
    let mut command = sent.command(&["serve", "--listen", "127.0.0.1:0", "--no-work"]);
    let server = Server::started({
        command.env("TALLYBOOK_NOW", NOW);
        command
    });
    let client = server.with(&key).header("Content-Type", "application/json");
    let ids = Ids::read(&client);
    let mut differ = Vec::new();
    for twin in twins(&ids) {
        let words: Vec<&str> = twin.cli.iter().map(String::as_str).collect();
        let before = dump(&sent);
        asked(&typed, &words);
        let body = twin.body.to_string();
        let reply = client.send(twin.method, &twin.path, Some(body.as_bytes()));
        assert!(reply.status < 300, "{} {}: {} {}", twin.method, twin.path, reply.status, reply.text());
        let (left, right) = (dump(&typed), dump(&sent));
        assert_ne!(before, right, "{words:?} has changed nothing");
        for (table, rows) in &left {
            if rows != &right[table] {
                let only = |rows: &[String], other: &[String]| -> Vec<String> {
                    rows.iter().filter(|row| !other.contains(row)).cloned().collect()
                };
                let (typed, sent) = (only(rows, &right[table]), only(&right[table], rows));
                differ.push(format!("{words:?}, {table}:\n  typed {typed:?}\n  sent  {sent:?}"));
            }
        }
        if differ.len() > 8 {
            break;
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
